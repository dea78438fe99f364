"""Every figure of the notebooks and reports. Each function takes an `Axes` and returns it.

Colours are those of Okabe and Ito (jfly.uni-koeln.de/color, 2008), which people with any common colour vision tell
apart; line styles, markers and hatches differ as well, so that a grey print reads the same. Long series are drawn by
`envelope`, which keeps the lowest and the highest point of every pixel column: a spike of one sample never vanishes.

The notebook that shows them all is notebooks/07_report.ipynb.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "OKABE_ITO",
    "Picture",
    "alt_text",
    "calibration",
    "comparison",
    "contributions",
    "envelope",
    "event_closeup",
    "kind_matrix",
    "latent_kl",
    "new_axes",
    "picture",
    "reconstruction",
    "score",
    "score_histogram",
    "series",
    "stacked_series",
    "training_curves",
]

OKABE_ITO: Mapping[str, str] = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#6E6E6E",
}
"""Colours by name: the eight of Okabe and Ito, and a grey that is dark enough for text on white."""

SIGNAL, MODEL, EVENT, LABEL, SCORE, LIMIT = (
    OKABE_ITO["blue"],
    OKABE_ITO["vermilion"],
    OKABE_ITO["orange"],
    OKABE_ITO["purple"],
    OKABE_ITO["black"],
    OKABE_ITO["vermilion"],
)
WIDTH = 9.5  # inches; at 100 dots per inch as wide as a page of the report


def new_axes(
    rows: int = 1,
    columns: int = 1,
    *,
    height: float = 2.6,
    heights: Sequence[float] | None = None,
    sharex: bool = False,
) -> tuple[Figure, Any]:
    """Make a figure as wide as the page.

    Parameters
    ----------
    rows, columns : int, default 1
        How many axes.
    height : float, default 2.6
        Height of one row in inches.
    heights : sequence of float, optional
        Height of each row in inches, where they differ.
    sharex : bool, default False
        All axes of a column have one time axis.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : matplotlib.axes.Axes, or an array of them
        As ``plt.subplots`` gives them.

    Examples
    --------
    >>> figure, ax = new_axes()
    >>> float(figure.get_figwidth())
    9.5
    """
    import matplotlib.pyplot as plt

    each = [height] * rows if heights is None else list(heights)
    size = (WIDTH, sum(each))
    return plt.subplots(rows, columns, figsize=size, sharex=sharex, layout="constrained", height_ratios=each)


# ---------------------------------------------------------------- pictures that carry their own words


class Picture:
    """A drawn figure with its alternative text, as a notebook shows it.

    Shown as the last value of a cell it gives a PNG with ``alt`` metadata (which the HTML report writes into the
    page), and the alternative text itself where no picture can be shown.

    Parameters
    ----------
    png : bytes
        The picture.
    alt : str
        What a reader who cannot see it should know.
    width : int
        Width in CSS pixels.

    Examples
    --------
    >>> Picture(b"", "A line that rises.", 600)
    Picture: A line that rises.
    """

    def __init__(self, png: bytes, alt: str, width: int) -> None:
        self.png, self.alt, self.width = png, alt, width

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        data = {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": repr(self)}
        return data, {"image/png": {"alt": self.alt, "width": self.width}}


def picture(figure: Figure, alt: str = "", *, dpi: int = 120, colours: int = 64) -> Picture:
    """Draw a figure into a small PNG with an alternative text, and close it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Closed afterwards, so that a notebook does not show it twice.
    alt : str, optional
        What it shows, with a number in it. The axes' own description (`alt_text`) is added.
    dpi : int, default 120
        Dots per inch.
    colours : int, default 64
        Size of the palette, 2 to 256: line drawings lose nothing by it and shrink to a third.

    Returns
    -------
    Picture

    Examples
    --------
    >>> figure, ax = new_axes()
    >>> _ = ax.plot([0, 1, 0])
    >>> _ = ax.set(xlabel="time (s)", ylabel="flow (l/min)", title="Pump")
    >>> picture(figure, "One bump.").alt
    'One bump. Chart "Pump": flow (l/min) over time (s).'
    """
    import matplotlib.pyplot as plt
    from PIL import Image

    text = " ".join(part for part in (alt, alt_text(figure)) if part)
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=dpi, facecolor="white")
    width = round(figure.get_figwidth() * 100)
    plt.close(figure)
    raw.seek(0)
    small = io.BytesIO()
    image = Image.open(raw).convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return Picture(small.getvalue(), text, width)


def alt_text(figure: Figure) -> str:
    """Describe the axes of a figure in words: titles, labels, and what the legend names.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    str
        One sentence per axes.

    Examples
    --------
    >>> figure, ax = new_axes()
    >>> _ = ax.plot([0, 1], label="measured")
    >>> _ = ax.plot([1, 0], "--", label="expected")
    >>> _ = ax.set(xlabel="sample", ylabel="level (m)")
    >>> _ = ax.legend()
    >>> alt_text(figure)
    'Chart: level (m) over sample, with measured, expected.'
    """
    sentences = []
    for ax in figure.axes:
        title = ax.get_title() or ax.get_title(loc="left")
        x, y = ax.get_xlabel(), ax.get_ylabel()
        if not (title or y):
            continue  # colour bars and spare axes
        legend = ax.get_legend()
        parts = [text.get_text() for text in legend.get_texts()] if legend else []
        chart = f'Chart "{title}":' if title else "Chart:"
        over = f" over {x}" if x else ""
        sentences.append(f"{chart} {y}{over}{', with ' + ', '.join(parts) if parts else ''}.".replace(": .", "."))
    return " ".join(sentences)


# ---------------------------------------------------------------- long series


def envelope(
    values: np.ndarray, *, buckets: int = 1000, breaks: Sequence[int] | np.ndarray = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Thin out a long series for drawing, keeping the lowest and highest value of every bucket.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where missing.
    buckets : int, default 1000
        About how many pixel columns there are to fill; a series of at most twice as many points stays whole.
    breaks : sequence of int, optional
        Rows that start a new piece (`Series.gaps`): no line is drawn between row ``i - 1`` and row ``i``.

    Returns
    -------
    rows : ndarray of int, shape (m,)
        Row numbers to draw, ascending. At a break the row before it stands twice, once with NaN.
    values : ndarray of float, shape (m,)
        Values there.

    Notes
    -----
    Fewer than ``2 * buckets`` points where n is large, whatever n is. A bucket without any value yields NaN, so long
    missing stretches stay open.

    Examples
    --------
    >>> values = np.zeros(100_000)
    >>> values[54_321] = 9.0                  # one sample in a hundred thousand
    >>> rows, drawn = envelope(values)
    >>> len(rows) <= 2_000, float(drawn.max()), 54_321 in rows
    (True, 9.0, True)
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"values must have one dimension, not shape {values.shape}")
    n = len(values)
    edges = [0, *(int(i) for i in breaks if 0 < i < n), n]
    size = max(1, -(-n // buckets)) if n > 2 * buckets else 1
    rows: list[np.ndarray] = []
    drawn: list[np.ndarray] = []
    for start, stop in itertools.pairwise(edges):
        piece = _extremes(values[start:stop], size) + start
        if start > 0:
            rows.append(np.array([start - 1]))
            drawn.append(np.array([np.nan]))
        rows.append(piece)
        drawn.append(values[piece])
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(rows), np.concatenate(drawn)


def _extremes(values: np.ndarray, size: int) -> np.ndarray:
    """Rows of the lowest and the highest value in each run of `size` values, ascending, without repeats."""
    n = len(values)
    if size <= 2 or n == 0:
        return np.arange(n)
    whole = n // size * size
    blocks = values[:whole].reshape(-1, size)
    empty = np.isnan(blocks).all(axis=1)
    offset = np.arange(len(blocks)) * size
    low = np.where(np.isnan(blocks), np.inf, blocks).argmin(axis=1) + offset
    high = np.where(np.isnan(blocks), -np.inf, blocks).argmax(axis=1) + offset
    low[empty] = high[empty] = offset[empty]
    rest = np.arange(whole, n)
    if len(rest) > 2:
        rest = _extremes(values[whole:], len(rest)) + whole
    return np.unique(np.concatenate([[0], low, high, rest, [n - 1]]))


def _x(n: int, times: Any) -> tuple[Any, str]:
    """x coordinates and axis label for n rows."""
    if times is None:
        return np.arange(n), "sample"
    if isinstance(times, pd.DatetimeIndex):
        if times.tz is not None:
            return times.tz_localize(None).to_numpy(), f"time ({times.tz})"
        return times.to_numpy(), "time"
    return np.asarray(times), "time"


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last row of every run of true values."""
    padded = np.diff(np.concatenate([[0], np.asarray(flags).astype(np.int8) > 0, [0]]).astype(np.int8))
    return list(zip(np.flatnonzero(padded == 1).tolist(), (np.flatnonzero(padded == -1) - 1).tolist()))


def _rows_of(events: pd.DataFrame | Sequence[tuple[int, int]] | None) -> list[tuple[int, int]]:
    if events is None:
        return []
    if isinstance(events, pd.DataFrame):
        return list(zip(events["first"].astype(int).tolist(), events["last"].astype(int).tolist()))
    return [(int(first), int(last)) for first, last in events]


def _finish(ax: Axes, *, x: str, y: str, title: str = "", legend: bool = True, dates: bool = False) -> Axes:
    ax.set_xlabel(x, loc="left" if dates else "center", fontsize=9.5)  # the date itself stands at the right end
    ax.set_ylabel(y, fontsize=9.5)
    ax.tick_params(labelsize=9)
    if title:
        ax.set_title(title, loc="left", fontsize=10.5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, axis="y", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    if dates:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        place = ax.get_subplotspec()
        across = place.get_gridspec().ncols if place is not None else 1
        locator = AutoDateLocator(minticks=5, maxticks=9) if across == 1 else AutoDateLocator(minticks=3, maxticks=5)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    handles, labels = ax.get_legend_handles_labels()
    if legend and handles:
        once = dict(zip(labels, handles))
        columns = min(len(once), 5)
        ax.legend(
            once.values(), once.keys(), loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, frameon=False,
            fontsize=8.5, borderaxespad=0.2, handlelength=1.8, columnspacing=1.2,
        )  # fmt: skip
    return ax


def _is_dates(x: Any) -> bool:
    return isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.datetime64)


def _shade(
    ax: Axes,
    x: Any,
    spans: Iterable[tuple[int, int]],
    *,
    label: str,
    colour: str,
    hatch: str = "",
    lane: tuple[float, float] = (0.0, 1.0),
    alpha: float = 0.45,
) -> None:
    """Shade row spans over a share of the height; a span narrower than a pixel keeps an edge that shows."""
    n = len(x)
    for first, last in spans:
        ax.axvspan(
            x[first], x[min(last + 1, n - 1)], *lane, facecolor=colour if not hatch else "none", edgecolor=colour,
            alpha=alpha, hatch=hatch, linewidth=1.2, label=label, zorder=0.5,
        )  # fmt: skip


def _mark(ax: Axes, x: Any, events: Any, labels: np.ndarray | None) -> None:
    """Found events with a triangle above, labelled anomalies at the foot: told apart by place, not colour alone."""
    spans = _rows_of(events)
    _shade(ax, x, spans, label="found", colour=EVENT, alpha=0.3)
    if spans:
        middles = [x[(first + last) // 2] for first, last in spans]
        ax.plot(
            middles, [1.0] * len(middles), "v", transform=ax.get_xaxis_transform(), color=EVENT, markersize=6,
            markeredgecolor="black", markeredgewidth=0.6, clip_on=False, zorder=5, label="found",
        )  # fmt: skip
    if labels is not None:
        _shade(ax, x, _runs(labels), label="labelled", colour=LABEL, lane=(0.0, 0.07), alpha=1.0)


def _unit(name: str, unit: str | None) -> str:
    return f"{name} ({unit})" if unit else name


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
    ax.set_yticks(range(n_features)[::-1], list(columns))
    ax.set_ylim(-0.6, n_features - 0.4)
    ax.margins(x=0.005)
    return _finish(ax, x=x_label, y="variable, each on its own range", title=title, dates=_is_dates(x))


# ---------------------------------------------------------------- training


def training_curves(history: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the loss and its two terms over the training steps.

    Parameters
    ----------
    history : DataFrame
        Columns ``step`` and any of ``loss``, ``nll``, ``kl``, ``val_loss``.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> history = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "val_loss": [3.1, 2.2, 1.8]})
    >>> [line.get_label() for line in training_curves(history).get_lines()]
    ['training loss', 'held-back loss']
    """
    ax = ax if ax is not None else new_axes()[1]
    styles = {
        "loss": ("training loss", SIGNAL, "-", 1.6, ""),
        "val_loss": ("held-back loss", LIMIT, "--", 1.6, "o"),
        "nll": ("reconstruction term", OKABE_ITO["green"], "-.", 1.0, ""),
        "kl": ("KL term", OKABE_ITO["black"], ":", 1.3, ""),
    }
    for column, (label, colour, style, width, marker) in styles.items():
        if column not in history:
            continue
        points = history[["step", column]].dropna()
        if len(points):
            ax.plot(
                points["step"], points[column], linestyle=style, color=colour, linewidth=width, label=label,
                marker=marker, markersize=3.5,
            )  # fmt: skip
    drawn = history[[name for name in ("loss", "val_loss", "nll") if name in history]].to_numpy(dtype=float)
    tail = drawn[len(drawn) // 20 :]
    if np.isfinite(tail).any():
        # The first steps are far above the rest and would flatten it.
        low, high = np.nanmin(drawn), np.nanmax(tail)
        kl = history["kl"].max() if "kl" in history else low
        low, high = min(low, 0.0, float(kl)), max(high, float(kl))
        ax.set_ylim(low - 0.05 * (high - low), high + 0.08 * (high - low) + 1e-9)
    return _finish(ax, x="training step (batches)", y="loss (nats per value)")


def latent_kl(kl_per_dimension: np.ndarray, *, active: float = 0.01, ax: Axes | None = None) -> Axes:
    """Draw how many nats each latent dimension carries, the fullest first.

    Parameters
    ----------
    kl_per_dimension : ndarray of shape (d,)
        Mean over windows of KL(q(z_j | x) || N(0, 1)), in nats.
    active : float, default 0.01
        Below this a dimension counts as collapsed (nats); hatched.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = latent_kl(np.array([0.001, 2.0]))
    >>> [round(float(bar.get_height()), 3) for bar in ax.patches]
    [2.0, 0.001]
    """
    ax = ax if ax is not None else new_axes()[1]
    kl = np.asarray(kl_per_dimension, dtype=float)
    order = np.argsort(-kl, kind="stable")
    for position, dimension in enumerate(order):
        alive = kl[dimension] >= active
        ax.bar(
            position, kl[dimension], color=SIGNAL if alive else "white", edgecolor=SIGNAL if alive else LIMIT,
            hatch="" if alive else "xxx", label="in use" if alive else "collapsed", width=0.75,
        )  # fmt: skip
    ax.axhline(active, color="black", linestyle="--", linewidth=1.0, label=f"{active:g} nats")
    ax.set_xticks(range(len(kl)), [f"z{dimension}" for dimension in order])
    return _finish(ax, x="latent dimension", y="KL (nats per window)")


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


# ---------------------------------------------------------------- scores


def _wants_log(scores: np.ndarray) -> bool:
    finite = scores[np.isfinite(scores)]
    if len(finite) == 0 or np.quantile(finite, 0.01) <= 0:
        return False
    return bool(finite.max() > 20 * np.median(finite))


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
    if (legend := below.get_legend()) is not None:
        legend.remove()
    if rows is not None:
        below.set_xlabel("sample")
    return axes


# ---------------------------------------------------------------- what contributed, and comparisons


def contributions(
    shares: np.ndarray, columns: Sequence[str], *, events: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw which variables made each event: one row per event, one column per variable, shares in percent.

    Parameters
    ----------
    shares : ndarray of shape (E, F)
        Rows sum to 1.
    columns : sequence of str
        Names of the F variables.
    events : sequence of str, optional
        Names of the E events; default 1, 2, ...
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = contributions(np.array([[0.9, 0.1], [0.4, 0.6]]), ["flow", "pressure"])
    >>> [text.get_text() for text in ax.texts]
    ['90', '10', '40', '60']
    """
    shares = np.atleast_2d(np.asarray(shares, dtype=float))
    n_events, n_features = shares.shape
    ax = ax if ax is not None else new_axes(height=max(1.6, 0.32 * n_events + 1.3))[1]
    ax.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    for row in range(n_events):
        for column in range(n_features):
            share = shares[row, column]
            if np.isfinite(share) and (n_features <= 12 or share >= 0.1):
                ax.text(
                    column + 0.5, row + 0.5, f"{100 * share:.0f}", ha="center", va="center", fontsize=8.5,
                    color="white" if share > 0.55 else "black",
                )  # fmt: skip
    ax.set_xticks(np.arange(n_features) + 0.5, list(columns), rotation=0 if n_features <= 8 else 60, ha="center")
    names = list(events) if events is not None else [str(i + 1) for i in range(n_events)]
    ax.set_yticks(np.arange(n_events) + 0.5, names)
    ax.invert_yaxis()
    _finish(ax, x="share of the score (%)", y="event", legend=False)
    ax.grid(False)
    return ax


def comparison(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how several methods do on the same series: one row per method, one marker per measure.

    Parameters
    ----------
    table : DataFrame
        Index: methods; columns: measures between 0 and 1 (at most six).
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> table = pd.DataFrame({"recall": [0.9, 0.5], "precision": [0.8, 0.7]}, index=["LSTM-VAE", "z-score"])
    >>> [text.get_text() for text in comparison(table).get_yticklabels()]
    ['LSTM-VAE', 'z-score']
    """
    ax = ax if ax is not None else new_axes(height=0.45 * len(table) + 1.1)[1]
    markers = "osD^vP"
    colours = [OKABE_ITO[key] for key in ("blue", "vermilion", "green", "black", "purple", "orange")]
    for (measure, values), marker, colour in zip(table.items(), markers, colours):
        ax.plot(
            values.to_numpy(dtype=float), np.arange(len(table)), linestyle="none", marker=marker, color=colour,
            markersize=8, alpha=0.85, label=str(measure), clip_on=False,
        )  # fmt: skip
    ax.set_yticks(range(len(table)), [str(name) for name in table.index])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    _finish(ax, x="0 = worst, 1 = best", y="")
    ax.grid(True, axis="x", color="#DDDDDD", linewidth=0.6)
    return ax


def kind_matrix(found: pd.DataFrame, total: pd.Series, *, ax: Axes | None = None) -> Axes:
    """Draw how many labelled anomalies of each kind each method found.

    Parameters
    ----------
    found : DataFrame
        Index: methods; columns: kinds; counts.
    total : Series
        How many of each kind there are.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> found = pd.DataFrame({"spike": [2, 2], "drift": [1, 0]}, index=["LSTM-VAE", "z-score"])
    >>> [text.get_text() for text in kind_matrix(found, pd.Series({"spike": 2, "drift": 1})).texts]
    ['2 of 2', '1 of 1', '2 of 2', '0 of 1']
    """
    kinds = list(found.columns)
    share = found.to_numpy(dtype=float) / np.maximum(total[kinds].to_numpy(dtype=float), 1)
    ax = ax if ax is not None else new_axes(height=0.42 * len(found) + 1.0)[1]
    ax.pcolormesh(share, cmap="cividis", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for row, method in enumerate(found.index):
        for column, kind in enumerate(kinds):
            ax.text(
                column + 0.5, row + 0.5, f"{int(found.loc[method, kind])} of {int(total[kind])}", ha="center",
                va="center", fontsize=9, color="white" if share[row, column] < 0.55 else "black",
            )  # fmt: skip
    ax.set_xticks(np.arange(len(kinds)) + 0.5, [str(kind).replace(" ", "\n") for kind in kinds])
    ax.set_yticks(np.arange(len(found)) + 0.5, [str(name) for name in found.index])
    ax.invert_yaxis()
    _finish(ax, x="kind of anomaly", y="", legend=False)
    ax.grid(False)
    return ax
