"""Tests that every variational autoencoder must pass, whoever wrote it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "functions": ["VAEFunctions"],
        "report": ["ContractReport", "assert_vae", "check_vae"],
    },
)
