"""A door that scripts rely on: anomaly scores of windows and series, whose home is `vaehelpers.model`."""

from vaehelpers.model import (
    SCORES,
    Normaliser,
    combine,
    encode_series,
    fit_latent_distance,
    impute,
    score_series,
    window_scores,
)

__all__ = [
    "SCORES",
    "Normaliser",
    "combine",
    "encode_series",
    "fit_latent_distance",
    "impute",
    "score_series",
    "window_scores",
]
