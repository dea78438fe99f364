"""Checks of numbers, names and saved JSON for the threshold rules."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError

Floats = NDArray[np.float64]


Bools = NDArray[np.bool_]


def _guess(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


_LARGEST = float(np.finfo(np.float64).max)


def _resolvable(rate: float) -> int:
    return max(1, math.ceil(1.0 / rate - 1.0 - _RATE_SLACK / rate))


_RATE_SLACK = 1e-9  # 0.29 * 100 is 28.999999999999996; it has to count as 29
_RULES: set[str] = set()  # names of the rules, so that a message can say which threshold it speaks of


class _Reader:
    """Takes values out of parsed JSON one by one, and refuses what is missing, unknown, or no finite number."""

    def __init__(self, data: Mapping[str, Any], where: str):
        self.data, self.where = data, where
        self.left = set(data)

    def take(self, key: str) -> Any:
        if key not in self.data:
            raise InputError(f"{key!r} is missing in {self.where}")
        self.left.discard(key)
        return self.data[key]

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str):
            raise InputError(f"{key!r} in {self.where} is not a text")
        return value

    def texts(self, key: str) -> list[str]:
        value = self.take(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{key!r} in {self.where} is not a list of texts")
        return list(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.take(key)
        if not isinstance(value, Mapping):
            raise InputError(f"{key!r} in {self.where} is not a mapping")
        return value

    def reader(self, key: str) -> _Reader:
        return _Reader(self.mapping(key), f"{self.where}, {key}")

    def number(self, key: str, *, low: float | None = None, high: float | None = None) -> float:
        return _number(key, self.take(key), self.where, low=low, high=high)

    def count(self, key: str, *, low: int, high: int | None = None) -> int:
        value = _count(key, self.take(key), self.where, low=low)
        if high is not None and value > high:
            raise InputError(f"{key}={value} in {self.where} is above {high}")
        return value

    def numbers(
        self,
        key: str,
        *,
        size: int | range,
        low: float | None = None,
        high: float | None = None,
        rising: bool = False,
    ) -> Floats:
        value = self.take(key)
        plain = isinstance(value, list) and all(type(item) in (int, float) for item in value)
        if not plain:
            raise InputError(f"{key!r} in {self.where} is not a list of numbers")
        try:
            array = np.array(value, np.float64)
        except OverflowError as error:
            raise InputError(f"{key!r} in {self.where} holds a number that is too large") from error
        sizes = size if isinstance(size, range) else range(size, size + 1)
        if array.size not in sizes:
            span = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
            raise InputError(f"{key!r} in {self.where} has {array.size} numbers instead of {span}")
        if not np.isfinite(array).all():
            raise InputError(f"{key!r} in {self.where} holds a number that is not finite")
        if (low is not None and (array < low).any()) or (high is not None and (array > high).any()):
            raise InputError(f"{key!r} in {self.where} holds a number outside {low} to {high}")
        if rising and (np.diff(array) <= 0.0).any():
            raise InputError(f"{key!r} in {self.where} does not rise")
        return array

    def done(self) -> None:
        if self.left:
            raise InputError(f"unknown {', '.join(sorted(map(repr, self.left)))} in {self.where}")


def _number(
    key: str,
    value: Any,
    where: str,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    where = _place(where)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"{key}={value!r} in {where} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{key}={number} in {where} is not a finite number")
    if low is not None and number < low:
        raise InputError(f"{key}={number:.6g} in {where} is below {low:.6g}; use at least {low:.6g}")
    if above is not None and number <= above:
        raise InputError(f"{key}={number:.6g} in {where} is not above {above:.6g}")
    if high is not None and number > high:
        raise InputError(f"{key}={number:.6g} in {where} is above {high:.6g}; use at most {high:.6g}")
    if below is not None and number >= below:
        raise InputError(f"{key}={number:.6g} in {where} is not below {below:.6g}")
    return number


def _rate(key: str, value: Any, where: str) -> float:
    return _number(key, value, where, above=0.0, below=1.0)


def _count(key: str, value: Any, where: str, *, low: int) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InputError(f"{key}={value!r} in {_place(where)} is not a whole number")
    if value < low:
        raise InputError(f"{key}={value} in {_place(where)} is below {low}; use at least {low}")
    return int(value)


def _choice(key: str, value: Any, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise InputError(f"{key}={value!r} in {_place(where)} is unknown; use one of {', '.join(known)}")
    return str(value)


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
