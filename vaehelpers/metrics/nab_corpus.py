"""The Numenta Anomaly Benchmark over a whole corpus: its normalisation, and its own search for the best threshold.

`metrics.nab_score` judges one series. The benchmark adds the raw points of all its series first and normalises the
sum: a detector that says nothing gets 0, one that flags the first row of each window and nothing else gets 100. Before
that it picks, with the labels in hand and for each profile, the one threshold that scores best on the whole corpus.
`nab_corpus` does the first with flags, `nab_sweep` the second with scores. Lesson:
notebooks/08_honest_evaluation.ipynb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.metrics.labels import _flag_pair, runs
from vaehelpers.metrics.nab import NAB_PROFILES, _nab_sigmoid

__all__ = ["NabCorpus", "NabSweep", "nab_corpus", "nab_probation", "nab_sweep"]


class NabCorpus(NamedTuple):
    """What `nab_corpus` counts.

    Attributes
    ----------
    score : float
        100 = perfect, 0 = silent; negative where false alarms cost more than the hits earned.
    hits, windows : int
        Labelled windows with at least one flagged row behind the probation, and all that are judged.
    false_rows : int
        Flagged rows outside every window, behind the probation.
    files_hit : int
        Series with at least one hit.
    """

    score: float
    hits: int
    windows: int
    false_rows: int
    files_hit: int


class NabSweep(NamedTuple):
    """What `nab_sweep` finds: every threshold, its score, and the best of them.

    Attributes
    ----------
    threshold : float
        The best one; rows at or above it are flagged. Infinite where silence scores best.
    score : float
        The corpus score at it.
    thresholds, scores : ndarray of float64, shape (n_thresholds,)
        All distinct scores from the highest to the lowest, ahead of them infinity, and the corpus score at each.
    """

    threshold: float
    score: float
    thresholds: NDArray[np.float64]
    scores: NDArray[np.float64]


def nab_probation(n_rows: int) -> int:
    """Leading rows of a series that the benchmark does not judge: 15%, and at most 750.

    Parameters
    ----------
    n_rows : int

    Returns
    -------
    int

    Examples
    --------
    >>> nab_probation(4_032), nab_probation(22_695)
    (604, 750)
    """
    return int(min(0.15 * n_rows, 750))


def nab_corpus(labels: Sequence[ArrayLike], flags: Sequence[ArrayLike], *, profile: str = "standard") -> NabCorpus:
    """Score flags on a corpus as the Numenta Anomaly Benchmark does.

    Parameters
    ----------
    labels, flags : sequence of array-like of 0/1, each of shape (n_rows,)
        One of each per series; lengths may differ between series. Runs of 1 in labels are the windows. Series without
        a window count as well: their false alarms cost points.
    profile : {"standard", "lowFP", "lowFN"}, default "standard"
        Weights of false alarms and misses, `metrics.NAB_PROFILES`.

    Returns
    -------
    NabCorpus

    Raises
    ------
    InputError
        If the numbers of series or their lengths differ, a value is not 0 or 1, the profile is unknown, or no window
        lies behind the probation.

    Notes
    -----
    Not the mean of `metrics.nab_score` over the series: a series with five windows weighs five times as much as one
    with a single window, and one without windows is not left out.

    References
    ----------
    Lavin and Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark", ICMLA 2015,
    section III.

    Examples
    --------
    >>> labels, flags = np.zeros((2, 2, 1_000), int)
    >>> labels[0, 500:600], flags[0, 500] = 1, 1          # the first series: a window, flagged at once
    >>> nab_corpus(labels, flags)
    NabCorpus(score=100.0, hits=1, windows=1, false_rows=0, files_hit=1)
    >>> flags[1, 700] = 1                                 # the second has no window, so that any flag is false
    >>> round(nab_corpus(labels, flags).score, 2)         # 100 (1 - 0.11 + 1) / 2
    94.5
    """
    truths, flagged = _checked(labels, flags, _flag_pair, profile)
    gains = [_gains(truth, marks.astype(np.float64), profile) for truth, marks in zip(truths, flagged)]
    total = sum(float(gain[score > 0].sum()) for score, gain, _ in gains)
    hits = [_hits(truth, marks) for truth, marks in zip(truths, flagged)]
    windows = sum(count for _, _, count in gains)
    false_rows = sum(int((marks & ~truth)[nab_probation(len(truth)) :].sum()) for truth, marks in zip(truths, flagged))
    return NabCorpus(_normalised(total, windows, profile), sum(hits), windows, false_rows, sum(h > 0 for h in hits))


def nab_sweep(labels: Sequence[ArrayLike], scores: Sequence[ArrayLike], *, profile: str = "standard") -> NabSweep:
    """Try every threshold on a corpus and return the best, as the Numenta Anomaly Benchmark's optimiser does.

    Parameters
    ----------
    labels : sequence of array-like of 0/1, each of shape (n_rows,)
        Runs of 1 are the windows.
    scores : sequence of array-like, each of shape (n_rows,)
        Higher = more anomalous, on one scale for all series; NaN is never flagged.
    profile : {"standard", "lowFP", "lowFN"}, default "standard"
        Weights of false alarms and misses, `metrics.NAB_PROFILES`.

    Returns
    -------
    NabSweep

    Raises
    ------
    InputError
        As for `nab_corpus`.

    Notes
    -----
    The threshold is chosen with the labels, so that the score says what the scores could do, not what someone without
    labels would have got: give `nab_corpus` flags from a line of your own for that. The search is exact: the points
    that each row adds as the threshold sinks to its score are summed in order of the scores, O(n log n) for n rows.

    Examples
    --------
    >>> labels, scores = np.zeros((1, 1_000), int), np.zeros((1, 1_000))
    >>> labels[0, 500:600] = 1
    >>> scores[0, [500, 800, 900]] = 3.0, 5.0, 2.0
    >>> best = nab_sweep(labels, scores)
    >>> best.threshold, round(best.score, 2)              # one false alarm, at 5.0, has to be taken along
    (3.0, 94.5)
    >>> best.thresholds.tolist(), best.scores.round(1).tolist()
    ([inf, 5.0, 3.0, 2.0, 0.0], [0.0, -5.5, 94.5, 89.0, -3876.8])
    """
    truths, values = _checked(labels, scores, _score_pair, profile)
    parts = [_gains(truth, value, profile) for truth, value in zip(truths, values)]
    score, gain = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    known = ~np.isnan(score)
    score, gain = score[known], gain[known]
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.r_[np.diff(score[order]) != 0, True][: len(order)]
    totals = np.r_[0.0, np.cumsum(gain[order])[last_of_tie]]
    thresholds = np.r_[np.inf, score[order][last_of_tie]]
    windows = sum(part[2] for part in parts)
    curve = _normalised(totals, windows, profile)
    best = int(np.argmax(curve))
    return NabSweep(float(thresholds[best]), float(curve[best]), thresholds, curve)


# --------------------------------------------------------------------------------------------------- private: points


def _gains(truth: NDArray[Any], scores: NDArray[Any], profile: str) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Scores of the judged rows, the points each adds as the threshold sinks to it, and the number of windows."""
    weights = NAB_PROFILES[profile]
    n, skipped = len(truth), nab_probation(len(truth))
    gain = np.zeros(n)
    windows = runs(truth)
    outside = np.flatnonzero(~truth)
    outside = outside[outside >= skipped]
    if len(windows):
        previous = np.searchsorted(windows[:, 1], outside) - 1
        behind = outside - windows[previous, 1]
        widths = np.maximum(windows[previous, 1] - windows[previous, 0], 1)  # one less than the number of rows
        position = np.where(previous >= 0, behind / widths, 3.0)
    else:
        position = np.full(len(outside), 3.0)
    gain[outside] = weights["fp"] * _nab_sigmoid(position)
    judged = windows[windows[:, 1] >= skipped]
    for first, last in judged:
        rows = np.arange(max(first, skipped), last + 1)
        rows = rows[~np.isnan(scores[rows])]
        if not len(rows):
            continue
        earned = weights["tp"] * _nab_sigmoid(-(last - rows + 1) / (last - first + 1)) / _nab_sigmoid(-1.0)
        order = np.argsort(-scores[rows], kind="stable")  # as the threshold sinks; of a tie the earliest, best, first
        so_far = np.maximum.accumulate(earned[order])
        gain[rows[order]] = np.diff(so_far, prepend=-weights["fn"])
    return scores[skipped:], gain[skipped:], len(judged)


def _hits(truth: NDArray[Any], flagged: NDArray[Any]) -> int:
    skipped = nab_probation(len(truth))
    counted = flagged & (np.arange(len(truth)) >= skipped)
    return sum(bool(counted[first : last + 1].any()) for first, last in runs(truth))


def _normalised(points: Any, windows: int, profile: str) -> Any:
    """Points above silence, in percent of what perfection earns above it."""
    weights = NAB_PROFILES[profile]
    return 100.0 * points / (windows * (weights["tp"] + weights["fn"]))


# ------------------------------------------------------------------------------------------------- private: checking


def _score_pair(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    values = np.asarray(scores, dtype=np.float64)
    truth, _ = _flag_pair(labels, np.zeros(values.shape, bool))
    return truth, values.reshape(-1)


def _checked(labels: Any, others: Any, pair: Any, profile: str) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    if profile not in NAB_PROFILES:
        raise InputError(f"profile={profile!r} is unknown; choose one of {', '.join(NAB_PROFILES)}")
    if len(labels) != len(others):
        raise InputError(
            f"{len(labels)} series have labels, {len(others)} flags or scores; give one of each per series"
        )
    pairs = []
    for i, (truth, other) in enumerate(zip(labels, others)):
        try:
            pairs.append(pair(truth, other))
        except InputError as error:
            raise InputError(f"series {i}: {error}") from None
    if not any(truth[nab_probation(len(truth)) :].any() for truth, _ in pairs):
        raise InputError(
            f"none of the {len(pairs)} series has a labelled window behind its probation; the score is undefined"
        )
    return [truth for truth, _ in pairs], [other for _, other in pairs]
