"""The baselines by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.detectors.baseline import Baseline
from vaehelpers.detectors.point_baselines import AbsoluteDifference, MovingVariance, MovingZScore, RandomScore
from vaehelpers.detectors.window_baselines import KMeansDistance, MatrixProfile, WindowedPCA

BASELINES: dict[str, Callable[..., Baseline]] = {
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
        For its class. ``smooth``, ``timesteps`` and ``seed`` are accepted by all, and dropped where they mean nothing,
        so that one set of settings serves a whole table.

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
    >>> make_baseline("moving_zscore", smooth=50, timesteps=96, seed=1)
    MovingZScore(smooth=50)
    """
    if name not in BASELINES:
        raise InputError(f"baseline {name!r} is unknown; choose one of {', '.join(BASELINES)}")
    known = BASELINES[name]().get_params()
    unknown = set(params) - set(known) - {"smooth", "timesteps", "seed"}
    if unknown:
        raise InputError(
            f"baseline {name!r} has no parameter {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
    return BASELINES[name](**{key: value for key, value in params.items() if key in known})
