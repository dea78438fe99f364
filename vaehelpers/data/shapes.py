"""What surrounds the table in a file: lines before the header, units under it, sums and empty rows below."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pandas as pd

from vaehelpers.data.numbers import coerce_numbers

_SEP = re.compile(r"^\ufeff?\"?sep=(.)\"?[;,\t]*\s*$", re.IGNORECASE)
_ANNOTATION = re.compile(r"^\"?#(group|datatype|default)\b", re.IGNORECASE)
_UNIT = re.compile(r"^[\[(]?[A-Za-zµμ°%Ω€$/·*^²³0-9 .-]{0,14}[\])]?$")
_SUM = re.compile(
    r"^(grand )?(total|sum|summe|gesamt|average|mean|mittelwert|min|max|minimum|maximum|somme|totale?)\b:?.{0,12}$",
    re.I,
)
_INFLUX = ("result", "table", "_start", "_stop", "_measurement")
MOST_PREAMBLE = 30


def leading_lines(lines: Sequence[str], skip: int) -> tuple[int, str | None, list[str]]:
    """Lines of a file before its header that say nothing about the rows.

    Parameters
    ----------
    lines : sequence of str
        From the start of the file.
    skip : int
        Lines that the caller wants skipped.

    Returns
    -------
    first : int
        Number (from 0) of the first line that belongs to the table.
    separator : str or None
        That a line ``sep=;`` names.
    notes : list of str

    Examples
    --------
    >>> leading_lines(["sep=;", "# from the logger", "time;flow", "1;2"], 0)[:2]
    (2, ';')
    >>> leading_lines(["#time,flow", "1,2"], 0)[0]
    0
    """
    first, separator, notes, comments = min(skip, len(lines)), None, [], 0
    while first < len(lines):
        line = lines[first].strip().removeprefix("\ufeff")
        named = _SEP.match(line)
        if named:
            separator = named.group(1)
        elif line.startswith(("#", '"#')):
            below = next((x for x in lines[first + 1 :] if x.strip()), "")
            alike = any(line.count(s) == below.count(s) > 0 for s in ",;\t")
            if not _ANNOTATION.match(line) and (alike or not below) and not below.startswith("#"):
                break  # a header that begins with a hash
            comments += 1
        elif line:
            break
        first += 1
    if comments:
        notes.append(f"{comments} line{'s' * (comments > 1)} starting with '#' before the header left out")
    return first, separator, notes


def preamble(rows: Sequence[Sequence[str]], width: int, is_data: Callable[[str], bool]) -> int:
    """Rows above the header: how many of the first rows have fewer fields than the table that follows.

    Returns
    -------
    int
        0 where the first row may be the header, or where none below could be.
    """

    def filled(row: Sequence[str]) -> int:
        return len(row) if len(row) == width and all(cell.strip() for cell in row[:-1]) else 0

    if width < 2 or not rows or len([cell for cell in rows[0] if cell.strip()]) >= width - 1 > 1 or filled(rows[0]):
        return 0
    for number, row in enumerate(rows[:MOST_PREAMBLE]):
        if filled(row):
            return number if not any(is_data(cell.strip()) for cell in row if cell.strip()) else 0
    return 0


def units_of(rows: Sequence[Sequence[str]], is_data: Callable[[str], bool]) -> list[str] | None:
    """Units that stand in the first row under the header; None where it is a row like the others.

    Examples
    --------
    >>> units_of([["", "kW"], ["2024-01-01", "1.5"], ["2024-01-02", "1.7"]], lambda cell: cell[:1].isdigit())
    ['', 'kW']
    """
    if len(rows) < 3:
        return None
    first, *rest = [[cell.strip() for cell in row] for row in rows]
    if not any(first) or any(is_data(cell) or not _UNIT.match(cell) for cell in first if cell):
        return None
    below = [row for row in rest if len(row) == len(first)][:10]
    if not below:
        return None
    data = [sum(is_data(row[j]) for row in below) > len(below) / 2 for j in range(len(first))]
    named = [cell for cell, good in zip(first, data) if good and cell]
    missing = {"nan", "na", "n/a", "null", "none", "-", "--", "?", "err", "error", "bad", "fail", "inf"}
    if not named or any(cell.lower() in missing for cell in named):
        return None
    if not data[0] and first[0] and not _SUM.match(first[0]) and any(row[0] == first[0] for row in below):
        return None  # a text column whose cells repeat: a row of its own with a bad cell
    return [cell.strip("[]() ") if good else "" for cell, good in zip(first, data)]


def tidy(frame: pd.DataFrame, last: bool = True) -> tuple[pd.DataFrame, list[str]]:
    """Leave out empty rows, a row of sums at the end, and the bookkeeping columns of InfluxDB.

    Parameters
    ----------
    frame : DataFrame
    last : bool, default True
        Whether the end of the table is the end of the file.

    Returns
    -------
    frame : DataFrame
        With the row numbers of the file as its index.
    notes : list of str
    """
    notes = []
    if len(frame) and frame.iloc[:, 0].isna().any():
        empty = frame.isna().all(axis=1)
        if empty.any() and not empty.all():
            many = int(empty.sum())
            notes.append(f"{many:,} empty row{'s' * (many > 1)} left out")
            frame = frame[~empty]
    if last and len(frame) > 3:
        ends = 0
        for row in range(len(frame) - 1, max(len(frame) - 5, 2), -1):
            cell = next((str(c).strip() for c in frame.iloc[row] if isinstance(c, str) and c.strip()), "")
            if not _SUM.match(cell) or any(_SUM.match(str(c).strip()) for c in frame.iloc[:3, 0]):
                break
            ends += 1
        if ends:
            cell = next(str(c) for c in frame.iloc[-ends] if isinstance(c, str) and c.strip())
            notes.append(
                f"the last {'row' if ends == 1 else f'{ends} rows'} ({cell!r}) left out, as a sum of the others"
            )
            frame = frame.iloc[:-ends]
            for column in frame.columns:  # the word made a column of numbers text
                numbers = coerce_numbers(frame[column])
                if numbers.notna().eq(frame[column].notna()).all():
                    frame = frame.assign(**{column: numbers})
    if {"_time", "_value"} <= set(frame.columns):
        dropped = [
            c for c in frame.columns if c in _INFLUX and (c != "_measurement" or (frame[c] == frame[c].iloc[0]).all())
        ]
        if dropped:
            notes.append(f"InfluxDB's columns {', '.join(dropped)} left out")
            frame = frame.drop(columns=dropped)
    return frame, notes
