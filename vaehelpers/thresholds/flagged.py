"""From flagged rows to events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.checks import _aligned, _as_flags, _count


def events(
    flags: ArrayLike,
    scores: ArrayLike,
    *,
    times: Any = None,
    p_values: ArrayLike | None = None,
    merge: int = 0,
    min_length: int = 1,
) -> pd.DataFrame:
    """Gather flagged rows into events.

    Parameters
    ----------
    flags : array-like of bool, shape (n,)
        From `Threshold.flags`, or any other 0/1 marks.
    scores : array-like of shape (n,)
        Higher = more anomalous; NaN = no score.
    times : DatetimeIndex, array-like of shape (n,), or None
        Time of each row. None: row numbers.
    p_values : array-like of shape (n,), optional
        From `Threshold.p_values`.
    merge : int, default 0
        Flagged rows with at most this many other rows between them belong to one event. Rows without a score
        count as rows between: a gap of up to `merge` of them does not split an event.
    min_length : int, default 1
        Events with fewer flagged rows are dropped, after merging; at least 1.

    Returns
    -------
    DataFrame
        One row per event, in the order of time:

        - ``start``, ``end``, ``peak``: time of the first flagged row, of the last, and of the flagged row with the
          highest score (the first of equals); row numbers where `times` is None;
        - ``score``: the score at the peak;
        - ``p_value``: the smallest p-value of a flagged row, NaN without `p_values`. It is one row's p-value, not the
          event's: it makes no allowance for the number of rows looked at;
        - ``n_points``: number of flagged rows;
        - ``first``, ``last``, ``peak_row``: the three as row numbers.

        Without events: no rows, the same columns and types.

    Raises
    ------
    InputError
        If lengths differ, flags are not 0/1, `merge` is below 0, or `min_length` below 1.

    Notes
    -----
    Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> scores = [0, 5, 7, 0, 6, 0, 0, 9]
    >>> flags = [False, True, True, False, True, False, False, True]
    >>> events(flags, scores, merge=1)[["start", "end", "peak", "score", "n_points"]]
       start  end  peak  score  n_points
    0      1    4     2    7.0         3
    1      7    7     7    9.0         1
    """
    marks = _as_flags(flags)
    x = _aligned(scores, marks.size, "scores")
    p = np.full(marks.size, np.nan) if p_values is None else _aligned(p_values, marks.size, "p_values")
    merge = _count("merge", merge, "events", low=0)
    min_length = _count("min_length", min_length, "events", low=1)
    index = pd.RangeIndex(marks.size) if times is None else pd.Index(times)
    if index.size != marks.size:
        raise InputError(f"times has {index.size} rows, flags {marks.size}; give one time per row")

    rows = np.flatnonzero(marks)
    opens = np.concatenate([[True], np.diff(rows) > merge + 1])[: rows.size]
    begin = np.flatnonzero(opens)
    length = np.diff(np.append(begin, rows.size))
    kept = length >= min_length
    first, last = rows[begin], rows[begin + length - 1]
    height = np.where(np.isnan(x[rows]), -np.inf, x[rows])
    if rows.size:
        peaks = np.maximum.reduceat(height, begin)
        p_smallest = np.fmin.reduceat(p[rows], begin)
        event = np.cumsum(opens) - 1
        at_peak = np.flatnonzero(height == peaks[event])
        peak = rows[at_peak[np.unique(event[at_peak], return_index=True)[1]]]
    else:
        p_smallest, peak = np.empty(0), rows
    first, last, peak = (values[kept].astype(np.int64) for values in (first, last, peak))
    return pd.DataFrame(
        {
            "start": index[first],
            "end": index[last],
            "peak": index[peak],
            "score": x[peak],
            "p_value": p_smallest[kept],
            "n_points": length[kept].astype(np.int64),
            "first": first,
            "last": last,
            "peak_row": peak,
        }
    )
