"""Rules that count: quantile, split-conformal and alarm budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc

from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.base import Threshold, rule
from vaehelpers.thresholds.checks import _RATE_SLACK, Floats, _as_scores, _count, _number, _rate, _resolvable
from vaehelpers.thresholds.gpd import _highest_before, _trimmed, _untrimmed


class _EmpiricalThreshold(Threshold):
    """Rules whose p-values come from the calibration scores themselves."""

    _calibration: _Empirical

    def _p(self, x: Floats) -> Floats:
        return self._calibration.p_values(x)

    def _state(self) -> dict[str, Any]:
        return {"calibration": self._calibration.to_dict()}

    def _restore(self, reader: Reader) -> None:
        self._calibration = _Empirical.read(reader.reader("calibration"))


@rule
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


@rule
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
    vaehelpers.InputError: ConformalThreshold(false_alarm_rate=0.001) needs at least 999 calibration scores,
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


@rule
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
    def read(cls, reader: Reader) -> _Empirical:
        n = reader.count("n", low=1)
        values = reader.numbers("values", size=range(1, n + 1), rising=True)
        counts = [reader.numbers(key, size=values.size, low=0, high=n) for key in ("at_least", "above")]
        reader.done()
        at_least, above = (array.astype(np.int64) for array in counts)
        if (np.diff(at_least) >= 0).any() or (above >= at_least).any() or (at_least[1:] > above[:-1]).any():
            raise InputError(f"the counts at_least and above in {reader.where} do not fit together")
        return cls(values, at_least, above, n)


_MORE_SCORES = 'give it more rows, promise a higher false_alarm_rate, or take "pot", which extrapolates'
