"""Files in the format of the TSB-AD benchmark."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from vaehelpers.common.errors import InputError
from vaehelpers.data.reading import read_series
from vaehelpers.data.series import Series

_TSB_NAME = re.compile(r"_tr_(\d+)_1st_(\d+)$")


def read_tsb_ad(path: str | os.PathLike[str]) -> Series:
    """Read a series in the format of the TSB-AD benchmark.

    Parameters
    ----------
    path : str or path-like
        A file ``<anything>_tr_<T>_1st_<A>.csv`` with columns ``Data`` (or several value columns) and ``Label``. The
        first T rows are the training part; A is the first anomalous row, and is not used.

    Returns
    -------
    Series
        Without times; with labels and `train_rows`.

    Raises
    ------
    InputError
        If the name has no such ending, T exceeds the rows, or the file cannot be read.

    References
    ----------
    Liu and Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark", NeurIPS
    2024. Taught in notebooks/08_honest_evaluation.ipynb.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "001_toy_tr_2_1st_3.csv"
    >>> _ = path.write_text("Data,Label\\n1.0,0\\n1.5,0\\n9.0,1\\n")
    >>> read_tsb_ad(path)
    <Series '001_toy_tr_2_1st_3': 3 rows x 1 (Data), 1 row labelled, training part 2 rows>
    """
    path = Path(path)
    match = _TSB_NAME.search(path.name.removesuffix(".gz").removesuffix(".csv"))
    if match is None:
        raise InputError(f"{path.name} does not end in _tr_<T>_1st_<A>.csv; rename it, or use read_series")
    series = read_series(path, time="none", label="Label", allow_constant=True)
    train_rows = int(match[1])
    if not 0 < train_rows <= series.n:
        raise InputError(f"{path.name} names {train_rows} training rows, but holds {series.n} rows; correct the name")
    return replace(series, train_rows=train_rows)
