"""Labels of a series as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vaehelpers import metrics
from vaehelpers.data.series import Series

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation


def labelled_events(data: Series) -> pd.DataFrame:
    """The labelled anomalies: one row each, with their kind where it is known.

    Parameters
    ----------
    data : Series

    Returns
    -------
    DataFrame
        Columns first, last (rows, both inclusive) and kind ("labelled" where it is not known). Empty without labels.

    Examples
    --------
    >>> labelled_events(Series([1.0, 2, 3, 4], labels=[0, 1, 1, 0]))
       first  last      kind
    0      1     2  labelled
    """
    if data.kinds is not None and len(data.kinds):
        return data.kinds[["first", "last", "kind"]].reset_index(drop=True)
    spans = metrics.runs(data.labels) if data.labels is not None else np.zeros((0, 2), dtype=np.int64)
    return pd.DataFrame({"first": spans[:, 0], "last": spans[:, 1], "kind": "labelled"})


def has_labels(data: Series) -> bool:
    """Whether any row is labelled anomalous."""
    return data.labels is not None and bool(data.labels.any())


def false_events(data: Series, found: Explanation) -> int | None:
    """How many events behind the training part overlap no label; None without labels or a known training part."""
    if not has_labels(data) or data.train_rows is None or data.train_rows >= data.n:
        return None
    table = found.events[found.events["first"] >= data.train_rows]
    labels = np.asarray(data.labels)
    return sum(not labels[first : last + 1].any() for first, last in zip(table["first"], table["last"]))
