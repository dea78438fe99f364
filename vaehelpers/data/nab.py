"""The Numenta Anomaly Benchmark: where it lies, and its download with checksums."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from vaehelpers.common.errors import InputError
from vaehelpers.data.reading import describe
from vaehelpers.data.series import Series
from vaehelpers.data.tables import read_table

NAB_COMMIT = "ea702d75cc2258d9d7dd35ca8e5e2539d71f3140"


NAB_URL = f"https://raw.githubusercontent.com/numenta/NAB/{NAB_COMMIT}/"


NAB_WINDOWS = "labels/combined_windows.json"


# NAB
@cache
def _registry() -> dict[str, str]:
    """Path in NAB's repository -> SHA-256."""
    text = importlib.resources.files("vaehelpers.data").joinpath("nab_registry.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return dict(lines)


def _nab_names() -> list[str]:
    paths = [path for path in _registry() if path.endswith(".csv")]
    return [f"nab/{path.removeprefix('data/').removesuffix('.csv')}" for path in paths]


def _nab_file(name: str) -> str:
    return f"data/{name.removeprefix('nab/')}.csv"


def _data_folder(data_dir: str | os.PathLike[str] | None) -> Path:
    given = data_dir or os.environ.get("VAEHELPERS_DATA")
    if given:
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("vaehelpers"))


def _nab_root(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """The folder with ``data/`` and ``labels/``, or None where there is none."""
    folder = _data_folder(data_dir)
    for root in (folder / "nab", folder / "NAB", folder):
        if (root / NAB_WINDOWS).is_file():
            return root
    return None


def _load_nab(name: str, data_dir: str | os.PathLike[str] | None) -> Series:
    root = _nab_root(data_dir)
    file = _nab_file(name)
    if root is None or not (root / file).is_file():
        raise InputError(
            f"{name} is not in {root or _data_folder(data_dir)}; fetch it with `vaehelpers data fetch nab`, or name a "
            f"folder that holds NAB: --data-dir DIR (data_dir=, VAEHELPERS_DATA)"
        )
    table = read_table(root / file)
    notes = []
    for path in (file, NAB_WINDOWS):
        if hashlib.sha256((root / path).read_bytes()).hexdigest() != _registry()[path]:
            notes.append(f"{root / path} differs from the registered file (SHA-256)")
    try:
        windows = json.loads((root / NAB_WINDOWS).read_text(encoding="utf-8"))[file.removeprefix("data/")]
        times = pd.DatetimeIndex(pd.to_datetime(table.frame["timestamp"], format="ISO8601"), name=None).as_unit("ns")
        values = table.frame["value"].to_numpy(np.float64)
        labels = np.zeros(len(times), np.int8)
        for start, end in windows:
            labels[(times >= pd.Timestamp(start)) & (times <= pd.Timestamp(end))] = 1
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{root / file} is not as NAB published it ({error}); fetch it again") from error
    steps = np.diff(times.asi8)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        notes.append(f"as published, the time {times[row]} in line {row + 2} does not increase: rows are kept in order")
    if (values == values[0]).all():
        notes.append(f"the value is constant ({values[0]:g} in all {len(values):,} rows)")
    series = Series(
        values=values.astype(np.float32),
        times=times,
        labels=labels,
        name=name,
        columns=("value",),
        train_rows=min(int(0.15 * len(values)), 750) or None,
        time_name="timestamp",
    )
    return replace(series, notes=(*notes, *describe(series)))


def _short_reason(error: OSError) -> str:
    """requests and urllib3 nest the cause deep inside a long text."""
    text = str(error)
    for cause in (
        "Name or service not known",
        "Temporary failure in name resolution",
        "Connection refused",
        "timed out",
    ):
        if cause.lower() in text.lower():
            return cause.lower()
    found = re.search(r"\b[45]\d\d [A-Z][a-z]+(?: [A-Z][a-z]+)?", text)
    return found[0] if found else type(error).__name__
