"""Everything that Keras runs: the VAE, its blocks, its loss, its training and its scores."""

from vaehelpers.model.collapse import CollapseReport, active_units, collapse_report, mutual_information
from vaehelpers.model.decoders import DECODERS, Decoder, make_decoder
from vaehelpers.model.elbo import elbo_terms, free_bits, kl_divergence, kl_per_dimension
from vaehelpers.model.encoders import ENCODERS, Encoder, make_encoder
from vaehelpers.model.imputation import impute
from vaehelpers.model.layers import FusedLSTM, RepeatLSTM, Sampling, fused_lstm, sample_posterior, use_threads
from vaehelpers.model.likelihoods import (
    LIKELIHOODS,
    Likelihood,
    gaussian_nll,
    get_likelihood,
    laplace_nll,
    register_likelihood,
    student_t_nll,
)
from vaehelpers.model.masks import masked_mean, masked_sum
from vaehelpers.model.normalising import Normaliser, combine, fit_latent_distance
from vaehelpers.model.schedules import Constant, Cyclical, LinearWarmup, Schedule, get_schedule
from vaehelpers.model.scores import SCORES, encode_series, score_series, window_scores
from vaehelpers.model.training import History, train
from vaehelpers.model.vae import LSTMVAE

__all__ = [
    "DECODERS",
    "ENCODERS",
    "LIKELIHOODS",
    "LSTMVAE",
    "SCORES",
    "CollapseReport",
    "Constant",
    "Cyclical",
    "Decoder",
    "Encoder",
    "FusedLSTM",
    "History",
    "Likelihood",
    "LinearWarmup",
    "Normaliser",
    "RepeatLSTM",
    "Sampling",
    "Schedule",
    "active_units",
    "collapse_report",
    "combine",
    "elbo_terms",
    "encode_series",
    "fit_latent_distance",
    "free_bits",
    "fused_lstm",
    "gaussian_nll",
    "get_likelihood",
    "get_schedule",
    "impute",
    "kl_divergence",
    "kl_per_dimension",
    "laplace_nll",
    "make_decoder",
    "make_encoder",
    "masked_mean",
    "masked_sum",
    "mutual_information",
    "register_likelihood",
    "sample_posterior",
    "score_series",
    "student_t_nll",
    "train",
    "use_threads",
    "window_scores",
]
