"""Measures of scores, without a threshold: VUS, AUC."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.metrics.labels import _pair, runs

N_THRESHOLDS = 250
"""Thresholds at which the volume under the surface is sampled; the benchmark's number."""


DEFAULT_WINDOW = 100
"""Buffer length of the volume under the surface where none is given; the benchmark's default."""


def vus_pr(labels: ArrayLike, scores: ArrayLike, window: int = DEFAULT_WINDOW) -> float:
    """Volume under the precision-recall surface: the average of range-aware PR curves over all buffers up to `window`.

    The one figure to compare detectors by (TSB-AD's recommendation): it needs no threshold, forgives a detection that
    is a few rows early or late, asks that each event is noticed, and gives random scores about the share of anomalous
    rows.

    Parameters
    ----------
    labels : array-like of 0/1, shape (n,)
        1 = anomalous.
    scores : array-like, shape (n,)
        Higher = more anomalous; only their order matters. NaN counts as lower than every number.
    window : int, default 100
        Longest buffer, in rows: half of it lies before and half after each labelled event. The benchmark uses
        `sliding_window_of` the series.

    Returns
    -------
    float
        0 to 1, higher = better. NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ, a label is not 0 or 1, or `window` is negative.

    See Also
    --------
    vus : this and `vus_roc` for the price of one.

    Notes
    -----
    For each buffer w from 0 to `window`, a row at distance d <= w // 2 from an event is worth sqrt(1 - d / w) (worth 1
    where two events reach it). A threshold that flags N rows, among them H labelled ones of P and buffer rows worth B,
    has precision (H + B) / N and recall min(1, (H + B) / (P + B / 2)) times the share of events, joined where their
    buffers touch, that hold a flagged row. Thresholds are the scores at 250 evenly spaced ranks. All w share one table
    of buffer rows by distance and threshold, so time is O(n log n + window^2) and memory O(n).

    References
    ----------
    Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin, "Volume Under the Surface: A New Accuracy Evaluation Measure
    for Time-Series Anomaly Detection", PVLDB 15(11), 2022.

    Examples
    --------
    >>> labels = np.zeros(1_000, int)
    >>> labels[400:440] = 1
    >>> rows = np.arange(1_000)
    >>> round(vus_pr(labels, -np.abs(rows - 420), window=40), 3)
    1.0
    >>> round(vus_pr(labels, np.random.default_rng(0).normal(size=1_000), window=40), 3)
    0.081
    """
    return vus(labels, scores, window)[0]


def vus_roc(labels: ArrayLike, scores: ArrayLike, window: int = DEFAULT_WINDOW) -> float:
    """Volume under the ROC surface; as `vus_pr`, with the false-positive rate in place of precision.

    Parameters
    ----------
    labels, scores, window
        As for `vus_pr`.

    Returns
    -------
    float
        0 to 1, higher = better. NaN where nothing or everything is labelled.

    Raises
    ------
    InputError
        As for `vus_pr`.

    Notes
    -----
    The false-positive rate of a threshold is (N - H - B) / (n - P - B / 2), in the words of `vus_pr`.

    References
    ----------
    As for `vus_pr`.

    Examples
    --------
    >>> labels = np.zeros(1_000, int)
    >>> labels[400:440] = 1
    >>> round(vus_roc(labels, -np.abs(np.arange(1_000) - 420), window=40), 3)
    1.0
    """
    return vus(labels, scores, window)[1]


def vus(labels: ArrayLike, scores: ArrayLike, window: int = DEFAULT_WINDOW) -> tuple[float, float]:
    """`vus_pr` and `vus_roc` in one pass.

    Parameters
    ----------
    labels, scores, window
        As for `vus_pr`.

    Returns
    -------
    vus_pr, vus_roc : float

    Raises
    ------
    InputError
        As for `vus_pr`.

    Examples
    --------
    >>> vus([0, 1, 1, 0, 0, 0], [0, 3, 2, 0, 0, 1], window=0)
    (1.0, 1.0)
    """
    truth, values = _pair(labels, scores)
    if isinstance(window, bool) or not isinstance(window, (int, np.integer)) or window < 0:
        raise InputError(f"window={window!r} must be a whole number of rows, 0 or more")
    n, n_labelled = len(truth), int(truth.sum())
    if n_labelled == 0:
        return np.nan, np.nan
    cuts = np.sort(values)[::-1][np.linspace(0, n - 1, N_THRESHOLDS).astype(int)]
    # the first threshold that flags a row; (n,) numbers below 250
    entry = np.searchsorted(-cuts, -values, side="left").astype(np.int16)
    flagged = _cumulative(entry)
    hits = _cumulative(entry[truth])
    events = runs(truth)
    buffer = _Buffer(truth, events, entry, int(window) // 2)
    pr, roc = [], []
    for width in range(int(window) + 1):
        half = width // 2
        if width % 2 == 0:
            buffer.grow(half)
            noticed = buffer.noticed(half)
        worth = np.sqrt(1.0 - np.arange(1, half + 1) / max(width, 1))
        bonus = np.cumsum(worth @ buffer.single[1 : half + 1] + buffer.shared)
        positives = n_labelled + bonus / 2
        found = hits + bonus
        recall = np.minimum(found / positives, 1.0) * noticed
        precision = found / flagged
        pr.append(np.sum(np.diff(recall, prepend=0.0) * precision))
        if n_labelled < n:
            false_alarms = (flagged - found) / (n - positives)
            roc.append(np.trapezoid(np.r_[0.0, recall, 1.0], np.r_[0.0, false_alarms, 1.0]))
    return float(np.mean(pr)), float(np.mean(roc)) if roc else np.nan


class _Buffer:
    """Rows near labelled events, counted by distance and by the first threshold that flags them.

    A row within reach of one event has a worth that depends on its distance alone; a row within reach of two has worth
    1, since each alone gives at least sqrt(1/2) and worths are cut at 1. So a table (distance, threshold) of the
    first kind and one line (threshold) of the second hold all that a buffer of any width needs.
    """

    def __init__(self, truth: NDArray[Any], events: NDArray[Any], entry: NDArray[Any], reach: int):
        self.single = np.zeros((reach + 1, N_THRESHOLDS))
        self.shared = np.zeros(N_THRESHOLDS)
        self._events, self._entry, self._n = events, entry, len(truth)
        # over all rows of each event but its last, which `noticed` adds
        self._earliest = np.minimum.reduceat(entry, events.ravel())[::2]
        near, second, rows = self._distances(truth, events, reach)
        self._near, self._second, self._row_entry = near, second, entry[rows]
        self._by_near = np.argsort(near, kind="stable")
        self._by_second = np.argsort(second, kind="stable")
        steps = np.arange(reach + 2)
        self._near_bounds = np.searchsorted(near[self._by_near], steps)
        self._second_bounds = np.searchsorted(second[self._by_second], steps)

    @staticmethod
    def _distances(
        truth: NDArray[Any], events: NDArray[Any], reach: int
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Distance of each unlabelled row within reach to its nearest and second nearest event."""
        n = len(truth)
        far = 4 * n + 4 * reach + 4
        starts = np.r_[events[:, 0], far, far]
        ends = np.r_[-far, -far, events[:, 1]]
        rows = np.flatnonzero(~truth)
        following = np.searchsorted(events[:, 0], rows)
        ahead, behind = starts[following] - rows, rows - ends[following + 1]
        close = np.minimum(ahead, behind) <= reach
        rows, following, ahead, behind = rows[close], following[close], ahead[close], behind[close]
        near = np.minimum(ahead, behind)
        next_ahead, next_behind = starts[following + 1] - rows, rows - ends[following]
        second = np.minimum(np.maximum(ahead, behind), np.minimum(next_ahead, next_behind))
        return near, second, rows

    def grow(self, half: int) -> None:
        """Take in the rows at distance `half`. To be called with 0, 1, 2, ... in turn."""
        if half == 0:
            return
        new = self._by_near[self._near_bounds[half] : self._near_bounds[half + 1]]
        self.single[half] += np.bincount(self._row_entry[new], minlength=N_THRESHOLDS)
        met = self._by_second[self._second_bounds[half] : self._second_bounds[half + 1]]
        np.subtract.at(self.single, (self._near[met], self._row_entry[met]), 1.0)
        self.shared += np.bincount(self._row_entry[met], minlength=N_THRESHOLDS)

    def noticed(self, half: int) -> NDArray[np.float64]:
        """Share of events (joined where buffers touch) with a flagged row, for each threshold."""
        before = np.maximum(self._events[:, 0] - half, 0)
        after = np.minimum(self._events[:, 1] + half, self._n - 1)
        self._earliest = np.minimum(self._earliest, np.minimum(self._entry[before], self._entry[after]))
        apart = self._events[:-1, 1] + half < self._events[1:, 0] - half
        heads = np.r_[0, np.flatnonzero(apart) + 1]
        return _cumulative(np.minimum.reduceat(self._earliest, heads)) / len(heads)


def auc_pr(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve over rows (average precision, by scikit-learn).

    Parameters
    ----------
    labels : array-like of 0/1, shape (n,)
    scores : array-like, shape (n,)
        Higher = more anomalous. NaN counts as lower than every number.

    Returns
    -------
    float
        0 to 1, higher = better. NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ or a label is not 0 or 1.

    Examples
    --------
    >>> auc_pr([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    1.0
    """
    from sklearn.metrics import average_precision_score

    truth, values = _pair(labels, scores)
    return float(average_precision_score(truth, values)) if truth.any() else np.nan


def auc_roc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve over rows (by scikit-learn).

    Parameters
    ----------
    labels : array-like of 0/1, shape (n,)
    scores : array-like, shape (n,)
        Higher = more anomalous. NaN counts as lower than every number.

    Returns
    -------
    float
        0 to 1, 0.5 = random. NaN where nothing or everything is labelled.

    Raises
    ------
    InputError
        If the lengths differ or a label is not 0 or 1.

    Examples
    --------
    >>> auc_roc([0, 0, 1, 1], [0.1, 0.8, 0.7, 0.9])
    0.75
    """
    from sklearn.metrics import roc_auc_score

    truth, values = _pair(labels, scores)
    return float(roc_auc_score(truth, values)) if truth.any() and not truth.all() else np.nan


def _cumulative(entry: NDArray[Any]) -> NDArray[np.int64]:
    """How many of the rows are flagged at each threshold, (250,)."""
    return np.cumsum(np.bincount(entry, minlength=N_THRESHOLDS))
