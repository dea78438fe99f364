"""What came of a promise: the realised rate, and how far scores come in runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.checks import _aligned, _as_flags, _as_scores, _rate


class RealisedRate(NamedTuple):
    """Share of rows flagged, with an exact interval."""

    rate: float
    low: float
    high: float
    flagged: int
    rows: int


def realised_rate(flags: ArrayLike, *, scores: ArrayLike | None = None, confidence: float = 0.95) -> RealisedRate:
    """Count the share of rows that were flagged, with its Clopper-Pearson interval.

    Parameters
    ----------
    flags : array-like of bool, shape (n,)
        Flags of normal rows that played no part in training or calibration.
    scores : array-like of shape (n,), optional
        Rows whose score is NaN could not be flagged, and are left out of the count.
    confidence : float, default 0.95
        Probability with which the interval covers the true share, in (0, 1), if rows are independent. Rows of
        a time series are not: read the interval as the narrowest that can be meant.

    Returns
    -------
    RealisedRate
        ``rate``, ``low``, ``high`` (shares in [0, 1]), ``flagged`` and ``rows`` (counts).

    Raises
    ------
    InputError
        If there is no row to count, or the lengths differ.

    Notes
    -----
    Source: Clopper and Pearson (1934). Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> realised_rate([True] + [False] * 99)._asdict()["rate"]
    0.01
    >>> [round(x, 4) for x in realised_rate([False] * 1_000)[:3]]
    [0.0, 0.0, 0.0037]
    """
    marks = _as_flags(flags)
    if scores is not None:
        marks = marks[~np.isnan(_aligned(scores, marks.size, "scores"))]
    confidence = _rate("confidence", confidence, "realised_rate")
    rows, flagged = int(marks.size), int(np.count_nonzero(marks))
    if rows == 0:
        raise InputError("realised_rate needs at least 1 scored row, got 0")
    side = (1.0 - confidence) / 2.0
    low = 0.0 if flagged == 0 else float(betaincinv(flagged, rows - flagged + 1, side))
    high = 1.0 if flagged == rows else float(betaincinv(flagged + 1, rows - flagged, 1.0 - side))
    return RealisedRate(flagged / rows, low, high, flagged, rows)


def extremal_index(scores: ArrayLike, *, level: float = 0.95) -> float:
    """Estimate how much high scores come in runs: 1 for independent rows, 1 / (mean length of a run) otherwise.

    Parameters
    ----------
    scores : array-like of shape (n,)
        In the order of time; NaN are left out.
    level : float, default 0.95
        Quantile above which a score is high, in (0, 1).

    Returns
    -------
    float
        In (0, 1]. With index i, a rule that flags a share r of rows raises about r i n alarms on n rows, and
        n scores tell about as much about the tail as i n independent ones. 1 where fewer than 3 scores are high.

    Notes
    -----
    The intervals estimator: from mean and mean square of the times between high scores alone, without a run length to
    choose.

    Source: Ferro and Segers (2003), Journal of the Royal Statistical Society B 65(2), section 3. Lesson:
    notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=20_000)
    >>> round(extremal_index(noise), 1)
    1.0
    >>> bool(extremal_index(np.convolve(noise, np.ones(50))) < 0.1)
    True
    """
    x = _as_scores(scores)
    x = x[~np.isnan(x)]
    level = _rate("level", level, "extremal_index")
    rows = np.flatnonzero(x > np.quantile(x, level)) if x.size else np.empty(0)
    if rows.size < 3:
        return 1.0
    gaps = np.diff(rows).astype(np.float64)
    if gaps.max() <= 2:
        index = 2.0 * gaps.sum() ** 2 / (gaps.size * (gaps**2).sum())
    else:
        index = 2.0 * (gaps - 1).sum() ** 2 / (gaps.size * ((gaps - 1) * (gaps - 2)).sum())
    return float(min(max(index, 1.0 / x.size), 1.0))
