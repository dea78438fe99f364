"""Sums and means over what was observed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from vaehelpers.common.errors import InputError


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


def _positive(name: str, value: Any, *, above: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not above < value < math.inf:
        raise InputError(f"{name}={value!r} must be a number above {above:g}")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name}={value!r} must be True or False")
    return bool(value)
