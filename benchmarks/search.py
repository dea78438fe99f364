"""What a change of the network or of its training does to the ranking, and what several models together do.

    python benchmarks/search.py FOLDER [--preset lstm] [--change layer-norm] [--seeds 3] [--together] [--csv search.csv]

FOLDER holds files in the format of TSB-AD. Each preset is fitted as it is and with each change, under the same seeds,
and judged as `vaehelpers bench` does: VUS-PR over all rows, with the default score. The changes:

- **layer-norm**: ``Detector(layer_norm=True)``, normalisation behind every layer of the decoder's stack.
- **noise-0.1, noise-0.3**: in training the encoder reads the window with so much normal noise, in training deviations,
  and the decoder is held against the window without it (Vincent et al. 2010; Im et al. 2017 for the VAE).
- **masked-0.1, masked-0.25**: in training the encoder reads zero (the mean) in place of one stretch of rows, so large
  a share of the window, at a place drawn for each window; the decoder is held against the whole (Vincent et al. 2008
  mask single values).

``--together`` averages members that are fitted anyway: all seeds of a preset, and presets seed by seed. "scores" is
the mean of the members' errors, "windows" the error of the mean of their reconstructions. It takes series of one
variable without missing values.

The interval draws the series anew 2,000 times; it leaves out how much seeds differ.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
PRESETS = ("fast", "accurate", "lstm")
CHANGES = ("layer-norm", "noise-0.1", "noise-0.3", "masked-0.1", "masked-0.25")
Row = dict[str, str | int | float]
Errors = list[tuple[Any, ...]]


def changed(change: str) -> Callable[..., Any]:
    """What builds the model of a detector's settings, so that its encoder reads damaged windows in training."""
    import keras
    from keras import ops

    from vaehelpers.model import LSTMVAE

    name, _, size = change.partition("-")

    class Model(LSTMVAE):
        """A VAE whose encoder reads a damaged window in training."""

        def encode(self, windows: Any, training: bool | None = None) -> tuple[Any, Any]:
            if training and name in ("noise", "masked"):
                windows = ops.convert_to_tensor(windows)
                windows = self.with_noise(windows) if name == "noise" else self.with_hole(windows)
            return super().encode(windows, training=training)

        def with_noise(self, windows: Any) -> Any:
            return windows + float(size) * keras.random.normal(ops.shape(windows), seed=self.sampling.seed_generator)

        def with_hole(self, windows: Any) -> Any:
            length = max(1, round(float(size) * self.timesteps))
            begin = keras.random.randint(
                (ops.shape(windows)[0], 1, 1), 0, self.timesteps - length + 1, seed=self.sampling.seed_generator
            )
            place = ops.arange(self.timesteps, dtype="int32")[None, :, None] - begin
            return ops.where((place >= 0) & (place < length), 0.0, windows)

    def build(settings: Any, timesteps: int, n_features: int) -> Any:
        names = ("units", "encoder", "decoder", "likelihood", "linear_path")
        return Model(
            timesteps, n_features, settings["latent_dim"], **{key: settings[key] for key in names},
            patch=min(settings["patch"], timesteps), seed=int(settings["seed"]),
        )  # fmt: skip

    return build


class Member:
    """A fitted detector and its errors on the whole series, of rows and of windows, in units of the training part."""

    def __init__(self, series: Any, preset: str, change: str, seed: int) -> None:
        from vaehelpers.common.progress import quiet
        from vaehelpers.detectors import Detector, saved

        usual = saved.build_model
        more = {"layer_norm": True} if change == "layer-norm" else {}
        if change and not more:
            saved.build_model = changed(change)
        try:
            begin = time.process_time()
            self.detector = Detector(preset, seed=seed, **more).fit(series.train)
            self.seconds = time.process_time() - begin
        finally:
            saved.build_model = usual
        # the tails are measured on the training part alone: its last windows must not reach beyond it
        self.parts = [self.detector.prepare(part.values) for part in (series.train, series)]
        pairs = [self.detector._errors(part, quiet) for part in self.parts]
        self.errors: Errors = [(rows.sum(axis=1), windows) for rows, windows in pairs]


def mean_of_errors(members: list[Member]) -> Errors:
    """Mean over members of the errors of rows, and of the errors of windows; of the training part and of all."""
    pairs = [[one.errors[part] for one in members] for part in range(2)]
    return [tuple(np.mean([one[kind] for one in part], axis=0) for kind in range(2)) for part in pairs]


def errors_of_mean(members: list[Member], part: int) -> tuple[Any, Any]:
    """Errors of rows and of windows, of the mean of the members' reconstructions."""
    from vaehelpers.windows import PointAggregator, gather

    prepared, timesteps = members[0].parts[part], members[0].detector.timesteps_
    points = [PointAggregator(len(prepared), timesteps, "mean") for _ in range(2)]
    for begin in range(0, len(prepared.starts), 2_048):
        starts = prepared.starts[begin : begin + 2_048]
        read, target = gather(prepared.scaled, starts, timesteps), gather(prepared.whole, starts, timesteps)
        rebuilt = np.mean([np.asarray(one.detector.model_(read)) for one in members], axis=0)
        error = ((target - rebuilt) ** 2).sum(axis=2, keepdims=True)
        points[0].add(starts, error)
        points[1].add(starts, np.repeat(error.mean(axis=1, keepdims=True), timesteps, axis=1))
    rows, windows = (one.result()[:, 0] for one in points)
    return rows, windows


def ranked(series: Any, errors: Errors, smoothed: int) -> float:
    """VUS-PR of the default score, made of errors of rows and of windows: as the detector makes it."""
    from vaehelpers.detectors.rows import RowScales
    from vaehelpers.metrics import sliding_window_of, vus_pr
    from vaehelpers.windows import smooth

    known, every = [(rows[:, None], np.asarray(smooth(windows, smoothed))) for rows, windows in errors]
    scales = RowScales.fit(known[1], known[0], smoothed)
    scores = scales.scores(every[1], every[0])
    return float(vus_pr(series.labels, scores, sliding_window_of(np.asarray(series.values, float)[:, 0])))


def one_series(path: Path, presets: list[str], changes: list[str], seeds: int, together: bool) -> list[Row]:
    """All that is asked for, on one file."""
    from vaehelpers.data import read_tsb_ad
    from vaehelpers.model import use_threads

    use_threads(1)
    series, found = read_tsb_ad(path), []
    if together and (series.n_features > 1 or np.isnan(series.values).any()):
        raise click.UsageError(f"{path.name}: --together takes one variable without missing values")
    plain: dict[tuple[str, int], Member] = {}

    def note(name: str, change: str, seed: int, members: list[Member], errors: Errors) -> None:
        value = ranked(series, errors, members[0].detector.smooth_)
        seconds = sum(one.seconds for one in members)
        found.append({"series": path.name[:3], "model": name, "change": change, "seed": seed, "vus_pr": value,
                      "cpu_seconds": round(seconds, 1)})  # fmt: skip

    for preset in presets:
        for seed in range(seeds):
            for change in ("", *changes):
                member = Member(series, preset, change, seed)
                note(preset, change or "as it is", seed, [member], member.errors)
                if not change:
                    plain[preset, seed] = member
    for name, seed, members in groups(plain, presets, seeds) if together else ():
        note(name, "scores", seed, members, mean_of_errors(members))
        note(name, "windows", seed, members, [errors_of_mean(members, part) for part in range(2)])
    return found


def groups(
    plain: dict[tuple[str, int], Member], presets: list[str], seeds: int
) -> Iterator[tuple[str, int, list[Member]]]:
    """What is averaged: the seeds of a preset, and presets of one seed."""
    for preset in presets:
        if seeds > 1:
            yield f"{seeds} x {preset}", 0, [plain[preset, seed] for seed in range(seeds)]
    pairs = [(a, b) for i, a in enumerate(presets) for b in presets[i + 1 :]]
    for names in [*pairs, *([tuple(presets)] if len(presets) > 2 else [])]:
        for seed in range(seeds):
            yield " + ".join(names), seed, [plain[name, seed] for name in names]


def table(found: pd.DataFrame, against: list[str]) -> str:
    """Mean over series and seeds, and the difference to presets as they are, with an interval over series."""
    rng = np.random.default_rng(0)
    means = found.pivot_table(index="series", columns=["model", "change"], values="vus_pr")
    drawn = rng.integers(len(means), size=(2_000, len(means)))
    seconds = found.groupby(["model", "change"])["cpu_seconds"].median()
    lines = [
        "| model | change | mean VUS-PR | "
        + " | ".join(f"difference to {one} (95 %)" for one in against)
        + " | CPU seconds |",
        "| --- | --- | ---: |" + " ---: |" * (len(against) + 1),
    ]
    for model, change in found[["model", "change"]].drop_duplicates().itertuples(index=False):
        cells = [model, change, f"{means[model, change].mean():.3f}"]
        for one in against:
            less = (means[model, change] - means[one, "as it is"]).to_numpy()
            low, high = np.quantile(less[drawn].mean(axis=1), [0.025, 0.975])
            cells.append(
                "" if (model, change) == (one, "as it is") else f"{less.mean():+.3f} ({low:+.3f} to {high:+.3f})"
            )
        lines.append("| " + " | ".join([*cells, f"{seconds[model, change]:.1f}"]) + " |")
    return "\n".join(lines)


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--preset", "presets", multiple=True, type=click.Choice(PRESETS), help="Default: all three.")
@click.option("--change", "changes", multiple=True, type=click.Choice(CHANGES), help="Fit each preset so as well.")
@click.option("--only", multiple=True, help="Beginning of a file's name; default: all files.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Series at a time, a thread each.")
@click.option("--together", is_flag=True, help="Also average members.")
@click.option("--csv", "each", type=click.Path(path_type=Path), help="Write every result to this file.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the table to this file.")
def main(
    folder: Path, presets: tuple[str, ...], changes: tuple[str, ...], only: tuple[str, ...], seeds: int, jobs: int,
    together: bool, each: Path | None, out: Path | None,
) -> None:  # fmt: skip
    """Fit presets as they are and changed, and rank a folder by each."""
    paths = [path for path in sorted(folder.glob("*.csv")) if not only or path.name.startswith(only)]
    if not paths:
        raise click.UsageError(f"no CSV file in {folder} begins with {' or '.join(only) or 'anything'}")
    if len({path.name[:3] for path in paths}) < len(paths):
        raise click.UsageError("series go by the first three letters of their files, and two files begin alike")
    chosen, found = list(presets or PRESETS), []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        asked = [pool.submit(one_series, path, chosen, list(changes), seeds, together) for path in paths]
        for done in as_completed(asked):
            found += done.result()
            click.echo(f"{found[-1]['series']} done, {len({row['series'] for row in found})} of {len(paths)}", err=True)
            if each:
                with each.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, list(found[0]))
                    writer.writeheader()
                    writer.writerows(found)
    frame = pd.DataFrame(found).sort_values("series", kind="stable")
    text = table(frame, chosen)
    click.echo(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
