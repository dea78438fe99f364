"""The one thread of the lessons: the asker's model, corrected one step at a time, under one protocol.

    python benchmarks/running_table.py [--steps 300] [--seeds 3] [--out docs/results/running_table.csv]

Each lesson measures its own step at the size that suits its question. Here every step gets the same pump, the same
windows of 96 rows, the same number of gradient steps, optimiser and seeds, so that rows may be compared. Learned from:
the first 90 % of the clean rows. error: mean squared error of the other clean windows, rebuilt from the mean of z, as
a share of their variance. VUS-PR: of the faulty part, band 96 rows, error of windows averaged over the windows of a
row, no further smoothing. seconds: of processor time for training, all cores together, which a busy machine does not
change much. Lesson 08 reads the file.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pandas as pd

T = 96
PLAIN: dict[str, Any] = {
    "latent_dim": 1, "units": 32, "linear_path": False, "likelihood": {"name": "gaussian-fixed", "variance": 0.5},
}  # fmt: skip
STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("00", "one number z, repeat, KL and squared error summed", {}),
    ("00", "+ linear path, started from PCA", {"linear_path": True}),
    ("04", "+ noise variance optimal instead of fixed", {"likelihood": "gaussian"}),
    ("02", "+ z sets the state as well as the input", {"decoder": "repeat+state"}),
    ("05", "+ z of 8 numbers instead of 1", {"latent_dim": 8}),
    ("11", "+ dense encoder and decoder", {"encoder": "dense", "decoder": "dense"}),
    (
        "05",
        "z of 8 numbers in the LSTMs, without the linear path",
        {"encoder": "lstm", "decoder": "repeat+state", "linear_path": False},
    ),
)


def measured(rebuilt: np.ndarray, windows: np.ndarray) -> np.ndarray:
    return np.mean((rebuilt - windows) ** 2, axis=(1, 2))


@click.command(help=__doc__)
@click.option("--steps", default=300, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=None)
def main(steps: int, seeds: int, out: Path | None) -> None:
    import keras
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    from vaehelpers.data import Scaler, load_series
    from vaehelpers.metrics import vus_pr
    from vaehelpers.model import LSTMVAE, train
    from vaehelpers.windows import gather, window_starts, windows_to_points

    pump = load_series("example")
    cut = int(0.9 * pump.train_rows)
    series = Scaler().fit(pump.train.values[:cut]).transform(pump.values).astype(np.float32)
    learn = window_starts(cut, T)
    held = gather(series[cut : pump.train_rows], window_starts(pump.train_rows - cut, T, stride=8), T)
    faulty, labels = series[pump.train_rows :], pump.labels[pump.train_rows :]
    starts = window_starts(len(faulty), T, stride=4)
    test, training = gather(faulty, starts, T), gather(series[:cut], learn[::4], T)
    rows: list[dict[str, Any]] = []

    def add(lesson: str, what: str, seed: int, seconds: float, rebuild: Any) -> None:
        each = np.repeat(measured(rebuild(test), test)[:, None], T, axis=1)
        detection = vus_pr(labels, windows_to_points(each, starts, len(faulty)), T)
        error = float(measured(rebuild(held), held).mean() / held.var())
        rows.append({"lesson": lesson, "model": what, "seed": seed, "error": round(error, 4),
                     "vus_pr": round(float(detection), 4), "seconds": round(seconds, 2)})  # fmt: skip
        click.echo(str(rows[-1]), err=True)

    options = dict(PLAIN)
    for lesson, what, change in STEPS:
        options |= change
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            model = LSTMVAE(T, 1, seed=seed, **options)
            begin = time.process_time()
            if options["linear_path"]:
                model.start_from_pca(training)
            train(model, series[:cut], learn, steps=steps, batch_size=64, learning_rate=4e-3, evaluations=1, seed=seed)
            seconds = time.process_time() - begin

            def rebuild(windows: np.ndarray, model: Any = model) -> np.ndarray:
                parts = [np.asarray(model(windows[i : i + 1_000])) for i in range(0, len(windows), 1_000)]
                return np.concatenate(parts)

            add(lesson, what, seed, seconds, rebuild)
    for kept in (8, 12, 16):
        begin = time.process_time()
        pca = PCA(kept, svd_solver="full").fit(training[..., 0])
        seconds = time.process_time() - begin
        add("05", f"PCA, {kept} components", 0, seconds,
            lambda w, pca=pca: pca.inverse_transform(pca.transform(w[..., 0]))[..., None])  # fmt: skip
    for k in (20, 320):
        for seed in range(seeds):
            begin = time.process_time()
            with threadpool_limits(1):  # more threads wait for each other
                means = KMeans(k, n_init=1, random_state=seed).fit(training[..., 0].astype(np.float64))
            seconds = time.process_time() - begin
            add("11", f"k-means, {k} typical windows", seed, seconds,
                lambda w, m=means: m.cluster_centers_[m.predict(w[..., 0].astype(np.float64))][..., None])  # fmt: skip
    table = pd.DataFrame(rows)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False)
    click.echo(
        table.groupby(["lesson", "model"], sort=False)[["error", "vus_pr", "seconds"]].mean().round(3).to_string()
    )


if __name__ == "__main__":
    main()
