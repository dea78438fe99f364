"""A detector that learns as rows come: no training part, no labels, each row judged by the rows before it.

Three simple views of each column (its error of a forecast, its value, its spread over the last rows), each turned into
a tail severity by `TailSeverity`, added up, and passed on once per event by `Cooldown`. Measured by the Numenta Anomaly
Benchmark's own rules in benchmarks/nab.py; docs/nab.md says what was tried and on which series it was chosen.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.alarms.sequential import Cooldown, ReturnPeriod, SequentialStage, TailSeverity
from vaehelpers.common.checks import Reader, count, number
from vaehelpers.common.errors import InputError

__all__ = ["CausalDetector", "CausalPoint", "CausalScores"]

VIEWS = ("forecast", "value", "spread")
"""What a column is looked at by: the error of a forecast, the value itself, the spread of the last rows."""

_START = 100  # rows before the first forecast
_RIDGE = 1e-3  # of the number of rows
_CLIP = 6.0  # standard deviations: a spike must not bend the forecast of the rows behind it


class CausalPoint(NamedTuple):
    """What `CausalDetector.update` says about one row.

    Attributes
    ----------
    score : float
        The severity where the row starts an alarm or makes it clearly worse, else 0. NaN where no value is given.
    severity : float
        Sum over the views of -log10 of the tail probability; of the worst column. 0 or more.
    returns : float
        log10 of the rows between two such severities by chance, from this series' own past.
    flag : bool
        Whether the row is an alarm: it passes the cool-down and comes less often than `false_alarms` asks for.
    views : tuple of float
        What each of `VIEWS` contributes to the severity, for the worst column.
    """

    score: float
    severity: float
    returns: float
    flag: bool
    views: tuple[float, ...]


class CausalDetector:
    """Score a stream by what it has seen so far, and go on learning.

    Parameters
    ----------
    order : int, default 10
        Rows from which the next one is forecast, at least 1.
    spread : int, default 10
        Rows whose standard deviation is watched (frozen, noisy), at least 2.
    memory : int, default 4000
        Rows that are remembered, at least 200. What is older is forgotten.
    refit_every : int, default 250
        Rows between two refits of the forecast.
    cooldown : int, default 120
        Rows for which an alarm silences lesser ones, at least 1.
    probation : int, default 600
        Leading rows that are learned and never flagged, at least 100.
    false_alarms : float, default 1.0
        Nominal number of alarms per 10,000 rows by chance, above 0. Realised: docs/nab.md, up to twelve times as
        many on series with heavy tails.

    Attributes
    ----------
    rows : int
        Rows seen, without those that had no value.

    Notes
    -----
    Forecast: ridge regression on the last `order` rows, everything clipped at six standard deviations of the remembered
    rows, solved again every `refit_every` rows. Value: the row itself, two-sided. Spread: logarithm of the standard
    deviation of the last `spread` rows, two-sided, so that a frozen sensor is as odd as a noisy one. Several columns:
    the worst one counts, less log10 of their number.

    A row is flagged where it passes the cool-down and `CausalPoint.returns` reaches 10,000 / `false_alarms` rows. That
    period is extrapolated from block maxima of this series' own severities. It is no promise: benchmarks/nab.py counts
    what comes of it on twelve kinds of normal series. `ChangeMartingale` says when a series changes as a whole.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> series = np.sin(np.arange(3_000) / 20) + 0.1 * rng.normal(size=3_000)
    >>> series[2_000:2_100] = series[2_000]                                    # frozen for 100 rows
    >>> flags = CausalDetector().run(series).flags
    >>> np.flatnonzero(flags).tolist()                                         # one alarm, when it is sure
    [2009]
    """

    def __init__(
        self,
        order: int = 10,
        spread: int = 10,
        memory: int = 4000,
        refit_every: int = 250,
        cooldown: int = 120,
        probation: int = 600,
        false_alarms: float = 1.0,
    ):
        where = "the causal detector"
        self.order = count("order", order, where, low=1)
        self.spread = count("spread", spread, where, low=2)
        self.memory = count("memory", memory, where, low=200)
        self.refit_every = count("refit_every", refit_every, where, low=1)
        self.cooldown = count("cooldown", cooldown, where, low=1)
        self.probation = count("probation", probation, where, low=_START)
        self.false_alarms = number("false_alarms", false_alarms, where, above=0.0)
        self.rows = 0
        self._columns: list[_Column] = []
        self._cooldown = Cooldown(self.cooldown)
        self._returns = ReturnPeriod(memory=self.memory)
        self._line = math.log10(10_000 / self.false_alarms)

    def update(self, row: ArrayLike) -> CausalPoint:
        """Judge one row, then learn from it.

        Parameters
        ----------
        row : float or array-like of shape (n_features,)
            NaN where a value is missing; such a column is skipped, and a row without any value changes nothing.

        Returns
        -------
        CausalPoint

        Raises
        ------
        InputError
            If the number of values differs from the rows before, or one is infinite or no number.
        """
        try:
            cells = np.atleast_1d(np.asarray(row, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise InputError(f"the row {row!r} does not hold numbers ({error})") from error
        if cells.ndim != 1 or np.isinf(cells).any():
            raise InputError(f"the row must hold finite numbers or NaN, shape (n_features,); got {row!r}")
        if not self._columns:
            self._columns = [_Column(self.order, self.spread, self.memory, self.refit_every) for _ in cells]
        if len(cells) != len(self._columns):
            raise InputError(f"the row has {len(cells)} values; the rows before had {len(self._columns)}")
        found = [column.update(cell) for column, cell in zip(self._columns, cells.tolist()) if cell == cell]
        if not found:
            return CausalPoint(math.nan, math.nan, math.nan, False, (math.nan,) * len(VIEWS))
        worst = max(found, key=sum)
        severity = max(sum(worst) - math.log10(len(self._columns)), 0.0)
        returns = self._returns.update(severity)
        score = self._cooldown.update(severity)
        self.rows += 1
        flag = self.rows > self.probation and score > 0.0 and returns >= self._line
        return CausalPoint(score, severity, returns, flag, worst)

    def run(self, series: ArrayLike) -> CausalScores:
        """Call `update` on each row in order.

        Parameters
        ----------
        series : array-like of shape (n,) or (n, n_features)

        Returns
        -------
        CausalScores
            Of the rows given; the detector has then seen them.
        """
        values = np.asarray(series, dtype=np.float64)
        if values.ndim not in (1, 2):
            raise InputError(f"series has shape {values.shape}; it needs (n,) or (n, n_features)")
        points = [self.update(row) for row in values]
        if not points:
            return CausalScores(np.empty(0), np.empty(0), np.empty(0), np.empty(0, bool), np.empty((0, len(VIEWS))))
        score, severity, returns, flags, views = (np.array(part) for part in zip(*points))
        return CausalScores(score, severity, returns, flags.astype(bool), views)

    def to_dict(self) -> dict[str, Any]:
        """Return settings and state as plain JSON values; numbers survive bit by bit."""
        return {
            "kind": "causal",
            **{name: getattr(self, name) for name in _SETTINGS},
            "rows": self.rows,
            "columns": [column.to_dict() for column in self._columns],
            "cooldown_state": self._cooldown.to_dict(),
            "returns_state": self._returns.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CausalDetector:
        """Go on where `to_dict` was called.

        Parameters
        ----------
        data : mapping
            What `to_dict` gave; may have been through JSON.

        Returns
        -------
        CausalDetector

        Raises
        ------
        InputError
            If something is missing, unknown, of another kind, or out of range.
        """
        where = "the state of a causal detector"
        if not isinstance(data, Mapping):
            raise InputError(f"{where} must be a mapping, got {type(data).__name__}")
        reader = Reader(data, where)
        if reader.text("kind") != "causal":
            raise InputError(f"kind={data['kind']!r} in {where} is not 'causal'")
        detector = cls(**{name: reader.take(name) for name in _SETTINGS})
        detector.rows = reader.count("rows", low=0)
        columns = reader.take("columns")
        if not isinstance(columns, list) or bool(columns) != bool(detector.rows):
            raise InputError(f"'columns' in {where} must be a list, with columns where rows were seen")
        settings = detector.order, detector.spread, detector.memory, detector.refit_every
        detector._columns = [_Column.from_dict(column, *settings) for column in columns]
        detector._cooldown = _same(Cooldown.from_dict(reader.mapping("cooldown_state")), detector._cooldown)
        detector._returns = _same(ReturnPeriod.from_dict(reader.mapping("returns_state")), detector._returns)
        reader.done()
        return detector


class CausalScores(NamedTuple):
    """Arrays of what `CausalPoint` holds, each of shape (n,); `views` of shape (n, 3)."""

    scores: NDArray[np.float64]
    severities: NDArray[np.float64]
    returns: NDArray[np.float64]
    flags: NDArray[np.bool_]
    views: NDArray[np.float64]


# -------------------------------------------------------------------------------------------------------- private

Stage = TypeVar("Stage", bound=SequentialStage)
_SETTINGS = ("order", "spread", "memory", "refit_every", "cooldown", "probation", "false_alarms")


class _Column:
    """The three views of one column and their tails."""

    def __init__(self, order: int, spread: int, memory: int, refit_every: int):
        self.order, self.spread, self.memory, self.refit_every = order, spread, memory, refit_every
        self._past: deque[float] = deque(maxlen=memory + order)
        self._since = 0  # rows since the forecast was fitted
        self._centre, self._scale = 0.0, 1.0
        self._weights: NDArray[np.float64] | None = None  # (order + 1,), oldest lag first, constant last
        self._floor = 0.0  # variance that counts as none
        self._tails = {view: TailSeverity(memory) for view in VIEWS}

    def update(self, value: float) -> tuple[float, float, float]:
        n = len(self._past)
        if (self._weights is None and n >= _START + self.order) or self._since >= self.refit_every:
            self._fit()
        if self._floor == 0.0 and n >= _START:
            self._floor = 1e-12 * float(np.var(self._past)) + 1e-18
        level = self._tails["value"].update(value)
        forecast = spread = 0.0
        if self._weights is not None:
            forecast = self._tails["forecast"].update(self._error(value))
            self._since += 1
        self._past.append(value)
        if self._floor > 0.0:
            recent = list(itertools.islice(reversed(self._past), self.spread))
            mean = sum(recent) / len(recent)
            variance = sum((cell - mean) ** 2 for cell in recent) / len(recent)
            spread = self._tails["spread"].update(0.5 * math.log(variance + self._floor))
        return forecast, level, spread

    def _error(self, value: float) -> float:
        assert self._weights is not None
        lags = list(itertools.islice(reversed(self._past), self.order))[::-1]
        scaled = np.clip((np.array(lags) - self._centre) / self._scale, -_CLIP, _CLIP)
        error = (value - self._centre) / self._scale - float(scaled @ self._weights[:-1]) - float(self._weights[-1])
        return max(min(error, 1e300), -1e300)

    def _fit(self) -> None:
        past = np.array(self._past)
        rows = past[self.order :]
        self._centre, self._scale = float(np.median(rows)), float(np.std(rows)) or 1.0
        scaled = np.clip((past - self._centre) / self._scale, -_CLIP, _CLIP)
        lags = np.lib.stride_tricks.sliding_window_view(scaled[:-1], self.order)
        design = np.column_stack([lags, np.ones(len(lags))])
        penalty = _RIDGE * len(lags) * np.eye(self.order + 1)
        self._weights = np.asarray(
            np.linalg.solve(design.T @ design + penalty, design.T @ scaled[self.order :]), np.float64
        )
        self._since = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "past": list(self._past),
            "since": self._since,
            "centre": self._centre,
            "scale": self._scale,
            "weights": [] if self._weights is None else self._weights.tolist(),
            "floor": self._floor,
            "tails": {view: tail.to_dict() for view, tail in self._tails.items()},
        }

    @classmethod
    def from_dict(cls, data: Any, order: int, spread: int, memory: int, refit_every: int) -> _Column:
        where = "the state of a causal detector, a column"
        if not isinstance(data, Mapping):
            raise InputError(f"{where}, must be a mapping, got {type(data).__name__}")
        reader = Reader(data, where)
        column = cls(order, spread, memory, refit_every)
        column._past.extend(reader.numbers("past", size=range(memory + order + 1)).tolist())
        column._since = reader.count("since", low=0, high=refit_every)
        column._centre, column._scale = reader.number("centre"), reader.number("scale", low=1e-300)
        weights = reader.numbers("weights", size=range(order + 2))
        if len(weights) not in (0, order + 1):
            raise InputError(f"'weights' in {where} has {len(weights)} numbers instead of 0 or {order + 1}")
        column._weights = weights if len(weights) else None
        column._floor = reader.number("floor", low=0.0)
        tails = reader.reader("tails")
        column._tails = {
            view: _same(TailSeverity.from_dict(tails.mapping(view)), column._tails[view]) for view in VIEWS
        }
        tails.done()
        reader.done()
        return column


def _same(stage: Stage, expected: Stage) -> Stage:
    """The restored stage, if it has the settings that the detector's own would have."""
    if stage._params() != expected._params():
        raise InputError(
            f"a {stage.kind} stage in the state of a causal detector has the settings {stage._params()} instead of "
            f"{expected._params()}"
        )
    return stage
