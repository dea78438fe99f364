"""The canvas of the lessons' drawings: boxes, arrows, cells and marks, readable in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vaehelpers.common import InputError
from vaehelpers.plots import OKABE_ITO, picture
from vaehelpers.plots.base import WIDTH, Picture

Kind = Literal["shown", "open", "scaling"]

MARKS: dict[str, tuple[str, str, str]] = {
    "shown": ("o", OKABE_ITO["vermilion"], "in the code that is shown"),
    "open": ("s", OKABE_ITO["blue"], "left open by the question"),
    "scaling": ("D", OKABE_ITO["green"], "depends on the scaling"),
}
PALE = {"blue": "#D6E8F4", "orange": "#FBEBC8", "green": "#D2ECE3", "grey": "#EDEDED", "white": "#FFFFFF"}
INK = "#222222"


class Canvas:
    """A page without axes, 100 units wide, on which boxes, arrows and marks are put.

    Parameters
    ----------
    height : float
        Height in the same units as the width of 100 (one unit is 0.095 inches).
    size : float, default 9.5
        Font size of ordinary words, in points.

    Examples
    --------
    >>> canvas = Canvas(12)
    >>> first = canvas.box(10, 6, "LSTM(32)", "32")
    >>> second = canvas.box(40, 6, "Dense(8)", "8")
    >>> canvas.arrow(first, second)
    >>> canvas.picture("Two boxes: LSTM(32), then Dense(8).")
    Picture: Two boxes: LSTM(32), then Dense(8).
    """

    def __init__(self, height: float, *, size: float = 9.5) -> None:
        if height <= 0:
            raise InputError(f"height={height} is not above 0; give the height of the page in hundredths of its width")
        import matplotlib.pyplot as plt

        self.size, self.height = size, height
        self.figure = plt.figure(figsize=(WIDTH, WIDTH * height / 100))
        self.ax: Any = self.figure.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, 100), ylim=(0, height))
        self.ax.axis("off")

    def box(
        self,
        x: float,
        y: float,
        words: str,
        shape: str = "",
        *,
        width: float = 11.0,
        height: float = 5.2,
        fill: str = "grey",
        dashed: bool = False,
    ) -> tuple[float, float, float, float]:
        """Draw a box with words in it and the shape of what leaves it below.

        Parameters
        ----------
        x, y : float
            Its middle.
        words, shape : str
            Inside, and below in italics.
        width, height : float
        fill : {"grey", "blue", "orange", "green", "white"}, default "grey"
            A pale filling.
        dashed : bool, default False
            A dashed edge, for what is not there.

        Returns
        -------
        tuple of float
            x, y, width and height, as `arrow` takes them.
        """
        from matplotlib.patches import FancyBboxPatch

        patch = FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.8",
            facecolor=PALE[fill], edgecolor=INK, linewidth=1.1, linestyle="--" if dashed else "-", zorder=2,
        )  # fmt: skip
        self.ax.add_patch(patch)
        self.ax.text(x, y, words, ha="center", va="center", fontsize=self.size, color=INK, zorder=3, linespacing=1.15)
        if shape:
            self.text(x, y - height / 2 - 1.4, shape, italic=True, size=self.size - 0.5)
        return x, y, width, height

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float | None = None,
        align: str = "center",
        bold: bool = False,
        italic: bool = False,
        colour: str = INK,
    ) -> None:
        """Write words with their middle line at y."""
        self.ax.text(
            x, y, words, ha=align, va="center", fontsize=size or self.size, color=colour, zorder=4,
            fontweight="bold" if bold else "normal", fontstyle="italic" if italic else "normal", linespacing=1.25,
        )  # fmt: skip

    def arrow(
        self,
        start: Sequence[float],
        end: Sequence[float],
        *,
        colour: str = INK,
        dashed: bool = False,
        bend: float = 0.0,
        width: float = 1.2,
    ) -> None:
        """Draw an arrow between two points, or between the edges of two boxes.

        Parameters
        ----------
        start, end : (x, y) or the four numbers that `box` returns
        colour : str
        dashed : bool, default False
        bend : float, default 0.0
            Curvature; 0 is straight, positive bends to the right of the way.
        width : float, default 1.2
            Line width in points.
        """
        first, last = _edge(start, end), _edge(end, start)
        self.ax.annotate(
            "", last, first, zorder=2.5,
            arrowprops={
                "arrowstyle": "-|>,head_length=0.45,head_width=0.22", "color": colour, "linewidth": width,
                "linestyle": (0, (3, 2)) if dashed else "-", "connectionstyle": f"arc3,rad={bend}", "shrinkA": 0,
                "shrinkB": 0,
            },
        )  # fmt: skip

    def mark(self, x: float, y: float, number: int | str, kind: Kind = "shown") -> None:
        """Put a numbered mark; its shape and colour say what kind it is."""
        if kind not in MARKS:
            raise InputError(f"kind={kind!r} is not known; use one of {', '.join(MARKS)}")
        marker, colour, _ = MARKS[kind]
        size = {"o": 13, "s": 12, "D": 11}[marker]
        self.ax.plot(
            x,
            y,
            marker,
            markersize=size,
            markerfacecolor="white",
            markeredgecolor=colour,
            markeredgewidth=1.8,
            zorder=5,
        )
        self.ax.text(x, y - 0.05, str(number), ha="center", va="center", fontsize=8.5, fontweight="bold", zorder=6)

    def cells(
        self,
        x: float,
        y: float,
        values: Sequence[Any],
        *,
        width: float = 3.0,
        height: float = 3.0,
        fills: Sequence[str] | str = "grey",
    ) -> None:
        """Draw a row of squares that starts at the left edge x; y is their middle."""
        from matplotlib.patches import Rectangle

        colours = [fills] * len(values) if isinstance(fills, str) else list(fills)
        for i, (value, fill) in enumerate(zip(values, colours)):
            corner = (x + i * width, y - height / 2)
            hatch = "////" if fill == "orange" else None
            patch = Rectangle(corner, width, height, facecolor=PALE[fill], edgecolor=INK, linewidth=0.9, zorder=2)
            self.ax.add_patch(patch)
            if hatch:
                under = Rectangle(
                    corner, width, height, facecolor="none", edgecolor="#C9A24A", hatch=hatch, linewidth=0
                )
                self.ax.add_patch(under)
                under.set_zorder(2.1)
            self.ax.text(corner[0] + width / 2, y, str(value), ha="center", va="center", fontsize=self.size, zorder=3)

    def bar(self, x: float, y: float, width: float, height: float, *, fill: str = "grey", words: str = "") -> None:
        """Draw a plain rectangle around its middle (x, y)."""
        from matplotlib.patches import Rectangle

        corner = (x - width / 2, y - height / 2)
        self.ax.add_patch(Rectangle(corner, width, height, facecolor=PALE[fill], edgecolor=INK, linewidth=1, zorder=2))
        if words:
            self.text(x, y, words)

    def picture(self, alt: str) -> Picture:
        """Close the page and return it with its alternative text."""
        return picture(self.figure, alt)


def _edge(box: Sequence[float], towards: Sequence[float]) -> tuple[float, float]:
    """The point on a box's edge that faces another point; a point is its own edge."""
    x, y = box[0], box[1]
    if len(box) == 2:
        return x, y
    half_width, half_height = box[2] / 2, box[3] / 2
    dx, dy = towards[0] - x, towards[1] - y
    if dx == dy == 0:
        return x, y
    gap = 0.35
    scale = min((half_width + gap) / abs(dx) if dx else np.inf, (half_height + gap) / abs(dy) if dy else np.inf)
    return x + dx * scale, y + dy * scale
