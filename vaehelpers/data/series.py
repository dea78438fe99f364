"""The one container for a time series: values, times, labels, and what reading them noticed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.precision import narrow

Times = pd.DatetimeIndex | NDArray[Any]


Step = pd.Timedelta | float


GAP_FACTOR = 1.5
"""An interval longer than this many usual ones is a gap, where sampling is regular."""


IRREGULAR_SHARE, IRREGULAR_COUNT = 0.01, 5
"""Sampling counts as irregular when more than this share of the intervals, and more than this number of them, exceed
`GAP_FACTOR` usual ones."""


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """A time series with F variables, time along axis 0. Its arrays are read-only.

    Parameters
    ----------
    values : array-like, shape (n,) or (n, F)
        NaN = missing. Kept as float32, or as float64 where float32 would flatten a variable, as one with a large
        offset. Infinite values are refused.
    times : DatetimeIndex or ndarray of numbers, shape (n,), optional
        None: rows are the time axis.
    labels : array-like of 0/1, shape (n,), optional
        1 = anomalous. Kept as int8.
    name : str, default "series"
    columns : tuple of str, optional
        One name per variable. Default: ``value``, or ``value_0``, ``value_1``, ...
    units : tuple of str, optional
        One unit per variable.
    train_rows : int, optional
        How many leading rows are the training part. None: not known.
    notes : tuple of str
        What reading noticed: missing values, gaps, columns left out, decimal commas, ...
    time_name : str, optional
        Name of the time column.
    kinds : DataFrame, optional
        The labelled anomalies where their kinds are known: start, end (times of the first and last row, or row
        numbers), first, last (rows, both inclusive), kind, and for several variables also variable.
    given_times : pandas.Series, optional
        The times as they were written, so that tables join to the input by them.
    given_values : ndarray of float64, shape (n, F), optional
        The values as they were given, where float32 keeps fewer digits.

    Raises
    ------
    InputError
        If lengths differ, there are no rows or no variables, values are infinite or no numbers, or labels are not 0/1.

    See Also
    --------
    vaehelpers.data.read_series : from a file; vaehelpers.data.load_series : by name.

    Examples
    --------
    >>> series = Series([1.0, 2.0, float("nan")], labels=[0, 1, 0], name="toy", train_rows=1)
    >>> series
    <Series 'toy': 3 rows x 1 (value), 1 missing, 1 row labelled, training part 1 row>
    >>> series.values.shape, series.values.dtype
    ((3, 1), dtype('float32'))
    >>> series.slice(1, 3).values.ravel()
    array([ 2., nan], dtype=float32)
    """

    values: NDArray[np.float32] | NDArray[np.float64]
    times: Times | None = None
    labels: NDArray[np.int8] | None = None
    name: str = "series"
    columns: tuple[str, ...] = ()
    units: tuple[str, ...] | None = None
    train_rows: int | None = None
    notes: tuple[str, ...] = ()
    time_name: str | None = None
    kinds: pd.DataFrame | None = None
    given_times: pd.Series | None = None
    given_values: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        keep = object.__setattr__
        values = _as_values(self.values)
        n, n_features = values.shape
        keep(self, "values", values)

        columns = tuple(str(column) for column in self.columns)
        if not columns:
            columns = ("value",) if n_features == 1 else tuple(f"value_{i}" for i in range(n_features))
        if len(columns) != n_features:
            raise InputError(f"{len(columns)} column names for {n_features} variables; give one name each")
        keep(self, "columns", columns)
        if self.units is not None:
            keep(self, "units", tuple(str(unit) for unit in self.units))
            if len(self.units) != n_features:
                raise InputError(f"{len(self.units)} units for {n_features} variables; give one unit each")

        if self.times is not None:
            times = self.times
            if not isinstance(times, pd.DatetimeIndex):
                times = np.array(times)
                if times.dtype.kind == "M":
                    times = pd.DatetimeIndex(times)
                elif times.dtype.kind not in "iuf":
                    raise InputError(f"times of type {times.dtype}; give a DatetimeIndex or numbers")
                else:
                    times.setflags(write=False)
            if isinstance(times, pd.DatetimeIndex):
                times = to_nanoseconds(times)
            if len(times) != n:
                raise InputError(f"{len(times)} times for {n} rows; give one time each")
            keep(self, "times", times)

        if self.labels is not None:
            keep(self, "labels", _as_labels(self.labels, n))
        if self.train_rows is not None:
            if not 0 < self.train_rows <= n:
                raise InputError(f"train_rows={self.train_rows} lies outside the series; use 1 to {n}")
            keep(self, "train_rows", int(self.train_rows))
        keep(self, "notes", tuple(self.notes))
        if self.given_times is not None and (self.times is None or len(self.given_times) != n):
            keep(self, "given_times", None)
        exact = self.given_values
        if exact is not None:  # what was replaced since has no other form
            same = exact.shape == values.shape and np.array_equal(exact.astype(values.dtype), values, equal_nan=True)
            needed = same and not np.array_equal(
                values, exact, equal_nan=True
            )  # single precision may hold them as well
            keep(self, "given_values", exact if needed else None)

    def __len__(self) -> int:
        return self.n

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        names = [
            f"{column} [{unit}]" if unit else column
            for column, unit in zip(self.columns, self.units or ("",) * self.n_features)
        ]
        if len(names) > 4:
            names = [*names[:3], f"... {names[-1]}"]
        parts = [f"{self.n:,} {_rows(self.n)} x {self.n_features} ({', '.join(names)})"]
        if self.times is not None:
            every = "" if self.step is None else f"every {format_step(self.step)}, "
            parts.append(f"{every}{self.times[0]} to {self.times[-1]}")
        n_missing = int(np.isnan(self.values).sum())
        if n_missing:
            parts.append(f"{n_missing:,} missing")
        if len(self.gaps):
            parts.append(f"{len(self.gaps):,} gap{'s' if len(self.gaps) > 1 else ''}")
        if self.labels is not None:
            n_labelled = int(self.labels.sum())
            parts.append(f"{n_labelled:,} {_rows(n_labelled)} labelled")
        if self.train_rows is not None:
            parts.append(f"training part {self.train_rows:,} {_rows(self.train_rows)}")
        return f"<Series {self.name!r}: {', '.join(parts)}>"

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.values.shape[0]

    @property
    def n_features(self) -> int:
        """Number of variables."""
        return self.values.shape[1]

    @property
    def train(self) -> Series:
        """The leading `train_rows` rows; the whole series where these are not known."""
        return self if self.train_rows is None else self.slice(0, self.train_rows)

    @cached_property
    def step(self) -> Step | None:
        """The usual interval between rows, their median: a Timedelta, a float, or None without times."""
        steps = _intervals(self.times)
        if steps is None or not len(steps):
            return None
        usual = float(np.median(steps))
        return pd.Timedelta(round(usual), "ns") if isinstance(self.times, pd.DatetimeIndex) else usual

    @cached_property
    def pace(self) -> Step | None:
        """What a row stands for on average: the mean interval without gaps where sampling is irregular, else `step`.

        With rows at 5 and 20 minutes in turn the usual interval is one of them, and says little of a month's rows.

        Examples
        --------
        >>> import numpy as np
        >>> times = np.cumsum([5.0, 20.0] * 50)
        >>> Series(np.zeros(100), times=times).pace
        12.575757575757576
        """
        steps, usual, limit = _intervals(self.times), self.step, self.gap_limit
        if steps is None or usual is None or limit is None:
            return usual
        dates = isinstance(usual, pd.Timedelta)
        known = steps[steps <= (limit.value if isinstance(limit, pd.Timedelta) else limit)]
        mean = float(known.mean()) if len(known) else 0.0
        if mean <= 0.0 or 0.9 < mean / float(usual.value if isinstance(usual, pd.Timedelta) else usual) < 1.1:
            return usual
        return pd.Timedelta(round(mean), "ns") if dates else mean

    @cached_property
    def gap_limit(self) -> Step | None:
        """Intervals longer than this count as gaps; same type as `step`.

        1.5 usual intervals. Where sampling is irregular rather than full of gaps (`is_irregular`), 3 times the 99th
        percentile of the intervals: else hardly a window would fit between two gaps.
        """
        steps = _intervals(self.times)
        if steps is None or self.step is None:
            return None
        limit = gap_bound(
            len(steps), lambda share: float(np.quantile(steps, share)), lambda bound: int((steps > bound).sum())
        )[0]
        return pd.Timedelta(round(limit), "ns") if isinstance(self.times, pd.DatetimeIndex) else limit

    @cached_property
    def is_irregular(self) -> bool:
        """Whether more than 1 % of the intervals, and more than 5 of them, are longer than 1.5 usual ones."""
        steps = _intervals(self.times)
        if steps is None or not len(steps):
            return False
        return gap_bound(
            len(steps), lambda share: float(np.quantile(steps, share)), lambda bound: int((steps > bound).sum())
        )[1]

    @cached_property
    def gaps(self) -> NDArray[np.int64]:
        """Rows i such that a gap lies between row i - 1 and row i; see `gap_limit`.

        Examples
        --------
        >>> Series([1.0, 2.0, 3.0, 4.0, 5.0], times=np.array([0, 1, 2, 10, 11])).gaps
        array([3])
        """
        steps = _intervals(self.times)
        limit = self.gap_limit
        if steps is None or limit is None:
            found = np.empty(0, np.int64)
        else:
            bound = limit.value if isinstance(limit, pd.Timedelta) else limit
            found = np.flatnonzero(steps > bound) + 1
        found.setflags(write=False)
        return found

    def slice(self, start: int, stop: int) -> Series:
        """Rows `start` to `stop` (exclusive), with their times, labels, kinds and what is left of the training part.

        Parameters
        ----------
        start, stop : int
            Row numbers with ``0 <= start < stop``; `stop` may lie beyond the end.

        Returns
        -------
        Series
            Shares its memory with this one.
        """
        stop = min(stop, self.n)
        if not 0 <= start < stop:
            raise InputError(f"rows {start} to {stop} are none of the {self.n} rows; use 0 <= start < stop")
        train_rows = self.train_rows
        if train_rows is not None:
            train_rows = max(0, min(train_rows, stop) - start) or None
        kinds = self.kinds
        if kinds is not None:
            kinds = kinds[(kinds["first"] < stop) & (kinds["last"] >= start)].reset_index(drop=True)
            kinds = kinds.assign(
                first=kinds["first"].clip(lower=start) - start, last=kinds["last"].clip(upper=stop - 1) - start
            )
            axis = np.arange(stop - start) if self.times is None else self.times[start:stop]
            kinds = kinds.assign(start=axis[kinds["first"]], end=axis[kinds["last"]])
        return replace(
            self,
            values=self.values[start:stop],
            times=None if self.times is None else self.times[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
            train_rows=train_rows,
            kinds=kinds,
            given_times=None if self.given_times is None else self.given_times.iloc[start:stop],
            given_values=None if self.given_values is None else self.given_values[start:stop],
        )

    def frame(self) -> pd.DataFrame:
        """As a table: the time column where there are times, the variables, and ``label`` where there are labels.

        Examples
        --------
        >>> Series([1.0, 2.0], times=np.array([0, 5]), labels=[0, 1]).frame()
           time  value  label
        0     0    1.0      0
        1     5    2.0      1
        """
        table: dict[str, Any] = {}
        if self.times is not None:
            table[self.time_name or "time"] = self.times
        for j, column in enumerate(self.columns):
            table[column] = self.values[:, j]
        if self.labels is not None:
            table["label"] = self.labels
        return pd.DataFrame(table)


def gap_bound(n: int, quantile: Callable[[float], float], count_above: Callable[[float], int]) -> tuple[float, bool]:
    """Interval above which there is a gap, and whether sampling is irregular: the rule of `Series.gap_limit`.

    Parameters
    ----------
    n : int
        Intervals, at least 1.
    quantile : callable
        Quantile of the intervals, of a share from 0 to 1.
    count_above : callable
        How many intervals are longer than this.

    Returns
    -------
    bound : float
    irregular : bool

    Examples
    --------
    >>> steps = np.array([1.0] * 99 + [8.0])
    >>> gap_bound(100, lambda share: float(np.quantile(steps, share)), lambda bound: int((steps > bound).sum()))
    (1.5, False)
    """
    bound = GAP_FACTOR * quantile(0.5)
    irregular = count_above(bound) > max(IRREGULAR_COUNT, IRREGULAR_SHARE * n)
    return (max(bound, 3.0 * quantile(0.99)) if irregular else bound), irregular


def format_step(step: Step) -> str:
    """Write an interval as people do.

    Parameters
    ----------
    step : Timedelta or float

    Returns
    -------
    str
        The two largest units of it.

    Examples
    --------
    >>> format_step(pd.Timedelta(minutes=15)), format_step(pd.Timedelta(hours=49)), format_step(0.5)
    ('15 min', '2 d 1 h', '0.5')
    """
    if not isinstance(step, pd.Timedelta):
        return f"{step:g}"
    seconds = abs(step.total_seconds())
    if seconds < 1:
        return f"{1000 * seconds:g} ms"
    parts = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            parts.append(f"{seconds // size:.0f} {name}")
            seconds %= size
    if seconds:
        parts.append(f"{seconds:.3g} s")
    return ("-" if step < pd.Timedelta(0) else "") + " ".join(parts[:2])


def to_nanoseconds(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Bring an index of any unit to nanoseconds, in which pandas holds the years 1678 to 2261.

    Parameters
    ----------
    times : DatetimeIndex

    Returns
    -------
    DatetimeIndex

    Raises
    ------
    InputError
        If a time lies outside those years.

    Examples
    --------
    >>> to_nanoseconds(pd.DatetimeIndex(["2024-01-01"]).as_unit("s")).unit
    'ns'
    """
    try:
        return times.as_unit("ns")
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        raise InputError(
            f"the times reach from {times.min()} to {times.max()}; correct those before 1678 or after 2261"
        ) from None


def _rows(n: int) -> str:
    return "row" if n == 1 else "rows"


def _intervals(times: Times | None) -> NDArray[Any] | None:
    """Differences of the times, in nanoseconds or in the unit of a numeric axis."""
    if times is None:
        return None
    if isinstance(times, pd.DatetimeIndex):
        return np.diff(times.asi8)
    return np.diff(times.astype(np.float64)) if times.dtype.kind != "i" else np.diff(times)


def _as_values(values: Any) -> NDArray[np.float32] | NDArray[np.float64]:
    """To float32 or float64 of shape (n, F), read-only; every way in which this can fail as an `InputError`."""
    try:
        array = np.ma.filled(values.astype(np.float64), np.nan) if np.ma.isMaskedArray(values) else np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"the values are no table of numbers: {error}; give shape (n,) or (n, features)") from error
    if array.dtype.kind == "c":
        raise InputError("the values are complex numbers; give magnitude and phase as two variables")
    if array.dtype.kind not in "fiub":
        array = _numbers_from_objects(array)
    if array.ndim == 3:
        raise InputError(f"values of shape {array.shape} look like windows; give the series itself, (n, features)")
    if array.ndim not in (1, 2):
        raise InputError(f"values with {array.ndim} dimensions; give shape (n,) or (n, features)")
    array = array.reshape(len(array), -1) if len(array) else array
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"values of shape {array.shape} hold nothing; give at least one row and one variable")
    kept = narrow(array)
    infinite = np.isinf(kept)
    if infinite.any():
        row, column = (int(i) for i in np.argwhere(infinite)[0])
        value = array[row, column]
        what = "is infinite" if math.isinf(value) else "is beyond float32 (3.4e38)"
        raise InputError(f"row {row} of variable {column} {what} ({value:g}); leave it missing (NaN) or correct it")
    if kept.flags.writeable:
        # An array of the caller's own must neither change under us nor become read-only for them.
        kept = kept.copy() if np.may_share_memory(kept, array) else kept
        kept.setflags(write=False)
    return kept


def _numbers_from_objects(array: NDArray[Any]) -> NDArray[np.float64]:
    for index, item in np.ndenumerate(array):
        if item is None or item is pd.NA:
            continue
        try:
            float(item)
        except (TypeError, ValueError):
            raise InputError(f"row {index[0]} holds {str(item)[:40]!r}, which is not a number; correct it") from None
        if isinstance(item, numbers.Complex) and not isinstance(item, numbers.Real):
            raise InputError("the values are complex numbers; give magnitude and phase as two variables")
    return np.array([np.nan if x is None or x is pd.NA else float(x) for x in array.ravel()]).reshape(array.shape)


def _as_labels(labels: Any, n: int) -> NDArray[np.int8]:
    array = np.asarray(labels)
    if array.shape == (n, 1):
        array = array.ravel()
    if array.shape != (n,):
        raise InputError(f"labels of shape {array.shape} for {n} rows; give one 0 or 1 each")
    good = np.isin(array, (0, 1)) if array.dtype.kind in "biuf" else np.zeros(n, bool)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(f"the label of row {row} is {str(array[row])[:40]!r}; labels are 0 (normal) or 1 (anomalous)")
    if array.dtype == np.int8 and not array.flags.writeable:
        return array
    array = array.astype(np.int8)
    array.setflags(write=False)
    return array
