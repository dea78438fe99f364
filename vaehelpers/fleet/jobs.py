"""What a worker does with one series: fit, score, save, and say in one record how it went.

A job is a plain dict and its result is one, so that any process that has this package can do it. Whatever it writes
lies at a place that follows from the series' name: a job that is done twice, because a machine was lost, overwrites its
own.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import platform
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import vaehelpers
from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_folder
from vaehelpers.common.output import write_json, write_table
from vaehelpers.common.progress import Progress
from vaehelpers.fleet.daily import save_context, score_new_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from vaehelpers.data.series import Series

RECORD = "fleet.json"
FITS = 25  # of one process: TensorFlow keeps about 15 MB of each, so that a worker is started anew after these
GRACE = 30.0  # seconds after the deadline until a job that does not listen takes its process with it
BINS = 40  # of the small picture: the lowest and the highest value of each
KEPT_EVENTS = 200  # a series, the worst

_fits = 0


class Late(Exception):
    """The deadline of a series has passed."""


def run_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do one job and return its record; what goes wrong is part of the record, never raised.

    Parameters
    ----------
    job : mapping
        name, path, sha256, key, kind ("report", "fit" or "score"), folder, failed, run, version, values, columns,
        choices, data_dir, deadline, neighbours. Made by `vaehelpers.fleet.run`.

    Returns
    -------
    dict
        status "ok" or "failed", and the columns of fleet.parquet.
    """
    earlier = finished(job)
    if earlier is not None:
        return earlier
    begin = time.perf_counter()
    try:
        with _deadline(job, begin) as progress:
            _check_version(job)
            record = {"report": _report, "fit": _fit, "score": score_new_rows}[job["kind"]](job, progress)
    except Late:
        return failure(job, f"stopped at the deadline of {job['deadline']:g} s", "deadline", begin)
    except InputError as error:
        return failure(job, str(error), "input", begin)
    except MemoryError:
        return failure(job, "out of memory", "memory", begin)
    except Exception as error:
        known = isinstance(error, vaehelpers.report.ReportError)
        words = " ".join(str(error).split()) or "no message"
        return failure(job, words if known else f"{type(error).__name__}: {words}", "error", begin)
    record = {**_about(job), **record, **_fresh(), "status": "ok", "error": "", "cause": "", "run": job["run"]}
    record["seconds"] = time.perf_counter() - begin
    write_json(record, Path(job["folder"]) / RECORD)
    Path(job["failed"]).unlink(missing_ok=True)
    _renew_worker(job)
    return record


def finished(job: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of this very job, where it is done: by a worker that was lost before it could say so."""
    record = read_record(Path(job["folder"]) / RECORD)
    if record is not None and (record.get("key") == job["key"] or job["key"] in record.get("scored", ())):
        return record
    record = read_record(Path(job["failed"]))
    if record is not None and record.get("key") == job["key"] and record.get("run") == job["run"]:
        return record
    return None


def read_record(path: Path) -> dict[str, Any] | None:
    """A record from its file; None where there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def failure(job: Mapping[str, Any], error: str, cause: str, begin: float | None = None) -> dict[str, Any]:
    """The record of a series that failed, kept on the disk; what an earlier run left of the series is kept too."""
    seconds = None if begin is None else time.perf_counter() - begin
    words = " ".join(error.split())[:500]
    record = {**_about(job), "status": "failed", "error": words, "cause": cause, "seconds": seconds}
    write_json(record, job["failed"])
    return record


def _about(job: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "series": job["name"],
        "source": job["origin"],
        "sha256": job["sha256"],
        "key": job["key"],
        "run": job["run"],
        "folder": f"{Path(job['folder']).parent.name}/{Path(job['folder']).name}",
        "version": vaehelpers.__version__,
        "report": (Path(job["folder"]) / "report.html").is_file(),
        **_fresh(),
    }


def _fresh() -> dict[str, Any]:
    return {
        "memory_mb": _memory(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "worker": f"{platform.node()}:{os.getpid()}",
    }


def _check_version(job: Mapping[str, Any]) -> None:
    if job["version"] != vaehelpers.__version__:
        raise InputError(
            f"this worker has vaehelpers {vaehelpers.__version__} and the fleet {job['version']}; install the same one"
        )


class _deadline:
    """A progress hook that raises `Late` once the time is up; what does not listen to it ends with its process.

    The process belongs to a worker of Dask, which starts it anew and gives the job out again; the record on the disk
    then says that it has failed.
    """

    def __init__(self, job: Mapping[str, Any], begin: float) -> None:
        self.job, self.begin, self.limit = job, begin, job["deadline"]
        self.timer: threading.Timer | None = None

    def __enter__(self) -> Progress:
        if self.limit and self.job["neighbours"]:
            self.timer = threading.Timer(self.limit + GRACE, self._give_up)
            self.timer.daemon = True
            self.timer.start()
        return self._look

    def __exit__(self, *_: object) -> None:
        if self.timer is not None:
            self.timer.cancel()

    def _look(self, stage: str, done: int, total: int) -> None:
        if self.limit and time.perf_counter() - self.begin > self.limit:
            raise Late

    def _give_up(self) -> None:
        failure(self.job, f"stopped at the deadline of {self.limit:g} s", "deadline", self.begin)
        os._exit(75)


# -- the three kinds -----------------------------------------------------------------------------------------------


def _fit(job: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Fit a detector and score the series with it."""
    from vaehelpers.detectors.tables import scores_frame
    from vaehelpers.report.findings import with_training_part
    from vaehelpers.report.parameters import detector_settings
    from vaehelpers.report.run import check_length

    values = dict(job["values"])
    data = open_data(job)
    check_length(data, values)
    data = with_training_part(data, values.pop("train_rows", 0))
    chosen = detector_settings(data, **{"contamination": -1.0, **values})
    progress("reading", 1, 1)
    start_worker(job["neighbours"])
    from vaehelpers.detectors.vae import Detector

    detector = Detector(**chosen).fit(data.train, progress=progress)
    if detector.training_.get("stopped") == "interrupt":  # half a training is no result
        raise InputError("interrupted")
    found = detector.explain(data, progress=progress)
    record = _facts(data, found.scores, found.events, detector.fit_seconds_)
    line, check = found.line, found.check
    record |= {
        "alarms": "no promise" if check is None else check.status,
        "reason": "" if check is None else check.reason,
        "threshold": float(detector.threshold_.threshold_),
        "unit_rows": None if line is None else line.promise.rows,
        "supported": None if line is None else 10.0**line.supported / line.promise.rows,
        "unit": "" if line is None else line.promise.unit,
        "notes": [*data.notes, *detector.notes_],
    }
    frame = scores_frame(data, found.scores, found.p_values, found.flags)
    with atomic_folder(job["folder"], force=True) as place:
        detector.save(place / "detector")
        write_table(frame, place / "scores.csv")
        write_table(found.events, place / "events.csv")
        save_context(place, data, detector.timesteps_, detector.smooth_)
        write_json({**record, **_about(job), "status": "ok", "error": "", "cause": ""}, place / RECORD)
    return record


def _report(job: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a report, in a process of its own, and read from it what the tables of the fleet want."""
    import pandas as pd

    from vaehelpers.data.choices import Choices
    from vaehelpers.report.parameters import reading_text
    from vaehelpers.report.run import report

    values = {**job["values"], **{name: value for name, value in job["columns"].items() if value}}
    if job["choices"]:
        values["reading"] = reading_text(Choices(**job["choices"]))
    os.environ.update(thread_settings(job["neighbours"]))
    folder = Path(job["folder"])
    report(job["path"], folder, values=values, data_dir=job["data_dir"], force=True, progress=progress)
    numbers = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    saved = json.loads((folder / "detector" / "detector.json").read_text(encoding="utf-8"))
    line, data = saved["alarm_line"], open_data(job)
    save_context(folder, data, saved["timesteps"], saved["smooth"])
    scores = pd.read_csv(folder / "scores.csv", usecols=["score"])["score"].to_numpy(float)
    record = _facts(data, scores, pd.read_csv(folder / "events.csv"), numbers["seconds"]["fit"])
    promise = line["promise"] if line else None
    return record | {
        "alarms": numbers["alarms"]["status"],
        "reason": numbers["alarms"]["reason"],
        "threshold": numbers["threshold"]["value"],
        "unit_rows": promise and promise["rows"],
        "supported": _supported(line),
        "unit": promise["unit"] if promise else "",
        "notes": numbers["notes"],
    }


# -- pieces --------------------------------------------------------------------------------------------------------


def open_data(job: Mapping[str, Any], *, allow_constant: bool = False) -> Series:
    """Read the series of a job."""
    from vaehelpers.data.choices import Choices
    from vaehelpers.data.opening import open_series

    choices = Choices(**job["choices"]) if job["choices"] else None
    return open_series(
        job["path"], **job["columns"], data_dir=job["data_dir"], choices=choices, allow_constant=allow_constant
    )


def start_worker(neighbours: int) -> None:
    """Start TensorFlow with this worker's share of the cores; without effect where it runs already."""
    from vaehelpers.common.tensorflow import start_tensorflow

    if neighbours:
        for name, value in thread_settings(neighbours).items():
            os.environ.setdefault(name, value)
    start_tensorflow()


def thread_settings(neighbours: int) -> dict[str, str]:
    """Environment of a process that shares its machine with so many like it; empty where it has it for itself."""
    if not neighbours:
        return {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = str(max(1, cores // neighbours))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
             "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")  # fmt: skip
    return dict.fromkeys(names, share)


def _facts(data: Series, scores: NDArray[Any], events: pd.DataFrame, fit_seconds: float) -> dict[str, Any]:
    """What a record says of any series."""
    known = np.isfinite(scores)
    worst = float(events["severity"].max()) if len(events) else float("nan")
    return {
        "rows": data.n,
        "columns": list(data.columns),
        "scored_rows": int(known.sum()),
        "events": len(events),
        "severity": worst,
        "fit_seconds": fit_seconds,
        "drift": drift_of(data, scores),
        "first_time": moment(data, 0),
        "last_time": moment(data, data.n - 1),
        "picture": picture(data, events),
        "event_list": event_list(events),
    }


def drift_of(data: Series, scores: NDArray[Any]) -> float:
    """Typical score of the later rows over that of the earlier ones: behind the training part, or the second half."""
    border = data.train_rows if data.train_rows and data.train_rows < data.n else data.n // 2
    early, late = scores[:border], scores[border:]
    if not (np.isfinite(early).any() and np.isfinite(late).any()):
        return float("nan")
    before = float(np.nanmedian(early))
    return float(np.nanmedian(late)) / before if before > 0 else float("nan")


def event_list(events: pd.DataFrame) -> list[dict[str, Any]]:
    """The worst events as plain values, for events.parquet."""
    wanted = ("start", "end", "peak", "severity", "at_least", "score", "p_value", "kind", "n_points", "contributed",
              "first", "last")  # fmt: skip
    listed = []
    for event in events.head(KEPT_EVENTS).to_dict("records"):
        one = {name: event.get(name) for name in wanted}
        for name in ("start", "end", "peak"):
            value: Any = one[name]
            one[name] = value.isoformat() if hasattr(value, "isoformat") else value
        listed.append(one)
    return listed


def picture(data: Series, events: pd.DataFrame) -> dict[str, Any]:
    """A series in few numbers: lowest and highest of each of 40 bins between 0 and 99, and where events are."""
    column = 0
    if len(events):  # the variable that carries most of the worst event
        name = str(events.iloc[0]["contributed"]).rpartition(" ")[0].partition(", ")[0]
        column = next((i for i, one in enumerate(data.columns) if name.startswith(one)), 0)
    values = np.asarray(data.values[:, column], float)
    edges = np.linspace(0, len(values), min(BINS, len(values)) + 1).astype(int)
    known = values[np.isfinite(values)]
    low, span = (float(known.min()), float(np.ptp(known)) or 1.0) if len(known) else (0.0, 1.0)
    line: list[int | None] = []
    for first, last in itertools.pairwise(edges):
        piece = values[first:last]
        piece = piece[np.isfinite(piece)]
        if len(piece):
            line += [round(99 * (float(one) - low) / span) for one in (piece.min(), piece.max())]
        else:
            line += [None, None]
    spans = [
        [round(100 * int(a) / data.n), max(1, round(100 * (int(b) - int(a)) / data.n))]
        for a, b in zip(events["first"][:12], events["last"][:12])
    ]
    return {"line": line, "events": spans}


def moment(data: Series, row: int) -> Any:
    """Time of a row as text or number; None without times."""
    if data.times is None:
        return None
    value = data.times[row]
    return value.isoformat() if hasattr(value, "isoformat") else float(value)


def _supported(line: Mapping[str, Any] | None) -> float | None:
    """Largest severity that the calibration supports, from a saved line."""
    if not line:
        return None
    from vaehelpers.alarms import AlarmLine

    read = AlarmLine.from_dict(line)
    return float(10.0**read.supported / read.promise.rows)


def _memory() -> float | None:
    """Most memory that this process or one of its children held at a time, in MB."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(most / (1e6 if os.uname().sysname == "Darwin" else 1024), 1)


def _renew_worker(job: Mapping[str, Any]) -> None:
    """Start the process of a worker anew after some fits, between two jobs, with all its results handed over."""
    global _fits
    if job["kind"] != "fit" or not job["neighbours"]:
        return
    import keras

    keras.backend.clear_session()
    _fits += 1
    if _fits < FITS:
        return
    from distributed import get_worker

    worker = get_worker()
    if worker.nanny:
        _fits = 0
        worker.loop.add_callback(worker.close_gracefully, restart=True)
