"""Score a series that does not fit into memory, part by part."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from vaehelpers.alarms.calibration import SCALES, AlarmLine, PointScores
from vaehelpers.alarms.edges import kind_in_column, odd_column
from vaehelpers.alarms.incidents import FEW, place_incidents
from vaehelpers.alarms.redraw import Judgement, followed
from vaehelpers.alarms.selfcheck import SelfCheck, check_points
from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.detectors.calibration import error_scales, reach_of, rows_of
from vaehelpers.detectors.prepared import Prepared
from vaehelpers.detectors.vae import Detector
from vaehelpers.thresholds.flagged import events
from vaehelpers.windows import fill_between


def score_parts(
    detector: Detector,
    read: Callable[[int, int], NDArray[Any]],
    n: int,
    *,
    gaps: ArrayLike | None = None,
    rows: int = 500_000,
    progress: Progress = quiet,
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Score a series that does not fit into memory: the scores of `Detector.decision_function`, part by part.

    Each part is read with as many rows around it as its scores depend on.

    Parameters
    ----------
    detector : Detector
        Fitted.
    read : callable
        ``read(first, last)`` returns these rows (`last` not included) as an array of shape (last - first, n_features),
        NaN where missing. Asked for in increasing order, with overlaps.
    n : int
        Rows of the series.
    gaps : array-like of int, optional
        Rows i such that time jumps between row i - 1 and row i (`Series.gaps`).
    rows : int, default 500,000
        Rows of a part; memory is proportional to it.
    progress : Progress, optional
        Called as ``progress("scoring", rows done, n)``.

    Yields
    ------
    first : int
        First row of the part.
    scores : ndarray
        Of its rows; NaN where no window covers a row.

    Raises
    ------
    InputError
        If the detector is not fitted, or the series does not fit it.

    Examples
    --------
    >>> from vaehelpers.detectors import Detector
    >>> wave = np.sin(np.arange(1_500) / 8)[:, None]
    >>> detector = Detector(timesteps=50, units=8, latent_dim=4, steps=20, smooth=5).fit(wave)
    >>> parts = score_parts(detector, lambda first, last: wave[first:last], 1_500, rows=400)
    >>> np.allclose(np.concatenate([scores for _, scores in parts]), detector.decision_function(wave))
    True
    """
    around = detector.timesteps_ - 1 + detector.smooth_ // 2
    for first, last, low, prepared in _prepared_parts(detector, read, n, gaps=gaps, rows=rows, around=around):
        scores = np.full(len(prepared), np.nan)
        if len(prepared.starts):
            scores = detector._scores(prepared, quiet)
        progress("scoring", last, n)
        yield first, scores[first - low : last - low]


def judge_parts(
    detector: Detector,
    read: Callable[[int, int], NDArray[Any]],
    n: int,
    *,
    times: Any = None,
    gaps: ArrayLike | None = None,
    rows: int = 500_000,
    progress: Progress = quiet,
) -> Judged:
    """Score a long series part by part and find its incidents: what `Detector.explain` says of the whole.

    Parameters
    ----------
    detector, read, n, gaps, rows, progress
        As in `score_parts`.
    times : DatetimeIndex or ndarray, optional
        Of all rows.

    Returns
    -------
    Judged
        About 40 bytes a row stay in memory, however many the series has, and as many in a file while it runs; twice
        that where the line is doubted.

    Raises
    ------
    InputError
        If no row can be scored, or the series does not fit the detector.
    """
    line = detector.alarm_line_
    widest = max(detector.smooth_, *(width for _, width in SCALES))
    around = detector.timesteps_ - 1 + widest // 2
    scores, total = np.full(n, np.nan), np.full(n, np.nan)
    every = _Scales(n, line.scales if line is not None else ())
    for first, last, low, prepared in _prepared_parts(detector, read, n, gaps=gaps, rows=rows, around=around):
        inside = slice(first - low, last - low)
        if len(prepared.starts):
            errors = None if line is None else detector._errors(prepared, quiet)
            scores[first:last] = detector._scores(prepared, quiet, errors)[inside]
            if errors is not None:
                summed, scales = error_scales(*errors, prepared.gaps)
                total[first:last] = summed[inside]
                every.put(first, last, {name: values[inside] for name, values in scales.items()})
        progress("scoring", last, n)
    if not np.isfinite(scores).any():
        raise InputError(
            f"no window of {detector.timesteps_} rows is free of gaps and has at most "
            f"{detector.settings_['max_missing']:.0%} missing values; nothing can be scored"
        )
    borders = np.asarray([] if gaps is None else gaps, np.int64)
    looked = _Near(detector, read, n, borders, around)
    check = None
    if line is None:
        flags = detector.threshold_.flags(scores)
        found = events(flags, scores, times=times, merge=detector.timesteps_ // 2)
        found = found.assign(severity=np.nan, at_least=False, kind="", scale="")
    else:
        seen = every.points(line, rows)
        check = check_points(line, seen.score, every.kept)
        judged = followed(line, every.kept, Judgement(line, check, seen), reach=reach_of(detector.timesteps_))
        line, check, seen = judged
        found = place_incidents(line, seen, total, values=looked.values(), kind=looked.kind, times=times, gaps=borders)
        flags = rows_of(found, n) if line.status != "no promise" else detector.threshold_.flags(scores)
    return Judged(scores, flags, detector.described(found, scores, looked.contributed), check, line)


@dataclass(frozen=True)
class Judged:
    """What is said about a long series.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
    flags : ndarray of bool, shape (n,)
    events : DataFrame
        As in `Explanation`.
    check : SelfCheck or None
    line : AlarmLine or None
        As in `Explanation`: the one that raised the incidents.
    """

    scores: NDArray[np.float64]
    flags: NDArray[Any]
    events: pd.DataFrame
    check: SelfCheck | None
    line: AlarmLine | None


class _Scales:
    """Scores of all rows at all time scales, in a file without a name: a line may have to be drawn anew on them."""

    def __init__(self, n: int, names: tuple[str, ...]):
        self.kept: dict[str, NDArray[np.float64]] = {}
        if names:
            with tempfile.TemporaryFile() as file:  # mapped, it lives as long as the arrays
                table = np.memmap(file, np.float64, "w+", shape=(len(names), n))
            table[:] = np.nan
            self.kept = dict(zip(names, table))

    def put(self, first: int, last: int, scales: dict[str, NDArray[Any]]) -> None:
        for name, values in self.kept.items():
            values[first:last] = scales[name]

    def points(self, line: AlarmLine, rows: int) -> PointScores:
        """Point scores of all rows, worked out part by part."""
        n = len(next(iter(self.kept.values())))
        score, scale = np.full(n, np.nan), np.full(n, -1, np.int64)
        for first in range(0, n, rows):
            part = slice(first, first + rows)
            here = line.point_scores({name: values[part] for name, values in self.kept.items()})
            score[part], scale[part] = here.score, here.scale
        return PointScores(score, scale)


def _prepared_parts(
    detector: Detector,
    read: Callable[[int, int], NDArray[Any]],
    n: int,
    *,
    gaps: ArrayLike | None,
    rows: int,
    around: int,
) -> Iterator[tuple[int, int, int, Prepared]]:
    """First and last row of each part, the first row that was read for it, and what was read, ready to score."""
    detector.check_fitted()
    if rows < 1:
        raise InputError(f"rows={rows} must be at least 1")
    if n < detector.timesteps_:
        raise InputError(f"{n} rows are fewer than one window (timesteps={detector.timesteps_}); give more rows")
    borders = np.asarray([] if gaps is None else gaps, dtype=np.int64)
    neighbours = _Neighbours(detector, read, n, rows)
    for first in range(0, n, rows):
        last = min(first + rows, n)
        low, high = max(0, first - around), min(n, last + around)
        values = np.asarray(read(low, high))
        if values.shape[1] != detector.n_features_in_:
            raise InputError(
                f"the series has {values.shape[1]} variables; this detector was fitted on {detector.n_features_in_} "
                f"({', '.join(map(str, detector.columns_))})"
            )
        before, after = neighbours.of(values, low, high)
        fill = functools.partial(fill_between, before=before, after=after)
        inner = borders[np.searchsorted(borders, low, "right") : np.searchsorted(borders, high)] - low
        yield first, last, low, detector.prepare(values, gaps=inner, fill=fill, first_row=low)


class _Near:
    """A closer look at the few rows of an incident: what was expected there, and which variable is to blame."""

    def __init__(
        self, detector: Detector, read: Callable[[int, int], NDArray[Any]], n: int, gaps: NDArray[Any], around: int
    ):
        self.detector, self.read, self.n, self.gaps, self.around = detector, read, n, gaps, around

    def values(self) -> NDArray[np.float64] | None:
        """All values, where there are few variables: a sensor's rest is told by those of the whole series."""
        if self.detector.n_features_in_ > FEW:
            return None
        return np.asarray(self.read(0, self.n), np.float64)

    def _prepared(self, first: int, last: int) -> tuple[int, NDArray[Any], Prepared]:
        low, high = max(0, first - 2 * self.around), min(self.n, last + 1 + 2 * self.around)
        values = np.asarray(self.read(low, high))
        inner = self.gaps[np.searchsorted(self.gaps, low, "right") : np.searchsorted(self.gaps, high)] - low
        return low, values, self.detector.prepare(values, gaps=inner, first_row=low)

    def kind(self, first: int, last: int) -> str:
        """Kind of the incident in these rows, as `vaehelpers.alarms.kind_of` says it."""
        low, values, prepared = self._prepared(first, last)
        expected = self.detector.expected_of(prepared)
        if not len(prepared.starts) or not np.isfinite(expected).any():
            return ""
        errors, _ = self.detector._errors(prepared, quiet)
        deviation = values.astype(np.float64) - expected
        begin, end = first - low, last - low
        column = odd_column(deviation, begin, end, errors)
        value = np.asarray(self.read(0, self.n)[:, column], np.float64)
        return kind_in_column(value, deviation[begin : end + 1, column], first, last)

    def contributed(self, row: int) -> NDArray[np.float64]:
        """What each variable adds to a row's score."""
        low, _, prepared = self._prepared(row, row)
        if not len(prepared.starts):
            return np.full(self.detector.n_features_in_, np.nan)
        return self.detector.contributions_of(prepared)[row - low]


class _Neighbours:
    """The values seen next to a part on either side, however far away: a long hole is filled between them."""

    def __init__(self, detector: Detector, read: Callable[[int, int], NDArray[Any]], n: int, rows: int):
        self.detector, self.read, self.n, self.rows = detector, read, n, rows
        features = detector.n_features_in_
        self.left = np.full((2, features), np.nan)  # row, value
        self.right = np.full((2, features), np.nan)  # NaN: not known; infinity: there is none
        self.previous: tuple[int, NDArray[Any]] | None = None

    def of(
        self, values: NDArray[Any], low: int, high: int
    ) -> tuple[tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
        """Rows, counted from `low`, and values of those before and of those after."""
        if self.previous is not None:
            begin, rows_before = self.previous
            self._note_last(begin, rows_before[: low - begin])
        self.previous = (low, values)
        absent = np.isnan(values[-1])
        self.right[:, ~(self.right[0] >= high)] = np.nan
        self._look_ahead(high, absent)
        after = np.where(absent & np.isfinite(self.right[0]), self.right[0] - low, np.nan)
        return (self.left[0] - low, self.left[1]), (after, self.right[1])

    def _note_last(self, begin: int, values: NDArray[Any]) -> None:
        seen = ~np.isnan(values)
        for column in np.flatnonzero(seen.any(axis=0)):
            row = int(np.flatnonzero(seen[:, column])[-1])
            self.left[:, column] = begin + row, self._scaled(values[row])[column]

    def _look_ahead(self, high: int, absent: NDArray[Any]) -> None:
        """Find the first value after `high` of the columns that are missing there."""
        at = high
        while at < self.n and np.isnan(self.right[0][absent]).any():
            block = np.asarray(self.read(at, min(at + self.rows, self.n)))
            for column in np.flatnonzero(absent & np.isnan(self.right[0])):
                seen = np.flatnonzero(~np.isnan(block[:, column]))
                if len(seen):
                    self.right[:, column] = at + seen[0], self._scaled(block[seen[0]])[column]
            at += len(block)
        self.right[0, absent & np.isnan(self.right[0])] = np.inf

    def _scaled(self, row: NDArray[Any]) -> NDArray[Any]:
        return self.detector.scale(row[None])[0][0]
