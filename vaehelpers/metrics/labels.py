"""Runs of labels, and checks that all measures share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError


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


def _same_length(truth: NDArray[Any], other: NDArray[Any], name: str) -> None:
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


def _widen(truth: NDArray[Any], tolerance: int) -> NDArray[np.bool_]:
    change = np.zeros(len(truth) + 1, np.int64)
    for first, last in runs(truth):
        change[max(first - tolerance, 0)] += 1
        change[min(last + tolerance, len(truth) - 1) + 1] -= 1
    return np.cumsum(change[:-1]) > 0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _combine(precision: float, recall: float) -> PrecisionRecall:
    """Add F1: NaN where nothing is labelled, 0 where nothing is flagged or nothing is right."""
    if np.isnan(recall):
        return PrecisionRecall(precision, recall, np.nan)
    if np.isnan(precision) or precision + recall == 0:
        return PrecisionRecall(precision, recall, 0.0)
    return PrecisionRecall(precision, recall, 2 * precision * recall / (precision + recall))
