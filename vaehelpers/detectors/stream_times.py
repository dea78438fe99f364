"""Times of a stream: read, compared, and the interval beyond which there is a gap."""

from __future__ import annotations

import math
import numbers
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.detectors.vae import Detector

_YEAR_FIRST = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)|\d{8}(T\d|$)")

GapLimit = pd.Timedelta | float | str | None


TIMES = {"none": "no times", "numbers": "numbers", "dates": "dates without a zone", "zoned": "dates with a zone"}


def parse_time(time: Any) -> tuple[str, int | float | None]:
    """Read a time as a stream compares it.

    Parameters
    ----------
    time : Timestamp, datetime, numpy.datetime64, str, float, int or None
        Text is a date: 2024-01-31, 2024-01-31 13:45:00, 2024-01-31T13:45:00.250+01:00, or 31.01.2024 13:45.

    Returns
    -------
    kind : {"none", "numbers", "dates", "zoned"}
    moment : int, float or None
        Nanoseconds since 1970 for dates, in UTC for those with a zone.

    Raises
    ------
    InputError
        If it is no time, or one that could be read in two ways.

    Examples
    --------
    >>> parse_time("1970-01-01 00:00:01")
    ('dates', 1000000000)
    >>> parse_time("1970-01-01T01:00:01+01:00"), parse_time(12.5), parse_time(None)
    (('zoned', 1000000000), ('numbers', 12.5), ('none', None))
    >>> parse_time("01/02/2024")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: '01/02/2024' is no time that can be read in one way; write it as 2024-01-31 13:45:00
    """
    if time is None:
        return "none", None
    if isinstance(time, numbers.Real) and not isinstance(time, bool):
        if not math.isfinite(time):
            raise InputError(f"the time is {time}; give each row its time")
        return "numbers", int(time) if isinstance(time, numbers.Integral) else float(time)
    day_first = False
    if isinstance(time, str):
        text = time.strip()
        day_first = text[1:2] == "." or text[2:3] == "."
        if not day_first and not _YEAR_FIRST.match(text):
            raise InputError(f"{time[:40]!r} is no time that can be read in one way; write it as 2024-01-31 13:45:00")
    try:
        stamp = pd.to_datetime(time, dayfirst=True) if day_first else pd.Timestamp(time)
        if pd.isna(stamp):
            raise ValueError("missing")
        return "dates" if stamp.tz is None else "zoned", int(stamp.as_unit("ns").value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{str(time)[:40]!r} is no time ({error}); write it as 2024-01-31 13:45:00") from error


def find_gap_limit(detector: Detector, given: GapLimit) -> pd.Timedelta | float | None:
    """The interval between rows beyond which a stream has a gap: the one given, or the detector's own."""
    if given is None:
        return detector.gap_limit_
    try:
        limit = pd.Timedelta(given) if isinstance(given, str) else given
    except ValueError:
        raise InputError(f"gap_limit={given!r} is no interval; write it as '10min' or '90s'") from None
    if isinstance(limit, pd.Timedelta):
        good = limit > pd.Timedelta(0)
    else:
        good = isinstance(limit, numbers.Real) and not isinstance(limit, (bool, np.bool_)) and limit > 0
        limit = float(limit) if good else limit
    if not good:
        raise InputError(f"gap_limit={given!r} must be an interval above 0: a Timedelta, '10min', or a number")
    return limit


def plain_limit(limit: pd.Timedelta | float) -> int | float:
    """The interval as moments are: nanoseconds for a Timedelta."""
    return limit.value if isinstance(limit, pd.Timedelta) else limit


def how_late(moment: int | float, last: int | float) -> str:
    """How a row comes that is not newer than the last one."""
    return "repeated" if moment == last else "late"
