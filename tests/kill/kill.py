"""Kill report, fit, score, watch and bench at random moments and look at what they leave (make kill).

Each command runs in a fork of this process, which has imported everything and run no model. After each kill: no half
file under a final name, an old result where there was one, no process of it alive after five seconds. After the run
that is left alone: the right result, and nothing else in the folder. `watch` reads from a FIFO that outlives it and
appends to a file: at the end every row is there once, byte for byte what an undisturbed run writes.

    python tests/kill/kill.py --points 200 --seed 0
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TMPDIR", tempfile.mkdtemp(prefix="kill-"))

TINY = [part for one in ("timesteps=20", "steps=60", "units=8", "latent_dim=2") for part in ("--set", one)]
SHARES = {"watch": 0.4, "score": 0.15, "parts": 0.15, "fit": 0.15, "report": 0.1, "bench": 0.05}
FEED = 400  # rows per round of watch
KILLS = 8  # per round


def start(arguments, place, *, stdin=None, stdout=None, close=None):
    """Run one command in a fork, in a session of its own; return its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    os.setsid()
    os.chdir(place)
    if close is not None:
        os.close(close)  # or its own input would never end
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(place.parent / f"{place.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(nothing if stdin is None else stdin, 0)
    os.dup2(nothing if stdout is None else stdout, 1)
    os.dup2(log, 2)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    status = 1
    try:
        from vaehelpers.commands.cli import run

        status = run(arguments)
    except SystemExit as error:
        status = error.code or 0
    finally:
        os._exit(status)


def descendants(number):
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,sid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    found, grew = {number}, True
    while grew:
        more = {int(pid) for pid, parent, _, _ in rows if int(parent) in found} - found
        found, grew = found | more, bool(more)
    return found - {number}


def alive(numbers):
    living = set()
    for number in numbers:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            living.add(number)
    return living


def kill_after(child, seconds, number=signal.SIGKILL):
    """Kill the command's own process; its children must follow by themselves. Returns whether it was still running."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False, set()
        time.sleep(0.005)
    below = descendants(child)
    os.kill(child, number)
    os.waitpid(child, 0)
    until = time.monotonic() + 5
    while alive(below) and time.monotonic() < until:
        time.sleep(0.05)
    return True, alive(below)


def finish(child, limit=300):
    until = time.monotonic() + limit
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


def make_inputs(folder):
    import numpy as np
    import pandas as pd

    rows = np.arange(3_000)
    flow = 10 + np.sin(rows / 5) + 0.1 * np.random.default_rng(0).normal(size=3_000)
    flow[2_500:2_504] += 1
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=3_000, freq="15min"), "flow": flow})
    frame.to_csv(folder / "series.csv", index=False)
    (folder / "bench").mkdir()
    for k in range(2):
        part = pd.DataFrame({"Data": flow[:1_000], "Label": (rows[:1_000] // 20 == 40).astype(int)})
        part.to_csv(folder / "bench" / f"{k}_tr_600_1st_800.csv", index=False)
    return frame


def names(place):
    return sorted(path.name for path in place.iterdir())


class Commands:
    """What is run, what it makes, and how a whole result is told."""

    def __init__(self, folder):
        self.folder, self.series = folder, str(folder / "series.csv")

    def arguments(self, kind):
        detector = str(self.folder / "pump")
        return {
            "fit": ["fit", self.series, "--out", "out", "--force", "--quiet", *TINY],
            "score": ["score", detector, self.series, "--out", "s.csv", "--events", "e.csv", "--force", "--quiet"],
            "parts": ["score", detector, self.series, "--out", "s.csv", "--events", "e.csv", "--force", "--quiet",
                      "--rows-at-once", "500"],
            "report": ["report", self.series, "--out", "out", "--force", "--quiet", *TINY],
            "bench": ["bench", str(self.folder / "bench"), "--out", "out", "--methods", "moving_zscore,vae-fast",
                      "--quiet"],
        }[kind]  # fmt: skip

    def whole(self, kind, place):
        """Faults of what lies under the final names."""
        faults = []
        for name in names(place):
            path = place / name
            if name in ("s.csv", "e.csv"):
                text = path.read_text()
                if not text.endswith("\n") or (name == "s.csv" and text.count("\n") != 3_001):
                    faults.append(f"half {name}")
            elif name == "out" and kind in ("fit", "report"):
                base = path / "detector" if kind == "report" else path
                if not {"detector.json", "model.keras"} <= set(names(base)) or (
                    kind == "report" and not {"manifest.json", "report.html", "scores.csv"} <= set(names(path))
                ):
                    faults.append(f"half {name}")
        return faults

    def leftovers(self, kind, place):
        expected = {"fit": ["out"], "report": ["out"], "bench": ["out"]}.get(kind, ["e.csv", "s.csv"])
        scratch = [name for name in names(Path(os.environ["TMPDIR"])) if name.startswith(".vaehelpers-")]
        return [name for name in names(place) if name not in expected] + scratch


def kill_files(kind, commands, place, rng, kills):
    """A first whole run, then kills over it with --force, then one that is left alone."""
    place.mkdir()
    begin = time.monotonic()
    status = finish(start(commands.arguments(kind), place))
    seconds = time.monotonic() - begin
    faults = [] if status == 0 else [f"first run ended with {status}"]
    hit = 0
    for _ in range(kills):
        if kind == "bench":  # it keeps what is done, and would have nothing left to do
            shutil.rmtree(place / "out", ignore_errors=True)
        had = names(place)
        hits, orphans = kill_after(start(commands.arguments(kind), place), rng.uniform(0.05, 1.05) * seconds)
        hit += hits
        faults += [f"{len(orphans)} processes alive after 5 s"] if orphans else []
        faults += commands.whole(kind, place)
        faults += [f"{name} is gone" for name in had if not name.startswith(".") and not (place / name).exists()]
    status = finish(start(commands.arguments(kind), place))
    faults += [] if status == 0 else [f"last run ended with {status}"]
    faults += commands.whole(kind, place) + [f"left over: {name}" for name in commands.leftovers(kind, place)]
    return hit, faults


def kill_watch(folder, frame, place, rng, kills):
    """Rows through a FIFO to several runs of watch; what is in the output must be what one run writes."""
    import threading

    place.mkdir()
    rows = [f"{when},{flow!r}\n" for when, flow in zip(frame["when"][-FEED:], frame["flow"][-FEED:].tolist())]
    data = ("when,flow\n" + "".join(rows)).encode()
    arguments = ["watch", str(folder / "pump"), "--quiet"]
    whole = place.parent / "whole.jsonl"
    if not whole.exists():
        (place.parent / "feed.csv").write_bytes(data)
        with open(place.parent / "feed.csv") as given, open(whole, "w") as out:
            assert finish(start(arguments, place, stdin=given.fileno(), stdout=out.fileno())) == 0
    os.mkfifo(place / "feed")
    held = os.open(place / "feed", os.O_RDWR)
    pace = rng.choice([0.0005, 0.002, 0.006])
    pieces = []
    while data:
        size = rng.randint(1, 300)
        pieces.append(data[:size])
        data = data[size:]

    def write():
        for piece in pieces:
            os.write(held, piece)
            time.sleep(pace)

    feeding = threading.Thread(target=write)
    hit, faults, started = 0, [], False
    for turn in range(kills + 1):
        reading = os.open(place / "feed", os.O_RDONLY)
        out = os.open(place / "out.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        child = start([*arguments, "--state", "state.json"], place, stdin=reading, stdout=out, close=held)
        os.close(reading), os.close(out)
        if not started:
            feeding.start()
            started = True
        if turn < kills:
            number = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            hits, _ = kill_after(child, rng.uniform(0.1, 3.5), number)
            hit += hits
            continue
        feeding.join()
        while True:  # until all rows are through, then end the input
            time.sleep(0.2)
            if (place / "out.jsonl").read_bytes().count(b"\n") >= FEED or os.waitpid(child, os.WNOHANG)[0]:
                break
        os.close(held)
        finish(child, 60)
    same = (place / "out.jsonl").read_bytes() == whole.read_bytes()
    if not same:
        got = [json.loads(line)["row"] for line in (place / "out.jsonl").read_text().splitlines()]
        twice = sum(count - 1 for count in Counter(got).values())
        faults.append(f"rows lost {FEED - len(set(got))}, twice {twice}, or other lines than one run writes")
    known = {"feed", "out.jsonl", "state.json", "state.json.count"}
    faults += [f"left over: {n}" for n in names(place) if n not in known and not n.startswith("state.json.input-")]
    return hit, faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    import tensorflow  # noqa: F401

    import vaehelpers.detectors.stream
    import vaehelpers.detectors.writing
    import vaehelpers.model.scores  # noqa: F401

    with tempfile.TemporaryDirectory(prefix="kill-") as scratch:
        folder = Path(scratch)
        frame = make_inputs(folder)
        assert finish(start(["fit", str(folder / "series.csv"), "--out", "pump", "--quiet", *TINY], folder)) == 0
        commands, until = Commands(folder), time.monotonic() + 60 * chosen.minutes
        hits, wrong, turn = Counter(), [], 0
        kinds = [kind for kind in SHARES if not chosen.only or kind in chosen.only.split(",")]
        total = sum(SHARES[kind] for kind in kinds)
        while time.monotonic() < until:
            short = [kind for kind in kinds if hits[kind] < chosen.points * SHARES[kind] / total]
            if not short:
                break
            kind, turn = short[turn % len(short)], turn + 1
            rng, place = random.Random(f"{chosen.seed} {turn}"), folder / f"{kind}-{turn}"
            if kind == "watch":
                hit, faults = kill_watch(folder, frame, place, rng, KILLS)
            else:
                hit, faults = kill_files(kind, commands, place, rng, KILLS if kind not in ("report", "bench") else 4)
            hits[kind] += hit
            wrong += [f"{kind}, round {turn}: {fault}" for fault in faults]
            print(f"{kind}: {hits[kind]} kills, {len(wrong)} faults so far", flush=True)
        for fault in wrong:
            print(fault)
        print(
            f"{sum(hits.values())} kill points ({', '.join(f'{k} {n}' for k, n in hits.items())}), {len(wrong)} faults"
        )
        return 1 if wrong or sum(hits.values()) < chosen.points else 0


if __name__ == "__main__":
    sys.exit(main())
