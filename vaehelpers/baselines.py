"""A door that scripts rely on: simple detectors to stand beside the VAE, whose home is `vaehelpers.detectors`."""

from vaehelpers.detectors import KMeansDistance, MatrixProfile, MovingZScore, RandomScore, WindowedPCA
from vaehelpers.detectors.baseline import Baseline
from vaehelpers.detectors.baselines import BASELINES, make_baseline
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
