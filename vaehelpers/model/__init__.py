"""Everything that Keras runs: the VAE, its blocks, its loss, its training and its scores."""

from vaehelpers.model.collapse import active_units, collapse_report
from vaehelpers.model.decoders import DECODERS, Decoder, make_decoder
from vaehelpers.model.elbo import elbo_terms, free_bits, kl_divergence, kl_per_dimension
from vaehelpers.model.encoders import ENCODERS, make_encoder
from vaehelpers.model.layers import FusedLSTM, RepeatLSTM, Sampling, sample_posterior, use_threads
from vaehelpers.model.likelihoods import (
    LIKELIHOODS,
    gaussian_nll,
    get_likelihood,
    laplace_nll,
    register_likelihood,
    student_t_nll,
)
from vaehelpers.model.masks import masked_sum
from vaehelpers.model.normalising import fit_latent_distance
from vaehelpers.model.scores import SCORES, score_series, window_scores
from vaehelpers.model.training import train
from vaehelpers.model.vae import LSTMVAE

__all__ = [
    "DECODERS",
    "ENCODERS",
    "LIKELIHOODS",
    "LSTMVAE",
    "SCORES",
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
    "make_decoder",
    "make_encoder",
    "masked_sum",
    "register_likelihood",
    "sample_posterior",
    "score_series",
    "student_t_nll",
    "train",
    "use_threads",
    "window_scores",
]
