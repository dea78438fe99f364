"""The checked reader of saved values and the validators of arguments, in one place for this package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.errors import InputError
from vaehelpers.thresholds import _count as count
from vaehelpers.thresholds import _number as number
from vaehelpers.thresholds import _Reader as Reader

__all__ = ["Floats", "Reader", "as_mapping_of_scores", "as_row_numbers", "as_rows", "count", "number"]

Floats = NDArray[np.float64]


def as_rows(values: ArrayLike, name: str, n: int | None = None) -> Floats:
    """Numbers of shape (n,); NaN allowed, infinite values not."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers ({error})") from error
    if array.ndim != 1:
        raise InputError(f"{name} must have shape (n,), got {array.shape}; give one number per row")
    if n is not None and len(array) != n:
        raise InputError(f"{name} has {len(array)} rows instead of {n}; give one number per row")
    if np.isinf(array).any():
        row = int(np.flatnonzero(np.isinf(array))[0])
        raise InputError(f"{name} is infinite at row {row}; use NaN for a row without a score")
    return array


def as_table(values: ArrayLike, name: str, n: int) -> Floats:
    """Numbers of shape (n, n_features); a series of shape (n,) becomes one column."""
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n:
        raise InputError(f"{name} has shape {array.shape}; give ({n}, n_features), one row per score")
    return array


def as_mapping_of_scores(scores: Any) -> dict[str, Floats]:
    """Scores per scale, all of one length."""
    if not hasattr(scores, "items") or not len(scores):
        raise InputError("scores must be a mapping of scale name to an array of shape (n,), with at least one scale")
    result: dict[str, Floats] = {}
    n: int | None = None
    for name, values in scores.items():
        result[str(name)] = as_rows(values, f"scores[{name!r}]", n)
        n = len(result[str(name)])
    return result


def as_row_numbers(rows: ArrayLike | None, n: int, name: str) -> NDArray[np.int64]:
    """Sorted row numbers strictly inside a series of n rows."""
    array = np.asarray([] if rows is None else rows)
    if array.size and (array.ndim != 1 or array.dtype.kind not in "iu"):
        raise InputError(f"{name} must be whole row numbers of shape (k,), got {array.dtype} of shape {array.shape}")
    array = np.unique(array.astype(np.int64))
    return array[(array > 0) & (array < n)]
