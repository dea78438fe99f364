"""The base of all baselines."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress
from vaehelpers.data.scaling import Scaler
from vaehelpers.data.series import Series
from vaehelpers.detectors.base import BaseDetector
from vaehelpers.detectors.prepared import Prepared
from vaehelpers.detectors.settings import Parameter

DEFAULT_SMOOTH = 100
"""Rows over which scores are averaged where nothing else is asked for."""


def smoothing(rows: int) -> Parameter:
    """The parameter `smooth` of a baseline, with its default."""
    return Parameter(
        "smooth", "int", rows, "Rows of the centred moving average over the scores, 1 for none.", low=1, unit="rows"
    )


class Baseline(BaseDetector):
    """What all baselines share. All that a detector does they do as well: thresholds, events, explanations.

    A baseline of one's own derives from this and defines ``_points(prepared, progress) -> (n,)``, and where it learns
    something ``_learn(prepared, progress)``. `prepared.whole` is (n, n_features), zero mean and unit variance on the
    training part, with missing values bridged by straight lines; `prepared.observed` tells which values are real.

    Parameters
    ----------
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.
    timesteps, threshold, false_alarm_rate, false_alarms, max_missing, contamination, hold_back, refit, seed
        As for `Detector`. The threshold is drawn on rows that were held back; then, with `refit`, the baseline learns
        from all rows.

    Examples
    --------
    >>> class Distance(Baseline):
    ...     def _points(self, prepared, progress):
    ...         return np.abs(prepared.whole).sum(axis=1)
    >>> Distance(smooth=1).fit([0.0, 2.0, 0.0, 2.0]).decision_function([1.0, 2.0, 3.0])
    array([0., 1., 2.])
    """

    own: ClassVar[tuple[Parameter, ...]] = (smoothing(DEFAULT_SMOOTH),)
    draws: ClassVar[bool] = False  # whether the seed changes anything

    def _window_length(self, values: NDArray[Any], wanted: int | None) -> int:
        return 1 if wanted is None else super()._window_length(values, wanted)

    def _fit(self, values: NDArray[Any], given: Series, progress: Progress) -> None:
        n = len(values)
        fit_end, val_end = self._split(n)
        self._learn_from(values[:fit_end], given.slice(0, fit_end), progress)
        prepared = self.prepare(values, gaps=given.gaps, times=given.times)
        try:
            self._calibrate(prepared, prepared.starts, (fit_end, val_end), progress)
        except InputError as error:
            self.notes_.append(f"No threshold was drawn: {error}")
        if self.settings_["refit"] and fit_end < n:
            self._learn_from(values, given, progress)
            prepared = self.prepare(values, gaps=given.gaps, times=given.times)
        if hasattr(self, "threshold_"):
            self._finish_alarms(prepared, progress)

    def _learn_from(self, values: NDArray[Any], given: Series, progress: Progress) -> None:
        self.scaler_ = Scaler().fit(values)
        self._learn(self.prepare(values, gaps=given.gaps, times=given.times), progress)

    def _learn(self, prepared: Prepared, progress: Progress) -> None:
        """Learn more than mean and scale; nothing by default."""


def _mean_over_observed(values: NDArray[Any], observed: NDArray[Any]) -> NDArray[np.float64]:
    """Mean over the last axis of what is observed; NaN where nothing is."""
    count = observed.sum(axis=-1)
    total = np.where(observed, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
