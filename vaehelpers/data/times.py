"""Which column of a table holds times, and what they say."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.data.cells import _cells, _is_text, _parse_numbers
from vaehelpers.data.order import arrange, refuse_mixture, steps_of
from vaehelpers.data.series import Times, to_nanoseconds
from vaehelpers.data.sources import Table
from vaehelpers.data.tables import DATE

YEAR_FIRST = "year first"


NO_TIMES = "none"
"""``time="none"`` reads a table without times, whatever its columns are called."""


SAMPLE = 50


TIME_NAMES = (
    "time", "timestamp", "datetime", "date", "ts", "epoch", "unixtime", "unix_time",
    "time_s", "time_ms", "unix", "_time", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns",
    "timestamp_ms", "timestamp_s", "timestamp_ns", "time_us", "time_ns", "unix_ms", "datum", "zeit",
    "tag", "day",
)  # fmt: skip


_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?$")


_ZONE = r":\d{2}(?:[.,]\d+)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"


_EPOCHS = (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
_FIRST_EPOCH, _LAST_EPOCH = 315_532_800, 4_102_444_800  # 1980 and 2100, in seconds since 1970
_HOUR_NAMES = ("hour", "hr", "stunde", "heure", "hora", "uur")


def epoch_unit(numbers: NDArray[Any]) -> str | None:
    """Unit of times since 1970, by their size; None where they are none.

    Parameters
    ----------
    numbers : ndarray, shape (n,)

    Returns
    -------
    str or None
        "s", "ms", "us" or "ns", where all numbers lie between the years 1980 and 2100.

    Examples
    --------
    >>> epoch_unit(np.array([1_700_000_000_000, 1_700_000_060_000])), epoch_unit(np.array([0.0, 1.0]))
    ('ms', None)
    """
    if not len(numbers):
        return None
    low, high = numbers.min(), numbers.max()
    for unit, size in _EPOCHS:
        if low >= _FIRST_EPOCH * size and high <= _LAST_EPOCH * size:
            return unit
    return None


def _whole_days(axis: NDArray[Any]) -> pd.DatetimeIndex | None:
    """Numbers like 20240131 as days."""
    if not len(axis) or not np.all((axis >= 19_000_101) & (axis <= 21_001_231) & (axis % 1 == 0)):
        return None
    days = pd.to_datetime(pd.Series(axis.astype(np.int64).astype(str)), format="%Y%m%d", errors="coerce")
    return None if days.isna().any() else _index(days)


def _rising_times(table: Table, column: str) -> bool:
    """Whether a column of some other name holds whole, rising numbers that read as days or seconds since 1970."""
    cells = table.frame[column]
    if cells.dtype.kind not in "iu" or len(cells) < 3:
        return False
    axis = cells.to_numpy()
    return bool((np.diff(axis) > 0).all()) and (epoch_unit(axis) is not None or _whole_days(axis) is not None)


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
            if column is None:
                column = next((c for c in free if _rising_times(table, c)), None)
            if column is not None:
                table.notes.append(f"column {column!r} holds numbers and is read as the time axis")
    if column is None:
        return None, None, None
    clock = _find_clock(frame, column, taken)
    return column, _parse_times(table, column, clock), clock


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
        hours = frame[other]
        if other != column and other not in taken and str(other).strip().lower() in _HOUR_NAMES:  # noqa: SIM102
            if hours.dtype.kind in "iu" and 0 <= hours.min() <= hours.max() <= 24:
                return str(other)
        if other != column and other not in taken and _is_text(frame[other]):
            sample = _cells(frame[other], 20)
            if sample and all(_CLOCK.match(cell) for cell in sample):
                return str(other)
    return None


def _parse_times(table: Table, column: str, clock: str | None) -> Times:
    cells = table.frame[column]
    absent = cells.isna()
    if absent.any():
        row = int(np.argmax(absent.to_numpy()))
        raise InputError(f"{table.place(row)}: the time in column {column!r} is missing; fill it in, or remove the row")
    return _in_zone(table, column, _parsed(table, column, clock))


def _parsed(table: Table, column: str, clock: str | None) -> Times:
    cells, source = table.frame[column], table.source
    if cells.dtype.kind == "M":
        return _index(cells)
    if clock is None and _holds_numbers(table, column):
        return _parse_numeric_times(table, column)
    if not _is_text(cells):
        raise InputError(f"column {column!r} of {source.label} holds {cells.dtype}, not times; choose another column")
    texts = cells.astype("str").str.strip()
    if clock is not None and table.frame[clock].dtype.kind in "iu":
        table.notes.append(f"times are column {column!r} with the hour from column {clock!r}")
        hours = pd.to_timedelta(table.frame[clock].to_numpy(), unit="h")
        days = _from_text(table, column, texts)
        return to_nanoseconds(pd.DatetimeIndex(days + hours))
    if clock is not None:
        texts = texts + " " + table.frame[clock].astype("str").str.strip()
        table.notes.append(f"times are column {column!r} with the time of day from column {clock!r}")
    return _from_text(table, column, texts)


_ODD_OFFSET = r".*\d:\d\d(?:[.:]\d+)*\s*[+-]\d(?::?\d\d)?$"


def _from_text(table: Table, column: str, texts: pd.Series) -> pd.DatetimeIndex:
    known = _known_format(texts)
    if known is not None:
        return known
    try:
        # raises on a mixture of zones, and on any other format
        index = _index(pd.to_datetime(texts, format="ISO8601"))
        table.date_order = table.date_order or YEAR_FIRST
        return index
    except InputError:
        raise
    except (ValueError, OverflowError):
        zoned = _check_zones(table, column, texts)
    try:
        return _parse_dates(table, column, texts, zoned=zoned)
    except InputError:
        raise
    except (ValueError, OverflowError) as error:  # pandas on offsets such as +1:00
        odd = texts.str.match(_ODD_OFFSET)
        row = int(np.argmax(odd.to_numpy())) if odd.any() else 0
        raise InputError(
            f"{table.place(row)}: {texts.iloc[row][:40]!r} in column {column!r} is not a time like the others; write "
            "all with an offset such as +01:00, or none"
        ) from error


def _known_format(texts: pd.Series) -> pd.DatetimeIndex | None:
    """Times as C and Unix write them, and months by name."""
    if not texts.iloc[0][:1].isalpha():
        return None
    plain = texts.str.replace(r"\s+", " ", regex=True)
    zoned = plain.str.contains(r" (?:UTC|GMT) ", regex=True)
    for form in ("%a %b %d %H:%M:%S %Y", "%b %Y", "%B %Y", "%b-%Y", "%B-%Y"):
        times = pd.to_datetime(plain.str.replace(r" (UTC|GMT) ", " ", regex=True), format=form, errors="coerce")
        if not times.isna().any():
            return _index(times.dt.tz_localize("UTC") if zoned.all() else times)
    return None


def _in_zone(table: Table, column: str, axis: Times) -> Times:
    """Times in the zone that the caller names."""
    zone = table.choices.tz
    if zone is None:
        return axis
    if not isinstance(axis, pd.DatetimeIndex):
        raise InputError(f"column {column!r} holds numbers, which have no zone; leave out --tz (tz)")
    if axis.tz is not None:
        return axis.tz_convert(zone)
    try:
        return axis.tz_localize(zone, ambiguous="infer", nonexistent="shift_forward")
    except (ValueError, TypeError, KeyError):
        first = axis.tz_localize(zone, ambiguous=np.ones(len(axis), bool), nonexistent="shift_forward")
        table.notes.append(f"times within the hour that comes twice in autumn are read as its first run ({zone})")
        return first


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
        raise InputError(f"{table.place(row)}: the time in column {column!r} is infinite; correct it")
    days = _whole_days(axis)
    if days is not None:
        table.notes.append(
            f"{column!r} is read as days ({int(axis[0])} is {days[0].date()}; --time none to keep numbers)"
        )
        return days
    unit = epoch_unit(axis)
    if unit is not None:
        if axis.dtype.kind == "f" and (axis % 1 == 0).all() and unit != "ns":
            axis = axis.astype(np.int64)
        size = dict(_EPOCHS)[unit]
        if axis.dtype.kind in "iu":
            moments = axis.astype(np.int64) * (10**9 // size)
        else:
            whole = np.floor(axis)
            moments = whole.astype(np.int64) * (10**9 // size)
            moments += np.round((axis - whole) * 1e6).astype(np.int64) * max(1, 10**9 // size // 10**6)
        index = pd.DatetimeIndex(moments, tz="UTC")
        table.notes.append(
            f"{column!r} is read as {unit} since 1970, UTC ({table.frame[column].iloc[0]} is {index[0]}; "
            "--time none to read rows without times)"
        )
        return index
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
            f"{table.place(max(with_zone, without))}: the times in column {column!r} are in mixed zones "
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
        f"{table.place(row)}: the times in column {column!r} are in mixed zones "
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
                f"{table.place(row)}: column {column!r} holds {texts.iloc[row][:40]!r}, which is not a time; "
                f"write times as 2024-01-31 13:45:00, or read without times (--time {NO_TIMES})"
            )
        raise InputError(
            f"{table.place(row)}: {texts.iloc[row][:40]!r} in column {column!r} is not a time like those before "
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
    """Refuse times that go back. The first `ahead` of them stand in front of the table's own."""
    steps = steps_of(axis)
    is_wall_clock = isinstance(axis, pd.DatetimeIndex) and axis.tz is None
    if not (steps <= 0).any():
        return
    bad = np.flatnonzero(steps < 0) + 1
    if not len(bad):
        return
    row = int(bad[0])
    if is_wall_clock and _clock_set_back(steps, np.flatnonzero(steps <= 0) + 1):
        place = table.place(max(row - ahead, 0)).split(": ")[-1]
        table.notes.append(
            f"the clock was set back an hour before {place} ({axis[row - 1]} is followed by "
            f"{axis[row]}): rows are kept in order (--tz ZONE to choose otherwise)"
        )
        return
    before, now = str(axis[row - 1]), str(axis[row])
    more = f" ({len(bad):,} such rows)" if len(bad) > 1 else ""
    raise InputError(
        f"{table.place(max(row - ahead, 0))}: times do not increase in column {column!r}: {before} is followed by "
        f"{now}{more}; sort the rows by time (--sort, sort=True), or read them as they are (--time {NO_TIMES})"
    )


def settle_order(
    table: Table, column: str, axis: Times, taken: set[str | None]
) -> tuple[Times, NDArray[np.int64] | None]:
    """Bring rows into the order of time, or refuse them; see `vaehelpers.data.order`."""
    steps = steps_of(axis)
    if not (steps <= 0).any():
        return axis, None
    refuse_mixture(table, column, axis, taken)
    back = np.flatnonzero(steps < 0)
    choices = table.choices
    if len(back) and not choices.sort:
        usual = np.median(steps[steps > 0]) if (steps > 0).any() else 0
        after = steps[back[back + 1 < len(steps)] + 1]
        before = steps[back[back > 0] - 1]
        calm = bool((after <= 1.5 * usual).all() and (before <= 1.5 * usual).all())
        few = len(axis) >= 10 * (len(back) + 1) and calm
        reverse = bool((steps <= 0).all()) and len(axis) > 2
        is_wall_clock = isinstance(axis, pd.DatetimeIndex) and axis.tz is None
        set_back = is_wall_clock and _clock_set_back(steps, np.flatnonzero(steps <= 0) + 1)
        if set_back or not (few or reverse):
            _check_increasing(table, column, axis)
            return axis, None
    return arrange(table, column, axis, choices, overlapping=True)


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
