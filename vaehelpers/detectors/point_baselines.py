"""Baselines that look at rows: random numbers, differences, z-score, variance."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vaehelpers.common.progress import Progress
from vaehelpers.detectors.base import BaseDetector
from vaehelpers.detectors.baseline import Baseline, _mean_over_observed, smoothing
from vaehelpers.detectors.prepared import Prepared
from vaehelpers.windows import smooth


class RandomScore(Baseline):
    """Uniform random numbers: the floor under every figure.

    Parameters
    ----------
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.
    seed : int, default 0

    Examples
    --------
    >>> scores = RandomScore(smooth=1).fit(np.arange(5.0)).decision_function(np.arange(5.0))
    >>> scores.round(2)
    array([0.64, 0.27, 0.04, 0.02, 0.81])
    """

    draws: ClassVar[bool] = True

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        return np.random.default_rng(self.settings_["seed"]).random(len(prepared))


class AbsoluteDifference(Baseline):
    """Size of the step from the row before, averaged over variables; 0 for the first row and behind a gap.

    Parameters
    ----------
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.

    References
    ----------
    Wu and Keogh, "Current Time Series Anomaly Detection Benchmarks are Flawed and are Creating the Illusion of
    Progress", TKDE 2021: many benchmark anomalies fall to one line such as this.

    Examples
    --------
    >>> train = np.array([0.0, 2.0, 0.0, 2.0])
    >>> AbsoluteDifference(smooth=1).fit(train).decision_function([0.0, 2.0, 7.0, 7.0])
    array([0., 2., 5., 0.])
    """

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        steps = np.abs(np.diff(prepared.whole, axis=0, prepend=prepared.whole[:1]))
        steps[prepared.gaps] = 0.0
        return _mean_over_observed(steps, prepared.observed)


class MovingZScore(Baseline):
    """Squared distance from the training mean in units of the training deviation, averaged over a moving window.

    No model at all, and yet on NAB's 23 series of the TSB-AD list it beats every published detector when smoothed
    over 200 rows.

    Parameters
    ----------
    smooth : int, default 200
        Rows over which the score is averaged, centred. 1 = not at all. 200 is its best on the tuning series.

    Examples
    --------
    >>> train = np.array([-1.0, 1.0, -1.0, 1.0])
    >>> MovingZScore(smooth=1).fit(train).decision_function([1.0, 3.0, np.nan, 0.0])
    array([ 1.,  9., nan,  0.])
    >>> MovingZScore(smooth=3).fit(train).decision_function([1.0, 3.0, np.nan, 0.0])
    array([ 5.,  5., nan,  0.])
    """

    own: ClassVar = (smoothing(200),)

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        return _mean_over_observed(prepared.whole**2, prepared.observed)


class MovingVariance(Baseline):
    """Variance within a centred moving window, averaged over variables.

    Sees bursts and noise; a flat line scores lowest, which is what a baseline may miss.

    Parameters
    ----------
    timesteps : int, optional
        Length of the window, in rows. Default: one period of the training part, `windows.dominant_period`.
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.

    Examples
    --------
    >>> train = np.array([-1.0, 1.0] * 6)
    >>> MovingVariance(timesteps=2, smooth=1).fit(train).decision_function([0.0, 0.0, 4.0, 4.0])
    array([0., 0., 4., 0.])
    """

    _window_length = BaseDetector._window_length

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        gaps, observed = prepared.gaps, prepared.observed
        values = np.where(observed, prepared.whole, np.nan)
        mean = smooth(values, self.timesteps_, gaps=gaps)
        mean_square = smooth(values.astype(np.float64) ** 2, self.timesteps_, gaps=gaps)
        return _mean_over_observed(np.maximum(mean_square - mean**2, 0.0), observed)
