"""The same detector, one row at a time or one part of a long series at a time, in bounded memory.

A row's score in a stream may know the rows up to it and none of the later ones: it is the score of the window that ends
with the row, averaged with those of the rows before it. `StreamingDetector` gives these scores row by row,
`trailing_scores` gives the same for a whole series. `score_parts` gives the scores of `Detector.decision_function`,
which look ahead, for a series that does not fit into memory. Lesson: notebooks/06_thresholding.ipynb.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import numbers
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.data.arrays import as_series
from vaehelpers.detectors.prepared import Prepared
from vaehelpers.detectors.saved import plain_settings
from vaehelpers.detectors.stream_alarms import StreamAlarms, StreamEvent
from vaehelpers.detectors.stream_times import TIMES, GapLimit, find_gap_limit, how_late, parse_time, plain_limit
from vaehelpers.detectors.vae import Detector
from vaehelpers.thresholds.base import Threshold
from vaehelpers.windows import fill_behind, smooth

FORMAT = 3
"""Version of the saved state; a newer one is refused."""


_LARGEST = float(np.finfo(np.float32).max)


_UNUSED = (
    "threshold",
    "preset",
    "mix_variables",
    "scales",
    "layer_norm",
)  # settings that no trailing score depends on, or that the weights show


@dataclass(frozen=True)
class StreamPoint:
    """What a stream says about one row.

    Attributes
    ----------
    time : object
        As it was given; the row's number where no times are given.
    value : float, or ndarray of shape (n_features,)
        A number where there is one variable. NaN where missing.
    score : float
        Higher is more anomalous; about 1 on normal rows. NaN where there is none; `note` says why.
    p_value : float
        Share of normal rows that score at least as high, by the calibration. NaN where there is no score.
    flag : bool
    event : StreamEvent or None
        The incident that is going on, or that has just ended. None without a trailing alarm line that promises
        something; `flag` is then the threshold's.
    note : str
        Empty for a row that was scored. "warming up": fewer rows than a window since the start or a gap. "gap": the
        first row after one. "missing": no value, or too many missing in the window. "late" and "repeated": not newer
        than the row before; such a row is skipped and changes nothing. "changed": scored, and the rows up to here are
        no longer like those of the calibration; the line is drawn anew as soon as enough rows have come.
    """

    time: Any
    value: float | NDArray[np.float64]
    score: float
    p_value: float
    flag: bool
    note: str = ""
    event: StreamEvent | None = None


class StreamingDetector:
    """A fitted detector that takes one row at a time.

    Parameters
    ----------
    detector : Detector
        Fitted. It is not changed.
    gap_limit : Timedelta, str or float, optional
        Interval between two rows above which the window starts anew: a Timedelta or text like "10min" for dates, a
        number for times that are numbers, ``math.inf`` for never. Default: `Detector.gap_limit_`, which was learned
        with the training part's times.
    calibration : Series, DataFrame or array-like, optional
        Normal rows on which to draw the threshold. Default: `Detector.trailing_threshold_`.

    Attributes
    ----------
    threshold_ : Threshold
        Its own; the rules that learn from the stream move it.
    rows : int
        Rows taken so far, late and repeated ones not counted.
    notes : list of str
        What the user should know.

    Notes
    -----
    The score is that of `trailing_scores`, to the rounding of float32 (1e-6). It reacts to a change after a few rows
    and is at full height after `smooth` rows. A threshold that was drawn on centred scores does not hold for it: it
    has its own, drawn at `fit` on trailing scores of the same calibration rows.

    The alarm line follows the stream: what changes for good raises one alarm, is noted as "changed", and then draws the
    line anew; see `vaehelpers.alarms.follow`. The model stays as it was fitted, until `Detector.update`.

    Memory: one window, and the last `smooth` scores. Time per row: one window encoded and decoded, see
    benchmarks/latency.py. In an hour that a wall clock repeats in autumn all rows are late: give times with a zone.

    Examples
    --------
    >>> from vaehelpers.detectors import Detector
    >>> rows = np.arange(1_500)
    >>> normal = np.sin(rows / 8) + 0.1 * np.random.default_rng(0).normal(size=1_500)
    >>> detector = Detector(timesteps=50, units=8, latent_dim=4, steps=20, smooth=5).fit(normal)
    >>> stream = StreamingDetector(detector)
    >>> points = [stream.update(value) for value in normal[:60]]
    >>> points[0].note, points[59].note, points[59].score > 0
    ('warming up', '', True)
    >>> again = StreamingDetector.from_state(detector, stream.state())        # a restart
    >>> again.update(normal[60]).score == stream.update(normal[60]).score
    True
    """

    def __init__(self, detector: Detector, *, gap_limit: GapLimit = None, calibration: Any = None):
        detector.check_fitted()
        self.detector = detector
        self.notes: list[str] = []
        self.gap_limit = find_gap_limit(detector, gap_limit)
        self.threshold_, self._floor = _threshold(detector, self.gap_limit, calibration, self.notes)
        # the detector's own need not be in every state, unless it moves
        self._own = self.threshold_.sequential or calibration is not None
        if self.gap_limit is None:
            self.notes.append("the detector was fitted without times, so that gaps are not seen; give gap_limit")
        self.rows = 0
        self._times: str | None = None
        self._last: int | float | None = None
        line = detector.trailing_line_
        self._alarms = None if line is None or line.status == "no promise" else StreamAlarms(line)
        if self._alarms is None:
            self.notes.append(
                "no trailing alarm line promises anything, so that rows are flagged one by one by the row threshold"
            )
        self._clear()

    def _clear(self) -> None:
        features = self.detector.n_features_in_
        self._window: NDArray[np.float64] = np.empty((0, features))
        self._before: NDArray[np.float64] = np.full(features, np.nan)  # last seen ahead of the window
        self._points: deque[float] = deque(maxlen=self.detector.smooth_)

    def prepare(self) -> StreamingDetector:
        """Compile now what the first rows, and the first unusual ones, would otherwise wait for; return itself."""
        detector = self.detector
        for largest in (0.0, 1e6):
            for missing in (False, True):
                window = np.full((detector.timesteps_, detector.n_features_in_), detector.scaler_.mean_)
                window[-1] += largest * detector.scaler_.std_
                window[0, 0] = np.nan if missing else window[0, 0]
                prepared = _prepared(detector, window, None, None)
                if len(prepared.starts):
                    self._last_errors(prepared)
        return self

    # -- one row --------------------------------------------------------------------------------------------------

    def update(self, row: Any, time: Any = None) -> StreamPoint:
        """Take one row and score it.

        Parameters
        ----------
        row : float, array-like of shape (n_features,), or mapping
            Values; NaN or None where missing. A mapping holds them by the names of the detector's columns.
        time : Timestamp, datetime, str, float or int, optional
            For all rows or for none. Text is a date as in `parse_time`.

        Returns
        -------
        StreamPoint

        Raises
        ------
        InputError
            If the row or its time cannot be read; the stream is then as it was before.
        """
        values = self._read(row)
        times, moment = parse_time(time)
        self._check_times(times)
        shown = self.rows if time is None else time
        value = float(values[0]) if len(values) == 1 else values
        after_gap = False
        if moment is not None and self._last is not None:
            if moment <= self._last:
                return StreamPoint(shown, value, math.nan, math.nan, False, how_late(moment, self._last))
            after_gap = self.gap_limit is not None and moment - self._last > plain_limit(self.gap_limit)
        if after_gap:
            self._clear()
        window, before = self._moved(values)
        point = error = math.nan
        if len(window) == self.detector.timesteps_:
            first = self.rows - self.detector.timesteps_ + 1
            prepared = _prepared(self.detector, window, None, before, first_row=first)
            if len(prepared.starts):
                point, error = self._last_errors(prepared)
        # nothing of the stream changes before this line, so that an error or Ctrl-C above leaves it whole
        self._window, self._before, self._times, self._last = window, before, times, moment
        self._points.append(point)
        self.rows += 1
        score, p_value, flag = math.nan, math.nan, False
        if not math.isnan(point):
            recent = np.asarray(self._points)
            score = float(recent[~np.isnan(recent)].mean())
            p_value = max(float(self.threshold_.p_values([score])[0]), self._floor)
            flag = self.threshold_.update(score)
        event, note = None, self._note(after_gap, point)
        if self._alarms is not None:
            before_row = self._alarms.follower.changed
            flag, event = self._alarms.update(error, point, shown, gap=after_gap)
            note = note or ("changed" if self._alarms.follower.changed > before_row else "")
        return StreamPoint(shown, value, score, p_value, flag, note, event)

    def _last_errors(self, prepared: Prepared) -> tuple[float, float]:
        """The last row's score before smoothing, and its own error where alarms need it."""
        if self._alarms is None:
            return float(self.detector.points(prepared, aggregate="trailing")[-1]), math.nan
        return self.detector.last_errors(prepared)

    def _moved(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The window with one row more, and what was last seen ahead of it."""
        if len(self._window) < self.detector.timesteps_:
            return np.concatenate([self._window, values[None]]), self._before
        leaving = self._window[0]
        return np.concatenate([self._window[1:], values[None]]), np.where(np.isnan(leaving), self._before, leaving)

    def _note(self, after_gap: bool, point: float) -> str:
        if after_gap:
            return "gap"
        if len(self._window) < self.detector.timesteps_:
            return "warming up"
        return "missing" if math.isnan(point) else ""

    def _read(self, row: Any) -> NDArray[np.float64]:
        columns = self.detector.columns_
        if isinstance(row, pd.Series) and row.index.dtype.kind not in "iu":
            row = row.to_dict()
        if isinstance(row, Mapping):
            absent = [name for name in columns if name not in row]
            if absent:
                raise InputError(f"the row has no {', '.join(absent)}; it has {', '.join(map(str, row))}")
            row = [row[name] for name in columns]
        cells = [row] if np.ndim(row) == 0 else list(np.ravel(np.asarray(row, dtype=object)))
        if len(cells) != len(columns):
            raise InputError(
                f"the row has {len(cells)} values; this detector was fitted on {len(columns)} ({', '.join(columns)})"
            )
        return np.array([_number(cell, name) for cell, name in zip(cells, columns)], np.float64)

    def _check_times(self, times: str) -> None:
        if self._times is not None and times != self._times:
            raise InputError(f"the rows before had {TIMES[self._times]}, this one has {TIMES[times]}; give all alike")
        if self._times is None and times != "none" and isinstance(self.gap_limit, (pd.Timedelta, float)):
            dates = isinstance(self.gap_limit, pd.Timedelta)
            if dates == (times == "numbers") and self.gap_limit != math.inf:
                wanted = "a number" if dates else "a Timedelta or text like '10min'"
                raise InputError(
                    f"the times are {TIMES[times]}, but gaps are told by {self.gap_limit}; give gap_limit as {wanted}"
                )

    # -- state ----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all that the next rows' scores depend on, as plain JSON values; numbers survive bit by bit."""
        limit = self.gap_limit
        return {
            "format": FORMAT,
            "detector": _fingerprint(self.detector),
            "gap_limit": str(limit) if isinstance(limit, pd.Timedelta) else limit if limit != math.inf else "never",
            "rows": self.rows,
            "times": self._times,
            "last": self._last,
            "window": _to_json(self._window),
            "before": _to_json(self._before),
            "points": _to_json(np.asarray(self._points, float)),
            "threshold": self.threshold_.to_dict() if self._own else None,
            "floor": self._floor,
            "alarms": self._alarms and self._alarms.state(),
            "notes": self.notes,
        }

    @classmethod
    def from_state(cls, detector: Detector, state: Mapping[str, Any]) -> StreamingDetector:
        """Go on where `state` was taken.

        Parameters
        ----------
        detector : Detector
            The same one, or loaded from where it was saved.
        state : mapping
            What `state` gave.

        Returns
        -------
        StreamingDetector

        Raises
        ------
        InputError
            If the state is damaged, of a newer version, or another detector's.
        """
        _check_state(detector, state)
        try:
            limit = state["gap_limit"]
            stream = cls(detector, gap_limit=math.inf if limit == "never" else limit)
            if limit is None:
                stream.gap_limit = None
            stream._own = state["threshold"] is not None
            if stream._own:
                stream.threshold_ = Threshold.from_dict(state["threshold"])
            stream._floor = float(state["floor"])
            stream.notes = [str(note) for note in state["notes"]]
            stream.rows = _whole(state["rows"])
            stream._times, stream._last = state["times"], state["last"]
            if stream._times is not None and stream._times not in TIMES:
                raise ValueError(f"times {stream._times!r}")
            has_moment = isinstance(stream._last, (int, float)) and not isinstance(stream._last, bool)
            if has_moment != (stream._times not in (None, "none")):
                raise ValueError(f"last {stream._last!r} of times {stream._times!r}")
            features = detector.n_features_in_
            stream._window = np.asarray(state["window"], np.float64).reshape(-1, features)
            stream._before = np.asarray(state["before"], np.float64).reshape(features)
            points = np.asarray(state["points"], float).reshape(-1)
            if len(stream._window) > min(detector.timesteps_, stream.rows) or len(points) > detector.smooth_:
                raise ValueError(f"{len(stream._window)} rows and {len(points)} scores are too many")
            if (np.abs(stream._window) > _LARGEST).any() or (np.abs(points) > _LARGEST).any():
                raise ValueError(f"a number lies beyond {_LARGEST:.2g}")
            stream._points.extend(points.tolist())
            if stream._alarms is not None and state.get("alarms") is not None:  # format 1 had none
                stream._alarms.restore(state["alarms"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"the state of the stream is damaged ({error}); start without it") from error
        return stream

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the state to a JSON file, whole or not at all; an existing file is replaced.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        pathlib.Path
        """
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(self.state(), allow_nan=False) + "\n", encoding="utf-8")
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], detector: Detector) -> StreamingDetector:
        """Go on where `save` was called.

        Parameters
        ----------
        path : str or path-like
        detector : Detector

        Returns
        -------
        StreamingDetector

        Raises
        ------
        InputError
            If there is no such file, or `from_state` refuses it.
        """
        try:
            state = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"there is no file {path}; start without it") from None
        except ValueError as error:
            raise InputError(f"{path} is no saved state ({error}); start without it") from error
        return cls.from_state(detector, state)


def trailing_scores(
    detector: Detector, series: Any, *, gap_limit: GapLimit = None, progress: Progress = quiet
) -> NDArray[np.float64]:
    """Score every row by the rows up to it: what `StreamingDetector` gives, for a whole series at once.

    Parameters
    ----------
    detector : Detector
        Fitted.
    series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
    gap_limit : Timedelta, str or float, optional
        As for `StreamingDetector`; for both the interval is a setting and not found in the series at hand, whose later
        rows a stream does not know.
    progress : Progress, optional

    Returns
    -------
    ndarray, shape (n,)
        NaN until a full window is there, at the start and after each gap, where a row or too much of its window is
        missing, and for rows that are not newer than those before.

    Raises
    ------
    InputError
        If the detector is not fitted, or the series does not fit it.

    Examples
    --------
    >>> from vaehelpers.detectors import Detector
    >>> rows = np.arange(1_500)
    >>> normal = np.sin(rows / 8) + 0.1 * np.random.default_rng(0).normal(size=1_500)
    >>> detector = Detector(timesteps=50, units=8, latent_dim=4, steps=20, smooth=5).fit(normal)
    >>> scores = trailing_scores(detector, normal[:200])
    >>> int(np.isnan(scores).sum())                               # all but the last row of the first window
    49
    >>> np.allclose(trailing_scores(detector, normal[:120])[49:], scores[49:120])         # no row knows of later ones
    True
    """
    detector.check_fitted()
    given = detector.align(as_series(series))
    values = np.asarray(given.values)
    result = np.full(len(values), np.nan)
    gaps: NDArray[Any] = np.empty(0, np.int64)
    newer = np.ones(len(values), bool)
    if given.times is not None:
        dates = isinstance(given.times, pd.DatetimeIndex)
        moments = given.times.asi8 if isinstance(given.times, pd.DatetimeIndex) else np.asarray(given.times)
        newer[1:] = moments[1:] > np.maximum.accumulate(moments)[:-1]
        limit = find_gap_limit(detector, gap_limit)
        if limit is not None and limit != math.inf:
            if isinstance(limit, pd.Timedelta) != dates:
                raise InputError(f"the times are {'dates' if dates else 'numbers'}, but gaps are told by {limit}")
            gaps = np.flatnonzero(np.diff(moments[newer]) > plain_limit(limit)) + 1
    points = _points(detector, values[newer], gaps, None, progress=progress)
    result[newer] = smooth(points, detector.smooth_, gaps=gaps, trailing=True)
    return result


def _points(
    detector: Detector,
    values: NDArray[Any],
    gaps: NDArray[Any] | None,
    before: NDArray[Any] | None,
    *,
    first_row: int = 0,
    progress: Progress = quiet,
) -> NDArray[np.float64]:
    """Score of each row in the window that ends with it, before smoothing; missing values are filled from behind."""
    prepared = _prepared(detector, values, gaps, before, first_row=first_row)
    if not len(prepared.starts):
        return np.full(len(values), np.nan)
    return detector.points(prepared, aggregate="trailing", progress=progress)


def _prepared(
    detector: Detector,
    values: NDArray[Any],
    gaps: NDArray[Any] | None,
    before: NDArray[Any] | None,
    *,
    first_row: int = 0,
) -> Prepared:
    """Rows as the detector sees them, missing values filled from behind."""
    last_seen = None if before is None else detector.scale(before[None])[0][0]
    fill = functools.partial(fill_behind, gaps=gaps, before=last_seen)
    return detector.prepare(values, gaps=gaps, fill=fill, first_row=first_row)


def _threshold(detector: Detector, gap_limit: GapLimit, calibration: Any, notes: list[str]) -> tuple[Threshold, float]:
    """The rule that judges trailing scores, a copy of its own, and the smallest p-value that it can tell."""
    if calibration is not None:
        scores = trailing_scores(detector, calibration, gap_limit=gap_limit)
        fresh = Threshold.from_dict({**detector.threshold_.to_dict(), "state": None}).fit(scores)
        notes += fresh.notes_
        return fresh, 0.01 / (int(np.isfinite(scores).sum()) + 1)
    rule = detector.trailing_threshold_
    if rule is None:
        rule = detector.threshold_
        notes.append(
            "the detector has no threshold for trailing scores: its own, drawn on centred scores, may flag too much or "
            "too little; give calibration, normal rows to draw one on"
        )
    return Threshold.from_dict(rule.to_dict()), detector.smallest_p_


def _number(cell: Any, name: str) -> float:
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return math.nan
    if isinstance(cell, (bool, np.bool_)) or not isinstance(cell, numbers.Real):
        raise InputError(f"{str(cell)[:40]!r} in column {name!r} is not a number; leave it missing (NaN) or correct it")
    number = float(cell)
    if abs(number) > _LARGEST:
        what = "infinite" if math.isinf(number) else f"{number:g}, beyond float32 (3.4e38)"
        raise InputError(f"the value in column {name!r} is {what}; leave it missing (NaN) or correct it")
    return number


def _fingerprint(detector: Detector) -> str:
    """Hash of all that a trailing score depends on, the same after saving and loading."""
    settings = plain_settings(detector.settings_)
    parts = {
        "settings": {key: value for key, value in settings.items() if key not in _UNUSED},
        "timesteps": detector.timesteps_,
        "smooth": detector.smooth_,
        "columns": detector.columns_,
        "scaler": detector.scaler_.to_dict(),
        "normalisers": {kind: [(n.centre, n.spread) for n in some] for kind, some in detector._normalisers.items()},
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=_jsonable).encode())
    for weight in detector.model_.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _jsonable(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else list(value)


def _check_state(detector: Detector, state: Any) -> None:
    detector.check_fitted()
    if not isinstance(state, Mapping) or "format" not in state:
        raise InputError("this is no state of a stream; give what StreamingDetector.state or save gave")
    found = state["format"]
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise InputError(f"the state of the stream is damaged (format {found!r}); start without it")
    if found > FORMAT:
        raise InputError(
            f"the state has format {found} and this version of vaehelpers reads up to {FORMAT}; update vaehelpers"
        )
    if state.get("detector") != _fingerprint(detector):
        raise InputError("the state belongs to another detector; load that one, or start without the state")


def _to_json(values: NDArray[Any]) -> list[Any]:
    """Nested lists with None for NaN; numbers survive bit by bit."""
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**53:
        raise ValueError(f"rows {str(value)[:40]}")
    return value
