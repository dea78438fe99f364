"""A door that scripts rely on: simple detectors to stand beside the VAE, whose home is `vaehelpers.detectors`."""

from vaehelpers.detectors import (
    BASELINES,
    Baseline,
    KMeansDistance,
    MatrixProfile,
    MovingZScore,
    RandomScore,
    WindowedPCA,
    make_baseline,
)
from vaehelpers.detectors.point_baselines import AbsoluteDifference, MovingVariance

__all__ = [
    "BASELINES",
    "AbsoluteDifference",
    "Baseline",
    "KMeansDistance",
    "MatrixProfile",
    "MovingVariance",
    "MovingZScore",
    "RandomScore",
    "WindowedPCA",
    "make_baseline",
]
