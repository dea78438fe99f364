"""Methods of a benchmark by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.detectors.baselines import BASELINES, make_baseline
from vaehelpers.detectors.settings import PRESETS

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "pca16": ("pca", {"n_components": 16}),
    "kmeans100": ("kmeans", {"timesteps": 100}),
}
"""Baselines with a second setting of their own, since neither is the better one everywhere: name, parameters."""


def check_methods(methods: Iterable[str]) -> list[str]:
    """Check the names of methods before any work is done.

    Parameters
    ----------
    methods : iterable of str
        ``"vae"``, ``"vae-<preset>"``, or a name of `vaehelpers.baselines.BASELINES`, which may be followed by a
        smoothing of its own in rows: ``"pca@200"``. Also ``"pca16"`` (PCA with 16 components) and ``"kmeans100"``
        (k-means with windows of 100 rows).

    Returns
    -------
    list of str
        Without repeats.

    Raises
    ------
    InputError
        If a name is unknown, or its library is missing.

    Examples
    --------
    >>> check_methods(["vae", "pca", "pca@200"])
    ['vae', 'pca', 'pca@200']
    >>> check_methods(["VAE"])
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: method 'VAE' is unknown; known are vae, vae-fast, ...
    """
    known = ["vae", *(f"vae-{preset}" for preset in PRESETS), *_baselines()]
    chosen = list(dict.fromkeys(methods))
    if not chosen:
        raise InputError(f"no method is named; known are {', '.join(known)}")
    for method in chosen:
        name, at, rows = method.partition("@")
        if name not in known:
            raise InputError(f"method {method!r} is unknown; known are {', '.join(known)}")
        if at and (name not in _baselines() or not rows.isdecimal() or int(rows) < 1):
            raise InputError(
                f"method {method!r} is unknown; a baseline may be followed by its smoothing, as in pca@200"
            )
        if not _installed(name):
            raise InputError(f"the baseline {name} needs the package stumpy; pip install 'vaehelpers[baselines]'")
    return chosen


def default_methods() -> list[str]:
    """Name what is evaluated where nothing is chosen: the VAE and each baseline that is installed.

    Returns
    -------
    list of str

    Examples
    --------
    >>> default_methods()[:3]
    ['vae', 'random', 'abs_diff']
    """
    return ["vae", *(name for name in _baselines() if _installed(name))]


def _baselines() -> list[str]:
    """Names of the baselines, each with its variants behind it."""
    return [
        name for base in BASELINES for name in (base, *(variant for variant, (of, _) in VARIANTS.items() if of == base))
    ]


def _installed(name: str) -> bool:
    return name != "matrix_profile" or importlib.util.find_spec("stumpy") is not None


def _is_vae(method: str) -> bool:
    return method.partition("-")[0] == "vae"


def _make(method: str, preset: str, seed: int, settings: Mapping[str, Any]) -> Any:
    if _is_vae(method):
        from vaehelpers.detectors.vae import Detector

        return Detector(**{"preset": method.partition("-")[2] or preset, "seed": seed, **settings})
    name, _, rows = method.partition("@")
    base, own = VARIANTS.get(name, (name, {}))
    # scores alone are judged: learn once, from the whole training part
    return make_baseline(base, seed=seed, hold_back=0.0, **own, **({"smooth": int(rows)} if rows else {}))


def _has_seed(method: str) -> bool:
    name = method.partition("@")[0]
    return _is_vae(method) or BASELINES[VARIANTS.get(name, (name, {}))[0]].draws
