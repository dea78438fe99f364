"""From calibration scores to a threshold, from errors to what alarms look at, and from incidents to rows."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers import thresholds
from vaehelpers.alarms import scale_reach
from vaehelpers.alarms.calibration import time_scales


def without_outbreaks(scores: NDArray[Any], width: int) -> NDArray[Any]:
    """Scores with NaN where they stand far above the rest, and within `width` rows of there: smoothing spreads them.

    Far is six robust standard deviations of the logarithm: smoothed errors are skewed, their logarithms hardly.
    """
    low = np.nanmin(scores)
    logs = np.log(np.maximum(scores - min(low, 0.0), 1e-12))
    centre = np.nanmedian(logs)
    spread = 1.4826 * np.nanmedian(np.abs(logs - centre))
    far = np.nan_to_num(logs) > centre + 6.0 * max(spread, 1e-3)
    near = np.convolve(far, np.ones(2 * width + 1), mode="same") > 0.5
    # most of the part cannot be an outbreak: then the level itself is what it is
    return scores if near.mean() > 0.5 else np.where(near, np.nan, scores)


def make_rule(settings: dict[str, Any]) -> Any:
    """The threshold rule of that name; those that promise a rate get it."""
    name = settings["threshold"]
    promises = "false_alarm_rate" in inspect.signature(thresholds.THRESHOLDS[name]).parameters
    return thresholds.make_threshold(name, **({"false_alarm_rate": settings["false_alarm_rate"]} if promises else {}))


def error_scales(
    row_errors: NDArray[Any], windows: NDArray[Any], gaps: NDArray[np.int64] | None, *, trailing: bool = False
) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Errors of rows (n, n_features) summed over variables, and with those of windows (n,) smoothed to all scales."""
    total = np.where(np.isnan(row_errors).all(axis=1), np.nan, np.nansum(row_errors, axis=1))
    return total, time_scales(np.maximum(total, 0.0), np.maximum(windows, 0.0), gaps=gaps, trailing=trailing)


def reach_of(timesteps: int) -> dict[str, int]:
    """Rows that share data with one score, for each time scale of the alarms."""
    return {name: max(1, rows) for name, rows in scale_reach(timesteps).items()}


def rows_of(incidents: pd.DataFrame, n: int) -> NDArray[np.bool_]:
    """Whether a row belongs to one of the incidents, shape (n,)."""
    marks = np.zeros(n, bool)
    for first, last in zip(incidents["first"], incidents["last"]):
        marks[first : last + 1] = True
    return marks
