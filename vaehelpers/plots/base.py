"""What all figures share: axes, colours, alternative text, long series drawn by their envelope."""

from __future__ import annotations

import base64
import io
import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        Shown by a notebook as the last value of a cell; with the attributes `png` (bytes), `alt` and `width` (CSS
        pixels).

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
    with warnings.catch_warnings():  # a close-up of minutes has few round times to choose from; matplotlib says so
        warnings.filterwarnings("ignore", message="AutoDateLocator was unable")
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


def _as_is(text: object) -> str:
    """A name out of a file: matplotlib would take what is between dollar signs for a formula."""
    return str(text).replace("$", r"\$")


def _unit(name: str, unit: str | None) -> str:
    return _as_is(f"{name} ({unit})" if unit else name)


def _wants_log(scores: np.ndarray) -> bool:
    finite = scores[np.isfinite(scores)]
    if len(finite) == 0 or np.quantile(finite, 0.01) <= 0:
        return False
    return bool(finite.max() > 20 * np.median(finite))
