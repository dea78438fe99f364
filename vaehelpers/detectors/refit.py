"""A stream whose model learns on: every so many rows the detector is updated on the last ones."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.common.temporary import temporary_folder
from vaehelpers.data.series import Series
from vaehelpers.detectors.stream import StreamingDetector, StreamPoint
from vaehelpers.detectors.stream_alarms import WIDEST, plain_time
from vaehelpers.detectors.stream_times import GapLimit, parse_time
from vaehelpers.detectors.vae import Detector

MOST = 50_000
"""Rows that are kept for a refit where the caller names no number."""


class RefittingStream:
    """A `StreamingDetector` whose detector is updated as rows come, on rows of the past alone.

    Every `every` rows, `Detector.update` goes on learning from the last `on` rows, starting from the weights at hand,
    leaves out windows over incidents, and draws the lines anew. While an incident is going on the update waits, at
    most `every` rows longer. The next rows are scored when it is done, so that a sender has to wait for as long.

    Parameters
    ----------
    detector : Detector
        Fitted. It is not changed: the stream works on copies.
    every : int
        Rows between two updates.
    on : int, optional
        Rows that an update learns from, at least 20 windows. Default: as many as the detector was fitted on, 50,000 at
        most.
    steps : int, optional
        Training steps of an update. Default: a quarter of the detector's.
    gap_limit : optional
        As for `StreamingDetector`.
    tell : callable, optional
        Takes each note as it is made.

    Attributes
    ----------
    stream : StreamingDetector
        The one that scores now; its `detector` is the updated one.
    rows : int
        Rows taken so far, late and repeated ones not counted.
    refits : int
        Updates so far.
    notes : list of str
        What the updates said, and what went wrong: a failed update leaves the stream as it was.

    Raises
    ------
    InputError
        If `on` is less than 20 windows, or `every` less than one.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> wave = np.sin(np.arange(1_200) / 3) + 0.1 * rng.normal(size=1_200)
    >>> detector = Detector(timesteps=20, units=4, latent_dim=2, steps=20, smooth=5).fit(wave)
    >>> stream = RefittingStream(detector, every=450, on=400, steps=5)
    >>> notes = [stream.update(value).note for value in wave[:1_000]]
    >>> stream.refits, [row for row, note in enumerate(notes, 1) if note == "refitted"]
    (2, [450, 900])
    """

    def __init__(
        self,
        detector: Detector,
        *,
        every: int,
        on: int | None = None,
        steps: int | None = None,
        gap_limit: GapLimit = None,
        tell: Callable[[str], object] = lambda text: None,
    ):
        self.tell = tell
        self.stream = StreamingDetector(detector, gap_limit=gap_limit)
        least = 20 * detector.timesteps_
        known = int(detector.calibration_["last"]) + 1
        self.every = _rows("every", every, 1)
        self.on = max(least, min(known, MOST)) if on is None else _rows("on", on, least, "20 windows")
        self.steps = steps
        self.refits = self.rows = 0
        self.notes: list[str] = []
        self._due = self.every
        self._kept: deque[tuple[Any, int | float | None, NDArray[np.float64]]] = deque(maxlen=self.on)

    @property
    def detector(self) -> Detector:
        """The detector that scores now."""
        return self.stream.detector

    def set_pace(self, every: int, on: int | None = None) -> None:
        """Change how often, and on how many rows, the detector is updated from now on."""
        self.every = _rows("every", every, 1)
        self._due = self.stream.rows + self.every
        if on is not None:
            self.on = _rows("on", on, 20 * self.detector.timesteps_, "20 windows")
            self._kept = deque(self._kept, maxlen=self.on)

    def prepare(self) -> RefittingStream:
        """Compile now what the first rows would otherwise wait for; return itself."""
        self.stream.prepare()
        return self

    def update(self, row: Any, time: Any = None) -> StreamPoint:
        """Take one row and score it; see `StreamingDetector.update`. `note` is "refitted" where an update followed."""
        before = self.stream.rows
        point = self.stream.update(row, time)
        if self.stream.rows == before:  # late or repeated
            return point
        self.rows = self.stream.rows
        self._kept.append((time, parse_time(time)[1], np.atleast_1d(np.asarray(point.value, np.float64))))
        busy = point.event is not None and point.event.state != "over"
        overdue = self.stream.rows - self._due
        if overdue >= 0 and (not busy or overdue >= self.every) and self._refit():
            return StreamPoint(**{**vars(point), "note": point.note or "refitted"})
        return point

    def _refit(self) -> bool:
        self._due = self.stream.rows + self.every
        if len(self._kept) < 20 * self.detector.timesteps_:
            return False
        with temporary_folder() as place:  # a copy that is, bit by bit, what a restart would load
            newer = Detector.load(self.detector.save(place / "detector"))
        try:
            newer.update(self._series(), steps=self.steps)
        except InputError as error:
            self._note(f"the update after row {self.stream.rows:,} was left out: {error}")
            return False
        self._go_on(newer)
        self.refits += 1
        self._note(f"after row {self.stream.rows:,}: {newer.notes_[-1]}")
        return True

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.tell(text)

    def _series(self) -> Series:
        values = np.stack([values for _, _, values in self._kept])
        moments = [moment for _, moment, _ in self._kept]
        times: Any = None
        kind = self.stream._times
        if kind == "numbers":
            times = np.array(moments)
        elif kind in ("dates", "zoned"):
            times = pd.DatetimeIndex(np.array(moments, np.int64).view("datetime64[ns]"))
            times = times.tz_localize("UTC") if kind == "zoned" else times
        return Series(values, times=times, columns=tuple(self.detector.columns_))

    def _go_on(self, newer: Detector) -> None:
        """Let the newer detector look at the last rows again, so that it goes on without a warm-up."""
        old = self.stream
        fresh = StreamingDetector(newer, gap_limit=old.gap_limit)
        again = list(self._kept)[-(newer.timesteps_ + max(newer.smooth_, WIDEST)) :]
        fresh.rows = old.rows - len(again)
        for time, _, values in again:
            fresh.update(values, time)
        if fresh._alarms is not None and old._alarms is not None:
            fresh._alarms.count = old._alarms.count
        self.stream = fresh

    # -- state ----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all that the next rows depend on but the updated detector, as plain JSON values."""
        times = [plain_time(time) for time, _, _ in self._kept]
        values = np.array([values for _, _, values in self._kept], "<f8")
        refit = {
            "every": self.every, "on": self.on, "steps": self.steps, "refits": self.refits, "due": self._due,
            "times": None if all(time is None for time in times) else times,
            "values": base64.b64encode(values.tobytes()).decode("ascii"),
        }  # fmt: skip
        return {**self.stream.state(), "refit": refit}

    @classmethod
    def from_state(cls, detector: Detector, state: Mapping[str, Any]) -> RefittingStream:
        """Go on where `state` was taken.

        Parameters
        ----------
        detector : Detector
            The one that scored then: `RefittingStream.detector`, saved and loaded.
        state : mapping

        Returns
        -------
        RefittingStream

        Raises
        ------
        InputError
            If the state is damaged, or another detector's.
        """
        plain = {name: value for name, value in state.items() if name != "refit"}
        read = Reader(state["refit"], "the state of the refits")
        steps = read.take("steps")
        every, on = read.count("every", low=1), read.count("on", low=20 * detector.timesteps_)
        stream = cls(detector, every=every, on=on, steps=steps)
        stream.stream = StreamingDetector.from_state(detector, plain)
        stream.rows = stream.stream.rows
        stream.refits, stream._due = read.count("refits", low=0), read.count("due", low=0)
        times, text = read.take("times"), read.take("values")
        read.done()
        try:
            values = np.frombuffer(base64.b64decode(text, validate=True), "<f8")
            values = values.reshape(-1, detector.n_features_in_).astype(np.float64)
            times = [None] * len(values) if times is None else times
            if len(times) != len(values) or len(values) > on or np.isinf(values).any():
                raise ValueError(f"{len(times)} times of {len(values)} rows, of {on} at most")
            stream._kept.extend((time, parse_time(time)[1], row) for time, row in zip(times, values))
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the state of the refits is damaged ({error}); start without it") from error
        return stream


def _rows(name: str, value: Any, least: int, why: str = "") -> int:
    if isinstance(value, bool) or int(value) != value or value < least:
        raise InputError(f"{name}={value!r} must be a whole number of at least {least}" + (f" ({why})" if why else ""))
    return int(value)
