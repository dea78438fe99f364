"""The notebook in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, file_progress, quiet
from vaehelpers.report.errors import ReportError
from vaehelpers.report.parameters import NOTEBOOK, template

PROGRESS_VARIABLE = "VAEHELPERS_PROGRESS"  # where the kernel writes how far it is


def notebook_progress() -> Progress:
    """Progress for a notebook run by `report`: written where the parent process reads it; nothing otherwise.

    Examples
    --------
    >>> notebook_progress()("training", 1, 10)
    """
    path = os.environ.get(PROGRESS_VARIABLE)
    return file_progress(path) if path else quiet


def _run_notebook(
    given: Mapping[str, Any],
    folder: Path,
    scratch: Path,
    title: str,
    head: str,
    data_dir: str | os.PathLike[str] | None,
    progress: Progress,
) -> None:
    job = {
        "template": str(template()),
        "folder": str(folder.resolve()),
        "parameters": dict(given),
        "title": title,
        "head": head,
        "result": str(scratch / "result.json"),
    }
    progress_file = scratch / "progress.jsonl"
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        **os.environ,
        PROGRESS_VARIABLE: str(progress_file),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel is this very Python, whatever else is registered as python3
        "PYTHONWARNINGS": "ignore",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    if data_dir is not None:
        environment["VAEHELPERS_DATA"] = str(Path(data_dir).resolve())
    code = "from vaehelpers.report.process import _execute; _execute()"
    log = scratch / "papermill.log"
    with log.open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr,
            env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps(job).encode() + b"\n")
            child.stdin.flush()  # and stays open: its end tells the child that we are gone
            _follow(child, progress_file, progress)
        finally:
            with contextlib.suppress(OSError):
                assert child.stdin is not None
                child.stdin.close()
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
    result = _read_result(scratch / "result.json")
    if result is None:
        details = log.read_text(encoding="utf-8", errors="replace")
        raise ReportError(f"the process that runs the notebook ended with status {child.returncode}", details)
    if result["error"]:
        _raise_again(result["error"], result["message"], result["details"], result["errno"])


def _follow(child: subprocess.Popen[bytes], path: Path, progress: Progress) -> None:
    seen = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=0.2)
        if path.exists():
            with path.open("rb") as file:
                file.seek(seen)
                lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            seen += len(whole)
            for line in whole.splitlines():
                progress(*json.loads(line))
        if child.poll() is not None:
            return


def _read_result(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _raise_again(name: str, message: str, details: str, number: int | None) -> None:
    if name == "InputError":
        raise InputError(message)
    if number is not None:
        raise OSError(number, message)
    if name == "DeadKernelError":
        raise ReportError("the notebook's kernel died, most likely for want of memory", details)
    first = message.strip().splitlines()[0] if message.strip() else "no message"
    raise ReportError(f"{name} in the report notebook: {first}", details)


def _execute() -> None:
    """Run one notebook, which writes the result files: the child process of `_run_notebook`, with its job on stdin."""
    import traceback

    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    outcome: dict[str, Any] = {"error": "", "message": "", "details": "", "errno": None}
    try:
        _execute_notebook(job)
    except Exception as error:
        outcome = {
            "error": getattr(error, "ename", type(error).__name__),
            "message": getattr(error, "evalue", str(error)),
            "details": "\n".join(getattr(error, "traceback", [])) or traceback.format_exc(),
            "errno": error.errno if isinstance(error, OSError) else None,
        }
        if outcome["error"] == "OSError" and outcome["message"].startswith("[Errno "):
            outcome["errno"] = int(outcome["message"][7:].split("]")[0])
    Path(job["result"]).write_text(json.dumps(outcome), encoding="utf-8")


def _end_with_parent() -> None:
    """Wait for the end of stdin, which comes with the parent's own, and take the kernel along."""
    sys.stdin.read()
    for _ in range(3):  # a kernel that is starting may have been missed
        for number in _descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.05)
    os._exit(1)


def _descendants(number: int) -> list[int]:
    """Processes below one; none where neither psutil nor /proc tells."""
    try:
        import psutil

        return [child.pid for child in psutil.Process(number).children(recursive=True)]
    except Exception:  # not installed, or the process has gone meanwhile
        found = []
        with contextlib.suppress(OSError, ValueError):
            for file in Path(f"/proc/{number}/task").glob("*/children"):
                for child in map(int, file.read_text().split()):
                    found += [child, *_descendants(child)]
        return found


def _execute_notebook(job: Mapping[str, Any]) -> None:
    import nbformat
    import papermill

    folder = Path(job["folder"])
    source = nbformat.read(job["template"], as_version=4)
    for cell in source.cells:
        if "title" in cell.metadata.get("tags", []):
            cell.source = job["head"]
    progress = notebook_progress()

    def count(cell: Any, cell_index: int, **_: Any) -> None:
        progress("report", cell_index + 1, len(source.cells) + 1)  # one more: the injected parameters

    progress("report", 0, len(source.cells) + 1)
    notebook = papermill.execute_notebook(
        source,
        None,
        parameters=job["parameters"],
        kernel_name="python3",
        progress_bar=False,
        log_output=False,
        cwd=str(folder),
        on_cell_executed=count,
        config=_kernel_config(Path(job["result"]).parent),
    )
    notebook.metadata["title"] = job["title"]
    notebook.metadata.papermill.update(input_path=NOTEBOOK, output_path="report.ipynb")
    with (folder / "report.ipynb").open("w", encoding="utf-8") as file:
        nbformat.write(notebook, file)


def _kernel_config(folder: Path) -> Any:
    """Reach the kernel by sockets in our own folder: kernels that start side by side cannot take each other's port."""
    from traitlets.config import Config

    connection = str(folder / "kernel.json")
    # a socket's path has at most 107 bytes, and "-ipc-5" comes behind
    possible = sys.platform == "linux" and len(os.fsencode(connection)) < 100
    return Config({"KernelManager": {"transport": "ipc", "connection_file": connection}} if possible else {})
