"""A series kept on disk, read part by part."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.precision import Digits
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.common.temporary import temporary_folder
from vaehelpers.data.series import Series, gap_bound

BIG = 100_000_000
"""Bytes from which on a file is read in parts; a fifth of it where the file is compressed."""


class Spool:
    """A series on disk, as plain numbers.

    Parameters
    ----------
    folder : str or path-like
        Where to make its files; they are gone with the end of the ``with`` block.

    Attributes
    ----------
    n, n_features : int
    columns : tuple of str
    notes : list of str
        What reading noticed.

    Examples
    --------
    >>> import tempfile
    >>> with Spool(tempfile.gettempdir()) as spool:
    ...     for part in (Series([1.0, 2.0], times=[0, 1]), Series([float("nan"), 4.0], times=[5, 6])):
    ...         spool.append(part)
    ...     spool.n, spool.gaps().tolist(), spool.values(1, 4).ravel().tolist()
    (4, [2], [2.0, nan, 4.0])
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.n = 0
        self.columns: tuple[str, ...] = ()
        self.notes: list[str] = []
        self.missing = 0
        self._folder = Path(folder)
        self._place = contextlib.ExitStack()
        self._files: dict[str, BinaryIO] = {}
        self._time_name: str | None = None
        self._has_times = self._dates = False
        self._zone: Any = None
        self.exact = False  # whether a value needs double precision
        self._digits = Digits()
        self._time_type: np.dtype[Any] = np.dtype(np.int64)
        self._finest: tuple[int, int] = (-1, 0)  # how fine the finest time is, and one such

    def __enter__(self) -> Spool:
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._place.enter_context(temporary_folder(self._folder))
        for name in ("values", "times"):
            self._files[name] = open(place / name, "w+b")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()
        self._place.close()

    @property
    def n_features(self) -> int:
        """Number of variables."""
        return len(self.columns)

    @classmethod
    def check(cls, path: str | os.PathLike[str]) -> bool:
        """Whether a file is so big that it should be read in parts."""
        path = Path(path)
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(4)
        if head == b"PAR1":  # a small file of this kind may unpack to a thousand times its size
            import pyarrow.parquet

            with contextlib.suppress(Exception):  # a damaged one is told by the reader
                about = pyarrow.parquet.read_metadata(path)
                return bool(about.num_rows * about.num_columns > BIG // 8)
        packed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zX", b"PAR1"))
        return path.stat().st_size > (BIG // 5 if packed else BIG)

    def read(self, parts: Iterable[Series], *, progress: Progress = quiet) -> Spool:
        """Take in all parts of a file.

        Parameters
        ----------
        parts : iterable of Series
            As `read_series_parts` yields them.
        progress : Progress, optional
            Called as ``progress("reading", rows, 0)``: how many there are is not known before the end.

        Returns
        -------
        Spool
            Itself.
        """
        for part in parts:
            self.append(part)
            progress("reading", self.n, 0)
        if self.missing:
            size = self.n * self.n_features
            self.notes.append(f"{self.missing:,} of {size:,} values are missing ({100 * self.missing / size:.1f} %)")
        return self

    def append(self, part: Series) -> None:
        """Take in one more part, with the same columns and kind of times as those before."""
        if not self.n:
            self.columns, self._time_name = part.columns, part.time_name
            self._has_times = part.times is not None
            self.notes += part.notes
        self.missing += int(np.isnan(part.values).sum())
        self.exact = self.exact or part.given_values is not None or part.values.dtype == np.float64
        values = np.asarray(part.values if part.given_values is None else part.given_values, np.float64)
        self._digits.add(values)
        self._write("values", values)
        if part.times is not None:
            self._write("times", self._moments(part.times))
        self.n += part.n

    def _moments(self, times: pd.DatetimeIndex | NDArray[Any]) -> NDArray[Any]:
        if isinstance(times, pd.DatetimeIndex):
            self._dates, self._zone = True, times.tz
            moments = times.asi8
            self._note_finest(moments)
            return moments
        if times.dtype.kind == "f" and self._time_type.kind == "i":
            self._to_float()
        return times.astype(self._time_type)

    def _to_float(self) -> None:
        """Times that were whole numbers so far are not: rewrite them."""
        file, rows = self._files["times"], 1 << 16
        for first in range(0, self.n, rows):
            whole = self._read("times", first, min(first + rows, self.n), np.dtype(np.int64), 1)
            file.seek(8 * first)
            file.write(whole.astype(np.float64).tobytes())
        self._time_type = np.dtype(np.float64)

    def _note_finest(self, moments: NDArray[np.int64]) -> None:
        for fineness, unit in ((4, 1_000), (3, 1_000_000), (2, 1_000_000_000), (1, 86_400_000_000_000)):
            if self._finest[0] >= fineness:
                return
            finer = moments % unit != 0
            if finer.any():
                self._finest = (fineness, int(moments[np.argmax(finer)]))
                return

    def _write(self, name: str, array: NDArray[Any]) -> None:
        file = self._files[name]
        file.seek(0, os.SEEK_END)
        file.write(np.ascontiguousarray(array).tobytes())

    def _read(self, name: str, first: int, last: int, kind: np.dtype[Any], width: int) -> NDArray[Any]:
        file, size = self._files[name], kind.itemsize * width
        file.flush()
        file.seek(first * size)
        return np.frombuffer(file.read((last - first) * size), kind).reshape(last - first, width)

    def values(self, first: int, last: int) -> NDArray[np.float32] | NDArray[np.float64]:
        """Return rows `first` to `last` (exclusive), shape (last - first, n_features), as the series whole has them."""
        given = self._given(first, last)
        return given if self._digits.double else given.astype(np.float32)

    def _given(self, first: int, last: int) -> NDArray[np.float64]:
        return self._read("values", first, last, np.dtype(np.float64), self.n_features)

    def part(self, first: int, last: int) -> Series:
        """Return rows `first` to `last` (exclusive) as a series, with their times."""
        times: Any = None
        if self._has_times:
            times = self._as_times(self._read("times", first, last, self._time_type, 1)[:, 0])
        given = self._given(first, last)
        return Series(
            self.values(first, last),
            times=times,
            columns=self.columns,
            time_name=self._time_name,
            given_values=given if self.exact else None,
        )

    def times(self) -> pd.DatetimeIndex | NDArray[Any] | None:
        """Return the times of all rows, or None."""
        return self._as_times(self._read("times", 0, self.n, self._time_type, 1)[:, 0]) if self._has_times else None

    def _as_times(self, moments: NDArray[Any]) -> pd.DatetimeIndex | NDArray[Any]:
        if not self._dates:
            return moments
        return pd.DatetimeIndex(moments, tz="UTC").tz_convert(self._zone) if self._zone else pd.DatetimeIndex(moments)

    def as_text(self, times: pd.DatetimeIndex) -> NDArray[Any]:
        """Write dates as they are written in a table of the whole: midnights and fractions alike in every part."""
        finest = pd.DatetimeIndex([self._finest[1]], tz=times.tz)
        return pd.Series(times.append(finest)).astype(str).to_numpy(dtype=object)[:-1]

    def gaps(self, rows: int = 1 << 20) -> NDArray[np.int64]:
        """Rows i such that a gap lies between row i - 1 and row i: what `Series.gaps` gives for the whole."""
        if not self._has_times or self.n < 2:
            return np.empty(0, np.int64)

        def steps() -> Iterator[NDArray[Any]]:
            for first in range(0, self.n - 1, rows):
                yield np.diff(self._read("times", first, min(first + rows + 1, self.n), self._time_type, 1)[:, 0])

        def quantile(share: float) -> float:
            position = (self.n - 2) * share
            around = [order_statistic(steps, int(rank)) for rank in (math.floor(position), math.ceil(position))]
            return float(np.quantile(np.array(around), position % 1))

        bound, _ = gap_bound(self.n - 1, quantile, lambda bound: sum(int((s > bound).sum()) for s in steps()))
        bound = round(bound) if self._dates else bound
        found, first = [], 1
        for piece in steps():
            found.append(np.flatnonzero(piece > bound) + first)
            first += len(piece)
        return np.concatenate(found)


def order_statistic(chunks: Callable[[], Iterable[NDArray[Any]]], rank: int) -> int | float:
    """Find the number of this rank among very many, four passes over them, in little memory.

    Parameters
    ----------
    chunks : callable
        Gives all numbers, in arrays of int64 or of float64 without NaN, each time it is called.
    rank : int
        0 for the smallest.

    Returns
    -------
    int or float

    Raises
    ------
    InputError
        If there are no more than `rank` numbers.

    Examples
    --------
    >>> order_statistic(lambda: [np.array([5, -3]), np.array([8, 5])], 2)
    5
    """
    prefix, kind, left = 0, np.dtype(np.int64), rank
    for shift in (48, 32, 16, 0):  # 16 bits at a time, from the top
        counts = np.zeros(1 << 16, np.int64)
        for chunk in chunks():
            kind = chunk.dtype
            keys = _sortable(chunk)
            if shift < 48:
                keys = keys[(keys >> np.uint64(shift + 16)) == np.uint64(prefix)]
            digits = (keys >> np.uint64(shift)) & np.uint64(0xFFFF)
            counts += np.bincount(digits.astype(np.int64), minlength=1 << 16)
        below = np.cumsum(counts)
        if left >= below[-1]:
            raise InputError(f"rank {rank} is beyond the {below[-1]} numbers there are")
        digit = int(np.searchsorted(below, left, side="right"))
        left -= int(below[digit] - counts[digit])
        prefix = (prefix << 16) | digit
    return _unsortable(np.array([prefix], np.uint64), kind)


def _sortable(numbers: NDArray[Any]) -> NDArray[np.uint64]:
    """Unsigned keys in the order of the numbers."""
    bits = np.ascontiguousarray(numbers).view(np.uint64)
    top = np.uint64(1 << 63)
    if numbers.dtype.kind == "i":
        return bits ^ top
    return np.where(bits & top, ~bits, bits | top)


def _unsortable(keys: NDArray[np.uint64], kind: np.dtype[Any]) -> int | float:
    top = np.uint64(1 << 63)
    bits = keys ^ top if kind.kind == "i" else np.where(keys & top, keys ^ top, ~keys)
    return np.ascontiguousarray(bits).view(kind)[0].item()
