"""A door that scripts rely on: Keras layers, whose home is `vaehelpers.model`."""

from vaehelpers.model import (
    FusedLSTM,
    RepeatLSTM,
    Sampling,
    fused_lstm,
    sample_posterior,
    use_threads,
)

__all__ = [
    "FusedLSTM",
    "RepeatLSTM",
    "Sampling",
    "fused_lstm",
    "sample_posterior",
    "use_threads",
]
