"""What a fleet costs: series a minute and memory with 1 and 2 workers beside a shell loop; one model for all series.

python benchmarks/fleet.py throughput --series 6          # loop, 1 worker, 2 workers on made-up pumps
python benchmarks/fleet.py models FOLDER --steps 300      # own models against one, on TSB-AD-format files
python benchmarks/fleet.py page --series 10000            # size of the index, and the time to sort it in Chromium
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd


def cpu() -> float:
    """Seconds of processor time that this process and its ended children have used: other load does not change it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def throughput(options: argparse.Namespace) -> dict:
    """The same series by the same settings: a process for each, then one worker, then two."""
    from vaehelpers.data.machines import make_pump
    from vaehelpers.fleet import fleet

    place = Path(tempfile.mkdtemp())
    for seed in range(options.series):
        pump = make_pump(2016, per_kind=1, seed=seed)
        pd.DataFrame({"time": pump.times, "temperature": pump.values[:, 0]}).to_csv(place / f"{seed}.csv", index=False)
    settings = ["--set", f"steps={options.steps}", "--set", "timesteps=96"]
    begin, used = time.perf_counter(), cpu()
    for path in sorted(place.glob("*.csv")):
        command = [sys.executable, "-m", "vaehelpers", "fit", str(path), "--out", str(place / f"loop-{path.stem}")]
        subprocess.run([*command, "--quiet", *settings], check=True, capture_output=True)
    seconds = time.perf_counter() - begin
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows = [{"how": "shell loop of `vaehelpers fit`", "seconds": seconds, "memory MB": most, "CPU s": cpu() - used}]
    values = {"timesteps": 96, "settings": f"steps={options.steps}"}
    for workers in (1, 2):
        used = cpu()
        found = fleet(f"{place}/*.csv", place / f"w{workers}", values=values, report=False, workers=workers)
        assert not found.failed, found.rows["error"].iloc[0]
        rows.append(
            {
                "how": f"fleet, {workers} worker", "seconds": found.seconds, "CPU s": cpu() - used,
                "memory MB": found.rows["memory_mb"].max(),
            }
        )  # fmt: skip
    for row in rows:
        row["series a minute"] = 60 * options.series / row["seconds"]
    return {"throughput": rows, "series": options.series, "steps": options.steps}


def models(options: argparse.Namespace) -> dict:
    """One model for each series against one for all of them, with windows of one length; both without labels."""
    from vaehelpers.common.tensorflow import start_tensorflow
    from vaehelpers.data import Series, read_tsb_ad
    from vaehelpers.metrics import sliding_window_of, vus_pr

    start_tensorflow()
    from vaehelpers.detectors import Detector

    files = sorted(Path(options.folder).glob("*.csv"))
    series = [read_tsb_ad(path) for path in files]
    series = [one for one in series if one.n <= options.rows]
    shared = {"timesteps": options.timesteps, "steps": options.steps, "seed": 0}

    def scaled(one: Series, values: np.ndarray) -> np.ndarray:
        train = one.train.values
        return (values - np.nanmean(train, axis=0)) / max(float(np.nanstd(train)), 1e-6)

    # one training part out of all, with a jump in time between two machines, so that no window reaches across
    parts = [scaled(one, one.train.values)[: options.most] for one in series]
    starts = np.cumsum([0, *(len(part) + 1_000_000 for part in parts[:-1])])
    times = np.concatenate([first + np.arange(len(part)) for first, part in zip(starts, parts)])
    begin = time.perf_counter()
    longer = {**shared, "steps": options.global_steps or options.steps}
    one_model = Detector(**longer).fit(Series(np.concatenate(parts), times=times.astype(float)))
    global_fit = time.perf_counter() - begin
    rows = []
    for one in series:
        window = sliding_window_of(one.values)
        begin = time.perf_counter()
        own = Detector(**shared).fit(one.train)
        own_fit = time.perf_counter() - begin
        begin = time.perf_counter()
        own_scores = own.decision_function(one.values)
        own_score = time.perf_counter() - begin
        begin = time.perf_counter()
        global_scores = one_model.decision_function(scaled(one, one.values))
        rows.append(
            {
                "series": one.name, "rows": one.n, "own VUS-PR": vus_pr(one.labels, own_scores, window),
                "global VUS-PR": vus_pr(one.labels, global_scores, window), "own fit s": own_fit,
                "own score s": own_score, "global score s": time.perf_counter() - begin,
            }
        )  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    return {
        "models": rows,
        "means": table.drop(columns=["series"]).mean().to_dict(),
        "own fit s": float(table["own fit s"].sum()),
        "global fit s": global_fit,
        "settings": {**shared, "global steps": longer["steps"]},
    }


def page(options: argparse.Namespace) -> dict:
    """The index of so many made-up series: bytes, seconds to write, and milliseconds to sort in the browser."""
    from vaehelpers.fleet.page import render_index
    from vaehelpers.fleet.tables import control_discoveries, events_frame, fleet_frame

    rng = np.random.default_rng(0)
    records = [
        {
            "series": f"hall/pump-{k:05}", "status": "ok", "error": "", "alarms": "ok", "reason": "", "unit": "month",
            "unit_rows": 1e3, "supported": 5.0, "scored_rows": 500, "severity": float(rng.exponential()), "events": 1,
            "drift": 1.0, "rows": 500, "seconds": 1.5, "folder": f"series/pump-{k:05}", "event_list": [],
            "picture": {"line": rng.integers(0, 99, 80).tolist(), "events": [[40, 5]]},
        }
        for k in range(options.series)
    ]  # fmt: skip
    begin = time.perf_counter()
    rows, sentence = control_discoveries(fleet_frame(records), 0.1)
    text = render_index(rows, events_frame(records, rows), records, sentence, title="fleet")
    found = {"series": options.series, "bytes": len(text.encode()), "seconds": time.perf_counter() - begin}
    from playwright.sync_api import sync_playwright

    path = Path(tempfile.mkdtemp()) / "index.html"
    path.write_text(text, encoding="utf-8")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        begin = time.perf_counter()
        opened.goto(path.as_uri())
        opened.wait_for_selector("body[data-ready=yes]")
        found["seconds to open"] = time.perf_counter() - begin
        for name, action in {
            "ms to sort": "document.querySelector('th[data-key=series] button').click()",
            "ms to search": "const s = document.getElementById('search'); s.value = '99'; "
            "s.dispatchEvent(new Event('input'))",
        }.items():
            found[name] = opened.evaluate(
                f"() => {{ const b = performance.now(); {action}; document.body.offsetHeight; "
                "return performance.now() - b; }"
            )
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="what", required=True)
    one = kinds.add_parser("throughput")
    one.add_argument("--series", type=int, default=6)
    one.add_argument("--steps", type=int, default=200)
    one = kinds.add_parser("models")
    one.add_argument("folder")
    one.add_argument("--steps", type=int, default=1_000)
    one.add_argument("--global-steps", type=int, default=0, help="of the one model; default: as many as each own one")
    one.add_argument("--timesteps", type=int, default=100)
    one.add_argument("--rows", type=int, default=10**9, help="leave out longer series")
    one.add_argument("--most", type=int, default=10_000, help="rows of each series that the one model learns from")
    one = kinds.add_parser("page")
    one.add_argument("--series", type=int, default=10_000)
    one.add_argument("--chromium", default="chromium")
    options = parser.parse_args()
    found = {"throughput": throughput, "models": models, "page": page}[options.what](options)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(json.dumps({**found, "python": platform.python_version(), "cores": cores, "load": load}, indent=1))


if __name__ == "__main__":
    main()
