"""The saved form of a detector: JSON beside weights, no pickle."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError

FORMAT = 1
"""Version of the saved form; a folder of a newer one is refused."""


def load_detector_info(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check `detector.json` of a saved detector, without TensorFlow's help.

    Parameters
    ----------
    folder : str or path-like
        That `Detector.save` wrote.

    Returns
    -------
    dict
        Settings, columns, scaler, threshold, notes and versions, among others.

    Raises
    ------
    InputError
        If it is missing, no JSON, or of a newer format.

    Examples
    --------
    >>> load_detector_info("no/such/folder")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: no/such/folder is no folder; name one that Detector.save or `vaehelpers fit` wrote
    """
    path = Path(folder) / "detector.json"
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is no folder; name one that Detector.save or `vaehelpers fit` wrote")
    if not path.is_file():
        raise InputError(f"{folder} holds no detector.json; name a folder that Detector.save or `vaehelpers fit` wrote")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        found = info["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); save the detector again") from error
    if not isinstance(found, int) or found < 1:
        raise InputError(f"{path} is damaged (format {found!r}); save the detector again")
    if found > FORMAT:
        raise InputError(
            f"{path} has format {found} and this version of vaehelpers reads up to {FORMAT}; update vaehelpers"
        )
    return info


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}")
    return value


def _limit_to_json(limit: Any) -> dict[str, float] | None:
    if limit is None:
        return None
    return {"nanoseconds": int(limit.value)} if isinstance(limit, pd.Timedelta) else {"number": float(limit)}


def _limit_from_json(limit: dict[str, float] | None) -> pd.Timedelta | float | None:
    if limit is None:
        return None
    if "nanoseconds" in limit:
        return pd.Timedelta(int(limit["nanoseconds"]), "ns")
    return float(limit["number"])


def _thin(scores: NDArray, most: int = 20_000) -> list[float]:
    """At most `most` calibration scores, evenly spread over their order."""
    ordered = np.sort(scores)
    if len(ordered) > most:
        ordered = ordered[np.linspace(0, len(ordered) - 1, most).round().astype(int)]
    return ordered.tolist()


def _plain(value: Any) -> Any:
    """The same in JSON's own types; numbers that JSON does not know become null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    return value


def _versions() -> dict[str, str]:
    found = {}
    for name in ("vaehelpers", "keras", "tensorflow", "tensorflow-cpu", "numpy", "pandas", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
