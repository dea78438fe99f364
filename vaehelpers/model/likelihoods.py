"""Likelihoods: what a reconstruction costs, by which distribution."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from keras import ops

from vaehelpers.common.errors import InputError
from vaehelpers.model.masks import _flag, _masked, _positive, _residual, masked_mean

_LOG_2PI = math.log(2.0 * math.pi)


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
    >>> import numpy as np
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
        A name, such as "gaussian" or one that was registered, or ``{"name": ..., parameter: value}`` as
        `Likelihood.get_config` returns it.

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
    >>> import numpy as np
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
    >>> import numpy as np
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
    >>> import numpy as np
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
    >>> import numpy as np
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
    >>> import numpy as np
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
