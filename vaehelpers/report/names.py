"""What the model is called, from the blocks that ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FAMILY = {
    "lstm": "LSTM",
    "bilstm": "LSTM",
    "gru": "GRU",
    "conv": "convolutional",
    "dense": "dense",
    "mixed": "mixed",
    "repeat": "LSTM",
    "state": "LSTM",
    "repeat+state": "LSTM",
    "feedback": "LSTM",
}


def model_name(settings: Mapping[str, Any]) -> str:
    """Name of the model in tables and sentences.

    Parameters
    ----------
    settings : mapping
        With ``encoder`` and ``decoder``, each a name or a Keras layer.

    Returns
    -------
    str

    Examples
    --------
    >>> model_name({"encoder": "dense", "decoder": "dense"})
    'dense VAE'
    >>> model_name({"encoder": "bilstm", "decoder": "repeat"})
    'LSTM-VAE'
    >>> model_name({"encoder": "conv", "decoder": "feedback"})
    'VAE (convolutional encoder, LSTM decoder)'
    """
    encoder, decoder = _family(settings.get("encoder")), _family(settings.get("decoder"))
    if encoder != decoder:
        return f"VAE ({encoder} encoder, {decoder} decoder)"
    return f"{encoder}-VAE" if encoder.isupper() else f"{encoder} VAE"


def _family(block: Any) -> str:
    name = block if isinstance(block, str) else type(block).__name__
    return _FAMILY.get(name, name)
