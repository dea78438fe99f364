"""Alarms as a person meets them: false alarms against the promise, events found, and where they are placed.

    python benchmarks/alarms.py normal [--detector "windowed PCA"] [--seeds 20] [--out normal.md]
    python benchmarks/alarms.py change [--seeds 20] [--out change.md]
    python benchmarks/alarms.py nab DATA [--out nab.md]         DATA holds nab/ and nab_board_detections.csv
    python benchmarks/alarms.py smd DATA
    python benchmarks/alarms.py pump

`normal` takes scores from detectors of a few lines (`normal_series.py`), because it needs thousands of series; the
others fit the detector of the package, `fast` preset, and keep its errors in --cache. No constant was chosen on NAB's
labels: they only count.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pandas as pd
from normal_series import CHANGES, DETECTORS, NORMAL, put_faults

from vaehelpers import metrics
from vaehelpers.alarms import AlarmLine, Promise, calibrate, find_incidents, scale_reach
from vaehelpers.alarms.calibration import time_scales
from vaehelpers.alarms.follow import Follower
from vaehelpers.alarms.incidents import incident_table
from vaehelpers.alarms.redraw import judge
from vaehelpers.alarms.selfcheck import SelfCheck
from vaehelpers.common.files import atomic_file
from vaehelpers.thresholds import make_threshold

TIMESTEPS = 64  # of the detectors of a few lines
PER = 10_000


# --------------------------------------------------------------------------------------------- (a) normal series


def count_incidents(flags: np.ndarray, cooldown: int) -> int:
    """Alarms of a rule that only flags rows, under the same cool-down as ours."""
    rows = np.flatnonzero(flags)
    return 0 if not len(rows) else 1 + int((np.diff(rows) > cooldown).sum())


def our_line(calibration: dict, contaminated: bool) -> AlarmLine:
    return calibrate(calibration, Promise(1, PER), reach=scale_reach(TIMESTEPS), contaminated=contaminated)


def rows_above(rate: float, name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Rules that promise a rate of rows, on the score that the package smooths by default (window errors, 100 rows)."""

    def judge(calibration: np.ndarray, test: np.ndarray) -> np.ndarray:
        if name == "nonconform":
            # empirical conformal p-values, as `nonconform` computes them for a split strategy: (1 + #) / (1 + n)
            ordered = np.sort(calibration[np.isfinite(calibration)])
            above = len(ordered) - np.searchsorted(ordered, test, side="left")
            return (1 + above) / (1 + len(ordered)) <= rate
        return make_threshold(name, false_alarm_rate=rate).fit(calibration).flags(test)

    return judge


RULES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "POT, 0.1%": rows_above(1e-3, "pot"),
    "quantile, 0.1%": rows_above(1e-3, "quantile"),
    "contamination 1% (PyOD)": rows_above(1e-2, "quantile"),
    "conformal p-values, 0.1%": rows_above(1e-3, "nonconform"),
}


def one_normal(kind: str, detector: str, rows: int, test: int, seed: int, own: bool) -> dict[str, float]:
    """False alarms over promised ones for each rule; NaN where our line makes no promise."""
    rng = np.random.default_rng([seed, rows, list(NORMAL).index(kind)])
    if own:
        series = NORMAL[kind](rows, rng)
        row, window = DETECTORS[detector](series, series)
        first = 0
    else:
        series = NORMAL[kind](2 * rows + test, rng)
        row, window = DETECTORS[detector](series[:rows], series[rows:])
        first = rows
    scores = time_scales(row, window)
    known = {name: values[:rows] for name, values in scores.items()}
    later = {name: values[first:] for name, values in scores.items()}
    line = our_line(known, own)
    promised = len(later["row 1"]) / PER
    status, point = line.status, line.point_scores(later).score
    if not own:
        _, check, points = judge(line, later, reach=scale_reach(TIMESTEPS))
        status, point = check.status, points.score
    found = find_incidents(point, start=line.start, end=line.end, cooldown=line.cooldown)
    result = {
        "ours": len(found) / promised if line.status == "ok" else np.nan,
        "doubtful": float(status == "doubtful"),
        "none": float(line.status != "ok"),
    }
    for name, rule in RULES.items():
        flags = rule(known["window 100"], later["window 100"])
        result[name] = count_incidents(flags, line.cooldown) / promised
    return result


def spread(values: np.ndarray) -> str:
    """Mean, and the tenth and ninetieth percentile."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    return f"{known.mean():.1f} ({np.quantile(known, 0.1):.1f} to {np.quantile(known, 0.9):.1f})"


def normal_table(
    detector: str, sizes: list[int], test: int, seeds: int, own: bool, kinds: Sequence[str] = tuple(NORMAL)
) -> Iterator[str]:
    yield (
        "| series | rows | false alarms / promised | at most 3 times | no promise | doubtful | "
        + " | ".join(RULES)
        + " |"
    )
    yield "| --- |" + " ---: |" * (5 + len(RULES))
    for kind in kinds:
        for rows in sizes:
            results = pd.DataFrame([one_normal(kind, detector, rows, test, seed, own) for seed in range(seeds)])
            ours = results["ours"].to_numpy()
            kept = np.mean((ours <= 3.0) | np.isnan(ours))
            others = " | ".join(f"{results[name].mean():.1f}" for name in RULES)
            yield (
                f"| {kind} | {rows:,} | {spread(ours)} | {kept:.0%} | {results['none'].mean():.0%} | "
                f"{results['doubtful'].mean():.0%} | {others} |"
            )


# ------------------------------------------------------------------------------ streams whose series change for good

CALIBRATION, STREAM, FAULTS = 10_000, 50_000, 10


def one_change(kind: str, seed: int) -> dict[str, float]:
    """False alarms over promised ones, rows inside incidents, and faults found, by a line that stays and by one that
    follows. The change comes after a fifth of the stream; faults lie in its last half."""
    rng = np.random.default_rng([seed, list(CHANGES).index(kind)])
    series = CHANGES[kind](CALIBRATION, STREAM, rng)
    half = CALIBRATION + STREAM // 2
    late, marks = put_faults(series[half:], FAULTS, rng)
    series, labels = np.r_[series[:half], late], np.r_[np.zeros(half, np.int8), marks]
    row, window = DETECTORS["windowed PCA"](series[:CALIBRATION], series)
    scores = time_scales(row, window, trailing=True)
    known = {name: values[:CALIBRATION] for name, values in scores.items()}
    later = {name: values[CALIBRATION:] for name, values in scores.items()}
    line = our_line(known, False)
    windows = metrics.runs(labels[CALIBRATION:])
    windows[:, 1] += line.cooldown  # scores look back, so that an alarm may come after its fault
    result = {}
    for name, points in {"stays": line.point_scores(later).score, "follows": Follower(line).take(later).score}.items():
        found = find_incidents(points, start=line.start, end=line.end, cooldown=line.cooldown)
        first, last = np.array([[one.first, one.last] for one in found]).reshape(-1, 2).T
        hits = hit(first, last, windows)
        wide = np.array([one.last - one.first + 1 for one in found])
        # an incident over many faults at once finds none of them
        narrow = wide < STREAM // 20
        result[f"{name}: false"] = (~hits.any(axis=1)).sum() / (STREAM / PER)
        result[f"{name}: inside"] = wide.sum() / STREAM
        result[f"{name}: found"] = hits[narrow].any(axis=0).mean() if len(windows) else np.nan
    return result


def change_table(seeds: int) -> Iterator[str]:
    yield (
        f"{CALIBRATION:,} rows of calibration, a stream of {STREAM:,} rows that changes after {STREAM // 5:,}, "
        f"{FAULTS} faults in its last half; windowed PCA, scores that look back only, {seeds} seeds. A fault counts as "
        f"found where an incident of less than {STREAM // 20:,} rows meets it.\n"
    )
    yield (
        "| change | false alarms / promised: line stays | line follows | rows inside incidents: line stays | "
        "line follows | faults found: line stays | line follows |"
    )
    yield "| --- |" + " ---: |" * 6
    for kind in CHANGES:
        table = pd.DataFrame([one_change(kind, seed) for seed in range(seeds)])
        cells = [spread(table[f"{name}: false"].to_numpy()) for name in ("stays", "follows")]
        cells += [
            f"{table[f'{name}: {what}'].mean():.0%}" for what in ("inside", "found") for name in ("stays", "follows")
        ]
        yield f"| {kind} | " + " | ".join(cells) + " |"


# ------------------------------------------------------------------------------- the detector's errors, kept in files


@dataclass
class Errors:
    """What the alarms need to know of a scored series."""

    row: np.ndarray  # (n, n_features)
    window: np.ndarray
    expected: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    gaps: np.ndarray
    timesteps: int
    train_rows: int

    @property
    def scores(self) -> dict[str, np.ndarray]:
        return time_scales(total(self.row), total(self.window), gaps=self.gaps)


def total(errors: np.ndarray) -> np.ndarray:
    """Sum over variables, NaN where none is known."""
    return np.where(np.isnan(errors).all(axis=1), np.nan, np.nansum(errors.astype(float), axis=1))


def scored(
    name: str, cache: Path, build: Callable[[], tuple[Any, Any, np.ndarray]], contamination: float
) -> Errors | None:
    """Fit the detector on the first series that `build` returns, score the second, or read that from the cache."""
    path = cache / f"{name}_s0.npz"
    if not path.exists():
        from vaehelpers.common.errors import InputError
        from vaehelpers.detectors import Detector

        train, series, labels = build()
        try:
            detector = Detector(contamination=contamination).fit(train)
        except InputError as error:
            click.echo(f"{name}: {error}", err=True)
            return None
        given, scaled, whole, starts, mask = detector._prepared(series)
        row = detector._run("error", scaled, whole, starts, mask, details=True)
        window = detector._run("window_error", scaled, whole, starts, mask, details=True)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            row=np.asarray(row.contributions, np.float32),
            window=np.asarray(window.contributions, np.float32),
            expected=np.asarray(row.expected, np.float32),
            scaled=scaled if whole is None else whole,
            labels=labels,
            gaps=np.asarray(given.gaps),
            timesteps=detector.timesteps_,
            n_train=len(train.values),
        )
    with np.load(path) as kept:
        return Errors(
            kept["row"],
            kept["window"],
            kept["expected"],
            kept["scaled"],
            kept["labels"],
            kept["gaps"],
            int(kept["timesteps"]),
            int(kept["n_train"]),
        )


# ------------------------------------------------------------------------------------------------------------ (b) NAB


def nab_files(data: Path) -> Iterator[tuple[str, Callable[[], tuple[Any, Any, np.ndarray]]]]:
    from vaehelpers.data import Series

    windows = json.loads((data / "nab" / "labels" / "combined_windows.json").read_text())
    for file in sorted(windows):

        def build(file: str = file) -> tuple[Any, Any, np.ndarray]:
            table = pd.read_csv(data / "nab" / "data" / file, parse_dates=["timestamp"])
            times = pd.DatetimeIndex(table["timestamp"])
            labels = np.zeros(len(table), np.int8)
            for first, last in windows[file]:
                labels |= ((times >= pd.Timestamp(first)) & (times <= pd.Timestamp(last))).astype(np.int8)
            rising = bool((np.diff(times.asi8) > 0).all())  # seven files repeat a time; these are taken without times
            series = Series(table["value"].to_numpy(float)[:, None], times=times if rising else None)
            return series, series, labels

        yield file, build


def hit(first: np.ndarray, last: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Which events (rows) overlap which windows (columns)."""
    first, last = np.asarray(first).reshape(-1, 1), np.asarray(last).reshape(-1, 1)
    return (first <= windows[:, 1]) & (last >= windows[:, 0])


def counted(hits: list[np.ndarray], rows: int) -> dict[str, float]:
    events, right = sum(map(len, hits)), sum(int(h.any(axis=1).sum()) for h in hits)
    windows, found = sum(h.shape[1] for h in hits), sum(int(h.any(axis=0).sum()) for h in hits)
    return {
        "events": events,
        "precision": right / max(events, 1),
        "windows hit": found,
        "recall": found / max(windows, 1),
        "false per 10,000": PER * (events - right) / rows,
    }


def as_row(label: str, result: dict[str, float]) -> str:
    return (
        f"| {label} | {result['events']:.0f} | {result['precision']:.2f} | {result['recall']:.2f} | "
        f"{result['false per 10,000']:.2f} |"
    )


def board(data: Path, lengths: dict[str, np.ndarray]) -> Iterator[tuple[str, dict[str, float]]]:
    """The detectors of NAB's board at their published thresholds, detections merged within n / 40 rows."""
    path = data / "nab_board_detections.csv"
    if not path.exists():
        return
    table = pd.read_csv(path)
    for name, part in table.groupby("detector"):
        hits, rows = [], 0
        for file, given in zip(part["file"], part["rows"], strict=True):
            labels = lengths[file]
            marks = np.array(str(given).split(), int) if isinstance(given, str) else np.empty(0, int)
            begin = np.flatnonzero(np.diff(marks, prepend=-(10**9)) > len(labels) // 40)
            ends = np.append(begin[1:] - 1, len(marks) - 1) if len(marks) else begin
            hits.append(hit(marks[begin], marks[ends], metrics.runs(labels)))
            rows += len(labels)
        yield str(name), counted(hits, rows)


def nab_table(data: Path, cache: Path) -> Iterator[str]:
    everything, labels = [], {}
    for file, build in nab_files(data):
        errors = scored("nab_" + file.replace("/", "__")[:-4], cache, build, 0.05)
        if errors is None:
            labels[file] = build()[2]
            continue
        labels[file] = errors.labels
        everything.append((file, errors, errors.scores))
    rows = sum(map(len, labels.values()))
    silent = [np.zeros((0, len(metrics.runs(labels[f]))), bool) for f in labels if f not in {e[0] for e in everything}]
    yield f"{len(labels)} files, {rows:,} rows, {sum(len(metrics.runs(x)) for x in labels.values())} windows; "
    yield f"{len(silent)} file(s) could not be scored and count as silent.\n"
    yield "| line | events | precision | windows hit | false per 10,000 rows | delay | width |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for alarms in (0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0):
        for ranked in (3, 0):
            hits, none, delays, widths = list(silent), 0, [], []
            for _, errors, scores in everything:
                line = calibrate(scores, Promise(alarms, PER), reach=scale_reach(errors.timesteps), contaminated=True)
                none += line.status != "ok"
                found = incident_table(line, scores, row_errors=errors.row, gaps=errors.gaps, most_unusual=ranked)
                windows = metrics.runs(errors.labels)
                hits.append(hit(found["first"], found["last"], windows))
                for i, j in zip(*np.nonzero(hits[-1]), strict=True):
                    span = windows[j, 1] - windows[j, 0] + 1
                    delays.append((max(found["first"][i], windows[j, 0]) - windows[j, 0]) / span)
                    widths.append(found["n_points"][i] / span)
            label = f"at most {alarms:g} per 10,000 rows, " + (
                f"and the {ranked} most unusual stretches of {none} files without a promise"
                if ranked
                else f"{none} files without a promise silent"
            )
            placed_at = f"{np.median(delays):.2f} | {np.median(widths):.2f}" if delays else " | "
            yield f"{as_row(label, counted(hits, rows))} {placed_at} |"
    for name, result in board(data, labels):
        yield f"{as_row(name, result)} | |"


# ------------------------------------------------------------------------------------------- (d) SMD, (e) the pump


def clean_line(errors: Errors, alarms: float = 1.0, *, trained: bool = True) -> tuple[AlarmLine, dict[str, np.ndarray]]:
    """Calibrate on the training part, which is known to be free of faults."""
    scores = errors.scores
    known = {name: values[: errors.train_rows] for name, values in scores.items()}
    return calibrate(known, Promise(alarms, PER), reach=scale_reach(errors.timesteps)), scores


def placed(errors: Errors, alarms: float, *, follow: bool = True) -> tuple[pd.DataFrame, SelfCheck]:
    """Incidents among the rows behind the training part, as `Detector.explain` finds them there, or by a line that
    stays."""
    line, scores = clean_line(errors, alarms)
    first = errors.train_rows
    later = {name: values[first:] for name, values in scores.items()}
    given = line
    line, check, points = judge(given, later, reach=scale_reach(errors.timesteps))
    line, points = (line, points) if follow else (given, None)
    table = incident_table(
        line,
        later,
        points=points,
        row_errors=errors.row[first:],
        values=errors.values[first:],
        expected=errors.expected[first:],
        gaps=errors.gaps[errors.gaps > first] - first,
    )
    return table.assign(first=table["first"] + first, last=table["last"] + first), check


def normal_inside(errors: Errors, table: pd.DataFrame) -> float:
    """Share of the normal rows behind the training part that lie within incidents."""
    marked = np.zeros(len(errors.labels), bool)
    for first, last in zip(table["first"], table["last"], strict=True):
        marked[first : last + 1] = True
    later = np.arange(len(marked)) >= errors.train_rows
    return float(marked[later & (errors.labels == 0)].mean())


def found_table(name: str, errors: Errors) -> Iterator[str]:
    windows = metrics.runs(errors.labels)
    yield f"\n{name}: {len(errors.labels):,} rows, {len(windows)} events labelled\n"
    yield (
        "| promise per 10,000 | status | incidents | right | labelled hit | normal rows inside | "
        "... by a line that stays | width / label | "
        "first off | last off |"
    )
    yield "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for alarms in (0.3, 1.0, 3.0, 10.0):
        table, check = placed(errors, alarms)
        table = table[table["last"] >= errors.train_rows]
        hits = hit(table["first"], table["last"], windows)
        normal = normal_inside(errors, table)
        stays = normal_inside(errors, placed(errors, alarms, follow=False)[0])
        widths, firsts, lasts = [], [], []
        for j in range(len(windows)):
            if hits[:, j].any():
                rows = np.flatnonzero(hits[:, j])
                first, last = table["first"].to_numpy()[rows].min(), table["last"].to_numpy()[rows].max()
                widths.append((last - first + 1) / (windows[j, 1] - windows[j, 0] + 1))
                firsts.append(abs(first - windows[j, 0]))
                lasts.append(abs(last - windows[j, 1]))
        edge = [f"{np.median(x):.1f}" if len(x) else "" for x in (widths, firsts, lasts)]
        status = check.status + (", line drawn anew" if check.redrawn else "")
        yield (
            f"| {alarms:g} | {status} | {len(table)} | {int(hits.any(axis=1).sum())} | "
            f"{int(hits.any(axis=0).sum())} of {len(windows)} | {normal:.1%} | {stays:.1%} | "
            f"{edge[0]} | {edge[1]} rows | {edge[2]} rows |"
        )


def smd_table(data: Path, cache: Path) -> Iterator[str]:
    from vaehelpers.data import Series

    for machine in ("1-6", "3-4"):

        def build(machine: str = machine) -> tuple[Any, Any, np.ndarray]:
            with np.load(data / "multivariate" / f"SMD_machine-{machine}.npz") as kept:
                train, test, labels = kept["train"], kept["test"], kept["test_label"].astype(np.int8)
            return Series(train), Series(np.r_[train, test]), np.r_[np.zeros(len(train), np.int8), labels]

        errors = scored(f"smd_{machine}", cache, build, 0.0)
        if errors is not None:
            yield from found_table(f"SMD machine-{machine}, fitted on its training part", errors)


def pump_table(cache: Path) -> Iterator[str]:
    from vaehelpers.data import load_series

    def build() -> tuple[Any, Any, np.ndarray]:
        series = load_series("example")
        return series.train, series, series.labels

    errors = scored("pump", cache, build, 0.0)
    if errors is not None:
        yield from found_table("Embedded pump, fitted on its training part", errors)


# ---------------------------------------------------------------------------------------------------------- commands


@click.group()
def main() -> None:
    """False alarms against the promise, events found, and where they are placed."""


def write(lines: Iterator[str], out: Path | None) -> None:
    text = []
    for line in lines:
        print(line, flush=True)
        text.append(line)
    if out is not None:
        with atomic_file(out) as path:
            Path(path).write_text("\n".join(text) + "\n", encoding="utf-8")


OUT = click.option("--out", type=click.Path(path_type=Path), help="Also write the table here.")
CACHE = click.option("--cache", type=click.Path(path_type=Path), default=Path("runs/alarms"), show_default=True)
DATA = click.argument("data", type=click.Path(exists=True, path_type=Path))


@main.command()
@click.option("--detector", type=click.Choice(list(DETECTORS)), default="windowed PCA", show_default=True)
@click.option("--sizes", default="1000,3000,10000,50000", show_default=True, help="Calibration rows.")
@click.option("--test", default=50_000, show_default=True, help="Rows judged.")
@click.option("--seeds", default=20, show_default=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(NORMAL)), help="Repeatable; default: all.")
@click.option(
    "--own", is_flag=True, help="The series is its own training and calibration part, as in a default report."
)
@OUT
def normal(
    detector: str, sizes: str, test: int, seeds: int, kinds: tuple[str, ...], own: bool, out: Path | None
) -> None:
    """(a) False alarms on series on which nothing is wrong."""
    rows = [int(size) for size in sizes.split(",")]
    write(normal_table(detector, rows, test, seeds, own, kinds or tuple(NORMAL)), out)


@main.command()
@click.option("--seeds", default=20, show_default=True)
@OUT
def change(seeds: int, out: Path | None) -> None:
    """Streams that change for good: a line that stays beside one that follows."""
    write(change_table(seeds), out)


@main.command()
@DATA
@CACHE
@OUT
def nab(data: Path, cache: Path, out: Path | None) -> None:
    """(b) The 58 files of NAB, each its own training part, without labels."""
    write(nab_table(data, cache), out)


@main.command()
@DATA
@CACHE
@OUT
def smd(data: Path, cache: Path, out: Path | None) -> None:
    """(d) Two machines of SMD with 38 variables."""
    write(smd_table(data, cache), out)


@main.command()
@CACHE
@OUT
def pump(cache: Path, out: Path | None) -> None:
    """(e) The embedded pump: events found, how wide, and how far off their edges are."""
    write(pump_table(cache), out)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
