import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaehelpers.alarms import AlarmLine, Promise, calibrate, find_incidents, scale_reach, self_check, severity
from vaehelpers.alarms.calibration import time_scales
from vaehelpers.alarms.drift import drift_notes
from vaehelpers.alarms.edges import kind_of, refine_edges
from vaehelpers.alarms.incidents import IncidentTracker, incident_table
from vaehelpers.alarms.severity import severity_text
from vaehelpers.alarms.tails import block_maxima, fit_tail, nearly_independent
from vaehelpers.common.errors import InputError


def noise(n, seed=0):
    return np.random.default_rng(seed).exponential(size=n)


def scales(row, timesteps=20):
    window = np.convolve(np.pad(row, (timesteps // 2, timesteps - 1 - timesteps // 2), "edge"), np.ones(timesteps))
    return time_scales(row, window[timesteps - 1 : timesteps - 1 + len(row)] / timesteps)


@pytest.fixture(scope="module")
def line():
    return calibrate({"row 1": noise(6_000)})


# ------------------------------------------------------------------------------------------------------------ tails


@pytest.mark.parametrize(("pieces", "robust"), [(12, False), (30, True)])
def test_predictive_line_keeps_its_rate_on_average(pieces, robust):
    # scores with log block maxima that are exactly Gumbel: the mean chance above the line is near the nominal one
    rng = np.random.default_rng(1)
    chances = []
    for _ in range(60):
        scores = np.exp(0.4 * rng.gumbel(size=pieces * 50) - 10)
        tail = fit_tail(scores, 1, robust=robust, block=50)
        at = math.log(tail.score_at(math.log10(50 / 0.02))) + 10
        chances.append(-np.expm1(-50 * np.exp(-at / 0.4)))
    assert 0.5 < np.mean(chances) / 0.02 < 1.8


def test_few_pieces_ask_for_more_than_many():
    few, many = (
        np.mean([fit_tail(noise(n, seed), 1, robust=False, block=50).score_at(5.0) for seed in range(5)])
        for n in (500, 20_000)
    )
    assert few > 1.3 * many


def test_contaminated_blocks_are_set_aside_and_normal_ones_are_not():
    scores = noise(10_000)
    clean = fit_tail(scores, 1, robust=True)
    scores[3_000:3_060] += 500
    dirty = fit_tail(scores, 1, robust=True)
    assert clean.set_aside == 0
    assert 1 <= dirty.set_aside <= 3
    assert dirty.score_at(4.0) < 1.1 * clean.score_at(4.0)
    assert fit_tail(scores, 1, robust=False).score_at(4.0) > 1.1 * clean.score_at(4.0)


def test_blocks_grow_until_their_maxima_are_nearly_independent():
    white = noise(20_000)
    slow = white * np.repeat(np.exp(np.random.default_rng(4).normal(size=50)), 400)  # calm and wild spells of 400 rows
    assert nearly_independent(white, 1) == (50, 1.0)
    assert nearly_independent(slow, 1)[0] >= 200


def test_blocks_with_few_scores_are_no_blocks():
    scores = np.r_[np.ones(10), np.full(10, np.nan), [7.0] * 4, np.full(6, np.nan), [3.0] * 5]
    assert np.array_equal(block_maxima(scores, 10), [1.0, np.nan, np.nan], equal_nan=True)


def test_trained_rows_tell_the_spread_but_not_the_level():
    held, trained = noise(1_000, 5), 0.3 * noise(20_000, 6)
    alone, both = (fit_tail(held, 1, robust=False, trained=t, block=50) for t in (None, trained))
    truth = math.log(10_000)
    assert abs(both.score_at(4.0) - truth) < abs(alone.score_at(4.0) - truth)
    assert both.pieces > 10 * alone.pieces


def test_log_rows_rise_with_the_score_without_floor_or_ceiling():
    tail = fit_tail(noise(3_000), 1, robust=False)
    values = tail.log_rows(np.r_[0.0, np.geomspace(1e-3, 1e9, 2_000)])
    assert (np.diff(values) > 0).all()
    assert tail.log_rows(np.array([tail.score_at(4.2)])) == pytest.approx(4.2, abs=1e-2)


# ------------------------------------------------------------------------------------------------------- calibration


def test_false_alarms_keep_the_promise_on_dependent_rows():
    rng, counted = np.random.default_rng(7), 0
    for _ in range(5):
        x = np.convolve(rng.standard_t(4, 45_000), 0.9 ** np.arange(40), "valid")[: 4_000 + 40_000]
        scores = scales(x**2)
        line = calibrate({k: v[:4_000] for k, v in scores.items()}, reach=scale_reach(20))
        point = line.point_scores({k: v[4_000:] for k, v in scores.items()}).score
        counted += len(find_incidents(point, start=line.start, end=line.end, cooldown=line.cooldown))
    assert 0 < counted <= 3 * 20  # 20 promised


def test_one_row_and_many_give_the_same_point_score(line):
    x = noise(50, 9) * 3
    together = line.point_scores({"row 1": x}).score
    one_by_one = [line.point_scores({"row 1": x[i : i + 1]}).score[0] for i in range(50)]
    assert together.tolist() == one_by_one


def test_the_most_unusual_scale_speaks():
    scores = {"row 1": noise(8_000), "row 25": 1 + 0.1 * np.random.default_rng(1).normal(size=8_000) ** 2}
    line = calibrate(scores)
    points = line.point_scores({"row 1": [1.0, 90.0, np.nan], "row 25": [9.0, 1.0, np.nan]})
    assert points.scale.tolist() == [1, 0, -1]
    assert np.isnan(points.score[2])
    assert line.penalty == pytest.approx(0.5 * math.log10(2))


def test_too_few_rows_make_no_promise_and_say_why():
    line = calibrate({"row 1": noise(400)})
    assert line.status == "no promise"
    assert "400 calibration rows" in line.reason
    assert calibrate({"row 1": noise(3_000)}, Promise(1, 1e6)).status == "no promise"


def test_more_alarms_mean_a_lower_line(line):
    loose = calibrate({"row 1": noise(6_000)}, Promise(alarms=10))
    assert loose.threshold("row 1") < line.threshold("row 1")
    assert line.start - loose.start == pytest.approx(1.0)


def test_equal_and_zero_scores_do_no_harm():
    for scores in (np.zeros(3_000), np.ones(3_000)):
        line = calibrate({"row 1": scores})
        assert np.isfinite(line.point_scores({"row 1": np.r_[scores[:5], 50.0]}).score).all()
        assert not find_incidents(
            line.point_scores({"row 1": scores}).score, start=line.start, end=line.end, cooldown=9
        )


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({}, "at least one scale"),
        ({"a": [1.0] * 3}, "3 calibration scores are too few"),
        ({"a": np.r_[noise(50), -1.0]}, "negative"),
        ({"a": np.r_[noise(50), np.inf]}, "infinite at row 50"),
        ({"a": noise(50), "b": noise(49)}, "49 rows instead of 50"),
    ],
)
def test_bad_scores_are_refused(scores, message):
    with pytest.raises(InputError, match=message):
        calibrate(scores)


def test_bad_promises_are_refused():
    for bad in (dict(alarms=0), dict(rows=0.5), dict(alarms=float("nan"))):
        with pytest.raises(InputError):
            Promise(**bad)
    with pytest.raises(InputError, match="15min"):
        Promise.per_month("often")
    assert Promise.per_month(pd.Timedelta("5min")).rows == pytest.approx(8_766)


def test_line_survives_json_and_refuses_what_was_tampered_with(line):
    saved = json.loads(json.dumps(line.to_dict()))
    again = AlarmLine.from_dict(saved)
    x = {"row 1": noise(200, 2) * 4}
    assert again.point_scores(x).score.tolist() == line.point_scores(x).score.tolist()
    assert again.to_dict() == line.to_dict()
    for key, value in [
        ("status", "fine"),
        ("rows", -1),
        ("penalty", float("nan")),
        ("cooldown", 1.5),
        ("tails", {}),
        ("more", 1),
    ]:
        with pytest.raises(InputError):
            AlarmLine.from_dict(saved | {key: value})
    tail = saved["tails"]["row 1"]
    for key, value in [
        ("power", [-1.0] * len(tail["power"])),
        ("weight", [2.0] * len(tail["weight"])),
        ("sigma", [-1.0] * len(tail["sigma"])),
        ("mu", [0.0]),
        ("floor", 0.0),
    ]:
        with pytest.raises(InputError):
            AlarmLine.from_dict(saved | {"tails": {"row 1": tail | {key: value}}})


# ----------------------------------------------------------------------------------------------------------- severity


def test_severity_is_units_between_events(line):
    found = severity(line, [line.start, line.start + 2, np.nan])
    assert found.value[:2] == pytest.approx([1.0, 100.0])
    assert np.isnan(found.value[2])
    assert found.at_least.tolist()[:2] == [False, True]


@pytest.mark.parametrize(
    ("value", "unit", "supported", "text"),
    [
        (1.0, "month", None, "once in 1 months by chance"),
        (0.1, "10,000 rows", None, "10 times per 10,000 rows by chance"),
        (250.0, "month", 12.0, "less than once in 12 months by chance"),
        (3.0, "10,000 rows", 12.0, "once in 30,000 rows by chance"),
    ],
)
def test_severity_in_words(value, unit, supported, text):
    assert severity_text(value, unit, supported=supported) == text


# ---------------------------------------------------------------------------------------------------------- incidents


def step_by_step(score, gaps, **settings):
    tracker = IncidentTracker(**settings)
    found = []
    for row, value in enumerate(score):
        step = tracker.update(value, gap=row in gaps)
        found.append(step.ended)
    found.append(tracker.finish())
    return [one for one in found if one is not None]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 2.0, 3.0, 4.0, 5.0, float("nan")]), min_size=1, max_size=60),
    st.sets(st.integers(1, 59), max_size=3),
    st.integers(0, 6),
    st.integers(1, 3),
)
def test_batch_and_stream_agree(score, gaps, cooldown, min_rows):
    how = dict(start=4.0, end=3.0, cooldown=cooldown, min_rows=min_rows)
    batch = find_incidents(score, gaps=[g for g in gaps if g < len(score)] or None, **how)
    assert batch == step_by_step(score, gaps, **how)


def test_a_stuck_sensor_alarms_once():
    score = np.zeros(3_000)
    score[1_000:1_360] = 6.0  # six hours of minutes
    score[1_100:1_130] = 0.0
    tracker = IncidentTracker(start=4.0, end=3.0, cooldown=20)
    assert sum(tracker.update(value).alarm for value in score) == 1


def test_a_change_that_stays_is_one_incident_not_fifty():
    rng = np.random.default_rng(3)
    score = np.where(np.arange(20_000) < 10_000, 0.0, 3.9 + rng.normal(size=20_000))
    assert len(find_incidents(score, start=4.0, end=3.0, cooldown=5)) <= 3
    assert len(find_incidents(score[::-1], start=4.0, end=3.0, cooldown=5)) <= 3


def test_incidents_need_the_start_line_and_their_rows():
    how = dict(start=4.0, end=3.0, cooldown=3)
    assert not find_incidents([0, 3.5, 3.9, 0], **how)
    assert not find_incidents([0, 4.5, 0, 0], min_rows=2, **how)
    assert len(find_incidents([0, 4.5, 3.2, 0], min_rows=2, **how)) == 1
    with pytest.raises(InputError, match="must not lie above"):
        find_incidents([1.0], start=1.0, end=2.0, cooldown=1)


def test_tracker_goes_on_after_json():
    score = [0, 3.5, 4.5, 0, 0, 5.0, 0, 0, 0, 0, 0, 4.2, 0]
    whole = step_by_step(score, (), start=4.0, end=3.0, cooldown=2)
    tracker, found = IncidentTracker(4.0, 3.0, 2), []
    for value in score:
        tracker = IncidentTracker.from_dict(json.loads(json.dumps(tracker.to_dict())))
        found.append(tracker.update(value).ended)
    found.append(tracker.finish())
    assert [one for one in found if one] == whole
    saved = IncidentTracker(4.0, 3.0, 2).to_dict()
    for key, value in [("end", 9.0), ("points", 3), ("raised", True), ("score", 1.0), ("first", 4), ("row", -2)]:
        with pytest.raises(InputError):
            IncidentTracker.from_dict(saved | {key: value})


def faulty(n=8_000):
    rng = np.random.default_rng(11)
    expected = np.sin(np.arange(n) / 15)
    value = expected + 0.1 * rng.normal(size=n)
    value[2_000:2_003] += 1.5
    value[4_000:4_060] -= 0.4
    value[6_000:6_100] = value[6_000]
    return value, expected


def test_table_finds_places_names_and_ranks():
    value, expected = faulty()
    row = ((value - expected) / 0.1) ** 2
    scores = scales(row)
    line = calibrate(scores, Promise.per_month("15min"), reach=scale_reach(20), contaminated=True)
    times = pd.date_range("2024-01-01", periods=len(value), freq="15min")
    table = incident_table(line, scores, row_errors=row, values=value, expected=expected, times=times)
    assert (np.diff(table["severity"]) <= 0).all()
    by_time = table.sort_values("first")
    assert by_time["kind"].tolist() == ["too high", "too low", "frozen"]
    assert np.abs(by_time["first"] - [2_000, 4_000, 6_000]).max() <= 12
    assert np.abs(by_time["last"] - [2_002, 4_059, 6_099]).max() <= 12
    assert (by_time["start"].to_numpy() == times[by_time["first"]].to_numpy()).all()
    assert (by_time["n_points"] == by_time["last"] - by_time["first"] + 1).all()
    assert set(by_time["scale"]) <= set(line.scales)


def test_without_a_promise_stretches_are_ranked():
    rng = np.random.default_rng(2)
    row = rng.exponential(size=600)
    row[300:304] += 30
    line = calibrate({"row 1": row}, contaminated=True)
    table = incident_table(line, {"row 1": row}, most_unusual=3)
    assert line.status == "no promise"
    assert len(table) == 3
    assert 300 <= table["first"].iloc[0] <= table["last"].iloc[0] <= 303


def test_nothing_found_is_an_empty_table_with_all_columns(line):
    table = incident_table(line, {"row 1": np.full(100, 0.1)})
    assert not len(table)
    assert {"start", "severity", "at_least", "kind", "scale"} <= set(table)


def test_edges_do_not_cross_gaps():
    row = np.ones(4_000) * noise(4_000)
    row[2_000:2_040] += 60
    scores = time_scales(row, row, gaps=[2_020], scales=(("row", 1), ("row", 25)))
    line = calibrate({k: np.r_[noise(6_000, 8)] for k in scores}, contaminated=True)
    table = incident_table(line, scores, row_errors=row, gaps=[2_020])
    assert sorted(zip(table["first"], table["last"], strict=True))[-2:] == [(2_000, 2_019), (2_020, 2_039)]


# -------------------------------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize("length", [1, 10, 80])
def test_edges_by_the_rows_own_errors(length):
    rng = np.random.default_rng(length)
    errors = rng.normal(size=1_000) ** 2
    errors[500 : 500 + length] = (rng.normal(size=length) + 5) ** 2
    first, last, peak = refine_edges(errors, 400, 700)
    assert abs(first - 500) <= 3
    assert abs(last - (499 + length)) <= 3
    assert first <= peak <= last


def test_edges_where_no_row_stands_out_keep_the_peak():
    assert refine_edges(np.ones(100), 20, 60, peak=33) == (33, 33, 33)
    with pytest.raises(InputError, match="none of the 100 rows"):
        refine_edges(np.ones(100), 50, 100)


def test_kinds():
    rng = np.random.default_rng(5)
    expected = np.sin(np.arange(900) / 20)
    value = expected + 0.05 * rng.normal(size=900)
    value[100:140] += 1.0
    value[200:240] -= 1.0
    value[300:360] = value[300]
    value[400:460] += np.sin(np.arange(60) * 1.5)
    value[500:580] = expected[500:580] + np.linspace(-1, 1, 80)
    kinds = [kind_of(value, expected, a, b) for a, b in ((100, 139), (200, 239), (300, 359), (400, 459), (500, 579))]
    assert kinds == ["too high", "too low", "frozen", "rhythm", "shape"]
    both = np.column_stack([expected, value])
    assert kind_of(both, np.column_stack([expected, expected]), 100, 139) == "too high"
    assert kind_of(np.full(50, np.nan), np.zeros(50), 3, 9) == ""


# ---------------------------------------------------------------------------------------------------- drift, self-check


def test_drift_is_noted_and_calm_is_not():
    calm = {"row 1": noise(6_000)}
    line = calibrate(calm)
    assert not drift_notes(line, {"row 1": noise(6_000, 1)}, reference=calm).changed
    assert not drift_notes(line, calm).changed
    moved = drift_notes(line, {"row 1": np.r_[noise(3_000), 1.6 * noise(3_000, 2)]})
    assert moved.changed
    assert 1.4 < moved.factor < 1.8
    site = drift_notes(line, {"row 1": 40 * noise(300, 3)}, reference=calm)
    assert site.changed
    assert site.share_above > 0.2


def test_self_check_speaks_first_and_truly(line):
    assert self_check(line, {"row 1": noise(6_000, 1)}).status == "ok"
    short = self_check(calibrate({"row 1": noise(300)}), {"row 1": noise(300)})
    assert short.status == "no promise"
    assert short.reason.startswith("No promise")
    wild = self_check(line, {"row 1": noise(3_000)}, held_back={"row 1": 3 * noise(30_000, 4)})
    assert wild.status == "doubtful"
    assert wild.realised > 3 * wild.promised
    silent = self_check(
        calibrate({"row 1": np.random.default_rng(0).pareto(0.3, 6_000)}), {"row 1": noise(6_000) * 1e-3}
    )
    assert silent.status == "doubtful"
    json.dumps(silent.to_dict())


def test_a_line_that_nothing_could_reach_is_no_all_clear():
    rng = np.random.default_rng(0)
    line = calibrate({"row 1": np.exp(3 * rng.normal(size=4_000))})
    check = self_check(line, {"row 1": np.full(500, 1.0)})
    assert check.status == "doubtful"
    assert "found" in check.reason
    assert self_check(line, {"row 1": np.full(500, np.nan)}).reason.startswith("No row has a score")


def test_time_scales_smooth_and_respect_gaps():
    row = np.r_[np.zeros(50), np.full(50, 4.0)]
    scores = time_scales(row, row, gaps=[50])
    assert list(scores) == ["row 1", "row 5", "row 25", "window 25", "window 100"]
    assert scores["row 25"][49] == 0.0
    assert time_scales(row, row)["row 25"][49] > 1.0
    assert time_scales(row, row, trailing=True)["row 25"][49] == 0.0
    with pytest.raises(InputError, match="unknown"):
        time_scales(row, row, scales=(("step", 3),))


def test_a_series_that_is_all_unusual_is_one_incident_of_all_its_rows():
    """Edges come from rows that stand out among the usual ones; here there are none."""
    rng = np.random.default_rng(3)
    line = calibrate({"row 1": rng.exponential(size=5_000)})
    table = incident_table(line, {"row 1": 40 + rng.exponential(size=900)})
    assert table[["first", "last", "n_points"]].to_dict("records") == [{"first": 0, "last": 899, "n_points": 900}]


@pytest.mark.parametrize("seed", range(5))
def test_the_most_unusual_stretches_share_no_row(seed):
    """The stretch of a low peak between two high ones would take both in; the next one takes its place."""
    rng = np.random.default_rng(seed)
    row = rng.exponential(size=1_200)
    row[400:600] += 6
    row[[450, 550]] += 90
    scores = {"row 1": row, "row 25": np.convolve(row, np.ones(25) / 25, "same")}
    line = calibrate(scores, Promise(0.001), contaminated=True, cooldown=10, reach={"row 25": 25})
    assert line.status == "no promise"
    table = incident_table(line, scores, row_errors=row, most_unusual=5)
    spans = sorted(zip(table["first"], table["last"], strict=True))
    assert len(spans) == 5
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))
