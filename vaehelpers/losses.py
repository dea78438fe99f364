"""A door that scripts rely on: the terms of the loss, whose home is `vaehelpers.model`."""

from vaehelpers.model import (
    active_units,
    collapse_report,
    elbo_terms,
    free_bits,
    gaussian_nll,
    get_likelihood,
    get_schedule,
    kl_divergence,
    kl_per_dimension,
    laplace_nll,
    masked_mean,
    masked_sum,
    mutual_information,
    register_likelihood,
    student_t_nll,
)

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
