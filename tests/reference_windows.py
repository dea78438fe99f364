"""Slow, obvious twins of vaehelpers.windows: loops over windows and rows, nothing clever."""

import itertools
import math
import statistics


def window_starts(n, timesteps, stride=1, gaps=(), observed=None, max_missing=0.0, include_last=False):
    borders = sorted({0, n, *(gap for gap in gaps if 0 < gap < n)})
    starts = []
    for first, end in itertools.pairwise(borders):
        piece, start = [], first
        while start + timesteps <= end:
            piece.append(start)
            start += stride
        if include_last and piece and piece[-1] + timesteps < end:
            piece.append(end - timesteps)
        starts += piece
    if observed is None:
        return starts
    kept = []
    for start in starts:
        cells = [seen for row in observed[start : start + timesteps] for seen in row]
        if cells.count(False) <= max_missing * len(cells) + 1e-9:
            kept.append(start)
    return kept


def touching(starts, timesteps, row):
    """Which windows touch a row, and at which of their steps."""
    return [(w, row - start) for w, start in enumerate(starts) if start <= row < start + timesteps]


def windows_to_points(per_step, starts, n, how):
    timesteps = len(per_step[0])
    points = []
    for row in range(n):
        seen = [(start_step, w) for w, start_step in touching(starts, timesteps, row)]
        seen = [(step, w) for step, w in seen if not math.isnan(per_step[w][step])]
        values = [per_step[w][step] for step, w in seen]
        if not values:
            points.append(math.nan)
        elif how == "mean":
            points.append(math.fsum(values) / len(values))
        elif how == "max":
            points.append(max(values))
        elif how == "trailing":
            ending = [per_step[w][step] for step, w in seen if step == timesteps - 1]
            points.append(ending[0] if ending else math.nan)
        elif how == "median":
            points.append(statistics.median(values))
        else:
            wanted = timesteps - 1 if how == "last" else timesteps // 2
            step, w = min(seen, key=lambda pair: (abs(pair[0] - wanted), -pair[0]))
            points.append(per_step[w][step])
    return points


def smooth(scores, width, gaps=(), trailing=False):
    n = len(scores)
    borders = sorted({0, n, *(gap for gap in gaps if 0 < gap < n)})
    result = []
    for row in range(n):
        if math.isnan(scores[row]):
            result.append(math.nan)
            continue
        low = max(border for border in borders if border <= row)
        high = min(border for border in borders if border > row)
        behind, ahead = (width - 1, 0) if trailing else (width // 2, (width - 1) // 2)
        near = range(max(low, row - behind), min(high, row + ahead + 1))
        values = [scores[i] for i in near if not math.isnan(scores[i])]
        result.append(math.fsum(values) / len(values))
    return result


def fill_behind(values, gaps=(), before=None):
    """Values of one variable, NaN where missing."""
    last, filled = before, []
    for row, value in enumerate(values):
        if row in gaps and row > 0:
            last = None
        if not math.isnan(value):
            last = value
        filled.append(0.0 if last is None else last)
    return filled


def fill_between(values):
    """Values of one variable, NaN where missing."""
    known = [row for row, value in enumerate(values) if not math.isnan(value)]
    filled = []
    for row, value in enumerate(values):
        left = [other for other in known if other <= row]
        right = [other for other in known if other >= row]
        if not known:
            filled.append(0.0)
        elif not left or not right:
            filled.append(values[known[0] if not left else known[-1]])
        elif left[-1] == row:
            filled.append(value)
        else:
            share = (row - left[-1]) / (right[0] - left[-1])
            filled.append(values[left[-1]] + share * (values[right[0]] - values[left[-1]]))
    return filled
