"""A door that scripts rely on: Keras layers, whose home is `vaehelpers.model`."""

from vaehelpers.model import FusedLSTM, RepeatLSTM, Sampling, sample_posterior, use_threads
from vaehelpers.model.layers import fused_lstm

__all__ = [
    "FusedLSTM",
    "RepeatLSTM",
    "Sampling",
    "fused_lstm",
    "sample_posterior",
    "use_threads",
]
