"""The asker's own job: 77,093 windows of 100 x 1, trained until the validation loss settles, scored, thresholded.

    python benchmarks/asker.py [--batch 50] [--epochs 10] [--patience 2] [--out asker.md]

The embedded pump has exactly as many rows. The question's model, corrected (LSTM 32 -> z of size 1 -> RepeatVector ->
LSTM 32, Gaussian likelihood, KL, no linear path), is trained on the first 90 % of the windows, unlabelled faults
included, as the asker would; the rest is the validation part. One evaluation after each pass over the training
windows; settled is a validation loss without a new best for `patience` evaluations. Then each row gets the mean error
of the windows over it, the 99 % quantile is the threshold, runs above it are events. "plain Keras" does it with stock
layers, `model.fit`, `EarlyStopping` and `model.predict`; both start from nothing, each in a process of its own.

A third line is what we would advise instead: `vaehelpers report example`, with its HTML page. First of all, the seconds
until 8,192 windows have been trained on, building included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import click
import numpy as np
from speed import LATENT, TIMESTEPS, UNITS, keras_vae

from vaehelpers.common.files import atomic_file

FIRST = 8_192


def first_epoch_ours(series: np.ndarray, batch: int) -> None:
    from vaehelpers.model import LSTMVAE, train

    model = LSTMVAE(TIMESTEPS, 1, LATENT, units=UNITS, linear_path=False)
    train(model, series, np.arange(FIRST), steps=-(-FIRST // batch), batch_size=batch, evaluations=1)


def ours(series: np.ndarray, batch: int, epochs: int, patience: int) -> tuple[np.ndarray, int]:
    from vaehelpers.model import LSTMVAE, score_series, train
    from vaehelpers.windows import window_starts

    starts = window_starts(len(series), TIMESTEPS)
    learn = int(0.9 * len(starts))
    model = LSTMVAE(TIMESTEPS, 1, LATENT, units=UNITS, linear_path=False)
    history = train(
        model,
        series,
        starts[:learn],
        val_starts=starts[learn + TIMESTEPS :],
        steps=epochs * -(-learn // batch),
        batch_size=batch,
        beta=lambda step: 1.0,
        evaluations=epochs,
        patience=patience,
    )
    return score_series(model, series, starts, kind="error").scores, len(history.frame)


def first_epoch_keras(series: np.ndarray, batch: int) -> None:
    import keras

    windows = np.lib.stride_tricks.sliding_window_view(series[: FIRST + TIMESTEPS - 1, 0], TIMESTEPS)[..., None].copy()
    model, nll = keras_vae()
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=nll)
    model.fit(windows, windows, batch_size=batch, verbose=0)


def plain_keras(series: np.ndarray, batch: int, epochs: int, patience: int) -> tuple[np.ndarray, int]:
    import keras

    windows = np.lib.stride_tricks.sliding_window_view(series[:, 0], TIMESTEPS)[..., None].copy()
    learn = int(0.9 * len(windows))
    model, nll = keras_vae()
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=nll)
    held_back = windows[learn + TIMESTEPS :]
    history = model.fit(
        windows[:learn],
        windows[:learn],
        validation_data=(held_back, held_back),
        batch_size=batch,
        epochs=epochs,
        callbacks=[keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)],
        verbose=0,
    )
    error = np.square(windows - model.predict(windows, batch_size=512, verbose=0))[..., 0]
    total, count = np.zeros(len(series)), np.zeros(len(series))
    for step in range(TIMESTEPS):
        total[step : step + len(windows)] += error[:, step]
        count[step : step + len(windows)] += 1
    return total / count, len(history.history["loss"])


WAYS = {"vaehelpers": (first_epoch_ours, ours), "plain Keras": (first_epoch_keras, plain_keras)}


def work(way: str, what: str, batch: int, epochs: int, patience: int) -> dict[str, Any]:
    """One job in this process; the seconds count once TensorFlow is imported and the series read."""
    from vaehelpers.data import Scaler, load_series

    pump = load_series("example")
    series = Scaler().fit(pump.values).transform(pump.values)
    if way == "vaehelpers":
        from vaehelpers.model import use_threads

        use_threads()
    import vaehelpers.training

    import vaehelpers.scores

    assert vaehelpers.scores and vaehelpers.training  # what they import counts for neither side
    begin = time.perf_counter()
    first, whole = WAYS[way]
    if what == "first":
        first(series, batch)
        return {"seconds": time.perf_counter() - begin}
    scores, passes = whole(series, batch, epochs, patience)
    flags = scores > np.quantile(scores, 0.99)
    seconds = time.perf_counter() - begin

    from vaehelpers.metrics import runs, sliding_window_of, vus_pr
    from vaehelpers.windows import smooth

    after = slice(pump.train_rows, None)
    assert pump.labels is not None
    quality = vus_pr(pump.labels[after], smooth(scores, TIMESTEPS)[after], sliding_window_of(pump.train.values))
    return {"seconds": seconds, "passes": passes, "events": len(runs(flags)), "vus_pr": quality}


def run(*arguments: str) -> str:
    """The standard output of a child; its standard error only if it fails."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


@click.command(help=__doc__)
@click.option(
    "--batch", type=click.IntRange(1), default=50, show_default=True, help="Windows per step; 50 is the asker's."
)
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True, help="Passes at most.")
@click.option("--patience", type=click.IntRange(1), default=2, show_default=True, help="Passes without a new best.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the tables to this file.")
@click.option("--work", "job", nargs=2, hidden=True)
def main(batch: int, epochs: int, patience: int, out: Path | None, job: tuple[str, str] | None) -> None:
    if job:
        print(json.dumps(work(*job, batch, epochs, patience)))
        return
    settings = ["--batch", str(batch), "--epochs", str(epochs), "--patience", str(patience)]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    jobs = [(what, way) for what in ("first", "whole") for way in WAYS]
    with click.progressbar(jobs, label="measuring", file=sys.stderr) as bar:
        for what, way in bar:
            found[what, way] = json.loads(
                run(sys.executable, __file__, "--work", way, what, *settings).splitlines()[-1]
            )
    with tempfile.TemporaryDirectory() as place:
        begin = time.perf_counter()
        run(
            str(Path(sys.executable).with_name("vaehelpers")),
            "report",
            "example",
            "--out",
            str(Path(place, "report")),
            "--quiet",
        )
        report = time.perf_counter() - begin
        metrics = json.loads(Path(place, "report", "metrics.json").read_text(encoding="utf-8"))
    one, other = (found["first", way]["seconds"] for way in WAYS)
    lines = [
        f"The first {FIRST:,} windows, batches of {batch}, building included: {one:.1f} s, plain Keras "
        f"{other:.1f} s: {other / one:.1f} times as long.",
        "",
        "| way | seconds | times ours | passes | events | VUS-PR |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    base = found["whole", "vaehelpers"]["seconds"]
    for way in WAYS:
        it = found["whole", way]
        lines.append(
            f"| {way}, the asker's model | {it['seconds']:.0f} | {it['seconds'] / base:.1f} | {it['passes']} | "
            f"{it['events']} | {it['vus_pr']:.3f} |"
        )
    quality = next(iter(metrics["evaluation"].values()))["vus_pr"]
    told = f"{report:.0f} | {report / base:.1f} | | {metrics['events']['count']} | {quality:.3f}"
    lines.append(f"| `vaehelpers report example`, page included | {told} |")
    text = "\n".join([*lines, ""])
    click.echo(text, nl=False)
    if out:
        with atomic_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
