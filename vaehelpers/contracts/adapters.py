"""A VAE of ours as plain functions: models and detectors, fitted or saved."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from vaehelpers.common.errors import InputError
from vaehelpers.contracts.functions import VAEFunctions
from vaehelpers.contracts.probe import _Probe


def functions_of(model: Any) -> VAEFunctions:
    """Give the functions of a model as `check_vae` tests them.

    Parameters
    ----------
    model : LSTMVAE, keras.Model, Detector, VAEFunctions, or an object whose method ``functions()`` returns one
        A ``keras.Model`` with an encoder and a decoder, or with layers of the usual names, is taken apart by
        `keras_adapter.keras_functions`. Any other model can learn to be checked by the method ``functions``.

    Returns
    -------
    VAEFunctions

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> from vaehelpers.contracts.adapters import functions_of
    >>> from vaehelpers.model.vae import LSTMVAE
    >>> functions_of(LSTMVAE(timesteps=10, latent_dim=2, units=4)).latent_dim
    2
    """
    if isinstance(model, VAEFunctions):
        return model
    if callable(getattr(model, "functions", None)):
        return model.functions()
    ours = sys.modules.get("vaehelpers.model")  # not loaded: then it is none of ours, and TensorFlow stays out
    if ours is not None and isinstance(model, ours.LSTMVAE):
        return _functions_of_model(model)
    if hasattr(model, "decision_function"):
        return _functions_of_detector(model)
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(model, keras.Model):
        from vaehelpers.contracts.keras_adapter import keras_functions

        return keras_functions(model)
    raise InputError(
        f"cannot check a {type(model).__name__}; give an LSTMVAE, a keras.Model, a fitted Detector, or write the "
        "functions of the model down in a VAEFunctions"
    )


def score_saved_detector(path: str, series: np.ndarray) -> np.ndarray:
    """Load a saved `Detector` and score a series (n, F) with it; what `check_vae` calls in a fresh process.

    Returns
    -------
    ndarray, shape (n,)
        Higher is more anomalous.

    Raises
    ------
    InputError
        If `path` holds no detector.

    Examples
    --------
    >>> from vaehelpers.contracts.adapters import score_saved_detector
    >>> score_saved_detector("no/such/folder", [[0.0]])
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: ...
    """
    from vaehelpers.detectors.vae import Detector

    return Detector.load(path).decision_function(series)


def score_saved_model(path: str, series: np.ndarray) -> np.ndarray:
    """Load an `LSTMVAE` saved at ``path + ".keras"`` and score a scaled series (n, F) by its reconstruction error.

    Returns
    -------
    ndarray, shape (n,)
        Higher is more anomalous.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from vaehelpers.contracts.adapters import score_saved_model
    >>> from vaehelpers.model.vae import LSTMVAE
    >>> path = tempfile.mkdtemp() + "/model"
    >>> LSTMVAE(timesteps=10, latent_dim=2, units=4).save(path + ".keras")
    >>> score_saved_model(path, np.zeros((30, 1), np.float32)).shape
    (30,)
    """
    import keras

    import vaehelpers.model  # noqa: F401  (registers the classes that the file names)

    return _model_score(keras.saving.load_model(path + ".keras"), series)


def _model_score(model: Any, series: np.ndarray) -> np.ndarray:
    from vaehelpers.model.scores import score_series
    from vaehelpers.windows import window_starts

    return score_series(model, series, window_starts(len(series), model.timesteps), kind="error").scores


def _functions_of_model(model: Any) -> VAEFunctions:
    from keras import ops

    from vaehelpers.model.elbo import kl_divergence
    from vaehelpers.windows import window_starts, windows_to_points

    likelihood, values = model.likelihood, model.timesteps * model.n_features
    family = {"gaussian": "gaussian", "gaussian-fixed": "gaussian", "gaussian-learned": "gaussian"}
    family |= {"laplace": "laplace", "student-t": "student_t"}
    df = float(getattr(likelihood, "df", 0.0)) or None
    # our likelihoods tell standard deviations, SciPy's distributions take scales
    unit = {"laplace": np.sqrt(2.0), "student-t": np.sqrt(df / (df - 2)) if df and df > 2 else np.nan}
    unit_scale = unit.get(likelihood.name, 1.0)
    known = likelihood.name in family and np.isfinite(unit_scale)
    from_decoder = likelihood.n_outputs > 1

    def scale_of(outputs: Any) -> np.ndarray:
        return np.asarray(likelihood.scale(outputs, model.log_scale), dtype=np.float64) / unit_scale

    def decode(z: np.ndarray) -> Any:
        outputs = model.decode(z)
        mean = model.mean(outputs)
        return {"mean": mean, "scale": scale_of(outputs), "outputs": outputs} if from_decoder else mean

    def nll(x: np.ndarray, decoded: Any) -> Any:
        if from_decoder and "outputs" not in decoded:
            raw = _raw_scale(
                lambda raw: scale_of(np.array([[[0.0, raw]]], np.float32)).item(), float(np.mean(decoded["scale"]))
            )
            decoded = {"outputs": ops.concatenate([decoded["mean"], np.full(x.shape, raw, np.float32)], axis=-1)}
        outputs = decoded["outputs"] if from_decoder else decoded
        return likelihood.nll(x, outputs, log_scale=model.log_scale)

    def loss(x: np.ndarray) -> Any:
        z = model.sampling(list(model.encode(x)), training=True)
        return model.loss_terms(model.terms(x, z=z))[0] * values  # in nats a window, at the stored noise scale

    one = np.zeros((1, model.timesteps, model.n_features), np.float32)
    return VAEFunctions(
        name=f"LSTMVAE({type(model.encoder).__name__}, {type(model.decoder).__name__}, {likelihood.name})",
        timesteps=model.timesteps,
        n_features=model.n_features,
        latent_dim=model.latent_dim,
        encode=model.encode,
        sample=lambda mu, log_var: model.sampling([mu, log_var], training=True),
        decode=decode,
        likelihood=family.get(likelihood.name, "gaussian"),  # type: ignore[arg-type]
        scale=None if from_decoder or not known else scale_of(one),
        df=df,
        kl=kl_divergence,
        nll=nll if known else None,
        beta=float(model.beta),
        loss=None if model.free_bits > 0 else loss,
        gradients=lambda x: _model_gradients(model, x),
        score=lambda series: _model_score(model, series),
        score_after=lambda before, series: _model_score(model, np.concatenate([before, series]))[len(before) :],
        window_starts=lambda n: window_starts(n, model.timesteps),
        windows_to_points=lambda per_step, starts, n: windows_to_points(per_step, starts, n, "mean"),
        save=lambda path: model.save(path + ".keras"),
        loader="vaehelpers.contracts.adapters:score_saved_model",
    )


def _raw_scale(scale_of_raw: Callable[[float], float], wanted: float) -> float:
    """The raw decoder output that gives a wanted scale, whatever floor and softplus stand between them."""
    from scipy.optimize import brentq

    return float(brentq(lambda raw: np.log(scale_of_raw(raw) / wanted), -30.0, 30.0, xtol=1e-9))


def _model_gradients(model: Any, x: np.ndarray) -> dict[str, Any]:
    """Gradient of the training loss for each weight, with all weights moved a little.

    Heads that start at zero pass no gradient back at the very start, which is no fault; moved, they do. Weights and
    noise scale are put back.
    """
    import tensorflow as tf

    before, rng = model.get_weights(), np.random.default_rng(0)
    try:
        for weight in model.trainable_variables:
            value = np.asarray(weight.value)
            weight.assign(value + 0.05 * rng.standard_normal(value.shape).astype(value.dtype))
        with tf.GradientTape() as tape:
            loss = model.loss_terms(model.terms(tf.convert_to_tensor(x), training=True))[0]
        found = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    finally:
        model.set_weights(before)
    return {weight.path: gradient for weight, gradient in zip(model.trainable_variables, found, strict=True)}


def _functions_of_detector(detector: Any) -> VAEFunctions:
    from sklearn.base import clone

    from vaehelpers.windows import windows_to_points

    if not hasattr(detector, "model_"):
        raise InputError("this Detector is not fitted; call fit(series) before it is checked")
    timesteps, aggregate = detector.timesteps_, detector.settings_["aggregate"]
    fitted: dict[bytes, Any] = {}

    def scale_parts(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if train.tobytes() not in fitted:
            fitted[train.tobytes()] = (
                clone(detector).set_params(timesteps=timesteps, steps=1, threshold="mad").fit(train)
            )
        other = fitted[train.tobytes()]
        return other.scaler_.transform(train), other.scaler_.transform(test)

    functions = _functions_of_model(detector.model_)
    rows = _Probe(functions, 0, 50).series()
    return dataclasses.replace(
        functions,
        name=f"Detector of {functions.name}",
        series=detector.scaler_.inverse_transform(rows),
        score=detector.decision_function,
        score_after=lambda before, series: detector.decision_function(np.concatenate([before, series]))[len(before) :],
        reach=timesteps - 1 + detector.smooth_ // 2,
        windows_to_points=lambda per_step, starts, n: windows_to_points(per_step, starts, n, aggregate),
        aggregate=aggregate,
        scale_parts=scale_parts,
        save=detector.save,
        loader="vaehelpers.contracts.adapters:score_saved_detector",
    )
