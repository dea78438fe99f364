"""Series and published numbers that a benchmark reads."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pandas as pd

from vaehelpers.bench.schema import _FACTS, _NAME
from vaehelpers.common.errors import InputError
from vaehelpers.data.numbers import coerce_numbers
from vaehelpers.data.series import Series
from vaehelpers.data.tables import read_table
from vaehelpers.data.tsb_ad import read_tsb_ad


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
    >>> import tempfile
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
    >>> import tempfile
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
    values = table[names].apply(coerce_numbers)
    wrong = (values.isna() & table[names].notna()) | (values < 0) | (values > 1)
    for name in names:
        if wrong[name].any():
            shown = table[name][wrong[name]].iloc[0]
            raise InputError(
                f"{path}: column {name} holds {str(shown)!r}; a figure of a detector is a number from 0 to 1"
            )
    return values.set_axis(pd.Index(files, name="file")).astype(float)


@functools.lru_cache(maxsize=1)
def _read(path: str) -> Series:
    return read_tsb_ad(path)


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".csv")
