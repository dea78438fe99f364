"""The base of every detector: scale, fill, cut into windows, score, smooth, calibrate, explain.

`Detector` (the VAE) and the baselines differ in what they learn and in how a window's error becomes points; everything
around that is here, once. The face is scikit-learn's (`get_params`, `set_params`, `clone`) and PyOD's
(`decision_function`: higher is more anomalous).
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from vaehelpers.alarms import AlarmLine, Promise, calibrate
from vaehelpers.alarms.incidents import incident_table
from vaehelpers.alarms.redraw import Judgement, judge
from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.data.arrays import as_series
from vaehelpers.data.series import Series
from vaehelpers.detectors.alignment import align, unnamed
from vaehelpers.detectors.calibration import error_scales, make_rule, reach_of, rows_of, without_outbreaks
from vaehelpers.detectors.prepared import Array, Details, Errors, Explanation, Prepared
from vaehelpers.detectors.rows import RowScales
from vaehelpers.detectors.seen import Seen
from vaehelpers.detectors.settings import SHARED, Parameter, check_settings, unknown_name
from vaehelpers.thresholds.base import Threshold
from vaehelpers.thresholds.flagged import events
from vaehelpers.windows import dominant_period, fill_between, smooth, window_starts

LARGEST = 1e6  # training deviations; squares stay finite in float32
EVENT_COLUMNS = ("start", "end", "peak", "severity", "at_least", "score", "kind", "p_value", "n_points", "contributed")


class NotFitted(InputError, NotFittedError):
    """The detector is asked before it was fitted: scikit-learn's error, and ours."""

    __module__ = "vaehelpers.detectors"


class BaseDetector(BaseEstimator):
    """Base of `Detector` and of every baseline.

    A class of one's own names its parameters in `own`, and defines ``_points(prepared, progress) -> (n,)`` and, where
    it learns something, ``_learn(prepared, progress)``.

    Notes
    -----
    `predict` gives 1 for anomalous rows and 0 for others, as PyOD does, not -1 and 1: therefore `OutlierMixin` of
    scikit-learn is no base. `score_samples` has scikit-learn's sign (higher is more normal). There is no quality
    without labels, so that `GridSearchCV` needs ``scoring=vus_pr_scorer``.

    Examples
    --------
    >>> from vaehelpers.data import Scaler
    >>> class Distance(BaseDetector):
    ...     def _fit(self, values, given, progress):
    ...         self.scaler_ = Scaler().fit(values)
    ...
    ...     def _points(self, prepared, progress):
    ...         return np.abs(prepared.whole).sum(axis=1)
    >>> Distance(timesteps=2, smooth=1).fit([0.0, 2.0, 0.0, 2.0]).decision_function([1.0, 3.0])
    array([0., 2.])
    """

    own: ClassVar[tuple[Parameter, ...]] = ()
    parameters: ClassVar[dict[str, Parameter]] = {one.name: one for one in SHARED}
    positional: ClassVar[tuple[str, ...]] = ()
    _row_scales: RowScales | None = None  # where rows rank by their own errors as well

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = {one.name: one for one in cls.__dict__.get("own", ())}
        cls.parameters = {**declared, **{name: one for name, one in cls.parameters.items() if name not in declared}}
        if "__init__" not in cls.__dict__:
            _give_signature(cls)

    def _take(self, given: dict[str, Any]) -> None:
        """Keep every parameter, given or by default, as an attribute."""
        for name in given:
            if name not in self.parameters:
                raise TypeError(f"{type(self).__name__}: {unknown_name(name, self.parameters)}")
        for name, value in {**self._defaults(given), **given}.items():
            setattr(self, name, value)

    def _defaults(self, given: dict[str, Any]) -> dict[str, Any]:
        return {name: one.default for name, one in self.parameters.items()}

    def settings(self) -> dict[str, Any]:
        """Return every parameter as it will be used.

        Raises
        ------
        InputError
            If a value cannot be used.
        """
        return check_settings({name: getattr(self, name) for name in self.parameters}, self.parameters)

    # -- fit ------------------------------------------------------------------------------------------------------

    def fit(self, series: Any, y: Any = None, *, progress: Progress = quiet) -> Self:
        """Learn what is normal from a training part, without labels.

        Parameters
        ----------
        series : Series, DataFrame or array-like, shape (n,) or (n, n_features)
            Normal behaviour; NaN where missing.
        y : ignored
        progress : Progress, optional

        Returns
        -------
        self
            After Ctrl-C in the training of the VAE it is fitted with the best weights so far (see `notes_`).

        Raises
        ------
        InputError
            If a parameter or the series cannot be used.
        """
        begin = time.perf_counter()
        settings = self.settings()
        given = as_series(series)
        values = self._numbers(given)
        n = len(values)
        if not np.isfinite(values).any():
            raise InputError(f"the training part ({n} rows) holds no number; give rows with values")
        self.settings_ = settings
        self.notes_: list[str] = []
        self.n_features_in_ = values.shape[1]
        self.columns_ = list(given.columns)
        if not unnamed(given):
            self.feature_names_in_ = np.asarray(self.columns_, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.gap_limit_ = given.gap_limit
        self.seen_: Seen | None = Seen.of(given)
        self.timesteps_ = self._window_length(values, settings["timesteps"])
        self.smooth_ = int(settings["smooth"] or max(1, min(100, n // 5)))
        self._promise_ = self._promise(given)
        self._fit(values, given, progress)
        self.fit_seconds_ = time.perf_counter() - begin
        return self

    def _window_length(self, values: NDArray[Any], wanted: int | None) -> int:
        timesteps = int(wanted or dominant_period(values))
        n = len(values)
        if timesteps > n:
            raise InputError(
                f"timesteps={timesteps} is longer than the training part ({n} rows); use at most {n}, better {n // 10}"
            )
        return timesteps

    def _fit(self, values: NDArray[Any], given: Series, progress: Progress) -> None:
        raise NotImplementedError

    def _split(self, n: int) -> tuple[int, int]:
        """End of the rows for training and end of those for early stopping; the rest calibrates."""
        hold_back, timesteps = self.settings_["hold_back"], self.timesteps_
        if hold_back == 0 or n < 20 * timesteps:
            if hold_back:
                self.notes_.append(
                    f"The training part ({n:,} rows) is shorter than 20 windows of {timesteps}, so nothing was held "
                    "back: the threshold is calibrated on the rows that were trained on and will flag too much."
                )
            return n, n
        return int(n * (1 - hold_back)), int(n * (1 - hold_back * 2 / 3))

    def _calibrate(
        self, prepared: Prepared, train_starts: NDArray[Any], ends: tuple[int, int], progress: Progress
    ) -> None:
        """Draw the lines on the rows that were held back, or on those trained on where there are none."""
        fit_end, val_end = ends
        held_back = val_end < len(prepared)
        part = prepared.starts[prepared.starts >= val_end] if held_back else train_starts
        if not len(part):
            part, held_back = train_starts, False
        chosen = prepared.at(part)
        scores = self._scores(chosen, progress)
        if held_back:
            scores[:val_end] = np.nan
        self._set_threshold(scores, held_back, ends)
        if self._own_part():
            return  # the lines are drawn when everything is learned, on the rows that are judged
        scales = self._time_scales(prepared, progress)
        held = {name: np.where(np.arange(len(prepared)) >= val_end, values, np.nan) for name, values in scales.items()}
        trained = {name: values[:fit_end] for name, values in scales.items()}
        if held_back:
            self._draw_alarm_line(held, self._promise_, trained)
        else:
            self._draw_alarm_line(scales, self._promise_)

    def _set_threshold(self, scores: NDArray[Any], held_back: bool, ends: tuple[int, int]) -> None:
        """Set the threshold of single rows on these scores, NaN where a row does not count."""
        fit_end, val_end = ends
        self._calibration_rows = np.flatnonzero(np.isfinite(scores))
        self.calibration_scores_ = scores[self._calibration_rows]
        self.calibration_: dict[str, Any] = {
            "rows": len(self._calibration_rows),
            "first": int(self._calibration_rows[0]),
            "last": int(self._calibration_rows[-1]),
            "held_back": held_back,
            "fit_rows": fit_end,
            "validation_rows": val_end - fit_end,
        }
        usable, notes = scores, []
        if self.settings_["contamination"]:
            usable = without_outbreaks(scores, self.smooth_)
            left_out = int(np.isfinite(scores).sum() - np.isfinite(usable).sum())
            if left_out:
                notes.append(
                    f"{left_out:,} of {self.calibration_['rows']:,} calibration rows looked anomalous themselves and "
                    "were left out of the calibration."
                )
        self.threshold_: Threshold = make_rule(self.settings_).fit(usable)
        notes += self.threshold_.notes_
        if self._own_part():
            self._threshold_notes = notes
        else:
            self.notes_ += notes

    def _own_part(self) -> bool:
        """Whether the training part may hold anomalies, as where a series is its own."""
        return self.settings_["contamination"] > 0

    def _finish_alarms(self, prepared: Prepared, progress: Progress) -> None:
        """Draw the lines of a series that is its own training part, by what the finished detector says of it."""
        if self._own_part():
            ends = self.calibration_["fit_rows"], self.calibration_["fit_rows"] + self.calibration_["validation_rows"]
            self._set_threshold(self._scores(prepared, progress), False, ends)
            self.notes_ += self._threshold_notes
            self._draw_alarm_line(self._time_scales(prepared, progress), self._promise_)

    # -- prepare --------------------------------------------------------------------------------------------------

    def prepare(
        self,
        values: ArrayLike,
        *,
        gaps: ArrayLike | None = None,
        fill: Callable[[NDArray[Any], NDArray[Any]], None] = fill_between,
        first_row: int = 0,
        times: Any = None,
    ) -> Prepared:
        """Scale, fill and cut rows into windows, as every score is made.

        Parameters
        ----------
        values : array-like, shape (n, n_features)
            NaN where missing.
        gaps : array-like of int, optional
            Rows at which time has jumped; no window reaches across.
        fill : callable, default `vaehelpers.windows.fill_between`
            ``fill(values, observed)`` fills missing values in place.
        first_row : int, default 0
            Number of the first row in the whole series.
        times : DatetimeIndex or ndarray, optional

        Returns
        -------
        Prepared
            Maybe without any window.
        """
        rows = np.asarray(values)
        scaled, target, observed = self.scale(rows, fill)
        borders = np.empty(0, np.int64) if gaps is None else np.asarray(gaps, np.int64)
        starts = window_starts(
            len(rows),
            self.timesteps_,
            gaps=borders if len(borders) else None,
            observed=None if observed.all() else observed,
            max_missing=self.settings_["max_missing"],
        )
        return Prepared(scaled, target, observed, starts, borders, first_row, times)

    def scale(
        self, values: NDArray[Any], fill: Callable[[NDArray[Any], NDArray[Any]], None] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.bool_]]:
        """Scaled, cut and filled values; the same uncut (None where nothing was cut); which were observed."""
        observed = np.isfinite(values)
        limit = self.settings_.get("clip", np.inf)
        whole = np.clip(self.scaler_.transform(values), -LARGEST, LARGEST)
        scaled = np.clip(whole, -limit, limit)
        cut = not np.array_equal(scaled, whole, equal_nan=True)
        if not observed.all() and fill is not None:
            fill(scaled, observed)
            whole = np.where(observed, whole, scaled)
        return scaled.astype(np.float32), whole.astype(np.float32) if cut else None, observed

    def _numbers(self, given: Series) -> NDArray[Any]:
        return np.asarray(given.values)

    def _ready(self, series: Any) -> tuple[Series, Prepared]:
        """A series to be scored, its columns put in order, and how the detector sees it."""
        self.check_fitted()
        given = self.align(as_series(series))
        if len(given) < self.timesteps_:
            raise InputError(
                f"{len(given)} rows are fewer than one window (timesteps={self.timesteps_}); give more rows"
            )
        prepared = self.prepare(self._numbers(given), gaps=given.gaps, times=given.times)
        if not len(prepared.starts):
            raise InputError(
                f"no window of {self.timesteps_} rows is free of gaps and has at most "
                f"{self.settings_['max_missing']:.0%} missing values; nothing can be scored"
            )
        return given, prepared

    def align(self, series: Series) -> Series:
        """Put the columns in the order of the training part, by name where both sides have names.

        Raises
        ------
        InputError
            If there are more, fewer or other variables than in `fit`.
        """
        return align(series, self.columns_, named=hasattr(self, "feature_names_in_"))

    def check_fitted(self) -> None:
        """Raise `NotFitted` (an `InputError` and scikit-learn's `NotFittedError`) before `fit`."""
        if not hasattr(self, "scaler_") or not hasattr(self, "timesteps_"):
            raise NotFitted("this detector is not fitted; call fit(series) or Detector.load(folder) first")

    # -- score ----------------------------------------------------------------------------------------------------

    def points(self, prepared: Prepared, *, aggregate: str | None = None, progress: Progress = quiet) -> NDArray[Any]:
        """Score rows before smoothing.

        Parameters
        ----------
        prepared : Prepared
            From `prepare`.
        aggregate : str, optional
            How windows become points; "trailing" takes the window that ends with the row. Default: the detector's own.
        progress : Progress, optional

        Returns
        -------
        ndarray of float64, shape (n,)
            Higher is more anomalous; NaN for rows that no window covers or without any value.
        """
        if aggregate is not None:
            raise InputError(f"{type(self).__name__} has one way from windows to points; leave aggregate out")
        scores = np.asarray(self._points(prepared, progress), np.float64)
        return np.where(prepared.observed.any(axis=1), scores, np.nan)

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        raise NotImplementedError

    def _scores(self, prepared: Prepared, progress: Progress, errors: Errors | None = None) -> NDArray[np.float64]:
        """Scores of rows as they rank, (n,): smoothed points, or a row's own error; `errors` where they are known."""
        if self._row_scales is None:
            points = self.points(prepared, progress=progress) if errors is None else errors[1]
            return smooth(points, self.smooth_, gaps=prepared.gaps)
        rows, points = self._errors(prepared, progress) if errors is None else errors
        return self._row_scales.scores(smooth(points, self.smooth_, gaps=prepared.gaps), rows, prepared.gaps)

    def decision_function(self, series: Any, *, progress: Progress = quiet) -> NDArray[np.float64]:
        """Score every row; higher is more anomalous.

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
        return self._scores(self._ready(series)[1], progress)

    def score_samples(self, series: Any) -> NDArray[np.float64]:
        """Return `decision_function` with scikit-learn's sign: higher is more normal, shape (n,)."""
        return -self.decision_function(series)

    def predict(self, series: Any, *, progress: Progress = quiet) -> NDArray[np.int64]:
        """Return 1 for anomalous rows and 0 for the others (also for rows without a score), shape (n,).

        Anomalous are the rows of incidents above the alarm line. Where that line promises nothing (`alarm_line_`), they
        are the rows above `threshold_`.
        """
        given, prepared = self._ready(series)
        self._check_calibrated()
        if self._promises():
            scales = self._time_scales(prepared, progress)
            found = self._incidents(self.judge(scales), scales, given)
            return rows_of(found, len(prepared)).astype(np.int64)
        return self.threshold_.flags(self._scores(prepared, progress)).astype(np.int64)

    def fit_predict(self, series: Any, y: Any = None) -> NDArray[np.int64]:
        """Fit on a series and return `predict` of the same series, shape (n,)."""
        return self.fit(series).predict(series)

    def score(self, series: Any, y: Any = None) -> float:
        """Refuse: a detector has no quality of its own without labels.

        Raises
        ------
        InputError
            Always; it names what to give to `GridSearchCV` or `cross_val_score`.
        """
        raise InputError(
            "a detector cannot be judged without labels; give labels y and scoring=vaehelpers.detectors.vus_pr_scorer "
            "to GridSearchCV or cross_val_score"
        )

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
        given, prepared = self._ready(series)
        contributions, bands, errors = self._smoothed_details(prepared, progress)
        scores = contributions.sum(axis=1)
        self._check_calibrated()
        p_values = self.p_values(scores)
        expected, lower, upper = map(self.scaler_.inverse_transform, bands)
        points, line, check = np.full(len(scores), np.nan), self.alarm_line_, None
        if line is None:
            flags = self.threshold_.flags(scores)
            found = events(flags, scores, times=given.times, merge=self.timesteps_ // 2)
            found = found.assign(severity=np.nan, at_least=False, kind="", scale="")
        else:
            scales = self._time_scales(prepared, progress, errors)
            judged = self.judge(scales)
            line, check, points = judged.line, judged.check, judged.points.score
            found = self._incidents(judged, scales, given, expected)
            flags = rows_of(found, len(scores)) if self._promises() else self.threshold_.flags(scores)
        found = self.described(found, scores, lambda row: contributions[row])
        return Explanation(scores, p_values, flags, contributions, expected, lower, upper, found, points, check, line)

    def described(
        self, found: pd.DataFrame, scores: NDArray[Any], contributed: Callable[[int], NDArray[Any]]
    ) -> pd.DataFrame:
        """Events with the highest score of their rows, its p-value, and what contributed at the peak."""
        spans = list(zip(found["first"], found["last"]))
        found["score"] = [_highest(scores[first : last + 1]) for first, last in spans]
        found["p_value"] = [_lowest(self.p_values(scores[first : last + 1])) for first, last in spans]
        found["contributed"] = [self._contributed(contributed(row)) for row in found["peak_row"]]
        return found[[*EVENT_COLUMNS, *(name for name in found if name not in EVENT_COLUMNS)]]

    # -- alarms ---------------------------------------------------------------------------------------------------

    def _promises(self) -> bool:
        return self.alarm_line_ is not None and self.alarm_line_.status != "no promise"

    def _errors(self, prepared: Prepared, progress: Progress) -> Errors:
        """Errors of rows, per variable, and of windows, summed; both at least 0. The same where a method has one."""
        points = self.points(prepared, progress=progress)
        return np.repeat(points[:, None] / self.n_features_in_, self.n_features_in_, axis=1), points

    def _time_scales(self, prepared: Prepared, progress: Progress, errors: Errors | None = None) -> dict[str, Array]:
        """Errors of rows and windows smoothed to several lengths, as alarms look at them; `errors` where known."""
        row_errors, windows = self._errors(prepared, progress) if errors is None else errors
        self._row_errors = row_errors
        return error_scales(row_errors, windows, prepared.gaps)[1]

    def _draw_alarm_line(
        self, scales: dict[str, NDArray[Any]], promise: Promise, trained: dict[str, NDArray[Any]] | None = None
    ) -> None:
        """Calibrate the line that promises so many false alarms per time; note why where none can be drawn."""
        try:
            self.alarm_line_: AlarmLine | None = calibrate(
                scales,
                promise,
                reach=reach_of(self.timesteps_),
                contaminated=self.settings_["contamination"] > 0,
                trained=trained,
            )
        except InputError as error:
            self.alarm_line_ = None
            self.notes_.append(f"No alarm line was drawn: {error}")

    def _promise(self, given: Series) -> Promise:
        alarms, step = self.settings_["false_alarms"], given.pace
        if isinstance(step, pd.Timedelta) and step > pd.Timedelta(0):
            return Promise.per_month(step, alarms)
        return Promise(alarms)

    def judge(self, scales: dict[str, NDArray[Any]]) -> Judgement:
        """Check the alarm line on scores at all its time scales, and let it follow rows that it does not fit."""
        assert self.alarm_line_ is not None
        return judge(self.alarm_line_, scales, reach=reach_of(self.timesteps_))

    def _incidents(
        self,
        judged: Judgement,
        scales: dict[str, NDArray[Any]],
        given: Series,
        expected: NDArray[Any] | None = None,
    ) -> pd.DataFrame:
        known = expected is not None and bool(np.isfinite(expected).any())
        return incident_table(
            judged.line,
            scales,
            points=judged.points,
            row_errors=self._row_errors,
            values=given.values if known else None,
            expected=expected if known else None,
            times=given.times,
            gaps=given.gaps,
        )

    def _smoothed_details(self, prepared: Prepared, progress: Progress) -> Details:
        """What `_details` gives, its contributions smoothed so that their sum is the score."""
        contributions, bands, errors = self._details(prepared, progress)
        contributions = smooth(contributions, self.smooth_, gaps=prepared.gaps)
        if self._row_scales is not None and errors is not None:
            contributions = self._row_scales.contributions(contributions, errors[0], prepared.gaps)
        return contributions, bands, errors

    def _details(self, prepared: Prepared, progress: Progress) -> Details:
        """Contributions before smoothing, what was expected with its band in training deviations, and `_errors`."""
        rows, points = self._errors(prepared, progress)
        unknown = np.full(prepared.scaled.shape, np.nan)
        share = np.repeat(points[:, None] / self.n_features_in_, self.n_features_in_, axis=1)
        return share, (unknown, unknown, unknown), (rows, points)

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Share of normal rows that score at least as high, by the calibration.

        A tail fitted on n scores says little about what is a hundred times rarer than one in n: that is the floor.

        Parameters
        ----------
        scores : array-like, shape (n,)

        Returns
        -------
        ndarray, shape (n,)
        """
        self._check_calibrated()
        return np.maximum(self.threshold_.p_values(scores), self.smallest_p_)

    @property
    def smallest_p_(self) -> float:
        """The smallest p-value that the calibration can tell."""
        return 0.01 / (self.calibration_["rows"] + 1)

    def _check_calibrated(self) -> None:
        if not hasattr(self, "threshold_"):
            raise NotFitted("no threshold was drawn at fit, so that nothing can be flagged; fit on more rows")

    def _contributed(self, parts: NDArray[Any]) -> str:
        """The variables that carry most of a row's score, largest first."""
        total = parts.sum()
        order = np.argsort(-parts)[:3]
        shares = [(self.columns_[i], parts[i] / total) for i in order if total > 0 and parts[i] > 0.1 * total]
        return ", ".join(f"{name} {share:.0%}" for name, share in shares)


def _highest(part: NDArray[Any]) -> float:
    return float(np.nanmax(part)) if np.isfinite(part).any() else np.nan


def _lowest(part: NDArray[Any]) -> float:
    return float(np.nanmin(part)) if np.isfinite(part).any() else np.nan


def _give_signature(cls: type[BaseDetector]) -> None:
    """An `__init__` whose signature, names and defaults, is what the class declares."""

    def __init__(self: BaseDetector, *args: Any, **given: Any) -> None:
        named = dict(zip(cls.positional, args))
        if len(args) > len(cls.positional):
            raise TypeError(f"{cls.__name__} takes {len(cls.positional)} positional arguments, got {len(args)}")
        if set(named) & set(given):
            raise TypeError(f"{cls.__name__} got {', '.join(set(named) & set(given))} twice")
        self._take({**named, **given})

    kinds = inspect.Parameter
    listed = [kinds("self", kinds.POSITIONAL_OR_KEYWORD)]
    ordered = [*cls.positional, *(name for name in cls.parameters if name not in cls.positional)]
    for name in ordered:
        kind = kinds.POSITIONAL_OR_KEYWORD if name in cls.positional else kinds.KEYWORD_ONLY
        listed.append(kinds(name, kind, default=cls.parameters[name].default))
    __init__.__signature__ = inspect.Signature(listed)  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = __init__  # type: ignore[assignment]
