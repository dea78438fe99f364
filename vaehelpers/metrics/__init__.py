"""How good scores, flags and events are, judged against labels."""

from vaehelpers.metrics.flags import (
    best_point_adjusted_f1_misleading,
    best_point_f1,
    point_adjusted_f1_misleading,
    point_f1,
)
from vaehelpers.metrics.labels import runs, sliding_window_of
from vaehelpers.metrics.nab import nab_score
from vaehelpers.metrics.ranges import affiliation, event_wise, range_precision_recall
from vaehelpers.metrics.scores import auc_pr, auc_roc, vus, vus_pr, vus_roc
from vaehelpers.metrics.summary import evaluate

__all__ = [
    "affiliation",
    "auc_pr",
    "auc_roc",
    "best_point_adjusted_f1_misleading",
    "best_point_f1",
    "evaluate",
    "event_wise",
    "nab_score",
    "point_adjusted_f1_misleading",
    "point_f1",
    "range_precision_recall",
    "runs",
    "sliding_window_of",
    "vus",
    "vus_pr",
    "vus_roc",
]
