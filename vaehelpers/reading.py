"""Tables to `Series`: which columns are time, values and label, and checks that nothing is misread in silence."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.errors import InputError
from vaehelpers.series import Series, Times, format_step, to_nanoseconds
from vaehelpers.tables import (
    COMMA_DECIMAL,
    COMMA_THOUSANDS,
    DATE,
    MISSING,
    Source,
    Table,
    read_table,
    read_table_parts,
    refuse_repeats,
)

__all__ = ["describe", "frame_to_series", "read_series", "read_series_parts"]

YEAR_FIRST = "year first"
NO_TIMES = "none"
"""``time="none"`` reads a table without times, whatever its columns are called."""

SAMPLE = 50
LABEL_NAMES = ("label", "labels", "is_anomaly", "anomaly", "is_outlier")
TIME_NAMES = ("time", "timestamp", "datetime", "date", "ts", "epoch", "unixtime", "unix_time", "time_s", "time_ms")

_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?$")
_ZONE = r":\d{2}(?:[.,]\d+)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"
_POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+$")


def read_series(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    time: str | None = None,
    values: str | Sequence[str] | None = None,
    label: str | None = None,
    name: str | None = None,
    allow_constant: bool = False,
) -> Series:
    """Read a series from a CSV or Parquet file, from standard input, or from a DataFrame.

    Separator (comma, semicolon, tab, bar, blanks), decimal comma, encoding, compression (gz, bz2, xz) and the order of
    day and month are found out; each choice that could be wrong is told in `Series.notes`.

    Parameters
    ----------
    source : str, path-like or DataFrame
        A file, ``"-"`` for standard input, or a table.
    time : str, optional
        Column with the times: dates, or numbers (kept as numbers). Default: the DatetimeIndex of a table, else the
        first column that holds dates, else a column of numbers called like a time (time, timestamp, ts, ...), else row
        numbers. ``"none"``: row numbers.
    values : str or sequence of str, optional
        Columns with the values. Default: every column of numbers other than time and label.
    label : str, optional
        Column with 0 (normal) and 1 (anomalous). Default: a column called label, is_anomaly or the like, if it holds
        nothing but 0 and 1.
    name : str, optional
        Default: the file's name without ending.
    allow_constant : bool, default False
        Accept a series that never changes: right for scoring new data (a stuck sensor), useless for training.

    Returns
    -------
    Series
        Missing values are NaN; times with a zone are converted to UTC.

    Raises
    ------
    InputError
        One line with the place in the file and the way out: file missing, empty, of one endless line, not readable as
        CSV or Parquet; header with repeated names; column absent; no column of numbers; text or infinite values among
        the numbers; all values missing, or constant; times that cannot be read, do not increase, or are in mixed
        zones; labels other than 0 and 1.

    Notes
    -----
    Times must increase, with one exception: a wall clock set back by an hour in autumn repeats that hour. Such rows are
    kept in order, as they are, and noted. The rule for gaps is at `Series.gap_limit`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pump.csv"
    >>> _ = path.write_text("Zeit;Druck\\n01.02.2024 00:00;3,5\\n01.02.2024 00:15;\\n01.02.2024 00:30;3,75\\n")
    >>> series = read_series(path)
    >>> series
    <Series 'pump': 3 rows x 1 (Druck), every 15 min, 2024-02-01 00:00:00 to 2024-02-01 00:30:00, 1 missing>
    >>> for note in series.notes:
    ...     print(note)
    'Zeit' is read day first (2024-02-01 00:00:00 is row 1)
    decimal commas: '3,5' is read as 3.5
    1 of 3 values is missing (33.3 %)
    """
    if isinstance(source, pd.DataFrame):
        return frame_to_series(
            source, time=time, values=values, label=label, name=name or "series", allow_constant=allow_constant
        )
    table = read_table(source)
    return _table_to_series(table, time, values, label, name or table.source.stem, allow_constant)


def read_series_parts(
    source: str | os.PathLike[str],
    *,
    rows: int,
    time: str | None = None,
    values: str | Sequence[str] | None = None,
    label: str | None = None,
    known: Sequence[str] = (),
) -> Iterator[Series]:
    """Read a series from a CSV or Parquet file part by part, for files that do not fit into memory.

    Which column holds what, and the order of day and month, are found out from the first part and hold for all.

    Parameters
    ----------
    source : str or path-like
        A file, compressed or not.
    rows : int
        Rows of a part; the last may be shorter.
    time, values, label
        As in `read_series`.
    known : sequence of str, optional
        Columns to take where `values` names none and the file has all of these.

    Yields
    ------
    Series
        Without labels. A series that never changes, and parts without any value, are accepted. `notes` of the first
        one tell what is true of the file.

    Raises
    ------
    InputError
        As `read_series`, and where a later part cannot be read as the first one was.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pump.csv"
    >>> _ = path.write_text("Zeit;Druck\\n01.02.2024 00:00;3,5\\n01.02.2024 00:15;\\n01.02.2024 00:30;3,75\\n")
    >>> [part.values.ravel().tolist() for part in read_series_parts(path, rows=2)]
    [[3.5, nan], [3.75]]
    """
    if rows < 1:
        raise InputError(f"rows={rows} must be at least 1")
    wanted = None if values is None else [values] if isinstance(values, str) else list(values)
    columns: list[str] = []
    time_column, clock, order, behind = None, None, None, None
    for number, table in enumerate(read_table_parts(source, rows)):
        if not number:
            if wanted is None and known and set(known) <= set(table.frame.columns):
                wanted = list(known)
            _check_named(table, None if time == NO_TIMES else time, wanted, label)
            taken = set(wanted or ()) | {label}
            time_column, axis, clock = _find_times(table, time, taken)
            label_column = label or _find_label(table.frame, taken | {time_column})
            rest = [c for c in table.frame.columns if c not in {time_column, label_column, clock}]
            found = _read_values(table, wanted, rest)
            columns = wanted or [c for c, x in found.items() if not np.isnan(x).all()] or list(found)
        else:
            table.date_order = order
            axis = None if time_column is None else _parse_times(table, time_column, clock)
            found = _read_values(table, columns, [])
        _refuse_thousands(table)
        order = table.date_order or order
        if axis is not None:
            assert time_column is not None
            behind = _check_follows(table, time_column, axis, behind)
        for column in columns:
            _refuse_wild(table, column, found[column])
        yield Series(
            values=np.stack([found[column] for column in columns], axis=1),
            times=axis,
            name=table.source.stem,
            columns=tuple(columns),
            time_name=time_column,
            notes=tuple(table.notes) if not number else (),
        )


def _refuse_thousands(table: Table) -> None:
    """Separators between thousands are told by all cells of a column; a part does not hold them all."""
    for note in table.notes:
        if "between thousands: " in note:
            raise InputError(
                f"{table.source.place(0)} and below: {note}; in a file that is read in parts write numbers without them"
            )


def _check_follows(table: Table, column: str, axis: Times, behind: Times | None) -> Times:
    """Check that times increase, from the part before on too; return the end of this part for the next one."""
    joined: Times
    if behind is None:
        joined = axis
    elif isinstance(behind, pd.DatetimeIndex) and isinstance(axis, pd.DatetimeIndex) and behind.tz == axis.tz:
        joined = pd.DatetimeIndex(behind.append(axis))
    elif isinstance(behind, np.ndarray) and isinstance(axis, np.ndarray):
        joined = np.concatenate([behind, axis])
    else:
        raise InputError(
            f"{table.source.place(0)}: the times in column {column!r} are of another kind than those before; write "
            "all alike"
        )
    _check_increasing(table, column, joined, ahead=len(joined) - len(axis))
    return axis[-8:]


def frame_to_series(
    frame: pd.DataFrame,
    *,
    time: str | None = None,
    values: str | Sequence[str] | None = None,
    label: str | None = None,
    name: str = "series",
    allow_constant: bool = False,
) -> Series:
    """Make a series of a DataFrame by the rules of `read_series`.

    Parameters
    ----------
    frame : DataFrame
    time, values, label, name
        As in `read_series`.
    allow_constant : bool, default False
        Take a series whose values never change.

    Returns
    -------
    Series

    Raises
    ------
    InputError
        As `read_series`.

    Examples
    --------
    >>> frame_to_series(pd.DataFrame({"t": [0.0, 0.5, 1.0], "flow": [3, 4, 3]}), time="t").times
    array([0. , 0.5, 1. ])
    """
    frame = frame.copy(deep=False)
    if isinstance(frame.index, pd.MultiIndex) or isinstance(frame.columns, pd.MultiIndex):
        raise InputError("the table has several index levels; call reset_index() or choose one series first")
    frame.columns = pd.Index([str(column) for column in frame.columns])
    if isinstance(frame.index, pd.DatetimeIndex) and time != NO_TIMES and time not in frame.columns:
        index_name = str(frame.index.name or "time")
        if time in (None, index_name) and index_name not in frame.columns:
            frame.insert(0, index_name, frame.index)
            time = index_name
    frame = frame.reset_index(drop=True)
    refuse_repeats(list(frame.columns), "the table")
    return _table_to_series(Table(frame, Source(None, "the table")), time, values, label, name, allow_constant)


def _table_to_series(
    table: Table,
    time: str | None,
    values: str | Sequence[str] | None,
    label: str | None,
    name: str,
    allow_constant: bool,
) -> Series:
    frame, notes = table.frame, table.notes
    wanted = None if values is None else [values] if isinstance(values, str) else list(values)
    _check_named(table, None if time == NO_TIMES and NO_TIMES not in frame.columns else time, wanted, label)

    taken = set(wanted or ()) | {label}
    time_column, axis, clock = _find_times(table, time, taken)
    label_column = label
    if label is None:
        label_column = _find_label(frame, taken | {time_column})
        if label_column is not None:
            notes.append(f"column {label_column!r} holds 0 and 1 and is read as the label")
    labels = None if label_column is None else _read_labels(table, label_column)

    rest = [c for c in frame.columns if c not in {time_column, label_column, clock}]
    numbers = _check_values(table, _read_values(table, wanted, rest), named=wanted is not None)
    _check_constant(table, numbers, allow_constant=allow_constant)
    series = Series(
        values=np.stack(list(numbers.values()), axis=1),
        times=axis,
        labels=labels,
        name=name,
        columns=tuple(numbers),
        time_name=time_column,
    )
    return replace(series, notes=(*notes, *describe(series)))


def _check_named(table: Table, time: str | None, wanted: list[str] | None, label: str | None) -> None:
    if wanted is not None and not wanted:
        raise InputError("no value column is named; name one, or leave values out for all columns of numbers")
    named = [column for column in (time, label, *(wanted or ())) if column is not None]
    for column in named:
        _require(table.frame, column, table.source)
    for column in named:
        if named.count(column) > 1:
            raise InputError(f"column {column!r} is named for two purposes; name it once")


def _require(frame: pd.DataFrame, column: str, source: Source) -> None:
    if column in frame.columns:
        return
    names = [str(c) for c in frame.columns]
    by_lower = {c.lower(): c for c in names}
    close = difflib.get_close_matches(column.lower(), list(by_lower), n=1)
    hint = f"; did you mean {by_lower[close[0]]!r}?" if close else ""
    shown = ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
    raise InputError(f"{source.label} has no column {column!r}; it has: {shown}{hint}")


# Times


def _find_times(table: Table, time: str | None, taken: set[str | None]) -> tuple[str | None, Times | None, str | None]:
    """Name of the time column, the parsed times, and the name of a second column that held the time of day."""
    frame = table.frame
    if time == NO_TIMES and NO_TIMES not in frame.columns:
        return None, None, None
    column = time
    if column is None:
        free = [c for c in frame.columns if c not in taken]
        column = next((c for c in free if _holds_dates(frame[c])), None)
        if column is None:
            called = [c for c in free if c.strip().lower() in TIME_NAMES and _holds_numbers(table, c)]
            column = called[0] if called else None
            if column is not None:
                table.notes.append(f"column {column!r} holds numbers and is read as the time axis")
    if column is None:
        return None, None, None
    clock = _find_clock(frame, column, taken)
    axis = _parse_times(table, column, clock)
    _check_increasing(table, column, axis)
    return column, axis, clock


def _is_text(column: pd.Series) -> bool:
    return bool(column.dtype == object or isinstance(column.dtype, pd.StringDtype))


def _cells(column: pd.Series, n: int | None = None) -> list[str]:
    """The first n cells that are not missing, as stripped text."""
    present = column.dropna()
    return [str(cell).strip() for cell in (present if n is None else present.iloc[:n])]


def _holds_dates(column: pd.Series) -> bool:
    if column.dtype.kind == "M":
        return True
    sample = _cells(column, SAMPLE) if _is_text(column) else []
    return bool(sample) and sum(bool(DATE.match(cell)) for cell in sample) > len(sample) / 2


def _holds_numbers(table: Table, column: str) -> bool:
    cells = table.frame[column]
    if not _is_text(cells):
        return cells.dtype.kind in "iuf"
    return not any(DATE.match(cell) for cell in _cells(cells, 3)) and bool(_parse_numbers(cells, table)[1].all())


def _find_clock(frame: pd.DataFrame, column: str, taken: set[str | None]) -> str | None:
    """Column with the time of day, where the time column holds days alone, each several times."""
    days = frame[column]
    if not _is_text(days) or not days.head(1000).duplicated().any() or any(":" in cell for cell in _cells(days, 20)):
        return None
    for other in frame.columns:
        if other != column and other not in taken and _is_text(frame[other]):
            sample = _cells(frame[other], 20)
            if sample and all(_CLOCK.match(cell) for cell in sample):
                return str(other)
    return None


def _parse_times(table: Table, column: str, clock: str | None) -> Times:
    cells, source = table.frame[column], table.source
    absent = cells.isna()
    if absent.any():
        row = int(np.argmax(absent.to_numpy()))
        raise InputError(
            f"{source.place(row)}: the time in column {column!r} is missing; fill it in, or remove the row"
        )
    if cells.dtype.kind == "M":
        return _index(cells)
    if clock is None and _holds_numbers(table, column):
        return _parse_numeric_times(table, column)
    if not _is_text(cells):
        raise InputError(f"column {column!r} of {source.label} holds {cells.dtype}, not times; choose another column")
    texts = cells.astype("str").str.strip()
    if clock is not None:
        texts = texts + " " + table.frame[clock].astype("str").str.strip()
        table.notes.append(f"times are column {column!r} with the time of day from column {clock!r}")
    try:
        # raises on a mixture of zones, and on any other format
        index = _index(pd.to_datetime(texts, format="ISO8601"))
        table.date_order = table.date_order or YEAR_FIRST
        return index
    except InputError:
        raise
    except (ValueError, OverflowError):
        return _parse_dates(table, column, texts, zoned=_check_zones(table, column, texts))


def _index(times: pd.Series) -> pd.DatetimeIndex:
    """As an index of nanoseconds, UTC where there is a zone."""
    index = pd.DatetimeIndex(times, name=None)
    if index.tz is not None:
        index = index.tz_convert("UTC")
    return to_nanoseconds(index)


def _parse_numeric_times(table: Table, column: str) -> Times:
    cells = table.frame[column]
    axis = cells.to_numpy() if cells.dtype.kind in "iuf" else _parse_numbers(cells, table)[0]
    if not np.isfinite(axis).all():
        row = int(np.argmin(np.isfinite(axis)))
        raise InputError(f"{table.source.place(row)}: the time in column {column!r} is infinite; correct it")
    if np.all((axis >= 19_000_101) & (axis <= 21_001_231) & (axis % 1 == 0)) and "date" in column.lower():
        days = pd.to_datetime(pd.Series(axis.astype(np.int64).astype(str)), format="%Y%m%d", errors="coerce")
        if not days.isna().any():
            return _index(days)
    return axis


def _check_zones(table: Table, column: str, texts: pd.Series) -> bool:
    """Whether the times carry offsets. Refuse offsets on some rows only, and offsets that are no summer time."""
    zones = texts.str.extract(_ZONE, expand=False)
    if zones.isna().all():
        return False
    seen = pd.unique(zones.dropna())
    if zones.isna().any():
        with_zone, without = int(np.argmax(zones.notna().to_numpy())), int(np.argmax(zones.isna().to_numpy()))
        raise InputError(
            f"{table.source.place(max(with_zone, without))}: the times in column {column!r} are in mixed zones "
            f"({texts.iloc[without]!r} has none, {texts.iloc[with_zone]!r} has one); write all with an offset, or none"
        )
    offsets = {zone: _offset_minutes(zone) for zone in seen}
    distinct = sorted(set(offsets.values()))
    if len(distinct) == 1:
        return True
    if len(distinct) == 2 and distinct[1] - distinct[0] == 60:
        table.notes.append(f"summer time: offsets {seen[0]} and {seen[1]} occur; times are converted to UTC")
        return True
    row = int(np.argmax((zones != zones.iloc[0]).to_numpy()))
    raise InputError(
        f"{table.source.place(row)}: the times in column {column!r} are in mixed zones "
        f"({', '.join(str(zone) for zone in seen[:4])}); write all in one zone, best UTC"
    )


def _offset_minutes(zone: str) -> int:
    if zone in ("Z", "UTC", "GMT"):
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if zone[0] == "-" else minutes


def _parse_dates(table: Table, column: str, texts: pd.Series, zoned: bool) -> pd.DatetimeIndex:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        iso = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=zoned)
        if not iso.isna().any():
            table.date_order = table.date_order or YEAR_FIRST
            return _index(iso)
        candidates = {"day first": pd.to_datetime(texts, errors="coerce", utc=zoned, dayfirst=True)}
        if "." not in texts.iloc[0][:4]:  # no country that writes 01.02.2024 means the second of January
            candidates["month first"] = pd.to_datetime(texts, errors="coerce", utc=zoned)
    if table.date_order is not None:  # known from the part before
        candidates = {order: times for order, times in candidates.items() if order == table.date_order}
    readable = {order: times for order, times in candidates.items() if not times.isna().any()}
    if not readable:
        best = min([iso, *candidates.values()], key=lambda times: int(times.isna().sum()))
        row = int(np.argmax(best.isna().to_numpy()))
        if best.isna().all():
            raise InputError(
                f"{table.source.place(row)}: column {column!r} holds {texts.iloc[row][:40]!r}, which is not a time; "
                f"write times as 2024-01-31 13:45:00, or read without times (time={NO_TIMES})"
            )
        raise InputError(
            f"{table.source.place(row)}: {texts.iloc[row][:40]!r} in column {column!r} is not a time like those before "
            f"it; correct it"
        )
    order, times = min(readable.items(), key=lambda item: (_unevenness(item[1]), item[0] == "day first"))
    if len(readable) == 2 and all(times.equals(other) for other in readable.values()):
        return _index(times)  # the month is a name, or the same either way
    table.date_order = order
    table.notes.append(f"{column!r} is read {order} ({times.iloc[0]} is row 1)")
    return _index(times)


def _unevenness(times: pd.Series) -> float:
    """How uneven the steps are: infinite where times go back, 1 where all are alike."""
    steps = np.diff(_index(times).asi8)
    if not len(steps):
        return 1.0
    return float("inf") if steps.min() <= 0 else float(steps.max() / np.median(steps))


def _check_increasing(table: Table, column: str, axis: Times, ahead: int = 0) -> None:
    """Refuse times that do not increase. The first `ahead` of them stand in front of the table's own."""
    if isinstance(axis, pd.DatetimeIndex):
        steps, is_wall_clock = np.diff(axis.asi8), axis.tz is None
    else:
        steps, is_wall_clock = np.diff(axis.astype(np.float64)), False
    bad = np.flatnonzero(steps <= 0) + 1
    if not len(bad):
        return
    if is_wall_clock and _clock_set_back(steps, bad):
        row = int(bad[0])
        place = table.source.place(row - ahead).split(": ")[-1]
        table.notes.append(
            f"the clock was set back an hour before {place} ({axis[row - 1]} is followed by "
            f"{axis[row]}): rows are kept in order"
        )
        return
    row = int(bad[0])
    before, now = str(axis[row - 1]), str(axis[row])
    if steps[row - 1] == 0:
        what = f"the time {now} in column {column!r} is there twice"
        way_out = "keep one row per time"
    else:
        what = f"times do not increase in column {column!r}: {before} is followed by {now}"
        way_out = "sort the rows by time"
    more = f" ({len(bad):,} such rows)" if len(bad) > 1 else ""
    raise InputError(
        f"{table.source.place(row - ahead)}: {what}{more}; {way_out}, or read them in order without times "
        f"(time={NO_TIMES})"
    )


def _clock_set_back(steps: NDArray[np.int64], bad: NDArray[np.int64]) -> bool:
    """Whether each step back is a wall clock set back by one hour: a run of usual steps, one of an hour less, a run."""
    usual = float(np.median(steps))
    hour = 3.6e12
    if not 0 < usual <= hour / 2 or len(bad) > 2 + len(steps) * usual / (hour * 24 * 180):
        return False
    for row in bad:
        around = np.r_[steps[max(0, row - 4) : row - 1], steps[row : row + 3]]
        if abs(steps[row - 1] + hour - usual) > usual / 2 or np.any(np.abs(around - usual) > usual / 2):
            return False
    return True


# Labels and values


def _find_label(frame: pd.DataFrame, taken: set[str | None]) -> str | None:
    for column in frame.columns:
        if column not in taken and column.strip().lower() in LABEL_NAMES:
            numbers = pd.to_numeric(frame[column], errors="coerce")
            if numbers.isin([0, 1]).all():
                return str(column)
    return None


def _read_labels(table: Table, column: str) -> NDArray[np.int8]:
    cells = table.frame[column]
    if _is_text(cells):
        cells = cells.replace({"True": "1", "true": "1", "TRUE": "1", "False": "0", "false": "0", "FALSE": "0"})
    numbers = pd.to_numeric(cells, errors="coerce")
    good = numbers.isin([0, 1]).to_numpy(bool)
    if not good.all():
        row = int(np.argmin(good))
        value = table.frame[column].iloc[row]
        shown = "empty" if pd.isna(value) else repr(str(value)[:40])
        raise InputError(
            f"{table.source.place(row)}: label column {column!r} is {shown}; labels are 0 (normal) or 1 (anomalous)"
        )
    return numbers.to_numpy(dtype=np.int8)


def _read_values(table: Table, wanted: list[str] | None, rest: list[str]) -> dict[str, NDArray[np.float64]]:
    """The columns of numbers: those named, or all that hold numbers, as float64 with NaN = missing."""
    frame, source, notes = table.frame, table.source, table.notes
    numbers: dict[str, NDArray[np.float64]] = {}
    left_out: list[str] = []
    remarks: dict[str, str] = {}
    for column in rest if wanted is None else wanted:
        cells = frame[column]
        if cells.dtype.kind == "c":
            raise InputError(f"column {column!r} holds complex numbers; give magnitude and phase as two columns")
        if cells.dtype.kind in ("iuf" if wanted is None else "iufb"):
            numbers[column] = cells.to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        parsed, good, remark = _parse_numbers(cells, table) if _is_text(cells) else (None, np.zeros(1, bool), None)
        if wanted is None and good.mean() <= 0.5:
            left_out.append(column)
            continue
        if not good.all() or parsed is None:
            row = int(np.argmin(good))
            raise InputError(
                f"{source.place(row)}: {str(cells.iloc[row])[:40]!r} in column {column!r} is not a number; correct it, "
                f"or leave the cell empty where the value is missing"
            )
        numbers[column] = parsed
        if remark is not None:
            remarks.setdefault(remark.split(":")[0], remark)  # one example of each kind will do
    notes += remarks.values()
    if wanted is None and len(numbers) > 1:
        first = next(iter(numbers))
        if first in ("column_1", "index", "Unnamed: 0") and _counts(numbers[first]):
            del numbers[first]
            notes.append(f"column {first!r} numbers the rows and is left out")
    if not numbers:
        shown = ", ".join(f"{c} ({_type_name(frame[c])})" for c in list(frame.columns)[:20])
        raise InputError(f"{source.label} has no column of numbers to analyse; its columns: {shown}")
    if left_out:
        shown = ", ".join(repr(c) for c in left_out[:10]) + (" ..." if len(left_out) > 10 else "")
        notes.append(f"left out, as not numeric: {shown}")
    return numbers


def _counts(numbers: NDArray[np.float64]) -> bool:
    return len(numbers) > 2 and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all())


def _type_name(cells: pd.Series) -> str:
    if _holds_dates(cells):
        return "times"
    return "text" if _is_text(cells) else "numbers" if cells.dtype.kind in "iufb" else str(cells.dtype)


def _parse_numbers(cells: pd.Series, table: Table) -> tuple[NDArray[np.float64], NDArray[np.bool_], str | None]:
    """Text to numbers: the numbers, True where a cell is a number or missing, and a remark on commas and points."""
    if cells.dtype == object and not all(isinstance(cell, str) for cell in cells.dropna()):
        numbers = pd.to_numeric(cells, errors="coerce")  # Decimal and mixed objects of typed tables
        return numbers.to_numpy(np.float64, na_value=np.nan), (numbers.notna() | cells.isna()).to_numpy(bool), None
    texts = cells.astype("str").str.strip()
    absent = cells.isna() | texts.isin(["", "nan", "NaN", *MISSING])
    plain, fits, remark = texts, None, ""
    if not table.decimal_commas:
        has_comma = texts.str.contains(",", regex=False) & ~absent
        if has_comma.any() and texts[has_comma].str.match(COMMA_THOUSANDS.pattern).all():
            plain, fits, remark = texts.str.replace(",", ""), has_comma, "commas between thousands"
    elif texts.str.contains(",", regex=False).any():
        fits = texts.str.match(COMMA_DECIMAL.pattern)  # here a point can only stand between thousands
        plain = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False).where(fits | absent, "no")
        remark = "decimal commas"
    else:
        has_point = texts.str.contains(".", regex=False) & ~absent
        if has_point.any() and texts[has_point].str.match(_POINT_THOUSANDS.pattern).all():
            plain, fits, remark = texts.str.replace(".", "", regex=False), has_point, "points between thousands"
    numbers = pd.to_numeric(plain.mask(absent), errors="coerce")
    good = (numbers.notna() | absent).to_numpy(bool)
    said = None
    if fits is not None:
        changed = (fits & texts.str.contains("[.,]") & ~absent).to_numpy(bool)
        if changed.any():
            row = int(np.argmax(changed))
            said = f"{remark}: {texts.iloc[row]!r} is read as {numbers.iloc[row]:.10g}"
    return numbers.to_numpy(np.float64, na_value=np.nan), good, said


def _check_values(
    table: Table, numbers: dict[str, NDArray[np.float64]], *, named: bool
) -> dict[str, NDArray[np.float64]]:
    """Refuse what float32 cannot hold; leave out columns without any value."""
    source, notes = table.source, table.notes
    kept = {}
    for column, x in numbers.items():
        _refuse_wild(table, column, x)
        present = x[~np.isnan(x)]
        if not len(present):
            continue
        kept[column] = x
        low, high = float(present.min()), float(present.max())
        if low < high and np.float32(low) == np.float32(high):
            raise InputError(
                f"{source.label}: column {column!r} varies by {high - low:g} around {low:.10g}, finer than float32 "
                f"resolves (7 digits); subtract an offset first"
            )
        if low < high and np.spacing(np.float32(max(-low, high))) > 0.01 * present.std():
            notes.append(f"column {column!r} varies little around {low:g}: float32 keeps 7 digits; subtract an offset")
    empty = [c for c in numbers if c not in kept]
    shown = ", ".join(repr(c) for c in empty[:10])
    if empty and (named or not kept):
        columns, others = ("columns", "others") if len(empty) > 1 else ("column", "another column")
        raise InputError(
            f"{source.label}: all {len(table.frame):,} values of {columns} {shown} are missing; choose {others}"
        )
    if empty:
        notes.append(f"left out, as all values are missing: {shown}")
    return kept


def _refuse_wild(table: Table, column: str, x: NDArray[np.float64]) -> None:
    wild = np.abs(x) > np.finfo(np.float32).max
    if wild.any():
        row = int(np.argmax(wild))
        what = "infinite" if np.isinf(x[row]) else f"{x[row]:g}, beyond float32 (3.4e38)"
        raise InputError(
            f"{table.source.place(row)}: the value in column {column!r} is {what}; correct it, or leave the cell empty"
        )


def _check_constant(table: Table, numbers: dict[str, NDArray[np.float64]], *, allow_constant: bool) -> None:
    remarks = []
    for column, x in numbers.items():
        present = x[~np.isnan(x)]
        if len(present) > 1 and (present == present[0]).all():
            remarks.append(f"column {column!r} is constant ({present[0]:g} in all {len(present):,} rows)")
    if remarks and len(remarks) == len(numbers) and not allow_constant:
        raise InputError(f"{table.source.label}: {remarks[0]}: there is nothing to learn; choose another column")
    table.notes += remarks


def describe(series: Series) -> list[str]:
    """Return notes on missing values, sampling and gaps, for `Series.notes`.

    Parameters
    ----------
    series : Series

    Returns
    -------
    list of str

    Examples
    --------
    >>> describe(Series(np.array([[1.0], [np.nan], [3.0], [4.0]])))
    ['1 of 4 values is missing (25.0 %)']
    """
    notes = []
    n_missing, size = int(np.isnan(series.values).sum()), series.values.size
    if n_missing:
        are = "is" if n_missing == 1 else "are"
        notes.append(f"{n_missing:,} of {size:,} values {are} missing ({n_missing / size:.1%})".replace("%", " %"))
    if series.is_irregular and series.step is not None and series.gap_limit is not None:
        notes.append(
            f"sampling is irregular (usually every {format_step(series.step)}): only intervals over "
            f"{format_step(series.gap_limit)} count as gaps"
        )
    if len(series.gaps) and series.times is not None:
        lengths = [series.times[i] - series.times[i - 1] for i in series.gaps]
        longest = int(np.argmax(lengths))
        start = series.times[series.gaps[longest] - 1]
        many = len(lengths) > 1
        notes.append(
            f"{len(lengths):,} gap{'s' * many} in the times, {'the longest' if many else 'of'} "
            f"{format_step(lengths[longest])} after {start}"
        )
    return notes
