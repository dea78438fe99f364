"""Can these alarms be trusted? The first sentence of a report, from what was promised and what was seen.

``no promise``: too few calibration rows; events are ranked. ``doubtful``: something contradicts the promise.
``ok``: nothing does. Never is "nothing found" said where nothing could have been found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import poisson

from vaehelpers.alarms._checks import Floats, as_mapping_of_scores
from vaehelpers.alarms.calibration import AlarmLine
from vaehelpers.alarms.drift import EVENTS, MOSTLY, drift_of_level, level_scale, moved_from_tails
from vaehelpers.alarms.incidents import find_incidents

__all__ = ["STATUSES", "SelfCheck", "check_points", "self_check"]

STATUSES = ("ok", "doubtful", "no promise")
"""What a self-check can say, from best to worst."""

_UNLIKELY = 0.01
_TIMES = 10.0  # rows above the line against what the promise would make of them
_WITHIN = 2.0  # a line more than this far (powers of ten) above every score could not have found anything


@dataclass(frozen=True)
class SelfCheck:
    """Verdict on a line and the scores that it judged.

    Attributes
    ----------
    status : {"ok", "doubtful", "no promise"}
    reason : str
        One sentence.
    promised : float
        False alarms promised for the rows that were checked.
    realised : int or None
        Incidents on held-back normal rows; None where there are none.
    share_above : float
        Share of the judged rows above the start line, or of the held-back rows where theirs is higher.
    highest : float
        Highest point score.
    redrawn : bool
        Whether incidents come from lines that were drawn anew as rows came; see `vaehelpers.alarms.redraw.judge`.
    """

    status: str
    reason: str
    promised: float
    realised: int | None
    share_above: float
    highest: float
    redrawn: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dict(vars(self))


def self_check(
    line: AlarmLine,
    scores: Mapping[str, ArrayLike],
    *,
    held_back: Mapping[str, ArrayLike] | None = None,
    reference: Mapping[str, ArrayLike] | None = None,
    gaps: ArrayLike | None = None,
) -> SelfCheck:
    """Hold what a line promised against what it did.

    Parameters
    ----------
    line : AlarmLine
    scores : mapping of str to array-like, shape (n,)
        Scores of the rows that were judged.
    held_back : mapping of str to array-like, shape (m,), optional
        Scores of normal rows that neither training nor calibration saw.
    reference : mapping of str to array-like, shape (k,), optional
        Scores of the calibration rows, to tell drift by. Default: what the line knows of them.
    gaps : array-like of int, optional
        Of the judged rows.

    Returns
    -------
    SelfCheck

    Examples
    --------
    >>> from vaehelpers.alarms import calibrate
    >>> rng = np.random.default_rng(0)
    >>> line = calibrate({"row 1": rng.exponential(size=5_000)})
    >>> self_check(line, {"row 1": rng.exponential(size=5_000)}).status
    'ok'
    >>> self_check(line, {"row 1": 30 * rng.exponential(size=5_000)}).status
    'doubtful'
    """
    given = as_mapping_of_scores(scores)
    level = level_scale(line)
    known = None if reference is None else as_mapping_of_scores(reference)[level]
    quiet = None if held_back is None else line.point_scores(held_back).score
    return check_points(line, line.point_scores(given).score, given, held_back=quiet, reference=known)


def check_points(
    line: AlarmLine,
    point: Floats,
    scores: Mapping[str, Floats],
    *,
    held_back: Floats | None = None,
    reference: Floats | None = None,
) -> SelfCheck:
    """Do the work of `self_check` where point scores are known already.

    Parameters
    ----------
    line : AlarmLine
    point : ndarray, shape (n,)
    scores : mapping of str to ndarray, shape (n,)
        At the line's time scales.
    held_back : ndarray, optional
        Point scores of such rows.
    reference : ndarray, optional
        Level scores of the calibration rows.

    Returns
    -------
    SelfCheck
    """
    known = np.isfinite(point)
    highest = float(point[known].max()) if known.any() else float("nan")
    share = float(np.mean(point[known] >= line.start)) if known.any() else 0.0
    promised = float(known.sum() / line.promise.rows_between)
    realised: int | None = None
    if held_back is not None:
        promised = float(np.isfinite(held_back).sum() / line.promise.rows_between)
        realised = len(_incidents(line, held_back, None))
        seen = held_back[np.isfinite(held_back)]
        above = float(np.mean(seen >= line.start)) if len(seen) else 0.0
        share = max(share, above)
    status, reason = line.status, line.reason
    if status == "ok":
        doubt = _doubt(line, point, scores, reference, highest, share, promised, realised)
        status, reason = ("doubtful", doubt) if doubt else (status, reason)
    return SelfCheck(status, reason, promised, realised, share, highest)


def _doubt(
    line: AlarmLine,
    point: Floats,
    scores: Mapping[str, Floats],
    reference: Floats | None,
    highest: float,
    share: float,
    promised: float,
    realised: int | None,
) -> str:
    """The strongest reason to doubt, or an empty text."""
    if not np.isfinite(point).any():
        return "No row has a score, so nothing could have been found."
    if realised is not None and poisson.sf(realised - 1, max(promised, 1e-9)) < _UNLIKELY and realised > 1:
        return (
            f"Held-back normal rows raised {realised} false alarms where {promised:.2g} were promised: expect more "
            "alarms than promised."
        )
    change = drift_of_level(line, point, scores[level_scale(line)], reference=reference)
    if change.changed:
        return change.notes[0]
    moved = moved_from_tails(line, scores) if reference is None else ""
    if moved:
        return moved
    # a promised alarm may last a block; ten times that share of rows is no handful of events any more
    block = min(tail.block for tail in line.tails.values())
    few = min(MOSTLY, EVENTS * block / int(np.isfinite(point).sum()))
    if share > max(_TIMES * block / line.promise.rows_between, 0.05, few):
        return f"{share:.0%} of the rows lie above the line, far more than the promise of {line.promise.text} explains."
    if highest < line.start - _WITHIN:
        return (
            f"The line lies far above every score (one event in 10^{line.start:.1f} rows against 10^{highest:.1f}), so "
            "little could have been found: the calibration rows are wilder than these."
        )
    return ""


def _incidents(line: AlarmLine, point: Any, gaps: ArrayLike | None) -> list[Any]:
    return find_incidents(
        point, start=line.start, end=line.end, cooldown=line.cooldown, min_rows=line.min_rows, gaps=gaps
    )
