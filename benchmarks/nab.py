"""The Numenta Anomaly Benchmark's own score of causal detectors on its 58 files, as Markdown tables.

    python benchmarks/nab.py --data DIR --board board.csv --out runs/nab.md

Every detector sees a file row by row, learns on the probation (15%, at most 750 rows) and goes on learning. The score
is the benchmark's: normalised over the corpus (silent 0, perfect 100), at the one threshold that is best on these
labels, as on its board. Beside it the same scores at thresholds that these labels did not choose: the best one on a
synthetic corpus (nab_synthetic.py) and, where the detector draws a line itself, that line. The board's rows are
recomputed from the rows that its detectors flagged (columns detector, file, rows).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from nab_synthetic import corpus
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from vaehelpers.alarms.causal import VIEWS, CausalDetector
from vaehelpers.alarms.sequential import Cooldown, RollingLikelihood
from vaehelpers.common.files import atomic_file
from vaehelpers.common.progress import terminal_progress
from vaehelpers.data import list_series, load_series
from vaehelpers.metrics.nab_corpus import nab_corpus, nab_probation, nab_sweep

TUNING = (  # of the 58, these are also among the tuning series
    "realTweets/Twitter_volume_CVS",
    "realAWSCloudwatch/ec2_network_in_257a54",
    "realTraffic/occupancy_t4013",
    "artificialWithAnomaly/art_daily_nojump",
    "realAdExchange/exchange-2_cpm_results",
)


def windowed_gaussian(x: np.ndarray, window: int = 1000) -> np.ndarray:
    """The board's baseline: one less the normal tail probability of the row, among the rows before it."""
    shifted = x - x[0]
    sums, squares = np.r_[0, np.cumsum(shifted)], np.r_[0, np.cumsum(shifted**2)]
    end = np.arange(len(x))
    begin = np.maximum(end - window, 0)
    n = np.maximum(end - begin, 1)
    mean = (sums[end] - sums[begin]) / n
    deviation = np.sqrt(np.maximum((squares[end] - squares[begin]) / n - mean**2, 0))
    z = np.abs(shifted - mean) / np.where(deviation > 0, deviation, 1e-6)
    return np.where(end > 0, ndtr(z), 0.0)


def score(x: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray | None, float]]:
    """Scores, own flags and seconds of every detector for one series."""
    probation = max(nab_probation(len(x)), 100)
    rest = max(nab_probation(len(x)) // 5, 1)
    result: dict[str, tuple[np.ndarray, np.ndarray | None, float]] = {}

    def add(name: str, compute: Callable[[], np.ndarray], seconds: float = 0.0) -> np.ndarray:
        start = time.perf_counter()
        scores = compute()
        result[name] = scores, None, seconds + time.perf_counter() - start
        return scores

    def rested(scores: np.ndarray, margin: float = 1.0) -> np.ndarray:
        return Cooldown(rest, margin).run(scores)

    start = time.perf_counter()
    ours = CausalDetector(cooldown=rest, probation=probation).run(x)
    seconds = time.perf_counter() - start
    result["CausalDetector"] = ours.scores, ours.flags, seconds
    add("the same, by return period", lambda: rested(ours.returns, 0.5), seconds)
    add("the same, without cool-down", lambda: ours.severities, seconds)
    add("the same, highest view instead of the sum", lambda: rested(ours.views.max(axis=1)), seconds)
    for i, view in enumerate(VIEWS):
        add(f"{view} alone", lambda i=i: rested(ours.views[:, i]), seconds)
    plain = add("windowed Gaussian", lambda: windowed_gaussian(x))
    logs = -np.log10(np.maximum(1 - plain, 1e-16))
    add("windowed Gaussian with cool-down", lambda: rested(logs))
    jumps = np.abs(np.diff(x, prepend=x[0]))
    add("jump with rolling likelihood", lambda: RollingLikelihood().run(jumps))
    add("jump with rolling likelihood and cool-down", lambda: rested(RollingLikelihood().run(jumps)))
    return result


def false_alarms(x: np.ndarray) -> tuple[int, int]:
    """Flags behind the probation, and rows there, of the detector's own line."""
    probation = max(nab_probation(len(x)), 100)
    flags = CausalDetector(probation=probation).run(x).flags
    return int(flags.sum()), len(x) - probation


def row_of(cells: list[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table_of(results: list[dict], labels: list[np.ndarray], names: list[str], made: list[dict], truths: list) -> str:
    head = "detector|standard|low FP|low FN|windows hit|files|false rows|the 53 files"
    head += "|line from synthetic series|its own line|seconds"
    lines = [row_of(list(head.split("|"))), row_of(["---"] + ["---:"] * 10)]
    kept = [i for i, name in enumerate(names) if name.removeprefix("nab/") not in TUNING]
    for detector in results[0]:
        scores = [result[detector][0] for result in results]
        best = {profile: nab_sweep(labels, scores, profile=profile) for profile in ("standard", "lowFP", "lowFN")}
        at = nab_corpus(labels, [values >= best["standard"].threshold for values in scores])
        unseen = nab_sweep([labels[i] for i in kept], [scores[i] for i in kept]).score
        line = nab_sweep(truths, [result[detector][0] for result in made]).threshold
        synthetic = nab_corpus(labels, [values >= line for values in scores]).score
        own = "-"
        if results[0][detector][1] is not None:
            own = f"{nab_corpus(labels, [result[detector][1] for result in results]).score:.1f}"
        seconds = sum(result[detector][2] for result in results)
        points = [f"{best[profile].score:.1f}" for profile in best]
        lines.append(
            row_of(
                [
                    *(detector, *points, f"{at.hits} of {at.windows}", at.files_hit, at.false_rows),
                    *(f"{unseen:.1f}", f"{synthetic:.1f}", own, f"{seconds:.0f}"),
                ]
            )
        )
    return "\n".join(lines)


def board_of(path: Path, labels: list[np.ndarray], names: list[str]) -> str:
    board = pd.read_csv(path, dtype=str, keep_default_na=False)
    lines = [row_of(["board", "standard", "windows hit", "files", "false rows"]), row_of(["---"] + ["---:"] * 4)]
    found = {}
    for detector, rows in board.groupby("detector"):
        by_file = dict(zip(rows["file"], rows["rows"]))
        flags = []
        for name, truth in zip(names, labels):
            marks = np.zeros(len(truth), bool)
            marks[[int(row) for row in by_file[f"{name.removeprefix('nab/')}.csv"].split()]] = True
            flags.append(marks)
        found[str(detector)] = nab_corpus(labels, flags)
    for detector, at in sorted(found.items(), key=lambda item: -item[1].score):
        lines.append(row_of([detector, f"{at.score:.2f}", f"{at.hits} of {at.windows}", at.files_hit, at.false_rows]))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder that holds NAB (default: where `vaehelpers data fetch nab` put it)")
    parser.add_argument("--board", type=Path, help="CSV of the rows that the board's detectors flagged")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="Markdown file to write besides printing")
    args = parser.parse_args()
    names = [name for name in list_series(args.data)["name"] if name.startswith("nab/")]
    series = [load_series(name, data_dir=args.data) for name in names]
    labels = [np.asarray(one.labels).astype(bool) for one in series]
    made = [item for seed in (0, 1) for item in corpus(seed)]
    clean = corpus(2, anomalies=False)
    work = [one.values[:, 0].astype(np.float64) for one in series] + [x for _, x, _ in made]
    results = []
    # one thread per process: the matrices are small, and sums stay in one order
    pool = ProcessPoolExecutor(args.jobs, initializer=threadpool_limits, initargs=(1,))
    with pool, terminal_progress() as progress:
        for done, result in enumerate(pool.map(score, work)):
            results.append(result)
            progress("scoring", done + 1, len(work))
        counted = list(pool.map(false_alarms, [x for _, x, _ in clean]))
    n, truths = len(series), [truth.astype(bool) for _, _, truth in made]
    text = [f"NAB: {n} files, {sum(map(len, labels)):,} rows. Synthetic: {len(made)} series.\n"]
    text.append(table_of(results[:n], labels, names, results[n:], truths))
    mean = nab_sweep(truths, [result["CausalDetector"][0] for result in results[n:]])
    text.append(f"\nCausalDetector on the synthetic series: {mean.score:.1f} at {mean.threshold:.2f}.")
    kinds: dict[str, list[tuple[int, int]]] = {}
    for (name, _, _), pair in zip(clean, counted):
        kinds.setdefault(name.split("-")[0], []).append(pair)
    rates = {kind: 1e4 * sum(a for a, _ in pairs) / sum(b for _, b in pairs) for kind, pairs in kinds.items()}
    text.append("\nIts own line asks for 1 false alarm per 10,000 rows; realised on normal series:\n")
    text += [row_of(list(rates)), row_of(["---:"] * len(rates)), row_of([f"{rate:.1f}" for rate in rates.values()])]
    if args.board:
        text += ["", board_of(args.board, labels, names)]
    page = "\n".join(text) + "\n"
    print(page)
    if args.out:
        with atomic_file(args.out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
