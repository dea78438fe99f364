"""Scores of several kinds on one scale, and the distance of a latent from the training latents."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class LatentDistance:
    """Where the posterior means of the training windows lie.

    Attributes
    ----------
    mean : ndarray, shape (latent_dim,)
    precision : ndarray, shape (latent_dim, latent_dim)
        Inverse of their covariance, slightly shrunk towards its diagonal.
    """

    mean: NDArray[Any]
    precision: NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Normaliser:
    """Centre and spread of a score on training rows: median and scaled interquartile range.

    Examples
    --------
    >>> normal = Normaliser.fit([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> normal.transform([3.0, 5.0]).round(2)
    array([0.  , 1.35])
    """

    centre: float
    spread: float

    @classmethod
    def fit(cls, scores: ArrayLike) -> Normaliser:
        """Measure scores of training rows; NaN is ignored.

        Raises
        ------
        InputError
            If no score is a number.
        """
        values = np.asarray(scores, dtype=np.float64).ravel()
        values = values[np.isfinite(values)]
        if not len(values):
            raise InputError("no score of the training part is a number, so none can be normalised by them")
        low, centre, high = np.quantile(values, [0.25, 0.5, 0.75])
        # 1.349 quartile ranges are one standard deviation of a normal distribution
        spread = (high - low) / 1.349 or float(values.std()) or 1.0
        return cls(float(centre), float(spread))

    def transform(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return ``(scores - centre) / spread``."""
        return (np.asarray(scores, dtype=np.float64) - self.centre) / self.spread


def combine(scores: dict[str, ArrayLike], normalisers: dict[str, Normaliser]) -> NDArray[np.float64]:
    """Add scores of several kinds, each normalised by its training distribution.

    Parameters
    ----------
    scores : dict of str to array-like, shape (n,)
    normalisers : dict of str to Normaliser
        One for each kind.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    InputError
        If there is no score, or a kind has no normaliser.

    Examples
    --------
    >>> normal = Normaliser(0.0, 2.0)
    >>> combine({"error": [2.0, 4.0], "kl": [0.0, 2.0]}, {"error": normal, "kl": normal})
    array([1., 3.])
    """
    unknown = [kind for kind in scores if kind not in normalisers]
    if not scores or unknown:
        given = f"the kinds {', '.join(unknown)} have no normaliser" if unknown else "there is no score to combine"
        raise InputError(f"{given}; give a score and Normaliser.fit(scores of training rows) for each kind")
    return np.sum([normalisers[kind].transform(values) for kind, values in scores.items()], axis=0)


def fit_latent_distance(mu: ArrayLike, *, shrinkage: float = 0.05) -> LatentDistance:
    """Measure where posterior means of training windows lie.

    Parameters
    ----------
    mu : array-like, shape (n_windows, latent_dim)
    shrinkage : float, default 0.05
        Share of the covariance that is replaced by its average variance, so that it can be inverted.

    Returns
    -------
    LatentDistance
        For the score "latent".

    Raises
    ------
    InputError
        If there are fewer than two windows.

    Examples
    --------
    >>> distance = fit_latent_distance(np.random.default_rng(0).normal(size=(1000, 2)))
    >>> distance.precision.shape
    (2, 2)
    """
    values = np.asarray(mu, dtype=np.float64)
    if len(values) < 2:
        raise InputError(f"{len(values)} windows are too few to measure a covariance; give at least 2")
    from sklearn.covariance import shrunk_covariance

    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    if not np.trace(covariance) > 0:  # every latent alike: any distance from it is far
        covariance = 1e-12 * np.eye(len(covariance))
    return LatentDistance(values.mean(axis=0), np.linalg.inv(shrunk_covariance(covariance, shrinkage)))
