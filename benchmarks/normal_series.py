"""Series on which nothing is wrong, of sixteen kinds, faults to put into them, and two detectors of a few lines.

For `alarms.py`, which asks of every alarm rule how many false alarms it raises on such series. Sampling is 96 rows a
day where a kind has a daily or weekly rhythm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]

DAY = 96  # rows


def autoregressive(n: int, memory: float, rng: np.random.Generator, *, heavy: bool = False) -> Floats:
    """AR(1) of variance 1 (of its noise's scale for heavy tails)."""
    noise = rng.standard_t(3, n + 1_000) / np.sqrt(3.0) if heavy else rng.normal(size=n + 1_000)
    return lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], noise)[1_000:]


def garch(n: int, rng: np.random.Generator, *, alpha: float = 0.15, beta: float = 0.8) -> Floats:
    """GARCH(1, 1) of variance 1: calm and wild spells follow each other."""
    noise = rng.normal(size=n + 1_000)
    value, variance = np.empty(n + 1_000), 1.0
    for row, shock in enumerate(noise):
        value[row] = np.sqrt(variance) * shock
        variance = (1 - alpha - beta) + alpha * value[row] ** 2 + beta * variance
    return value[1_000:]


def weekly(n: int, rng: np.random.Generator) -> Floats:
    """Workdays, weekends, and a holiday every 25 workdays on average, when the load stays low."""
    days = -(-n // DAY)
    working = (np.arange(days) % 7 < 5) & (rng.random(days) > 0.04)
    clock = np.arange(DAY) / DAY
    shape = np.clip(np.sin(np.pi * (clock - 0.25) / 0.6), 0.0, None) * (clock > 0.25) * (clock < 0.85)
    strength = np.where(working, 1.0 + 0.05 * rng.normal(size=days), 0.25)
    load = (strength[:, None] * shape).ravel()[:n]
    return 5.0 * load + 0.3 * rng.normal(size=n)


def counts(n: int, rng: np.random.Generator) -> Floats:
    """Poisson counts whose rate follows the day, from 0.5 to 8."""
    rate = 4.25 + 3.75 * np.sin(2 * np.pi * np.arange(n) / DAY)
    return rng.poisson(rate).astype(float)


def intermittent(n: int, rng: np.random.Generator) -> Floats:
    """Zero nine rows in ten, else an order of exponential size; busy and slack weeks."""
    rate = 0.1 * np.exp(0.3 * autoregressive(n, 0.998, rng))
    return np.where(rng.random(n) < rate, rng.exponential(1.0, n) + 0.2, 0.0)


def near_constant(n: int, rng: np.random.Generator) -> Floats:
    """A value that rests, seldom moves by one step of the sensor's resolution, and comes back."""
    return np.round(20.0 + 0.15 * autoregressive(n, 0.95, rng), 1)


def day(n: int) -> Floats:
    """One sine a day, amplitude 1."""
    return np.sin(2 * np.pi * np.arange(n) / DAY)


NORMAL: dict[str, Callable[[int, np.random.Generator], Floats]] = {
    "white": lambda n, rng: rng.normal(size=n),
    "heavy tails (t3)": lambda n, rng: rng.standard_t(3, n),
    "AR .5": lambda n, rng: autoregressive(n, 0.5, rng),
    "AR .9": lambda n, rng: autoregressive(n, 0.9, rng),
    "AR .99": lambda n, rng: autoregressive(n, 0.99, rng),
    "AR .9, t3": lambda n, rng: autoregressive(n, 0.9, rng, heavy=True),
    "sine and noise": lambda n, rng: 3.0 * day(n) + 0.3 * rng.normal(size=n),
    "seasonal variance": lambda n, rng: np.exp(0.8 * day(n)) * rng.normal(size=n),
    "GARCH": garch,
    "drift": lambda n, rng: np.arange(n) / 10_000 + autoregressive(n, 0.5, rng),
    "level shift": lambda n, rng: 2.0 * (np.arange(n) >= 0.7 * n) + autoregressive(n, 0.5, rng),
    "growing variance": lambda n, rng: np.exp(np.arange(n) / 60_000) * rng.normal(size=n),
    "weekly, holidays": weekly,
    "near constant": near_constant,
    "integer counts": counts,
    "intermittent": intermittent,
}
"""Name to a function of (rows, random generator)."""


def _shifted(known: int, stream: int, rng: np.random.Generator) -> Floats:
    """AR(1) that lies two deviations higher from a fifth of the stream on."""
    n = known + stream
    return 2.0 * (np.arange(n) >= known + stream // 5) + autoregressive(n, 0.5, rng)


def _louder(known: int, stream: int, rng: np.random.Generator) -> Floats:
    n = known + stream
    return np.where(np.arange(n) >= known + stream // 5, 2.0, 1.0) * autoregressive(n, 0.5, rng)


def _calmer(known: int, stream: int, rng: np.random.Generator) -> Floats:
    n = known + stream
    return np.where(np.arange(n) >= known + stream // 5, 0.5, 1.0) * autoregressive(n, 0.5, rng)


def _growing(known: int, stream: int, rng: np.random.Generator) -> Floats:
    """Noise that grows to three times its size along the stream."""
    late = np.clip((np.arange(known + stream) - known) / stream, 0.0, None)
    return 3.0**late * rng.normal(size=known + stream)


def _drifting(known: int, stream: int, rng: np.random.Generator) -> Floats:
    """A level that rises by four deviations along the stream."""
    late = np.clip((np.arange(known + stream) - known) / stream, 0.0, None)
    return 4.0 * late + autoregressive(known + stream, 0.5, rng)


def _slower(known: int, stream: int, rng: np.random.Generator) -> Floats:
    """A daily rhythm that is sampled half as often from a fifth of the stream on."""
    steps = np.where(np.arange(known + stream) >= known + stream // 5, 2.0, 1.0)
    return 3.0 * np.sin(2 * np.pi * np.cumsum(steps) / DAY) + 0.3 * rng.normal(size=known + stream)


def _spiking(known: int, stream: int, rng: np.random.Generator) -> Floats:
    """A daily rhythm with a spike of three rows a day from a fifth of the stream on."""
    rows = np.arange(known + stream)
    spike = (rows >= known + stream // 5) & (rows % DAY < 3)
    return 3.0 * np.sin(2 * np.pi * rows / DAY) + 3.0 * spike + 0.3 * rng.normal(size=known + stream)


CHANGES: dict[str, Callable[[int, int, np.random.Generator], Floats]] = {
    "none (AR .5)": lambda known, stream, rng: autoregressive(known + stream, 0.5, rng),
    "none (weekly, holidays)": lambda known, stream, rng: weekly(known + stream, rng),
    "none (GARCH)": lambda known, stream, rng: garch(known + stream, rng),
    "level shift": _shifted,
    "twice as loud": _louder,
    "half as loud": _calmer,
    "growing variance": _growing,
    "drift": _drifting,
    "sampled half as often": _slower,
    "a spike a day": _spiking,
}
"""Calibration rows and a stream behind them that changes for good after a fifth; three of them do not change."""


def put_faults(
    series: Floats, count: int, rng: np.random.Generator, *, lengths: tuple[int, int] = (30, 150)
) -> tuple[Floats, NDArray[np.int8]]:
    """Copy the series and put `count` faults of different kinds into it, well apart; labels beside.

    A spike lasts 1 to 4 rows, each other fault as many as `lengths` says, the second number excluded.
    """
    value, labels = series.copy(), np.zeros(len(series), np.int8)
    usual, spread = float(np.median(series)), float(np.std(series))
    kinds = rng.permutation(["spike", "shift", "drift", "frozen", "noise", "wave", "shape"])
    for number in range(count):
        low, high = (number + 0.2) / count, (number + 0.8) / count
        first = int(rng.uniform(low, high) * len(series))
        kind = str(kinds[number % len(kinds)])
        length = int(rng.integers(1, 5)) if kind == "spike" else int(rng.integers(*lengths))
        part = slice(first, min(first + length, len(series)))
        rows = np.arange(part.stop - part.start)
        sign = rng.choice([-1.0, 1.0])
        if kind == "spike":
            value[part] += sign * rng.uniform(5, 10) * spread
        elif kind == "shift":
            value[part] += sign * rng.uniform(2, 4) * spread
        elif kind == "drift":
            value[part] += sign * rng.uniform(3, 5) * spread * rows / len(rows)
        elif kind == "frozen":
            value[part] = value[first]
        elif kind == "noise":
            value[part] += rng.uniform(1.5, 3) * spread * rng.normal(size=len(rows))
        elif kind == "wave":
            value[part] += rng.uniform(1.5, 3) * spread * np.sin(2 * np.pi * rows / rng.uniform(4, 12))
        else:
            value[part] = usual - (series[part] - usual)[::-1] + rng.uniform(0.5, 1) * spread
        labels[part] = 1
    return value, labels


def windowed_pca(train: Floats, series: Floats, *, timesteps: int = 64, components: int = 4) -> tuple[Floats, Floats]:
    """Row and window errors of a PCA of windows fitted on `train`, about 1 on normal rows, each of shape (n,)."""
    from numpy.lib.stride_tricks import sliding_window_view

    centre, spread = train.mean(), train.std() or 1.0
    windows = sliding_window_view((train - centre) / spread, timesteps)
    mean = windows.mean(axis=0)
    chosen = windows[:: max(1, len(windows) // 4_000)] - mean
    basis = np.linalg.svd(chosen, full_matrices=False)[2][:components]
    windows = sliding_window_view((series - centre) / spread, timesteps)
    n, cover = len(series), np.convolve(np.ones(len(series) - timesteps + 1), np.ones(timesteps))
    row, whole = np.zeros(n), np.zeros(n)
    for begin in range(0, len(windows), 8_192):
        part = windows[begin : begin + 8_192] - mean
        error = (part - part @ basis.T @ basis) ** 2
        starts = np.arange(begin, begin + len(part))
        total = error.mean(axis=1)
        for step in range(timesteps):
            row[starts + step] += error[:, step]
            whole[starts + step] += total
    return row / cover, whole / cover


def z_score(train: Floats, series: Floats) -> tuple[Floats, Floats]:
    """Squared standard score of each row; the window error is its mean over 64 rows."""
    error = ((series - train.mean()) / (train.std() or 1.0)) ** 2
    return error, np.convolve(np.pad(error, (32, 31), mode="edge"), np.ones(64) / 64, mode="valid")


DETECTORS: dict[str, Callable[[Floats, Floats], tuple[Floats, Floats]]] = {
    "windowed PCA": windowed_pca,
    "z-score": z_score,
}
"""Name to a function of (training rows, rows to score), giving row errors and window errors."""
