"""`LSTMVAE`: the asker's model done right, as one serializable Keras model.

Kingma and Welling 2014 (VAE), Rybkin et al. 2021 (sigma-VAE), Tipping and Bishop 1999 and Lucas et al. 2019 (the linear
path starts at probabilistic PCA, the linear VAE's own optimum). Lessons: notebooks/00_start_here.ipynb, 04_loss.ipynb
and 05_latent_bottleneck.ipynb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from vaehelpers.common.errors import InputError
from vaehelpers.model.decoders import make_decoder
from vaehelpers.model.elbo import free_bits, kl_per_dimension
from vaehelpers.model.encoders import make_encoder
from vaehelpers.model.layers import Sampling
from vaehelpers.model.likelihoods import Likelihood, get_likelihood
from vaehelpers.model.own import check_own_blocks

# exp(-16) and exp(8) as variances: beyond them float32 has nothing left to say and gradients overflow
_LOG_VAR_RANGE = (-16.0, 8.0)


class Terms(NamedTuple):
    """What one pass through the model yields; see `LSTMVAE.terms`."""

    nll: Any
    """Negative log-likelihood per value, (batch, timesteps, n_features), in nats; 0 where masked."""
    kl: Any
    """KL divergence per latent dimension, (batch, latent_dim), in nats."""
    mu: Any
    """Posterior mean, (batch, latent_dim)."""
    log_var: Any
    """Log of the posterior variance, (batch, latent_dim)."""
    z: Any
    """The latent that was decoded, (batch, latent_dim)."""
    outputs: Any
    """Decoder outputs, (batch, timesteps, n_features * likelihood.n_outputs)."""


@keras.saving.register_keras_serializable("vaehelpers")
class LSTMVAE(keras.Model):
    """Variational autoencoder over windows of a time series.

    ``mu = W x + head(encoder(x))`` and ``reconstruction = V z + head(decoder(z))``: a linear path and a recurrent one,
    added. Without the linear path it is the plain LSTM-VAE of the question.

    Parameters
    ----------
    timesteps : int, default 100
        Length of a window, in rows.
    n_features : int, default 1
        Variables of the series.
    latent_dim : int, default 8
        Size of the latent vector z.
    units : int or sequence of int, default 32
        Sizes of the encoder's layers; the decoder takes them in reverse.
    encoder : {"lstm", "bilstm", "gru", "conv", "dense", "mixed"} or keras.layers.Layer, default "lstm"
        A layer of your own takes windows (batch, timesteps, n_features) and returns one vector for each, (batch, k).
    decoder : str or keras.layers.Layer, default "repeat"
        "repeat", "state", "repeat+state", "feedback", "unfold", "dense" or "mixed".
        A layer of your own takes z (batch, latent_dim) and returns (batch, timesteps, n_outputs), where n_outputs is
        n_features (twice that for likelihoods that learn a scale per value). If its `call` has arguments `base` or
        `targets`, it gets the linear path's reconstruction and, in training, the true windows. With a linear path its
        outputs are multiplied by a weight that starts at 0, so that training starts from probabilistic PCA. Layers are
        used as they are, not copied: give each model its own. With `patch`, both see patches instead of rows.
    likelihood : str or Likelihood, default "gaussian"
        "gaussian", "gaussian-fixed", "gaussian-learned", "student-t", "laplace", a name of your own
        (`register_likelihood`), or the object itself. The default is the sigma-VAE: one noise variance per variable,
        set to its optimum at each step.
    linear_path : bool, default True
        Add the linear path. `start_from_pca` sets it to probabilistic PCA.
    patch : int, default 1
        Rows that a recurrent block reads, and writes, in one step: with 8 a window of 400 rows is 50 steps long. That
        is eight times fewer steps to compute and to carry a gradient through (segments: Lin et al. 2023, SegRNN;
        patches: Nie et al. 2023). The last patch is filled up with zeros.
    layer_norm : bool, default False
        Normalise the outputs of each layer of the decoder's stack, over its units. After Ba et al. 2016, who do it
        before the nonlinearity.
    free_bits : float, default 0.0
        Nats of KL per dimension that cost nothing in training (Kingma et al. 2016).
    seed : int, default 0
        Of the initial weights and the sampling noise.

    Notes
    -----
    The loss is the negative ELBO: the NLL summed over time and variables plus beta times the KL summed over latent
    dimensions, averaged over the batch, then divided by timesteps * n_features so that the numbers do not depend on
    the window's size. `beta` is a non-trainable weight (1.0) that `vaehelpers.training` warms up.

    Inputs are windows (batch, timesteps, n_features) without NaN, or a tuple (windows, mask) with 1 where observed.

    Examples
    --------
    >>> import numpy as np
    >>> model = LSTMVAE(timesteps=20, latent_dim=2, units=8)
    >>> windows = np.random.default_rng(0).normal(size=(50, 20, 1)).astype("float32")
    >>> mu, log_var = model.encode(windows)
    >>> mu.shape, model(windows).shape
    (TensorShape([50, 2]), TensorShape([50, 20, 1]))
    """

    def __init__(
        self,
        timesteps: int = 100,
        n_features: int = 1,
        latent_dim: int = 8,
        *,
        units: int | Sequence[int] = 32,
        encoder: str | keras.layers.Layer = "lstm",
        decoder: str | keras.layers.Layer = "repeat",
        likelihood: str | dict[str, Any] | Likelihood = "gaussian",
        linear_path: bool = True,
        patch: int = 1,
        layer_norm: bool = False,
        free_bits: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        sizes = {"timesteps": timesteps, "n_features": n_features, "latent_dim": latent_dim, "patch": patch}
        for name, value in sizes.items():
            if int(value) != value or value < 1:
                raise InputError(f"{name}={value!r} must be a whole number of at least 1")
        self.timesteps, self.n_features, self.latent_dim = int(timesteps), int(n_features), int(latent_dim)
        self.patch = int(patch)
        if self.patch > self.timesteps:
            raise InputError(f"patch={patch} is longer than a window (timesteps={timesteps}); use at most {timesteps}")
        self.units = (int(units),) if isinstance(units, (int, np.integer)) else tuple(int(size) for size in units)
        self.likelihood = get_likelihood(likelihood)
        self.linear_path, self.layer_norm = bool(linear_path), bool(layer_norm)
        self.free_bits = float(free_bits)
        self.seed = int(seed)
        self._blocks_given = {"encoder": encoder, "decoder": decoder}
        self.encoder = make_encoder(encoder, units=self.units, seed=self.seed)
        self.decoder = make_decoder(
            decoder,
            timesteps=-(-self.timesteps // self.patch),
            n_features=self.patch * self.n_features,
            n_outputs=self.patch * self.n_features * self.likelihood.n_outputs,
            units=self.units[::-1],
            seed=self.seed + 1,
            zero_head=self.linear_path,
            layer_norm=self.layer_norm,
        )
        first = "zeros" if self.linear_path else keras.initializers.GlorotUniform(seed=self.seed * 1_000 + 7)
        self.mu_head = keras.layers.Dense(self.latent_dim, kernel_initializer=first, name="mu")
        self.log_var_head = keras.layers.Dense(self.latent_dim, kernel_initializer="zeros", name="log_var")
        self.sampling = Sampling(seed=self.seed, name="sampling")
        if self.linear_path:
            flat = self.timesteps * self.n_features
            orthogonal = keras.initializers.Orthogonal(seed=self.seed * 1_000 + 8)
            self.linear_encoder = keras.layers.Dense(
                self.latent_dim, kernel_initializer=orthogonal, name="linear_encoder"
            )
            self.linear_decoder = keras.layers.Dense(flat, kernel_initializer=orthogonal, name="linear_decoder")
        self.log_scale = self.add_weight(
            shape=(self.n_features,), initializer="zeros", trainable=False, name="log_scale"
        )
        self.beta = self.add_weight(shape=(), initializer="ones", trainable=False, name="beta")
        self._trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "nll", "kl")}
        if not (isinstance(encoder, str) and isinstance(decoder, str)):
            count, width = -(-self.timesteps // self.patch), self.patch * self.n_features
            check_own_blocks(
                self.encoder, self.decoder, windows=ops.zeros((2, count, width)), z=ops.zeros((2, self.latent_dim)),
                outputs=(count, width * self.likelihood.n_outputs),
            )  # fmt: skip
        self(np.zeros((1, self.timesteps, self.n_features), "float32"))  # builds every weight

    # -- passes ---------------------------------------------------------------------------------------------------

    def encode(self, windows: Any, training: bool | None = None) -> tuple[Any, Any]:
        """Return mean and log-variance of the posterior q(z | window), each (batch, latent_dim)."""
        windows = self._checked(windows)
        summary = self.encoder(self._to_patches(windows), training=training)
        mu, log_var = self.mu_head(summary), self.log_var_head(summary)
        if self.linear_path:
            mu = mu + self.linear_encoder(ops.reshape(windows, (-1, self.timesteps * self.n_features)))
        return mu, ops.clip(log_var, *_LOG_VAR_RANGE)

    def decode(self, z: Any, *, targets: Any = None, training: bool | None = None) -> Any:
        """Return the decoder's outputs (batch, timesteps, n_features * likelihood.n_outputs); `mean` reads them.

        `targets` are the true windows; only the feedback decoder looks at them, in training.
        """
        z = ops.convert_to_tensor(z, dtype=self.compute_dtype)
        if z.shape[-1] != self.latent_dim:
            raise InputError(f"z has {z.shape[-1]} columns; this model's latent_dim is {self.latent_dim}")
        if targets is not None:
            targets = self._to_patches(targets)
        if not self.linear_path:
            return self._to_rows(self.decoder(z, targets=targets, training=training))
        base = ops.reshape(self.linear_decoder(z), (-1, self.timesteps, self.n_features))
        outputs = self._to_rows(self.decoder(z, base=self._to_patches(base), targets=targets, training=training))
        if self.likelihood.n_outputs > 1:
            rest = self.n_features * (self.likelihood.n_outputs - 1)
            base = ops.pad(base, [[0, 0], [0, 0], [0, rest]])
        return outputs + base

    def _to_patches(self, windows: Any) -> Any:
        """(batch, timesteps, k) -> (batch, patches, patch * k), the last one filled up with zeros."""
        if self.patch == 1:
            return windows
        count, k = -(-self.timesteps // self.patch), windows.shape[2]
        missing = count * self.patch - self.timesteps
        if missing:
            windows = ops.pad(windows, [[0, 0], [0, missing], [0, 0]])
        return ops.reshape(windows, (-1, count, self.patch * k))

    def _to_rows(self, outputs: Any) -> Any:
        """(batch, patches, n_outputs * patch * n_features) -> (batch, timesteps, n_outputs * n_features)."""
        if self.patch == 1:
            return outputs
        count, kinds = -(-self.timesteps // self.patch), self.likelihood.n_outputs
        if kinds > 1:  # within a patch all means come first, so that a decoder can feed them back
            outputs = ops.reshape(outputs, (-1, count, kinds, self.patch, self.n_features))
            outputs = ops.transpose(outputs, (0, 1, 3, 2, 4))
        outputs = ops.reshape(outputs, (-1, count * self.patch, kinds * self.n_features))
        return outputs[:, : self.timesteps]

    def mean(self, outputs: Any) -> Any:
        """Return the reconstruction (batch, timesteps, n_features) out of the decoder's outputs."""
        return self.likelihood.mean(outputs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the reconstruction of each window, (batch, timesteps, n_features).

        Samples z when ``training=True``, else decodes the posterior mean.
        """
        windows, _ = _split(inputs)
        windows = self._checked(windows)
        mu, log_var = self.encode(windows, training=training)
        z = self.sampling([mu, log_var], training=training)
        return self.mean(self.decode(z, targets=windows if training else None, training=training))

    def terms(self, windows: Any, mask: Any = None, *, training: bool = False, z: Any = None) -> Terms:
        """Run the model and return every term of the ELBO.

        Parameters
        ----------
        windows : array-like or tensor, shape (batch, timesteps, n_features)
            Without NaN: missing values filled, and marked in `mask`.
        mask : array-like or tensor, same shape, optional
            1 where observed, 0 where missing.
        training : bool, default False
            Sample z and use the batch's own optimal scale. Else decode the posterior mean with the stored scale.
        z : tensor, shape (batch, latent_dim), optional
            Decode this latent.

        Returns
        -------
        Terms
        """
        windows = self._checked(windows)
        mu, log_var = self.encode(windows, training=training)
        if z is None:
            z = self.sampling([mu, log_var], training=training)
        outputs = self.decode(z, targets=windows if training else None, training=training)
        log_scale: Any = self.log_scale
        if training:
            best = self.likelihood.optimal_log_scale(windows, outputs, mask)
            if best is not None:
                log_scale = ops.stop_gradient(ops.broadcast_to(best, (self.n_features,)))
                self.log_scale.assign(0.98 * self.log_scale + 0.02 * log_scale)
        nll = self.likelihood.nll(windows, outputs, mask=mask, log_scale=log_scale)
        return Terms(nll, kl_per_dimension(mu, log_var), mu, log_var, z, outputs)

    def loss_terms(self, terms: Terms) -> tuple[Any, Any, Any]:
        """Return loss, NLL and KL of a batch, each a scalar in nats per value of the window."""
        values = self.timesteps * self.n_features
        nll = ops.mean(ops.sum(terms.nll, axis=(1, 2))) / values
        kl = ops.mean(ops.sum(terms.kl, axis=1)) / values
        paid = kl
        if self.free_bits > 0:
            paid = ops.sum(free_bits(terms.kl, self.free_bits)) / values
        return nll + self.beta * paid, nll, kl

    # -- starting point -------------------------------------------------------------------------------------------

    def start_from_pca(self, windows: ArrayLike) -> LSTMVAE:
        """Set the linear path, the posterior's variance and the scale to probabilistic PCA of these windows.

        With the recurrent heads at zero the model then *is* probabilistic PCA, whose ELBO is the exact log-likelihood;
        training can only improve on it (Tipping and Bishop 1999; Lucas et al. 2019).

        Parameters
        ----------
        windows : array-like, shape (n_windows, timesteps, n_features)
            A sample of the training windows; a few thousand are plenty.

        Returns
        -------
        LSTMVAE
            Itself.

        Raises
        ------
        InputError
            If the model has no linear path.
        """
        from sklearn.decomposition import PCA

        if not self.linear_path:
            raise InputError("linear_path=False: there is no linear path to start; build LSTMVAE(linear_path=True)")
        flat = np.asarray(self._checked(windows)).reshape(len(np.asarray(windows)), -1).astype(np.float64)
        width = flat.shape[1]
        d = min(self.latent_dim, len(flat) - 1, width - 1)
        if d < 1:
            raise InputError(f"{len(flat)} windows of {width} values are too few for PCA; give at least 2 of each")
        solver = "full" if width <= 500 else "randomized"
        pca = PCA(d, svd_solver=solver, random_state=self.seed).fit(flat)
        total = flat.var(axis=0, ddof=1).sum()
        noise = max((total - pca.explained_variance_.sum()) / (width - d), 1e-6)
        variance = np.maximum(pca.explained_variance_, noise * (1 + 1e-6))
        loading = np.sqrt(variance - noise)[:, None] * pca.components_  # (d, width)
        encoder = np.zeros((width, self.latent_dim), np.float32)
        decoder = np.zeros((self.latent_dim, width), np.float32)
        log_var = np.zeros(self.latent_dim, np.float32)
        encoder[:, :d] = (loading / variance[:, None]).T
        decoder[:d] = loading
        log_var[:d] = np.log(noise / variance)
        self.linear_encoder.set_weights([encoder, -(pca.mean_ @ encoder).astype(np.float32)])
        self.linear_decoder.set_weights([decoder, pca.mean_.astype(np.float32)])
        self.log_var_head.set_weights([np.zeros_like(self.log_var_head.get_weights()[0]), log_var])
        self.log_scale.assign(np.full(self.n_features, 0.5 * np.log(noise), np.float32))
        return self

    # -- keras.Model.fit ------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        return list(self._trackers.values())

    def train_step(self, data: Any) -> dict[str, Any]:
        windows, mask = _split(data)
        with tf.GradientTape() as tape:
            values = self.loss_terms(self.terms(windows, mask, training=True))
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(values[0], weights), weights))
        return self._track(values)

    def test_step(self, data: Any) -> dict[str, Any]:
        windows, mask = _split(data)
        return self._track(self.loss_terms(self.terms(windows, mask)))

    def _track(self, values: Sequence[Any]) -> dict[str, Any]:
        for tracker, value in zip(self._trackers.values(), values, strict=True):
            tracker.update_state(value)
        return {name: tracker.result() for name, tracker in self._trackers.items()}

    def _checked(self, windows: Any) -> Any:
        windows = ops.convert_to_tensor(windows, dtype=self.compute_dtype)
        if len(windows.shape) != 3 or tuple(windows.shape[1:]) != (self.timesteps, self.n_features):
            raise InputError(
                f"windows have shape {tuple(windows.shape)}; "
                f"this model reads (batch, {self.timesteps}, {self.n_features})"
            )
        return windows

    def get_config(self) -> dict[str, Any]:
        blocks = {
            name: given if isinstance(given, str) else keras.saving.serialize_keras_object(given)
            for name, given in self._blocks_given.items()
        }
        return {
            **super().get_config(),
            "timesteps": self.timesteps,
            "n_features": self.n_features,
            "latent_dim": self.latent_dim,
            "units": list(self.units),
            **blocks,
            "likelihood": self.likelihood.get_config(),
            "linear_path": self.linear_path,
            "patch": self.patch,
            "layer_norm": self.layer_norm,
            "free_bits": self.free_bits,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LSTMVAE:
        config = dict(config)
        for block in ("encoder", "decoder"):
            if isinstance(config.get(block), dict):
                config[block] = keras.saving.deserialize_keras_object(config[block], custom_objects=custom_objects)
        return cls(**config)


def _split(data: Any) -> tuple[Any, Any]:
    """Windows, or (windows, mask)."""
    if isinstance(data, (tuple, list)):
        return (data[0], data[1]) if len(data) > 1 else (data[0], None)
    return data, None
