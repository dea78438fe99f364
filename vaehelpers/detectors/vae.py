"""`Detector`: from a series to scores, flags and events, with one object.

Follows scikit-learn (`get_params`, `set_params`, `clone`) and PyOD (`decision_function`: higher is more anomalous).
Lessons: notebooks/06_thresholding.ipynb and 07_report.ipynb.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from vaehelpers import thresholds
from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_folder
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.data.arrays import as_series
from vaehelpers.data.scaling import Scaler
from vaehelpers.data.series import Series
from vaehelpers.detectors.calibration import _make_threshold, _without_outbreaks
from vaehelpers.detectors.saved import (
    FORMAT,
    _limit_from_json,
    _limit_to_json,
    _plain,
    _thin,
    _versions,
    _whole,
    load_detector_info,
)
from vaehelpers.detectors.settings import _COMMON, PRESETS, _check_settings, _units
from vaehelpers.model.collapse import collapse_report
from vaehelpers.model.normalising import LatentDistance, Normaliser, fit_latent_distance
from vaehelpers.model.scores import SeriesScores, encode_series, score_series
from vaehelpers.model.training import History, train
from vaehelpers.model.vae import LSTMVAE
from vaehelpers.windows import dominant_period, fill_between, gather, smooth, window_starts

_LARGEST = 1e6  # training deviations; squares stay finite in float32


logger = logging.getLogger("vaehelpers")


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a detector says about a series, row by row.

    Attributes
    ----------
    scores : ndarray, shape (n,)
        Higher is more anomalous; about 1 on normal rows; NaN where no window covers a row.
    p_values : ndarray, shape (n,)
        Share of normal rows that score at least as high, by the calibration part; never below a hundredth of what
        one of its rows stands for.
    flags : ndarray of bool, shape (n,)
    contributions : ndarray, shape (n, n_features)
        What each variable adds; their sum is the score.
    expected, lower, upper : ndarray, shape (n, n_features)
        Reconstruction and the band of two standard deviations around it, in the units of the series.
    events : DataFrame
        start, end, peak, score, p_value, n_points, first, last, peak_row, contributed.
    """

    scores: NDArray
    p_values: NDArray
    flags: NDArray
    contributions: NDArray
    expected: NDArray
    lower: NDArray
    upper: NDArray
    events: pd.DataFrame


class Detector(BaseEstimator):
    """LSTM-VAE anomaly detector for a series.

    Parameters
    ----------
    preset : {"fast", "accurate"}, default "fast"
        Where a parameter below is None, the preset's value holds.
    timesteps : int, optional
        Length of a window, in rows. Default: one period of the series, between 32 and 400 rows (100 without rhythm).
    latent_dim, units, encoder, decoder, likelihood, linear_path, patch
        See `vaehelpers.model.LSTMVAE`.
    steps, batch_size, learning_rate, patience
        `steps` counts both parts of the training, see `refit`. See `vaehelpers.model.train`.
    score : str, optional
        One of `vaehelpers.model.SCORES`, or several joined by "+"; default "window_error".
    samples : int, default 16
        Latent samples per window for the scores that sample.
    aggregate : {"mean", "median", "max", "last", "centre"}, default "mean"
        From windows to points.
    smooth : int, optional
        Rows of the centred moving average over the point scores; 1 for none. Default: 100, at most a fifth of the
        training part.
    threshold : str, default "pot"
        One of `vaehelpers.thresholds.THRESHOLDS`.
    false_alarm_rate : float, default 0.001
        Share of normal rows that may be flagged.
    max_missing : float, default 0.5
        Largest share of missing values in a window.
    imputations : int, default 5
        Passes of imputation over missing values while scoring.
    clip : float, default 8.0
        What the encoder reads is cut to this many standard deviations, so that one spike does not drown the rest. The
        reconstruction is held against the values as they are.
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
    trailing_threshold_ : Threshold or None
        Fitted on the trailing scores of the same rows: for streams, where a row knows nothing of later ones.
    gap_limit_ : Timedelta, float or None
        Longer intervals between rows are gaps; from the training part's times, see `Series.gap_limit`.
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

    def __init__(
        self,
        preset: str = "fast",
        *,
        timesteps: int | None = None,
        latent_dim: int | None = None,
        units: int | tuple[int, ...] | None = None,
        encoder: str | None = None,
        decoder: str | None = None,
        likelihood: str | None = None,
        linear_path: bool | None = None,
        patch: int | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        score: str | None = None,
        samples: int | None = None,
        aggregate: str | None = None,
        smooth: int | None = None,
        threshold: str | None = None,
        false_alarm_rate: float | None = None,
        max_missing: float | None = None,
        imputations: int | None = None,
        clip: float | None = None,
        contamination: float | None = None,
        hold_back: float | None = None,
        refit: bool | None = None,
        seed: int = 0,
    ):
        self.preset = preset
        self.timesteps = timesteps
        self.latent_dim = latent_dim
        self.units = units
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.linear_path = linear_path
        self.patch = patch
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.score = score
        self.samples = samples
        self.aggregate = aggregate
        self.smooth = smooth
        self.threshold = threshold
        self.false_alarm_rate = false_alarm_rate
        self.max_missing = max_missing
        self.imputations = imputations
        self.clip = clip
        self.contamination = contamination
        self.hold_back = hold_back
        self.refit = refit
        self.seed = seed

    # -- fit ------------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return every parameter as it will be used: the given value, or the preset's.

        Raises
        ------
        InputError
            If a value cannot be used.
        """
        if self.preset not in PRESETS:
            raise InputError(f"preset={self.preset!r} is unknown; choose one of {', '.join(PRESETS)}")
        chosen = {"timesteps": None, "smooth": None, **_COMMON, **PRESETS[self.preset]}
        given = {name: value for name, value in self.get_params().items() if value is not None and name != "preset"}
        settings = {**chosen, **given, "preset": self.preset}
        _check_settings(settings)
        return settings

    def fit(self, series: Any, y: Any = None, *, progress: Progress = quiet) -> Detector:
        """Learn what is normal from a training part.

        Parameters
        ----------
        series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
            Normal behaviour; NaN where missing.
        y : ignored
        progress : Progress, optional

        Returns
        -------
        Detector
            Itself. After Ctrl-C in the training it is fitted with the best weights so far (see `notes_`).

        Raises
        ------
        InputError
            If a parameter or the series cannot be used.
        """
        begin = time.perf_counter()
        settings = self.settings()
        given = as_series(series)
        values = np.asarray(given.values, dtype=np.float32)
        n = len(values)
        self.notes_: list[str] = []
        timesteps = settings["timesteps"] or dominant_period(values)
        if timesteps > n:
            raise InputError(
                f"timesteps={timesteps} is longer than the training part ({n} rows); use at most {n}, better {n // 10}"
            )
        fit_end, val_end = self._split(n, timesteps, settings["hold_back"])
        self.settings_ = settings
        self.timesteps_ = int(timesteps)
        self.smooth_ = int(settings["smooth"] or max(1, min(100, n // 5)))
        self.n_features_in_ = values.shape[1]
        self.columns_ = list(given.columns)
        self.gap_limit_ = given.gap_limit
        self.scaler_ = Scaler().fit(values[:fit_end])
        scaled, whole, observed = self._scale(values)
        starts = self._starts(n, observed, given.gaps)
        train_starts = starts[starts + timesteps <= fit_end]
        if not len(train_starts):
            raise InputError(
                f"no window of timesteps={timesteps} in the {fit_end} training rows is free of gaps and has at most "
                f"{settings['max_missing']:.0%} missing values; shorten timesteps or raise max_missing"
            )
        val_starts = starts[(starts >= fit_end) & (starts + timesteps <= val_end)]
        mask = None if observed.all() else observed.astype(np.float32)
        self.model_ = LSTMVAE(
            timesteps,
            values.shape[1],
            settings["latent_dim"],
            units=settings["units"],
            encoder=settings["encoder"],
            decoder=settings["decoder"],
            likelihood=settings["likelihood"],
            linear_path=settings["linear_path"],
            patch=min(settings["patch"], timesteps),
            seed=int(settings["seed"]),
        )
        self._start(scaled, train_starts)
        train_starts = self._set_aside(scaled, mask, train_starts)
        again = settings["refit"] and fit_end < n
        steps = settings["steps"]
        first = self._train(scaled, mask, train_starts, val_starts, (0, (steps + 1) // 2 if again else steps), progress)
        self._note_history(first)
        self._measure_latent(scaled, train_starts)
        self._calibrate(scaled, whole, mask, starts, train_starts, (fit_end, val_end), progress)
        if again and first.stopped != "interrupt" and steps > 1:
            # set aside are windows that looked anomalous to the starting model, and held-back rows over the threshold
            everything = np.union1d(train_starts, self._unsuspicious(starts[starts + timesteps > fit_end]))
            self._note_history(first, self._train(scaled, mask, everything, None, ((steps + 1) // 2, steps), progress))
            self._measure_latent(scaled, everything)
        self.fit_seconds_ = time.perf_counter() - begin
        return self

    def _train(
        self,
        scaled: NDArray,
        mask: NDArray | None,
        starts: NDArray,
        val_starts: NDArray | None,
        part: tuple[int, int],
        progress: Progress,
    ) -> History:
        """Take the steps of `part`, a (first, last) out of all, on the windows at `starts`."""
        settings = self.settings_
        begin, end = part
        return train(
            self.model_,
            scaled,
            starts,
            mask=mask,
            val_starts=val_starts,
            steps=end - begin,
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            patience=settings["patience"],
            seed=settings["seed"] + begin,
            progress=lambda stage, done, total: progress(stage, begin + done, settings["steps"]),
        )

    def _unsuspicious(self, starts: NDArray) -> NDArray:
        """Of held-back windows those to learn from: all, or in an untrusted training part those without a flag."""
        if not self.settings_["contamination"] or not self.calibration_["held_back"]:
            return starts
        flagged = np.zeros(self.calibration_["last"] + 1, bool)
        flagged[self._calibration_rows[self.threshold_.flags(self.calibration_scores_)]] = True
        total = np.concatenate([[0], np.cumsum(flagged)])
        ends = np.minimum(starts + self.timesteps_, len(flagged))
        return starts[total[ends] == total[np.minimum(starts, len(flagged))]]

    def _split(self, n: int, timesteps: int, hold_back: float) -> tuple[int, int]:
        """End of the rows for training and end of those for early stopping; the rest calibrates."""
        if hold_back == 0 or n < 20 * timesteps:
            if hold_back:
                self.notes_.append(
                    f"The training part ({n:,} rows) is shorter than 20 windows of {timesteps}, so nothing was held "
                    "back: the threshold is calibrated on the rows that were trained on and will flag too much."
                )
            return n, n
        return int(n * (1 - hold_back)), int(n * (1 - hold_back * 2 / 3))

    def _scale(
        self, values: NDArray, fill: Callable[[NDArray, NDArray], None] | None = None
    ) -> tuple[NDArray, NDArray | None, NDArray]:
        """Scaled, clipped and filled values; the same unclipped (None where nothing was cut); which were observed."""
        fill = fill or fill_between
        observed = ~np.isnan(values)
        limit = self.settings_["clip"]
        whole = np.clip(self.scaler_.transform(values), -_LARGEST, _LARGEST)
        scaled = np.clip(whole, -limit, limit)
        cut = not np.array_equal(scaled, whole, equal_nan=True)
        if not observed.all():
            fill(scaled, observed)
            whole = np.where(observed, whole, scaled)
        return scaled.astype(np.float32), whole.astype(np.float32) if cut else None, observed

    def _starts(self, n: int, observed: NDArray, gaps: Any) -> NDArray:
        return window_starts(
            n,
            self.timesteps_,
            gaps=gaps,
            observed=None if observed.all() else observed,
            max_missing=self.settings_["max_missing"],
        )

    def _start(self, scaled: NDArray, starts: NDArray) -> None:
        if not self.settings_["linear_path"] or len(starts) < 2:
            return
        rng = np.random.default_rng(self.settings_["seed"])
        # enough windows for a covariance, few enough for memory: 32 million values at most
        most = max(64, min(8_192, 32_000_000 // (self.timesteps_ * self.n_features_in_)))
        chosen = np.sort(rng.choice(starts, min(most, len(starts)), replace=False))
        self.model_.start_from_pca(gather(scaled, chosen, self.timesteps_))

    def _set_aside(self, scaled: NDArray, mask: NDArray | None, starts: NDArray) -> NDArray:
        """Leave out training windows that look anomalous to the starting model, at most the share `contamination`."""
        share = self.settings_["contamination"]
        if not share or not self.settings_["linear_path"]:
            return starts
        for _ in range(2):  # the second look is by a model that has not seen the worst of the first
            points = score_series(self.model_, scaled, starts, mask=mask, kind="error").scores
            total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(points))])
            error = (total[starts + self.timesteps_] - total[starts]) / self.timesteps_
            spread = 1.4826 * np.median(np.abs(error - np.median(error)))
            limit = max(np.quantile(error, 1 - share), np.median(error) + 6 * spread)
            kept = starts[error <= limit]
            self._start(scaled, kept)
        if len(kept) < len(starts):
            self.notes_.append(
                f"{len(starts) - len(kept):,} of {len(starts):,} training windows looked anomalous themselves and "
                "were set aside."
            )
        return kept

    def _note_history(self, first: History, second: History | None = None) -> None:
        """Keep how the training went; `second` is the part that learned from the held-back rows as well."""
        self.history_ = first.frame
        last = second or first
        self.training_: dict[str, Any] = {
            "steps": first.steps,
            "best_step": first.best_step,
            "stopped": last.stopped,
            "seconds": first.seconds,
            "windows_per_second": last.windows_per_second,
        }
        if second is not None:
            rest = second.frame.assign(
                step=second.frame["step"] + first.steps, seconds=second.frame["seconds"] + first.seconds
            )
            self.history_ = pd.concat([first.frame, rest], ignore_index=True)
            self.training_["steps"] += second.steps
            self.training_["seconds"] += second.seconds
            self.training_["refit_step"] = first.steps
        if last.stopped == "interrupt":
            kept = "the weights of that moment" if second else f"the best weights so far (step {first.best_step})"
            self.notes_.append(
                f"The training was interrupted at step {self.training_['steps']} of {self.settings_['steps']}; "
                f"{kept} are kept."
            )

    def _measure_latent(self, scaled: NDArray, starts: NDArray) -> None:
        chosen = starts[np.unique(np.linspace(0, len(starts) - 1, min(4_096, len(starts))).round().astype(int))]
        mu, log_var = encode_series(self.model_, scaled, chosen)
        self.collapse_ = collapse_report(mu, log_var).to_dict() if len(mu) > 1 else {}
        self._latent: LatentDistance | None = fit_latent_distance(mu) if len(mu) > 1 else None

    def _calibrate(
        self,
        scaled: NDArray,
        whole: NDArray | None,
        mask: NDArray | None,
        starts: NDArray,
        train_starts: NDArray,
        ends: tuple[int, int],
        progress: Progress,
    ) -> None:
        fit_end, val_end = ends
        n = len(scaled)
        # what one unit of score is: the error on the training windows, per variable
        chosen = train_starts[:: max(1, len(train_starts) // 4_096)]
        self._normalisers: dict[str, list[Normaliser]] = {}
        for kind in self._kinds():
            sample = self._run(kind, scaled, whole, chosen, mask, details=True)
            assert sample.contributions is not None
            if kind in ("error", "window_error"):
                means = np.maximum(np.nanmean(sample.contributions, axis=0), 1e-4) * self.n_features_in_
                self._normalisers[kind] = [Normaliser(0.0, float(mean)) for mean in means]
            else:
                one = Normaliser.fit(sample.scores)
                centre = one.centre / self.n_features_in_
                self._normalisers[kind] = [Normaliser(centre, one.spread)] * self.n_features_in_
        held_back = val_end < n
        part = starts[starts >= val_end] if held_back else train_starts
        if not len(part):
            part, held_back = train_starts, False
        scores = smooth(self._points(scaled, whole, part, mask, progress=progress), self.smooth_)
        self._calibration_rows = np.flatnonzero(np.isfinite(scores))
        self.calibration_scores_ = scores[self._calibration_rows]
        self.calibration_ = {
            "rows": len(self._calibration_rows),
            "first": int(self._calibration_rows[0]),
            "last": int(self._calibration_rows[-1]),
            "held_back": held_back,
            "fit_rows": fit_end,
            "validation_rows": val_end - fit_end,
        }
        usable = scores
        if self.settings_["contamination"]:
            usable = _without_outbreaks(scores, self.smooth_)
            left_out = int(np.isfinite(scores).sum() - np.isfinite(usable).sum())
            if left_out:
                self.notes_.append(
                    f"{left_out:,} of {self.calibration_['rows']:,} calibration rows looked anomalous themselves and "
                    "were left out of the calibration."
                )
        self.threshold_ = _make_threshold(self.settings_).fit(usable)
        self.notes_ += self.threshold_.notes_
        self._calibrate_trailing(scaled, whole, part, mask, progress)

    def _calibrate_trailing(
        self, scaled: NDArray, whole: NDArray | None, part: NDArray, mask: NDArray | None, progress: Progress
    ) -> None:
        points = self._points(scaled, whole, part, mask, aggregate="trailing", progress=progress)
        scores = smooth(points, self.smooth_, trailing=True)
        if self.settings_["contamination"] and np.isfinite(scores).any():
            scores = _without_outbreaks(scores, self.smooth_)
        self.trailing_threshold_: thresholds.Threshold | None
        try:
            self.trailing_threshold_ = _make_threshold(self.settings_).fit(scores)
        except InputError:  # a window's length of rows less than the threshold above had
            self.trailing_threshold_ = None

    def _kinds(self) -> list[str]:
        return [kind.strip() for kind in self.settings_["score"].split("+")]

    # -- score ----------------------------------------------------------------------------------------------------

    def _run(
        self,
        kind: str,
        scaled: NDArray,
        whole: NDArray | None,
        starts: NDArray,
        mask: NDArray | None,
        *,
        details: bool,
        aggregate: str | None = None,
        first_row: int = 0,
        progress: Progress = quiet,
    ) -> SeriesScores:
        return score_series(
            self.model_,
            scaled,
            starts,
            mask=mask,
            target=whole,
            kind=kind,
            samples=self.settings_["samples"],
            latent=self._latent,
            aggregate=aggregate or self.settings_["aggregate"],
            details=details,
            imputations=self.settings_["imputations"],
            first_row=first_row,
            seed=self.settings_["seed"],
            progress=progress,
        )

    def _contributions(
        self,
        scaled: NDArray,
        whole: NDArray | None,
        starts: NDArray,
        mask: NDArray | None,
        **options: Any,
    ) -> tuple[NDArray, SeriesScores]:
        """What each variable adds to each row's score, before smoothing."""
        total, result = np.zeros((len(scaled), self.n_features_in_)), None
        for kind in self._kinds():
            result = self._run(kind, scaled, whole, starts, mask, details=True, **options)
            parts = np.asarray(result.contributions)
            for column, normaliser in enumerate(self._normalisers[kind]):
                total[:, column] += normaliser.transform(parts[:, column])
        assert result is not None
        # a missing value adds nothing, a row without any value has no score
        return np.where(np.isnan(total) & ~np.isnan(total).all(axis=1, keepdims=True), 0.0, total), result

    def _points(
        self, scaled: NDArray, whole: NDArray | None, starts: NDArray, mask: NDArray | None, **options: Any
    ) -> NDArray:
        """Scores before smoothing."""
        if self.n_features_in_ > 1:
            return self._contributions(scaled, whole, starts, mask, **options)[0].sum(axis=1)
        total = np.zeros(len(scaled))
        for kind in self._kinds():
            points = self._run(kind, scaled, whole, starts, mask, details=False, **options).scores
            total += self._normalisers[kind][0].transform(points)
        return total

    def _prepared(self, series: Any) -> tuple[Series, NDArray, NDArray | None, NDArray, NDArray | None]:
        self._check_fitted()
        given = as_series(series)
        values = np.asarray(given.values, dtype=np.float32)
        if values.shape[1] != self.n_features_in_:
            raise InputError(
                f"the series has {values.shape[1]} variables; this detector was fitted on {self.n_features_in_} "
                f"({', '.join(map(str, self.columns_))})"
            )
        if len(values) < self.timesteps_:
            raise InputError(
                f"{len(values)} rows are fewer than one window (timesteps={self.timesteps_}); give more rows"
            )
        scaled, whole, observed = self._scale(values)
        starts = self._starts(len(values), observed, given.gaps)
        if not len(starts):
            raise InputError(
                f"no window of {self.timesteps_} rows is free of gaps and has at most "
                f"{self.settings_['max_missing']:.0%} missing values; nothing can be scored"
            )
        return given, scaled, whole, starts, None if observed.all() else observed.astype(np.float32)

    def decision_function(self, series: Any, *, progress: Progress = quiet) -> NDArray[np.float64]:
        """Score every row; higher is more anomalous, about 1 on normal rows.

        Parameters
        ----------
        series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
        progress : Progress, optional

        Returns
        -------
        ndarray of float64, shape (n,)
            NaN where no window covers a row (next to gaps shorter than a window apart) or nothing was observed.

        Raises
        ------
        InputError
            If the detector is not fitted, or the series does not fit it.
        """
        given, scaled, whole, starts, mask = self._prepared(series)
        return smooth(self._points(scaled, whole, starts, mask, progress=progress), self.smooth_, gaps=given.gaps)

    def predict(self, series: Any, *, progress: Progress = quiet) -> NDArray[np.int64]:
        """Return 1 for anomalous rows and 0 for the others (also for rows without a score), shape (n,)."""
        scores = self.decision_function(series, progress=progress)
        return self.threshold_.flags(scores).astype(np.int64)

    def explain(self, series: Any, *, progress: Progress = quiet) -> Explanation:
        """Score a series and say what was expected, what contributed and which events there are.

        Parameters
        ----------
        series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
        progress : Progress, optional

        Returns
        -------
        Explanation
        """
        given, scaled, whole, starts, mask = self._prepared(series)
        contributions, result = self._contributions(scaled, whole, starts, mask, progress=progress)
        contributions = smooth(contributions, self.smooth_, gaps=given.gaps)
        scores = contributions.sum(axis=1)
        flags = self.threshold_.flags(scores)
        # a tail fitted on n scores says little about what is a hundred times rarer than one in n
        p_values = np.maximum(self.threshold_.p_values(scores), 0.01 / (self.calibration_["rows"] + 1))
        found = thresholds.events(flags, scores, times=given.times, p_values=p_values, merge=self.timesteps_ // 2)
        found["contributed"] = [self._contributed(contributions[row]) for row in found["peak_row"]]
        width = 2.0 * np.asarray(result.deviation)
        expected = np.asarray(result.expected)
        back = self.scaler_.inverse_transform
        return Explanation(
            scores,
            p_values,
            flags,
            contributions,
            back(expected),
            back(expected - width),
            back(expected + width),
            found,
        )

    def _contributed(self, parts: NDArray) -> str:
        """The variables that carry most of a row's score, largest first."""
        total = parts.sum()
        order = np.argsort(-parts)[:3]
        shares = [(self.columns_[i], parts[i] / total) for i in order if total > 0 and parts[i] > 0.1 * total]
        return ", ".join(f"{name} {share:.0%}" for name, share in shares)

    def _check_fitted(self) -> None:
        if not hasattr(self, "threshold_"):
            raise InputError("this detector is not fitted; call fit(series) or Detector.load(folder) first")

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
        self._check_fitted()
        with atomic_folder(folder, force=force) as temporary:
            weights = temporary / "model.keras"
            self.model_.save(weights)
            info = {
                "format": FORMAT,
                "settings": self.settings_,
                "timesteps": self.timesteps_,
                "smooth": self.smooth_,
                "n_features": self.n_features_in_,
                "columns": self.columns_,
                "scaler": self.scaler_.to_dict(),
                "threshold": self.threshold_.to_dict(),
                "normalisers": {
                    kind: [dataclasses.asdict(one) for one in several] for kind, several in self._normalisers.items()
                },
                "latent": None
                if self._latent is None
                else {"mean": self._latent.mean.tolist(), "precision": self._latent.precision.tolist()},
                "trailing_threshold": self.trailing_threshold_ and self.trailing_threshold_.to_dict(),
                "gap_limit": _limit_to_json(self.gap_limit_),
                "calibration": {**self.calibration_, "scores": _thin(self.calibration_scores_)},
                "training": {**self.training_, "history": self.history_.to_dict(orient="list")},
                "collapse": _plain(self.collapse_),
                "notes": self.notes_,
                "fit_seconds": self.fit_seconds_,
                "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
                "versions": _versions(),
            }
            text = json.dumps(_plain(info), indent=1)
            (temporary / "detector.json").write_text(text + "\n", encoding="utf-8")
        return Path(folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Detector:
        """Read a detector that `save` wrote.

        The architecture is built from checked settings by this package's own code and only numbers are read from the
        weights file, so that nothing in the folder can run.

        Raises
        ------
        InputError
            If the folder is missing, damaged, changed by hand, or written by a newer version.
        """
        path = Path(folder)
        info = load_detector_info(path)
        weights = path / "model.keras"
        if not weights.is_file():
            raise InputError(f"{path} holds no model.keras; the folder is not whole, save the detector again")
        if hashlib.sha256(weights.read_bytes()).hexdigest() != info["sha256"]:
            raise InputError(f"{weights} is damaged: its checksum differs from detector.json; save the detector again")
        try:
            given = dict(info["settings"])
            detector = cls(**{**given, "units": _units(given["units"])})
            settings = {**given, "units": _units(given["units"])}
            _check_settings(settings)
            detector.settings_ = settings
            detector.timesteps_ = _whole(info["timesteps"], "timesteps")
            detector.smooth_ = _whole(info["smooth"], "smooth")
            detector.n_features_in_ = _whole(info["n_features"], "n_features")
            detector.columns_ = [str(name) for name in info["columns"]]
            detector.scaler_ = Scaler.from_dict(info["scaler"])
            detector.threshold_ = thresholds.Threshold.from_dict(info["threshold"])
            detector._normalisers = {
                kind: [Normaliser(float(one["centre"]), float(one["spread"])) for one in info["normalisers"][kind]]
                for kind in detector._kinds()
            }
            latent = info["latent"]
            detector._latent = latent and LatentDistance(
                np.asarray(latent["mean"], float), np.asarray(latent["precision"], float)
            )
            trailing = info.get("trailing_threshold")
            detector.trailing_threshold_ = trailing and thresholds.Threshold.from_dict(trailing)
            detector.gap_limit_ = _limit_from_json(info.get("gap_limit"))
            calibration = dict(info["calibration"])
            detector.calibration_scores_ = np.asarray(calibration.pop("scores"), float)
            detector.calibration_ = calibration
            training = dict(info["training"])
            detector.history_ = pd.DataFrame(training.pop("history"))
            detector.training_ = training
            detector.collapse_ = info["collapse"]
            detector.notes_ = [str(note) for note in info["notes"]]
            detector.fit_seconds_ = float(info["fit_seconds"])
            detector.model_ = LSTMVAE(
                detector.timesteps_,
                detector.n_features_in_,
                settings["latent_dim"],
                units=settings["units"],
                encoder=settings["encoder"],
                decoder=settings["decoder"],
                likelihood=settings["likelihood"],
                linear_path=settings["linear_path"],
                patch=min(settings["patch"], detector.timesteps_),
                seed=int(settings["seed"]),
            )
            if len(detector.scaler_.to_dict()["mean"]) != detector.n_features_in_:
                raise InputError("the scaler's size differs from n_features")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path / 'detector.json'} is damaged ({error}); save the detector again") from error
        try:
            detector.model_.load_weights(weights)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"{weights} does not fit detector.json ({reason}); save the detector again") from error
        return detector
