"""`fleet`: a detector or a report for each of many series."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vaehelpers
from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.fleet.cluster import default_workers, neighbours, open_client, run_here, run_on
from vaehelpers.fleet.inputs import Source, find_sources, job_key
from vaehelpers.fleet.jobs import failure
from vaehelpers.fleet.store import Store
from vaehelpers.report.parameters import check_parameters, parameters

if TYPE_CHECKING:
    import pandas as pd

    from vaehelpers.data.choices import Choices


@dataclasses.dataclass(frozen=True)
class Fleet:
    """What `fleet` and `score_fleet` did.

    Attributes
    ----------
    rows : DataFrame
        fleet.parquet: a row per series, failures first.
    events : DataFrame
        events.parquet: a row per event over all series, new ones first, then by severity.
    folder : Path
    done : int
        Series that this call worked on.
    kept : int
        Series that were done already.
    failed : int
        Rows with an error.
    sentence : str
        What can be said about false discoveries.
    seconds : float
    dashboard : str
        Address of the dashboard while it ran; empty where there was no cluster.
    skipped : tuple of str
        What `score_fleet` has no detector for.
    """

    rows: pd.DataFrame
    events: pd.DataFrame
    folder: Path
    done: int
    kept: int
    failed: int
    sentence: str
    seconds: float
    dashboard: str = ""
    skipped: tuple[str, ...] = ()


def fleet(
    series: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    by: str = "",
    values: Mapping[str, Any] | None = None,
    report: bool = True,
    choices: Choices | None = None,
    workers: int | None = None,
    scheduler: str = "",
    deadline: float | None = None,
    false_discoveries: float = 0.1,
    data_dir: str | os.PathLike[str] | None = None,
    command: Sequence[str] | None = None,
    progress: Progress = quiet,
    announce: Any = None,
) -> Fleet:
    """Fit and score many series, each a task of Dask, and go on where an earlier call stopped.

    Parameters
    ----------
    series : path or iterable of path
        Files, folders, globs, addresses that fsspec reads, names of known series.
    out : path
        Folder for index.html, fleet.parquet, events.parquet and a folder for each series. Workers on other machines
        must see it under the same path.
    by : str, optional
        Column with the series' id, where one table holds many.
    values : mapping of str to object, optional
        Parameters of the report notebook, as `vaehelpers.report.report` takes them.
    report : bool, default True
        Write a report for each series. False: detector, scores and events alone, in a fraction of the time.
    choices : Choices, optional
        How files are read; not with reports.
    workers : int, optional
        Processes of a local cluster; default: one for two cores. 0: in this process, one series after another.
    scheduler : str, optional
        Address of a scheduler that is there, such as ``tcp://10.0.0.5:8786``, in place of a local cluster.
    deadline : float, optional
        Seconds for one series; what takes longer is a row with an error.
    false_discoveries : float, default 0.1
        Expected share of false ones among the series that are called a discovery.
    data_dir : path, optional
        Where downloadable series lie.
    command : sequence of str, optional
        For the record in fleet.json.
    progress : Progress, optional
    announce : callable, optional
        Called with the dashboard's address once the cluster is there.

    Returns
    -------
    Fleet

    Raises
    ------
    InputError
        If an argument cannot be used. A series that cannot be used is a row with its error.
    FleetError
        If the cluster is lost. What is done is kept, and the same call goes on.

    Notes
    -----
    A series is done again when the bytes of its data, the parameters or the version have changed. One that failed for
    its data or parameters is not tried again until they change; one that was stopped, ran out of memory or lost its
    worker is. Dask runs what reaches its scheduler: leave the port open to nobody but its users.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> place = Path(tempfile.mkdtemp())
    >>> for k in (1, 2):
    ...     pd.DataFrame({"flow": np.sin(np.arange(400) / k)}).to_csv(place / f"m{k}.csv", index=False)
    >>> tiny = {"timesteps": 16, "settings": "steps=3, units=4, latent_dim=2, smooth=8"}
    >>> found = fleet(f"{place}/*.csv", place / "out", values=tiny, report=False, workers=0)
    >>> found.rows["series"].tolist(), found.done
    (['m1', 'm2'], 2)
    >>> fleet(f"{place}/*.csv", place / "out", values=tiny, report=False, workers=0).done
    0
    """
    begin = time.perf_counter()
    known = parameters()
    chosen = check_parameters(values or {}, known)
    columns = {name: chosen.pop(name, "") for name in ("time", "value", "label")}
    for name in ("series", "out"):
        if name in chosen:
            raise InputError(f"the parameter {name} is set by the fleet itself; leave it out of --set")
    _check(workers, deadline, false_discoveries)
    shape = {name: value for name, value in vars(choices).items() if value} if choices is not None else {}
    if shape.get("by"):
        raise InputError("name the column of ids with by alone")
    asked = {
        "kind": "report" if report else "fit",
        "version": vaehelpers.__version__,
        "values": chosen,
        "columns": columns,
        "choices": shape,
    }
    with Store(out).open() as store:
        words = [series] if isinstance(series, (str, os.PathLike)) else list(series)
        sources = find_sources(
            [str(word) for word in words], store.inputs, by=by, known=store.about["names"], progress=progress
        )
        run = a_run(command)
        store.note(sources, asked, run)
        where = str(Path(data_dir).resolve()) if data_dir else None
        fixed = {**asked, "data_dir": where, "deadline": deadline, "run": run["id"]}
        jobs = [_job(store, source, fixed, job_key(source.sha256, asked)) for source in sources]
        todo, kept = sift(store, sources, jobs)
        dashboard = ""
        try:
            dashboard = work(todo, kept, workers, scheduler, progress, announce)
        finally:  # also after Ctrl-C or the loss of a cluster: what is done is shown
            rows, events, sentence = store.write_tables(false_discoveries)
    failed = int((rows["status"] != "ok").sum())
    seconds = time.perf_counter() - begin
    return Fleet(rows, events, Path(out), len(todo), kept, failed, sentence, seconds, dashboard)


def _check(workers: int | None, deadline: float | None, level: float) -> None:
    if workers is not None and workers < 0:
        raise InputError(f"workers={workers} must be at least 0")
    if deadline is not None and not deadline > 0:
        raise InputError(f"deadline={deadline} must be above 0 seconds")
    if not 0 < level < 1:
        raise InputError(f"false_discoveries={level} must lie between 0 and 1")


def _job(store: Store, source: Source, fixed: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {
        **fixed,
        "name": source.name,
        "path": source.path,
        "origin": source.origin,
        "sha256": source.sha256,
        "key": key,
        "folder": str(store.place(source.name)),
        "failed": str(store.failed(source.name)),
        "neighbours": 0,
    }


def sift(store: Store, sources: Sequence[Source], jobs: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """What there is to do, and how much is done; what cannot be read is a failure at once."""
    todo, kept = [], 0
    for source, job in zip(sources, jobs):
        if source.error:
            failure(job, source.error, "reading")
        elif (record := store.done(source.name, job["key"])) is not None:
            if record["status"] == "ok":  # a failure of other data in between is of no more interest
                store.failed(source.name).unlink(missing_ok=True)
            kept += 1
        else:
            todo.append(job)
    return todo, kept


def work(
    jobs: Sequence[dict[str, Any]],
    kept: int,
    workers: int | None,
    scheduler: str,
    progress: Progress,
    announce: Any,
) -> str:
    """Do jobs here or on a cluster; returns the address of the dashboard."""
    total = kept + len(jobs)
    progress("series", kept, total)
    if not jobs:
        return ""
    with contextlib.ExitStack() as stack:
        dashboard = ""
        if workers == 0 and not scheduler:
            records = run_here(jobs)
        else:
            count = min(default_workers() if workers is None else workers, len(jobs))
            client = stack.enter_context(open_client(count, scheduler))
            dashboard = str(client.dashboard_link or "")
            if announce is not None:
                announce(dashboard)
            beside = neighbours(client)
            records = run_on(client, [{**job, "neighbours": beside} for job in jobs])
        stack.callback(records.close)
        failed = 0
        for done, record in enumerate(records, kept + 1):
            failed += record["status"] != "ok"
            progress(f"series ({failed} failed)" if failed else "series", done, total)
    return dashboard


def a_run(command: Sequence[str] | None) -> dict[str, Any]:
    """What fleet.json keeps of a call."""
    start = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"id": uuid.uuid4().hex[:12], "command": list(command) if command else None, "start": start}
