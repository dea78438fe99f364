"""Checks of the way around the model: batches, windows, scaling, splits, saving."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from vaehelpers.contracts.probe import (
    _array,
    _call_partially,
    _Fault,
    _first_line,
    _Missing,
    _points_twin,
    _Probe,
    _ranges,
    _scaled,
    _two_parts,
)


def _check_partial_last_batch(probe: _Probe) -> str:
    f = probe.f
    given = [name for name in ("encode", "sample", "decode", "kl", "nll", "loss") if getattr(f, name) is not None]
    if not given:
        raise _Missing("not given: encode, sample, decode, kl, nll, loss")
    sizes = sorted({1, max(1, f.batch_size - 7)} - {f.batch_size})
    if not sizes:
        sizes = [2]  # batch_size 1: a batch that is larger
    x, (mu, log_var) = probe.windows(12), probe.posterior(12)
    for size in sizes:
        latent = (size, f.latent_dim)
        for name in given:
            try:
                _call_partially(probe, name, x, mu, log_var, size, latent)
            except (_Fault, _Missing) as problem:
                if isinstance(problem, _Fault):
                    raise
            except Exception as error:
                raise _Fault(
                    f"{name} on a batch of {size} (batch_size is {f.batch_size}) raises "
                    f"{type(error).__name__}: {_first_line(error)}"
                ) from error
    return f"{', '.join(given)} on batches of {', '.join(map(str, sizes))} beside {f.batch_size}"


def _check_gradient(probe: _Probe) -> str:
    (gradients,) = probe.need("gradients")
    found = gradients(probe.windows(13))
    if not found:
        raise _Fault("gradients names no weight at all")
    for name, gradient in found.items():
        if gradient is None:
            raise _Fault(f"no gradient reaches {name} ({len(found)} weights)")
        values = _array(gradient)
        if not np.all(np.isfinite(values)):
            raise _Fault(f"the gradient of {name} is not finite")
        if not np.any(values):
            raise _Fault(f"the gradient of {name} is zero everywhere ({len(found)} weights)")
    return f"all of {len(found)} weights"


def _check_windows_cover(probe: _Probe) -> str:
    (window_starts,) = probe.need("window_starts")
    timesteps = probe.f.timesteps
    lengths = (timesteps, timesteps + 1, 2 * timesteps - 1, 4 * timesteps + 7)
    for n in lengths:
        starts = np.asarray(window_starts(n), dtype=np.int64)
        outside = starts[(starts < 0) | (starts + timesteps > n)]
        if outside.size:
            raise _Fault(f"n={n}: the window from row {outside[0]} does not fit into the series")
        if len(np.unique(starts)) < len(starts):
            raise _Fault(f"n={n}: {len(starts) - len(np.unique(starts))} windows are there twice")
        counts = np.zeros(n, dtype=int)
        for start in starts:
            counts[start : start + timesteps] += 1
        lost = np.flatnonzero(counts == 0)
        if lost.size:
            raise _Fault(f"n={n}: {lost.size} rows lie in no window, the first is row {lost[0]}")
    return f"every row of series of {', '.join(map(str, lengths))} rows lies in a window"


def _check_points(probe: _Probe) -> str:
    (windows_to_points,) = probe.need("windows_to_points")
    timesteps = probe.f.timesteps
    n = 4 * timesteps + 7
    starts = np.arange(n - timesteps + 1, dtype=np.int64)
    rows = starts[:, None] + np.arange(timesteps)  # (W, T): which row each step is
    per_step = probe.rng(14).random(rows.shape)
    observed = _array(windows_to_points(per_step, starts, n))
    if observed.shape != (n,):
        raise _Fault(f"{observed.shape} point scores for {n} rows")
    expected = _points_twin(per_step, rows, n, probe.f.aggregate)
    wrong = np.flatnonzero(~np.isclose(observed, expected, rtol=1e-4, atol=1e-5, equal_nan=False))
    if not wrong.size:
        return f"equals the {probe.f.aggregate} over an explicit list of windows, at all {n} rows"
    unscored = np.flatnonzero(np.isnan(observed))
    text = f"{wrong.size} of {n} rows differ from the {probe.f.aggregate} over their windows, first row {wrong[0]}"
    if unscored.size:
        text += f"; {unscored.size} rows have no score"
    placed = _array(windows_to_points(rows.astype(np.float64), starts, n))  # each step holds its own row number
    moved = np.flatnonzero(~np.isclose(placed, np.arange(n)) & ~np.isnan(placed))
    if probe.f.aggregate in ("mean", "median", "max", "min") and moved.size:
        text += f"; row {moved[0]} gets what belongs to row {placed[moved[0]]:.3g}"
    raise _Fault(text)


def _check_every_row_scored(probe: _Probe) -> str:
    probe.need("score")
    series = probe.series()
    lengths = [len(series)]
    if len(series) > 2 * probe.f.timesteps:
        lengths += [probe.f.timesteps, probe.f.timesteps + 1]
    for n in lengths:
        lost = np.flatnonzero(~np.isfinite(probe.scores(series[:n])))
        if lost.size:
            raise _Fault(f"{lost.size} of {n} rows have no finite score: rows {_ranges(lost)}")
    return f"every row of series of {', '.join(map(str, lengths))} rows has a finite score"


def _check_impulse(probe: _Probe) -> str:
    probe.need("score")
    series, timesteps = probe.series(), probe.f.timesteps
    n = len(series)
    reach = timesteps - 1 if probe.f.reach is None else probe.f.reach
    base = probe.repeatable_scores()
    tolerance = 1e-4 * np.nanstd(base) + 1e-4 * np.abs(base)
    rows = sorted({0, 1, timesteps - 1, n // 2, n - timesteps, n - 2, n - 1})
    for row in rows:
        changed = series.copy()
        changed[row] += 6.0 * series.std(axis=0) + 1e-3
        moved = np.flatnonzero(np.abs(probe.scores(changed) - base) > tolerance)
        far = moved[np.abs(moved - row) > reach]
        if far.size:
            raise _Fault(
                f"an impulse at row {row} moves the score of row {far[0]}; a window reaches {reach} rows at most"
            )
        if np.isfinite(base[row]) and row not in moved:
            raise _Fault(f"an impulse at row {row} of {n} leaves the score of that row as it was")
    return f"impulses at rows {', '.join(map(str, rows))} move scores at most {reach} rows away"


def _check_history(probe: _Probe) -> str:
    (score_after,) = probe.need("score_after")
    whole = probe.repeatable_scores()
    cut = len(whole) - probe.f.timesteps - 3
    history, series = probe.series()[:cut], probe.series()[cut:]
    observed = _array(score_after(history.copy(), series.copy()))
    if observed.shape != (len(series),):
        raise _Fault(f"scores of shape {observed.shape} for {len(series)} rows after {cut}")
    different = ~np.isclose(observed, whole[cut:], rtol=1e-3, atol=1e-4 * float(np.nanstd(whole)), equal_nan=True)
    if np.any(different):
        raise _Fault(
            f"{different.sum()} of {len(series)} rows get another score after their {cut} rows of history than in the "
            f"whole series, first row {np.flatnonzero(different)[0]}"
        )
    return f"{len(series)} rows after {cut} rows of history score as in the whole series"


def _check_scaler_fitted(probe: _Probe) -> str:
    train, test = _two_parts(probe)
    scaled, _ = _scaled(probe, train, test)
    other, _ = _scaled(probe, train, 3.0 * test + 10.0 * test.std(axis=0))
    off = float(np.max(np.abs(other - scaled)))
    if off > 1e-5 * float(np.std(scaled)):
        raise _Fault(f"another test part moves the scaled training part by up to {off:.3g}")
    return "the scaled training part is the same whatever the test part holds"


def _check_test_scaled(probe: _Probe) -> str:
    train, test = _two_parts(probe)
    _, scaled = _scaled(probe, train, test)
    disturbed = test.copy()
    disturbed[-1] += 100.0 * test.std(axis=0)
    _, other = _scaled(probe, train, disturbed)
    off = float(np.max(np.abs(other[:-1] - scaled[:-1])))
    if off > 1e-5 * float(np.std(scaled)):
        raise _Fault(f"one outlier in the last test row moves other scaled test rows by up to {off:.3g}")
    _, wider = _scaled(probe, 2.0 * train, test)
    if np.allclose(wider, scaled, rtol=1e-4, atol=1e-6):
        raise _Fault("a training part twice as wide leaves the scaled test part as it was")
    return "a test row is scaled by the training part alone"


def _check_split(probe: _Probe) -> str:
    (split,) = probe.need("split")
    n = 20 * probe.f.timesteps + 7
    train, validation = (np.asarray(part, dtype=np.int64) for part in split(n))
    if not train.size or not validation.size:
        raise _Fault(f"n={n}: {train.size} training and {validation.size} validation windows")
    in_training = np.zeros(n, dtype=bool)
    for start in train:
        in_training[start : start + probe.f.timesteps] = True
    shared = sum(bool(in_training[start : start + probe.f.timesteps].any()) for start in validation)
    if shared:
        raise _Fault(f"{shared} of {len(validation)} validation windows share rows with training windows")
    return f"{len(train)} training and {len(validation)} validation windows share no row"


_FRESH_PROCESS = """
import importlib, sys
import numpy as np
module, function = sys.argv[1].split(":")
scores = getattr(importlib.import_module(module), function)(sys.argv[2], np.load(sys.argv[3]))
np.save(sys.argv[4], np.asarray(scores, dtype=np.float64))
"""


def _check_save_load(probe: _Probe) -> str:
    save, loader, _ = probe.need("save", "loader", "score")
    expected = probe.repeatable_scores()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(Path(folder) / name) for name in ("path", "series.npy", "scores.npy")}
        save(paths["path"])
        np.save(paths["series.npy"], probe.series())
        places = [paths["path"], paths["series.npy"], paths["scores.npy"]]
        if isinstance(loader, str):
            if loader.count(":") != 1:
                raise _Fault(f"loader={loader!r} does not read 'module:function'")
            command = [sys.executable, "-c", _FRESH_PROCESS, loader, *places]
        else:
            named = dict(zip(("path", "series", "scores"), places, strict=True))
            command = [part.format(**named) for part in loader]
        # the child finds the same modules as this process, and TensorFlow keeps quiet in it
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise _Fault(f"a fresh process could not load and score: {last}")
        observed = np.load(paths["scores.npy"])
    if observed.shape != expected.shape:
        raise _Fault(f"a fresh process gives scores of shape {observed.shape}, this one {expected.shape}")
    if np.allclose(observed, expected, rtol=1e-3, atol=1e-4 * float(np.nanstd(expected)), equal_nan=True):
        difference = np.nanmax(np.abs(observed - expected))
        return f"{len(expected)} scores from a fresh process, largest difference {difference:.1e}"
    alike = np.corrcoef(np.nan_to_num(observed), np.nan_to_num(expected))[0, 1]
    raise _Fault(f"scores from a fresh process differ; their correlation with those before saving is {alike:.2f}")
