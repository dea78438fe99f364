"""How often a score comes by chance: block maxima, a Gumbel tail on a power of them, and its posterior predictive.

Neighbouring scores resemble each other, so we cut the calibration rows into blocks that are nearly independent and
keep each block's highest score. A power of these maxima (`POWERS`, 0 is the logarithm) is taken to follow a Gumbel
distribution: the logarithm is right for scores with a power tail, higher powers for lighter tails. A few dozen blocks
leave open which it is and with which parameters; the rate of exceedance is therefore averaged over the posterior,
in which the heaviest tail that the blocks do not rule out decides about rare events. Within one power the prior is
1 / sigma, for which the predictive distribution of a location-scale family has exactly its nominal coverage, censored
observations included.

Sources: Coles, "An Introduction to Statistical Modeling of Extreme Values" (2001), chapter 3 (block maxima) and 9.1
(predictive distribution); Severini, Mukerjee and Ghosh, Biometrika 89 (2002) (exact matching under the right
invariant prior); Box and Cox, JRSS B 26 (1964) (powers, and how their likelihoods compare).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logsumexp
from scipy.stats import rankdata

from vaehelpers.alarms._checks import Floats, Reader
from vaehelpers.common.errors import InputError

__all__ = ["MIN_BLOCK", "POWERS", "Tail", "block_maxima", "fit_tail", "nearly_independent", "tail_of_maxima"]

POWERS = {0.0: 0.4, 0.25: 0.3, 0.5: 0.2, 1.0: 0.1}
"""Powers of block maxima among which the posterior decides, and how likely each is before any block is seen."""

MIN_BLOCK = 50
"""Shortest block, in rows: the highest of fewer rows is no extreme yet."""

_CALM = 2.0 / 3.0  # share of the blocks that is trusted at first where the calibration rows may hold anomalies
_OUTLIER = 0.05  # blocks higher than what this many blocks would reach by chance are set aside
_LEAST_SPREAD = 0.01  # of powers of maxima about 1: scores that agree to 1% are taken as no closer than that
_LOWEST, _HIGHEST = 30.0, 60.0  # the table of rates reaches from exp(-30) to exp(60) typical block maxima
_NODES = 1e-5  # posterior points with less weight than this are dropped


@dataclass(frozen=True)
class Tail:
    """Chance of high scores at one time scale.

    Attributes
    ----------
    block : int
        Length of a block, in rows.
    pieces : float
        How many independent blocks the calibration is worth.
    set_aside : int
        Blocks that looked anomalous themselves and were left out.
    floor : float
        Added to scores before the power, so that a score of 0 has a logarithm.
    unit : float
        Scores are divided by this, the geometric mean of the block maxima, before the power.
    power, mu, sigma, weight : ndarray, shape (k,)
        The posterior of the Gumbel distribution of powers of block maxima, as weighted points.
    """

    block: int
    pieces: float
    set_aside: int
    floor: float
    unit: float
    power: Floats
    mu: Floats
    sigma: Floats
    weight: Floats
    _table: tuple[Floats, Floats] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # of log scores; fine where lines are drawn, coarse far out; the same table for one row and for many
        levels = np.sinh(np.linspace(-np.arcsinh(_LOWEST), np.arcsinh(_HIGHEST), 1_601))
        object.__setattr__(self, "_table", (levels, self._log_rows_at(levels)))

    def log_rows(self, scores: Floats) -> Floats:
        """Log10 of the rows in which one such event is expected by chance, shape (n,); NaN where there is no score."""
        y = np.log((np.maximum(scores, 0.0) + self.floor) / self.unit)
        levels, table = self._table
        result = np.interp(y, levels, table)
        high = y > levels[-1]
        if high.any():
            slope = (table[-1] - table[-2]) / (levels[-1] - levels[-2])
            result = np.where(high, table[-1] + slope * (y - levels[-1]), result)
        return np.where(np.isnan(scores), np.nan, result)

    def score_at(self, log_rows: float) -> float:
        """Score whose like is expected once in 10**log_rows rows."""
        levels, table = self._table
        rising = np.concatenate([[True], np.diff(table) > 0])
        y = float(np.interp(log_rows, table[rising], levels[rising]))
        return max(0.0, math.exp(y) * self.unit - self.floor)

    def block_chances(self, maxima: Floats) -> Floats:
        """Chance that a block's highest score is at least this, (n,); evenly spread in 0 to 1 while the tail holds."""
        return -np.expm1(-self.block / 10.0 ** self.log_rows(maxima))

    def _log_rows_at(self, y: Floats) -> Floats:
        """From the predictive chance that a block stays below y, a log score in units of `unit`."""
        low = np.full(len(y), -np.inf)
        chances, lowest = np.zeros(len(y)), np.zeros(len(y))
        with np.errstate(over="ignore"):
            for power in np.unique(self.power):
                here = self.power == power
                z = (_powered(y, power)[:, None] - self.mu[here]) / self.sigma[here]
                z, weight = np.minimum(z, 690.0), self.weight[here]
                # far below all maxima there is nothing to count; a straight line keeps the order of the scores
                lowest += np.minimum(0.0, z + 6.5) @ weight
                z = np.maximum(z, -6.5)
                rate = np.exp(-z)
                least = rate.min(axis=1, keepdims=True)
                low = np.logaddexp(low, np.log(np.exp(least - rate) @ weight) - least[:, 0])
                chances += -np.expm1(-rate) @ weight
        above = np.log(chances)  # log of the chance that a block rises above y; z keeps it above the smallest number
        with np.errstate(divide="ignore"):
            rate = np.where(above < -14.0, above, np.log(np.maximum(-low, 1e-300)))  # log events per block
        return math.log10(self.block) - (rate - lowest) / math.log(10)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "block": self.block,
            "pieces": self.pieces,
            "set_aside": self.set_aside,
            "floor": self.floor,
            "unit": self.unit,
            "power": self.power.tolist(),
            "mu": self.mu.tolist(),
            "sigma": self.sigma.tolist(),
            "weight": self.weight.tolist(),
        }

    @classmethod
    def read(cls, reader: Reader) -> Tail:
        """Rebuild a tail from what `to_dict` gave, checking every number."""
        block = reader.count("block", low=1)
        pieces = reader.number("pieces", low=0.0)
        aside = reader.count("set_aside", low=0)
        floor, unit = reader.number("floor", low=0.0), reader.number("unit", low=0.0)
        mu = reader.numbers("mu", size=range(1, 20_000))
        power = reader.numbers("power", size=mu.size, low=0.0, high=max(POWERS))
        sigma = reader.numbers("sigma", size=mu.size, low=_LEAST_SPREAD * 1e-3)
        weight = reader.numbers("weight", size=mu.size, low=0.0, high=1.0)
        reader.done()
        if floor <= 0.0 or unit <= 0.0:
            raise InputError(f"floor={floor} and unit={unit} in {reader.where} must lie above 0")
        if abs(weight.sum() - 1.0) > 1e-6:
            raise InputError(f"the weights in {reader.where} add up to {weight.sum():.6g} instead of 1")
        return cls(block, pieces, aside, floor, unit, power, mu, sigma, weight)


def block_maxima(scores: Floats, block: int) -> Floats:
    """Highest score of each block, NaN where less than half of its rows have one; a shorter last block is dropped."""
    whole = len(scores) // block
    table = scores[: whole * block].reshape(whole, block)
    known = np.isfinite(table)
    highest = np.where(known, table, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(known.mean(axis=1) >= 0.5, highest, np.nan)


def nearly_independent(scores: Floats, reach: int, *, least: int = 24) -> tuple[int, float]:
    """Length of blocks whose maxima hardly depend on each other, and what share of them counts as independent.

    Starts at the reach of a score (a quarter of the rows at most) and doubles while the ranks of neighbouring maxima
    (lags 1 to 3) correlate, as long as `least` blocks remain. What correlation is left then lowers the count:
    (1 - r) / (1 + r).
    """
    block = max(1, min(max(MIN_BLOCK, reach), len(scores) // 4))
    while True:
        maxima = block_maxima(scores, block)
        r, noise = _dependence(maxima[np.isfinite(maxima)])
        if r <= noise or len(scores) // (2 * block) < least:
            break
        block *= 2
    return block, 1.0 if r <= noise else (1.0 - r) / (1.0 + r)


def _dependence(maxima: Floats) -> tuple[float, float]:
    """Strongest rank correlation at lags 1 to 3, and what chance makes of it."""
    n = len(maxima)
    if n < 8:
        return 0.0, 1.0
    # the highest third may be anomalies that lie together: they count as equal
    ranks = rankdata(np.minimum(maxima, np.quantile(maxima, _CALM)))
    ranks -= ranks.mean()
    total = float(ranks @ ranks)
    if total == 0.0:
        return 0.0, 1.0
    r = max(abs(float(ranks[lag:] @ ranks[:-lag])) / total for lag in (1, 2, 3))
    return r, max(0.15, 2.0 / math.sqrt(n))


def fit_tail(
    scores: Floats, reach: int, *, robust: bool, trained: Floats | None = None, block: int | None = None
) -> Tail:
    """Fit the chance of high scores on calibration scores, see the module.

    `trained` are scores of rows that the model learned from: too low, so that they tell the spread but not the level.
    """
    known = scores[np.isfinite(scores)]
    positive = known[known > 0]
    floor = 1e-3 * float(np.median(positive)) if positive.size else 1.0
    everything = scores if trained is None else trained
    chosen, share = nearly_independent(everything, reach)
    block = block or chosen
    groups = [np.log(np.maximum(m[np.isfinite(m)], 0.0) + floor) for m in _groups(scores, trained, block)]
    if not len(groups[0]):
        raise InputError(f"{known.size} calibration scores hold no block of {block} rows; give more rows")
    kept, aside = zip(*[_without_outliers(g, robust) for g in groups], strict=True)
    centre = float(kept[0].mean())
    power, mu, sigma, weight = _mixture([g - centre for g in kept], share)
    pieces = share * sum(map(len, kept))
    return Tail(block, pieces, sum(aside), floor, math.exp(centre), power, mu, sigma, weight)


def tail_of_maxima(maxima: Floats, block: int) -> Tail:
    """Fit the tail on block maxima in the order of time, robustly, where the scores themselves are gone."""
    known = maxima[np.isfinite(maxima)]
    positive = known[known > 0]
    floor = 1e-3 * float(np.median(positive)) if positive.size else 1.0
    r, noise = _dependence(known)
    share = 1.0 if r <= noise else (1.0 - r) / (1.0 + r)
    kept, aside = _without_outliers(np.log(np.maximum(known, 0.0) + floor), True)
    centre = float(kept.mean())
    power, mu, sigma, weight = _mixture([kept - centre], share)
    return Tail(block, share * len(kept), aside, floor, math.exp(centre), power, mu, sigma, weight)


def _powered(y: Floats, power: float) -> Floats:
    """Box-Cox power of exp(y)."""
    return y if power == 0.0 else np.expm1(power * y) / power


def _mixture(groups: list[Floats], share: float, *, censored: int = 0) -> tuple[Floats, Floats, Floats, Floats]:
    """Posterior over powers, mu and sigma from log maxima, as weighted points."""
    parts = []
    for power, prior in POWERS.items():
        mu, sigma, log = _posterior([_powered(g, power) for g in groups], share, censored=censored)
        log = log + math.log(prior)
        parts.append((np.full(len(mu), power), mu, sigma, log + share * power * sum(float(g.sum()) for g in groups)))
    powers, mu, sigma, log = map(np.concatenate, zip(*parts, strict=True))
    weight = np.exp(log - log.max())
    keep = weight > _NODES * weight.max()
    return powers[keep], mu[keep], sigma[keep], weight[keep] / weight[keep].sum()


def _groups(scores: Floats, trained: Floats | None, block: int) -> list[Floats]:
    groups = [block_maxima(scores, block)]
    if trained is not None and len(trained) >= block:
        groups.append(block_maxima(trained, block))
    return groups


def _without_outliers(y: Floats, robust: bool) -> tuple[Floats, int]:
    """Drop the log maxima that the calmer ones make unbelievable, growing from the lower two thirds upwards."""
    y = np.sort(y)
    if not robust or len(y) < 6:
        return y, 0
    m = math.ceil(_CALM * len(y))
    while m < len(y):
        centre = float(y[:m].mean())
        power, mu, sigma, weight = _mixture([y[:m] - centre], 1.0, censored=len(y) - m)
        # chance of one block above each of the rest; the first that chance does not reach ends the calm part
        chance = np.zeros(len(y) - m)
        with np.errstate(over="ignore"):
            for p in np.unique(power):
                here = power == p
                z = (_powered(y[m:] - centre, p)[:, None] - mu[here]) / sigma[here]
                chance += -np.expm1(-np.exp(-z)) @ weight[here]
        grown = m + int(np.sum(np.cumsum(chance * len(y) < _OUTLIER) == 0))
        if grown == m:
            break
        m = grown
    return y[:m], len(y) - m


def _posterior(groups: list[Floats], share: float, *, censored: int = 0) -> tuple[Floats, Floats, Floats]:
    """Points and log density of the posterior of the first group's mu and of sigma, which all groups have in common.

    `censored` more members of the first group are known to lie above its highest. `share` tempers the likelihood.
    """
    first = groups[0]
    low, high = _sigma_range(groups)
    for _ in range(3):  # widen or narrow until the grid holds the posterior
        sigmas = np.geomspace(low, high, 25)
        parts = [_given_sigma(g, sigmas, censored if g is first else 0, share) for g in groups]
        total = sum(logsumexp(log, axis=1) + np.log(step) for _, log, step in parts)
        peak = np.flatnonzero(total >= total.max() - 14.0)
        low, high = sigmas[max(0, peak[0] - 1)], sigmas[min(len(sigmas) - 1, peak[-1] + 1)]
        if peak[0] == 0:
            low = max(low / 4.0, _LEAST_SPREAD)
        if peak[-1] == len(sigmas) - 1:
            high *= 4.0
    mu, log, step = parts[0]
    others = total - (logsumexp(log, axis=1) + np.log(step))
    # the grid's cells differ between powers
    log = log + (np.log(step) + others)[:, None] + np.log(np.log(sigmas[1] / sigmas[0]))
    return mu.ravel(), np.repeat(sigmas, mu.shape[1]), log.ravel()


def _sigma_range(groups: list[Floats]) -> tuple[float, float]:
    spread = max(float(np.subtract(*np.quantile(g, [0.75, 0.25]))) for g in groups)
    spread = max(spread / 1.57, max(float(g.std()) for g in groups) * 0.3, 2 * _LEAST_SPREAD)  # 1.57: of a Gumbel
    return max(spread / 8.0, _LEAST_SPREAD), spread * 8.0


def _given_sigma(y: Floats, sigmas: Floats, censored: int, share: float) -> tuple[Floats, Floats, Floats]:
    """Grid of mu for each sigma, log posterior on it, and its step."""
    s = sigmas[:, None]
    lowest = y.min()
    total = np.exp(-(y - lowest) / s).sum(axis=1)
    best = lowest - sigmas * np.log(total / len(y))  # the uncensored maximum
    width = 7.0 / math.sqrt(max(1.0, share * len(y))) + (1.5 if censored else 0.0)
    t = np.linspace(-width, width if not censored else width + 1.0, 19 if not censored else 49)
    mu = best[:, None] + s * t
    log = -len(y) * np.log(s) - ((y.sum() - len(y) * mu) / s) - np.exp((mu - best[:, None]) / s) * len(y)
    if censored:
        z = (y.max() - mu) / s
        log = log + censored * np.log(np.maximum(-np.expm1(-np.exp(-np.clip(z, -6.0, 600.0))), 1e-300))
    return mu, share * log, (t[1] - t[0]) * sigmas
