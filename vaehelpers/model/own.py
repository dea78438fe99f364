"""Layers of one's own as encoder or decoder: the protocol, and the check that a layer keeps it.

An encoder takes windows (batch, timesteps, n_features) and returns one vector for each, (batch, k); heads for mean and
log-variance follow it. A decoder takes z (batch, latent_dim) and returns (batch, timesteps, n_outputs), where n_outputs
is n_features times the outputs that the likelihood needs for each value. Any `keras.layers.Layer` will do, a
`keras.Sequential` or a functional model included. How-to: docs/howto/own-encoder.md.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras

from vaehelpers.common.errors import InputError


def fresh_copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a layer of the same class and configuration, with weights of its own.

    Parameters
    ----------
    layer : keras.layers.Layer
        With a `get_config` from which it can be built again.

    Returns
    -------
    keras.layers.Layer

    Raises
    ------
    InputError
        If the configuration does not suffice to build it.

    Examples
    --------
    >>> dense = keras.layers.Dense(3)
    >>> copy = fresh_copy(dense)
    >>> copy is dense, copy.units
    (False, 3)
    """
    try:
        return type(layer).from_config(layer.get_config())
    except (TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{type(layer).__name__} cannot be built again from its get_config ({reason}); let get_config return every "
            "argument of __init__"
        ) from error


def check_own_blocks(encoder: Any, decoder: Any, *, windows: Any, z: Any, outputs: tuple[int, int]) -> None:
    """Run both blocks once and refuse shapes that the model cannot use.

    Parameters
    ----------
    encoder, decoder : keras.layers.Layer
    windows : tensor, shape (batch, timesteps, n_features)
    z : tensor, shape (batch, latent_dim)
    outputs : tuple of int
        Rows, and values for each, that the decoder must return.

    Raises
    ------
    InputError
        With the shape that came back, and the one that is needed.

    Examples
    --------
    >>> windows, z = keras.ops.zeros((2, 10, 1)), keras.ops.zeros((2, 3))
    >>> decoder = keras.Sequential([keras.layers.Dense(10), keras.layers.Reshape((10, 1))])
    >>> check_own_blocks(keras.layers.LSTM(4), decoder, windows=windows, z=z, outputs=(10, 1))
    >>> check_own_blocks(keras.layers.Flatten(), keras.layers.Dense(10), windows=windows, z=z, outputs=(10, 1))
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: the decoder Dense turns z of shape (2, 3) into (2, 10); it must return (2, 10, 1): ...
    """
    batch = windows.shape[0]
    summary = encoder(windows)
    if len(summary.shape) != 2 or summary.shape[0] != batch:
        raise InputError(
            f"the encoder {_class(encoder)} turns windows of shape {tuple(windows.shape)} into {tuple(summary.shape)}; "
            f"it must return one vector for each, ({batch}, k): end with return_sequences=False, Flatten or a pooling "
            "layer"
        )
    found = decoder(z)
    if tuple(found.shape) != (batch, *outputs):
        raise InputError(
            f"the decoder {_class(decoder)} turns z of shape {tuple(z.shape)} into {tuple(found.shape)}; it must "
            f"return {(batch, *outputs)}: rows of a window, and what the likelihood needs for each"
        )


def _class(layer: Any) -> str:
    return type(layer.layer if isinstance(layer, _OwnDecoder) else layer).__name__


class _OwnDecoder(keras.layers.Layer):
    """Calls a decoder of one's own with the arguments that it knows.

    With a linear path the model starts as probabilistic PCA, so what is added to it must start at zero. The blocks of
    this package start their last layer there; a layer that nobody here has written is multiplied by a weight that
    starts at 0 and learns (ReZero: Bachlechner et al. 2021).
    """

    def __init__(self, layer: keras.layers.Layer, *, gate: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.layer = layer
        known = inspect.signature(layer.call).parameters
        self._passed = [name for name in ("base", "targets") if name in known]
        self.gate = self.add_weight(shape=(), initializer="zeros", name="gate") if gate else None

    def call(self, z: Any, base: Any = None, targets: Any = None, training: bool | None = None) -> Any:
        given = {"base": base, "targets": targets}
        outputs = self.layer(z, training=training, **{name: given[name] for name in self._passed})
        return outputs if self.gate is None else self.gate * outputs

    def set_progress(self, share: float) -> None:
        """Pass the share of the training that is done on to a layer that asks for it."""
        if hasattr(self.layer, "set_progress"):
            self.layer.set_progress(share)
