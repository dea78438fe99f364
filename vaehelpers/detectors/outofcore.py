"""Score a series that does not fit into memory, part by part."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.detectors.vae import Detector
from vaehelpers.windows import fill_between


def score_parts(
    detector: Detector,
    read: Callable[[int, int], NDArray[Any]],
    n: int,
    *,
    gaps: ArrayLike | None = None,
    rows: int = 500_000,
    progress: Progress = quiet,
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Score a series that does not fit into memory: the scores of `Detector.decision_function`, part by part.

    Each part is read with as many rows around it as its scores depend on.

    Parameters
    ----------
    detector : Detector
        Fitted.
    read : callable
        ``read(first, last)`` returns these rows (`last` not included) as an array of shape (last - first, n_features),
        NaN where missing. Asked for in increasing order, with overlaps.
    n : int
        Rows of the series.
    gaps : array-like of int, optional
        Rows i such that time jumps between row i - 1 and row i (`Series.gaps`).
    rows : int, default 500,000
        Rows of a part; memory is proportional to it.
    progress : Progress, optional
        Called as ``progress("scoring", rows done, n)``.

    Yields
    ------
    first : int
        First row of the part.
    scores : ndarray
        Of its rows; NaN where no window covers a row.

    Raises
    ------
    InputError
        If the detector is not fitted, or the series does not fit it.

    Examples
    --------
    >>> from vaehelpers.detectors import Detector
    >>> wave = np.sin(np.arange(1_500) / 8)[:, None]
    >>> detector = Detector(timesteps=50, units=8, latent_dim=4, steps=20, smooth=5).fit(wave)
    >>> parts = score_parts(detector, lambda first, last: wave[first:last], 1_500, rows=400)
    >>> np.allclose(np.concatenate([scores for _, scores in parts]), detector.decision_function(wave))
    True
    """
    detector.check_fitted()
    if rows < 1:
        raise InputError(f"rows={rows} must be at least 1")
    if n < detector.timesteps_:
        raise InputError(f"{n} rows are fewer than one window (timesteps={detector.timesteps_}); give more rows")
    borders = np.asarray([] if gaps is None else gaps, dtype=np.int64)
    reach = detector.timesteps_ - 1 + detector.smooth_ // 2
    around = _Neighbours(detector, read, n, rows)
    for first in range(0, n, rows):
        last = min(first + rows, n)
        low, high = max(0, first - reach), min(n, last + reach)
        values = np.asarray(read(low, high))
        if values.shape[1] != detector.n_features_in_:
            raise InputError(
                f"the series has {values.shape[1]} variables; this detector was fitted on {detector.n_features_in_} "
                f"({', '.join(map(str, detector.columns_))})"
            )
        before, after = around.of(values, low, high)
        fill = functools.partial(fill_between, before=before, after=after)
        inner = borders[np.searchsorted(borders, low, "right") : np.searchsorted(borders, high)] - low
        prepared = detector.prepare(values, gaps=inner, fill=fill, first_row=low)
        scores = np.full(len(values), np.nan)
        if len(prepared.starts):
            scores = detector._scores(prepared, quiet)
        progress("scoring", last, n)
        yield first, scores[first - low : last - low]


class _Neighbours:
    """The values seen next to a part on either side, however far away: a long hole is filled between them."""

    def __init__(self, detector: Detector, read: Callable[[int, int], NDArray[Any]], n: int, rows: int):
        self.detector, self.read, self.n, self.rows = detector, read, n, rows
        features = detector.n_features_in_
        self.left = np.full((2, features), np.nan)  # row, value
        self.right = np.full((2, features), np.nan)  # NaN: not known; infinity: there is none
        self.previous: tuple[int, NDArray[Any]] | None = None

    def of(
        self, values: NDArray[Any], low: int, high: int
    ) -> tuple[tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
        """Rows, counted from `low`, and values of those before and of those after."""
        if self.previous is not None:
            begin, rows_before = self.previous
            self._note_last(begin, rows_before[: low - begin])
        self.previous = (low, values)
        absent = np.isnan(values[-1])
        self.right[:, ~(self.right[0] >= high)] = np.nan
        self._look_ahead(high, absent)
        after = np.where(absent & np.isfinite(self.right[0]), self.right[0] - low, np.nan)
        return (self.left[0] - low, self.left[1]), (after, self.right[1])

    def _note_last(self, begin: int, values: NDArray[Any]) -> None:
        seen = ~np.isnan(values)
        for column in np.flatnonzero(seen.any(axis=0)):
            row = int(np.flatnonzero(seen[:, column])[-1])
            self.left[:, column] = begin + row, self._scaled(values[row])[column]

    def _look_ahead(self, high: int, absent: NDArray[Any]) -> None:
        """Find the first value after `high` of the columns that are missing there."""
        at = high
        while at < self.n and np.isnan(self.right[0][absent]).any():
            block = np.asarray(self.read(at, min(at + self.rows, self.n)))
            for column in np.flatnonzero(absent & np.isnan(self.right[0])):
                seen = np.flatnonzero(~np.isnan(block[:, column]))
                if len(seen):
                    self.right[:, column] = at + seen[0], self._scaled(block[seen[0]])[column]
            at += len(block)
        self.right[0, absent & np.isnan(self.right[0])] = np.inf

    def _scaled(self, row: NDArray[Any]) -> NDArray[Any]:
        return self.detector.scale(row[None])[0][0]
