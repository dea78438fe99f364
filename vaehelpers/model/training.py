"""Train an `LSTMVAE` on windows of a series that stays where it is.

Batches are gathered inside TensorFlow from the one series in memory; many steps run per call, so that Python does not
stand in the way. Lessons: notebooks/01_windowing.ipynb (no copies) and 04b_collapse.ipynb (warm-up).
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import ArrayLike

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.common.tensorflow import check_process
from vaehelpers.model.schedules import constant, linear_warmup
from vaehelpers.model.vae import LSTMVAE


@dataclasses.dataclass(frozen=True)
class History:
    """How a training went.

    Attributes
    ----------
    frame : DataFrame
        One row per evaluation: step, loss, nll, kl, val_loss (nats per value of the window), beta, seconds.
    best_step : int
        Step whose weights the model holds now.
    steps : int
        Steps that were run.
    stopped : {"budget", "early", "interrupt"}
        Why it ended: all steps run, no better validation loss any more, or Ctrl-C.
    seconds : float
        Wall time, building the graph included.
    windows_per_second : float
        Of training steps alone, without building and evaluation.
    """

    frame: pd.DataFrame
    best_step: int
    steps: int
    stopped: str
    seconds: float
    windows_per_second: float


def train(
    model: LSTMVAE,
    series: ArrayLike,
    starts: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    val_starts: ArrayLike | None = None,
    steps: int = 1_500,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    beta: Callable[[int], float] | None = None,
    clip_norm: float = 1.0,
    evaluations: int = 20,
    patience: int | None = 10,
    seed: int = 0,
    progress: Progress = quiet,
) -> History:
    """Train by a budget of steps; keep the weights with the best validation loss.

    Parameters
    ----------
    model : LSTMVAE
    series : array-like, shape (n, n_features)
        Scaled, without NaN (missing values filled).
    starts : array-like of int, shape (n_windows,)
        First rows of the training windows.
    mask : array-like, shape (n, n_features), optional
        1 where observed, 0 where missing.
    val_starts : array-like of int, optional
        First rows of held-back windows, for early stopping. At most 1,024 of them, evenly spread, are looked at.
    steps : int, default 1500
        Gradient steps: a budget that suits short and long series alike, which epochs do not.
    batch_size : int, default 128
        Windows per step, drawn at random with replacement.
    learning_rate : float, default 2e-3
        Of Adam; climbs over the first 50 steps and falls to nearly zero along a cosine.
    beta : callable, optional
        ``beta(step)`` weighs the KL. Default: 1 with a linear path, else linear warm-up over the first third.
    clip_norm : float, default 1.0
        Largest norm of the gradient.
    evaluations : int, default 20
        How often the validation loss is measured; also the rows of the history.
    patience : int or None, default 10
        Stop after so many evaluations without a better validation loss; None never stops early.
    seed : int, default 0
        Of the order of the windows. The model's own seed drives its noise.
    progress : Progress, optional
        Called as ``progress("training", step, steps)``.

    Returns
    -------
    History
        Ctrl-C ends the training, keeps the best weights so far and is noted in ``History.stopped``.

    Raises
    ------
    InputError
        If there is no window, sizes do not fit the model, or the loss stops being a number.

    Examples
    --------
    >>> rows = np.arange(600, dtype="float32")
    >>> series = np.sin(rows / 5)[:, None]
    >>> model = LSTMVAE(timesteps=20, latent_dim=2, units=8)
    >>> history = train(model, series, np.arange(400), steps=20, batch_size=16, evaluations=2)
    >>> history.steps, history.stopped, list(history.frame["step"])
    (20, 'budget', [10, 20])
    """
    values = np.ascontiguousarray(np.asarray(series, dtype=np.float32))
    values = values.reshape(len(values), -1)
    first = np.asarray(starts, dtype=np.int64).ravel()
    _check(model, values, first, steps, batch_size)
    data = tf.constant(values)
    seen = None if mask is None else tf.constant(np.asarray(mask, dtype=np.float32).reshape(values.shape))
    held_back = _spread(val_starts, 1_024)
    # probabilistic PCA is a working posterior already: a KL that starts at zero would only tear it apart
    schedule = beta or (constant() if model.linear_path else linear_warmup(max(1, steps // 3)))
    # a short climb first: Adam's first steps are as large as its rate and would throw a good start away
    climb = max(1, min(50, steps // 10))
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / climb, max(1, steps - climb), alpha=0.05, warmup_target=learning_rate, warmup_steps=climb
    )
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=clip_norm)
    optimizer.build(model.trainable_variables)
    run = _make_run(model, optimizer, data, seen, tf.constant(first), batch_size, seed)
    evaluate = None if held_back is None else _make_evaluate(model, data, seen, tf.constant(held_back))

    marks = np.unique(np.linspace(0, steps, min(evaluations, steps) + 1).round().astype(int))[1:]
    chunk = max(1, min(20, steps // 50))
    rows: list[dict[str, float]] = []
    best: tuple[float, int, list[np.ndarray] | None] = (np.inf, 0, None)
    if evaluate is not None:
        best = (float(evaluate()), 0, model.get_weights())  # the start may be the best there is
    begin, busy, timed, done, stopped = time.perf_counter(), 0.0, 0, 0, "budget"
    set_progress = getattr(model.decoder, "set_progress", lambda share: None)
    try:
        for mark in marks:
            sums = np.zeros(3)
            since = done
            while done < mark:
                count = int(min(chunk, mark - done))
                model.beta.assign(float(schedule(done)))
                set_progress(done / steps)
                tick = time.perf_counter()
                sums += run(tf.constant(done, tf.int32), tf.constant(count, tf.int32)).numpy()
                if done:  # the first call builds the graph
                    busy, timed = busy + time.perf_counter() - tick, timed + count
                done += count
                progress("training", done, steps)
            loss, nll, kl = sums / (done - since)
            if not np.isfinite(loss):
                raise InputError(
                    f"the loss became {loss} at step {done}; lower learning_rate={learning_rate} or look for "
                    "extreme values in the series"
                )
            row = {"step": done, "loss": loss, "nll": nll, "kl": kl, "beta": float(model.beta.numpy())}
            if evaluate is not None:
                row["val_loss"] = float(evaluate())
                if row["val_loss"] < best[0]:
                    best = (row["val_loss"], done, model.get_weights())
            rows.append({**row, "seconds": time.perf_counter() - begin})
            waited = sum(1 for r in rows if r["step"] > best[1])
            warming = float(schedule(done)) < float(schedule(steps))
            if evaluate is not None and patience is not None and waited >= patience and not warming:
                stopped = "early"
                break
    except KeyboardInterrupt:
        stopped = "interrupt"
    if best[2] is not None:
        model.set_weights(best[2])
    model.beta.assign(float(schedule(steps)))
    progress("training", steps, steps)
    columns = ["step", "loss", "nll", "kl", "beta", "val_loss", "seconds"]
    return History(
        frame=pd.DataFrame(rows, columns=columns).astype({"step": int}),
        best_step=best[1] if best[2] is not None else done,
        steps=done,
        stopped=stopped,
        seconds=time.perf_counter() - begin,
        windows_per_second=timed * batch_size / busy if busy else float("nan"),
    )


def _make_run(
    model: LSTMVAE, optimizer: Any, data: Any, seen: Any, starts: Any, batch_size: int, seed: int
) -> Callable[..., Any]:
    check_process()
    offsets = tf.range(model.timesteps, dtype=tf.int64)
    total = int(starts.shape[0])

    def step(index: Any) -> Any:
        drawn = tf.random.stateless_uniform([batch_size], seed=[seed, index], maxval=total, dtype=tf.int32)
        rows = tf.gather(starts, drawn)[:, None] + offsets
        windows = tf.gather(data, rows)
        mask = None if seen is None else tf.gather(seen, rows)
        with tf.GradientTape() as tape:
            values = model.loss_terms(model.terms(windows, mask, training=True))
        weights = model.trainable_variables
        gradients = tape.gradient(values[0], weights)
        pairs = [(g, w) for g, w in zip(gradients, weights, strict=True) if g is not None]
        optimizer.apply([g for g, _ in pairs], [w for _, w in pairs])
        return tf.stack(values)

    @tf.function(jit_compile=False, autograph=False)
    def run(begin: Any, count: Any) -> Any:
        def body(index: Any, sums: Any) -> Any:
            return index + 1, sums + step(index)

        _, sums = tf.while_loop(
            lambda index, sums: index < begin + count, body, (begin, tf.zeros(3)), maximum_iterations=count
        )
        return sums

    return run


def _make_evaluate(model: LSTMVAE, data: Any, seen: Any, starts: Any) -> Callable[[], float]:
    """Negative ELBO of held-back windows at beta = 1, with the posterior mean decoded: no noise in the comparison."""
    offsets = tf.range(model.timesteps, dtype=tf.int64)

    @tf.function(jit_compile=False, autograph=False)
    def evaluate(batch: Any) -> Any:
        rows = batch[:, None] + offsets
        terms = model.terms(tf.gather(data, rows), None if seen is None else tf.gather(seen, rows))
        _, nll, kl = model.loss_terms(terms)
        return nll + kl

    batches = [starts[i : i + 512] for i in range(0, int(starts.shape[0]), 512)]
    weights = np.array([int(batch.shape[0]) for batch in batches], float)

    def total() -> float:
        return float(np.average([float(evaluate(batch)) for batch in batches], weights=weights))

    return total


def _spread(starts: ArrayLike | None, most: int) -> np.ndarray | None:
    if starts is None:
        return None
    first = np.asarray(starts, dtype=np.int64).ravel()
    if not len(first):
        return None
    return first[np.unique(np.linspace(0, len(first) - 1, min(most, len(first))).round().astype(int))]


def _check(model: LSTMVAE, values: np.ndarray, starts: np.ndarray, steps: int, batch_size: int) -> None:
    if values.shape[1] != model.n_features:
        raise InputError(f"the series has {values.shape[1]} variables and the model {model.n_features}")
    if not len(starts):
        raise InputError(f"no window of {model.timesteps} rows fits the {len(values)} rows given; shorten timesteps")
    if starts.min() < 0 or starts.max() + model.timesteps > len(values):
        raise InputError(f"a window of {model.timesteps} reaches outside the {len(values)} rows of the series")
    if not np.isfinite(values).all():
        raise InputError("the series holds NaN or infinite values; fill missing ones and hand in a mask")
    for name, value in {"steps": steps, "batch_size": batch_size}.items():
        if int(value) != value or value < 1:
            raise InputError(f"{name}={value!r} must be a whole number of at least 1")


with contextlib.suppress(AttributeError):  # TensorFlow's own lines on stderr are no message for our readers
    tf.get_logger().setLevel("ERROR")
