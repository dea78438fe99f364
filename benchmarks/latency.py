"""Time for one point of a stream, beside plain Keras' `predict` and call of the same model on the same window.

    python benchmarks/latency.py [--points 1000] [--repeats 3] [--out latency.md]

`StreamingDetector.update` does all of it: reads the row, fills and scales the window, encodes, decodes, smooths, gives
score, p-value and flag. The two others get a scaled window and only rebuild it. The contenders take turns in one
process; the quantiles are over all points of all turns, the first ten of each left out.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np

from vaehelpers.common.files import atomic_file

DETECTORS: dict[str, dict[str, Any]] = {
    "default (`fast`)": {},
    "`accurate`": {"preset": "accurate"},
    "LSTM 32/32, windows of 100": {"timesteps": 100, "encoder": "lstm", "decoder": "repeat", "units": 32},
}
KERAS_SHARE = 10  # Keras is so much slower that it gets a tenth of the points
WARM = 10


def timed(call: Callable[[Any], Any], inputs: Iterable[Any]) -> list[float]:
    """Milliseconds of each call, the first ones left out."""
    found = []
    for each in inputs:
        begin = time.perf_counter()
        call(each)
        found.append(1e3 * (time.perf_counter() - begin))
    return found[WARM:]


def measure(name: str, points: int, repeats: int, advance: Callable[[int], None]) -> list[tuple[str, str, list[float]]]:
    from vaehelpers.data import load_series
    from vaehelpers.detectors import Detector, StreamingDetector

    pump = load_series("example")
    rows = pump.values[:, 0]
    detector = Detector(steps=40, **DETECTORS[name]).fit(rows[:8_000])
    size, model = detector.timesteps_, detector.model_
    scaled = detector.scaler_.transform(pump.values)
    windows = np.lib.stride_tricks.sliding_window_view(scaled[:, 0], size)[..., None]
    found: dict[str, list[float]] = {"stream": [], "keras call": [], "keras predict": []}
    stream = StreamingDetector(detector).prepare()
    for row in rows[:size]:
        stream.update(row)
    for turn in range(repeats):
        first = size + turn * points
        few = [window[None] for window in windows[first : first + max(3 * WARM, points // KERAS_SHARE)]]
        found["stream"] += timed(stream.update, rows[first : first + points])
        found["keras call"] += timed(lambda window: np.mean((np.asarray(model(window)) - window) ** 2), few)
        found["keras predict"] += timed(lambda window: np.mean((model.predict(window, verbose=0) - window) ** 2), few)
        advance(1)
    return [(name, way, times) for way, times in found.items()]


def markdown(results: list[tuple[str, str, list[float]]]) -> str:
    lines = [
        "| detector | way | median ms | p99 ms | largest ms | median / stream's | p99 / stream's |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    ours = {name: np.quantile(times, [0.5, 0.99]) for name, way, times in results if way == "stream"}
    for name, way, times in results:
        middle, high = np.quantile(times, [0.5, 0.99])
        ratios = (middle / ours[name][0], high / ours[name][1])
        cells = [name, way, f"{middle:.2f}", f"{high:.2f}", f"{max(times):.2f}", *(f"{ratio:.1f}" for ratio in ratios)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.option("--points", type=click.IntRange(100), default=1_000, show_default=True, help="Points of a turn.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Turns of each.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the table to this file.")
def main(points: int, repeats: int, out: Path | None) -> None:
    from vaehelpers.model import use_threads

    use_threads()
    logging.getLogger("vaehelpers").setLevel(logging.ERROR)
    results = []
    with click.progressbar(length=len(DETECTORS) * repeats, label="measuring", file=sys.stderr) as bar:
        for name in DETECTORS:
            results += measure(name, points, repeats, bar.update)
    click.echo(text := markdown(results), nl=False)
    if out:
        with atomic_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
