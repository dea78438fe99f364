"""The KL divergence and the evidence lower bound (ELBO), term by term."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from vaehelpers.common.errors import InputError


def kl_per_dimension(mu: Any, log_var: Any) -> Any:
    """KL divergence of N(mu, exp(log_var)) from N(0, 1), for each latent dimension.

    Parameters
    ----------
    mu : array-like or tensor, shape (batch, latent_dim)
        Posterior mean.
    log_var : array-like or tensor, shape (batch, latent_dim)
        Log of the posterior *variance*. Given log sigma instead, the optimum moves: the commonest fault of public code.

    Returns
    -------
    tensor, shape (batch, latent_dim)
        In nats, at least 0, and 0 only where mu = 0 and log_var = 0.

    Raises
    ------
    InputError
        If the shapes differ.

    Notes
    -----
    ``(mu**2 + exp(log_var) - 1 - log_var) / 2`` (Kingma and Welling 2014, appendix B). Taught in 04_loss.ipynb.

    Examples
    --------
    >>> kl_per_dimension([[0.0, 2.0]], [[0.0, 0.0]]).numpy().tolist()
    [[0.0, 2.0]]
    """
    mu, log_var = ops.convert_to_tensor(mu), ops.convert_to_tensor(log_var)
    dtype = keras.backend.result_type(mu.dtype, log_var.dtype, float)  # a list of floats beside NumPy's float64
    mu, log_var = ops.cast(mu, dtype), ops.cast(log_var, dtype)
    if len(mu.shape) != len(log_var.shape) or any(
        a is not None and b is not None and a != b for a, b in zip(mu.shape, log_var.shape)
    ):
        raise InputError(f"mu has shape {tuple(mu.shape)} and log_var {tuple(log_var.shape)}; they must be equal")
    return 0.5 * (ops.square(mu) + (ops.expm1(log_var) - log_var))


def kl_divergence(mu: Any, log_var: Any) -> Any:
    """KL divergence of the posterior from N(0, I), summed over latent dimensions.

    Parameters
    ----------
    mu : array-like or tensor, shape (batch, latent_dim)
        Posterior mean.
    log_var : array-like or tensor, shape (batch, latent_dim)
        Log of the posterior variance.

    Returns
    -------
    tensor, shape (batch,)
        In nats, at least 0. Summed: the mean over dimensions would weaken the prior by latent_dim.

    Raises
    ------
    InputError
        If the shapes differ.

    Notes
    -----
    See `kl_per_dimension`. Taught in 04_loss.ipynb.

    Examples
    --------
    >>> kl_divergence([[0.0, 2.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]).numpy().tolist()
    [2.0, 1.0]
    """
    return ops.sum(kl_per_dimension(mu, log_var), axis=-1)


def free_bits(kl_per_dim: Any, minimum: float) -> Any:
    """KL per dimension as training pays for it: the first `minimum` nats of each dimension cost nothing.

    Parameters
    ----------
    kl_per_dim : array-like or tensor, shape (batch, latent_dim)
        From `kl_per_dimension`.
    minimum : float, at least 0
        Nats per dimension, averaged over the batch: the lambda of the paper. 0.05 to 0.5 are usual.

    Returns
    -------
    tensor, shape (latent_dim,)
        ``max(minimum, mean over the batch)``. Sum it for the loss.

    Raises
    ------
    InputError
        If `minimum` is negative.

    Notes
    -----
    Kingma et al. (2016), appendix C.8. Below the minimum no gradient pushes a dimension towards the prior, so it is not
    switched off before the decoder has learned to use it. Taught in 04b_collapse.ipynb.

    Examples
    --------
    >>> free_bits([[0.0, 3.0], [0.5, 1.0]], 0.5).numpy().tolist()
    [0.5, 2.0]
    """
    if minimum < 0:
        raise InputError(f"free bits of {minimum} nats make no sense; give 0 (off) or more")
    return ops.maximum(ops.mean(ops.convert_to_tensor(kl_per_dim), axis=0), minimum)


class ElboTerms(NamedTuple):
    """A batch's loss and what it is made of, each a scalar in nats per window; see `elbo_terms`."""

    loss: Any
    """NLL plus beta times the KL that is paid for."""
    nll: Any
    """Reconstruction: NLL summed over time and variables, averaged over the batch."""
    kl: Any
    """KL summed over latent dimensions, averaged over the batch; before beta and free bits."""


def elbo_terms(nll: Any, kl: Any, *, beta: Any = 1.0, free_nats: float = 0.0) -> ElboTerms:
    """Put NLL and KL together as the negative ELBO of a batch.

    Parameters
    ----------
    nll : array-like or tensor, shape (batch, timesteps, n_features)
        From a likelihood's `nll`.
    kl : array-like or tensor, shape (batch, latent_dim)
        From `kl_per_dimension`.
    beta : float or scalar tensor, default 1.0
        Weight of the KL; a schedule's value.
    free_nats : float, default 0.0
        Nats per dimension that cost nothing; see `free_bits`.

    Returns
    -------
    ElboTerms
        loss, nll, kl: scalars, in nats per window. With beta = 1 and no free nats, ``-loss`` is a lower bound of the
        mean log-likelihood of the windows.

    Raises
    ------
    InputError
        If the two batches differ, or `free_nats` is negative.

    Notes
    -----
    Sums over time, variables and dimensions, a mean over the batch alone. The mean over timesteps * n_features values
    in place of the sum would multiply beta by that number, and so would let the KL win without anybody choosing it.
    Source: Kingma and Welling (2014), equations 8 and 10. Taught in 04_loss.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> terms = elbo_terms(np.full((4, 100, 1), 0.5), np.full((4, 8), 0.25))
    >>> float(terms.loss), float(terms.nll), float(terms.kl)
    (52.0, 50.0, 2.0)
    """
    nll, kl = ops.convert_to_tensor(nll), ops.convert_to_tensor(kl)
    if nll.shape[0] is not None and kl.shape[0] is not None and nll.shape[0] != kl.shape[0]:
        raise InputError(f"nll holds {nll.shape[0]} windows and kl {kl.shape[0]}; they must be of one batch")
    mean_nll = ops.mean(ops.sum(nll, axis=tuple(range(1, len(nll.shape)))))
    mean_kl = ops.mean(ops.sum(kl, axis=-1))
    paid = ops.sum(free_bits(kl, free_nats)) if free_nats else mean_kl
    return ElboTerms(mean_nll + beta * paid, mean_nll, mean_kl)
