"""Where recurrence should win, measured: a period that varies, windows of several periods, relations between variables.

    python benchmarks/recurrence.py [--seeds 3] [--out recurrence.md]
    python benchmarks/recurrence.py --stream    # what a row of a stream costs, from the LSTM's state and from a window

Made-up series with known anomalies, a fit on the clean first part, VUS-PR over all rows, mean over seeds (a seed draws
the series and the weights). Dense VAE, LSTM-VAE, windowed PCA with 8 and 16 components, k-means with windows of 100
rows, matrix profile with a moving average; each method with the smoothing of the house (100 rows).

- **steady**: a rhythm of 60 rows with two harmonics; anomalies: a beat with its second harmonic turned round.
- **varying**: the same, but each beat is 45 to 80 rows long: a window of fixed length never holds the same cut twice.
- **several periods**: the same as steady, seen through windows of four periods (240 rows).
- **order**: beats of three shapes in the order A B C; anomalies: two beats change places. Each beat alone is normal.
- **relation**: 20 variables follow three hidden rhythms that drift apart in phase; anomalies: one variable follows the
  others' past instead of their present. Its own shape stays as it was.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TRAIN, ROWS, EVENTS = 6_000, 12_000, 6
Made = tuple[np.ndarray, np.ndarray]
"""Values (ROWS, n_features), labels (ROWS,)."""


def beat(length: int, second: float, phase: float = 1.0) -> np.ndarray:
    """One beat of so many rows; its second harmonic makes the shape."""
    turn = 2 * np.pi * np.arange(length) / length
    return np.sin(turn) + second * np.sin(2 * turn + phase)


def places(rng: np.random.Generator, count: int) -> set[int]:
    """Which beats of `count` behind the training part are odd: evenly spread, shifted at random."""
    step = count // EVENTS
    return {k * step + int(rng.integers(2, step - 2)) for k in range(EVENTS)}


def beats(rng: np.random.Generator, lengths: Callable[[], int]) -> Made:
    values, labels = [], []
    while sum(map(len, values)) < TRAIN:
        values.append(beat(lengths(), 0.6))
        labels.append(np.zeros(len(values[-1])))
    odd = places(rng, (ROWS - TRAIN) // 64)
    for index in range((ROWS - TRAIN) // 40):
        values.append(beat(lengths(), 0.6, 1.0 + np.pi * (index in odd)))
        labels.append(np.full(len(values[-1]), float(index in odd)))
    series = np.concatenate(values)[:ROWS]
    return (series + 0.2 * rng.normal(size=ROWS))[:, None], np.concatenate(labels)[:ROWS]


def steady(rng: np.random.Generator) -> Made:
    return beats(rng, lambda: 60)


def varying(rng: np.random.Generator) -> Made:
    return beats(rng, lambda: int(rng.integers(45, 81)))


def order(rng: np.random.Generator) -> Made:
    shapes = [beat(50, second) for second in (0.0, 0.7, -0.7)]
    count = ROWS // 50
    which = np.arange(count) % 3
    labels = np.zeros(ROWS)
    for k in places(rng, (ROWS - TRAIN) // 50 - 4):
        first = TRAIN // 50 + k
        which[[first, first + 1]] = which[[first + 1, first]]
        labels[first * 50 : (first + 2) * 50] = 1
    series = np.concatenate([shapes[w] for w in which])
    return (series + 0.2 * rng.normal(size=ROWS))[:, None], labels


def relation(rng: np.random.Generator) -> Made:
    drift = np.cumsum(0.02 * rng.normal(size=(ROWS, 3)), axis=0)
    rhythms = np.sin(2 * np.pi * np.arange(ROWS)[:, None] / [60, 45, 80] + drift)
    weights = rng.normal(size=(3, 20))
    values, labels = rhythms @ weights, np.zeros(ROWS)
    for k in places(rng, (ROWS - TRAIN) // 100):
        first, column = TRAIN + 100 * k, int(rng.integers(20))
        values[first : first + 80, column] = values[first - 230 : first - 150, column]
        labels[first : first + 80] = 1
    return values + 0.3 * rng.normal(size=values.shape), labels


SCENARIOS: dict[str, tuple[Callable[[np.random.Generator], Made], dict[str, Any]]] = {
    "steady": (steady, {}),
    "varying": (varying, {}),
    "several periods": (steady, {"timesteps": 240}),
    "order": (order, {"timesteps": 150}),
    "relation": (relation, {}),
}
"""How each is made, and the settings that all windowed methods get."""


BASELINES: dict[str, tuple[str, dict[str, Any]]] = {
    "pca": ("pca", {}),
    "pca16": ("pca", {"n_components": 16}),
    "kmeans100": ("kmeans", {"timesteps": 100}),
    "matrix_profile": ("matrix_profile", {}),
}
"""Name to the baseline and what it gets of its own."""


def methods(seed: int, common: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    from vaehelpers.detectors import Detector
    from vaehelpers.detectors.baselines import make_baseline
    from vaehelpers.detectors.settings import PRESETS

    found: dict[str, Callable[[], Any]] = {
        f"vae-{preset}": lambda preset=preset: Detector(preset, seed=seed, **common) for preset in PRESETS
    }
    for name, (base, own) in BASELINES.items():
        found[name] = lambda base=base, own=own: make_baseline(base, seed=seed, **{**common, **own})
    return found


def measure(scenario: str, seeds: int, only: list[str], notify: Callable[[str], None]) -> dict[str, list[list[float]]]:
    """VUS-PR and seconds of each method, one entry per seed."""
    from vaehelpers.metrics import vus_pr

    make, common = SCENARIOS[scenario]
    results: dict[str, list[list[float]]] = {}
    for seed in range(seeds):
        values, labels = make(np.random.default_rng(seed))
        for name, build in methods(seed, common).items():
            if only and name not in only:
                continue
            begin = time.process_time()
            try:
                detector = build().fit(values[:TRAIN])
            except ValueError as error:  # a library that is not installed
                notify(f"{name}: {error}")
                continue
            scores = detector.decision_function(values)
            taken = time.process_time() - begin
            found = float(vus_pr(labels, scores, 100))
            notify(f"{scenario}, seed {seed}, {name}: {found:.3f} ({taken:.1f} s)")
            results.setdefault(name, []).append([found, taken])
    return results


def table(results: dict[str, dict[str, list[list[float]]]]) -> str:
    names = list(dict.fromkeys(name for found in results.values() for name in found))
    lines = ["| scenario | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for scenario, found in results.items():
        means = {name: statistics.mean(one[0] for one in found[name]) for name in names if name in found}
        cells = []
        for name in names:
            if name not in means:
                cells.append("")
                continue
            low, high = min(one[0] for one in found[name]), max(one[0] for one in found[name])
            text = f"{means[name]:.2f} ({low:.2f} to {high:.2f})"
            cells.append(f"**{text}**" if means[name] == max(means.values()) else text)
        lines.append(f"| {scenario} | " + " | ".join(cells) + " |")
    seconds = [statistics.median(one[1] for found in results.values() for one in found.get(name, [])) for name in names]
    lines.append("| CPU seconds, median | " + " | ".join(f"{value:.1f}" for value in seconds) + " |")
    return "\n".join(lines)


def stream_costs(repeats: int = 2_000) -> str:
    """Microseconds a row: one step from the kept state of an LSTM, an LSTM over the window, a dense model over it."""
    rng = np.random.default_rng(0)
    timesteps, units, latent = 100, 64, 8
    kernel, recurrent = rng.normal(size=(1, 4 * units)), rng.normal(size=(units, 4 * units)) / 8
    first, second = rng.normal(size=(timesteps, 128)) / 10, rng.normal(size=(128, latent)) / 10
    arrays = [a.astype(np.float32) for a in (kernel, recurrent, first, second)]
    kernel, recurrent, first, second = arrays
    row, window = np.float32(rng.normal(size=1)), rng.normal(size=timesteps).astype(np.float32)

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    def step(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i, f, g, o = np.split(x @ kernel + h @ recurrent, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    zero = np.zeros(units, np.float32)

    def over_window() -> None:
        h, c = zero, zero
        for value in window[:, None]:
            h, c = step(value, h, c)

    def dense() -> None:
        hidden = np.tanh(np.tanh(window @ first) @ second)
        np.tanh(hidden @ second.T) @ first.T

    lines = ["| one row of a stream, NumPy, one core | microseconds |", "| --- | ---: |"]
    for name, call, count in (
        (f"LSTM({units}), one step from the kept state", lambda: step(row, zero, zero), repeats),
        (f"LSTM({units}) over the window of {timesteps} rows", over_window, repeats // 50),
        (f"dense 128, encode and decode the window of {timesteps} rows", dense, repeats),
    ):
        best = float("inf")
        for _ in range(5):
            begin = time.perf_counter()
            for _ in range(count):
                call()
            best = min(best, (time.perf_counter() - begin) / count)
        lines.append(f"| {name} | {1e6 * best:,.0f} |")
    return "\n".join(lines)


@click.command()
@click.option("--seeds", default=3, show_default=True, help="Series and weights are drawn so many times.")
@click.option("--scenario", "chosen", multiple=True, type=click.Choice(list(SCENARIOS)), help="Default: all.")
@click.option("--methods", "only", default="", help="Names with commas; default: all.")
@click.option("--stream", is_flag=True, help="Only the costs of a row of a stream.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the Markdown to this file.")
def main(seeds: int, chosen: tuple[str, ...], only: str, stream: bool, out: Path | None) -> None:
    """Compare recurrent and dense models where recurrence should help."""
    if stream:
        text = stream_costs()
    else:
        names = [name.strip() for name in only.split(",") if name.strip()]
        text = table(
            {
                scenario: measure(scenario, seeds, names, lambda line: click.echo(line, err=True))
                for scenario in chosen or SCENARIOS
            }
        )
    click.echo(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
