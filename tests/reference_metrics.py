"""Slow, obvious twins of vaehelpers.metrics: one loop per sentence of the definition, nothing shared."""

from __future__ import annotations

import itertools
import math

import numpy as np


def runs_slow(flags):
    """First and last row of each run of ones."""
    found, start = [], None
    for row, flag in enumerate([*flags, 0]):
        if flag and start is None:
            start = row
        if not flag and start is not None:
            found.append((start, row - 1))
            start = None
    return found


def vus_slow(labels, scores, window, n_thresholds=250):
    """VUS-PR and VUS-ROC, buffer by buffer, threshold by threshold, row by row."""
    labels, scores = np.asarray(labels, int), np.asarray(scores, float)
    n, events = len(labels), runs_slow(labels)
    ranks = np.linspace(0, n - 1, n_thresholds).astype(int)
    thresholds = np.sort(scores)[::-1][ranks]
    areas_pr, areas_roc = [], []
    for width in range(window + 1):
        half = width // 2
        worth = labels.astype(float)
        reach = []
        for first, last in events:
            reach.append([max(first - half, 0), min(last + half, n - 1)])
            for distance in range(1, half + 1):
                for row in (first - distance, last + distance):
                    if 0 <= row < n:
                        worth[row] += math.sqrt(1 - distance / width)
        worth = np.minimum(worth, 1)
        joined = [reach[0]]
        for (_, last), (first, _), (begin, end) in zip(events, events[1:], reach[1:]):
            if last + half < first - half:
                joined.append([begin, end])
            else:
                joined[-1][1] = end
        recalls, precisions, false_alarms = [0.0], [], [0.0]
        for threshold in thresholds:
            flagged = scores >= threshold
            found = float(np.sum(worth[flagged]))
            bonus = float(np.sum((worth * (1 - labels))[flagged]))
            positives = labels.sum() + bonus / 2
            noticed = sum(flagged[begin : end + 1].any() for begin, end in joined) / len(joined)
            recalls.append(min(found / positives, 1) * noticed)
            precisions.append(found / flagged.sum())
            false_alarms.append((flagged.sum() - found) / (n - positives) if n > labels.sum() else math.nan)
        areas_pr.append(sum((b - a) * p for a, b, p in zip(recalls, recalls[1:], precisions)))
        recalls.append(1.0)
        false_alarms.append(1.0)
        areas_roc.append(
            sum(
                (x1 - x0) * (y0 + y1) / 2
                for x0, x1, y0, y1 in zip(false_alarms, false_alarms[1:], recalls, recalls[1:])
            )
        )
    return float(np.mean(areas_pr)), float(np.mean(areas_roc))


def sliding_window_slow(series):
    """Lag of the highest local peak of the autocorrelation, lag by lag."""
    x = np.asarray(series, float)[:20_000]
    x = x - x.mean()
    correlation = [float(np.dot(x[: len(x) - lag], x[lag:]) / np.dot(x, x)) for lag in range(min(401, len(x)))]
    peaks = [
        lag for lag in range(4, len(correlation) - 1) if correlation[lag - 1] < correlation[lag] > correlation[lag + 1]
    ]
    if not peaks:
        return 125
    best = max(peaks, key=lambda lag: (correlation[lag], lag))
    return best if 6 <= best <= 303 else 125


def range_reward_slow(ranges, others, alpha, cardinality, bias):
    """Mean reward of `ranges` for how `others` cover them (Tatbul et al. 2018, equations 4 to 8)."""
    rewards = []
    for first, last in ranges:
        length = last - first + 1
        weight = {
            "flat": lambda i, length=length: 1,
            "front": lambda i, length=length: length - i + 1,
            "back": lambda i, length=length: i,
            "middle": lambda i, length=length: i if i <= length / 2 else length - i + 1,
        }[bias]
        touching = [(a, b) for a, b in others if a <= last and b >= first]
        got = sum(weight(row - first + 1) for a, b in touching for row in range(max(a, first), min(b, last) + 1))
        share = got / sum(weight(i) for i in range(1, length + 1))
        factor = 1 / len(touching) if cardinality == "reciprocal" and touching else 1
        rewards.append(alpha * bool(touching) + (1 - alpha) * factor * share)
    return sum(rewards) / len(rewards) if rewards else math.nan


def affiliation_slow(labels, flags, per_row=40):
    """Affiliation precision and recall on a fine grid of time; the random flag is every point of the grid."""
    n, events = len(labels), runs_slow(labels)
    time = (np.arange(n * per_row) + 0.5) / per_row
    flagged = np.repeat(np.asarray(flags, bool), per_row)
    borders = [0.0, *((b + 1 + a) / 2 for (_, b), (a, _) in itertools.pairwise(events)), float(n)]
    precisions, recalls = [], []
    for (first, last), low, high in zip(events, borders, borders[1:]):
        zone = (time > low) & (time < high)
        points, predicted = time[zone], time[zone & flagged]
        event = points[(points > first) & (points < last + 1)]
        if not len(predicted):
            recalls.append(0.0)
            continue
        to_event = np.maximum(np.maximum(first - points, points - (last + 1)), 0)

        def at_least(distances, own):
            """Share of the grid at least as far; of exact ties the half, as time is continuous."""
            return np.mean(distances > own + 1e-9) + np.mean(np.abs(distances - own) <= 1e-9) / 2

        own = np.maximum(np.maximum(first - predicted, predicted - (last + 1)), 0)
        precisions.append(np.mean([1.0 if d == 0 else at_least(to_event, d) for d in own]))
        nearest = np.abs(event[:, None] - predicted[None, :]).min(axis=1)
        nearest = np.maximum(nearest - 0.5 / per_row, 0)  # to the edge of the flag, not the middle of its last cell
        recalls.append(np.mean([1.0 if d < 1e-9 else at_least(np.abs(points - y), d) for y, d in zip(event, nearest)]))
    return (float(np.mean(precisions)) if precisions else math.nan), float(np.mean(recalls))


def event_wise_slow(labels, flags, min_overlap, tolerance):
    """Events found, events, correct alarms, alarms."""
    n, events, alarms = len(labels), runs_slow(labels), runs_slow(flags)
    wide = [set(range(max(a - tolerance, 0), min(b + tolerance, n - 1) + 1)) for a, b in events]
    flagged = {row for row in range(n) if flags[row]}
    found = sum(len(rows & flagged) >= max(1, min_overlap * (b - a + 1) - 1e-9) for rows, (a, b) in zip(wide, events))
    correct = sum(any(rows & set(range(a, b + 1)) for rows in wide) for a, b in alarms)
    return found, len(events), correct, len(alarms)


def nab_slow(labels, flags, tp, fp, fn, probation):
    """Normalized score of the Numenta Anomaly Benchmark, row by row."""

    def sigmoid(x):
        return -1.0 if x >= 3 else 2 / (1 + math.exp(5 * x)) - 1

    windows, score, best = runs_slow(labels), 0.0, {}
    for row, flag in enumerate(flags):
        if row < probation:
            continue
        inside = [(a, b) for a, b in windows if a <= row <= b]
        if inside:
            a, b = inside[0]
            best.setdefault((a, b), -fn)
            if flag:
                position = -(b - row + 1) / (b - a + 1)
                best[a, b] = max(best[a, b], tp * sigmoid(position) / sigmoid(-1))
        elif flag:
            before = [(a, b) for a, b in windows if b < row]
            if before:
                a, b = before[-1]
                score += fp * sigmoid((row - b) / max(b - a, 1))
            else:
                score -= fp
    if not best:
        return math.nan
    silent, perfect = -fn * len(best), tp * len(best)
    return 100 * (score + sum(best.values()) - silent) / (perfect - silent)


def best_f1_slow(labels, scores):
    """Highest F1 over every threshold."""
    labels, scores = np.asarray(labels), np.asarray(scores)
    best = 0.0
    for threshold in scores:
        flagged = scores >= threshold
        best = max(best, 2 * (labels * flagged).sum() / (labels.sum() + flagged.sum()))
    return float(best)
