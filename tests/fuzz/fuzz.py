"""Mutated files, detectors, parameters and stream states: each must give a series, identical scores, or `InputError`.

    python tests/fuzz/fuzz.py --inputs 20000 --detectors 5000 --seed 0      (make fuzz)

tests/test_fuzz.py runs a short part of it. Every case follows from the seed and its number: `--first` begins there.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import pandas as pd

from vaehelpers.common import InputError
from vaehelpers.data import read_series
from vaehelpers.data.reading import read_series_parts

GOLDEN = Path(__file__).parents[1] / "golden" / "format_2" / "univariate"
SECONDS, MEGABYTES = 5.0, 1_000

ODD_CELLS = [
    "", " ", "NA", "ERR", "nan", "inf", "-inf", "1e400", "9" * 400, "0x1F", "1,5", "1.234,5", "1'000", "12 kW", "5%",
    '"', '"5', "=1+1", "@x", "$a$", "\x00", "\u00a0", "\ufeff", "2024-13-45", "24:00", "2024-02-30", "+1:00",
    "2024-01-01T00:00:00+1:00", "1e308", "-0", "--", "1_000", "\u0661", "True", "null", "[1]", "{}",
    "9223372036854775808",
]  # fmt: skip


def base_texts():
    """Well-formed files of every kind, from which mutants are made."""
    n = 24
    times = pd.date_range("2024-01-01", periods=n, freq="h")
    x = np.round(np.sin(np.arange(n) / 3) * 7 + 20, 2)
    rows = list(zip(times, x))
    yield "csv", "time,flow,temp\n" + "".join(f"{t},{v},{v * 2:.1f}\n" for t, v in rows)
    yield "csv", "Zeit;Druck\n" + "".join(f"{t:%d.%m.%Y %H:%M};{str(v).replace('.', ',')}\n" for t, v in rows)
    yield "csv", "ts\tflow\n" + "".join(f"{1_700_000_000 + 60 * i}\t{v}\n" for i, (_, v) in enumerate(rows))
    yield "csv", "flow,label\n" + "".join(f"{v},{i % 9 == 0:d}\n" for i, (_, v) in enumerate(rows))
    yield (
        "csv",
        "#group,false\n#datatype,string\n,result,table,_time,_value\n"
        + "".join(f",,0,{t.isoformat()}Z,{v}\n" for t, v in rows),
    )
    yield "csv", "sep=;\nwhen;a;b\n" + "".join(f"{t};{v};{v}\n" for t, v in rows)
    yield "csv", "time,device,flow\n" + "".join(f"{t},a,{v}\n{t},b,{v}\n" for t, v in rows)
    yield "jsonl", "".join(json.dumps({"time": str(t), "flow": v}) + "\n" for t, v in rows)
    yield "json", json.dumps([{"time": str(t), "flow": v} for t, v in rows])


def packed(kind, text):
    content = text.encode()
    if kind == "gz":
        return gzip.compress(content)
    if kind == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a.csv", content)
        return out.getvalue()
    if kind == "utf-16":
        return text.encode("utf-16")
    if kind == "parquet":
        out = io.BytesIO()
        pd.read_csv(io.StringIO(text), parse_dates=[0]).to_parquet(out)
        return out.getvalue()
    return content


def mutate_bytes(content, rng):
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        if not data:
            break
        at = rng.randrange(len(data))
        match rng.randrange(6):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 60)]
            case 3:
                data = data[:at]
            case 4:
                data[at:at] = bytes(rng.choice(b"\n\r,;\t\"'\x00\xff|#[{") for _ in range(rng.randint(1, 5)))
            case 5:
                data[at:at] = rng.choice(ODD_CELLS).encode()
    return bytes(data)


def mutate_text(text, rng):
    lines = text.splitlines()
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(lines))
        separator = max(",;\t", key=lines[at].count)
        cells = lines[at].split(separator)
        match rng.randrange(7):
            case 0 | 1 | 2:
                cells[rng.randrange(len(cells))] = rng.choice(ODD_CELLS)
                lines[at] = separator.join(cells)
            case 3:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 4:
                lines[at] = separator.join([*cells, rng.choice(ODD_CELLS)])
            case 5:
                del lines[at]
                lines = lines or [""]
            case 6:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    return "\n".join(lines) + rng.choice(["\n", "", "\n\n", "\r\n"])


TEXTS = list(base_texts())


def make_input(rng, folder):
    """One mutated file and how it is to be read."""
    ending, text = rng.choice(TEXTS)
    if rng.random() < 0.6:
        text = mutate_text(text, rng)
    try:
        kind = rng.choice(["plain", "plain", "plain", "plain", "gz", "zip", "utf-16", "parquet"])
        content = packed(kind, text)
    except Exception:  # a mutant that pandas cannot make a Parquet file of
        content = text.encode()
    if rng.random() < 0.6:
        content = mutate_bytes(content, rng)
    path = folder / f"input.{ending}"
    path.write_bytes(content)
    choices = {}
    if rng.random() < 0.3:
        choices = rng.choice([
            {"skip_rows": rng.choice([1, 3, -1, 10**9])}, {"na": ("ERR", "")}, {"tz": rng.choice(["UTC", "Mars/x"])},
            {"sort": True}, {"duplicates": rng.choice(["mean", "first", "no"])}, {"by": rng.choice(["device=a", "x"])},
            {"decimal": rng.choice([",", ".", ";"])}, {"exclude": ("flow",)},
            {"train_until": rng.choice(["2024", "?"])},
            {"time": rng.choice(["none", "time", "flow"])}, {"values": rng.choice(["flow", ["a", "b"], "x"])},
        ])  # fmt: skip
    return path, choices


def try_input(seed, folder):
    """What became of one input: "series", "refused", or what should not be."""
    rng = random.Random(f"input {seed}")
    path, choices = make_input(rng, folder)
    try:
        if rng.random() < 0.25 and not choices:
            parts = list(read_series_parts(path, rows=rng.choice([1, 5, 100])))
            good = all(np.isfinite(part.values).any() or np.isnan(part.values).all() for part in parts)
        else:
            series = read_series(path, **choices)
            good = not np.isinf(series.values).any() and series.n > 0
    except InputError as error:
        return "refused" if len(str(error)) < 2_000 and "\n" not in str(error) else f"message {str(error)[:80]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:80]}"
    return "series" if good else "infinite values"


# -- detectors -------------------------------------------------------------------------------------------------------

ODD_VALUES = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**19, 10**400, 1e308, -1e308, 1e-320, 0.5, float("nan"), float("inf"),
    "", "x", "dense", "__import__('os')", [], [[]], {}, [0] * 50, {"a": 1}, [None], "own:Layer", 3.0,
]  # fmt: skip


def leaves(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for number, (key, one) in enumerate(items):
        if number < 12 or isinstance(value, dict):
            yield from leaves(one, (*path, key))


def change(info, rng):
    """Another value at one or two places of detector.json."""
    info = copy.deepcopy(info)
    for _ in range(rng.choice([1, 1, 1, 2])):
        path = rng.choice([one for one in leaves(info) if one])
        holder = info
        for key in path[:-1]:
            holder = holder[key]
        old = holder[path[-1]]
        match rng.randrange(4):
            case 0:
                if isinstance(holder, dict):
                    del holder[path[-1]]
                else:
                    holder.append(copy.deepcopy(old))
            case 1 if isinstance(old, (int, float)) and not isinstance(old, bool):
                holder[path[-1]] = old * rng.choice([-1, 2, 10, 1e6, 0]) if old else 1
            case _:
                holder[path[-1]] = copy.deepcopy(rng.choice(ODD_VALUES))
    return info


class Tampering:
    """Changed copies of one saved detector; some with a checksum made anew, as whoever writes the folder could."""

    def __init__(self, folder):
        from vaehelpers.detectors import Detector

        self.folder, self.load = folder / "detector", Detector.load
        shutil.copytree(GOLDEN, self.folder)
        self.text = (self.folder / "detector.json").read_text()
        self.weights = (self.folder / "model.keras").read_bytes()
        self.info = json.loads(self.text)
        self.values = np.sin(np.arange(120) / 5).astype("float32")
        self.scores = Detector.load(self.folder).decision_function(self.values)

    def tries(self, seed):
        """What became of one detector: "identical", "refused", "signed anew", or what should not be."""
        from vaehelpers.detectors import saved

        rng = random.Random(f"detector {seed}")
        signed = rng.random() < 0.5
        weights, text = self.weights, self.text
        if rng.random() < 0.75:
            info = change(self.info, rng)
            (self.folder / "model.keras").write_bytes(weights)
            if signed:
                try:
                    info["checksum"] = saved._checksum(info, self.folder / "model.keras")
                except (OverflowError, ValueError, AttributeError, TypeError):
                    signed = False
            try:
                text = json.dumps(info)
            except ValueError:
                text = repr(info)
        else:
            signed = False
            if rng.random() < 0.5:
                weights = mutate_bytes(weights, rng)
            else:
                text = mutate_bytes(text.encode(), rng).decode("utf-8", "replace")
            if rng.random() < 0.1:
                text = "[" * 5_000
        (self.folder / "detector.json").write_text(text, encoding="utf-8", errors="replace")
        (self.folder / "model.keras").write_bytes(weights)
        try:
            scores = self.load(self.folder).decision_function(self.values)
        except InputError as error:
            return "refused" if "\n" not in str(error) else f"message {str(error)[:80]!r}"
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:80]}"
        if np.array_equal(scores, self.scores, equal_nan=True) or np.allclose(scores, self.scores, equal_nan=True):
            return "identical"
        # with a checksum of its own it is another detector; its scores must be numbers all the same
        return "signed anew" if signed and np.isfinite(scores).any() and not np.isinf(scores).any() else "other scores"


# -- parameters and states -------------------------------------------------------------------------------------------


def try_parameters(seed):
    from vaehelpers.detectors.settings import DETECTOR_PARAMETERS
    from vaehelpers.report.parameters import check_parameters, detector_parameters

    rng = random.Random(f"parameters {seed}")
    name = rng.choice([*DETECTOR_PARAMETERS, "no_such", ""])
    value = rng.choice([*ODD_VALUES, *ODD_CELLS])
    try:
        check_parameters({name: value}, detector_parameters())
    except InputError as error:
        return "refused" if "\n" not in str(error) else f"message {str(error)[:80]!r}"
    except Exception as error:
        return f"{name}={value!r:.40}: {type(error).__name__}: {str(error)[:60]}"
    return "taken"


class States:
    """Changed states of a stream, and of watch."""

    def __init__(self, folder):
        from vaehelpers.detectors import Detector, StreamingDetector

        self.detector, self.kind = Detector.load(GOLDEN), StreamingDetector
        stream = StreamingDetector(self.detector)
        for value in np.sin(np.arange(40) / 5):
            stream.update(value)
        self.state, self.path = json.loads(json.dumps(stream.state())), folder / "state.json"

    def tries(self, seed):
        from vaehelpers.commands.watching import load_state

        rng = random.Random(f"state {seed}")
        state = change(self.state, rng)
        try:
            if rng.random() < 0.5:
                stream = self.kind.from_state(self.detector, state)
                score = stream.update(0.5).score
                return "taken" if not np.isinf(score) else "infinite score"
            text = json.dumps({"format": 2, "stream": state, "layout": None, "pending": [], "rows": 3, "input": None})
            self.path.write_bytes(mutate_bytes(text.encode(), rng))
            load_state(self.path)
        except InputError as error:
            return "refused" if "\n" not in str(error) else f"message {str(error)[:80]!r}"
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:80]}"
        return "taken"


GOOD = {"series", "refused", "identical", "signed anew", "taken"}


def drive(name, attempt, count, first=0):
    """Run cases; return how many of each outcome, and what should not be, with its number."""
    outcomes, wrong = Counter(), []
    for seed in range(first, first + count):
        begin = time.monotonic()
        signal.alarm(60)
        outcome = attempt(seed)
        signal.alarm(0)
        seconds = time.monotonic() - begin
        outcomes[outcome if outcome in GOOD else "wrong"] += 1
        if outcome not in GOOD:
            wrong.append(f"{name} {seed}: {outcome}")
        if seconds > SECONDS:
            wrong.append(f"{name} {seed}: {seconds:.1f} s")
    return outcomes, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--detectors", type=int, default=5_000)
    parser.add_argument("--parameters", type=int, default=5_000)
    parser.add_argument("--states", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        folder = Path(scratch)
        for name, count, make in (
            ("inputs", chosen.inputs, lambda: lambda seed: try_input(seed, folder)),
            ("parameters", chosen.parameters, lambda: try_parameters),
            ("states", chosen.states, lambda: States(folder).tries),
            ("detectors", chosen.detectors, lambda: Tampering(folder).tries),
        ):
            if not count:
                continue
            outcomes, found = drive(name, make(), count, chosen.first)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            wrong += found
            if peak > MEGABYTES and name != "detectors":
                wrong.append(f"{name}: {peak:,.0f} MB")
            told = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
            print(f"{name}: {told}; peak {peak:,.0f} MB", flush=True)
            for line in found[:20]:
                print(f"  {line}", flush=True)
    print(f"{len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    sys.exit(main())
