"""What a detector looks at, and what it says about it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.alarms import AlarmLine
from vaehelpers.alarms.selfcheck import SelfCheck

Array = NDArray[Any]
Errors = tuple[Array, Array]
"""Errors of rows, (n, n_features), and of their windows, (n,), before smoothing."""
Details = tuple[Array, tuple[Array, Array, Array], Errors | None]
"""Contributions, (n, n_features); expected, lower, upper; and the errors, None where a saved detector has no unit."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A series as a detector looks at it: scaled by the training part, filled, cut into windows.

    Attributes
    ----------
    scaled : ndarray of float32, shape (n, n_features)
        In training deviations, cut at `clip`, missing values filled. What a model reads.
    target : ndarray of float32, shape (n, n_features), or None
        The same without the cut, what a reconstruction is held against; None where nothing was cut.
    observed : ndarray of bool, shape (n, n_features)
        False where the value was missing and is filled.
    starts : ndarray of int, shape (n_windows,)
        First rows of the windows; none reaches across a gap.
    gaps : ndarray of int
        Rows behind which time has jumped.
    first_row : int
        Number of the first row in the whole series; random draws follow it.
    times : DatetimeIndex, ndarray or None
    """

    scaled: NDArray[np.float32]
    target: NDArray[np.float32] | None
    observed: NDArray[np.bool_]
    starts: NDArray[np.int64]
    gaps: NDArray[np.int64]
    first_row: int = 0
    times: Any = None

    def __len__(self) -> int:
        return len(self.scaled)

    @property
    def whole(self) -> NDArray[np.float32]:
        """The values uncut."""
        return self.scaled if self.target is None else self.target

    @property
    def mask(self) -> NDArray[np.float32] | None:
        """`observed` as a model takes it; None where nothing is missing."""
        return None if self.observed.all() else self.observed.astype(np.float32)

    def at(self, starts: NDArray[np.int64]) -> Prepared:
        """The same rows with other windows."""
        return dataclasses.replace(self, starts=starts)


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a detector says about a series, row by row.

    Attributes
    ----------
    scores : ndarray, shape (n,)
        Higher is more anomalous; NaN where no window covers a row. About 1 on normal rows where the VAE speaks.
    p_values : ndarray, shape (n,)
        Share of normal rows that score at least as high, by the calibration part; never below a hundredth of what
        one of its rows stands for.
    flags : ndarray of bool, shape (n,)
    contributions : ndarray, shape (n, n_features)
        What each variable adds; their sum is the score. Equal shares where a method cannot tell.
    expected, lower, upper : ndarray, shape (n, n_features)
        Reconstruction and the band of two standard deviations around it, in the units of the series; NaN where a
        method has none.
    events : DataFrame
        Incidents, worst first: start, end, peak, severity, at_least, score, kind, p_value, n_points, contributed,
        first, last, peak_row, scale; see `incident_table` in `alarms.incidents`. `score` is the highest row score.
    point_scores : ndarray, shape (n,)
        Log10 of the rows in which one such event is expected by chance; what incidents are made of. NaN without a line.
    check : SelfCheck or None
        Whether the alarms can be trusted, and why: status and reason. None where no line was drawn.
    line : AlarmLine or None
        `alarm_line_`, or where that does not fit these rows any more (``check.redrawn``) the last one that was drawn as
        they came.
    """

    scores: NDArray[Any]
    p_values: NDArray[Any]
    flags: NDArray[Any]
    contributions: NDArray[Any]
    expected: NDArray[Any]
    lower: NDArray[Any]
    upper: NDArray[Any]
    events: pd.DataFrame
    point_scores: NDArray[Any]
    check: SelfCheck | None
    line: AlarmLine | None = None
