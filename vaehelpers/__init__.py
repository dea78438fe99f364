"""Time-series anomaly detection with LSTM variational autoencoders.

>>> import vaehelpers
>>> "Detector" in dir(vaehelpers)
True

Modules and names are loaded at first use, so that ``import vaehelpers`` and ``vaehelpers --help`` do not pay for
TensorFlow.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "baselines",
        "bench",
        "blocks",
        "contracts",
        "data",
        "detector",
        "examples",
        "layers",
        "losses",
        "metrics",
        "model",
        "museum",
        "plots",
        "report",
        "scores",
        "stream",
        "thresholds",
        "training",
        "windows",
    ],
    submod_attrs={
        "data": ["Series", "load_series", "read_series"],
        "detector": ["Detector"],
        "errors": ["InputError"],
        "model": ["LSTMVAE"],
    },
)
