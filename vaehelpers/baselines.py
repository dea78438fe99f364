"""A door that scripts rely on: simple detectors to stand beside the VAE, whose home is `vaehelpers.detectors`."""

from vaehelpers.detectors import (
    BASELINES,
    AbsoluteDifference,
    Baseline,
    KMeansDistance,
    MatrixProfile,
    MovingVariance,
    MovingZScore,
    RandomScore,
    WindowedPCA,
    make_baseline,
)

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
