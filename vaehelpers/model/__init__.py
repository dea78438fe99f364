"""Everything that Keras runs: the VAE, its blocks, its loss, its training and its scores."""

from vaehelpers.model.collapse import active_units, collapse_report
from vaehelpers.model.decoders import Decoder
from vaehelpers.model.elbo import elbo_terms, free_bits, kl_divergence, kl_per_dimension
from vaehelpers.model.layers import FusedLSTM, RepeatLSTM, Sampling, sample_posterior, use_threads
from vaehelpers.model.likelihoods import (
    gaussian_nll,
    get_likelihood,
    laplace_nll,
    register_likelihood,
    student_t_nll,
)
from vaehelpers.model.masks import masked_sum
from vaehelpers.model.normalising import fit_latent_distance
from vaehelpers.model.scores import score_series, window_scores
from vaehelpers.model.training import train
from vaehelpers.model.vae import LSTMVAE

__all__ = [
    "LSTMVAE",
    "Decoder",
    "FusedLSTM",
    "RepeatLSTM",
    "Sampling",
    "active_units",
    "collapse_report",
    "elbo_terms",
    "fit_latent_distance",
    "free_bits",
    "gaussian_nll",
    "get_likelihood",
    "kl_divergence",
    "kl_per_dimension",
    "laplace_nll",
    "masked_sum",
    "register_likelihood",
    "sample_posterior",
    "score_series",
    "student_t_nll",
    "train",
    "use_threads",
    "window_scores",
]
