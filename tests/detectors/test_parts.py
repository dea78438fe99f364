"""A file in parts is the file: the same rows, gaps, scores and bytes, whatever the size of the parts."""

import gzip
import itertools
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaehelpers.common import InputError
from vaehelpers.common.output import write_table
from vaehelpers.data import Series, read_series
from vaehelpers.data.reading import read_series_parts
from vaehelpers.detectors import Detector
from vaehelpers.detectors.spool import BIG, Spool, order_statistic
from vaehelpers.detectors.tables import scores_frame
from vaehelpers.detectors.writing import write_scores

# -- numbers ---------------------------------------------------------------------------------------------------------

ints = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30)
floats = st.lists(st.floats(allow_nan=False), min_size=1, max_size=30)


@given(st.one_of(ints, floats), st.data())
@settings(deadline=None)
def test_the_number_of_a_rank_without_sorting(numbers, data):
    kind = np.int64 if isinstance(numbers[0], int) else np.float64
    array = np.array(numbers, kind)
    cut = data.draw(st.integers(0, len(array)))
    rank = data.draw(st.integers(0, len(array) - 1))
    assert order_statistic(lambda: [array[:cut], array[cut:]], rank) == np.sort(array)[rank]
    with pytest.raises(InputError, match=f"rank {len(array)} is beyond the {len(array)} numbers"):
        order_statistic(lambda: [array], len(array))


@st.composite
def axes(draw):
    """Times that increase: regular with gaps, irregular, as dates or numbers."""
    n = draw(st.integers(1, 200))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    steps = np.full(n, 5.0)
    steps[rng.random(n) < draw(st.sampled_from([0.0, 0.02, 0.2]))] = draw(st.sampled_from([7.0, 8.0, 500.0]))
    if draw(st.booleans()):
        steps *= rng.uniform(0.5, 2, n).round(3)
    times = np.cumsum(steps)
    kind = draw(st.sampled_from(["float", "int", "dates", "zoned"]))
    if kind == "int":
        return np.unique(times.astype(int))
    if kind == "float":
        return times
    return pd.Timestamp("2024-03-01", tz="UTC" if kind == "zoned" else None) + pd.to_timedelta(times, unit="s")


def spooled(spool, series, rows):
    for first in range(0, series.n, rows):
        spool.append(series.slice(first, first + rows))
    return spool


@given(axes(), st.integers(1, 210))
@settings(deadline=None, max_examples=150)
def test_gaps_of_the_parts_are_those_of_the_whole(tmp_path_factory, times, rows):
    series = Series(np.zeros(len(times)), times=times)
    with Spool(tmp_path_factory.getbasetemp()) as spool:
        spooled(spool, series, rows)
        np.testing.assert_array_equal(spool.gaps(rows=max(rows, 7)), series.gaps)
        part = spool.part(0, series.n)
        assert (part.times == series.times).all()
        assert type(part.times) is type(series.times)


def test_whole_times_turn_into_floats_when_one_part_is_not_whole(tmp_path):
    with Spool(tmp_path) as spool:
        spool.append(Series([1.0, 2.0], times=np.array([1, 2])))
        spool.append(Series([3.0], times=np.array([3.5])))
        spool.append(Series([4.0], times=np.array([4])))
        assert spool.part(0, 4).times.tolist() == [1.0, 2.0, 3.5, 4.0]
    assert list(tmp_path.iterdir()) == []


def test_what_is_big(tmp_path):
    path = tmp_path / "big.csv"
    assert not Spool.check(path)
    for start, size, big in ((b"a,b\n", BIG + 1, True), (b"a,b\n", BIG // 4, False), (b"PAR1", BIG // 4, True)):
        with path.open("wb") as file:
            file.write(start)
            file.truncate(size)
        assert Spool.check(path) is big


# -- files -----------------------------------------------------------------------------------------------------------


def german(n=40):
    days = pd.date_range("2024-01-01", periods=n, freq="7h")
    rows = [f"{day:%d.%m.%Y %H:%M};{1000 + i},{i % 10};x" for i, day in enumerate(days)]
    return "Zeit;Druck;Ort\n" + "\n".join(rows) + "\n"


def american(n=60):
    days = pd.date_range("2024-01-01", periods=n, freq="5h")
    return "when,flow\n" + "".join(f"{day:%m/%d/%Y %H:%M},{i}\n" for i, day in enumerate(days))


def summer(n=30):
    days = pd.date_range("2024-03-30 12:00", periods=n, freq="1h", tz="Europe/Berlin")
    return "when,flow\n" + "".join(f"{day.isoformat()},{i}\n" for i, day in enumerate(days))


def numbered(n=30, label=False):
    return "ts,a,b\n" + "".join(f"{3 * i},{i / 7:.3f},{'' if 5 < i < 20 else -i}\n" for i in range(n))


FILES = {
    "german": (german(), {}),
    "american": (american(), {}),
    "summer time": (summer(), {}),
    "numbers": (numbered(), {}),
    "named": (numbered(), {"values": ["b", "a"], "time": "none"}),
    "no header": ("".join(f"{i},{i % 5}\n" for i in range(30)), {}),
    "label": ("flow,label\n" + "".join(f"{i},{i // 25}\n" for i in range(30)), {}),
    "blank lines and quotes": ('"a","b"\n' + "".join(f'"{i}",{i}\n\n' for i in range(30)), {}),
    "not UTF-8": ("Größe\n" + "".join(f"{i}\n" for i in range(30)), {}),
    "sub-second": ("t,v\n" + "".join(f"2024-01-01 00:00:{i / 8:09.6f},{i}\n" for i in range(30)), {}),
}


def same(parts, whole):
    np.testing.assert_array_equal(np.concatenate([part.values for part in parts]), whole.values)
    assert {part.columns for part in parts} == {whole.columns}
    if whole.times is None:
        assert all(part.times is None for part in parts)
    else:
        joined = list(itertools.chain.from_iterable(part.times for part in parts))
        assert joined == list(whole.times)
        assert {part.time_name for part in parts} == {whole.time_name}


@pytest.mark.parametrize("rows", [1, 7, 29, 1_000])
@pytest.mark.parametrize("case", FILES)
def test_the_parts_are_the_file(tmp_path, case, rows):
    text, options = FILES[case]
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode("cp1252" if case == "not UTF-8" else "utf-8"))
    whole = read_series(path, **options)
    if rows == 1 and case in ("german", "american", "no header"):
        return  # one row cannot tell days from months, nor row numbers from values
    parts = list(read_series_parts(path, rows=rows, **options))
    same(parts, whole)
    assert [part.n for part in parts[:-1]] == [rows] * (len(parts) - 1)
    assert set(parts[0].notes) <= set(whole.notes) | {"summer time"}


def test_packed_files_and_parquet(tmp_path):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=50, freq="1min"), "flow": np.arange(50.0)})
    frame.loc[10:30, "flow"] = np.nan
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    frame.to_parquet(tmp_path / "a.parquet")
    frame.set_index("when").to_parquet(tmp_path / "b.parquet")
    for name in ("a.csv.gz", "a.parquet", "b.parquet"):
        same(list(read_series_parts(tmp_path / name, rows=8)), read_series(tmp_path / name))


def test_known_columns_are_taken_even_where_the_first_part_has_no_value(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("a,b\n" + "".join(f"{i},\n" for i in range(10)) + "".join(f"{i},{i}\n" for i in range(10, 20)))
    parts = list(read_series_parts(path, rows=5, known=["b", "a"]))
    assert [part.columns for part in parts] == [("b", "a")] * 4
    assert np.isnan(parts[0].values[:, 0]).all() and parts[3].values[:, 0].tolist() == [15, 16, 17, 18, 19]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ts,v\n" + "".join(f"{i},{i}\n" for i in range(9)) + "4,1\n", "line 11: times do not increase in column 'ts'"),
        ("ts,v\n" + "".join(f"{i},{i}\n" for i in range(8)) + "8,oops\n", "line 10: 'oops' in column 'v'"),
        ("ts,v\n" + "".join(f"{i},{i}\n" for i in range(8)) + "8,1,2\n", "line 10"),
        (
            "ts,v\n" + "".join(f"{i},{i}\n" for i in range(8)) + "8,inf\n",
            "line 10: .* 'v' is infinite",
        ),
        ("ts,v\n" + "".join(f"{i},{i}\n" for i in range(8)) + "2024-01-01,1\n", "of another kind|not a time"),
        (
            "ts;v\n" + "".join(f"{i};{i}\n" for i in range(8)) + "8;1.234.567\n",
            "line 10: '1.234.567' in",
        ),
        ("ts;v\n" + "".join(f"{i};{i}\n" for i in range(8)) + "8;1,5\n", "line 10: '1,5' in column 'v'"),
        (
            "ts,v\n" + "".join(f"2024-01-0{i} 00:00,{i}\n" for i in range(1, 9)) + "13/01/2024 00:00,1\n",
            "line 10: '13/01/2024 00:00' in column 'ts'|line 10: column 'ts' holds",
        ),
        (
            "ts,v\n" + "".join(f"2024-01-0{i}T00:00Z,{i}\n" for i in range(1, 9)) + "2024-01-09T00:00,1\n",
            "of another kind|mixed zones",
        ),
        ("ts,v\n", "has a header but no rows"),
        ("", "is empty"),
    ],
)
def test_a_later_part_that_cannot_be_read_as_the_first(tmp_path, text, message):
    path = tmp_path / "file.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_series_parts(path, rows=4))


def test_parts_of_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        list(read_series_parts(tmp_path / "no.csv", rows=5))
    with pytest.raises(InputError, match="rows=0"):
        list(read_series_parts(tmp_path / "no.csv", rows=0))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        list(read_series_parts(tmp_path / "a.parquet", rows=5))


# -- scores ----------------------------------------------------------------------------------------------------------

SMALL = {"timesteps": 8, "units": 4, "latent_dim": 2, "steps": 10, "smooth": 5}


def wave(n=700, seed=0):
    return np.sin(np.arange(n) / 3) + 0.1 * np.random.default_rng(seed).normal(size=n)


@pytest.fixture(scope="module")
def detector():
    return Detector(**SMALL).fit(wave())


def whole_table(detector, series, path):
    scores = detector.decision_function(series)
    rule = detector.threshold_
    p_values = np.maximum(rule.p_values(scores), 0.01 / (detector.calibration_["rows"] + 1))
    write_table(scores_frame(series, scores, p_values, rule.flags(scores)), path)


AXES = {
    "none": None,
    "int": np.r_[np.arange(0, 100), np.arange(150, 250)],
    "float": np.r_[np.arange(0, 100), np.arange(150, 250)] / 4,
    "midnights": pd.date_range("2024-01-01", periods=200, freq="1D"),
    "seconds from midnight on": pd.date_range("2024-01-01", periods=200, freq="6h"),
    "one fraction": pd.date_range("2024-01-01", periods=200, freq="1s")
    + pd.to_timedelta(250 * (np.arange(200) == 140), unit="ms"),
    "nanoseconds in UTC": pd.date_range("2024-01-01", periods=200, freq="1001ns", tz="UTC"),
}


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_table_of_the_parts_is_the_table_of_the_whole(detector, tmp_path, axis, ending):
    values = wave(200, seed=1)
    values[[3, 50, 51, 130]] = np.nan
    series = Series(values, times=AXES[axis], columns=("flow",))
    whole_table(detector, series, tmp_path / f"whole{ending}")
    with Spool(tmp_path) as spool:
        write_scores(detector, spooled(spool, series, 33), tmp_path / f"parts{ending}", rows=41)
    if ending == ".csv":
        whole, parts = ((tmp_path / name).read_text().splitlines() for name in ("whole.csv", "parts.csv"))
        assert [line.rsplit(",", 3)[0] for line in parts] == [line.rsplit(",", 3)[0] for line in whole]
        read = pd.read_csv
    else:
        read = pd.read_parquet
    whole, parts = (read(tmp_path / f"{name}{ending}") for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-5)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["parts", "whole"]


@pytest.mark.slow
def test_a_rule_that_remembers_sees_all_scores_in_order(tmp_path):
    detector = Detector(**SMALL, threshold="spot", false_alarm_rate=0.01).fit(wave(2_000))
    series = Series(wave(300, seed=2) * np.r_[np.ones(200), 2 * np.ones(100)], columns=("flow",))
    whole_table(detector, series, tmp_path / "whole.csv")
    with Spool(tmp_path) as spool:
        write_scores(detector, spooled(spool, series, 100), tmp_path / "parts.csv", rows=64)
    whole, parts = (pd.read_csv(tmp_path / name) for name in ("whole.csv", "parts.csv"))
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-5)
    assert whole["flag"].any()


def test_nothing_to_score_writes_nothing(detector, tmp_path):
    with Spool(tmp_path) as spool, pytest.raises(InputError, match="nothing can be scored"):
        write_scores(detector, spooled(spool, Series(np.full(50, np.nan)), 20), tmp_path / "out.csv", rows=20)
    with Spool(tmp_path) as spool, pytest.raises(InputError, match="7 rows are fewer than one window"):
        write_scores(detector, spooled(spool, Series(np.zeros(7)), 20), tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


FORKED = """
import os, sys
import numpy as np
from vaehelpers.detectors import Detector
wave = np.sin(np.arange(800) / 3)
detector = Detector(timesteps=10, units=4, steps=5, smooth=1).fit(wave)
child = os.fork()
if child == 0:
    try:
        detector.decision_function(wave)
    except ValueError as error:
        print(error, flush=True)
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can fork here")
def test_a_fork_after_use_is_told_and_does_not_hang():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120)
    said, status = done.stdout.strip().splitlines()
    assert "forked" in said
    assert "spawn" in said
    assert status == "7"
