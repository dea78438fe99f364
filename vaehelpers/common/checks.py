"""Checks of numbers and names, and one reader of parsed JSON for everything that is saved.

Errors say what was wrong, where, and what is allowed.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError


class Reader:
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

    def reader(self, key: str) -> Reader:
        return Reader(self.mapping(key), f"{self.where}, {key}")

    def number(self, key: str, *, low: float | None = None, high: float | None = None) -> float:
        return _checked_number(key, self.take(key), self.where, low=low, high=high)

    def count(self, key: str, *, low: int, high: int | None = None) -> int:
        value = _checked_count(key, self.take(key), self.where, low=low)
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
    ) -> NDArray[np.float64]:
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


def number(
    key: str,
    value: Any,
    where: str,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number within its bounds, or raise `InputError`."""
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


def count(key: str, value: Any, where: str, *, low: int) -> int:
    """Return a whole number of at least `low`, or raise `InputError`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InputError(f"{key}={value!r} in {where} is not a whole number")
    if value < low:
        raise InputError(f"{key}={value} in {where} is below {low}; use at least {low}")
    return int(value)


def choice(key: str, value: Any, known: tuple[str, ...], where: str) -> str:
    """Return one of the known words, or raise `InputError`."""
    if value not in known:
        raise InputError(f"{key}={value!r} in {where} is unknown; use one of {', '.join(known)}")
    return str(value)


def guess(word: str, known: list[str]) -> str:
    """Return the known word that was probably meant, as a remark in brackets, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


_checked_number, _checked_count = number, count  # the reader has methods of the same names
