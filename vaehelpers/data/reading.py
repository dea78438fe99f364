"""Tables to `Series`: which columns are time, values and label, and checks that nothing is misread in silence."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.data.cells import _is_text, _parse_numbers
from vaehelpers.data.choices import AS_FOUND, Choices
from vaehelpers.data.numbers import coerce_numbers
from vaehelpers.data.order import pick_group, refuse_mixture, steps_of
from vaehelpers.data.series import Series, Times, format_step
from vaehelpers.data.sources import Source, Table, refuse_repeats
from vaehelpers.data.tables import read_table, read_table_parts
from vaehelpers.data.times import NO_TIMES, _check_increasing, _find_times, _holds_dates, _parse_times, settle_order

COUNTER_NAMES = ("id", "index", "no", "nr", "row", "seq", "n", "#", "lfd", "count", "counter")
LABEL_NAMES = ("label", "labels", "is_anomaly", "anomaly", "is_outlier")


def read_series(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    time: str | None = None,
    values: str | Sequence[str] | None = None,
    label: str | None = None,
    name: str | None = None,
    allow_constant: bool = False,
    skip_rows: int = 0,
    na: Sequence[str] = (),
    tz: str | None = None,
    exclude: Sequence[str] = (),
    train_until: str | None = None,
    sort: bool = False,
    duplicates: str | None = None,
    by: str | None = None,
    decimal: str | None = None,
) -> Series:
    """Read a series from a CSV or Parquet file, from standard input, or from a DataFrame.

    Separator (comma, semicolon, tab, bar, blanks), decimal comma, encoding, compression (gz, bz2, xz, a zip with one
    member) and the order of day and month are found out; each choice that could be wrong is told in `Series.notes`.
    Also read: JSON lines, exports of InfluxDB, Grafana and Prometheus, and Excel workbooks (with the extra ``excel``).

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
    skip_rows, na, tz, exclude, train_until, sort, duplicates, by, decimal
        See `vaehelpers.data.choices.Choices`.

    Returns
    -------
    Series
        Missing values are NaN; times with a zone are converted to UTC, or to `tz` where it is given.

    Raises
    ------
    InputError
        One line with the place in the file and the way out: file missing, empty, of one endless line, not readable as
        CSV or Parquet; header with repeated names; column absent; no column of numbers; text or infinite values among
        the numbers; all values missing, or constant; times that cannot be read, do not increase, or are in mixed
        zones; labels other than 0 and 1.

    Notes
    -----
    Rows of one time are kept, and noted. Files that run backwards, and exports that overlap, are put in the order of
    time; rows in no order are refused, unless `sort` is true. A wall clock set back by an hour in autumn repeats that
    hour: such rows are kept in order, as they are, and noted. A long table, with the rows of several devices, is
    refused until `by` names one of them. The rule for gaps is at `Series.gap_limit`.

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
    choices = Choices(skip_rows, na, tz, exclude, train_until, sort, duplicates, by, decimal)
    if isinstance(source, pd.DataFrame):
        return frame_to_series(
            source, time=time, values=values, label=label, name=name or "series", allow_constant=allow_constant,
            choices=choices,
        )  # fmt: skip
    table = read_table(source, choices)
    return _table_to_series(table, time, values, label, name or table.source.stem, allow_constant)


def read_series_parts(
    source: str | os.PathLike[str],
    *,
    rows: int,
    time: str | None = None,
    values: str | Sequence[str] | None = None,
    label: str | None = None,
    known: Sequence[str] = (),
    choices: Choices = AS_FOUND,
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
    choices : Choices, optional
        Without `sort`, and without `duplicates` other than to keep or to refuse them: a part does not hold all rows.

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
    if choices.sort or choices.duplicates not in (None, "keep", "refuse") or choices.train_until:
        raise InputError("a file that is read in parts cannot be sorted, thinned or split; leave out --rows-at-once")
    wanted = None if values is None else [values] if isinstance(values, str) else list(values)
    columns: list[str] = []
    time_column, clock, order, behind = None, None, None, None
    for number, table in enumerate(read_table_parts(source, rows, choices)):
        _drop_excluded(table)
        pick_group(table, choices)
        if not number:
            if wanted is None and known and set(known) <= set(table.frame.columns):
                wanted = list(known)
            _check_named(table, None if time == NO_TIMES else time, wanted, label)
            taken = set(wanted or ()) | {label}
            time_column, axis, clock = _find_times(table, time, taken)
            if time_column is not None and axis is not None and (steps_of(axis) <= 0).any():
                refuse_mixture(table, time_column, axis, taken | {clock})
            label_column = label or _find_label(table.frame, taken | {time_column})
            rest = [c for c in table.frame.columns if c not in {time_column, label_column, clock}]
            found = _read_values(table, wanted, rest, has_times=axis is not None)
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
        exact: Any = np.stack([found[column] for column in columns], axis=1)
        yield Series(
            values=exact,
            given_values=exact,
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
                f"{table.place(0)} and below: {note}; in a file that is read in parts write numbers without them"
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
            f"{table.place(0)}: the times in column {column!r} are of another kind than those before; write all alike"
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
    choices: Choices = AS_FOUND,
) -> Series:
    """Make a series of a DataFrame by the rules of `read_series`.

    Parameters
    ----------
    frame : DataFrame
    time, values, label, name
        As in `read_series`.
    allow_constant : bool, default False
        Take a series whose values never change.
    choices : Choices, optional

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
    if isinstance(frame.index, pd.MultiIndex) and choices.by and all(frame.index.names):
        frame = frame.reset_index()
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
    return _table_to_series(
        Table(frame, Source(None, "the table"), choices=choices), time, values, label, name, allow_constant
    )


def _table_to_series(
    table: Table,
    time: str | None,
    values: str | Sequence[str] | None,
    label: str | None,
    name: str,
    allow_constant: bool,
) -> Series:
    notes = table.notes
    _drop_excluded(table)
    pick_group(table, table.choices)
    frame = table.frame
    wanted = None if values is None else [values] if isinstance(values, str) else list(values)
    _check_named(table, None if time == NO_TIMES and NO_TIMES not in frame.columns else time, wanted, label)

    taken = set(wanted or ()) | {label}
    time_column, axis, clock = _find_times(table, time, taken)
    groups = None
    if time_column is not None and axis is not None:
        axis, groups = settle_order(table, time_column, axis, taken | {clock})
        frame = table.frame
    label_column = label
    if label is None:
        label_column = _find_label(frame, taken | {time_column})
        if label_column is not None:
            notes.append(f"column {label_column!r} holds 0 and 1 and is read as the label")
    labels = None if label_column is None else _read_labels(table, label_column)

    rest = [c for c in frame.columns if c not in {time_column, label_column, clock}]
    found = _read_values(table, wanted, rest, has_times=axis is not None)
    numbers = _check_values(table, found, named=wanted is not None)
    _check_constant(table, numbers, allow_constant=allow_constant)
    given_times = None if time_column is None else _as_written(table, time_column, clock)
    exact: Any = np.stack(list(numbers.values()), axis=1)
    if groups is not None and axis is not None:
        first = np.flatnonzero(np.r_[True, np.diff(groups) > 0])
        exact = pd.DataFrame(exact).groupby(groups).mean().to_numpy()
        labels = None if labels is None else np.maximum.reduceat(labels, first)
        axis, given_times = axis[first], None if given_times is None else given_times.iloc[first]
    series = Series(
        values=exact,
        times=axis,
        labels=labels,
        name=name,
        columns=tuple(numbers),
        units=tuple(table.units.get(c, "") for c in numbers) if table.units else None,
        train_rows=_train_rows(table, axis),
        time_name=time_column,
        given_times=given_times,
        given_values=exact,
    )
    return replace(series, notes=(*notes, *describe(series)))


def _drop_excluded(table: Table) -> None:
    for column in table.choices.exclude:
        _require(table.frame, column, table.source)
    if table.choices.exclude:
        table.frame = table.frame.drop(columns=list(table.choices.exclude))


def _as_written(table: Table, column: str, clock: str | None) -> pd.Series | None:
    """Times as the file has them; None for typed times, which have no other form."""
    cells = table.frame[column]
    if cells.dtype.kind == "M":
        return None
    if clock is not None:
        cells = cells.astype("str") + " " + table.frame[clock].astype("str")
    return cells.reset_index(drop=True)


def _train_rows(table: Table, axis: Times | None) -> int | None:
    until = table.choices.train_until
    if until is None:
        return None
    if axis is None:
        raise InputError(f"train_until={until!r}: {table.source.label} has no times; name the time column with --time")
    try:
        end: Any = pd.Timestamp(until) if isinstance(axis, pd.DatetimeIndex) else float(until)
        if isinstance(axis, pd.DatetimeIndex) and (end.tz is None) != (axis.tz is None):
            end = end.tz_localize(axis.tz) if end.tz is None else end.tz_localize(None)
        if isinstance(axis, pd.DatetimeIndex) and len(str(until).strip()) <= 10:
            end += pd.Timedelta(days=1) - pd.Timedelta(1, "ns")  # a day, to its end
        rows = int((axis <= end).sum())
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"train_until={until!r} is no time like {axis[0]}; write it as the file does") from error
    if not rows:
        raise InputError(f"train_until={until!r} lies before the first row ({axis[0]}); name a later time")
    return rows


def _check_named(table: Table, time: str | None, wanted: list[str] | None, label: str | None) -> None:
    if wanted is not None and not wanted:
        raise InputError("no value column is named; name one, or leave values out for all columns of numbers")
    named = [column for column in (time, label, *(wanted or ())) if column is not None]
    for column in named:
        found_by_itself = column in (time, *(wanted or ())) and column != label
        _require(table.frame, column, table.source, "; leave it out, and it is looked for" if found_by_itself else "")
    for column in named:
        if named.count(column) > 1:
            raise InputError(f"column {column!r} is named for two purposes; name it once")


def _require(frame: pd.DataFrame, column: str, source: Source, way_out: str = "") -> None:
    if column in frame.columns:
        return
    names = [str(c) for c in frame.columns]
    by_lower = {c.lower(): c for c in names}
    close = difflib.get_close_matches(column.lower(), list(by_lower), n=1)
    hint = f"; did you mean {by_lower[close[0]]!r}?" if close else ""
    shown = ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
    raise InputError(f"{source.label} has no column {column!r}; it has: {shown}{hint or way_out}")


# Labels and values
def _find_label(frame: pd.DataFrame, taken: set[str | None]) -> str | None:
    for column in frame.columns:
        if column not in taken and column.strip().lower() in LABEL_NAMES:
            numbers = coerce_numbers(frame[column])
            if numbers.isin([0, 1]).all():
                return str(column)
    return None


def _read_labels(table: Table, column: str) -> NDArray[np.int8]:
    cells = table.frame[column]
    if _is_text(cells):
        cells = cells.replace({"True": "1", "true": "1", "TRUE": "1", "False": "0", "false": "0", "FALSE": "0"})
    numbers = coerce_numbers(cells)
    good = numbers.isin([0, 1]).to_numpy(bool)
    if not good.all():
        row = int(np.argmin(good))
        value = table.frame[column].iloc[row]
        shown = "empty" if pd.isna(value) else repr(str(value)[:40])
        raise InputError(
            f"{table.place(row)}: label column {column!r} is {shown}; labels are 0 (normal) or 1 (anomalous)"
        )
    return numbers.to_numpy(dtype=np.int8)


def _read_values(
    table: Table, wanted: list[str] | None, rest: list[str], has_times: bool = False
) -> dict[str, NDArray[np.float64]]:
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
                f"{table.place(row)}: {str(cells.iloc[row])[:40]!r} in column {column!r} is not a number; correct it, "
                f"or leave the cell empty where the value is missing (--na {str(cells.iloc[row])[:20]!r} for all such)"
            )
        numbers[column] = parsed
        if remark is not None:
            remarks.setdefault(remark.split(":")[0], remark)  # one example of each kind will do
    notes += remarks.values()
    if wanted is None and len(numbers) > 1:
        first = next(iter(numbers))
        for column in list(numbers):
            called = (column == first and column in ("column_1", "index", "Unnamed: 0")) or (
                has_times and column.strip().lower() in COUNTER_NAMES
            )
            counter = _counts(numbers[column]) or (
                has_times and len(frame) > 9 and _counts(numbers[column], any_start=True)
            )
            if len(numbers) > 1 and counter and (called or (has_times and len(frame) > 9)):
                del numbers[column]
                notes.append(f"column {column!r} numbers the rows and is left out (--value {column} to keep it)")
    if not numbers:
        shown = ", ".join(f"{c} ({_type_name(frame[c])})" for c in list(frame.columns)[:20])
        raise InputError(f"{source.label} has no column of numbers to analyse; its columns: {shown}")
    if left_out:
        shown = ", ".join(repr(c) for c in left_out[:10]) + (" ..." if len(left_out) > 10 else "")
        notes.append(f"left out, as not numeric: {shown}")
    return numbers


def _counts(numbers: NDArray[np.float64], any_start: bool = False) -> bool:
    return len(numbers) > 2 and (any_start or numbers[0] in (0, 1)) and bool((np.diff(numbers) == 1).all())


def _type_name(cells: pd.Series) -> str:
    if _holds_dates(cells):
        return "times"
    return "text" if _is_text(cells) else "numbers" if cells.dtype.kind in "iufb" else str(cells.dtype)


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
            f"{table.place(row)}: the value in column {column!r} is {what}; correct it, or leave the cell empty"
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
