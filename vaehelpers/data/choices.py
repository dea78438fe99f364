"""What a caller settles about a file instead of leaving it to the reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vaehelpers.common.errors import InputError

DUPLICATES = ("keep", "first", "last", "mean", "refuse")


@dataclass(frozen=True)
class Choices:
    """How a file is to be read, where its own look does not settle it.

    Parameters
    ----------
    skip_rows : int, default 0
        Lines before the header that are no part of the table.
    na : sequence of str
        Further words for a missing value, such as ``ERR``.
    tz : str, optional
        Zone of times that carry none, such as ``Europe/Berlin``.
    exclude : sequence of str
        Columns to leave out.
    train_until : str, optional
        Time up to which, inclusive, rows are the training part.
    sort : bool, default False
        Put rows in the order of their times.
    duplicates : {"keep", "first", "last", "mean", "refuse"}, optional
        What to do with several rows of one time. None: keep them, with a note, unless exports overlap and differ.
    by : str, optional
        Column that tells the series of a long table apart; ``"device=pump-1"`` takes one of them.
    decimal : {".", ","}, optional
        Decimal mark of columns in which a point or a comma could be either.

    Raises
    ------
    InputError
        If one of them is none of the above.

    Examples
    --------
    >>> Choices(by="device=pump-1").group
    ('device', 'pump-1')
    """

    skip_rows: int = 0
    na: Sequence[str] = ()
    tz: str | None = None
    exclude: Sequence[str] = ()
    train_until: str | None = None
    sort: bool = False
    duplicates: str | None = None
    by: str | None = None
    decimal: str | None = None

    def __post_init__(self) -> None:
        for name in ("na", "exclude"):
            given: Any = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given or ()))
        if isinstance(self.skip_rows, bool) or not isinstance(self.skip_rows, int) or not 0 <= self.skip_rows <= 10_000:
            raise InputError(f"skip_rows={self.skip_rows!r} is no number of lines from 0 to 10,000")
        if self.duplicates is not None and self.duplicates not in DUPLICATES:
            raise InputError(f"duplicates={self.duplicates!r} is none of {', '.join(DUPLICATES)}")
        if self.decimal not in (None, ".", ","):
            raise InputError(f"decimal={self.decimal!r} is neither '.' nor ','")
        if self.tz is not None:
            try:
                pd.Timestamp("2024-01-01").tz_localize(self.tz)
            except Exception as error:  # whatever the zone database says about a name that it does not know
                raise InputError(f"tz={self.tz!r} is no time zone; name one such as Europe/Berlin or UTC") from error

    @property
    def group(self) -> tuple[str, str | None] | None:
        """Column of `by`, and the one series of it that is wanted."""
        if not self.by:
            return None
        column, equals, wanted = self.by.partition("=")
        return column, wanted if equals else None


AS_FOUND = Choices()
"""Nothing is settled: the file's own look decides."""
