"""vaehelpers.alarms.sequential: slow twins, saved states, promises, and four complaints about other tools."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from vaehelpers.alarms.sequential import ChangeMartingale, Cooldown, ReturnPeriod, RollingLikelihood, TailSeverity
from vaehelpers.common.errors import InputError

STAGES = {
    "tail": lambda: TailSeverity(memory=100, every=7),
    "return": lambda: ReturnPeriod(block=5, memory=100),
    "cooldown": lambda: Cooldown(rows=6, margin=0.5),
    "likelihood": lambda: RollingLikelihood(short=4, memory=100),
    "martingale": lambda: ChangeMartingale(memory=50, stride=2),
}


# ------------------------------------------------------------------------------------------------------ slow twins


def tail_slow(rows, memory, share, every):
    """Refitted every `every` rows from the last `memory`, by hand, one side at a time."""
    result, fitted, since = [], None, 0
    for i, value in enumerate(rows):
        if i >= 20 and (fitted is None or since >= every):
            fitted, since = np.sort(rows[max(0, i - memory) : i]), 0
        since += 1
        if fitted is None:
            result.append(0.0)
            continue
        n, sides = len(fitted), []
        for sign in (1.0, -1.0):
            past, x = np.sort(sign * fitted), sign * value
            k = min(max(10, int(share * n)), n // 2)
            start, excess = past[n - k - 1], past[n - k :] - past[n - k - 1]
            median = excess[k // 2]
            scale = np.mean([min(e, 10 * median) for e in excess]) if median > 0 else excess.mean()
            if scale <= 0:
                scale = max(abs(start) * 0.01, 1e-9)
            p = (np.sum(past >= x) + 1) / (n + 1)
            if x > start:
                beyond = k / n * math.exp(-min((x - start) / scale, 700))
                known = p if x <= past[-8] else 9 / (n + 1) * math.exp(-min((x - past[-8]) / scale, 700))
                p = max(beyond, known)
            sides.append(-math.log10(p))
        result.append(max(*sides, 0.0))
    return np.array(result)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(hnp.arrays(np.float64, st.integers(0, 180), elements=st.integers(-40, 40).map(lambda k: k / 8)))
def test_tail_severity_equals_its_twin(rows):
    result = TailSeverity(memory=100, share=0.1, every=13).run(rows)
    expected = tail_slow(rows, 100, 0.1, 13)
    shown = expected < 300  # below the smallest number the twin can hold
    np.testing.assert_allclose(result[shown], expected[shown], rtol=1e-9, atol=1e-12)
    assert (result[~shown] >= 300).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 12).map(lambda k: k / 4), max_size=60), st.integers(1, 9), st.sampled_from([0.0, 0.5, 1.0])
)
def test_cooldown_equals_its_twin(scores, rows, margin):
    expected = [
        score if i == 0 or score > max(scores[max(0, i - rows) : i]) + margin else 0.0 for i, score in enumerate(scores)
    ]
    assert Cooldown(rows, margin).run(scores).tolist() == expected


@settings(max_examples=40, deadline=None, derandomize=True)
@given(hnp.arrays(np.float64, st.integers(30, 160), elements=st.integers(-40, 40).map(lambda k: k / 8)))
def test_rolling_likelihood_equals_its_twin(rows):
    result = RollingLikelihood(short=4, memory=100).run(rows)
    means = np.array([rows[max(0, i - 3) : i + 1].mean() for i in range(len(rows))])
    for i in range(20, len(rows)):
        past = means[max(0, i - 100) : i]
        if past.std() > 1e-6:
            expected = -stats.norm.logsf((means[i] - past.mean()) / past.std()) / math.log(10)
            assert result[i] == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert (result[:20] == 0).all()


# ---------------------------------------------------------------------------------------------------------- promises


def test_return_periods_of_independent_scores():
    """Severities of independent rows: 10^3 rows between two runs as high, within a factor of 2."""
    scores = np.random.default_rng(1).exponential(size=60_000) / math.log(10)
    returns = ReturnPeriod().run(scores)[5_000:]
    for level in (2.5, 3.0, 3.5):
        promised = len(returns) * 10**-level
        assert promised / 3 < (returns >= level).sum() < 2 * promised


def test_return_periods_of_runs():
    """Each score ten times in a row: by rows the promise is kept no worse than by blocks, up to the run's length."""
    scores = np.repeat(np.random.default_rng(2).exponential(size=6_000), 10) / math.log(10)
    returns = ReturnPeriod().run(scores)[10_000:]
    runs = np.sum((returns[1:] >= 3.0) & (returns[:-1] < 3.0))
    assert runs < 3 * len(returns) / 1_000


def test_the_martingale_keeps_its_promise():
    rng = np.random.default_rng(3)
    stages = [ChangeMartingale(memory=500, stride=1, seed=seed) for seed in range(40)]
    false = sum(stage.run(rng.normal(size=1_000)).max() >= 4 for stage in stages)
    assert false <= 4  # 20,000 bets, of which one in 10,000 may end in a false note
    late = []
    for seed in range(10):
        stage = ChangeMartingale(memory=500, stride=1, seed=seed)
        stage.run(rng.normal(size=500))
        late.append(int(np.argmax(stage.run(1.5 + rng.normal(size=200)) >= 4)))
    assert 0 < max(late) < 60


# -------------------------------------------------------------------------------------------------- four complaints


def alarms(series, line=5.0, rows=288):
    """First rows of alarms: severity, cool-down of a day, and a line at one in a hundred thousand."""
    return np.flatnonzero(Cooldown(rows).run(TailSeverity(memory=4_000).run(series)) >= line)


def test_a_stuck_sensor_alarms_once():
    rng = np.random.default_rng(4)
    series = rng.normal(size=3_000)
    series[2_000:2_400] = 9.0  # stuck far off, longer than a day of 288 rows
    assert alarms(series).tolist() == [2_000]


def test_one_spike_does_not_mask_the_next_day():
    rng = np.random.default_rng(5)
    series = rng.normal(size=3_000)
    series[2_000], series[2_300] = 50.0, 8.0
    assert alarms(series).tolist() == [2_000, 2_300]


def test_a_spike_that_comes_daily_stops_alarming():
    rng = np.random.default_rng(6)
    series = rng.normal(size=288 * 40)
    series[288 * 10 :: 288] += 12.0
    days = alarms(series, rows=144) // 288
    assert 10 in days and len(days) < 12
    assert days.max() < 24


def test_another_site_is_noticed():
    """A stage that learned one site, carried to one of three times the spread: noticed at once."""
    rng = np.random.default_rng(7)
    tail, change = TailSeverity(), ChangeMartingale(memory=1_000, stride=5)
    home = change.run(tail.run(rng.normal(size=4_000)))
    carried = TailSeverity.from_dict(json.loads(json.dumps(tail.to_dict())))
    severities = carried.run(20.0 + 3.0 * rng.normal(size=6_000))
    assert severities[:20].min() > 4.0  # before it has learned any of them
    assert home.max() < 3.0 < change.run(severities[:100]).max()
    assert (severities[-1_000:] > 3.0).mean() < 0.01  # and after its memory it has become home


def test_variance_that_grows_does_not_alarm_for_ever():
    rng = np.random.default_rng(8)
    series = rng.normal(size=20_000) * np.linspace(1, 5, 20_000)
    assert len(alarms(series)) <= 6


# ------------------------------------------------------------------------------------------------------------ states


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(hnp.arrays(np.float64, st.integers(1, 250), elements=st.integers(-40, 40).map(lambda k: k / 8)), st.data())
def test_a_state_goes_on_bit_by_bit(name, rows, data):
    cut = data.draw(st.integers(0, len(rows)))
    whole, first = STAGES[name](), STAGES[name]()
    expected = whole.run(rows)
    before = first.run(rows[:cut])
    again = type(first).from_dict(json.loads(json.dumps(first.to_dict(), allow_nan=False)))
    np.testing.assert_array_equal(np.r_[before, again.run(rows[cut:])], expected)


@pytest.mark.parametrize("name", STAGES)
def test_a_damaged_state_is_refused(name):
    stage = STAGES[name]()
    stage.run(np.random.default_rng(9).normal(size=200))
    good = stage.to_dict()
    for key in good:
        for bad in (None, "x", [math.nan], -1e9, {}):
            if key in ("origin", "sum") and bad == -1e9:  # may be any number
                continue
            with pytest.raises(InputError):
                type(stage).from_dict({**good, key: bad})
        with pytest.raises(InputError, match=f"'{key}' is missing|'{key}'"):
            type(stage).from_dict({k: v for k, v in good.items() if k != key})
    with pytest.raises(InputError, match="unknown 'more'"):
        type(stage).from_dict({**good, "more": 1})
    with pytest.raises(InputError, match="mapping"):
        type(stage).from_dict([good])


def test_states_out_of_order_are_refused():
    tail, cool, change = TailSeverity(memory=100), Cooldown(rows=5), ChangeMartingale(memory=50)
    for stage in (tail, cool, change):
        stage.run(np.random.default_rng(10).normal(size=80))
    with pytest.raises(InputError, match="not sorted"):
        TailSeverity.from_dict({**tail.to_dict(), "fitted": tail.to_dict()["fitted"][::-1]})
    with pytest.raises(InputError, match="do not fall"):
        Cooldown.from_dict({**cool.to_dict(), "ages": [1.0, 2.0], "peaks": [3.0, 2.0]})
    with pytest.raises(InputError, match="not sorted"):
        ChangeMartingale.from_dict({**change.to_dict(), "reference": change.to_dict()["reference"][::-1]})


# ------------------------------------------------------------------------------------------------------------ edges


@pytest.mark.parametrize("name", STAGES)
def test_missing_rows_teach_nothing(name):
    rows = np.random.default_rng(11).normal(size=200)
    holes = np.insert(rows, [50, 50, 120], np.nan)
    result = STAGES[name]().run(holes)
    np.testing.assert_array_equal(result[~np.isnan(holes)], STAGES[name]().run(rows))
    assert np.isnan(result[np.isnan(holes)]).all()


@pytest.mark.parametrize("name", STAGES)
def test_bad_values_leave_the_stage_as_it_was(name):
    stage = STAGES[name]()
    stage.run(np.arange(100.0))
    before = stage.to_dict()
    for bad in (math.inf, math.nan, "high", None):
        with pytest.raises(InputError):
            stage.update(bad)
    with pytest.raises(InputError, match=r"shape \(n,\)"):
        stage.run(np.zeros((2, 2)))
    assert stage.to_dict() == before


def test_constant_and_extreme_series():
    assert TailSeverity().run(np.zeros(200)).max() < 1.0
    moved = TailSeverity().run(np.r_[np.full(200, 5.0), 5.2])
    assert moved[-1] > 1.0
    huge = TailSeverity().run(np.r_[np.random.default_rng(12).normal(size=200), 1e300, -1e300, 1e308])
    assert np.isfinite(huge).all() and huge[200:].min() > 100
    assert np.isfinite(ReturnPeriod().run(np.r_[np.zeros(100), 1e300])).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TailSeverity(memory=10), "memory=10 in the tail stage is below 100"),
        (lambda: TailSeverity(share=0.5), "not below 0.5"),
        (lambda: ReturnPeriod(block=1), "block=1"),
        (lambda: ReturnPeriod(prior=-1.0), "prior"),
        (lambda: Cooldown(rows=0), "rows=0"),
        (lambda: RollingLikelihood(short=0), "short=0"),
        (lambda: ChangeMartingale(memory=3), "memory=3"),
    ],
)
def test_bad_settings(build, message):
    with pytest.raises(InputError, match=message):
        build()
