"""A VAE as plain functions: what the checks need to know of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from vaehelpers.common.errors import InputError

Spread = Literal["log_var", "log_sigma", "sigma"]


Aggregate = Literal["mean", "median", "max", "min", "last", "centre"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class VAEFunctions:
    """The functions of a VAE, written down so that `check_vae` can test them one by one.

    Arrays in, arrays out: each function is called with NumPy arrays (float32) and may return anything that
    `numpy.asarray` understands (a TensorFlow or Keras tensor does; detach a PyTorch one). B = batch, T = timesteps,
    F = features, d = latent dimensions. All but the three sizes may be left out; checks that need a missing function
    are skipped and say so.

    Parameters
    ----------
    timesteps, n_features, latent_dim : int
        T, F and d.
    name : str, default "VAE"
        What the report calls it.
    batch_size : int, default 64
        The batch size of training. Every check but the one of the partial batch calls with exactly this many rows.
    spread : {"log_var", "log_sigma", "sigma"}, default "log_var"
        What the encoder's second output claims to be.
    encode : callable, (B, T, F) -> (mu, spread), both (B, d)
    sample : callable, (mu, spread) -> z (B, d)
        Draws new noise at each call.
    decode : callable, z (B, d) -> the mean (B, T, F), or a dict with ``mean`` and one of ``scale`` and ``log_var``
        `nll` must be able to work from these keys alone, whatever else the dict holds.
    likelihood : {"gaussian", "laplace", "student_t"}, default "gaussian"
        The family that `nll` claims; for the last, `df` gives the degrees of freedom.
    scale : float or ndarray that broadcasts to (B, T, F), optional
        The scale of the likelihood (Gaussian: sigma), where `decode` does not return it.
    df : float, optional
        Degrees of freedom of ``likelihood="student_t"``.
    kl : callable, (mu, spread) -> (B,), (B, d), or a scalar that is the batch's mean
    nll : callable, (x, decoded) -> (B,), (B, T), (B, T, F), or a scalar that is the batch's mean
        Minus the log-likelihood of windows `x` under what `decode` returned, as it is used in training. Summed over
        the axes after the first.
    nll_at_scoring : callable, optional
        The same as used in scoring, if that is another function.
    nll_drops_constant : bool, default False
        Whether `nll` leaves out terms that depend on neither x nor the mean. Only differences are compared then.
    beta : float, default 1.0
        The weight of the KL divergence in `loss`.
    loss : callable, x (B, T, F) -> scalar (the batch's mean) or (B,)
        The whole training objective at the present weights.
    gradients : callable, x (B, T, F) -> mapping of weight name to gradient (array, or None where there is none)
    score : callable, series (n, F) -> (n,), higher = more anomalous
        Must give the same scores for the same series.
    score_after : callable, (history (m, F), series (n, F)) -> (n,)
        Scores of a series whose preceding rows are known.
    series : ndarray of shape (n, F), optional
        A series that `score` can take. Default: a noisy sine of unit variance, 4 T + 7 rows.
    reach : int, optional
        How many rows away a row may move a score. Default T - 1; add half the width of a smoothing.
    window_starts : callable, n -> int array
        The first rows of the windows that scoring uses for n rows.
    windows_to_points : callable, (per_step (W, T), starts (W,), n) -> (n,)
    aggregate : {"mean", "median", "max", "min", "last", "centre"}, default "mean"
        What `windows_to_points` claims to do with the windows that cover a row.
    scale_parts : callable, (train (n, F), test (m, F)) -> (scaled train, scaled test)
        The preparation of both parts, as the pipeline does it.
    split : callable, n -> (starts of training windows, starts of validation windows)
    save : callable, path -> None
        Writes what a later scoring needs under `path`, a file or folder that does not exist yet.
    loader : str or sequence of str, optional
        How a fresh process scores with what `save` wrote: ``"module:function"``, called as ``function(path, series)``
        and returning scores, or a command with the placeholders ``{path}``, ``{series}`` and ``{scores}`` (the last
        two are .npy files). Needs `score` for comparison.

    Examples
    --------
    >>> import numpy as np
    >>> from vaehelpers.contracts.functions import VAEFunctions
    >>> from vaehelpers.contracts.report import check_vae
    >>> rng = np.random.default_rng(0)
    >>> vae = VAEFunctions(
    ...     timesteps=20, n_features=1, latent_dim=2, spread="log_sigma",
    ...     sample=lambda mu, spread: mu + np.exp(spread) * rng.standard_normal(mu.shape),
    ...     kl=lambda mu, spread: 0.5 * np.sum(mu**2 + np.exp(spread) - 1 - spread, axis=1),
    ... )
    >>> report = check_vae(vae)
    >>> report.passed
    False
    >>> [failure.name for failure in report.failures]
    ['kl_closed_form', 'kl_monte_carlo']
    >>> print(report.failures[0].found)  # the formula is the one for log_var
    off by up to ...; it fits a spread that is 'log_var', but 'log_sigma' is declared
    """

    timesteps: int
    n_features: int
    latent_dim: int
    name: str = "VAE"
    batch_size: int = 64
    spread: Spread = "log_var"
    encode: Callable[[np.ndarray], tuple[Any, Any]] | None = None
    sample: Callable[[np.ndarray, np.ndarray], Any] | None = None
    decode: Callable[[np.ndarray], Any] | None = None
    likelihood: Literal["gaussian", "laplace", "student_t"] = "gaussian"
    scale: float | np.ndarray | None = None
    df: float | None = None
    kl: Callable[[np.ndarray, np.ndarray], Any] | None = None
    nll: Callable[[np.ndarray, Any], Any] | None = None
    nll_at_scoring: Callable[[np.ndarray, Any], Any] | None = None
    nll_drops_constant: bool = False
    beta: float = 1.0
    loss: Callable[[np.ndarray], Any] | None = None
    gradients: Callable[[np.ndarray], Mapping[str, Any]] | None = None
    score: Callable[[np.ndarray], Any] | None = None
    score_after: Callable[[np.ndarray, np.ndarray], Any] | None = None
    series: np.ndarray | None = None
    reach: int | None = None
    window_starts: Callable[[int], Any] | None = None
    windows_to_points: Callable[[np.ndarray, np.ndarray, int], Any] | None = None
    aggregate: Aggregate = "mean"
    scale_parts: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]] | None = None
    split: Callable[[int], tuple[Any, Any]] | None = None
    save: Callable[[str], Any] | None = None
    loader: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        for field in ("timesteps", "n_features", "latent_dim", "batch_size"):
            if getattr(self, field) < 1:
                raise InputError(f"{field}={getattr(self, field)} is below 1; give a positive integer")
        if self.spread not in ("log_var", "log_sigma", "sigma"):
            raise InputError(f"spread={self.spread!r} is not known; use 'log_var', 'log_sigma' or 'sigma'")
        if self.likelihood not in ("gaussian", "laplace", "student_t"):
            raise InputError(f"likelihood={self.likelihood!r} is not known; use 'gaussian', 'laplace' or 'student_t'")
