"""Drawings for the lesson on alarms: from rows to incidents, and from rows to nearly independent blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.common import InputError
from vaehelpers.plots import OKABE_ITO, new_axes, picture
from vaehelpers.plots.base import Picture
from vaehelpers.plots.canvas import INK, PALE

__all__ = ["incident_lines", "rows_in_blocks"]


def incident_lines(
    scores: Sequence[float], incidents: Iterable[Sequence[float]], *, start: float, end: float
) -> Picture:
    """Draw row scores with a start line and an end line, and the incidents that came of them.

    Parameters
    ----------
    scores : sequence of float
        One per row, at most 30.
    incidents : iterable of sequence
        First and last row, inclusive, lead each of them, as in `vaehelpers.alarms.Incident`.
    start, end : float
        Score at which an incident starts, and below which a row no longer belongs to it.

    Returns
    -------
    Picture

    Examples
    --------
    >>> incident_lines([0, 3, 5, 0, 4, 0, 0, 0], [(1, 4)], start=4, end=3).alt[:66]
    'Scores of 8 rows with a start line at 4 and an end line at 3. 1 in'
    """
    if not 1 <= len(scores) <= 30:
        raise InputError(f"{len(scores)} scores do not fit the page; give 1 to 30")
    if end > start:
        raise InputError(f"end={end} must not lie above start={start}")
    found = [(int(one[0]), int(one[1])) for one in incidents]
    fig, ax = new_axes(height=2.9)
    rows = np.arange(len(scores))
    inside = np.zeros(len(scores), bool)
    for first, last in found:
        inside[first : last + 1] = True
        ax.axvspan(first - 0.5, last + 0.5, color=PALE["orange"], zorder=0)
        ax.text((first + last) / 2, 1.04, f"rows {first} to {last}", transform=ax.get_xaxis_transform(),
                ha="center", va="bottom", fontsize=9, color=INK)  # fmt: skip
    ax.vlines(rows, 0, scores, color=INK, linewidth=1)
    ax.plot(rows[~inside], np.asarray(scores)[~inside], "o", color="white", markeredgecolor=INK, label="quiet row")
    ax.plot(rows[inside], np.asarray(scores)[inside], "o", color=OKABE_ITO["vermilion"], markeredgecolor=INK,
            label="row of an incident")  # fmt: skip
    ax.axhline(start, color=INK, linestyle="-", linewidth=1.2, label=f"start line, {start:g}")
    ax.axhline(end, color=INK, linestyle="--", linewidth=1.2, label=f"end line, {end:g}")
    ax.set(xlabel="row", ylabel="alarm score", xticks=rows[:: max(1, len(rows) // 15)], ylim=(0, None))
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    ranges = ", ".join(f"rows {first} to {last}" for first, last in found) or "none"
    return picture(
        fig,
        f"Scores of {len(scores)} rows with a start line at {start:g} and an end line at {end:g}. "
        f"{len(found)} incident(s): {ranges}.",
    )


def rows_in_blocks(scores: ArrayLike, block: int) -> Picture:
    """Draw scores cut into blocks of equal length, with the highest score of each block marked.

    Parameters
    ----------
    scores : array-like, shape (n,)
    block : int
        Rows in a block; 2 to 40 blocks must fit. A shorter last block is left out.

    Returns
    -------
    Picture

    Examples
    --------
    >>> rows_in_blocks([0, 1, 5, 2, 0, 3, 1, 0], 4).alt[:63]
    '8 row scores cut into 2 blocks of 4 rows, with the highest of e'
    """
    given = np.asarray(scores, float)
    pieces = len(given) // block if block >= 1 else 0
    if not 2 <= pieces <= 40:
        raise InputError(f"{len(given)} rows make {pieces} blocks of {block}; give between 2 and 40 blocks")
    table = given[: pieces * block].reshape(pieces, block)
    highest = table.argmax(axis=1) + block * np.arange(pieces)
    fig, ax = new_axes(height=2.7)
    for k in range(0, pieces, 2):
        ax.axvspan(k * block - 0.5, (k + 1) * block - 0.5, color=PALE["grey"], zorder=0)
    ax.plot(given[: pieces * block], color=OKABE_ITO["blue"], linewidth=0.7, label="score of the row")
    ax.plot(highest, given[highest], "D", color=OKABE_ITO["vermilion"], markeredgecolor=INK, markersize=5,
            label="highest score of its block")  # fmt: skip
    ax.set(xlabel="row", ylabel="score", xlim=(0, pieces * block - 1), ylim=(0, None))
    ax.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return picture(
        fig,
        f"{pieces * block:,} row scores cut into {pieces} blocks of {block} rows, with the highest of each block "
        f"marked; these {pieces} maxima lie between {given[highest].min():.1f} and {given[highest].max():.1f}.",
    )
