"""Checks of numbers, names and saved JSON for the threshold rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.checks import choice, count, number
from vaehelpers.common.errors import InputError

Floats = NDArray[np.float64]


Bools = NDArray[np.bool_]


_LARGEST = float(np.finfo(np.float64).max)


def _resolvable(rate: float) -> int:
    return max(1, math.ceil(1.0 / rate - 1.0 - _RATE_SLACK / rate))


_RATE_SLACK = 1e-9  # 0.29 * 100 is 28.999999999999996; it has to count as 29
_RULES: set[str] = set()  # names of the rules, so that a message can say which threshold it speaks of


def _number(key: str, value: Any, where: str, **limits: float | None) -> float:
    return number(key, value, _place(where), **limits)


def _rate(key: str, value: Any, where: str) -> float:
    return _number(key, value, where, above=0.0, below=1.0)


def _count(key: str, value: Any, where: str, *, low: int) -> int:
    return count(key, value, _place(where), low=low)


def _choice(key: str, value: Any, known: tuple[str, ...], where: str) -> str:
    return choice(key, value, known, _place(where))


def _place(where: str) -> str:
    return f"the {where} threshold" if where in _RULES else where


def _as_scores(scores: ArrayLike) -> Floats:
    try:
        x = np.asarray(scores)
        if x.dtype.kind not in "fiub" and not (x.dtype == object):
            raise TypeError(f"dtype {x.dtype}")
        x = x.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"scores must be numbers ({error})") from error
    if x.ndim != 1:
        raise InputError(f"scores must have shape (n,), got {x.shape}; give one score per row")
    return x


def _aligned(values: ArrayLike, size: int, name: str) -> Floats:
    array = _as_scores(values)
    if array.size != size:
        raise InputError(f"{name} has {array.size} rows, flags {size}; give one per row")
    return array


def _as_flags(flags: ArrayLike) -> Bools:
    marks = np.asarray(flags)
    if marks.ndim != 1:
        raise InputError(f"flags must have shape (n,), got {marks.shape}; give one flag per row")
    if marks.size and marks.dtype != bool and not np.isin(marks, (0, 1)).all():
        raise InputError("flags must be 0 or 1; compare scores with a threshold first")
    return marks.astype(bool)
