"""Lines in and lines out of `vaehelpers watch`, so that a killed run and the next one agree on which rows are done.

Without a state, lines come straight from the descriptor. With one, three files lie beside it:

- ``STATE``: the checkpoint, written whole each second: the stream after row N, and where in the input that was.
- ``STATE.input-G``: what was taken from the pipe and is not in the checkpoint. On Linux the system moves bytes from the
  pipe into this file in one call (splice), so that there is no moment in which only our memory holds them.
- ``STATE.count``: how many rows were handed on, in memory that the system keeps when a process is killed.

The next run loads the checkpoint, reads the input again from there (the same rows give the same lines), and hands on
those rows that are beyond the count. Where the output is a file, its end says whether the last line got there. Where it
is a pipe, a kill between writing and counting repeats one line: it carries the same ``row``.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError
from vaehelpers.data.tables import MAX_LINE

if TYPE_CHECKING:
    from vaehelpers.commands.rows import StopSignals

_TAKE = 1 << 16  # bytes at a time
_ROTATE = 1 << 20  # bytes that are done, from which on the input file begins anew
_SLOT = struct.Struct("<qqqq")  # rows, size and inode of the output, checksum


class Line(bytes):
    """A line of input that knows where it ends in the input file, and whether the next one goes on with it."""

    end = 0
    cut = False


class Journal:
    """The input that is not in the checkpoint yet.

    Parameters
    ----------
    state : path
        The checkpoint's file; this one lies beside it.
    saved : mapping, optional
        What `at` gave for the checkpoint.

    Examples
    --------
    >>> import tempfile
    >>> state = Path(tempfile.mkdtemp()) / "state.json"
    >>> reading, writing = os.pipe()
    >>> _ = os.write(writing, b"a,b\\n1,2")
    >>> with Journal(state) as journal:
    ...     journal.take(reading)
    b'a,b\\n1,2'
    >>> with Journal(state, {"generation": 0, "offset": 4, "cut": False}) as journal:
    ...     journal.left()
    b'1,2'
    """

    def __init__(self, state: str | os.PathLike[str], saved: Mapping[str, Any] | None = None):
        self.state = Path(os.path.realpath(state))
        given = saved or {"generation": 0, "offset": 0, "cut": False}
        self.generation, self.offset, self.cut = given["generation"], given["offset"], given["cut"]
        self._file = os.open(self._name(self.generation), os.O_RDWR | os.O_CREAT, 0o600)
        self.size = os.fstat(self._file).st_size
        if self.offset > self.size:
            os.close(self._file)
            raise InputError(
                f"{self._name(self.generation)} is shorter than {state} says; name another state, or remove both"
            )
        self._origin = 0  # positions go on counting where the file begins anew
        self._splices = hasattr(os, "splice")
        self._remove_others()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _name(self, generation: int) -> Path:
        return self.state.with_name(f"{self.state.name}.input-{generation}")

    def _remove_others(self) -> None:
        for other in self.state.parent.glob(f"{self.state.name}.input-*"):
            if other != self._name(self.generation) and other.name.rpartition("-")[2].isdecimal():
                other.unlink(missing_ok=True)

    def left(self) -> bytes:
        """Return what an earlier run took and did not settle."""
        return os.pread(self._file, self.size - self.offset, self.offset)

    def take(self, descriptor: int) -> bytes:
        """Move what is there from the descriptor into the file and return it; empty at the end of the input."""
        moved = self._splice(descriptor) if self._splices else None
        if moved is None:
            data = os.read(descriptor, _TAKE)
            done = 0
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self.size + done)
            moved = len(data)
        self.size += moved
        return os.pread(self._file, moved, self.size - moved)

    def _splice(self, descriptor: int) -> int | None:
        try:
            return int(os.splice(descriptor, self._file, _TAKE, offset_dst=self.size))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EBADF):
                raise
            self._splices = False  # no pipe, or a file system without it
            return None

    def settle(self, end: int, *, cut: bool, save: Callable[[dict[str, Any]], object]) -> None:
        """Checkpoint with the input done up to the position `end`; `save` takes what belongs into the checkpoint."""
        position, end = end, end - self._origin
        if end < _ROTATE:
            save({"generation": self.generation, "offset": end, "cut": cut})
            self.offset, self.cut = end, cut
            return
        fresh = os.open(self._name(self.generation + 1), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            rest = os.pread(self._file, self.size - end, end)
            if os.pwrite(fresh, rest, 0) < len(rest):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.state))
            save({"generation": self.generation + 1, "offset": 0, "cut": cut})
        except BaseException:
            os.close(fresh)
            self._name(self.generation + 1).unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file, self.generation, self.offset, self.cut, self.size = fresh, self.generation + 1, 0, cut, len(rest)
        self._origin = position
        self._remove_others()


def lines_of(descriptor: int, stop: StopSignals, journal: Journal | None = None) -> Iterator[Line | None]:
    """Read lines as they come.

    Parameters
    ----------
    descriptor : int
        Open file, pipe or terminal.
    stop : StopSignals
    journal : Journal, optional
        Where the input is kept until it is settled.

    Yields
    ------
    Line or None
        A line without its end; None where no whole line is there yet and waiting begins. Of a line over a megabyte
        its beginning: no row is as long. Without a journal the lines that were taken are given out to the last one,
        also after a signal: they are nowhere else.

    Examples
    --------
    >>> from vaehelpers.commands.rows import StopSignals
    >>> read, write = os.pipe()
    >>> _ = os.write(write, b"a,b\\n1,2")
    >>> os.close(write)
    >>> with StopSignals() as stop:
    ...     list(lines_of(read, stop))
    [None, b'a,b', None, b'1,2']
    """
    rest, skipping = b"", bool(journal and journal.cut)
    base = journal.offset if journal else 0  # position at which `rest` begins
    again = journal.left() if journal else b""
    while True:
        if again:
            data, again = again, b""
        else:
            yield None
            if not stop.wait(descriptor):
                return
            data = journal.take(descriptor) if journal else os.read(descriptor, _TAKE)
        rest += data
        *parts, rest = rest.split(b"\n")
        for part in parts:
            base += len(part) + 1
            if skipping:
                skipping = False  # the end of the long line
                continue
            yield _line(part.removesuffix(b"\r"), base)
            if stop.number and journal:
                return
        if skipping:
            base, rest = base + len(rest), b""
        elif len(rest) > MAX_LINE:
            base, skipping = base + len(rest), True
            yield _line(rest, base, cut=True)
            rest = b""
        elif not data and rest:
            base += len(rest)
            yield _line(rest.removesuffix(b"\r"), base)
            rest = b""
        if not data:
            return


def _line(text: bytes, end: int, *, cut: bool = False) -> Line:
    line = Line(text)
    line.end, line.cut = end, cut
    return line


class Output:
    """Lines to a descriptor, counted on the disk.

    Parameters
    ----------
    descriptor : int or None
        None: through `sys.stdout`, where that is no file of the system.
    state : path, optional
        The checkpoint's file; the count lies beside it. None: nothing is kept.
    rows : int, default 0
        Rows that were handed on before the checkpoint.

    Attributes
    ----------
    rows : int
        Rows that have been handed on, those of earlier runs included.
    """

    def __init__(self, descriptor: int | None, state: str | os.PathLike[str] | None = None, *, rows: int = 0):
        self.descriptor, self.rows = descriptor, rows
        self._begun = 0  # bytes of the next line that are there already
        self._map: mmap.mmap | None = None
        self._turn = 0
        if state is not None:
            place = Path(os.path.realpath(state))
            with open(place.with_name(f"{place.name}.count"), "a+b") as file:
                if file.tell() < 2 * (_SLOT.size):
                    file.truncate(0)
                    file.write(bytes(2 * _SLOT.size))
                    file.flush()
                self._map = mmap.mmap(file.fileno(), 2 * _SLOT.size)
            self._resume(rows)

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()

    def _resume(self, rows: int) -> None:
        assert self._map is not None
        slots = [_SLOT.unpack_from(self._map, turn * _SLOT.size) for turn in (0, 1)]
        good = [slot for slot in slots if slot[3] == _checksum(*slot[:3]) and slot[0] >= rows]
        if good:
            self.rows, size, inode = max(good)[:3]
            status = self._status()
            if status is not None and status.st_ino == inode and status.st_size > size >= 0:
                self._count_tail(size, status.st_size)
        self._note()

    def _status(self) -> os.stat_result | None:
        """Of a regular file that lines go to, else None."""
        if self.descriptor is None:
            return None
        status = os.fstat(self.descriptor)
        return status if stat.S_ISREG(status.st_mode) else None

    def _count_tail(self, size: int, end: int) -> None:
        """Lines that were written and not counted, and the beginning of one that was cut off."""
        assert self.descriptor is not None
        try:  # the descriptor is for writing alone
            with open(f"/dev/fd/{self.descriptor}", "rb") as file:
                file.seek(size)
                tail = file.read(min(end - size, 1 << 24))
        except OSError:
            return
        whole = tail.rfind(b"\n") + 1
        self.rows += tail.count(b"\n")
        self._begun = len(tail) - whole

    def _note(self) -> None:
        if self._map is None:
            return
        status = self._status()
        size, inode = (-1, -1) if status is None else (status.st_size, status.st_ino)
        self._turn = 1 - self._turn
        _SLOT.pack_into(self._map, self._turn * _SLOT.size, self.rows, size, inode, _checksum(self.rows, size, inode))

    def write(self, text: str, row: int) -> None:
        """Hand on the line of this row, unless an earlier run did."""
        if row <= self.rows:
            return
        if self.descriptor is None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        else:
            data = (text + "\n").encode()
            done, self._begun = self._begun, 0
            try:
                while done < len(data):
                    done += os.write(self.descriptor, data[done:])
            except OSError:
                self._begun = done if self._status() is not None else 0
                raise
        self.rows = row
        self._note()


def stdout_descriptor() -> int | None:
    """The descriptor of standard output, or None where that is no file of the system."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return sys.stdout.fileno()
    return None


def _checksum(rows: int, size: int, inode: int) -> int:
    return zlib.crc32(struct.pack("<qqq", rows, size, inode)) + 1
