"""Evaluation on a folder of series in the format of the TSB-AD benchmark."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "paired": ["paired_interval"],
        "run": ["bench"],
    },
)
