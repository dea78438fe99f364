"""`score_fleet`: new rows of all series with their saved detectors, for the daily run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import vaehelpers
from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.fleet.inputs import _words, find_sources, job_key
from vaehelpers.fleet.jobs import RECORD, failure, read_record
from vaehelpers.fleet.run import Fleet, _check, a_run, work
from vaehelpers.fleet.store import Store


def score_fleet(
    folder: str | os.PathLike[str],
    series: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    by: str = "",
    workers: int | None = None,
    scheduler: str = "",
    deadline: float | None = None,
    false_discoveries: float = 0.1,
    command: Sequence[str] | None = None,
    progress: Progress = quiet,
    announce: Any = None,
) -> Fleet:
    """Score what is new in many series with the detectors of a fleet.

    Parameters
    ----------
    folder : path
        Made by `fleet`.
    series : path or iterable of path
        As in `fleet`; matched to the fleet by name (``today/pump-3.csv`` is ``pump-3``). A file may hold new rows alone
        or old and new ones: what lies behind the last time that was scored is new. Without times all rows are new.
    by, workers, scheduler, deadline, false_discoveries, command, progress, announce
        As in `fleet`.

    Returns
    -------
    Fleet
        `rows` has new_rows and new_events; new events come first in `events`.

    Raises
    ------
    InputError
        If the folder holds no fleet, or no series is one of it. Series that are not are in `skipped`.
    FleetError
        If the cluster is lost. What is done is kept, and the same call goes on.

    Notes
    -----
    A file that was scored is not scored again, so that a call that was cut off goes on where it stopped. New rows are
    appended to new_scores.csv beside the series' scores. An event that was known and goes on is not new.

    Examples
    --------
    >>> score_fleet("no such fleet", "today.csv")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: ...no such fleet holds no fleet; name a folder that `vaehelpers fleet --out` made
    """
    begin = time.perf_counter()
    _check(workers, deadline, false_discoveries)
    with Store(folder).open(create=False) as store:
        words = [series] if isinstance(series, (str, os.PathLike)) else list(series)
        sources = find_sources([str(word) for word in words], store.inputs, by=by, progress=progress)
        asked = store.about["asked"]
        names = set(store.about["names"].values())
        run, todo, kept, skipped = a_run(command), list[dict[str, Any]](), 0, list[str]()
        for source in sources:
            name = _match(source.origin, store.about["names"], names)
            record = None if name is None else read_record(store.place(name) / RECORD)
            if name is None or record is None:
                skipped.append(source.origin)
                continue
            key = job_key(source.sha256, {"kind": "score", "version": vaehelpers.__version__, "fit": record["key"]})
            job = {
                "kind": "score", "version": vaehelpers.__version__, "values": {}, "columns": asked["columns"],
                "choices": asked["choices"], "data_dir": None, "deadline": deadline, "name": name, "path": source.path,
                "origin": source.origin, "sha256": source.sha256, "key": key, "folder": str(store.place(name)),
                "failed": str(store.failed(name)), "run": run["id"], "neighbours": 0,
            }  # fmt: skip
            if source.error:
                failure(job, source.error, "reading")
            elif key in record.get("scored", ()):
                kept += 1
            else:
                todo.append(job)
        if len(skipped) == len(sources):
            raise InputError(
                f"none of {len(sources)} series ({sources[0].name}, ...) has a detector in {folder}; fit them first: "
                f"vaehelpers fleet SERIES... --out {folder}"
            )
        store.note([], asked, run)
        dashboard = ""
        try:
            dashboard = work(todo, kept, workers, scheduler, progress, announce)
        finally:
            rows, events, sentence = store.write_tables(false_discoveries)
    failed, seconds = int((rows["status"] != "ok").sum()), time.perf_counter() - begin
    return Fleet(rows, events, Path(folder), len(todo), kept, failed, sentence, seconds, dashboard, tuple(skipped))


def _match(origin: str, by_origin: Mapping[str, str], names: set[str]) -> str | None:
    """The series of the fleet that a file belongs to: the same file, or the longest end of its path that is a name."""
    if origin in by_origin:
        return by_origin[origin]
    words = _words(origin)
    ends = ("/".join(words[-length:]) for length in range(len(words), 0, -1))
    return next((name for name in ends if name in names), None)
