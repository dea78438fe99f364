"""Stages behind a score that judge each row by the rows before it and go on learning, for streams that change.

One row in, one number out; the state is a plain JSON dict. `TailSeverity` says how far a value lies in the tails of
the rows before it, `ReturnPeriod` how rarely such a severity comes by chance, `Cooldown` lets one alarm pass and holds
back its echo. `RollingLikelihood` is the classic stage of the Numenta Anomaly Benchmark, kept to compare with, and
`ChangeMartingale` notices that the series as a whole has changed, so that the detector wants a refit.
Measured in benchmarks/nab.py; what was tried is in docs/nab.md.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from vaehelpers.common.checks import Reader, count, number
from vaehelpers.common.errors import InputError

__all__ = ["ChangeMartingale", "Cooldown", "ReturnPeriod", "RollingLikelihood", "SequentialStage", "TailSeverity"]

_LN10 = math.log(10.0)
_HUGE = 1e300
_LEAST = 20  # rows before the first verdict
_CAP = 10.0  # excesses above so many medians count as that: one spike must not flatten the tail
_KNOWN = 8  # what came so often is known: its rank counts, and extrapolation begins there
_LOW, _HIGH = 0.5, 0.9  # quantiles of block maxima that carry the line
_GUMBEL_LOW, _GUMBEL_HIGH = (-math.log(-math.log(p)) for p in (_LOW, _HIGH))


class SequentialStage:
    """One number per row from the rows before it; the base of every stage here.

    Subclasses set ``kind`` and say what `update` returns. Each value must be finite: skip missing rows.
    """

    kind = ""

    def update(self, value: float) -> float:
        """Judge the next row by those before it, then learn from it.

        Parameters
        ----------
        value : float
            Finite.

        Returns
        -------
        float

        Raises
        ------
        InputError
            If the value is not a finite number; the stage is then as it was.
        """
        raise NotImplementedError

    def run(self, values: Any) -> NDArray[np.float64]:
        """Call `update` on each row in order; NaN rows give NaN and teach nothing.

        Parameters
        ----------
        values : array-like of shape (n,)

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        rows = np.asarray(values, dtype=np.float64)
        if rows.ndim != 1:
            raise InputError(f"values must have shape (n,), got {rows.shape}; give one number per row")
        return np.array([math.nan if value != value else self.update(value) for value in rows.tolist()], np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return settings and state as plain JSON values; numbers survive bit by bit."""
        return {"kind": self.kind, **self._params(), **self._state()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Go on where `to_dict` was called.

        Parameters
        ----------
        data : mapping
            What `to_dict` gave; may have been through JSON.

        Returns
        -------
        SequentialStage
            Of this class.

        Raises
        ------
        InputError
            If something is missing, unknown, of another kind, or out of range.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"the state of a {cls.kind} stage must be a mapping, got {type(data).__name__}")
        reader = Reader(data, f"the state of a {cls.kind} stage")
        kind = reader.text("kind")
        if kind != cls.kind:
            raise InputError(f"kind={kind!r} in {reader.where} is another stage's; expected {cls.kind!r}")
        stage = cls(**{key: reader.take(key) for key in cls._names()})
        stage._restore(reader)
        reader.done()
        return stage

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        raise NotImplementedError

    def _params(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names()}

    def _state(self) -> dict[str, Any]:
        raise NotImplementedError

    def _restore(self, reader: Reader) -> None:
        raise NotImplementedError


class TailSeverity(SequentialStage):
    """How far a value lies in the tails of the rows before it: -log10 of its tail probability, on the rarer side.

    Parameters
    ----------
    memory : int, default 4000
        Rows that are remembered, at least 100. What is older is forgotten, so that a level that stays, a variance that
        grows and a spike that returns daily become normal.
    share : float, default 0.05
        Share of the remembered rows that form each tail, in (0, 0.5).
    every : int, default 50
        Rows between two refits of the tails.

    Notes
    -----
    Up to the start of the tail, the probability is the rank among the remembered rows, as in conformal prediction:
    (number at least as extreme + 1) / (rows + 1). Beyond it, the excesses are exponential (peaks over threshold with
    shape 0), and their scale is the mean of the excesses, each cut at 10 medians: one spike of any height changes the
    tail by little, and does not mask the next. What eight remembered rows reached is known: it is never rarer than its
    rank, and what lies beyond is extrapolated from there. All rows are learned, flagged ones too: dropping them would
    keep a level shift alarming for ever. The first 20 rows get 0.

    A fitted shape (generalised Pareto) was measured beside it and is no better (docs/nab.md): a single spike makes such
    a tail heavy, and masks the next.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> stage = TailSeverity()
    >>> usual = stage.run(rng.normal(size=2_000))
    >>> float(np.median(usual[100:])) < 1.0, stage.update(8.0) > 6.0
    (True, True)
    """

    kind = "tail"

    def __init__(self, memory: int = 4000, share: float = 0.05, every: int = 50):
        where = "the tail stage"
        self.memory = count("memory", memory, where, low=100)
        self.share = number("share", share, where, above=0.0, below=0.5)
        self.every = count("every", every, where, low=1)
        self._rows: deque[float] = deque(maxlen=self.memory)
        self._since = 0
        self._fitted: list[float] = []  # remembered rows at the last refit, sorted
        self._draw([])

    def update(self, value: float) -> float:
        """Return the severity of the row, 0 or more: 3 = one in a thousand."""
        value = _finite(value)
        if len(self._rows) >= _LEAST and (self._since >= self.every or not self._fitted):
            self._draw(sorted(self._rows))
            self._since = 0
        result = self._severity(value)
        self._rows.append(value)
        self._since += 1
        return result

    def _draw(self, ordered: list[float]) -> None:
        self._fitted = ordered
        n = len(ordered)
        if not n:
            return
        tail = min(max(10, int(self.share * n)), n // 2)
        self._log_share = math.log10(tail / n)
        rows = np.asarray(ordered)
        self._high, self._high_scale = _exponential(rows[n - tail - 1], rows[n - tail :])
        low, self._low_scale = _exponential(-rows[tail], -rows[:tail][::-1])
        self._low = -low

    def _severity(self, value: float) -> float:
        n = len(self._fitted)
        if not n:
            return 0.0
        up = math.log10((n + 1) / (n - bisect.bisect_left(self._fitted, value) + 1))
        down = math.log10((n + 1) / (bisect.bisect_right(self._fitted, value) + 1))
        known = math.log10((n + 1) / (_KNOWN + 1))
        if value > self._high:
            common = self._fitted[-_KNOWN]
            limit = up if value <= common else known + (value - common) / self._high_scale / _LN10
            up = min(limit, (value - self._high) / self._high_scale / _LN10 - self._log_share)
        if value < self._low:
            common = self._fitted[_KNOWN - 1]
            limit = down if value >= common else known + (common - value) / self._low_scale / _LN10
            down = min(limit, (self._low - value) / self._low_scale / _LN10 - self._log_share)
        return min(max(up, down, 0.0), _HUGE)

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return "memory", "share", "every"

    def _state(self) -> dict[str, Any]:
        return {"rows": list(self._rows), "since": self._since, "fitted": list(self._fitted)}

    def _restore(self, reader: Reader) -> None:
        self._rows.extend(reader.numbers("rows", size=range(self.memory + 1)).tolist())
        self._since = reader.count("since", low=0, high=max(self.every, _LEAST))
        fitted = reader.numbers("fitted", size=range(self.memory + 1)).tolist()
        if fitted != sorted(fitted) or (fitted and len(fitted) < _LEAST):
            raise InputError(f"'fitted' in {reader.where} is not sorted, or shorter than {_LEAST}")
        self._draw(fitted)


class ReturnPeriod(SequentialStage):
    """How rarely so high a score comes by chance: log10 of the rows between two such runs, from block maxima.

    Parameters
    ----------
    block : int, default 20
        Rows per block, at least 2; longer than a run of dependent high scores.
    memory : int, default 4000
        Rows that are remembered as block maxima.
    prior : float, default 30.0
        Weight of the expected line, in blocks: 0 trusts the blocks alone.

    Notes
    -----
    Rows come in runs and alarms are counted in runs, so that what is calibrated is the highest score of a block. The
    square roots of the maxima get a Gumbel line through their 50% and 90% quantiles: up to a tenth of the blocks may
    hold anomalies without moving it. Square roots, because sums of severities have a heavier tail than each of them.
    While there are few blocks, the line is drawn towards that of independent rows whose
    scores are -log10 of a tail probability. What eight remembered blocks reached is never rarer than its rank.

    4 means: once in 10,000 rows by chance. That is an extrapolation beyond `memory`, and series with heavy tails break
    it: docs/nab.md has the realised rate of each kind of series.

    Source: Gumbel (1958); Coles (2001), chapter 3.

    Examples
    --------
    >>> scores = np.random.default_rng(0).exponential(size=30_000) / np.log(10)     # -log10 of uniform p-values
    >>> returns = ReturnPeriod().run(scores)
    >>> 2 < int((returns[10_000:] >= 3.0).sum()) < 60                               # expected: 20
    True
    """

    kind = "return"

    def __init__(self, block: int = 20, memory: int = 4000, prior: float = 30.0):
        where = "the return stage"
        self.block = count("block", block, where, low=2)
        self.memory = count("memory", memory, where, low=100)
        self.prior = number("prior", prior, where, low=0.0)
        self._maxima: deque[float] = deque(maxlen=max(3, self.memory // self.block))
        self._in_block = 0
        self._highest = 0.0
        self._line()

    def update(self, value: float) -> float:
        """Return log10 of the return period in rows; log10 of the block's length is the lowest it can be.

        The value must be a score, higher = more anomalous; below 0 counts as 0.
        """
        value = _finite(value)
        value = max(value, 0.0)
        z = (math.sqrt(value) - self._location) / self._scale
        exceeds = -math.expm1(-math.exp(-min(max(z, -6.0), 690.0)))
        higher = len(self._ordered) - bisect.bisect_left(self._ordered, value)
        if higher >= _KNOWN:
            exceeds = max(exceeds, (higher + 1) / (len(self._ordered) + 1))
        result = math.log10(self.block / max(exceeds, 1e-300))
        self._highest = value if self._in_block == 0 else max(self._highest, value)
        self._in_block += 1
        if self._in_block == self.block:
            self._maxima.append(self._highest)
            self._in_block = 0
            self._line()
        return result

    def _line(self) -> None:
        self._ordered = sorted(self._maxima)
        low, high = (math.sqrt(-math.log10(-math.expm1(math.log(p) / self.block))) for p in (_LOW, _HIGH))
        k = len(self._maxima)
        if k >= 3:
            weight = k / (k + self.prior)
            found = np.quantile(self._ordered, [_LOW, _HIGH])
            low, high = (weight * math.sqrt(float(q)) + (1.0 - weight) * p for q, p in zip(found, (low, high)))
        slope = (high - low) / (_GUMBEL_HIGH - _GUMBEL_LOW)
        self._location, self._scale = low - slope * _GUMBEL_LOW, max(slope, 0.03)

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return "block", "memory", "prior"

    def _state(self) -> dict[str, Any]:
        return {"maxima": list(self._maxima), "in_block": self._in_block, "highest": self._highest}

    def _restore(self, reader: Reader) -> None:
        self._maxima.extend(reader.numbers("maxima", size=range((self._maxima.maxlen or 0) + 1), low=0.0).tolist())
        self._in_block = reader.count("in_block", low=0, high=self.block - 1)
        self._highest = reader.number("highest", low=0.0)
        self._line()


class Cooldown(SequentialStage):
    """Let a score pass only where it is clearly higher than every score of the last rows; else 0.

    Parameters
    ----------
    rows : int, default 120
        Length of the memory, at least 1.
    margin : float, default 1.0
        By how much a score must exceed the highest of the last `rows` to pass again, 0 or more: by one power of ten for
        scores that are log10 of a probability.

    Notes
    -----
    Whatever line is drawn later, an event alarms at its first row above it, and again only if it becomes ten times as
    unlikely. A sensor that stays stuck alarms once. Without the stage each event would alarm at each of its rows.

    Examples
    --------
    >>> Cooldown(rows=3).run([0.5, 4.0, 4.5, 6.0, 1.0, 1.0, 1.0, 4.0]).tolist()
    [0.5, 4.0, 0.0, 6.0, 0.0, 0.0, 0.0, 4.0]
    """

    kind = "cooldown"

    def __init__(self, rows: int = 120, margin: float = 1.0):
        self.rows = count("rows", rows, "the cooldown stage", low=1)
        self.margin = number("margin", margin, "the cooldown stage", low=0.0)
        self._row = 0
        self._peaks: deque[tuple[int, float]] = deque()  # falling: the highest score since each row

    def update(self, value: float) -> float:
        """Return the score itself, or 0 where it is held back."""
        value = _finite(value)
        peaks = self._peaks
        while peaks and peaks[0][0] < self._row - self.rows:
            peaks.popleft()
        passes = not peaks or value > peaks[0][1] + self.margin
        while peaks and peaks[-1][1] <= value:
            peaks.pop()
        peaks.append((self._row, value))
        self._row += 1
        return value if passes else 0.0

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return "rows", "margin"

    def _state(self) -> dict[str, Any]:
        return {"ages": [self._row - row for row, _ in self._peaks], "peaks": [value for _, value in self._peaks]}

    def _restore(self, reader: Reader) -> None:
        peaks = reader.numbers("peaks", size=range(self.rows + 2)).tolist()
        ages = [int(age) for age in reader.numbers("ages", size=len(peaks), low=1, high=self.rows + 1).tolist()]
        if any(a <= b for a, b in itertools.pairwise(ages)) or any(a <= b for a, b in itertools.pairwise(peaks)):
            raise InputError(f"'ages' or 'peaks' in {reader.where} do not fall")
        self._row = max(ages, default=0)
        self._peaks.extend((self._row - age, value) for age, value in zip(ages, peaks))


class RollingLikelihood(SequentialStage):
    """The mean of the last rows against a normal distribution fitted to a long window: -log10 of its upper tail.

    Parameters
    ----------
    short : int, default 10
        Rows in the short-term mean.
    memory : int, default 8640
        Short-term means whose mean and standard deviation are the reference, at least 100.

    Notes
    -----
    The stage with which the Numenta Anomaly Benchmark's HTM detector turns its errors into likelihoods (Lavin and Ahmad
    2015; Ahmad and others 2017, Neurocomputing 262). Here to compare with: a normal tail promises far too much where
    scores are skewed, and a mean over ten rows answers late. The first 20 rows get 0.

    Examples
    --------
    >>> stage = RollingLikelihood()
    >>> usual = stage.run(np.random.default_rng(0).normal(size=1_000))
    >>> bool(stage.run(np.full(10, 4.0)).max() > 10.0)
    True
    """

    kind = "likelihood"

    def __init__(self, short: int = 10, memory: int = 8640):
        self.short = count("short", short, "the likelihood stage", low=1)
        self.memory = count("memory", memory, "the likelihood stage", low=100)
        self._recent: deque[float] = deque(maxlen=self.short)
        self._means: deque[float] = deque(maxlen=self.memory)
        self._origin, self._sum, self._squares = 0.0, 0.0, 0.0

    def update(self, value: float) -> float:
        """Return -log10 of the upper tail probability of the short-term mean."""
        self._recent.append(_finite(value))
        mean = math.fsum(self._recent) / len(self._recent)
        n, result = len(self._means), 0.0
        if n >= _LEAST:
            centre = self._sum / n
            deviation = math.sqrt(max(self._squares / n - centre * centre, 0.0))
            z = (mean - self._origin - centre) / max(deviation, 1e-12 * max(1.0, abs(centre)))
            result = min(-float(log_ndtr(-min(max(z, -38.0), 1e6))) / _LN10, _HUGE)
        if n == 0:
            self._origin = mean
        if n == self.memory:
            oldest = self._means[0] - self._origin
            self._sum -= oldest
            self._squares -= oldest * oldest
        self._means.append(mean)
        self._sum += mean - self._origin
        self._squares = max(self._squares + (mean - self._origin) ** 2, 0.0)
        return result

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return "short", "memory"

    def _state(self) -> dict[str, Any]:
        sums = {"origin": self._origin, "sum": self._sum, "squares": self._squares}
        return {"recent": list(self._recent), "means": list(self._means), **sums}

    def _restore(self, reader: Reader) -> None:
        self._recent.extend(reader.numbers("recent", size=range(self.short + 1)).tolist())
        self._means.extend(reader.numbers("means", size=range(self.memory + 1)).tolist())
        self._origin, self._sum = reader.number("origin"), reader.number("sum")
        self._squares = reader.number("squares", low=0.0)


class ChangeMartingale(SequentialStage):
    """Evidence that the scores no longer come as they did: a conformal test martingale, as log10 of a betting capital.

    Parameters
    ----------
    memory : int, default 1000
        Reference scores, the first ones that arrive, at least 50.
    stride : int, default 10
        Only every so-many-th row bets: scores of neighbouring rows depend on each other, which would feign evidence.
    seed : int, default 0
        Of the draws that break ties.

    Notes
    -----
    Each betting row gets a conformal p-value among the reference scores; three gamblers stake on small p-values, one
    on large ones, and the capital is their mean. Where rows are exchangeable it reaches 10^k with a chance of at most
    10^-k, ever (Ville's inequality), whatever the distribution: 3 is a change at odds of 1,000 to 1. The capital does
    not fall below 1, so that evidence counts from the change on and not from the start; with that restart the
    guarantee turns into one on the mean number of bets between two false notes (10^k - 1 at least). It holds as far as
    the reference is large and the stride makes rows independent, which is the user's choice and not checked.

    Source: Vovk, Nouretdinov, Gammerman (2003), ICML; Volkhonskiy and others (2017), COPA, for the restart.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> stage = ChangeMartingale(memory=500, stride=1)
    >>> same = stage.run(rng.normal(size=1_000))
    >>> bool(same.max() < 3.0), bool(stage.run(3.0 + rng.normal(size=50)).max() > 3.0)
    (True, True)
    """

    kind = "martingale"
    _POWERS = (0.25, 0.5, 0.75)

    def __init__(self, memory: int = 1000, stride: int = 10, seed: int = 0):
        self.memory = count("memory", memory, "the martingale stage", low=50)
        self.stride = count("stride", stride, "the martingale stage", low=1)
        self.seed = count("seed", seed, "the martingale stage", low=0)
        self._reference: list[float] = []
        self._row = 0
        self._bets = [0.0] * (len(self._POWERS) + 1)  # log capital of each gambler

    def update(self, value: float) -> float:
        """Return log10 of the capital, 0 or more."""
        value = _finite(value)
        self._row += 1
        if len(self._reference) < self.memory:
            bisect.insort(self._reference, value)
            return 0.0
        if self._row % self.stride == 0:
            low = bisect.bisect_left(self._reference, value)
            ties = bisect.bisect_right(self._reference, value) - low
            draw = float(np.random.default_rng([self.seed, self._row]).random())
            p = (self.memory - low - ties + draw * (ties + 1)) / (self.memory + 1)
            p = min(max(p, 1e-12), 1.0 - 1e-12)
            bets = [math.log(a) + (a - 1.0) * math.log(p) for a in self._POWERS]
            bets.append(math.log(0.5) - 0.5 * math.log1p(-p))
            # no gambler falls below the stake: evidence counts from the change on
            self._bets = [min(max(old + bet, 0.0), 1e6) for old, bet in zip(self._bets, bets)]
        highest = max(self._bets)
        mean = sum(math.exp(bet - highest) for bet in self._bets) / len(self._bets)
        return max((highest + math.log(mean)) / _LN10, 0.0)

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return "memory", "stride", "seed"

    def _state(self) -> dict[str, Any]:
        return {"reference": list(self._reference), "row": self._row, "bets": list(self._bets)}

    def _restore(self, reader: Reader) -> None:
        self._reference = reader.numbers("reference", size=range(self.memory + 1)).tolist()
        if self._reference != sorted(self._reference):
            raise InputError(f"'reference' in {reader.where} is not sorted")
        self._row = reader.count("row", low=len(self._reference))
        self._bets = reader.numbers("bets", size=len(self._bets), low=0.0, high=1e6).tolist()


# -------------------------------------------------------------------------------------------------------- private


def _finite(value: float) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{value!r} is not a number; skip rows without one") from error
    if not math.isfinite(result):
        raise InputError(f"{result} is not a finite number; skip rows without one")
    return result


def _exponential(start: float, ordered: NDArray[np.float64]) -> tuple[float, float]:
    """Start of the tail and the scale of what lies above it, each excess cut at ten medians."""
    excess = ordered - start
    median = float(excess[len(excess) // 2])
    scale = float(np.minimum(excess, _CAP * median).mean()) if median > 0.0 else float(excess.mean())
    if scale <= 0.0:  # all of the tail is one value: anything beyond is new
        scale = max(abs(start) * 0.01, 1e-9)
    return float(start), scale
