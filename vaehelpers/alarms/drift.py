"""Has the series changed? Then alarms are no longer news about single events, and the detector wants a refit.

Compared are medians of blocks of scores (nearly independent, and deaf to single events): late against early rows of
one series, or rows of another time or site against the calibration rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import mannwhitneyu

from vaehelpers.alarms._checks import Floats, as_mapping_of_scores, as_rows
from vaehelpers.alarms.calibration import AlarmLine
from vaehelpers.alarms.tails import Tail, block_maxima

__all__ = [
    "Drift",
    "drift_notes",
    "drift_of_level",
    "level_scale",
    "moved_from_tails",
    "scales_to_agree",
    "unlike_tail",
]

_CHANCE = 1e-3  # of a note where nothing has changed
_LEAST_FACTOR = 1.3  # scores that are no more than 30% higher need no refit, however certain it is
MOSTLY, EVENTS = 0.5, 5.0  # share that no event explains; blocks that one or two events may last
_SHARE_ABOVE = 0.2  # of the rows above the start line
_LEAST_BLOCKS = 12  # of the judged rows, to hold against the tail
_FAR = 5.0  # standard deviations of the mean chance of a block
_REST = 0.2  # of the blocks, on the other side of the middle


@dataclass(frozen=True)
class Drift:
    """What was found about change.

    Attributes
    ----------
    changed : bool
        Whether a refit is advised.
    factor : float
        Typical score of the later rows over that of the earlier ones.
    chance : float
        Chance of so large a difference where nothing has changed.
    share_above : float
        Share of the later rows above the start line.
    notes : tuple of str
        Sentences for a report; empty where nothing was found.
    """

    changed: bool
    factor: float
    chance: float
    share_above: float
    notes: tuple[str, ...]


def drift_notes(
    line: AlarmLine, scores: Mapping[str, ArrayLike], *, reference: Mapping[str, ArrayLike] | None = None
) -> Drift:
    """Compare the level of scores late against early, or against reference rows.

    Parameters
    ----------
    line : AlarmLine
    scores : mapping of str to array-like, shape (n,)
        Scores of the rows in question, per time scale.
    reference : mapping of str to array-like, shape (m,), optional
        Scores of the calibration rows. Default: the first half of `scores`, against the second.

    Returns
    -------
    Drift

    Examples
    --------
    >>> from vaehelpers.alarms import calibrate
    >>> rng = np.random.default_rng(0)
    >>> calm = {"row 1": rng.exponential(size=6_000)}
    >>> line = calibrate(calm)
    >>> drift_notes(line, {"row 1": rng.exponential(size=3_000)}, reference=calm).notes
    ()
    >>> drift_notes(line, {"row 1": 2 * rng.exponential(size=3_000)}, reference=calm).notes
    ('The series has changed: typical scores are 2.0 times as high as in the calibration rows; refit the detector.',)
    """
    given = as_mapping_of_scores(scores)
    name = level_scale(line)
    known = None if reference is None else as_rows(as_mapping_of_scores(reference)[name], "reference")
    return drift_of_level(line, line.point_scores(given).score, given[name], reference=known)


def level_scale(line: AlarmLine) -> str:
    """The time scale that tells the level of scores: the one with most independent pieces."""
    return max(line.tails, key=lambda name: line.tails[name].pieces)


def drift_of_level(line: AlarmLine, point: Floats, level: Floats, *, reference: Floats | None = None) -> Drift:
    """Do the work of `drift_notes` by point scores and the scores of `level_scale`, each of shape (n,)."""
    known = np.isfinite(point)
    share = float(np.mean(point[known] >= line.start)) if known.any() else 0.0
    block = line.tails[level_scale(line)].block
    late, where = level, "in the calibration rows"
    if reference is None:
        half = len(late) // 2
        early, late, where = late[:half], late[half:], "in the first half"
        share = float(np.mean(point[half:][known[half:]] >= line.start)) if known[half:].any() else 0.0
    else:
        early = reference
    before, after = _medians(early, block), _medians(late, block)
    factor, chance = 1.0, 1.0
    if len(before) >= 4 and len(after) >= 4:
        factor = float(np.median(after) / max(float(np.median(before)), 1e-300))
        chance = float(mannwhitneyu(before, after, alternative="two-sided").pvalue)
    notes = []
    moved = chance < _CHANCE and abs(math.log(max(factor, 1e-300))) > math.log(_LEAST_FACTOR)
    if moved:
        times = f"{factor:.1f} times as high as" if factor > 1 else f"{1 / factor:.1f} times lower than"
        notes.append(f"The series has changed: typical scores are {times} {where}; refit the detector.")
    # in a few blocks of rows one real event takes a large share, and says nothing of the rest
    if share > max(_SHARE_ABOVE, min(MOSTLY, EVENTS * block / max(int(known.sum()), 1))):
        notes.append(
            f"{share:.0%} of the rows lie above the line: this is another series, or it has "
            "changed; refit the detector."
        )
    return Drift(bool(notes), factor, chance, share, tuple(notes))


def unlike_tail(maxima: Floats, tail: Tail) -> float:
    """How far block maxima are from what a tail says: standard deviations, positive for higher ones; 0 if it is little.

    It is little unless four in five blocks lie on one side of where half of them should: events alone, which may touch
    many blocks of a long time scale, leave the others where they were.
    """
    chances = tail.block_chances(maxima)
    off = (0.5 - float(chances.mean())) / math.sqrt((1 / len(maxima) + 1 / max(tail.pieces, 1.0)) / 12)
    rest = float(np.mean(chances > 0.5 if off > 0 else chances < 0.5))
    return off if abs(off) >= _FAR and rest <= _REST else 0.0


def moved_from_tails(line: AlarmLine, scores: Mapping[str, Floats]) -> str:
    """Say whether blocks of rows are no longer what a tail of the line expects; an empty text if they are.

    The calibration rows themselves are not needed.
    """
    found = []
    for name, tail in line.tails.items():
        maxima = block_maxima(np.asarray(scores[name], np.float64), tail.block)
        maxima = maxima[np.isfinite(maxima)]
        off = unlike_tail(maxima, tail) if len(maxima) >= _LEAST_BLOCKS else 0.0
        if off:
            chances = tail.block_chances(maxima)
            found.append((off, tail.block, float(np.mean(chances < 0.5 if off > 0 else chances > 0.5))))
    if len(found) < scales_to_agree(line):
        return ""
    off, block, share = max(found, key=lambda one: abs(one[0]))
    side = "higher" if off > 0 else "calmer"
    return (
        f"The series has changed: {share:.0%} of its stretches of {block} rows are {side} than half of them were in "
        "the calibration rows; refit the detector."
    )


def scales_to_agree(line: AlarmLine) -> int:
    """How many time scales must tell a change: at least half, since events may touch most blocks of one or two."""
    return (len(line.tails) + 1) // 2


def _medians(scores: Floats, block: int) -> Floats:
    whole = len(scores) // block
    table = scores[: whole * block].reshape(whole, block)
    table = table[np.isfinite(table).mean(axis=1) >= 0.5] if whole else table
    return np.nanmedian(table, axis=1) if len(table) else np.empty(0)
