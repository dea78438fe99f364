"""Numbers, spans and tables in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from vaehelpers.data.series import Series, format_step

MAX_ROWS = 20  # how many events one table shows


def _number(value: float, digits: int = 3) -> str:
    """A number as people write it: few digits, no exponent where it can be avoided."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.2g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(share: float) -> str:
    """A share in percent, with as many digits as it needs."""
    if not math.isfinite(share):
        return "–"
    value = 100 * share
    if value < 1e-4:
        return "0 %"
    return f"{_number(value, 2)} %" if value < 10 else f"{value:.0f} %"


def _count(number: int, word: str, plural: str = "") -> str:
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def _and(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def escape_markdown(text: object) -> str:
    """A name out of a file, as Markdown that shows it as it is.

    Examples
    --------
    >>> print(escape_markdown("flow_1 <b>"))
    flow\\_1 \\<b\\>
    """
    cleaned = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|$~" else c for c in cleaned)


def _moment(data: Series, row: int, other: int | None = None) -> str:
    """Time of a row, or its number; the date is left out where `other` is on the same day."""
    if data.times is None:
        return f"row {row:,}"
    moment = data.times[row]
    if isinstance(moment, pd.Timestamp):
        if other is not None and data.times[other].date() == moment.date():
            return moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
        return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")
    return f"{moment:g}"


def _span(data: Series, first: int, last: int) -> str:
    return _moment(data, first) if first == last else f"{_moment(data, first)} to {_moment(data, last, first)}"


def _length(data: Series, rows: int) -> str:
    """So many rows as time where the sampling is known: "100 rows (8 h 20 min)"."""
    step = data.pace
    if isinstance(step, pd.Timedelta):
        return f"{_count(rows, 'row')} ({format_step(rows * step)})"
    return _count(rows, "row")


def markdown_table(frame: pd.DataFrame, *, index: bool = False) -> str:
    """A table as Markdown; numbers stand right.

    Parameters
    ----------
    frame : DataFrame
        Cells are shown by ``str``; None and NaN as a dash.
    index : bool, default False
        Show the index as the first column.

    Returns
    -------
    str

    Examples
    --------
    >>> print(markdown_table(pd.DataFrame({"method": ["a|b"], "recall": [0.5]})))
    | method | recall |
    | :--- | ---: |
    | a\\|b | 0.5 |
    """
    if index:
        frame = frame.reset_index()
    aligned = ["---:" if _is_numeric(frame[name]) else ":---" for name in frame]
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    lines = [[escape_markdown(name) for name in frame.columns], aligned, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _is_numeric(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column):
        return True
    digits = (str(value).replace(",", "").replace(".", "") for value in column)
    return all(word.isdigit() or word == "–" for word in digits)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        return _number(float(value))
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return f"{value:,}"
    return escape_markdown(value)


def _unit(data: Series, variable: int) -> str | None:
    return data.units[variable] or None if data.units else None
