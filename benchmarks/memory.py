"""Peak memory of training and scoring a long series, beside the same with every window copied out.

    python benchmarks/memory.py [--rows 1000000] [--out memory.md]

Each way runs in its own process; the peak is the operating system's (resident set). "Beyond the libraries" is the peak
less that of a process which imports the same libraries and runs the same model on 1,000 rows.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import click

TIMESTEPS = 100
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def wave(rows: int):  # type: ignore[no-untyped-def]
    import numpy as np

    rng = np.random.default_rng(0)
    return (np.sin(np.arange(rows, dtype=np.float32) / 15) + 0.1 * rng.normal(size=rows).astype(np.float32))[:, None]


def ours(rows: int) -> None:
    """Train and score through a Detector, as users do."""
    from vaehelpers.detectors import Detector
    from vaehelpers.model import use_threads

    use_threads()
    series = wave(rows)
    Detector(timesteps=TIMESTEPS, steps=100).fit(series).decision_function(series)


def copied(rows: int) -> None:
    """The usual way: all windows in one array, `model.fit` and `model.predict` of plain Keras on it."""
    import keras
    import numpy as np

    series = wave(rows)
    windows = np.stack([series[i : i + TIMESTEPS] for i in range(rows - TIMESTEPS + 1)])
    model = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(8),
            keras.layers.Dense(TIMESTEPS),
            keras.layers.Reshape((TIMESTEPS, 1)),
        ]
    )
    model.compile("adam", "mse")
    part = windows[:20_480]
    model.fit(part, part, batch_size=2_048, verbose=0)
    error = (model.predict(windows, batch_size=2_048, verbose=0) - windows) ** 2
    error.mean(axis=(1, 2))


WAYS = {"vaehelpers": ours, "windows copied, plain Keras": copied}


def measure(way: str, rows: int) -> dict[str, float]:
    output = subprocess.run(
        [sys.executable, __file__, "--way", way, "--rows", str(rows)], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    return json.loads(output.splitlines()[-1])


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Length of the series.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the Markdown table to this file.")
@click.option("--way", hidden=True)
def main(rows: int, out: Path | None, way: str | None) -> None:
    """Measure the peak memory of training and scoring."""
    if way:
        WAYS[way](rows)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        click.echo(json.dumps({"peak": peak}))
        return
    lines = [
        f"### Peak memory, {rows:,} rows x 1, windows of {TIMESTEPS} (the series itself: {rows * 4 / 1e6:,.0f} MB)",
        "",
    ]
    lines += ["| way | peak, MB | beyond the libraries, MB | times the series |", "| --- " * 4 + "|"]
    beyond = {}
    for name in WAYS:
        small, large = measure(name, 1_000 + 20 * TIMESTEPS), measure(name, rows)
        beyond[name] = large["peak"] - small["peak"]
        lines += [
            f"| {name} | {large['peak'] / 1e6:,.0f} | {beyond[name] / 1e6:,.0f} | {beyond[name] / (rows * 4):.1f} |"
        ]
    first, second = beyond.values()
    lines += ["", f"Beyond the libraries the copies need {second / first:.1f} times as much memory."]
    table = "\n".join(lines)
    click.echo(table)
    if out:
        out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
