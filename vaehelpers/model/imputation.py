"""Missing values filled by the model: MCMC imputation."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.model.scores import _impute, _same_shape
from vaehelpers.model.vae import LSTMVAE


def impute(
    model: LSTMVAE, windows: ArrayLike, mask: ArrayLike, *, passes: int = 10, seed: int = 0
) -> NDArray[np.float32]:
    """Fill missing values by Markov chain Monte Carlo: encode, sample, decode, replace, again (Xu et al. 2018).

    Parameters
    ----------
    model : LSTMVAE
    windows : array-like, shape (batch, timesteps, n_features)
        Missing values filled with anything finite.
    mask : array-like, same shape
        1 where observed, 0 where missing.
    passes : int, default 10
        Steps of the chain; the mean of the decoded values of the second half is returned.
    seed : int, default 0

    Returns
    -------
    ndarray of float32, same shape
        Observed values untouched.

    Examples
    --------
    >>> model = LSTMVAE(timesteps=10, latent_dim=2, units=4)
    >>> mask = np.ones((3, 10, 1)); mask[:, 4] = 0
    >>> bool(np.all(impute(model, np.ones((3, 10, 1)), mask)[mask == 1] == 1))
    True
    """
    if passes < 1:
        raise InputError(f"passes={passes} must be at least 1")
    data = tf.convert_to_tensor(np.asarray(windows, dtype=np.float32))
    seen = tf.convert_to_tensor(_same_shape(mask, data, "windows"))
    noise = tf.random.stateless_normal((len(data), passes, model.latent_dim), (seed, 1))
    return _impute(model, data, seen, noise).numpy()
