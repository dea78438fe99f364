"""Score with an exported detector, by ONNX Runtime or OpenVINO, without TensorFlow.

`Detector.export` writes one ONNX file, and `OnnxScorer` reads that file alone. Other languages can do the same:
`docs/performance.md` lists inputs, outputs and metadata. Nothing heavy is imported before it is needed, so that the
first scores of an array come half a second after Python starts.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.precision import narrow
from vaehelpers.detectors.rows import RowScales, without_missing
from vaehelpers.windows import PointAggregator, fill_between, smooth, window_starts

ONNX_FORMAT = 1
"""Version of the metadata; a file of a newer one is refused."""

KEY = "vaehelpers"
"""Name of the metadata in the file."""

_LARGEST = 1e6  # training deviations, as in `BaseDetector`

Array = NDArray[Any]


class OnnxScorer:
    """Scores series with a detector that `Detector.export` wrote, without TensorFlow.

    Parameters
    ----------
    path : str or path-like
        The .onnx file.
    engine : {"onnxruntime", "openvino"}, default "onnxruntime"
        What runs the network. OpenVINO is the faster one on processors that it knows; each is an extra of its own,
        ``vaehelpers[onnx]`` and ``vaehelpers[openvino]``.
    threads : int, optional
        Batches that are scored side by side, each by one thread. Default: the number of cores this process may use.
    batch_size : int, default 128
        Windows in a batch.

    Attributes
    ----------
    timesteps_, smooth_, n_features_in_ : int
    columns_ : list of str
    threshold_ : Threshold
    alarm_line_ : AlarmLine or None

    Raises
    ------
    InputError
        If the file is missing, is no export of a detector, was written by a newer version, or the engine's
        package is missing.

    See Also
    --------
    Detector : fits, explains, and can be saved in full.

    Notes
    -----
    Scores agree with `Detector.decision_function` to 1e-5 of their size. Several threads within one run of a small LSTM
    wait for each other; several runs of one thread each do not (benchmarks/engines.py).

    Examples
    --------
    >>> OnnxScorer("no/such.onnx")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: no/such.onnx does not exist; name a file that Detector.export wrote
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        engine: str = "onnxruntime",
        threads: int | None = None,
        batch_size: int = 128,
    ):
        file = Path(path)
        if not file.is_file():
            raise InputError(f"{file} does not exist; name a file that Detector.export wrote")
        for name, value in {"threads": threads, "batch_size": batch_size}.items():
            if value is not None and (int(value) != value or value < 1):
                raise InputError(f"{name}={value!r} must be a whole number of at least 1")
        self.threads = int(threads or _cores())
        self.batch_size = int(batch_size)
        if engine not in ENGINES:
            raise InputError(f"engine={engine!r} is unknown; choose one of {', '.join(ENGINES)}")
        self._engine = _open(file, engine, self.threads)
        if self._engine.info is None:
            raise InputError(f"{file} is an ONNX file, but none that Detector.export wrote; export the detector again")
        try:
            self._read(json.loads(self._engine.info))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the settings in {file} are damaged ({error!r}); export the detector again") from error

    def _read(self, info: dict[str, Any]) -> None:
        if info["format"] > ONNX_FORMAT:
            raise InputError(
                f"the file has format {info['format']} and this version of vaehelpers reads up to {ONNX_FORMAT}; "
                "update vaehelpers"
            )
        self.timesteps_, self.smooth_ = int(info["timesteps"]), int(info["smooth"])
        self.n_features_in_, self._latent_dim = int(info["n_features"]), int(info["latent_dim"])
        self.columns_ = [str(name) for name in info["columns"]]
        self._mean, self._std = (np.asarray(info["scaler"][key], np.float64) for key in ("mean", "std"))
        self._clip = np.inf if info["clip"] is None else float(info["clip"])
        self._max_missing, self._aggregate = float(info["max_missing"]), str(info["aggregate"])
        self._kinds = [str(kind) for kind in info["kinds"]]
        self._normalisers = {kind: np.asarray(pairs, np.float64) for kind, pairs in info["normalisers"].items()}
        factors = {int(rows): float(factor) for rows, factor in (info.get("row_scales") or {}).items()}
        self._row_scales = RowScales(factors, self.smooth_) if factors else None
        self._named, self._threshold, self._line = bool(info["named"]), info["threshold"], info["alarm_line"]
        passes, rows = int(info["imputations"]), int(info["noise"]["rows"])
        noise = np.frombuffer(base64.b64decode(info["noise"]["values"]), np.float32)
        self._noise = noise.reshape(rows, passes, self._latent_dim)

    @cached_property
    def threshold_(self) -> Any:
        from vaehelpers.thresholds import Threshold

        return Threshold.from_dict(self._threshold)

    @cached_property
    def alarm_line_(self) -> Any:
        from vaehelpers.alarms import AlarmLine

        return self._line and AlarmLine.from_dict(self._line)

    def decision_function(self, series: Any) -> NDArray[np.float64]:
        """Score every row; higher is more anomalous, about 1 on normal rows.

        Parameters
        ----------
        series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of float64, shape (n,)
            NaN where no window covers a row or nothing was observed.

        Raises
        ------
        InputError
            If the series does not fit the detector.
        """
        values, gaps, _ = self._values(series)
        return self._scores(values, gaps)

    def predict(self, series: Any) -> NDArray[np.int64]:
        """Return 1 for anomalous rows and 0 for the others (also for rows without a score), shape (n,).

        As `Detector.predict` does: the rows of incidents above `alarm_line_` (which follows rows that it does not
        fit), or those above `threshold_` where that line promises nothing.
        """
        values, gaps, times = self._values(series)
        line = self.alarm_line_
        if line is None or line.status == "no promise":
            return self.threshold_.flags(self._scores(values, gaps)).astype(np.int64)
        from vaehelpers.alarms.incidents import incident_table
        from vaehelpers.alarms.redraw import judge
        from vaehelpers.detectors.calibration import error_scales, reach_of, rows_of

        errors = self._errors(values, gaps, {*self._kinds, "error"})
        rows = self._normalised(errors, ["error"])
        scales = error_scales(rows, self._total(errors, self._kinds).sum(axis=1), gaps)[1]
        judged = judge(line, scales, reach=reach_of(self.timesteps_))
        found = incident_table(judged.line, scales, points=judged.points, row_errors=rows, times=times, gaps=gaps)
        return rows_of(found, len(values)).astype(np.int64)

    def reconstruct(self, windows: ArrayLike) -> NDArray[np.float32]:
        """Encode and decode windows (batch, timesteps, n_features) that are scaled already; same shape."""
        batch = np.ascontiguousarray(np.asarray(windows, np.float32))
        if batch.ndim != 3 or batch.shape[1:] != (self.timesteps_, self.n_features_in_):
            raise InputError(
                f"windows have shape {batch.shape}; this model reads (batch, {self.timesteps_}, {self.n_features_in_})"
            )
        return self._run("reconstruction", batch, batch, self._zeros(len(batch)))

    # -- below: from values to errors of windows --------------------------------------------------------------------

    def _values(self, series: Any) -> tuple[Array, Array | None, Any]:
        """Values (n, n_features), the rows behind gaps, and the times."""
        gaps = times = None
        if isinstance(series, np.ndarray) and series.dtype.kind in "fiub":
            values = series  # no table, so neither pandas nor the checks of tables are needed
            if np.isinf(values).any() or (np.abs(values) > np.finfo(np.float32).max).any():
                raise InputError(
                    "the series holds values that are infinite or beyond float32 (3.4e38); give finite ones, and NaN "
                    "where missing"
                )
        else:
            from vaehelpers.data.arrays import as_series
            from vaehelpers.detectors.alignment import align

            given = align(as_series(series), self.columns_, named=self._named)
            values, gaps, times = given.values, given.gaps, given.times
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != self.n_features_in_:
            raise InputError(
                f"the series has shape {values.shape}; this detector was fitted on {self.n_features_in_} "
                f"({', '.join(self.columns_)})"
            )
        if len(values) < self.timesteps_:
            raise InputError(
                f"{len(values)} rows are fewer than one window (timesteps={self.timesteps_}); give more rows"
            )
        return values, gaps, times

    def _scores(self, values: Array, gaps: Array | None) -> Array:
        """Scores of rows as they rank, (n,)."""
        errors = self._errors(values, gaps, {*self._kinds, *(["error"] if self._row_scales else [])})
        scores = smooth(self._total(errors, self._kinds).sum(axis=1), self.smooth_, gaps=gaps)
        if self._row_scales is None:
            return scores
        return self._row_scales.scores(scores, self._normalised(errors, ["error"]), gaps)

    def _normalised(self, errors: dict[str, Array], kinds: list[str]) -> Array:
        total = np.zeros((len(errors[kinds[0]]), self.n_features_in_))
        for kind in kinds:
            centre, spread = self._normalisers[kind].T
            total += (errors[kind] - centre) / spread
        return total

    def _total(self, errors: dict[str, Array], kinds: list[str]) -> Array:
        return without_missing(self._normalised(errors, kinds))

    def _errors(self, values: Array, gaps: Array | None, kinds: set[str]) -> dict[str, Array]:
        """Errors of rows (n, n_features) of each kind, as the windows over them see them."""
        scaled, whole, observed = self._scaled(values)
        seen = None if observed.all() else observed
        starts = window_starts(len(values), self.timesteps_, gaps=gaps, observed=seen, max_missing=self._max_missing)
        if not len(starts):
            raise InputError(
                f"no window of {self.timesteps_} rows is free of gaps and has at most {self._max_missing:.0%} missing "
                "values; nothing can be scored"
            )
        points = {kind: PointAggregator(len(values), self.timesteps_, self._aggregate) for kind in kinds}
        for part, errors in self._batches(kinds, scaled, whole, seen, starts):
            for kind, one in errors.items():
                points[kind].add(part, one)
        return {kind: one.result() for kind, one in points.items()}

    def _scaled(self, values: Array) -> tuple[Array, Array, Array]:
        """What the encoder reads, what the reconstruction is held against, and which values were observed."""
        values = np.asarray(narrow(values), np.float64)
        whole = np.clip(((values - self._mean) / self._std).astype(np.float32), -_LARGEST, _LARGEST)
        scaled = np.clip(whole, -self._clip, self._clip)
        observed = ~np.isnan(values)
        if not observed.all():
            fill_between(scaled, observed)
            whole = np.where(observed, whole, scaled)
        return np.ascontiguousarray(scaled, np.float32), np.ascontiguousarray(whole, np.float32), observed

    def _batches(
        self, kinds: set[str], scaled: Array, whole: Array, observed: Array | None, starts: Array
    ) -> Iterator[tuple[Array, dict[str, Array]]]:
        """Starts, and for each kind the errors (batch, timesteps, n_features) of their windows, in order."""
        inside, outside = _windows(scaled, self.timesteps_), _windows(whole, self.timesteps_)
        seen = None if observed is None else _windows(observed, self.timesteps_)
        same = np.array_equal(scaled, whole)

        def score(part: Array) -> tuple[Array, dict[str, Array]]:
            windows = np.ascontiguousarray(inside[part])
            target = windows if same else np.ascontiguousarray(outside[part])
            mask = None if seen is None else seen[part]
            if mask is not None and not mask.all():
                return part, self._masked(kinds, windows, target, mask, part)
            if kinds == {"window_error"}:
                error = self._run("window_error", windows, target, self._zeros(len(part)))
                return part, {"window_error": np.broadcast_to(error[:, None], windows.shape)}
            error = (target - self._run("reconstruction", windows, target, self._zeros(len(part)))) ** 2
            mean = error.mean(axis=1, keepdims=True)
            return part, {kind: error if kind == "error" else np.broadcast_to(mean, error.shape) for kind in kinds}

        parts = [starts[first : first + self.batch_size] for first in range(0, len(starts), self.batch_size)]
        ahead = max(2 * self.threads, 2_048 // self.batch_size)  # batches that are laid onto rows together
        with ThreadPoolExecutor(self.threads) as pool:
            coming = [pool.submit(score, part) for part in parts[:ahead]]
            for first in range(0, len(parts), ahead):
                done = [future.result() for future in coming]
                coming = [pool.submit(score, part) for part in parts[first + ahead : first + 2 * ahead]]
                joined = {kind: np.concatenate([errors[kind] for _, errors in done]) for kind in kinds}
                yield np.concatenate([part for part, _ in done]), joined

    def _masked(self, kinds: set[str], windows: Array, target: Array, seen: Array, starts: Array) -> dict[str, Array]:
        """Errors of windows with missing values, imputed as `vaehelpers.model.impute` does."""
        mask = seen.astype(np.float32)
        noise = self._noise[starts % len(self._noise)]
        filled, passes = windows, noise.shape[1]
        if passes:
            total, kept = np.zeros_like(windows), 0
            for index in range(passes):
                picture = self._run("reconstruction", filled, filled, np.ascontiguousarray(noise[:, index]))
                filled = mask * windows + (1 - mask) * picture
                if index >= passes // 2:
                    total, kept = total + picture, kept + 1
            filled = mask * windows + (1 - mask) * total / np.float32(kept)
        picture = self._run("reconstruction", filled, filled, self._zeros(len(filled)))
        error = mask * (np.where(seen, target, filled) - picture) ** 2
        count = np.maximum(mask.sum(axis=1, keepdims=True), 1)
        found = {"error": error, "window_error": mask * error.sum(axis=1, keepdims=True) / count}
        visible = mask.sum(axis=2, keepdims=True)
        share = np.where(visible == 0, np.nan, self.n_features_in_ / np.maximum(visible, 1))
        return {kind: found[kind] * share for kind in kinds}

    def _zeros(self, count: int) -> NDArray[np.float32]:
        return np.zeros((count, self._latent_dim), np.float32)

    def _run(self, output: str, windows: Array, target: Array, noise: Array) -> Array:
        return self._engine.run(output, {"windows": windows, "target": target, "noise": noise})


def _windows(series: Array, timesteps: int) -> Array:
    """All windows (n - timesteps + 1, timesteps, n_features) of a contiguous series (n, n_features), as a view."""
    series = np.ascontiguousarray(series)
    row, column = series.strides
    shape = (len(series) - timesteps + 1, timesteps, series.shape[1])
    return np.lib.stride_tricks.as_strided(series, shape, (row, row, column), writeable=False)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _OnnxRuntime:
    """One thread a run; several runs side by side come from Python's threads, which may share a session."""

    package = "onnxruntime"

    def __init__(self, file: Path, threads: int):
        runtime = load_package(self.package)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(os.fspath(file), options, providers=["CPUExecutionProvider"])
        self.info = self._session.get_modelmeta().custom_metadata_map.get(KEY)

    def run(self, output: str, feeds: dict[str, Array]) -> NDArray[np.float32]:
        return self._session.run([output], feeds)[0]


class _OpenVino:
    """A stream for each thread, and a request for each of Python's threads."""

    package = "openvino"

    def __init__(self, file: Path, threads: int):
        openvino = load_package(self.package)
        core = openvino.Core()
        model = core.read_model(os.fspath(file))
        where = ["framework", KEY]
        self.info = str(model.get_rt_info(where).value) if model.has_rt_info(where) else None
        # left to itself it computes in bfloat16 where the processor can, and is off by 5e-3
        settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
        self._compiled = core.compile_model(model, "CPU", settings)
        self._own = threading.local()

    def run(self, output: str, feeds: dict[str, Array]) -> NDArray[np.float32]:
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer(feeds, share_inputs=True)
        return request.get_tensor(output).data.copy()


ENGINES: dict[str, type[_OnnxRuntime] | type[_OpenVino]] = {"onnxruntime": _OnnxRuntime, "openvino": _OpenVino}
"""What can run an exported detector, by the name of its package."""


def _open(file: Path, engine: str, threads: int) -> Any:
    try:
        return ENGINES[engine](file, threads)
    except InputError:
        raise
    except Exception as error:  # the runtimes have exception classes for each of their states
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{file} cannot be read as an ONNX model ({reason}); export the detector again") from error


def load_package(name: str) -> Any:
    """Import an optional package, or say which extra brings it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        extra = "openvino" if name == "openvino" else "onnx"
        raise InputError(f"the package {name} is missing; pip install 'vaehelpers[{extra}]'") from error
