"""What a severity means, and how to say it.

Severity is the number of units of time (months, or tens of thousands of rows) in which one such event is expected by
chance: 1 for an event as rare as the promise of one false alarm a month, 100 for one that chance brings every hundred
months. It has no floor and no ceiling. Where the calibration rows are too few to tell, it reads "at least".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.alarms._checks import Floats, as_rows
from vaehelpers.alarms.calibration import AlarmLine

__all__ = ["Severity", "severity", "severity_text"]


@dataclass(frozen=True)
class Severity:
    """Severities of rows or events.

    Attributes
    ----------
    value : ndarray of float64, shape (n,)
        Units in which one such event is expected by chance; draw it on a log axis.
    at_least : ndarray of bool, shape (n,)
        Whether the value lies beyond what the calibration supports; say "at least" and the supported value.
    supported : float
        The largest severity that the calibration supports.
    unit : str
        "month" or "10,000 rows".
    """

    value: Floats
    at_least: Any
    supported: float
    unit: str


def severity(line: AlarmLine, point_scores: ArrayLike) -> Severity:
    """Turn point scores into severities.

    Parameters
    ----------
    line : AlarmLine
    point_scores : array-like, shape (n,)
        From `AlarmLine.point_scores`; NaN stays NaN.

    Returns
    -------
    Severity

    Examples
    --------
    >>> from vaehelpers.alarms import calibrate
    >>> line = calibrate({"row 1": np.random.default_rng(0).exponential(size=5_000)})
    >>> found = severity(line, [line.start, line.start + 1])
    >>> found.value.round(6).tolist(), found.at_least.tolist(), round(found.supported, 1)
    ([1.0, 10.0], [False, True], 2.5)
    """
    score = as_rows(point_scores, "point_scores")
    # 10**300 units say all there is to say, and stay a float
    value = 10.0 ** np.clip(score - np.log10(line.promise.rows), -300.0, 300.0)
    supported = 10.0**line.supported / line.promise.rows
    return Severity(value, score > line.supported, supported, line.promise.unit)


def severity_text(value: float, unit: str, *, supported: float | None = None) -> str:
    """Say a severity in words.

    Parameters
    ----------
    value : float
        Units in which one such event is expected by chance.
    unit : str
        "month" or "10,000 rows".
    supported : float, optional
        What the calibration supports; larger values are reported as "at least" this much.

    Returns
    -------
    str

    Examples
    --------
    >>> severity_text(3.2, "month")
    'once in 3.2 months by chance'
    >>> severity_text(0.25, "month")
    '4 times a month by chance'
    >>> severity_text(1e9, "10,000 rows", supported=12.0)
    'less than once in 120,000 rows by chance'
    """
    beyond = supported is not None and value > supported
    shown = float(supported) if beyond and supported is not None else float(value)
    if shown < 0.95:
        often = _round(1.0 / shown)
        where = "a month" if unit == "month" else f"per {unit}"
        return f"{'less than ' if beyond else ''}{often} times {where} by chance"
    span = f"{_round(shown * 10_000)} rows" if unit == "10,000 rows" else f"{_round(shown)} {unit}s"
    return f"{'less than ' if beyond else ''}once in {span} by chance"


def _round(number: float) -> str:
    """Two digits, without an exponent up to a million."""
    if number >= 1e6:
        return f"{number:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{float(f'{number:.2g}'):,g}" if number < 1e5 else f"{float(f'{number:.2g}'):,.0f}"
