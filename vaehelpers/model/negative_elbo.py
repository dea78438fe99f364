"""The loss of a variational autoencoder as one Keras layer, for models that one writes in Keras's functional style.

`LSTMVAE` adds its loss by itself. Who builds a model from ``keras.Input`` and layers puts a `NegativeELBO` at its end:
the model then trains with ``compile(optimizer)`` and ``fit(windows)``, saves, and loads in any process that imports
this module. Taught in notebooks/00_start_here.ipynb.

References
----------
Kingma, Welling (2014), "Auto-Encoding Variational Bayes", section 2.2 and appendix B.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from vaehelpers.common import InputError
from vaehelpers.model import gaussian_nll, kl_divergence

__all__ = ["NegativeELBO"]


@keras.saving.register_keras_serializable("vaehelpers")
class NegativeELBO(keras.layers.Layer):
    """Add the negative ELBO to a model's loss and hand the reconstruction on.

    Called with ``[windows, reconstruction, mu, log_var]``: B windows of shape (B, T, F), their reconstruction of the
    same shape, and the posterior's mean and log-variance, (B, d). The loss is the Gaussian negative log-likelihood
    summed over steps and variables, plus `beta` times the KL divergence summed over latent dimensions, averaged over
    the batch; in nats per window. The variance of the noise is one number that is learned along with the weights.

    Parameters
    ----------
    beta : float, default 1.0
        Weight of the KL divergence, 0 or above; 1 makes the loss a bound on minus the log-likelihood.
    **kwargs
        As for `keras.layers.Layer`.

    Raises
    ------
    InputError
        If `beta` is negative, or it is not given four tensors, or windows and reconstruction differ in shape (a loss
        would broadcast them silently).

    Examples
    --------
    >>> import numpy as np
    >>> windows, posterior = np.ones((2, 10, 1), "float32"), np.zeros((2, 3), "float32")
    >>> layer = NegativeELBO()
    >>> layer([windows, 0 * windows, posterior, posterior]).shape
    TensorShape([2, 10, 1])
    >>> round(float(layer.losses[0]), 2)  # 10 steps, each (1 + log 2 pi) / 2 nats; the KL is 0
    14.19
    """

    def __init__(self, beta: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        if beta < 0:
            raise InputError(f"beta={beta} is negative; use 1 for the ELBO, 0 to leave the KL divergence out")
        self.beta = float(beta)

    def build(self, input_shape: Any) -> None:
        """Add the log-variance of the noise, which starts at 0."""
        if len(input_shape) != 4:
            raise InputError(
                f"NegativeELBO reads four tensors, not {len(input_shape)}: [windows, reconstruction, mu, log_var]"
            )
        windows, rebuilt = (tuple(shape)[1:] for shape in input_shape[:2])
        if windows != rebuilt:
            raise InputError(f"windows of shape {windows} and a reconstruction of shape {rebuilt} must be of one shape")
        self.noise = self.add_weight(shape=(), initializer="zeros", name="noise_log_var")
        self.built = True

    def nll(self, windows: Any, rebuilt: Any) -> Any:
        """Negative log-likelihood per window, (B,), in nats."""
        return ops.sum(gaussian_nll(windows, rebuilt, self.noise), axis=(1, 2))

    def call(self, inputs: Any) -> Any:
        """Add the loss of this batch; return the reconstruction."""
        windows, rebuilt, mu, log_var = inputs
        self.add_loss(ops.mean(self.nll(windows, rebuilt) + self.beta * kl_divergence(mu, log_var)))
        return rebuilt

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}
