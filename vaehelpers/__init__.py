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
        "alarms",
        "baselines",
        "bench",
        "common",
        "contracts",
        "data",
        "detectors",
        "fleet",
        "layers",
        "losses",
        "metrics",
        "model",
        "plots",
        "report",
        "scores",
        "stream",
        "thresholds",
        "windows",
    ],
    submod_attrs={
        "common": ["InputError"],
        "data": ["Series", "load_series", "read_series"],
        "detectors": ["Detector"],
        "model": ["LSTMVAE"],
    },
)
