"""How many digits a series needs: single precision where it loses nothing that matters, double where it would.

Values such as 1.7e9 + sin(t) (a counter, a time stamp, a pressure in pascal) become one constant in float32, whose 7
digits are spent on the offset. Such a series is kept in float64 until it is centred.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LEAST = 1e-3
"""Float32 is too coarse for a variable when two neighbouring numbers of its size lie further apart than this share of
its standard deviation. What stays float32 therefore gets 5e-4 standard deviations of rounding error at most."""


class Digits:
    """Find out whether a series needs float64, part by part.

    Examples
    --------
    >>> Digits().add(np.arange(3.0)).double
    False
    >>> Digits().add(1.7e9 + np.arange(3.0)).add(1.7e9 + np.arange(5.0)).double
    True
    """

    def __init__(self) -> None:
        self._count: NDArray[np.float64] | None = None

    def add(self, values: ArrayLike) -> Digits:
        """Take in rows, shape (n,) or (n, n_features), NaN where missing; return itself."""
        array = np.asarray(values)
        rows = array.reshape(len(array), -1).astype(np.float64)
        seen = np.isfinite(rows)
        count = seen.sum(axis=0).astype(np.float64)
        mean = np.where(seen, rows, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(seen, rows - mean, 0.0)
        squares = (squares * squares).sum(axis=0)
        low = np.where(seen, rows, np.inf).min(axis=0, initial=np.inf)
        high = np.where(seen, rows, -np.inf).max(axis=0, initial=-np.inf)
        if self._count is None:
            self._count, self._mean, self._squares, self._low, self._high = count, mean, squares, low, high
            return self
        total = np.maximum(self._count + count, 1)
        away = mean - self._mean
        self._squares = self._squares + squares + away**2 * self._count * count / total
        self._mean = self._mean + away * count / total
        self._count = self._count + count
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        return self

    @property
    def double(self) -> bool:
        """Whether float32 would flatten a variable. One that is constant needs no digits."""
        if self._count is None:
            return False
        limit = np.finfo(np.float32).max
        largest = np.maximum(-self._low, self._high)
        gap = np.spacing(np.clip(largest, 0.0, limit).astype(np.float32)).astype(np.float64)
        spread = np.sqrt(self._squares / np.maximum(self._count, 1))
        return bool(np.any((self._low < self._high) & (largest <= limit) & (gap > _LEAST * spread)))


def narrow(values: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    """Bring a series to float32, or to float64 where float32 would flatten one of its variables.

    Parameters
    ----------
    values : array-like of numbers, shape (n,) or (n, n_features)
        NaN where missing.

    Returns
    -------
    ndarray of float32 or float64, same shape, C-contiguous
        The same array where it has that type already.

    Examples
    --------
    >>> rows = np.arange(1_000)
    >>> narrow(1e3 + np.sin(rows)).dtype, narrow(1.7e9 + np.sin(rows)).dtype, narrow([1.7e9, 1.7e9]).dtype
    (dtype('float32'), dtype('float64'), dtype('float32'))
    """
    array = np.asarray(values)
    with np.errstate(over="ignore"):
        small = np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize < 4 or array.dtype == np.float32:
        return small
    with np.errstate(over="ignore", invalid="ignore"):
        double = Digits().add(array).double
    return np.ascontiguousarray(array, dtype=np.float64) if double else small
