"""Every figure of the notebooks and reports."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["OKABE_ITO", "new_axes", "picture"],
        "compare": ["latent_kl"],
        "lines": ["reconstruction", "score", "series"],
    },
)
