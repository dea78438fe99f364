"""A stream is the same detector: the same scores as over the whole series, whatever comes in and wherever it stops."""

import contextlib
import dataclasses
import json
import math
import threading

import numpy as np
import pandas as pd
import pytest
import reference_stream as reference
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vaehelpers.common import InputError
from vaehelpers.data import Series
from vaehelpers.detectors import Detector, StreamingDetector, saved, score_parts
from vaehelpers.detectors.stream import FORMAT, trailing_scores
from vaehelpers.detectors.stream_times import parse_time
from vaehelpers.windows import fill_behind

QUICK = {"timesteps": 8, "latent_dim": 2, "units": 4, "steps": 20, "batch_size": 32, "smooth": 5}
STEP = pd.Timedelta(minutes=5)


def normal(n=600, features=1, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.arange(n)[:, None]
    return (np.sin(2 * np.pi * rows / 16 + np.arange(features)) + 0.1 * rng.normal(size=(n, features))).astype("f4")


def dated(values, first="2024-03-01"):
    return Series(values, times=pd.date_range(first, periods=len(values), freq=STEP))


@pytest.fixture(scope="module")
def one():
    return Detector(**QUICK).fit(dated(normal()))


@pytest.fixture(scope="module")
def three():
    return Detector(**QUICK, max_missing=0.6, encoder="lstm", decoder="repeat").fit(dated(normal(features=3)))


@pytest.fixture(scope="module")
def plain():
    """Without imputation, for the twin."""
    return Detector(**QUICK, imputations=0).fit(dated(normal(features=2)))


@st.composite
def rides(draw, features=1):
    """Rows with holes, steps of time with gaps, repeats and steps back."""
    n = draw(st.integers(1, 60))
    values = normal(n, features, seed=draw(st.integers(0, 5)))
    for _ in range(draw(st.integers(0, 3))):
        first, length = draw(st.integers(0, n - 1)), draw(st.integers(1, 10))
        values[first : first + length, draw(st.integers(0, features - 1))] = np.nan
    if draw(st.booleans()):
        values[draw(st.integers(0, n - 1))] = draw(st.sampled_from([50.0, -1e6, 1e30]))
    jumps = np.ones(n)
    for _ in range(draw(st.integers(0, 3))):
        jumps[draw(st.integers(0, n - 1))] = draw(st.sampled_from([0, -2, 1.4, 2, 500]))
    return values, pd.Timestamp("2024-05-01") + pd.to_timedelta(np.cumsum(jumps) * STEP.total_seconds(), unit="s")


def run(stream, values, times, begin=0, end=None):
    return [stream.update(row, time) for row, time in list(zip(values, times))[begin:end]]


def scores_of(points):
    return np.array([point.score for point in points])


ride = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# -- the same scores -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("which", ["one", "three"])
@given(data=st.data())
@ride
def test_the_stream_gives_the_scores_of_the_whole(which, request, data):
    detector = request.getfixturevalue(which)
    values, times = data.draw(rides(detector.n_features_in_))
    points = run(StreamingDetector(detector), values, times)
    expected = trailing_scores(detector, Series(values, times=times))
    np.testing.assert_allclose(scores_of(points), expected, rtol=1e-6, atol=1e-6)
    flags = StreamingDetector(detector).threshold_.flags(expected)
    assert [point.flag for point in points] == flags.tolist()


@given(data=st.data())
@ride
def test_the_whole_is_scored_as_the_slow_twin_does(plain, data):
    values, times = data.draw(rides(2))
    steps = np.diff(times.as_unit("ns").asi8)
    # the detector cuts deviations at a million, the twin does not
    assume((steps > 0).all() and np.nanmax(np.abs(values), initial=0) < 1e3)
    gaps = {i + 1 for i, step in enumerate(steps) if step > plain.gap_limit_.value}
    got = trailing_scores(plain, Series(values, times=times))
    expected = reference.trailing_scores(plain, values.tolist(), gaps)
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["error", "elbo", "probability+kl", "latent"])
def test_kinds_that_draw_samples_draw_the_same_in_a_stream(kind):
    detector = Detector(**QUICK, kind=kind, samples=3).fit(normal())
    values = normal(50, seed=3)
    values[20] = np.nan
    points = run(StreamingDetector(detector), values, [None] * 50)
    np.testing.assert_allclose(scores_of(points), trailing_scores(detector, values), rtol=1e-5, atol=1e-5)
    assert np.isfinite(scores_of(points)[-10:]).all()


def test_no_row_knows_of_later_ones(one):
    values = normal(80, seed=1)
    values[30] = np.nan
    before = trailing_scores(one, values)
    values[50:] = np.nan
    values[60] = 1e5
    np.testing.assert_allclose(trailing_scores(one, values)[:50], before[:50], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["spot", "dspot", "pot", "quantile"])
def test_rules_that_learn_from_the_stream_flag_as_over_the_whole(rule):
    detector = Detector(**QUICK, threshold=rule, false_alarm_rate=0.02).fit(normal(2_000))
    values = normal(200, seed=4)
    values[120:130] = 0.9
    flags = [point.flag for point in run(StreamingDetector(detector), values, [None] * 200)]
    assert flags == detector.trailing_threshold_.flags(trailing_scores(detector, values)).tolist()
    assert any(flags[122:140])
    # the detector's own rule has not moved
    assert StreamingDetector(detector).threshold_.to_dict() == detector.trailing_threshold_.to_dict()


def test_the_threshold_holds_for_trailing_scores():
    """12,000 fresh normal rows; the promise is 1%, in runs of about smooth + timesteps rows."""
    detector = Detector(**QUICK, false_alarm_rate=0.01, threshold="quantile").fit(normal(12_000))
    rate = detector.trailing_threshold_.flags(trailing_scores(detector, normal(12_000, seed=9))).mean()
    assert 0.002 < rate < 0.03


# -- restarts --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("which", ["one", "three"])
@given(data=st.data())
@ride
def test_a_restart_at_any_row_changes_nothing(which, request, data):
    detector = request.getfixturevalue(which)
    values, times = data.draw(rides(detector.n_features_in_))
    whole = run(StreamingDetector(detector), values, times)
    stream = StreamingDetector(detector)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    points = []
    for begin, end in zip([0, *cuts], [*cuts, len(values)]):
        text = json.dumps(stream.state(), allow_nan=False)
        stream = StreamingDetector.from_state(detector, json.loads(text))
        points += run(stream, values, times, begin, end)
    np.testing.assert_array_equal(scores_of(points), scores_of(whole))
    assert [(p.flag, p.note, p.time) for p in points] == [(p.flag, p.note, p.time) for p in whole]
    again = run(stream, values, times)  # the same rows once more: none is newer, none is scored twice
    newest = max(range(len(times)), key=lambda i: times[i])
    assert all(point.note in ("late", "repeated") for point in again[: newest + 1])


def test_state_survives_detector_and_state_on_disk(one, tmp_path):
    values, times = normal(40), pd.date_range("2024-05-01", periods=40, freq=STEP)
    stream = StreamingDetector(one)
    run(stream, values, times, 0, 25)
    one.save(tmp_path / "detector")
    assert stream.save(tmp_path / "state.json") == tmp_path / "state.json"
    back = StreamingDetector.load(tmp_path / "state.json", Detector.load(tmp_path / "detector"))
    assert back.rows == 25
    assert back.gap_limit == stream.gap_limit
    np.testing.assert_allclose(
        scores_of(run(back, values, times, 25)), scores_of(run(stream, values, times, 25)), rtol=1e-6
    )


def test_memory_does_not_grow(one):
    stream = StreamingDetector(one)
    sizes = []
    for _ in range(4):
        for value in normal(50):
            stream.update(value)
        sizes.append(len(json.dumps(stream.state())))
    assert max(sizes) < 1.1 * sizes[0]


def test_state_of_a_stream_with_a_threshold_of_its_own(one):
    stream = StreamingDetector(one, gap_limit=math.inf, calibration=normal(400, seed=7))
    back = StreamingDetector.from_state(one, json.loads(json.dumps(stream.state())))
    assert back.threshold_.threshold_ == stream.threshold_.threshold_ != one.trailing_threshold_.threshold_
    assert back.gap_limit == math.inf
    assert back.state() == stream.state()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.clear(), "no state of a stream"),
        (lambda s: s.update(format=FORMAT + 1), "update vaehelpers"),
        (lambda s: s.update(format="1"), "damaged"),
        (lambda s: s.update(detector="0" * 64), "another detector"),
        (lambda s: s.pop("window"), "damaged"),
        (lambda s: s.update(window=[[1.0]] * 9), "too many"),
        (lambda s: s.update(window=[["a"]]), "damaged"),
        (lambda s: s.update(window=[[1e999]]), "beyond"),
        (lambda s: s.update(points=[1e308]), "beyond"),
        (lambda s: s.update(before=[]), "damaged"),
        (lambda s: s.update(points=["x"]), "damaged"),
        (lambda s: s.update(rows=-1), "damaged"),
        (lambda s: s.update(rows=True), "damaged"),
        (lambda s: s.update(times="lunar"), "damaged"),
        (lambda s: s.update(last="now"), "damaged"),
        (lambda s: s.update(threshold={"name": "os.system"}), "threshold"),
        (lambda s: s.update(gap_limit="soon"), "soon"),
    ],
)
def test_a_damaged_state_is_refused(one, change, message):
    stream = StreamingDetector(one)
    run(stream, normal(12), pd.date_range("2024-05-01", periods=12, freq=STEP))
    state = stream.state()
    change(state)
    with pytest.raises(InputError, match=message):
        StreamingDetector.from_state(one, state)


def test_a_state_that_is_not_there(one, tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        StreamingDetector.load(tmp_path / "state.json", one)
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(InputError, match="no saved state"):
        StreamingDetector.load(tmp_path / "state.json", one)


# -- what comes in ---------------------------------------------------------------------------------------------------


def test_notes_tell_why_a_row_has_no_score(one):
    stream = StreamingDetector(one)
    start = pd.Timestamp("2024-05-01")
    notes = [stream.update(value, start + i * STEP).note for i, value in enumerate(normal(9)[:, 0])]
    assert notes == ["warming up"] * 7 + [""] * 2
    last = start + 8 * STEP
    assert stream.update(1.0, last).note == "repeated"
    assert stream.update(1.0, last - STEP).note == "late"
    assert stream.rows == 9
    missing = stream.update(None, last + STEP)
    assert (missing.note, missing.flag) == ("missing", False)
    assert math.isnan(missing.score) and math.isnan(missing.value) and math.isnan(missing.p_value)
    after = stream.update(0.5, last + 2 * STEP)
    assert after.note == "" and math.isfinite(after.score) and 0 < after.p_value <= 1
    assert stream.update(0.5, last + 2.6 * STEP + STEP).note == "gap"
    assert stream.update(0.5, last + 4.6 * STEP).note == "warming up"


def test_a_window_with_too_much_missing_has_no_score(one):
    values = normal(30)[:, 0]
    values[10:15] = np.nan  # 5 of 8 rows
    points = run(StreamingDetector(one), values, [None] * 30)
    assert [i for i, p in enumerate(points) if p.note == "missing"] == [10, 11, 12, 13, 14, 15, 16, 17]
    assert math.isfinite(points[18].score)


def test_rows_come_in_many_forms(three):
    row = {"value_0": 0.1, "value_1": 0.2, "value_2": None, "extra": "x"}
    forms = [row, pd.Series(row), [0.1, 0.2, None], np.array([0.1, 0.2, np.nan]), (0.1, 0.2, float("nan"))]
    for form in forms:
        point = StreamingDetector(three).update(form)
        np.testing.assert_array_equal(point.value, np.array([0.1, 0.2, np.nan]))


def test_an_anomaly_is_flagged_soon(one):
    values = normal(200, seed=2)[:, 0]
    values[120:150] = 0.0
    flags = np.array([p.flag for p in run(StreamingDetector(one), values, [None] * 200)])
    assert 120 < np.flatnonzero(flags)[0] < 120 + 8 + 5
    assert not flags[170:].any()


@pytest.mark.parametrize(
    ("row", "time", "message"),
    [
        ([1.0, 2.0], None, "2 values; this detector was fitted on 1"),
        ("7", None, "'7' in column 'value' is not a number"),
        (True, None, "not a number"),
        (math.inf, None, "infinite"),
        (1e39, None, "beyond float32"),
        ({"flow": 1.0}, None, "has no value; it has flow"),
        (1.0, "yesterday", "'yesterday' is no time"),
        (1.0, "2024-13-01", "is no time"),
        (1.0, math.nan, "the time is nan"),
        (1.0, pd.NaT, "is no time"),
        (1.0, True, "is no time"),
        (1.0, 12.0, "dates without a zone, this one has numbers"),
        (1.0, None, "dates without a zone, this one has no times"),
        (1.0, "2024-05-02T00:00Z", "this one has dates with a zone"),
    ],
)
def test_a_bad_row_is_refused_and_changes_nothing(one, row, time, message):
    stream = StreamingDetector(one)
    stream.update(0.5, "2024-05-01")
    before = stream.state()
    with pytest.raises(InputError, match=message):
        stream.update(row, time if time is not None or "no times" in message else "2024-05-01 00:05")
    assert stream.state() == before


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("31.01.2024 13:45", "2024-01-31T13:45:00"),
        ("2024-01-31T13:45:00.000000001", pd.Timestamp("2024-01-31T13:45:00.000000001")),
        ("2024-01-31T13:45:00+01:00", "2024-01-31 12:45Z"),
        ("20240131T134500", np.datetime64("2024-01-31T13:45:00")),
    ],
)
def test_times_are_read_as_meant(text, same):
    assert parse_time(text) == parse_time(same)


def test_gap_limit_is_learned_given_or_absent(one, plain):
    assert StreamingDetector(one).gap_limit == one.gap_limit_ == pd.Timedelta("7min30s")
    assert all("alarm line" in note for note in StreamingDetector(one).notes)
    without = Detector(**QUICK).fit(normal())
    stream = StreamingDetector(without)
    assert stream.gap_limit is None and "gap_limit" in stream.notes[0]
    run(stream, normal(8), np.arange(8) * 1e6)
    assert StreamingDetector(one, gap_limit="1h").gap_limit == pd.Timedelta("1h")
    numbered = StreamingDetector(one, gap_limit=60)
    assert [numbered.update(1.0, t).note for t in (0, 60, 121)] == ["warming up", "warming up", "gap"]
    with pytest.raises(InputError, match="give gap_limit as a number"):
        StreamingDetector(one).update(1.0, 5)
    with pytest.raises(InputError, match="give gap_limit as a Timedelta"):
        StreamingDetector(one, gap_limit=60.0).update(1.0, "2024-05-01")
    for bad in ("soon", -1, 0.0, "-5min", "x", True, np.True_):
        with pytest.raises(InputError, match="gap_limit"):
            StreamingDetector(one, gap_limit=bad)
    with pytest.raises(InputError, match="gaps are told by"):
        trailing_scores(one, Series(normal(30), times=np.arange(30.0)))


def test_what_cannot_be_streamed(one):
    with pytest.raises(InputError, match="not fitted"):
        StreamingDetector(Detector())
    with pytest.raises(InputError, match=r"3 variables \(.*\); this detector was fitted on 1"):
        trailing_scores(one, normal(30, 3))
    assert np.isnan(trailing_scores(one, normal(5))).all()


def test_detector_saved_before_there_were_streams(one, tmp_path):
    path = one.save(tmp_path / "old") / "detector.json"
    info = json.loads(path.read_text())
    for name in ("trailing_threshold", "gap_limit"):
        del info[name]
    info["checksum"] = saved._checksum(info, path.with_name("model.keras"))
    path.write_text(json.dumps(info))
    stream = StreamingDetector(Detector.load(tmp_path / "old"))
    assert len(stream.notes) == 3
    assert stream.threshold_.threshold_ == one.threshold_.threshold_


def test_two_streams_of_one_detector_in_two_threads(one):
    values = normal(60, seed=5)
    expected = scores_of(run(StreamingDetector(one), values, [None] * 60))
    found = {}

    def work(name):
        found[name] = scores_of(run(StreamingDetector(one), values, [None] * 60))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for scores in found.values():
        np.testing.assert_array_equal(scores, expected)


# -- parts -----------------------------------------------------------------------------------------------------------


@st.composite
def long_series(draw, features):
    n = draw(st.integers(8, 120))
    values = normal(n, features, seed=draw(st.integers(0, 5)))
    for _ in range(draw(st.integers(0, 4))):
        first, length = draw(st.integers(0, n - 1)), draw(st.sampled_from([1, 2, 7, 30, 120]))
        values[first : first + length, draw(st.integers(0, features - 1))] = np.nan
    return values, np.array(sorted(draw(st.sets(st.integers(1, n - 1), max_size=4))), int)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["one", "three"])
@given(data=st.data())
@ride
def test_parts_equal_the_whole(which, request, data):
    detector = request.getfixturevalue(which)
    values, gaps = data.draw(long_series(detector.n_features_in_))
    times = np.arange(len(values)) + 1e6 * np.searchsorted(gaps, np.arange(len(values)), "right")
    series = Series(values, times=times)
    assume(np.array_equal(series.gaps, gaps))
    expected = np.full(len(values), np.nan)
    with contextlib.suppress(InputError):  # nothing can be scored
        expected = detector.decision_function(series)
    rows = data.draw(st.integers(1, 130))
    asked = []

    def read(first, last):
        asked.append(last - first)
        return values[first:last]

    parts = list(score_parts(detector, read, len(values), gaps=gaps, rows=rows))
    np.testing.assert_allclose(np.concatenate([part for _, part in parts]), expected, rtol=1e-5, atol=1e-6)
    assert [first for first, _ in parts] == list(range(0, len(values), rows))
    assert max(asked) <= rows + 2 * (8 - 1 + 5 // 2)


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"kind": "elbo", "samples": 2}, {"aggregate": "median"}, {"smooth": 12}])
def test_parts_equal_the_whole_in_other_settings(setting):
    detector = Detector(**{**QUICK, **setting}).fit(normal())
    values = normal(300, seed=2)
    values[100:103] = np.nan
    parts = score_parts(detector, lambda first, last: values[first:last], 300, rows=37)
    got = np.concatenate([scores for _, scores in parts])
    np.testing.assert_allclose(got, detector.decision_function(values), rtol=1e-5, atol=1e-6)


def test_a_dead_variable_is_looked_for_once(three):
    """The search for the next value reads the series once, not once for each part."""
    values = normal(2_000, 3)
    values[100:, 1] = np.nan
    asked = 0

    def read(first, last):
        nonlocal asked
        asked += last - first
        return values[first:last]

    for _ in score_parts(three, read, 2_000, rows=50):
        pass
    assert asked < 2_000 * 4


def test_parts_report_progress_and_refuse_what_they_cannot_use(one):
    seen = []
    values = normal(100)
    list(score_parts(one, lambda a, b: values[a:b], 100, rows=40, progress=lambda *a: seen.append(a)))
    assert seen == [("scoring", 40, 100), ("scoring", 80, 100), ("scoring", 100, 100)]
    for n, rows, message in ((7, 10, "7 rows are fewer than one window"), (100, 0, "rows=0")):
        with pytest.raises(InputError, match=message):
            next(score_parts(one, lambda a, b: values[a:b], n, rows=rows))
    with pytest.raises(InputError, match="2 variables"):
        next(score_parts(one, lambda a, b: normal(100, 2)[a:b], 100))


def test_points_are_plain_records(one):
    point = StreamingDetector(one).update(0.5, "2024-05-01")
    assert dataclasses.asdict(point)["time"] == "2024-05-01"
    assert type(point.flag) is bool


# -- alarms ----------------------------------------------------------------------------------------------------------


def steady(first, n, odd=()):
    rows = first + np.arange(n)
    values = 10 + np.sin(rows / 5) + 0.1 * np.random.default_rng(first).normal(size=n)
    for begin, end in odd:
        values[begin:end] += 0.8
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(15 * rows, unit="min")
    return Series(values, times=times, columns=("flow",))


@pytest.fixture(scope="module")
def promising():
    return Detector(timesteps=20, steps=120, units=16, latent_dim=4).fit(steady(0, 6_000))


def followed(stream, series, first=0):
    return [stream.update(values, time) for values, time in zip(series.values[first:], series.times[first:])]


def test_a_stream_raises_the_incidents_of_its_trailing_scores(promising):
    from vaehelpers.alarms import find_incidents

    line = promising.trailing_line_
    assert line.status == "ok"
    series = steady(6_000, 900, odd=[(200, 205), (500, 501), (700, 712)])
    points = followed(StreamingDetector(promising), series)
    prepared = promising.prepare(series.values, fill=fill_behind, times=series.times)
    scales = promising.errors_and_scales(prepared, trailing=True)[1]
    expected = find_incidents(
        line.point_scores(scales).score, start=line.start, end=line.end, cooldown=line.cooldown, min_rows=line.min_rows
    )
    raised = [row for row, point in enumerate(points) if point.event and point.event.state == "new"]
    over = [point.event for point in points if point.event and point.event.state == "over"]
    assert len(raised) == len(expected) >= 2
    assert [event.start for event in over] == [series.times[one.first] for one in expected[: len(over)]]
    assert [event.peak for event in over] == [series.times[one.peak] for one in expected[: len(over)]]
    flagged = [row for row, point in enumerate(points) if point.flag]
    assert flagged == [
        row
        for one, since in zip(expected, raised)
        for row in range(since, one.last + 1)
        if line.point_scores(scales).score[row] >= line.end
    ]
    # what looks at the whole finds the same faults
    whole = promising.explain(series).events
    assert len(whole) == len(expected)
    for one, (first, last) in zip(expected, sorted(zip(whole["first"], whole["last"]))):
        assert one.first <= last and first <= one.last


@pytest.mark.parametrize("cut", [150, 203, 230])
def test_incidents_go_on_after_a_restart(promising, cut):
    series = steady(6_000, 400, odd=[(200, 205)])
    whole = [(point.flag, point.event) for point in followed(StreamingDetector(promising), text_times(series))]
    stream = StreamingDetector(promising)
    first = followed(stream, text_times(series, last=cut))
    state = json.loads(json.dumps(stream.state()))
    rest = followed(StreamingDetector.from_state(promising, state), text_times(series), first=cut)
    assert [(point.flag, point.event) for point in [*first, *rest]] == whole
    assert any(flag for flag, _ in whole)


class text_times:
    """A series whose times are text, as a pipe gives them."""

    def __init__(self, series, last=None):
        self.values, self.times = series.values[:last], [str(time) for time in series.times[:last]]
