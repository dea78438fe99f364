"""Many series: a detector for each, as tasks of Dask, in a folder that can go on where it stopped."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cluster": ["FleetError"],
        "run": ["Fleet", "fleet"],
        "scoring": ["score_fleet"],
    },
)
