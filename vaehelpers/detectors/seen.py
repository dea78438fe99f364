"""What a training part looked like, and whether new rows look like the same series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.data.series import Series, format_step

_OTHER_STEP = 1.5  # times as long or as short: another sampling
_FAR, _AWAY = 10.0, 1.0  # widths of the range that the middle lies outside: another unit, or worth a note
_SMALL = 100.0  # times smaller than usual: another unit


@dataclass(frozen=True)
class Seen:
    """Range and sampling of a training part.

    Attributes
    ----------
    low, high : tuple of float
        Smallest and largest value of each variable.
    size : tuple of float
        Median of the absolute values of each variable.
    step : Timedelta, float or None
        Usual interval between rows; None without times.

    Examples
    --------
    >>> seen = Seen.of(Series([3.0, 9.0, 14.0], columns=("flow",)))
    >>> seen.differences(Series([3_000.0, 12_000.0, 14_000.0], columns=("flow",)))
    [(True, "values of 'flow' are about 1,000 times as large as in training (3,000 to 14,000 against 3 to 14)")]
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    size: tuple[float, ...]
    step: pd.Timedelta | float | None

    @classmethod
    def of(cls, series: Series) -> Seen:
        """Measure a series; a variable without any value has zeros."""
        columns = [column[np.isfinite(column)] for column in np.asarray(series.values, np.float64).T]
        columns = [column if len(column) else np.zeros(1) for column in columns]
        return cls(
            tuple(float(column.min()) for column in columns),
            tuple(float(column.max()) for column in columns),
            tuple(float(np.median(np.abs(column))) for column in columns),
            series.step,
        )

    def differences(self, series: Series) -> list[tuple[bool, str]]:
        """Compare new rows with the training part.

        Parameters
        ----------
        series : Series
            With the same variables in the same order.

        Returns
        -------
        list of (bool, str)
            Whether it can hardly be the same series, and what differs.
        """
        new = Seen.of(series)
        found = [] if self.step is None or new.step is None else self._step(self.step, new.step)
        for position, name in enumerate(series.columns):
            if np.isfinite(series.values[:, position]).any():
                found += self._range(position, name, new, series)
        return found

    def _step(self, old: pd.Timedelta | float, step: pd.Timedelta | float) -> list[tuple[bool, str]]:
        if isinstance(old, pd.Timedelta) != isinstance(step, pd.Timedelta):
            dates, numbers = ("dates", "numbers") if isinstance(step, pd.Timedelta) else ("numbers", "dates")
            return [(False, f"times are {dates}, fitted on {numbers}")]
        new, usual = (float(one.value) if isinstance(one, pd.Timedelta) else float(one) for one in (step, old))
        ratio = new / usual if usual else 1.0
        if 1 / _OTHER_STEP < ratio < _OTHER_STEP:
            return []
        return [(True, f"interval {format_step(step)}, fitted on {format_step(old)}")]

    def _range(self, position: int, name: str, new: Seen, series: Series) -> list[tuple[bool, str]]:
        low, high, size = self.low[position], self.high[position], self.size[position]
        below, above = new.low[position], new.high[position]
        middle = float(np.nanmedian(np.asarray(series.values[:, position], np.float64)))
        width = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-300)
        away = max(low - middle, middle - high, 0.0) / width
        span = f"({below:,.6g} to {above:,.6g} against {low:,.6g} to {high:,.6g})"
        largest = max(abs(below), abs(above))
        if 0.0 < largest <= size / _SMALL:
            times = size / max(new.size[position], 1e-300)
            return [(True, f"values of {name!r} are about {_round(times)} times as small as in training {span}")]
        if away < _AWAY:
            return []
        times = new.size[position] / size if size else 0.0
        if times >= _SMALL:
            return [(True, f"values of {name!r} are about {_round(times)} times as large as in training {span}")]
        return [(away >= _FAR, f"values of {name!r} lie outside of what was seen in training {span}")]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        dates = isinstance(self.step, pd.Timedelta)
        step = float(self.step.value) if isinstance(self.step, pd.Timedelta) else self.step
        return {"low": self.low, "high": self.high, "size": self.size, "step": step, "dates": dates}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, n_features: int) -> Seen | None:
        """Rebuild it; None for a detector that was saved before this was kept.

        Raises
        ------
        InputError
            If a number is missing or not finite.
        """
        if data is None:
            return None
        read = Reader(data, "detector.json, seen")
        low, high, size = (tuple(read.numbers(key, size=n_features).tolist()) for key in ("low", "high", "size"))
        dates, step = read.take("dates"), read.take("step")
        if any(a > b for a, b in zip(low, high)) or min(size) < 0 or not isinstance(dates, bool):
            raise InputError("seen in detector.json does not fit together")
        if step is not None:
            held = Reader({"step": step}, "detector.json, seen")
            step = held.number("step", low=0.0, high=9e18)
            step = pd.Timedelta(int(step), "ns") if dates else step
        read.done()
        return cls(low, high, size, step)


def _round(number: float) -> str:
    return f"{float(f'{number:.1g}'):,.0f}"
