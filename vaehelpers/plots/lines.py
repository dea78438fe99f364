"""Figures along time: the series, its reconstruction, its score and one event."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers.plots.base import (
    EVENT,
    LABEL,
    LIMIT,
    MODEL,
    OKABE_ITO,
    SCORE,
    SIGNAL,
    _as_is,
    _finish,
    _is_dates,
    _mark,
    _runs,
    _shade,
    _unit,
    _wants_log,
    _x,
    envelope,
    new_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def series(
    values: np.ndarray,
    *,
    times: Any = None,
    labels: np.ndarray | None = None,
    events: pd.DataFrame | Sequence[tuple[int, int]] | None = None,
    gaps: Sequence[int] | np.ndarray = (),
    train_rows: int | None = None,
    name: str = "value",
    unit: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one variable over time with its gaps, labelled anomalies and found events.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where missing.
    times : DatetimeIndex or ndarray of shape (n,), optional
        Default: sample numbers.
    labels : ndarray of shape (n,), optional
        1 where someone labelled an anomaly; a bar at the foot.
    events : DataFrame with columns first and last, or (first, last) pairs, optional
        Found events; shaded, with a triangle above each.
    gaps : sequence of int, optional
        Rows that follow a gap; the line stays open there.
    train_rows : int, optional
        Where the training part ends; a dotted line.
    name, unit : str
        For the vertical axis.
    title : str, optional
    ax : Axes, optional
        Default: a new one.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = series(np.sin(np.arange(500) / 10), events=[(100, 120)], name="flow", unit="l/min")
    >>> ax.get_ylabel(), ax.get_xlabel()
    ('flow (l/min)', 'sample')
    """
    ax = ax if ax is not None else new_axes()[1]
    values = np.asarray(values, dtype=float)
    x, x_label = _x(len(values), times)
    rows, drawn = envelope(values, breaks=gaps)
    _mark(ax, x, events, labels)
    ax.plot(x[rows], drawn, color=SIGNAL, linewidth=0.8, label="measured")
    gap_spans = [(int(i) - 1, int(i) - 1) for i in gaps if 0 < i < len(values)]
    _shade(ax, x, gap_spans, label="gap", colour=OKABE_ITO["grey"], hatch="....")
    if train_rows is not None and 0 < train_rows < len(values):
        ax.axvline(x[train_rows], color="black", linestyle=":", linewidth=1.2, label="end of training part")
    ax.margins(x=0.005)
    return _finish(ax, x=x_label, y=_unit(name, unit), title=title, dates=_is_dates(x))


def stacked_series(
    values: np.ndarray,
    columns: Sequence[str],
    *,
    times: Any = None,
    labels: np.ndarray | None = None,
    events: pd.DataFrame | Sequence[tuple[int, int]] | None = None,
    gaps: Sequence[int] | np.ndarray = (),
    train_rows: int | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw several variables above one another, each scaled to its own range.

    Parameters
    ----------
    values : ndarray of shape (n, F)
        NaN where missing.
    columns : sequence of str
        Names of the F variables; they stand at the vertical axis.
    times, labels, events, gaps, train_rows, title, ax
        As in `series`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = stacked_series(np.random.default_rng(0).normal(size=(50, 3)), ["a", "b", "c"])
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['a', 'b', 'c']
    """
    values = np.asarray(values, dtype=float)
    n, n_features = values.shape
    ax = ax if ax is not None else new_axes(height=max(2.2, 0.55 * n_features + 0.9))[1]
    x, x_label = _x(n, times)
    _mark(ax, x, events, labels)
    for position in range(n_features):
        column = values[:, position]
        finite = column[np.isfinite(column)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
        middle, span = (low + high) / 2, (high - low) or 1.0
        rows, drawn = envelope(column, breaks=gaps)
        colour = SIGNAL if position % 2 == 0 else OKABE_ITO["green"]
        ax.plot(x[rows], n_features - 1 - position + 0.85 * (drawn - middle) / span, color=colour, linewidth=0.7)
    if train_rows is not None and 0 < train_rows < n:
        ax.axvline(x[train_rows], color="black", linestyle=":", linewidth=1.2, label="end of training part")
    ax.set_yticks(range(n_features)[::-1], list(map(_as_is, columns)))
    ax.set_ylim(-0.6, n_features - 0.4)
    ax.margins(x=0.005)
    return _finish(ax, x=x_label, y="variable, each on its own range", title=title, dates=_is_dates(x))


def reconstruction(
    observed: np.ndarray,
    expected: np.ndarray,
    *,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
    times: Any = None,
    name: str = "value",
    unit: str | None = None,
    title: str = "",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw one window (or stretch) of one variable and what the model expects there.

    Parameters
    ----------
    observed, expected : ndarray of shape (T,)
        In the series' units.
    lower, upper : ndarray of shape (T,), optional
        Edges of the band in which the model expects the values.
    times : DatetimeIndex or ndarray of shape (T,), optional
    name, unit, title : str
    legend : bool, default True
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> x = np.sin(np.arange(100) / 9)
    >>> ax = reconstruction(x, 0.9 * x, lower=0.9 * x - 0.2, upper=0.9 * x + 0.2, title="good")
    >>> [line.get_label() for line in ax.get_lines()]
    ['measured', 'expected']
    """
    ax = ax if ax is not None else new_axes()[1]
    observed, expected = np.asarray(observed, dtype=float), np.asarray(expected, dtype=float)
    x, x_label = _x(len(observed), times)
    if lower is not None and upper is not None:
        ax.fill_between(
            x, np.asarray(lower, float), np.asarray(upper, float), color=OKABE_ITO["sky"], alpha=0.35, linewidth=0,
            label="expected band",
        )  # fmt: skip
    marker = "." if len(observed) <= 60 else ""
    ax.plot(x, observed, color=SIGNAL, linewidth=1.2, marker=marker, label="measured")
    ax.plot(x, expected, color=MODEL, linewidth=1.3, linestyle="--", label="expected")
    ax.margins(x=0.01)
    return _finish(ax, x=x_label, y=_unit(name, unit), title=title, legend=legend, dates=_is_dates(x))


def score(
    scores: np.ndarray,
    threshold: float | None = None,
    *,
    times: Any = None,
    labels: np.ndarray | None = None,
    events: pd.DataFrame | Sequence[tuple[int, int]] | None = None,
    gaps: Sequence[int] | np.ndarray = (),
    train_rows: int | None = None,
    log: bool | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the anomaly score with its threshold.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Higher = more anomalous; NaN where there is no score.
    threshold : float, optional
        Dashed line.
    times, labels, events, gaps, train_rows, title, ax
        As in `series`.
    log : bool, optional
        Logarithmic axis. Default: where the scores are positive and their highest is above 20 times the median.

    Returns
    -------
    Axes

    Examples
    --------
    >>> scores = np.r_[np.ones(99), 1000.0]
    >>> score(scores, 10.0).get_yscale(), score(scores, 10.0, log=False).get_yscale()
    ('log', 'linear')
    """
    ax = ax if ax is not None else new_axes()[1]
    scores = np.asarray(scores, dtype=float)
    x, x_label = _x(len(scores), times)
    log = _wants_log(scores) if log is None else log
    _mark(ax, x, events, labels)
    rows, drawn = envelope(scores, breaks=gaps)
    ax.plot(x[rows], drawn, color=SCORE, linewidth=0.8, label="score")
    if threshold is not None and np.isfinite(threshold):
        ax.axhline(threshold, color=LIMIT, linestyle="--", linewidth=1.4, label="threshold")
    if train_rows is not None and 0 < train_rows < len(scores):
        ax.axvline(x[train_rows], color="black", linestyle=":", linewidth=1.2, label="end of training part")
    if log:
        ax.set_yscale("log")
        finite = scores[np.isfinite(scores) & (scores > 0)]
        if len(finite):
            ax.set_ylim(bottom=np.quantile(finite, 0.001) * 0.5)
    ax.margins(x=0.005)
    return _finish(ax, x=x_label, y="score (log scale)" if log else "score", title=title, dates=_is_dates(x))


def score_histogram(
    calibration: np.ndarray, scores: np.ndarray, threshold: float | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw how the scores of the held-back calibration rows and those of all rows spread.

    Parameters
    ----------
    calibration, scores : ndarray
        NaN is left out.
    threshold : float, optional
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ax = score_histogram(rng.exponential(size=500), rng.exponential(size=900), 5.0)
    >>> ax.get_yscale()
    'log'
    """
    ax = ax if ax is not None else new_axes()[1]
    kept = np.asarray(calibration, float)[np.isfinite(calibration)]
    every = np.asarray(scores, float)[np.isfinite(scores)]
    both = np.concatenate([kept, every])
    log = _wants_log(both)
    if len(both):
        low, high = both.min(), both.max()
        if log:
            bins = np.geomspace(max(np.quantile(both, 0.001), 1e-300), high, 60)
            ax.set_xscale("log")
        else:
            bins = np.linspace(low, high if high > low else low + 1, 60)
        weights = [np.full(len(part), 1 / max(len(part), 1)) for part in (every, kept)]
        ax.hist(every, bins=bins.tolist(), weights=weights[0], color=OKABE_ITO["sky"], alpha=0.6, label="all rows")
        ax.hist(
            kept, bins=bins.tolist(), weights=weights[1], histtype="step", color="black", linewidth=1.3,
            label="calibration rows",
        )  # fmt: skip
    if threshold is not None and np.isfinite(threshold):
        ax.axvline(threshold, color=LIMIT, linestyle="--", linewidth=1.4, label="threshold")
    ax.set_yscale("log")
    return _finish(ax, x="score (log scale)" if log else "score", y="share of rows (log scale)")


def calibration(
    promised: np.ndarray,
    realised: Mapping[str, np.ndarray],
    *,
    chosen: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the false-alarm rates that held-back rows showed against the rates that were promised.

    Parameters
    ----------
    promised : ndarray of shape (k,)
        False-alarm rates asked for, each in (0, 1).
    realised : mapping of str to ndarray of shape (k, 3)
        For each source of rows: share above the threshold, and the lower and upper end of an interval around it.
    chosen : float, optional
        The rate that the detector uses; a dotted line.
    ax : Axes, optional

    Returns
    -------
    Axes
        Points on the diagonal keep the promise, points above it raise more false alarms than promised.

    Examples
    --------
    >>> rates = np.array([0.01, 0.1])
    >>> ax = calibration(rates, {"held back": np.array([[0.015, 0.01, 0.02], [0.1, 0.08, 0.12]])}, chosen=0.01)
    >>> ax.get_xlabel()
    'promised false-alarm rate (share of rows)'
    """
    ax = ax if ax is not None else new_axes(height=3.4)[1]
    promised = np.asarray(promised, dtype=float)
    floor = promised.min() / 10  # where a rate of zero is drawn: a log axis has none
    ends = np.array([promised.min() / 1.5, min(1.0, promised.max() * 1.5)])
    ax.plot(ends, ends, color=LIMIT, linestyle="--", linewidth=1.3, label="promise kept exactly")
    styles = [(SIGNAL, "o"), (OKABE_ITO["black"], "s"), (OKABE_ITO["green"], "^")]
    for position, ((source, table), (colour, marker)) in enumerate(zip(realised.items(), itertools.cycle(styles))):
        rate, low, high = np.maximum(np.asarray(table, dtype=float), floor).T
        beside = promised * 1.08 ** (position - (len(realised) - 1) / 2)  # else intervals hide one another
        ax.errorbar(
            beside, rate, yerr=[np.maximum(rate - low, 0), np.maximum(high - rate, 0)], fmt=marker, color=colour,
            capsize=3, linewidth=1.2, markersize=5, label=source,
        )  # fmt: skip
        none = np.asarray(table, dtype=float)[:, 0] <= 0
        if none.any():
            ax.plot(
                beside[none], rate[none], marker, color="white", markeredgecolor=colour, label="no row at all", zorder=5
            )
    if chosen is not None:
        ax.axvline(chosen, color="black", linestyle=":", linewidth=1.2, label=f"in use: {chosen:g}")
    ax.set_xscale("log")
    ax.set_yscale("log")
    return _finish(ax, x="promised false-alarm rate (share of rows)", y="realised (share of rows)")


def event_closeup(
    axes: Sequence[Axes] | np.ndarray,
    values: np.ndarray,
    expected: np.ndarray,
    scores: np.ndarray,
    *,
    first: int,
    last: int,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
    threshold: float | None = None,
    times: Any = None,
    labels: np.ndarray | None = None,
    context: int | None = None,
    name: str = "value",
    unit: str | None = None,
    title: str = "",
    score_name: str = "score",
) -> Sequence[Axes] | np.ndarray:
    """Draw one event and its surroundings: the signal with the expected band above, the score below.

    Parameters
    ----------
    axes : two Axes
        For the signal and for the score.
    values, expected, scores : ndarray of shape (n,)
        Whole series of one variable; the function cuts out what it draws.
    first, last : int
        Rows of the event, both included.
    lower, upper : ndarray of shape (n,), optional
    threshold : float, optional
    times, labels, name, unit, title
        As in `series`.
    context : int, optional
        Rows to draw on either side; default the event's own length, at least 60.
    score_name : str, default "score"
        What the axis of the score is called.

    Returns
    -------
    The axes.

    Examples
    --------
    >>> x = np.sin(np.arange(400) / 9)
    >>> figure, axes = new_axes(2, sharex=True)
    >>> upper, below = event_closeup(axes, x, x, np.abs(x), first=200, last=210, threshold=0.9)
    >>> below.get_ylabel()
    'score'
    """
    above, below = axes[0], axes[1]
    length = last - first + 1
    context = max(60, length) if context is None else context
    begin, end = max(0, first - context), min(len(values), last + 1 + context)
    cut = slice(begin, end)
    part_times = None if times is None else times[cut]
    rows = np.arange(begin, end) if times is None else None
    edges = None if lower is None or upper is None else (lower[cut], upper[cut])
    span = [(first - begin, last - begin)]
    x = rows if rows is not None else _x(end - begin, part_times)[0]
    _shade(above, x, span, label="found", colour=EVENT, alpha=0.3)
    if labels is not None:
        _shade(above, x, _runs(labels[cut]), label="labelled", colour=LABEL, lane=(0.0, 0.07), alpha=1.0)
    reconstruction(
        values[cut], expected[cut], lower=edges[0] if edges else None, upper=edges[1] if edges else None,
        times=part_times if rows is None else rows, name=name, unit=unit, title=title, ax=above,
    )  # fmt: skip
    above.set_xlabel("")
    _shade(below, x, span, label="found", colour=EVENT, alpha=0.3)
    score(scores[cut], threshold, times=part_times if rows is None else rows, ax=below)
    below.set_ylabel(score_name)
    if (legend := below.get_legend()) is not None:
        legend.remove()
    if rows is not None:
        below.set_xlabel("sample")
    return axes
