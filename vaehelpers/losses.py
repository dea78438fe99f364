"""A door that scripts rely on: the terms of the loss, whose home is `vaehelpers.model`."""

from vaehelpers.model import (
    active_units,
    collapse_report,
    elbo_terms,
    free_bits,
    gaussian_nll,
    get_likelihood,
    kl_divergence,
    kl_per_dimension,
    laplace_nll,
    masked_sum,
    register_likelihood,
    student_t_nll,
)
from vaehelpers.model.collapse import mutual_information
from vaehelpers.model.masks import masked_mean
from vaehelpers.model.schedules import get_schedule

__all__ = [
    "active_units",
    "collapse_report",
    "elbo_terms",
    "free_bits",
    "gaussian_nll",
    "get_likelihood",
    "get_schedule",
    "kl_divergence",
    "kl_per_dimension",
    "laplace_nll",
    "masked_mean",
    "masked_sum",
    "mutual_information",
    "register_likelihood",
    "student_t_nll",
]
