"""`report`: from a series to a folder with everything, whole or not at all."""

from __future__ import annotations

import datetime
import errno
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_folder, check_free
from vaehelpers.common.output import write_json
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.common.temporary import reserved, temporary_folder
from vaehelpers.data.opening import open_series
from vaehelpers.report.manifest import _manifest, _now, _version
from vaehelpers.report.parameters import check_parameters, parameters, reading_choices
from vaehelpers.report.process import _run_notebook
from vaehelpers.report.requirements import check_report_requirements

if TYPE_CHECKING:
    from vaehelpers.data.series import Series


SHORTEST_WINDOW = 32  # rows, where the window is chosen by the detector


def default_folder(name: str) -> Path:
    """The first free of ``runs/NAME``, ``runs/NAME-2``, ...

    Examples
    --------
    >>> default_folder("no/such series").as_posix()
    'runs/no-such-series'
    """
    words = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip("-.") or "report"
    folder, number = Path("runs") / words, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{words}-{number}"
    return folder


def report(
    series: str = "example",
    out: str | os.PathLike[str] | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    force: bool = False,
    command: Sequence[str] | None = None,
    progress: Progress = quiet,
) -> Path:
    """Write a report: executed notebook, single-file HTML page, scores, events, detector, metrics and manifest.

    Parameters
    ----------
    series : str, default "example"
        CSV or Parquet file, ``"-"`` for standard input, or the name of a known series.
    out : path, optional
        Folder to make. Default: `default_folder` of the series' name.
    values : mapping of str to object, optional
        Parameters of the notebook (`parameters`), except series and out.
    data_dir : path, optional
        Where downloadable series lie.
    force : bool, default False
        Replace an existing folder.
    command : sequence of str, optional
        The command line, for the manifest.
    progress : Progress, optional

    Returns
    -------
    pathlib.Path
        ``report.html`` inside the folder.

    Raises
    ------
    InputError
        If the input cannot be used. Whatever can be told without TensorFlow is told before it starts.
    ReportError
        If the work failed. Nothing is left behind.

    Notes
    -----
    The notebook runs in a process of its own, in the folder that is being made; the caller's working directory and
    environment stay as they are. Lesson: notebooks/07_report.ipynb.

    Examples
    --------
    >>> report("no such file.csv")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: ...no such file.csv...
    """
    begin = _now()
    check_report_requirements()
    known = parameters()
    chosen = check_parameters(values or {}, known)
    for name in ("series", "out"):
        if name in chosen:
            raise InputError(f"the parameter {name} is set by the command itself; leave it out of --set")
    if out is not None:
        check_free(out, force=force)
    with temporary_folder() as scratch:
        source, file = _locate(series, scratch)
        data = open_series(
            source, time=chosen.get("time", ""), value=chosen.get("value", ""), label=chosen.get("label", ""),
            data_dir=data_dir, choices=reading_choices(chosen.get("reading", "")),
        )  # fmt: skip
        check_length(data, chosen)
        progress("reading", 1, 1)
        folder = Path(out) if out is not None else default_folder("stdin" if series == "-" else data.name)
        with _disk_errors(folder), reserved(folder), atomic_folder(folder, force=force) as temporary:
            given = {"series": source, **chosen, "out": "."}
            title, head = f"{data.name}: anomaly report", _head(data, series, begin)
            _run_notebook(given, temporary, scratch, title, head, data_dir, progress)
            alarms = json.loads((temporary / "metrics.json").read_text(encoding="utf-8"))["alarms"]
            manifest = _manifest(series, file, data, given, known, command, begin, alarms)
            write_json(manifest, temporary / "manifest.json")
    return folder / "report.html"


def _head(data: Series, series: str, begin: datetime.datetime) -> str:
    """The title of this report, in place of the template's own."""
    from vaehelpers.report.text import escape_markdown

    source = "standard input" if series == "-" else escape_markdown(Path(series).name)
    made = f"{begin.astimezone():%Y-%m-%d %H:%M %Z} by vaehelpers {_version('vaehelpers')}"
    return (
        f"# {escape_markdown(data.name)}: anomaly report\n\n"
        f"> What is unusual in this series, how surprising it is, and how far to trust the answer.\n\n"
        f"Made from {source} on {made}."
    )


def _locate(series: str, scratch: Path) -> tuple[str, Path | None]:
    """Turn `series` into what the notebook reads, whatever its working directory: an absolute path or a known name."""
    if series == "-":
        spooled = scratch / "stdin.csv"
        with spooled.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with spooled.open("rb") as file:
            if file.read(4) == b"PAR1":
                spooled = spooled.rename(scratch / "stdin.parquet")
        return str(spooled), spooled
    path = Path(series)
    if path.is_file():
        return str(path.resolve()), path
    return series, None


def check_length(data: Series, chosen: Mapping[str, Any]) -> None:
    """Raise `InputError` if the series is too short for its windows or `train_rows`. Call it before TensorFlow."""
    from vaehelpers.windows import dominant_period

    train_rows = chosen.get("train_rows", 0)
    if train_rows > data.n:
        raise InputError(f"train_rows={train_rows} is more than the series has ({data.n} rows); use at most {data.n}")
    rows = train_rows or data.train_rows or data.n
    timesteps = chosen.get("timesteps") or max(SHORTEST_WINDOW, dominant_period(data.values[:rows]))
    if timesteps > rows:
        raise InputError(
            f"timesteps={timesteps} is longer than the part to learn from ({rows} rows); give more rows, or set "
            f"timesteps to at most {rows}"
        )


class _disk_errors:
    """Say what a full disk is: a place that cannot take the result, so bad input, in one line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            raise InputError(
                f"cannot write to {self.folder}: {os.strerror(error.errno or 0)}; make room or choose another place"
            ) from error
