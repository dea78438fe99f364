"""Adapters: the functions of somebody else's Keras model, so that `check_vae` can test it.

`keras_functions` takes any ``keras.Model`` that holds an encoder and a decoder: as two sub-models (the way of Keras's
own examples), or as layers of one functional model that are named. What the model has is tested: its sampling, its
loss, its gradients, its saving. What it does not have (windows, scaling, a split) stays untested and is reported so.

TensorFlow is imported when a model is adapted, not before.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaehelpers.common import InputError
from vaehelpers.contracts import VAEFunctions
from vaehelpers.contracts.functions import Spread

__all__ = ["keras_functions", "score_saved_keras"]

USUAL = {  # names that people give to these layers
    "mu": ("mu", "z_mean", "mean"),
    "spread": ("log_var", "z_log_var", "log_sigma", "z_log_sigma", "logvar"),
    "z": ("z", "sampling", "sample_z"),
}


def keras_functions(
    model: Any,
    *,
    mu: str | None = None,
    spread: str | None = None,
    z: str | None = None,
    reconstruction: str | None = None,
    spread_is: Spread = "log_var",
    kl: Callable[..., Any] | None = None,
    nll: Callable[..., Any] | None = None,
    loss: Callable[[np.ndarray], Any] | None = None,
    scale: float = 1.0,
    beta: float = 1.0,
    batch_size: int | None = None,
    modules: Sequence[str] = (),
    name: str | None = None,
) -> VAEFunctions:
    """Write down the functions of a Keras VAE for `check_vae`.

    Parameters
    ----------
    model : keras.Model
        Either with attributes ``encoder`` (windows to mu, spread and perhaps z) and ``decoder`` (z to windows), or one
        functional model in which `mu`, `spread` and `z` are layers.
    mu, spread, z : str, optional
        Names of the layers that give the posterior's mean, its spread, and the sample. Default: the usual names, such
        as ``mu`` or ``z_mean``, ``log_var`` or ``log_sigma``, ``z`` or ``sampling``.
    reconstruction : str, optional
        The layer whose output is the reconstruction. Default: the output of the model; before a `NegativeELBO`, what
        goes into it.
    spread_is : {"log_var", "log_sigma", "sigma"}, default "log_var"
        What the spread is used as, whatever its name: ``mu + exp(spread / 2) * eps`` uses a log_var.
    kl, nll : callable, optional
        As for `VAEFunctions`. Default: those of a `NegativeELBO` in the model; else `nll` is the compiled loss, and
        there is no `kl` (the objective is then held against the KL divergence in closed form).
    loss : callable, optional
        As for `VAEFunctions`. Default: the compiled loss plus all added losses; for a model with a ``train_step`` of
        its own, the ``loss`` that it reports.
    scale : float, default 1.0
        The sigma that the compiled loss claims.
    beta : float, default 1.0
        The weight of the KL divergence that the loss claims.
    batch_size : int, optional
        Default: the batch size that is built into the model, else 64.
    modules : sequence of str, default ()
        Modules that a fresh process imports before it loads the saved model (where your own layers are defined).
    name : str, optional
        Default: the name of the model.

    Returns
    -------
    VAEFunctions

    Raises
    ------
    InputError
        If it is no Keras model for windows (None, T, F), or encoder and decoder cannot be found in it.

    Notes
    -----
    `score` is the mean squared error of the reconstruction from mu, averaged over the windows that cover a row, so the
    checks of scores test the model together with our windowing.

    Examples
    --------
    >>> import keras
    >>> from keras import layers
    >>> from vaehelpers.contracts import check_vae
    >>> from vaehelpers.model import Sampling
    >>> from vaehelpers.model.negative_elbo import NegativeELBO
    >>> windows = keras.Input((12, 1))
    >>> flat = layers.Flatten()(windows)
    >>> mu, log_var = layers.Dense(2, name="mu")(flat), layers.Dense(2, name="log_var")(flat)
    >>> rebuilt = layers.Reshape((12, 1))(layers.Dense(12)(Sampling(name="z")([mu, log_var])))
    >>> vae = keras.Model(windows, NegativeELBO()([windows, rebuilt, mu, log_var]), name="small")
    >>> check_vae(vae, checks=["shapes", "kl_closed_form", "likelihood", "objective"]).passed
    True
    """
    import keras

    if not isinstance(model, keras.Model):
        raise InputError(f"model is a {type(model).__name__}; give a keras.Model")
    if callable(getattr(model, "encoder", None)) and callable(getattr(model, "decoder", None)):
        parts: _Parts = _Pair(model)
    else:
        parts = _Graph(model, mu, spread, z, reconstruction)
    elbo = next((layer for layer in _layers(model) if type(layer).__name__ == "NegativeELBO"), None)
    compiled = _compiled_loss(model)
    if elbo is not None:
        from vaehelpers.model import kl_divergence

        nll, kl, beta = nll or elbo.nll, kl or kl_divergence, elbo.beta
        scale = float(np.exp(0.5 * float(elbo.noise)))
    rows = batch_size or parts.batch_size or 64
    whole = loss or _whole_loss(model, compiled, elbo is not None)
    names = {"mu": mu, "spread": spread, "z": z, "reconstruction": reconstruction, "modules": list(modules)}

    def score(series: np.ndarray) -> np.ndarray:
        return _score(parts, series)

    def save(path: str) -> None:
        model.save(path + ".keras")
        Path(path + ".json").write_text(json.dumps(names), encoding="utf-8")

    return VAEFunctions(
        name=name or model.name,
        timesteps=parts.timesteps,
        n_features=parts.n_features,
        latent_dim=parts.latent_dim,
        batch_size=rows,
        spread=spread_is,
        encode=parts.encode,
        sample=parts.sample,
        decode=parts.decode,
        scale=scale,
        kl=kl,
        nll=nll or (None if compiled is None else lambda x, decoded: _per_row(compiled, x, decoded)),
        nll_drops_constant=nll is None and elbo is None,
        beta=beta,
        loss=whole,
        gradients=None if whole is None else lambda x: _gradients(model, whole, x),
        score=score,
        score_after=lambda before, series: score(np.concatenate([before, series]))[len(before) :],
        save=save,
        loader="vaehelpers.contracts.keras_adapter:score_saved_keras",
    )


def score_saved_keras(path: str, series: np.ndarray) -> np.ndarray:
    """Load a model that `keras_functions` saved under `path` and score a series (n, F) with it.

    Parameters
    ----------
    path : str
        Without its endings ``.keras`` and ``.json``.
    series : ndarray of shape (n, F)

    Returns
    -------
    ndarray, shape (n,)
        Mean squared error of the reconstruction; higher is more anomalous.

    Raises
    ------
    InputError
        If there is no such model.

    Examples
    --------
    >>> from vaehelpers.contracts.keras_adapter import score_saved_keras
    >>> score_saved_keras("no/such/model", [[0.0]])
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: there is no no/such/model.json; save the model with keras_functions(...).save(path)
    """
    if not Path(path + ".json").exists():
        raise InputError(f"there is no {path}.json; save the model with keras_functions(...).save(path)")
    names = json.loads(Path(path + ".json").read_text(encoding="utf-8"))
    for module in ("vaehelpers.layers", "vaehelpers.model.negative_elbo", *names.pop("modules")):
        importlib.import_module(module)  # registers the classes that the file names
    import keras

    functions = keras_functions(keras.saving.load_model(path + ".keras"), **names)
    assert functions.score is not None
    return functions.score(series)


# --- the parts of a model ---


class _Parts:
    """Encoder, sampler and decoder of a model as functions, and its sizes."""

    timesteps: int
    n_features: int
    latent_dim: int
    batch_size: int | None = None
    sample: Callable[..., Any] | None = None

    def encode(self, x: np.ndarray) -> tuple[Any, Any]:
        raise NotImplementedError

    def decode(self, z: np.ndarray) -> Any:
        raise NotImplementedError

    def _sizes(self, windows: Sequence[int | None], latent: Sequence[int | None]) -> None:
        if len(windows) != 3 or None in windows[1:] or len(latent) != 2 or latent[1] is None:
            raise InputError(
                f"the model maps windows {tuple(windows)} to z {tuple(latent)}; needed are (None, timesteps, features) "
                "and (None, latent_dim) with fixed numbers"
            )
        self.timesteps, self.n_features, self.latent_dim = windows[1], windows[2], latent[1]  # type: ignore[assignment]


class _Pair(_Parts):
    """A model with ``encoder`` and ``decoder``."""

    def __init__(self, model: Any) -> None:
        self.encoder, self.decoder = model.encoder, model.decoder
        for part in ("encoder", "decoder"):
            if getattr(getattr(model, part), "input_shape", None) is None:
                raise InputError(f"the {part} has no input shape yet; call it on one batch first")
        self._sizes(self.encoder.input_shape, self.decoder.input_shape)
        sampler = next((layer for layer in _layers(self.encoder) if "sampl" in layer.name.lower()), None)
        sampler = sampler or getattr(model, "sampling", None)
        if sampler is not None:
            self.sample = lambda mu, spread: _call(sampler, [mu, spread], training=True)

    def encode(self, x: np.ndarray) -> tuple[Any, Any]:
        out = self.encoder(x, training=False)
        values = list(out.values()) if isinstance(out, Mapping) else list(out)
        if len(values) < 2:
            raise InputError("the encoder gives one output; mu and its spread are needed")
        return values[0], values[1]

    def decode(self, z: np.ndarray) -> Any:
        return self.decoder(z, training=False)


class _Graph(_Parts):
    """One functional model in which mu, spread and z are layers."""

    def __init__(
        self, model: Any, mu: str | None, spread: str | None, z: str | None, reconstruction: str | None
    ) -> None:
        import keras

        try:
            inputs = model.input
        except (AttributeError, ValueError) as error:
            raise InputError(
                f"{type(model).__name__} has neither encoder and decoder nor a graph of layers; write its functions "
                "down in a VAEFunctions"
            ) from error
        tensors = [_output(model, kind, given) for kind, given in (("mu", mu), ("spread", spread), ("z", z))]
        rebuilt = model.output if reconstruction is None else _output(model, "reconstruction", reconstruction)
        last = rebuilt._keras_history.operation
        if reconstruction is None and type(last).__name__ == "NegativeELBO":
            rebuilt = last.input[1]
        self._sizes(inputs.shape, tensors[0].shape)
        self.batch_size = tensors[2].shape[0] or rebuilt.shape[0]
        self._encoder = _traced(keras.Function(inputs, tensors[:2]))
        sampler = keras.Model(tensors[:2], tensors[2])
        try:
            self._decoder = _traced(keras.Function(tensors[2], rebuilt))
        except ValueError as error:
            raise InputError(
                "the reconstruction does not follow from z alone: name the layer that gives it with reconstruction=, "
                "and look for a path around z"
            ) from error
        self.sample = lambda mu, spread: sampler([mu, spread], training=True)

    def encode(self, x: np.ndarray) -> tuple[Any, Any]:
        mu, spread = self._encoder(np.asarray(x, np.float32))
        return mu, spread

    def decode(self, z: np.ndarray) -> Any:
        z = np.asarray(z, np.float32)
        if self.batch_size is None:
            return self._decoder(z)
        # a batch size that is built in belongs to the sampling; the decoder's layers take any
        filled = np.concatenate([z, np.zeros((-len(z) % self.batch_size, z.shape[1]), np.float32)])
        parts = np.split(filled, len(filled) // self.batch_size)
        return np.concatenate([np.asarray(self._decoder(part)) for part in parts])[: len(z)]


def _output(model: Any, kind: str, given: str | None) -> Any:
    names = [layer.name for layer in model.layers]
    found = given if given is not None else next((name for name in USUAL.get(kind, ()) if name in names), None)
    if found not in names:
        wanted = f"{kind}={given!r} is no layer" if given is not None else f"no layer is called {kind}"
        raise InputError(f"{wanted} of this model; give {kind}= one of: {', '.join(names)}")
    return model.get_layer(found).output


def _layers(model: Any) -> list[Any]:
    """All layers of a model, those of its sub-models included."""
    return list(model._flatten_layers(include_self=False))


def _call(layer: Any, inputs: Any, **options: Any) -> Any:
    return layer(inputs, **options) if getattr(layer, "_call_has_training_arg", True) else layer(inputs)


# --- its loss ---


def _compiled_loss(model: Any) -> Callable[[Any, Any], Any] | None:
    import keras

    chosen = getattr(model, "loss", None)
    if not getattr(model, "compiled", False) or chosen is None or isinstance(chosen, (dict, list, tuple)):
        return None
    return keras.losses.get(chosen)


def _per_row(loss: Callable[[Any, Any], Any], x: np.ndarray, rebuilt: Any) -> np.ndarray:
    """The loss of each row of a batch, (B,): a compiled loss is averaged over all that it compares."""
    call = getattr(loss, "call", loss)  # a Loss object reduces over the batch, its method `call` does not
    values = np.asarray(call(np.asarray(x, np.float32), rebuilt), np.float64)
    return values.reshape(len(x), -1).mean(axis=1)


def _whole_loss(model: Any, compiled: Any, adds_its_own: bool) -> Callable[[np.ndarray], Any] | None:
    import keras

    own_step = type(model).train_step is not keras.Model.train_step
    if own_step and getattr(model, "optimizer", None) is not None:
        return lambda x: _loss_of_one_step(model, x)
    if compiled is None and not adds_its_own and not model.losses and own_step:
        return None

    def loss(x: Any) -> Any:
        rebuilt = model(x, training=True)
        added = list(model.losses)
        if compiled is not None:
            added.append(keras.ops.mean(keras.ops.convert_to_tensor(compiled(x, rebuilt))))
        if not added:
            raise InputError("the model has no loss: compile it with one, or add one in a layer")
        return sum(added[1:], start=added[0])

    return _traced(loss)


def _traced(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function as a graph per shape: a check calls it hundreds of times."""
    import tensorflow as tf

    graph = tf.function(function, reduce_retracing=True)
    return lambda x: graph(tf.convert_to_tensor(x, tf.float32))


def _loss_of_one_step(model: Any, x: np.ndarray) -> float:
    """The loss that a ``train_step`` of the model's own reports; weights and optimizer are put back."""
    before, state = model.get_weights(), [value.numpy() for value in model.optimizer.variables]
    for metric in model.metrics:
        metric.reset_state()
    try:
        found = model.train_step(np.asarray(x, np.float32))
    finally:
        model.set_weights(before)
        for variable, value in zip(model.optimizer.variables, state):
            variable.assign(value)
    if "loss" not in found:
        raise InputError(f"train_step reports {', '.join(found)}, but no 'loss'; give loss= as a function")
    return float(np.asarray(found["loss"]))


def _gradients(model: Any, loss: Callable[[np.ndarray], Any], x: np.ndarray) -> dict[str, Any]:
    """Gradient of the loss for each weight, with all weights moved a little: heads may start at zero."""
    import tensorflow as tf

    before, rng = model.get_weights(), np.random.default_rng(0)
    try:
        for weight in model.trainable_variables:
            value = np.asarray(weight.value)
            weight.assign(value + 0.05 * rng.standard_normal(value.shape).astype(value.dtype))
        with tf.GradientTape() as tape:
            value = loss(x)
        found = tape.gradient(value, [weight.value for weight in model.trainable_variables])
    finally:
        model.set_weights(before)
    return {weight.path: gradient for weight, gradient in zip(model.trainable_variables, found, strict=True)}


def _score(parts: _Parts, series: np.ndarray) -> np.ndarray:
    from vaehelpers.windows import gather, window_starts, windows_to_points

    series = np.asarray(series, np.float32)
    starts = window_starts(len(series), parts.timesteps)
    windows = gather(series, starts, parts.timesteps)
    rebuilt = np.asarray(parts.decode(np.asarray(parts.encode(windows)[0])))
    if rebuilt.ndim == 2:  # one number a window, which a loss broadcasts over the steps
        rebuilt = rebuilt[:, None, :]
    errors = np.broadcast_to((windows - rebuilt) ** 2, windows.shape).mean(axis=2)
    return windows_to_points(errors, starts, len(series))
