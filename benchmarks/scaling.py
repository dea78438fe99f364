"""Seconds and peak memory of scoring, from ten thousand rows to ten million, and the exponent between them.

    python benchmarks/scaling.py [--largest 10000000] [--repeats 3] [--out scaling.md] [--plot scaling.png]

One fitted detector, saved; every measurement loads it in a process of its own, scores 5,000 rows to have everything
compiled, then the series. "whole" is `Detector.decision_function` on the series in memory, "parts" is
`stream.score_parts` on a file of plain numbers, 250,000 rows at a time, what `vaehelpers score` does with large files.
Memory is the operating system's peak less that before, and less the series itself. The exponent is the slope of a
straight line through the logarithms of rows and median seconds: 1 is linear.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np

from vaehelpers.common.files import atomic_file

WAYS = ("whole", "parts")
MIB = 1 << 20


def wave(rows: int, offset: int = 0) -> np.ndarray:
    rng = np.random.default_rng([rows, offset])
    phase = np.arange(offset, offset + rows, dtype=np.float64) / 15
    return (np.sin(phase) + 0.1 * rng.normal(size=rows)).astype(np.float32)[:, None]


def peak() -> int:
    """Largest resident set so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1_024)


def work(folder: str, way: str, rows: int) -> None:
    from vaehelpers.model import use_threads

    use_threads()
    from vaehelpers.detectors import Detector, score_parts

    detector = Detector.load(folder)
    with tempfile.TemporaryFile() as file:
        if way == "parts":
            for first in range(0, rows, 1_000_000):
                file.write(wave(min(1_000_000, rows - first), first).tobytes())
        warm = wave(5_000)
        detector.decision_function(warm)
        for _ in score_parts(detector, lambda first, last: warm[first:last], len(warm)):
            pass

        def read(first: int, last: int) -> np.ndarray:
            file.seek(4 * first)
            return np.frombuffer(file.read(4 * (last - first)), np.float32)[:, None]

        before = peak()
        series = wave(rows) if way == "whole" else None
        begin = time.perf_counter()
        if series is not None:
            total = float(np.nansum(detector.decision_function(series)))
        else:
            total = sum(float(np.nansum(part)) for _, part in score_parts(detector, read, rows, rows=250_000))
        seconds = time.perf_counter() - begin
    own = 0 if series is None else series.nbytes
    print(json.dumps({"seconds": seconds, "bytes": max(0, peak() - before - own), "mean": total / rows}))


def draw(sizes: list[int], seconds: dict[tuple[str, int], float], path: Path) -> None:
    from vaehelpers.plots import OKABE_ITO, new_axes

    fig, ax = new_axes()
    for way, color, marker in zip(WAYS, ("blue", "vermilion"), "os"):
        ax.loglog(sizes, [seconds[way, n] for n in sizes], color=OKABE_ITO[color], marker=marker, label=way)
    ax.set(xlabel="rows", ylabel="seconds")
    ax.legend(frameon=False)
    fig.savefig(path, dpi=150)


@click.command(help=__doc__)
@click.option("--largest", type=click.IntRange(100_000), default=10_000_000, show_default=True, help="Most rows.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Of each, interleaved.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the table to this file.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw seconds against rows (PNG, SVG).")
@click.option("--work", "job", nargs=3, hidden=True)
def main(largest: int, repeats: int, out: Path | None, plot: Path | None, job: tuple[str, str, str] | None) -> None:
    if job:
        work(job[0], job[1], int(job[2]))
        return
    from vaehelpers.detectors import Detector

    logging.getLogger("vaehelpers").setLevel(logging.ERROR)
    sizes = [n for n in (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000) if n <= largest]
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as place:
        Detector(steps=40).fit(wave(10_000)).save(Path(place, "detector"))
        jobs = [(way, n) for _ in range(repeats) for n in sizes for way in WAYS]
        with click.progressbar(jobs, label="measuring", file=sys.stderr) as bar:
            for way, n in bar:
                command = [sys.executable, __file__, "--work", str(Path(place, "detector")), way, str(n)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise click.ClickException(f"scoring {n:,} rows ({way}) failed:\n{done.stderr}")
                found.setdefault((way, n), []).append(json.loads(done.stdout.splitlines()[-1]))
    seconds = {key: statistics.median(run["seconds"] for run in runs) for key, runs in found.items()}
    memory = {key: statistics.median(run["bytes"] for run in runs) / MIB for key, runs in found.items()}
    lines = ["| rows | " + " | ".join(f"{way}: s | us per row | MiB" for way in WAYS) + " |", "| ---: " * 7 + "|"]
    for n in sizes:
        cells = [f"{seconds[way, n]:.2f} | {1e6 * seconds[way, n] / n:.1f} | {memory[way, n]:,.0f}" for way in WAYS]
        lines.append(f"| {n:,} | " + " | ".join(cells) + " |")
    logs = np.log(sizes)
    slopes = [np.polyfit(logs, np.log([seconds[way, n] for n in sizes]), 1)[0] for way in WAYS]
    told = ", ".join(f"{way} {slope:.3f}" for way, slope in zip(WAYS, slopes))
    text = "\n".join([*lines, "", f"Exponent of the seconds: {told}.", ""])
    click.echo(text, nl=False)
    if out:
        with atomic_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if plot:
        draw(sizes, seconds, plot)


if __name__ == "__main__":
    main()
