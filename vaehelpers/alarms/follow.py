"""A line that follows a stream: what changes for good raises one alarm, is noted, and then counts as normal.

A line says how likely it is that the highest score of a block of rows lies above any level. While it holds, these
chances are spread evenly between 0 and 1; when they crowd at one end, the series has changed (`Follower.changed`). A
new line is drawn on the rows since then as soon as they are enough for the promise, and again and again on the last 48
blocks or so, because what has changed once may go on changing. Only rows of the past are used. A single event, however
high, is one block among many and moves nothing.

Sources: the chances are probability integral transforms, held against evenness as in Diebold, Gunther and Tay,
International Economic Review 39 (1998).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.alarms._checks import Floats, Reader, as_mapping_of_scores
from vaehelpers.alarms.calibration import EXTRAPOLATION, LEAST_PIECES, AlarmLine, PointScores, usable
from vaehelpers.alarms.drift import level_scale, scales_to_agree, unlike_tail
from vaehelpers.alarms.tails import Tail, tail_of_maxima
from vaehelpers.common.errors import InputError

__all__ = ["Follower"]

WINDOWS = (12, 24, 48, 96, 192)
"""Blocks in a row whose chances are tested."""

MOST = 48
"""Blocks that a new line is drawn on, unless the promise or the longest time scale needs more rows."""


class Follower:
    """Judge scores as they come, by a line that is drawn anew when the series has changed.

    Parameters
    ----------
    line : AlarmLine
        From `calibrate`, on the same kind of scores. Without a promise it is not moved.

    Attributes
    ----------
    line : AlarmLine
        The one that judges now. Its promise, start, end and cool-down never change; what a score means does.
    changed : int
        How many changes were found.
    drawn : int
        How many lines were drawn.

    Examples
    --------
    >>> from vaehelpers.alarms import calibrate
    >>> rng = np.random.default_rng(0)
    >>> line = calibrate({"row 1": rng.exponential(size=10_000)})
    >>> follower = Follower(line)
    >>> calm = follower.take({"row 1": rng.exponential(size=10_000)}).score
    >>> follower.changed
    0
    >>> louder = follower.take({"row 1": 3 * rng.exponential(size=20_000)}).score
    >>> follower.changed, follower.drawn > 0
    (1, True)
    >>> int((louder[:1_000] > line.start).sum()), int((louder[-10_000:] > line.start).sum())
    (44, 0)
    """

    def __init__(self, line: AlarmLine):
        self.line = self._first = line
        self.changed = self.drawn = 0
        self._level = level_scale(line)
        self._row = 0
        self._since: int | None = None  # first row of what has changed
        self._tested = 0  # blocks that end before this row say nothing of the present line
        self._wanted = 0  # row that the next line waits for
        self._span = math.ceil(0.95 * line.promise.rows_between / EXTRAPOLATION)  # rows that a promise needs
        blocks = [tail.block for tail in line.tails.values()]
        # rows that a new line is drawn on, at most
        self._memory = max(MOST * self._block(self._level), LEAST_PIECES * max(blocks), self._span)
        self._open: dict[str, tuple[float, int, int]] = dict.fromkeys(line.scales, (-math.inf, 0, 0))
        self._maxima: dict[str, list[tuple[int, float]]] = {name: [] for name in line.scales}  # last row + 1, score

    @property
    def follows(self) -> bool:
        """Whether the line can move at all."""
        return self._first.status == "ok"

    def take(self, scores: Mapping[str, ArrayLike]) -> PointScores:
        """Judge the next rows, each by what was known before it.

        Parameters
        ----------
        scores : mapping of str to array-like, shape (m,)
            Scores at the line's time scales that look back only.

        Returns
        -------
        PointScores
            `scale` counts among the scales of the line that was given first.
        """
        given = as_mapping_of_scores(scores)
        n = len(next(iter(given.values())))
        if not self.follows:
            return self.line.point_scores(given)
        parts, first = [], 0
        while first < n:
            last = min([n, *(first + self._left(name) for name in self._open)])
            part = {name: values[first:last] for name, values in given.items()}
            parts.append(self._judged(part))
            self._count(part, last - first)
            first = last
        if not parts:
            return self.line.point_scores(given)
        return PointScores(np.concatenate([p.score for p in parts]), np.concatenate([p.scale for p in parts]))

    def _judged(self, part: Mapping[str, Floats]) -> PointScores:
        """Point scores whose scale counts among those of the first line."""
        points = self.line.point_scores(part)
        if self.line is self._first:
            return points
        place = np.array([self._first.scales.index(name) for name in self.line.scales] + [-1])  # -1 stays -1
        return PointScores(points.score, place[points.scale])

    # -- blocks ---------------------------------------------------------------------------------------------------

    def _block(self, name: str) -> int:
        return self._first.tails[name].block

    def _left(self, name: str) -> int:
        return self._block(name) - self._open[name][2]

    def _count(self, part: Mapping[str, Floats], rows: int) -> None:
        """Take rows that end no block but with their last one."""
        self._row += rows
        full = False
        for name, (highest, known, length) in self._open.items():
            finite = part[name][np.isfinite(part[name])]
            highest = max(highest, float(finite.max())) if len(finite) else highest
            known, length = known + len(finite), length + rows
            if length == self._block(name):
                if known >= 0.5 * length:
                    self._maxima[name].append((self._row, highest))
                    full = True
                highest, known, length = -math.inf, 0, 0
            self._open[name] = (highest, known, length)
        if full:
            self._look()
            self._forget()

    def _look(self) -> None:
        """Test the blocks behind the last line, and draw a new one where it is due."""
        # what has changed is collected first; whether it changes again is for the line that follows from it
        if self._since is None or self._tested > self._since:
            begins = [begin for begin in map(self._change, self.line.scales) if begin is not None]
            if len(begins) >= scales_to_agree(self.line):
                self.changed += 1
                self._since = self._tested = min(begins)
                self._wanted = self._since + max(LEAST_PIECES * self._block(self._level), self._span)
        if self._since is not None and self._row >= self._wanted:
            self._draw()

    def _change(self, name: str) -> int | None:
        """Row from which the blocks of a time scale no longer follow its tail."""
        tail = self.line.tails[name]
        recent = [(row, score) for row, score in self._maxima[name] if row - tail.block >= self._tested]
        maxima = np.array([score for _, score in recent])
        far, begin = 0.0, -1
        for width in WINDOWS:
            if len(maxima) >= width:
                off = unlike_tail(maxima[-width:], tail)
                if abs(off) > abs(far):
                    far, begin = off, len(maxima) - width
        if begin < 0:
            return None
        chances = tail.block_chances(maxima[begin:])
        begin += _longest_excess(chances < 0.5 if far > 0 else chances > 0.5)
        return recent[begin][0] - tail.block

    def _draw(self) -> None:
        assert self._since is not None
        tails: dict[str, Tail] = {}
        begin = max(self._since, self._row - self._memory)
        for name in self._first.scales:
            block = self._block(name)
            maxima = [score for row, score in self._maxima[name] if row - block >= begin]
            if len(maxima) >= 2:
                tails[name] = tail_of_maxima(np.array(maxima), block)
        tails = usable(tails)
        most = max((tail.pieces for tail in tails.values()), default=0.0)
        self._wanted = self._row + max(LEAST_PIECES * self._block(self._level), self._memory // 4)
        if most < LEAST_PIECES:  # dependent blocks, or set aside: wait for more
            return
        self.line = dataclasses.replace(self._first, tails=tails, rows=self._row - begin)
        self.drawn += 1
        self._tested = self._row

    def _forget(self) -> None:
        """Keep the blocks that the longest test, or a line, may still ask for."""
        for name, held in self._maxima.items():
            oldest = self._row - max(max(WINDOWS) * self._block(name), self._memory)
            self._maxima[name] = [(row, score) for row, score in held if row - self._block(name) >= oldest]

    # -- state ----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all that the next rows depend on, as plain JSON values."""
        anew = None if self.line is self._first else {"rows": self.line.rows, "tails": _plain(self.line)}
        return {
            "row": self._row, "changed": self.changed, "drawn": self.drawn, "since": self._since,
            "tested": self._tested, "wanted": self._wanted, "line": anew,
            "open": {name: [None if math.isinf(o[0]) else o[0], o[1], o[2]] for name, o in self._open.items()},
            "maxima": {name: [list(pair) for pair in held] for name, held in self._maxima.items()},
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> Follower:
        """Go on where `state` was taken.

        Raises
        ------
        InputError
            If it is damaged, or another line's.
        """
        read = Reader(state, "the state of the line")
        whole = {key: read.count(key, low=0, high=2**53) for key in ("row", "changed", "drawn", "tested", "wanted")}
        since, anew = read.take("since"), read.take("line")
        if since is not None and (type(since) is not int or not 0 <= since <= whole["row"]):
            raise InputError(f"since={since!r} in the state of the line is damaged")
        opened, maxima = read.mapping("open"), read.mapping("maxima")
        read.done()
        if set(opened) != set(self._open) or set(maxima) != set(self._open):
            raise InputError("the state of the line belongs to another line; start without it")
        try:
            for name, (highest, known, length) in opened.items():
                values = (-math.inf if highest is None else _score(highest), _whole(known), _whole(length))
                if values[1] > values[2] or values[2] >= self._block(name):
                    raise ValueError(f"{values[1]} of {values[2]} rows in a block of {self._block(name)}")
                self._open[name] = values
            for name, held in maxima.items():
                self._maxima[name] = [(_whole(row), _score(score)) for row, score in held]
            if anew is not None:
                tails = {
                    str(name): Tail.read(Reader(tail, f"the state of the line, tail {name}"))
                    for name, tail in anew["tails"].items()
                }
                if not tails or not set(tails) <= set(self._first.scales):
                    raise ValueError("its scales are others")
                self.line = dataclasses.replace(self._first, tails=tails, rows=_whole(anew["rows"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the state of the line is damaged ({error}); start without it") from error
        self._row, self.changed, self.drawn = whole["row"], whole["changed"], whole["drawn"]
        self._since, self._tested, self._wanted = since, whole["tested"], whole["wanted"]
        return self


def _longest_excess(odd: NDArray[np.bool_]) -> int:
    """Start of the stretch up to the end in which odd blocks outnumber the others most."""
    excess = np.cumsum((2 * odd.astype(int) - 1)[::-1])[::-1]
    return int(np.argmax(excess))


def _plain(line: AlarmLine) -> dict[str, Any]:
    return {name: tail.to_dict() for name, tail in line.tails.items()}


def _score(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"score {str(value)[:40]}")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**53:
        raise ValueError(f"count {str(value)[:40]}")
    return value
