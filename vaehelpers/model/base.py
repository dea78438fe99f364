"""What encoders and decoders share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaehelpers.common.errors import InputError
from vaehelpers.model.layers import FusedLSTM


def _initializer(name: str, seed: int, index: int) -> keras.initializers.Initializer:
    """One seeded initializer per weight, so that two models of one seed start alike."""
    classes = {
        "glorot": keras.initializers.GlorotUniform,
        "orthogonal": keras.initializers.Orthogonal,
    }
    return classes[name](seed=seed * 1_000 + index)


class _Block(keras.layers.Layer):
    """What encoders and decoders share: sizes, seed, configuration."""

    def __init__(self, *, units: int | Sequence[int] = (32,), seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = (units,) if isinstance(units, int) else tuple(int(size) for size in units)
        if not self.units or min(self.units) < 1:
            raise InputError(f"units={units!r}: give one or more layer sizes of at least 1, for example (32,)")
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": list(self.units), "seed": self.seed}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Make the weights of a deserialized block, by one pass over zeros of the shape that it had."""
        shape = config["input_shape"] if "input_shape" in config else next(iter(config["shapes_dict"].values()))
        self(ops.zeros([1, *shape[1:]]))

    def _lstm(self, size: int, index: int, cls: type[FusedLSTM] = FusedLSTM, **kwargs: Any) -> FusedLSTM:
        return cls(
            size,
            kernel_initializer=_initializer("glorot", self.seed, 10 * index),
            recurrent_initializer=_initializer("orthogonal", self.seed, 10 * index + 1),
            **kwargs,
        )

    def _dense(self, size: int, index: int, **kwargs: Any) -> keras.layers.Dense:
        kwargs.setdefault("kernel_initializer", _initializer("glorot", self.seed, 10 * index + 2))
        return keras.layers.Dense(size, **kwargs)
