"""The baselines by name."""

from __future__ import annotations

from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.detectors.baseline import Baseline
from vaehelpers.detectors.point_baselines import AbsoluteDifference, MovingVariance, MovingZScore, RandomScore
from vaehelpers.detectors.window_baselines import KMeansDistance, MatrixProfile, WindowedPCA

BASELINES: dict[str, type[Baseline]] = {
    "random": RandomScore,
    "abs_diff": AbsoluteDifference,
    "moving_zscore": MovingZScore,
    "moving_variance": MovingVariance,
    "pca": WindowedPCA,
    "kmeans": KMeansDistance,
    "matrix_profile": MatrixProfile,
}
"""Name to class, in the order in which tables list them."""


def make_baseline(name: str, **params: Any) -> Baseline:
    """Make a baseline by name.

    Parameters
    ----------
    name : str
        One of `BASELINES`.
    **params
        For its class; those of every detector (``smooth``, ``timesteps``, ``seed``, ...) are accepted by all.

    Returns
    -------
    Baseline
        Not yet fitted.

    Raises
    ------
    InputError
        If the name or a parameter is unknown.

    Examples
    --------
    >>> make_baseline("pca", smooth=200, n_components=4)
    WindowedPCA(n_components=4, smooth=200)
    >>> make_baseline("moving_zscore", smooth=50, seed=1)
    MovingZScore(seed=1, smooth=50)
    """
    if name not in BASELINES:
        raise InputError(f"baseline {name!r} is unknown; choose one of {', '.join(BASELINES)}")
    known = BASELINES[name]().get_params()
    unknown = set(params) - set(known)
    if unknown:
        raise InputError(
            f"baseline {name!r} has no parameter {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
    return BASELINES[name](**params)
