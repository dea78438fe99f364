"""Rows that are no longer like the calibration rows: judged by a line that follows them, and said so.

A line holds for rows that behave like those it was drawn on. Where `vaehelpers.alarms.self_check` says that they do
not, an old line helps nobody: either most rows lie above it, or none can reach it. The rows are then judged in the
order of time by `vaehelpers.alarms.follow`: a change is one incident, and events after it are found again. The check
stays doubtful, because only a refit teaches the model what is normal now.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.alarms._checks import Floats, as_mapping_of_scores
from vaehelpers.alarms.calibration import AlarmLine, PointScores, calibrate
from vaehelpers.alarms.follow import Follower
from vaehelpers.alarms.selfcheck import SelfCheck, self_check
from vaehelpers.common.errors import InputError

__all__ = ["Judgement", "followed", "judge"]

_SAME = 0.02  # of the logarithm of a threshold: rounding, and a few rows more or less
_PART = 500_000  # rows at a time, so that memory stays bounded


class Judgement(NamedTuple):
    """How rows are judged.

    Attributes
    ----------
    line : AlarmLine
        The one that was given, or the last one that was drawn anew.
    check : SelfCheck
        Of the given line; `SelfCheck.redrawn` says whether the points come from others.
    points : PointScores
        Of every row, by the line that judged it.
    """

    line: AlarmLine
    check: SelfCheck
    points: PointScores


def judge(
    line: AlarmLine,
    scores: Mapping[str, ArrayLike],
    *,
    reach: Mapping[str, int] | None = None,
    held_back: Mapping[str, ArrayLike] | None = None,
    reference: Mapping[str, ArrayLike] | None = None,
) -> Judgement:
    """Check a line on the rows that it shall judge, and let it follow them where it does not fit.

    Parameters
    ----------
    line : AlarmLine
    scores : mapping of str to array-like, shape (n,)
        Scores of these rows, in the order of time.
    reach : mapping of str to int, optional
        As in `calibrate`; default 1.
    held_back, reference : mapping, optional
        As in `self_check`.

    Returns
    -------
    Judgement
        Give its points to `incident_table`.

    Raises
    ------
    InputError
        If a scale is missing or the lengths differ.

    Examples
    --------
    >>> from vaehelpers.alarms import calibrate
    >>> rng = np.random.default_rng(0)
    >>> line = calibrate({"row 1": rng.exponential(size=6_000)})
    >>> louder = {"row 1": 4 * rng.exponential(size=20_000)}
    >>> anew, check, points = judge(line, louder)
    >>> check.status, check.redrawn
    ('doubtful', True)
    >>> [int((one[-10_000:] >= line.start).sum()) for one in (line.point_scores(louder).score, points.score)]
    [718, 0]
    """
    given = as_mapping_of_scores(scores)
    check = self_check(line, given, held_back=held_back, reference=reference)
    return followed(line, given, Judgement(line, check, line.point_scores(given)), reach=reach)


def followed(
    line: AlarmLine, scores: Mapping[str, Floats], so_far: Judgement, *, reach: Mapping[str, int] | None = None
) -> Judgement:
    """Let the line follow the rows where the check doubts it and they would draw another one."""
    check = so_far.check
    if check.status != "doubtful" or not math.isfinite(check.highest) or _fits(line, scores, reach):
        return so_far
    follower = Follower(line)
    n = len(next(iter(scores.values())))
    parts = [
        follower.take({name: values[first : first + _PART] for name, values in scores.items()})
        for first in range(0, n, _PART)
    ]
    if not follower.drawn:
        return so_far
    reason = check.reason.removesuffix(".").removesuffix("; refit the detector")
    reason += ". The line was drawn anew as the rows came; refit the detector."
    points = PointScores(np.concatenate([p.score for p in parts]), np.concatenate([p.scale for p in parts]))
    return Judgement(_known_by(follower.line, line), dataclasses.replace(check, reason=reason, redrawn=True), points)


def _known_by(last: AlarmLine, first: AlarmLine) -> AlarmLine:
    """The last line with all scales of the first one; those that it lacks say no more than its own rows do."""
    span = max(tail.pieces * tail.block for tail in last.tails.values())
    tails = {
        name: last.tails.get(name, dataclasses.replace(tail, pieces=min(tail.pieces, span / tail.block)))
        for name, tail in first.tails.items()
    }
    return dataclasses.replace(last, tails=tails)


def _fits(line: AlarmLine, scores: Mapping[str, Floats], reach: Mapping[str, int] | None) -> bool:
    """Whether these rows would draw the same line: then they are those that it was drawn on, and it knows them."""
    try:
        own = calibrate(
            {name: np.maximum(scores[name], 0.0) for name in line.scales}, line.promise, reach=reach, contaminated=True
        )
    except InputError:  # too few rows to tell
        return True
    return own.scales == line.scales and all(
        abs(math.log(max(own.threshold(name), 1e-300) / max(line.threshold(name), 1e-300))) < _SAME
        for name in line.scales
    )
