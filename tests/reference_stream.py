"""Slow, obvious twin of vaehelpers.detectors.stream.trailing_scores: row by row, from the model's own passes."""

import math

import numpy as np


def trailing_scores(detector, rows, gap_before=()):
    """Scores of rows (lists of values, NaN where missing) for the kind "window_error" without imputation."""
    T, F = detector.timesteps_, detector.n_features_in_
    clip, allowed = detector.settings_["clip"], detector.settings_["max_missing"]
    mean, std = detector.scaler_.mean_, detector.scaler_.std_
    raw, points, scores = [], [], []  # of the stretch since the start or the last gap
    for number, row in enumerate(rows):
        if number in gap_before:
            raw, points = [], []
        raw.append([float(value) for value in row])
        points.append(point(detector, raw, T, F, clip, allowed, mean, std))
        recent = [one for one in points[-detector.smooth_ :] if not math.isnan(one)]
        scores.append(math.nan if math.isnan(points[-1]) else sum(recent) / len(recent))
    return scores


def point(detector, raw, T, F, clip, allowed, mean, std):
    window = raw[-T:]
    missing = sum(math.isnan(value) for row in window for value in row)
    if len(window) < T or missing > allowed * T * F + 1e-9 or all(math.isnan(value) for value in window[-1]):
        return math.nan
    read = np.zeros((T, F), "float32")
    for j in range(F):
        last = 0.0
        for i, row in enumerate(raw):
            if not math.isnan(row[j]):
                last = min(max((row[j] - mean[j]) / std[j], -clip), clip)
            if i >= len(raw) - T:
                read[i - len(raw) + T, j] = last
    mu, _ = detector.model_.encode(read[None])
    expected = np.asarray(detector.model_.mean(detector.model_.decode(mu)))[0]
    total = 0.0
    seen_now = sum(not math.isnan(value) for value in window[-1])
    for j in range(F):
        if math.isnan(window[-1][j]):
            continue  # a missing value adds nothing
        scaled = [(row[j] - mean[j]) / std[j] for row in window]
        errors = [(value - expected[i, j]) ** 2 for i, value in enumerate(scaled) if not math.isnan(value)]
        normal = detector._normalisers["window_error"][j]
        total += (sum(errors) / len(errors) * F / seen_now - normal.centre) / normal.spread
    return total
