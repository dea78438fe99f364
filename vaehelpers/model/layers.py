"""Layers: the sampling step of a VAE, and an LSTM that is fast on a CPU.

Kingma, Welling (2014), "Auto-Encoding Variational Bayes", section 2.4: the reparameterization of `Sampling`.
Hochreiter, Schmidhuber (1997), "Long Short-Term Memory"; Gers et al. (2000): the cell of `FusedLSTM`.
Taught in 02_repeat_vector.ipynb (what feeds the decoder) and 03_sampling.ipynb (the noise).
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from vaehelpers.common.errors import InputError


def _broadcast_pair(mu: Any, log_var: Any) -> tuple[Any, Any]:
    mu, log_var = ops.convert_to_tensor(mu), ops.convert_to_tensor(log_var)
    if len(mu.shape) != len(log_var.shape) or any(
        a is not None and b is not None and a != b for a, b in zip(mu.shape, log_var.shape)
    ):
        raise InputError(
            f"mu has shape {tuple(mu.shape)} and log_var {tuple(log_var.shape)}; "
            "both must be (batch, latent_dim), or noise is silently shared between windows"
        )
    return mu, log_var


def sample_posterior(mu: Any, log_var: Any, *, samples: int, seed_generator: Any = None) -> Any:
    """Draw several latents for each window from q(z | window) = N(mu, exp(log_var)).

    Parameters
    ----------
    mu : array-like or tensor, shape (batch, latent_dim)
        Posterior mean.
    log_var : array-like or tensor, shape (batch, latent_dim)
        Log of the posterior variance (never of the standard deviation).
    samples : int
        Draws per window, at least 1.
    seed_generator : int or keras.random.SeedGenerator, optional
        Where the noise comes from. A generator moves on with each call, a number gives the same noise each time.
        Default: Keras's global generator (`keras.utils.set_random_seed`).

    Returns
    -------
    tensor, shape (samples, batch, latent_dim)

    Raises
    ------
    InputError
        If `samples` is below 1, or `mu` and `log_var` have different shapes.

    Notes
    -----
    The noise is independent between draws, windows and dimensions: z = mu + exp(log_var / 2) * eps
    (Kingma and Welling 2014, section 2.4). Taught in 03_sampling.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> z = sample_posterior(np.zeros((50, 2), "float32"), np.zeros((50, 2), "float32"), samples=400, seed_generator=0)
    >>> tuple(z.shape), round(float(np.std(z)), 1)
    ((400, 50, 2), 1.0)
    """
    if int(samples) != samples or samples < 1:
        raise InputError(f"samples={samples!r} must be a whole number of at least 1")
    mu, log_var = _broadcast_pair(mu, log_var)
    shape = (int(samples), *ops.shape(mu))
    noise = keras.random.normal(shape, dtype=mu.dtype, seed=seed_generator)
    return mu + ops.exp(0.5 * log_var) * noise


@keras.saving.register_keras_serializable("vaehelpers")
class Sampling(keras.layers.Layer):
    """Draw z from q(z | window) = N(mu, exp(log_var)) by the reparameterization trick.

    The noise has the shape of the batch that comes in, whatever its size, so the last, smaller batch works, and no two
    windows share their noise.

    Parameters
    ----------
    seed : int, optional
        Of the noise. Default: drawn at random, once, by Keras (`keras.utils.set_random_seed` fixes it).
    **kwargs
        As for `keras.layers.Layer`.

    Notes
    -----
    Call it with ``[mu, log_var]``, each (batch, latent_dim). ``training=True`` samples, anything else returns mu, so
    `predict` and `evaluate` are deterministic. `sample_posterior` samples at any time.
    Source: Kingma and Welling (2014), section 2.4. Taught in 03_sampling.ipynb.

    Raises
    ------
    InputError
        If it is not given two tensors of one shape. Broadcasting (50, 1) noise against (50, 8) is the classic fault.

    Examples
    --------
    >>> import numpy as np
    >>> mu, log_var = np.ones((43, 2), "float32"), np.full((43, 2), -9.0, "float32")
    >>> sampling = Sampling(seed=0)
    >>> bool((sampling([mu, log_var]) == mu).numpy().all())
    True
    >>> z = sampling([mu, log_var], training=True)
    >>> tuple(z.shape), round(float(np.mean(z)), 1)
    ((43, 2), 1.0)
    """

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return z, (batch, latent_dim): a draw when training, mu otherwise."""
        if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
            raise InputError("Sampling reads a pair: Sampling()([mu, log_var])")
        mu, log_var = _broadcast_pair(*inputs)
        if not training:
            return mu
        noise = keras.random.normal(ops.shape(mu), dtype=mu.dtype, seed=self.seed_generator)
        return mu + ops.exp(0.5 * log_var) * noise

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_splits() -> int:
    """Return into how many parts `FusedLSTM` splits a batch: one per core, or per inter-op thread where fewer are set.

    Returns
    -------
    int
        1 to 16: parts of a few rows are slower than they are many.

    Notes
    -----
    Measured by benchmarks/speed.py.

    Examples
    --------
    >>> 1 <= default_splits() <= 16
    True
    """
    threads = tf.config.threading.get_inter_op_parallelism_threads()
    return max(1, min(_cores(), threads or _cores(), 16))


def use_threads(threads: int | None = None) -> bool:
    """Set TensorFlow's threads as `FusedLSTM` likes them: one for each operation, `threads` operations side by side.

    Parameters
    ----------
    threads : int, optional
        Default: the number of cores that this process may use.

    Returns
    -------
    bool
        False if TensorFlow has started already; its settings then stay as they are. Call it first thing in a program.

    Notes
    -----
    The kernels of a small LSTM are too short to be shared between threads; two halves of a batch side by side are not.
    Leave oneDNN on as well: with ``TF_ENABLE_ONEDNN_OPTS=0`` in the environment the fused kernel takes a third longer.

    Examples
    --------
    >>> _ = tf.constant(1.0) + 1.0  # TensorFlow has started: too late
    >>> use_threads(tf.config.threading.get_inter_op_parallelism_threads() + 1)
    False
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(int(threads or _cores()))
    except RuntimeError:
        return False
    return True


def _block(x: Any, h0: Any, c0: Any, weights: Any, bias: Any) -> Any:
    peephole = tf.zeros_like(bias[: h0.shape[-1]])
    return tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.shape(x, out_type=tf.int64)[0],
        x=x,
        cs_prev=c0,
        h_prev=h0,
        w=weights,
        wci=peephole,
        wcf=peephole,
        wco=peephole,
        b=bias,
        cell_clip=0.0,  # off
        use_peephole=False,
    )


@tf.custom_gradient
def _lstm_part(x: Any, h0: Any, c0: Any, weights: Any, bias: Any) -> Any:
    """One part of a batch, time-major: outputs (T, B, u) and carries (T, B, u)."""
    out = _block(x, h0, c0, weights, bias)

    def gradient(d_outputs: Any, d_carries: Any) -> Any:
        peephole = tf.zeros_like(bias[: h0.shape[-1]])
        # TensorFlow's own registered gradient of this op calls BlockLSTMGrad, whose gates stand in another order
        grads = tf.raw_ops.BlockLSTMGradV2(
            seq_len_max=tf.shape(x, out_type=tf.int64)[0],
            x=x,
            cs_prev=c0,
            h_prev=h0,
            w=weights,
            wci=peephole,
            wcf=peephole,
            wco=peephole,
            b=bias,
            i=out.i,
            cs=out.cs,
            f=out.f,
            o=out.o,
            ci=out.ci,
            co=out.co,
            h=out.h,
            cs_grad=d_carries,
            h_grad=d_outputs,
            use_peephole=False,
        )
        # for an empty part the op leaves these two uninitialized
        some = tf.shape(x)[1] > 0
        d_weights = tf.where(some, grads.w_grad, tf.zeros_like(weights))
        d_bias = tf.where(some, grads.b_grad, tf.zeros_like(bias))
        return grads.x_grad, grads.h_prev_grad, grads.cs_prev_grad, d_weights, d_bias

    return (out.h, out.cs), gradient


def _stack(kernel: Any, recurrent_kernel: Any) -> Any:
    """Kernel over recurrent kernel, (features + units, 4 units), with features made even.

    The op is slow, and says so on stderr, where features and batch are both odd.
    """
    rows = [tf.convert_to_tensor(kernel), tf.convert_to_tensor(recurrent_kernel)]
    if rows[0].shape[0] % 2:
        rows.insert(1, tf.zeros_like(rows[1][:1]))
    return tf.concat(rows, axis=0)


def _even(inputs: Any) -> Any:
    return tf.pad(inputs, [[0, 0], [0, 0], [0, 1]]) if inputs.shape[-1] % 2 else inputs


def _bounds(batch: Any, splits: int) -> list[Any]:
    return [k * batch // splits for k in range(splits + 1)]


def fused_lstm(
    inputs: Any,
    h0: Any,
    c0: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    splits: int | None = None,
) -> tuple[Any, Any, Any]:
    """Run an LSTM over time-major inputs with TensorFlow's fused CPU kernel.

    Parameters
    ----------
    inputs : tensor, shape (timesteps, batch, features), float32
        Time on the first axis.
    h0, c0 : tensor, shape (batch, units), float32
        Output and carry before the first step.
    kernel : tensor, shape (features, 4 * units)
        Keras's own kernel; gates in Keras's order: input, forget, cell, output.
    recurrent_kernel : tensor, shape (units, 4 * units)
        Keras's own recurrent kernel.
    bias : tensor, shape (4 * units,)
        Keras's own bias; it includes what `unit_forget_bias` added.
    splits : int, optional
        Into how many parts to split the batch, to run side by side in a graph. Default: `default_splits` in a graph,
        1 when run eagerly, where operations wait for each other. Uneven parts and tiny batches are fine.

    Returns
    -------
    outputs : tensor, shape (timesteps, batch, units)
    last_output : tensor, shape (batch, units)
    last_carry : tensor, shape (batch, units)

    Notes
    -----
    CPU only, not under XLA (``jit_compile=True``). Differentiable once in all six tensors.
    What is not used of the results costs nothing in a graph.

    Examples
    --------
    >>> import numpy as np
    >>> layer = keras.layers.LSTM(4, return_sequences=True)
    >>> x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32")
    >>> expected = layer(x)
    >>> state = tf.zeros((5, 4))
    >>> outputs, last, carry = fused_lstm(tf.transpose(x, (1, 0, 2)), state, state, *layer.weights)
    >>> bool(np.allclose(tf.transpose(outputs, (1, 0, 2)), expected, atol=1e-6))
    True
    """
    inputs, h0, c0 = _even(tf.convert_to_tensor(inputs)), tf.convert_to_tensor(h0), tf.convert_to_tensor(c0)
    weights = _stack(kernel, recurrent_kernel)
    bias = tf.convert_to_tensor(bias)
    splits = _splits_of(splits, inputs.shape[1])
    if splits == 1:
        outputs, carries = _lstm_part(inputs, h0, c0, weights, bias)
        return outputs, outputs[-1], carries[-1]
    edges = _bounds(tf.shape(inputs)[1], splits)
    parts = [
        _lstm_part(inputs[:, first:last], h0[first:last], c0[first:last], weights, bias)
        for first, last in itertools.pairwise(edges)
    ]
    outputs = tf.concat([part for part, _ in parts], axis=1)
    return outputs, outputs[-1], tf.concat([carries[-1] for _, carries in parts], axis=0)


def _splits_of(splits: int | None, batch: int | None) -> int:
    if splits is None:
        splits = 1 if tf.executing_eagerly() else default_splits()
    if int(splits) != splits or splits < 1:
        raise InputError(f"splits={splits!r} must be a whole number of at least 1")
    return max(1, min(int(splits), batch)) if batch is not None else int(splits)


# outside training nobody needs the seven arrays (T, B, u) of the op again: in stretches of a few steps they stay in the
# cache and in a tenth of the memory; 10 to 20% faster from 128 rows on, and no slower below
_STRETCH = 10


_MOST_STRETCHES = 20


def _stretches(x: Any) -> list[Any]:
    steps = x.shape[0]
    if steps is None or steps < 2 * _STRETCH:
        return [x]
    length = max(_STRETCH, math.ceil(steps / _MOST_STRETCHES))
    return [x[first : first + length] for first in range(0, steps, length)]


def _batch_major(
    make_inputs: Callable[[slice], Any],
    batch: Any,
    static_batch: int | None,
    states: Any,
    weights: tuple[Any, Any],
    splits: int | None,
    *,
    sequences: bool,
    training: bool | None,
) -> tuple[Any, Any, Any]:
    """Run parts of a batch, each with its own transposes, and join them along the batch.

    `make_inputs(rows)` gives the time-major inputs of a slice of the batch. Returns last output (B, u), outputs
    (B, T, u), or (B, 1, u) without `sequences`, and last carry (B, u).
    """
    splits = _splits_of(splits, static_batch)
    edges = _bounds(batch, splits)
    outputs, last_outputs, last_carries = [], [], []
    for first, last in itertools.pairwise(edges):
        rows = slice(None) if splits == 1 else slice(first, last)
        x, (h, c) = make_inputs(rows), (state[rows] for state in states)
        pieces = []
        for piece in [x] if training else _stretches(x):
            out, carries = _lstm_part(piece, h, c, *weights)
            h, c = out[-1], carries[-1]
            if sequences:
                pieces.append(tf.transpose(out, (1, 0, 2)))
        outputs.append(pieces[0] if len(pieces) == 1 else tf.concat(pieces or [h[:, tf.newaxis]], axis=1))
        last_outputs.append(h)
        last_carries.append(c)
    if splits == 1:
        return last_outputs[0], outputs[0], last_carries[0]
    return tf.concat(last_outputs, axis=0), tf.concat(outputs, axis=0), tf.concat(last_carries, axis=0)


def _gpu_visible() -> bool:
    return bool(tf.config.get_visible_devices("GPU"))


@keras.saving.register_keras_serializable("vaehelpers")
class FusedLSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, several times faster on a CPU: same parameters, weights, results and saved form.

    Parameters
    ----------
    units : int
        Size of the output.
    splits : int, optional
        Into how many parts a batch is split, to run side by side in a graph. Default: `default_splits`. A property of
        the machine, so not part of the config.
    **kwargs
        As for `keras.layers.LSTM`.

    Notes
    -----
    Where it can, it calls TensorFlow's fused kernel ``BlockLSTMV2`` on one part of the batch per core; Keras's own
    layer runs a loop of small operations there. Else it is Keras's own layer: with a GPU visible (cuDNN is better
    there), with a mask, with dropout in training, with other activations than tanh and sigmoid, with ``unroll=True``
    or ``use_cudnn=True``, and in other precisions than float32.

    A trained Keras model is converted by `keras.models.clone_model` with a ``clone_function`` that returns
    ``FusedLSTM.from_config(layer.get_config())`` for each LSTM, then ``set_weights``.

    The kernel does not compile under XLA. ``model.compile`` notices by itself; do not pass ``jit_compile=True`` to
    ``tf.function``. Measured beside Keras and PyTorch by benchmarks/speed.py; taught in 02_repeat_vector.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> stock, fused = keras.layers.LSTM(8), FusedLSTM(8)
    >>> x = np.random.default_rng(0).normal(size=(5, 20, 3)).astype("float32")
    >>> expected = stock(x)
    >>> fused.build(x.shape)
    >>> fused.set_weights(stock.get_weights())
    >>> bool(np.allclose(fused(x), expected, atol=1e-6))
    True
    """

    def __init__(self, units: int, *args: Any, splits: int | None = None, **kwargs: Any):
        super().__init__(units, *args, **kwargs)
        self.splits = splits
        # the fused kernel cannot be compiled by XLA; Keras then chooses jit_compile=False by itself
        self.supports_jit = False

    def _can_fuse(self, sequences: Any, mask: Any, training: bool | None) -> bool:
        cell = self.cell
        return (
            mask is None
            and cell.activation is keras.activations.tanh
            and cell.recurrent_activation is keras.activations.sigmoid
            and not self.unroll
            and self.use_cudnn is not True
            and not (training and (self.dropout or self.recurrent_dropout))
            and keras.backend.standardize_dtype(sequences.dtype) == "float32"
            and cell.compute_dtype == "float32"
            and not _gpu_visible()
        )

    def _stacked(self) -> tuple[Any, Any]:
        """Kernel over recurrent kernel (features + units, 4 units), and bias (4 units,)."""
        cell = self.cell
        weights = _stack(cell.kernel, cell.recurrent_kernel)
        bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else tf.zeros((4 * cell.units,))
        return weights, bias

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool | None = False) -> Any:
        """Return last output (B, u), outputs (B, T, u) and the last states, as `keras.layers.RNN` asks for them."""
        flat_mask = keras.tree.flatten(mask)[0] if keras.tree.is_nested(mask) else mask
        if not self._can_fuse(sequences, flat_mask, training):
            return super().inner_loop(sequences, initial_state, mask, training=training)

        def make_inputs(rows: slice) -> Any:
            part = _even(tf.transpose(sequences[rows], (1, 0, 2)))
            return tf.reverse(part, [0]) if self.go_backwards else part

        last_output, outputs, last_carry = _batch_major(
            make_inputs,
            tf.shape(sequences)[0],
            sequences.shape[0],
            initial_state,
            self._stacked(),
            self.splits,
            sequences=self.return_sequences,
            training=training,
        )
        return last_output, outputs, [last_output, last_carry]


@keras.saving.register_keras_serializable("vaehelpers")
class RepeatLSTM(FusedLSTM):
    """`RepeatVector(timesteps)` and `LSTM` in one: the decoder that reads the same z at each step.

    Parameters
    ----------
    units : int
        Size of the output.
    timesteps : int
        How often the vector is repeated.
    **kwargs
        As for `keras.layers.LSTM`, `return_sequences=True` by default.

    Notes
    -----
    Reads (batch, latent_dim), returns (batch, timesteps, units). Same weights as the pair of Keras layers.
    Taught in 02_repeat_vector.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> RepeatLSTM(8, timesteps=100)(np.zeros((50, 2), "float32")).shape
    TensorShape([50, 100, 8])
    """

    def __init__(self, units: int, timesteps: int, *, return_sequences: bool = True, **kwargs: Any):
        if int(timesteps) != timesteps or timesteps < 1:
            raise InputError(f"timesteps={timesteps!r} must be a whole number of at least 1")
        super().__init__(units, return_sequences=return_sequences, **kwargs)
        self.timesteps = int(timesteps)
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        batch, features = sequences_shape
        super().build((batch, self.timesteps, features), initial_state_shape)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, features = sequences_shape
        return super().compute_output_shape((batch, self.timesteps, features), initial_state_shape)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = False) -> Any:
        """Return (batch, timesteps, units), or what the flags of `keras.layers.LSTM` ask for."""
        if self.stateful or not self._can_fuse(sequences, None, training):
            repeated = ops.repeat(sequences[:, None, :], self.timesteps, axis=1)
            return super().call(repeated, initial_state=initial_state, training=training)
        batch = tf.shape(sequences)[0]
        if initial_state is None:
            initial_state = self.get_initial_state(batch_size=batch)
        last_output, outputs, last_carry = _batch_major(
            # time-major from the start: neither (batch, timesteps, features) nor its gradient is ever transposed
            lambda rows: _even(tf.repeat(sequences[tf.newaxis, rows], self.timesteps, axis=0)),
            batch,
            sequences.shape[0],
            [ops.cast(state, "float32") for state in initial_state],
            self._stacked(),
            self.splits,
            sequences=self.return_sequences,
            training=training,
        )
        output = outputs if self.return_sequences else last_output
        return (output, last_output, last_carry) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "timesteps": self.timesteps}
