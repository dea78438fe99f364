"""Scoring an LSTM-VAE with six engines, side by side: windows per second.

    python benchmarks/engines.py [--repeats 5] [--seconds 2] [--out engines.md]
    python benchmarks/engines.py --start     # seconds from the start of Python to the first scores

One model for all, with the same weights: LSTM(32) -> mu (1) -> RepeatVector(100) -> LSTM(32) -> Dense(1), windows of
100 x 1, float32: encode and decode once. Plain Keras (`predict`), ours (BlockLSTMV2), PyTorch eager and compiled, ONNX
Runtime and OpenVINO (`OnnxScorer` on our export, one LSTM node a layer; as many batches side by side as there are
cores, one thread in each). Engines that are not installed, or that fail, are left out and named.

Each contender lives in its own process, since thread settings are process-wide. The repeats are interleaved; the table
has medians, and the ratios to PyTorch of the same round with their smallest and largest value. All contenders must
rebuild the same windows alike before anything is timed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

TIMESTEPS, UNITS, LATENT, WINDOWS = 100, 32, 1, 5_120
BATCHES = (50, 128, 512)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
Score = Callable[[int], np.ndarray]
"""Reconstruct all windows in batches of this size: (WINDOWS, TIMESTEPS, 1)."""


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(folder: Path) -> None:
    """The windows, the weights as plain arrays, and the ONNX file, which is what all contenders read."""
    from vaehelpers.data import load_series
    from vaehelpers.detectors import Detector

    series = load_series("example").values[: WINDOWS + TIMESTEPS - 1]
    detector = Detector(
        timesteps=TIMESTEPS,
        latent_dim=LATENT,
        units=UNITS,
        encoder="lstm",
        decoder="repeat",
        linear_path=False,
        steps=100,
    )
    detector.fit(series[:4_000])
    scaled = detector.scaler_.transform(series)[:, 0]
    np.save(folder / "windows.npy", np.lib.stride_tricks.sliding_window_view(scaled, TIMESTEPS)[..., None].copy())
    detector.export(folder / "model.onnx")
    detector.save(folder / "detector")
    model = detector.model_
    weights = [*model.encoder.get_weights(), *model.mu_head.get_weights(), *model.decoder.get_weights()]
    np.savez(folder / "weights.npz", *weights)


def load_weights(folder: Path) -> list[np.ndarray]:
    """Kernel, recurrent kernel, bias of the encoder; of mu; kernel, recurrent kernel, bias, head of the decoder."""
    with np.load(folder / "weights.npz") as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def plain_keras(folder: Path, windows: np.ndarray) -> Score:
    import keras
    import tensorflow as tf
    from keras import layers

    weights = load_weights(folder)
    inputs = keras.Input((TIMESTEPS, 1))
    mu = layers.Dense(LATENT)(layers.LSTM(UNITS)(inputs))
    hidden = layers.LSTM(UNITS, return_sequences=True)(layers.RepeatVector(TIMESTEPS)(mu))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.set_weights(weights)

    def score(batch: int) -> np.ndarray:
        return model.predict(tf.data.Dataset.from_tensor_slices(windows).batch(batch), verbose=0)

    return score


def ours(folder: Path, windows: np.ndarray) -> Score:
    from vaehelpers.model import use_threads

    use_threads()
    import tensorflow as tf

    from vaehelpers.detectors import Detector

    model = Detector.load(folder / "detector").model_
    spec = tf.TensorSpec([None, TIMESTEPS, 1], tf.float32)
    run = tf.function(lambda x: model.decode(model.encode(x)[0]), input_signature=[spec], jit_compile=False)

    def score(batch: int) -> np.ndarray:
        parts = range(0, len(windows), batch)
        return np.concatenate([run(tf.constant(windows[i : i + batch])).numpy() for i in parts])

    return score


def _torch_model(folder: Path) -> Any:
    import torch
    from torch import nn

    torch.set_num_threads(cores())

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.LSTM(1, UNITS, batch_first=True)
            self.mu = nn.Linear(UNITS, LATENT)
            self.decoder = nn.LSTM(LATENT, UNITS, batch_first=True)
            self.head = nn.Linear(UNITS, 1)

        def forward(self, x: Any) -> Any:
            _, (hidden, _) = self.encoder(x)
            z = self.mu(hidden[0])
            outputs, _ = self.decoder(z[:, None].expand(-1, TIMESTEPS, -1))
            return self.head(outputs)

    model, weights = Plain().eval(), load_weights(folder)
    state = {}
    for name, (kernel, recurrent, bias) in {"encoder": weights[:3], "decoder": weights[5:8]}.items():
        # both have the gates in the order input, forget, cell, output
        state[f"{name}.weight_ih_l0"], state[f"{name}.weight_hh_l0"] = kernel.T, recurrent.T
        state[f"{name}.bias_ih_l0"], state[f"{name}.bias_hh_l0"] = bias, np.zeros_like(bias)
    for name, (kernel, bias) in {"mu": weights[3:5], "head": weights[8:10]}.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = kernel.T, bias
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()})
    return model


def _torch_score(model: Any, windows: np.ndarray) -> Score:
    import torch

    tensor = torch.from_numpy(windows)

    def score(batch: int) -> np.ndarray:
        with torch.inference_mode():
            return torch.cat([model(tensor[i : i + batch]) for i in range(0, len(tensor), batch)]).numpy()

    return score


def pytorch(folder: Path, windows: np.ndarray) -> Score:
    return _torch_score(_torch_model(folder), windows)


def pytorch_compiled(folder: Path, windows: np.ndarray) -> Score:
    import torch

    return _torch_score(torch.compile(_torch_model(folder)), windows)


def _exported(engine: str, folder: Path, windows: np.ndarray) -> Score:
    from concurrent.futures import ThreadPoolExecutor

    from vaehelpers.detectors import OnnxScorer

    scorer, pool = OnnxScorer(folder / "model.onnx", engine=engine), ThreadPoolExecutor(cores())

    def score(batch: int) -> np.ndarray:
        parts = [windows[i : i + batch] for i in range(0, len(windows), batch)]
        return np.concatenate(list(pool.map(scorer.reconstruct, parts)))

    return score


def onnx_runtime(folder: Path, windows: np.ndarray) -> Score:
    return _exported("onnxruntime", folder, windows)


def open_vino(folder: Path, windows: np.ndarray) -> Score:
    return _exported("openvino", folder, windows)


CONTENDERS: dict[str, tuple[str | None, Callable[[Path, np.ndarray], Score]]] = {
    "plain Keras": (None, plain_keras),
    "vaehelpers (BlockLSTMV2)": (None, ours),
    "PyTorch": ("torch", pytorch),
    "PyTorch compiled": ("torch", pytorch_compiled),
    "ONNX Runtime": ("onnxruntime", onnx_runtime),
    "OpenVINO": ("openvino", open_vino),
}
"""Name to the package that it needs and what makes it."""


def serve(name: str, folder: Path) -> None:
    """Answer jobs (batch, seconds), one JSON line each, until stdin ends. 0 seconds: a digest of the results."""
    answers, sys.stdout = sys.stdout, sys.stderr
    windows = np.load(folder / "windows.npy")
    score = CONTENDERS[name][1](folder, windows)
    for line in sys.stdin:
        batch, seconds = json.loads(line)
        if seconds == 0:
            answer: Any = score(batch)[::100].ravel().tolist()
        else:
            score(batch)  # building and warming up do not count
            begin, count = time.perf_counter(), 0
            while time.perf_counter() - begin < seconds:
                score(batch)
                count += 1
            answer = count * len(windows) / (time.perf_counter() - begin)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    """A contender in a process of its own."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        command = [sys.executable, __file__, "--serve", name, "--folder", str(folder)]
        self.errors = (folder / f"{name}.txt").open("w")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )

    def ask(self, batch: int, seconds: float) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps([batch, seconds]) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            return None

    def end(self) -> None:
        self.process.communicate()
        self.errors.close()


def markdown(results: dict[tuple[str, int], list[float]], names: list[str]) -> str:
    """Medians, and the ratio to PyTorch of the same round: median (smallest to largest)."""
    rival = "PyTorch" if "PyTorch" in names else names[0]
    heads = [f"batch {batch}" for batch in BATCHES]
    lines = [
        "| engine | "
        + " | ".join(heads)
        + f" | best / {rival}'s best | "
        + " | ".join(f"{h}, ratio" for h in heads)
        + " |",
        "| --- |" + " ---: |" * (2 * len(heads) + 1),
    ]
    middle = {key: statistics.median(values) for key, values in results.items()}
    best = {name: max(middle[name, batch] for batch in BATCHES) for name in names}
    for name in names:
        ratios = []
        for batch in BATCHES:
            pairs = [a / b for a, b in zip(results[name, batch], results[rival, batch], strict=True)]
            ratios.append(f"{statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})")
        speeds = [f"{middle[name, batch]:,.0f}" for batch in BATCHES]
        lines.append(f"| {name} | " + " | ".join([*speeds, f"{best[name] / best[rival]:.2f}", *ratios]) + " |")
    return "\n".join(lines)


STARTS = {
    "ONNX Runtime": ("onnxruntime", "from vaehelpers.detectors import OnnxScorer; d = OnnxScorer('model.onnx')"),
    "OpenVINO": (
        "openvino",
        "from vaehelpers.detectors import OnnxScorer; d = OnnxScorer('model.onnx', engine='openvino')",
    ),
    "TensorFlow": (None, "from vaehelpers.detectors import Detector; d = Detector.load('detector')"),
}
"""Name to the package that it needs and the lines that load the detector."""


def start_times(folder: Path, repeats: int) -> str:
    """Seconds of a new process that loads the detector and scores 1,000 rows; and of one that imports NumPy alone."""
    import resource

    jobs = {"NumPy alone": "import numpy"}
    for name, (package, load) in STARTS.items():
        if package is None or importlib.util.find_spec(package):
            jobs[name] = (
                load + "; import numpy as np; d.decision_function(np.load('windows.npy', mmap_mode='r')[:1_000, 0])"
            )
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, code in jobs.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, stderr=subprocess.DEVNULL)
            wall = time.perf_counter() - begin
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times[name].append((wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    lines = ["| engine | seconds, best | seconds, median | CPU seconds, best |", "| --- | ---: | ---: | ---: |"]
    for name, taken in times.items():
        walls, busy = [one[0] for one in taken], min(one[1] for one in taken)
        lines.append(f"| {name} | {min(walls):.2f} | {statistics.median(walls):.2f} | {busy:.2f} |")
    return "\n".join(lines)


@click.command()
@click.option("--repeats", default=5, show_default=True, help="Interleaved rounds.")
@click.option("--seconds", default=2.0, show_default=True, help="Measured time of each.")
@click.option("--start", is_flag=True, help="Only the time from the start of Python to the first scores.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the Markdown table to this file.")
@click.option("--serve", "served", hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
def main(repeats: int, seconds: float, start: bool, out: Path | None, served: str | None, folder: Path | None) -> None:
    """Measure scoring side by side: Keras, ours, PyTorch, ONNX Runtime, OpenVINO."""
    if served:
        assert folder is not None
        serve(served, folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder)
        if start:
            click.echo(start_times(folder, repeats))
            return
        workers, reference = [], None
        for name, (package, _) in CONTENDERS.items():
            if package and importlib.util.find_spec(package) is None:
                click.echo(f"{name}: {package} is not installed, left out", err=True)
                continue
            worker = Worker(name, folder)
            answer = worker.ask(BATCHES[0], 0)
            if answer is None:
                worker.end()
                last = (folder / f"{name}.txt").read_text().strip().splitlines()[-1:]
                click.echo(f"{name}: failed, left out ({' '.join(last)[:200]})", err=True)
                continue
            reference = answer if reference is None else reference
            away = float(np.abs(np.subtract(answer, reference)).max())
            click.echo(f"{name}: differs from the first by {away:.1e} at most", err=True)
            if away > 1e-4:
                raise click.ClickException(f"{name} rebuilds other windows; the comparison would mean nothing")
            workers.append(worker)
        results: dict[tuple[str, int], list[float]] = {}
        rounds = [(batch, worker) for _ in range(repeats) for batch in BATCHES for worker in workers]
        with click.progressbar(rounds, label="measuring", file=sys.stderr) as bar:
            for batch, worker in bar:
                results.setdefault((worker.name, batch), []).append(worker.ask(batch, seconds))
        for worker in workers:
            worker.end()
    table = markdown(results, [worker.name for worker in workers])
    click.echo(table)
    if out:
        out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
