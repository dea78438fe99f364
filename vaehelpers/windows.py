"""Series to windows without copies, and window scores back to points.

Windows are index arrays into the one series in memory. Nothing here builds an array of shape
(n_windows, timesteps, n_features) unless asked for one batch. Lesson: notebooks/01_windowing.ipynb.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError

__all__ = [
    "count_windows",
    "dominant_period",
    "fill_between",
    "gather",
    "smooth",
    "window_starts",
    "windows_to_points",
]

AGGREGATIONS = ("mean", "median", "max", "last", "centre")
"""What a row can take from the windows that touch it; see `PointAggregator`."""


def count_windows(n: int, timesteps: int, *, stride: int = 1) -> int:
    """Count the windows of a series without gaps: ``(n - timesteps) // stride + 1``.

    Parameters
    ----------
    n : int
        Length of the series, in rows.
    timesteps : int
        Length of a window, in rows.
    stride : int, default 1
        Rows from one window start to the next.

    Returns
    -------
    int
        0 where the series is shorter than one window.

    Examples
    --------
    The asker's 77,093 windows of 100 come from a series of 77,192 rows:

    >>> count_windows(77_192, 100)
    77093
    """
    _check_positive(timesteps=timesteps, stride=stride)
    return max(0, (n - timesteps) // stride + 1)


def window_starts(
    n: int,
    timesteps: int,
    *,
    stride: int = 1,
    gaps: ArrayLike | None = None,
    observed: ArrayLike | None = None,
    max_missing: float = 0.0,
    include_last: bool = False,
) -> NDArray[np.int64]:
    """First index of every window that lies inside the series, crosses no gap and misses few values.

    Parameters
    ----------
    n : int
        Length of the series, in rows.
    timesteps : int
        Length of a window, in rows.
    stride : int, default 1
        Rows from one start to the next; counting begins anew after each gap.
    gaps : array-like of int, optional
        Row numbers i such that time jumps between row i - 1 and row i (`Series.gaps`). No window holds both rows.
    observed : array-like of bool, shape (n,) or (n, n_features), optional
        False where a value is missing. Default: all observed.
    max_missing : float, default 0.0
        Largest share of missing values in a window, from 0 to 1.
    include_last : bool, default False
        Also start a window at the last possible row of each stretch between gaps, so that with ``stride > 1`` no row
        at its end is left out.

    Returns
    -------
    ndarray of int64, shape (n_windows,)
        Increasing. Empty where no window fits.

    Raises
    ------
    InputError
        If `timesteps` or `stride` is below 1, `max_missing` outside [0, 1], or `observed` not of length n.

    See Also
    --------
    gather : the windows themselves, for one batch of starts.

    Examples
    --------
    >>> window_starts(6, 3)
    array([0, 1, 2, 3])
    >>> window_starts(8, 3, gaps=[4])           # rows 0-3 | 4-7
    array([0, 1, 4, 5])
    >>> window_starts(8, 3, stride=2, include_last=True)
    array([0, 2, 4, 5])
    >>> window_starts(6, 3, observed=[True, True, True, True, False, True])
    array([0, 1])
    """
    _check_positive(timesteps=timesteps, stride=stride)
    if not 0.0 <= max_missing <= 1.0:
        raise InputError(f"max_missing={max_missing} is a share; it lies between 0 and 1")
    borders = [0, n]
    if gaps is not None:
        inner = np.asarray(gaps, dtype=np.int64).ravel()
        borders = [0, *np.unique(inner[(inner > 0) & (inner < n)]).tolist(), n]
    pieces = []
    for first, end in itertools.pairwise(borders):
        starts = np.arange(first, end - timesteps + 1, stride, dtype=np.int64)
        if include_last and len(starts) and starts[-1] != end - timesteps:
            starts = np.append(starts, end - timesteps)
        pieces.append(starts)
    starts = np.concatenate(pieces) if pieces else np.empty(0, np.int64)
    if observed is not None and len(starts):
        seen = np.asarray(observed, dtype=bool)
        if len(seen) != n:
            raise InputError(f"observed has {len(seen)} rows and the series {n}; give one row per row of the series")
        seen = seen.reshape(n, -1)
        missing = np.concatenate([[0], np.cumsum((~seen).sum(axis=1))])
        allowed = max_missing * timesteps * seen.shape[1]
        starts = starts[missing[starts + timesteps] - missing[starts] <= allowed + 1e-9]
    return starts


def gather(series: ArrayLike, starts: ArrayLike, timesteps: int) -> NDArray[Any]:
    """Copy out the windows of one batch of starts.

    Parameters
    ----------
    series : array-like, shape (n,) or (n, n_features)
        Time along axis 0.
    starts : array-like of int, shape (batch,)
        First row of each window.
    timesteps : int
        Length of a window, in rows.

    Returns
    -------
    ndarray, shape (batch, timesteps, n_features)
        ``result[b, t] == series[starts[b] + t]``.

    Raises
    ------
    InputError
        If a window would reach outside the series.

    Examples
    --------
    >>> gather(np.arange(6), [0, 3], 3)[:, :, 0]
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    values = np.asarray(series)
    if values.ndim == 1:
        values = values[:, None]
    first = np.asarray(starts, dtype=np.int64).ravel()
    if len(first) and (first.min() < 0 or first.max() + timesteps > len(values)):
        raise InputError(
            f"a window of {timesteps} starting at row {int(first.max())} reaches outside the series of "
            f"{len(values)} rows"
        )
    return values[first[:, None] + np.arange(timesteps)]


class PointAggregator:
    """Collect per-step values of overlapping windows, batch by batch, into one value per row.

    Memory is proportional to the series and one batch, never to all windows at once.

    Parameters
    ----------
    n : int
        Rows of the series.
    timesteps : int
        Length of a window, in rows.
    how : {"mean", "median", "max", "last", "centre", "trailing"}, default "mean"
        What a row takes from the windows that touch it. Their mean, median or maximum; or the one window in which
        the row stands nearest to the end ("last") or to the middle ("centre"; the earlier window on a tie). Rows near
        the edges of a stretch are touched by fewer windows: they take what there is. For streams there is "trailing":
        the window that ends with the row, and NaN where none does, so that no row knows of later ones.

    Notes
    -----
    NaN in a window's value means "not measured" and counts as no touch at all. Rows that nothing touches come back as
    NaN, never as zero.

    Examples
    --------
    >>> points = PointAggregator(4, 2, "mean")
    >>> points.add([0, 1], np.array([[1.0, 2.0], [4.0, 6.0]]))
    >>> points.result()                      # row 1: mean of 2 and 4; row 3: no window
    array([ 1.,  3.,  6., nan])
    """

    def __init__(self, n: int, timesteps: int, how: str = "mean"):
        _check_positive(timesteps=timesteps)
        known = (*AGGREGATIONS, "trailing")
        if how not in known:
            raise InputError(f"how={how!r} is unknown; choose one of {', '.join(known)}")
        self.n, self.timesteps, self.how = n, timesteps, how
        self._values: NDArray[Any] | None = None
        self._count: NDArray[Any] | None = None
        self._rank = np.full(n, timesteps + 1, np.int32) if how in ("last", "centre") else None
        self._pending: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._done = 0

    def add(self, starts: ArrayLike, per_step: ArrayLike) -> None:
        """Take in one batch.

        Parameters
        ----------
        starts : array-like of int, shape (batch,)
            No start twice in a batch; increasing over all batches for ``how="median"``.
        per_step : array-like, shape (batch, timesteps) or (batch, timesteps, k)
            Value of each step of each window.

        Raises
        ------
        InputError
            If the shapes do not fit, a window reaches outside the series, or the order is wrong.
        """
        first = np.asarray(starts, dtype=np.int64).ravel()
        values = np.asarray(per_step)
        if values.shape[:2] != (len(first), self.timesteps):
            raise InputError(
                f"per_step has shape {values.shape}; {len(first)} starts and timesteps={self.timesteps} need "
                f"({len(first)}, {self.timesteps})"
            )
        if not len(first):
            return
        if first.min() < 0 or first.max() + self.timesteps > self.n:
            raise InputError(f"a window of {self.timesteps} reaches outside the {self.n} rows of the series")
        if self._values is None:
            shape = (self.n, *values.shape[2:])
            fill = {"mean": 0.0, "max": -np.inf}.get(self.how, np.nan)
            self._values = np.full(shape, fill, np.float64)
            if self.how in ("mean", "max"):
                self._count = np.zeros(shape, np.int32)
        if self.how == "median":
            self._add_median(first, values)
        elif self.how in ("last", "centre"):
            self._add_pick(first, values)
        elif self.how == "trailing":
            self._values[first + self.timesteps - 1] = values[:, -1]
        else:
            self._add_running(first, values)

    def result(self) -> NDArray[np.float64]:
        """Return one value per row, shape (n,) or (n, k); NaN for rows that no window touched."""
        if self._values is None:
            return np.full(self.n, np.nan)
        if self.how == "median" and self._pending is not None:
            self._finish_median(*self._pending, until=self.n)
            self._pending = None
        if self._count is None:
            return self._values.copy()
        with np.errstate(invalid="ignore", divide="ignore"):
            values = self._values / self._count if self.how == "mean" else self._values
        return np.where(self._count > 0, values, np.nan)

    def _add_running(self, first: NDArray[Any], values: NDArray[Any]) -> None:
        assert self._values is not None and self._count is not None
        missing = np.isnan(values)
        any_missing = bool(missing.any())
        low, high = int(first.min()), int(first.max()) + 1
        in_a_row = high - low == len(first) and bool((np.diff(first) == 1).all())  # a slice is several times as fast
        for step in range(self.timesteps):  # the rows first + step are distinct, so plain fancy indexing is enough
            rows: Any = slice(low + step, high + step) if in_a_row else first + step
            column = values[:, step]
            if self.how == "mean":
                self._values[rows] += np.where(missing[:, step], 0.0, column) if any_missing else column
            else:
                self._values[rows] = np.fmax(self._values[rows], column)
            self._count[rows] += ~missing[:, step]

    def _add_pick(self, first: NDArray[Any], values: NDArray[Any]) -> None:
        assert self._values is not None and self._rank is not None
        target = self.timesteps - 1 if self.how == "last" else self.timesteps // 2
        steps = np.arange(self.timesteps)
        # distance to the wanted position; on a tie the larger step, that is the earlier window, comes first
        order = np.lexsort((-steps, np.abs(steps - target)))
        for rank, step in enumerate(order):
            rows, column = first + step, values[:, step]
            measured = ~np.isnan(column) if column.ndim == 1 else ~np.isnan(column).all(axis=-1)
            better = measured & (rank < self._rank[rows])
            self._values[rows[better]] = column[better]
            self._rank[rows[better]] = rank

    def _add_median(self, first: NDArray[Any], values: NDArray[Any]) -> None:
        if np.any(np.diff(first) <= 0) or first[0] < self._done:
            raise InputError("how='median' needs increasing starts, each only once; sort the starts")
        if self._pending is not None:
            first = np.concatenate([self._pending[0], first])
            values = np.concatenate([self._pending[1], values])
            if np.any(np.diff(first) <= 0):
                raise InputError("how='median' needs increasing starts, each only once; sort the starts")
        self._finish_median(first, values, until=int(first[-1]))
        keep = first + self.timesteps > first[-1]
        self._pending = (first[keep], values[keep])

    def _finish_median(self, first: NDArray[Any], values: NDArray[Any], until: int) -> None:
        """Settle rows before `until`: no later window can touch them."""
        assert self._values is not None
        begin = self._done
        if until <= begin:
            return
        table = np.full((until - begin, self.timesteps, *values.shape[2:]), np.nan)
        for step in range(self.timesteps):
            rows = first + step - begin
            inside = (rows >= 0) & (rows < until - begin)
            table[rows[inside], step] = values[inside, step]
        touched = ~np.isnan(table).all(axis=1)
        settled = np.full(touched.shape, np.nan)
        if touched.any():
            settled[touched] = np.nanmedian(np.moveaxis(table, 1, -1)[touched], axis=-1)
        self._values[begin:until] = settled
        self._done = until


def windows_to_points(per_step: ArrayLike, starts: ArrayLike, n: int, how: str = "mean") -> NDArray[np.float64]:
    """Turn per-step values of overlapping windows into one value per row of the series.

    Parameters
    ----------
    per_step : array-like, shape (n_windows, timesteps) or (n_windows, timesteps, k)
        Value of each step of each window.
    starts : array-like of int, shape (n_windows,)
        First row of each window.
    n : int
        Rows of the series.
    how : {"mean", "median", "max", "last", "centre", "trailing"}, default "mean"
        What a row takes from the windows that touch it: their mean, median or maximum, or the one window in which the
        row is nearest to the end ("last") or to the middle ("centre"; the earlier window on a tie). "trailing" takes
        the window that ends with the row, so that no row knows of later ones, and is NaN where none does.

    Returns
    -------
    ndarray of float64, shape (n,) or (n, k)
        NaN for rows that no window touched.

    Examples
    --------
    >>> per_step = np.array([[0.0, 0.0, 9.0], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0]])   # row 2 is odd
    >>> windows_to_points(per_step, [0, 1, 2], 5, "mean")
    array([0., 0., 9., 0., 0.])
    >>> windows_to_points(per_step, [0, 1, 2], 6, "last")
    array([ 0.,  0.,  9.,  0.,  0., nan])
    """
    values = np.asarray(per_step, dtype=np.float64)
    if values.ndim < 2:
        raise InputError(f"per_step has shape {values.shape}; it needs (n_windows, timesteps)")
    points = PointAggregator(n, values.shape[1], how)
    points.add(starts, values)
    return points.result()


def smooth(
    scores: ArrayLike, width: int, *, gaps: ArrayLike | None = None, trailing: bool = False
) -> NDArray[np.float64]:
    """Moving average, centred or trailing; at the edges the mean of what exists, NaN ignored and kept.

    Parameters
    ----------
    scores : array-like, shape (n,) or (n, k)
        Score per row.
    width : int
        Rows that are averaged, centred on each row; an even width reaches one row further back than ahead. 1 returns
        the scores as they are.
    gaps : array-like of int, optional
        Row numbers i such that time jumps between row i - 1 and row i; nothing is averaged across them.
    trailing : bool, default False
        Average each row with the `width` - 1 rows before it instead, so that no row knows of later ones.

    Returns
    -------
    ndarray of float64, same shape
        NaN exactly where `scores` is NaN.

    Examples
    --------
    >>> smooth([0.0, 3.0, 0.0, 0.0], 3)
    array([1.5, 1. , 1. , 0. ])
    >>> smooth([0.0, np.nan, 4.0, 0.0], 3)
    array([ 0., nan,  2.,  2.])
    >>> smooth([0.0, 3.0, 0.0, 0.0], 3, trailing=True)
    array([0. , 1.5, 1. , 1. ])
    """
    _check_positive(width=width)
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim > 1:
        return np.stack([smooth(column, width, gaps=gaps, trailing=trailing) for column in values.T], axis=1)
    if width == 1 or not len(values):
        return values.copy()
    inner = np.unique(np.asarray([] if gaps is None else gaps, dtype=np.int64))
    pieces = np.split(values, inner[(inner > 0) & (inner < len(values))])
    # of the full convolution; an even width reaches one row further back
    begin = 0 if trailing else (width - 1) // 2
    return np.concatenate([_smooth_piece(piece, width, begin) for piece in pieces])


def _smooth_piece(values: NDArray[Any], width: int, begin: int) -> NDArray[Any]:
    if not len(values):
        return values
    measured = ~np.isnan(values)
    kernel = np.ones(width)
    # direct sums, not running ones: a spike of 1e12 must not leave rounding dirt on the rows behind it
    total = np.convolve(np.where(measured, values, 0.0), kernel)[begin : begin + len(values)]
    if measured.all():
        rows = np.arange(len(values))
        count = np.minimum(rows + begin, len(values) - 1) - np.maximum(rows + begin - width + 1, 0) + 1.0
    else:
        count = np.rint(np.convolve(measured.astype(float), kernel)[begin : begin + len(values)])
    return np.where(measured, total / np.maximum(count, 1.0), np.nan)


def fill_between(
    values: NDArray[Any],
    observed: NDArray[Any],
    before: tuple[NDArray[Any], NDArray[Any]] | None = None,
    after: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> None:
    """Fill missing values in place: on the straight line between their neighbours, at the ends with the nearest.

    Parameters
    ----------
    values : ndarray, shape (n, n_features)
    observed : ndarray of bool, shape (n, n_features)
        Where it is False, `values` is overwritten; with 0 in a column without any value.
    before, after : tuple of (rows, values), each ndarray of shape (n_features,), optional
        Where `values` is a part of a longer series: the last value seen before it and the first one after it, and at
        which rows, counted from the first one of `values`. The row is NaN where there is none.

    Examples
    --------
    >>> values = np.array([[np.nan], [1.0], [np.nan], [3.0]])
    >>> fill_between(values, ~np.isnan(values))
    >>> values.ravel()
    array([1., 1., 2., 3.])
    """
    rows = np.arange(float(len(values)))
    for column in np.flatnonzero(~observed.all(axis=0)):
        seen = observed[:, column]
        known, levels = rows[seen], values[seen, column]
        for outside, at in ((before, 0), (after, None)):
            if outside is not None and not np.isnan(outside[0][column]):
                where = len(known) if at is None else at
                known = np.insert(known, where, outside[0][column])
                levels = np.insert(levels, where, outside[1][column])
        values[~seen, column] = np.interp(rows[~seen], known, levels) if len(known) else 0.0


def fill_behind(
    values: NDArray[Any], observed: NDArray[Any], gaps: ArrayLike | None = None, before: NDArray[Any] | None = None
) -> None:
    """Fill missing values in place with the last one seen, so that no row knows of later ones.

    Parameters
    ----------
    values : ndarray, shape (n, n_features)
    observed : ndarray of bool, shape (n, n_features)
        Where it is False, `values` is overwritten.
    gaps : array-like of int, optional
        Row numbers i such that time jumps between row i - 1 and row i; nothing is carried across them.
    before : ndarray, shape (n_features,), optional
        What was seen last before the first row; NaN for nothing. Default: nothing. Where nothing was seen, 0 stands.

    Examples
    --------
    >>> values = np.array([[np.nan], [1.0], [np.nan], [3.0]])
    >>> fill_behind(values, ~np.isnan(values))
    >>> values.ravel()
    array([0., 1., 1., 3.])
    """
    n = len(values)
    rows = np.arange(n)[:, None]
    last = np.maximum.accumulate(np.where(observed, rows, -1), axis=0)
    first = np.zeros(n, np.int64)
    inner = np.asarray([] if gaps is None else gaps, dtype=np.int64)
    first[inner[(inner > 0) & (inner < n)]] = inner[(inner > 0) & (inner < n)]
    first = np.maximum.accumulate(first)[:, None]  # of the stretch
    start = np.nan_to_num(np.zeros(values.shape[1]) if before is None else before)
    carried = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    carried = np.where(last >= first, carried, np.where(first == 0, start, 0.0))
    values[~observed] = carried[~observed]


def dominant_period(
    series: ArrayLike, *, low: int = 32, high: int = 400, default: int = 100, min_correlation: float = 0.1
) -> int:
    """Length of the strongest rhythm between `low` and `high` rows, from the peaks of the autocorrelation.

    Parameters
    ----------
    series : array-like, shape (n,) or (n, n_features)
        Missing values (NaN) are set to the mean; several variables are averaged in the autocorrelation.
    low, high : int, default 32 and 400
        Range of the answer, in rows. Shorter rhythms answer with a multiple of theirs inside the range. Of peaks
        within a tenth of the highest the shortest is taken: two periods correlate as well as one.
    default : int, default 100
        Answer where no peak stands out; cut down to a third of a short series.
    min_correlation : float, default 0.1
        A peak must be at least this high.

    Returns
    -------
    int
        Rows.

    Examples
    --------
    >>> rows = np.arange(2_000)
    >>> dominant_period(np.sin(2 * np.pi * rows / 96))
    96
    >>> dominant_period(np.random.default_rng(0).normal(size=2_000))
    100
    """
    from scipy.signal import find_peaks

    values = np.asarray(series, dtype=np.float64)
    values = values.reshape(len(values), -1)
    n = len(values)
    fallback = max(2, min(default, n // 3))
    high = min(high, n // 3)
    if high <= low:
        return fallback
    with np.errstate(invalid="ignore"):
        centred = np.nan_to_num(values - np.nanmean(values, axis=0))
    size = 2 ** int(np.ceil(np.log2(2 * n)))
    power = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2
    covariance = np.fft.irfft(power, axis=0)[: high + 2]
    variance = covariance[0]
    if not np.any(variance > 0):
        return fallback
    # unbiased: lag k is a sum of n - k products
    scale = n / (n - np.arange(high + 2.0))
    correlation = (covariance[:, variance > 0] / variance[variance > 0]).mean(axis=1) * scale
    peaks, _ = find_peaks(correlation)
    peaks = peaks[(peaks >= low) & (peaks <= high) & (correlation[peaks] >= min_correlation)]
    if not len(peaks):
        return fallback
    # multiples of a period correlate as well as the period itself: take the shortest of the near-best
    return int(peaks[correlation[peaks] >= 0.9 * correlation[peaks].max()][0])


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise InputError(f"{name}={value!r} must be a whole number of at least 1")
