"""Incidents of a stream: the alarm line of trailing scores, and what is going on at the moment."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.alarms import AlarmLine, severity
from vaehelpers.alarms.calibration import SCALES
from vaehelpers.alarms.follow import Follower
from vaehelpers.alarms.incidents import IncidentTracker
from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError

WIDEST = max(width for _, width in SCALES)


def least_rows(width: int) -> int:
    """Rows that a trailing mean over `width` rows needs: at the start of a stream a mean of few is another score."""
    return max(1, width // 2)


def without_few(
    scales: Mapping[str, NDArray[Any]], errors: Mapping[str, NDArray[Any]], gaps: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Trailing scores of a whole series, with NaN where `least_rows` are not there yet.

    Parameters
    ----------
    scales : mapping of str to ndarray, shape (n,)
        From `vaehelpers.alarms.calibration.time_scales`.
    errors : mapping
        Of "row" and "window", shape (n,): what was averaged.
    gaps : ndarray of int
        Rows behind which time has jumped.
    """
    result = dict(scales)
    for kind, width in SCALES:
        known = np.isfinite(errors[kind]).astype(float)
        pieces = np.split(known, gaps[(gaps > 0) & (gaps < len(known))])
        counts = [pd.Series(piece).rolling(width, min_periods=1).sum().to_numpy() for piece in pieces]
        enough = np.concatenate(counts) >= least_rows(width) - 0.5
        name = f"{kind} {width}"
        result[name] = np.where(enough, scales[name], np.nan)
    return result


@dataclass(frozen=True)
class StreamEvent:
    """The incident that a row of a stream belongs to.

    Attributes
    ----------
    number : int
        1 for the first of this stream.
    state : {"new", "open", "over"}
        "new" at the row that raises the alarm, "over" at the one by which it has ended.
    start, peak : object
        Times of its first and its most unusual row so far, as they were given.
    severity : float
        Units of the promise in which one such event is expected by chance; see `vaehelpers.alarms.severity`.
    at_least : bool
        Whether that is more than the calibration supports.
    """

    number: int
    state: str
    start: Any
    peak: Any
    severity: float
    at_least: bool


class StreamAlarms:
    """From the errors of rows, one at a time, to incidents: what `find_incidents` gives for trailing point scores.

    Parameters
    ----------
    line : AlarmLine
        Drawn on trailing scores.

    Attributes
    ----------
    follower : Follower
        Draws the line anew when the series has changed for good.
    """

    def __init__(self, line: AlarmLine):
        self.follower = Follower(line)
        self.tracker = IncidentTracker.of(line)
        self.count = 0
        self._times: dict[int, Any] = {}  # of the first and the peak row of the incident
        self.clear()

    @property
    def line(self) -> AlarmLine:
        """The line that judges now."""
        return self.follower.line

    def clear(self) -> None:
        """Forget the rows before, as at a gap."""
        self._errors: dict[str, deque[float]] = {kind: deque(maxlen=WIDEST) for kind in ("row", "window")}

    def update(self, row: float, window: float, time: Any, *, gap: bool) -> tuple[bool, StreamEvent | None]:
        """Take a row's own error, that of the window which ends with it, and its time.

        Returns
        -------
        flag : bool
            Whether the row lies above the end line of an incident that has raised its alarm.
        event : StreamEvent or None
        """
        if gap:
            self.clear()
        self._errors["row"].append(max(row, 0.0))
        self._errors["window"].append(max(window, 0.0))
        scales = {f"{kind} {width}": np.array([self._mean(kind, width)]) for kind, width in SCALES}
        score = float(self.follower.take(scales).score[0])
        before = self.tracker.open
        step = self.tracker.update(score, gap=gap)
        now = self.tracker.open
        self._remember(time)
        if step.alarm:
            self.count += 1
        if now is None:
            over = step.ended is not None and before is not None
            event = self._event("over", step.ended) if over else None
            if self.tracker._points == 0:
                self._times = {}
            return False, event
        return score >= self.line.end, self._event("new" if step.alarm else "open", now)

    def _mean(self, kind: str, width: int) -> float:
        errors = self._errors[kind]
        if not errors or math.isnan(errors[-1]):
            return math.nan
        recent = np.array(errors)[-width:]
        known = recent[~np.isnan(recent)]
        return float(known.mean()) if len(known) >= least_rows(width) else math.nan

    def _remember(self, time: Any) -> None:
        tracker = self.tracker
        if not tracker._points:
            return
        self._times = {
            row: time if row == tracker.row else self._times.get(row) for row in {tracker._first, tracker._peak}
        }

    def _event(self, state: str, incident: Any) -> StreamEvent:
        how = severity(self.line, [incident.score])
        start, peak = self._times.get(incident.first), self._times.get(incident.peak)
        return StreamEvent(self.count, state, start, peak, float(how.value[0]), bool(how.at_least[0]))

    def state(self) -> dict[str, Any]:
        """Return plain JSON values; times as they were given, which must be text or numbers."""
        errors = {kind: [None if math.isnan(one) else one for one in held] for kind, held in self._errors.items()}
        times = [[row, plain_time(time)] for row, time in sorted(self._times.items())]
        tracker, follower = self.tracker.to_dict(), self.follower.state()
        return {"tracker": tracker, "count": self.count, "times": times, "errors": errors, "follower": follower}

    def restore(self, state: Mapping[str, Any]) -> StreamAlarms:
        """Go on where `state` was taken.

        Raises
        ------
        InputError
            If it is damaged, or another line's.
        """
        read = Reader(state, "the state of the alarms")
        tracker = IncidentTracker.from_dict(read.mapping("tracker"))
        lines = (tracker.start, tracker.end, tracker.cooldown, tracker.min_rows)
        if lines != (self.line.start, self.line.end, self.line.cooldown, self.line.min_rows):
            raise InputError("the state of the alarms belongs to another line; start without it")
        self.tracker, self.count = tracker, read.count("count", low=0)
        times = read.take("times")
        if not isinstance(times, list) or len(times) > 2:
            raise InputError("times in the state of the alarms is damaged")
        self._times = {int(row): time for row, time in times}
        errors = read.reader("errors")
        for kind, held in self._errors.items():
            given = errors.take(kind)
            if not isinstance(given, list) or len(given) > WIDEST:
                raise InputError(f"errors of {kind} in the state of the alarms is damaged")
            numbers = [math.nan if one is None else float(one) for one in given]
            if any(math.isinf(one) or one < 0 for one in numbers):
                raise InputError(f"an error of {kind} in the state of the alarms is out of range")
            held.extend(numbers)
        errors.done()
        if "follower" in state:  # format 2 had none
            self.follower.restore(read.mapping("follower"))
        read.done()
        return self


def plain_time(time: Any) -> Any:
    """A time as JSON holds it."""
    return time if time is None or isinstance(time, (str, int, float)) else str(time)
