"""Measures of events: range-based, affiliation, event-wise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.metrics.labels import EventCounts, PrecisionRecall, _combine, _flag_pair, _mean, _ratio, _widen, runs


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


def _range_rewards(
    ranges: NDArray[Any], others: NDArray[Any], alpha: float, cardinality: str, bias: str
) -> NDArray[np.float64]:
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


def _intervals(flags: NDArray[Any]) -> NDArray[np.int64]:
    """Runs as half-open intervals of time, (k, 2)."""
    return runs(flags) + np.array([0, 1])


def _zone_precision(pieces: NDArray[Any], event: NDArray[Any], zone: tuple[float, float]) -> float:
    """Mean over flagged time of P(random point lies at least as far from the event)."""
    a, b = event
    low, high = zone

    def survival(x: NDArray[Any]) -> NDArray[Any]:
        distance = np.maximum(a - x, x - b)
        nearer = b - a + np.minimum(distance, a - low) + np.minimum(distance, high - b)
        return 1.0 - nearer / (high - low)

    # inside the event the probability is 1, and jumps; so outside is integrated apart
    total = _covered(np.clip(pieces, a, b))
    kinks = np.array([b + (a - low), a - (high - b)])  # the growing neighbourhood meets a border of the zone
    for side in (np.minimum(pieces, a), np.maximum(pieces, b)):
        total += _integrate(survival, side, kinks)
    return float(total / _covered(pieces))


def _zone_recall(pieces: NDArray[Any], event: NDArray[Any], zone: tuple[float, float]) -> float:
    """Mean over the event's time of P(random point lies at least as far as the nearest flag)."""
    low, high = zone
    flat = pieces.ravel()

    def survival(y: NDArray[Any]) -> NDArray[Any]:
        following = np.searchsorted(pieces[:, 0], y, side="right")
        ends = np.r_[-np.inf, pieces[:, 1]]
        starts = np.r_[pieces[:, 0], np.inf]
        distance = np.minimum(np.maximum(y - ends[following], 0.0), starts[following] - y)
        nearer = np.minimum(distance, y - low) + np.minimum(distance, high - y)
        return 1.0 - nearer / (high - low)

    kinks = np.r_[flat, (flat[1:] + flat[:-1]) / 2, (flat + low) / 2, (flat + high) / 2]
    return float(_integrate(survival, event[None].astype(float), kinks) / (event[1] - event[0]))


def _integrate(function: Callable[[NDArray[Any]], NDArray[Any]], pieces: NDArray[Any], kinks: NDArray[Any]) -> float:
    """Integral over disjoint intervals, (k, 2), of a function that is linear between kinks."""
    low, high = pieces[0, 0], pieces[-1, 1]
    x = np.unique(np.r_[pieces.ravel(), kinks[(kinks > low) & (kinks < high)]])
    y = function(x)
    integral = np.r_[0.0, np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)]
    return float(np.sum(np.diff(integral[np.searchsorted(x, pieces)], axis=1)))


def _covered(pieces: NDArray[Any]) -> float:
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
