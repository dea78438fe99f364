"""The saved form of a detector: JSON beside weights, no pickle.

`detector.json` holds everything but the weights, and one checksum over both. Every leaf is checked when it is read: its
kind, its range, and that nothing is left over. The checksum notices damage and slips, not malice: whoever can write the
folder can write a new checksum as well.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.alarms import AlarmLine
from vaehelpers.common.checks import Reader
from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_folder
from vaehelpers.data.scaling import Scaler
from vaehelpers.detectors.rows import RowScales
from vaehelpers.detectors.seen import Seen
from vaehelpers.detectors.settings import DECODERS, DETECTOR_PARAMETERS, check_settings, is_layer, preset_values
from vaehelpers.thresholds.base import Threshold

if TYPE_CHECKING:
    from vaehelpers.detectors.vae import Detector
    from vaehelpers.model.vae import LSTMVAE

FORMAT = 2
"""Version of the saved form; a folder of a newer one is refused."""

_MOST_WEIGHTS = 200_000_000  # numbers; a changed size in detector.json must not fill the memory
_MOST_VALUES = 50_000_000  # of a window, timesteps * n_features
_OWN = "own:"  # ahead of the class of a layer that is not of this package
_BLOCKS = {"lstm": "LSTM", "bilstm": "BiLSTM", "gru": "GRU", "conv": "convolutional", "mixed": "dense"}


def model_name(settings: Mapping[str, Any]) -> str:
    """Say which model ran, by its blocks.

    Parameters
    ----------
    settings : mapping
        With encoder and decoder.

    Returns
    -------
    str

    Examples
    --------
    >>> model_name({"encoder": "dense", "decoder": "dense"})
    'dense VAE'
    >>> model_name({"encoder": "lstm", "decoder": "repeat"})
    'LSTM-VAE'
    >>> model_name({"encoder": "dense", "decoder": "state"})
    'dense-to-LSTM VAE'
    >>> model_name({"encoder": "mixed", "decoder": "mixed"})
    'dense VAE'
    """
    front, back = (type(one).__name__ if is_layer(one) else one for one in (settings["encoder"], settings["decoder"]))
    front = _BLOCKS.get(front, front)
    if back in DECODERS:
        back = "dense" if back in ("dense", "mixed") else "LSTM"
    if front == back:
        return "dense VAE" if front == "dense" else f"{front}-VAE"
    return f"{front}-to-{back} VAE"


def build_model(settings: Mapping[str, Any], timesteps: int, n_features: int) -> LSTMVAE:
    """Build the model that settings describe, with fresh weights."""
    from vaehelpers.model.own import fresh_copy
    from vaehelpers.model.vae import LSTMVAE

    names = ("units", "encoder", "decoder", "likelihood", "linear_path", "layer_norm")
    chosen = {name: settings[name] for name in names}
    return LSTMVAE(
        timesteps,
        n_features,
        settings["latent_dim"],
        **{name: fresh_copy(one) if is_layer(one) else one for name, one in chosen.items()},
        patch=min(settings["patch"], timesteps),
        seed=int(settings["seed"]),
    )


def save(detector: Detector, folder: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write a fitted detector to a folder, whole or not at all; see `Detector.save`."""
    with atomic_folder(folder, force=force) as temporary:
        weights = temporary / "model.keras"
        detector.model_.save(weights)
        info = _plain(
            {
                "format": FORMAT,
                "settings": plain_settings(detector.settings_),
                "timesteps": detector.timesteps_,
                "smooth": detector.smooth_,
                "n_features": detector.n_features_in_,
                "columns": detector.columns_,
                "named": hasattr(detector, "feature_names_in_"),
                "scaler": detector.scaler_.to_dict(),
                "threshold": detector.threshold_.to_dict(),
                "normalisers": {
                    kind: [dataclasses.asdict(one) for one in several]
                    for kind, several in detector._normalisers.items()
                },
                "row_scales": detector._row_scales and {str(k): v for k, v in detector._row_scales.factors.items()},
                "latent": None
                if detector._latent is None
                else {"mean": detector._latent.mean.tolist(), "precision": detector._latent.precision.tolist()},
                "alarm_line": detector.alarm_line_ and detector.alarm_line_.to_dict(),
                "trailing_line": detector.trailing_line_ and detector.trailing_line_.to_dict(),
                "trailing_threshold": detector.trailing_threshold_ and detector.trailing_threshold_.to_dict(),
                "gap_limit": _limit_to_json(detector.gap_limit_),
                "seen": detector.seen_ and detector.seen_.to_dict(),
                "calibration": {**detector.calibration_, "scores": _thin(detector.calibration_scores_)},
                "training": {**detector.training_, "history": detector.history_.to_dict(orient="list")},
                "collapse": detector.collapse_,
                "notes": detector.notes_,
                "fit_seconds": detector.fit_seconds_,
                "versions": _versions(),
            }
        )
        info["checksum"] = _checksum(info, weights)
        text = json.dumps(info, indent=1, allow_nan=False)
        (temporary / "detector.json").write_text(text + "\n", encoding="utf-8")
    return Path(folder)


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for JSON; of a layer of one's own only the class is named, from which nothing can be built."""
    return {name: f"{_OWN}{type(one).__name__}" if is_layer(one) else one for name, one in settings.items()}


def _with_own_layers(settings: Mapping[str, Any], own: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Put layers that the caller gives where a saved detector had layers of the same class."""
    result = dict(settings)
    for name, layer in own.items():
        held = settings.get(name)
        needed = held.removeprefix(_OWN) if isinstance(held, str) and held.startswith(_OWN) else None
        if layer is None and needed is not None:
            raise InputError(
                f"{path} was saved with {name}={needed}, a layer of your own, which is code and not in the folder; "
                f"give it: Detector.load(folder, {name}={needed}(...))"
            )
        if layer is None:
            continue
        if needed is None:
            raise InputError(f"{path} was saved with {name}={held!r}; leave {name} out")
        if not is_layer(layer) or type(layer).__name__ != needed:
            raise InputError(
                f"{path} was saved with {name}={needed}, and {type(layer).__name__} was given; give {needed}"
            )
        result[name] = layer
    return result


def load(kind: type[Detector], folder: str | os.PathLike[str], **own: Any) -> Detector:
    """Read a detector that `save` wrote; see `Detector.load`."""
    path = Path(folder)
    info = load_detector_info(path)
    weights = path / "model.keras"
    if not weights.is_file():
        raise InputError(f"{path} holds no model.keras; the folder is not whole, save the detector again")
    _check_checksum(info, weights)
    if isinstance(info.get("settings"), dict):
        info["settings"] = _with_own_layers(info["settings"], own, path)
    try:
        detector = _from_info(kind, info)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path / 'detector.json'} is damaged ({error}); save the detector again") from error
    try:
        detector.model_.load_weights(weights)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{weights} does not fit detector.json ({reason}); save the detector again") from error
    if not all(np.isfinite(weight).all() for weight in detector.model_.get_weights()):
        raise InputError(f"{weights} holds numbers that are not finite; save the detector again")
    return detector


def _from_info(kind: type[Detector], info: dict[str, Any]) -> Detector:
    from vaehelpers.model.normalising import LatentDistance, Normaliser

    read = Reader(info, "detector.json")
    made = read.count("format", low=1)
    given = dict(read.mapping("settings"))
    if made == 1 and "score" in given:
        given["kind"] = given.pop("score")
    given.setdefault("scales", "window")  # what there was before the setting
    if isinstance(given.get("units"), list):
        given["units"] = tuple(given["units"])
    settings = check_settings({**preset_values(given.get("preset")), **given}, DETECTOR_PARAMETERS)
    detector = kind(**settings)
    detector.settings_ = settings
    detector.timesteps_ = read.count("timesteps", low=2, high=_MOST_VALUES)
    detector.smooth_ = read.count("smooth", low=1, high=10**9)
    n = detector.n_features_in_ = read.count("n_features", low=1, high=1_000_000)
    _check_sizes(settings, detector.timesteps_, n)
    detector.columns_ = read.texts("columns")
    if len(detector.columns_) != n:
        raise InputError(f"{len(detector.columns_)} columns for n_features={n}")
    if read.data.get("named", made == 1 and not _numbered(detector.columns_)):
        detector.feature_names_in_ = np.asarray(detector.columns_, dtype=object)
    read.left.discard("named")
    detector.scaler_ = Scaler.from_dict(read.mapping("scaler"))
    if len(detector.scaler_.mean_) != n:
        raise InputError("the scaler's size differs from n_features")
    detector.threshold_ = Threshold.from_dict(read.mapping("threshold"))
    scales = read.reader("normalisers")
    detector._normalisers = {}
    # what incidents find their edges by, and what ranks short anomalies
    extra = ["error"] if any(info.get(name) for name in ("alarm_line", "row_factor", "row_scales")) else []
    for name in dict.fromkeys([*detector._kinds(), *extra, *(["error"] if "error" in scales.data else [])]):
        several = [Reader(one, f"normalisers, {name}") for one in scales.take(name)]
        if len(several) != n:
            raise InputError(f"{len(several)} normalisers of {name} for n_features={n}")
        detector._normalisers[name] = [
            Normaliser(one.number("centre"), one.number("spread", low=1e-30)) for one in several
        ]
    scales.done()
    detector._row_scales = _row_scales(read, detector.smooth_)
    detector._latent = None
    latent = read.take("latent")
    if latent is not None:
        size = settings["latent_dim"]
        held = Reader(latent, "detector.json, latent")
        mean, precision = held.numbers("mean", size=size), np.asarray(held.take("precision"), float)
        if precision.shape != (size, size) or not np.isfinite(precision).all():
            raise InputError(f"precision of shape {precision.shape} for latent_dim={size}")
        detector._latent = LatentDistance(mean, precision)
    line = None if made == 1 else read.take("alarm_line")
    detector.alarm_line_ = line and AlarmLine.from_dict(line)
    stream_line = read.data.get("trailing_line")
    detector.trailing_line_ = stream_line and AlarmLine.from_dict(stream_line)
    trailing = read.data.get("trailing_threshold")
    detector.trailing_threshold_ = trailing and Threshold.from_dict(trailing)
    detector.gap_limit_ = _limit_from_json(read.data.get("gap_limit"))
    detector.seen_ = Seen.from_dict(read.data.get("seen"), n)
    calibration = dict(read.mapping("calibration"))
    detector.calibration_scores_ = np.asarray(calibration.pop("scores"), float)
    if not len(detector.calibration_scores_) or not np.isfinite(detector.calibration_scores_).all():
        raise InputError("calibration scores are missing or not finite")
    Reader(calibration, "detector.json, calibration").count("rows", low=1)
    detector.calibration_ = calibration
    training = dict(read.mapping("training"))
    detector.history_ = pd.DataFrame(training.pop("history"))
    detector.training_ = training
    detector.collapse_ = dict(read.mapping("collapse"))
    detector.notes_ = read.texts("notes")
    detector.fit_seconds_ = read.number("fit_seconds", low=0.0)
    detector.model_ = build_model(settings, detector.timesteps_, n)
    return detector


def _numbered(columns: list[str]) -> bool:
    return columns == (["value"] if len(columns) == 1 else [f"value_{i}" for i in range(len(columns))])


def _check_sizes(settings: Mapping[str, Any], timesteps: int, n_features: int) -> None:
    """Refuse sizes that no fit could have had, before a model of that size is built."""
    units = settings["units"] if isinstance(settings["units"], tuple) else (settings["units"],)
    width, latent = timesteps * n_features, settings["latent_dim"]
    weights = width * (sum(units) + latent) * 4 + sum(units) ** 2 * 8 + latent * sum(units)
    if width > _MOST_VALUES or weights > _MOST_WEIGHTS * 4:
        raise InputError(f"windows of {timesteps} x {n_features} and layers of {units} are larger than any fit allows")


def _checksum(info: Mapping[str, Any], weights: Path) -> str:
    """Hash of the weights file and of all else in detector.json, in an order of its own."""
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    rest = {key: value for key, value in info.items() if key != "checksum"}
    digest.update(json.dumps(rest, sort_keys=True).encode())
    return digest.hexdigest()


def _check_checksum(info: Mapping[str, Any], weights: Path) -> None:
    if info["format"] == 1:
        with weights.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == info.get("sha256")
    else:
        same = _checksum(info, weights) == info.get("checksum")
    if not same:
        raise InputError(
            f"{weights.parent} is damaged or was changed by hand: its checksum differs from detector.json; save the "
            "detector again"
        )


def _row_scales(read: Reader, smoothed: int) -> RowScales | None:
    """The factors of the errors of rows; a single one, of 25 rows, before there were two."""
    if "row_factor" in read.data:
        factor = read.number("row_factor", low=0.0)
        return RowScales({25: factor}, smoothed) if factor else None
    if not read.data.get("row_scales"):
        read.left.discard("row_scales")
        return None
    held, factors = read.reader("row_scales"), {}
    for name in list(held.data):
        if not name.isdecimal() or not 1 <= int(name) <= 10**9:
            raise InputError(f"row_scales: {name!r} is no number of rows")
        factors[int(name)] = held.number(name, low=0.0)
    held.done()
    return RowScales(factors, smoothed)


def load_detector_info(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check `detector.json` of a saved detector, without TensorFlow's help.

    Parameters
    ----------
    folder : str or path-like
        That `Detector.save` wrote.

    Returns
    -------
    dict
        Settings, columns, scaler, threshold, notes and versions, among others.

    Raises
    ------
    InputError
        If it is missing, no JSON, or of a newer format.

    Examples
    --------
    >>> load_detector_info("no/such/folder")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: no/such/folder is no folder; name one that Detector.save or `vaehelpers fit` wrote
    """
    path = Path(folder) / "detector.json"
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is no folder; name one that Detector.save or `vaehelpers fit` wrote")
    if not path.is_file():
        raise InputError(f"{folder} holds no detector.json; name a folder that Detector.save or `vaehelpers fit` wrote")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        found = info["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); save the detector again") from error
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise InputError(f"{path} is damaged (format {found!r}); save the detector again")
    if found > FORMAT:
        raise InputError(
            f"{path} has format {found} and this version of vaehelpers reads up to {FORMAT}; update vaehelpers"
        )
    return info


def _limit_to_json(limit: Any) -> dict[str, float] | None:
    if limit is None:
        return None
    return {"nanoseconds": int(limit.value)} if isinstance(limit, pd.Timedelta) else {"number": float(limit)}


def _limit_from_json(limit: dict[str, float] | None) -> pd.Timedelta | float | None:
    if limit is None:
        return None
    read = Reader(limit, "detector.json, gap_limit")
    if "nanoseconds" in limit:
        return pd.Timedelta(read.count("nanoseconds", low=1, high=2**63 - 1), "ns")
    return read.number("number", low=0.0)


def _thin(scores: NDArray[Any], most: int = 20_000) -> list[float]:
    """At most `most` calibration scores, evenly spread over their order."""
    ordered = np.sort(scores)
    if len(ordered) > most:
        ordered = ordered[np.linspace(0, len(ordered) - 1, most).round().astype(int)]
    return ordered.tolist()


def _plain(value: Any) -> Any:
    """The same in JSON's own types; numbers that JSON does not know become null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    return value


def _versions() -> dict[str, str]:
    found = {}
    for name in ("vaehelpers", "keras", "tensorflow", "tensorflow-cpu", "numpy", "pandas", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
