"""Columns of a series in the order of those that a detector was fitted on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from vaehelpers.common.errors import InputError
from vaehelpers.data.series import Series


def align(series: Series, columns: Iterable[object], *, named: bool) -> Series:
    """Put the columns in the order of the training part, by name where both sides have names.

    Parameters
    ----------
    series : Series
    columns : iterable
        Of the training part.
    named : bool
        Whether the training part had names of its own.

    Returns
    -------
    Series

    Raises
    ------
    InputError
        If there are more, fewer or other variables than in the training part.
    """
    known = tuple(map(str, columns))
    if tuple(series.columns) == known:
        return series
    listed = f"this detector was fitted on {len(known)} ({', '.join(known)})"
    named = named and not unnamed(series)
    if named and set(known) <= set(series.columns):
        return _take_columns(series, known)
    if series.n_features != len(known):
        raise InputError(f"the series has {series.n_features} variables ({', '.join(series.columns)}); {listed}")
    if named:
        other = [name for name in series.columns if name not in known]
        raise InputError(
            f"the series has {', '.join(other)}, and {listed}; rename the columns, or give bare values to score by "
            "position"
        )
    return series


def unnamed(series: Series) -> bool:
    """Whether the columns have the names that arrays get."""
    n = series.n_features
    return tuple(series.columns) == (("value",) if n == 1 else tuple(f"value_{i}" for i in range(n)))


def _take_columns(series: Series, names: tuple[str, ...]) -> Series:
    where = [series.columns.index(name) for name in names]
    units = tuple(series.units[i] for i in where) if series.units else None
    given = None if series.given_values is None else series.given_values[:, where]
    return dataclasses.replace(series, values=series.values[:, where], given_values=given, columns=names, units=units)
