"""`bench`: every method on every series of a folder."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import vaehelpers
from vaehelpers.bench.files import _stem, read_published, tsb_ad_files
from vaehelpers.bench.methods import _has_seed, _installed, check_methods, default_methods
from vaehelpers.bench.paired import compare
from vaehelpers.bench.result import Benchmark
from vaehelpers.bench.schema import FORMAT
from vaehelpers.bench.store import _code_hash, _hash, _open_store, _Store
from vaehelpers.bench.text import _text
from vaehelpers.bench.workers import _cores, _in_process, _in_workers
from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.detectors.settings import PRESETS

fcntl: Any


def bench(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    methods: Iterable[str] | None = None,
    preset: str = "fast",
    seeds: Sequence[int] = (0,),
    settings: Mapping[str, Any] | None = None,
    published: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    limit: int | None = None,
    jobs: int = 1,
    time_limit: float | None = None,
    force: bool = False,
    command: Sequence[str] | None = None,
    progress: Progress = quiet,
) -> Benchmark:
    """Evaluate methods on a folder of TSB-AD-format files, and go on where an earlier run stopped.

    Parameters
    ----------
    folder : str or path-like
        See `tsb_ad_files`.
    out : str or path-like
        Folder for bench.csv (`COLUMNS`; a row is on the disk as soon as it is there), bench.md and bench.json
        (settings, SHA-256 of the data). Rows that are there already are not computed again, those with an error are.
        More methods, seeds or files may be asked for later; all that is in the folder enters the table.
    methods : iterable of str, optional
        See `check_methods`. Default: `default_methods`.
    preset : {"fast", "accurate", "lstm"}, default "fast"
        What ``"vae"`` means.
    seeds : sequence of int, default (0,)
        For the methods that have one; their mean over seeds is what is compared.
    settings : mapping, optional
        Further parameters of the `Detector`.
    published : str or path-like, or several of them, optional
        See `read_published`. Where a detector is in several files, the last of them counts.
    limit : int, optional
        The first so many files, by name.
    jobs : int, default 1
        Worker processes, each with its share of the cores. 0: in this process, for few and small series.
    time_limit : float, optional
        Seconds for one method on one series; what takes longer is stopped and recorded as an error. Not with
        ``jobs=0``.
    force : bool, default False
        Drop the results in `out` and start over.
    command : sequence of str, optional
        For the record in bench.json.
    progress : Progress, optional

    Returns
    -------
    Benchmark

    Raises
    ------
    InputError
        If an argument cannot be used, or the results in `out` were made with other settings or data. What fails on one
        series is recorded in its row.

    Examples
    --------
    >>> import numpy as np
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = np.arange(1_200)
    >>> for k in (1, 2):
    ...     values, labels = np.sin(rows / 8), (rows >= 900) & (rows < 960)
    ...     values[labels] += k
    ...     table = pd.DataFrame({"Data": values, "Label": labels.astype(int)})
    ...     table.to_csv(folder / f"{k}_toy_tr_600_1st_900.csv", index=False)
    >>> found = bench(folder, folder / "out", methods=["random", "moving_zscore@50"], jobs=0)
    >>> found.means["files"].to_dict()
    {'moving_zscore@50': 2, 'random': 2}
    >>> sorted(path.name for path in (folder / "out").iterdir())
    ['bench.csv', 'bench.json', 'bench.md']
    """
    files = tsb_ad_files(folder, limit)
    chosen = default_methods() if methods is None else check_methods(methods)
    notes = []
    if methods is None and not _installed("matrix_profile"):
        notes.append("matrix_profile was left out: it needs stumpy; pip install 'vaehelpers[baselines]'")
    if preset not in PRESETS:
        raise InputError(f"preset={preset!r} is unknown; known are {', '.join(PRESETS)}")
    if not len(seeds):
        raise InputError("no seed is given; give at least one")
    if jobs < 0 or (time_limit is not None and not time_limit > 0):
        raise InputError(f"jobs={jobs} and time_limit={time_limit} must be above 0")
    rivals = _published_for(published, folder, notes)
    asked = {
        "format": FORMAT,
        "version": vaehelpers.__version__,
        "preset": preset,
        "settings": json.loads(json.dumps(dict(settings or {}))),
        "data": {path.name: _hash(path) for path in files},
    }
    run: dict[str, Any] = {
        "command": list(command) if command is not None else None,
        "methods": chosen,
        "seeds": [int(seed) for seed in seeds],
        "jobs": jobs,
        "cores": len(_cores()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "start": _now(),
        "end": "",
    }
    with contextlib.closing(_open_store(Path(out), asked, force)) as store:
        code = store.about.setdefault("code_sha256", _code_hash())
        if code != _code_hash():
            notes.append("the code has changed since the first results in this folder; --force starts over")
        data = {**store.about.get("data", {}), **asked["data"]}
        runs = [*store.about.get("runs", []), run]
        store.about = {**asked, "data": data, "code_sha256": code, "runs": runs}
        store.note()
        store.write(chosen)
        try:
            _work(store, _plan(files, chosen, run["seeds"]), jobs, time_limit, progress)
        finally:  # also after Ctrl-C: what is done is kept, and told
            run["end"] = _now()
            store.note()
            store.write(chosen)
            rows = store.frame()
            means, differences = compare(rows, rivals)
            text = _text(rows, means, differences, rivals, store.about, notes)
            with atomic_file(Path(out) / "bench.md") as temporary:
                temporary.write_text(text, encoding="utf-8")
    return Benchmark(rows, means, differences, text, tuple(notes))


def _work(
    store: _Store,
    wanted: Sequence[tuple[Path, str, int | None]],
    jobs: int,
    time_limit: float | None,
    progress: Progress,
) -> None:
    """Evaluate what is not there or failed, and keep each row at once."""
    fixed = {"preset": store.about["preset"], "settings": store.about["settings"]}
    missing = [
        {"path": str(path), "method": method, "seed": seed, **fixed}
        for path, method, seed in wanted
        if store.rows.get((path.name, method, seed), {"error": "not there"})["error"]
    ]
    done = len(wanted) - len(missing)
    progress("evaluating", done, len(wanted))
    results = _in_workers(missing, jobs, time_limit) if jobs and missing else _in_process(missing)
    with contextlib.closing(results):
        for row in results:
            store.add(row)
            done += 1
            progress("evaluating", done, len(wanted))


def _plan(files: Sequence[Path], methods: Sequence[str], seeds: Sequence[int]) -> list[tuple[Path, str, int | None]]:
    """All of one seed before the next begins, so that what is stopped early compares all methods."""
    first = {method: seeds[0] if _has_seed(method) else None for method in methods}
    later = [method for method in methods if _has_seed(method)]
    return [
        *((path, method, seed) for path in files for method, seed in first.items()),
        *((path, method, seed) for seed in seeds[1:] for path in files for method in later),
    ]


def _published_for(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None,
    folder: str | os.PathLike[str],
    notes: list[str],
) -> pd.DataFrame | None:
    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths or ())
    if not several:
        return None
    published, path = read_published(several[0]), ", ".join(map(str, several))
    for newer in map(read_published, several[1:]):
        order = [*published, *(name for name in newer if name not in published)]
        published = newer.combine_first(published)[order]
    names = {_stem(file.name) for file in tsb_ad_files(folder)}
    known = {_stem(name) for name in published.index}
    if not names & known:
        raise InputError(
            f"{path} names {len(known)} files and {folder} holds {len(names)}, and none is in both "
            f"({min(known)} there, {min(names)} here); give the figures of these series"
        )
    if names - known:
        notes.append(f"{len(names & known)} of {len(names)} series have published figures")
    return published


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
