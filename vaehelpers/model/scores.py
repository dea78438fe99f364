"""Anomaly scores of windows and series: per step and per variable, so that their sum is the score.

Sources: An and Cho 2015 (reconstruction probability), Kingma and Welling 2014 (ELBO), Burda et al. 2016 (importance
weights), Xu et al. 2018 (imputation of missing values while scoring). Lessons: notebooks/03_sampling.ipynb (how many
samples) and 06_thresholding.ipynb (error against likelihood).
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.common.tensorflow import check_process
from vaehelpers.model.normalising import LatentDistance
from vaehelpers.model.vae import LSTMVAE
from vaehelpers.windows import PointAggregator

SCORES = {
    "error": "squared error of the reconstruction, in squared scaled units",
    "window_error": "mean squared error of a variable over the whole window, the same at each of its rows",
    "nll": "negative log-likelihood with the posterior mean decoded, in nats",
    "probability": "negative reconstruction probability: NLL averaged over samples of z (An and Cho 2015), in nats",
    "elbo": "negative ELBO: the above plus the KL divergence, in nats",
    "iwae": "negative importance-weighted bound (Burda et al. 2016), in nats; tighter than the ELBO",
    "kl": "KL divergence of the posterior from the prior, in nats",
    "latent": "squared Mahalanobis distance of the posterior mean from those of the training windows",
}
"""Kinds of score and what each means; higher is more anomalous."""


_SAMPLED = ("probability", "elbo", "iwae")


@dataclasses.dataclass(frozen=True)
class SeriesScores:
    """Scores of a series, per row.

    Attributes
    ----------
    scores : ndarray, shape (n,)
        Higher is more anomalous; NaN where no window covers a row or nothing was observed.
    contributions : ndarray, shape (n, n_features), or None
        What each variable adds. Their sum is the score, but for the aggregates "median" and "max", which take each
        variable's own.
    expected : ndarray, shape (n, n_features), or None
        The reconstruction, averaged over windows, in scaled units.
    deviation : ndarray, shape (n, n_features), or None
        Standard deviation that the model grants each value, in scaled units.
    rows : ndarray, shape (n, n_features), or None
        Squared errors of the rows themselves, beside the "window_error" of their windows.
    """

    scores: NDArray[Any]
    contributions: NDArray[Any] | None = None
    expected: NDArray[Any] | None = None
    deviation: NDArray[Any] | None = None
    rows: NDArray[Any] | None = None


def window_scores(
    model: LSTMVAE,
    windows: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    kind: str = "nll",
    samples: int = 16,
    latent: LatentDistance | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Score windows, per step and variable.

    Parameters
    ----------
    model : LSTMVAE
    windows : array-like, shape (batch, timesteps, n_features)
        Scaled, missing values filled.
    mask : array-like, same shape, optional
        1 where observed, 0 where missing.
    kind : str, default "nll"
        One of `SCORES`.
    samples : int, default 16
        Latent samples for "probability", "elbo" and "iwae"; decoded as one larger batch.
    latent : LatentDistance, optional
        Needed for "latent".
    seed : int, default 0
        Of the samples.

    Returns
    -------
    ndarray of float32, shape (batch, timesteps, n_features)
        Summed over steps and variables it is the score of the window, but for "window_error", which stands at each
        row whole. Scores of a window as a whole ("kl", "latent", the KL part of "elbo") are spread evenly over its
        observed values. NaN where masked.

    Raises
    ------
    InputError
        If the kind is unknown, or what it needs is not given.

    Examples
    --------
    >>> model = LSTMVAE(timesteps=10, latent_dim=2, units=4)
    >>> window_scores(model, np.zeros((3, 10, 1), "float32"), kind="elbo").shape
    (3, 10, 1)
    """
    _check_kind(kind, samples, latent)
    data = tf.convert_to_tensor(np.asarray(windows, dtype=np.float32))
    seen = None if mask is None else tf.convert_to_tensor(_same_shape(mask, data, "windows"))
    noise = tf.random.stateless_normal((len(data), samples, model.latent_dim), (seed, 0))
    values, _ = _values(model, data, data, seen, kind, latent, noise)
    result = values.numpy()
    return result if mask is None else np.where(np.asarray(mask) > 0, result, np.nan)


def score_series(
    model: LSTMVAE,
    series: ArrayLike,
    starts: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    target: ArrayLike | None = None,
    kind: str = "error",
    samples: int = 16,
    latent: LatentDistance | None = None,
    aggregate: str = "mean",
    details: bool = False,
    rows: bool = False,
    imputations: int = 0,
    batch_size: int = 1_024,
    first_row: int = 0,
    seed: int = 0,
    progress: Progress = quiet,
) -> SeriesScores:
    """Score every row of a series through the windows that cover it.

    Parameters
    ----------
    model : LSTMVAE
    series : array-like, shape (n, n_features)
        Scaled, missing values filled.
    starts : array-like of int, shape (n_windows,)
        First rows of the windows, increasing.
    mask : array-like, shape (n, n_features), optional
        1 where observed, 0 where missing.
    target : array-like, shape (n, n_features), optional
        What the reconstruction is held against, where it is not what the encoder reads: the values before they were
        cut to a range, for example. Default: the series.
    kind, samples, latent, seed
        See `window_scores`.
    aggregate : {"mean", "median", "max", "last", "centre", "trailing"}, default "mean"
        From windows to points, see `vaehelpers.windows.windows_to_points`.
    details : bool, default False
        Also return contributions, expected values and deviations.
    rows : bool, default False
        For "window_error": also return the errors of the rows themselves, what "error" would give, from the same pass.
    imputations : int, default 0
        Passes of `impute` over missing values before scoring.
    batch_size : int, default 1024
        Windows at a time; memory is bounded by it.
    first_row : int, default 0
        Row number of the first row, where this is a part of a longer series: kinds that draw samples then draw as for
        the whole.
    progress : Progress, optional
        Called as ``progress("scoring", done, n_windows)``.

    Returns
    -------
    SeriesScores
        A row's step in a window counts as the sum over its observed variables, scaled up by
        n_features / observed where some are missing.

    Raises
    ------
    InputError
        If a setting is unknown, or series, mask and starts do not fit each other and the model.

    Examples
    --------
    >>> model = LSTMVAE(timesteps=10, latent_dim=2, units=4)
    >>> result = score_series(model, np.zeros((30, 1), "float32"), np.arange(20))
    >>> result.scores.shape, int(np.isnan(result.scores).sum())      # the last row lies in no window
    ((30,), 1)
    """
    _check_kind(kind, samples, latent)
    if rows and kind != "window_error":
        raise InputError(f"rows=True goes with kind='window_error', not with {kind!r}; score kind='error' by itself")
    data = np.ascontiguousarray(np.asarray(series, dtype=np.float32))
    data = data.reshape(len(data), -1)
    first = np.asarray(starts, dtype=np.int64).ravel()
    n, features = data.shape
    if features != model.n_features:
        raise InputError(f"the series has {features} variables and the model {model.n_features}")
    if imputations < 0:
        raise InputError(f"imputations={imputations} must be 0 (none) or more passes")
    _check_starts(first, model.timesteps, n)
    seen = None if mask is None else _same_shape(np.reshape(mask, (len(np.asarray(mask)), -1)), data, "series")
    if seen is not None and seen.all():
        seen = None
    wanted = None if target is None else _same_shape(np.reshape(target, (len(data), -1)), data, "series", "target")
    masked, aimed, single = seen is not None, wanted is not None, len(first) == 1
    run = _scorer(model, kind, samples, latent, details, rows, imputations, masked, aimed, single)
    nothing = data[:0]
    tensors = tuple(tf.constant(nothing if one is None else one) for one in (data, seen, wanted))
    if rows and features > 1:
        batch_size = max(1, batch_size // 2)  # twice the columns, the same memory
    draws = samples if kind in _SAMPLED else 0
    noise = _noise(model, draws, imputations if masked else 0, seed)
    points = PointAggregator(n, model.timesteps, aggregate)
    # what is expected is an average in any case; a maximum of reconstructions has no meaning
    pictures = PointAggregator(n, model.timesteps, "mean")
    # the median of a sum is not the sum of medians: a row's score is the same with and without details
    totals = PointAggregator(n, model.timesteps, aggregate) if details and aggregate in ("median", "max") else None
    for begin in range(0, len(first), batch_size):
        batch = first[begin : begin + batch_size]
        values, picture = run(*tensors, tf.constant(batch), noise, tf.constant((batch + first_row) % _NOISE_ROWS))
        points.add(batch, values.numpy())
        if details:
            pictures.add(batch, picture.numpy())
        if totals is not None:
            of_kind = values.numpy()[..., :features]
            missing = np.isnan(of_kind).all(axis=2)
            totals.add(batch, np.where(missing, np.nan, np.nansum(of_kind, axis=2)))
        progress("scoring", begin + len(batch), len(first))
    if not len(first):
        found = SeriesScores(np.full(n, np.nan), rows=np.full((n, features), np.nan) if rows else None)
        if not details:
            return found
        empty = np.full((n, features), np.nan)
        return dataclasses.replace(found, contributions=empty, expected=empty.copy(), deviation=empty.copy())
    result, own = points.result(), None
    if rows:
        result, own = result[:, :-features], result[:, -features:]
    if not details:
        return SeriesScores(result[:, 0] if rows else result, rows=own)
    parts = pictures.result()
    scores = result.sum(axis=1) if totals is None else totals.result()
    return SeriesScores(scores, result, parts[:, :features], parts[:, features:], own)


def encode_series(
    model: LSTMVAE, series: ArrayLike, starts: ArrayLike, *, batch_size: int = 1_024
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Encode the windows at `starts`, batch by batch.

    Parameters
    ----------
    model : LSTMVAE
    series : array-like, shape (n, n_features)
        Scaled, missing values filled.
    starts : array-like of int, shape (n_windows,)
    batch_size : int, default 1024

    Returns
    -------
    mu, log_var : ndarray of float32, shape (n_windows, latent_dim)

    Raises
    ------
    InputError
        If a window reaches outside the series.

    Examples
    --------
    >>> model = LSTMVAE(timesteps=10, latent_dim=2, units=4)
    >>> [array.shape for array in encode_series(model, np.zeros((30, 1), "float32"), [0, 5, 20])]
    [(3, 2), (3, 2)]
    """
    data = np.asarray(series, dtype=np.float32)
    data = tf.constant(data.reshape(len(data), -1))
    first = np.asarray(starts, dtype=np.int64).ravel()
    _check_starts(first, model.timesteps, len(data))
    run = _encoder(model)
    pieces = [run(data, tf.constant(first[i : i + batch_size])) for i in range(0, len(first), batch_size)]
    if not pieces:
        return np.empty((0, model.latent_dim), np.float32), np.empty((0, model.latent_dim), np.float32)
    mu, log_var = zip(*pieces, strict=True)
    return np.concatenate([m.numpy() for m in mu]), np.concatenate([v.numpy() for v in log_var])


def _impute(model: LSTMVAE, windows: Any, mask: Any, noise: Any) -> Any:
    """One pass for each step of the noise, (batch, passes, latent_dim)."""
    filled, total, kept, passes = windows, tf.zeros_like(windows), 0, noise.shape[1]
    for index in range(passes):
        mu, log_var = model.encode(filled)
        z = mu + tf.exp(0.5 * log_var) * noise[:, index]
        decoded = model.mean(model.decode(z))
        filled = mask * windows + (1.0 - mask) * decoded
        if index >= passes // 2:
            total, kept = total + decoded, kept + 1
    return mask * windows + (1.0 - mask) * total / kept


def _values(
    model: LSTMVAE,
    windows: Any,
    target: Any,
    mask: Any,
    kind: str,
    latent: LatentDistance | None,
    noise: Any,
) -> tuple[Any, Any]:
    """Score per value (batch, timesteps, n_features), and the decoder's outputs for the posterior mean (or None).

    The encoder reads `windows`; the decoder's word is held against `target`. The noise is (batch, samples, latent_dim).
    """
    seen = tf.ones_like(windows) if mask is None else mask
    observed = tf.reduce_sum(seen, axis=(1, 2), keepdims=True)
    share = seen / tf.maximum(observed, 1.0)  # spreads a window's own score over its observed values
    mu, log_var = model.encode(windows)
    if kind in ("error", "window_error", "nll"):
        outputs = model.decode(mu)
        if kind == "nll":
            return model.likelihood.nll(target, outputs, mask=mask, log_scale=model.log_scale), outputs
        error = seen * tf.square(target - model.mean(outputs))
        if kind == "window_error":
            count = tf.maximum(tf.reduce_sum(seen, axis=1, keepdims=True), 1.0)
            error = seen * tf.reduce_sum(error, axis=1, keepdims=True) / count
        return error, outputs
    if kind == "kl":
        kl = 0.5 * tf.reduce_sum(tf.square(mu) + tf.exp(log_var) - 1.0 - log_var, axis=1)
        return kl[:, None, None] * share, None
    if kind == "latent":
        assert latent is not None
        away = mu - tf.constant(latent.mean, mu.dtype)
        distance = tf.reduce_sum(tf.matmul(away, tf.constant(latent.precision, mu.dtype)) * away, axis=1)
        return distance[:, None, None] * share, None
    samples = noise.shape[1]
    noise = tf.transpose(noise, (1, 0, 2))
    z = mu + tf.exp(0.5 * log_var) * noise  # (samples, batch, latent_dim)
    batch = tf.shape(windows)[0]
    outputs = model.decode(tf.reshape(z, (-1, model.latent_dim)))  # the samples as one larger batch
    tiled = tf.tile(target, (samples, 1, 1))
    tiled_mask = None if mask is None else tf.tile(mask, (samples, 1, 1))
    nll = model.likelihood.nll(tiled, outputs, mask=tiled_mask, log_scale=model.log_scale)
    nll = tf.reshape(nll, (samples, batch, model.timesteps, model.n_features))
    if kind == "probability":
        return tf.reduce_mean(nll, axis=0), None
    # log q(z|x) - log p(z), whose mean over samples is the KL divergence
    gap = 0.5 * tf.reduce_sum(tf.square(z) - tf.square(noise) - log_var, axis=2)  # (samples, batch)
    if kind == "elbo":
        kl = 0.5 * tf.reduce_sum(tf.square(mu) + tf.exp(log_var) - 1.0 - log_var, axis=1)
        return tf.reduce_mean(nll, axis=0) + kl[:, None, None] * share, None
    log_weights = -tf.reduce_sum(nll, axis=(2, 3)) - gap
    bound = tf.reduce_logsumexp(log_weights, axis=0) - tf.math.log(float(samples))
    weights = tf.nn.softmax(log_weights, axis=0)
    parts = tf.reduce_sum(weights[:, :, None, None] * nll, axis=0)
    rest = -bound - tf.reduce_sum(parts, axis=(1, 2))
    return parts + rest[:, None, None] * share, None


_NOISE_ROWS = 1_024
"""Windows draw their noise by the row that they start at, and this many rows have noise of their own. What a window
draws does not depend on the batch, the part of a long series or the stream that it comes in."""


_COMPILED: weakref.WeakKeyDictionary[LSTMVAE, dict[Any, Any]] = weakref.WeakKeyDictionary()


def _cached(model: LSTMVAE, key: Any, make: Callable[[], Any]) -> Any:
    """Compile, or draw, once for each model and way of scoring."""
    check_process()
    functions = _COMPILED.setdefault(model, {})
    if key not in functions:
        functions[key] = make()
    return functions[key]


def _scorer(
    model: LSTMVAE,
    kind: str,
    samples: int,
    latent: LatentDistance | None,
    details: bool,
    rows: bool,
    imputations: int,
    masked: bool,
    aimed: bool,
    single: bool,
) -> Callable[..., Any]:
    reference = weakref.ref(model)  # the cache must not keep its own key alive
    draws, passes = samples if kind in _SAMPLED else 0, imputations if masked else 0
    count = 1 if single else None  # a stream's one window need not be split between threads
    signature = [
        *[tf.TensorSpec([None, model.n_features], tf.float32)] * 3,
        tf.TensorSpec([count], tf.int64),
        tf.TensorSpec([_NOISE_ROWS, draws + passes, model.latent_dim], tf.float32),
        tf.TensorSpec([count], tf.int64),
    ]

    @tf.function(input_signature=signature, jit_compile=False, autograph=False)
    def run(data: Any, seen: Any, wanted: Any, starts: Any, noises: Any, noise_rows: Any) -> Any:
        model = reference()
        assert model is not None
        places = starts[:, None] + tf.range(model.timesteps, dtype=tf.int64)
        windows = tf.gather(data, places)
        mask = tf.gather(seen, places) if masked else None
        noise = tf.gather(noises, noise_rows) if draws + passes else None
        filled = windows if noise is None or not passes else _impute(model, windows, mask, noise[:, draws:])
        target = filled
        if aimed:
            target = tf.gather(wanted, places)
            if mask is not None:
                target = tf.where(mask > 0, target, filled)
        drawn = None if noise is None else noise[:, :draws]
        values, outputs = _values(model, filled, target, mask, kind, latent, drawn)
        if not details:
            values = tf.reduce_sum(values, axis=2, keepdims=True)
        if rows:
            own = tf.square(target - model.mean(outputs))
            values = tf.concat([values, own if mask is None else mask * own], axis=2)
        if masked:
            observed = tf.reduce_sum(mask, axis=2, keepdims=True)
            values = tf.where(observed == 0, np.nan, values * model.n_features / tf.maximum(observed, 1.0))
        if not details:
            return values if rows else values[..., 0], tf.zeros([0])
        if outputs is None:
            outputs = model.terms(filled, mask).outputs
        spread = model.likelihood.scale(outputs, model.log_scale)
        return values, tf.concat([model.mean(outputs), tf.broadcast_to(spread, tf.shape(windows))], axis=2)

    # by its numbers: the id of one that is gone may come again
    distance = (latent.mean.tobytes(), latent.precision.tobytes()) if kind == "latent" and latent is not None else None
    key = (kind, samples, distance, details, rows, imputations, masked, aimed, single)
    return _cached(model, key, run.get_concrete_function)  # which looks at its arguments less often than `run`


def _noise(model: LSTMVAE, draws: int, passes: int, seed: int) -> Any:
    """Noise of `_NOISE_ROWS` windows for the samples and for the passes of imputation, side by side."""

    def draw() -> Any:
        shapes = [(_NOISE_ROWS, count, model.latent_dim) for count in (draws, passes)]
        return tf.concat([tf.random.stateless_normal(shape, (seed, i)) for i, shape in enumerate(shapes)], axis=1)

    return _cached(model, ("noise", draws, passes, seed), draw)


def _encoder(model: LSTMVAE) -> Callable[..., Any]:
    reference = weakref.ref(model)
    signature = [tf.TensorSpec([None, model.n_features], tf.float32), tf.TensorSpec([None], tf.int64)]

    @tf.function(input_signature=signature, jit_compile=False, autograph=False)
    def run(data: Any, starts: Any) -> Any:
        model = reference()
        assert model is not None
        return model.encode(tf.gather(data, starts[:, None] + tf.range(model.timesteps, dtype=tf.int64)))

    return _cached(model, "encode", lambda: run)


def _check_kind(kind: str, samples: int, latent: LatentDistance | None) -> None:
    if kind not in SCORES:
        raise InputError(f"score {kind!r} is unknown; choose one of {', '.join(SCORES)}")
    if samples < 1:
        raise InputError(f"samples={samples} must be at least 1")
    if kind == "latent" and latent is None:
        raise InputError("the score 'latent' needs latent=fit_latent_distance(mu) of training windows")


def _check_starts(starts: NDArray[Any], timesteps: int, n: int) -> None:
    if len(starts) and (starts.min() < 0 or starts.max() + timesteps > n):
        raise InputError(
            f"windows of {timesteps} from rows {starts.min()} to {starts.max()} reach outside the {n} rows of the "
            f"series; starts lie between 0 and {n - timesteps}"
        )


def _same_shape(given: ArrayLike, data: Any, name: str, what: str = "mask") -> NDArray[np.float32]:
    values = np.asarray(given, dtype=np.float32)
    if values.shape != tuple(data.shape):
        raise InputError(
            f"the {what} has shape {values.shape} and the {name} {tuple(data.shape)}; give one entry per value"
        )
    return values
