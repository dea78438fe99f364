"""Where the time of training and scoring goes: each part of the LSTM-VAE alone, microseconds per window.

    python benchmarks/where.py [--batch 512] [--repeats 30] [--out where.md]

The model of `speed.py`. Every line times one compiled function on the same windows, the batch in as many pieces side
by side as there are cores; medians of interleaved repeats. The last column holds it against the whole score,
`score_series`, which also cuts out the windows and lays errors back onto rows. "matrix products" does nothing but the
recurrent products of both LSTMs, step after step in two halves: no LSTM written in TensorFlow's own products can fall
below that.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
from speed import LATENT, TIMESTEPS, UNITS, pump

from vaehelpers.common.files import atomic_file


def parts(batch: int) -> dict[str, Callable[[], Any]]:
    import tensorflow as tf

    from vaehelpers.model import LSTMVAE, score_series
    from vaehelpers.windows import gather

    series = pump()
    starts = np.arange(batch)
    model = LSTMVAE(TIMESTEPS, 1, LATENT, units=UNITS, linear_path=False)
    windows = tf.constant(gather(series, starts, TIMESTEPS))
    model(windows[:2])
    z = tf.zeros((batch, LATENT))
    state, weights = tf.zeros((batch, UNITS)), tf.random.stateless_normal((UNITS, 4 * UNITS), (0, 0))

    def chain(total: Any) -> Any:
        for _ in tf.range(2 * TIMESTEPS):
            total = tf.matmul(total, weights)[:, :UNITS] * 1e-3
        return total

    @tf.function
    def products() -> Any:
        return [chain(half) for half in tf.split(state, [batch // 2, batch - batch // 2])]

    @tf.function
    def gradient() -> Any:
        with tf.GradientTape() as tape:
            loss = model.loss_terms(model.terms(windows, training=True))[0]
        return tape.gradient(loss, model.trainable_weights)

    encode = tf.function(lambda: model.encode(windows))
    decode = tf.function(lambda: model.decode(z))
    both = tf.function(lambda: model.mean(model.decode(model.encode(windows)[0])))
    rows = series[: batch + TIMESTEPS - 1]
    return {
        "matrix products alone": products,
        "encoder": encode,
        "decoder": decode,
        "encode and decode": both,
        "gradient (one training step without Adam)": gradient,
        "`score_series`": lambda: score_series(model, rows, starts, batch_size=batch),
    }


@click.command(help=__doc__)
@click.option("--batch", type=click.IntRange(1), default=512, show_default=True, help="Windows in a call.")
@click.option("--repeats", type=click.IntRange(1), default=30, show_default=True, help="Of each, interleaved.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the table to this file.")
def main(batch: int, repeats: int, out: Path | None) -> None:
    from vaehelpers.model import use_threads

    use_threads()
    jobs = parts(batch)
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for call in jobs.values():
        call()
    rounds = [name for _ in range(repeats) for name in jobs]
    with click.progressbar(rounds, label="measuring", file=sys.stderr) as bar:
        for name in bar:
            begin = time.perf_counter()
            jobs[name]()
            seconds[name].append(time.perf_counter() - begin)
    each = {name: 1e6 * statistics.median(found) / batch for name, found in seconds.items()}
    whole = list(each.values())[-1]
    lines = ["| part | us per window | share of the last line |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {value:.1f} | {value / whole:.2f} |" for name, value in each.items()]
    text = "\n".join([f"Batches of {batch}.", "", *lines, ""])
    click.echo(text, nl=False)
    if out:
        with atomic_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
