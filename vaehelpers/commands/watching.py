"""Rows as they come: lines of a pipe into a stream, one JSON line out for each row, and a state that survives restarts.

The command is `vaehelpers watch`; here is what stands between the pipe and `vaehelpers.stream`: lines that may stop
coming or be wrong, signals that must not cut a row in half, and a reader who may go away.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.commands.rows import PAUSE, RowReader
from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file

if TYPE_CHECKING:
    from vaehelpers.detectors.refit import RefittingStream
    from vaehelpers.detectors.stream import StreamingDetector, StreamPoint
    from vaehelpers.detectors.vae import Detector

    Stream = StreamingDetector | RefittingStream


FORMAT = 2


def watch(
    stream: Stream,
    reader: RowReader,
    lines: Iterable[bytes | None],
    write: Callable[[str, int], object],
    *,
    complain: Callable[[str], object],
    remark: Callable[[str], object] = lambda text: None,
    strict: bool = False,
    pending: Sequence[str] = (),
    rows: int = 0,
    restarted: bool = False,
    save: Callable[[Checkpoint], object] = lambda checkpoint: None,
) -> int:
    """Score rows as they come.

    Parameters
    ----------
    stream : StreamingDetector or RefittingStream
    reader : RowReader
    lines : iterable of bytes or None
        As `lines_of` gives them.
    write : callable
        Takes one line of JSON for each row, and the row's number, and hands it on at once.
    complain : callable
        Takes what is wrong with a line that is left out.
    remark : callable, optional
        Takes how the columns were read, where it could be otherwise.
    strict : bool, default False
        Raise at the first such line instead.
    pending : sequence of str
        Lines that were not handed on before a restart.
    rows : int, default 0
        Rows that were written before a restart, without the pending ones.
    restarted : bool, default False
        Whether the stream goes on from a state. Then rows at the beginning that are no newer than it are those that a
        feed sends again, as ``tail -n +1 -f`` does; they are left out, with one remark.
    save : callable, optional
        Keeps the state. Called with a `Checkpoint` when the rows pause, each second while they do not, at the end, and
        when `write` fails.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    InputError
        If the columns do not fit the detector, or with `strict`.

    Examples
    --------
    >>> import numpy as np
    >>> from vaehelpers.detectors import Detector
    >>> from vaehelpers.detectors import StreamingDetector
    >>> detector = Detector(timesteps=10, units=4, steps=5, smooth=1).fit(np.sin(np.arange(600) / 3))
    >>> out = []
    >>> lines = [b'{"value": 0.5}', b'{"value": "high"}']
    >>> write = lambda line, row: out.append(line)
    >>> watch(StreamingDetector(detector), RowReader(["value"]), lines, write, complain=print)
    line 2: 'high' in 'value' is not a number; left out
    1
    >>> out
    ['{"row": 1, "time": 0, "value": 0.5, "score": null, ... "event": null, "note": "warming up"}']
    """
    place = Checkpoint(rows=rows)

    def hand_on(text: str) -> None:
        try:
            write(text, place.rows + 1)
        except OSError:  # nobody reads any more, or the disk is full: the row was scored, and comes after the restart
            save(dataclasses.replace(place, pending=(text,)))
            raise
        place.rows += 1

    for kept in pending:
        hand_on(kept)
    saved = clock.monotonic()
    number = again = 0

    def tell_again() -> None:
        if again:
            remark(f"{again:,} rows at the beginning are no newer than the state, and were left out")

    for line in lines:
        if line is None or clock.monotonic() - saved > PAUSE:
            save(place)
            saved = clock.monotonic()
        if line is None:
            continue
        number += 1
        try:
            row = reader.read(reader.decode(line))
            while reader.notes:
                remark(reader.notes.pop())
            point = None if row is None else stream.update(row[1], row[0])
        except InputError as error:
            if strict or reader.fatal:
                save(place)
                raise InputError(f"line {number}: {error}") from error
            complain(f"line {number}: {error}; left out")
            place.settle(line)
            continue
        place.settle(line)
        if row is not None and point is not None:
            if restarted and point.note in ("late", "repeated"):
                again += 1
                continue
            if restarted:
                restarted = False
                tell_again()
            hand_on(_json_line(point, row[1], reader.columns, place.rows + 1))
    if restarted:
        tell_again()
    save(place)
    return place.rows - rows


def lead_in(
    stream: Stream,
    detector: Detector,
    source: str,
    columns: Sequence[str],
    *,
    time: str = "",
    value: Sequence[str] = (),
) -> str:
    """Give a new stream the last rows of a file, without output, and return what to say of it.

    Raises
    ------
    InputError
        If the file cannot be read, or its columns do not fit the detector.
    """
    from vaehelpers.commands.options import _pick
    from vaehelpers.data.opening import open_series
    from vaehelpers.detectors.stream_alarms import WIDEST

    series = _pick(open_series(source, time=time, value=tuple(value), allow_constant=True), columns, named=bool(value))
    needed = detector.timesteps_ + detector.smooth_ + WIDEST
    part = series.slice(max(0, series.n - needed), series.n)
    for row in range(part.n):
        stream.update(part.values[row], None if part.times is None else part.times[row])
    upto = "" if part.times is None else f", up to {part.times[-1]}"
    return f"{part.n:,} rows of {Path(source).name} went before{upto}"


@dataclasses.dataclass
class Checkpoint:
    """How far a run has come.

    Attributes
    ----------
    rows : int
        Rows handed on, of all runs.
    end : int
        Position in the input behind the last line that was read; -1 before the first one.
    cut : bool
        Whether that line goes on behind it.
    pending : tuple of str
        A line that could not be handed on.
    """

    rows: int = 0
    end: int = -1
    cut: bool = False
    pending: tuple[str, ...] = ()

    def settle(self, line: bytes) -> None:
        """Count the line as read."""
        self.end, self.cut = getattr(line, "end", -1), getattr(line, "cut", False)


def load_state(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read what `save_state` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    dict or None
        With stream, layout, pending, rows and input; None where there is no such file.

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> load_state("no/such/file") is None
    True
    """
    place = Path(path)
    if not place.exists():
        return None
    way_out = "name another file with --state, or remove it to start anew"
    try:
        state = json.loads(place.read_text(encoding="utf-8"))
        found, layout, pending = state["format"], state["layout"], state["pending"]
        good = isinstance(state["stream"], dict) and all(isinstance(line, str) for line in pending)
        state.setdefault("rows", 0)  # format 1 had neither
        state.setdefault("input", None)
        good = good and type(state["rows"]) is int and state["rows"] >= 0
        if state["input"] is not None:
            read = Reader(state["input"], "the state's input")
            read.count("generation", low=0, high=2**53), read.count("offset", low=0, high=2**53)
            good = good and isinstance(read.take("cut"), bool)
        if layout is not None:
            good = good and {"names", "separator", "header", "time", "values"} <= set(layout)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no state of watch ({error}); {way_out}") from error
    if not good or not isinstance(found, int):
        raise InputError(f"{path} is a damaged state of watch; {way_out}")
    if found > FORMAT:
        raise InputError(
            f"{path} has format {found} and this version of vaehelpers reads up to {FORMAT}; update vaehelpers"
        )
    return state


def save_state(
    path: str | os.PathLike[str],
    stream: Stream,
    reader: RowReader,
    checkpoint: Checkpoint | None = None,
    source: Mapping[str, Any] | None = None,
) -> None:
    """Write all that a restart needs, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    stream : StreamingDetector or RefittingStream
    reader : RowReader
    checkpoint : Checkpoint, optional
    source : mapping, optional
        Where the input goes on: generation, offset and cut of the `Journal`.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from vaehelpers.detectors import Detector
    >>> from vaehelpers.detectors import StreamingDetector
    >>> detector = Detector(timesteps=10, units=4, steps=5, smooth=1).fit(np.sin(np.arange(600) / 3))
    >>> path = Path(tempfile.mkdtemp()) / "state.json"
    >>> save_state(path, StreamingDetector(detector), RowReader(["value"]), Checkpoint(rows=3))
    >>> load_state(path)["rows"]
    3
    """
    place = checkpoint or Checkpoint()
    layout = reader.layout or reader._before
    state = {"format": FORMAT, "stream": stream.state(), "layout": layout, "pending": list(place.pending)}
    state |= {"rows": place.rows, "input": None if source is None else dict(source)}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(state, allow_nan=False) + "\n", encoding="utf-8")


def _json_line(point: StreamPoint, values: Sequence[float], columns: Sequence[str], row: int) -> str:
    plain = [_or_null(value) for value in values]
    return json.dumps(
        {
            "row": row,
            "time": point.time,
            "value": plain[0] if len(plain) == 1 else dict(zip(columns, plain)),
            "score": _or_null(point.score),
            "p_value": _or_null(point.p_value),
            "flag": int(point.flag),
            "event": None if point.event is None else dataclasses.asdict(point.event),
            "note": point.note,
        },
        ensure_ascii=False,
        allow_nan=False,
    )


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None
