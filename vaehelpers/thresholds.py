"""From scores to flags and events: where to draw the line, and what that line promises.

Every rule is an object: ``fit(scores)`` on scores of normal rows, then ``threshold_``, ``flags(scores)``,
``p_values(scores)`` and ``to_dict()`` / ``Threshold.from_dict(d)``. Scores are (n,), higher = more anomalous; NaN
means "no score": ignored in fit, never flagged, p-value NaN. `make_threshold` builds a rule by name.

================  =======================================================================================
name              draws the line where
================  =======================================================================================
``quantile``      a share `false_alarm_rate` of the calibration scores lies above
``conformal``     the split-conformal p-value is at most `false_alarm_rate`: exact for finite samples
``ksigma``        mean + k standard deviations
``mad``           median + k robust standard deviations
``pot``           a generalised Pareto tail, fitted above a high start, is exceeded with `false_alarm_rate`
``spot``          the same, and the tail goes on learning along the stream
``dspot``         the same, on the difference to the recent mean, for scores that drift
``dynamic``       Telemanom's rule finds the cut that most changes mean and deviation of the rest
``budget``        the calibration scores would have raised a given number of alarms per so many rows
================  =======================================================================================

What a promised rate means: the share of *normal* rows flagged, on average over calibration sets, when calibration and
later rows are exchangeable. Three things weaken it, and each is measured in ``benchmarks/thresholds.py``:

- **Dependence.** Neighbouring scores of a time series resemble each other, smoothed ones above all, so that n rows tell
  less than n independent ones, and false alarms come in clusters. For the rules that count, the average still comes
  out nearly right and one calibration set alone may be far off; a fitted tail is too sure of itself and exceeds its
  promise. `extremal_index` measures it, and `notes_` tells where it matters.
- **Contamination.** Anomalies among the calibration scores push the line up: fewer false alarms, more misses; the
  promise holds. `trim` sets the highest share of them aside; where these were normal after all, the rate rises from
  `false_alarm_rate` to at most `false_alarm_rate` + `trim`. ``mad`` needs no such bet.
- **Reuse.** Scores of rows on which the model was trained are too low. Calibrate on rows that were held back.

Lesson: notebooks/06_thresholding.ipynb.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc, betaincinv, ndtr, ndtri

from vaehelpers.errors import InputError

__all__ = [
    "THRESHOLDS",
    "BudgetThreshold",
    "ConformalThreshold",
    "DSpotThreshold",
    "DynamicThreshold",
    "Gpd",
    "KSigmaThreshold",
    "MadThreshold",
    "PotThreshold",
    "QuantileThreshold",
    "RealisedRate",
    "SpotThreshold",
    "Threshold",
    "budget_threshold",
    "events",
    "extremal_index",
    "fit_gpd",
    "make_threshold",
    "realised_rate",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SMALLEST_P = float(np.finfo(np.float64).tiny)
_RATE_SLACK = 1e-9  # 0.29 * 100 is 28.999999999999996; it has to count as 29
_GAUSSIAN_MAD = 1.4826022185056018  # 1 / ndtri(0.75): makes the MAD estimate a normal standard deviation
_MIN_EXCESSES = 10


# ---------------------------------------------------------------------------------------------------- the contract


class Threshold:
    """A rule that turns scores into flags; the base of every rule in `THRESHOLDS`.

    Attributes
    ----------
    name : str
        The rule's name in `THRESHOLDS`.
    threshold_ : float
        After `fit`: a score above it (not equal to it) is flagged. In units of the scores. For the sequential rules
        ``spot``, ``dspot`` and ``dynamic`` it is the line in force for the next row.
    notes_ : list of str
        After `fit`: what the reader of a report should know about the calibration scores. Often empty.

    Notes
    -----
    To write a rule of one's own, derive from this class, set `name`, take parameters by keyword in ``__init__`` and
    store them under their own names, and define ``_fit``, ``_p``, ``_state`` and ``_restore``.

    Examples
    --------
    >>> issubclass(THRESHOLDS["pot"], Threshold)
    True
    """

    name: ClassVar[str] = ""
    sequential: ClassVar[bool] = False
    """Whether `flags` depends on the rows before, and `update` changes the state."""

    _threshold: float | None = None
    notes_: list[str]

    @property
    def threshold_(self) -> float:
        """Score above which a row is flagged, float."""
        if self._threshold is None:
            raise InputError(f"this {self.name} threshold is not fitted; call fit(scores) first")
        return self._threshold

    @property
    def promised_rate(self) -> float | None:
        """Share of normal rows that the rule promises to flag at most on average; None where it promises nothing."""
        return None

    def fit(self, scores: ArrayLike) -> Self:
        """Draw the line on calibration scores.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Scores of rows that are normal as far as one knows, held back from training. NaN are ignored.

        Returns
        -------
        Threshold
            The same object, fitted.

        Raises
        ------
        InputError
            If `scores` is not one-dimensional, holds infinite values, or holds too few scores for this rule.

        Examples
        --------
        >>> import numpy as np
        >>> QuantileThreshold(0.1).fit(np.arange(1, 20)).threshold_
        18.0
        """
        x = _as_scores(scores)
        if np.isinf(x).any():
            raise InputError(
                f"calibration score {int(np.flatnonzero(np.isinf(x))[0])} is infinite; leave it out or mend it"
            )
        x = x[~np.isnan(x)]
        needed, way_out = self._needs()
        if x.size < needed:
            raise InputError(f"{self!r} needs at least {needed} calibration scores, got {x.size}; {way_out}")
        self.notes_ = []
        if x.min() == x.max():
            self.notes_.append(f"All {x.size} calibration scores are equal: any higher score is flagged.")
        self._fit(x)
        return self

    def flags(self, scores: ArrayLike) -> Bools:
        """Say which rows are flagged.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Higher = more anomalous. NaN is never flagged; +inf is.

        Returns
        -------
        ndarray of bool, shape (n,)
            ``scores > threshold_``; the sequential rules run along the rows from the fitted state, which stays as
            it is, so that two calls agree.

        Examples
        --------
        >>> QuantileThreshold(0.1).fit(range(1, 20)).flags([18, 18.5, float("nan")]).tolist()
        [False, True, False]
        """
        return _as_scores(scores) > self.threshold_

    def p_values(self, scores: ArrayLike) -> Floats:
        """Give each row the probability of a score at least as high among normal rows.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Higher = more anomalous.

        Returns
        -------
        ndarray of float64, shape (n,)
            In (0, 1], lower = more anomalous, NaN where the score is NaN. One row at a time: nothing here corrects
            for looking at many rows.

        Examples
        --------
        >>> ConformalThreshold(0.1).fit(range(1, 20)).p_values([0, 18.5, 100]).round(2).tolist()
        [1.0, 0.1, 0.05]
        """
        _ = self.threshold_
        x = _as_scores(scores)
        p = np.full(x.shape, np.nan)
        known = ~np.isnan(x)
        p[known] = np.clip(self._p(x[known]), _SMALLEST_P, 1.0)
        return p

    def update(self, score: float) -> bool:
        """Judge one more row of a stream; the sequential rules learn from it.

        Parameters
        ----------
        score : float
            The next row's score; NaN changes nothing.

        Returns
        -------
        bool
            Whether the row is flagged.

        Examples
        --------
        >>> KSigmaThreshold(k=2).fit([0.0, 1.0] * 10).update(5.0)
        True
        """
        return bool(float(score) > self.threshold_)

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain JSON values: name, params, and the state where fitted.

        Returns
        -------
        dict
            ``{"name": str, "params": {...}, "state": {...} or None}``; `json.dumps` takes it as it is, and
            `Threshold.from_dict` gives back a rule that judges the same.

        Examples
        --------
        >>> KSigmaThreshold(k=2).fit([0.0, 1.0] * 10).to_dict()["params"]
        {'k': 2.0, 'false_alarm_rate': None}
        """
        state = None
        if self._threshold is not None:
            state = {"threshold": self._threshold, "notes": list(self.notes_), **self._state()}
        return {"name": self.name, "params": self._params(), "state": state}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a rule from what `to_dict` gave. Reads numbers and names only: no code runs.

        Parameters
        ----------
        data : mapping
            ``{"name", "params", "state"}``.

        Returns
        -------
        Threshold
            Of the class that the name says.

        Raises
        ------
        InputError
            If the name is unknown or another rule's, a key is missing or unknown, or a number is not finite, out
            of its range, or out of order.

        Examples
        --------
        >>> saved = KSigmaThreshold(k=2).fit([0.0, 1.0] * 10).to_dict()
        >>> Threshold.from_dict(saved)
        KSigmaThreshold(k=2.0)
        >>> Threshold.from_dict({"name": "ksigma", "params": {"k": float("nan")}, "state": None})
        Traceback (most recent call last):
        ...
        vaehelpers.errors.InputError: k=nan in the ksigma threshold is not a finite number
        """
        if not isinstance(data, Mapping):
            raise InputError(f"a saved threshold is a mapping with name, params and state, not a {type(data).__name__}")
        reader = _Reader(data, "the saved threshold")
        name = reader.text("name")
        params = reader.mapping("params")
        state = reader.take("state")
        reader.done()
        kind = _class_of(name)
        if not issubclass(kind, cls):
            raise InputError(f"the saved threshold is {name!r}, not {cls.name!r}; use Threshold.from_dict")
        threshold = make_threshold(name, **{str(key): value for key, value in params.items()})
        assert isinstance(threshold, cls)
        if state is not None:
            if not isinstance(state, Mapping):
                raise InputError(f"the state of the saved {name} threshold is not a mapping")
            reader = _Reader(state, f"the saved {name} threshold")
            threshold._threshold = reader.number("threshold")
            threshold.notes_ = reader.texts("notes")
            threshold._restore(reader)
            reader.done()
        return threshold

    def __repr__(self) -> str:
        """Show the parameters that are not at their defaults."""
        defaults = {key: parameter.default for key, parameter in inspect.signature(type(self)).parameters.items()}
        shown = [f"{key}={value!r}" for key, value in self._params().items() if value != defaults[key]]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _params(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in inspect.signature(type(self)).parameters}

    def _needs(self) -> tuple[int, str]:
        return 10, "give it more rows"

    def _note_on_dependence(self, x: Floats) -> None:
        index = extremal_index(x) if x.size >= 100 else 1.0
        if index < 0.5:
            self.notes_.append(
                f"High calibration scores come in runs of about {1 / index:.0f} rows: the {x.size} scores tell about "
                f"as much as {max(1, round(index * x.size))} independent ones. Expect false alarms in such runs, and "
                "the realised rate to scatter around the promised one, or exceed it, accordingly."
            )

    def _fit(self, x: Floats) -> None:
        raise NotImplementedError

    def _p(self, x: Floats) -> Floats:
        raise NotImplementedError

    def _state(self) -> dict[str, Any]:
        raise NotImplementedError

    def _restore(self, reader: _Reader) -> None:
        raise NotImplementedError


# -------------------------------------------------------------------------------- rules that count calibration scores


class _EmpiricalThreshold(Threshold):
    """Rules whose p-values come from the calibration scores themselves."""

    _calibration: _Empirical

    def _p(self, x: Floats) -> Floats:
        return self._calibration.p_values(x)

    def _state(self) -> dict[str, Any]:
        return {"calibration": self._calibration.to_dict()}

    def _restore(self, reader: _Reader) -> None:
        self._calibration = _Empirical.read(reader.reader("calibration"))


class QuantileThreshold(_EmpiricalThreshold):
    """Flag what lies above a quantile of the calibration scores.

    Parameters
    ----------
    false_alarm_rate : float, default 0.01
        Share of normal rows to flag, in (0, 1).
    trim : float, default 0.0
        Share of the highest calibration scores to set aside as suspected anomalies, in [0, 0.5). Buys back the recall
        that anomalies in the calibration part cost. The price where they were normal rows: up to
        `false_alarm_rate` + `trim` of normal rows are flagged.

    Notes
    -----
    The line stands at the position (n + 1)(1 - rate) of the sorted scores, interpolated (Weibull's plotting position).
    With independent scores the share of new rows above it is then `false_alarm_rate` on average. NumPy's default
    position promises the same and delivers (1 + (n - 1) rate) / (n + 1): twice the rate for 100 scores at 1%.
    p-values are those of `ConformalThreshold`. At least 1 / rate - 1 scores are needed: 99 for 1%.

    Source: Makkonen (2006), Journal of Applied Meteorology and Climatology 45(2). Lesson:
    notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> rule = QuantileThreshold(0.01).fit(np.random.default_rng(0).normal(size=50_000))
    >>> round(rule.threshold_, 1)                    # the normal distribution's own is 2.33
    2.3
    """

    name = "quantile"

    def __init__(self, false_alarm_rate: float = 0.01, *, trim: float = 0.0):
        self.false_alarm_rate = _rate("false_alarm_rate", false_alarm_rate, self.name)
        self.trim = _number("trim", trim, self.name, low=0.0, below=0.5)

    @property
    def promised_rate(self) -> float:
        """`false_alarm_rate` + `trim`."""
        return self.false_alarm_rate + self.trim

    def _needs(self) -> tuple[int, str]:
        return _untrimmed(_resolvable(self.false_alarm_rate), self.trim), _MORE_SCORES

    def _fit(self, x: Floats) -> None:
        self._note_on_dependence(x)
        x = _trimmed(np.sort(x), self.trim)
        position = (x.size + 1) * (1.0 - self.false_alarm_rate) - 1.0
        below = int(np.clip(math.floor(position + _RATE_SLACK), 0, x.size - 1))
        above = min(below + 1, x.size - 1)
        part = min(max(position - below, 0.0), 1.0)
        self._threshold = float(x[below] + part * (x[above] - x[below]))
        self._calibration = _Empirical.of(x)


class ConformalThreshold(_EmpiricalThreshold):
    """Flag rows whose split-conformal p-value is at most `false_alarm_rate`.

    Parameters
    ----------
    false_alarm_rate : float, default 0.01
        Share of normal rows to flag, in (0, 1).
    confidence : float, optional
        None promises the rate on average over calibration sets. A number in (0, 1) promises that, with this
        probability over calibration sets, the very set at hand gives no higher rate; the line moves up accordingly.
    trim : float, default 0.0
        Share of the highest calibration scores to set aside as suspected anomalies, in [0, 0.5). The promise then is
        `false_alarm_rate` + `trim`, which holds whether they were anomalies or not.

    Notes
    -----
    p = (1 + number of calibration scores at least as high) / (n + 1). If the n calibration scores and the new one are
    exchangeable, P(p <= rate) <= rate for every n and every distribution, ties included; without ties it is
    above rate - 1 / (n + 1) as well. ``flags`` is exactly ``p <= false_alarm_rate`` (with `confidence`: exactly
    ``score > threshold_``, a higher line). A time series is not exchangeable; see the module's notes. At least
    1 / rate - 1 scores are needed: with fewer, no score at all could be flagged.

    Source: Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World, chapter 2; Laxhammar and Falkman
    (2010) for anomaly detection; Vovk (2012), Conditional validity, proposition 2a for `confidence`. Lesson:
    notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> rule = ConformalThreshold(0.1).fit(range(1, 20))
    >>> rule.threshold_, rule.p_values([18, 19, 20]).tolist()
    (18.0, [0.15, 0.1, 0.05])
    >>> ConformalThreshold(0.001).fit(range(19))
    Traceback (most recent call last):
    ...
    vaehelpers.errors.InputError: ConformalThreshold(false_alarm_rate=0.001) needs at least 999 calibration scores,
    got 19; give it more rows, promise a higher false_alarm_rate, or take "pot", which extrapolates
    """

    name = "conformal"

    def __init__(self, false_alarm_rate: float = 0.01, *, confidence: float | None = None, trim: float = 0.0):
        self.false_alarm_rate = _rate("false_alarm_rate", false_alarm_rate, self.name)
        self.confidence = None if confidence is None else _rate("confidence", confidence, self.name)
        self.trim = _number("trim", trim, self.name, low=0.0, below=0.5)

    @property
    def promised_rate(self) -> float:
        """`false_alarm_rate` + `trim`."""
        return self.false_alarm_rate + self.trim

    def _needs(self) -> tuple[int, str]:
        needed = _resolvable(self.false_alarm_rate)
        if self.confidence is not None:
            needed = max(needed, math.ceil(math.log1p(-self.confidence) / math.log1p(-self.false_alarm_rate)))
        return _untrimmed(needed, self.trim), _MORE_SCORES

    def _fit(self, x: Floats) -> None:
        self._note_on_dependence(x)
        x = _trimmed(np.sort(x), self.trim)
        n = x.size
        rank = math.floor(self.false_alarm_rate * (n + 1) + _RATE_SLACK)
        if self.confidence is not None:
            # the rate realised above the rank-th highest of n scores follows Beta(rank, n + 1 - rank)
            ranks = np.arange(1, rank + 1)
            held = bdtrc(ranks - 1, n, self.false_alarm_rate) >= self.confidence
            rank = max(1, int(np.count_nonzero(held)))
        self._threshold = float(x[n - rank])
        self._calibration = _Empirical.of(x, keep=self._threshold)


class BudgetThreshold(_EmpiricalThreshold):
    """Draw the line where the calibration scores raise a given number of alarms per so many rows.

    What an operator asks for is seldom a share of rows; it is "about three alarms a week". An alarm here is an event:
    neighbouring flagged rows count once, so that the dependence of a time series is in the count, not in the way.

    Parameters
    ----------
    alarms : float, default 1.0
        Alarms allowed on normal rows, above 0 ...
    per_rows : int, default 10000
        ... per this many scored rows.
    merge : int, default 0
        Flagged rows with at most this many rows between them are one alarm, as in `events`.

    Notes
    -----
    Think of a line that sinks from the highest calibration score and of the events that reach up to it. It stops at the
    peak of the last event that the budget allows. That event is counted although it only touches the line: leaving
    it out would on average allow one alarm too many. (The search goes downwards because the number of events does
    not grow steadily: a very low line makes a single endless event.) A `min_length` given to
    `events` later drops alarms, never adds any. It is a count of the past: with k alarms counted, expect the
    future's to scatter by more than the square root of k. NaN rows are gaps, as in `events`.
    p-values are those of `ConformalThreshold`.

    Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> scores = [0, 5, 6, 0, 0, 3, 0, 0, 9, 0]           # three bumps
    >>> BudgetThreshold(2, per_rows=10).fit(scores).threshold_
    6.0
    """

    name = "budget"

    def __init__(self, alarms: float = 1.0, per_rows: int = 10_000, *, merge: int = 0):
        self.alarms = _number("alarms", alarms, self.name, above=0.0)
        self.per_rows = _count("per_rows", per_rows, self.name, low=1)
        self.merge = _count("merge", merge, self.name, low=0)

    def fit(self, scores: ArrayLike) -> Self:
        """Draw the line on calibration scores; see `Threshold.fit`. NaN rows count as gaps between alarms."""
        x = _as_scores(scores)
        super().fit(x)
        self._threshold = self._lowest(x)
        return self

    def _needs(self) -> tuple[int, str]:
        return max(10, math.ceil(self.per_rows / self.alarms - _RATE_SLACK)), (
            'give it more rows, allow more alarms, or take "pot", which extrapolates'
        )

    def _fit(self, x: Floats) -> None:
        self._threshold = float(x.max())
        self._calibration = _Empirical.of(np.sort(x))

    def _lowest(self, x: Floats) -> float:
        rows = int(np.count_nonzero(~np.isnan(x)))
        x = np.where(np.isnan(x), -np.inf, x)
        before = _highest_before(x, self.merge + 1)
        # a row opens an event while the line is not above its score but above the highest score just before it
        opened = np.sort(x[np.isfinite(x)])
        joined = np.sort(np.minimum(x, before))
        lines = np.unique(opened)[::-1]
        counts = rows - np.searchsorted(opened, lines, side="left")
        counts -= x.size - np.searchsorted(joined, lines, side="left")
        allowed = math.floor(self.alarms * rows / self.per_rows + _RATE_SLACK)
        most = np.maximum.accumulate(counts)
        reached = int(np.searchsorted(most, allowed, side="right")) - 1  # lowest line that keeps the budget
        return float(lines[0] if reached < 0 else lines[np.searchsorted(most, most[reached])])


def budget_threshold(scores: ArrayLike, alarms: float, per_rows: int, *, merge: int = 0) -> BudgetThreshold:
    """Draw the line for a budget of alarms: `BudgetThreshold`, fitted.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores of normal rows in the order of time; neighbours count as one alarm.
    alarms : float
        Alarms allowed ...
    per_rows : int
        ... per this many rows.
    merge : int, default 0
        Flagged rows with at most this many rows between them are one alarm.

    Returns
    -------
    BudgetThreshold
        Fitted.

    Raises
    ------
    InputError
        If there are fewer than `per_rows` / `alarms` scores: the budget would allow less than one alarm on them.

    Examples
    --------
    >>> budget_threshold([0, 5, 6, 0, 0, 3, 0, 0, 9, 0], alarms=3, per_rows=10).threshold_
    3.0
    """
    return BudgetThreshold(alarms, per_rows, merge=merge).fit(scores)


# ------------------------------------------------------------------------------------ rules by centre and deviation


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

    def _restore(self, reader: _Reader) -> None:
        self._center = reader.number("center")
        self._scale = reader.number("scale", low=0.0)


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


# ------------------------------------------------------------------------------------------- peaks over threshold


class Gpd(NamedTuple):
    """A generalised Pareto distribution of excesses: shape `gamma` (> 0 heavy, < 0 bounded tail), scale `sigma`."""

    gamma: float
    sigma: float


def fit_gpd(excesses: ArrayLike, *, censored: ArrayLike = ()) -> Gpd:
    """Fit a generalised Pareto distribution by maximum likelihood.

    Parameters
    ----------
    excesses : array-like of shape (n,)
        How far scores lie above the start of the tail; finite, above 0, in units of the scores.
    censored : array-like of shape (m,), default none
        Excesses of which it is only known that they are at least this high.

    Returns
    -------
    Gpd
        Shape `gamma` (without unit, at least -1) and scale `sigma` (in units of the scores, above 0).

    Raises
    ------
    InputError
        If there is no excess, or one is not finite or not above 0.

    Notes
    -----
    With theta = gamma / sigma fixed, the best gamma has a closed form, the sum of log(1 + theta y) over all excesses
    divided by the number of uncensored ones, which leaves a search in one dimension (Grimshaw's observation). The
    likelihood has no upper bound for gamma < -1, so the search ends there. With fewer than 3 different values, the
    method of moments answers where its answer is possible, else the exponential distribution.

    Source: Grimshaw (1993), Technometrics 35(2); Hosking and Wallis (1987) for the moments. Lesson:
    notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> gamma, sigma = fit_gpd(np.random.default_rng(0).exponential(2.0, size=20_000))
    >>> round(abs(gamma), 1), round(sigma, 1)             # exponential: gamma is 0
    (0.0, 2.0)
    """
    y, c = _as_scores(excesses), _as_scores(censored)
    for values in (y, c):
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            raise InputError(f"excess {values[bad][0]} is not a finite number above 0; give scores - start of the tail")
    if y.size == 0:
        raise InputError("fit_gpd needs at least 1 excess, got 0; start the tail lower")
    if not _likelihood_can_tell(y):
        return _gpd_by_moments(y)
    profile = _Profile(y, c)
    v, log_likelihood = profile.search()
    best = int(np.argmax(log_likelihood))
    low, high = v[max(best - 1, 0)], v[min(best + 1, v.size - 1)]
    peak = _golden(lambda point: float(profile.log_likelihood(np.array([point]))[0]), low, high)
    theta, gamma = profile.theta_and_gamma(np.array([peak]))
    return Gpd(float(gamma[0]), float(gamma[0] / theta[0]))


class PotThreshold(Threshold):
    """Peaks over threshold: extrapolate the tail of the scores by extreme value theory.

    Parameters
    ----------
    false_alarm_rate : float, default 0.001
        Share of normal rows to flag, in (0, 1). May be far below 1 / n.
    level : float, optional
        Quantile at which the tail starts, in [0.5, 1). None takes the highest n^(2/3) scores, at least twice
        `false_alarm_rate` n, at most a tenth of all.
    tail : {"predictive", "plugin"}, default "predictive"
        "plugin" puts the maximum likelihood estimate into the formula, as published. "predictive" averages the tail
        over all shapes and scales that the scores leave possible, each by its posterior probability.
    trim : float, default 0.0
        Share of the highest calibration scores to set aside as suspected anomalies, in [0, 0.5). They carry the tail:
        where they were normal after all, the fitted tail ends near the cut and up to `false_alarm_rate` + `trim` of
        normal rows are flagged.

    Attributes
    ----------
    tail_ : Gpd
        Maximum likelihood shape and scale of the excesses over `start_`.
    start_ : float
        Where the tail starts, in units of the scores.

    Notes
    -----
    Why predictive: the estimated line is wrong now high, now low, and a low one costs more false alarms than a high
    one saves. Measured with 2,000 scores at a rate of 1e-4 (``benchmarks/thresholds.py``), the plug-in line
    realises 1.8 to 3.4 times the promise on average, the predictive one 0.9 to 1.5 times (uniform scores: 0.1, the
    safe side). For fixed theta = gamma / sigma the predictive survival function is (1 + log(1 + theta y) / S)^-(N -
    1) with S = sum of log(1 + theta y_i) under the flat prior on gamma and 1 / sigma on sigma; a sum over a grid of
    theta, as far as gamma at its best for that theta is at least -1, does the rest.

    p-values: below the start, the share of calibration scores at least as high, interpolated; above, the share of
    excesses times the tail's survival function. Continuous and never rising with the score; equal to
    `false_alarm_rate` at `threshold_`. If `false_alarm_rate` exceeds the share of excesses, the line lies in the
    body and nothing is extrapolated. Ties shrink or move the tail; where fewer than 10 excesses can be had, the line
    is the highest calibration score, with a note. At least 100 scores are needed.

    Source: Pickands (1975); Siffer, Fouque, Termier, Largouet (2017), KDD, section 4 (POT); Northrop and Attalides
    (2016) for the prior. Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> rule = PotThreshold(1e-4).fit(np.random.default_rng(0).exponential(size=20_000))
    >>> 8.5 < rule.threshold_ < 10.5                      # the exponential distribution's own is 9.2
    True
    >>> rule.p_values([rule.threshold_]).round(6).tolist()
    [0.0001]
    """

    name = "pot"
    _tail: _Tail

    def __init__(
        self,
        false_alarm_rate: float = 1e-3,
        *,
        level: float | None = None,
        tail: str = "predictive",
        trim: float = 0.0,
    ):
        self.false_alarm_rate = _rate("false_alarm_rate", false_alarm_rate, self.name)
        self.level = None if level is None else _number("level", level, self.name, low=0.5, below=1.0)
        self.tail = _choice("tail", tail, ("predictive", "plugin"), self.name)
        self.trim = _number("trim", trim, self.name, low=0.0, below=0.5)

    @property
    def promised_rate(self) -> float:
        """`false_alarm_rate` + `trim`."""
        return self.false_alarm_rate + self.trim

    @property
    def tail_(self) -> Gpd:
        """Maximum likelihood shape and scale of the excesses."""
        _ = self.threshold_
        return self._tail.excess.gpd

    @property
    def start_(self) -> float:
        """Where the tail starts, in units of the scores."""
        _ = self.threshold_
        return self._tail.start

    def _needs(self) -> tuple[int, str]:
        return _untrimmed(100, self.trim), 'give it more rows, or take "quantile" or "mad"'

    def _fit(self, x: Floats) -> None:
        self._note_on_dependence(x)
        self._tail = self._tail_of(np.sort(x))
        self._threshold = self._tail.line(self.false_alarm_rate)

    def _tail_of(self, ordered: Floats) -> _Tail:
        x = _trimmed(ordered, self.trim)
        n = x.size
        if self.level is None:
            count = min(max(round(n ** (2 / 3)), math.ceil(2 * self.false_alarm_rate * n)), n // 10)
        else:
            count = math.ceil((1.0 - self.level) * n - _RATE_SLACK)
        start = float(x[n - 1 - max(count, min(_MIN_EXCESSES, n // 10))])
        above = n - int(np.searchsorted(x, start, side="right"))
        if above < _MIN_EXCESSES:  # ties at the top: start lower, below as many of them as needed
            lower = int(np.searchsorted(x, x[n - _MIN_EXCESSES], side="left")) - 1
            if lower >= n // 2 - 1:
                start = float(x[lower])
            else:
                start = float(x[-1])
                if x[0] < start:
                    self.notes_.append(
                        "More than half of the calibration scores share the highest values, so that no tail can be "
                        "fitted: the line is the highest of them."
                    )
        above = n - int(np.searchsorted(x, start, side="right"))
        body = _Body.of(x, start)
        excess = _Excess.of(x[n - above :] - start, np.empty(0), predictive=self.tail == "predictive")
        return _Tail(start, body, n, above, excess)

    def _p(self, x: Floats) -> Floats:
        return self._tail.p_values(x)

    def _state(self) -> dict[str, Any]:
        return {"tail": self._tail.to_dict()}

    def _restore(self, reader: _Reader) -> None:
        self._tail = _Tail.read(reader.reader("tail"))


class SpotThreshold(PotThreshold):
    """Streaming peaks over threshold: the tail goes on learning from the rows that pass.

    Parameters
    ----------
    false_alarm_rate : float, default 0.001
        Share of normal rows to flag, in (0, 1); below 1 - `level`.
    level : float, optional
        Quantile at which the tail starts, in [0.5, 1). None: as for `PotThreshold`.
    tail : {"predictive", "plugin"}, default "predictive"
        As for `PotThreshold`; "plugin" as published.
    alarms : {"censored", "dropped"}, default "censored"
        What a flagged row teaches. "dropped", as published: nothing. "censored": that some normal row lay above the
        line, but not where; at most about as many as the promised rate allows for, so that a long anomaly
        cannot lift the line.
    memory : int, default 1000
        Excesses that are remembered, the most recent; at least 50. Bounds time and size of a stream without end.
    trim : float, default 0.0
        As for `PotThreshold`; for the calibration scores alone.

    Notes
    -----
    A row above the line is flagged. A row between the start of the tail and the line is a new excess; after every
    2% of new excesses (each one while there are fewer than 100) the tail is fitted anew and the line drawn anew.
    Rows below count.

    Why censored: dropping each flagged row cuts the highest normal scores from the next fit, so that the line sinks
    and flags more. Measured over 200,000 independent normal rows at 1e-3, last fifth of the stream: dropped and
    plug-in, as published, 3 to 4 times the promise (27 times if `memory` is bounded as well: give "dropped" a large
    one); censored and predictive 1.0 to 1.1 times.

    ``flags`` and ``p_values`` run along the rows from the state after the last `fit` or `update` and leave that state
    alone; `update` moves it. A row's p-value comes from the tail in force when it arrives.

    Source: Siffer, Fouque, Termier, Largouet (2017), Anomaly Detection in Streams with Extreme Value Theory, KDD,
    algorithm 1 (SPOT). Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rule = SpotThreshold(1e-3).fit(rng.exponential(size=2_000))
    >>> stream = rng.exponential(size=3_000)
    >>> stream[1_500] = 40.0
    >>> bool(rule.flags(stream)[1_500]), [rule.update(score) for score in (1.0, 40.0)]
    (True, [False, True])
    """

    name = "spot"
    sequential = True
    _stream: _Stream

    def __init__(
        self,
        false_alarm_rate: float = 1e-3,
        *,
        level: float | None = None,
        tail: str = "predictive",
        alarms: str = "censored",
        memory: int = 1000,
        trim: float = 0.0,
    ):
        super().__init__(false_alarm_rate, level=level, tail=tail, trim=trim)
        self.alarms = _choice("alarms", alarms, ("censored", "dropped"), self.name)
        self.memory = _count("memory", memory, self.name, low=50)
        share = 0.1 if self.level is None else 1.0 - self.level
        if self.false_alarm_rate >= share:
            raise InputError(
                f"false_alarm_rate={self.false_alarm_rate} of the {self.name} threshold is not below the share of rows "
                f"in the tail ({share:.4g}); promise less, lower level, or take 'quantile'"
            )

    def flags(self, scores: ArrayLike) -> Bools:
        """Say which rows are flagged, running along them from the fitted state; see `Threshold.flags`."""
        return self._run(_as_scores(scores))[0]

    def p_values(self, scores: ArrayLike) -> Floats:
        """Give each row its p-value under the tail in force when it arrives; see `Threshold.p_values`."""
        return self._run(_as_scores(scores))[1]

    def path(self, scores: ArrayLike) -> Floats:
        """Give the line in force at each row, for drawing it over the scores.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Higher = more anomalous.

        Returns
        -------
        ndarray of float64, shape (n,)
            In units of the scores; a row is flagged if it lies above. At NaN rows, the line that waits for the next
            score.

        Examples
        --------
        >>> import numpy as np
        >>> scores = np.random.default_rng(0).exponential(size=4_000)
        >>> rule = SpotThreshold().fit(scores[:2_000])
        >>> bool(np.array_equal(rule.flags(scores), scores > rule.path(scores)))
        True
        """
        return self._run(_as_scores(scores))[2]

    def update(self, score: float) -> bool:
        """Judge the next row and learn from it; see `Threshold.update`."""
        _ = self.threshold_
        if math.isnan(float(score)):
            return False
        flagged = self._step(self._stream, float(score))
        self._publish()
        return flagged

    def _fit(self, x: Floats) -> None:
        self._note_on_dependence(x)
        tail = self._tail_of(np.sort(x))
        excesses = x[x > tail.start] - tail.start
        if self.trim:
            excesses = excesses[
                np.argsort(np.argsort(-excesses, kind="stable"), kind="stable") >= excesses.size - tail.above
            ]
        self._stream = _Stream.start_from(tail, excesses, self)
        self._publish()

    def _publish(self) -> None:
        self._tail = self._stream.tail
        self._threshold = self._stream.line

    def _step(self, stream: _Stream, score: float) -> bool:
        return stream.step(score)

    def _run(self, x: Floats) -> tuple[Bools, Floats, Floats]:
        _ = self.threshold_
        stream = self._stream.copy()
        flags = np.zeros(x.shape, bool)
        p = np.full(x.shape, np.nan)
        path = np.empty(x.shape)
        seen = 0
        known = np.flatnonzero(~np.isnan(x))
        values = x[known]
        high = np.flatnonzero(values > stream.tail.start)  # every other row only counts: nothing to decide
        segment = 0
        for position in high:
            stream.count += int(position) - seen
            tail, line = stream.tail, stream.line
            flags[known[position]] = stream.step(float(values[position]))
            seen = int(position) + 1
            if stream.tail is not tail:
                p[known[segment:seen]] = tail.p_values(values[segment:seen])
                path[known[segment - 1] + 1 if segment else 0 : known[position] + 1] = line
                segment = seen
        p[known[segment:]] = stream.tail.p_values(values[segment:])
        path[known[segment - 1] + 1 if segment else 0 :] = stream.line
        return flags, np.clip(p, _SMALLEST_P, 1.0), path

    def _state(self) -> dict[str, Any]:
        return {"stream": self._stream.to_dict()}

    def _restore(self, reader: _Reader) -> None:
        saved = self._threshold
        self._stream = _Stream.read(reader.reader("stream"), self)
        self._publish()
        if self._threshold != saved:
            raise InputError(f"threshold={saved} in {reader.where} disagrees with its stream ({self._threshold})")


class DSpotThreshold(SpotThreshold):
    """`SpotThreshold` on the difference to the recent mean, for scores whose level drifts.

    Parameters
    ----------
    false_alarm_rate : float, default 0.001
        Share of normal rows to flag, in (0, 1); below 1 - `level`.
    depth : int, default 50
        Number of the last rows that were not flagged whose mean is the level.
    level : float, optional
        Quantile at which the tail starts, in [0.5, 1). None: as for `PotThreshold`.
    tail : {"predictive", "plugin"}, default "predictive"
        As for `PotThreshold`.
    alarms : {"censored", "dropped"}, default "censored"
        As for `SpotThreshold`.
    memory : int, default 1000
        As for `SpotThreshold`.
    trim : float, default 0.0
        As for `PotThreshold`; of the differences.

    Notes
    -----
    ``threshold_`` is the level plus the line on the differences: in units of the scores, for the next row. Flagged rows
    never enter the level; a lasting shift is therefore flagged until it ends, and rows just below the line move
    the level a little. p-values judge the difference, not the score. At least `depth` + 100 scores are needed.

    Source: Siffer, Fouque, Termier, Largouet (2017), KDD, algorithm 2 (DSPOT). Lesson:
    notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> drifting = np.linspace(0, 100, 4_000) + rng.normal(size=4_000)
    >>> rule = DSpotThreshold(1e-3).fit(drifting[:2_000])
    >>> int(rule.flags(drifting[2_000:]).sum()) <= 10, int(SpotThreshold().fit(drifting[:2_000]).flags(
    ...     drifting[2_000:]).sum()) > 1_000
    (True, True)
    """

    name = "dspot"
    _recent: _Recent

    def __init__(
        self,
        false_alarm_rate: float = 1e-3,
        *,
        depth: int = 50,
        level: float | None = None,
        tail: str = "predictive",
        alarms: str = "censored",
        memory: int = 1000,
        trim: float = 0.0,
    ):
        super().__init__(false_alarm_rate, level=level, tail=tail, alarms=alarms, memory=memory, trim=trim)
        self.depth = _count("depth", depth, self.name, low=1)

    def _needs(self) -> tuple[int, str]:
        needed, way_out = super()._needs()
        return needed + self.depth, way_out

    def _fit(self, x: Floats) -> None:
        sums = np.cumsum(np.concatenate([[0.0], x - x[0]]))
        levels = (sums[self.depth : -1] - sums[: -self.depth - 1]) / self.depth + x[0]
        self._recent = _Recent(x[-self.depth :].tolist())
        super()._fit(x[self.depth :] - levels)

    def _publish(self) -> None:
        super()._publish()
        self._threshold = self._recent.level + self._stream.line

    def _step(self, stream: _Stream, score: float) -> bool:
        flagged = stream.step(score - self._recent.level)
        if not flagged:
            self._recent.add(score)
        return flagged

    def _run(self, x: Floats) -> tuple[Bools, Floats, Floats]:
        _ = self.threshold_
        stream, recent = self._stream.copy(), self._recent.copy()
        flags = np.zeros(x.shape, bool)
        differences = np.full(x.shape, np.nan)
        path = np.empty(x.shape)
        p = np.full(x.shape, np.nan)
        segment = 0
        for row, score in enumerate(x.tolist()):
            path[row] = recent.level + stream.line
            if score != score:  # NaN
                continue
            difference = differences[row] = score - recent.level
            tail = stream.tail
            if difference > tail.start:
                flagged = flags[row] = stream.step(difference)
                if stream.tail is not tail:
                    p[segment : row + 1] = tail.p_values(differences[segment : row + 1])
                    segment = row + 1
                if flagged:
                    continue
            else:
                stream.count += 1
            recent.add(score)
        p[segment:] = stream.tail.p_values(differences[segment:])
        return flags, np.clip(p, _SMALLEST_P, 1.0), path

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "recent": self._recent.to_dict()}

    def _restore(self, reader: _Reader) -> None:
        self._recent = _Recent.read(reader.reader("recent"), self.depth)
        super()._restore(reader)


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

    def _restore(self, reader: _Reader) -> None:
        super()._restore(reader)
        self._history = reader.numbers("history", size=range(1, self.window + 1))


# ------------------------------------------------------------------------------------------------------- by name


THRESHOLDS: dict[str, type[Threshold]] = {
    kind.name: kind
    for kind in (
        QuantileThreshold,
        ConformalThreshold,
        KSigmaThreshold,
        MadThreshold,
        PotThreshold,
        SpotThreshold,
        DSpotThreshold,
        DynamicThreshold,
        BudgetThreshold,
    )
}
"""Every rule by its name."""


def make_threshold(name: str, **params: Any) -> Threshold:
    """Build a rule by its name.

    Parameters
    ----------
    name : str
        A key of `THRESHOLDS`.
    **params
        The rule's own parameters.

    Returns
    -------
    Threshold
        Not fitted yet.

    Raises
    ------
    InputError
        If the name, or a parameter, is unknown (with the known ones), or a value is out of its range.

    Examples
    --------
    >>> make_threshold("pot", false_alarm_rate=1e-4)
    PotThreshold(false_alarm_rate=0.0001)
    >>> make_threshold("quantil")
    Traceback (most recent call last):
    ...
    vaehelpers.errors.InputError: unknown threshold 'quantil' (did you mean 'quantile'?); known: budget, conformal,
    dspot, dynamic, ksigma, mad, pot, quantile, spot
    """
    kind = _class_of(name)
    known = list(inspect.signature(kind).parameters)
    for key in params:
        if key not in known:
            raise InputError(
                f"the {name} threshold has no parameter {key!r}{_guess(key, known)}; known: {', '.join(known)}"
            )
    return kind(**params)


def _class_of(name: str) -> type[Threshold]:
    kind = THRESHOLDS.get(name) if isinstance(name, str) else None
    if kind is None:
        known = sorted(THRESHOLDS)
        raise InputError(f"unknown threshold {name!r}{_guess(str(name), known)}; known: {', '.join(known)}")
    return kind


def _guess(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


# ------------------------------------------------------------------------------------------- what came of a promise


class RealisedRate(NamedTuple):
    """Share of rows flagged, with an exact interval."""

    rate: float
    low: float
    high: float
    flagged: int
    rows: int


def realised_rate(flags: ArrayLike, *, scores: ArrayLike | None = None, confidence: float = 0.95) -> RealisedRate:
    """Count the share of rows that were flagged, with its Clopper-Pearson interval.

    Parameters
    ----------
    flags : array-like of bool, shape (n,)
        Flags of normal rows that played no part in training or calibration.
    scores : array-like of shape (n,), optional
        Rows whose score is NaN could not be flagged, and are left out of the count.
    confidence : float, default 0.95
        Probability with which the interval covers the true share, in (0, 1), if rows are independent. Rows of
        a time series are not: read the interval as the narrowest that can be meant.

    Returns
    -------
    RealisedRate
        ``rate``, ``low``, ``high`` (shares in [0, 1]), ``flagged`` and ``rows`` (counts).

    Raises
    ------
    InputError
        If there is no row to count, or the lengths differ.

    Notes
    -----
    Source: Clopper and Pearson (1934). Lesson: notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> realised_rate([True] + [False] * 99)._asdict()["rate"]
    0.01
    >>> [round(x, 4) for x in realised_rate([False] * 1_000)[:3]]
    [0.0, 0.0, 0.0037]
    """
    marks = _as_flags(flags)
    if scores is not None:
        marks = marks[~np.isnan(_aligned(scores, marks.size, "scores"))]
    confidence = _rate("confidence", confidence, "realised_rate")
    rows, flagged = int(marks.size), int(np.count_nonzero(marks))
    if rows == 0:
        raise InputError("realised_rate needs at least 1 scored row, got 0")
    side = (1.0 - confidence) / 2.0
    low = 0.0 if flagged == 0 else float(betaincinv(flagged, rows - flagged + 1, side))
    high = 1.0 if flagged == rows else float(betaincinv(flagged + 1, rows - flagged, 1.0 - side))
    return RealisedRate(flagged / rows, low, high, flagged, rows)


def extremal_index(scores: ArrayLike, *, level: float = 0.95) -> float:
    """Estimate how much high scores come in runs: 1 for independent rows, 1 / (mean length of a run) otherwise.

    Parameters
    ----------
    scores : array-like of shape (n,)
        In the order of time; NaN are left out.
    level : float, default 0.95
        Quantile above which a score is high, in (0, 1).

    Returns
    -------
    float
        In (0, 1]. With index i, a rule that flags a share r of rows raises about r i n alarms on n rows, and
        n scores tell about as much about the tail as i n independent ones. 1 where fewer than 3 scores are high.

    Notes
    -----
    The intervals estimator: from mean and mean square of the times between high scores alone, without a run length to
    choose.

    Source: Ferro and Segers (2003), Journal of the Royal Statistical Society B 65(2), section 3. Lesson:
    notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=20_000)
    >>> round(extremal_index(noise), 1)
    1.0
    >>> bool(extremal_index(np.convolve(noise, np.ones(50))) < 0.1)
    True
    """
    x = _as_scores(scores)
    x = x[~np.isnan(x)]
    level = _rate("level", level, "extremal_index")
    rows = np.flatnonzero(x > np.quantile(x, level)) if x.size else np.empty(0)
    if rows.size < 3:
        return 1.0
    gaps = np.diff(rows).astype(np.float64)
    if gaps.max() <= 2:
        index = 2.0 * gaps.sum() ** 2 / (gaps.size * (gaps**2).sum())
    else:
        index = 2.0 * (gaps - 1).sum() ** 2 / (gaps.size * ((gaps - 1) * (gaps - 2)).sum())
    return float(min(max(index, 1.0 / x.size), 1.0))


# ------------------------------------------------------------------------------------------------- flags to events


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


# ---------------------------------------------------------------------------------- private: the calibration scores


@dataclass(frozen=True, eq=False)
class _Empirical:
    """Calibration scores, ready for conformal p-values and small enough to save.

    Up to 4,096 different scores are kept as they are. Of more, the highest 1,024 are, and below them so many that a
    p-value is at most 0.2% too high, never too low.
    """

    values: Floats  # (m,), rising
    at_least: NDArray[np.int64]  # (m,), number of scores >= value
    above: NDArray[np.int64]  # (m,), number of scores > value
    n: int

    @classmethod
    def of(cls, ordered: Floats, *, keep: float | None = None) -> _Empirical:
        n = ordered.size
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1]]))
        values, at_least = ordered[first], n - first
        above = np.append(at_least[1:], 0)
        if values.size > 4096:
            ranks = np.unique(
                np.concatenate([np.arange(1, 1025), np.geomspace(1024, n, 4 + round(math.log(n / 1024) / 0.002))])
            )
            chosen = np.searchsorted(-at_least, -ranks)
            extra = [0, values.size - 1] if keep is None else [0, values.size - 1, int(np.searchsorted(values, keep))]
            chosen = np.unique(np.concatenate([np.minimum(chosen, values.size - 1), extra]))
            values, at_least, above = values[chosen], at_least[chosen], above[chosen]
        return cls(values, at_least.astype(np.int64), above.astype(np.int64), n)

    def p_values(self, x: Floats) -> Floats:
        below = np.searchsorted(self.values, x, side="right") - 1
        at = np.maximum(below, 0)
        count = np.where(self.values[at] == x, self.at_least[at], self.above[at])
        return (1.0 + np.where(below < 0, self.n, count)) / (self.n + 1.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "values": self.values.tolist(),
            "at_least": self.at_least.tolist(),
            "above": self.above.tolist(),
            "n": self.n,
        }

    @classmethod
    def read(cls, reader: _Reader) -> _Empirical:
        n = reader.count("n", low=1)
        values = reader.numbers("values", size=range(1, n + 1), rising=True)
        counts = [reader.numbers(key, size=values.size, low=0, high=n) for key in ("at_least", "above")]
        reader.done()
        at_least, above = (array.astype(np.int64) for array in counts)
        if (np.diff(at_least) >= 0).any() or (above >= at_least).any() or (at_least[1:] > above[:-1]).any():
            raise InputError(f"the counts at_least and above in {reader.where} do not fit together")
        return cls(values, at_least, above, n)


_MORE_SCORES = 'give it more rows, promise a higher false_alarm_rate, or take "pot", which extrapolates'
_LARGEST = float(np.finfo(np.float64).max)


def _resolvable(rate: float) -> int:
    return max(1, math.ceil(1.0 / rate - 1.0 - _RATE_SLACK / rate))


def _untrimmed(needed: int, trim: float) -> int:
    size = math.ceil(needed / (1.0 - trim))
    while size - math.floor(trim * size) < needed:
        size += 1
    return size


def _trimmed(ordered: Floats, trim: float) -> Floats:
    return ordered[: ordered.size - math.floor(trim * ordered.size)]


def _highest_before(x: Floats, width: int) -> Floats:
    """Give the highest of the `width` values before each one; -inf before the first."""
    highest = np.concatenate([[-np.inf], x[:-1]])
    reach = 1
    while reach < width:  # doubles the reach each time
        step = min(reach, width - reach)
        highest[step:] = np.maximum(highest[step:], highest[:-step].copy())
        reach += step
    return highest


# ------------------------------------------------------------------------------------------------ private: the tail


class _Profile:
    """Likelihood of the generalised Pareto distribution along theta = gamma / sigma, gamma at its best for each.

    Works in units of the highest value, so that theta > -1, and in v = log(1 + theta), which spreads out both ends.
    """

    def __init__(self, y: Floats, censored: Floats):
        self.unit = float(max(y.max(), censored.max(initial=0.0)))
        self.y, self.censored = y / self.unit, censored / self.unit
        self.n = y.size

    def sums(self, v: Floats) -> tuple[Floats, Floats, Floats]:
        """Give theta, and the sums of log(1 + theta y) over all and over the uncensored values, each like `v`."""
        theta = np.expm1(v)
        theta = np.where(np.abs(theta) < 1e-10, 1e-10, theta)
        exact = np.log1p(np.multiply.outer(theta, self.y)).sum(axis=-1)
        total = exact
        if self.censored.size:
            total = exact + np.log1p(np.multiply.outer(theta, self.censored)).sum(axis=-1)
        return theta, total, exact

    def log_likelihood(self, v: Floats) -> Floats:
        """Give the profile log-likelihood, like `v`; -inf where gamma < -1."""
        theta, total, exact = self.sums(v)
        return self._from_sums(theta, total, exact)

    def log_posterior(self, v: Floats) -> Floats:
        """Give the log of the marginal posterior density of v, up to a constant; like `v`."""
        theta, total, exact = self.sums(v)
        # gamma integrated out under a flat prior on gamma and 1/sigma on sigma leaves the factor gamma/theta
        return self._from_sums(theta, total, exact) + np.log(total / theta) + v

    def _from_sums(self, theta: Floats, total: Floats, exact: Floats) -> Floats:
        value = -self.n * (np.log(total / (self.n * theta)) + 1.0) - exact
        return np.where(total < -self.n * (1.0 + 1e-12), -np.inf, value)

    def theta_and_gamma(self, v: Floats) -> tuple[Floats, Floats]:
        theta, total, _ = self.sums(v)
        return theta / self.unit, total / self.n

    def search(self) -> tuple[Floats, Floats]:
        """Give a grid of v around the maximum, and the log-likelihood on it."""
        widest = self.widest()
        v = np.unique(np.concatenate([np.linspace(-18.0, 0.0, 19), np.linspace(0.0, widest, 28), [self.lowest()]]))
        value = self.log_likelihood(v)
        for size in (17, 17):
            best = int(np.argmax(value))
            v = np.linspace(v[max(best - 1, 0)], v[min(best + 1, v.size - 1)], size)
            value = self.log_likelihood(v)
        return v, value

    def posterior(self, size: int = 48) -> tuple[Floats, Floats, Floats]:
        """Give theta, the sums over all values, and the posterior weights on a grid that covers the posterior."""
        widest = self.widest()
        lowest = self.lowest()
        v = np.concatenate([np.linspace(lowest, 0.0, 19)[:-1], np.linspace(0.0, widest, 28)])
        value = self.log_posterior(v)
        for points in (33, 33, size):
            inside = np.flatnonzero(value > value.max() - 16.0)
            v = np.linspace(v[max(inside[0] - 1, 0)], v[min(inside[-1] + 1, v.size - 1)], points)
            value = self.log_posterior(v)
        weight = np.exp(value - value.max())
        kept = weight > 1e-10
        theta, total, _ = self.sums(v[kept])
        return theta / self.unit, total, weight[kept] / weight[kept].sum()

    def widest(self) -> float:
        """Give a v above all that matter: the median excess puts gamma there at about 8."""
        return 6.0 - math.log(max(float(np.median(self.y)), 1e-15))

    def lowest(self) -> float:
        """Give the v at which gamma is -1; below it the likelihood has no bound."""
        low, high = -30.0, 0.0
        for _ in range(45):
            middle = 0.5 * (low + high)
            if float(self.sums(np.array([middle]))[1][0]) < -self.n:
                low = middle
            else:
                high = middle
        return high


def _likelihood_can_tell(y: Floats) -> bool:
    return y.size >= 3 and np.unique(y).size >= 3


def _gpd_by_moments(y: Floats) -> Gpd:
    mean, variance = float(y.mean()), float(y.var())
    if variance > 0.0:
        ratio = mean * mean / variance
        gamma, sigma = 0.5 * (1.0 - ratio), 0.5 * mean * (1.0 + ratio)
        if gamma >= -1.0 and (gamma >= 0.0 or float(y.max()) <= -sigma / gamma):
            return Gpd(gamma, sigma)
    return Gpd(0.0, mean)


def _golden(function: Any, low: float, high: float) -> float:
    """Find the maximum of a function with one peak in [low, high] by golden section."""
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(24):
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return left if at_left >= at_right else right


@dataclass(frozen=True, eq=False)
class _Excess:
    """Survival function of the excesses over the start of the tail: one GPD, or an average over many."""

    gpd: Gpd
    theta: Floats  # (m,), gamma / sigma; empty for the plug-in tail
    total: Floats  # (m,), sum of log(1 + theta y) over the excesses
    weight: Floats  # (m,), posterior probability
    power: int

    @classmethod
    def of(cls, y: Floats, censored: Floats, *, predictive: bool, gpd: bool = True) -> _Excess:
        """Fit. `gpd` = False spares the maximum likelihood search where only the average is asked for."""
        none = np.empty(0)
        if y.size == 0:
            return cls(Gpd(0.0, 0.0), none, none, none, 0)
        if not predictive or not _likelihood_can_tell(y):
            return cls(fit_gpd(y, censored=censored), none, none, none, 0)
        theta, total, weight = _Profile(y, censored).posterior()
        best = fit_gpd(y, censored=censored) if gpd else Gpd(0.0, float(y.mean()))
        return cls(best, theta, total, weight, y.size - 1)

    def survival(self, y: Floats) -> Floats:
        """Give the probability of an excess above `y` (>= 0), like `y`."""
        gamma, sigma = self.gpd
        if sigma == 0.0:
            return np.zeros_like(y)
        if self.theta.size == 0:
            if abs(gamma) < 1e-9:
                return np.exp(-y / sigma)
            with np.errstate(divide="ignore"):
                return np.exp(-np.log1p(np.maximum(gamma / sigma * y, -1.0)) / gamma)
        result = np.zeros_like(y)
        with np.errstate(divide="ignore"):  # log(0) beyond the end of a bounded tail: survival 0
            for theta, total, weight in zip(self.theta, self.total, self.weight):
                result += weight * np.exp(-self.power * np.log1p(np.log1p(np.maximum(theta * y, -1.0)) / total))
        return result

    def line(self, probability: float) -> float:
        """Give the excess that is exceeded with `probability`, in (0, 1]."""
        if probability >= 1.0 or self.gpd.sigma == 0.0:
            return 0.0
        low, high = 0.0, self.gpd.sigma
        while self._survival_at(high) > probability:
            low, high = high, 2.0 * high
        for _ in range(60):
            middle = 0.5 * (low + high)
            if self._survival_at(middle) > probability:
                low = middle
            else:
                high = middle
        return high

    def _survival_at(self, y: float) -> float:
        if self.theta.size == 0:
            return float(self.survival(np.array([y]))[0])
        with np.errstate(divide="ignore"):
            inner = np.log1p(np.maximum(self.theta * y, -1.0)) / self.total
            return float(self.weight @ np.exp(-self.power * np.log1p(inner)))

    def to_dict(self) -> dict[str, Any]:
        return {
            "gamma": self.gpd.gamma,
            "sigma": self.gpd.sigma,
            "theta": self.theta.tolist(),
            "total": self.total.tolist(),
            "weight": self.weight.tolist(),
            "power": self.power,
        }

    @classmethod
    def read(cls, reader: _Reader) -> _Excess:
        gpd = Gpd(reader.number("gamma", low=-1.001), reader.number("sigma", low=0.0))
        theta = reader.numbers("theta", size=range(0, 1025))
        total = reader.numbers("total", size=theta.size)
        weight = reader.numbers("weight", size=theta.size, low=0.0, high=1.0)
        power = reader.count("power", low=0)
        reader.done()
        if theta.size and (abs(weight.sum() - 1.0) > 1e-6 or (theta * total <= 0.0).any() or power < 1):
            raise InputError(f"theta, total, weight and power in {reader.where} do not fit together")
        return cls(gpd, theta, total, weight, power)


@dataclass(frozen=True, eq=False)
class _Body:
    """Share of calibration scores at least as high, at and below the start of the tail; linear between knots."""

    values: Floats  # (m,), rising; the last is the start of the tail
    share: Floats  # (m,), falling from 1; the last is the share of excesses

    @classmethod
    def of(cls, ordered: Floats, start: float) -> _Body:
        n = ordered.size
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1]]))
        first = first[ordered[first] < start]
        if first.size > 512:
            first = first[np.unique(np.linspace(0, first.size - 1, 512).round().astype(int))]
        above = n - int(np.searchsorted(ordered, start, side="right"))
        if above == 0:  # no tail to meet: count the start among its equals, as everywhere else
            above = n - int(np.searchsorted(ordered, start, side="left"))
        return cls(np.append(ordered[first], start), np.append((n - first) / n, above / n))

    def p_values(self, x: Floats, tail_share: float | None) -> Floats:
        """Give P(score >= x) for x up to the start, stretched so that it meets `tail_share` (if any) there."""
        p = np.interp(x, self.values, self.share, left=1.0)
        start = float(self.share[-1])
        if tail_share is None or tail_share == start:
            return p
        return 1.0 - (1.0 - p) * ((1.0 - tail_share) / (1.0 - start))

    def line(self, p: float) -> float:
        return float(np.interp(-p, -self.share, self.values))

    def to_dict(self) -> dict[str, Any]:
        return {"values": self.values.tolist(), "share": self.share.tolist()}

    @classmethod
    def read(cls, reader: _Reader) -> _Body:
        values = reader.numbers("values", size=range(1, 1025), rising=True)
        share = reader.numbers("share", size=values.size, low=0.0, high=1.0)
        reader.done()
        if (np.diff(share) > 0.0).any():
            raise InputError(f"share in {reader.where} rises")
        return cls(values, share)


@dataclass(frozen=True, eq=False)
class _Tail:
    """The distribution of normal scores: body by counting, tail by extreme value theory."""

    start: float
    body: _Body
    rows: int
    above: int
    excess: _Excess

    @property
    def share(self) -> float:
        """Share of rows above the start."""
        return self.above / self.rows

    def p_values(self, x: Floats) -> Floats:
        p = np.full(x.shape, np.nan)
        high = x > self.start
        low = x <= self.start
        p[low] = self.body.p_values(x[low], self.share if self.above else None)
        if self.above == 0:
            p[high] = 1.0 / (self.rows + 1.0)
        else:
            p[high] = self.share * self.excess.survival(x[high] - self.start)
        return p

    def line(self, rate: float) -> float:
        if self.above == 0:
            return self.start
        if rate >= self.share:
            return self.body.line(rate)
        return self.start + self.excess.line(rate / self.share)

    def to_dict(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "rows": self.rows,
            "above": self.above,
            "body": self.body.to_dict(),
            "excess": self.excess.to_dict(),
        }

    @classmethod
    def read(cls, reader: _Reader) -> _Tail:
        start = reader.number("start")
        rows = reader.count("rows", low=1)
        above = reader.count("above", low=0, high=rows)
        tail = cls(start, _Body.read(reader.reader("body")), rows, above, _Excess.read(reader.reader("excess")))
        reader.done()
        return tail


@dataclass
class _Stream:
    """What SPOT knows after so many rows: the tail in force, its line, and the excesses for the next fit."""

    rate: float
    predictive: bool
    censors: bool
    memory: int
    tail: _Tail
    line: float
    count: int  # rows so far that the tail stands for
    above: int  # of these, above the start
    excesses: deque[float] = field(default_factory=deque)
    censored: deque[bool] = field(default_factory=deque)
    n_censored: int = 0
    pending: int = 0  # excesses since the last fit

    @classmethod
    def start_from(cls, tail: _Tail, excesses: Floats, rule: SpotThreshold) -> _Stream:
        recent = excesses[-rule.memory :]
        stream = cls(
            rate=rule.false_alarm_rate,
            predictive=rule.tail == "predictive",
            censors=rule.alarms == "censored",
            memory=rule.memory,
            tail=tail,
            line=tail.start,
            count=tail.rows,
            above=tail.above,
            excesses=deque(recent.tolist()),
            censored=deque([False] * recent.size),
        )
        if recent.size < excesses.size:
            stream._refit()
        else:
            stream._draw()
        return stream

    def copy(self) -> _Stream:
        return replace(self, excesses=deque(self.excesses), censored=deque(self.censored))

    def step(self, score: float) -> bool:
        """Judge one row and learn from it."""
        if score > self.line:
            if self.censors and self._room_for_alarm():
                self._learn(self.line - self.tail.start, censored=True)
            return True
        if score > self.tail.start:
            self._learn(score - self.tail.start, censored=False)
        else:
            self.count += 1
        return False

    def _room_for_alarm(self) -> bool:
        # normal rows above the line are promised, and Poisson scatter with them; more than that are anomalies
        if self.above == 0 or self.line <= self.tail.start:
            return False
        expected = self.rate * self.count / self.above * len(self.excesses)
        return self.n_censored + 1 <= expected + 2.0 * math.sqrt(expected) + 1.0

    def _learn(self, excess: float, *, censored: bool) -> None:
        self.count += 1
        self.above += 1
        self.excesses.append(excess)
        self.censored.append(censored)
        self.n_censored += censored
        if len(self.excesses) > self.memory:
            self.excesses.popleft()
            self.n_censored -= self.censored.popleft()
        self.pending += 1
        if self.pending >= max(1, len(self.excesses) // 50):
            self._refit()

    def _refit(self) -> None:
        y, hidden = np.fromiter(self.excesses, float), np.fromiter(self.censored, bool)
        if not hidden.all():
            excess = _Excess.of(y[~hidden], y[hidden], predictive=self.predictive, gpd=False)
            self.tail = replace(self.tail, rows=self.count, above=self.above, excess=excess)
        self.pending = 0
        self._draw()

    def _draw(self) -> None:
        # the line never sinks into the body: rows below the start are never flagged
        self.line = max(self.tail.line(self.rate), self.tail.start)

    def to_dict(self) -> dict[str, Any]:
        return {
            "tail": self.tail.to_dict(),
            "line": self.line,
            "count": self.count,
            "above": self.above,
            "excesses": list(self.excesses),
            "censored": [int(mark) for mark in self.censored],
            "pending": self.pending,
        }

    @classmethod
    def read(cls, reader: _Reader, rule: SpotThreshold) -> _Stream:
        tail = _Tail.read(reader.reader("tail"))
        line = reader.number("line", low=tail.start)
        count = reader.count("count", low=1)
        above = reader.count("above", low=0, high=count)
        excesses = reader.numbers("excesses", size=range(0, rule.memory + 1), low=0.0)
        censored = reader.numbers("censored", size=excesses.size, low=0, high=1).astype(bool)
        pending = reader.count("pending", low=0)
        reader.done()
        if (excesses <= 0.0).any():
            raise InputError(f"excesses in {reader.where} hold a value that is not above 0")
        return cls(
            rate=rule.false_alarm_rate,
            predictive=rule.tail == "predictive",
            censors=rule.alarms == "censored",
            memory=rule.memory,
            tail=tail,
            line=line,
            count=count,
            above=above,
            excesses=deque(excesses.tolist()),
            censored=deque(censored.tolist()),
            n_censored=int(censored.sum()),
            pending=pending,
        )


class _Recent:
    """The last values in a ring, and their mean. `flags` and `update` share it, so that they agree to the last bit."""

    def __init__(self, ring: list[float], oldest: int = 0, level: float | None = None):
        self.ring, self.oldest = ring, oldest
        self.level = math.fsum(ring) / len(ring) if level is None else level

    def copy(self) -> _Recent:
        return _Recent(list(self.ring), self.oldest, self.level)

    def add(self, value: float) -> None:
        if value == -math.inf:
            return
        self.level += (value - self.ring[self.oldest]) / len(self.ring)
        self.ring[self.oldest] = value
        self.oldest += 1
        if self.oldest == len(self.ring):  # the running mean loses digits; once a turn it is taken anew
            self.oldest = 0
            self.level = math.fsum(self.ring) / len(self.ring)

    def to_dict(self) -> dict[str, Any]:
        return {"ring": list(self.ring), "oldest": self.oldest, "level": self.level}

    @classmethod
    def read(cls, reader: _Reader, depth: int) -> _Recent:
        ring = reader.numbers("ring", size=depth).tolist()
        recent = cls(ring, reader.count("oldest", low=0, high=depth - 1), reader.number("level"))
        reader.done()
        return recent


def _without_dull_runs(x: Floats, flagged: Bools, least: float) -> Bools:
    """Drop the flagged runs that no step of more than `least` separates from the highest unflagged score."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flagged.view(np.int8), [0]])))
    begin, end = edges[::2], edges[1::2]
    peaks = np.maximum.reduceat(np.append(x, -np.inf), np.column_stack([begin, end]).ravel())[::2]
    order = np.argsort(-peaks, kind="stable")
    rest = x[~flagged]
    ladder = np.append(peaks[order], rest.max() if rest.size else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(ladder[:-1] != 0.0, (ladder[:-1] - ladder[1:]) / np.abs(ladder[:-1]), 0.0)
    wide = np.flatnonzero(steps > least)
    kept = order[: wide[-1] + 1] if wide.size else order[:0]
    result = np.zeros_like(flagged)
    for run in kept:
        result[begin[run] : end[run]] = True
    return result


# ----------------------------------------------------------------------------------------------- private: checking


class _Reader:
    """Takes values out of parsed JSON one by one, and refuses what is missing, unknown, or no finite number."""

    def __init__(self, data: Mapping[str, Any], where: str):
        self.data, self.where = data, where
        self.left = set(data)

    def take(self, key: str) -> Any:
        if key not in self.data:
            raise InputError(f"{key!r} is missing in {self.where}")
        self.left.discard(key)
        return self.data[key]

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str):
            raise InputError(f"{key!r} in {self.where} is not a text")
        return value

    def texts(self, key: str) -> list[str]:
        value = self.take(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{key!r} in {self.where} is not a list of texts")
        return list(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.take(key)
        if not isinstance(value, Mapping):
            raise InputError(f"{key!r} in {self.where} is not a mapping")
        return value

    def reader(self, key: str) -> _Reader:
        return _Reader(self.mapping(key), f"{self.where}, {key}")

    def number(self, key: str, *, low: float | None = None, high: float | None = None) -> float:
        return _number(key, self.take(key), self.where, low=low, high=high)

    def count(self, key: str, *, low: int, high: int | None = None) -> int:
        value = _count(key, self.take(key), self.where, low=low)
        if high is not None and value > high:
            raise InputError(f"{key}={value} in {self.where} is above {high}")
        return value

    def numbers(
        self,
        key: str,
        *,
        size: int | range,
        low: float | None = None,
        high: float | None = None,
        rising: bool = False,
    ) -> Floats:
        value = self.take(key)
        plain = isinstance(value, list) and all(type(item) in (int, float) for item in value)
        if not plain:
            raise InputError(f"{key!r} in {self.where} is not a list of numbers")
        try:
            array = np.array(value, np.float64)
        except OverflowError as error:
            raise InputError(f"{key!r} in {self.where} holds a number that is too large") from error
        sizes = size if isinstance(size, range) else range(size, size + 1)
        if array.size not in sizes:
            span = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
            raise InputError(f"{key!r} in {self.where} has {array.size} numbers instead of {span}")
        if not np.isfinite(array).all():
            raise InputError(f"{key!r} in {self.where} holds a number that is not finite")
        if (low is not None and (array < low).any()) or (high is not None and (array > high).any()):
            raise InputError(f"{key!r} in {self.where} holds a number outside {low} to {high}")
        if rising and (np.diff(array) <= 0.0).any():
            raise InputError(f"{key!r} in {self.where} does not rise")
        return array

    def done(self) -> None:
        if self.left:
            raise InputError(f"unknown {', '.join(sorted(map(repr, self.left)))} in {self.where}")


def _number(
    key: str,
    value: Any,
    where: str,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    where = _place(where)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"{key}={value!r} in {where} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{key}={number} in {where} is not a finite number")
    if low is not None and number < low:
        raise InputError(f"{key}={number:.6g} in {where} is below {low:.6g}; use at least {low:.6g}")
    if above is not None and number <= above:
        raise InputError(f"{key}={number:.6g} in {where} is not above {above:.6g}")
    if high is not None and number > high:
        raise InputError(f"{key}={number:.6g} in {where} is above {high:.6g}; use at most {high:.6g}")
    if below is not None and number >= below:
        raise InputError(f"{key}={number:.6g} in {where} is not below {below:.6g}")
    return number


def _rate(key: str, value: Any, where: str) -> float:
    return _number(key, value, where, above=0.0, below=1.0)


def _count(key: str, value: Any, where: str, *, low: int) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InputError(f"{key}={value!r} in {_place(where)} is not a whole number")
    if value < low:
        raise InputError(f"{key}={value} in {_place(where)} is below {low}; use at least {low}")
    return int(value)


def _choice(key: str, value: Any, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise InputError(f"{key}={value!r} in {_place(where)} is unknown; use one of {', '.join(known)}")
    return str(value)


def _place(where: str) -> str:
    return f"the {where} threshold" if where in THRESHOLDS else where


def _as_scores(scores: ArrayLike) -> Floats:
    try:
        x = np.asarray(scores)
        if x.dtype.kind not in "fiub" and not (x.dtype == object):
            raise TypeError(f"dtype {x.dtype}")
        x = x.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"scores must be numbers ({error})") from error
    if x.ndim != 1:
        raise InputError(f"scores must have shape (n,), got {x.shape}; give one score per row")
    return x


def _aligned(values: ArrayLike, size: int, name: str) -> Floats:
    array = _as_scores(values)
    if array.size != size:
        raise InputError(f"{name} has {array.size} rows, flags {size}; give one per row")
    return array


def _as_flags(flags: ArrayLike) -> Bools:
    marks = np.asarray(flags)
    if marks.ndim != 1:
        raise InputError(f"flags must have shape (n,), got {marks.shape}; give one flag per row")
    if marks.size and marks.dtype != bool and not np.isin(marks, (0, 1)).all():
        raise InputError("flags must be 0 or 1; compare scores with a threshold first")
    return marks.astype(bool)
