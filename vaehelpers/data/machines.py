"""Two made-up machines with known faults: the embedded series that lessons and the default report run on.

Everything is drawn from a seed, so the series need no file and no licence, and the exact start, end and kind of every
fault are known. Both are modelled after how such sensors behave, not after any one machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from vaehelpers.common.errors import InputError
from vaehelpers.data.series import Series

PUMP_KINDS = ("spike", "level shift", "drift", "flat line", "changed shape", "changed frequency", "contextual")
"""What goes wrong with the pump of `make_pump`."""


PLANT_KINDS = ("coupling", "leak", "fouling", "flat line", "spike")
"""What goes wrong with the plant of `make_plant`."""


DAY = 96
"""Rows a day at one row every 15 minutes."""


Floats = NDArray[np.float64]


@dataclass
class _Fault:
    kind: str
    first: int
    last: int
    variable: str | None = None

    @property
    def rows(self) -> slice:
        return slice(self.first, self.last + 1)

    @property
    def n(self) -> int:
        return self.last - self.first + 1


def make_pump(rows: int = 77_192, *, per_kind: int = 4, seed: int = 7) -> Series:
    """Bearing temperature of a pump that works by the clock: univariate, 77,192 rows, one every 15 minutes.

    The load follows the shift plan: up between 05:00 and 07:30 on workdays, a dip at noon, down in the evening; a short
    Saturday, a quiet Sunday; each day a little earlier or later, stronger or weaker than planned. The bearing follows
    the load with a lag of 45 minutes and the seasons by 3 degrees; the noise grows with the load, from 0.2 to 0.6
    degrees; the sensor resolves 0.05 degrees. The first 40 % of the rows are without faults.

    Parameters
    ----------
    rows : int, default 77_192
        Length of the series; windows of 100 then number 77,093. At least 14 days (1,344 rows).
    per_kind : int, default 4
        How often each kind of fault happens; less often where the series is too short for one every 5 days.
    seed : int, default 7
        Of all randomness.

    Returns
    -------
    Series
        With labels, kinds and `train_rows`.

    Notes
    -----
    The kinds, mildest to strongest of the usual sizes:

    ================= ======================================================================================
    spike             1 to 4 rows off by 2 to 8 degrees, up or down
    level shift       8 to 36 hours at 1.6 to 4 degrees more or less
    drift             30 to 66 hours of slow rise by 3 to 6 degrees, then repaired
    flat line         5 to 20 hours of one and the same value, within the usual range
    changed shape     a workday with its load at the wrong hours: same range, same mean, another course
    changed frequency 8 to 24 hours of hunting: a wave of 60 to 120 minutes and 1 to 2 degrees
    contextual        usual values at the wrong time: a workday idle from morning to afternoon, or a Sunday worked
    ================= ======================================================================================

    Most lie within the range of the clean part, where a threshold on the value sees nothing.

    Raises
    ------
    InputError
        If `rows` is below 1,344 or `per_kind` is negative.

    Examples
    --------
    >>> pump = make_pump()
    >>> pump
    <Series 'example': 77,192 rows x 1 (bearing_temperature [degC]), every 15 min, 2022-01-03 00:00:00 to
    2024-03-17 01:45:00, ... rows labelled, training part 30,876 rows>
    >>> pump.kinds["kind"].value_counts().to_dict()["drift"]
    4
    >>> int(pump.train.labels.sum())
    0
    """
    if rows < 14 * DAY:
        raise InputError(f"rows={rows} is too short for two weeks; use at least {14 * DAY}")
    if per_kind < 0:
        raise InputError(f"per_kind={per_kind} is negative; use 0 for a series without faults")
    rng = np.random.default_rng(seed)
    days = -(-rows // DAY)
    train_rows = int(0.4 * rows)
    load = _pump_load(days, rng)
    faults: list[_Fault] = []
    for number, fault in enumerate(_plan(train_rows, rows, per_kind, PUMP_KINDS, least=5 * DAY, rng=rng)):
        if faults:
            fault.first = max(fault.first, faults[-1].last + DAY)
        _place_pump_fault(fault, number, rng)
        if fault.last < rows - DAY:
            faults.append(fault)
            _disturb_load(load, fault, rng)

    row = np.arange(len(load))
    season = 3.0 * np.sin(2 * np.pi * (row / DAY - 110) / 365.25)  # warmest at the end of July
    weather = 0.45 * _wander(len(row), 3 * DAY, rng)
    bearing = _follow(load, 3)  # 3 rows are 45 minutes
    noise = (0.1 + 0.5 * bearing) * _wander(len(row), 2, rng)
    value = (41.0 + 16.0 * bearing + season + weather + noise)[:rows]
    for fault in faults:
        _disturb_pump(value, fault, rng)
    return Series(
        values=_resolve(value[:, None], (0.05,)),
        times=(times := pd.date_range("2022-01-03", periods=rows, freq="15min", unit="ns")),
        labels=_labels(faults, rows),
        name="example",
        columns=("bearing_temperature",),
        units=("degC",),
        train_rows=train_rows,
        time_name="time",
        kinds=_kinds(faults, times),
    )


def make_plant(rows: int = 6_000, *, per_kind: int = 3, seed: int = 11) -> Series:
    """Load, speed, flow, pressure and temperature of a pump, coupled as physics has it: 6,000 rows every 10 minutes.

    Speed follows the load; flow follows the speed through a valve that wanders; pressure falls as flow rises at the
    same speed; temperature follows the load with a lag of two hours. About 3 % of the values are missing, scattered
    and in blocks, and the recorder was off for 9 hours, which leaves a gap in the times. The first half is without
    faults.

    Parameters
    ----------
    rows : int, default 6_000
        Length of the series. At least 1,000.
    per_kind : int, default 3
        How often each kind of fault happens; less often where the series is too short for one every 20 hours.
    seed : int, default 11
        Of all randomness.

    Returns
    -------
    Series
        With labels, kinds (with the variable that is off) and `train_rows`.

    Notes
    -----
    ========= ==============================================================================================
    coupling  3 to 8 hours of flow or pressure as it was on an earlier day: each variable alone looks usual
    leak      4 to 10 hours of flow up by 5 to 8 % with the pressure down by 4 to 7 %
    fouling   10 to 16 hours of temperature rising to 4 to 7 degrees above what the load explains
    flat line 3 to 8 hours of one speed or pressure
    spike     1 to 3 rows of flow or pressure off by 8 to 20 %
    ========= ==============================================================================================

    Raises
    ------
    InputError
        If `rows` is below 1,000 or `per_kind` is negative.

    Examples
    --------
    >>> plant = make_plant()
    >>> plant
    <Series 'example-multivariate': 6,000 rows x 5 (load [%], speed [rpm], flow [m3/h], ... temperature [degC]),
    every 10 min, 2023-09-04 00:00:00 to 2023-10-16 00:50:00, ... missing, 1 gap, ... rows labelled,
    training part 3,000 rows>
    >>> plant.kinds.loc[plant.kinds["kind"] == "fouling", "variable"].unique().tolist()
    ['temperature']
    """
    if rows < 1_000:
        raise InputError(f"rows={rows} is too short for a week; use at least 1000")
    if per_kind < 0:
        raise InputError(f"per_kind={per_kind} is negative; use 0 for a series without faults")
    rng = np.random.default_rng(seed)
    off, hour = 54, 6  # rows that the recorder was off; rows an hour
    n = rows + off
    train_rows = rows // 2
    hours = np.arange(n) / hour
    weekend = (hours // 24 % 7 >= 5).astype(float)
    load = 62 - 18 * weekend + (20 - 8 * weekend) * np.sin(2 * np.pi * (hours - 9) / 24)
    load = np.clip(load + 5.0 * _wander(n, 2 * hour, rng) + 0.8 * rng.standard_normal(n), 12, 100)
    valve = 1.0 + 0.05 * _wander(n, 6 * hour, rng)
    room = 1.5 * np.sin(2 * np.pi * (hours - 10) / 24) + 0.6 * _wander(n, 24 * hour, rng)
    x = {"load": load}
    x["speed"] = 900 + 6.0 * load + 4.0 * rng.standard_normal(n)
    turning = x["speed"] / 1_500
    x["flow"] = 120 * turning * valve + 0.8 * rng.standard_normal(n)
    x["pressure"] = 6.5 * turning**2 - 2.2 * (x["flow"] / 120) ** 2 + 0.025 * rng.standard_normal(n)
    x["temperature"] = 28 + 0.35 * _follow(load, 2 * hour) + room + 0.15 * rng.standard_normal(n)

    faults = _plan(train_rows + off, n, per_kind, PLANT_KINDS, least=20 * hour, rng=rng)
    for number, fault in enumerate(faults):
        low, high = {"coupling": (18, 48), "leak": (24, 60), "fouling": (60, 96), "flat line": (18, 48)}.get(
            fault.kind, (1, 3)
        )
        fault.last = fault.first + int(rng.integers(low, high, endpoint=True)) - 1
        _disturb_plant(x, fault, number, rng)

    values = np.stack(list(x.values()), axis=1)
    values[rng.random(values.shape) < 0.01] = np.nan
    for j in range(values.shape[1]):
        for start in rng.integers(0, n - 60, size=max(1, n // 1_000)):
            values[start : start + rng.integers(6, 31), j] = np.nan
    everything = int(0.45 * n)
    values[everything : everything + 4 * hour] = np.nan

    kept = np.ones(n, bool)
    kept[rows // 4 : rows // 4 + off] = False
    for fault in faults:
        fault.first, fault.last = fault.first - off, fault.last - off
    times = pd.date_range("2023-09-04", periods=n, freq="10min", unit="ns")[kept]
    return Series(
        values=_resolve(values[kept], (0.1, 1.0, 0.1, 0.01, 0.05)),
        times=times,
        labels=_labels(faults, rows),
        name="example-multivariate",
        columns=tuple(x),
        units=("%", "rpm", "m3/h", "bar", "degC"),
        train_rows=train_rows,
        time_name="time",
        kinds=_kinds(faults, times),
    )


# Signals
def _wander(n: int, memory: float, rng: np.random.Generator) -> Floats:
    """Noise of mean 0 and variance 1 that forgets within `memory` rows: autoregressive of order 1."""
    keep = float(np.exp(-1.0 / memory))
    scale = np.sqrt((1 + keep) / (1 - keep))  # what _follow takes from the standard deviation, in the long run
    noise = rng.standard_normal(n) * scale
    noise[0] /= scale
    return _follow(noise, memory)


def _follow(signal: Floats, lag: float) -> Floats:
    """What follows a signal with a lag of `lag` rows: ``y[t] = k y[t-1] + (1 - k) x[t]``, ``k = exp(-1 / lag)``."""
    # pandas has this recursion compiled, and unlike scipy.signal it is imported already.
    return pd.Series(signal).ewm(alpha=1 - float(np.exp(-1.0 / lag)), adjust=False).mean().to_numpy()


def _resolve(values: Floats, resolution: tuple[float, ...]) -> NDArray[np.float32]:
    """Round each variable to what its sensor resolves."""
    return (np.round(values / resolution) * resolution).astype(np.float32)


def _pump_load(days: int, rng: np.random.Generator) -> Floats:
    """Load by the shift plan, from 0.16 (idle) to about 1 (full), shape (days * 96,)."""
    weekday = np.arange(days) % 7
    is_workday, is_saturday = weekday < 5, weekday == 5
    start = np.select([is_workday, is_saturday], [6.2, 7.5], 9.5) + rng.normal(0.0, 0.2, days)  # hours
    end = np.select([is_workday, is_saturday], [20.5, 14.5], 13.0) + rng.normal(0.0, 0.25, days)
    height = np.select([is_workday, is_saturday], [0.76, 0.48], 0.14) * (1.0 + 0.05 * _wander(days, 2, rng))
    dip = rng.uniform(0.10, 0.22, days)
    hour = np.arange(DAY) / 4.0
    up = expit((hour - start[:, None]) / 0.45)
    down = expit((end[:, None] - hour) / 0.7)
    noon = dip[:, None] * np.exp(-0.5 * ((hour - 12.4) / 0.55) ** 2)
    return (0.16 + height[:, None] * up * down * (1.0 - noon)).ravel()


# Faults
def _plan(
    begin: int, end: int, per_kind: int, kinds: tuple[str, ...], *, least: int, rng: np.random.Generator
) -> list[_Fault]:
    """One fault in each of as many equal stretches of at least `least` rows; each kind once before any comes again."""
    begin, end = begin + least // 4, end - least // 4
    n_faults = min(per_kind * len(kinds), (end - begin) // least)
    order = [kinds[i] for _ in range(per_kind) for i in rng.permutation(len(kinds))][:n_faults]
    stretch = (end - begin) / max(1, n_faults)
    # The last `least` rows of a stretch stay free, so that no fault reaches into the next one.
    starts = [begin + int(place * stretch + rng.uniform(0, stretch - 0.9 * least)) for place in range(n_faults)]
    return [_Fault(kind, start, start) for kind, start in zip(order, starts)]


def _place_pump_fault(fault: _Fault, number: int, rng: np.random.Generator) -> None:
    """Set the length; move what belongs to a sort of day to the next such day."""
    round_ = number // len(PUMP_KINDS)
    day = -(-fault.first // DAY)
    if fault.kind == "changed shape":
        day += (7 - day % 7) % 7 if day % 7 > 4 else 0
        fault.first, fault.last = day * DAY + 20, day * DAY + 87  # 05:00 to 22:00
    elif fault.kind == "contextual" and round_ % 4 == 3:
        day += 6 - day % 7
        fault.first, fault.last = day * DAY + 24, day * DAY + 83  # Sunday, 06:00 to 21:00
    elif fault.kind == "contextual":
        day += (7 - day % 7) % 7 if day % 7 > 4 else 0
        fault.first = day * DAY + int(rng.integers(32, 42))
        fault.last = fault.first + int(rng.integers(16, 29)) - 1
    else:
        low, high = {"spike": (1, 4), "level shift": (32, 144), "drift": (120, 264), "flat line": (20, 80)}.get(
            fault.kind, (32, 96)
        )
        fault.last = fault.first + int(rng.integers(low, high, endpoint=True)) - 1


def _disturb_load(load: Floats, fault: _Fault, rng: np.random.Generator) -> None:
    midnight = fault.first - fault.first % DAY
    if fault.kind == "changed shape":
        course = load[fault.rows].copy()
        if rng.random() < 0.5:
            load[fault.rows] = np.roll(course, int(rng.choice([-1, 1]) * rng.integers(12, 21)))  # 3 to 5 hours
        else:
            load[fault.rows] = np.concatenate([course[::2], course[1::2]])  # two short shifts for one long one
    elif fault.kind == "contextual" and midnight // DAY % 7 == 6:
        thursday = midnight - 3 * DAY
        load[fault.rows] = load[thursday + 24 : thursday + 84]
    elif fault.kind == "contextual":
        load[fault.rows] = load[midnight : midnight + 8].mean()  # idle, as from 00:00 to 02:00


def _disturb_pump(value: Floats, fault: _Fault, rng: np.random.Generator) -> None:
    rows, n = fault.rows, fault.n
    sign = rng.choice([-1.0, 1.0])
    match fault.kind:
        case "spike":
            value[rows] += sign * rng.uniform(3.0, 8.0) * rng.uniform(0.7, 1.0, n)
        case "level shift":
            value[rows] += sign * rng.uniform(1.6, 4.0)
        case "drift":
            value[rows] += rng.uniform(3.0, 6.0) * np.linspace(0.0, 1.0, n) ** 1.3
        case "flat line":
            value[rows] = value[fault.first]
        case "changed frequency":
            wave = np.sin(2 * np.pi * (np.arange(n) / rng.uniform(4.0, 8.0) + rng.random()))
            swing = np.minimum(1.0, np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / 6)  # builds up in 90 minutes
            value[rows] += rng.uniform(1.0, 2.0) * swing * wave


def _disturb_plant(x: dict[str, Floats], fault: _Fault, number: int, rng: np.random.Generator) -> None:
    rows, n = fault.rows, fault.n
    one, other = {"flat line": ("speed", "pressure")}.get(fault.kind, ("flow", "pressure"))
    fault.variable = one if number // len(PLANT_KINDS) % 2 == 0 else other
    match fault.kind:
        case "coupling":
            back = 144 * int(rng.integers(2, 5)) + int(rng.integers(24, 49))  # days and some hours ago
            x[fault.variable][rows] = x[fault.variable][fault.first - back : fault.last + 1 - back].copy()
        case "leak":
            fault.variable = "pressure"
            x["flow"][rows] *= 1 + rng.uniform(0.05, 0.08)
            x["pressure"][rows] *= 1 - rng.uniform(0.04, 0.07)
        case "fouling":
            fault.variable = "temperature"
            x["temperature"][rows] += rng.uniform(4.0, 7.0) * np.linspace(0.0, 1.0, n)
        case "flat line":
            x[fault.variable][rows] = x[fault.variable][fault.first]
        case "spike":
            x[fault.variable][rows] *= 1 + rng.choice([-1, 1]) * rng.uniform(0.08, 0.20)


def _labels(faults: list[_Fault], rows: int) -> NDArray[np.int8]:
    labels = np.zeros(rows, np.int8)
    for fault in faults:
        labels[fault.rows] = 1
    return labels


def _kinds(faults: list[_Fault], times: pd.DatetimeIndex) -> pd.DataFrame:
    first, last = ([getattr(fault, end) for fault in faults] for end in ("first", "last"))
    table = pd.DataFrame(
        {"start": times[first], "end": times[last], "first": first, "last": last, "kind": [f.kind for f in faults]}
    )
    if any(fault.variable for fault in faults):
        table["variable"] = [fault.variable for fault in faults]
    return table
