"""How scikit-learn's searches judge a detector."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from vaehelpers.data.arrays import as_series
from vaehelpers.detectors.base import BaseDetector


def vus_pr_scorer(detector: BaseDetector, series: Any, labels: ArrayLike) -> float:
    """Judge a detector by VUS-PR: what to give as `scoring` to `GridSearchCV` and `cross_val_score`.

    Parameters
    ----------
    detector : BaseDetector
        Fitted.
    series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
    labels : array-like, shape (n,)
        1 for anomalous rows.

    Returns
    -------
    float
        Between 0 and 1; higher is better.

    Examples
    --------
    >>> import numpy as np
    >>> from vaehelpers.detectors import MovingZScore
    >>> rows = np.random.default_rng(0).normal(size=400)
    >>> labels = np.arange(400) // 20 == 15
    >>> detector = MovingZScore(smooth=5).fit(rows)
    >>> vus_pr_scorer(detector, rows + 8 * labels, labels) > 0.9
    True
    """
    from vaehelpers.metrics.labels import sliding_window_of
    from vaehelpers.metrics.scores import vus_pr

    given = as_series(series)
    return float(vus_pr(labels, detector.decision_function(given), sliding_window_of(given.values)))
