"""Files to tables: what kind of file it is, separator, header, encoding; and every fault of a file, said in one line.

Parsing is pandas's and pyarrow's. What stands here looks at the first lines, decides how to call them, and refuses what
would cost memory or be misread in silence. `vaehelpers.reading` makes series of the tables.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import difflib
import functools
import io
import lzma
import os
import re
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from vaehelpers.common.errors import InputError
from vaehelpers.data import kinds, shapes
from vaehelpers.data.choices import AS_FOUND, Choices
from vaehelpers.data.parquet import parquet_parts, read_parquet
from vaehelpers.data.sources import COMPRESSED, Source, Table, first_line, refuse_repeats

MAX_LINE = 1 << 20
"""Bytes without a line end after which a file is no table; looked for before pandas gets to see it."""


SNIFFED_LINES = 50


SEPARATORS = ("\t", ";", "|", ",", " ")


MISSING = ["-", "--", "?"]
"""What loggers write for a missing value, beyond what pandas knows (empty, NA, NaN, null, None, ...)."""


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|[+-]?(inf(inity)?|nan)$", re.IGNORECASE)


COMMA_DECIMAL = re.compile(r"(?=.*\d)[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)?(,\d*)?([eE][+-]?\d+)?$")


COMMA_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$")


DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)|\d{8}T\d{2}|\d{1,2}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ,]+(\d{4}|\d{2})(?!\d)"
    r"|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}|\d{4}-(0[1-9]|1[0-2])$|[A-Z][a-z]{2,8}[ -]\d{4}$"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} \d{2}:\d{2}"
)


_NOT_UTF8 = "the file is not UTF-8: read as Windows-1252 (Western European)"


_NO_HEADER = "the first line holds numbers, not names: read as a table without header"


_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class _Layout:
    separator: str
    names: list[str]
    has_header: bool
    notes: list[str] = field(default_factory=list)
    units: list[str] | None = None
    commas: bool = False
    na: Sequence[str] = ()
    decimal: str | None = None


def read_table(source: str | os.PathLike[str], choices: Choices = AS_FOUND) -> Table:
    """Read a CSV or Parquet file, or standard input (``"-"``), into a table.

    Parameters
    ----------
    source : str or path-like
        The file; may be compressed by gzip, bzip2 or xz, whatever its ending, or lie in a zip archive.
    choices : Choices, optional

    Returns
    -------
    Table
        Columns of a text file are numbers where all cells are, else text; all are text in a file with decimal
        commas.

    Raises
    ------
    InputError
        If there is no such file, or it is not readable, empty, binary, of one endless line, without rows, of lines with
        different numbers of fields, or has two columns of one name.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pump.csv"
    >>> _ = path.write_text("time;flow\\n0;1,5\\n1;1,7\\n")
    >>> table = read_table(path)
    >>> table.separator, list(table.frame.columns), table.decimal_commas
    (';', ['time', 'flow'], True)
    """
    opened = _stdin() if str(source) == "-" else _existing(Path(source))
    with _unreadable(opened):
        note = _unpack(opened)
        with opened.open() as file:
            head = file.read(MAX_LINE)
        if head.startswith(b"PAR1"):
            table = read_parquet(opened)
        elif _is_json(head):
            with opened.open() as file:
                content = file.read(kinds.MOST_BYTES + 1)
            table = Table(kinds.read_json(_bounded(content, opened.label), opened.label), opened)
        else:
            _refuse_other_kinds(opened.label, head)
            with opened.open() as file:
                _refuse_endless_lines(opened.label, iter(lambda: file.read(MAX_LINE), b""), _limit(opened))
            table = _read_text(opened, head, choices)
    table.choices = choices
    table.notes[:0] = note
    return table


def read_table_parts(source: str | os.PathLike[str], rows: int, choices: Choices = AS_FOUND) -> Iterator[Table]:
    """Read a CSV or Parquet file part by part, for files that do not fit into memory.

    Parameters
    ----------
    source : str or path-like
        As for `read_table`, but no standard input.
    rows : int
        Rows of a part; the last may be shorter.
    choices : Choices, optional

    Yields
    ------
    Table
        As `read_table` would give for the whole: separator, header, encoding and decimal commas are found out once, for
        all parts. Its `source` names places in the whole file.

    Raises
    ------
    InputError
        As `read_table`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pump.csv"
    >>> _ = path.write_text("time;flow\\n0;1,5\\n1;1,7\\n2;1,9\\n")
    >>> [len(table.frame) for table in read_table_parts(path, rows=2)]
    [2, 1]
    """
    opened = _existing(Path(source))
    with _unreadable(opened):
        with opened.open() as file:
            head = file.read(MAX_LINE)
        if head.startswith(b"PAR1"):
            for table in parquet_parts(opened, rows):
                table.choices = choices
                yield table
            return
        if _is_json(head) or head.startswith(b"PK\x03\x04"):
            raise InputError(f"{opened.label}: only CSV and Parquet are read in parts; convert it, or read it at once")
        _refuse_other_kinds(opened.label, head)
        encodings = _Encodings(head)
        with opened.open() as file:
            _refuse_endless_lines(opened.label, encodings.watch(iter(lambda: file.read(MAX_LINE), b"")))
        parts = _text_parts(opened, head, encodings.name, rows, choices)
        while True:
            try:
                part = next(parts, None)
            except UnicodeError:
                name = "UTF-16" if encodings.name == "utf-16" else "text in UTF-8 or Windows-1252"
                raise InputError(f"{opened.label} is not valid {name}; save it as UTF-8") from None
            if part is None:
                return
            yield part


@contextlib.contextmanager
def _unreadable(source: Source) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it is cut off or damaged"
        raise InputError(f"cannot read {source.label}: {first_line(reason)}") from error


def _stdin() -> Source:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("'-' reads from standard input, but nothing is piped in; name a file")
    stream = sys.stdin.buffer
    head = stream.read(MAX_LINE)
    pieces = [head]
    if not head.startswith((b"PAR1", b"PK\x03\x04", *COMPRESSED)) and not _is_json(head):
        _refuse_other_kinds("standard input", head)
        rest = iter(lambda: stream.read(MAX_LINE), b"")
        _refuse_endless_lines("standard input", _chain(head, rest, pieces))
    else:
        pieces.append(stream.read())
    return Source(None, "standard input", b"".join(pieces))


def _chain(head: bytes, rest: Iterable[bytes], pieces: list[bytes]) -> Iterable[bytes]:
    yield head
    for chunk in rest:
        pieces.append(chunk)
        yield chunk


def _existing(path: Path) -> Source:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a CSV or Parquet file")
    if not path.exists():
        names = [entry.name for entry in path.parent.iterdir()] if os.access(path.parent, os.R_OK | os.X_OK) else []
        close = difflib.get_close_matches(path.name, names, n=1)
        hint = f"did you mean {path.parent / close[0]}?" if close else "check the path"
        raise InputError(f"there is no file {path}; {hint}")
    return Source(path, str(path))


def _refuse_other_kinds(label: str, head: bytes) -> None:
    if not head.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        raise InputError(f"{label} is empty; it needs a header and rows")
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(f"{label} is an old Excel workbook (.xls); save it as .xlsx or CSV")
    if b"\0" in head and not head.startswith(_UTF16):
        raise InputError(f"{label} holds binary data; give a CSV or Parquet file")


def _unpack(source: Source) -> list[str]:
    """Put the member of a zip archive, or the sheet of a workbook, in the place of the file."""
    with source.open() as file:
        if file.read(4) != b"PK\x03\x04":
            return []
        content = source.content if source.content is not None else None
        source.content, note = kinds.unzip(io.BytesIO(content) if content is not None else _plain(source), source.label)
    return [note] if note else []


def _plain(source: Source) -> BinaryIO:
    with source.open() as file:
        return io.BytesIO(_bounded(file.read(kinds.MOST_BYTES + 1), source.label))


def _bounded(content: bytes, label: str) -> bytes:
    if len(content) > kinds.MOST_BYTES:
        raise InputError(f"{label} holds more than {kinds.MOST_BYTES:,} bytes; write it as CSV, and read it in parts")
    return content


def _is_json(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") or bool(re.match(rb"\[\s*\{", start))


def _limit(source: Source) -> int | None:
    """Most bytes of a file that is packed: nobody can see its size from outside."""
    with source.open() as file:
        return None if isinstance(file, (io.BufferedReader, io.BytesIO)) else kinds.MOST_BYTES


def _refuse_endless_lines(label: str, chunks: Iterable[bytes], limit: int | None = None) -> None:
    since = size = 0
    for chunk in chunks:
        size += len(chunk)
        if limit is not None and size > limit:
            raise InputError(f"{label} unpacks to more than {limit:,} bytes; unpack it, and read it in parts")
        ends = [i for i in (chunk.find(b"\n"), chunk.find(b"\r")) if i >= 0]
        if since + min(ends, default=len(chunk)) >= MAX_LINE:
            raise InputError(f"{label} has a line of more than {MAX_LINE:,} bytes; a table has one row per line")
        since = len(chunk) - 1 - max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) if ends else since + len(chunk)


def _read_text(source: Source, head: bytes, choices: Choices) -> Table:
    if head.startswith(_UTF16):
        try:
            return _parse_text(source, head, "utf-16", choices)
        except UnicodeError:
            raise InputError(f"{source.label} is not valid UTF-16; save it as UTF-8") from None
    try:
        return _parse_text(source, head, "utf-8-sig", choices)
    except UnicodeError:
        try:
            table = _parse_text(source, head, "cp1252", choices)
        except UnicodeError:
            raise InputError(f"{source.label} is no text in UTF-8 or Windows-1252; save it as UTF-8") from None
        table.notes.insert(0, _NOT_UTF8)
        return table


class _Encodings:
    """Finds out the encoding while the bytes go by."""

    def __init__(self, head: bytes):
        self.name = "utf-16" if head.startswith(_UTF16) else "utf-8-sig"

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        for chunk in chunks:
            if self.name == "utf-8-sig":
                try:
                    decoder.decode(chunk)
                except UnicodeError:
                    self.name = "cp1252"
            yield chunk
        if self.name == "utf-8-sig":
            try:
                decoder.decode(b"", final=True)
            except UnicodeError:
                self.name = "cp1252"


def _text_parts(source: Source, head: bytes, encoding: str, rows: int, choices: Choices) -> Iterator[Table]:
    layout = _layout(source, head, encoding, choices)
    notes = [*layout.notes] if layout.has_header else [*layout.notes, _NO_HEADER]
    if encoding == "cp1252":
        notes.insert(0, _NOT_UTF8)
    commas, dtype, first = False, None, 0
    with _parser_errors(source, layout):
        start = next(_pandas_parts(source, layout, encoding, rows), None)
        if start is None or not len(start):
            raise InputError(f"{source.label} has a header but no rows")
        share = _commas_in(start, layout)
        if share:
            commas, dtype = True, "str"
        for frame in _pandas_parts(source, layout, encoding, rows, dtype=dtype):
            size = len(frame)
            frame, found = shapes.tidy(frame, last=size < rows)
            if len(frame):
                yield Table(frame, replace(source, first_row=first), [*notes, *found], layout.separator, commas,
                            comma_share=share, choices=choices)  # fmt: skip
                notes = []
            first += size


def _layout(source: Source, head: bytes, encoding: str, choices: Choices) -> _Layout:
    """Separator and header; tells the source how many lines the header takes."""
    whole = len(head) < MAX_LINE
    text = head.decode(encoding, errors="strict" if whole else "replace")  # the cut may go through a character
    lines = re.split(r"\r\n|\n|\r", text)  # not splitlines, which knows more line ends than pandas
    first, separator, notes = shapes.leading_lines(lines, choices.skip_rows)
    numbered = [i for i in range(first, len(lines) if whole else len(lines) - 1) if lines[i].strip()]
    numbered = numbered[: SNIFFED_LINES + 1 + shapes.MOST_PREAMBLE]
    if not numbered:
        raise InputError(f"{source.label} is empty; it needs a header and rows")
    filled = [lines[i] for i in numbered]
    above = _above(filled, separator)
    if above:
        notes.append(f"{above} line{'s' * (above > 1)} above the header left out (--skip-rows N to choose otherwise)")
    layout = _sniff(filled[above : above + SNIFFED_LINES + 1], source, separator)
    layout.notes, layout.na, layout.decimal = [*notes, *layout.notes], choices.na, choices.decimal
    kinds.refuse_size(source.label, 1, len(layout.names))
    source.header_lines = numbered[above] + int(layout.has_header)
    if layout.has_header:
        rows = _split(filled[above + 1 : above + 1 + SNIFFED_LINES], layout.separator)
        rows = [row[: len(layout.names)] for row in rows]
        layout.units = shapes.units_of(rows, lambda cell: _is_data(cell.strip(), layout.separator))
        if layout.units is not None:
            source.header_lines = numbered[above + 1] + 1
            layout.notes.append(f"line {source.header_lines} holds units ({', '.join(filter(None, layout.units))})")
    return layout


def _above(lines: list[str], separator: str | None) -> int:
    """Lines above the header."""
    for candidate in [separator] if separator else SEPARATORS[:-1]:
        rows = _split(lines, candidate)
        counts = Counter(len(row) for row in rows[len(rows) // 2 :])
        width, count = counts.most_common(1)[0] if counts else (1, 0)
        if width > 1 and count > 0.8 * (len(rows) - len(rows) // 2) and len(rows) == len(lines):
            return shapes.preamble(rows, width, functools.partial(_is_data, separator=candidate))
    return 0


def _parse_text(source: Source, head: bytes, encoding: str, choices: Choices) -> Table:
    layout = _layout(source, head, encoding, choices)
    frame = _pandas_read(source, layout, encoding)
    share = _commas_in(frame, layout)
    if share:
        # Who writes "1,5" may mean 1234 by "1.234": no column may have gone through as a number already.
        frame = _pandas_read(source, layout, encoding, dtype="str")
    kinds.refuse_size(source.label, *frame.shape)
    frame, found = shapes.tidy(frame)
    if not len(frame):
        raise InputError(f"{source.label} has a header but no rows")
    table = Table(frame, source, [*layout.notes, *found], layout.separator, bool(share), comma_share=share)
    if not layout.has_header:
        table.notes.append(_NO_HEADER)
    table.units = dict(zip(_names(layout), layout.units)) if layout.units else {}
    return table


def _commas_in(frame: pd.DataFrame, layout: _Layout) -> float:
    """Largest share of cells with a decimal comma that a column has; 0 where there are none."""
    texts = [column for column in frame if isinstance(frame[column].dtype, pd.StringDtype)]
    return max((_decimal_commas(frame[column], layout) for column in texts), default=0.0)


def _decimal_commas(cells: pd.Series, layout: _Layout) -> float:
    present = cells.dropna().iloc[:5000].str.strip()
    sample = [cell for cell in present if "," in cell and cell[-1:].isdigit()]
    fitting = [cell for cell in sample if COMMA_DECIMAL.match(cell)]
    if not fitting or len(fitting) < 0.5 * len(sample) or layout.decimal == ".":
        return 0.0
    # In a comma-separated file "1,234" in quotes is one thousand; elsewhere it is a decimal comma, told in a note.
    if layout.separator == "," and all(COMMA_THOUSANDS.match(cell) for cell in fitting) and layout.decimal != ",":
        return 0.0
    return len(fitting) / len(present)


def _sniff(lines: list[str], source: Source, named: str | None = None) -> _Layout:
    """Separator and header from the first lines that are not empty."""
    separator, width, best = named or ";", 1, 0.0
    for candidate in [named] if named else SEPARATORS:
        body = _split(lines, candidate)[1:] or _split(lines, candidate)
        if candidate == " " and not all(NUMBER.match(cell) for row in body for cell in row):
            continue  # blanks separate numbers; inside texts and times they do not
        fields, count = Counter(len(row) for row in body).most_common(1)[0]
        if fields > 1 and count / len(body) > best + 0.1:
            separator, width, best = candidate, fields, count / len(body)
    first, *body = _split(lines, separator)
    first = [cell.strip() for cell in first]
    in_halves = separator == "," and width == 2 and len(first) == 1 and not _is_data(first[0], separator)
    if in_halves and all(len(row) == 2 and all(NUMBER.match(cell.strip()) for cell in row) for row in body):
        return _Layout(";", first, has_header=True)  # one column of numbers with decimal commas
    pairs = [[first, *body][i] for i in range(len(body) + 1)]
    if separator == "," and len(body) > 1 and all(len(row) == 2 and all(x.strip().isdigit() for x in row[1:])
                                                 and NUMBER.match(row[0].strip()) for row in pairs):  # fmt: skip
        fractions = [row[1].strip() for row in pairs]
        if any(len(x) > 1 and x.startswith("0") for x in fractions) and all("." not in row[0] for row in pairs):
            note = f"one column with decimal commas ({','.join(pairs[0])!r}); write a header to read two columns"
            return _Layout(";", ["column_1"], has_header=False, notes=[note])
    if any(first) and all(_is_data(cell, separator) for cell in first if cell):
        return _Layout(separator, [f"column_{i + 1}" for i in range(width)], has_header=False)
    more = width - len(first)
    if more > 0 and not any("".join(row[-more:]).strip() for row in body if len(row) == width):
        first += [""] * more  # separators end each row, but not the header
    if body and width > len(first):
        raise InputError(
            f"{source.label}: the first line has {len(first)} field{'s' * (len(first) != 1)}, the lines below have "
            f"{width}; put the header, one name per column, on the first line, or skip lines with --skip-rows"
        )
    refuse_repeats(first, source.label)
    return _Layout(separator, first, has_header=True)


def _split(lines: Sequence[str], separator: str) -> list[list[str]]:
    if separator == " ":
        return [line.split() for line in lines]
    try:
        return [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
    except csv.Error:
        return [line.split(separator) for line in lines]


def _is_data(cell: str, separator: str) -> bool:
    return bool(NUMBER.match(cell) or DATE.match(cell) or (separator != "," and COMMA_DECIMAL.match(cell)))


def _pandas_read(source: Source, layout: _Layout, encoding: str, dtype: str | None = None) -> pd.DataFrame:
    with _parser_errors(source, layout):
        frame = next(_pandas_parts(source, layout, encoding, None, dtype), None)
    return pd.DataFrame(columns=_names(layout)) if frame is None else frame


def _pandas_parts(
    source: Source, layout: _Layout, encoding: str, rows: int | None, dtype: str | None = None
) -> Iterator[pd.DataFrame]:
    """Frames of `rows` rows each, or one of all; none where there are no rows."""
    names = _names(layout)
    nameless = [c for c, name in zip(names, layout.names) if not name]
    options: dict[str, Any] = {
        "sep": r"\s+" if layout.separator == " " else layout.separator,
        "header": None,
        "skiprows": source.header_lines,
        "names": names,
        "index_col": False,
        "skipinitialspace": True,
        "na_values": [*MISSING, *layout.na],
        "dtype": dtype,
        "encoding": encoding,
        "low_memory": False,
    }
    with source.open() as file:
        frames: Iterator[pd.DataFrame] | None = None
        while True:
            with warnings.catch_warnings():  # not around the yield: the filter is everybody's
                warnings.simplefilter("error", pd.errors.ParserWarning)
                try:
                    if frames is None:
                        read = pd.read_csv(file, chunksize=rows, **options)
                        frames = iter([read] if isinstance(read, pd.DataFrame) else read)
                    frame = next(frames, None)
                except pd.errors.EmptyDataError:
                    return
            if frame is None:
                return
            frame = frame.drop(columns=[c for c in nameless if bool(frame[c].isna().all())])
            frame.index = pd.RangeIndex(len(frame))
            yield frame


def _names(layout: _Layout) -> list[str]:
    return [name or f"column_{i + 1}" for i, name in enumerate(layout.names)]


@contextlib.contextmanager
def _parser_errors(source: Source, layout: _Layout) -> Iterator[None]:
    try:
        yield
    except pd.errors.ParserWarning as error:  # pandas would drop what is beyond the header
        place = source.place(0)
        raise InputError(
            f"{place} has more fields than the header, which has {len(layout.names)}; correct the line"
        ) from error
    except pd.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found is None:
            raise InputError(f"{source.label} is not a readable table ({first_line(str(error))})") from error
        fields, line, saw = found.groups()
        raise InputError(
            f"{source.label}: line {line} has {saw} fields, the others have {fields}; correct the line"
        ) from error
    except MemoryError as error:
        raise InputError(f"{source.label} does not fit into memory; read it in parts") from error
