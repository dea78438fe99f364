"""The container, the embedded series, NAB and its download, arrays to series, scaling."""

import functools
import hashlib
import http.server
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaehelpers.common import InputError
from vaehelpers.data import Scaler, Series, fetch, list_series, load_series, make_pump, nab, read_tsb_ad
from vaehelpers.data.arrays import as_series
from vaehelpers.data.machines import PLANT_KINDS, PUMP_KINDS, make_plant
from vaehelpers.data.series import format_step

SHARED = Path(os.environ.get("VAEHELPERS_SHARED") or Path(__file__).parents[3] / "shared" / "data")
needs_nab = pytest.mark.skipif(not (SHARED / "nab").is_dir(), reason=f"NAB is not in {SHARED} (VAEHELPERS_SHARED)")
needs_tsb = pytest.mark.skipif(not (SHARED / "tsb_nab").is_dir(), reason=f"no tsb_nab in {SHARED} (VAEHELPERS_SHARED)")


# Series


def test_series_holds_read_only_float32():
    mine = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    series = Series(mine, labels=[0, 1])
    assert series.values.dtype == np.float32
    assert series.labels.dtype == np.int8
    with pytest.raises(ValueError):
        series.values[0, 0] = 9
    with pytest.raises(ValueError):
        series.labels[0] = 1
    mine[0, 0] = 7  # the caller's array stays the caller's
    assert series.values[0, 0] == 1
    assert np.asarray(series).shape == (2, 2)
    assert len(series) == series.n == 2
    assert series.n_features == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"values": []}, "hold nothing"),
        ({"values": np.empty((3, 0))}, "hold nothing"),
        ({"values": [1.0, np.inf]}, "row 1 of variable 0 is infinite"),
        ({"values": [1.0, 1e39]}, "beyond float32"),
        ({"values": [1 + 2j]}, "complex"),
        ({"values": ["1", "x"]}, "row 1 holds 'x'"),
        ({"values": [[1], [1, 2]]}, "no table of numbers"),
        ({"values": np.zeros((2, 3, 4))}, "look like windows"),
        ({"values": 3.0}, "0 dimensions"),
        ({"values": [1, 2], "times": np.arange(3)}, "3 times for 2 rows"),
        ({"values": [1, 2], "times": np.array(["a", "b"])}, "times of type"),
        ({"values": [1, 2], "labels": [0]}, "labels of shape (1,) for 2 rows"),
        ({"values": [1, 2], "labels": [0, 2]}, "label of row 1 is '2'"),
        ({"values": [1, 2], "labels": [0, np.nan]}, "label of row 1 is 'nan'"),
        ({"values": [1, 2], "columns": ("a", "b")}, "2 column names for 1 variables"),
        ({"values": [1, 2], "units": ("a", "b")}, "2 units for 1 variables"),
        ({"values": [1, 2], "train_rows": 3}, "use 1 to 2"),
        ({"values": [1, 2], "train_rows": 0}, "use 1 to 2"),
    ],
)
def test_series_refuses(arguments, said):
    with pytest.raises(InputError) as caught:
        Series(**arguments)
    assert said in str(caught.value)


def test_slice_carries_everything_along():
    pump = make_pump(20_000)
    first, last = int(pump.kinds["first"][1]), int(pump.kinds["last"][2])
    start, stop = first + 1, last
    part = pump.slice(start, stop)
    assert np.shares_memory(part.values, pump.values)
    np.testing.assert_array_equal(part.values, pump.values[start:stop])
    assert part.times.equals(pump.times[start:stop])
    assert part.train_rows is None
    assert part.kinds["kind"].tolist() == pump.kinds["kind"].tolist()[1:3]
    for row in part.kinds.itertuples():
        assert part.labels[row.first : row.last + 1].all()
        assert part.times[row.first] == row.start
        assert part.times[row.last] == row.end
    assert part.kinds["first"].iloc[0] == 0
    assert part.kinds["last"].iloc[-1] == part.n - 1
    assert pump.slice(1_000, 99_999).train_rows == 7_000
    assert pump.train.n == 8_000
    with pytest.raises(InputError):
        pump.slice(5, 5)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_gaps_against_a_plain_loop(steps):
    axis = np.concatenate([[3], 3 + np.cumsum(steps)])
    series = Series(np.zeros(len(axis)), times=axis)
    usual = float(np.median(steps))
    long = [step for step in steps if step > 1.5 * usual]
    limit = 1.5 * usual
    if len(long) > max(5, 0.01 * len(steps)):
        limit = max(limit, 3 * float(np.quantile(steps, 0.99)))
    assert series.gaps.tolist() == [i + 1 for i, step in enumerate(steps) if step > limit]
    assert series.step == usual
    dates = Series(np.zeros(len(axis)), times=pd.Timestamp("2024-01-01") + pd.to_timedelta(axis, unit="min"))
    assert dates.gaps.tolist() == series.gaps.tolist()
    assert dates.step == pd.Timedelta(minutes=usual)


def test_one_row_has_no_step():
    series = Series([1.0], times=np.array([0]))
    assert series.step is None
    assert series.gaps.tolist() == []
    assert "1 row x 1" in repr(series)
    assert Series([1.0]).gaps.tolist() == []


def test_repr_stays_short():
    wide = Series(np.full((3, 40), np.nan), name="wide")
    assert repr(wide) == ("<Series 'wide': 3 rows x 40 (value_0, value_1, value_2, ... value_39), 120 missing>")


@pytest.mark.parametrize(
    ("step", "text"),
    [("90s", "1 min 30 s"), ("26h", "1 d 2 h"), ("5ms", "5 ms"), ("0.25s", "250 ms"), ("1D", "1 d"), ("-2h", "-2 h")],
)
def test_format_step(step, text):
    assert format_step(pd.Timedelta(step)) == text


# The embedded series


def test_pump_is_the_size_of_the_question():
    pump = load_series("example")
    assert pump.values.shape == (77_192, 1)
    assert pump.n - 100 + 1 == 77_093
    assert pump.step == pd.Timedelta(minutes=15)
    assert len(pump.gaps) == 0
    assert not np.isnan(pump.values).any()
    assert pump.train_rows == int(0.4 * pump.n)
    assert pump.labels[: pump.train_rows].sum() == 0
    assert pump.columns == ("bearing_temperature",)
    assert pump.units == ("degC",)


@pytest.mark.parametrize(("make", "kinds"), [(make_pump, PUMP_KINDS), (make_plant, PLANT_KINDS)])
def test_faults_are_where_the_labels_say(make, kinds):
    series = make()
    table = series.kinds
    counts = table["kind"].value_counts()
    assert set(counts.index) == set(kinds)
    assert counts.min() >= 3
    rebuilt = np.zeros(series.n, np.int8)
    for row in table.itertuples():
        assert row.last >= row.first >= series.train_rows
        assert (series.times[row.first], series.times[row.last]) == (row.start, row.end)
        assert rebuilt[row.first : row.last + 1].sum() == 0, "two faults overlap"
        rebuilt[row.first : row.last + 1] = 1
    np.testing.assert_array_equal(rebuilt, series.labels)
    assert (np.diff(table["first"]) > 0).all()
    assert 0.01 < series.labels.mean() < 0.12


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [make_pump, make_plant])
def test_no_seed_lets_faults_overlap_or_run_over(make, seed):
    series = make(seed=seed)
    firsts, lasts = series.kinds["first"].to_numpy(), series.kinds["last"].to_numpy()
    assert (firsts[1:] > lasts[:-1] + 6).all()
    assert lasts[-1] < series.n - 6


def test_kinds_show_what_they_promise():
    pump, clean = make_pump(), make_pump(per_kind=0)
    assert clean.labels.sum() == 0
    assert len(clean.kinds) == 0
    low, high = pump.train.values.min(), pump.train.values.max()
    inside = dict.fromkeys(PUMP_KINDS, 0)
    for row in pump.kinds.itertuples():
        x = pump.values[row.first : row.last + 1, 0]
        inside[row.kind] += bool(x.min() >= low and x.max() <= high)
        if row.kind == "spike":
            assert len(x) <= 4
        if row.kind == "flat line":
            assert len(x) >= 20
            assert np.ptp(x) == 0
        if row.kind == "contextual":
            assert row.start.weekday() < 5 or x.mean() > pump.train.values.mean()
    # Hard on purpose: a threshold on the value itself sees none of these.
    for kind in ("flat line", "changed shape", "contextual"):
        assert inside[kind] == 4
    # Longest run of one value in the clean part: no false flat lines.
    changes = np.flatnonzero(np.diff(pump.train.values[:, 0]))
    assert np.diff(changes).max() < 12


def test_pump_has_its_rhythms_and_load_dependent_noise():
    train = make_pump().train
    x, times = train.values[:, 0].astype(float), train.times
    table = pd.Series(x, index=times)
    by_hour = table[times.day_of_week < 5].groupby(times[times.day_of_week < 5].hour).mean()
    assert by_hour.max() - by_hour.min() > 8
    by_day = table.groupby(times.day_of_week).mean()
    assert by_day[:5].min() - by_day[6] > 4
    by_month = table.groupby(times.month).mean()
    assert by_month[7] - by_month[1] > 4
    rough = np.abs(np.diff(x, 2, prepend=x[:2]))
    hour = times.hour
    assert rough[(hour >= 14) & (hour < 18) & (times.day_of_week < 5)].mean() > 2 * rough[hour < 4].mean()


def test_embedded_series_are_drawn_from_the_seed_alone():
    for make in (make_pump, make_plant):
        np.testing.assert_array_equal(make().values, make().values)
        assert not np.array_equal(make().values, make(seed=99).values, equal_nan=True)
    begin = time.perf_counter()
    make_pump()
    assert time.perf_counter() - begin < 2.0  # 0.05 s on an idle core
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    np.testing.assert_array_equal(make_pump(2_000).values, make_pump(2_000).values)


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1_344, 25_000), per_kind=st.integers(0, 9), seed=st.integers(0, 99))
def test_pumps_of_any_length(rows, per_kind, seed):
    pump = make_pump(rows, per_kind=per_kind, seed=seed)
    assert pump.n == rows
    assert pump.labels[: pump.train_rows].sum() == 0
    firsts, lasts = pump.kinds["first"].to_numpy(), pump.kinds["last"].to_numpy()
    assert (firsts[1:] >= lasts[:-1] + 96).all()
    assert pump.labels.sum() == (lasts - firsts + 1).sum()


def test_plant_couples_its_variables():
    plant = load_series("example-multivariate")
    assert plant.values.shape == (6_000, 5)
    assert plant.gaps.tolist() == [1_500]
    assert 0.025 < np.isnan(plant.values).mean() < 0.04
    assert np.isnan(plant.values).all(axis=1).sum() >= 20
    assert plant.times[1_500] - plant.times[1_499] == pd.Timedelta(minutes=10 * 55)

    frame = pd.DataFrame(plant.values.astype(float), columns=plant.columns)
    turning = frame["speed"] / 1_500
    residual = frame["pressure"] - (6.5 * turning**2 - 2.2 * (frame["flow"] / 120) ** 2)
    usual = residual[: plant.train_rows].std()
    assert usual < 0.1
    assert frame["pressure"].std() > 5 * usual
    low, high = frame[: plant.train_rows].min(), frame[: plant.train_rows].max()
    for row in plant.kinds[plant.kinds["kind"] == "coupling"].itertuples():
        part = slice(row.first, row.last + 1)
        alone = frame[row.variable][part].dropna()
        assert alone.between(low[row.variable], high[row.variable]).all()  # usual by itself
        assert residual[part].abs().max() > 4 * usual  # unusual together


@pytest.mark.parametrize(("make", "rows"), [(make_pump, 1_000), (make_plant, 500)])
def test_generators_refuse(make, rows):
    with pytest.raises(InputError, match="too short"):
        make(rows)
    with pytest.raises(InputError, match="negative"):
        make(per_kind=-1)


# NAB


@needs_nab
def test_registry_is_of_the_58_files():
    names = [name for name in list_series()["name"] if name.startswith("nab/")]
    assert len(names) == 58
    registry = nab._registry()
    assert len(registry) == 59
    for path, digest in registry.items():
        assert hashlib.sha256((SHARED / "nab" / path).read_bytes()).hexdigest() == digest


@needs_nab
@pytest.mark.parametrize("folder", [SHARED, SHARED / "nab"])
def test_nab_from_a_local_folder(folder, monkeypatch):
    series = load_series("nab/realKnownCause/nyc_taxi", data_dir=folder)
    assert series.values.shape == (10_320, 1)
    assert series.train_rows == 750
    assert series.step == pd.Timedelta(minutes=30)
    assert series.notes == ()
    windows = json.loads((SHARED / "nab" / "labels" / "combined_windows.json").read_text())
    rows = 0
    for start, end in windows["realKnownCause/nyc_taxi.csv"]:
        inside = (series.times >= start) & (series.times <= end)
        assert series.labels[inside].all()
        rows += inside.sum()
    assert series.labels.sum() == rows == 1_035
    monkeypatch.setenv("VAEHELPERS_DATA", str(folder))
    assert load_series("nab/realKnownCause/nyc_taxi.csv").n == 10_320


@needs_nab
def test_all_of_nab_loads():
    listed = list_series(SHARED).set_index("name")["rows"]
    for name in listed.index[2:]:
        series = load_series(name, data_dir=SHARED)
        assert series.n == listed[name]
        assert series.labels is not None
        assert series.train_rows == min(int(0.15 * series.n), 750)
        assert not any("SHA-256" in note for note in series.notes)
    odd = load_series("nab/realKnownCause/machine_temperature_system_failure", data_dir=SHARED)
    assert any("line 10151 does not increase" in note for note in odd.notes)
    flat = load_series("nab/artificialNoAnomaly/art_flatline", data_dir=SHARED)
    assert any("constant" in note for note in flat.notes)


@needs_nab
@needs_tsb
def test_nab_labels_agree_with_tsb_ad_but_for_the_first_row_of_each_window():
    ours = load_series("nab/realKnownCause/nyc_taxi", data_dir=SHARED)
    theirs = read_tsb_ad(SHARED / "tsb_nab" / "006_NAB_id_6_Traffic_tr_2579_1st_5839.csv")
    assert theirs.train_rows == 2_579
    np.testing.assert_array_equal(theirs.values, ours.values[1:])
    first_of_window = np.diff(ours.labels, prepend=0) == 1
    np.testing.assert_array_equal(theirs.labels, np.where(first_of_window, 0, ours.labels)[1:])


@needs_nab
def test_main_job_on_a_real_file_with_a_clock_set_back():
    path = SHARED / "nab" / "data" / "realKnownCause" / "machine_temperature_system_failure.csv"
    series = load_series(path)
    assert series.n == 22_695
    assert len(series.gaps) == 0
    assert any("clock was set back" in note and "line 10151" in note for note in series.notes)


def test_nothing_is_downloaded_behind_the_back(tmp_path, monkeypatch):
    monkeypatch.setattr(nab, "NAB_URL", "http://127.0.0.1:9/")
    with pytest.raises(InputError) as caught:
        load_series("nab/realKnownCause/nyc_taxi", data_dir=tmp_path)
    assert "vaehelpers data fetch nab" in str(caught.value)
    assert "--data-dir" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exampel", "did you mean 'example'?"),
        ("nab/nyc_taxi", "did you mean 'nab/realKnownCause/nyc_taxi'?"),
        ("nab/realKnownCause/nyc_taxis", "did you mean 'nab/realKnownCause/nyc_taxi'?"),
        ("nab", "data list"),
        ("zzz", "data list"),
        ("missing.csv", "there is no file missing.csv"),
        ("no/such/file", "there is no file"),
    ],
)
def test_unknown_names(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_series(name)
    assert said in str(caught.value)


TOY = "data/realKnownCause/nyc_taxi.csv"
TOY_TEXT = (
    "timestamp,value\n2014-07-01 00:00:00,1\n2014-07-01 00:30:00,5\n2014-07-01 01:00:00,2\n2014-07-01 01:30:00,3\n"
)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A local web server in the place of NAB's, with a registry of its two files."""
    web = tmp_path / "web"
    windows = {"realKnownCause/nyc_taxi.csv": [["2014-07-01 00:30:00.000000", "2014-07-01 01:00:00.000000"]]}
    for path, text in {TOY: TOY_TEXT, nab.NAB_WINDOWS: json.dumps(windows)}.items():
        (web / path).parent.mkdir(parents=True, exist_ok=True)
        (web / path).write_text(text)
    registry = {p: hashlib.sha256((web / p).read_bytes()).hexdigest() for p in (TOY, nab.NAB_WINDOWS)}
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

    http_server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=os.fspath(web))
    )
    thread = threading.Thread(target=http_server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(nab, "NAB_URL", f"http://127.0.0.1:{http_server.server_port}/")
    monkeypatch.setattr(nab, "_registry", lambda: registry)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield web, asked
    http_server.shutdown()
    http_server.server_close()


def test_fetch_then_load(server, tmp_path, capfd):
    _, asked = server
    seen = []
    root = fetch("nab", data_dir=tmp_path / "cache", progress=lambda *report: seen.append(report))
    assert root == tmp_path / "cache" / "nab"
    assert seen == [("fetching", 0, 2), ("fetching", 1, 2), ("fetching", 2, 2)]
    series = load_series("nab/realKnownCause/nyc_taxi", data_dir=tmp_path / "cache")
    assert series.labels.tolist() == [0, 1, 1, 0]
    assert list_series(tmp_path / "cache")["rows"].tolist() == [77_192, 6_000, 4]
    count = len(asked)
    assert fetch("nab/realKnownCause/nyc_taxi", data_dir=tmp_path / "cache") == root
    assert len(asked) == count, "what is there is not fetched again"
    assert capfd.readouterr() == ("", "")


def test_fetch_checks_the_hash(server, tmp_path):
    web, _ = server
    (web / TOY).write_text("timestamp,value\n2014-07-01,666\n")
    with pytest.raises(InputError, match="SHA-256"):
        fetch(data_dir=tmp_path / "cache")
    assert not (tmp_path / "cache" / "nab" / TOY).exists()


def test_fetch_reports_a_file_that_is_gone(server, tmp_path):
    web, _ = server
    (web / TOY).unlink()
    with pytest.raises(InputError, match="404"):
        fetch(data_dir=tmp_path / "cache")


def test_fetch_offline_names_both_ways_out(tmp_path, monkeypatch):
    monkeypatch.setattr(nab, "NAB_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError) as caught:
        fetch("nab/realKnownCause/nyc_taxi", data_dir=tmp_path)
    assert "connection refused" in str(caught.value)
    assert "--data-dir" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "said"), [("example", "embedded"), ("nba", "data list"), ("nab/x", "data list")])
def test_fetch_refuses(name, said):
    with pytest.raises(InputError, match=said):
        fetch(name)


def test_changed_local_copy_is_noted(server, tmp_path):
    web, _ = server
    (web / TOY).write_text(TOY_TEXT.replace(",5\n", ",6\n"))
    series = load_series("nab/realKnownCause/nyc_taxi", data_dir=web)
    assert any("differs from the registered" in note for note in series.notes)


# TSB-AD


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "Data,Label\n1,0\n2,0\n", "does not end in _tr_<T>_1st_<A>.csv"),
        ("x_tr_9_1st_1.csv", "Data,Label\n1,0\n2,0\n", "names 9 training rows, but holds 2"),
        ("x_tr_1_1st_1.csv", "Data,Lable\n1,0\n2,0\n", "no column 'Label'"),
    ],
)
def test_tsb_ad_refuses(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        read_tsb_ad(tmp_path / name)


def test_tsb_ad_by_load_series(tmp_path):
    path = tmp_path / "007_toy_tr_2_1st_3.csv"
    path.write_text("a,b,Label\n1,5,0\n2,5,0\n3,5,1\n")
    series = load_series(path)
    assert series.columns == ("a", "b")
    assert series.train_rows == 2
    assert series.labels.tolist() == [0, 0, 1]
    assert series.times is None


# as_series


def test_as_series_takes_what_holds_a_series():
    expected = np.array([[1.0], [2.0], [np.nan]], np.float32)
    times = pd.date_range("2024-01-01", periods=3, freq="h")
    for x in (
        [1, 2, float("nan")],
        np.array([1, 2, np.nan]),
        np.array([[1], [2], [np.nan]]),
        np.array([1, 2, None], dtype=object),
        np.ma.masked_array([1, 2, 9], mask=[0, 0, 1]),
        pd.Series([1.0, 2.0, None]),
        pd.Series([1, 2, None], dtype="Int64", index=times, name="flow"),
        pd.DataFrame({"flow": [1.0, 2.0, None]}, index=times),
    ):
        np.testing.assert_array_equal(as_series(x).values, expected)
    assert as_series(pd.Series([1.0, 2.0], index=times[:2])).times.equals(times[:2])
    series = Series([1.0])
    assert as_series(series) is series
    assert as_series(np.full(5, 3.0)).n == 5  # a stuck sensor can be scored
    assert as_series([True, False]).values.ravel().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([], "hold nothing"),
        (pd.DataFrame({"a": []}), "no rows"),
        ([1.0, -np.inf], "infinite"),
        (np.array([1j]), "complex"),
        (np.array([1, "x"], dtype=object), "'x'"),
        ("pump.csv", "load_series"),
        (np.zeros((2, 2, 2)), "windows"),
        (pd.DataFrame({"a": ["x", "y"]}), "no column of numbers"),
    ],
)
def test_as_series_refuses(x, said):
    with pytest.raises(InputError) as caught:
        as_series(x)
    assert said in str(caught.value)


# Scaler

VALUES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 30), st.integers(1, 4)),
    elements=st.one_of(st.floats(-(2.0**20), 2.0**20, width=32), st.just(np.float32("nan"))),
)


@settings(deadline=None)
@given(VALUES)
def test_scaler_round_trip_and_twin(x):
    scaler = Scaler().fit(x)
    back = scaler.inverse_transform(scaler.transform(x))
    size = np.nanmax(np.abs(x), initial=1.0)
    np.testing.assert_allclose(back, x, rtol=1e-5, atol=1e-6 * size)
    for j in range(x.shape[1]):
        present = [float(v) for v in x[:, j] if v == v]
        mean = sum(present) / len(present) if present else 0.0
        spread = (sum((v - mean) ** 2 for v in present) / len(present)) ** 0.5 if present else 0.0
        assert scaler.mean_[j] == pytest.approx(mean, rel=1e-9, abs=1e-9)
        if spread > 1e-9 * max(1.0, abs(mean)):
            assert scaler.std_[j] == pytest.approx(spread, rel=1e-9)
        elif spread == 0:
            assert scaler.std_[j] == 1.0
            assert any(f"variable {j} " in note for note in scaler.notes_)


@settings(deadline=None)
@given(VALUES)
def test_scaler_survives_json(x):
    scaler = Scaler().fit(x)
    again = Scaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    np.testing.assert_array_equal(again.transform(x), scaler.transform(x))


def test_scaler_is_exact_far_from_zero():
    x = np.float32(1e6) + np.tile(np.float32([0.0, 1.0]), 50_000)  # float32 sums would lose the spread
    scaler = Scaler().fit(x)
    assert scaler.mean_[0] == pytest.approx(1e6 + 0.5, abs=1e-6)
    assert scaler.std_[0] == pytest.approx(0.5, abs=1e-9)
    assert scaler.transform(x).dtype == np.float32
    assert np.abs(scaler.transform(x)).max() == pytest.approx(1.0)


def test_scaler_notes_name_the_columns():
    series = Series([[1.0, 7.0, np.nan], [2.0, 7.0, np.nan]], columns=("flow", "valve", "dead"))
    scaler = Scaler().fit(series)
    assert scaler.notes_ == [
        "valve is constant in what was fitted on; it keeps its scale",
        "dead has no value in what was fitted on; it keeps its scale",
    ]
    assert scaler.std_.tolist() == [0.5, 1.0, 1.0]


def test_scaler_leaves_its_input_alone():
    x = np.array([1.0, 2.0, 3.0])
    Scaler().fit(x).transform(x)
    assert x.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"mean": [0.0]},
        {"mean": [0.0], "std": [0.0]},
        {"mean": [0.0], "std": [-1.0]},
        {"mean": [0.0, 1.0], "std": [1.0]},
        {"mean": ["x"], "std": [1.0]},
        {"mean": [float("nan")], "std": [1.0]},
        {"mean": 3, "std": 4},
        {"mean": [], "std": []},
        None,
    ],
)
def test_scaler_refuses_damaged_settings(state):
    with pytest.raises(InputError, match="damaged"):
        Scaler.from_dict(state)


def test_scaler_refuses():
    with pytest.raises(InputError, match="not fitted"):
        Scaler().transform([1.0])
    with pytest.raises(InputError, match="not fitted"):
        Scaler().to_dict()
    with pytest.raises(InputError, match="2 variables, but the scaler was fitted on 1"):
        Scaler().fit([1.0, 2.0]).transform(np.zeros((3, 2)))
    with pytest.raises(InputError, match="3 dimensions"):
        Scaler().fit(np.zeros((2, 2, 2)))


def test_no_tensorflow(tmp_path):
    import subprocess
    import sys

    code = "import sys, vaehelpers.data; vaehelpers.data.load_series('example'); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
