"""A small VAE that passes every contract, and a series to try it on: what the bug museum breaks piece by piece."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from vaehelpers import windows
from vaehelpers.contracts.functions import VAEFunctions

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class ToyVAE:
    """A small dense VAE without faults: window -> 32 -> mu, log_var -> z -> 32 -> window.

    Its mathematics (`encode` to `loss`) is written in Keras operations, its data flow (`prepare` to `load`) in NumPy.
    The exhibits override single methods.

    Parameters
    ----------
    timesteps : int, default 32
        T, samples.
    latent_dim : int, default 4
        d.
    units : int, default 32
        Width of both hidden layers.
    seed : int, default 0
        Seed of the first weights, of the batches and of the noise.

    Examples
    --------
    >>> import numpy as np
    >>> from vaehelpers.contracts.toy import ToyVAE
    >>> series = np.sin(np.arange(200) / 5)[:, None].astype(np.float32)
    >>> vae = ToyVAE(timesteps=16, latent_dim=2).fit(series, steps=5)
    >>> vae.score(series).shape
    (200,)
    """

    spread = "log_var"
    aggregate = "mean"
    sigma = 0.3  # of the Gaussian likelihood, in units of the scaled series
    batch_size = 50  # the asker's

    def __init__(self, *, timesteps: int = 32, latent_dim: int = 4, units: int = 32, seed: int = 0) -> None:
        self.timesteps, self.latent_dim, self.units, self.seed = timesteps, latent_dim, units, seed
        sizes = {"inward": (timesteps, units), "mu": (units, latent_dim), "spread_head": (units, latent_dim)}
        sizes |= {"outward": (latent_dim, units), **self.output_layers()}
        self.layers = {}
        for place, (name, (width_in, width_out)) in enumerate(sizes.items()):
            start = keras.initializers.GlorotUniform(seed=100 * seed + place)
            layer = keras.layers.Dense(width_out, name=name, kernel_initializer=start)
            layer.build((None, width_in))
            self.layers[name] = layer
        self.noise = keras.random.SeedGenerator(seed)
        self.centre, self.width = 0.0, 1.0

    def output_layers(self) -> dict[str, tuple[int, int]]:
        """Name and (inputs, outputs) of what follows the decoder's hidden layer."""
        return {"mean": (self.units, self.timesteps)}

    @property
    def weights(self) -> dict[str, Any]:
        """Every trainable variable by its name."""
        return {
            f"{name}/{weight.name}": weight
            for name, layer in self.layers.items()
            for weight in layer.trainable_variables
        }

    # --- mathematics: tensors in, tensors out ---

    def encode(self, x: Any) -> tuple[Any, Any]:
        """Windows (B, T, 1) to mu and log_var, (B, d) each."""
        hidden = ops.tanh(self.layers["inward"](ops.reshape(x, (-1, self.timesteps))))
        return self.layers["mu"](hidden), self.layers["spread_head"](hidden)

    def sample(self, mu: Any, log_var: Any) -> Any:
        """Draw z (B, d) from the posterior."""
        return mu + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mu), seed=self.noise)

    def decode(self, z: Any) -> Any:
        """Latent vectors (B, d) to the mean of windows (B, T, 1)."""
        hidden = ops.tanh(self.layers["outward"](z))
        return ops.reshape(self.layers["mean"](hidden), (-1, self.timesteps, 1))

    def kl(self, mu: Any, log_var: Any) -> Any:
        """Divergence of the posterior from N(0, 1), (B,)."""
        return 0.5 * ops.sum(mu**2 + ops.exp(log_var) - 1.0 - log_var, axis=-1)

    def nll(self, x: Any, mean: Any) -> Any:
        """Minus the Gaussian log-likelihood of windows, (B,)."""
        return ops.sum(0.5 * ((x - mean) / self.sigma) ** 2 + np.log(self.sigma * np.sqrt(2 * np.pi)), axis=(1, 2))

    def loss(self, x: Any) -> Any:
        """Minus the ELBO with one draw, the mean over the batch."""
        mu, log_var = self.encode(x)
        return ops.mean(self.nll(x, self.decode(self.sample(mu, log_var))) + self.kl(mu, log_var))

    # --- data flow: arrays in, arrays out ---

    def scale_parts(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standardise both parts by the mean and the standard deviation of the training part."""
        centre, width = train.mean(axis=0), train.std(axis=0)
        return (train - centre) / width, (test - centre) / width

    def window_starts(self, n: int) -> np.ndarray:
        """First rows of all windows of n rows."""
        return windows.window_starts(n, self.timesteps)

    def split(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Starts of training and validation windows: first 80% of the rows against the rest, no row in common."""
        cut = int(0.8 * n)
        return self.window_starts(cut), cut + self.window_starts(n - cut)

    def windows_to_points(self, per_step: np.ndarray, starts: np.ndarray, n: int) -> np.ndarray:
        """The mean of all windows that cover a row: (W, T) to (n,)."""
        return windows.windows_to_points(per_step, starts, n, "mean")

    def per_step_score(self, x: Any) -> Any:
        """What scoring ranks by, per step of windows: the squared error in units of sigma, halved; (B, T)."""
        mu, _ = self.encode(x)
        return 0.5 * ((x - self.decode(mu)) / self.sigma)[..., 0] ** 2

    def fit(self, series: np.ndarray, *, steps: int = 1000, starts: np.ndarray | None = None) -> ToyVAE:
        """Train on random batches of windows of an already scaled series (n, 1)."""
        starts = self.window_starts(len(series)) if starts is None else starts
        rng = np.random.default_rng(self.seed)
        batches = starts[rng.integers(len(starts), size=(steps, self.batch_size))]
        rows = tf.constant(batches[:, :, None] + np.arange(self.timesteps), tf.int32)  # (steps, B, T)
        values = tf.constant(series, tf.float32)
        weights = [weight.value for weight in self.weights.values()]
        moments = [(tf.Variable(tf.zeros_like(weight)), tf.Variable(tf.zeros_like(weight))) for weight in weights]

        # the fused Adam op: keras.optimizers.Adam takes as long to trace as this whole training to run
        def step(index: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = self.loss(tf.gather(values, rows[index]))
            powers = [tf.pow(beta, tf.cast(index + 1, tf.float32)) for beta in (0.9, 0.999)]
            for weight, (first, second), gradient in zip(weights, moments, tape.gradient(loss, weights), strict=True):
                tf.raw_ops.ResourceApplyAdam(
                    var=weight.handle, m=first.handle, v=second.handle, beta1_power=powers[0], beta2_power=powers[1],
                    lr=0.005, beta1=0.9, beta2=0.999, epsilon=1e-7, grad=gradient,
                )  # fmt: skip
            return index + 1

        @tf.function(autograph=False)
        def train() -> Any:
            return tf.while_loop(lambda index: index < steps, lambda index: (step(index),), [0])

        train.get_concrete_function()()
        return self

    def adopt(self, other: ToyVAE) -> ToyVAE:
        """Take over the weights of another VAE of the same sizes."""
        for name, value in ToyVAE.state(other).items():
            self.weights[name].assign(value)
        return self

    def score(self, series: np.ndarray) -> np.ndarray:
        """Scores (n,) of an already scaled series (n, 1); higher = more anomalous."""
        starts = self.window_starts(len(series))
        per_step = ops.convert_to_numpy(self.per_step_score(windows.gather(series, starts, self.timesteps)))
        return self.windows_to_points(per_step, starts, len(series))

    def score_after(self, history: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Scores (n,) of a series whose preceding rows are known."""
        return self.score(np.concatenate([history, series]))[len(history) :]

    def state(self) -> dict[str, np.ndarray]:
        """Every weight by its name: what `save` writes."""
        return {name: np.asarray(weight.value) for name, weight in self.weights.items()}

    def save(self, path: str) -> None:
        """Write the weights and the settings into a new folder."""
        folder = Path(path)
        folder.mkdir()
        np.savez(folder / "weights.npz", **self.state())  # type: ignore[arg-type]
        settings: dict[str, Any] = {"timesteps": self.timesteps, "latent_dim": self.latent_dim, "units": self.units}
        settings |= {"kind": type(self).__name__, "seed": self.seed + 1}  # another start: nothing may rest on it
        (folder / "settings.json").write_text(json.dumps(settings))

    # --- for the contracts ---

    def gradients(self, x: np.ndarray) -> dict[str, Any]:
        """Gradient of the loss with respect to each weight."""
        weights = self.weights
        with tf.GradientTape() as tape:
            loss = self.loss(ops.convert_to_tensor(x))
        return dict(zip(weights, tape.gradient(loss, [weight.value for weight in weights.values()]), strict=True))

    def functions(self) -> VAEFunctions:
        """All of it as `vaehelpers.contracts.check_vae` takes it."""
        return VAEFunctions(
            name=type(self).__name__,
            timesteps=self.timesteps,
            n_features=1,
            latent_dim=self.latent_dim,
            batch_size=self.batch_size,
            spread=self.spread,  # type: ignore[arg-type]
            encode=self.encode,
            sample=self.sample,
            decode=self.decode,
            scale=self.sigma,
            kl=self.kl,
            nll=self.nll,
            nll_at_scoring=self.nll_at_scoring,
            loss=self.loss,
            gradients=self.gradients,
            score=self.score,
            score_after=self.score_after,
            window_starts=self.window_starts,
            windows_to_points=self.windows_to_points,
            aggregate=self.aggregate,  # type: ignore[arg-type]
            scale_parts=self.scale_parts,
            split=self.split,
            save=self.save,
            loader="vaehelpers.museum:load_and_score",
        )

    def nll_at_scoring(self, x: Any, mean: Any) -> Any:
        """The likelihood that scoring uses: that of training."""
        return self.nll(x, mean)


def toy_series(*, seed: int = 0, n: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A training part, a test part and its labels: two sines with noise, and six kinds of anomaly.

    Parameters
    ----------
    seed : int, default 0
        Of noise and places.
    n : int, default 1500
        Rows of each part, samples.

    Returns
    -------
    train, test : ndarray of shape (n, 1), float32
        The test part goes on where the training part ends.
    labels : ndarray of shape (n,), int8
        1 where the test part is disturbed: noise, a phase jump, a flat stretch, a lower amplitude, a short spike in the
        middle, and a level shift over the last 20 rows.

    Examples
    --------
    >>> train, test, labels = toy_series(seed=0)
    >>> train.shape, test.shape, int(labels.sum())
    ((1500, 1), (1500, 1), 163)
    """
    rng = np.random.default_rng(seed)
    t = np.arange(2 * n)
    both = np.sin(2 * np.pi * t / 32) + 0.5 * np.sin(2 * np.pi * t / 21) + 0.15 * rng.standard_normal(2 * n)
    train, test = both[:n], both[n:].copy()
    labels = np.zeros(n, dtype=np.int8)
    places = np.linspace(0.08, 0.82, 5) * n + rng.integers(-20, 20, 5)
    for kind, (place, length) in enumerate(zip(places.astype(int), (40, 40, 30, 30, 3), strict=True)):
        part = slice(place, place + length)
        steps = np.arange(length)
        if kind == 0:
            test[part] += 0.4 * rng.standard_normal(length)
        elif kind == 1:
            test[part] = both[n + place + 11 + steps]
        elif kind == 2:
            test[part] = test[place]
        elif kind == 3:
            test[part] *= 0.5
        else:
            test[part] += 1.5
        labels[part] = 1
    test[-20:] += 0.7
    labels[-20:] = 1
    return train[:, None].astype(np.float32), test[:, None].astype(np.float32), labels
