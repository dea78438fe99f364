"""The base of all baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.windows import smooth

DEFAULT_SMOOTH = 100
"""Rows over which scores are averaged where nothing else is asked for."""


_LARGEST = 1e6  # training deviations; squares stay finite in float32


class Baseline(BaseEstimator):
    """What all baselines share: scaling by the training part, checks, smoothing.

    A baseline of one's own derives from this and defines ``_score(scaled, observed, gaps, progress) -> (n,)``, and
    where it learns something ``_fit(scaled, observed, gaps, progress)``. `scaled` is (n, n_features), zero mean and
    unit variance on the training part, with missing values bridged by straight lines; `observed` tells which values are
    real.

    Parameters
    ----------
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.

    Examples
    --------
    >>> class Distance(Baseline):
    ...     def _score(self, scaled, observed, gaps, progress):
    ...         return np.abs(scaled).sum(axis=1)
    >>> Distance(smooth=1).fit([0.0, 2.0, 0.0, 2.0]).decision_function([1.0, 2.0, 3.0])
    array([0., 1., 2.])
    """

    def __init__(self, *, smooth: int = DEFAULT_SMOOTH):
        self.smooth = smooth

    def fit(self, series: Any, y: Any = None, *, progress: Progress = quiet) -> Baseline:
        """Learn from the training part, without labels.

        Parameters
        ----------
        series : array-like of shape (n,) or (n, n_features), DataFrame or Series
        y : ignored
        progress : Progress, optional

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the series is empty, holds no number, or is shorter than one window.
        """
        if not isinstance(self.smooth, (int, np.integer)) or self.smooth < 1:
            raise InputError(f"smooth={self.smooth!r} must be a whole number of rows, 1 or more")
        values, gaps = _as_values(series)
        observed = np.isfinite(values)
        if not observed.any():
            raise InputError(f"the training part ({len(values)} rows) holds no number; give rows with values")
        self.n_features_in_ = values.shape[1]
        self.mean_, scale = np.zeros(values.shape[1]), np.zeros(values.shape[1])
        for j in range(values.shape[1]):  # column by column: no float64 copy of everything
            column = values[observed[:, j], j].astype(np.float64)
            if len(column):
                self.mean_[j], scale[j] = column.mean(), column.std()
        # a variable that never moved in training: any move is judged in units of its own size
        self.scale_ = np.where(scale > 1e-12 * (1.0 + np.abs(self.mean_)), scale, 1.0)
        self._fit(*self._prepare(values), gaps, progress)
        return self

    def decision_function(self, series: Any, *, progress: Progress = quiet) -> NDArray[np.float64]:
        """Score every row.

        Parameters
        ----------
        series : array-like of shape (n,) or (n, n_features), DataFrame or Series
        progress : Progress, optional

        Returns
        -------
        ndarray of float64, shape (n,)
            Higher = more anomalous. NaN for rows without any value and rows that no window covers.

        Raises
        ------
        InputError
            If the number of variables is not that of `fit`, or the series is shorter than one window.
        """
        check_is_fitted(self)
        values, gaps = _as_values(series)
        if values.shape[1] != self.n_features_in_:
            raise InputError(
                f"the series has {values.shape[1]} variables and the baseline was fitted on {self.n_features_in_}; "
                "give the same columns"
            )
        scaled, observed = self._prepare(values)
        scores = np.asarray(self._score(scaled, observed, gaps, progress), dtype=np.float64)
        return smooth(np.where(observed.any(axis=1), scores, np.nan), self.smooth, gaps=gaps)

    def _prepare(self, values: NDArray) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        observed = np.isfinite(values)
        scaled = np.empty(values.shape, np.float32)
        for j in range(values.shape[1]):
            column, seen = (values[:, j] - self.mean_[j]) / self.scale_[j], observed[:, j]
            if not seen.any():
                column = np.zeros(len(column))
            elif not seen.all():
                column = np.interp(np.arange(len(column)), np.flatnonzero(seen), column[seen])
            scaled[:, j] = np.clip(column, -_LARGEST, _LARGEST)
        return scaled, observed

    def _fit(self, scaled: NDArray, observed: NDArray, gaps: NDArray | None, progress: Progress) -> None:
        """Learn more than mean and scale; nothing by default."""

    def _score(self, scaled: NDArray, observed: NDArray, gaps: NDArray | None, progress: Progress) -> NDArray:
        raise NotImplementedError


def _as_values(series: Any) -> tuple[NDArray, NDArray | None]:
    """Values (n, n_features) and gaps of an array, a DataFrame or a `data.Series`."""
    gaps = getattr(series, "gaps", None)
    try:
        values = np.asarray(series.values if hasattr(series, "values") else series)
        if values.dtype.kind not in "fiub":
            values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("the series holds something that is not a number; choose numeric columns") from error
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError(f"the series has shape {values.shape}; it needs (n,) or (n, n_features)")
    if not values.size:
        raise InputError("the series is empty (0 values); give at least one row")
    return values, None if gaps is None else np.asarray(gaps, dtype=np.int64)


def _mean_over_observed(values: NDArray, observed: NDArray) -> NDArray[np.float64]:
    """Mean over the last axis of what is observed; NaN where nothing is."""
    count = observed.sum(axis=-1)
    total = np.where(observed, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
