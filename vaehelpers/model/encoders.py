"""Encoders: from a window to the mean and log-variance of its latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from vaehelpers.common.errors import InputError
from vaehelpers.model.base import _Block, _initializer


class Encoder(_Block):
    """Base of all encoders: windows (batch, timesteps, n_features) to a summary (batch, k).

    Parameters
    ----------
    units : int or sequence of int, default (32,)
        Size of each layer of the stack, first to last.
    seed : int, default 0
        Of the initial weights.

    Examples
    --------
    A block of one's own is a layer that returns one vector per window:

    >>> import numpy as np
    >>> class LastRow(Encoder):
    ...     def call(self, windows, training=None):
    ...         return windows[:, -1]
    >>> LastRow()(np.zeros((2, 10, 3), "float32")).shape
    TensorShape([2, 3])
    """

    name_: ClassVar[str] = ""


@keras.saving.register_keras_serializable("vaehelpers")
class LSTMEncoder(Encoder):
    """Stack of LSTMs; the summary is the last output of the last one.

    Examples
    --------
    >>> import numpy as np
    >>> LSTMEncoder(units=(8, 4))(np.zeros((2, 10, 3), "float32")).shape
    TensorShape([2, 4])
    """

    name_ = "lstm"

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        last = len(self.units) - 1
        self.stack = [self._lstm(size, i, return_sequences=i < last) for i, size in enumerate(self.units)]

    def call(self, windows: Any, training: bool | None = None) -> Any:
        for layer in self.stack:
            windows = layer(windows, training=training)
        return windows


@keras.saving.register_keras_serializable("vaehelpers")
class BidirectionalLSTMEncoder(Encoder):
    """Stack of LSTMs read in both directions (Graves and Schmidhuber 2005); summary (batch, 2 * units[-1]).

    Examples
    --------
    >>> import numpy as np
    >>> BidirectionalLSTMEncoder(units=(8, 4))(np.zeros((2, 10, 3), "float32")).shape
    TensorShape([2, 8])
    """

    name_ = "bilstm"

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        last = len(self.units) - 1
        self.stack = [
            keras.layers.Bidirectional(
                self._lstm(size, 2 * i, return_sequences=i < last),
                backward_layer=self._lstm(size, 2 * i + 1, return_sequences=i < last, go_backwards=True),
            )
            for i, size in enumerate(self.units)
        ]

    def call(self, windows: Any, training: bool | None = None) -> Any:
        for layer in self.stack:
            windows = layer(windows, training=training)
        return windows


@keras.saving.register_keras_serializable("vaehelpers")
class GRUEncoder(Encoder):
    """Stack of gated recurrent units (Cho et al. 2014); the summary is the last output of the last one.

    Examples
    --------
    >>> import numpy as np
    >>> GRUEncoder(units=(8, 4))(np.zeros((2, 10, 3), "float32")).shape
    TensorShape([2, 4])
    """

    name_ = "gru"

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        last = len(self.units) - 1
        self.stack = [
            keras.layers.GRU(
                size,
                return_sequences=i < last,
                kernel_initializer=_initializer("glorot", self.seed, 10 * i),
                recurrent_initializer=_initializer("orthogonal", self.seed, 10 * i + 1),
            )
            for i, size in enumerate(self.units)
        ]

    def call(self, windows: Any, training: bool | None = None) -> Any:
        for layer in self.stack:
            windows = layer(windows, training=training)
        return windows


@keras.saving.register_keras_serializable("vaehelpers")
class ConvEncoder(Encoder):
    """1-D convolutions of width 5 and stride 2, one per entry of `units`, then flattened.

    Examples
    --------
    >>> import numpy as np
    >>> ConvEncoder(units=(8, 4))(np.zeros((2, 10, 3), "float32")).shape
    TensorShape([2, 12])
    """

    name_ = "conv"

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.stack = [
            keras.layers.Conv1D(
                size,
                5,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer=_initializer("glorot", self.seed, 10 * i),
            )
            for i, size in enumerate(self.units)
        ]

    def call(self, windows: Any, training: bool | None = None) -> Any:
        for layer in self.stack:
            windows = layer(windows)
        return ops.reshape(windows, (-1, windows.shape[1] * windows.shape[2]))


@keras.saving.register_keras_serializable("vaehelpers")
class DenseEncoder(Encoder):
    """The window as one flat vector through dense layers: the control that knows no order of time.

    Examples
    --------
    >>> import numpy as np
    >>> DenseEncoder(units=(8, 4))(np.zeros((2, 10, 3), "float32")).shape
    TensorShape([2, 4])
    """

    name_ = "dense"

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.stack = [self._dense(size, i, activation="tanh") for i, size in enumerate(self.units)]

    def call(self, windows: Any, training: bool | None = None) -> Any:
        hidden = ops.reshape(windows, (-1, windows.shape[1] * windows.shape[2]))
        for layer in self.stack:
            hidden = layer(hidden)
        return hidden


@keras.saving.register_keras_serializable("vaehelpers")
class MixedEncoder(DenseEncoder):
    """Mixes the variables of each row down to 8 values, then runs dense layers over the window of these.

    For series of many variables: over windows of 200 rows x 38 variables a dense layer has 7,600 inputs, here 1,600.

    Examples
    --------
    >>> import numpy as np
    >>> encoder = MixedEncoder(units=(8, 4))
    >>> encoder(np.zeros((2, 10, 40), "float32")).shape, encoder.count_params()      # dense: 3,244
    (TensorShape([2, 4]), 1004)
    """

    name_ = "mixed"
    mixtures: ClassVar[int] = 8

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.mix = self._dense(self.mixtures, 700, use_bias=False)

    def call(self, windows: Any, training: bool | None = None) -> Any:
        return super().call(self.mix(windows), training=training)


ENCODERS: dict[str, type[Encoder]] = {
    block.name_: block
    for block in (LSTMEncoder, BidirectionalLSTMEncoder, GRUEncoder, ConvEncoder, DenseEncoder, MixedEncoder)
}
"""Encoders by the names that `LSTMVAE` and `Detector` take."""


def make_encoder(encoder: str | keras.layers.Layer, *, units: Sequence[int], seed: int = 0) -> keras.layers.Layer:
    """Return the encoder of that name, or the given layer itself.

    Parameters
    ----------
    encoder : str or keras.layers.Layer
        A key of `ENCODERS`, or a layer of one's own.
    units : sequence of int
        Size of each layer, first to last. A layer of one's own has its sizes already.
    seed : int, default 0
        Of the initial weights.

    Raises
    ------
    InputError
        If the name is unknown.

    Examples
    --------
    >>> sorted(ENCODERS)
    ['bilstm', 'conv', 'dense', 'gru', 'lstm', 'mixed']
    >>> type(make_encoder("gru", units=(8,))).__name__
    'GRUEncoder'
    """
    if isinstance(encoder, keras.layers.Layer):
        return encoder
    if not isinstance(encoder, str) or encoder not in ENCODERS:
        raise InputError(f"encoder={encoder!r} is unknown; choose one of {', '.join(ENCODERS)}, or give a layer")
    return ENCODERS[encoder](units=units, seed=seed, name="encoder")
