"""Encoders and decoders of `vaehelpers.model.LSTMVAE`, each one small Keras layer, chosen by name or given by the user.

An **encoder** maps windows (batch, timesteps, n_features) to one summary vector per window (batch, k).
A **decoder** maps latent samples (batch, latent_dim) to outputs (batch, timesteps, n_outputs). Both are built from the
same three sizes, so a block of one's own is one subclass of `Encoder` or `Decoder` and one line in the model:
``LSTMVAE(decoder=MyDecoder(timesteps=100, n_outputs=1, units=(32,)))``.

Lesson: notebooks/02_repeat_vector.ipynb compares the decoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from vaehelpers.errors import InputError
from vaehelpers.layers import FusedLSTM, RepeatLSTM

__all__ = [
    "DECODERS",
    "ENCODERS",
    "BidirectionalLSTMEncoder",
    "ConvEncoder",
    "Decoder",
    "DenseDecoder",
    "DenseEncoder",
    "Encoder",
    "FeedbackCell",
    "FeedbackDecoder",
    "GRUEncoder",
    "LSTMEncoder",
    "RepeatDecoder",
    "RepeatStateDecoder",
    "StateDecoder",
    "make_decoder",
    "make_encoder",
]


def _initializer(name: str, seed: int, index: int) -> keras.initializers.Initializer:
    """One seeded initializer per weight, so that two models of one seed start alike."""
    classes = {
        "glorot": keras.initializers.GlorotUniform,
        "orthogonal": keras.initializers.Orthogonal,
    }
    return classes[name](seed=seed * 1_000 + index)


class _Block(keras.layers.Layer):
    """What encoders and decoders share: sizes, seed, configuration."""

    def __init__(self, *, units: int | Sequence[int] = (32,), seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = (units,) if isinstance(units, int) else tuple(int(size) for size in units)
        if not self.units or min(self.units) < 1:
            raise InputError(f"units={units!r}: give one or more layer sizes of at least 1, for example (32,)")
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": list(self.units), "seed": self.seed}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Make the weights of a deserialized block, by one pass over zeros of the shape that it had."""
        shape = config["input_shape"] if "input_shape" in config else next(iter(config["shapes_dict"].values()))
        self(ops.zeros([1, *shape[1:]]))

    def _lstm(self, size: int, index: int, cls: type[FusedLSTM] = FusedLSTM, **kwargs: Any) -> FusedLSTM:
        return cls(
            size,
            kernel_initializer=_initializer("glorot", self.seed, 10 * index),
            recurrent_initializer=_initializer("orthogonal", self.seed, 10 * index + 1),
            **kwargs,
        )

    def _dense(self, size: int, index: int, **kwargs: Any) -> keras.layers.Dense:
        kwargs.setdefault("kernel_initializer", _initializer("glorot", self.seed, 10 * index + 2))
        return keras.layers.Dense(size, **kwargs)


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


class Decoder(_Block):
    """Base of all decoders: z (batch, latent_dim) to outputs (batch, timesteps, n_outputs).

    Parameters
    ----------
    timesteps : int
        Length of a window, in rows.
    n_outputs : int
        Channels per step: variables times what the likelihood needs for each (1 or 2).
    units : int or sequence of int, default (32,)
        Size of each layer of the stack, first to last.
    seed : int, default 0
        Of the initial weights.
    zero_head : bool, default False
        Start the last layer at zero; the model does so when a linear path carries the first reconstruction.

    Notes
    -----
    ``call(z, base=None, targets=None, training=False)``: `base` (batch, timesteps, n_features) is what the linear path
    reconstructs already, `targets` (batch, timesteps, n_features) the true window (training only). Only decoders that
    feed values back look at them; all return what is added to `base`.

    Examples
    --------
    The same line at every step:

    >>> import numpy as np
    >>> class Constant(Decoder):
    ...     def __init__(self, *args, **kwargs):
    ...         super().__init__(*args, **kwargs)
    ...         self.head = self._head()
    ...     def call(self, z, base=None, targets=None, training=None):
    ...         return ops.repeat(self.head(z)[:, None], self.timesteps, axis=1)
    >>> Constant(timesteps=10, n_outputs=3)(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 3])
    """

    name_: ClassVar[str] = ""

    def __init__(
        self,
        timesteps: int = 100,
        n_outputs: int = 1,
        *,
        units: int | Sequence[int] = (32,),
        seed: int = 0,
        zero_head: bool = False,
        **kwargs: Any,
    ):
        super().__init__(units=units, seed=seed, **kwargs)
        self.timesteps = int(timesteps)
        self.n_outputs = int(n_outputs)
        self.zero_head = bool(zero_head)

    def get_config(self) -> dict[str, Any]:
        config = {"timesteps": self.timesteps, "n_outputs": self.n_outputs, "zero_head": self.zero_head}
        return {**super().get_config(), **config}

    def _head(self, size: int | None = None) -> keras.layers.Dense:
        kernel = "zeros" if self.zero_head else _initializer("glorot", self.seed, 9_000)
        return keras.layers.Dense(size or self.n_outputs, kernel_initializer=kernel, name="head")

    def set_progress(self, share: float) -> None:
        """Hear how much of the training is done, from 0 to 1. Only scheduled sampling cares."""


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
class RepeatDecoder(Decoder):
    """z as the input of every step: the asker's RepeatVector, followed by LSTMs and a dense head per step.

    Examples
    --------
    >>> import numpy as np
    >>> RepeatDecoder(timesteps=10, n_outputs=3, units=(8,))(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 3])
    """

    name_ = "repeat"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        first = self._lstm(self.units[0], 0, cls=RepeatLSTM, timesteps=self.timesteps)
        rest = [self._lstm(size, i, return_sequences=True) for i, size in enumerate(self.units[1:], start=1)]
        self.stack = [first, *rest]
        self.head = self._head()

    def call(self, z: Any, base: Any = None, targets: Any = None, training: bool | None = None) -> Any:
        hidden = z
        for layer in self.stack:
            hidden = layer(hidden, training=training)
        return self.head(hidden)


class _StateMixin:
    """z sets the first state of every LSTM of the stack."""

    def _make_states(self) -> list[tuple[keras.layers.Dense, keras.layers.Dense]]:
        return [
            (self._dense(size, 100 + 2 * i, activation="tanh"), self._dense(size, 101 + 2 * i))  # type: ignore[attr-defined]
            for i, size in enumerate(self.units)  # type: ignore[attr-defined]
        ]


@keras.saving.register_keras_serializable("vaehelpers")
class StateDecoder(_StateMixin, Decoder):
    """z sets the initial state alone (Srivastava et al. 2015, unconditioned decoder).

    The input of every step is a constant one: with zeros the input kernel would never get a gradient.

    Examples
    --------
    >>> import numpy as np
    >>> StateDecoder(timesteps=10, n_outputs=3, units=(8,))(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 3])
    """

    name_ = "state"
    _repeat = False

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.repeat = keras.layers.RepeatVector(self.timesteps)
        states = self._make_states()
        self.first_output = [pair[0] for pair in states]
        self.first_carry = [pair[1] for pair in states]
        self.stack = [self._lstm(size, i, return_sequences=True) for i, size in enumerate(self.units)]
        self.head = self._head()

    def call(self, z: Any, base: Any = None, targets: Any = None, training: bool | None = None) -> Any:
        hidden = self.repeat(z if self._repeat else ops.ones_like(z[:, :1]))
        for layer, first_output, first_carry in zip(self.stack, self.first_output, self.first_carry, strict=True):
            hidden = layer(hidden, initial_state=[first_output(z), first_carry(z)], training=training)
        return self.head(hidden)


@keras.saving.register_keras_serializable("vaehelpers")
class RepeatStateDecoder(StateDecoder):
    """z sets the initial state and is the input of every step as well.

    Examples
    --------
    >>> import numpy as np
    >>> RepeatStateDecoder(timesteps=10, n_outputs=3, units=(8,))(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 3])
    """

    name_ = "repeat+state"
    _repeat = True


@keras.saving.register_keras_serializable("vaehelpers")
class FeedbackCell(keras.layers.Layer):
    """One step of `FeedbackDecoder`: an LSTM cell that reads the previous value, true or its own.

    Input per step: previous true value, base of this step, and 1 where the true value is to be read (else 0), each of
    shape (batch, n_features). States: output, carry, and the value emitted last.

    Parameters
    ----------
    units : int
        Size of the cell.
    n_features : int
        Variables of the series.
    n_outputs : int
        Channels per step; the first `n_features` of them are the value that is fed back.
    seed : int, default 0
        Of the initial weights.
    zero_head : bool, default False
        Start the head at zero.

    Examples
    --------
    >>> import numpy as np
    >>> cell = FeedbackCell(4, n_features=1, n_outputs=1)
    >>> state = [np.zeros((2, size), "float32") for size in cell.state_size]
    >>> emitted, state = cell(np.zeros((2, 3), "float32"), state)
    >>> emitted.shape, [part.shape[1] for part in state]
    (TensorShape([2, 1]), [4, 4, 1])
    """

    def __init__(
        self, units: int, n_features: int, n_outputs: int, *, seed: int = 0, zero_head: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.units, self.n_features, self.n_outputs = int(units), int(n_features), int(n_outputs)
        self.seed, self.zero_head = seed, zero_head
        self.cell = keras.layers.LSTMCell(
            self.units,
            kernel_initializer=_initializer("glorot", seed, 0),
            recurrent_initializer=_initializer("orthogonal", seed, 1),
        )
        kernel = "zeros" if zero_head else _initializer("glorot", seed, 9_000)
        self.head = keras.layers.Dense(self.n_outputs, kernel_initializer=kernel)
        self.state_size = [self.units, self.units, self.n_features]
        self.output_size = self.n_outputs

    def build(self, input_shape: Any) -> None:
        self.cell.build((None, self.n_features))
        self.head.build((None, self.units))
        self.built = True

    def call(self, inputs: Any, states: Any, training: bool | None = None) -> Any:
        true, base, use_true = ops.split(inputs, 3, axis=-1)
        previous = use_true * true + (1.0 - use_true) * states[2]
        hidden, (output, carry) = self.cell(previous, [states[0], states[1]])
        emitted = self.head(hidden)
        return emitted, [output, carry, emitted[:, : self.n_features] + base]

    def get_config(self) -> dict[str, Any]:
        config = {"units": self.units, "n_features": self.n_features, "n_outputs": self.n_outputs}
        return {**super().get_config(), **config, "seed": self.seed, "zero_head": self.zero_head}


@keras.saving.register_keras_serializable("vaehelpers")
class FeedbackDecoder(_StateMixin, Decoder):
    """z sets the state, the previous output is the next input (Fabius and van Amersfoort 2014; Malhotra et al. 2016).

    In training the true previous value is read with probability `teacher_forcing`, which falls linearly from 1 to
    `final_teacher_forcing` (scheduled sampling, Bengio et al. 2015); scoring runs freely on its own output.

    Parameters
    ----------
    n_features : int, optional
        Variables of the series; default `n_outputs`.
    final_teacher_forcing : float, default 0.0
        Probability at the end of the training. 1 keeps pure teacher forcing, and with it the exposure bias.

    Examples
    --------
    >>> import numpy as np
    >>> decoder = FeedbackDecoder(timesteps=10, n_outputs=3, units=(8,), final_teacher_forcing=0.5)
    >>> decoder(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 3])
    >>> decoder.set_progress(0.5)            # half of the training is done
    >>> round(float(decoder.teacher_forcing), 2)
    0.75
    """

    name_ = "feedback"

    def __init__(self, *args: Any, n_features: int | None = None, final_teacher_forcing: float = 0.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if len(self.units) != 1:
            raise InputError(f"units={self.units}: the feedback decoder has one layer; give one size")
        self.n_features = int(n_features or self.n_outputs)
        self.final_teacher_forcing = float(final_teacher_forcing)
        states = self._make_states()
        self.first_output, self.first_carry = states[0]
        cell = FeedbackCell(
            self.units[0], self.n_features, self.n_outputs, seed=self.seed, zero_head=self.zero_head, name="cell"
        )
        self.rnn = keras.layers.RNN(cell, return_sequences=True)
        self.noise = keras.random.SeedGenerator(self.seed)
        self.teacher_forcing = self.add_weight(shape=(), initializer="ones", trainable=False, name="teacher_forcing")

    def call(self, z: Any, base: Any = None, targets: Any = None, training: bool | None = None) -> Any:
        shape = (ops.shape(z)[0], self.timesteps, self.n_features)
        zeros = ops.zeros(shape, dtype=z.dtype)
        true, use_true = zeros, zeros
        if training and targets is not None:
            true = ops.concatenate([zeros[:, :1], targets[:, :-1]], axis=1)
            drawn = keras.random.uniform((shape[0], self.timesteps, 1), seed=self.noise, dtype=z.dtype)
            use_true = zeros + ops.cast(drawn < ops.cast(self.teacher_forcing, z.dtype), z.dtype)
        steps = ops.concatenate([true, zeros if base is None else base, use_true], axis=-1)
        return self.rnn(
            steps, initial_state=[self.first_output(z), self.first_carry(z), zeros[:, 0]], training=training
        )

    def set_progress(self, share: float) -> None:
        """Let the probability of reading the true value fall with the share of the training that is done."""
        self.teacher_forcing.assign(1.0 + (self.final_teacher_forcing - 1.0) * min(max(share, 0.0), 1.0))

    def get_config(self) -> dict[str, Any]:
        config = {"n_features": self.n_features, "final_teacher_forcing": self.final_teacher_forcing}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("vaehelpers")
class DenseDecoder(Decoder):
    """Dense layers to the whole window at once: the control without recurrence.

    Examples
    --------
    >>> import numpy as np
    >>> DenseDecoder(timesteps=10, n_outputs=3, units=(8,))(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 3])
    """

    name_ = "dense"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.stack = [self._dense(size, i, activation="tanh") for i, size in enumerate(self.units)]
        self.head = self._head(self.timesteps * self.n_outputs)

    def call(self, z: Any, base: Any = None, targets: Any = None, training: bool | None = None) -> Any:
        hidden = z
        for layer in self.stack:
            hidden = layer(hidden)
        return ops.reshape(self.head(hidden), (-1, self.timesteps, self.n_outputs))


ENCODERS: dict[str, type[Encoder]] = {
    block.name_: block for block in (LSTMEncoder, BidirectionalLSTMEncoder, GRUEncoder, ConvEncoder, DenseEncoder)
}
"""Encoders by the names that `LSTMVAE` and `Detector` take."""

DECODERS: dict[str, type[Decoder]] = {
    block.name_: block for block in (RepeatDecoder, StateDecoder, RepeatStateDecoder, FeedbackDecoder, DenseDecoder)
}
"""Decoders by the names that `LSTMVAE` and `Detector` take."""


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
    ['bilstm', 'conv', 'dense', 'gru', 'lstm']
    >>> type(make_encoder("gru", units=(8,))).__name__
    'GRUEncoder'
    """
    if isinstance(encoder, keras.layers.Layer):
        return encoder
    if encoder not in ENCODERS:
        raise InputError(f"encoder={encoder!r} is unknown; choose one of {', '.join(ENCODERS)}, or give a layer")
    return ENCODERS[encoder](units=units, seed=seed, name="encoder")


def make_decoder(
    decoder: str | keras.layers.Layer,
    *,
    timesteps: int,
    n_features: int,
    n_outputs: int,
    units: Sequence[int],
    seed: int = 0,
    zero_head: bool = False,
) -> keras.layers.Layer:
    """Return the decoder of that name, or the given layer itself.

    Parameters
    ----------
    decoder : str or keras.layers.Layer
        A key of `DECODERS`, or a layer of one's own, for which the sizes below do not count.
    timesteps, n_features : int
        Rows of a window and variables of the series.
    n_outputs : int
        Channels per step: `n_features` times what the likelihood needs for each.
    units : sequence of int
        Size of each layer, first to last.
    seed : int, default 0
        Of the initial weights.
    zero_head : bool, default False
        Start the last layer at zero.

    Raises
    ------
    InputError
        If the name is unknown.

    Examples
    --------
    >>> list(DECODERS)
    ['repeat', 'state', 'repeat+state', 'feedback', 'dense']
    >>> type(make_decoder("state", timesteps=10, n_features=1, n_outputs=1, units=(8,))).__name__
    'StateDecoder'
    """
    if isinstance(decoder, keras.layers.Layer):
        return decoder
    if decoder not in DECODERS:
        raise InputError(f"decoder={decoder!r} is unknown; choose one of {', '.join(DECODERS)}, or give a layer")
    more = {"n_features": n_features} if decoder == "feedback" else {}
    return DECODERS[decoder](timesteps, n_outputs, units=units, seed=seed, zero_head=zero_head, name="decoder", **more)
