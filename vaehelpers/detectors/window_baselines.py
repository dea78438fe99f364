"""Baselines that look at windows: PCA, k-means, matrix profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.detectors.base import BaseDetector
from vaehelpers.detectors.baseline import Baseline, _mean_over_observed
from vaehelpers.detectors.prepared import Prepared
from vaehelpers.detectors.rows import RowScales
from vaehelpers.detectors.settings import ROW_SCALES, Parameter
from vaehelpers.windows import PointAggregator, gather, window_starts

MAX_TRAINING_WINDOWS = 20_000
"""More windows than these are drawn at random for fitting; the leading components and centres do not change by it."""


_CLIP = 8.0  # training deviations; what a window model cannot have learned must not steer it


_FIT_BYTES = 200e6  # of one array of training windows


_BATCH_BYTES = 8e6  # of one batch of windows; stays in the cache


class _Windowed(Baseline):
    """Shared by the baselines that look at windows: which windows to learn from, scoring batch by batch."""

    _window_length = BaseDetector._window_length

    def _training_windows(self, prepared: Prepared) -> NDArray[np.float32]:
        """At most 20,000 windows, at most 200 MB, drawn at random; (n_windows, timesteps * n_features)."""
        scaled, gaps = prepared.whole, prepared.gaps
        n, width = len(scaled), self.timesteps_ * scaled.shape[1]
        starts = window_starts(n, self.timesteps_, gaps=gaps)
        if not len(starts):
            raise InputError(
                f"timesteps={self.timesteps_} is longer than the training part ({n} rows{_between(gaps)}); "
                f"use at most {_longest_stretch(n, gaps)}"
            )
        limit = int(max(100, min(MAX_TRAINING_WINDOWS, _FIT_BYTES / (4 * width))))
        if len(starts) > limit:
            starts = np.sort(np.random.default_rng(self.settings_["seed"]).choice(starts, limit, replace=False))
        return gather(scaled, starts, self.timesteps_).reshape(len(starts), width)

    def _batches(self, prepared: Prepared, progress: Progress) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Starts and flat windows, batch by batch."""
        scaled, gaps = prepared.whole, prepared.gaps
        n, width = len(scaled), self.timesteps_ * scaled.shape[1]
        starts = window_starts(n, self.timesteps_, gaps=gaps)
        if not len(starts):
            raise InputError(
                f"timesteps={self.timesteps_} is longer than the series ({n} rows{_between(gaps)}); "
                "give a longer series or fit with shorter windows"
            )
        batch = int(max(1, _BATCH_BYTES // (4 * width)))
        for first in range(0, len(starts), batch):
            part = starts[first : first + batch]
            yield part, gather(scaled, part, self.timesteps_).reshape(len(part), width)
            progress("scoring", first + len(part), len(starts))


class WindowedPCA(_Windowed):
    """Error of rebuilding windows from their leading principal components: the linear autoencoder.

    A window that is no mixture of the few shapes that the training part is made of leaves an error. The mean square
    error of a whole window counts for each of its rows; a row takes the mean over the windows that hold it. (On the
    tuning series that beats the error at the row itself: docs/tuning.md.) By default the row's own error counts where
    it is larger, as for `Detector`. Values beyond 8 training deviations are cut before they are rebuilt, and held whole
    against what was rebuilt.

    Parameters
    ----------
    n_components : int or float, default 8
        Number of components kept; cut down where there are fewer windows or values. A number below 1 is the share of
        variance to keep.
    timesteps : int, optional
        Length of a window, in rows. Default: one period of the training part, `windows.dominant_period`.
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.
    scales : {"window", "window+row"}, default "window+row"
        As for `Detector`.
    seed : int, default 0
        Draws the training windows where there are more than 20,000.

    References
    ----------
    Aggarwal, "Outlier Analysis", 2nd edition 2017, section 9.3 (Sub-PCA in TSB-AD).

    Examples
    --------
    >>> rows = np.arange(1_000)
    >>> series = np.sin(2 * np.pi * rows / 50)
    >>> series[700:710] = 0.0
    >>> scores = WindowedPCA(n_components=2, smooth=1).fit(series[:500]).decision_function(series)
    >>> bool(700 <= scores.argmax() < 710), bool(scores[:500].max() < 1e-6)
    (True, True)
    """

    draws: ClassVar[bool] = True
    own: ClassVar = (
        Parameter(
            "n_components", "float", 8,
            "Components kept; a number below 1 is the share of variance to keep.", low=1e-6,
        ),
        ROW_SCALES,
    )  # fmt: skip

    def _learn(self, prepared: Prepared, progress: Progress) -> None:
        from sklearn.decomposition import PCA

        windows = np.clip(self._training_windows(prepared), -_CLIP, _CLIP)
        wanted = self.settings_["n_components"]
        kept = wanted if wanted < 1 else min(int(wanted), *windows.shape)
        with np.errstate(invalid="ignore"):  # share of the variance in a constant training part
            self.pca_ = PCA(kept, svd_solver="full" if kept < 1 else "auto", random_state=self.settings_["seed"]).fit(
                windows
            )
        self._row_scales = None
        if self.settings_["scales"] == "window+row":
            self._row_scales = RowScales.measure(self._errors(prepared, quiet), self.smooth_, prepared.gaps)

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        return self._rebuild(prepared, progress)[1]

    def _errors(self, prepared: Prepared, progress: Progress) -> tuple[NDArray[Any], NDArray[Any]]:
        rows, points = self._rebuild(prepared, progress, of_rows=True)
        seen = prepared.observed
        return np.where(seen, rows, np.nan), np.where(seen.any(axis=1), points, np.nan)

    def _rebuild(
        self, prepared: Prepared, progress: Progress, *, of_rows: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Squared errors of rows over the number of variables, (n, n_features) or empty, and of windows, (n,)."""
        points = PointAggregator(len(prepared), self.timesteps_, "mean")
        rows = PointAggregator(len(prepared), self.timesteps_, "mean")
        features = prepared.whole.shape[1]
        basis = self.pca_.components_.astype(np.float32)
        centre = self.pca_.mean_.astype(np.float32)
        for starts, windows in self._batches(prepared, progress):
            shown = np.clip(windows, -_CLIP, _CLIP) - centre
            error = windows - centre - (shown @ basis.T) @ basis
            error **= 2
            whole = _mean_over_observed(error, gather(prepared.observed, starts, self.timesteps_).reshape(error.shape))
            points.add(starts, np.broadcast_to(whole[:, None], (len(starts), self.timesteps_)))
            if of_rows:
                rows.add(starts, error.reshape(len(starts), self.timesteps_, features) / features)
        return rows.result() if of_rows else np.empty((0, features)), points.result()


class KMeansDistance(_Windowed):
    """Distance of each window to the nearest of a few typical windows.

    The distance counts for every row of the window; a row takes the mean over the windows that hold it.

    Parameters
    ----------
    n_clusters : int, default 20
        Number of typical windows; cut down where there are fewer windows.
    timesteps : int, optional
        Length of a window, in rows. Default: one period of the training part, `windows.dominant_period`.
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.
    seed : int, default 0

    References
    ----------
    Yairi, Kato, Hori, "Fault Detection by Mining Association Rules from House-keeping Data", i-SAIRAS 2001
    (KMeansAD in TSB-AD).

    Examples
    --------
    >>> rows = np.arange(1_000)
    >>> series = np.sin(2 * np.pi * rows / 50)
    >>> series[700:725] *= -1
    >>> scores = KMeansDistance(smooth=1).fit(series[:500]).decision_function(series)
    >>> bool(650 < scores.argmax() < 775)
    True
    """

    draws: ClassVar[bool] = True
    own: ClassVar = (Parameter("n_clusters", "int", 20, "Number of typical windows.", low=1),)

    def _learn(self, prepared: Prepared, progress: Progress) -> None:
        from sklearn.cluster import MiniBatchKMeans
        from threadpoolctl import threadpool_limits  # scikit-learn brings it along

        windows = np.clip(self._training_windows(prepared), -_CLIP, _CLIP)
        model = MiniBatchKMeans(
            min(self.settings_["n_clusters"], len(windows)),
            batch_size=2_048,
            n_init=3,
            random_state=self.settings_["seed"],
        )
        with threadpool_limits(1):  # two threads wait for each other, and took up to 20 times as long as one
            model.fit(windows)
        self.centres_ = model.cluster_centers_.astype(np.float32)

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        points = PointAggregator(len(prepared), self.timesteps_, "mean")
        lengths = (self.centres_**2).sum(axis=1)
        for starts, windows in self._batches(prepared, progress):
            square = (windows**2).sum(axis=1)[:, None] - 2 * windows @ self.centres_.T + lengths
            nearest = np.sqrt(np.maximum(square.min(axis=1), 0.0))
            points.add(starts, np.broadcast_to(nearest[:, None], (len(starts), self.timesteps_)))
        return points.result()


class MatrixProfile(Baseline):
    """Distance of each window to its nearest neighbour in the training part, both z-normalized: discords.

    Rows that were trained on (when the scored series begins with the training part) are compared with the other
    training windows, not with themselves. Several variables are scored apart and averaged. Needs the optional package
    stumpy, which compiles itself for about 20 s at the first call in a process.

    Parameters
    ----------
    timesteps : int, optional
        Length of a window, in rows, at least 3. Default: one period of the training part, `windows.dominant_period`.
    max_train : int, default 20_000
        Of a longer training part the last rows are kept: time is proportional to scored rows times training rows.
    smooth : int, default 100
        Rows over which the score is averaged, centred. 1 = not at all.

    References
    ----------
    Yeh et al., "Matrix Profile I", ICDM 2016; Law, "STUMPY", JOSS 4(39), 2019.

    Examples
    --------
    >>> MatrixProfile(timesteps=50, smooth=1)
    MatrixProfile(smooth=1, timesteps=50)
    """

    own: ClassVar = (
        Parameter("max_train", "int", 20_000, "Of a longer training part the last rows are kept.", low=1, unit="rows"),
    )

    def _window_length(self, values: NDArray[Any], wanted: int | None) -> int:
        return max(3, BaseDetector._window_length(self, values, wanted))

    def _learn(self, prepared: Prepared, progress: Progress) -> None:
        _stumpy()
        scaled, observed, gaps = prepared.whole, prepared.observed, prepared.gaps
        if len(scaled) < 2 * self.timesteps_:
            raise InputError(
                f"timesteps={self.timesteps_} needs a training part of {2 * self.timesteps_} rows and there are "
                f"{len(scaled)}; use at most {len(scaled) // 2}"
            )
        self.skipped_ = max(0, len(scaled) - max(self.settings_["max_train"], 2 * self.timesteps_))
        self.train_ = np.where(observed, scaled, np.nan).astype(np.float64)[self.skipped_ :]
        # stumpy takes a window with NaN for no neighbour: none may reach across a gap
        self.breaks_ = gaps[gaps > self.skipped_] - self.skipped_

    def _points(self, prepared: Prepared, progress: Progress) -> NDArray[Any]:
        stump = _stumpy().stump
        scaled, observed, gaps = prepared.whole, prepared.observed, prepared.gaps
        n, width = len(scaled), self.timesteps_
        if n < width:
            raise InputError(f"timesteps={width} is longer than the series ({n} rows); give a longer series")
        values = np.where(observed, scaled, np.nan).astype(np.float64)
        own = slice(self.skipped_, self.skipped_ + len(self.train_))
        known = np.array_equal(values[own], self.train_, equal_nan=True)
        total = np.zeros(n - width + 1)
        for j in range(values.shape[1]):
            train = self.train_[:, j].copy()
            train[self.breaks_] = np.nan
            distance = stump(values[:, j], width, T_B=train, ignore_trivial=False)[:, 0].astype(np.float64)
            if known:
                distance[own.start : own.stop - width + 1] = stump(train, width)[:, 0].astype(np.float64)
            total += distance / values.shape[1]
            progress("scoring", j + 1, values.shape[1])
        total[~np.isfinite(total)] = np.nan
        total[~np.isfinite(total)] = np.nan  # windows with a missing value
        starts = window_starts(n, width, gaps=gaps)
        points = PointAggregator(n, width, "mean")
        batch = max(1, int(_BATCH_BYTES // (8 * width)))
        for first in range(0, len(starts), batch):
            part = starts[first : first + batch]
            points.add(part, np.broadcast_to(total[part][:, None], (len(part), width)))
        return points.result()


def _longest_stretch(n: int, gaps: NDArray[Any]) -> int:
    return int(np.diff(np.r_[0, np.unique(gaps), n]).max())


def _between(gaps: NDArray[Any]) -> str:
    return f", {len(gaps)} gaps" if len(gaps) else ""


def _stumpy() -> Any:
    try:
        import stumpy
    except ImportError as error:
        raise InputError(
            "the baseline matrix_profile needs the package stumpy; pip install 'vaehelpers[baselines]'"
        ) from error
    return stumpy
