"""vaehelpers.alarms.causal: what it finds, that it looks only back, and that its state goes on."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from vaehelpers.alarms.causal import VIEWS, CausalDetector
from vaehelpers.common.errors import InputError


def pump(n=3_000, seed=0):
    rng = np.random.default_rng(seed)
    return np.sin(np.arange(n) / 20) + 0.1 * rng.normal(size=n)


def found(series, **settings):
    return np.flatnonzero(CausalDetector(**settings).run(series).flags)


def test_a_row_is_judged_by_the_rows_before_it():
    series = pump(1_500)
    whole = CausalDetector().run(series)
    changed = series.copy()
    changed[1_000:] = 40.0 * np.random.default_rng(1).normal(size=500)
    other = CausalDetector().run(changed)
    for a, b in zip(whole, other):
        np.testing.assert_array_equal(a[:1_000], b[:1_000])
    assert not np.array_equal(whole.scores[1_000:], other.scores[1_000:])


def test_the_forecast_equals_scikit_learn_s_ridge():
    from sklearn.linear_model import Ridge

    series = pump(600)
    detector = CausalDetector(refit_every=1)
    detector.run(series[:-1])
    column = detector._columns[0]
    column._fit()
    centre, scale = np.median(series[10:-1]), np.std(series[10:-1])
    scaled = np.clip((series[:-1] - centre) / scale, -6, 6)
    lags = np.lib.stride_tricks.sliding_window_view(scaled[:-1], 10)
    with_constant = np.column_stack([lags, np.ones(len(lags))])  # it is penalised like the others
    model = Ridge(alpha=1e-3 * len(lags), fit_intercept=False).fit(with_constant, scaled[10:])
    expected = (series[-1] - centre) / scale - model.predict(np.r_[scaled[-10:], 1.0][None])[0]
    assert column._error(series[-1]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "views", "delay"),
    [
        (lambda x: np.put(x, 2_000, x[2_000] + 3.0), "value forecast", 0),
        (lambda x: np.put(x, 2_000, x[2_000] - 1.2), "forecast", 0),
        (lambda x: x.__setitem__(slice(2_000, 2_200), x[2_000]), "spread", 12),
        (lambda x: x.__setitem__(slice(2_000, None), x[2_000:] + 4.0), "value forecast", 3),
        (
            lambda x: x.__setitem__(slice(2_000, 2_100), np.random.default_rng(2).normal(size=100)),
            "forecast spread",
            12,
        ),
    ],
    ids=["spike", "out of rhythm", "frozen", "shift", "noise"],
)
def test_it_finds(change, views, delay):
    series = pump()
    assert len(found(series)) == 0
    change(series)
    result = CausalDetector().run(series)
    first = int(np.argmax(result.flags))
    assert 2_000 <= first <= 2_000 + delay
    assert VIEWS[int(np.argmax(result.views[first]))] in views.split()


def test_the_four_complaints():
    """A stuck sensor alarms once, a spike masks nothing, a daily one stops, another site is noticed."""
    day = 288
    stuck = pump()
    stuck[2_000:2_500] = stuck[2_000]
    assert len(found(stuck)) == 1
    spikes = pump()
    spikes[2_000], spikes[2_000 + day] = 50.0, 4.0
    assert found(spikes)[[0, -1]].tolist() == [2_000, 2_000 + day]
    rows = np.arange(day * 30)
    daily = np.sin(2 * np.pi * rows / day) + 0.1 * np.random.default_rng(3).normal(size=len(rows))
    daily[day * 8 + 100 :: day] += 3.0
    days = found(daily) // day
    assert days[:3].tolist() == [8, 9, 10] and np.sum(days >= 16) <= 1  # two weeks of spikes after the first eight
    home = CausalDetector()
    home.run(pump())
    carried = CausalDetector.from_dict(json.loads(json.dumps(home.to_dict())))
    assert carried.run(30.0 + 5.0 * pump(seed=1)).flags[:3].any()


def test_the_state_goes_on_bit_by_bit():
    series = np.column_stack([pump(1_300), pump(1_300, seed=1)])
    series[700:710, 0], series[720] = np.nan, np.nan
    whole = CausalDetector(memory=400).run(series)
    for cut in (0, 1, 105, 705, 1_111):
        detector = CausalDetector(memory=400)
        first = detector.run(series[:cut])
        again = CausalDetector.from_dict(json.loads(json.dumps(detector.to_dict(), allow_nan=False)))
        rest = again.run(series[cut:])
        for a, b, c in zip(first, rest, whole):
            np.testing.assert_array_equal(np.concatenate([a, b]), c)


def test_missing_rows_and_columns():
    series = pump(1_000)
    holes = np.insert(series, [300, 300, 700], np.nan)
    plain, result = CausalDetector().run(series), CausalDetector().run(holes)
    np.testing.assert_array_equal(result.scores[~np.isnan(holes)], plain.scores)
    assert np.isnan(result.scores[np.isnan(holes)]).all() and not result.flags[np.isnan(holes)].any()
    pair = CausalDetector().run(np.column_stack([series, np.full(1_000, np.nan)]))
    np.testing.assert_allclose(pair.severities, np.maximum(plain.severities - math.log10(2), 0))


def damage(state, path, value):
    state = copy.deepcopy(state)
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return state


@pytest.mark.parametrize("value", [KeyError, None, "x", -5, [math.inf], {"more": 1}])
@pytest.mark.parametrize(
    "path",
    [
        ("kind",),
        ("order",),
        ("memory",),
        ("rows",),
        ("columns",),
        ("cooldown_state",),
        ("returns_state", "maxima"),
        ("columns", 0, "past"),
        ("columns", 0, "weights"),
        ("columns", 0, "scale"),
        ("columns", 0, "tails", "value"),
        ("columns", 0, "tails", "spread", "rows"),
    ],
)
def test_a_damaged_state_is_refused(path, value):
    detector = CausalDetector(memory=300)
    detector.run(pump(500))
    with pytest.raises(InputError):
        CausalDetector.from_dict(damage(detector.to_dict(), path, value))


def test_a_stage_of_other_settings_is_refused():
    detector = CausalDetector(memory=300)
    detector.run(pump(500))
    with pytest.raises(InputError, match="has the settings"):
        CausalDetector.from_dict(damage(detector.to_dict(), ("cooldown_state", "rows"), 7_000))
    with pytest.raises(InputError, match="must be a mapping"):
        CausalDetector.from_dict(5)


def test_bad_input():
    detector = CausalDetector()
    detector.update([1.0, 2.0])
    for row, message in (
        ([1.0], "has 1 values; the rows before had 2"),
        ([1.0, math.inf], "finite numbers or NaN"),
        ("high", "does not hold numbers"),
        ([[1.0, 2.0]], "shape"),
    ):
        with pytest.raises(InputError, match=message):
            detector.update(row)
    assert detector.rows == 1
    with pytest.raises(InputError, match="it needs"):
        detector.run(np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="probation=50"):
        CausalDetector(probation=50)
    with pytest.raises(InputError, match="false_alarms"):
        CausalDetector(false_alarms=0.0)
    assert len(CausalDetector().run([]).flags) == 0
