"""Rules in units of spread: k-sigma and MAD."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtr, ndtri

from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.base import Threshold, rule
from vaehelpers.thresholds.checks import Floats, _number, _rate

_GAUSSIAN_MAD = 1.4826022185056018  # 1 / ndtri(0.75): makes the MAD estimate a normal standard deviation


class _NormalThreshold(Threshold):
    """Rules of the form centre + k scale, with p-values of the normal distribution."""

    _default_k: ClassVar[float]
    _center: float
    _scale: float

    def __init__(self, k: float | None = None, *, false_alarm_rate: float | None = None):
        if k is not None and false_alarm_rate is not None:
            raise InputError(f"the {self.name} threshold takes k={k} or false_alarm_rate={false_alarm_rate}, not both")
        self.k = None if k is None else _number("k", k, self.name, low=0.0)
        self.false_alarm_rate = (
            None if false_alarm_rate is None else _rate("false_alarm_rate", false_alarm_rate, self.name)
        )

    @property
    def k_(self) -> float:
        """Number of deviations between centre and line."""
        if self.false_alarm_rate is not None:
            return float(-ndtri(self.false_alarm_rate))
        return self._default_k if self.k is None else self.k

    @property
    def promised_rate(self) -> float:
        """Normal survival function at `k_`: true for normal scores only."""
        return float(ndtr(-self.k_))

    def _center_and_scale(self, x: Floats) -> tuple[float, float]:
        raise NotImplementedError

    def _fit(self, x: Floats) -> None:
        self._center, self._scale = self._center_and_scale(x)
        self._threshold = self._center + self.k_ * self._scale

    def _p(self, x: Floats) -> Floats:
        if self._scale == 0.0:
            return np.where(x > self._center, 0.0, np.where(x == self._center, 0.5, 1.0))
        return ndtr(-(x - self._center) / self._scale)

    def _state(self) -> dict[str, Any]:
        return {"center": self._center, "scale": self._scale}

    def _restore(self, reader: Reader) -> None:
        self._center = reader.number("center")
        self._scale = reader.number("scale", low=0.0)


@rule
class KSigmaThreshold(_NormalThreshold):
    """Flag what lies more than k standard deviations above the mean.

    Parameters
    ----------
    k : float, optional
        Number of standard deviations, at least 0. Default 3.
    false_alarm_rate : float, optional
        Instead of `k`: the k at which normally distributed scores exceed the line with this probability.

    Notes
    -----
    p-values are the normal survival function of (score - mean) / deviation. Both rest on normal scores, which
    reconstruction errors are not (they are skewed to the right): the realised rate is then several times the promised
    one. A few anomalies among the calibration scores inflate mean and deviation: see `MadThreshold`.

    Source: Shewhart (1931). Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> rule = KSigmaThreshold().fit(np.random.default_rng(0).normal(10, 2, size=50_000))
    >>> round(rule.threshold_, 1), round(rule.promised_rate, 5)
    (16.0, 0.00135)
    """

    name = "ksigma"
    _default_k = 3.0

    def _center_and_scale(self, x: Floats) -> tuple[float, float]:
        unit = float(np.abs(x).max())  # squares of scores above 1e154 would overflow
        if x.min() == x.max():
            return float(x[0]), 0.0
        return unit * float((x / unit).mean()), unit * float((x / unit).std(ddof=1))


@rule
class MadThreshold(_NormalThreshold):
    """Flag what lies more than k robust standard deviations above the median.

    Parameters
    ----------
    k : float, optional
        Number of deviations, at least 0. Default 3.5, as Iglewicz and Hoaglin recommend.
    false_alarm_rate : float, optional
        Instead of `k`: the k at which normally distributed scores exceed the line with this probability.

    Notes
    -----
    The deviation is 1.4826 times the median absolute deviation from the median. Up to half of the calibration scores
    may be anomalies before it breaks down: the rule to take when the calibration part is not known to be clean. Where
    more than half of the scores are equal, that deviation is zero and 1.2533 times the mean absolute deviation stands
    in, with a note. p-values are the normal survival function, as for `KSigmaThreshold`, and as wrong as there for
    skewed scores.

    Source: Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers. Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> MadThreshold().fit([1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]).threshold_.__round__(2)
    18.47
    """

    name = "mad"
    _default_k = 3.5

    def _center_and_scale(self, x: Floats) -> tuple[float, float]:
        center = float(np.median(x))
        deviations = np.abs(x - center)
        scale = _GAUSSIAN_MAD * float(np.median(deviations))
        if scale == 0.0 and x.min() < x.max():
            scale = math.sqrt(math.pi / 2) * float(deviations.mean())
            self.notes_.append(
                "More than half of the calibration scores are equal, so that their median absolute deviation is zero; "
                "the mean absolute deviation is used, which anomalies among them inflate."
            )
        return center, scale
