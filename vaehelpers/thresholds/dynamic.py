"""The non-parametric dynamic threshold of Hundman et al."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.base import rule
from vaehelpers.thresholds.checks import _LARGEST, Bools, Floats, _as_scores, _count, _number
from vaehelpers.thresholds.counting import _Empirical, _EmpiricalThreshold
from vaehelpers.thresholds.gpd import _without_dull_runs


@rule
class DynamicThreshold(_EmpiricalThreshold):
    """Telemanom's dynamic threshold: the cut whose removal most changes mean and deviation of what remains.

    Parameters
    ----------
    window : int, default 2100
        Rows that the cut is searched on: those to judge and the ones before them; at least 10.
    batch : int, default 70
        Rows that `flags` judges together, at most `window`. `update` judges each row at once, as with 1.
    z_min, z_max, z_step : float, default 2.0, 10.0, 0.5
        The cuts tried: mean + z deviations of the scores in the window.
    prune : float, default 0.13
        A flagged run is dropped again unless its peak, or that of a lower run, stands out from the next lower peak
        by more than this share; in [0, 1). 0 keeps all.

    Notes
    -----
    The cut maximises (share by which the mean falls + share by which the deviation falls, when the scores above are
    taken out) / (number of scores above + square of the number of runs that they form). Where nothing lies above any
    cut, the line is mean + z_max deviations.

    It promises no false-alarm rate: it asks which rows stand out most from their neighbourhood, and on normal rows
    something always does; pruning is what keeps that in check. The scores should be errors (at least 0), smoothed
    first as in the paper (`vaehelpers.windows.smooth`); a shift of all scores changes the answer. ``threshold_`` is
    the cut on the last window. p-values are those of `ConformalThreshold` over the calibration scores.

    Source: Hundman, Constantinou, Laporte, Colwell, Soderstrom (2018), Detecting Spacecraft Anomalies Using LSTMs and
    Nonparametric Dynamic Thresholding, KDD, sections 3.2 and 3.3. Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.random.default_rng(0).uniform(1, 2, size=3_000)
    >>> rule = DynamicThreshold().fit(scores[:2_000])
    >>> scores[2_500:2_510] = 8.0
    >>> np.flatnonzero(rule.flags(scores[2_000:])).tolist()
    [500, 501, 502, 503, 504, 505, 506, 507, 508, 509]
    """

    name = "dynamic"
    sequential = True
    _history: Floats

    def __init__(
        self,
        window: int = 2100,
        *,
        batch: int = 70,
        z_min: float = 2.0,
        z_max: float = 10.0,
        z_step: float = 0.5,
        prune: float = 0.13,
    ):
        self.window = _count("window", window, self.name, low=10)
        self.batch = _count("batch", batch, self.name, low=1)
        self.z_min = _number("z_min", z_min, self.name, above=0.0)
        self.z_max = _number("z_max", z_max, self.name, low=self.z_min)
        self.z_step = _number("z_step", z_step, self.name, above=0.0)
        self.prune = _number("prune", prune, self.name, low=0.0, below=1.0)
        if self.batch > self.window:
            raise InputError(f"batch={batch} is longer than window={window}; use at most {window}")

    def flags(self, scores: ArrayLike) -> Bools:
        """Say which rows are flagged, `batch` by `batch`, each with the rows before it; see `Threshold.flags`."""
        _ = self.threshold_
        x = _as_scores(scores)
        known = np.flatnonzero(~np.isnan(x))
        rows = np.concatenate([self._history, np.clip(x[known], -_LARGEST, _LARGEST)])
        flagged = np.zeros(rows.size, bool)
        for first in range(self._history.size, rows.size, self.batch):
            last = min(first + self.batch, rows.size)
            low = max(0, last - self.window)
            flagged[first:last] = self._judge(rows[low:last])[0][first - last :]
        flags = np.zeros(x.shape, bool)
        flags[known] = flagged[self._history.size :]
        return flags

    def update(self, score: float) -> bool:
        """Judge the next row with the ones before it; see `Threshold.update`."""
        _ = self.threshold_
        if math.isnan(float(score)):
            return False
        rows = np.append(self._history, np.clip(float(score), -_LARGEST, _LARGEST))[-self.window :]
        flagged, self._threshold = self._judge(rows)
        self._history = rows
        return bool(flagged[-1])

    def _fit(self, x: Floats) -> None:
        self._calibration = _Empirical.of(np.sort(x))
        self._history = x[-self.window :].copy()
        self._threshold = self._judge(self._history)[1]

    def _judge(self, x: Floats) -> tuple[Bools, float]:
        line = self._cut(x)
        flagged = x > line
        if self.prune > 0.0 and flagged.any():
            flagged = _without_dull_runs(x, flagged, self.prune)
        return flagged, line

    def _cut(self, x: Floats) -> float:
        unit = float(np.abs(x).max())
        return unit * self._relative_cut(x / unit) if unit > 0.0 else 0.0

    def _relative_cut(self, x: Floats) -> float:
        mean, deviation = float(x.mean()), float(x.std())
        cuts = mean + np.arange(self.z_min, self.z_max + 0.5 * self.z_step, self.z_step) * deviation
        tried = cuts[cuts < x.max()]
        if tried.size == 0 or deviation == 0.0:
            return mean + self.z_max * deviation
        ordered = np.sort(x)
        rest = np.searchsorted(ordered, tried, side="right")  # scores not above each cut
        centred = ordered - mean
        first, second = np.cumsum(centred)[rest - 1] / rest, np.cumsum(centred**2)[rest - 1] / rest
        fall_of_mean = -first / abs(mean) if mean != 0.0 else np.zeros_like(first)
        fall_of_deviation = 1.0 - np.sqrt(np.maximum(second - first**2, 0.0)) / deviation
        above = x > tried[:, None]  # (cuts, rows)
        runs = above[:, 0] + np.count_nonzero(above[:, 1:] & ~above[:, :-1], axis=1)
        return float(tried[np.argmax((fall_of_mean + fall_of_deviation) / (x.size - rest + runs**2))])

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "history": self._history.tolist()}

    def _restore(self, reader: Reader) -> None:
        super()._restore(reader)
        self._history = reader.numbers("history", size=range(1, self.window + 1))
