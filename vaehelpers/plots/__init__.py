"""Every figure of the notebooks and reports."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["OKABE_ITO", "Picture", "new_axes", "picture"],
        "compare": ["comparison", "contributions", "kind_matrix", "latent_kl", "training_curves", "variable_heat"],
        "lines": [
            "calibration",
            "event_closeup",
            "reconstruction",
            "score",
            "score_histogram",
            "series",
            "stacked_series",
        ],
    },
)
