"""Column names as one text, separated by commas."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence


def split_names(text: str) -> list[str]:
    """Column names out of one comma-separated text; a name that holds a comma stands in double quotes.

    Examples
    --------
    >>> split_names('flow,"level, upper"')
    ['flow', 'level, upper']
    """
    rows = list(csv.reader([text], skipinitialspace=True))
    return [name for name in (rows[0] if rows else []) if name]


def join_names(names: Sequence[str]) -> str:
    """The inverse of `split_names`.

    Examples
    --------
    >>> join_names(["flow", "level, upper"])
    'flow,"level, upper"'
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(names)
    return out.getvalue()
