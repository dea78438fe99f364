"""Lines of a pipe as rows: CSV with a header, or JSON lines."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import re
import select
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.data.reading import LABEL_NAMES
from vaehelpers.data.tables import COMMA_DECIMAL, COMMA_THOUSANDS, DATE, MAX_LINE, MISSING, NUMBER
from vaehelpers.data.times import NO_TIMES, TIME_NAMES

PAUSE = 1.0  # seconds between two savings of the state while rows keep coming


_ABSENT = {"", "na", "n/a", "nan", "null", "none", *MISSING}


class RowReader:
    """Turn lines of CSV (header first) or JSON objects into times and values.

    Parameters
    ----------
    columns : sequence of str
        What the detector was fitted on.
    time : str, optional
        Column or key with the times; ``"none"`` for none. Default: one called like a time, or one that holds dates.
    value : sequence of str, optional
        Columns with the values, in the detector's order. Default: those of the detector's names; else all others, if
        there are as many.
    layout : mapping, optional
        What `layout` was before a restart: a feed that goes on need not send its header again.

    Attributes
    ----------
    notes : list of str
        Choices that the user should know.
    fatal : bool
        Whether the columns do not fit the detector, so that no line can be read.

    Examples
    --------
    >>> reader = RowReader(["flow"])
    >>> [reader.read(line) for line in ("when,flow", "2024-01-31 13:45,7.5", "2024-01-31 13:50,")]
    [None, ('2024-01-31 13:45', [7.5]), ('2024-01-31 13:50', [nan])]
    >>> RowReader(["flow"]).read('{"t": 12, "flow": 7.5}')
    (None, [7.5])
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        time: str = "",
        value: Sequence[str] = (),
        layout: Mapping[str, Any] | None = None,
    ):
        self.columns, self.time, self.value = list(columns), time, list(value)
        if value and len(value) != len(columns):
            known = f"{len(columns)} ({', '.join(columns)})"
            raise InputError(f"{len(value)} value columns are named; the detector was fitted on {known}")
        self.notes: list[str] = []
        self.fatal = False
        self._noted: set[str] = set()
        self._commas: bool | None = None  # whether commas are decimal marks
        self._names: list[str] | None = None  # header or keys
        self._separator: str | None = None  # None: JSON
        self._time: str | None = None
        self._values: list[str] = []
        self._known = False  # which column holds what
        self._before = layout
        if layout is not None and isinstance(layout.get("commas"), bool):
            self._commas = layout["commas"]
        self._header = ""

    @property
    def layout(self) -> dict[str, Any] | None:
        """Which columns there are and what they hold, as plain JSON values; None before the first row."""
        if not self._known:
            return None
        names = {"names": self._names, "separator": self._separator}
        return {**names, "header": self._header, "time": self._time, "values": self._values, "commas": self._commas}

    def read(self, line: str) -> tuple[Any, list[float]] | None:
        """Read one line.

        Parameters
        ----------
        line : str

        Returns
        -------
        tuple of (time, values), or None
            Time as text or number, None without times; NaN where a value is missing. None for a header or an empty
            line.

        Raises
        ------
        InputError
            If the line is no row.
        """
        text = line.strip().removeprefix("\ufeff")
        if not text:
            return None
        is_json = text.startswith("{") if self._names is None else self._separator is None
        cells = self._object(text) if is_json else {}
        with self._or_fatal():
            if self._names is None:
                self._start(text, cells)
        if not is_json:
            if text == self._header:
                return None  # the first time, or sent again as after the rotation of a log
            cells = self._fields(text)
        with self._or_fatal():
            if not self._known:
                self._find(cells)
        return self._time_of(cells), self._values_of(cells)

    def decode(self, line: bytes) -> str:
        """Turn a line's bytes into text: UTF-8, else cp1252 as `read_series` takes it.

        Raises
        ------
        InputError
            If it is too long.
        """
        if len(line) > MAX_LINE:
            raise InputError(f"more than {MAX_LINE:,} bytes without an end; a row is one line")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            try:
                text = line.decode("cp1252")
            except UnicodeDecodeError:
                raise InputError(f"{line[:40]!r} is neither UTF-8 nor cp1252") from error
            if not self._noted & {"cp1252"}:
                self._noted.add("cp1252")
                self.notes.append("the lines are no UTF-8 and are read as cp1252")
            return text

    @contextlib.contextmanager
    def _or_fatal(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            self.fatal = True
            raise

    def _start(self, text: str, cells: Mapping[str, Any]) -> None:
        if cells:
            self._names = list(cells)
            self._resume(None, self._names)
            return
        separator = max(",;\t|", key=text.count)
        names = [name.strip() for name in _split(text, separator)]
        if any(_is_data(name) for name in names if name):
            before = self._before
            if before is None or before.get("separator") is None:
                raise InputError(
                    f"the first line ({text[:60]!r}) holds data, not names; send a header first, or JSON lines"
                )
            self._names, self._separator, self._header = before["names"], before["separator"], before["header"]
            self._time, self._values, self._known = before["time"], before["values"], True
            return
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"the header has the column {twice!r} twice; give each column its own name")
        self._names, self._separator, self._header = names, separator, text
        self._resume(separator, names)

    def _resume(self, separator: str | None, names: list[str]) -> None:
        """What holds what was settled before the restart, if the columns are the same and nothing was asked for."""
        before = self._before
        if before and not self.time and not self.value and (before["separator"], before["names"]) == (separator, names):
            self._time, self._values, self._known = before["time"], before["values"], True

    def _object(self, text: str) -> dict[str, Any]:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{text[:60]!r} is no JSON object ({str(error)[:80]})") from error
        if not isinstance(found, dict):
            raise InputError(f"{text[:60]!r} is no JSON object")
        return found

    def _fields(self, text: str) -> dict[str, Any]:
        assert self._names is not None
        assert self._separator is not None
        fields = _split(text, self._separator)
        if len(fields) != len(self._names):
            plural = "s" * (len(fields) != 1)
            raise InputError(f"{text[:60]!r} has {len(fields)} field{plural}, the header has {len(self._names)}")
        return dict(zip(self._names, fields))

    def _find(self, cells: Mapping[str, Any]) -> None:
        """Settle which column holds what, on the first row."""
        names = list(cells)
        for name in (self.time if self.time != NO_TIMES else "", *self.value):
            if name and name not in cells:
                raise InputError(f"there is no column {name!r}; there are: {', '.join(names)}")
        wanted = self.value or (self.columns if set(self.columns) <= set(names) else [])
        free = [name for name in names if name not in wanted]
        if self.time:
            time = None if self.time == NO_TIMES else self.time
        else:
            dates = [name for name in free if isinstance(cells[name], str) and DATE.match(cells[name].strip())]
            called = [name for name in free if name.strip().lower() in TIME_NAMES]
            time = next(iter([*dates, *called]), None)
        if not wanted:
            wanted = [name for name in free if name != time and name.strip().lower() not in LABEL_NAMES]
            if len(wanted) != len(self.columns):
                raise InputError(
                    f"the rows have {', '.join(names)}; the detector was fitted on {', '.join(self.columns)}; "
                    "name the columns with --value"
                )
            if wanted != self.columns:
                self.notes.append(f"{', '.join(wanted)} is read as {', '.join(self.columns)}")
        self._time, self._values, self._known = time, list(wanted), True

    def _time_of(self, cells: Mapping[str, Any]) -> Any:
        if self._time is None:
            return None
        cell = cells.get(self._time)
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in _ABSENT):
            raise InputError(f"the time in {self._time!r} is missing")
        if not isinstance(cell, str):
            return cell
        cell = cell.strip()
        if not NUMBER.match(cell) or (len(cell) == 8 and "date" in self._time.lower()):
            return cell
        return int(cell) if cell.lstrip("+-").isdecimal() else float(cell)

    def _values_of(self, cells: Mapping[str, Any]) -> list[float]:
        if not any(name in cells for name in self._values):
            raise InputError(f"there is no {', '.join(self._values)} among {', '.join(cells) or 'nothing'}")
        return [self._number(cells.get(name), name) for name in self._values]

    def _number(self, cell: Any, name: str) -> float:
        if cell is None:
            return math.nan
        if isinstance(cell, (int, float)) and not isinstance(cell, bool):
            with contextlib.suppress(OverflowError):
                return float(cell)
            raise InputError(f"the value in {name!r} is beyond float32 (3.4e38)")
        if isinstance(cell, str):
            text = cell.strip()
            if text.lower() in _ABSENT:
                return math.nan
            if NUMBER.match(text):
                return float(text)
            number = self._as_written(text)
            if number is not None:
                return number
        raise InputError(f"{str(cell)[:40]!r} in {name!r} is not a number")

    def _as_written(self, text: str) -> float | None:
        """A number with a decimal comma, a unit, or blanks between thousands, by the rules of `read_series`."""
        unit = _UNIT.match(text)
        bare = _BETWEEN.sub("", unit.group(1).strip() if unit else text)
        done = f"unit {unit.group(2)!r} left out of the cells" if unit else ""
        comma = "," in bare
        if not NUMBER.match(bare):
            if not comma or not COMMA_DECIMAL.match(bare):
                return None
            if COMMA_THOUSANDS.match(bare):  # 1,234 is either, until the feed has shown which
                if self._commas is None and self._separator not in (None, ","):
                    self._commas = True  # commas that separate no columns
                if self._commas is None:
                    raise InputError(f"{text[:40]!r} is a thousand or a fraction; write it with a point, or without")
                if not self._commas:
                    return float(bare.replace(",", ""))
            else:
                self._commas = True
            bare = bare.replace(".", "").replace(",", ".")
            done = done or "decimal commas"
        if done and done not in self._noted:
            self._noted.add(done)
            self.notes.append(f"{done}: {text!r} is read as {float(bare):.10g}")
        return float(bare)


_UNIT = re.compile(r"(.*[\d.,])\s*([A-Za-z%°µμΩ€$/²³·]{1,8})$", re.DOTALL)
_BETWEEN = re.compile(r"(?<=\d)[\u00a0\u202f\u2009\u2019' ](?=\d{3}(?!\d))")


class StopSignals:
    """Within the block, SIGINT, SIGTERM and SIGHUP do not cut in but are kept in `number`; waiting ends at once.

    Attributes
    ----------
    number : int
        Of the signal that came; 0 for none.

    Examples
    --------
    >>> with StopSignals() as stop:
    ...     signal.raise_signal(signal.SIGINT)
    >>> stop.number == signal.SIGINT
    True
    """

    def __init__(self) -> None:
        self.number = 0
        self._kept: dict[int, Any] = {}
        self._wakeup: int | None = None
        self._woken, self._waker = socket.socketpair()

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                    self._kept[number] = signal.signal(number, self._note)
            self._waker.setblocking(False)
            self._wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._wakeup is not None:
            signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._kept.items():
            signal.signal(number, handler)
        self._woken.close()
        self._waker.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number

    def wait(self, descriptor: int) -> bool:
        """Wait until there is something to read from `descriptor`; return False where a signal came first."""
        if os.name == "nt":  # which knows select for sockets alone: Ctrl-C is seen there with the next line
            return not self.number
        ready: list[int] = []
        while not self.number and descriptor not in ready:
            ready, _, _ = select.select([descriptor, self._woken.fileno()], [], [])
            if self._woken.fileno() in ready:
                self._woken.recv(64)  # other signals wake as well
        return not self.number


def _split(text: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=separator, skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise InputError(f"{text[:60]!r} cannot be split ({error})") from error


def _is_data(cell: str) -> bool:
    return bool(NUMBER.match(cell) or DATE.match(cell))
