"""What a report says, held to what ran: one test for each sentence that was false once."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pandas as pd
import pytest

from vaehelpers.common import InputError
from vaehelpers.data import Series
from vaehelpers.data.opening import open_series
from vaehelpers.detectors.prepared import Explanation
from vaehelpers.report import alarms_view, cards, methods, narrative, payload
from vaehelpers.report.parameters import check_parameters, parameters
from vaehelpers.thresholds import events
from vaehelpers.thresholds.dependence import RealisedRate


class Rule:
    """A threshold as far as the report asks it."""

    name, threshold_, promised_rate, notes_ = "pot", 2.0, 0.001, ()


def make_detector(n=6_000, **settings):
    scores = np.random.default_rng(0).exponential(size=n)
    history = pd.DataFrame({"step": [1, 10, 20], "loss": 1.0, "val_loss": np.nan, "beta": [1.0, 1.0, 1.0]})
    return types.SimpleNamespace(
        threshold_=Rule(),
        settings_={"false_alarm_rate": 0.001, "threshold": "pot", "contamination": 0.0, "likelihood": "gaussian"}
        | settings,
        calibration_scores_=scores,
        calibration_={"held_back": True, "rows": n},
        history_=history,
        timesteps_=10,
        smooth_=4,
    )


def make_found(values, scores, *, line=2.0, times=None, expected=None):
    n, n_features = values.shape
    flags = np.nan_to_num(scores) > line
    table = events(flags, scores, times=times, p_values=np.full(n, 0.5), merge=2)
    table["contributed"] = ""
    middle = np.zeros_like(values) if expected is None else expected
    parts = np.zeros((n, n_features))
    parts[:, -1] = scores
    no_line = np.full(n, np.nan)
    return Explanation(scores, np.full(n, 0.5), flags, parts, middle, middle - 0.2, middle + 0.2, table, no_line, None)


def make_case(n=400, **spans):
    """A series around 0 with stretches set to something; all of them are above the line."""
    values = 0.1 * np.sin(np.arange(n) / 3.0)[:, None]
    scores = np.ones(n)
    for first, last, what in spans.values():
        values[first : last + 1, 0] = what
        scores[first : last + 1] = 3.0
    times = pd.date_range("2024-01-01", periods=n, freq="1h")
    return Series(values, times=times), make_found(values, scores, times=times)


# ---------------------------------------------------------------- the first line


def realised(rate, rows=10_000):
    return RealisedRate(rate, rate / 2, min(1.0, 2 * rate), round(rate * rows), rows)


def rates_of(detector, source, rate):
    return {source: [realised(rate)] * len(methods.promised_rates(detector))}


def test_a_kept_promise_is_trusted():
    data, found = make_case(up=(200, 220, 3.0))
    detector = make_detector()
    detector.calibration_scores_ = np.random.default_rng(0).exponential(size=6_000)
    seen = alarms_view.view(data, detector, found, rates_of(detector, "held-back rows", 0.001))
    assert (seen.status, seen.missed) == ("ok", "")
    assert "can be trusted" in narrative.describe_status(data, found, seen)
    assert seen.unit == "month"


def test_a_missed_promise_is_in_the_first_line():
    data, found = make_case(up=(200, 220, 3.0))
    detector = make_detector()
    seen = alarms_view.view(data, detector, found, rates_of(detector, "held-back rows", 0.02))
    line = narrative.describe_status(data, found, seen)
    assert seen.status == "doubtful"
    assert "promise was missed" in line
    assert "20 times" in line
    assert seen.expected is None  # what was promised does not hold, and is not repeated
    assert "cannot be said" in narrative.describe_summary(data, found, seen)


def test_nothing_found_where_nothing_could_be_found_is_said():
    data, found = make_case()
    detector = make_detector()
    assert len(found.events) == 0
    assert "No event found" in narrative.describe_status(data, found, alarms_view.view(data, detector, found))
    detector.threshold_ = types.SimpleNamespace(name="conformal", threshold_=np.inf, promised_rate=0.001, notes_=())
    said = narrative.describe_status(data, found, alarms_view.view(data, detector, found))
    assert "nothing could have been found" in said
    unscored = dataclasses.replace(found, scores=np.full(data.n, np.nan))
    said = narrative.describe_status(data, unscored, alarms_view.view(data, make_detector(), unscored))
    assert "no row has a score" in said


def test_a_detector_without_a_promise_says_so():
    data, found = make_case(up=(200, 220, 3.0))
    detector = make_detector()
    detector.calibration_["held_back"] = False
    seen = alarms_view.view(data, detector, found)
    assert seen.status == "no promise"
    assert seen.expected is None
    assert "without a promise" in narrative.describe_status(data, found, seen)


def make_line(status="ok", alarms=1.0):
    promise = types.SimpleNamespace(alarms=alarms, rows=730.5, unit="month")
    return types.SimpleNamespace(status=status, reason="Because.", promise=promise, start=4.0, supported=5.0)


def test_a_line_without_a_promise_ranks_and_raises_no_alarm():
    data, found = make_case(up=(200, 220, 3.0))
    detector = make_detector()
    detector.alarm_line_ = make_line("no promise")
    seen = alarms_view.view(data, detector, found)
    assert "No alarm can be given; the 1 most unusual stretch" in narrative.describe_status(data, found, seen)


def test_the_check_of_the_judged_rows_comes_before_the_line():
    data, found = make_case(up=(200, 220, 3.0))
    detector = make_detector()
    detector.alarm_line_ = make_line()
    points = np.linspace(0.0, 5.0, data.n)
    judged = types.SimpleNamespace(
        **vars(found) | {"check": types.SimpleNamespace(status="doubtful", reason="Drift."), "point_scores": points}
    )
    seen = alarms_view.view(data, detector, judged)
    assert (seen.status, seen.reason) == ("doubtful", "Drift.")
    assert seen.score(judged) is not found.scores
    assert seen.score(judged).max() == 5.0


def test_the_first_screen_says_how_many_events_chance_may_bring():
    data, found = make_case(n=4_000, up=(200, 220, 3.0))
    detector = make_detector()
    detector.alarm_line_ = make_line(alarms=2.0)
    judged = types.SimpleNamespace(**vars(found) | {"point_scores": np.linspace(0.0, 5.0, data.n)})
    said = narrative._by_chance(data, judged, alarms_view.view(data, detector, judged))
    assert said == "Over this whole series that allows about 11 by chance alone; 1 event found."  # 2 * 4,000 / 730.5
    detector.alarm_line_ = make_line(alarms=0.01)
    assert narrative._by_chance(data, judged, alarms_view.view(data, detector, judged)) == ""


def test_the_threshold_of_single_rows_is_told_apart_from_the_alarm_line():
    data, found = make_case(up=(200, 220, 3.0))
    detector = make_detector(contamination=0.05)
    detector.calibration_["held_back"] = False
    detector.alarm_line_ = make_line()
    judged = types.SimpleNamespace(**vars(found) | {"point_scores": np.linspace(0.0, 5.0, data.n)})
    seen = alarms_view.view(data, detector, judged)
    rates = rates_of(detector, "calibration rows, cross-checked", 0.04)
    said = narrative.describe_calibration(data, detector, judged, rates, seen)
    assert "This is about the threshold of single rows" in said and "its own training part" in said
    assert "40 times what was promised" in said and "p-values of this series are not rates" in said
    kept = rates_of(detector, "calibration rows, cross-checked", 0.001)
    assert "are not rates" not in narrative.describe_calibration(data, detector, judged, kept, seen)


def test_an_alarm_line_answers_for_itself():
    data, found = make_case(up=(200, 220, 3.0))
    detector = make_detector()
    detector.alarm_line_ = make_line()
    seen = alarms_view.view(data, detector, found)
    assert (seen.status, seen.expected, seen.unit, seen.threshold) == ("ok", 1.0, "month", 4.0)
    detector.alarm_line_ = make_line("no promise")
    assert alarms_view.view(data, detector, found).expected is None


def test_more_false_events_than_the_line_promises_are_counted():
    spans = {f"e{i}": (250 + 20 * i, 252 + 20 * i, 3.0) for i in range(7)}
    data, found = make_case(**spans)
    labels = np.zeros(data.n, int)
    labels[250:253] = 1
    judged = dataclasses.replace(data, labels=labels, train_rows=200)
    detector = make_detector()
    detector.alarm_line_ = make_line()
    seen = alarms_view.view(judged, detector, found)
    assert seen.status == "doubtful"
    assert "6 events without a label" in seen.missed
    assert seen.expected == pytest.approx(6 * 730.5 / 200)


# ---------------------------------------------------------------- events in words


def test_cards_say_which_way_how_long_and_against_what():
    data, found = make_case(up=(50, 69, 3.0), down=(150, 169, -3.0))
    seen = alarms_view.view(data, make_detector(), found)
    up, down = sorted(cards.event_cards(data, found, seen), key=lambda card: card.first)
    assert (up.first, up.last) == (50, 69)
    assert up.duration == "20 h"
    assert "expected 0" in up.against
    assert up.against.startswith("3,")
    assert {up.kind, down.kind} <= {"too high", "too low", "frozen"}


def test_a_level_is_too_high_and_a_stuck_sensor_frozen():
    n = 300
    expected = np.sin(np.arange(n) / 5.0)[:, None]
    values = expected + 0.01 * np.random.default_rng(1).normal(size=(n, 1))
    values[50:80] += 2.0
    values[150:190] = values[150]
    scores = np.ones(n)
    scores[50:80] = scores[150:190] = 3.0
    data, found = Series(values), make_found(values, scores, expected=expected)
    kinds = [alarms_view.describe_event(data, found, event, 0) for event in found.events.to_dict("records")]
    assert kinds == ["too high", "frozen"]


def test_kind_and_severity_of_the_detector_come_first():
    data, found = make_case(a=(50, 69, 3.0), b=(150, 169, 3.0))
    table = found.events.assign(kind=["shape", "rhythm"], severity=[0.5, 400.0])
    found = dataclasses.replace(found, events=table)
    detector = make_detector()
    detector.alarm_line_ = make_line()
    first, second = cards.event_cards(data, found, alarms_view.view(data, detector, found))
    assert (first.kind, first.first) == ("changed rhythm", 150)  # the more severe one leads
    assert first.severity == "less than once in 137 months by chance"  # the calibration supports no more
    assert (second.kind, second.severity) == ("changed shape", "2 times a month by chance")


# ---------------------------------------------------------------- sentences of the appendix


def test_the_weight_of_the_kl_is_that_of_the_run():
    detector = make_detector()
    assert r"$\beta = 1$ throughout" in narrative.describe_loss(detector)
    detector.history_ = detector.history_.assign(beta=[0.1, 1.0, 1.0])
    said = narrative.describe_loss(detector)
    assert "rising from 0.1 to 1 until step 10" in said
    assert "throughout" not in said


def test_help_of_smooth_says_what_the_detector_does():
    from vaehelpers.detectors.settings import DETECTOR_PARAMETERS

    words = parameters()["smooth"].help
    assert "two windows" not in words
    for number in ("100", "fifth"):
        assert (number in words) == (number in DETECTOR_PARAMETERS["smooth"].help)


def test_every_row_labelled_normal_counts():
    """The rows beside a label were left out without a word: 0.25 % of the rest were flagged, and 6.5 % of all."""
    n = 4_000
    labels = np.zeros(n, int)
    labels[2_000:2_020] = 1
    scores = np.ones(n)
    scores[1_990:2_030] = 3.0  # an event that is wider than its label, as smoothing makes it
    values = np.sin(np.arange(n) / 3.0)[:, None]
    data = Series(values, labels=labels, train_rows=1_000)
    found = make_found(values, scores)
    p_values = np.where(found.flags, 1e-6, 0.5)
    found = dataclasses.replace(found, p_values=p_values)
    detector = make_detector()
    detector.threshold_ = Rule()
    rates = methods.realised_rates(_with_rule(detector), data, found)
    assert methods.own_rate(detector, rates["rows labelled normal"]).rows == 3_000 - 20
    assert methods.own_rate(detector, rates["rows labelled normal"]).flagged == 20
    (apart,) = (name for name in rates if "from any label" in name)
    assert methods.own_rate(detector, rates[apart]).flagged == 0
    said = narrative._near_labels(data, detector, found)
    assert said.startswith("20 of the 20 flagged rows")


def _with_rule(detector):
    detector.settings_["threshold"] = "conformal"
    return detector


# ---------------------------------------------------------------- input


@pytest.mark.parametrize("rate", [0.7, -0.1, 0.51, float("nan")])
def test_a_false_alarm_rate_has_one_range(rate):
    from vaehelpers.detectors import MovingZScore

    with pytest.raises(InputError, match="false_alarm_rate"):
        check_parameters({"false_alarm_rate": rate})
    with pytest.raises(InputError, match="false_alarm_rate"):
        MovingZScore(false_alarm_rate=rate).settings()


def test_a_file_right_under_the_root_is_read_or_refused_in_words(monkeypatch):
    from vaehelpers.data import catalogue

    series = Series(np.arange(10.0))
    monkeypatch.setattr(catalogue, "load_series", lambda *_, **__: series)
    assert open_series("/data.csv") is series


def test_the_figure_of_the_readme_draws_the_event_that_was_found():
    import importlib.util
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "docs" / "make_figure.py"
    spec = importlib.util.spec_from_file_location("make_figure", path)
    make_figure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_figure)
    found = pd.DataFrame({"first": [10, 300], "last": [90, 340], "score": [2.0, 9.0]})
    assert make_figure.event_over(found, 40, 50) == (10, 90)  # not the label's own 40 to 50
    with pytest.raises(SystemExit, match="no event"):
        make_figure.event_over(found, 120, 150)


# ---------------------------------------------------------------- what the chart reads


def test_packed_rows_come_back():
    rng = np.random.default_rng(0)
    packer = payload.Packer()
    lines = [rng.normal(size=77_192).cumsum(), np.array([np.nan, 1.0, np.nan]), np.full(5, 3.5), np.zeros(0)]
    places = [packer.add(line) for line in lines]
    text = packer.text()
    for line, place in zip(lines, places):
        back = payload.unpack(text, place)
        span = np.nanmax(line) - np.nanmin(line) if len(line) else 0.0
        np.testing.assert_allclose(back, line, atol=span / 65_534 + 1e-12)


def test_a_long_series_stays_small_and_keeps_its_extremes():
    n = 1_000_000
    values = np.random.default_rng(0).normal(size=(n, 1))
    values[654_321] = 50.0
    scores = np.abs(values[:, 0])
    data, found = Series(values, train_rows=n // 2), make_found(values, scores, line=20.0)
    detector = make_detector()
    seen = alarms_view.view(data, detector, found)
    told = payload.page_payload(data, detector, found, seen, cards.event_cards(data, found, seen))
    assert len(told["packed"]) < 1_500_000
    high = payload.unpack(told["packed"], told["variables"][0]["high"])
    assert high.max() == pytest.approx(50.0, rel=1e-3)
    assert int(high.argmax()) == 654_321 // told["bucket"]
    assert told["events"][0]["first"] == 654_321


def test_uneven_times_are_drawn_where_they_are():
    times = pd.date_range("2024-01-01", periods=100, freq="1h").to_numpy().copy()
    times[60:] += np.timedelta64(5, "D")
    data = Series(np.arange(100.0), times=pd.DatetimeIndex(times))
    knots = payload._knots(data)
    drawn = np.interp(np.arange(100), knots["rows"], knots["at"])
    np.testing.assert_allclose(drawn, payload.milliseconds(data))


def test_the_nearest_normal_window_is_the_nearest_and_normal():
    n, width = 600, 10
    values = np.random.default_rng(2).normal(size=(n, 1))
    values[500:510] = values[100:110] + 0.01  # the twin of the event, in the training part
    values[300:310] = values[500:510]  # an exact twin, but flagged itself
    scores = np.ones(n)
    scores[500:510] = scores[300:310] = 3.0
    data, found = Series(values, train_rows=450), make_found(values, scores)
    detector = make_detector()
    detector.timesteps_ = width
    seen = alarms_view.view(data, detector, found)
    (card,) = (c for c in cards.event_cards(data, found, seen) if c.first == 500)
    card = dataclasses.replace(card, peak=505)
    assert payload.NormalWindows(data, detector, found).nearest(card) == (100, 500)
