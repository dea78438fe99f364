"""Open whatever a command names as SERIES: a file, standard input or a known series."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError
from vaehelpers.data.names import split_names

if TYPE_CHECKING:
    from vaehelpers.data.choices import Choices
    from vaehelpers.data.series import Series


def open_series(
    source: Any,
    *,
    time: str = "",
    value: str | Sequence[str] = "",
    label: str = "",
    data_dir: str | os.PathLike[str] | None = None,
    allow_constant: bool = False,
    choices: Choices | None = None,
) -> Series:
    """Read a file, standard input, or a series known by name.

    Parameters
    ----------
    source : str
        Path of a CSV or Parquet file, ``"-"``, or a name that `vaehelpers.data.list_series` lists.
    time, label : str, optional
        Columns; empty: found by `read_series`.
    value : str or sequence of str, optional
        Value columns, as text separated by commas; empty: every numeric one.
    data_dir : path, optional
        Where downloadable series lie.
    allow_constant : bool, default False
        Take a series that never changes: right for scoring (a stuck sensor), useless for training.
    choices : Choices, optional
        How a file is to be read, where its own look does not settle it.

    Returns
    -------
    Series
        A file that lies in a copy of the Numenta benchmark (``data/GROUP/NAME.csv`` beside ``labels/``) and has no
        labels of its own gets those of the benchmark.

    Raises
    ------
    InputError
        If it cannot be read; the message says why and the way out.

    Examples
    --------
    >>> open_series("example").n
    77192
    """
    from vaehelpers.data.catalogue import load_series
    from vaehelpers.data.reading import read_series

    values = split_names(value) if isinstance(value, str) else list(value)
    chosen = {} if choices is None else vars(choices)
    shaped = any(value for value in chosen.values())
    named = bool(time or values or label or shaped)
    if source == "-" or (Path(source).is_file() and (named or allow_constant)):
        data = read_series(
            source, time=time or None, values=values or None, label=label or None, allow_constant=allow_constant,
            **chosen,
        )  # fmt: skip
    else:
        data = load_series(source, data_dir=data_dir)
        if named and not Path(source).is_file():
            raise InputError(f"{source} is a known series; leave out --time, --value, --label and how to read a file")
    return _with_benchmark_labels(data, source)


def _with_benchmark_labels(data: Series, source: str) -> Series:
    """Labels for a file in a copy of the Numenta benchmark, by the benchmark's own reader."""
    from vaehelpers.data.catalogue import load_series

    path = Path(source).absolute()
    root = path.parents[2] if len(path.parents) > 2 else path
    windows = root / "labels" / "combined_windows.json"
    if data.labels is not None or len(path.parents) < 2 or path.parents[1].name != "data" or not windows.is_file():
        return data
    try:
        known = load_series(f"nab/{path.parent.name}/{path.stem}", data_dir=root)
    except InputError:
        return data
    if known.n != data.n:
        return data
    note = f"labels are those of the Numenta benchmark ({windows.parent.name}/{windows.name} beside the file)"
    return dataclasses.replace(data, labels=known.labels, notes=(*data.notes, note))
