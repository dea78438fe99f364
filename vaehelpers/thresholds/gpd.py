"""The generalized Pareto distribution (GPD), fitted to the tail of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, optimize

from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.checks import Bools, Floats, _as_scores

_MIN_EXCESSES = 10
_LOWEST = -30.0  # log(1 + theta): float64 has nothing below


class Gpd(NamedTuple):
    """A generalised Pareto distribution of excesses: shape `gamma` (> 0 heavy, < 0 bounded tail), scale `sigma`."""

    gamma: float
    sigma: float


def fit_gpd(excesses: ArrayLike, *, censored: ArrayLike = ()) -> Gpd:
    """Fit a generalised Pareto distribution by maximum likelihood.

    Parameters
    ----------
    excesses : array-like of shape (n,)
        How far scores lie above the start of the tail; finite, above 0, in units of the scores.
    censored : array-like of shape (m,), default none
        Excesses of which it is only known that they are at least this high.

    Returns
    -------
    Gpd
        Shape `gamma` (without unit, at least -1) and scale `sigma` (in units of the scores, above 0).

    Raises
    ------
    InputError
        If there is no excess, or one is not finite or not above 0.

    Notes
    -----
    With theta = gamma / sigma fixed, the best gamma has a closed form, the sum of log(1 + theta y) over all excesses
    divided by the number of uncensored ones, which leaves a search in one dimension (Grimshaw's observation). The
    likelihood has no upper bound for gamma < -1, so the search ends there. With fewer than 3 different values, the
    method of moments answers where its answer is possible, else the exponential distribution.

    Source: Grimshaw (1993), Technometrics 35(2); Hosking and Wallis (1987) for the moments. Lesson:
    notebooks/06_thresholding.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> gamma, sigma = fit_gpd(np.random.default_rng(0).exponential(2.0, size=20_000))
    >>> round(abs(gamma), 1), round(sigma, 1)             # exponential: gamma is 0
    (0.0, 2.0)
    """
    y, c = _as_scores(excesses), _as_scores(censored)
    for values in (y, c):
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            raise InputError(f"excess {values[bad][0]} is not a finite number above 0; give scores - start of the tail")
    if y.size == 0:
        raise InputError("fit_gpd needs at least 1 excess, got 0; start the tail lower")
    if not _likelihood_can_tell(y):
        return _gpd_by_moments(y)
    profile = _Profile(y, c)
    v, log_likelihood = profile.search()
    best = int(np.argmax(log_likelihood))
    low, high = max(v[max(best - 1, 0)], profile.lowest()), v[min(best + 1, v.size - 1)]
    found = optimize.minimize_scalar(
        lambda point: -float(profile.log_likelihood(np.array([point]))[0]),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-7},
    )
    peak = float(found.x)
    theta, gamma = profile.theta_and_gamma(np.array([peak]))
    return Gpd(float(gamma[0]), float(gamma[0] / theta[0]))


def _untrimmed(needed: int, trim: float) -> int:
    size = math.ceil(needed / (1.0 - trim))
    while size - math.floor(trim * size) < needed:
        size += 1
    return size


def _trimmed(ordered: Floats, trim: float) -> Floats:
    return ordered[: ordered.size - math.floor(trim * ordered.size)]


def _highest_before(x: Floats, width: int) -> Floats:
    """Give the highest of the `width` values before each one; -inf before the first."""
    before = np.concatenate([[-np.inf], x[:-1]])
    # a filter's window is centred on its row; the origin moves it so that it ends there
    return ndimage.maximum_filter1d(before, width, mode="constant", cval=-np.inf, origin=(width - 1) // 2)


class _Profile:
    """Likelihood of the generalised Pareto distribution along theta = gamma / sigma, gamma at its best for each.

    Works in units of the highest value, so that theta > -1, and in v = log(1 + theta), which spreads out both ends.
    """

    def __init__(self, y: Floats, censored: Floats):
        self.unit = float(max(y.max(), censored.max(initial=0.0)))
        self.y, self.censored = y / self.unit, censored / self.unit
        self.n = y.size

    def sums(self, v: Floats) -> tuple[Floats, Floats, Floats]:
        """Give theta, and the sums of log(1 + theta y) over all and over the uncensored values, each like `v`."""
        theta = np.expm1(v)
        theta = np.where(np.abs(theta) < 1e-10, 1e-10, theta)
        exact = np.log1p(np.multiply.outer(theta, self.y)).sum(axis=-1)
        total = exact
        if self.censored.size:
            total = exact + np.log1p(np.multiply.outer(theta, self.censored)).sum(axis=-1)
        return theta, total, exact

    def log_likelihood(self, v: Floats) -> Floats:
        """Give the profile log-likelihood, like `v`; -inf where gamma < -1."""
        theta, total, exact = self.sums(v)
        return self._from_sums(theta, total, exact)

    def log_posterior(self, v: Floats) -> Floats:
        """Give the log of the marginal posterior density of v, up to a constant; like `v`."""
        theta, total, exact = self.sums(v)
        # gamma integrated out under a flat prior on gamma and 1/sigma on sigma leaves the factor gamma/theta
        return self._from_sums(theta, total, exact) + np.log(total / theta) + v

    def _from_sums(self, theta: Floats, total: Floats, exact: Floats) -> Floats:
        value = -self.n * (np.log(total / (self.n * theta)) + 1.0) - exact
        return np.where(total < -self.n * (1.0 + 1e-12), -np.inf, value)

    def theta_and_gamma(self, v: Floats) -> tuple[Floats, Floats]:
        theta, total, _ = self.sums(v)
        return theta / self.unit, total / self.n

    def search(self) -> tuple[Floats, Floats]:
        """Give a grid of v around the maximum, and the log-likelihood on it."""
        widest = self.widest()
        v = np.unique(np.concatenate([np.linspace(-18.0, 0.0, 19), np.linspace(0.0, widest, 28), [self.lowest()]]))
        value = self.log_likelihood(v)
        for size in (17, 17):
            best = int(np.argmax(value))
            v = np.linspace(v[max(best - 1, 0)], v[min(best + 1, v.size - 1)], size)
            value = self.log_likelihood(v)
        return v, value

    def posterior(self, size: int = 48) -> tuple[Floats, Floats, Floats]:
        """Give theta, the sums over all values, and the posterior weights on a grid that covers the posterior."""
        widest = self.widest()
        lowest = self.lowest()
        v = np.concatenate([np.linspace(lowest, 0.0, 19)[:-1], np.linspace(0.0, widest, 28)])
        value = self.log_posterior(v)
        for points in (33, 33, size):
            inside = np.flatnonzero(value > value.max() - 16.0)
            v = np.linspace(v[max(inside[0] - 1, 0)], v[min(inside[-1] + 1, v.size - 1)], points)
            value = self.log_posterior(v)
        weight = np.exp(value - value.max())
        kept = weight > 1e-10
        theta, total, _ = self.sums(v[kept])
        return theta / self.unit, total, weight[kept] / weight[kept].sum()

    def widest(self) -> float:
        """Give a v above all that matter: the median excess puts gamma there at about 8."""
        return 6.0 - math.log(max(float(np.median(self.y)), 1e-15))

    def lowest(self) -> float:
        """Give the v at which gamma is -1; below it the likelihood has no bound."""

        def surplus(v: float) -> float:
            return float(self.sums(np.array([v]))[1][0]) + self.n

        if surplus(_LOWEST) >= 0.0:
            return _LOWEST
        return min(optimize.brentq(surplus, _LOWEST, 0.0, xtol=1e-12) + 2e-12, 0.0)  # on the side that is allowed


def _likelihood_can_tell(y: Floats) -> bool:
    return y.size >= 3 and np.unique(y).size >= 3


def _gpd_by_moments(y: Floats) -> Gpd:
    mean, variance = float(y.mean()), float(y.var())
    if variance > 0.0:
        ratio = mean * mean / variance
        gamma, sigma = 0.5 * (1.0 - ratio), 0.5 * mean * (1.0 + ratio)
        if gamma >= -1.0 and (gamma >= 0.0 or float(y.max()) <= -sigma / gamma):
            return Gpd(gamma, sigma)
    return Gpd(0.0, mean)


@dataclass(frozen=True, eq=False)
class _Excess:
    """Survival function of the excesses over the start of the tail: one GPD, or an average over many."""

    gpd: Gpd
    theta: Floats  # (m,), gamma / sigma; empty for the plug-in tail
    total: Floats  # (m,), sum of log(1 + theta y) over the excesses
    weight: Floats  # (m,), posterior probability
    power: int

    @classmethod
    def of(cls, y: Floats, censored: Floats, *, predictive: bool, gpd: bool = True) -> _Excess:
        """Fit. `gpd` = False spares the maximum likelihood search where only the average is asked for."""
        none = np.empty(0)
        if y.size == 0:
            return cls(Gpd(0.0, 0.0), none, none, none, 0)
        if not predictive or not _likelihood_can_tell(y):
            return cls(fit_gpd(y, censored=censored), none, none, none, 0)
        theta, total, weight = _Profile(y, censored).posterior()
        best = fit_gpd(y, censored=censored) if gpd else Gpd(0.0, float(y.mean()))
        return cls(best, theta, total, weight, y.size - 1)

    def survival(self, y: Floats) -> Floats:
        """Give the probability of an excess above `y` (>= 0), like `y`."""
        gamma, sigma = self.gpd
        if sigma == 0.0:
            return np.zeros_like(y)
        if self.theta.size == 0:
            if abs(gamma) < 1e-9:
                return np.exp(-y / sigma)
            with np.errstate(divide="ignore"):
                return np.exp(-np.log1p(np.maximum(gamma / sigma * y, -1.0)) / gamma)
        result = np.zeros_like(y)
        with np.errstate(divide="ignore"):  # log(0) beyond the end of a bounded tail: survival 0
            for theta, total, weight in zip(self.theta, self.total, self.weight):
                result += weight * np.exp(-self.power * np.log1p(np.log1p(np.maximum(theta * y, -1.0)) / total))
        return result

    def line(self, probability: float) -> float:
        """Give the excess that is exceeded with `probability`, in (0, 1]."""
        if probability >= 1.0 or self.gpd.sigma == 0.0:
            return 0.0
        low, high = 0.0, self.gpd.sigma
        while self._survival_at(high) > probability:
            low, high = high, 2.0 * high
        for _ in range(60):
            middle = 0.5 * (low + high)
            if self._survival_at(middle) > probability:
                low = middle
            else:
                high = middle
        return high

    def _survival_at(self, y: float) -> float:
        if self.theta.size == 0:
            return float(self.survival(np.array([y]))[0])
        with np.errstate(divide="ignore"):
            inner = np.log1p(np.maximum(self.theta * y, -1.0)) / self.total
            return float(self.weight @ np.exp(-self.power * np.log1p(inner)))

    def to_dict(self) -> dict[str, Any]:
        return {
            "gamma": self.gpd.gamma,
            "sigma": self.gpd.sigma,
            "theta": self.theta.tolist(),
            "total": self.total.tolist(),
            "weight": self.weight.tolist(),
            "power": self.power,
        }

    @classmethod
    def read(cls, reader: Reader) -> _Excess:
        gpd = Gpd(reader.number("gamma", low=-1.001), reader.number("sigma", low=0.0))
        theta = reader.numbers("theta", size=range(0, 1025))
        total = reader.numbers("total", size=theta.size)
        weight = reader.numbers("weight", size=theta.size, low=0.0, high=1.0)
        power = reader.count("power", low=0)
        reader.done()
        if theta.size and (abs(weight.sum() - 1.0) > 1e-6 or (theta * total <= 0.0).any() or power < 1):
            raise InputError(f"theta, total, weight and power in {reader.where} do not fit together")
        return cls(gpd, theta, total, weight, power)


@dataclass(frozen=True, eq=False)
class _Body:
    """Share of calibration scores at least as high, at and below the start of the tail; linear between knots."""

    values: Floats  # (m,), rising; the last is the start of the tail
    share: Floats  # (m,), falling from 1; the last is the share of excesses

    @classmethod
    def of(cls, ordered: Floats, start: float) -> _Body:
        n = ordered.size
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1]]))
        first = first[ordered[first] < start]
        if first.size > 512:
            first = first[np.unique(np.linspace(0, first.size - 1, 512).round().astype(int))]
        above = n - int(np.searchsorted(ordered, start, side="right"))
        if above == 0:  # no tail to meet: count the start among its equals, as everywhere else
            above = n - int(np.searchsorted(ordered, start, side="left"))
        return cls(np.append(ordered[first], start), np.append((n - first) / n, above / n))

    def p_values(self, x: Floats, tail_share: float | None) -> Floats:
        """Give P(score >= x) for x up to the start, stretched so that it meets `tail_share` (if any) there."""
        p = np.interp(x, self.values, self.share, left=1.0)
        start = float(self.share[-1])
        if tail_share is None or tail_share == start:
            return p
        return 1.0 - (1.0 - p) * ((1.0 - tail_share) / (1.0 - start))

    def line(self, p: float) -> float:
        return float(np.interp(-p, -self.share, self.values))

    def to_dict(self) -> dict[str, Any]:
        return {"values": self.values.tolist(), "share": self.share.tolist()}

    @classmethod
    def read(cls, reader: Reader) -> _Body:
        values = reader.numbers("values", size=range(1, 1025), rising=True)
        share = reader.numbers("share", size=values.size, low=0.0, high=1.0)
        reader.done()
        if (np.diff(share) > 0.0).any():
            raise InputError(f"share in {reader.where} rises")
        return cls(values, share)


@dataclass(frozen=True, eq=False)
class _Tail:
    """The distribution of normal scores: body by counting, tail by extreme value theory."""

    start: float
    body: _Body
    rows: int
    above: int
    excess: _Excess

    @property
    def share(self) -> float:
        """Share of rows above the start."""
        return self.above / self.rows

    def p_values(self, x: Floats) -> Floats:
        p = np.full(x.shape, np.nan)
        high = x > self.start
        low = x <= self.start
        p[low] = self.body.p_values(x[low], self.share if self.above else None)
        if self.above == 0:
            p[high] = 1.0 / (self.rows + 1.0)
        else:
            p[high] = self.share * self.excess.survival(x[high] - self.start)
        return p

    def line(self, rate: float) -> float:
        if self.above == 0:
            return self.start
        if rate >= self.share:
            return self.body.line(rate)
        return self.start + self.excess.line(rate / self.share)

    def to_dict(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "rows": self.rows,
            "above": self.above,
            "body": self.body.to_dict(),
            "excess": self.excess.to_dict(),
        }

    @classmethod
    def read(cls, reader: Reader) -> _Tail:
        start = reader.number("start")
        rows = reader.count("rows", low=1)
        above = reader.count("above", low=0, high=rows)
        tail = cls(start, _Body.read(reader.reader("body")), rows, above, _Excess.read(reader.reader("excess")))
        reader.done()
        return tail


def _without_dull_runs(x: Floats, flagged: Bools, least: float) -> Bools:
    """Drop the flagged runs that no step of more than `least` separates from the highest unflagged score."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flagged.view(np.int8), [0]])))
    begin, end = edges[::2], edges[1::2]
    peaks = np.maximum.reduceat(np.append(x, -np.inf), np.column_stack([begin, end]).ravel())[::2]
    order = np.argsort(-peaks, kind="stable")
    rest = x[~flagged]
    ladder = np.append(peaks[order], rest.max() if rest.size else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(ladder[:-1] != 0.0, (ladder[:-1] - ladder[1:]) / np.abs(ladder[:-1]), 0.0)
    wide = np.flatnonzero(steps > least)
    kept = order[: wide[-1] + 1] if wide.size else order[:0]
    result = np.zeros_like(flagged)
    for run in kept:
        result[begin[run] : end[run]] = True
    return result
