"""A door that scripts rely on: anomaly scores of windows and series, whose home is `vaehelpers.model`."""

from vaehelpers.model import fit_latent_distance, score_series, window_scores
from vaehelpers.model.imputation import impute
from vaehelpers.model.normalising import Normaliser, combine
from vaehelpers.model.scores import SCORES, encode_series

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
