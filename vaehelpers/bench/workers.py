"""Worker processes of a benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vaehelpers.bench.evaluating import _do
from vaehelpers.bench.files import _read
from vaehelpers.bench.methods import _is_vae

_FITS = 25  # of a VAE by one process: TensorFlow keeps about 10 MB of each


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
        code = f"from vaehelpers.bench.workers import _serve; _serve({self.cores!r})"
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
