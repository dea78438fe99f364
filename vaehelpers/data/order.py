"""Rows in the order of time: one series out of a long table, exports that overlap or run backwards, repeated times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.data.cells import _is_text
from vaehelpers.data.choices import Choices
from vaehelpers.data.series import Times
from vaehelpers.data.sources import Table

_MOST_SHOWN = 5


def pick_group(table: Table, choices: Choices) -> None:
    """Keep the rows of the one series that `Choices.by` names.

    Raises
    ------
    InputError
        If there is no such column or series, or no series is named and there are several.
    """
    if choices.group is None:
        return
    column, wanted = choices.group
    if column not in table.frame.columns:
        raise InputError(
            f"{table.source.label} has no column {column!r}; it has: {', '.join(map(str, table.frame.columns[:20]))}"
        )
    cells = table.frame[column]
    names = cells.astype("str").str.strip()
    if wanted is None:
        known = pd.unique(names[cells.notna()])
        if len(known) != 1:
            raise InputError(
                f"{table.source.label}: column {column!r} holds {len(known):,} series ({_shown(known)}); "
                f"name one: --by {column}={known[0] if len(known) else 'NAME'} (by={f'{column}=NAME'!r})"
            )
        chosen = cells.notna()
    else:
        chosen = (names == wanted) & cells.notna()
        if not chosen.any():
            raise InputError(
                f"{table.source.label}: column {column!r} holds no {wanted!r}; it holds: {_shown(pd.unique(names))}"
            )
    left_out = int((~chosen).sum())
    if left_out:
        table.notes.append(f"{left_out:,} rows of other series than {column}={wanted} left out")
    table.frame = table.frame[chosen].drop(columns=column)


def _shown(names: Any) -> str:
    more = f", ... ({len(names):,} in all)" if len(names) > _MOST_SHOWN else ""
    return ", ".join(str(name)[:30] for name in names[:_MOST_SHOWN]) + more


def steps_of(axis: Times) -> NDArray[Any]:
    """Differences from row to row; of integers exactly."""
    if isinstance(axis, pd.DatetimeIndex):
        return np.diff(axis.asi8)
    return np.diff(axis) if axis.dtype.kind == "i" else np.diff(axis.astype(np.float64))


def refuse_mixture(table: Table, column: str, axis: Times, taken: set[str | None]) -> None:
    """Raise `InputError` where the rows of several series are mixed: times go back unless a column keeps them apart."""
    steps = steps_of(axis)
    bad = int((steps <= 0).sum())
    for name in table.frame.columns:
        cells = table.frame[name]
        if name == column or name in taken or not (_is_text(cells) or cells.dtype.kind in "iub"):
            continue
        codes, known = pd.factorize(cells)
        if not 2 <= len(known) <= max(2, len(codes) // 2):
            continue
        order = np.argsort(codes, kind="stable")
        inside = np.diff(codes[order]) == 0
        rising = steps_of(axis[order]) > 0
        runs = int((np.diff(codes) != 0).sum()) + 1
        interleaved = bad >= 0.2 * len(codes)
        stacked = runs == len(known) and bad <= len(known) - 1
        if inside.any() and rising[inside].mean() > 0.99 and (interleaved or stacked):
            raise InputError(
                f"{table.source.label}: several series are mixed: column {str(name)!r} tells {len(known):,} apart "
                f"({_shown(known)}); choose one: --by {name}={known[0]} (by={f'{name}={known[0]}'!r})"
            )


def arrange(
    table: Table, column: str, axis: Times, choices: Choices, overlapping: bool
) -> tuple[Times, NDArray[np.int64] | None]:
    """Bring rows into the order of time and settle repeated times; see `Choices`.

    Returns
    -------
    axis : DatetimeIndex or ndarray
        Of the rows that are left in ``table.frame``.
    groups : ndarray of int, or None
        Number of the row that each row is averaged into, with ``duplicates="mean"``.
    """
    steps = steps_of(axis)
    moved = bool((steps < 0).any())
    if moved:
        if (steps <= 0).all():
            order = np.arange(len(axis))[::-1]
            how = "times run backwards: rows are read from the last to the first"
        else:
            order = np.argsort(axis.asi8 if isinstance(axis, pd.DatetimeIndex) else axis, kind="stable")
            how = f"times go back {int((steps < 0).sum()):,} times: rows are put in the order of their times"
        table.notes.append(f"{how} (read in the given order with --time none)")
        axis = axis[order]
        table.frame = table.frame.iloc[order]
    same = np.r_[False, steps_of(axis) == 0]
    if not same.any():
        return axis, None
    rule = choices.duplicates
    many = int(same.sum())
    if rule in (None, "refuse") and moved and overlapping and rule is None:
        whole = table.frame.assign(**{column: np.cumsum(~same)}).duplicated().to_numpy()
        if whole.any():
            table.notes.append(f"{int(whole.sum()):,} rows that are there twice left out (overlapping exports)")
            axis, table.frame, same = axis[~whole], table.frame[~whole], same[~whole]
            same = np.r_[False, steps_of(axis) == 0]
        many = int(same.sum())
        if many:
            rule = "refuse"
    if not many:
        return axis, None
    row = int(np.argmax(same))
    which = f"{axis[row]} in column {column!r}"
    if rule == "refuse":
        raise InputError(
            f"{table.place(row)}: the time {which} is there twice, with other values ({many:,} such rows); choose with "
            "--duplicates first, last, mean or keep"
        )
    if rule in (None, "keep"):
        are = "time is" if many == 1 else "times are"
        table.notes.append(
            f"{many:,} {are} there twice ({which}): rows are kept in order (--duplicates first, last or mean for one "
            "row per time; --tz ZONE where the clock was set back)"
        )
        return axis, None
    table.notes.append(f"{many:,} rows of times that are there twice, such as {which}: {rule} of each is taken")
    groups = np.cumsum(~same) - 1
    if rule == "mean":
        return axis, groups
    keep = ~same if rule == "first" else np.r_[~same[1:], True]
    table.frame = table.frame[keep]
    return axis[keep], None
