"""All measures at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.metrics.flags import (
    best_point_adjusted_f1_misleading,
    best_point_f1,
    point_adjusted_f1_misleading,
    point_precision_recall,
)
from vaehelpers.metrics.labels import PrecisionRecall, _flag_pair, _pair, runs
from vaehelpers.metrics.nab import NAB_PROFILES, nab_score
from vaehelpers.metrics.ranges import affiliation, event_wise, range_precision_recall
from vaehelpers.metrics.scores import DEFAULT_WINDOW, auc_pr, auc_roc, vus


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
