"""Scores beside the rows they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from vaehelpers.data.series import Series


def scores_frame(data: Series, scores: np.ndarray, p_values: np.ndarray, flags: np.ndarray) -> pd.DataFrame:
    """Put scores beside the rows they belong to: one row per input row, in order.

    Parameters
    ----------
    data : Series
    scores, p_values : ndarray of shape (n,)
        NaN where there is no score.
    flags : ndarray of bool, shape (n,)

    Returns
    -------
    DataFrame
        Columns ``time`` (row numbers where the series has no times), the value columns, ``score``, ``p_value`` and
        ``flag`` (0 or 1). A value column that has one of these names gets ``value_`` before it.

    Examples
    --------
    >>> from vaehelpers.data.arrays import as_series
    >>> import numpy as np
    >>> data = as_series(np.array([1.0, 2.0]))
    >>> list(scores_frame(data, np.array([0.1, np.nan]), np.array([0.5, np.nan]), np.array([True, False])).flag)
    [1, 0]
    """
    import numpy as np
    import pandas as pd

    taken = {"time", "score", "p_value", "flag"}
    frame: dict[str, Any] = {"time": np.arange(data.n) if data.times is None else data.times}
    if data.given_times is not None:
        frame["time"] = data.given_times.to_numpy()
    values = data.values if data.given_values is None else data.given_values
    for position, column in enumerate(data.columns):
        name = plain_name(column)
        while name in taken or name in frame:
            name = f"value_{name}"
        frame[name] = values[:, position]
    frame |= {"score": scores, "p_value": p_values, "flag": np.asarray(flags).astype(np.int8)}
    return pd.DataFrame(frame)


def plain_name(column: object) -> str:
    """A column's name for a table that a spreadsheet may open: one that it would take for a formula gets ' before it.

    Examples
    --------
    >>> plain_name("=cmd|' /C calc'!A0"), plain_name("flow"), plain_name("-1")
    ("'=cmd|' /C calc'!A0", 'flow', "'-1")
    """
    name = str(column)
    return f"'{name}" if name.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r") and name.strip() else name


def events_frame(found: pd.DataFrame) -> pd.DataFrame:
    """Events as events.csv has them, the most severe first.

    Parameters
    ----------
    found : DataFrame
        `Explanation.events`.

    Returns
    -------
    DataFrame
        start, end, peak, severity, at_least, score, kind, p_value, n_points, contributed.
    """
    by = "severity" if found["severity"].notna().any() else "score"
    held = ["start", "end", "peak", "severity", "at_least", "score", "kind", "p_value", "n_points", "contributed"]
    table = found.sort_values(by, ascending=False, kind="stable")[held].reset_index(drop=True)
    return table.assign(contributed=table["contributed"].map(plain_name).astype(object))
