"""The errors of rows themselves, which count beside the errors of their windows where they are larger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaehelpers.windows import smooth

ROW_SMOOTHS = (1, 25)
"""Rows over which the errors of single rows are averaged; chosen on tuning and made-up series, see docs/tuning.md."""

_TAIL = 0.999  # quantile at which all scales are held equal; 0.99 costs 0.03 VUS-PR on the tuning series


@dataclass(frozen=True)
class RowScales:
    """What the errors of rows are multiplied by, so that their tail in the training part is that of the windows.

    Attributes
    ----------
    factors : dict of int to float
        Rows that are averaged, and the factor.
    smooth : int
        Rows over which the detector smooths; the errors of rows are never smoothed over more.
    """

    factors: dict[int, float]
    smooth: int

    @classmethod
    def fit(
        cls, windows: NDArray[Any], rows: NDArray[Any], smoothed: int, gaps: NDArray[np.int64] | None = None
    ) -> RowScales:
        """Measure the tails of the smoothed scores of windows (n,) and of the errors of rows (n, n_features)."""
        same = cls(dict.fromkeys(ROW_SMOOTHS, 1.0), smoothed)
        level, factors = _tail(windows), {}
        for width, parts in same._scaled(rows, gaps):
            own = _tail(parts.sum(axis=1))
            factors[width] = level / own if min(level, own) > 1e-12 else 1.0
        return cls(factors, smoothed)

    @classmethod
    def measure(
        cls, errors: tuple[NDArray[Any], NDArray[Any]], smoothed: int, gaps: NDArray[np.int64] | None = None
    ) -> RowScales:
        """The same from the errors of rows (n, n_features) and of windows (n,), before smoothing."""
        return cls.fit(smooth(errors[1], smoothed, gaps=gaps), errors[0], smoothed, gaps)

    def scores(
        self, windows: NDArray[Any], rows: NDArray[Any], gaps: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """The larger of the scores of windows (n,) and the errors of rows (n, n_features) at each scale, (n,)."""
        for _, parts in self._scaled(rows, gaps):
            windows = np.fmax(windows, parts.sum(axis=1))
        return windows

    def contributions(
        self, windows: NDArray[Any], rows: NDArray[Any], gaps: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """The same for what each variable adds, (n, n_features): all of a row come from the scale that decides it."""
        for _, parts in self._scaled(rows, gaps):
            windows = np.where((parts.sum(axis=1) > windows.sum(axis=1))[:, None], parts, windows)
        return windows

    def _scaled(self, rows: NDArray[Any], gaps: NDArray[np.int64] | None) -> Iterator[tuple[int, NDArray[np.float64]]]:
        rows = without_missing(rows)
        for width, factor in self.factors.items():
            yield width, factor * smooth(rows, min(width, self.smooth), gaps=gaps)


def without_missing(parts: NDArray[Any]) -> NDArray[Any]:
    """What variables add to rows, (n, n_features): a missing value adds nothing, a row without any has no score."""
    nothing = np.isnan(parts)
    return np.where(nothing & ~nothing.all(axis=1, keepdims=True), 0.0, parts)


def _tail(scores: NDArray[Any]) -> float:
    return float(np.nanquantile(scores, _TAIL)) if np.isfinite(scores).any() else 0.0
