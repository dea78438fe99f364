"""Tables and JSON, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file

if TYPE_CHECKING:
    import pandas as pd


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV or Parquet, by the ending, whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_table(pd.DataFrame({"score": [1.5]}), folder / "scores.csv")
    >>> (folder / "scores.csv").read_text()
    'score\\n1.5\\n'
    >>> write_table(pd.DataFrame(), folder / "scores.xlsx")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: ...scores.xlsx ends in .xlsx; known endings are .csv, .parquet and .pq
    """
    check_table_path(path)
    with atomic_file(path) as temporary:
        if Path(path).suffix.lower() == ".csv":
            frame.to_csv(temporary, index=False, lineterminator="\n")
        else:
            frame.to_parquet(temporary, index=False)


def check_table_path(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` unless `write_table` knows the ending. Call it before long work starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".parquet", ".pq"):
        raise InputError(f"{path} ends in {suffix or 'nothing'}; known endings are .csv, .parquet and .pq")


def write_json(value: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON that any reader takes: NaN and infinities become null, NumPy and pandas values plain ones.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "metrics.json"
    >>> write_json({"recall": np.float64(0.5), "vus_pr": np.nan}, path)
    >>> json.loads(path.read_text())
    {'recall': 0.5, 'vus_pr': None}
    """
    with atomic_file(path) as temporary:
        text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        return _plain(value.tolist())
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return value.isoformat() if value == value else None  # NaT is not equal to itself
    return str(value)
