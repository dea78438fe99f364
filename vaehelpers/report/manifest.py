"""What ran, on what, with which versions."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.report.parameters import Parameter

if TYPE_CHECKING:
    from vaehelpers.data.series import Series


PACKAGES = (
    "vaehelpers",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "papermill",
)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _manifest(
    series: str,
    file: Path | None,
    data: Series,
    given: Mapping[str, Any],
    known: Mapping[str, Parameter],
    command: Sequence[str] | None,
    begin: datetime.datetime,
    alarms: Mapping[str, Any],
) -> dict[str, Any]:
    end = _now()
    every = {name: parameter.default for name, parameter in known.items()} | dict(given)
    every["series"] = series
    every.pop("out", None)
    return {
        "command": list(command) if command is not None else None,
        "parameters": every,
        "seed": every.get("seed"),
        "data": {
            "source": series,
            "sha256": _file_hash(file) if file is not None else None,
            "values_sha256": hashlib.sha256(data.values.tobytes()).hexdigest(),
            "rows": data.n,
            "columns": list(data.columns),
        },
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "start": begin.isoformat(timespec="seconds"),
        "end": end.isoformat(timespec="seconds"),
        "seconds": round((end - begin).total_seconds(), 1),
        "alarms": {"status": alarms["status"], "reason": alarms["reason"]},
        "exit_status": 0,
    }


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
