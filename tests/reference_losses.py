"""Slow, obvious twins of vaehelpers.losses: one value at a time, in the words of the papers."""

from __future__ import annotations

import math

import numpy as np
from scipy import integrate, optimize, stats


def kl_by_integration(mu: float, log_var: float) -> float:
    """KL of N(mu, exp(log_var)) from N(0, 1): the integral of q log(q / p)."""
    q, p = stats.norm(mu, math.exp(0.5 * log_var)), stats.norm(0, 1)
    low, high = q.ppf(1e-14), q.isf(1e-14)
    value, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), low, high, limit=200)
    return value


def nll_loop(x, mean, scale, mask, distribution) -> np.ndarray:
    """Minus the log-density of each value by SciPy; 0 where masked."""
    out = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        if mask is None or mask[index]:
            out[index] = -distribution.logpdf(x[index], loc=mean[index], scale=scale[index])
    return out


def best_log_scale(residuals: np.ndarray, distribution) -> float:
    """The log scale of greatest likelihood, by search."""
    found = optimize.minimize_scalar(
        lambda log_scale: -distribution.logpdf(residuals, scale=math.exp(log_scale)).sum(),
        bounds=(-6.0, 8.0),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)


def free_bits_loop(kl: np.ndarray, minimum: float) -> list[float]:
    """Per dimension: what is paid is at least the minimum."""
    paid = []
    for j in range(kl.shape[1]):
        average = sum(kl[i, j] for i in range(len(kl))) / len(kl)
        paid.append(average if average > minimum else minimum)
    return paid


def linear_warmup_loop(steps: int, beta: float, start: float, step: int) -> float:
    """One increment at a time."""
    value = start
    for _ in range(min(step, steps)):
        value += (beta - start) / steps
    return value


def cyclical_loop(period: int, ratio: float, beta: float, step: int) -> float:
    """Walk through the cycles."""
    position = 0
    for _ in range(step):
        position = position + 1 if position + 1 < period else 0
    rising = ratio * period
    return beta * position / rising if position < rising else beta


def active_units_loop(mu: np.ndarray, threshold: float) -> list[bool]:
    """Variance of each mean, by its definition."""
    out = []
    for j in range(mu.shape[1]):
        average = sum(mu[:, j]) / len(mu)
        out.append(sum((value - average) ** 2 for value in mu[:, j]) / len(mu) > threshold)
    return out


def mutual_information_loop(mu: np.ndarray, log_var: np.ndarray, noise: np.ndarray) -> float:
    """log q(z | x) minus log of the average density of all windows' posteriors, by SciPy."""
    total = 0.0
    for i in range(len(mu)):
        z = mu[i] + np.exp(0.5 * log_var[i]) * noise[i]
        own = stats.norm.logpdf(z, mu[i], np.exp(0.5 * log_var[i])).sum()
        each = [stats.norm.logpdf(z, mu[k], np.exp(0.5 * log_var[k])).sum() for k in range(len(mu))]
        largest = max(each)
        total += own - (largest + math.log(sum(math.exp(value - largest) for value in each) / len(mu)))
    return total / len(mu)
