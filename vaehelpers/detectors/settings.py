"""Parameters of the detector: presets and checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaehelpers import thresholds
from vaehelpers.common.errors import InputError
from vaehelpers.model.scores import SCORES
from vaehelpers.windows import AGGREGATIONS

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "encoder": "dense",
        "decoder": "dense",
        "latent_dim": 8,
        "units": (128, 128),
        "steps": 3_000,
        "batch_size": 128,
        "learning_rate": 2e-3,
    },
    "accurate": {
        "encoder": "dense",
        "decoder": "dense",
        "latent_dim": 8,
        "units": (256, 256),
        "steps": 10_000,
        "batch_size": 128,
        "learning_rate": 2e-3,
    },
}
"""Settings of each preset; chosen on tuning series alone, see docs/tuning.md."""


_COMMON: dict[str, Any] = {
    "likelihood": "gaussian",
    "linear_path": True,
    "patch": 1,
    "score": "window_error",
    "samples": 16,
    "aggregate": "mean",
    "threshold": "pot",
    "false_alarm_rate": 1e-3,
    "max_missing": 0.5,
    "imputations": 5,
    "clip": 8.0,
    "contamination": 0.0,
    "hold_back": 0.3,
    "refit": True,
    "patience": 10,
}


def _check_settings(settings: dict[str, Any]) -> None:
    def whole(name: str, low: int = 1) -> None:
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
            raise InputError(f"{name}={value!r} must be a whole number of at least {low}")

    def share(name: str, low: float, high: float) -> None:
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise InputError(f"{name}={value!r} must be a number between {low} and {high}")

    def choice(name: str, known: Any) -> None:
        if settings[name] not in known:
            raise InputError(f"{name}={settings[name]!r} is unknown; choose one of {', '.join(known)}")

    from vaehelpers.model.decoders import DECODERS
    from vaehelpers.model.encoders import ENCODERS
    from vaehelpers.model.likelihoods import LIKELIHOODS

    for name in ("latent_dim", "steps", "batch_size", "samples", "patience", "patch"):
        whole(name)
    whole("imputations", 0)
    whole("seed", 0)
    for name in ("timesteps", "smooth"):
        if settings[name] is not None:
            whole(name, 2 if name == "timesteps" else 1)
    _units(settings["units"])
    share("learning_rate", 1e-8, 1.0)
    share("false_alarm_rate", 1e-9, 0.5)
    share("max_missing", 0.0, 1.0)
    share("contamination", 0.0, 0.5)
    share("hold_back", 0.0, 0.9)
    share("clip", 1.0, math.inf)
    choice("encoder", ENCODERS)
    choice("decoder", DECODERS)
    choice("likelihood", LIKELIHOODS)
    choice("aggregate", AGGREGATIONS)
    choice("threshold", thresholds.THRESHOLDS)
    for name in ("linear_path", "refit"):
        if not isinstance(settings[name], (bool, np.bool_)):
            raise InputError(f"{name}={settings[name]!r} must be true or false")
    kinds = settings["score"].split("+") if isinstance(settings["score"], str) else [settings["score"]]
    for kind in kinds:
        if not isinstance(kind, str) or kind.strip() not in SCORES:
            raise InputError(f"score={settings['score']!r}: {kind!r} is unknown; choose from {', '.join(SCORES)}")


def _units(units: Any) -> int | tuple[int, ...]:
    sizes = list(units) if isinstance(units, (list, tuple)) else [units]
    good = all(isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 1 for size in sizes)
    if not sizes or not good:
        raise InputError(f"units={units!r} must be a layer size of at least 1, or several of them")
    return tuple(int(size) for size in sizes) if isinstance(units, (list, tuple)) else int(units)
