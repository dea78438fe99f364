"""Where an incident begins and ends, and of what kind it is, from the errors of its own rows.

A score that is smoothed over 25 rows is high 12 rows before the event begins. Edges are therefore placed by the rows
themselves: the stretch whose errors are most likely to come from a larger variance than usual, found by the maximum
of a sum of log-likelihood ratios (the segment that Kadane's algorithm finds).

Source: Page, Biometrika 41 (1954) (cumulative sums of likelihood ratios).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.alarms._checks import Floats, as_rows, as_table
from vaehelpers.common.errors import InputError

__all__ = ["KINDS", "find_rest", "kind_in_column", "kind_of", "odd_column", "refine_edges", "usual_error"]

KINDS = {
    "too high": "values above what was expected",
    "too low": "values below what was expected",
    "frozen": "the same value for longer than usual",
    "rhythm": "values swing faster or slower than expected",
    "shape": "another course than expected, above in one part and below in another",
}
"""Kinds of incident and what each means."""

_LEAST_RATIO, _MOST_RATIO = 8.0, 1_000.0  # how many times the usual error an incident's rows are taken to have
_ONE_SIDED = 0.6  # share of the squared deviations on one side less that on the other, from which a direction is named
_SWINGS = 0.12  # changes of side per row among large deviations, from which they are a rhythm
_REST = 8  # rows of one value that can be a frozen sensor ...
_RARE_REST = 3.0  # ... if they are so many times as long as the rests of usual rows


def usual_error(row_errors: ArrayLike) -> float:
    """Typical error of a normal row: the mean of the lower nine tenths, scaled to the mean of squared Gaussian noise.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=10_000)
    >>> round(usual_error(noise**2), 1)
    1.0
    """
    errors = as_rows(row_errors, "row_errors")
    errors = errors[np.isfinite(errors)]
    if not errors.size:
        return 1.0
    calm = errors[errors <= np.quantile(errors, 0.9)]
    # the lower nine tenths of squared Gaussian noise have a mean of 0.623
    return float(calm.mean() / 0.623) or float(errors.mean()) or 1.0


def refine_edges(
    row_errors: ArrayLike, first: int, last: int, *, peak: int | None = None, usual: float | None = None
) -> tuple[int, int, int]:
    """Place the edges of an incident by the errors of its rows.

    Parameters
    ----------
    row_errors : array-like, shape (n,)
        Squared errors of single rows, not smoothed; NaN where unknown.
    first, last : int
        Rows between which to look, inclusive.
    peak : int, optional
        Row of the highest score; kept inside where no row stands out. Default: the middle.
    usual : float, optional
        Error of a normal row; default `usual_error` of all rows.

    Returns
    -------
    first, last, peak : int
        Rows, inclusive; the peak is the row with the largest error between them.

    Raises
    ------
    InputError
        If `first` to `last` are no rows of the series.

    Examples
    --------
    >>> errors = np.ones(100)
    >>> errors[40:50] = [20, 3, 30, 25, 2, 40, 22, 60, 8, 20]
    >>> refine_edges(errors, 20, 80)
    (40, 49, 47)
    """
    errors = as_rows(row_errors, "row_errors")
    if not 0 <= first <= last < len(errors):
        raise InputError(f"rows {first} to {last} are none of the {len(errors)} rows; use 0 <= first <= last < n")
    base = usual_error(errors) if usual is None else usual
    part = np.nan_to_num(errors[first : last + 1] / base, nan=0.0)
    begin, end, ratio = 0, len(part) - 1, _LEAST_RATIO
    for _ in range(3):  # a strong incident is sought among strong rows, or chance widens it
        gain = 0.5 * (np.minimum(part, 3 * ratio) * (1 - 1 / ratio) - np.log(ratio))
        total = np.concatenate([[0.0], np.cumsum(gain)])
        lowest = np.minimum.accumulate(total[:-1])
        end = int(np.argmax(total[1:] - lowest))
        if total[end + 1] - lowest[end] <= 0.0:
            middle = (first + last) // 2 if peak is None else min(max(peak, first), last)
            return middle, middle, middle
        begin = int(np.argmin(total[: end + 1]))
        ratio = float(np.clip(part[begin : end + 1].mean(), _LEAST_RATIO, _MOST_RATIO))
    highest = begin + int(np.argmax(part[begin : end + 1]))
    return first + begin, first + end, first + highest


def kind_of(values: ArrayLike, expected: ArrayLike, first: int, last: int, *, errors: ArrayLike | None = None) -> str:
    """Say of what kind an incident is.

    Parameters
    ----------
    values, expected : array-like, shape (n,) or (n, n_features)
        The series and what the model expected, in the same units.
    first, last : int
        Rows of the incident, inclusive.
    errors : array-like, shape (n,) or (n, n_features), optional
        Row errors per variable, by which the variable that stands out most is chosen. Default: the squared deviation
        against its usual size.

    Returns
    -------
    str
        One of `KINDS`, or "" where nothing can be told.

    Examples
    --------
    >>> expected = np.sin(np.arange(400) / 8)
    >>> values = expected + 0.1 * np.random.default_rng(0).normal(size=400)
    >>> values[100:120] += 2.0
    >>> values[200:250] = values[200]
    >>> kind_of(values, expected, 100, 119), kind_of(values, expected, 200, 249)
    ('too high', 'frozen')
    """
    table = np.asarray(values, dtype=np.float64)
    given = as_table(values, "values", len(table))
    deviation = given - as_table(expected, "expected", len(given))
    column = odd_column(deviation, first, last, None if errors is None else as_table(errors, "errors", len(given)))
    return kind_in_column(given[:, column], deviation[first : last + 1, column], first, last)


def kind_in_column(value: Floats, deviation: Floats, first: int, last: int) -> str:
    """Say of what kind an incident is in one variable: all its values, and the deviations of the incident's rows."""
    rest = find_rest(value, first, last)
    if rest is not None and min(rest[1], last) - max(rest[0], first) + 1 >= 0.3 * (last - first + 1):
        return "frozen"
    part = deviation[np.isfinite(deviation)]
    power = part**2
    if not power.sum() > 0.0:
        return ""
    side = float(np.sum(np.sign(part) * power) / power.sum())
    if abs(side) >= _ONE_SIDED:
        return "too high" if side > 0 else "too low"
    signs = np.sign(part[power >= 0.25 * power.mean()])
    return "rhythm" if np.sum(signs[1:] != signs[:-1]) > _SWINGS * len(part) else "shape"


def find_rest(value: ArrayLike, first: int, last: int, *, around: int = 0) -> tuple[int, int] | None:
    """Longest run of one and the same value near an incident, if such rests are rare in the series.

    Parameters
    ----------
    value : array-like, shape (n,)
    first, last : int
        Rows of the incident, inclusive.
    around : int, default 0
        Rows to look before and after it.

    Returns
    -------
    first, last : int, or None
        Rows of the rest, inclusive; None where there is none of at least 8 rows and three times the usual length.

    Examples
    --------
    >>> value = np.random.default_rng(0).normal(size=500)
    >>> value[100:130] = 1.0
    >>> find_rest(value, 120, 150, around=30), find_rest(value, 300, 350)
    ((100, 129), None)
    """
    x = as_rows(value, "value")
    begins = np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]]))
    lengths = np.diff(np.append(begins, len(x)))
    near = (begins <= last + around) & (begins + lengths - 1 >= first - around)
    if not near.any():
        return None
    best = np.flatnonzero(near)[np.argmax(lengths[near])]
    # 19 of 20 other rows lie in rests no longer than this
    others = np.sort(np.delete(lengths, best))
    if not len(others):
        return None
    usual = others[np.searchsorted(np.cumsum(others), 0.95 * others.sum())]
    if lengths[best] < max(_REST, _RARE_REST * usual):
        return None
    return int(begins[best]), int(begins[best] + lengths[best] - 1)


def odd_column(deviation: Floats, first: int, last: int, errors: Floats | None) -> int:
    """The variable that stands out most among the rows of an incident."""
    if deviation.shape[1] == 1:
        return 0
    table = deviation**2 if errors is None or errors.shape != deviation.shape else errors
    part = table[first : last + 1]
    usual = np.nanmedian(table, axis=0) if errors is None else np.ones(table.shape[1])
    share = np.nansum(part, axis=0) / np.maximum(usual, 1e-12)
    return int(np.argmax(share))
