"""vaehelpers.windows against its slow twins, and against what a reader would count by hand."""

import numpy as np
import pytest
import reference_windows as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from vaehelpers.common import InputError
from vaehelpers.windows import (
    AGGREGATIONS,
    PointAggregator,
    count_windows,
    dominant_period,
    fill_behind,
    fill_between,
    gather,
    smooth,
    window_starts,
    windows_to_points,
)


@st.composite
def layouts(draw):
    n = draw(st.integers(1, 40))
    timesteps = draw(st.integers(1, 12))
    gaps = draw(st.lists(st.integers(0, 45), max_size=4))
    features = draw(st.integers(1, 3))
    observed = draw(st.lists(st.lists(st.booleans(), min_size=features, max_size=features), min_size=n, max_size=n))
    return n, timesteps, gaps, observed


@given(layouts(), st.integers(1, 5), st.floats(0, 1), st.booleans())
@settings(max_examples=200, deadline=None)
def test_starts_equal_the_slow_twin(layout, stride, max_missing, include_last):
    n, timesteps, gaps, observed = layout
    options = dict(stride=stride, gaps=gaps, observed=observed, max_missing=max_missing, include_last=include_last)
    assert window_starts(n, timesteps, **options).tolist() == reference.window_starts(n, timesteps, **options)


def test_the_askers_count():
    assert count_windows(77_192, 100) == len(window_starts(77_192, 100)) == 77_093


@given(st.integers(0, 300), st.integers(1, 50), st.integers(1, 20))
def test_count_equals_the_number_of_starts(n, timesteps, stride):
    assert count_windows(n, timesteps, stride=stride) == len(window_starts(n, timesteps, stride=stride))


@given(layouts(), st.integers(1, 7))
@settings(deadline=None)
def test_with_include_last_every_row_that_can_be_covered_is(layout, stride):
    n, timesteps, gaps, _ = layout
    covered = np.zeros(n, bool)
    for start in window_starts(n, timesteps, gaps=gaps, stride=min(stride, timesteps), include_last=True):
        covered[start : start + timesteps] = True
    possible = np.zeros(n, bool)
    for start in window_starts(n, timesteps, gaps=gaps):
        possible[start : start + timesteps] = True
    assert np.array_equal(covered, possible)


def test_gather_reads_the_right_rows():
    series = np.arange(20.0).reshape(10, 2)
    windows = gather(series, [0, 7], 3)
    assert windows.shape == (2, 3, 2)
    assert windows[1, 2].tolist() == [18.0, 19.0]
    with pytest.raises(InputError, match="window of 3 starting at row 8 reaches outside the series of 10 rows"):
        gather(series, [8], 3)


@st.composite
def scored(draw):
    n = draw(st.integers(3, 30))
    timesteps = draw(st.integers(1, min(n, 9)))
    possible = list(range(n - timesteps + 1))
    starts = sorted(draw(st.sets(st.sampled_from(possible), min_size=1)))
    value = st.one_of(st.floats(-100, 100), st.just(float("nan")))
    per_step = [draw(st.lists(value, min_size=timesteps, max_size=timesteps)) for _ in starts]
    return n, timesteps, starts, per_step


@pytest.mark.parametrize("how", [*AGGREGATIONS, "trailing"])
@given(scored(), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_points_equal_the_slow_twin_in_any_batching(how, case, batch):
    n, timesteps, starts, per_step = case
    expected = reference.windows_to_points(per_step, starts, n, how)
    np.testing.assert_allclose(windows_to_points(per_step, starts, n, how), expected, atol=1e-10)
    points = PointAggregator(n, timesteps, how)
    for begin in range(0, len(starts), batch):
        points.add(starts[begin : begin + batch], np.asarray(per_step[begin : begin + batch]))
    np.testing.assert_allclose(points.result(), expected, atol=1e-10)


@pytest.mark.parametrize("how", [*AGGREGATIONS, "trailing"])
def test_points_of_several_variables_equal_each_on_its_own(how):
    rng = np.random.default_rng(0)
    starts = window_starts(30, 6, stride=2)
    per_step = rng.normal(size=(len(starts), 6, 3))
    per_step[rng.random(per_step.shape[:2]) < 0.2] = np.nan
    together = windows_to_points(per_step, starts, 30, how)
    for k in range(3):
        np.testing.assert_allclose(together[:, k], windows_to_points(per_step[..., k], starts, 30, how))


def test_a_row_without_window_is_nan_and_not_zero():
    assert np.isnan(windows_to_points(np.ones((1, 2)), [0], 3)).tolist() == [False, False, True]
    assert np.isnan(PointAggregator(4, 2).result()).all()


@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=40),
    st.integers(1, 50),
    st.lists(st.integers(0, 45), max_size=3),
    st.booleans(),
)
@settings(deadline=None)
def test_smooth_equals_the_slow_twin(scores, width, gaps, trailing):
    got = smooth(scores, width, gaps=gaps, trailing=trailing)
    np.testing.assert_allclose(got, reference.smooth(scores, width, gaps, trailing), rtol=1e-9, atol=1e-6)


@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=30),
    st.lists(st.integers(0, 35), max_size=3),
    st.one_of(st.none(), st.floats(-10, 10), st.just(float("nan"))),
)
@settings(deadline=None)
def test_filling_equals_the_slow_twin(series, gaps, before):
    values = np.array([series, series[::-1]]).T.copy()
    observed = ~np.isnan(values)
    behind, between = values.copy(), values.copy()
    start = None if before is None else np.full(2, before)
    fill_behind(behind, observed, gaps, start)
    fill_between(between, observed)
    known = None if before is None or np.isnan(before) else before
    for column, one in enumerate((series, series[::-1])):
        assert behind[:, column].tolist() == reference.fill_behind(one, gaps, known)
        np.testing.assert_allclose(between[:, column], reference.fill_between(one), rtol=1e-9, atol=1e-9)


@given(
    st.lists(st.one_of(st.floats(-100, 100), st.just(float("nan"))), min_size=3, max_size=30),
    st.data(),
)
@settings(deadline=None)
def test_a_part_is_filled_as_the_whole_by_its_neighbours(series, data):
    values = np.array(series)[:, None]
    observed = ~np.isnan(values)
    whole = values.copy()
    fill_between(whole, observed)
    low = data.draw(st.integers(0, len(values) - 1))
    high = data.draw(st.integers(low + 1, len(values)))
    seen = np.flatnonzero(observed[:, 0])

    def neighbour(rows):
        return (rows[:1] - low, values[rows[:1], 0]) if len(rows) else (np.array([np.nan]), np.array([np.nan]))

    part = values[low:high].copy()
    fill_between(part, observed[low:high], neighbour(seen[seen < low][::-1]), neighbour(seen[seen >= high]))
    np.testing.assert_array_equal(part, whole[low:high])


def test_smooth_leaves_no_dirt_behind_a_huge_spike():
    scores = np.full(1_000, 1e-3)
    scores[300] = 1e15
    assert smooth(scores, 11)[400:].tolist() == pytest.approx([1e-3] * 600, rel=1e-12)


@pytest.mark.parametrize("period", [32, 48, 96, 144, 200])
def test_period_of_a_noisy_rhythm(period):
    rows = np.arange(20 * period)
    noise = np.random.default_rng(period).normal(size=len(rows))
    wave = np.sin(2 * np.pi * rows / period) + 0.5 * np.sin(6 * np.pi * rows / period)
    assert abs(dominant_period(wave + 0.3 * noise) - period) <= 1


def test_a_short_rhythm_answers_with_a_multiple():
    assert dominant_period(np.sin(2 * np.pi * np.arange(3_000) / 10)) % 10 == 0


def test_period_of_nothing_is_the_default_and_fits_short_series():
    assert dominant_period(np.random.default_rng(0).normal(size=5_000), default=77) == 77
    assert dominant_period(np.ones(500)) == 100
    assert dominant_period(np.arange(30.0)) <= 10
    with_holes = np.sin(2 * np.pi * np.arange(2_000) / 50)
    with_holes[::7] = np.nan
    assert abs(dominant_period(with_holes) - 50) <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: window_starts(10, 0), "timesteps=0 must be a whole number of at least 1"),
        (lambda: window_starts(10, 2, stride=0), "stride=0"),
        (lambda: window_starts(10, 2, max_missing=2), "max_missing=2 is a share"),
        (lambda: window_starts(10, 2, observed=[True] * 9), "observed has 9 rows and the series 10"),
        (lambda: PointAggregator(5, 2, "mode"), "choose one of mean, median, max, last, centre"),
        (lambda: PointAggregator(5, 2).add([0], np.zeros((1, 3))), "shape"),
        (lambda: PointAggregator(5, 2).add([4], np.zeros((1, 2))), "outside the 5 rows"),
        (lambda: PointAggregator(5, 2, "median").add([1, 0], np.zeros((2, 2))), "increasing"),
        (lambda: windows_to_points([1.0], [0], 3), "per_step has shape"),
        (lambda: smooth([1.0], 0), "width=0"),
    ],
)
def test_bad_input_names_what_was_wrong(call, message):
    with pytest.raises(InputError, match=message):
        call()
