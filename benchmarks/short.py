"""Do short anomalies rank better when the row's own error counts beside its windows' error? And what do long ones lose?

    python benchmarks/short.py [--seeds 2] [--out short.md] [--csv short.csv]

The sixteen kinds of normal series of `normal_series.py`, 12,000 rows each. A detector is fitted on the first 6,000
rows, which are clean. Into the rest go eight faults of seven kinds, into the same series and for the same fit: once
short ones (spikes of 1 to 4 rows, others of 5 to 24), once long ones (spikes of 1 to 4 rows, others of 100 to 299).
VUS-PR over all rows, with the buffer that `vaehelpers bench` gives to the series. Four scores of the same errors:

- **window**: each row takes the mean error of its windows, smoothed over 100 rows; `Detector(scales="window")`.
- **row, 25**: each row's own error, smoothed over 25 rows.
- **window or 25**: the larger of both, the row's error scaled so that both have the same 99.9 % quantile on the
  training part.
- **window, 25 or 1**: the row's error without smoothing counts as well, scaled alike; `Detector(scales="window+row")`,
  the default.

``--folder FOLDER`` ranks a folder of TSB-AD-format files instead, by the VAE and by every combination that was tried
for the default: ``25, 1: 99.9 %`` is the larger of the window and of the row over 25 and 1 rows, held equal at that
quantile.

Windowed PCA with 8 components gets all four as well. The interval draws the series anew (kind and seed together) 2,000
times.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from normal_series import NORMAL, Floats, put_faults, windowed_pca

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TRAIN, ROWS, FAULTS, SMOOTH = 6_000, 12_000, 8, 100
LENGTHS = {"short": (5, 25), "long": (100, 300)}
SCORES = ("window", "row, 25", "window or 25", "window, 25 or 1")
METHODS = ("vae", "pca")


def four(row: Floats, window: Floats) -> dict[str, Floats]:
    """The four scores of the errors of rows and windows, each of shape (n,)."""
    from vaehelpers.detectors.rows import RowScales
    from vaehelpers.windows import smooth

    window, rows = np.asarray(smooth(window, SMOOTH)), row[:, None]
    scales = RowScales.fit(window[:TRAIN], rows[:TRAIN], SMOOTH)
    only = RowScales({25: scales.factors[25]}, SMOOTH)
    every = (window, np.asarray(smooth(row, 25)), only.scores(window, rows), scales.scores(window, rows))
    return dict(zip(SCORES, every))


def errors_of(method: str, series: Floats, seed: int, train: int = TRAIN) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Fit on the first rows, and return what makes errors of rows and of windows from a series of the same kind."""
    from vaehelpers.common.progress import quiet
    from vaehelpers.detectors import Detector
    from vaehelpers.windows import dominant_period

    if method == "pca":
        period = int(np.clip(dominant_period(series[:train]) or 100, 32, 400))
        return lambda values: windowed_pca(series[:train], values, timesteps=period, components=8)
    detector = Detector("fast", seed=seed).fit(series[:train])

    def errors(values: Floats) -> tuple[Floats, Floats]:
        rows, windows = detector._errors(detector.prepare(values[:, None]), quiet)
        return rows.sum(axis=1), windows

    return errors


def measure(seeds: int, notify: Callable[[str], None]) -> list[dict[str, str | int | float]]:
    """One row per kind, seed, length of faults and method, with the VUS-PR of the four scores."""
    from vaehelpers.metrics import sliding_window_of, vus_pr

    found: list[dict[str, str | int | float]] = []
    for seed in range(seeds):
        for number, (kind, make) in enumerate(NORMAL.items()):
            series = make(ROWS, np.random.default_rng([seed, number]))
            for method in METHODS:
                errors = errors_of(method, series, seed)
                for length, lengths in LENGTHS.items():
                    rng = np.random.default_rng([seed, number, lengths[0]])
                    late, marks = put_faults(series[TRAIN:], FAULTS, rng, lengths=lengths)
                    values = np.concatenate([series[:TRAIN], late])
                    labels = np.concatenate([np.zeros(TRAIN, marks.dtype), marks])
                    buffer = sliding_window_of(values)
                    one = {
                        name: float(vus_pr(labels, scores, buffer)) for name, scores in four(*errors(values)).items()
                    }
                    found.append({"kind": kind, "seed": seed, "faults": length, "method": method, **one})
                    notify(f"{kind}, seed {seed}, {method}, {length}: {', '.join(f'{v:.2f}' for v in one.values())}")
    return found


TRIED = [((), 0.999), ((25,), 0.99), ((25,), 0.995)]
TRIED += [(rows, 0.999) for rows in ((5,), (10,), (25,), (25, 5), (25, 1), (100, 25, 1))]
"""Rows that the row's error is averaged over, and the quantile at which all are held equal."""


def larger(row: Floats, window: Floats, train: int, rows: tuple[int, ...], share: float) -> Floats:
    """The larger of the window's error and of the row's, as one combination of `TRIED` says."""
    from vaehelpers.windows import smooth

    result = scores = np.asarray(smooth(window, SMOOTH))
    for width in rows:
        one = np.asarray(smooth(row, width))
        levels = [np.nanquantile(part[:train], share) for part in (scores, one)]
        result = np.fmax(result, one * levels[0] / max(levels[1], 1e-12))
    return result


def folder_table(folder: Path, seeds: int, notify: Callable[[str], None]) -> str:
    """Mean VUS-PR of the row alone and of every combination, over the files of a folder and the seeds."""
    from vaehelpers.data import read_tsb_ad
    from vaehelpers.metrics import sliding_window_of, vus_pr
    from vaehelpers.windows import smooth

    found: dict[str, list[float]] = {}
    for path in sorted(folder.glob("*.csv")):
        series = read_tsb_ad(path)
        values, train = np.asarray(series.values, float)[:, 0], int(series.train_rows or len(series.values))
        for seed in range(seeds):
            row, window = errors_of("vae", values, seed, train)(values)
            scores = {"row, 25": np.asarray(smooth(row, 25))}
            for rows, share in TRIED:
                name = f"{', '.join(map(str, rows))}: {100 * share:g} %" if rows else "window"
                scores[name] = larger(row, window, train, rows, share)
            buffer = sliding_window_of(values)
            for name, score in scores.items():
                found.setdefault(name, []).append(float(vus_pr(series.labels, score, buffer)))
            notify(f"{path.name}, seed {seed}: {found['window'][-1]:.2f}")
    means = [f"| {name} | {np.mean(one):.3f} |" for name, one in found.items()]
    return "\n".join(["| what ranks | mean VUS-PR |", "| --- | ---: |", *means])


def table(found: list[dict[str, str | int | float]]) -> str:
    """Mean VUS-PR of each score, and its difference to the window's error with an interval over series."""
    rng = np.random.default_rng(0)
    lines = [
        "| faults | method | series | " + " | ".join(SCORES) + " |",
        "| --- | --- | ---: |" + " ---: |" * len(SCORES),
    ]
    for length in LENGTHS:
        for method in METHODS:
            rows = [one for one in found if one["faults"] == length and one["method"] == method]
            values = np.array([[float(one[name]) for name in SCORES] for one in rows])
            drawn = rng.integers(len(values), size=(2_000, len(values)))
            lines.append(
                f"| {length} | {method} | {len(rows)} | " + " | ".join(f"{v:.3f}" for v in values.mean(axis=0)) + " |"
            )
            cells = [""]
            for k in range(1, len(SCORES)):
                less = values[:, k] - values[:, 0]
                low, high = np.quantile(less[drawn].mean(axis=1), [0.025, 0.975])
                cells.append(f"{less.mean():+.3f} ({low:+.3f} to {high:+.3f})")
            lines.append("| | less window (95 %) | | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@click.command()
@click.option("--seeds", default=2, show_default=True, help="Series, faults and weights are drawn so many times.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the table to this file.")
@click.option("--csv", "each", type=click.Path(path_type=Path), help="Write every series to this file.")
@click.option("--folder", type=click.Path(exists=True, path_type=Path), help="Rank its files by all that was tried.")
def main(seeds: int, out: Path | None, each: Path | None, folder: Path | None) -> None:
    """Rank short and long anomalies by the error of windows, of rows, and by the larger of both."""

    def notify(line: str) -> None:
        click.echo(line, err=True)

    found = [] if folder else measure(seeds, notify)
    text = folder_table(folder, seeds, notify) if folder else table(found)
    click.echo(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")
    if each and found:
        with each.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    sys.exit(main())
