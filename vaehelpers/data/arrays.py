"""Arrays, tables and series as one `Series`."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from vaehelpers.common.errors import InputError
from vaehelpers.data.reading import frame_to_series
from vaehelpers.data.series import Series


def as_series(x: Any, *, name: str = "series") -> Series:
    """Make a `Series` of whatever holds one.

    Parameters
    ----------
    x : Series, DataFrame, pandas Series or array-like of shape (n,) or (n, F)
        A DataFrame is read by the rules of `read_series`. A constant series is accepted, unlike there.
    name : str, default "series"
        For what has no name of its own.

    Returns
    -------
    Series
        The same object where `x` is one already.

    Raises
    ------
    InputError
        If the values are no real, finite numbers (NaN = missing is fine), of more than 2 dimensions, or none at all.

    Examples
    --------
    >>> import numpy as np
    >>> as_series([1, 2, 4])
    <Series 'series': 3 rows x 1 (value)>
    >>> as_series(np.zeros((2, 3, 1)))
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: values of shape (2, 3, 1) look like windows; give the series itself, (n, features)
    """
    if isinstance(x, Series):
        return x
    if isinstance(x, pd.Series):
        x = x.to_frame(name="value" if x.name is None else str(x.name))
    if isinstance(x, pd.DataFrame):
        if not len(x):
            raise InputError(f"the table has {x.shape[1]} columns but no rows")
        return frame_to_series(x, name=name, allow_constant=True)
    if isinstance(x, str | os.PathLike):
        raise InputError(f"{os.fspath(x)!r} is a name, not a series; load it with load_series or read_series")
    return Series(x, name=name)
