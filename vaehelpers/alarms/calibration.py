"""From calibration scores at several time scales to one line that promises so many false alarms per time.

`time_scales` smooths the errors of rows and windows to several lengths. `calibrate` learns how often each of them is
high by chance (`vaehelpers.alarms.tails`) and returns an `AlarmLine`. Its point score is the same for every scale and
every series: log10 of the number of rows in which one such event is expected by chance, at the scale where the row is
most unusual. The line follows from the promise: one false alarm in 10,000 rows puts it at 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from vaehelpers.alarms._checks import Floats, Reader, as_mapping_of_scores, as_rows, count, number
from vaehelpers.alarms.tails import Tail, fit_tail
from vaehelpers.common.errors import InputError
from vaehelpers.windows import smooth

__all__ = ["SCALES", "AlarmLine", "PointScores", "Promise", "calibrate", "scale_reach", "time_scales"]

SCALES: tuple[tuple[str, int], ...] = (("row", 1), ("row", 5), ("row", 25), ("window", 25), ("window", 100))
"""Error that is smoothed and over how many rows; see docs/alarms.md for how they were chosen."""

LEAST_PIECES = 12
"""A promise needs at least one scale with so many nearly independent blocks of calibration rows."""

EXTRAPOLATION = 5.0
"""Events this many times rarer than one in the calibration rows are the rarest that a promise may be about."""

END_DROP = 0.5
"""An incident ends where the score falls to what is 10**END_DROP times as frequent as at its start line ..."""

CHANCE_TO_CHAIN = 0.1
"""... unless chance would then prolong more than this share of the incidents by one cool-down."""

_USABLE_PIECES = 6  # fewer blocks say too little about a scale to let it raise alarms
_LEAST_ROWS = 8


@dataclass(frozen=True)
class Promise:
    """At most so many false alarms per unit of time, on average.

    Parameters
    ----------
    alarms : float, default 1.0
        False alarms, above 0.
    rows : float, default 10_000
        Rows in one unit.
    unit : str, default "10,000 rows"
        Name of the unit, as in "one in 3 months"; "10,000 rows" where rows have no times.

    Examples
    --------
    >>> Promise()
    Promise(alarms=1.0, rows=10000.0, unit='10,000 rows')
    >>> Promise.per_month("15min", alarms=2).text
    'at most 2 false alarms a month (2,922 rows)'
    """

    alarms: float = 1.0
    rows: float = 10_000.0
    unit: str = "10,000 rows"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alarms", number("alarms", self.alarms, "the promise", above=0.0))
        object.__setattr__(self, "rows", number("rows", self.rows, "the promise", low=1.0))

    @classmethod
    def per_month(cls, step: Any, alarms: float = 1.0) -> Promise:
        """Promise for a month of 365.25 / 12 days.

        Parameters
        ----------
        step : Timedelta or str
            Usual interval between rows.
        alarms : float, default 1.0

        Returns
        -------
        Promise

        Raises
        ------
        InputError
            If `step` is no positive time, or longer than a month.
        """
        try:
            seconds = pd.Timedelta(step).total_seconds()
        except (ValueError, TypeError) as error:
            raise InputError(f"step={step!r} is no interval of time ({error}); write it like '15min'") from error
        if not seconds > 0.0:
            raise InputError(f"step={step!r} must be longer than 0")
        return cls(alarms, 365.25 / 12 * 86_400 / seconds, "month")

    @property
    def rows_between(self) -> float:
        """Rows between two false alarms, on average."""
        return self.rows / self.alarms

    @property
    def text(self) -> str:
        """The promise as part of a sentence."""
        plural = "" if self.alarms == 1 else "s"
        unit = f"a month ({self.rows:,.0f} rows)" if self.unit == "month" else f"per {self.unit}"
        return f"at most {self.alarms:g} false alarm{plural} {unit}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"alarms": self.alarms, "rows": self.rows, "unit": self.unit}

    @classmethod
    def read(cls, reader: Reader) -> Promise:
        """Rebuild it from what `to_dict` gave."""
        alarms = reader.number("alarms")
        promise = cls(alarms, reader.number("rows"), reader.text("unit"))
        reader.done()
        return promise


class PointScores(NamedTuple):
    """Scores of rows on the common scale.

    Attributes
    ----------
    score : ndarray of float64, shape (n,)
        Log10 of the rows in which one such event is expected by chance; NaN where no scale has a score.
    scale : ndarray of int64, shape (n,)
        Which scale it comes from, an index into `AlarmLine.scales`; -1 where there is no score.
    """

    score: Floats
    scale: NDArray[np.int64]


@dataclass(frozen=True)
class AlarmLine:
    """A calibrated line: what scores mean, where incidents start and end, and what is promised.

    Attributes
    ----------
    promise : Promise
    tails : dict of str to Tail
        Chance of high scores, for each time scale.
    penalty : float
        Subtracted from point scores, because several scales give chance several opportunities: log10 of the square
        root of their number (neighbouring scales see the same noise).
    cooldown : int
        Rows below the end line until an incident is over.
    min_rows : int
        Rows above the end line that an incident needs.
    status : {"ok", "no promise"}
    reason : str
        One sentence: what is promised, or why nothing is.
    rows : int
        Calibration rows with a score.
    """

    promise: Promise
    tails: dict[str, Tail]
    penalty: float
    cooldown: int
    min_rows: int
    status: str
    reason: str
    rows: int

    @property
    def scales(self) -> tuple[str, ...]:
        """Names of the time scales."""
        return tuple(self.tails)

    @property
    def start(self) -> float:
        """Point score at which an incident starts."""
        return math.log10(self.promise.rows_between)

    @property
    def end(self) -> float:
        """Point score below which an incident ends."""
        rarest = math.log10(max(self.cooldown, 1) / CHANCE_TO_CHAIN)
        return min(self.start, max(self.start - END_DROP, rarest))

    @property
    def supported(self) -> float:
        """Point score beyond which a severity is an extrapolation, and read as "at least"."""
        return math.log10(EXTRAPOLATION * max(tail.pieces * tail.block for tail in self.tails.values()))

    def point_scores(self, scores: Mapping[str, ArrayLike]) -> PointScores:
        """Put the scores of all scales onto the common one and take, at each row, the most unusual.

        Parameters
        ----------
        scores : mapping of str to array-like, shape (n,)
            Of every scale in `scales`; others are ignored.

        Returns
        -------
        PointScores

        Raises
        ------
        InputError
            If a scale is missing or the lengths differ.
        """
        given = as_mapping_of_scores(scores)
        missing = [name for name in self.tails if name not in given]
        if missing:
            raise InputError(f"scores lack the scales {', '.join(missing)}; the line was calibrated with them")
        table = np.stack([tail.log_rows(given[name]) for name, tail in self.tails.items()])
        known = np.isfinite(table)
        table = np.where(known, table, -np.inf)
        best = table.argmax(axis=0)
        some = known.any(axis=0)
        score = np.where(some, np.take_along_axis(table, best[None], axis=0)[0] - self.penalty, np.nan)
        return PointScores(score, np.where(some, best, -1).astype(np.int64))

    def threshold(self, scale: str) -> float:
        """Score at which a scale alone starts an incident, in that scale's own units."""
        if scale not in self.tails:
            raise InputError(f"scale {scale!r} is unknown; the line has {', '.join(self.tails)}")
        return self.tails[scale].score_at(self.start + self.penalty)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for `from_dict`."""
        return {
            "promise": self.promise.to_dict(),
            "tails": {name: tail.to_dict() for name, tail in self.tails.items()},
            "penalty": self.penalty,
            "cooldown": self.cooldown,
            "min_rows": self.min_rows,
            "status": self.status,
            "reason": self.reason,
            "rows": self.rows,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AlarmLine:
        """Rebuild a line; reads numbers and names only, and checks each.

        Raises
        ------
        InputError
            If a key is missing or unknown, or a number is not finite or out of its range.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> line = calibrate({"row 1": rng.exponential(size=5_000)})
        >>> AlarmLine.from_dict(line.to_dict()).start == line.start
        True
        """
        if not isinstance(data, Mapping):
            raise InputError(f"a saved alarm line is a mapping, not a {type(data).__name__}")
        reader = Reader(data, "the saved alarm line")
        promise = Promise.read(reader.reader("promise"))
        saved = reader.mapping("tails")
        if not saved:
            raise InputError("tails in the saved alarm line is empty; a line needs at least one time scale")
        tails = {str(n): Tail.read(Reader(t, f"the saved alarm line, tail {n}")) for n, t in saved.items()}
        penalty = reader.number("penalty", low=0.0)
        cooldown, min_rows = reader.count("cooldown", low=0), reader.count("min_rows", low=1)
        status, reason = reader.text("status"), reader.text("reason")
        if status not in ("ok", "no promise"):
            raise InputError(f"status={status!r} in the saved alarm line is unknown; use 'ok' or 'no promise'")
        rows = reader.count("rows", low=1)
        reader.done()
        return cls(promise, tails, penalty, cooldown, min_rows, status, reason, rows)


def scale_name(kind: str, width: int) -> str:
    """Name of a scale in tables and files, such as "row 5"."""
    return f"{kind} {width}"


def scale_reach(timesteps: int, scales: tuple[tuple[str, int], ...] = SCALES) -> dict[str, int]:
    """How many rows share data with one score, for each scale: the smoothing, and two windows for window errors.

    Parameters
    ----------
    timesteps : int
        Rows of a window.
    scales : tuple of (str, int), default `SCALES`

    Returns
    -------
    dict of str to int
        Rows, by the names of the scales: "row 1", "row 5", "window 1" and so on.

    Examples
    --------
    >>> scale_reach(100)["row 5"], scale_reach(100)["window 25"]
    (5, 225)
    """
    timesteps = count("timesteps", timesteps, "scale_reach", low=1)
    return {scale_name(kind, width): width + (2 * timesteps if kind == "window" else 0) for kind, width in scales}


def time_scales(
    row_errors: ArrayLike,
    window_errors: ArrayLike,
    *,
    gaps: ArrayLike | None = None,
    trailing: bool = False,
    scales: tuple[tuple[str, int], ...] = SCALES,
) -> dict[str, Floats]:
    """Smooth errors of rows and of windows to several time scales.

    Parameters
    ----------
    row_errors, window_errors : array-like, shape (n,)
        Each row's own error, and that of the windows over it, summed over variables; at least 0, NaN where unknown.
    gaps : array-like of int, optional
        Rows i such that time jumps between row i - 1 and row i; nothing is averaged across them.
    trailing : bool, default False
        Average backwards only, so that no row knows of later ones.
    scales : tuple of (str, int), default `SCALES`
        "row" or "window", and the rows of the moving average.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        Under names such as "row 5".

    Raises
    ------
    InputError
        If the lengths differ, or a scale is none of "row" and "window".

    Examples
    --------
    >>> scores = time_scales([0.0, 5.0, 0.0], [1.0, 1.0, 1.0], scales=(("row", 1), ("row", 5)))
    >>> scores["row 5"].round(2).tolist()
    [1.67, 1.67, 1.67]
    """
    row = as_rows(row_errors, "row_errors")
    errors = {"row": row, "window": as_rows(window_errors, "window_errors", len(row))}
    result = {}
    for kind, width in scales:
        if kind not in errors:
            raise InputError(f"scale kind {kind!r} is unknown; use 'row' or 'window'")
        result[scale_name(kind, width)] = smooth(errors[kind], width, gaps=gaps, trailing=trailing)
    return result


def calibrate(
    scores: Mapping[str, ArrayLike],
    promise: Promise | None = None,
    *,
    reach: Mapping[str, int] | None = None,
    contaminated: bool = False,
    trained: Mapping[str, ArrayLike] | None = None,
    cooldown: int | None = None,
    min_rows: int = 1,
) -> AlarmLine:
    """Learn what scores mean from calibration rows, and draw the line that the promise asks for.

    Parameters
    ----------
    scores : mapping of str to array-like, shape (n,)
        Scores of calibration rows in the order of time, for each time scale: "row 1" for a row's own score, "row 25"
        for its mean over 25 rows, or names of your own. At least 0, higher = more anomalous; NaN are left out.
    promise : Promise, optional
        Default: one false alarm per 10,000 rows.
    reach : mapping of str to int, optional
        Rows that share data with one score (`scale_reach`); default 1. Blocks are at least as long.
    contaminated : bool, default False
        Whether the rows may hold anomalies themselves, as where a series is its own training part. Blocks that the
        calmer ones make unbelievable are then set aside.
    trained : mapping of str to array-like, shape (m,), optional
        Scores of rows that the model learned from. They are too low to tell the level and help to tell the spread.
    cooldown : int, optional
        Rows below the end line until an incident is over. Default: the shortest block among the scales.
    min_rows : int, default 1
        Rows above the end line that an incident needs.

    Returns
    -------
    AlarmLine
        With ``status`` "no promise", and the reason, where the rows are too few: then rank events, do not count them.

    Raises
    ------
    InputError
        If no scale has at least 8 scores, a score is negative or infinite, or names or lengths do not fit.

    Notes
    -----
    The realised number of false alarms is measured for sixteen kinds of normal series in docs/alarms.md. It holds for
    rows that behave like the calibration rows: `self_check` watches over that.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> line = calibrate({"row 1": rng.exponential(size=5_000)}, Promise(alarms=2))
    >>> line.status, round(line.start, 2)
    ('ok', 3.7)
    >>> calibrate({"row 1": rng.exponential(size=200)}).reason
    'No promise: 200 calibration rows hold 4 independent pieces, and one false alarm in 10,000 rows needs 12 of them and
    2,000 rows.'
    """
    promise = promise or Promise()
    given = as_mapping_of_scores(scores)
    for name, values in given.items():
        if (values < 0).any():
            raise InputError(f"scores[{name!r}] has negative values; give errors, or subtract the lowest score")
    learned = {} if trained is None else as_mapping_of_scores(trained)
    rows = max(int(np.isfinite(values).sum()) for values in given.values())
    if rows < _LEAST_ROWS:
        raise InputError(f"{rows} calibration scores are too few; give at least {_LEAST_ROWS}, better 2,000")
    tails = {}
    for name, values in given.items():
        if np.isfinite(values).sum() >= _LEAST_ROWS:
            wide = count(name, (reach or {}).get(name, 1), "reach", low=1)
            tails[name] = fit_tail(values, wide, robust=contaminated, trained=learned.get(name))
    most = max(tail.pieces for tail in tails.values())
    tails = usable(tails)
    penalty = 0.5 * math.log10(len(tails))
    wait = (
        min(tail.block for tail in tails.values())
        if cooldown is None
        else count("cooldown", cooldown, "calibrate", low=0)
    )
    span = max(tail.pieces * tail.block for tail in tails.values())
    status, reason = _verdict(promise, rows, most, span)
    least = count("min_rows", min_rows, "calibrate", low=1)
    return AlarmLine(promise, tails, penalty, wait, least, status, reason, rows)


def usable(tails: dict[str, Tail]) -> dict[str, Tail]:
    """The time scales with enough blocks to raise alarms; the best ones where none has."""
    most = max((tail.pieces for tail in tails.values()), default=0.0)
    return {name: tail for name, tail in tails.items() if tail.pieces >= min(most, _USABLE_PIECES)}


def _verdict(promise: Promise, rows: int, pieces: float, span: float) -> tuple[str, str]:
    needed = promise.rows_between / EXTRAPOLATION
    if pieces >= LEAST_PIECES and span >= 0.95 * needed:
        return "ok", f"The line promises {promise.text}, from {rows:,} calibration rows."
    return "no promise", (
        f"No promise: {rows:,} calibration rows hold {pieces:.0f} independent pieces, and one false alarm in "
        f"{promise.rows_between:,.0f} rows needs {LEAST_PIECES} of them and {needed:,.0f} rows."
    )
