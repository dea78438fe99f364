"""Rows as they come: lines of a pipe into a stream, one JSON line out for each row, and a state that survives restarts.

The command is `vaehelpers watch`; here is what stands between the pipe and `vaehelpers.stream`: lines that may stop
coming or be wrong, signals that must not cut a row in half, and a reader who may go away.
"""

from __future__ import annotations

import json
import math
import os
import time as clock
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.commands.rows import PAUSE, RowReader
from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file
from vaehelpers.data.tables import MAX_LINE

if TYPE_CHECKING:
    from vaehelpers.detectors.stream import StreamingDetector, StreamPoint


FORMAT = 1


def watch(
    stream: StreamingDetector,
    reader: RowReader,
    lines: Iterable[bytes | None],
    write: Callable[[str], object],
    *,
    complain: Callable[[str], object],
    remark: Callable[[str], object] = lambda text: None,
    strict: bool = False,
    pending: Sequence[str] = (),
    save: Callable[[list[str]], object] = lambda pending: None,
) -> int:
    """Score rows as they come.

    Parameters
    ----------
    stream : StreamingDetector
    reader : RowReader
    lines : iterable of bytes or None
        As `lines_of` gives them.
    write : callable
        Takes one line of JSON for each row and hands it on at once.
    complain : callable
        Takes what is wrong with a line that is left out.
    remark : callable, optional
        Takes how the columns were read, where it could be otherwise.
    strict : bool, default False
        Raise at the first such line instead.
    pending : sequence of str
        Lines that were not handed on before a restart.
    save : callable, optional
        Keeps the state. Called with the lines that could not be handed on: when the rows pause, each second while they
        do not, at the end, and when `write` fails.

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
    >>> watch(StreamingDetector(detector), RowReader(["value"]), lines, out.append, complain=print)
    line 2: 'high' in 'value' is not a number; left out
    1
    >>> out
    ['{"time": 0, "value": 0.5, "score": null, "p_value": null, "flag": 0, "note": "warming up"}']
    """
    for kept in pending:
        _hand_on(write, kept, save)
    written = len(pending)
    saved = clock.monotonic()
    number = 0
    for line in lines:
        if line is None or clock.monotonic() - saved > PAUSE:
            save([])
            saved = clock.monotonic()
        if line is None:
            continue
        number += 1
        try:
            row = reader.read(_text(line))
            while reader.notes:
                remark(reader.notes.pop())
            point = None if row is None else stream.update(row[1], row[0])
        except InputError as error:
            if strict or reader.fatal:
                save([])
                raise InputError(f"line {number}: {error}") from error
            complain(f"line {number}: {error}; left out")
            continue
        if row is not None and point is not None:
            _hand_on(write, _json_line(point, row[1], reader.columns), save)
            written += 1
    save([])
    return written


def load_state(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read what `save_state` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    dict or None
        With stream, layout and pending; None where there is no such file.

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
        if layout is not None:
            good = good and {"names", "separator", "header", "time", "values"} <= set(layout)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no state of watch ({error}); {way_out}") from error
    if not good or not isinstance(found, int):
        raise InputError(f"{path} is a damaged state of watch; {way_out}")
    if found > FORMAT:
        raise InputError(
            f"{path} has format {found} and this version of vaehelpers reads up to {FORMAT}; update vaehelpers"
        )
    return state


def save_state(
    path: str | os.PathLike[str], stream: StreamingDetector, reader: RowReader, pending: Sequence[str] = ()
) -> None:
    """Write all that a restart needs, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    stream : StreamingDetector
    reader : RowReader
    pending : sequence of str
        Lines of rows that were scored and could not be handed on.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from vaehelpers.detectors import Detector
    >>> from vaehelpers.detectors import StreamingDetector
    >>> detector = Detector(timesteps=10, units=4, steps=5, smooth=1).fit(np.sin(np.arange(600) / 3))
    >>> path = Path(tempfile.mkdtemp()) / "state.json"
    >>> save_state(path, StreamingDetector(detector), RowReader(["value"]))
    >>> load_state(path)["pending"]
    []
    """
    layout = reader.layout or reader._before
    state = {"format": FORMAT, "stream": stream.state(), "layout": layout, "pending": list(pending)}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(state, allow_nan=False) + "\n", encoding="utf-8")


def _hand_on(write: Callable[[str], object], line: str, save: Callable[[list[str]], object]) -> None:
    try:
        write(line)
    except OSError:  # nobody reads any more: the row was scored, and is handed on after the restart
        save([line])
        raise


def _text(line: bytes) -> str:
    if len(line) > MAX_LINE:
        raise InputError(f"more than {MAX_LINE:,} bytes without an end; a row is one line")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{line[:40]!r} is not UTF-8") from error


def _json_line(point: StreamPoint, values: Sequence[float], columns: Sequence[str]) -> str:
    plain = [_or_null(value) for value in values]
    return json.dumps(
        {
            "time": point.time,
            "value": plain[0] if len(plain) == 1 else dict(zip(columns, plain)),
            "score": _or_null(point.score),
            "p_value": _or_null(point.p_value),
            "flag": int(point.flag),
            "note": point.note,
        },
        ensure_ascii=False,
        allow_nan=False,
    )


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None
