"""Where a table comes from, and the table as it was read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import pandas as pd

from vaehelpers.common.errors import InputError
from vaehelpers.data.choices import AS_FOUND, Choices

COMPRESSED = {b"\x1f\x8b": gzip.GzipFile, b"BZh": bz2.BZ2File, b"\xfd7zXZ": lzma.LZMAFile}


@dataclass
class Source:
    """Where a table comes from: opens it again, decompressed, and names places in it.

    Parameters
    ----------
    path : Path or None
        None: `content`, or a table in memory.
    label : str
        What error messages call it.
    content : bytes, optional
        What came through standard input.
    header_lines : int, optional
        Lines up to and including the header. None: no text file, so there are no lines to name.
    first_row : int, default 0
        Which row of the file the table's first row is, where it is a part of the file.
    """

    path: Path | None
    label: str
    content: bytes | None = None
    header_lines: int | None = None
    first_row: int = 0

    @property
    def stem(self) -> str:
        """Name without folder and endings."""
        if self.path is None:
            return "stdin"
        name = self.path.name
        for ending in (
            ".gz",
            ".bz2",
            ".xz",
            ".zip",
            ".csv",
            ".tsv",
            ".txt",
            ".dat",
            ".parquet",
            ".pq",
            ".xlsx",
            ".jsonl",
            ".ndjson",
            ".json",
        ):
            if len(name) > len(ending):
                name = name.removesuffix(ending)
        return name

    def open(self) -> BinaryIO:
        """Open from the start, decompressed."""
        raw: BinaryIO = io.BytesIO(self.content) if self.content is not None else cast(Path, self.path).open("rb")
        start = raw.read(6)
        raw.seek(0)
        for magic, reader in COMPRESSED.items():
            if start.startswith(magic):
                return cast(BinaryIO, gzip.GzipFile(fileobj=raw) if reader is gzip.GzipFile else reader(raw))
        return raw

    def place(self, row: int) -> str:
        """Name row `row` (from 0) as the user finds it: by the line of a text file, else by the row counted from 1."""
        row += self.first_row
        if self.header_lines is not None:
            seen = -1
            with self.open() as file:
                for number, line in enumerate(file, start=1):
                    seen += number > self.header_lines and bool(line.strip())  # pandas skips empty lines
                    if seen == row:
                        return f"{self.label}: line {number}"
        return f"{self.label}: row {row + 1}"


@dataclass
class Table:
    """A table as read. `separator` is None for tables with typed columns (Parquet, DataFrame).

    `date_order` is the order of day, month and year in its dates, once it is known; `comma_share` which share of the
    cells of a column is written with a decimal comma, at most. The index of `frame` holds the row numbers of the file.
    """

    frame: pd.DataFrame
    source: Source
    notes: list[str] = field(default_factory=list)
    separator: str | None = None
    decimal_commas: bool = False
    date_order: str | None = None
    comma_share: float = 0.0
    units: dict[str, str] = field(default_factory=dict)
    choices: Choices = AS_FOUND

    def place(self, row: int) -> str:
        """Name row `row` of `frame`, from 0, as the user finds it in the file."""
        return self.source.place(int(self.frame.index[row]))


def refuse_repeats(names: Sequence[str], label: str) -> None:
    """Raise `InputError` if two columns have one name: whichever was meant, half of the users would get the other.

    Parameters
    ----------
    names : sequence of str
        Of the columns; empty ones may repeat.
    label : str
        What the message calls the table.

    Examples
    --------
    >>> refuse_repeats(["time", "flow"], "the table")
    >>> refuse_repeats(["flow", "flow"], "the table")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: the table has 2 columns named 'flow'; give each column its own name
    """
    for column, count in Counter(name for name in names if name).items():
        if count > 1:
            raise InputError(f"{label} has {count} columns named {column!r}; give each column its own name")


def first_line(text: str) -> str:
    """Return the first line of an error message, short enough for one of ours."""
    return (text.strip().splitlines() or ["no reason given"])[0][:160]
