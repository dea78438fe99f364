"""Missing values: how well they are filled in, and what they cost in detection, as a Markdown table.

    python benchmarks/imputation.py [--seeds 3] [--quick] [--out imputation.md]

A detector is fitted on complete training rows. Then 5, 20 and 40 % of the values of the test rows go missing, at random
or in blocks of a quarter of a window, each variable by itself. They are filled by the model (Markov chain Monte Carlo,
Xu et al. 2018, started from straight lines), by straight lines, or by the mean of the training rows (zero fill of
scaled values). Every filling meets the same detector and the same holes; seeds change both.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
from numpy.typing import NDArray

from vaehelpers.common import Progress
from vaehelpers.common.files import atomic_file
from vaehelpers.common.progress import terminal_progress
from vaehelpers.data import load_series
from vaehelpers.detectors import Detector
from vaehelpers.metrics import sliding_window_of, vus_pr
from vaehelpers.model.imputation import impute
from vaehelpers.windows import PointAggregator, gather, window_starts

SHARES = (0.05, 0.20, 0.40)
PATTERNS = ("at random", "in blocks")
PASSES = 10
FILLINGS = ("model", "lines", "mean")
DETECTIONS = {
    "complete": "nothing missing",
    "model": "MCMC, marked as missing",
    "masked": "straight lines, marked as missing",
    "lines": "straight lines, taken for real",
    "mean": "mean, taken for real",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A slice of an embedded series: rows to train on, rows to test on."""

    name: str
    train: slice
    test: slice


CASES = (
    Case("example", slice(22_876, 30_876), slice(31_000, 41_200)),
    Case("example-multivariate", slice(0, 3_000), slice(3_000, 6_000)),
)


def holes(shape: tuple[int, int], share: float, pattern: str, block: int, rng: np.random.Generator) -> NDArray:
    """Where a value is missing, bool (n, n_features); in blocks until the share is reached."""
    if pattern == "at random":
        return rng.random(shape) < share
    missing = np.zeros(shape, bool)
    for column in missing.T:
        while column.mean() < share:
            start = rng.integers(0, len(column) - block)
            column[start : start + block] = True
    return missing


def lines(values: NDArray) -> NDArray:
    """Straight lines over the missing values of each variable."""
    filled, rows = values.copy(), np.arange(len(values))
    for column in filled.T:
        seen = np.isfinite(column)
        column[~seen] = np.interp(rows[~seen], rows[seen], column[seen])
    return filled


def fill_by_model(detector: Detector, values: NDArray, seed: int) -> NDArray:
    """Scaled values with each missing one as the mean of what the windows over it say."""
    timesteps = detector.timesteps_
    clip = detector.settings_["clip"]
    started = np.clip(detector.scaler_.transform(lines(values)), -clip, clip).astype(np.float32)
    mask = np.isfinite(values).astype(np.float32)
    starts = window_starts(len(values), timesteps, stride=4, include_last=True)
    points = PointAggregator(len(values), timesteps, "mean")
    for part in np.array_split(starts, max(1, len(starts) // 1_024)):
        windows = gather(started, part, timesteps)
        points.add(part, impute(detector.model_, windows, gather(mask, part, timesteps), passes=PASSES, seed=seed))
    return np.where(mask > 0, started, points.result())


def detect(detector: Detector, values: NDArray, labels: NDArray, window: int, *, imputations: int = 0) -> float:
    """VUS-PR; rows without any value take the score of the straight line between their neighbours."""
    detector.settings_ = {**detector.settings_, "imputations": imputations, "max_missing": 1.0}
    scores = detector.decision_function(values)
    return vus_pr(labels, lines(scores[:, None])[:, 0], window)


def measure(
    case: Case, shares: tuple[float, ...], seeds: int, steps: int, progress: Progress
) -> dict[tuple, list[float]]:
    """Every number of one case, by (pattern, share, what, how)."""
    series = load_series(case.name)
    train, test = series.values[case.train], series.values[case.test]
    labels = np.asarray(series.labels)[case.test]
    window = sliding_window_of(train)
    found: dict[tuple, list[float]] = {}
    done, total = 0, seeds * (1 + len(PATTERNS) * len(shares))
    for seed in range(seeds):
        detector = Detector(steps=steps, seed=seed).fit(train)
        complete = detect(detector, test, labels, window)
        truth = detector.scaler_.transform(test)
        done += 1
        progress(case.name, done, total)
        for pattern in PATTERNS:
            for share in shares:
                rng = np.random.default_rng([seed, round(100 * share), PATTERNS.index(pattern)])
                gone = np.isnan(test)  # the series has a few holes of its own
                missing = holes(test.shape, share, pattern, detector.timesteps_ // 4, rng) | gone
                values = np.where(missing, np.nan, test).astype(np.float32)
                straight = lines(values)
                mean = np.where(missing, detector.scaler_.inverse_transform(np.zeros_like(test)), test)
                filled = {
                    "model": fill_by_model(detector, values, seed),
                    "lines": detector.scaler_.transform(straight),
                    "mean": detector.scaler_.transform(mean),
                }
                asked = missing & ~gone & (labels[:, None] == 0)  # what is normal within a fault, nobody knows
                key = (pattern, share)
                for name, guess in filled.items():
                    rmse = float(np.sqrt(np.mean((guess - truth)[asked] ** 2)))
                    found.setdefault((*key, "rmse", name), []).append(rmse)
                scored = {
                    "complete": complete,
                    "model": detect(detector, values, labels, window, imputations=PASSES),
                    "masked": detect(detector, values, labels, window),
                    "lines": detect(detector, straight, labels, window),
                    "mean": detect(detector, mean, labels, window),
                }
                for name, value in scored.items():
                    found.setdefault((*key, "vus", name), []).append(value)
                done += 1
                progress(case.name, done, total)
    return found


def cells(found: dict[tuple, list[float]], key: tuple, what: str, names: list[str], best: int) -> list[str]:
    """Mean and standard deviation over seeds; the best of the fillings in bold."""
    means = {name: float(np.mean(found[(*key, what, name)])) for name in names}
    fillings = {name: mean for name, mean in means.items() if name != "complete"}
    winner = max(fillings, key=lambda name: best * fillings[name])
    texts = []
    for name, mean in means.items():
        spread = np.std(found[(*key, what, name)], ddof=1)
        text = f"{mean:.3f} ± {spread:.3f}"
        texts.append(f"**{text}**" if name == winner else text)
    return texts


def table(found: dict[tuple, list[float]], shares: tuple[float, ...]) -> str:
    head = ["missing", "RMSE: model", "lines", "mean", *(f"VUS-PR: {text}" for text in DETECTIONS.values())]
    rows = ["| " + " | ".join(head) + " |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
    for pattern in PATTERNS:
        for share in shares:
            key = (pattern, share)
            row = [f"{share:.0%} {pattern}", *cells(found, key, "rmse", list(FILLINGS), -1)]
            rows.append("| " + " | ".join(row + cells(found, key, "vus", list(DETECTIONS), 1)) + " |")
    return "\n".join(rows)


@click.command(help=__doc__)
@click.option("--seeds", type=click.IntRange(2), default=3, show_default=True, help="Detectors and sets of holes.")
@click.option("--steps", type=click.IntRange(1), default=400, show_default=True, help="Training steps of each.")
@click.option("--quick", is_flag=True, help="One series, 20 % missing, two seeds, 40 steps: a minute or two.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the tables to this file.")
def main(seeds: int, steps: int, quick: bool, out: Path | None) -> None:
    logging.getLogger("vaehelpers").setLevel(logging.ERROR)
    seeds, steps, shares = (2, 40, SHARES[1:2]) if quick else (seeds, steps, SHARES)
    parts = []
    with terminal_progress() as progress:
        for case in CASES[1:] if quick else CASES:
            found = measure(case, shares, seeds, steps, progress)
            trained, tested = (rows.stop - rows.start for rows in (case.train, case.test))
            title = f"{case.name}: trained on {trained:,} rows, tested on {tested:,}"
            parts.append(f"## {title}\n\n{table(found, shares)}")
    sys.stdout.write(
        text := f"""# Missing values

RMSE in standard deviations of the training part, over missing values outside labelled faults (lower is better).
VUS-PR over the test rows (higher is better). Mean ± standard deviation over {seeds} seeds; the best filling in bold.

"""
        + "\n\n".join(parts)
        + "\n"
    )
    if out:
        with atomic_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
