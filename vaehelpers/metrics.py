"""How good are scores, flags and events, held against labels.

Scores (higher = more anomalous) are judged without a threshold: `vus_pr`, `vus_roc`, `auc_pr`, `auc_roc`. Flags are
judged row by row (`point_precision_recall`), range by range (`range_precision_recall`, `affiliation`), event by event
(`event_wise`, `nab_score`). `evaluate` gives all of them. Two point-adjusted figures are here so that they can be
shown to be misleading, and say so in their names.

Rules that hold throughout: a labelled or flagged event is a run of consecutive rows; a missing score (NaN) counts as
lower than every number; what is undefined is NaN, such as precision where nothing is flagged or recall where nothing
is labelled. Lesson: notebooks/08_honest_evaluation.ipynb.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.errors import InputError

__all__ = [
    "NAB_PROFILES",
    "EventCounts",
    "PrecisionRecall",
    "affiliation",
    "auc_pr",
    "auc_roc",
    "best_point_adjusted_f1_misleading",
    "best_point_f1",
    "evaluate",
    "event_wise",
    "events_found",
    "nab_score",
    "point_adjusted_f1_misleading",
    "point_f1",
    "point_precision_recall",
    "range_precision_recall",
    "runs",
    "sliding_window_of",
    "vus",
    "vus_pr",
    "vus_roc",
]

N_THRESHOLDS = 250
"""Thresholds at which the volume under the surface is sampled; the benchmark's number."""

DEFAULT_WINDOW = 100
"""Buffer length of the volume under the surface where none is given; the benchmark's default."""

NAB_PROFILES = {
    "standard": {"tp": 1.0, "fp": 0.11, "fn": 1.0},
    "lowFP": {"tp": 1.0, "fp": 0.22, "fn": 1.0},
    "lowFN": {"tp": 1.0, "fp": 0.11, "fn": 2.0},
}
"""Weights of the three application profiles of the Numenta Anomaly Benchmark."""


class PrecisionRecall(NamedTuple):
    """Precision, recall and their harmonic mean; NaN where undefined."""

    precision: float
    recall: float
    f1: float


class EventCounts(NamedTuple):
    """What `event_wise` counts: precision, recall and F1 over events, and the counts behind them."""

    precision: float
    recall: float
    f1: float
    n_events: int
    n_found: int
    n_flagged: int
    n_correct: int


# --------------------------------------------------------------------------------------------------- events and periods


def runs(flags: ArrayLike) -> NDArray[np.int64]:
    """First and last row of each run of consecutive true rows.

    Parameters
    ----------
    flags : array-like of 0/1 or bool, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n_runs, 2)
        First row and last row (inclusive), in order.

    Examples
    --------
    >>> runs([0, 1, 1, 0, 1])
    array([[1, 2],
           [4, 4]])
    """
    steps = np.diff(_binary(flags, "flags").astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1], axis=1).astype(np.int64)


def sliding_window_of(series: ArrayLike) -> int:
    """Buffer length that the benchmark TSB-AD gives to the volume under the surface for this series.

    The lag of the highest local peak among lags 4 to 399 of the autocorrelation of the first 20,000 rows; 125 where
    there is no peak or the lag lies outside 6 to 303.

    Parameters
    ----------
    series : array-like, shape (n,) or (n, n_features)
        Of several features the first one decides, as in the benchmark. Missing values are set to the mean.

    Returns
    -------
    int
        Rows.

    See Also
    --------
    vaehelpers.windows.dominant_period : the period that a detector should use.

    References
    ----------
    Liu and Paparrizos, "The Elephant in the Room: Towards a Reliable Time-Series Anomaly Detection Benchmark",
    NeurIPS 2024.

    Examples
    --------
    >>> sliding_window_of(np.sin(2 * np.pi * np.arange(2_000) / 48))
    48
    >>> sliding_window_of(np.ones(500))
    125
    """
    fallback, base, max_lag = 125, 3, 400
    values = np.asarray(series, dtype=np.float64)
    values = values.reshape(len(values), -1)[:20_000, 0] if len(values) else values.ravel()
    observed = np.isfinite(values)
    if observed.sum() < 2:
        return fallback
    centred = np.where(observed, values, values[observed].mean())
    centred = centred - centred.mean()
    size = 2 ** int(np.ceil(np.log2(2 * len(centred))))
    covariance = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2)[: min(max_lag + 1, len(centred))]
    if not covariance[0] > 0:
        return fallback
    correlation = covariance[base:] / covariance[0]
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:])) + 1
    if not len(peaks):
        return fallback
    best = peaks[len(peaks) - 1 - np.argmax(correlation[peaks][::-1])]
    return int(best) + base if 3 <= best <= 300 else fallback


# ----------------------------------------------------------------------------------------------- scores, no threshold


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

    def __init__(self, truth: NDArray, events: NDArray, entry: NDArray, reach: int):
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
    def _distances(truth: NDArray, events: NDArray, reach: int) -> tuple[NDArray, NDArray, NDArray]:
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


def best_point_f1(labels: ArrayLike, scores: ArrayLike) -> float:
    """Highest point F1 over all thresholds: what an oracle that sees the labels would reach, not a result.

    Parameters
    ----------
    labels : array-like of 0/1, shape (n,)
    scores : array-like, shape (n,)
        Higher = more anomalous. NaN counts as lower than every number.

    Returns
    -------
    float
        0 to 1. NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ or a label is not 0 or 1.

    Examples
    --------
    >>> round(best_point_f1([0, 0, 1, 1], [0.1, 0.8, 0.7, 0.9]), 3)
    0.8
    """
    truth, values = _pair(labels, scores)
    return _best_f1(truth, values)


# -------------------------------------------------------------------------------------------------------- flags, by row


def point_precision_recall(labels: ArrayLike, flags: ArrayLike) -> PrecisionRecall:
    """Precision, recall and F1 over rows.

    Parameters
    ----------
    labels, flags : array-like of 0/1, shape (n,)

    Returns
    -------
    PrecisionRecall
        precision NaN where nothing is flagged; recall and f1 NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ or a value is not 0 or 1.

    Examples
    --------
    >>> point_precision_recall([0, 1, 1, 0], [0, 1, 0, 0])
    PrecisionRecall(precision=1.0, recall=0.5, f1=0.666...)
    """
    truth, flagged = _flag_pair(labels, flags)
    hits = int((truth & flagged).sum())
    return _combine(_ratio(hits, int(flagged.sum())), _ratio(hits, int(truth.sum())))


def point_f1(labels: ArrayLike, flags: ArrayLike) -> float:
    """F1 over rows; see `point_precision_recall`.

    Parameters
    ----------
    labels, flags : array-like of 0/1, shape (n,)

    Returns
    -------
    float
        0 to 1; 0 where nothing is flagged, NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ or a value is not 0 or 1.

    Examples
    --------
    >>> round(point_f1([0, 1, 1, 0], [0, 1, 0, 0]), 3)
    0.667
    """
    return point_precision_recall(labels, flags).f1


def point_adjusted_f1_misleading(labels: ArrayLike, flags: ArrayLike) -> float:
    """Point-adjusted F1. **Do not compare detectors by it**: random flags score high.

    One flagged row inside a labelled event turns every row of that event into a hit, while a false alarm still costs
    one row. Where events are long, flags drawn at random reach values above published models. It stands here so that
    papers that report it can be read, and so that this can be shown.

    Parameters
    ----------
    labels, flags : array-like of 0/1, shape (n,)

    Returns
    -------
    float
        0 to 1; NaN where nothing is labelled.

    Warnings
    --------
    Use `vus_pr`, `event_wise` or `affiliation` instead.

    Raises
    ------
    InputError
        If the lengths differ or a value is not 0 or 1.

    References
    ----------
    Kim, Choi, Choi, Lee, Yoon, "Towards a Rigorous Evaluation of Time-Series Anomaly Detection", AAAI 2022.

    Examples
    --------
    One row of 500 found is hardly a detection, yet:

    >>> labels, flags = np.zeros(1_000, int), np.zeros(1_000, int)
    >>> labels[300:800], flags[555] = 1, 1
    >>> round(point_f1(labels, flags), 3), point_adjusted_f1_misleading(labels, flags)
    (0.004, 1.0)
    """
    truth, flagged = _flag_pair(labels, flags)
    adjusted = flagged.copy()
    for first, last in runs(truth):
        adjusted[first : last + 1] = flagged[first : last + 1].any()
    return point_f1(truth, adjusted)


def best_point_adjusted_f1_misleading(labels: ArrayLike, scores: ArrayLike) -> float:
    """Highest point-adjusted F1 over all thresholds, as many papers report it. **Misleading twice over.**

    The adjustment rewards random scores (see `point_adjusted_f1_misleading`), and the threshold is chosen with the
    labels in hand.

    Parameters
    ----------
    labels : array-like of 0/1, shape (n,)
    scores : array-like, shape (n,)
        Higher = more anomalous. NaN counts as lower than every number.

    Returns
    -------
    float
        0 to 1. NaN where nothing is labelled.

    Warnings
    --------
    Use `vus_pr` instead.

    Raises
    ------
    InputError
        If the lengths differ or a label is not 0 or 1.

    References
    ----------
    Kim, Choi, Choi, Lee, Yoon, "Towards a Rigorous Evaluation of Time-Series Anomaly Detection", AAAI 2022.

    Examples
    --------
    >>> labels = np.zeros(10_000, int)
    >>> labels[3_000:3_800] = 1
    >>> scores = np.random.default_rng(0).normal(size=10_000)        # pure chance
    >>> round(best_point_f1(labels, scores), 2), round(best_point_adjusted_f1_misleading(labels, scores), 2)
    (0.15, 0.99)
    """
    truth, values = _pair(labels, scores)
    adjusted = values.copy()
    for first, last in runs(truth):
        adjusted[first : last + 1] = values[first : last + 1].max()
    return _best_f1(truth, adjusted)


# ------------------------------------------------------------------------------------------- flags, by range and event


def range_precision_recall(
    labels: ArrayLike,
    flags: ArrayLike,
    *,
    alpha: float = 0.0,
    cardinality: str = "reciprocal",
    bias: str = "flat",
    precision_bias: str = "flat",
) -> PrecisionRecall:
    """Precision and recall averaged over ranges instead of rows.

    Each labelled event earns ``alpha`` for being touched at all and ``1 - alpha`` times the share of it that is
    flagged, divided by the number of flagged runs that share is broken into. Each flagged run earns, likewise, the
    share of it that is labelled. Recall and precision are the means of these.

    Parameters
    ----------
    labels, flags : array-like of 0/1, shape (n,)
    alpha : float, default 0.0
        Weight of mere existence in recall, 0 to 1. Precision has none.
    cardinality : {"reciprocal", "one"}, default "reciprocal"
        What breaking one range into x pieces costs: a factor 1 / x, or nothing.
    bias : {"flat", "front", "middle", "back"}, default "flat"
        Which rows of a labelled event weigh more in recall.
    precision_bias : {"flat", "front", "middle", "back"}, default "flat"
        Which rows of a flagged run weigh more in precision.

    Returns
    -------
    PrecisionRecall
        precision NaN where nothing is flagged; recall and f1 NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ, a value is not 0 or 1, or a parameter is unknown or out of range.

    References
    ----------
    Tatbul, Lee, Zdonik, Alam, Gottschlich, "Precision and Recall for Time Series", NeurIPS 2018, section 4.

    Examples
    --------
    >>> labels = [0, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    >>> range_precision_recall(labels, [0, 1, 1, 0, 0, 0, 0, 1, 0, 0])     # half of it, and a false alarm
    PrecisionRecall(precision=0.5, recall=0.5, f1=0.5)
    >>> range_precision_recall(labels, [0, 1, 0, 1, 0, 0, 0, 0, 0, 0]).recall     # the same half in two pieces
    0.25
    >>> range_precision_recall(labels, [0, 1, 1, 0, 0, 0, 0, 0, 0, 0], bias="front").recall
    0.7
    """
    truth, flagged = _flag_pair(labels, flags)
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"alpha={alpha} is a weight; it lies between 0 and 1")
    if cardinality not in ("reciprocal", "one"):
        raise InputError(f"cardinality={cardinality!r} is unknown; choose reciprocal or one")
    for name, value in (("bias", bias), ("precision_bias", precision_bias)):
        if value not in _BIASES:
            raise InputError(f"{name}={value!r} is unknown; choose one of {', '.join(_BIASES)}")
    true_runs, flagged_runs = runs(truth), runs(flagged)
    recalls = _range_rewards(true_runs, flagged_runs, alpha, cardinality, bias)
    precisions = _range_rewards(flagged_runs, true_runs, 0.0, cardinality, precision_bias)
    return _combine(_mean(precisions), _mean(recalls))


_BIASES = ("flat", "front", "middle", "back")


def _positional(length: int, bias: str) -> NDArray[np.float64]:
    """Weight of each row of a range, (length,)."""
    position = np.arange(1.0, length + 1)
    if bias == "front":
        return position[::-1]
    if bias == "back":
        return position
    if bias == "middle":
        return np.where(position <= length / 2, position, position[::-1])
    return np.ones(length)


def _range_rewards(ranges: NDArray, others: NDArray, alpha: float, cardinality: str, bias: str) -> NDArray[np.float64]:
    rewards = np.zeros(len(ranges))
    begin = np.searchsorted(others[:, 1], ranges[:, 0])
    end = np.searchsorted(others[:, 0], ranges[:, 1], side="right")
    for i, (first, last) in enumerate(ranges):
        pieces = np.clip(others[begin[i] : end[i]], first, last) - first
        if not len(pieces):
            continue
        weights = np.r_[0.0, np.cumsum(_positional(last - first + 1, bias))]
        overlap = np.sum(weights[pieces[:, 1] + 1] - weights[pieces[:, 0]]) / weights[-1]
        factor = 1.0 / len(pieces) if cardinality == "reciprocal" else 1.0
        rewards[i] = alpha + (1.0 - alpha) * factor * overlap
    return rewards


def affiliation(labels: ArrayLike, flags: ArrayLike) -> PrecisionRecall:
    """Precision and recall by the distance in time between labelled events and flags.

    The series is cut into one zone per labelled event, at the middle between neighbours. In each zone, precision asks
    how far flags lie from the event, recall how far the event's rows lie from the flags; each distance is turned into
    the probability that a flag thrown at random into the zone would lie at least as far off. So about 0.5 is chance
    and 1 is exact.

    Parameters
    ----------
    labels, flags : array-like of 0/1, shape (n,)
        Row i stands for the time from i to i + 1.

    Returns
    -------
    PrecisionRecall
        precision is the mean over zones that hold a flag (NaN where none does), recall the mean over all zones (an
        event without a flag in its zone counts 0). All NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ or a value is not 0 or 1.

    Notes
    -----
    The integrals over time are exact, not sums over rows: the integrands are piecewise linear, so the trapezium rule
    between their breakpoints has no error.

    References
    ----------
    Huet, Navarro, Rossi, "Local Evaluation of Time Series Anomaly Detection Algorithms", KDD 2022, section 3.

    Examples
    --------
    >>> labels, near, far = np.zeros((3, 100), int)
    >>> labels[50:60], near[61:63], far[90:92] = 1, 1, 1
    >>> [round(affiliation(labels, flags).precision, 3) for flags in (labels, near, far)]
    [1.0, 0.86, 0.28]
    """
    truth, flagged = _flag_pair(labels, flags)
    events, pieces = _intervals(truth), _intervals(flagged)
    if not len(events):
        return PrecisionRecall(np.nan, np.nan, np.nan)
    middles = (events[:-1, 1] + events[1:, 0]) / 2
    borders = np.r_[0.0, middles, float(len(truth))]
    begin = np.searchsorted(pieces[:, 1], borders[:-1], side="right")
    end = np.searchsorted(pieces[:, 0], borders[1:], side="left")
    precisions, recalls = [], np.zeros(len(events))
    for i, event in enumerate(events):
        zone = borders[i], borders[i + 1]
        inside = np.clip(pieces[begin[i] : end[i]].astype(float), *zone)
        if len(inside):
            precisions.append(_zone_precision(inside, event, zone))
            recalls[i] = _zone_recall(inside, event, zone)
    return _combine(_mean(np.array(precisions)), _mean(recalls))


def _intervals(flags: NDArray) -> NDArray[np.int64]:
    """Runs as half-open intervals of time, (k, 2)."""
    return runs(flags) + np.array([0, 1])


def _zone_precision(pieces: NDArray, event: NDArray, zone: tuple[float, float]) -> float:
    """Mean over flagged time of P(random point lies at least as far from the event)."""
    a, b = event
    low, high = zone

    def survival(x: NDArray) -> NDArray:
        distance = np.maximum(a - x, x - b)
        nearer = b - a + np.minimum(distance, a - low) + np.minimum(distance, high - b)
        return 1.0 - nearer / (high - low)

    # inside the event the probability is 1, and jumps; so outside is integrated apart
    total = _covered(np.clip(pieces, a, b))
    kinks = np.array([b + (a - low), a - (high - b)])  # the growing neighbourhood meets a border of the zone
    for side in (np.minimum(pieces, a), np.maximum(pieces, b)):
        total += _integrate(survival, side, kinks)
    return float(total / _covered(pieces))


def _zone_recall(pieces: NDArray, event: NDArray, zone: tuple[float, float]) -> float:
    """Mean over the event's time of P(random point lies at least as far as the nearest flag)."""
    low, high = zone
    flat = pieces.ravel()

    def survival(y: NDArray) -> NDArray:
        following = np.searchsorted(pieces[:, 0], y, side="right")
        ends = np.r_[-np.inf, pieces[:, 1]]
        starts = np.r_[pieces[:, 0], np.inf]
        distance = np.minimum(np.maximum(y - ends[following], 0.0), starts[following] - y)
        nearer = np.minimum(distance, y - low) + np.minimum(distance, high - y)
        return 1.0 - nearer / (high - low)

    kinks = np.r_[flat, (flat[1:] + flat[:-1]) / 2, (flat + low) / 2, (flat + high) / 2]
    return float(_integrate(survival, event[None].astype(float), kinks) / (event[1] - event[0]))


def _integrate(function: Callable[[NDArray], NDArray], pieces: NDArray, kinks: NDArray) -> float:
    """Integral over disjoint intervals, (k, 2), of a function that is linear between kinks."""
    low, high = pieces[0, 0], pieces[-1, 1]
    x = np.unique(np.r_[pieces.ravel(), kinks[(kinks > low) & (kinks < high)]])
    y = function(x)
    integral = np.r_[0.0, np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)]
    return float(np.sum(np.diff(integral[np.searchsorted(x, pieces)], axis=1)))


def _covered(pieces: NDArray) -> float:
    return float(np.sum(pieces[:, 1] - pieces[:, 0]))


def event_wise(labels: ArrayLike, flags: ArrayLike, *, min_overlap: float = 0.0, tolerance: int = 0) -> EventCounts:
    """Precision, recall and F1 over events: how many labelled events were found, how many alarms were right.

    The rule of overlap: a labelled event is **found** when at least one row, and at least the share `min_overlap` of
    its rows, is flagged. A flagged run is **correct** when at least one of its rows is labelled. For both,
    labelled events are first widened by `tolerance` rows on either side. Several alarms on one event are all correct,
    and one long alarm may find several events: merge and limit alarms before counting
    (`vaehelpers.thresholds.events`).

    Parameters
    ----------
    labels, flags : array-like of 0/1, shape (n,)
    min_overlap : float, default 0.0
        Share of an event's rows that must be flagged, 0 to 1.
    tolerance : int, default 0
        Rows by which an alarm may be early or late. Rows within it count as overlap.

    Returns
    -------
    EventCounts
        precision NaN where nothing is flagged; recall and f1 NaN where nothing is labelled.

    Raises
    ------
    InputError
        If the lengths differ, a value is not 0 or 1, or a parameter is out of range.

    See Also
    --------
    events_found : which of the labelled events were found.

    Examples
    --------
    >>> event_wise([0, 1, 1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0, 1])
    EventCounts(precision=0.5, recall=0.5, f1=0.5, n_events=2, n_found=1, n_flagged=2, n_correct=1)
    """
    truth, flagged = _flag_pair(labels, flags)
    found = events_found(truth, flagged, min_overlap=min_overlap, tolerance=tolerance)
    alarms = runs(flagged)
    covered = np.r_[0, np.cumsum(_widen(truth, tolerance))]
    correct = covered[alarms[:, 1] + 1] > covered[alarms[:, 0]]
    score = _combine(_ratio(int(correct.sum()), len(alarms)), _ratio(int(found.sum()), len(found)))
    return EventCounts(*score, len(found), int(found.sum()), len(alarms), int(correct.sum()))


def events_found(
    labels: ArrayLike, flags: ArrayLike, *, min_overlap: float = 0.0, tolerance: int = 0
) -> NDArray[np.bool_]:
    """Tell for each labelled event whether it was found, by the rule of `event_wise`.

    Parameters
    ----------
    labels, flags, min_overlap, tolerance
        As for `event_wise`.

    Returns
    -------
    ndarray of bool, shape (n_events,)
        In the order of ``runs(labels)``.

    Raises
    ------
    InputError
        As for `event_wise`.

    Examples
    --------
    >>> events_found([0, 1, 1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0, 1])
    array([ True, False])
    >>> events_found([0, 1, 1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0, 1], tolerance=2)
    array([ True,  True])
    """
    truth, flagged = _flag_pair(labels, flags)
    if not 0.0 <= min_overlap <= 1.0:
        raise InputError(f"min_overlap={min_overlap} is a share; it lies between 0 and 1")
    if tolerance < 0:
        raise InputError(f"tolerance={tolerance} is a number of rows; it must be 0 or more")
    events = runs(truth)
    counted = np.r_[0, np.cumsum(flagged)]
    first = np.maximum(events[:, 0] - tolerance, 0)
    end = np.minimum(events[:, 1] + tolerance, len(truth) - 1) + 1
    overlap = counted[end] - counted[first]
    needed = min_overlap * (events[:, 1] - events[:, 0] + 1)
    return (overlap >= 1) & (overlap >= needed - 1e-9)


def nab_score(labels: ArrayLike, flags: ArrayLike, *, profile: str = "standard", probation: int | None = None) -> float:
    """Score of the Numenta Anomaly Benchmark for one series, 100 = perfect, 0 = silent.

    Each labelled event is a window. The earliest flag in it earns up to 1 (at its first row) down to almost 0 (at its
    last) along a sigmoid; a window without a flag costs the profile's ``fn``. Every flagged row outside costs up to
    the profile's ``fp``: less just behind a window, all of it from three window lengths on or before the first one.

    Parameters
    ----------
    labels, flags : array-like of 0/1, shape (n,)
        Runs of 1 in `labels` are the benchmark's anomaly windows.
    profile : {"standard", "lowFP", "lowFN"}, default "standard"
        Weights of false alarms and misses, `NAB_PROFILES`.
    probation : int, optional
        Leading rows that are not judged. Default: the benchmark's, 15% of the series and at most 750 rows.

    Returns
    -------
    float
        At most 100; below 0 when false alarms outweigh what was found. NaN where no window is left to judge.

    Raises
    ------
    InputError
        If the lengths differ, a value is not 0 or 1, or the profile is unknown.

    Notes
    -----
    The benchmark sums over all series before it normalizes; this is the score of one. It also picks the threshold
    with the labels in hand, which is not done here.

    References
    ----------
    Lavin and Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark", ICMLA 2015.

    Examples
    --------
    >>> labels, flags = np.zeros((2, 1_000), int)
    >>> labels[500:600] = 1
    >>> flags[500] = 1
    >>> nab_score(labels, flags)
    100.0
    >>> flags[500], flags[599], flags[900] = 0, 1, 1     # late, and one false alarm
    >>> round(nab_score(labels, flags), 1)
    45.8
    """
    truth, flagged = _flag_pair(labels, flags)
    if profile not in NAB_PROFILES:
        raise InputError(f"profile={profile!r} is unknown; choose one of {', '.join(NAB_PROFILES)}")
    weights = NAB_PROFILES[profile]
    skipped = int(min(0.15 * len(truth), 750)) if probation is None else probation
    if skipped < 0:
        raise InputError(f"probation={probation} is a number of rows; it must be 0 or more")
    windows = runs(truth)
    judged = windows[windows[:, 1] >= skipped]
    if not len(judged):
        return np.nan
    rows = np.flatnonzero(flagged)
    rows = rows[rows >= skipped]
    score = 0.0
    for first, last in judged:
        inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, last, side="right")]
        if len(inside):
            width = last - first + 1
            # 1 at the first row of the window
            earned = _nab_sigmoid(-(last - inside[0] + 1) / width) / _nab_sigmoid(-1.0)
            score += weights["tp"] * float(earned)
        else:
            score -= weights["fn"]
    outside = rows[~truth[rows]]
    previous = np.searchsorted(windows[:, 1], outside) - 1
    behind = outside - windows[previous, 1]
    widths = np.maximum(windows[previous, 1] - windows[previous, 0], 1)  # one less than the number of rows
    position = np.where(previous >= 0, behind / widths, 3.0)
    score += weights["fp"] * float(np.sum(_nab_sigmoid(position)))
    silent, perfect = -weights["fn"] * len(judged), weights["tp"] * len(judged)
    return 100.0 * (score - silent) / (perfect - silent)


def _nab_sigmoid(position: ArrayLike) -> NDArray[np.float64]:
    """From almost 1 at -1 over 0 at 0 to almost -1 at 1; -1 from 3 on."""
    x = np.asarray(position, dtype=np.float64)
    return np.where(x >= 3.0, -1.0, np.tanh(-2.5 * x))


# ------------------------------------------------------------------------------------------------------ all in one dict


def evaluate(
    labels: ArrayLike, scores: ArrayLike, flags: ArrayLike | None = None, window: int | None = None
) -> dict[str, float]:
    """All figures of this module for one series.

    Parameters
    ----------
    labels : array-like of 0/1, shape (n,)
    scores : array-like, shape (n,)
        Higher = more anomalous. NaN counts as lower than every number.
    flags : array-like of 0/1, shape (n,), optional
        Adds the figures that judge flags.
    window : int, optional
        Buffer length of the volumes under the surface, in rows. Default 100. For figures that compare with published
        ones give ``sliding_window_of(series)``.

    Returns
    -------
    dict of str to float
        ``window, n, n_events, anomalous_share, vus_pr, vus_roc, auc_pr, auc_roc, best_point_f1,
        best_point_adjusted_f1_misleading``; with flags also ``flagged_share, n_flagged_events, n_found_events``,
        ``{point,event,range,affiliation}_{precision,recall,f1}``, ``nab_{standard,lowFP,lowFN}`` and
        ``point_adjusted_f1_misleading``. NaN where undefined.

    Raises
    ------
    InputError
        If the lengths differ, a label or flag is not 0 or 1, or `window` is negative.

    Examples
    --------
    >>> labels = np.zeros(1_000, int)
    >>> labels[400:440] = 1
    >>> scores = np.exp(-(((np.arange(1_000) - 425) / 20) ** 2))
    >>> result = evaluate(labels, scores, scores > 0.5, window=40)
    >>> [(name, round(result[name], 2)) for name in ("vus_pr", "event_f1", "range_recall", "nab_standard")]
    [('vus_pr', 0.99), ('event_f1', 1.0), ('range_recall', 0.78), ('nab_standard', 97.56)]
    """
    truth, values = _pair(labels, scores)
    width = DEFAULT_WINDOW if window is None else window
    pr, roc = vus(truth, values, width)
    result: dict[str, float] = {
        "window": width,
        "n": len(truth),
        "n_events": len(runs(truth)),
        "anomalous_share": float(truth.mean()) if len(truth) else np.nan,
        "vus_pr": pr,
        "vus_roc": roc,
        "auc_pr": auc_pr(truth, values),
        "auc_roc": auc_roc(truth, values),
        "best_point_f1": best_point_f1(truth, values),
        "best_point_adjusted_f1_misleading": best_point_adjusted_f1_misleading(truth, values),
    }
    if flags is None:
        return result
    truth, flagged = _flag_pair(truth, flags)
    by_event = event_wise(truth, flagged)
    result |= {
        "flagged_share": float(flagged.mean()) if len(flagged) else np.nan,
        "n_flagged_events": by_event.n_flagged,
        "n_found_events": by_event.n_found,
    }
    families = {
        "point": point_precision_recall(truth, flagged),
        "event": by_event,
        "range": range_precision_recall(truth, flagged),
        "affiliation": affiliation(truth, flagged),
    }
    for family, figures in families.items():
        result |= {f"{family}_{name}": float(getattr(figures, name)) for name in PrecisionRecall._fields}
    result |= {f"nab_{profile}": nab_score(truth, flagged, profile=profile) for profile in NAB_PROFILES}
    result["point_adjusted_f1_misleading"] = point_adjusted_f1_misleading(truth, flagged)
    return result


# -------------------------------------------------------------------------------------------------------------- private


def _binary(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}; it needs one value per row, (n,)")
    if array.dtype == bool:
        return array
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(f"{name} holds {array[row]!r} in row {row}; only 0 and 1 are allowed")
    return array.astype(bool)


def _same_length(truth: NDArray, other: NDArray, name: str) -> None:
    if len(truth) != len(other):
        raise InputError(f"labels has {len(truth)} rows and {name} {len(other)}; give one per row of the series")


def _pair(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels as bool and scores without NaN, in the same order: missing ones below every number."""
    truth = _binary(labels, "labels")
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(f"scores has shape {values.shape}; it needs one value per row, (n,)")
    _same_length(truth, values, "scores")
    if np.isfinite(values).all():
        return truth, values
    # ranks keep the order and are finite, which scikit-learn asks for
    ranks = np.unique(np.where(np.isnan(values), -np.inf, values), return_inverse=True)[1]
    return truth, ranks.astype(np.float64)


def _flag_pair(labels: ArrayLike, flags: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    truth, flagged = _binary(labels, "labels"), _binary(flags, "flags")
    _same_length(truth, flagged, "flags")
    return truth, flagged


def _cumulative(entry: NDArray) -> NDArray[np.int64]:
    """How many of the rows are flagged at each threshold, (250,)."""
    return np.cumsum(np.bincount(entry, minlength=N_THRESHOLDS))


def _best_f1(truth: NDArray, values: NDArray) -> float:
    if not truth.any():
        return np.nan
    order = np.argsort(-values, kind="stable")
    last_of_tie = np.r_[np.diff(values[order]) != 0, True]
    hits = np.cumsum(truth[order])[last_of_tie]
    flagged = np.flatnonzero(last_of_tie) + 1
    return float(np.max(2.0 * hits / (flagged + truth.sum())))


def _widen(truth: NDArray, tolerance: int) -> NDArray[np.bool_]:
    change = np.zeros(len(truth) + 1, np.int64)
    for first, last in runs(truth):
        change[max(first - tolerance, 0)] += 1
        change[min(last + tolerance, len(truth) - 1) + 1] -= 1
    return np.cumsum(change[:-1]) > 0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan


def _mean(values: NDArray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _combine(precision: float, recall: float) -> PrecisionRecall:
    """Add F1: NaN where nothing is labelled, 0 where nothing is flagged or nothing is right."""
    if np.isnan(recall):
        return PrecisionRecall(precision, recall, np.nan)
    if np.isnan(precision) or precision + recall == 0:
        return PrecisionRecall(precision, recall, 0.0)
    return PrecisionRecall(precision, recall, 2 * precision * recall / (precision + recall))
