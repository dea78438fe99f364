"""`Detector`: the VAE as a detector, from a series to scores, flags and events with one object.

Lessons: notebooks/06_thresholding.ipynb and 07_report.ipynb.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vaehelpers.alarms import AlarmLine, calibrate
from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.data.scaling import Scaler
from vaehelpers.data.series import Series
from vaehelpers.detectors import saved
from vaehelpers.detectors.base import BaseDetector
from vaehelpers.detectors.calibration import error_scales, make_rule, reach_of, rows_of, without_outbreaks
from vaehelpers.detectors.fitting import blocks_for_many, training_summary
from vaehelpers.detectors.prepared import Details, Errors, Prepared
from vaehelpers.detectors.rows import RowScales, without_missing
from vaehelpers.detectors.seen import Seen
from vaehelpers.detectors.settings import DETECTOR_PARAMETERS, PRESET, PRESETS, VAE, preset_values
from vaehelpers.detectors.stream_alarms import without_few
from vaehelpers.model.collapse import collapse_report
from vaehelpers.model.normalising import LatentDistance, Normaliser, fit_latent_distance
from vaehelpers.model.scores import SeriesScores, encode_series, score_series
from vaehelpers.model.training import History, train
from vaehelpers.thresholds.base import Threshold
from vaehelpers.windows import gather, smooth


class Detector(BaseDetector):
    """A variational autoencoder as an anomaly detector for a series.

    By default encoder and decoder are dense (preset "fast"); which blocks run is a setting, and `model_name` says it.

    Parameters
    ----------
    preset : {"fast", "accurate", "lstm"}, default "fast"
        Sets latent_dim, units, encoder, decoder, patch, steps, batch_size and learning_rate where they are not given.
        "lstm" is the recurrent one; docs/tuning.md says what it finds and costs.
    latent_dim : int, default 8
    units : int or tuple of int, default (128, 128)
    encoder : {"lstm", "bilstm", "gru", "conv", "dense", "mixed"} or keras.layers.Layer, default "dense"
    decoder : str or keras.layers.Layer, default "dense"
        "repeat", "state", "repeat+state", "feedback", "unfold", "dense" or "mixed".
        Layers of your own are built anew from their configuration for each fit; see `vaehelpers.model.LSTMVAE` for the
        shapes, and `load` for what a saved detector needs.
    likelihood : str, default "gaussian"
    linear_path : bool, default True
    layer_norm : bool, default False
        Normalise the layers of the decoder's stack; not for "feedback" or layers of your own. docs/tuning.md says where
        it helps and where it does not.
    patch : int, default 1
        See `vaehelpers.model.LSTMVAE`.
    mix_variables : bool, default True
        For series of more than 16 variables, dense blocks become "mixed" ones, and a step has at most 32 windows:
        half of the seconds, and no worse. `notes_` says so. False leaves blocks and batch_size as they are.
    steps : int, default 3000
        Counts both parts of the training, see `refit`.
    batch_size : int, default 128
    learning_rate : float, default 0.002
    patience : int, default 10
        See `vaehelpers.model.train`.
    kind : str, default "window_error"
        One of `vaehelpers.scores.SCORES`, or several joined by "+".
    scales : {"window", "window+row"}, default "window+row"
        What ranks rows where `kind` is "window_error". "window+row" takes the largest of the window's error over
        `smooth` rows, the error of the row itself, and that over 25 rows, scaled so that all have the same 99.9%
        quantile on the training part. So short anomalies count as well; docs/tuning.md says what they gain. Streams
        have the window's score alone.
    samples : int, default 16
        Latent samples per window for the scores that sample.
    aggregate : {"mean", "median", "max", "last", "centre"}, default "mean"
        From windows to points.
    imputations : int, default 5
        Passes of imputation over missing values while scoring.
    clip : float, default 8.0
        What the encoder reads is cut to this many standard deviations, so that one spike does not drown the rest. The
        reconstruction is held against the values as they are.
    timesteps : int, optional
        Length of a window, in rows. Default: one period of the series, between 32 and 400 rows (100 without rhythm).
    smooth : int, optional
        Rows of the centred moving average over the point scores; 1 for none. Default: 100, at most a fifth of the
        training part.
    threshold : str, default "pot"
        One of `vaehelpers.thresholds.THRESHOLDS`.
    false_alarm_rate : float, default 0.001
        Share of normal rows that may lie above `threshold_`.
    false_alarms : float, default 1.0
        False alarms that may be raised a month, or per 10,000 rows without times: the promise of `alarm_line_`.
    max_missing : float, default 0.5
        Largest share of missing values in a window.
    contamination : float, default 0.0
        Largest share of the training windows that may be set aside as anomalous themselves. 0 trusts the training part.
    hold_back : float, default 0.3
        Share of the rows at the end of the training part that is kept for itself: the first third of it stops the
        training, the rest calibrates the threshold. A series under 20 windows long is not split (see `notes_`).
    refit : bool, default True
        After half of the steps, when the threshold is calibrated on rows that the model never saw, go on with all rows.
        The threshold stays; a model that knows more rows errs less on normal ones, so it is on the safe side.
    seed : int, default 0

    Attributes
    ----------
    model_ : LSTMVAE
    scaler_ : Scaler
    timesteps_, smooth_, n_features_in_ : int
    threshold_ : Threshold
        Fitted on `calibration_scores_`.
    alarm_line_ : AlarmLine or None
        What incidents are judged by, with its promise, or the reason why it makes none.
    trailing_threshold_ : Threshold or None
        Fitted on the trailing scores of the same rows: for streams, where a row knows nothing of later ones.
    trailing_line_ : AlarmLine or None
        The line that streams raise alarms by, drawn on trailing scores as well.
    gap_limit_ : Timedelta, float or None
        Longer intervals between rows are gaps; from the training part's times, see `Series.gap_limit`.
    seen_ : Seen or None
        Range and sampling of the training part; None in detectors saved by versions before 1.1.
    history_ : DataFrame
        One row per evaluation of the training.
    collapse_ : dict
        Whether the latent is used, in numbers and in words ("text").
    notes_ : list of str
        What was noticed on the way.
    fit_seconds_ : float

    Examples
    --------
    >>> from vaehelpers.detectors import Detector
    >>> rows = np.arange(1_500)
    >>> normal = np.sin(rows / 8) + 0.1 * np.random.default_rng(0).normal(size=1_500)
    >>> detector = Detector(timesteps=50, units=8, latent_dim=4, steps=20, smooth=5).fit(normal)
    >>> odd = normal.copy()
    >>> odd[700:740] = 0.0
    >>> int(abs(np.argmax(detector.decision_function(odd)) - 720) < 40)
    1
    """

    own: ClassVar = (PRESET, *VAE)
    positional: ClassVar = ("preset",)

    def _defaults(self, given: dict[str, Any]) -> dict[str, Any]:
        return preset_values(given.get("preset", PRESET.default))

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. A preset sets what it stands for, except what is set in the same call.

        Raises
        ------
        ValueError
            If a name is unknown.
        """
        known = PRESETS.get(params["preset"], {}) if isinstance(params.get("preset"), str) else {}
        return super().set_params(**{**known, **params})

    @property
    def model_name(self) -> str:
        """What ran, in words: "dense VAE", "LSTM-VAE", "dense-LSTM VAE", ..."""
        return saved.model_name(self.settings_ if hasattr(self, "settings_") else self.settings())

    # -- fit ------------------------------------------------------------------------------------------------------

    def _fit(self, values: NDArray[Any], given: Series, progress: Progress) -> None:
        settings, n, timesteps = self.settings_, len(values), self.timesteps_
        changed, notes = blocks_for_many(settings, self.n_features_in_)
        settings.update(changed)
        self.notes_ += notes
        fit_end, val_end = self._split(n)
        self.scaler_ = Scaler().fit(values[:fit_end])
        prepared = self.prepare(values, gaps=given.gaps, times=given.times)
        starts = prepared.starts
        train_starts = starts[starts + timesteps <= fit_end]
        if not len(train_starts):
            raise InputError(
                f"no window of timesteps={timesteps} in the {fit_end} training rows is free of gaps and has at most "
                f"{settings['max_missing']:.0%} missing values; shorten timesteps or raise max_missing"
            )
        val_starts = starts[(starts >= fit_end) & (starts + timesteps <= val_end)]
        self.model_ = saved.build_model(settings, timesteps, values.shape[1])
        self._start(prepared.scaled, train_starts)
        train_starts = self._set_aside(prepared, train_starts)
        again = settings["refit"] and fit_end < n
        steps = settings["steps"]
        half = (steps + 1) // 2 if again else steps
        first = self._train(prepared, train_starts, val_starts, (0, half), progress)
        self._note_history(first)
        self._measure_latent(prepared.scaled, train_starts)
        self._normalise(prepared, train_starts)
        self._calibrate(prepared, train_starts, (fit_end, val_end), progress)
        if again and first.stopped != "interrupt" and steps > 1:
            # set aside are windows that looked anomalous to the starting model, and held-back rows over the threshold
            everything = np.union1d(train_starts, self._unsuspicious(starts[starts + timesteps > fit_end]))
            self._note_history(first, self._train(prepared, everything, None, (half, steps), progress))
            self._measure_latent(prepared.scaled, everything)
            self._measure_rows(prepared, everything)
        self._finish_alarms(prepared, progress)

    def update(self, series: Any, *, steps: int | None = None, progress: Progress = quiet) -> Detector:
        """Go on learning from newer rows, and draw both lines anew on them.

        The weights are the start, so that a quarter of the first training is enough. Rows may hold anomalies: windows
        over incidents are not learned from, and the lines are drawn robustly, as in a series that is its own training
        part. Scale, window length and columns stay; where the values have moved beyond ten standard deviations, `fit`
        anew.

        Parameters
        ----------
        series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
            The newer rows; give those of the last weeks, not the new ones alone: what is not in it is forgotten.
        steps : int, optional
            Training steps. Default: a quarter of the parameter ``steps``.
        progress : Progress, optional

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the detector is not fitted, the series does not fit it, or it is shorter than 20 windows.

        Examples
        --------
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> wave = np.sin(np.arange(900) / 3) + 0.1 * rng.normal(size=900)
        >>> detector = Detector(timesteps=20, units=4, latent_dim=2, steps=40, smooth=5).fit(wave)
        >>> louder = wave + 0.2 * rng.normal(size=900)
        >>> before = np.nanmean(detector.decision_function(louder))
        >>> bool(np.nanmean(detector.update(louder, steps=20).decision_function(louder)) < before)
        True
        """
        given, prepared = self._ready(series)
        n, least = len(prepared), 20 * self.timesteps_
        if n < least:
            raise InputError(
                f"{n:,} rows are fewer than 20 windows of {self.timesteps_} ({least:,} rows), too few to learn from "
                "and to draw a line on; give the rows before them as well"
            )
        many = DETECTOR_PARAMETERS["steps"].check(max(1, self.settings_["steps"] // 4) if steps is None else steps)
        self.settings_ = {**self.settings_, "contamination": max(0.05, self.settings_["contamination"])}
        self.notes_ = []
        self.seen_ = Seen.of(given)
        self._promise_ = self._promise(given)
        self._draw_alarm_line(self._time_scales(prepared, progress), self._promise_)
        starts = self._calm(prepared, given)
        part = (self.settings_["steps"], self.settings_["steps"] + many)
        again = self._train(prepared, starts, None, part, progress)
        self._note_history(again)
        self._measure_latent(prepared.scaled, starts)
        self._normalise(prepared, starts)
        self._calibrate(prepared, starts, (n, n), progress)
        self._finish_alarms(prepared, progress)
        self.notes_.append(
            f"Updated on {n:,} newer rows with {many:,} steps; {len(prepared.starts) - len(starts):,} of "
            f"{len(prepared.starts):,} windows lie over incidents and were not learned from."
        )
        return self

    def _calm(self, prepared: Prepared, given: Series) -> NDArray[Any]:
        """Windows without a row of an incident; all of them where there would be next to none."""
        starts = prepared.starts
        if not self._promises():
            return starts
        scales = self._time_scales(prepared, quiet)
        marks = rows_of(self._incidents(self.judge(scales), scales, given), len(prepared))
        total = np.concatenate([[0], np.cumsum(marks)])
        kept = starts[total[starts + self.timesteps_] == total[starts]]
        return kept if len(kept) >= len(starts) // 2 else starts

    def _train(
        self,
        prepared: Prepared,
        starts: NDArray[Any],
        val_starts: NDArray[Any] | None,
        part: tuple[int, int],
        progress: Progress,
    ) -> History:
        """Take the steps of `part`, a (first, last) out of all, on the windows at `starts`."""
        settings = self.settings_
        begin, end = part
        return train(
            self.model_,
            prepared.scaled,
            starts,
            mask=prepared.mask,
            val_starts=val_starts,
            steps=end - begin,
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            patience=settings["patience"],
            seed=settings["seed"] + begin,
            progress=lambda stage, done, total: progress(stage, begin + done, settings["steps"]),
        )

    def _unsuspicious(self, starts: NDArray[Any]) -> NDArray[Any]:
        """Of held-back windows those to learn from: all, or in an untrusted training part those without a flag."""
        if not self.settings_["contamination"] or not self.calibration_["held_back"]:
            return starts
        flagged = np.zeros(self.calibration_["last"] + 1, bool)
        flagged[self._calibration_rows[self.threshold_.flags(self.calibration_scores_)]] = True
        total = np.concatenate([[0], np.cumsum(flagged)])
        ends = np.minimum(starts + self.timesteps_, len(flagged))
        return starts[total[ends] == total[np.minimum(starts, len(flagged))]]

    def _start(self, scaled: NDArray[Any], starts: NDArray[Any]) -> None:
        if not self.settings_["linear_path"] or len(starts) < 2:
            return
        rng = np.random.default_rng(self.settings_["seed"])
        # enough windows for a covariance, few enough for memory: 32 million values at most
        most = max(64, min(8_192, 32_000_000 // (self.timesteps_ * self.n_features_in_)))
        chosen = np.sort(rng.choice(starts, min(most, len(starts)), replace=False))
        self.model_.start_from_pca(gather(scaled, chosen, self.timesteps_))

    def _set_aside(self, prepared: Prepared, starts: NDArray[Any]) -> NDArray[Any]:
        """Leave out training windows that look anomalous to the starting model, at most the share `contamination`."""
        share = self.settings_["contamination"]
        if not share or not self.settings_["linear_path"]:
            return starts
        for _ in range(2):  # the second look is by a model that has not seen the worst of the first
            points = score_series(self.model_, prepared.scaled, starts, mask=prepared.mask, kind="error").scores
            total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(points))])
            error = (total[starts + self.timesteps_] - total[starts]) / self.timesteps_
            spread = 1.4826 * np.median(np.abs(error - np.median(error)))
            limit = max(np.quantile(error, 1 - share), np.median(error) + 6 * spread)
            kept = starts[error <= limit]
            self._start(prepared.scaled, kept)
        if len(kept) < len(starts):
            self.notes_.append(
                f"{len(starts) - len(kept):,} of {len(starts):,} training windows looked anomalous themselves and "
                "were set aside."
            )
        return kept

    def _note_history(self, first: History, second: History | None = None) -> None:
        self.history_, self.training_, notes = training_summary(first, second, self.settings_["steps"])
        self.notes_ += notes

    def _measure_latent(self, scaled: NDArray[Any], starts: NDArray[Any]) -> None:
        chosen = starts[np.unique(np.linspace(0, len(starts) - 1, min(4_096, len(starts))).round().astype(int))]
        mu, log_var = encode_series(self.model_, scaled, chosen)
        self.collapse_ = collapse_report(mu, log_var).to_dict() if len(mu) > 1 else {}
        self._latent: LatentDistance | None = fit_latent_distance(mu) if len(mu) > 1 else None

    def _normalise(self, prepared: Prepared, train_starts: NDArray[Any]) -> None:
        """What one unit of score is: the error on the training windows, per variable."""
        chosen = prepared.at(train_starts[:: max(1, len(train_starts) // 4_096)])
        self._normalisers: dict[str, list[Normaliser]] = {}
        for kind in dict.fromkeys([*self._kinds(), "error"]):
            sample = self._run(kind, chosen, details=True)
            assert sample.contributions is not None
            if kind in ("error", "window_error"):
                means = np.maximum(np.nanmean(sample.contributions, axis=0), 1e-4) * self.n_features_in_
                self._normalisers[kind] = [Normaliser(0.0, float(mean)) for mean in means]
            else:
                one = Normaliser.fit(sample.scores)
                centre = one.centre / self.n_features_in_
                self._normalisers[kind] = [Normaliser(centre, one.spread)] * self.n_features_in_
        self._measure_rows(prepared, train_starts)

    def _measure_rows(self, prepared: Prepared, train_starts: NDArray[Any]) -> None:
        """What the errors of rows are multiplied by, where they rank beside those of windows."""
        self._row_scales = None
        if self.settings_["scales"] == "window+row" and self._kinds() == ["window_error"]:
            known = prepared.at(train_starts)
            self._row_scales = RowScales.measure(self._errors(known, quiet), self.smooth_, known.gaps)

    def _finish_alarms(self, prepared: Prepared, progress: Progress) -> None:
        super()._finish_alarms(prepared, progress)
        if self._own_part():
            self._set_trailing_threshold(prepared, prepared.starts, progress)
            self._draw_trailing_line(prepared, None, None, progress)

    def _draw_trailing_line(
        self, prepared: Prepared, held_from: int | None, trained_to: int | None, progress: Progress
    ) -> None:
        """Draw the alarm line of streams, on trailing scores of the rows that the other line was drawn on."""
        scales = self.errors_and_scales(prepared, trailing=True, progress=progress)[1]
        trained = None
        if held_from is not None:
            trained = {name: values[:trained_to] for name, values in scales.items()}
            late = np.arange(len(prepared)) >= held_from
            scales = {name: np.where(late, values, np.nan) for name, values in scales.items()}
        self.trailing_line_: AlarmLine | None
        try:
            self.trailing_line_ = calibrate(
                scales,
                self._promise_,
                reach=reach_of(self.timesteps_),
                contaminated=self.settings_["contamination"] > 0,
                trained=trained,
            )
        except InputError:  # a window's length of rows less than the line of the whole had
            self.trailing_line_ = None

    def _calibrate(
        self, prepared: Prepared, train_starts: NDArray[Any], ends: tuple[int, int], progress: Progress
    ) -> None:
        super()._calibrate(prepared, train_starts, ends, progress)
        held = self.calibration_["held_back"]
        part = prepared.starts[prepared.starts >= ends[1]] if held else train_starts
        self._set_trailing_threshold(prepared, part, progress)
        self.trailing_line_ = None
        if not self._own_part():
            self._draw_trailing_line(prepared, ends[1] if held else None, ends[0] if held else None, progress)

    def _set_trailing_threshold(self, prepared: Prepared, part: NDArray[Any], progress: Progress) -> None:
        points = self.points(prepared.at(part), aggregate="trailing", progress=progress)
        scores = smooth(points, self.smooth_, trailing=True, gaps=prepared.gaps)
        if self.settings_["contamination"] and np.isfinite(scores).any():
            scores = without_outbreaks(scores, self.smooth_)
        self.trailing_threshold_: Threshold | None
        try:
            self.trailing_threshold_ = make_rule(self.settings_).fit(scores)
        except InputError:  # a window's length of rows less than the threshold above had
            self.trailing_threshold_ = None

    def _kinds(self) -> list[str]:
        return [kind.strip() for kind in self.settings_["kind"].split("+")]

    # -- score ----------------------------------------------------------------------------------------------------

    def _run(
        self,
        kind: str,
        prepared: Prepared,
        *,
        details: bool,
        rows: bool = False,
        aggregate: str | None = None,
        progress: Progress = quiet,
    ) -> SeriesScores:
        return score_series(
            self.model_,
            prepared.scaled,
            prepared.starts,
            mask=prepared.mask,
            target=prepared.target,
            kind=kind,
            samples=self.settings_["samples"],
            latent=self._latent,
            aggregate=aggregate or self.settings_["aggregate"],
            details=details,
            rows=rows,
            imputations=self.settings_["imputations"],
            first_row=prepared.first_row,
            seed=self.settings_["seed"],
            progress=progress,
        )

    def _look(
        self, prepared: Prepared, *, details: bool = False, rows: bool = False, **options: Any
    ) -> tuple[NDArray[Any], NDArray[Any] | None, SeriesScores]:
        """What each variable adds to each row's score before smoothing, (n, n_features); errors of rows; the last run.

        Errors of rows are in units of the training part's, None without `rows`. The pass that gives the errors of
        windows gives them as well.
        """
        several = details or self.n_features_in_ > 1
        total, own, result = np.zeros((len(prepared), self.n_features_in_)), None, None
        for kind in self._kinds():
            result = self._run(kind, prepared, details=several, rows=rows and kind == "window_error", **options)
            total += self._in_units(kind, _parts(result))
            own = _parts(result) if kind == "error" else own if result.rows is None else result.rows
        if rows:
            if own is None:
                own = _parts(self._run("error", prepared, details=self.n_features_in_ > 1, **options))
            own = self._in_units("error", own)
        assert result is not None
        return without_missing(total), own if rows else None, result

    def _in_units(self, kind: str, parts: NDArray[Any]) -> NDArray[Any]:
        columns = zip(self._normalisers[kind], parts.T, strict=True)
        return np.column_stack([normaliser.transform(column) for normaliser, column in columns])

    def points(self, prepared: Prepared, *, aggregate: str | None = None, progress: Progress = quiet) -> NDArray[Any]:
        """Score rows before smoothing; see `BaseDetector.points`."""
        return self._look(prepared, aggregate=aggregate, progress=progress)[0].sum(axis=1)

    def _errors(self, prepared: Prepared, progress: Progress, *, aggregate: str | None = None) -> Errors:
        contributions, rows, _ = self._look(prepared, rows=True, aggregate=aggregate, progress=progress)
        assert rows is not None
        return rows, contributions.sum(axis=1)

    def errors_and_scales(
        self, prepared: Prepared, *, trailing: bool = False, progress: Progress = quiet
    ) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Errors of rows, summed, and the scores at the alarm line's time scales."""
        rows, points = self._errors(prepared, progress, aggregate="trailing" if trailing else None)
        total, scales = error_scales(rows, points, prepared.gaps, trailing=trailing)
        if trailing:
            scales = without_few(scales, {"row": total, "window": points}, prepared.gaps)
        return total, scales

    def last_errors(self, prepared: Prepared) -> tuple[float, float]:
        """The last row's score before smoothing, and its own error, both by the window that ends with it."""
        rows, points = self._errors(prepared, quiet, aggregate="trailing")
        own = float("nan") if np.isnan(rows[-1]).all() else float(np.nansum(rows[-1]))
        return float(points[-1]), own

    def expected_of(self, prepared: Prepared) -> NDArray[Any]:
        """The reconstruction, in the units of the series."""
        return self.scaler_.inverse_transform(self._details(prepared, quiet)[1][0])

    def contributions_of(self, prepared: Prepared) -> NDArray[Any]:
        """What each variable adds to each row's score, shape (n, n_features)."""
        return self._smoothed_details(prepared, quiet)[0]

    def _details(self, prepared: Prepared, progress: Progress) -> Details:
        known = "error" in self._normalisers  # not in what versions before the alarm line saved
        contributions, rows, result = self._look(prepared, details=True, rows=known, progress=progress)
        width = 2.0 * np.asarray(result.deviation)
        expected = np.asarray(result.expected)
        errors = None if rows is None else (rows, contributions.sum(axis=1))
        return contributions, (expected, expected - width, expected + width), errors

    # -- save and load --------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write the detector to a folder: `model.keras` (weights) and `detector.json` (all else); no pickle.

        Parameters
        ----------
        folder : str or path-like
            Appears when it is whole. An existing one is refused without `force`.
        force : bool, default False

        Returns
        -------
        pathlib.Path
            The folder.
        """
        self.check_fitted()
        return saved.save(self, folder, force=force)

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the detector as one ONNX file, which scores without TensorFlow; see `OnnxScorer`, which reads it.

        Parameters
        ----------
        path : str or path-like
            Ends in .onnx. Appears when it is whole; an existing file is replaced.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        InputError
            If the detector is not fitted, its score samples the latent, a block has no ONNX form (the feedback
            decoder, a layer of your own), or the package onnx is missing.
        """
        from vaehelpers.detectors.onnx_export import export_onnx

        return export_onnx(self, path)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, encoder: Any = None, decoder: Any = None) -> Detector:
        """Read a detector that `save` wrote, of this format or an older one.

        The architecture is built from checked settings by this package's own code and only numbers are read from the
        weights file, so that nothing in the folder can run.

        Parameters
        ----------
        folder : str or path-like
        encoder, decoder : keras.layers.Layer, optional
            Where the detector was fitted with layers of your own: layers of the same class and sizes. They are code, so
            they are not in the folder.

        Raises
        ------
        InputError
            If the folder is missing, damaged, changed by hand, or written by a newer version; if a layer of your own is
            missing, or one is given that is not needed.
        """
        return saved.load(cls, folder, encoder=encoder, decoder=decoder)


def _parts(result: SeriesScores) -> NDArray[Any]:
    """Scores of rows, one column for each variable."""
    return result.scores[:, None] if result.contributions is None else result.contributions
