"""Parameters of the detectors: one declaration each, free of TensorFlow.

Signatures, their defaults, `vaehelpers params`, ``--set``, the checks before a fit and those when a saved detector is
loaded all follow from what is declared here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import numbers
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.base import THRESHOLDS
from vaehelpers.windows import AGGREGATIONS

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "encoder": "dense",
        "decoder": "dense",
        "latent_dim": 8,
        "units": (128, 128),
        "patch": 1,
        "steps": 3_000,
        "batch_size": 128,
        "learning_rate": 2e-3,
    },
    "accurate": {
        "encoder": "dense",
        "decoder": "dense",
        "latent_dim": 8,
        "units": (256, 256),
        "patch": 1,
        "steps": 10_000,
        "batch_size": 128,
        "learning_rate": 2e-3,
    },
    "lstm": {
        "encoder": "dense",
        "decoder": "unfold",
        "latent_dim": 8,
        "units": 64,
        "patch": 16,
        "steps": 6_000,
        "batch_size": 128,
        "learning_rate": 5e-3,
    },
}
"""What each preset sets; chosen on tuning series alone, see docs/tuning.md."""

DEFAULT_PRESET = "fast"
_SHOWN = 12  # choices that a message lists

MANY = 16
"""Variables; with more, dense layers over whole windows cost most of the time and gain nothing: docs/performance.md."""

MANY_BATCH = 32
"""Windows of a training step for so many variables."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a detector: what it takes, what it is by default, and what it does.

    Attributes
    ----------
    name : str
    kind : {"int", "float", "bool", "choice", "sizes", "kinds"}
        "sizes" is an int or a tuple of ints; "kinds" is one choice, or several joined by "+".
    default : object
        None where the series decides; `help` says how.
    help : str
        One line.
    low, high : float, optional
        Both ends are allowed.
    choices : iterable of str, optional
        Read when it is needed, so that names registered later count.
    optional : bool, default False
        Whether None is allowed.
    unit : str, optional
    layers : bool, default False
        Whether a Keras layer is allowed in place of a name.

    Examples
    --------
    >>> steps = Parameter("steps", "int", 3_000, "Training steps.", low=1)
    >>> steps.check(10)
    10
    >>> steps.check(0)
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: steps=0 must be a whole number of at least 1
    >>> steps.range
    'at least 1'
    """

    name: str
    kind: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: Iterable[str] = ()
    optional: bool = False
    unit: str = ""
    layers: bool = False

    def check(self, value: Any) -> Any:
        """Return the value as it will be used.

        Raises
        ------
        InputError
            If it is of the wrong kind or out of range: with the value, and what is allowed.
        """
        if value is None and self.optional:
            return None
        if not self._fits(value):
            raise InputError(f"{self.name}={value!r} {self._demand()}")
        if self.kind == "int":
            return int(value)
        if self.kind == "float":
            with contextlib.suppress(OverflowError):
                return float(value)
            raise InputError(f"{self.name}={str(value)[:20]}... {self._demand()}")
        if self.kind == "sizes":
            return tuple(int(size) for size in value) if isinstance(value, (list, tuple)) else int(value)
        return bool(value) if self.kind == "bool" else value

    def _fits(self, value: Any) -> bool:
        if self.kind == "bool":
            return isinstance(value, bool) or type(value).__name__ == "bool"
        if self.kind == "choice":
            return (isinstance(value, str) and value in set(self.choices)) or (self.layers and is_layer(value))
        if self.kind == "kinds":
            parts = [part.strip() for part in value.split("+")] if isinstance(value, str) else [value]
            return set(parts) <= set(self.choices)
        if self.kind == "sizes":
            sizes = list(value) if isinstance(value, (list, tuple)) else [value]
            return bool(sizes) and all(_is_whole(size) and self._within(size) for size in sizes)
        number = _is_whole(value) if self.kind == "int" else _is_number(value)
        return number and self._within(value)

    def _within(self, value: Any) -> bool:
        return not ((self.low is not None and value < self.low) or (self.high is not None and value > self.high))

    def _demand(self) -> str:
        if self.kind == "bool":
            return "must be true or false"
        if self.kind in ("choice", "kinds"):
            several = ", or several joined by +" if self.kind == "kinds" else ""
            several += ", or give a Keras layer" if self.layers else ""
            return f"is unknown; choose one of {', '.join(list(self.choices)[:_SHOWN])}{several}"
        what = {"int": "a whole number", "sizes": "a layer size, or several of them,", "float": "a number"}[self.kind]
        return f"must be {what} {'of ' if self.high is None else ''}{self.range}".replace(", of", " of")

    @property
    def type(self) -> str:
        """The type in the words of Python, for tables."""
        names = {"choice": "str", "kinds": "str", "sizes": "int | tuple[int, ...]"}
        return names.get(self.kind, self.kind) + (" | None" if self.optional else "")

    @property
    def range(self) -> str:
        """What is allowed, in words."""
        if self.kind in ("choice", "kinds"):
            return " | ".join(self.choices)
        if self.kind == "bool":
            return "true | false"
        if self.low is not None and self.high is not None:
            return f"between {self.low:g} and {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else "any"


SHARED = (
    Parameter(
        "timesteps", "int", None, "Length of a window; default: one period of the series, 32 to 400 rows.",
        low=2, optional=True, unit="rows",
    ),
    Parameter(
        "smooth", "int", None,
        "Rows of the centred moving average over the scores, 1 for none; default: 100, at most a fifth of the "
        "training part.", low=1, optional=True, unit="rows",
    ),
    Parameter("threshold", "choice", "pot", "Rule that draws the line under the scores.", choices=THRESHOLDS),
    Parameter(
        "false_alarm_rate", "float", 1e-3, "Share of normal rows that may be flagged.", low=1e-9, high=0.5,
        unit="share of rows",
    ),
    Parameter(
        "false_alarms", "float", 1.0, "False alarms that may be raised a month, or per 10,000 rows without times.",
        low=1e-6, high=1e6, unit="a month",
    ),
    Parameter(
        "max_missing", "float", 0.5, "Largest share of missing values in a window.", low=0.0, high=1.0, unit="share"
    ),
    Parameter(
        "contamination", "float", 0.0,
        "Largest share of the training windows that may be set aside as anomalous themselves; 0 trusts them all.",
        low=0.0, high=0.5, unit="share",
    ),
    Parameter(
        "hold_back", "float", 0.3,
        "Share of the training part's end that is kept for stopping and for the threshold.", low=0.0, high=0.9,
        unit="share",
    ),
    Parameter("refit", "bool", True, "Go on with all rows once the threshold is drawn."),
    Parameter("seed", "int", 0, "Seed of every random choice.", low=0),
)  # fmt: skip
"""Parameters of every detector."""

ENCODERS = ("lstm", "bilstm", "gru", "conv", "dense", "mixed")
DECODERS = ("repeat", "state", "repeat+state", "feedback", "dense", "mixed", "unfold")
SCORES = ("error", "window_error", "nll", "probability", "elbo", "iwae", "kl", "latent")
LIKELIHOODS = ("gaussian", "gaussian-fixed", "gaussian-learned", "student-t", "laplace")
"""Names that `vaehelpers.model` gives to its blocks, scores and likelihoods; a test holds them together."""


class _Likelihoods(Iterable[str]):
    """Names of the likelihoods; where Keras runs, those that the user registered as well."""

    def __iter__(self) -> Iterator[str]:
        loaded = sys.modules.get("vaehelpers.model.likelihoods")
        return iter(LIKELIHOODS if loaded is None else loaded.LIKELIHOODS)


ROW_SCALES = Parameter(
    "scales", "choice", "window+row",
    "What ranks rows: the error of their windows, or the larger of it and their own. For window errors alone.",
    choices=("window", "window+row"),
)  # fmt: skip
"""Shared by the detectors that rebuild windows."""

VAE = (
    Parameter("latent_dim", "int", 8, "Size of z.", low=1),
    Parameter("units", "sizes", (128, 128), "Units of the layers on either side of z.", low=1),
    Parameter("encoder", "choice", "dense", "From a window to z.", choices=ENCODERS, layers=True),
    Parameter("decoder", "choice", "dense", "From z to a window.", choices=DECODERS, layers=True),
    Parameter("likelihood", "choice", "gaussian", "What a reconstruction costs.", choices=_Likelihoods()),
    Parameter("linear_path", "bool", True, "A linear way around the networks, started from PCA."),
    Parameter("layer_norm", "bool", False, "Normalise the outputs of each layer of the decoder's stack."),
    Parameter("patch", "int", 1, "Rows that a recurrent block takes in one step.", low=1, unit="rows"),
    Parameter(
        "mix_variables", "bool", True,
        f"Beyond {MANY} variables: blocks \"mixed\" in place of dense ones, and at most {MANY_BATCH} windows a step.",
    ),
    Parameter("steps", "int", 3_000, "Training steps, both parts of the training together.", low=1),
    Parameter("batch_size", "int", 128, "Windows of a training step.", low=1, unit="windows"),
    Parameter("learning_rate", "float", 2e-3, "Largest step size of Adam.", low=1e-8, high=1.0),
    Parameter("patience", "int", 10, "Evaluations without progress after which training stops.", low=1),
    Parameter("kind", "kinds", "window_error", "What a score is made of.", choices=SCORES),
    ROW_SCALES,
    Parameter("samples", "int", 16, "Draws of z for the scores that sample.", low=1),
    Parameter("aggregate", "choice", "mean", "From windows to points.", choices=AGGREGATIONS),
    Parameter("imputations", "int", 5, "Passes of imputation over missing values while scoring; 0 for none.", low=0),
    Parameter(
        "clip", "float", 8.0, "What the encoder reads is cut to this many standard deviations.", low=1.0,
        unit="standard deviations",
    ),
)  # fmt: skip
"""Parameters of the VAE, beside those of every detector."""

PRESET = Parameter("preset", "choice", DEFAULT_PRESET, "A set of values for the parameters below.", choices=PRESETS)

DETECTOR_PARAMETERS: dict[str, Parameter] = {one.name: one for one in (PRESET, *VAE, *SHARED)}
"""Every parameter of `Detector`, by name."""


def check_settings(settings: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return settings as they will be used.

    Parameters
    ----------
    settings : mapping of str to object
    known : mapping of str to Parameter

    Returns
    -------
    dict of str to object

    Raises
    ------
    InputError
        If a name is unknown, or a value cannot be used.

    Examples
    --------
    >>> check_settings({"seed": 3}, DETECTOR_PARAMETERS)
    {'seed': 3}
    >>> check_settings({"sede": 3}, DETECTOR_PARAMETERS)
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: unknown parameter 'sede' (did you mean 'seed'?); known are preset, latent_dim, ...
    """
    for name in settings:
        if name not in known:
            raise InputError(unknown_name(name, known))
    return {name: known[name].check(value) for name, value in settings.items()}


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Say that a parameter is unknown, which one may have been meant, and which there are."""
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown parameter {name!r}{hint}; known are {', '.join(names)}"


def preset_values(preset: Any) -> dict[str, Any]:
    """Return the default of every parameter of `Detector` under a preset; an unknown one changes nothing yet."""
    defaults = {name: one.default for name, one in DETECTOR_PARAMETERS.items()}
    return {**defaults, **(PRESETS.get(preset, {}) if isinstance(preset, str) else {}), "preset": preset}


def is_layer(value: Any) -> bool:
    """Return whether a value is a Keras layer, without importing Keras: where there is a layer, it is loaded."""
    loaded = sys.modules.get("keras")
    return loaded is not None and isinstance(value, loaded.layers.Layer)


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and not math.isnan(value)
