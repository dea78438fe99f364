"""Measures of flagged rows, point by point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.metrics.labels import PrecisionRecall, _combine, _flag_pair, _pair, _ratio, runs


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
    """Highest point-adjusted F1 over all thresholds, as many papers report it.

    **Misleading twice over.**

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


def _best_f1(truth: NDArray[Any], values: NDArray[Any]) -> float:
    if not truth.any():
        return np.nan
    order = np.argsort(-values, kind="stable")
    last_of_tie = np.r_[np.diff(values[order]) != 0, True]
    hits = np.cumsum(truth[order])[last_of_tie]
    flagged = np.flatnonzero(last_of_tie) + 1
    return float(np.max(2.0 * hits / (flagged + truth.sum())))
