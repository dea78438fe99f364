"""A synthetic corpus in the manner of the Numenta Anomaly Benchmark: twelve kinds of series, eleven of anomalies.

Designs and thresholds of causal detectors were chosen on it, so that NAB's labels need not be looked at. A window is a
tenth of the series, shared among its anomalies and centred on their first rows, as NAB's windows are.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

NORMAL = ["white", "ar", "season", "tweets", "load", "heavy", "walk", "counts", "flat", "sensor", "garch", "weekly"]
ANOMALIES = ["spike", "burst", "shift", "lasting", "freeze", "dropout", "variance", "shape", "ramp", "dense", "dip"]


def ar(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    """Autoregressive noise of variance 1."""
    return lfilter([1.0], [1.0, -phi], rng.normal(size=n + 500))[500:] * np.sqrt(1 - phi**2)


def normal(kind: str, rng: np.random.Generator, n: int, day: int) -> np.ndarray:
    """A series without anomaly, (n,); `day` rows are a day."""
    rows = np.arange(n)
    phase = rng.uniform(0, 2 * np.pi, size=2)
    daily = np.sin(2 * np.pi * rows / day + phase[0]) + 0.4 * np.sin(4 * np.pi * rows / day + phase[1])
    if kind == "white":
        return 50 + rng.uniform(0.5, 5) * rng.normal(size=n)
    if kind == "ar":
        return 20 + ar(rng, n, rng.choice([0.5, 0.8, 0.95, 0.99]))
    if kind == "season":
        return 100 + 20 * daily + rng.uniform(1, 8) * ar(rng, n, 0.6)
    if kind == "tweets":  # counts with a daily rhythm and rare heavy bursts
        x = rng.poisson(np.exp(2.5 + 0.6 * daily + 0.3 * ar(rng, n, 0.9))).astype(float)
        burst = rng.random(n) < 0.002
        x[burst] *= rng.pareto(2.5, burst.sum()) + 1
        return np.round(x)
    if kind == "load":  # idle, with jobs of random height and length
        x = rng.uniform(1, 5) + 0.1 * np.abs(rng.normal(size=n))
        gap, row = 1 / rng.uniform(0.003, 0.02), 0
        while row < n:
            row += int(rng.exponential(gap)) + 1
            length = int(rng.exponential(6)) + 1
            x[row : row + length] += rng.uniform(1, 10) * (1 + 0.2 * rng.normal())
            row += length
        return x + 0.05 * rng.normal(size=n)
    if kind == "heavy":
        return 30 + rng.standard_t(rng.choice([2.5, 3, 5]), size=n)
    if kind == "walk":
        return np.exp(0.3 * ar(rng, n, 0.999) + 0.05 * ar(rng, n, 0.5))
    if kind == "counts":
        return rng.poisson(np.maximum(0.2, rng.uniform(1, 30) * (1 + 0.7 * daily))).astype(float)
    if kind == "flat":
        x = np.full(n, rng.uniform(0, 3))
        jump = rng.random(n) < rng.uniform(0.001, 0.01)
        x[jump] += rng.exponential(1, jump.sum())
        return x
    if kind == "sensor":
        return 70 + 4 * ar(rng, n, 0.995) + 2 * np.sin(2 * np.pi * rows / day + phase[0]) + 0.3 * rng.normal(size=n)
    if kind == "garch":
        x, variance, noise = np.zeros(n), 1.0, rng.normal(size=n)
        for i in range(1, n):
            variance = 0.05 + 0.12 * x[i - 1] ** 2 + 0.83 * variance
            x[i] = np.sqrt(variance) * noise[i]
        return 10 + x
    weekend = np.where((rows // day) % 7 >= 5, 0.4, 1.0)
    return np.maximum(0, (60 + 30 * daily) * weekend + 4 * ar(rng, n, 0.5))


def inject(kind: str, rng: np.random.Generator, series: np.ndarray, row: int, day: int) -> np.ndarray:
    """A copy with one anomaly that begins at `row`."""
    x, n, before = series.copy(), len(series), series[:row]
    centre, width = np.median(before), np.subtract(*np.percentile(before, [97.5, 2.5])) / 4 + 1e-9
    length = int(rng.uniform(0.01, 0.04) * n) + 3
    end, height, sign = min(n, row + length), rng.uniform(3, 10), rng.choice([-1, 1])
    if kind == "spike":
        x[row : row + rng.integers(1, 4)] += sign * height * width * 1.5
    elif kind == "burst":
        x[np.minimum(row + rng.integers(0, length, size=6), n - 1)] += height * width
    elif kind == "shift":
        x[row:end] += sign * height * width * 0.6
    elif kind == "lasting":
        x[row:] += sign * height * width * 0.5
    elif kind == "freeze":
        x[row:end] = x[row]
    elif kind == "dropout":
        x[row:end] = min(0, before.min())
    elif kind == "variance":
        x[row:end] = centre + (x[row:end] - centre) * rng.uniform(2, 4)
    elif kind == "shape":
        part = x[row : row + min(day, max(20, length))]
        flat = np.convolve(part, np.ones(9) / 9, "same") * 0.3 + centre * 0.7
        x[row : row + len(part)] = part[::-1].copy() if rng.random() < 0.5 else flat[: len(part)]
    elif kind == "ramp":
        x[row:end] += np.linspace(0, height * width, end - row)
    elif kind == "dense":
        x[np.arange(row, end, max(2, length // 20))] += 2 * width
    else:  # dip
        x[row : row + max(3, length // 4)] -= height * width * 0.7
    return x


def corpus(seed: int, per_kind: int = 5, anomalies: bool = True) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, series (n,) and labels (n,) of `per_kind` series of each kind."""
    result = []
    for i, kind in enumerate(kind for kind in NORMAL for _ in range(per_kind)):
        rng = np.random.default_rng([seed, i])
        day = int(rng.choice([288, 144, 48, 24]))
        n = int(rng.choice([1500, 2500, 4032, 4032, 4032, 5300, 8000]))
        x = normal(kind, rng, n, day)
        if rng.random() < 0.15:  # growth that is no anomaly
            x = x * (1 + np.linspace(0, 0.5, n))
        labels = np.zeros(n, np.int8)
        k = int(rng.choice([0, 1, 1, 2, 2, 3])) if anomalies else 0
        window = int(0.1 * n / max(k, 1))
        starts: list[int] = []
        while len(starts) < k:
            row = int(rng.uniform(0.2 * n, 0.95 * n))
            if all(abs(row - other) > 1.5 * window for other in starts):
                starts.append(row)
        for row in sorted(starts):
            x = inject(str(rng.choice(ANOMALIES)), rng, x, row, day)
            labels[max(0, row - window // 2) : row + window // 2] = 1
        result.append((f"{kind}-{i}", x, labels))
    return result
