"""Decoders: from a latent back to a window, with several ways to hand z to an LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from vaehelpers.common.errors import InputError
from vaehelpers.model.base import _Block, _initializer
from vaehelpers.model.layers import RepeatLSTM
from vaehelpers.model.own import _OwnDecoder


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
    layer_norm : bool, default False
        Normalise the outputs of each layer of the stack, over its units. After Ba et al. 2016, who do it before the
        nonlinearity.

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
        layer_norm: bool = False,
        **kwargs: Any,
    ):
        super().__init__(units=units, seed=seed, **kwargs)
        self.timesteps = int(timesteps)
        self.n_outputs = int(n_outputs)
        self.zero_head = bool(zero_head)
        self.layer_norm = bool(layer_norm)
        self.norms = [keras.layers.LayerNormalization(name=f"norm_{i}") for i in range(len(self.units) * layer_norm)]

    def get_config(self) -> dict[str, Any]:
        config = {"timesteps": self.timesteps, "n_outputs": self.n_outputs, "zero_head": self.zero_head}
        return {**super().get_config(), **config, "layer_norm": self.layer_norm}

    def _through_stack(self, hidden: Any, **options: Any) -> Any:
        """Through every layer of the stack, each followed by its normalisation where there is one."""
        for i, layer in enumerate(self.stack):
            hidden = layer(hidden, **options)
            hidden = self.norms[i](hidden) if self.norms else hidden
        return hidden

    def _head(self, size: int | None = None) -> keras.layers.Dense:
        kernel = "zeros" if self.zero_head else _initializer("glorot", self.seed, 9_000)
        return keras.layers.Dense(size or self.n_outputs, kernel_initializer=kernel, name="head")

    def set_progress(self, share: float) -> None:
        """Hear how much of the training is done, from 0 to 1. Only scheduled sampling cares."""


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
        return self.head(self._through_stack(z, training=training))


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
        for i, layer in enumerate(self.stack):
            states = [self.first_output[i](z), self.first_carry[i](z)]
            hidden = layer(hidden, initial_state=states, training=training)
            hidden = self.norms[i](hidden) if self.norms else hidden
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
        self, units: int, n_features: int, n_outputs: int, *, seed: int = 0, zero_head: bool = False, **kwargs: Any
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
        if self.layer_norm:
            raise InputError("layer_norm=True: the feedback decoder has none; leave it out, or use another decoder")
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
        return ops.reshape(self.head(self._through_stack(z)), (-1, self.timesteps, self.n_outputs))


@keras.saving.register_keras_serializable("vaehelpers")
class MixedDecoder(Decoder):
    """Dense layers to 8 values for each row, then from these to the variables of the row.

    Examples
    --------
    >>> import numpy as np
    >>> MixedDecoder(timesteps=10, n_outputs=40, units=(8,))(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 40])
    """

    name_ = "mixed"
    mixtures: ClassVar[int] = 8

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.stack = [self._dense(size, i, activation="tanh") for i, size in enumerate(self.units)]
        self.unfold = self._dense(self.timesteps * self.mixtures, 700)
        self.head = self._head()

    def call(self, z: Any, base: Any = None, targets: Any = None, training: bool | None = None) -> Any:
        vectors = self.unfold(self._through_stack(z))
        return self.head(ops.reshape(vectors, (-1, self.timesteps, self.mixtures)))


@keras.saving.register_keras_serializable("vaehelpers")
class UnfoldDecoder(Decoder):
    """z to one vector per step by dense layers, LSTMs over these vectors, and a head that reads both.

    With a repeated z the recurrence has to count the steps; here each step starts from a vector of its own, and the
    LSTM carries what neighbouring steps share. It is the best recurrent decoder on the tuning series (docs/tuning.md).
    With ``units=(u,)`` the first dense layer has 2 u units and the vectors u / 2.

    Examples
    --------
    >>> import numpy as np
    >>> UnfoldDecoder(timesteps=10, n_outputs=3, units=(8,))(np.zeros((2, 4), "float32")).shape
    TensorShape([2, 10, 3])
    """

    name_ = "unfold"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.width = max(1, self.units[0] // 2)
        self.first = self._dense(2 * self.units[0], 60, activation="tanh")
        self.unfold = self._dense(self.timesteps * self.width, 61, activation="tanh")
        self.stack = [self._lstm(size, 2 * i, return_sequences=True) for i, size in enumerate(self.units)]
        self.head = self._head()

    def call(self, z: Any, base: Any = None, targets: Any = None, training: bool | None = None) -> Any:
        vectors = ops.reshape(self.unfold(self.first(z)), (-1, self.timesteps, self.width))
        hidden = self._through_stack(vectors, training=training)
        return self.head(ops.concatenate([hidden, vectors], axis=-1))


DECODERS: dict[str, type[Decoder]] = {
    block.name_: block
    for block in (
        RepeatDecoder,
        StateDecoder,
        RepeatStateDecoder,
        FeedbackDecoder,
        DenseDecoder,
        MixedDecoder,
        UnfoldDecoder,
    )
}
"""Decoders by the names that `LSTMVAE` and `Detector` take."""


def make_decoder(
    decoder: str | keras.layers.Layer,
    *,
    timesteps: int,
    n_features: int,
    n_outputs: int,
    units: Sequence[int],
    seed: int = 0,
    zero_head: bool = False,
    layer_norm: bool = False,
) -> keras.layers.Layer:
    """Return the decoder of that name, or the given layer itself.

    Parameters
    ----------
    decoder : str or keras.layers.Layer
        A key of `DECODERS`, or a layer of one's own from z (batch, latent_dim) to (batch, timesteps, n_outputs).
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
    layer_norm : bool, default False
        Normalise the outputs of each layer of the stack.

    Raises
    ------
    InputError
        If the name is unknown, or the decoder has no normalisation.

    Examples
    --------
    >>> list(DECODERS)
    ['repeat', 'state', 'repeat+state', 'feedback', 'dense', 'mixed', 'unfold']
    >>> type(make_decoder("state", timesteps=10, n_features=1, n_outputs=1, units=(8,))).__name__
    'StateDecoder'
    """
    if isinstance(decoder, keras.layers.Layer) and layer_norm:
        raise InputError("layer_norm=True changes the decoders of this package; put the normalisation into your layer")
    if isinstance(decoder, Decoder):
        return decoder
    if isinstance(decoder, keras.layers.Layer):
        return _OwnDecoder(decoder, gate=zero_head, name="decoder")
    if not isinstance(decoder, str) or decoder not in DECODERS:
        raise InputError(f"decoder={decoder!r} is unknown; choose one of {', '.join(DECODERS)}, or give a layer")
    more = {"n_features": n_features} if decoder == "feedback" else {}
    return DECODERS[decoder](
        timesteps, n_outputs, units=units, seed=seed, zero_head=zero_head, layer_norm=layer_norm, name="decoder", **more
    )
