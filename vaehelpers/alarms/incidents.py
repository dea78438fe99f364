"""From point scores to incidents: one implementation for a whole series and for rows as they come.

Rows at or above the end line belong to one incident as long as no more than the cool-down lies between them, and an
incident has to reach the start line once. The cool-down grows with the incident, to half of its rows so far: what has
lasted for a day is not over after an hour of calm, and a series that has changed raises one alarm, not fifty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from vaehelpers.alarms._checks import Floats, Reader, as_row_numbers, as_rows, as_table
from vaehelpers.alarms.calibration import AlarmLine, PointScores
from vaehelpers.alarms.edges import find_rest, kind_of, refine_edges, usual_error
from vaehelpers.alarms.severity import severity
from vaehelpers.common.errors import InputError

__all__ = ["Incident", "IncidentTracker", "find_incidents", "incident_table", "place_incidents"]

FEW = 8  # variables up to which a frozen one places the edges; of many, some are always at rest
_PATIENCE = 0.5  # share of an incident's rows that its cool-down grows to


class Incident(NamedTuple):
    """A stretch of unusual rows.

    Attributes
    ----------
    first, last : int
        Rows, inclusive: the first and last at or above the end line.
    peak : int
        Row of the highest point score.
    score : float
        That score.
    n_points : int
        Rows at or above the end line.
    """

    first: int
    last: int
    peak: int
    score: float
    n_points: int


@dataclass
class IncidentTracker:
    """Follow incidents row by row; `find_incidents` gives the same for a whole series and describes the parameters.

    Examples
    --------
    >>> tracker = IncidentTracker(start=4.0, end=3.0, cooldown=2)
    >>> [tracker.update(score).alarm for score in (0.0, 3.5, 4.2, 4.5, 0.0, 4.1)]
    [False, False, True, False, False, False]
    >>> tracker.open
    Incident(first=1, last=5, peak=3, score=4.5, n_points=4)
    """

    start: float
    end: float
    cooldown: int
    min_rows: int = 1
    row: int = -1
    _first: int = -1
    _last: int = -1
    _peak: int = -1
    _score: float = -np.inf
    _points: int = 0
    _raised: bool = False

    class Step(NamedTuple):
        """What one row did: whether it raised an alarm, whether an incident is open, and one that ended."""

        alarm: bool
        open: bool
        ended: Incident | None

    @classmethod
    def of(cls, line: AlarmLine) -> IncidentTracker:
        """Track incidents of a calibrated line."""
        return cls(line.start, line.end, line.cooldown, line.min_rows)

    @property
    def open(self) -> Incident | None:
        """The incident that is going on, or None."""
        return self._incident() if self._raised else None

    def update(self, score: float, *, gap: bool = False) -> IncidentTracker.Step:
        """Take the point score of the next row.

        Parameters
        ----------
        score : float
            NaN for a row without a score: it counts as a row below the end line.
        gap : bool, default False
            Whether time jumped before this row; an incident does not go on across a gap.

        Returns
        -------
        IncidentTracker.Step
            alarm (True once per incident), open, ended (an Incident or None).
        """
        self.row += 1
        ended = self._close() if self._points and (gap or self._over()) else None
        alarm = False
        if score >= self.end:
            if not self._points:
                self._first = self.row
            self._points += 1
            self._last = self.row
            if score > self._score:
                self._score, self._peak = float(score), self.row
            if not self._raised and self._score >= self.start and self._points >= self.min_rows:
                self._raised = alarm = True
        return self.Step(alarm, self._raised, ended)

    def finish(self) -> Incident | None:
        """End the incident that is going on, as at the end of a series."""
        return self._close() if self._points else None

    def _skip_to(self, row: int) -> Incident | None:
        """Pass rows below the end line, up to before `row`."""
        self.row = row - 1
        return self._close() if self._points and self._over(row) else None

    def _over(self, row: int | None = None) -> bool:
        calm = (self.row if row is None else row) - self._last - 1
        return calm > max(self.cooldown, int(_PATIENCE * self._points))

    def _incident(self) -> Incident:
        return Incident(self._first, self._last, self._peak, self._score, self._points)

    def _close(self) -> Incident | None:
        ended = self._incident() if self._raised else None
        self._first = self._last = self._peak = -1
        self._score, self._points, self._raised = -np.inf, 0, False
        return ended

    def to_dict(self) -> dict[str, Any]:
        """Return the lines and the state as plain JSON values."""
        return {
            "start": self.start,
            "end": self.end,
            "cooldown": self.cooldown,
            "min_rows": self.min_rows,
            "row": self.row,
            "first": self._first,
            "last": self._last,
            "peak": self._peak,
            "score": self._score if self._points else None,
            "points": self._points,
            "raised": self._raised,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IncidentTracker:
        """Rebuild a tracker and go on where it was.

        Raises
        ------
        InputError
            If a key is missing or unknown, or the numbers do not fit each other.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"a saved incident tracker is a mapping, not a {type(data).__name__}")
        reader = Reader(data, "the saved incident tracker")
        start = reader.number("start")
        tracker = cls(start, reader.number("end", high=start), reader.count("cooldown", low=0))
        tracker.min_rows = reader.count("min_rows", low=1)
        tracker.row = reader.count("row", low=-1)
        tracker._points = reader.count("points", low=0, high=tracker.row + 1)
        raised, score = reader.take("raised"), reader.take("score")
        low = 0 if tracker._points else -1
        tracker._last = reader.count("last", low=low, high=tracker.row)
        tracker._first = reader.count("first", low=low, high=tracker._last)
        tracker._peak = reader.count("peak", low=tracker._first, high=tracker._last)
        reader.done()
        if not isinstance(raised, bool) or (raised and not tracker._points):
            raise InputError("raised in the saved incident tracker does not fit its points")
        tracker._raised = raised
        if tracker._points:
            if type(score) not in (int, float) or not np.isfinite(score):
                raise InputError(f"score={score!r} in the saved incident tracker is not a finite number")
            tracker._score = float(score)
        elif score is not None:
            raise InputError("score in the saved incident tracker belongs to no incident")
        return tracker


def find_incidents(
    point_scores: ArrayLike,
    *,
    start: float,
    end: float,
    cooldown: int,
    min_rows: int = 1,
    gaps: ArrayLike | None = None,
) -> list[Incident]:
    """Gather rows into incidents, in the order of time.

    Parameters
    ----------
    point_scores : array-like, shape (n,)
        From `AlarmLine.point_scores`; NaN where there is no score.
    start, end : float
        Point scores at which an incident starts, and below which a row no longer belongs to it.
    cooldown : int
        Rows below the end line until an incident is over; grows to half of the incident's rows at or above that line.
    min_rows : int, default 1
        Rows at or above the end line before the alarm is raised.
    gaps : array-like of int, optional
        Rows i such that time jumps between row i - 1 and row i; no incident goes on across them.

    Returns
    -------
    list of Incident
        The same as an `IncidentTracker` gives row by row.

    Examples
    --------
    >>> find_incidents([0, 3, 5, 0, 0, 0, 4], start=4, end=3, cooldown=2)
    [Incident(first=1, last=2, peak=2, score=5.0, n_points=2), Incident(first=6, last=6, peak=6, score=4.0, n_points=1)]
    """
    score = as_rows(point_scores, "point_scores")
    if not end <= start:
        raise InputError(f"end={end} must not lie above start={start}")
    jumps = as_row_numbers(gaps, len(score), "gaps")
    tracker = IncidentTracker(start, end, cooldown, min_rows)
    found: list[Incident] = []
    rows = np.flatnonzero(score >= end)
    stretch = np.searchsorted(jumps, rows, side="right")
    before = -1
    for row, here in zip(rows.tolist(), stretch.tolist(), strict=True):
        ended = tracker.finish() if here != before else tracker._skip_to(row)
        before = here
        tracker.row = row - 1
        step = tracker.update(float(score[row]))
        found += [one for one in (ended, step.ended) if one is not None]
    last = tracker.finish()
    return found if last is None else [*found, last]


def incident_table(
    line: AlarmLine,
    scores: Mapping[str, ArrayLike],
    *,
    row_errors: ArrayLike | None = None,
    values: ArrayLike | None = None,
    expected: ArrayLike | None = None,
    times: Any = None,
    gaps: ArrayLike | None = None,
    most_unusual: int = 5,
    points: PointScores | None = None,
) -> pd.DataFrame:
    """Find the incidents of a series: when, how severe, at which time scale, and of which kind.

    Parameters
    ----------
    line : AlarmLine
        From `calibrate`. Where its status is "no promise", the `most_unusual` stretches are returned instead.
    scores : mapping of str to array-like, shape (n,)
        Scores at the line's time scales, see `time_scales`.
    row_errors : array-like, shape (n,) or (n, n_features), optional
        Errors of the rows themselves, from which the edges follow. Default: the scale with the shortest smoothing.
    values, expected : array-like, shape (n,) or (n, n_features), optional
        The series and what the model expected, in the same units; needed for `kind`.
    times : array-like of shape (n,), optional
        Time of each row. None: row numbers.
    gaps : array-like of int, optional
        Rows i such that time jumps between row i - 1 and row i.
    most_unusual : int, default 5
        How many stretches to rank where nothing is promised.
    points : PointScores, optional
        From `judge`, where the line followed the rows. Default: the line's own.

    Returns
    -------
    DataFrame
        One row per incident, most severe first:

        - ``start``, ``end``, ``peak``: times (row numbers without times).
        - ``severity``: units of the promise in which one such event is expected by chance; see `severity`.
        - ``at_least``: whether that is more than the calibration supports.
        - ``score``: highest point score, log10 of the rows in which one such event is expected by chance.
        - ``kind``: "too high", "too low", "frozen", "shape", "rhythm", or "" where it cannot be told.
        - ``n_points``: rows from start to end.
        - ``first``, ``last``, ``peak_row``: row numbers, inclusive.
        - ``scale``: the time scale at which it is most unusual.

    Raises
    ------
    InputError
        If lengths or scales do not fit.

    Examples
    --------
    >>> from vaehelpers.alarms import calibrate
    >>> from vaehelpers.alarms.calibration import time_scales
    >>> rng = np.random.default_rng(0)
    >>> value = rng.normal(size=6_000)
    >>> value[4_000:4_003] += 9
    >>> scores = {"row 1": value**2}
    >>> table = incident_table(calibrate(scores, contaminated=True), scores, values=value, expected=0 * value)
    >>> table[["start", "end", "kind", "n_points"]].to_dict("records")
    [{'start': 4000, 'end': 4002, 'kind': 'too high', 'n_points': 3}]
    """
    points = line.point_scores(scores) if points is None else points
    n = len(points.score)
    shortest = next(iter(line.tails))
    errors = as_table(scores[shortest] if row_errors is None else row_errors, "row_errors", n)
    given = None if values is None else as_table(values, "values", n)
    wanted = None if expected is None else as_table(expected, "expected", n)
    total = np.where(np.isnan(errors).all(axis=1), np.nan, np.nansum(errors, axis=1))

    def kind(first: int, last: int) -> str:
        return "" if given is None or wanted is None else kind_of(given, wanted, first, last, errors=errors)

    return place_incidents(
        line, points, total, values=given, kind=kind, times=times, gaps=gaps, most_unusual=most_unusual
    )


def place_incidents(
    line: AlarmLine,
    points: PointScores,
    errors: Floats,
    *,
    values: Floats | None = None,
    kind: Callable[[int, int], str],
    times: Any = None,
    gaps: ArrayLike | None = None,
    most_unusual: int = 5,
) -> pd.DataFrame:
    """Do the work of `incident_table` where not every array of the series is at hand.

    Parameters
    ----------
    line : AlarmLine
    points : PointScores
        Of every row.
    errors : ndarray, shape (n,)
        Errors of the rows themselves, summed over variables.
    values : ndarray, shape (n, n_features), optional
        By which a frozen value places the edges.
    kind : callable
        ``kind(first, last)`` names the kind of an incident.
    times, gaps, most_unusual
        As there.

    Returns
    -------
    DataFrame
    """
    n = len(points.score)
    start, end = line.start, line.end
    if line.status == "no promise":
        start = end = -np.inf
        found = _most_unusual(points.score, line.cooldown, 4 * most_unusual)  # some turn out to be the same rows
    else:
        found = find_incidents(
            points.score, start=start, end=end, cooldown=line.cooldown, min_rows=line.min_rows, gaps=gaps
        )
    found = sorted(found, key=lambda one: -one.score)
    jumps = as_row_numbers(gaps, n, "gaps")
    usual = usual_error(errors)
    rows = [_placed(one, line, points.scale, errors, usual, jumps, values) for one in found]
    if line.status == "no promise":
        kept = _apart(rows)[:most_unusual]
        found, rows = [found[i] for i in kept], [rows[i] for i in kept]
    kinds = [kind(first, last) for first, last, _ in rows]
    return _frame(line, found, rows, kinds, [line.scales[points.scale[one.peak]] for one in found], times, n)


def _frame(line: AlarmLine, found: list[Incident], rows: Any, kinds: Any, scales: Any, times: Any, n: int) -> Any:
    first, last, peak = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    axis: Any = np.arange(n) if times is None else times
    if len(axis) != n:
        raise InputError(f"times has {len(axis)} rows instead of {n}; give one per row")
    axis = axis if isinstance(axis, pd.Index) else np.asarray(axis)
    how = severity(line, np.array([one.score for one in found], float))
    return pd.DataFrame(
        {
            "start": axis[first],
            "end": axis[last],
            "peak": axis[peak],
            "severity": how.value,
            "at_least": how.at_least,
            "score": np.array([one.score for one in found], float),
            "kind": pd.Series(kinds, dtype=object),
            "n_points": last - first + 1,
            "first": first,
            "last": last,
            "peak_row": peak,
            "scale": pd.Series(scales, dtype=object),
        }
    )


def _placed(
    one: Incident,
    line: AlarmLine,
    scale: NDArray[np.int64],
    errors: Floats,
    usual: float,
    gaps: NDArray[np.int64],
    values: Floats | None,
) -> tuple[int, int, int]:
    """First, last and peak row of an incident by the errors of its own rows, or by the rest of a frozen value."""
    if 2 * one.n_points > len(errors):  # the usual error is then that of the incident itself, and says nothing of edges
        return one.first, one.last, one.peak
    width = _width(line.scales[scale[one.peak]])
    # not beyond the stretch between gaps that the peak lies in
    place = int(np.searchsorted(gaps, one.peak, side="right"))
    left = int(gaps[place - 1]) if place else 0
    right = (int(gaps[place]) if place < len(gaps) else len(errors)) - 1
    low, high = max(one.first - width // 2, left), min(one.last + width // 2, right)
    first, last, peak = refine_edges(errors, low, high, peak=one.peak, usual=usual)
    for value in [] if values is None or values.shape[1] > FEW else values.T:
        rest = find_rest(value, first, last, around=width)
        if rest is not None and 2 * (rest[1] - rest[0] + 1) >= last - first + 1:
            first, last = max(rest[0], left), min(rest[1], right)
            return first, last, min(max(peak, first), last)
    return first, last, peak


def _apart(rows: list[tuple[int, int, int]]) -> list[int]:
    """Of stretches in their order those that share no row with one before."""
    kept: list[int] = []
    for i, (first, last, _) in enumerate(rows):
        if all(last < rows[j][0] or rows[j][1] < first for j in kept):
            kept.append(i)
    return kept


def _width(name: str) -> int:
    """Rows of smoothing in a scale's name."""
    last = name.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 1


def _most_unusual(score: Floats, cooldown: int, count: int) -> list[Incident]:
    """The highest peaks, each with the rows around it whose score is at least half way up from the median."""
    left = np.where(np.isnan(score), -np.inf, score)
    usual = float(np.median(left[np.isfinite(left)])) if np.isfinite(left).any() else 0.0
    full, found = left.copy(), []
    for _ in range(count):
        peak = int(np.argmax(left))
        if not left[peak] > usual:
            break
        high = full >= 0.5 * (full[peak] + usual)
        first = last = peak
        while first > 0 and high[first - 1]:
            first -= 1
        while last < len(full) - 1 and high[last + 1]:
            last += 1
        found.append(Incident(first, last, peak, float(full[peak]), last - first + 1))
        left[max(0, first - cooldown) : last + cooldown + 1] = -np.inf
    return found
