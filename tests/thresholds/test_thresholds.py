"""Thresholds against their slow twins, SciPy, and their own promises."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pandas as pd
import pytest
import reference_thresholds as slow
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from vaehelpers.common import InputError
from vaehelpers.thresholds import (
    THRESHOLDS,
    BudgetThreshold,
    ConformalThreshold,
    DSpotThreshold,
    DynamicThreshold,
    KSigmaThreshold,
    MadThreshold,
    PotThreshold,
    QuantileThreshold,
    SpotThreshold,
    Threshold,
    events,
    extremal_index,
    fit_gpd,
    make_threshold,
    realised_rate,
)
from vaehelpers.thresholds.counting import budget_threshold
from vaehelpers.thresholds.gpd import _Excess

SMALL = {
    "quantile": {"false_alarm_rate": 0.05},
    "conformal": {"false_alarm_rate": 0.05},
    "ksigma": {},
    "mad": {},
    "pot": {"false_alarm_rate": 0.01},
    "spot": {"false_alarm_rate": 0.01, "memory": 60},
    "dspot": {"false_alarm_rate": 0.01, "depth": 10, "memory": 60},
    "dynamic": {"window": 100, "batch": 20},
    "budget": {"alarms": 1, "per_rows": 100},
}
STATIC = [name for name, kind in THRESHOLDS.items() if not kind.sequential]
SEQUENTIAL = [name for name, kind in THRESHOLDS.items() if kind.sequential]
COUNTING = ["quantile", "conformal", "dynamic", "budget"]
FITTED_TAIL = ["pot", "spot", "dspot"]

finite = st.floats(-1e6, 1e6, allow_nan=False)
# few different values make ties, the rest does not
any_scores = st.one_of(
    st.lists(finite, min_size=120, max_size=200),
    st.lists(st.integers(0, 4).map(float), min_size=120, max_size=200),
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 1e-9, 5.0, 1e6]), min_size=120, max_size=200),
)


def build(name, **more):
    return make_threshold(name, **{**SMALL[name], **more})


@pytest.fixture
def rng():
    return np.random.default_rng(12)


# ------------------------------------------------------------------------------------------- every rule, any scores


def test_all_rules_of_the_interface_are_there():
    assert set(THRESHOLDS) == {*("quantile", "ksigma", "mad", "pot", "spot", "dspot", "dynamic", "conformal", "budget")}
    assert set(SMALL) == set(THRESHOLDS)


@pytest.mark.parametrize("name", THRESHOLDS)
@given(calibration=any_scores, scores=st.lists(finite, min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_finite_scores_give_a_line_flags_and_p_values(name, calibration, scores):
    rule = build(name).fit(calibration)
    assert math.isfinite(rule.threshold_)
    flags, p = rule.flags(scores), rule.p_values(scores)
    assert flags.dtype == bool
    assert flags.shape == p.shape == (len(scores),)
    assert ((p > 0) & (p <= 1)).all()
    if name in STATIC:
        assert flags.tolist() == [score > rule.threshold_ for score in scores]
        order = np.argsort(scores)
        assert (np.diff(p[order]) <= 1e-12).all()


@pytest.mark.parametrize("name", THRESHOLDS)
@given(calibration=any_scores, scores=st.lists(finite, min_size=1, max_size=60))
@settings(max_examples=15, deadline=None)
def test_round_trip_through_json_judges_the_same(name, calibration, scores):
    rule = build(name).fit(calibration)
    for score in scores[:30]:
        rule.update(score)
    again = Threshold.from_dict(json.loads(json.dumps(rule.to_dict(), allow_nan=False)))
    assert type(again) is type(rule)
    assert again.threshold_ == rule.threshold_
    assert again.notes_ == rule.notes_
    np.testing.assert_array_equal(again.flags(scores), rule.flags(scores))
    np.testing.assert_array_equal(again.p_values(scores), rule.p_values(scores))
    for score in scores[30:]:
        assert again.update(score) == rule.update(score)
    assert again.to_dict() == rule.to_dict()


@pytest.mark.parametrize("name", THRESHOLDS)
def test_nan_is_ignored_in_fit_never_flagged_and_has_no_p_value(name, rng):
    calibration = rng.exponential(size=400)
    holes = np.insert(calibration, [0, 100, 400], np.nan)
    clean, holed = build(name).fit(calibration), build(name).fit(holes)
    assert clean.threshold_ == holed.threshold_
    scores = np.array([0.5, np.nan, 50.0, np.nan, np.inf, -np.inf])
    flags, p = clean.flags(scores), clean.p_values(scores)
    assert not flags[[1, 3, 5]].any()
    assert flags[4]
    assert np.isnan(p[[1, 3]]).all()
    assert not np.isnan(p[[0, 2, 4, 5]]).any()
    before = clean.to_dict()
    assert clean.update(float("nan")) is False
    assert clean.to_dict() == before


@pytest.mark.parametrize("name", [name for name in THRESHOLDS if name != "dynamic"])
def test_rescaling_the_scores_changes_nothing(name, rng):
    calibration, scores = rng.gamma(2.0, size=600), rng.gamma(2.0, size=500) * 1.5
    one = build(name).fit(calibration)
    other = build(name).fit(calibration * 1e-3 - 7.0)
    assert other.threshold_ == pytest.approx(one.threshold_ * 1e-3 - 7.0, rel=1e-9)
    np.testing.assert_array_equal(one.flags(scores), other.flags(scores * 1e-3 - 7.0))
    np.testing.assert_allclose(one.p_values(scores), other.p_values(scores * 1e-3 - 7.0), rtol=2e-3, atol=1e-12)


def test_dynamic_is_unchanged_by_scale_but_not_by_shift(rng):
    calibration, scores = rng.gamma(2.0, size=600), rng.gamma(2.0, size=500) * 1.5
    one, other = build("dynamic").fit(calibration), build("dynamic").fit(calibration * 1e-3)
    assert other.threshold_ == pytest.approx(one.threshold_ * 1e-3)
    np.testing.assert_array_equal(one.flags(scores), other.flags(scores * 1e-3))


@pytest.mark.parametrize("name", THRESHOLDS)
def test_equal_calibration_scores_flag_whatever_is_higher(name):
    rule = build(name).fit(np.full(300, 2.5))
    assert rule.threshold_ == 2.5
    assert "equal" in rule.notes_[0]
    assert rule.flags([2.5, 2.4, 26.0]).tolist() == [False, False, True]
    p = rule.p_values([2.4, 2.5, 26.0])
    assert p[0] >= p[1] >= p[2]


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_flags_leave_the_state_alone_and_update_moves_it(name, rng):
    rule = build(name).fit(rng.exponential(size=400))
    before = rule.to_dict()
    scores = rng.exponential(size=800)
    first, second = rule.flags(scores), rule.flags(scores)
    rule.p_values(scores)
    np.testing.assert_array_equal(first, second)
    assert rule.to_dict() == before
    rule.update(float(scores[0]))
    assert rule.to_dict() != before


@pytest.mark.parametrize("name", ["spot", "dspot"])
@pytest.mark.parametrize("alarms", ["censored", "dropped"])
def test_a_stream_flags_what_the_batch_flags(name, alarms, rng):
    scores = rng.standard_t(4, size=1500)
    scores[rng.random(1500) < 0.05] = np.nan
    rule = build(name, alarms=alarms).fit(rng.standard_t(4, size=500))
    batch, path = rule.flags(scores), rule.path(scores)
    lines, stream = [], []
    for score in scores:
        lines.append(rule.threshold_)
        stream.append(rule.update(float(score)))
    assert batch.sum() > 5
    np.testing.assert_array_equal(batch, stream)
    np.testing.assert_array_equal(path, lines)
    np.testing.assert_array_equal(batch, scores > path)


def test_dynamic_stream_flags_what_the_batch_of_one_flags(rng):
    rule = build("dynamic", batch=1).fit(rng.exponential(size=400))
    scores = rng.exponential(size=300)
    scores[100:104] = 20.0
    batch = rule.flags(scores)
    assert batch[100:104].any()
    assert batch.tolist() == [rule.update(float(score)) for score in scores]


# ------------------------------------------------------------------------------------------------ bad input, plainly


@pytest.mark.parametrize("name", THRESHOLDS)
def test_too_few_scores_name_both_numbers(name):
    needed = {"quantile": 19, "conformal": 19, "pot": 100, "spot": 100, "dspot": 110, "budget": 100}.get(name, 10)
    with pytest.raises(InputError, match=rf"at least {needed} calibration scores, got {needed - 1}"):
        build(name).fit(np.arange(needed - 1.0))
    build(name).fit(np.arange(float(needed)))


@pytest.mark.parametrize("name", THRESHOLDS)
def test_bad_scores_are_refused(name):
    for scores, words in (
        (np.ones((5, 2)), r"shape \(n,\), got \(5, 2\)"),
        ([1.0, math.inf] * 200, "score 1 is infinite"),
        (["a", "b"], "must be numbers"),
    ):
        with pytest.raises(InputError, match=words):
            build(name).fit(scores)


@pytest.mark.parametrize("name", THRESHOLDS)
def test_unfitted_rules_say_so(name):
    for call in (
        lambda r: r.flags([1.0]),
        lambda r: r.p_values([1.0]),
        lambda r: r.update(1.0),
        lambda r: r.threshold_,
    ):
        with pytest.raises(InputError, match=r"not fitted; call fit\(scores\) first"):
            call(build(name))


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("quantile", {"false_alarm_rate": 0.0}, "false_alarm_rate=0 in the quantile threshold is not above 0"),
        ("quantile", {"false_alarm_rate": 1.0}, "not below 1"),
        ("quantile", {"false_alarm_rate": "0.1"}, "not a number"),
        ("quantile", {"false_alarm_rate": True}, "not a number"),
        ("quantile", {"trim": 0.5}, "not below 0.5"),
        ("conformal", {"confidence": 1.5}, "not below 1"),
        ("conformal", {"rate": 0.1}, "no parameter 'rate'"),
        ("conformal", {"confidense": 0.9}, "did you mean 'confidence'"),
        ("ksigma", {"k": -1}, "use at least 0"),
        ("ksigma", {"k": math.nan}, "not a finite number"),
        ("mad", {"k": 3, "false_alarm_rate": 0.1}, "not both"),
        ("pot", {"level": 0.2}, "use at least 0.5"),
        ("pot", {"tail": "fat"}, "use one of predictive, plugin"),
        ("spot", {"false_alarm_rate": 0.2}, "take 'quantile'"),
        ("spot", {"alarms": "kept"}, "censored, dropped"),
        ("spot", {"memory": 3}, "use at least 50"),
        ("dspot", {"depth": 2.5}, "not a whole number"),
        ("dynamic", {"batch": 200, "window": 100}, "batch=200 is longer than window=100; use at most 100"),
        ("dynamic", {"z_max": 1.0}, "use at least 2"),
        ("budget", {"alarms": 0}, "not above 0"),
        ("budget", {"merge": -1}, "use at least 0"),
    ],
)
def test_bad_parameters_are_refused(name, params, words):
    with pytest.raises(InputError, match=words):
        make_threshold(name, **params)


def leaves(data, path=()):
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*path, key), value
            yield from leaves(value, (*path, key))


@pytest.mark.parametrize("name", THRESHOLDS)
def test_tampered_files_are_refused(name, rng):
    rule = build(name).fit(rng.exponential(size=300))
    for _ in range(80):
        rule.update(float(rng.exponential()))
    saved = rule.to_dict()
    places = list(leaves(saved))
    assert len(places) > 4

    def refused(path, change):
        broken = copy.deepcopy(saved)
        inner = broken
        for key in path[:-1]:
            inner = inner[key]
        change(inner, path[-1])
        with pytest.raises(InputError):
            Threshold.from_dict(broken)

    for path, value in places:
        if path[0] != "params" or len(path) == 1:  # parameters have defaults
            refused(path, lambda inner, key: inner.pop(key))
        refused(path, lambda inner, key: inner.update({key: math.nan}))
        refused(path, lambda inner, key: inner.update({key: {"__import__": "os"}}))
        if isinstance(value, dict):
            refused(path, lambda inner, key: inner[key].update(extra=1))
        if isinstance(value, list) and value and isinstance(value[0], int | float):
            for bad in (math.inf, "1", None, True, [1.0]):
                refused(path, lambda inner, key, bad=bad: inner[key].__setitem__(-1, bad))
            if path[-1] not in ("history", "excesses"):
                refused(path, lambda inner, key: inner[key].append(inner[key][-1]))
    for name_ in ("pickle", "", 3, None, ["quantile"]):
        with pytest.raises(InputError, match=r"name|unknown threshold"):
            Threshold.from_dict({**saved, "name": name_})
    for junk in (None, [], "quantile", 3):
        with pytest.raises(InputError, match="mapping"):
            Threshold.from_dict(junk)


def test_another_rules_file_is_refused(rng):
    saved = MadThreshold().fit(rng.normal(size=50)).to_dict()
    with pytest.raises(InputError, match="is 'mad', not 'quantile'"):
        QuantileThreshold.from_dict(saved)
    assert MadThreshold.from_dict(saved).to_dict() == saved


def test_an_unfitted_rule_is_saved_as_such():
    again = Threshold.from_dict(json.loads(json.dumps(PotThreshold(0.002, level=0.9).to_dict())))
    assert repr(again) == "PotThreshold(false_alarm_rate=0.002, level=0.9)"
    with pytest.raises(InputError, match="not fitted"):
        again.flags([1.0])


# ------------------------------------------------------------------------------- rules that count: against their twins


@given(
    calibration=st.lists(st.integers(0, 12).map(float), min_size=19, max_size=60),
    scores=st.lists(st.integers(-2, 14).map(float), min_size=1, max_size=20),
    rate=st.sampled_from([0.05, 0.07, 0.1, 0.29, 0.5]),
)
@settings(max_examples=150, deadline=None)
def test_conformal_equals_its_definition_with_ties(calibration, scores, rate):
    rule = ConformalThreshold(rate).fit(calibration)
    p = [slow.conformal_p(calibration, score) for score in scores]
    np.testing.assert_allclose(rule.p_values(scores), p, rtol=1e-14)
    assert rule.flags(scores).tolist() == [value <= rate + 1e-9 for value in p]


@given(
    calibration=st.lists(finite, min_size=20, max_size=60),
    rate=st.sampled_from([0.05, 0.07, 0.1, 0.29, 0.5, 0.95]),
)
@settings(max_examples=100, deadline=None)
def test_quantile_equals_its_definition(calibration, rate):
    line = QuantileThreshold(rate).fit(calibration).threshold_
    assert line == pytest.approx(slow.quantile_line(calibration, rate), rel=1e-9, abs=1e-6)
    assert line == pytest.approx(float(np.quantile(calibration, 1 - rate, method="weibull")), rel=1e-9, abs=1e-6)


def test_p_values_of_many_scores_are_never_too_low_and_hardly_too_high(rng):
    calibration = np.round(rng.exponential(size=100_000), 4)  # with ties
    scores = np.concatenate([np.round(rng.exponential(size=3_000), 4), calibration[:500], [0.0, -1.0, 99.0]])
    rule = ConformalThreshold(0.05).fit(calibration)
    exact = (1 + calibration.size - np.searchsorted(np.sort(calibration), scores, side="left")) / (calibration.size + 1)
    p = rule.p_values(scores)
    assert (p >= exact * (1 - 1e-12)).all()
    assert (p <= exact * 1.0025).all()
    high = exact < 1000 / calibration.size
    assert high.any()
    np.testing.assert_allclose(p[high], exact[high], rtol=1e-12)
    np.testing.assert_array_equal(rule.flags(scores), p <= 0.05)
    assert len(json.dumps(rule.to_dict())) < 300_000


@pytest.mark.slow
@given(
    scores=st.lists(st.one_of(st.integers(0, 6).map(float), st.just(math.nan)), min_size=20, max_size=60),
    alarms=st.sampled_from([1, 2, 3.5]),
    merge=st.integers(0, 7),
)
@settings(max_examples=200, deadline=None)
def test_budget_equals_the_walk_down_the_scores(scores, alarms, merge):
    assume(sum(not math.isnan(score) for score in scores) >= 20)
    line = budget_threshold(scores, alarms, 20, merge=merge).threshold_
    assert line == slow.budget_line(scores, alarms, 20, merge)


def test_budget_is_kept_on_later_rows_of_a_dependent_series(rng):
    x = np.convolve(rng.normal(size=400_100), np.exp(-np.arange(100) / 10.0), mode="valid")
    rule = budget_threshold(x[:200_000], alarms=1, per_rows=2_000, merge=20)
    later = len(events(rule.flags(x[200_000:]), x[200_000:], merge=20))
    assert 60 <= later <= 140  # 100 promised; the square root is 10, and the line itself is as uncertain
    assert len(events(rule.flags(x[:200_000]), x[:200_000], merge=20)) == 99  # and the one that touches the line
    per_row = QuantileThreshold(1 / 2_000).fit(x[:200_000])
    assert len(events(per_row.flags(x[200_000:]), x[200_000:], merge=20)) < 60  # a rate of rows is no rate of alarms


# -------------------------------------------------------------------------------------------- promises, kept or not


def realised(rule, distribution, size, repeats, seed=0, spoil=None):
    """Give the true rate of each of many calibrations: the distribution's own probability above the line."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(repeats):
        scores = distribution.rvs(size, random_state=rng)
        lines.append(rule.fit(scores if spoil is None else spoil(scores, rng)).threshold_)
    return distribution.sf(np.array(lines))


@pytest.mark.parametrize("kind", [QuantileThreshold, ConformalThreshold])
@pytest.mark.parametrize(("size", "rate"), [(99, 0.01), (99, 0.05), (399, 0.05)])
@pytest.mark.parametrize("distribution", [stats.norm(), stats.lognorm(1.5)], ids=["normal", "lognormal"])
def test_counting_rules_keep_their_promise_on_average_over_calibrations(kind, size, rate, distribution):
    repeats = 4_000
    rates = realised(kind(rate), distribution, size, repeats)
    rank = round(rate * (size + 1))
    deviation = stats.beta(rank, size + 1 - rank).std() / math.sqrt(repeats)  # exact law of one calibration's rate
    assert abs(rates.mean() - rate) < 4 * deviation
    assert rates.std() == pytest.approx(stats.beta(rank, size + 1 - rank).std(), rel=0.1)
    # what the same tolerance refuses: NumPy's default quantile, and the mean
    rng = np.random.default_rng(0)
    naive = [np.quantile(distribution.rvs(size, random_state=rng), 1 - rate) for _ in range(repeats)]
    assert abs(distribution.sf(naive).mean() - rate) > 4 * deviation
    assert abs(distribution.sf(distribution.mean()) - rate) > 4 * deviation


def test_quantile_between_two_scores_still_keeps_its_promise_on_average():
    rates = realised(QuantileThreshold(0.013), stats.uniform(), 100, 6_000)
    assert abs(rates.mean() - 0.013) < 4 * rates.std() / math.sqrt(rates.size)
    safe = realised(ConformalThreshold(0.013), stats.uniform(), 100, 6_000)
    assert 1 / 101 - 4 * safe.std() / math.sqrt(safe.size) < safe.mean() < 0.013


def test_conformal_p_values_of_normal_rows_are_uniform():
    rng = np.random.default_rng(1)
    p = [ConformalThreshold(0.1).fit(rng.normal(size=19)).p_values(rng.normal(size=1))[0] for _ in range(4_000)]
    counts = np.bincount(np.round(np.array(p) * 20).astype(int), minlength=21)[1:]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_budget_is_kept_on_average_over_calibrations():
    rates = realised(BudgetThreshold(3, 1_000), stats.expon(), 1_000, 3_000)
    events_per_row = rates * (1 - rates)  # independent rows: an event opens where the row before is not flagged
    assert abs(events_per_row.mean() - 3 / 1_000) < 4 * rates.std() / math.sqrt(rates.size)


def test_extremal_index_is_one_over_the_length_of_runs(rng):
    assert extremal_index(rng.normal(size=50_000)) > 0.9
    # the running maximum over 8 rows has index 1/8 exactly
    x = rng.normal(size=50_007)
    runs = np.lib.stride_tricks.sliding_window_view(x, 8).max(axis=1)
    found = extremal_index(runs, level=0.98)
    assert found == pytest.approx(1 / 8, rel=0.1)
    assert 1 / found == pytest.approx(slow.mean_run_length(runs, np.quantile(runs, 0.98), 8), rel=0.2)
    assert extremal_index([1.0] * 50) == extremal_index([]) == 1.0
    for name in ("quantile", "conformal", "pot", "spot"):
        rule = build(name).fit(runs[:2_000])
        assert "come in runs of about" in rule.notes_[0]
        assert not build(name).fit(rng.permutation(runs[:2_000])).notes_


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_confidence_is_the_share_of_calibrations_that_keep_the_rate(confidence):
    rates = realised(ConformalThreshold(0.05, confidence=confidence), stats.norm(), 600, 3_000)
    share = (rates <= 0.05).mean()
    slack = 4 * math.sqrt(confidence * (1 - confidence) / 3_000)
    assert share >= confidence - slack
    assert share <= confidence + 0.07 + slack  # one score less would break it
    with pytest.raises(InputError, match="at least 59 calibration scores, got 58"):
        ConformalThreshold(0.05, confidence=0.95).fit(range(58))
    ConformalThreshold(0.05, confidence=0.95).fit(range(59))


@pytest.mark.parametrize("kind", [QuantileThreshold, ConformalThreshold, PotThreshold])
def test_trim_buys_back_recall_at_the_price_it_names(kind):
    def spoil(scores, rng):
        scores = scores.copy()
        scores[rng.choice(scores.size, 20, replace=False)] = rng.uniform(20, 30, 20)
        return scores

    plain, trimming = kind(0.01), kind(0.01, trim=0.02)
    assert trimming.promised_rate == pytest.approx(0.03)
    spoiled = realised(plain, stats.norm(), 1_000, 200, spoil=spoil)
    mended = realised(trimming, stats.norm(), 1_000, 200, spoil=spoil)
    clean = realised(trimming, stats.norm(), 1_000, 200)
    assert spoiled.mean() < 0.001  # contamination breaks no promise, it hides what lies below 20
    assert 0.007 < mended.mean() < 0.013
    assert 0.02 < clean.mean() <= 0.031


def test_mad_withstands_what_ksigma_does_not(rng):
    scores = rng.normal(size=2_000)
    scores[:200] = 50.0
    assert MadThreshold(k=4).fit(scores).threshold_ < 6
    assert KSigmaThreshold(k=4).fit(scores).threshold_ > 50


def test_normal_rules_equal_scipy_on_normal_scores(rng):
    scores = rng.normal(3, 2, size=200_000)
    for rule in (KSigmaThreshold(), MadThreshold(k=3.0)):
        rule.fit(scores)
        assert rule.threshold_ == pytest.approx(9, abs=0.1)
        np.testing.assert_allclose(rule.p_values([3, 5, 9]), stats.norm.sf([0, 1, 3]), rtol=0.05)
        assert rule.promised_rate == pytest.approx(stats.norm.sf(3))
    rated = KSigmaThreshold(false_alarm_rate=0.01).fit(scores)
    assert rated.k_ == pytest.approx(stats.norm.isf(0.01))
    assert (rated.p_values([rated.threshold_])[0]) == pytest.approx(0.01)


def test_mad_falls_back_where_most_scores_are_equal():
    rule = MadThreshold().fit([1.0] * 15 + [2.0] * 5)
    assert rule.threshold_ == pytest.approx(1 + 3.5 * 0.25 * math.sqrt(math.pi / 2))
    assert "More than half" in rule.notes_[0]


def test_realised_rate_covers_as_often_as_it_says():
    for rate in (0.001, 0.02, 0.5):
        counts = np.arange(0, 501)
        chance = stats.binom(500, rate).pmf(counts)
        covered = 0.0
        for count in counts[chance > 1e-9]:
            found = realised_rate(np.arange(500) < count)
            covered += chance[count] * (found.low <= rate <= found.high)
            expected = stats.binomtest(int(count), 500).proportion_ci(0.95, method="exact")
            assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert covered >= 0.95
    holes = realised_rate([0, 1, 0, 0], scores=[1.0, 2.0, np.nan, np.nan])
    assert (holes.rate, holes.rows) == (0.5, 2)
    with pytest.raises(InputError, match="at least 1 scored row"):
        realised_rate([])


# --------------------------------------------------------------------------------------------- the generalised Pareto


@pytest.mark.parametrize("gamma", [-0.9, -0.4, -0.1, 0.0, 0.1, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("size", [30, 2_000])
def test_gpd_fit_is_at_least_as_likely_as_scipys(gamma, size):
    y = stats.genpareto(gamma, scale=3.0).rvs(size, random_state=np.random.default_rng(5))
    ours = fit_gpd(y)
    shape, _, scale = stats.genpareto.fit(y, floc=0)
    best = slow.gpd_log_likelihood(*ours, y)
    assert math.isfinite(best)
    if shape > -1:  # SciPy may run off to where the likelihood has no bound
        assert best >= slow.gpd_log_likelihood(shape, scale, y) - 1e-3
    assert best >= slow.gpd_log_likelihood(gamma, 3.0, y) - 1e-3
    if size == 2_000:
        assert ours.gamma == pytest.approx(gamma, abs=0.12 * (1 + abs(gamma)))
        assert ours.sigma == pytest.approx(3.0, rel=0.2)


def test_gpd_fit_with_censored_values_finds_the_top_of_their_likelihood(rng):
    y = stats.genpareto(0.2).rvs(600, random_state=rng)
    cut = float(np.quantile(y, 0.9))
    seen, hidden = y[y <= cut], np.full((y > cut).sum(), cut)
    ours = fit_gpd(seen, censored=hidden)
    top = slow.gpd_log_likelihood(*ours, seen, hidden)
    for gamma in np.linspace(ours.gamma - 0.2, ours.gamma + 0.2, 21):
        for sigma in np.linspace(0.8, 1.2, 21) * ours.sigma:
            assert slow.gpd_log_likelihood(gamma, sigma, seen, hidden) <= top + 1e-4
    assert ours.gamma == pytest.approx(0.2, abs=0.2)
    assert fit_gpd(seen).gamma < -0.1  # what dropping the highest makes of it


# the twin bounds gamma itself at -1, the module the best gamma for each theta: bounded tails feel it
@pytest.mark.parametrize(("gamma", "tolerance"), [(-0.3, 0.08), (0.0, 0.005), (0.4, 0.005)])
def test_predictive_tail_equals_brute_force_over_both_parameters(gamma, tolerance, rng):
    y = stats.genpareto(gamma, scale=2.0).rvs(40, random_state=rng)
    scores = np.concatenate([np.linspace(-1.0, 0.0, 360), y])
    rule = PotThreshold(0.001, level=0.9).fit(scores)
    assert rule.start_ == 0.0
    for at in (1.0, 5.0, 15.0):
        expected = 0.1 * slow.predictive_survival(y, at)
        assert rule.p_values([at])[0] == pytest.approx(expected, rel=tolerance)


def test_predictive_tail_with_censored_alarms_equals_brute_force(rng):
    y = stats.genpareto(0.1, scale=2.0).rvs(50, random_state=rng)
    seen, hidden = y[y <= 6.0], np.full((y > 6.0).sum(), 6.0)
    assert hidden.size
    excess = _Excess.of(seen, hidden, predictive=True)
    for at in (3.0, 10.0):
        expected = slow.predictive_survival(seen, at, censored=hidden)
        assert excess.survival(np.array([at]))[0] == pytest.approx(expected, rel=0.01)
        assert excess.line(expected) == pytest.approx(at, rel=0.01)


@given(y=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=50))
@settings(max_examples=80, deadline=None)
def test_gpd_fit_is_possible_for_any_excesses(y):
    gamma, sigma = fit_gpd(y)
    assert gamma >= -1.0001
    assert sigma > 0
    if gamma < 0:
        assert max(y) <= -sigma / gamma * (1 + 1e-6)


def test_gpd_fit_falls_back_on_moments_and_then_on_the_exponential():
    assert fit_gpd([2.0, 2.0, 2.0]) == (0.0, 2.0)
    assert fit_gpd([1.0]) == (0.0, 1.0)
    gamma, sigma = fit_gpd([1.0, 1.0, 1.0, 1.0, 9.0])
    mean, variance = 2.6, 10.24
    assert (gamma, sigma) == pytest.approx((0.5 * (1 - mean**2 / variance), 0.5 * mean * (1 + mean**2 / variance)))
    for bad in ([], [0.0], [-1.0], [math.inf], [math.nan]):
        with pytest.raises(InputError):
            fit_gpd(bad)


# ------------------------------------------------------------------------------------------- peaks over threshold


TAILS = {
    "exponential": stats.expon(),
    "gpd heavy": stats.genpareto(0.25),
    "gpd bounded": stats.genpareto(-0.2),
}


@pytest.mark.parametrize("truth", TAILS)
@pytest.mark.parametrize("tail", ["predictive", "plugin"])
@pytest.mark.parametrize("rate", [1e-3, 1e-4])
def test_pot_finds_scipys_line_far_out(truth, tail, rate):
    distribution, repeats = TAILS[truth], 40
    rates = realised(PotThreshold(rate, tail=tail), distribution, 20_000, repeats)
    assert 0.8 < rates.mean() / rate < 1.3
    assert (np.abs(np.log(rates / rate)) < math.log(6)).all()
    # the same tolerance refuses: the mean, three sigma (exponential: 0.018), the highest score for 1e-3
    rng = np.random.default_rng(0)
    scores = distribution.rvs(20_000, random_state=rng)
    for line in (scores.mean(), scores.mean() + 3 * scores.std(), scores.max() if rate == 1e-3 else 0.0):
        assert abs(math.log(distribution.sf(line) / rate)) > math.log(6)


def test_the_predictive_tail_mends_what_the_plugin_tail_promises_on_few_scores():
    for distribution in (stats.expon(), stats.norm()):
        plugin = realised(PotThreshold(1e-4, tail="plugin"), distribution, 500, 200)
        predictive = realised(PotThreshold(1e-4), distribution, 500, 200)
        assert plugin.mean() > 5e-4
        assert 0.3e-4 < predictive.mean() < 2e-4


def test_pot_p_values_are_continuous_meet_the_rate_and_equal_truth(rng):
    rule = PotThreshold(1e-3).fit(rng.exponential(size=20_000))
    scores = np.linspace(-0.1, 20, 200_001)
    p = rule.p_values(scores)
    assert (np.diff(p) <= 0).all()
    assert np.abs(np.diff(p)).max() < 2e-3  # no step, not at the start of the tail either
    edge = rule.p_values([rule.start_ - 1e-9, rule.start_, rule.start_ + 1e-9])
    assert np.ptp(edge) < 1e-6
    assert rule.p_values([rule.threshold_])[0] == pytest.approx(1e-3)
    inside = (scores > 0) & (scores < 9)
    assert np.abs(np.log(p[inside] / stats.expon.sf(scores[inside]))).max() < 0.5
    assert rule.tail_.gamma == pytest.approx(0.0, abs=0.2)


def test_pot_beyond_the_end_of_a_bounded_tail_stays_above_zero(rng):
    rule = PotThreshold(1e-3, tail="plugin").fit(rng.uniform(size=5_000))
    p = rule.p_values([2.0, 1e300])
    assert (p > 0).all()
    assert (p < 1e-12).all()


def test_pot_with_a_rate_inside_the_body_is_a_quantile(rng):
    scores = rng.normal(size=10_000)
    rule = PotThreshold(0.3).fit(scores)
    assert rule.threshold_ == pytest.approx(np.quantile(scores, 0.7), abs=0.02)
    assert rule.p_values([rule.threshold_])[0] == pytest.approx(0.3)


def test_pot_with_ties_at_the_top(rng):
    # 13% of the scores are 2.0: no excess above the 90% quantile
    clipped = np.minimum(rng.exponential(size=2_000), 2.0)
    rule = PotThreshold(1e-3).fit(clipped)
    assert rule.start_ < 2.0
    assert 2.0 <= rule.threshold_ < 4.0
    two = PotThreshold(1e-3).fit([0.0] * 100 + [1.0] * 150)
    assert two.threshold_ == 1.0
    assert "no tail" in two.notes_[0]
    p = two.p_values([0.0, 1.0, 1.1])
    assert p.tolist() == pytest.approx([1.0, 0.6, 1 / 251])


def test_pot_survives_huge_and_tiny_scores(rng):
    for unit in (1e-200, 1e200):
        rule = PotThreshold(1e-3).fit(rng.exponential(size=2_000) * unit)
        assert 5 * unit < rule.threshold_ < 10 * unit


# ------------------------------------------------------------------------------------------------------------- SPOT


def test_spot_as_published_equals_the_papers_algorithm():
    rng = np.random.default_rng(3)
    calibration, stream = rng.exponential(size=1_000), rng.exponential(size=3_000)
    stream[700:705] = 30.0
    rule = SpotThreshold(1e-3, level=0.95, tail="plugin", alarms="dropped", memory=10_000).fit(calibration)
    flags, line = slow.published_spot(calibration, stream, 1e-3, rule.start_)
    assert sum(flags) >= 5
    np.testing.assert_array_equal(rule.flags(stream), flags)
    for score in stream:
        rule.update(float(score))
    assert rule.threshold_ == pytest.approx(line, rel=1e-5)


@pytest.mark.parametrize("name", ["spot", "dspot"])
def test_spot_keeps_its_promise_along_a_long_stream_where_the_published_form_sinks(name):
    kind = THRESHOLDS[name]
    late, published = 0, 0
    rows = 60_000
    for seed in range(2):
        rng = np.random.default_rng(seed)
        calibration, stream = rng.normal(size=2_000), rng.normal(size=rows)
        late += kind(1e-3).fit(calibration).flags(stream)[rows // 2 :].sum()
        published += kind(1e-3, tail="plugin", alarms="dropped").fit(calibration).flags(stream)[rows // 2 :].sum()
    assert 0.6 < late / rows / 1e-3 < 1.5
    assert published / rows / 1e-3 > 3


def test_a_long_anomaly_does_not_lift_the_line(rng):
    rule = SpotThreshold(1e-3).fit(rng.exponential(size=2_000))
    before = rule.threshold_
    assert all(rule.update(50.0) for _ in range(1_000))
    assert rule.threshold_ < 1.5 * before


def test_spot_trim_sets_the_highest_aside(rng):
    scores = rng.exponential(size=2_000)
    scores[::200] = 100.0
    rule = SpotThreshold(1e-3, trim=0.005).fit(scores)
    assert 5 < rule.threshold_ < 12
    assert max(rule.to_dict()["state"]["stream"]["excesses"]) < 20


def test_dspot_judges_the_difference_to_the_recent_mean(rng):
    scores = np.cumsum(rng.normal(size=3_000)) * 0.05 + rng.normal(size=3_000)
    rule = DSpotThreshold(5e-3, depth=20, level=0.9).fit(scores[:1_000])
    stream = scores[1_000:].copy()
    stream[500] += 15.0
    flags, path = rule.flags(stream), rule.path(stream)
    assert flags[500]
    joined = np.concatenate([scores[980:1_000], stream])
    differences = slow.dspot_differences(joined, 20, [False] * 20 + flags.tolist())[20:]
    np.testing.assert_allclose(stream - path, np.array(differences) - (path - (stream - differences)), atol=1e-9)
    inner = SpotThreshold(5e-3, level=0.9).fit(
        np.array(slow.dspot_differences(scores[:1_000], 20, [False] * 1_000)[20:], dtype=float)
    )
    np.testing.assert_array_equal(flags, inner.flags(differences))
    np.testing.assert_allclose(rule.p_values(stream), inner.p_values(differences), rtol=1e-6)


# ---------------------------------------------------------------------------------------------------------- dynamic


@given(st.lists(st.floats(0, 100), min_size=10, max_size=60), st.lists(st.integers(0, 59), max_size=6))
@settings(max_examples=100, deadline=None)
def test_dynamic_cut_and_pruning_equal_their_twins(errors, spikes):
    for row in spikes:
        errors[row % len(errors)] += 300.0 + row
    x = np.array(errors)
    rule = DynamicThreshold(window=60, batch=60)
    flags, cut = rule._judge(x)
    zs = np.arange(2.0, 10.01, 0.5)
    expected = slow.telemanom_cut(errors, zs)
    assume(np.abs(x - expected).min() > 1e-9)  # a score on the line is decided by the last bit
    assert cut == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert flags.tolist() == slow.telemanom_prune(errors, [e > cut for e in errors], 0.13)


def test_dynamic_finds_a_spike_run_and_prunes_the_dull(rng):
    scores = rng.uniform(1, 2, size=4_000)
    rule = DynamicThreshold().fit(scores[:2_000])
    stream = scores[2_000:].copy()
    stream[900:920] = 6.0
    flags = rule.flags(stream)
    assert flags[900:920].all()
    assert flags.sum() == 20
    assert rule.promised_rate is None


# ----------------------------------------------------------------------------------------------------------- events


@given(
    rows=st.lists(st.tuples(st.booleans(), st.one_of(st.just(math.nan), st.integers(0, 5).map(float))), max_size=40),
    merge=st.integers(0, 4),
    min_length=st.integers(1, 4),
)
@settings(max_examples=200, deadline=None)
def test_events_equal_the_loop(rows, merge, min_length):
    flags, scores = [flag for flag, _ in rows], [score for _, score in rows]
    p = [(row * 7 % 11 + 1) / 20 for row in range(len(rows))]
    table = events(flags, scores, p_values=p, merge=merge, min_length=min_length)
    expected = slow.event_rows(flags, merge, min_length)
    assert len(table) == len(expected)
    for (_, event), members in zip(table.iterrows(), expected):
        best = max(members, key=lambda row: (-1.0 if math.isnan(scores[row]) else scores[row], -row))
        assert (event["first"], event["last"], event["peak_row"]) == (members[0], members[-1], best)
        assert (event["start"], event["end"], event["peak"]) == (members[0], members[-1], best)
        assert event["n_points"] == len(members)
        assert event["score"] == scores[best] or (math.isnan(event["score"]) and math.isnan(scores[best]))
        assert event["p_value"] == min(p[row] for row in members)


COLUMNS = ["start", "end", "peak", "score", "p_value", "n_points", "first", "last", "peak_row"]


@pytest.mark.parametrize("times", [None, "datetime", "zone", "numeric"])
@pytest.mark.parametrize("found", [True, False])
def test_event_columns_and_types_with_and_without_events(times, found):
    index = {
        None: None,
        "datetime": pd.date_range("2024-01-01", periods=5, freq="h"),
        "zone": pd.date_range("2024-03-31", periods=5, freq="h", tz="Europe/Berlin"),
        "numeric": np.linspace(0.0, 2.0, 5),
    }[times]
    table = events(np.array([0, 1, 1, 0, 0]) * found, [0, 1, 2, 0, 0], times=index)
    assert table.columns.tolist() == COLUMNS
    assert len(table) == int(found)
    kind = pd.Index(np.arange(5)).dtype if index is None else pd.Index(index).dtype
    assert [table[name].dtype for name in COLUMNS[:3]] == [kind] * 3
    assert [str(table[name].dtype) for name in COLUMNS[3:]] == ["float64"] * 2 + ["int64"] * 4
    if found:
        assert table["peak"][0] == (2 if index is None else pd.Index(index)[2])
        assert np.isnan(table["p_value"][0])


def test_rows_without_score_do_not_split_an_event_that_merge_covers():
    flags, scores = [True, False, False, True], [5.0, np.nan, np.nan, 6.0]
    assert events(flags, scores, merge=2)["n_points"].tolist() == [2]
    assert events(flags, scores, merge=1)["n_points"].tolist() == [1, 1]


def test_bad_events_are_refused():
    for arguments, words in (
        (dict(flags=[1, 0], scores=[1.0]), "scores has 1 rows, flags 2"),
        (dict(flags=[1, 0], scores=[1.0, 2.0], p_values=[0.5]), "p_values has 1 rows, flags 2"),
        (dict(flags=[1, 0], scores=[1.0, 2.0], times=[1, 2, 3]), "times has 3 rows, flags 2"),
        (dict(flags=[0.3, 0], scores=[1.0, 2.0]), "0 or 1"),
        (dict(flags=[1, 0], scores=[1.0, 2.0], merge=-1), "use at least 0"),
        (dict(flags=[1, 0], scores=[1.0, 2.0], min_length=0), "use at least 1"),
        (dict(flags=[[1, 0]], scores=[1.0, 2.0]), r"shape \(n,\)"),
    ):
        with pytest.raises(InputError, match=words):
            events(**arguments)


def test_rules_in_the_open_are_what_the_module_names():
    assert isinstance(budget_threshold(range(100), 1, 50), BudgetThreshold)
    assert all(kind.name == name and issubclass(kind, Threshold) for name, kind in THRESHOLDS.items())
