"""Slow, obvious twins of vaehelpers.scores: one window, one step, one variable at a time, in double precision."""

import math
import statistics

import reference_windows


def kl(mu, log_var):
    """KL divergence of one posterior from the standard normal."""
    return sum(0.5 * (m * m + math.exp(v) - 1.0 - v) for m, v in zip(mu, log_var, strict=True))


def gaussian_nll(x, mean, scale):
    """Per value of one window; None where missing is the caller's business."""
    return [
        [
            0.5 * math.log(2 * math.pi) + math.log(s) + 0.5 * ((value - m) / s) ** 2
            for value, m, s in zip(row, means, scale, strict=True)
        ]
        for row, means in zip(x, mean, strict=True)
    ]


def spread(whole, mask):
    """A score of the window as a whole, in equal shares over what was observed; NaN elsewhere."""
    observed = sum(map(sum, mask))
    return [[whole / observed if seen else math.nan for seen in row] for row in mask]


def rescaled_row(values, mask):
    """A row of one window: the sum of its observed variables, scaled up to all of them."""
    seen = [value for value, there in zip(values, mask, strict=True) if there]
    return sum(seen) * len(values) / len(seen) if seen else math.nan


def series_scores(window_values, mask, starts, n, how):
    """From window scores (W, T, F), with the mask of the series (n, F), to one score per row."""
    per_step = [
        [rescaled_row(row, mask[start + step]) for step, row in enumerate(window)]
        for start, window in zip(starts, window_values, strict=True)
    ]
    return reference_windows.windows_to_points(per_step, list(starts), n, how)


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive")
