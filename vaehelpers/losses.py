"""The terms of the ELBO: likelihoods, the KL divergence, its schedules; and whether the latent is used at all.

The loss of a VAE over windows is ``NLL + beta * KL``. The NLL is *summed* over time and variables, the KL is *summed*
over latent dimensions, and only the batch is averaged: then it is the negative of a lower bound of log p(window).
Taking the mean over time instead divides the NLL by timesteps * n_features, which is the same as multiplying beta by
that number: with windows of 100 x 1, a beta of 100 that nobody chose, and a collapsed latent.

Kingma, Welling (2014), "Auto-Encoding Variational Bayes", section 2.2 and appendix B: ELBO and the closed-form KL.
Rybkin, Daniilidis, Levine (2021), "Simple and Effective VAE Training with Calibrated Decoders", section 3: the optimal
variance. Lange, Little, Taylor (1989), "Robust Statistical Modeling Using the t Distribution": Student-t.
Fu et al. (2019), "Cyclical Annealing Schedule"; Kingma et al. (2016), "Inverse Autoregressive Flow", appendix C.8:
free bits. Burda, Grosse, Salakhutdinov (2016), "Importance Weighted Autoencoders", appendix C: active units. Hoffman,
Johnson (2016), "ELBO surgery": mutual information.
Taught in 04_loss.ipynb.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from vaehelpers.errors import InputError

__all__ = [
    "LIKELIHOODS",
    "CollapseReport",
    "Constant",
    "Cyclical",
    "ElboTerms",
    "Gaussian",
    "GaussianFixed",
    "GaussianLearned",
    "Laplace",
    "Likelihood",
    "LinearWarmup",
    "Schedule",
    "StudentT",
    "active_units",
    "collapse_report",
    "constant",
    "cyclical",
    "elbo_terms",
    "free_bits",
    "gaussian_nll",
    "get_likelihood",
    "get_schedule",
    "kl_divergence",
    "kl_per_dimension",
    "laplace_nll",
    "linear_warmup",
    "masked_mean",
    "masked_sum",
    "mutual_information",
    "register_likelihood",
    "student_t_nll",
]

_LOG_2PI = math.log(2.0 * math.pi)


# -- masks ------------------------------------------------------------------------------------------------------------


def _as_pair(x: Any, mean: Any) -> tuple[Any, Any]:
    x, mean = ops.convert_to_tensor(x), ops.convert_to_tensor(mean)
    if len(x.shape) != len(mean.shape) or any(
        a is not None and b is not None and a != b for a, b in zip(x.shape, mean.shape)
    ):
        raise InputError(
            f"x has shape {tuple(x.shape)} and its reconstruction {tuple(mean.shape)}; "
            "they must be equal, or the loss is silently broadcast"
        )
    return x, mean


def _residual(x: Any, mean: Any, mask: Any) -> Any:
    """x - mean, 0 where masked, whatever stands there: a NaN would spoil the gradient even behind a zero weight."""
    x, mean = _as_pair(x, mean)
    return x - mean if mask is None else ops.where(_observed(mask, x), x - mean, 0.0)


def _observed(mask: Any, like: Any) -> Any:
    mask = ops.convert_to_tensor(mask)
    if len(mask.shape) != len(like.shape):
        raise InputError(
            f"mask has shape {tuple(mask.shape)} for values of shape {tuple(like.shape)}; "
            "give as many axes (mask[..., None] for one mask over all variables)"
        )
    return mask if str(mask.dtype).endswith("bool") else ops.not_equal(mask, 0)


def _masked(values: Any, mask: Any) -> Any:
    return values if mask is None else ops.where(_observed(mask, values), values, 0.0)


def masked_sum(values: Any, mask: Any = None, axis: Any = None) -> Any:
    """Sum of what the mask lets through.

    Parameters
    ----------
    values : array-like or tensor
        May hold NaN where masked.
    mask : array-like or tensor with as many axes, optional
        1 or True where observed; axes of length 1 broadcast.
    axis : int or tuple of int, optional
        Default: all.

    Returns
    -------
    tensor

    Raises
    ------
    InputError
        If the mask has another number of axes.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> float(masked_sum([1.0, 2.0, float("nan")], [1, 1, 0]))
    3.0
    """
    return ops.sum(_masked(ops.convert_to_tensor(values), mask), axis=axis)


def masked_mean(values: Any, mask: Any = None, axis: Any = None) -> Any:
    """Mean of what the mask lets through; 0 where it lets nothing through.

    Parameters
    ----------
    values : array-like or tensor
        May hold NaN where masked.
    mask : array-like or tensor with as many axes, optional
        1 or True where observed; axes of length 1 broadcast.
    axis : int or tuple of int, optional
        Default: all.

    Returns
    -------
    tensor

    Raises
    ------
    InputError
        If the mask has another number of axes.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> float(masked_mean([1.0, 2.0, float("nan")], [1, 1, 0]))
    1.5
    """
    values = ops.convert_to_tensor(values)
    if mask is None:
        return ops.mean(values, axis=axis)
    observed = ops.broadcast_to(_observed(mask, values), ops.shape(values))
    count = ops.sum(ops.cast(observed, values.dtype), axis=axis)
    return ops.sum(ops.where(observed, values, 0.0), axis=axis) / ops.maximum(count, 1.0)


# -- KL ---------------------------------------------------------------------------------------------------------------


def kl_per_dimension(mu: Any, log_var: Any) -> Any:
    """KL divergence of N(mu, exp(log_var)) from N(0, 1), for each latent dimension.

    Parameters
    ----------
    mu : array-like or tensor, shape (batch, latent_dim)
        Posterior mean.
    log_var : array-like or tensor, shape (batch, latent_dim)
        Log of the posterior *variance*. Given log sigma instead, the optimum moves: the commonest fault of public code.

    Returns
    -------
    tensor, shape (batch, latent_dim)
        In nats, at least 0, and 0 only where mu = 0 and log_var = 0.

    Raises
    ------
    InputError
        If the shapes differ.

    Notes
    -----
    ``(mu**2 + exp(log_var) - 1 - log_var) / 2`` (Kingma and Welling 2014, appendix B). Taught in 04_loss.ipynb.

    Examples
    --------
    >>> kl_per_dimension([[0.0, 2.0]], [[0.0, 0.0]]).numpy().tolist()
    [[0.0, 2.0]]
    """
    mu, log_var = ops.convert_to_tensor(mu), ops.convert_to_tensor(log_var)
    dtype = keras.backend.result_type(mu.dtype, log_var.dtype, float)  # a list of floats beside NumPy's float64
    mu, log_var = ops.cast(mu, dtype), ops.cast(log_var, dtype)
    if len(mu.shape) != len(log_var.shape) or any(
        a is not None and b is not None and a != b for a, b in zip(mu.shape, log_var.shape)
    ):
        raise InputError(f"mu has shape {tuple(mu.shape)} and log_var {tuple(log_var.shape)}; they must be equal")
    return 0.5 * (ops.square(mu) + (ops.expm1(log_var) - log_var))


def kl_divergence(mu: Any, log_var: Any) -> Any:
    """KL divergence of the posterior from N(0, I), summed over latent dimensions.

    Parameters
    ----------
    mu : array-like or tensor, shape (batch, latent_dim)
        Posterior mean.
    log_var : array-like or tensor, shape (batch, latent_dim)
        Log of the posterior variance.

    Returns
    -------
    tensor, shape (batch,)
        In nats, at least 0. Summed: the mean over dimensions would weaken the prior by latent_dim.

    Raises
    ------
    InputError
        If the shapes differ.

    Notes
    -----
    See `kl_per_dimension`. Taught in 04_loss.ipynb.

    Examples
    --------
    >>> kl_divergence([[0.0, 2.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]).numpy().tolist()
    [2.0, 1.0]
    """
    return ops.sum(kl_per_dimension(mu, log_var), axis=-1)


def free_bits(kl_per_dim: Any, minimum: float) -> Any:
    """KL per dimension as training pays for it: the first `minimum` nats of each dimension cost nothing.

    Parameters
    ----------
    kl_per_dim : array-like or tensor, shape (batch, latent_dim)
        From `kl_per_dimension`.
    minimum : float, at least 0
        Nats per dimension, averaged over the batch: the lambda of the paper. 0.05 to 0.5 are usual.

    Returns
    -------
    tensor, shape (latent_dim,)
        ``max(minimum, mean over the batch)``. Sum it for the loss.

    Raises
    ------
    InputError
        If `minimum` is negative.

    Notes
    -----
    Kingma et al. (2016), appendix C.8. Below the minimum no gradient pushes a dimension towards the prior, so it is not
    switched off before the decoder has learned to use it. Taught in 04_loss.ipynb.

    Examples
    --------
    >>> free_bits([[0.0, 3.0], [0.5, 1.0]], 0.5).numpy().tolist()
    [0.5, 2.0]
    """
    if minimum < 0:
        raise InputError(f"free bits of {minimum} nats make no sense; give 0 (off) or more")
    return ops.maximum(ops.mean(ops.convert_to_tensor(kl_per_dim), axis=0), minimum)


# -- negative log-likelihoods -----------------------------------------------------------------------------------------


def gaussian_nll(x: Any, mean: Any, log_var: Any = 0.0, mask: Any = None) -> Any:
    """Minus the log-density of N(mean, exp(log_var)) at x, for each value.

    Parameters
    ----------
    x : array-like or tensor, shape (batch, timesteps, n_features)
        The windows.
    mean : array-like or tensor, same shape
        The reconstruction.
    log_var : float or tensor that broadcasts to x, default 0.0
        Log of the variance: a scalar, (n_features,), or one per value.
    mask : array-like or tensor with as many axes, optional
        1 where observed, 0 where missing; x may hold NaN there.

    Returns
    -------
    tensor, shape of x
        In nats, with the constant log(2 pi) / 2, and 0 where masked. With log_var = 0 it is half the squared error plus
        that constant.

    Raises
    ------
    InputError
        If x and mean have different shapes.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> round(float(gaussian_nll([[[1.0]]], [[[0.0]]])[0, 0, 0]), 4)
    1.4189
    """
    residual = _residual(x, mean, mask)
    log_var = ops.convert_to_tensor(log_var, dtype=residual.dtype)
    nll = 0.5 * (ops.square(residual) * ops.exp(-log_var) + log_var + _LOG_2PI)
    return _masked(nll, mask)


def laplace_nll(x: Any, mean: Any, log_scale: Any = 0.0, mask: Any = None) -> Any:
    """Minus the log-density of the Laplace distribution at x, for each value: the absolute error, made a likelihood.

    Parameters
    ----------
    x : array-like or tensor, shape (batch, timesteps, n_features)
        The windows.
    mean : array-like or tensor, same shape
        The reconstruction.
    log_scale : float or tensor that broadcasts to x, default 0.0
        Log of b; the standard deviation is sqrt(2) b.
    mask : array-like or tensor with as many axes, optional
        1 where observed, 0 where missing; x may hold NaN there.

    Returns
    -------
    tensor, shape of x
        In nats; 0 where masked.

    Raises
    ------
    InputError
        If x and mean have different shapes.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> round(float(laplace_nll([[[1.0]]], [[[0.0]]])[0, 0, 0]), 4)
    1.6931
    """
    residual = _residual(x, mean, mask)
    log_scale = ops.convert_to_tensor(log_scale, dtype=residual.dtype)
    return _masked(ops.abs(residual) * ops.exp(-log_scale) + log_scale + math.log(2.0), mask)


def student_t_nll(x: Any, mean: Any, log_scale: Any = 0.0, df: float = 5.0, mask: Any = None) -> Any:
    """Minus the log-density of Student's t at x, for each value: an outlier costs its logarithm, not its square.

    Parameters
    ----------
    x : array-like or tensor, shape (batch, timesteps, n_features)
        The windows.
    mean : array-like or tensor, same shape
        The reconstruction.
    log_scale : float or tensor that broadcasts to x, default 0.0
        Log of the scale; the standard deviation is scale * sqrt(df / (df - 2)).
    df : float, default 5.0
        Degrees of freedom, above 0: the lower, the heavier the tails.
    mask : array-like or tensor with as many axes, optional
        1 where observed, 0 where missing; x may hold NaN there.

    Returns
    -------
    tensor, shape of x
        In nats; 0 where masked.

    Raises
    ------
    InputError
        If x and mean have different shapes, or df is not above 0.

    Notes
    -----
    Lange, Little and Taylor (1989). Taught in 04_loss.ipynb.

    Examples
    --------
    >>> round(float(student_t_nll([[[1.0]]], [[[0.0]]], df=5.0)[0, 0, 0]), 4)
    1.5156
    """
    if not df > 0:
        raise InputError(f"df={df} must be above 0")
    residual = _residual(x, mean, mask)
    log_scale = ops.convert_to_tensor(log_scale, dtype=residual.dtype)
    constant = 0.5 * math.log(df * math.pi) + math.lgamma(df / 2) - math.lgamma((df + 1) / 2)
    tail = ops.log1p(ops.square(residual * ops.exp(-log_scale)) / df)
    return _masked(0.5 * (df + 1) * tail + log_scale + constant, mask)


# -- likelihood objects -----------------------------------------------------------------------------------------------

LIKELIHOODS: dict[str, type[Likelihood]] = {}
"""Likelihoods by name. `register_likelihood` adds one's own.

>>> sorted(LIKELIHOODS)
['gaussian', 'gaussian-fixed', 'gaussian-learned', 'laplace', 'student-t']
"""

_LikelihoodType = TypeVar("_LikelihoodType", bound="type[Likelihood]")


def register_likelihood(name: str) -> Callable[[_LikelihoodType], _LikelihoodType]:
    """Make a subclass of `Likelihood` known by a name, for models and for saved detectors.

    Parameters
    ----------
    name : str
        How `get_likelihood` and saved files call it.

    Returns
    -------
    callable
        The class decorator.

    Raises
    ------
    InputError
        If another class has that name already.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> @register_likelihood("doc-example")
    ... class Asymmetric(Likelihood):
    ...     def __init__(self, weight: float = 2.0):
    ...         self.weight = weight
    ...     def nll(self, x, outputs, mask=None, log_scale=None):
    ...         return laplace_nll(x, outputs, mask=mask) * self.weight
    ...     def scale(self, outputs, log_scale=None):
    ...         return ops.ones_like(outputs)
    >>> get_likelihood({"name": "doc-example", "weight": 3.0}).get_config()
    {'name': 'doc-example', 'weight': 3.0}
    >>> _ = LIKELIHOODS.pop("doc-example")
    """

    def decorate(cls: _LikelihoodType) -> _LikelihoodType:
        known = LIKELIHOODS.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise InputError(f"the likelihood name {name!r} is taken by {known.__qualname__}; choose another")
        cls.name = name
        LIKELIHOODS[name] = cls
        return cls

    return decorate


class Likelihood:
    """How the decoder's outputs become a distribution over a window.

    A likelihood of one's own is a subclass with `nll` and `scale`, registered by `register_likelihood`; parameters are
    plain numbers, strings or booleans, kept as attributes under their own names, and so saved as JSON.

    Attributes
    ----------
    name : str
        Under which it is registered.
    n_outputs : int
        Decoder channels per variable: 1, or 2 where the decoder gives each step its own scale. The decoder's outputs
        are (batch, timesteps, n_features * n_outputs): all means first, then all raw scales.
    shared_scale : bool
        Whether one scale, common to all windows, is estimated beside the network; see `optimal_log_scale`.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> likelihood = get_likelihood("gaussian")
    >>> x, outputs = np.full((2, 3, 1), 0.5), np.zeros((2, 3, 1))
    >>> likelihood.optimal_log_scale(x, outputs).numpy().round(4).tolist()
    [-0.6931]
    """

    name: ClassVar[str] = ""
    n_outputs: int = 1
    shared_scale: bool = False

    def nll(self, x: Any, outputs: Any, mask: Any = None, log_scale: Any = None) -> Any:
        """Return the negative log-likelihood of each value, (batch, timesteps, n_features), in nats; 0 where masked.

        `log_scale` is the stored one, a scalar or (n_features,); without it, a shared scale is that of this very batch,
        as in training. Give it when scoring, or an anomaly widens the scale that it is judged by.
        """
        raise NotImplementedError

    def mean(self, outputs: Any) -> Any:
        """Return the reconstruction, (batch, timesteps, n_features)."""
        return self._channels(outputs)[0]

    def scale(self, outputs: Any, log_scale: Any = None) -> Any:
        """Return the standard deviation of each value, (batch, timesteps, n_features)."""
        raise NotImplementedError

    def optimal_log_scale(self, x: Any, outputs: Any, mask: Any = None) -> Any:
        """Return the log scale under which this batch is most likely, (n_features,) or a scalar; None if not shared."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Return name and parameters as plain JSON; `get_likelihood` reads it."""
        return {"name": self.name, **{key: getattr(self, key) for key in _parameters(type(self))}}

    def __repr__(self) -> str:
        parameters = {key: value for key, value in self.get_config().items() if key != "name"}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in parameters.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Likelihood) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.get_config().items())))

    def _channels(self, outputs: Any) -> tuple[Any, Any]:
        """Means, and raw scales or None."""
        outputs = ops.convert_to_tensor(outputs)
        if self.n_outputs == 1:
            return outputs, None
        n_features, rest = divmod(int(outputs.shape[-1]), self.n_outputs)
        if rest:
            raise InputError(
                f"{outputs.shape[-1]} decoder channels do not divide by n_outputs={self.n_outputs} of {self.name!r}; "
                "build the decoder with n_features * n_outputs channels"
            )
        return outputs[..., :n_features], outputs[..., n_features : 2 * n_features]


def _parameters(cls: type[Likelihood]) -> list[str]:
    return [name for name in inspect.signature(cls).parameters if name not in ("args", "kwargs")]


def get_likelihood(likelihood: str | Mapping[str, Any] | Likelihood) -> Likelihood:
    """Return a likelihood by name or config; an object is passed through.

    Parameters
    ----------
    likelihood : str, mapping or Likelihood
        A name of `LIKELIHOODS`, or ``{"name": ..., parameter: value}`` as `Likelihood.get_config` returns it.

    Returns
    -------
    Likelihood

    Raises
    ------
    InputError
        If the name or a parameter is unknown, or a value cannot be used.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> get_likelihood({"name": "student-t", "df": 3})
    StudentT(df=3.0, learned=False, per_feature=True, min_scale=0.001)
    """
    if isinstance(likelihood, Likelihood):
        return likelihood
    if isinstance(likelihood, str):
        likelihood = {"name": likelihood}
    if not isinstance(likelihood, Mapping):
        raise InputError(f"likelihood={likelihood!r} must be a name, a config or a Likelihood")
    parameters = dict(likelihood)
    name = parameters.pop("name", None)
    if not isinstance(name, str) or name not in LIKELIHOODS:
        raise InputError(f"likelihood {name!r} is not known; known are {', '.join(sorted(LIKELIHOODS))}")
    known = _parameters(LIKELIHOODS[name])
    unknown = sorted(str(key) for key in set(parameters) - set(known))
    if unknown:
        raise InputError(
            f"likelihood {name!r} has no parameter {', '.join(unknown)}; it has {', '.join(known) or 'none'}"
        )
    try:
        return LIKELIHOODS[name](**parameters)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"likelihood {name!r}: {error}") from error


def _positive(name: str, value: Any, *, above: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not above < value < math.inf:
        raise InputError(f"{name}={value!r} must be a number above {above:g}")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name}={value!r} must be True or False")
    return bool(value)


def _floored(raw: Any, floor: float) -> Any:
    """A raw decoder output as a log scale that stays above `floor`, smoothly, and is the output itself well above."""
    return floor + ops.softplus(raw - floor)


class _Scaled(Likelihood):
    """A location-scale family: one shared scale set to its optimum, or (`learned`) one per value from the decoder."""

    def __init__(self, *, learned: bool, per_feature: bool, min_scale: float):
        self.learned = _flag("learned", learned)
        self.per_feature = _flag("per_feature", per_feature)
        self.min_scale = _positive("min_scale", min_scale)
        self.n_outputs = 2 if learned else 1
        self.shared_scale = not learned

    def _nll(self, x: Any, mean: Any, log_scale: Any, mask: Any) -> Any:
        raise NotImplementedError

    def _best_log_scale(self, residual: Any, mask: Any, axis: Any) -> Any:
        raise NotImplementedError

    def _deviation(self) -> float:
        """Standard deviation of the family at scale 1."""
        return 1.0

    def _log_scale(self, raw: Any, log_scale: Any, like: Any) -> Any:
        if self.learned:
            return _floored(raw, math.log(self.min_scale))
        return ops.maximum(ops.cast(log_scale, like.dtype), math.log(self.min_scale))

    def nll(self, x: Any, outputs: Any, mask: Any = None, log_scale: Any = None) -> Any:
        mean, raw = self._channels(outputs)
        if self.shared_scale and log_scale is None:
            log_scale = ops.stop_gradient(self.optimal_log_scale(x, outputs, mask))
        return self._nll(x, mean, self._log_scale(raw, log_scale, mean), mask)

    def scale(self, outputs: Any, log_scale: Any = None) -> Any:
        mean, raw = self._channels(outputs)
        if self.shared_scale and log_scale is None:
            raise InputError(f"the likelihood {self.name!r} has one scale beside the decoder: give log_scale")
        spread = self._deviation() * ops.exp(self._log_scale(raw, log_scale, mean))
        return ops.broadcast_to(spread, ops.shape(mean))

    def optimal_log_scale(self, x: Any, outputs: Any, mask: Any = None) -> Any:
        if not self.shared_scale:
            return None
        residual = _residual(x, self.mean(outputs), mask)
        axis = tuple(range(len(residual.shape) - 1)) if self.per_feature else None
        return ops.maximum(self._best_log_scale(residual, mask, axis), math.log(self.min_scale))


@register_likelihood("gaussian")
class Gaussian(_Scaled):
    """Gaussian whose one variance is always the best one: the sigma-VAE. The default.

    Parameters
    ----------
    per_feature : bool, default True
        One variance per variable; False: one for all, as in the paper. With one variable there is no difference.
    min_scale : float, default 0.001
        The standard deviation never falls below it, in units of the scaled series; keeps a window that is reconstructed
        perfectly from an infinite likelihood.

    Notes
    -----
    The most likely variance of a batch is its (masked) mean squared error, so the NLL becomes its logarithm, and
    reconstruction and KL are weighed without a beta to tune. Its gradient needs no path through the variance: at the
    optimum that path's gradient is 0. Scores use the variance stored in training.
    Source: Rybkin, Daniilidis and Levine (2021), section 3. Taught in 04_loss.ipynb.

    Examples
    --------
    >>> x, outputs = np.full((1, 4, 1), 2.0), np.zeros((1, 4, 1))
    >>> Gaussian().nll(x, outputs, log_scale=0.0).numpy()[0, 0].round(3).tolist()
    [2.919]
    """

    def __init__(self, per_feature: bool = True, min_scale: float = 1e-3):
        super().__init__(learned=False, per_feature=per_feature, min_scale=min_scale)

    def _nll(self, x: Any, mean: Any, log_scale: Any, mask: Any) -> Any:
        return gaussian_nll(x, mean, 2.0 * log_scale, mask)

    def _best_log_scale(self, residual: Any, mask: Any, axis: Any) -> Any:
        return _half_log(masked_mean(ops.square(residual), mask, axis))


@register_likelihood("gaussian-fixed")
class GaussianFixed(Likelihood):
    """Gaussian with a variance chosen by hand.

    Parameters
    ----------
    variance : float, default 1.0
        In squared units of the scaled series. ``variance=0.5`` is the sum of squared errors plus a constant.

    Notes
    -----
    The variance acts as beta does: a larger one makes the KL matter more (Rybkin et al. 2021, section 3).
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> GaussianFixed(variance=0.5).nll(np.ones((1, 1, 1)), np.zeros((1, 1, 1))).numpy().round(3).tolist()
    [[[1.572]]]
    """

    def __init__(self, variance: float = 1.0):
        self.variance = _positive("variance", variance)

    def nll(self, x: Any, outputs: Any, mask: Any = None, log_scale: Any = None) -> Any:
        return gaussian_nll(x, outputs, math.log(self.variance), mask)

    def scale(self, outputs: Any, log_scale: Any = None) -> Any:
        return ops.full_like(ops.convert_to_tensor(outputs), math.sqrt(self.variance))


@register_likelihood("gaussian-learned")
class GaussianLearned(_Scaled):
    """Gaussian with a variance for each step and variable, from the decoder's second channel.

    Parameters
    ----------
    min_scale : float, default 0.1
        The standard deviation never falls below it, in units of the scaled series.

    Notes
    -----
    Without a floor the likelihood is unbounded. A wide variance could also explain an anomaly away; on the pump it does
    not (04_loss.ipynb measures it). The second channel is the log-variance before the (smooth) floor.
    Source: Kingma and Welling (2014), appendix C.2.

    Examples
    --------
    >>> outputs = np.zeros((1, 1, 2))  # mean 0, log-variance 0
    >>> GaussianLearned(min_scale=1e-3).nll(np.ones((1, 1, 1)), outputs).numpy().round(3).tolist()
    [[[1.419]]]
    """

    def __init__(self, min_scale: float = 0.1):
        super().__init__(learned=True, per_feature=True, min_scale=min_scale)

    def _log_scale(self, raw: Any, log_scale: Any, like: Any) -> Any:
        return 0.5 * _floored(raw, 2.0 * math.log(self.min_scale))

    def _nll(self, x: Any, mean: Any, log_scale: Any, mask: Any) -> Any:
        return gaussian_nll(x, mean, 2.0 * log_scale, mask)


@register_likelihood("student-t")
class StudentT(_Scaled):
    """Student's t: outliers in the training data pull less at the reconstruction.

    Parameters
    ----------
    df : float, default 5.0
        Degrees of freedom, above 2 (below, there is no standard deviation to draw as a band).
    learned : bool, default False
        False: one scale per variable, always the best one, found by iteration. True: a scale for each value from the
        decoder's second channel.
    per_feature : bool, default True
        With ``learned=False``: one scale per variable, or one for all.
    min_scale : float, default 0.001
        The scale never falls below it.

    Notes
    -----
    Lange, Little and Taylor (1989); the scale that solves their likelihood equation, by Newton's method.
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> x = np.array([1.0, -1.0, 1.0, -1.0, 30.0]).reshape(1, 5, 1)
    >>> outputs = np.zeros((1, 5, 1))
    >>> [round(float(np.exp(get_likelihood(n).optimal_log_scale(x, outputs)[0])), 1) for n in ("student-t", "gaussian")]
    [6.4, 13.4]
    """

    def __init__(self, df: float = 5.0, learned: bool = False, per_feature: bool = True, min_scale: float = 1e-3):
        super().__init__(learned=learned, per_feature=per_feature, min_scale=min_scale)
        self.df = _positive("df", df, above=2.0)

    def _nll(self, x: Any, mean: Any, log_scale: Any, mask: Any) -> Any:
        return student_t_nll(x, mean, log_scale, self.df, mask)

    def _deviation(self) -> float:
        return math.sqrt(self.df / (self.df - 2.0))

    def _best_log_scale(self, residual: Any, mask: Any, axis: Any) -> Any:
        squares = ops.square(residual)
        log_scale = _half_log(ops.maximum(masked_mean(squares, mask, axis), self.min_scale**2))
        for _ in range(_STUDENT_STEPS):
            ratio = squares * ops.exp(-2.0 * log_scale)
            share = ratio / (self.df + ratio)
            slope = (self.df + 1.0) * masked_mean(share, mask, axis) - 1.0
            curve = 2.0 * (self.df + 1.0) * masked_mean(share * (1.0 - share), mask, axis)
            log_scale = log_scale + ops.clip(slope / ops.maximum(curve, 1e-6), -1.0, 1.0)
        return log_scale


@register_likelihood("laplace")
class Laplace(_Scaled):
    """Laplace distribution: the absolute error, with its scale.

    Parameters
    ----------
    learned : bool, default False
        False: one scale per variable, always the best one (the mean absolute error). True: a scale for each value from
        the decoder's second channel.
    per_feature : bool, default True
        With ``learned=False``: one scale per variable, or one for all.
    min_scale : float, default 0.001
        The scale never falls below it.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> x, outputs = np.array([[[1.0], [-3.0]]]), np.zeros((1, 2, 1))
    >>> round(float(np.exp(Laplace().optimal_log_scale(x, outputs)[0])), 3)
    2.0
    """

    def __init__(self, learned: bool = False, per_feature: bool = True, min_scale: float = 1e-3):
        super().__init__(learned=learned, per_feature=per_feature, min_scale=min_scale)

    def _nll(self, x: Any, mean: Any, log_scale: Any, mask: Any) -> Any:
        return laplace_nll(x, mean, log_scale, mask)

    def _deviation(self) -> float:
        return math.sqrt(2.0)

    def _best_log_scale(self, residual: Any, mask: Any, axis: Any) -> Any:
        return 2.0 * _half_log(masked_mean(ops.abs(residual), mask, axis))


# Newton steps of at most 1 in the log scale: from the root mean square to the optimum, a third of the values a thousand
# times too large included
_STUDENT_STEPS = 12


def _half_log(value: Any) -> Any:
    return 0.5 * ops.log(ops.maximum(value, 1e-30))


# -- ELBO -------------------------------------------------------------------------------------------------------------


class ElboTerms(NamedTuple):
    """A batch's loss and what it is made of, each a scalar in nats per window; see `elbo_terms`."""

    loss: Any
    """NLL plus beta times the KL that is paid for."""
    nll: Any
    """Reconstruction: NLL summed over time and variables, averaged over the batch."""
    kl: Any
    """KL summed over latent dimensions, averaged over the batch; before beta and free bits."""


def elbo_terms(nll: Any, kl: Any, *, beta: Any = 1.0, free_nats: float = 0.0) -> ElboTerms:
    """Put NLL and KL together as the negative ELBO of a batch.

    Parameters
    ----------
    nll : array-like or tensor, shape (batch, timesteps, n_features)
        From a likelihood's `nll`.
    kl : array-like or tensor, shape (batch, latent_dim)
        From `kl_per_dimension`.
    beta : float or scalar tensor, default 1.0
        Weight of the KL; a schedule's value.
    free_nats : float, default 0.0
        Nats per dimension that cost nothing; see `free_bits`.

    Returns
    -------
    ElboTerms
        loss, nll, kl: scalars, in nats per window. With beta = 1 and no free nats, ``-loss`` is a lower bound of the
        mean log-likelihood of the windows.

    Raises
    ------
    InputError
        If the two batches differ, or `free_nats` is negative.

    Notes
    -----
    Sums over time, variables and dimensions, a mean over the batch alone. The mean over timesteps * n_features values
    in place of the sum would multiply beta by that number, and so would let the KL win without anybody choosing it.
    Source: Kingma and Welling (2014), equations 8 and 10. Taught in 04_loss.ipynb.

    Examples
    --------
    >>> terms = elbo_terms(np.full((4, 100, 1), 0.5), np.full((4, 8), 0.25))
    >>> float(terms.loss), float(terms.nll), float(terms.kl)
    (52.0, 50.0, 2.0)
    """
    nll, kl = ops.convert_to_tensor(nll), ops.convert_to_tensor(kl)
    if nll.shape[0] is not None and kl.shape[0] is not None and nll.shape[0] != kl.shape[0]:
        raise InputError(f"nll holds {nll.shape[0]} windows and kl {kl.shape[0]}; they must be of one batch")
    mean_nll = ops.mean(ops.sum(nll, axis=tuple(range(1, len(nll.shape)))))
    mean_kl = ops.mean(ops.sum(kl, axis=-1))
    paid = ops.sum(free_bits(kl, free_nats)) if free_nats else mean_kl
    return ElboTerms(mean_nll + beta * paid, mean_nll, mean_kl)


# -- schedules --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Schedule:
    """beta as a function of the training step. Call it: ``schedule(step) -> float``.

    Subclasses are frozen dataclasses of plain numbers, so a schedule is saved as JSON; `get_schedule` reads it.

    Examples
    --------
    >>> linear_warmup(100).get_config()
    {'name': 'linear_warmup', 'steps': 100, 'beta': 1.0, 'start': 0.0}
    """

    name: ClassVar[str] = ""

    def __call__(self, step: int) -> float:
        """Return beta at this step, counted from 0."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return name and parameters as plain JSON."""
        return {"name": self.name, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class Constant(Schedule):
    """The same beta throughout; see `constant`.

    Examples
    --------
    >>> Constant(0.5)(1_000)
    0.5
    """

    name: ClassVar[str] = "constant"
    beta: float = 1.0

    def __post_init__(self) -> None:
        _not_negative("beta", self.beta)

    def __call__(self, step: int) -> float:
        return float(self.beta)


@dataclasses.dataclass(frozen=True)
class LinearWarmup(Schedule):
    """beta rises in a straight line, then stays; see `linear_warmup`.

    Examples
    --------
    >>> [LinearWarmup(10)(step) for step in (0, 5, 10, 20)]
    [0.0, 0.5, 1.0, 1.0]
    """

    name: ClassVar[str] = "linear_warmup"
    steps: int = 500
    beta: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        _whole("steps", self.steps)
        _not_negative("beta", self.beta)
        _not_negative("start", self.start)

    def __call__(self, step: int) -> float:
        share = min(max(step / self.steps, 0.0), 1.0)
        return float(self.start + (self.beta - self.start) * share)


@dataclasses.dataclass(frozen=True)
class Cyclical(Schedule):
    """beta rises again and again; see `cyclical`.

    Examples
    --------
    >>> [Cyclical(10, 0.5)(step) for step in (0, 4, 5, 9, 10)]
    [0.0, 0.8, 1.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "cyclical"
    period: int = 500
    ratio: float = 0.5
    beta: float = 1.0
    cycles: int | None = None

    def __post_init__(self) -> None:
        _whole("period", self.period)
        _not_negative("beta", self.beta)
        if not 0 < self.ratio <= 1:
            raise InputError(f"ratio={self.ratio!r} must be above 0 and at most 1")
        if self.cycles is not None:
            _whole("cycles", self.cycles)

    def __call__(self, step: int) -> float:
        if self.cycles is not None and step >= self.cycles * self.period:
            return float(self.beta)
        share = (max(step, 0) % self.period) / self.period
        return float(self.beta * min(share / self.ratio, 1.0))


_SCHEDULES: dict[str, type[Schedule]] = {cls.name: cls for cls in (Constant, LinearWarmup, Cyclical)}


def _not_negative(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise InputError(f"{name}={value!r} must be a number of at least 0")


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1 or value < 1:
        raise InputError(f"{name}={value!r} must be a whole number of at least 1")


def constant(beta: float = 1.0) -> Constant:
    """beta does not change. Values above 1 give the beta-VAE (Higgins et al. 2017).

    Parameters
    ----------
    beta : float, default 1.0
        At least 0.

    Returns
    -------
    Constant
        ``schedule(step) -> float``.

    Raises
    ------
    InputError
        If beta is negative.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> constant(0.5)(7)
    0.5
    """
    return Constant(beta)


def linear_warmup(steps: int, beta: float = 1.0, start: float = 0.0) -> LinearWarmup:
    """beta rises from `start` to `beta` over the first `steps` steps, then stays.

    Parameters
    ----------
    steps : int
        At least 1. A third of the training is a good length.
    beta : float, default 1.0
        Where it ends.
    start : float, default 0.0
        Where it begins.

    Returns
    -------
    LinearWarmup
        ``schedule(step) -> float``.

    Raises
    ------
    InputError
        If steps is below 1, or beta or start negative.

    Notes
    -----
    The decoder learns to use the latent before the KL charges for it (Bowman et al. 2016, section 3.1).
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> schedule = linear_warmup(500)
    >>> schedule(0), schedule(250), schedule(2_000)
    (0.0, 0.5, 1.0)
    """
    return LinearWarmup(steps, beta, start)


def cyclical(period: int, ratio: float = 0.5, beta: float = 1.0, cycles: int | None = None) -> Cyclical:
    """beta rises from 0 to `beta` at the start of each period, stays there until its end, and starts again.

    Parameters
    ----------
    period : int
        Steps of one cycle.
    ratio : float, default 0.5
        Share of a cycle in which beta rises; above 0, at most 1.
    beta : float, default 1.0
        Highest value.
    cycles : int, optional
        Stay at `beta` after so many cycles. Default: go on for ever.

    Returns
    -------
    Cyclical
        ``schedule(step) -> float``.

    Raises
    ------
    InputError
        If a value is outside its range.

    Notes
    -----
    Fu et al. (2019), equations 6 and 7, with four cycles and a ratio of one half. Taught in 04_loss.ipynb.

    Examples
    --------
    >>> schedule = cyclical(100, ratio=0.5)
    >>> schedule(25), schedule(75), schedule(100)
    (0.5, 1.0, 0.0)
    """
    return Cyclical(period, ratio, beta, cycles)


def get_schedule(schedule: float | str | Mapping[str, Any] | Schedule) -> Schedule:
    """Return a schedule by config or name; a number is a constant, an object is passed through.

    Parameters
    ----------
    schedule : float, str, mapping or Schedule
        ``{"name": ..., parameter: value}`` as `Schedule.get_config` returns it.

    Returns
    -------
    Schedule

    Raises
    ------
    InputError
        If the name or a parameter is unknown, or a value cannot be used.

    Notes
    -----
    Taught in 04_loss.ipynb.

    Examples
    --------
    >>> get_schedule({"name": "cyclical", "period": 100})
    Cyclical(period=100, ratio=0.5, beta=1.0, cycles=None)
    >>> get_schedule(2.0)
    Constant(beta=2.0)
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, (int, float)) and not isinstance(schedule, bool):
        return Constant(float(schedule))
    if isinstance(schedule, str):
        schedule = {"name": schedule}
    if not isinstance(schedule, Mapping):
        raise InputError(f"schedule={schedule!r} must be a number, a name, a config or a Schedule")
    parameters = dict(schedule)
    name = parameters.pop("name", None)
    if not isinstance(name, str) or name not in _SCHEDULES:
        raise InputError(f"schedule {name!r} is not known; known are {', '.join(sorted(_SCHEDULES))}")
    known = [field.name for field in dataclasses.fields(_SCHEDULES[name])]
    unknown = sorted(str(key) for key in set(parameters) - set(known))
    if unknown:
        raise InputError(f"schedule {name!r} has no parameter {', '.join(unknown)}; it has {', '.join(known)}")
    return _SCHEDULES[name](**parameters)


# -- is the latent used? ----------------------------------------------------------------------------------------------


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
    Burda, Grosse and Salakhutdinov (2016), appendix C. Taught in 04_loss.ipynb.

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
    prior, so mutual information far below the KL means nats that are paid for and say nothing. Taught in 04_loss.ipynb.

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
    Some dead dimensions are no fault: the model has pruned what it does not need. Taught in 04_loss.ipynb.

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
            "warm the KL up over more steps (linear_warmup), or lower beta",
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
