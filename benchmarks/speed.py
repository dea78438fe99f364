"""Windows per second in training and scoring: ours, plain Keras, and PyTorch where it is installed, side by side.

    python benchmarks/speed.py [--repeats 5] [--seconds 3] [--out speed.md]

One model for all: LSTM(32) -> mu, log_var (1) -> z -> RepeatVector(100) -> LSTM(32) -> Dense(1), Gaussian likelihood,
KL, Adam, windows of 100 x 1, float32. Each contender lives in its own process (thread settings are process-wide); the
repeats are interleaved, the medians compared in one run. Read the ratios: the absolute numbers are this machine's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

TIMESTEPS, UNITS, LATENT = 100, 32, 1
BATCHES = (50, 128, 512)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
Measure = Callable[[str, int, float], float]


def pump():  # type: ignore[no-untyped-def]
    """The embedded series, scaled."""
    from vaehelpers.data import Scaler, load_series

    values = load_series("example").values
    return Scaler().fit(values).transform(values)


def repeat_for(seconds: float, windows: int, call: Callable[[], object]) -> float:
    """Windows per second of a call that handles `windows` of them."""
    call()  # building and warming up do not count
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        call()
        count += 1
    return count * windows / (time.perf_counter() - begin)


def ours() -> Measure:
    from vaehelpers.model import use_threads

    use_threads()
    import numpy as np
    import tensorflow as tf

    from vaehelpers.model import LSTMVAE, score_series, train

    series = pump()
    tf.random.set_seed(0)

    def measure(what: str, batch: int, seconds: float) -> float:
        model = LSTMVAE(TIMESTEPS, 1, LATENT, units=UNITS, linear_path=False)
        if what == "train":
            starts = np.arange(20_000)
            pilot = train(model, series, starts, steps=40, batch_size=batch, evaluations=1)
            steps = max(40, int(pilot.windows_per_second * seconds / batch))
            return train(model, series, starts, steps=steps, batch_size=batch, evaluations=1).windows_per_second
        rows = 20_000
        starts = np.arange(rows - TIMESTEPS + 1)
        return repeat_for(seconds, len(starts), lambda: score_series(model, series[:rows], starts, batch_size=batch))

    return measure


def keras_vae():  # type: ignore[no-untyped-def]
    """The same model of stock layers, to be trained by `model.fit`, and the loss that goes with it."""
    import keras
    from keras import layers, ops

    class Plain(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = layers.LSTM(UNITS)
            self.mu, self.log_var = layers.Dense(LATENT), layers.Dense(LATENT)
            self.repeat = layers.RepeatVector(TIMESTEPS)
            self.decoder = layers.LSTM(UNITS, return_sequences=True)
            self.head = layers.Dense(1)
            self.seed = keras.random.SeedGenerator(0)

        def call(self, x, training=False):  # type: ignore[no-untyped-def]
            hidden = self.encoder(x)
            mu, log_var = self.mu(hidden), self.log_var(hidden)
            z = mu
            if training:
                z = mu + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mu), seed=self.seed)
                self.add_loss(ops.mean(0.5 * ops.sum(mu**2 + ops.exp(log_var) - 1 - log_var, axis=1)) / TIMESTEPS)
            return self.head(self.decoder(self.repeat(z)))

    def nll(x, y):  # type: ignore[no-untyped-def]
        return 0.5 * ops.log(ops.mean(ops.square(x - y)) + 1e-6)

    return Plain(), nll


def plain_keras() -> Measure:
    import keras
    import numpy as np
    import tensorflow as tf

    series = pump()
    windows = np.lib.stride_tricks.sliding_window_view(series[:20_099, 0], TIMESTEPS)[..., None].copy()

    def measure(what: str, batch: int, seconds: float) -> float:
        model, nll = keras_vae()
        if what == "score":
            data = tf.data.Dataset.from_tensor_slices(windows).batch(batch)
            model(windows[:2])
            return repeat_for(seconds, len(windows), lambda: model.predict(data, verbose=0))
        model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=nll)
        part = windows[: batch * max(4, 2_048 // batch)]
        return repeat_for(seconds, len(part), lambda: model.fit(part, part, batch_size=batch, verbose=0))

    return measure


def pytorch() -> Measure:
    import numpy as np
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.LSTM(1, UNITS, batch_first=True)
            self.mu, self.log_var = nn.Linear(UNITS, LATENT), nn.Linear(UNITS, LATENT)
            self.decoder = nn.LSTM(LATENT, UNITS, batch_first=True)
            self.head = nn.Linear(UNITS, 1)

        def forward(self, x, sample: bool):  # type: ignore[no-untyped-def]
            _, (hidden, _) = self.encoder(x)
            mu, log_var = self.mu(hidden[0]), self.log_var(hidden[0])
            z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu) if sample else mu
            outputs, _ = self.decoder(z[:, None].expand(-1, TIMESTEPS, -1))
            return self.head(outputs), mu, log_var

    series = pump()
    windows = torch.from_numpy(
        np.lib.stride_tricks.sliding_window_view(series[:20_099, 0], TIMESTEPS)[..., None].copy()
    )

    def measure(what: str, batch: int, seconds: float) -> float:
        model = Plain()
        if what == "score":

            @torch.no_grad()
            def score() -> None:
                for begin in range(0, len(windows), batch):
                    model(windows[begin : begin + batch], False)

            return repeat_for(seconds, len(windows), score)
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)

        def epoch() -> None:
            for _ in range(8):
                x = windows[torch.randint(len(windows), (batch,))]
                y, mu, log_var = model(x, True)
                kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean() / TIMESTEPS
                loss = 0.5 * torch.log(((x - y) ** 2).mean() + 1e-6) + kl
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        return repeat_for(seconds, 8 * batch, epoch)

    return measure


CONTENDERS = {"vaehelpers": ours, "plain Keras": plain_keras, "PyTorch": pytorch}


def serve(name: str) -> None:
    """Answer measuring jobs, one JSON line each, until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    measure = CONTENDERS[name]()
    for line in sys.stdin:
        what, batch, seconds = json.loads(line)
        answers.write(json.dumps(measure(what, batch, seconds)) + "\n")
        answers.flush()


def markdown(results: dict[tuple[str, str, int], list[float]], names: list[str]) -> str:
    lines = []
    for what, title in (("train", "Training"), ("score", "Scoring (encode and decode once)")):
        best = {name: max(statistics.median(results[what, name, batch]) for batch in BATCHES) for name in names}
        lines += [f"### {title}: windows per second, and how many times each other", ""]
        lines += ["| batch | " + " | ".join(names) + " | " + " | ".join(f"ours / {n}" for n in names[1:]) + " |"]
        lines += ["| --- " * (2 * len(names)) + "|"]
        for batch in BATCHES:
            speed = {name: statistics.median(results[what, name, batch]) for name in names}
            ratios = [f"{speed[names[0]] / speed[name]:.2f}" for name in names[1:]]
            lines += [
                f"| {batch} | " + " | ".join(f"{speed[n]:,.0f}" for n in names) + " | " + " | ".join(ratios) + " |"
            ]
        ratios = [f"{best[names[0]] / best[name]:.2f}" for name in names[1:]]
        lines += [
            "| each at its best | " + " | ".join(f"{best[n]:,.0f}" for n in names) + " | " + " | ".join(ratios) + " |",
            "",
        ]
    return "\n".join(lines)


@click.command()
@click.option("--repeats", default=5, show_default=True, help="Interleaved repeats; medians are reported.")
@click.option("--seconds", default=3.0, show_default=True, help="Measured time of each repeat.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the Markdown table to this file.")
@click.option("--serve", "served", hidden=True)
def main(repeats: int, seconds: float, out: Path | None, served: str | None) -> None:
    """Measure training and scoring side by side with plain Keras and, where installed, PyTorch."""
    if served:
        serve(served)
        return
    names = [name for name in CONTENDERS if name != "PyTorch" or importlib.util.find_spec("torch")]
    if "PyTorch" not in names:
        click.echo("PyTorch is not installed (pip install torch): left out", err=True)
    workers = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--serve", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in names
    }
    jobs = [(what, batch) for what in ("train", "score") for batch in BATCHES]
    results: dict[tuple[str, str, int], list[float]] = {}
    rounds = [(what, batch, name) for _ in range(repeats) for what, batch in jobs for name in names]
    with click.progressbar(rounds, label="measuring", file=sys.stderr) as bar:
        for what, batch, name in bar:
            worker = workers[name]
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write(json.dumps([what, batch, seconds]) + "\n")
            worker.stdin.flush()
            results.setdefault((what, name, batch), []).append(json.loads(worker.stdout.readline()))
    for worker in workers.values():
        worker.communicate()
    table = markdown(results, names)
    click.echo(table)
    if out:
        out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
