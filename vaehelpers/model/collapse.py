"""Is the latent used? Active units, mutual information and a verdict in words."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from vaehelpers.common.errors import InputError
from vaehelpers.model.likelihoods import _LOG_2PI


def _posterior(mu: ArrayLike, log_var: ArrayLike | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """mu and log_var as float64 (n_windows, latent_dim), checked."""
    means = np.asarray(mu, dtype=np.float64)
    if means.ndim != 2 or means.size == 0:
        raise InputError(f"mu has shape {means.shape}; give (n_windows, latent_dim), at least one of each")
    logs = np.zeros_like(means) if log_var is None else np.asarray(log_var, dtype=np.float64)
    if logs.shape != means.shape:
        raise InputError(f"mu has shape {means.shape} and log_var {logs.shape}; they must be equal")
    bad = int((~(np.isfinite(means) & np.isfinite(logs))).any(axis=1).sum())
    if bad:
        raise InputError(f"the posterior of {bad} of {len(means)} windows is not finite; the training has diverged")
    return means, logs


def active_units(mu: ArrayLike, *, threshold: float = 0.01) -> NDArray[np.bool_]:
    """Tell which latent dimensions say different things about different windows.

    Parameters
    ----------
    mu : array-like, shape (n_windows, latent_dim)
        Posterior means of many windows.
    threshold : float, default 0.01
        A dimension is active when the variance of its mean over the windows exceeds this.

    Returns
    -------
    ndarray of bool, shape (latent_dim,)
        Its sum is the number of active units.

    Raises
    ------
    InputError
        If `mu` has another shape or is not finite.

    Notes
    -----
    Burda, Grosse and Salakhutdinov (2016), appendix C. Taught in 04b_collapse.ipynb.

    Examples
    --------
    >>> mu = np.random.default_rng(0).normal(size=(1_000, 3)) * [1.0, 0.5, 0.01]
    >>> active_units(mu).tolist()
    [True, True, False]
    """
    means, _ = _posterior(mu)
    return means.var(axis=0) > threshold


def mutual_information(
    mu: ArrayLike, log_var: ArrayLike, *, samples: int = 1, max_windows: int = 2_048, seed: int = 0
) -> float:
    """Estimate how many nats the latent tells about which window it came from.

    Parameters
    ----------
    mu, log_var : array-like, shape (n_windows, latent_dim)
        Posterior means and log-variances.
    samples : int, default 1
        Draws of z per window.
    max_windows : int, default 2048
        Of more windows, a random choice of so many is used: the work grows with its square.
    seed : int, default 0
        Of the draws and the choice.

    Returns
    -------
    float
        In nats; at most log(number of windows used), which it approaches when every window has a latent of its own.
        Sampling noise may take it slightly below 0.

    Raises
    ------
    InputError
        If the shapes differ or values are not finite.

    Notes
    -----
    The mean of log q(z | x) - log q(z), where the aggregate posterior q(z) is the average of the windows' own
    posteriors (Hoffman and Johnson 2016, section 2). The KL term of the ELBO is this plus the distance of q(z) from the
    prior, so mutual information far below the KL means nats that are paid for and say nothing. Taught in
    04b_collapse.ipynb.

    Examples
    --------
    >>> mu = np.repeat([[-9.0], [9.0]], 500, axis=0)  # one of two places: one bit
    >>> round(mutual_information(mu, np.full((1_000, 1), -2.0)), 2)
    0.69
    """
    means, logs = _posterior(mu, log_var)
    if samples < 1 or max_windows < 2:
        raise InputError(f"samples={samples} must be at least 1 and max_windows={max_windows} at least 2")
    rng = np.random.default_rng((seed, 31))  # not the stream of a caller who drew mu with the same seed
    if len(means) > max_windows:
        chosen = rng.choice(len(means), max_windows, replace=False)
        means, logs = means[chosen], logs[chosen]
    precisions = np.exp(-logs)  # (n, d)
    constants = -0.5 * (logs + _LOG_2PI).sum(axis=1)  # (n,)
    information = 0.0
    for _ in range(samples):
        noise = rng.standard_normal(means.shape)
        z = means + np.exp(0.5 * logs) * noise
        own = constants - 0.5 * np.square(noise).sum(axis=1)
        for first in range(0, len(z), 256):
            block = z[first : first + 256]  # (b, d)
            distance = np.zeros((len(block), len(means)))
            for j in range(means.shape[1]):  # one dimension at a time: (b, n) in memory, never (b, n, d)
                distance += np.square(block[:, j, None] - means[None, :, j]) * precisions[None, :, j]
            aggregate = logsumexp(constants[None, :] - 0.5 * distance, axis=1) - math.log(len(means))
            information += float(np.sum(own[first : first + 256] - aggregate))
    return information / (samples * len(means))


@dataclasses.dataclass(frozen=True)
class CollapseReport:
    """Whether the latent is used, in numbers and words; from `collapse_report`.

    Examples
    --------
    >>> report = collapse_report(np.zeros((100, 2)), np.zeros((100, 2)))
    >>> report.verdict, report.alive, report.dead
    ('collapsed', (), (0, 1))
    """

    verdict: str
    """"used": every dimension; "partly used"; "collapsed": none."""
    latent_dim: int
    n_windows: int
    alive: tuple[int, ...]
    """Dimensions that say different things about different windows (`active_units`)."""
    dead: tuple[int, ...]
    """The others."""
    offset: tuple[int, ...]
    """Dead dimensions that cost over 0.1 nats all the same: away from the prior, but alike for all windows."""
    kl_per_dimension: tuple[float, ...]
    """Mean KL of each dimension, in nats."""
    mean_variance: tuple[float, ...]
    """Variance of the posterior mean over the windows, per dimension."""
    kl: float
    """Mean KL of a window, in nats: the sum of `kl_per_dimension`."""
    mutual_information: float
    """Nats that z tells about its window; at most log(n_windows)."""
    advice: tuple[str, ...]
    """What to do, the most promising first; empty when all is well."""
    text: str
    """All of it in a few sentences."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }


def collapse_report(mu: ArrayLike, log_var: ArrayLike, *, threshold: float = 0.01, seed: int = 0) -> CollapseReport:
    """Say whether the latent of a VAE is used, and what to do if not.

    Parameters
    ----------
    mu, log_var : array-like, shape (n_windows, latent_dim)
        Posterior means and log-variances of many (some hundreds of) windows.
    threshold : float, default 0.01
        Variance of a dimension's mean over the windows, above which it counts as alive; see `active_units`.
    seed : int, default 0
        Of the estimate of the mutual information.

    Returns
    -------
    CollapseReport
        Numbers, `verdict`, `advice` and `text`.

    Raises
    ------
    InputError
        If the shapes differ, values are not finite, or there are fewer than 2 windows.

    Notes
    -----
    A collapsed posterior equals the prior for every window; the decoder then says the same of all, and the
    reconstruction error is the distance from the average window (Bowman et al. 2016; Burda et al. 2016, appendix C).
    Some dead dimensions are no fault: the model has pruned what it does not need. Taught in 04b_collapse.ipynb.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mu = rng.normal(size=(500, 3)) * [1.0, 1.0, 0.0]
    >>> log_var = np.tile([-3.0, -3.0, 0.0], (500, 1))
    >>> print(collapse_report(mu, log_var).text)
    The latent is partly used: 2 of 3 dimensions differ between windows, 1 is at rest. A window costs 3.0 nats of KL...
    """
    means, logs = _posterior(mu, log_var)
    n_windows, latent_dim = means.shape
    if n_windows < 2:
        raise InputError(f"{n_windows} window cannot show whether the latent differs between windows; give at least 2")
    variance = means.var(axis=0)
    active = variance > threshold
    kl = 0.5 * (np.square(means) + (np.expm1(logs) - logs)).mean(axis=0)
    total = float(kl.sum())
    information = mutual_information(means, logs, seed=seed)
    alive = tuple(int(j) for j in np.flatnonzero(active))
    dead = tuple(int(j) for j in np.flatnonzero(~active))
    offset = tuple(j for j in dead if kl[j] > 0.1)
    verdict = "collapsed" if not alive else "used" if not dead else "partly used"

    advice: list[str] = []
    if not alive:
        advice = [
            "lower beta; a warm-up of the KL (linear_warmup) speeds up a slow start and does not move the minimum",
            "sum the NLL over time and variables: its mean multiplies beta by timesteps * n_features",
            "give free bits (0.1 to 0.5 nats per dimension)",
            "use the likelihood 'gaussian', whose variance adapts; a fixed variance that is too large switches z off",
            "weaken the decoder: 'repeat' rather than 'feedback', which can do without z",
        ]
    elif len(dead) > len(alive):
        advice = [f"latent_dim={max(len(alive), 1)} would do as well; or give free bits to wake the others"]
    if offset:
        verb = "s {} cost KL and tell" if len(offset) > 1 else " {} costs KL and tells"
        names = ", ".join(str(j) for j in offset)
        advice.append(f"dimension{verb.format(names)} nothing about the window; train longer: the KL should empty it")
    ceiling = math.log(min(n_windows, 2_048))
    if alive and information > 0.95 * ceiling and total > 2 * ceiling:
        note = " Every window has a latent of its own: more windows would be needed to measure the information."
    else:
        note = ""

    count = f"{len(alive)} of {latent_dim} dimension{'s' if latent_dim > 1 else ''}"
    if verdict == "collapsed":
        head = (
            f"The latent has collapsed: none of {latent_dim} dimension{'s' if latent_dim > 1 else ''} differs between "
            "windows, so the decoder says the same of every window"
        )
    elif verdict == "used":
        head = f"The latent is used: {count} differ{'s' if latent_dim == 1 else ''} between windows"
    else:
        head = (
            f"The latent is partly used: {count} differ{'s' if len(alive) == 1 else ''} between windows, "
            f"{len(dead)} {'is' if len(dead) == 1 else 'are'} at rest"
        )
    text = (
        f"{head}. A window costs {total:.1f} nats of KL, and z tells {max(information, 0.0):.1f} nats about which "
        f"window it came from (at most {ceiling:.1f} can be seen with {min(n_windows, 2_048):,} windows).{note}"
    )
    if advice:
        text += " What to do: " + "; ".join(advice) + "."
    return CollapseReport(
        verdict=verdict,
        latent_dim=latent_dim,
        n_windows=n_windows,
        alive=alive,
        dead=dead,
        offset=offset,
        kl_per_dimension=tuple(float(value) for value in kl),
        mean_variance=tuple(float(value) for value in variance),
        kl=total,
        mutual_information=information,
        advice=tuple(advice),
        text=text,
    )
