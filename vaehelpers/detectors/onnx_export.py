"""A fitted detector as one ONNX file: the network node by node, everything else that scoring needs as metadata."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file
from vaehelpers.detectors.onnx import KEY, ONNX_FORMAT, load_package

if TYPE_CHECKING:
    from vaehelpers.detectors.vae import Detector

_KINDS = ("window_error", "error")


def export_onnx(detector: Detector, path: str | os.PathLike[str]) -> Path:
    """Write a fitted detector as one ONNX file; see `Detector.export`.

    Notes
    -----
    The graph has the inputs ``windows`` (batch, timesteps, n_features), scaled and cut as the encoder reads them,
    ``target`` of the same shape, what the reconstruction is held against, and ``noise`` (batch, latent_dim), zeros for
    the posterior mean. Outputs: ``reconstruction`` like the windows, and ``window_error`` (batch, n_features), the mean
    squared error over the window. All are float32.

    Examples
    --------
    >>> from vaehelpers.detectors import Detector
    >>> export_onnx(Detector(), "pump.onnx")
    Traceback (most recent call last):
    ...
    vaehelpers.detectors.NotFitted: this detector is not fitted; call fit(series) or Detector.load(folder) first
    """
    from vaehelpers.detectors.onnx_graph import build_graph

    detector.check_fitted()
    file = Path(path)
    if file.suffix.lower() != ".onnx":
        raise InputError(f"{file.name!r} does not end in .onnx; name the file so, or programs will not know it")
    kinds = detector._kinds()
    strange = [kind for kind in kinds if kind not in _KINDS]
    if strange:
        raise InputError(f"the score {strange[0]!r} has no ONNX form; fit with kind='window_error' or 'error', or both")
    model = build_graph(detector.model_, load_package("onnx"), {KEY: json.dumps(_about(detector, kinds))})
    with atomic_file(file) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return file


def _about(detector: Detector, kinds: list[str]) -> dict[str, Any]:
    """What scoring needs beside the network, in JSON's own types."""
    from vaehelpers import __version__
    from vaehelpers.model.scores import _NOISE_ROWS, _noise

    settings = detector.settings_
    passes = int(settings["imputations"])
    # the latent noise of the imputation passes; stored, because TensorFlow's generator is not at hand where this runs
    noise = np.asarray(_noise(detector.model_, 0, passes, settings["seed"]), np.float32)
    line = detector.alarm_line_ if "error" in detector._normalisers else None
    scales = detector._row_scales
    return {
        "format": ONNX_FORMAT,
        "version": __version__,
        "timesteps": detector.timesteps_,
        "smooth": detector.smooth_,
        "n_features": detector.n_features_in_,
        "latent_dim": detector.model_.latent_dim,
        "columns": list(detector.columns_),
        "named": hasattr(detector, "feature_names_in_"),
        "scaler": detector.scaler_.to_dict(),
        "clip": settings["clip"] if np.isfinite(settings["clip"]) else None,
        "max_missing": settings["max_missing"],
        "aggregate": settings["aggregate"],
        "kinds": kinds,
        "row_scales": scales and {str(rows): factor for rows, factor in scales.factors.items()},
        "normalisers": {
            kind: [[one.centre, one.spread] for one in several]
            for kind, several in detector._normalisers.items()
            if kind in _KINDS
        },
        "threshold": detector.threshold_.to_dict(),
        "alarm_line": line and line.to_dict(),
        "imputations": passes,
        "noise": {"rows": _NOISE_ROWS, "values": base64.b64encode(noise.tobytes()).decode("ascii")},
    }
