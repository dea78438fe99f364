"""Where to draw the line under scores, and whether a promise was kept."""

from vaehelpers.thresholds.base import THRESHOLDS, Threshold, make_threshold
from vaehelpers.thresholds.counting import BudgetThreshold, ConformalThreshold, QuantileThreshold
from vaehelpers.thresholds.dependence import RealisedRate, extremal_index, realised_rate
from vaehelpers.thresholds.dynamic import DynamicThreshold
from vaehelpers.thresholds.flagged import events
from vaehelpers.thresholds.gpd import Gpd, fit_gpd
from vaehelpers.thresholds.normal import KSigmaThreshold, MadThreshold
from vaehelpers.thresholds.tail import DSpotThreshold, PotThreshold, SpotThreshold

__all__ = [
    "THRESHOLDS",
    "BudgetThreshold",
    "ConformalThreshold",
    "DSpotThreshold",
    "DynamicThreshold",
    "Gpd",
    "KSigmaThreshold",
    "MadThreshold",
    "PotThreshold",
    "QuantileThreshold",
    "RealisedRate",
    "SpotThreshold",
    "Threshold",
    "events",
    "extremal_index",
    "fit_gpd",
    "make_threshold",
    "realised_rate",
]
