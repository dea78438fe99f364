"""The score of the Numenta Anomaly Benchmark."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.metrics.labels import _flag_pair, runs

NAB_PROFILES = {
    "standard": {"tp": 1.0, "fp": 0.11, "fn": 1.0},
    "lowFP": {"tp": 1.0, "fp": 0.22, "fn": 1.0},
    "lowFN": {"tp": 1.0, "fp": 0.11, "fn": 2.0},
}
"""Weights of the three application profiles of the Numenta Anomaly Benchmark."""


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
