"""One method on one series."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaehelpers.bench.files import _read
from vaehelpers.bench.methods import _make
from vaehelpers.bench.schema import METRICS
from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.data.series import Series
from vaehelpers.metrics.labels import sliding_window_of
from vaehelpers.metrics.scores import auc_pr, auc_roc, vus


def evaluate_series(
    series: Series,
    method: str,
    *,
    preset: str = "fast",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Fit on the train part, score all rows, judge all rows: one row of the table.

    Parameters
    ----------
    series : Series
        With labels and a train part, such as `vaehelpers.data.read_tsb_ad` reads. The method sees no label.
    method : str
        See `check_methods`.
    preset : {"fast", "accurate", "lstm"}, default "fast"
        What ``"vae"`` means.
    seed : int, default 0
    settings : mapping, optional
        Further parameters of the `Detector`, for the methods that are one.
    progress : Progress, optional

    Returns
    -------
    dict
        n, window, `METRICS`, fit_seconds, score_seconds. Baselines have the smoothing that is their class's default
        (200 rows for the z-score, 100 for the others), unless their name says another.

    Raises
    ------
    InputError
        If the series has no labels, none that is 1, no train part, or the method cannot take it.

    References
    ----------
    Liu and Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark", NeurIPS
    2024, for the protocol.

    Examples
    --------
    >>> import numpy as np
    >>> from dataclasses import replace
    >>> from vaehelpers.data.arrays import as_series
    >>> rows = np.arange(2_000)
    >>> values = np.sin(rows / 8)
    >>> values[1_500:1_600] += 1.0
    >>> labels = (rows >= 1_500) & (rows < 1_600)
    >>> series = replace(as_series(values), labels=labels.astype(np.int8), train_rows=1_000)
    >>> found = evaluate_series(series, "moving_zscore@100")
    >>> found["window"], found["vus_pr"] > 0.9
    (50, True)
    """
    if series.labels is None or not series.labels.any():
        raise InputError(f"no row of {series.name} is labelled 1; VUS-PR is not defined")
    if series.train_rows is None:
        raise InputError(f"{series.name} has no train part; name the file <anything>_tr_<T>_1st_<A>.csv")
    bare = dataclasses.replace(series, labels=None)
    detector = _make(method, preset, seed, settings or {})
    begin = time.perf_counter()
    detector.fit(bare.train, progress=progress)
    fitted = time.perf_counter()
    if getattr(detector, "training_", {}).get("stopped") == "interrupt":
        raise KeyboardInterrupt  # the detector would go on with half a training; a table must not
    scores = detector.decision_function(bare, progress=progress)
    scored = time.perf_counter()
    window = sliding_window_of(bare.values)
    volumes = vus(series.labels, scores, window)
    areas = auc_pr(series.labels, scores), auc_roc(series.labels, scores)
    return {
        "n": series.n,
        "window": window,
        **dict(zip(METRICS, (*volumes, *areas))),
        "fit_seconds": fitted - begin,
        "score_seconds": scored - fitted,
    }


def _do(task: Mapping[str, Any]) -> dict[str, Any]:
    """One row of bench.csv; what goes wrong stands in its column error."""
    row = {"file": Path(task["path"]).name, "method": task["method"], "seed": task["seed"], "error": ""}
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in task["settings"].items()}
    chosen = {"preset": task["preset"], "seed": task["seed"] or 0, "settings": settings}
    try:
        row |= evaluate_series(_read(task["path"]), task["method"], **chosen)
    except MemoryError:
        row["error"] = "out of memory"
    except Exception as error:
        name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        row["error"] = name + (" ".join(str(error).split())[:500] or "no message")
    return row
