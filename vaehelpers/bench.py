"""Evaluation on a folder of series in the format of the TSB-AD benchmark, beside baselines and published figures.

The protocol is TSB-AD's: fit on the train part without labels, score the whole series, judge the whole series by
VUS-PR with the benchmark's own buffer length. Each result is kept as soon as it is there, so that the same command goes
on where it was stopped. Lesson: notebooks/08_honest_evaluation.ipynb.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime
import errno
import functools
import hashlib
import importlib.util
import io
import json
import math
import os
import platform
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

import vaehelpers
from vaehelpers.baselines import BASELINES, make_baseline
from vaehelpers.data import Series, read_tsb_ad
from vaehelpers.errors import InputError
from vaehelpers.files import atomic_file, check_free
from vaehelpers.metrics import auc_pr, auc_roc, sliding_window_of, vus
from vaehelpers.progress import Progress, quiet
from vaehelpers.tables import read_table

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = [
    "COLUMNS",
    "METRICS",
    "PRESETS",
    "Benchmark",
    "bench",
    "check_methods",
    "compare",
    "default_methods",
    "evaluate_series",
    "paired_interval",
    "read_published",
    "tsb_ad_files",
]

METRICS = ("vus_pr", "vus_roc", "auc_pr", "auc_roc")
"""Figures of each row, none of which needs a threshold."""

COLUMNS = ("file", "method", "n", "window", *METRICS, "fit_seconds", "score_seconds", "error", "seed")
"""Columns of bench.csv, in order."""

PRESETS = ("fast", "accurate")
"""Presets of `vaehelpers.detector.Detector`, named here so that TensorFlow need not start to know them."""

TIE = 0.01
"""Two methods tie on a series where their VUS-PR differ by less."""

FORMAT = 1
"""Version of bench.json."""

_FACTS = {"ts_len", "anomaly_len", "num_anomaly", "avg_anomaly_len", "anomaly_ratio", "point_anomaly", "seq_anomaly"}
_NAME = re.compile(r"_tr_\d+_1st_\d+\.csv(\.gz)?$")
_PARTS = ("bench.csv", "bench.json", "bench.md")
# what the figures depend on: a change here between two runs into one folder is told
_CODE = ("baselines", "blocks", "data", "detector", "layers", "losses", "metrics", "model", "scores", "training")
_RESAMPLES = 9_999
_FITS = 25  # of a VAE by one process: TensorFlow keeps about 10 MB of each


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What `bench` found.

    Attributes
    ----------
    rows : DataFrame
        One row per file, method and seed: `COLUMNS`.
    means : DataFrame
        One row per method, published ones included, best first: see `compare`.
    differences : DataFrame
        One row per VAE and best rival: see `compare`.
    text : str
        What bench.md says, in Markdown.
    notes : tuple of str
        What a reader should know.
    """

    rows: pd.DataFrame
    means: pd.DataFrame
    differences: pd.DataFrame
    text: str
    notes: tuple[str, ...]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows with an error."""
        return self.rows[_has_error(self.rows)]

    @property
    def summary(self) -> str:
        """Means of what was run and of the best published detector, and one sentence per VAE and rival; plain text."""
        best = _best(self.means[self.means["kind"] == "published"])
        shown = self.means[(self.means["kind"] != "published") | (self.means.index == best)]
        return "\n".join([_means_table(shown).to_string(index=False), *_verdicts(self.differences)])


# ---------------------------------------------------------------------------------------------- files, methods, rivals


def tsb_ad_files(folder: str | os.PathLike[str], limit: int | None = None) -> list[Path]:
    """List the series of a folder, by name.

    Parameters
    ----------
    folder : str or path-like
        Files named ``<anything>_tr_<T>_1st_<A>.csv``; others are passed over.
    limit : int, optional
        The first so many.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If there is no such folder, or no such file in it.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "001_toy_tr_2_1st_3.csv").write_text("Data,Label\\n1.0,0\\n1.5,0\\n9.0,1\\n")
    >>> _ = (folder / "README.md").write_text("not a series")
    >>> [path.name for path in tsb_ad_files(folder)]
    ['001_toy_tr_2_1st_3.csv']
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}; name a folder with files called <anything>_tr_<T>_1st_<A>.csv")
    if limit is not None and limit < 1:
        raise InputError(f"limit={limit} leaves no file; give at least 1")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    found = [path for path in files if _NAME.search(path.name)]
    if not found:
        raise InputError(
            f"none of the {len(files)} files in {folder} is called <anything>_tr_<T>_1st_<A>.csv; T is the number of "
            "rows to fit on, A the first anomalous row"
        )
    return found[:limit]


def check_methods(methods: Iterable[str]) -> list[str]:
    """Check the names of methods before any work is done.

    Parameters
    ----------
    methods : iterable of str
        ``"vae"``, ``"vae-<preset>"``, or a name of `vaehelpers.baselines.BASELINES`, which may be followed by a
        smoothing of its own in rows: ``"pca@200"``.

    Returns
    -------
    list of str
        Without repeats.

    Raises
    ------
    InputError
        If a name is unknown, or its library is missing.

    Examples
    --------
    >>> check_methods(["vae", "pca", "pca@200"])
    ['vae', 'pca', 'pca@200']
    >>> check_methods(["VAE"])
    Traceback (most recent call last):
    ...
    vaehelpers.errors.InputError: method 'VAE' is unknown; known are vae, vae-fast, ...
    """
    known = ["vae", *(f"vae-{preset}" for preset in PRESETS), *BASELINES]
    chosen = list(dict.fromkeys(methods))
    if not chosen:
        raise InputError(f"no method is named; known are {', '.join(known)}")
    for method in chosen:
        name, at, rows = method.partition("@")
        if name not in known:
            raise InputError(f"method {method!r} is unknown; known are {', '.join(known)}")
        if at and (name not in BASELINES or not rows.isdecimal() or int(rows) < 1):
            raise InputError(
                f"method {method!r} is unknown; a baseline may be followed by its smoothing, as in pca@200"
            )
        if not _installed(name):
            raise InputError(f"the baseline {name} needs the package stumpy; pip install 'vaehelpers[baselines]'")
    return chosen


def default_methods() -> list[str]:
    """Name what is evaluated where nothing is chosen: the VAE and each baseline that is installed.

    Returns
    -------
    list of str

    Examples
    --------
    >>> default_methods()[:3]
    ['vae', 'random', 'abs_diff']
    """
    return ["vae", *(name for name in BASELINES if _installed(name))]


def _installed(name: str) -> bool:
    return name != "matrix_profile" or importlib.util.find_spec("stumpy") is not None


def _is_vae(method: str) -> bool:
    return method.partition("-")[0] == "vae"


def read_published(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read published figures: one row per file, one column per detector.

    Parameters
    ----------
    path : str or path-like
        A CSV file as the TSB-AD repository has them: ``file``, then a column of VUS-PR for each detector; its columns
        of facts (``ts_len``, ``anomaly_len``, ...) are passed over.

    Returns
    -------
    DataFrame
        Index: file names; columns: detectors; values 0 to 1, NaN where missing.

    Raises
    ------
    InputError
        If there is no column ``file`` or no detector, a file stands twice, or a value is no number from 0 to 1.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp()) / "published.csv"
    >>> _ = path.write_text("file,POLY,Donut,ts_len\\n001_toy_tr_2_1st_3.csv,0.5,0.25,3\\n")
    >>> read_published(path)
                            POLY  Donut
    file
    001_toy_tr_2_1st_3.csv   0.5   0.25
    """
    table = read_table(path).frame
    if "file" not in table:
        raise InputError(f"{path} has no column file; its columns are {', '.join(map(str, table.columns[:8]))}")
    names = [str(name) for name in table if name != "file" and name not in _FACTS]
    if not names:
        raise InputError(f"{path} has no column of a detector beside file")
    files = table["file"].astype(str)
    if files.duplicated().any():
        raise InputError(f"{path} names {files[files.duplicated()].iloc[0]} twice; keep one row per file")
    values = table[names].apply(pd.to_numeric, errors="coerce")
    wrong = (values.isna() & table[names].notna()) | (values < 0) | (values > 1)
    for name in names:
        if wrong[name].any():
            shown = table[name][wrong[name]].iloc[0]
            raise InputError(
                f"{path}: column {name} holds {str(shown)!r}; a figure of a detector is a number from 0 to 1"
            )
    return values.set_axis(pd.Index(files, name="file")).astype(float)


# ----------------------------------------------------------------------------------------------- one series, one method


def evaluate_series(
    series: Series,
    method: str,
    *,
    preset: str = "fast",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Fit on the train part, score all rows, judge all rows: one row of the table.

    Parameters
    ----------
    series : Series
        With labels and a train part, such as `vaehelpers.data.read_tsb_ad` reads. The method sees no label.
    method : str
        See `check_methods`.
    preset : {"fast", "accurate"}, default "fast"
        What ``"vae"`` means.
    seed : int, default 0
    settings : mapping, optional
        Further parameters of the `Detector`, for the methods that are one.
    progress : Progress, optional

    Returns
    -------
    dict
        n, window, `METRICS`, fit_seconds, score_seconds. Baselines have the smoothing that is their class's default
        (200 rows for the z-score, 100 for the others), unless their name says another.

    Raises
    ------
    InputError
        If the series has no labels, none that is 1, no train part, or the method cannot take it.

    References
    ----------
    Liu and Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark", NeurIPS
    2024, for the protocol.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from vaehelpers.data import as_series
    >>> rows = np.arange(2_000)
    >>> values = np.sin(rows / 8)
    >>> values[1_500:1_600] += 1.0
    >>> labels = (rows >= 1_500) & (rows < 1_600)
    >>> series = replace(as_series(values), labels=labels.astype(np.int8), train_rows=1_000)
    >>> found = evaluate_series(series, "moving_zscore@100")
    >>> found["window"], found["vus_pr"] > 0.9
    (50, True)
    """
    if series.labels is None or not series.labels.any():
        raise InputError(f"no row of {series.name} is labelled 1; VUS-PR is not defined")
    if series.train_rows is None:
        raise InputError(f"{series.name} has no train part; name the file <anything>_tr_<T>_1st_<A>.csv")
    bare = dataclasses.replace(series, labels=None)
    detector = _make(method, preset, seed, settings or {})
    begin = time.perf_counter()
    detector.fit(bare.train, progress=progress)
    fitted = time.perf_counter()
    if getattr(detector, "training_", {}).get("stopped") == "interrupt":
        raise KeyboardInterrupt  # the detector would go on with half a training; a table must not
    scores = detector.decision_function(bare, progress=progress)
    scored = time.perf_counter()
    window = sliding_window_of(bare.values)
    volumes = vus(series.labels, scores, window)
    areas = auc_pr(series.labels, scores), auc_roc(series.labels, scores)
    return {
        "n": series.n,
        "window": window,
        **dict(zip(METRICS, (*volumes, *areas))),
        "fit_seconds": fitted - begin,
        "score_seconds": scored - fitted,
    }


def _make(method: str, preset: str, seed: int, settings: Mapping[str, Any]) -> Any:
    if _is_vae(method):
        from vaehelpers.detector import Detector

        return Detector(**{"preset": method.partition("-")[2] or preset, "seed": seed, **settings})
    name, _, rows = method.partition("@")
    return make_baseline(name, seed=seed, **({"smooth": int(rows)} if rows else {}))


def _has_seed(method: str) -> bool:
    return _is_vae(method) or "seed" in BASELINES[method.partition("@")[0]]().get_params()


@functools.lru_cache(maxsize=1)
def _read(path: str) -> Series:
    return read_tsb_ad(path)


def _do(task: Mapping[str, Any]) -> dict[str, Any]:
    """One row of bench.csv; what goes wrong stands in its column error."""
    row = {"file": Path(task["path"]).name, "method": task["method"], "seed": task["seed"], "error": ""}
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in task["settings"].items()}
    chosen = {"preset": task["preset"], "seed": task["seed"] or 0, "settings": settings}
    try:
        row |= evaluate_series(_read(task["path"]), task["method"], **chosen)
    except MemoryError:
        row["error"] = "out of memory"
    except Exception as error:
        name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        row["error"] = name + (" ".join(str(error).split())[:500] or "no message")
    return row


# ----------------------------------------------------------------------------------------------------- worker processes


class _Worker:
    """A process that evaluates one task after another; where it dies, a new one takes its place.

    In a process of its own a task that runs out of memory or of time takes nothing else with it, and Ctrl-C does not
    reach a training that would take it for "stop here and go on".
    """

    def __init__(self, cores: Sequence[int], threads: int):
        self.cores, self.threads = list(cores), threads
        self.child: subprocess.Popen[str] | None = None
        self.log: Any = None
        self.fits = 0

    def _start(self) -> subprocess.Popen[str]:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
        environment = {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            **os.environ,
            **{f"{name}_NUM_THREADS": str(self.threads) for name in names},
            "PYTHONWARNINGS": "ignore",
        }
        code = f"from vaehelpers.bench import _serve; _serve({self.cores!r})"
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            encoding="utf-8", env=environment, start_new_session=True,
        )  # fmt: skip

    def run(self, task: Mapping[str, Any], time_limit: float | None) -> dict[str, Any]:
        if self.fits >= _FITS or (self.child is not None and self.child.poll() is not None):
            self.close()
        if self.child is None:
            self.child, self.fits = self._start(), 0
        self.fits += _is_vae(task["method"])
        child = self.child
        assert child.stdin is not None and child.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(time_limit, stop) if time_limit else None
        if timer:
            timer.start()
        try:
            with contextlib.suppress(OSError):
                child.stdin.write(json.dumps(task) + "\n")
                child.stdin.flush()
            line = child.stdout.readline()
        finally:
            if timer:
                timer.cancel()
        if line.endswith("\n"):
            return json.loads(line)
        reason = f"stopped at the time limit of {time_limit:g} s" if late.is_set() else self._last_words(child)
        self.close()
        row = {"file": Path(task["path"]).name, "method": task["method"], "seed": task["seed"]}
        return {**row, "error": reason}

    def _last_words(self, child: subprocess.Popen[str]) -> str:
        status = child.wait()
        if status == -9:
            return "its process was killed, most likely for want of memory"
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with status {status}" + (f": {lines[-1].strip()[:300]}" if lines else "")

    def close(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            for pipe in (self.child.stdin, self.child.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self.log.close()
            self.child = None


def _serve(cores: Sequence[int]) -> None:
    """Evaluate tasks from stdin, one JSON line each, until it closes. The child process of `_Worker`."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    # whatever a library writes to stdout must not come between the answers
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
        while True:
            answers.write(json.dumps(_do(json.loads(tasks.get()))) + "\n")
            answers.flush()


def _listen(tasks: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        tasks.put(line)
    os._exit(0)  # the parent has gone, however it went: nobody waits for the answer


def _in_process(tasks: Sequence[Mapping[str, Any]]) -> Generator[dict[str, Any]]:
    _read.cache_clear()  # a file may have been written anew since
    yield from map(_do, tasks)


def _in_workers(tasks: Sequence[Mapping[str, Any]], jobs: int, time_limit: float | None) -> Generator[dict[str, Any]]:
    """Results as they come, from `jobs` processes that share the cores evenly."""
    cores = _cores()
    jobs = min(jobs, len(tasks))
    share = max(1, len(cores) // jobs)
    workers = [
        _Worker(cores[i * share : (i + 1) * share] if 1 < jobs <= len(cores) else (), share) for i in range(jobs)
    ]
    todo: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
    done: queue.SimpleQueue[dict[str, Any] | BaseException] = queue.SimpleQueue()
    for task in tasks:
        todo.put(task)
    stop = threading.Event()

    def drive(worker: _Worker) -> None:
        try:
            while not stop.is_set():
                done.put(worker.run(todo.get_nowait(), time_limit))
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)

    threads = [threading.Thread(target=drive, args=(worker,), daemon=True) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        for _ in tasks:
            result = _next(done)
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        for worker in workers:
            worker.close()
        for thread in threads:
            thread.join(timeout=10)


def _next(done: queue.SimpleQueue[Any]) -> Any:
    while True:  # a wait without end cannot be interrupted everywhere
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=0.5)


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


# -------------------------------------------------------------------------------------------------------- what is kept


class _Store:
    """bench.csv and bench.json of one folder: rows by (file, method, seed), each on the disk before the next begins."""

    def __init__(self, folder: Path):
        self.table, self.record = folder / "bench.csv", folder / "bench.json"
        self.rows: dict[tuple[str, str, int | None], dict[str, Any]] = {}
        self.about: dict[str, Any] = {}
        self.held: int | None = None

    def lock(self) -> None:
        """Keep other processes from writing here, until `close` or the end of this one; not on Windows."""
        if fcntl is None:
            return
        self.held = os.open(self.table.parent, os.O_RDONLY)
        try:
            fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise InputError(
                    f"another run is writing into {self.table.parent}; wait for it, or choose another folder"
                ) from error
            # a file system without locks: go on without

    def close(self) -> None:
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def open(self) -> None:
        """Read what is there; a line that a crash cut short is dropped."""
        try:
            self.about = json.loads(self.record.read_text(encoding="utf-8"))
            found = self.about["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.record} is damaged ({error}); start over with --force (force=True)") from error
        if found != FORMAT:
            raise InputError(
                f"{self.record} has format {found}, and this version knows {FORMAT}; choose another folder"
            )
        if not self.table.is_file():
            return
        text = self.table.read_bytes()
        text = text[: text.rfind(b"\n") + 1]
        reader = csv.DictReader(io.StringIO(text.decode("utf-8", errors="replace"), newline=""))
        if text and reader.fieldnames != list(COLUMNS):
            raise InputError(f"{self.table} has other columns than {', '.join(COLUMNS)}; start over with --force")
        for line in reader:
            row = _typed(line)
            self.rows[_key(row)] = row

    def add(self, row: dict[str, Any]) -> None:
        self.rows[_key(row)] = row
        with self.table.open("ab") as file:
            file.write(_line(row).encode())
            file.flush()
            os.fsync(file.fileno())

    def write(self, order: Sequence[str] = ()) -> None:
        """Write all rows anew, in order: what was tried again stands there once."""
        methods = list(dict.fromkeys([*order, *(key[1] for key in self.rows)]))

        def place(key: tuple[str, str, int | None]) -> tuple[str, int, int]:
            return key[0], methods.index(key[1]), -1 if key[2] is None else key[2]

        self.rows = {key: self.rows[key] for key in sorted(self.rows, key=place)}
        with atomic_file(self.table) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(COLUMNS) + "\n")
            file.writelines(_line(row) for row in self.rows.values())

    def note(self) -> None:
        with atomic_file(self.record) as temporary:
            temporary.write_text(json.dumps(self.about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def frame(self) -> pd.DataFrame:
        frame = pd.DataFrame(list(self.rows.values()), columns=list(COLUMNS))
        numbers = [*METRICS, "fit_seconds", "score_seconds"]
        whole = ["n", "window", "seed"]
        return frame.astype({**dict.fromkeys(numbers, "float64"), **dict.fromkeys(whole, "Int64")})


def _key(row: Mapping[str, Any]) -> tuple[str, str, int | None]:
    return row["file"], row["method"], row["seed"]


def _line(row: Mapping[str, Any]) -> str:
    text = io.StringIO()
    values = (row.get(name) for name in COLUMNS)
    csv.writer(text, lineterminator="\n").writerow(
        ["" if value is None or value != value else value for value in values]
    )
    return text.getvalue()


def _typed(line: Mapping[str, str | None]) -> dict[str, Any]:
    row: dict[str, Any] = dict(line)
    for name in ("n", "window", "seed"):
        row[name] = int(row[name]) if row[name] else None
    for name in (*METRICS, "fit_seconds", "score_seconds"):
        row[name] = float(row[name]) if row[name] else None
    return row


def _check_same(about: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    way_out = "choose another folder, or start over with --force (force=True)"
    for name, words in (("preset", "preset"), ("settings", "settings"), ("version", "version of vaehelpers")):
        if about.get(name) != asked[name]:
            raise InputError(
                f"the results in {folder} were made with {words} {about.get(name)!r}, and now it is {asked[name]!r}; "
                f"{way_out}"
            )
    held, given = about.get("data", {}), asked["data"]
    changed = [name for name in held if name in given and held[name] != given[name]]
    if changed:
        raise InputError(
            f"{len(changed)} of {len(held)} files have changed since the results in {folder} were made ({changed[0]}); "
            f"{way_out}"
        )
    if held and not set(held) & set(given):
        raise InputError(
            f"the results in {folder} are of {len(held)} other files ({min(held)}, ...), not the {len(given)} given; "
            f"{way_out}"
        )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code_hash() -> str:
    home = Path(__file__).parent
    return hashlib.sha256(b"".join((home / f"{name}.py").read_bytes() for name in _CODE)).hexdigest()


# -------------------------------------------------------------------------------------------------------------- figures


def paired_interval(
    differences: ArrayLike, *, confidence: float = 0.95, seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """Bootstrap interval of the mean of paired differences.

    Series differ more than methods do. Differences on the same series take that out, and drawing series anew with
    replacement says how far the mean would move with another choice of series.

    Parameters
    ----------
    differences : array-like, shape (n_files,)
        One per series: this method less that.
    confidence : float, default 0.95
    seed : int, default 0
    resamples : int, default 9999

    Returns
    -------
    low, high : float
        NaN where there are fewer than two differences.

    References
    ----------
    Efron, "Better Bootstrap Confidence Intervals", JASA 82, 1987 (bias-corrected and accelerated).

    Examples
    --------
    >>> low, high = paired_interval([0.1, 0.2, 0.15, 0.3, -0.05, 0.1])
    >>> 0.0 < low < 0.133 < high < 0.25
    True
    """
    from scipy.stats import bootstrap

    values = np.asarray(differences, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return math.nan, math.nan
    if np.ptp(values) < 1e-12:  # nothing varies: no distribution to draw from
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,), np.mean, confidence_level=confidence, n_resamples=resamples, method="BCa", random_state=seed
    ).confidence_interval
    return float(found.low), float(found.high)


def compare(rows: pd.DataFrame, published: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means of all methods, and how the VAEs stand against the best of the others.

    Parameters
    ----------
    rows : DataFrame
        `COLUMNS`; rows with an error are left out. Seeds are averaged first, file by file.
    published : DataFrame, optional
        VUS-PR by file and detector, from `read_published`.

    Returns
    -------
    means : DataFrame
        Index: method, best first. Columns: kind ("vae", "baseline" or "published"), files, seeds, `METRICS`, lowest and
        highest (mean VUS-PR of the worst and the best seed), seconds (mean of fit and score per series),
        seconds_per_10000 (rows), wins, ties, losses (of the first VAE against this one, by VUS-PR; a tie is a
        difference below 0.01).
    differences : DataFrame
        One row per VAE and rival (best baseline, best published): method, against, kind, files, mean, rival,
        difference, low, high (95 % paired bootstrap interval), wins, ties, losses. The best rival is the one with the
        highest mean on these very files, which is in its favour.

    Examples
    --------
    >>> made = [("a", "vae", 0.6), ("b", "vae", 0.5), ("a", "pca", 0.4), ("b", "pca", 0.505)]
    >>> rows = pd.DataFrame(made, columns=["file", "method", "vus_pr"]).reindex(columns=COLUMNS)
    >>> rows["error"] = ""
    >>> means, differences = compare(rows)
    >>> means["vus_pr"].round(3).to_dict()
    {'vae': 0.55, 'pca': 0.452}
    >>> differences[["against", "difference", "wins", "ties", "losses"]].round(4)
      against  difference  wins  ties  losses
    0     pca      0.0975     1     1       0
    """
    good = rows[~_has_error(rows)]
    scores = _by_file(good)
    ours = [str(name) for name in scores]
    kinds = {name: "vae" if _is_vae(name) else "baseline" for name in ours}
    if published is not None:
        known = {_stem(name): name for name in published.index}
        rivals = published.reindex([known.get(_stem(name)) for name in scores.index]).set_axis(scores.index)
        rivals = rivals.dropna(axis="columns", how="all")
        rivals.columns = pd.Index([f"{name} (published)" if name in kinds else str(name) for name in rivals])
        scores = scores.join(rivals)
        kinds |= dict.fromkeys(map(str, rivals), "published")
    vaes = [name for name in ours if kinds[name] == "vae"]
    means = pd.DataFrame({"kind": pd.Series(kinds, dtype=object), "files": scores.notna().sum()})
    by_method = good.groupby("method", sort=False)
    means["seeds"] = by_method["seed"].nunique().clip(lower=1)
    means["vus_pr"] = scores.mean()
    for metric in METRICS[1:]:
        means[metric] = good.groupby(["file", "method"])[metric].mean().groupby("method").mean()
    by_seed = good.groupby(["method", "seed"], dropna=False)["vus_pr"].mean().groupby("method")
    means["lowest"], means["highest"] = by_seed.min(), by_seed.max()
    spent = good["fit_seconds"] + good["score_seconds"]
    means["seconds"] = spent.groupby(good["method"]).mean()
    rows_done = good["n"].astype("float64").groupby(good["method"]).sum()
    means["seconds_per_10000"] = spent.groupby(good["method"]).sum() / rows_done * 1e4
    if vaes:
        outcome = {name: _outcome(scores[vaes[0]], scores[name]) for name in scores if name != vaes[0]}
        means = means.join(pd.DataFrame.from_dict(outcome, orient="index", columns=["wins", "ties", "losses"]))
    means = means.sort_values("vus_pr", ascending=False, kind="stable").rename_axis("method")
    found = []
    for vae in vaes:
        for kind in ("baseline", "published"):
            rival = _best(means[means["kind"] == kind])
            if rival is not None:
                found.append(_difference(scores[vae], scores[rival], vae, rival, kind))
    columns = ["method", "against", "kind", "files", "mean", "rival", "difference", "low", "high"]
    return means, pd.DataFrame(found, columns=[*columns, "wins", "ties", "losses"])


def _has_error(rows: pd.DataFrame) -> pd.Series:
    return rows["error"].fillna("").astype(str) != ""


def _by_file(good: pd.DataFrame) -> pd.DataFrame:
    """VUS-PR averaged over seeds: files x methods, methods in the order in which they come."""
    table = good.pivot_table("vus_pr", "file", "method", aggfunc="mean")
    return table.reindex(columns=list(dict.fromkeys(good["method"])))


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".csv")


def _best(means: pd.DataFrame) -> str | None:
    """Highest mean among those with the most files: a method that failed on the hard ones is no rival."""
    full = means[means["files"] == means["files"].max()]
    return None if full.empty or full["vus_pr"].isna().all() else str(full["vus_pr"].idxmax())


def _outcome(one: pd.Series, other: pd.Series) -> tuple[int, int, int]:
    gap = (one - other).dropna()
    return int((gap >= TIE).sum()), int((gap.abs() < TIE).sum()), int((gap <= -TIE).sum())


def _difference(one: pd.Series, other: pd.Series, vae: str, rival: str, kind: str) -> tuple[Any, ...]:
    both = one.notna() & other.notna()
    gap = (one - other)[both]
    low, high = paired_interval(gap)
    figures = one[both].mean(), other[both].mean(), gap.mean()
    return vae, rival, kind, int(both.sum()), *figures, low, high, *_outcome(one, other)


# ------------------------------------------------------------------------------------------------------------- bench.md


def _verdicts(differences: pd.DataFrame) -> list[str]:
    """One sentence for each VAE and rival."""
    kinds = {"baseline": "best baseline", "published": "best published detector"}
    said = []
    for row in differences.to_dict("records"):
        interval = f"95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
        if math.isnan(row["low"]):
            interval = "no interval (it takes two series)"
        said.append(
            f"{row['method']} {row['mean']:.3f}, {kinds[row['kind']]} {row['against']} {row['rival']:.3f} on the same "
            f"{row['files']} series: difference {row['difference']:+.3f}, {interval}; wins {row['wins']}, "
            f"ties {row['ties']}, losses {row['losses']}."
        )
    return said


def _markdown(table: pd.DataFrame) -> str:
    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    rule = ("---" if name in ("method", "kind", "series", "error") else "---:" for name in table)
    return "\n".join([line(table), line(rule), *map(line, table.to_numpy())])


def _number(value: Any, digits: int = 3) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def _means_table(means: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame({"method": means.index, "kind": means["kind"].to_numpy(), "files": means["files"].to_numpy()})
    for metric in METRICS:
        table[metric.upper().replace("_", "-")] = [_number(value) for value in means[metric]]
    records = means.to_dict("records")
    table["seeds: worst to best"] = [
        f"{row['lowest']:.3f} to {row['highest']:.3f} ({row['seeds']:.0f})" if row["seeds"] > 1 else ""
        for row in records
    ]
    table["s per series"] = [_number(value, 2) for value in means["seconds"]]
    table["s per 10,000 rows"] = [_number(value, 2) for value in means["seconds_per_10000"]]
    if "wins" in means:
        table["wins / ties / losses"] = [
            "" if math.isnan(row["wins"]) else f"{row['wins']:.0f} / {row['ties']:.0f} / {row['losses']:.0f}"
            for row in records
        ]
    return table


def _series_table(rows: pd.DataFrame, published: pd.DataFrame | None, means: pd.DataFrame) -> pd.DataFrame:
    good = rows[~_has_error(rows)]
    scores = _by_file(good)
    facts = good.groupby("file")[["n", "window"]].first()
    table = pd.DataFrame({"series": [_stem(name) for name in scores.index]})
    table["rows"], table["window"] = facts["n"].to_numpy(), facts["window"].to_numpy()
    for name in scores:
        table[name] = [_number(value) for value in scores[name]]
    best = _best(means[means["kind"] == "published"])
    if published is not None and best is not None:
        held = {_stem(str(name)): value for name, value in published[best.removesuffix(" (published)")].items()}
        table[f"{best} (published)"] = [_number(held.get(_stem(name))) for name in scores.index]
    return table


def _text(
    rows: pd.DataFrame,
    means: pd.DataFrame,
    differences: pd.DataFrame,
    published: pd.DataFrame | None,
    about: Mapping[str, Any],
    notes: Sequence[str],
) -> str:
    failed = rows[_has_error(rows)]
    n_files = rows["file"].nunique()
    run = about["runs"][-1]
    parts = [f"# Benchmark on {n_files} series", *_verdicts(differences)]
    if len(means):
        parts += [
            "## Means",
            "Sorted by mean VUS-PR; higher is better, random scores reach about the share of anomalous rows. Wins, "
            "ties and losses are those of the first VAE against the method of the row, series by series; a tie is a "
            f"difference below {TIE}.",
            _markdown(_means_table(means)),
            "## Series by series",
            "VUS-PR, averaged over seeds. `window` is the buffer length of VUS.",
            _markdown(_series_table(rows, published, means)),
        ]
    parts.append("## What failed")
    if len(failed):
        listed = failed[["file", "method", "seed", "error"]].astype({"seed": object}).fillna("")
        parts.append(_markdown(listed.rename(columns={"file": "series"})))
    else:
        parts.append("Nothing.")
    settings = ", ".join(f"{name}={value!r}" for name, value in about["settings"].items()) or "none beside it"
    parts += [
        "## How it was measured",
        "\n".join(
            [
                "- Protocol of TSB-AD: fitted on the first T rows (T from the file name) without labels, all rows "
                "scored, all rows judged.",
                f"- `vae` is the preset {about['preset']}; further settings: {settings}. Baselines have the smoothing "
                "of their class (z-score 200 rows, others 100) or the one in their name (`pca@200`: 200 rows).",
                "- Intervals: series drawn anew with replacement, on differences between methods on the same series, "
                f"averaged over seeds first; {_RESAMPLES:,} draws, BCa. The best rival was picked on these very "
                "series, which is in its favour.",
                f"- Seconds are those of fit and score together, {run['jobs'] or 1} at a time, on {run['cores']} cores "
                f"({run['platform']}).",
                f"- vaehelpers {about['version']}, Python {run['python']}; last run ended {run['end']}.",
                *(f"- {note}" for note in notes),
            ]
        ),
    ]
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------------------------------------------------- the command


def bench(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    methods: Iterable[str] | None = None,
    preset: str = "fast",
    seeds: Sequence[int] = (0,),
    settings: Mapping[str, Any] | None = None,
    published: str | os.PathLike[str] | None = None,
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
    preset : {"fast", "accurate"}, default "fast"
        What ``"vae"`` means.
    seeds : sequence of int, default (0,)
        For the methods that have one; their mean over seeds is what is compared.
    settings : mapping, optional
        Further parameters of the `Detector`.
    published : str or path-like, optional
        See `read_published`.
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
    path: str | os.PathLike[str] | None, folder: str | os.PathLike[str], notes: list[str]
) -> pd.DataFrame | None:
    if path is None:
        return None
    published = read_published(path)
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


def _open_store(out: Path, asked: Mapping[str, Any], force: bool) -> _Store:
    store = _Store(out)
    going_on = store.record.is_file() and not force
    if not going_on:
        check_free(out, force=force)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot create the folder {out}: {error.strerror}; choose another place") from error
    store.lock()
    if going_on:
        try:
            store.open()
            _check_same(store.about, asked, out)
        except InputError:
            store.close()
            raise
    else:
        for name in _PARTS:
            (out / name).unlink(missing_ok=True)
    return store


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
