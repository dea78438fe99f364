"""Peaks over threshold: POT, and SPOT and DSPOT for streams."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.base import _SMALLEST_P, Threshold, rule
from vaehelpers.thresholds.checks import _RATE_SLACK, Bools, Floats, _as_scores, _choice, _count, _number, _rate
from vaehelpers.thresholds.gpd import _MIN_EXCESSES, Gpd, _Body, _Excess, _Tail, _trimmed, _untrimmed


@rule
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

    def _restore(self, reader: Reader) -> None:
        self._tail = _Tail.read(reader.reader("tail"))


@rule
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

    def _restore(self, reader: Reader) -> None:
        saved = self._threshold
        self._stream = _Stream.read(reader.reader("stream"), self)
        self._publish()
        if self._threshold != saved:
            raise InputError(f"threshold={saved} in {reader.where} disagrees with its stream ({self._threshold})")


@rule
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

    def _restore(self, reader: Reader) -> None:
        self._recent = _Recent.read(reader.reader("recent"), self.depth)
        super()._restore(reader)


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
    def read(cls, reader: Reader, rule: SpotThreshold) -> _Stream:
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
    def read(cls, reader: Reader, depth: int) -> _Recent:
        ring = reader.numbers("ring", size=depth).tolist()
        recent = cls(ring, reader.count("oldest", low=0, high=depth - 1), reader.number("level"))
        reader.done()
        return recent
