"""Drawings for the lesson on posterior collapse: a silent z beside one that speaks, and what each must be worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.common import InputError
from vaehelpers.plots import OKABE_ITO, new_axes, picture
from vaehelpers.plots.base import Picture
from vaehelpers.plots.canvas import INK, Canvas

__all__ = ["collapsed_beside_used", "variances_and_prices"]


def collapsed_beside_used(n_windows: int = 4) -> Picture:
    """Draw the posteriors of a few windows twice: each in its own place, and all of them on the prior.

    Parameters
    ----------
    n_windows : int, default 4
        Windows to draw, 2 to 5.

    Returns
    -------
    Picture

    Examples
    --------
    >>> collapsed_beside_used(3).alt[:53]
    'Left, z is used: the posteriors of 3 windows are narr'
    """
    if not 2 <= n_windows <= 5:
        raise InputError(f"n_windows={n_windows} does not fit the page; use 2 to 5")
    page = Canvas(29)
    grid = np.linspace(-3.4, 3.4, 400)
    prior = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    places = np.linspace(-1.9, 1.9, n_windows)
    rng = np.random.default_rng(1)
    days = [np.sin(np.linspace(0, 2 * np.pi, 40) + shift) * size
            for shift, size in zip(rng.uniform(0, 6, n_windows), rng.uniform(0.5, 1.2, n_windows))]  # fmt: skip
    for left, title, used in ((0, "z is used", True), (50, "z has collapsed", False)):
        page.text(left + 25, 27.4, title, bold=True, size=10.5)
        page.text(left + 6.5, 24.6, "windows", size=8.5, italic=True)
        page.text(left + 26, 24.6, "posteriors of z", size=8.5, italic=True)
        page.text(left + 44.3, 24.6, "decoded", size=8.5, italic=True)
        inset = page.figure.add_axes(((left + 15.5) / 100, 5.2 / 29, 0.21, 17.6 / 29))
        inset.plot(grid, prior, "--", color=INK, linewidth=1.1)
        for place in places if used else [0.0]:
            width = 0.28 if used else 1.0
            cloud = np.exp(-(((grid - place) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
            inset.fill_between(grid, cloud, color=OKABE_ITO["sky"], alpha=0.6, linewidth=0)
            inset.plot(grid, cloud, color=OKABE_ITO["blue"], linewidth=1.1)
        inset.set(yticks=[], ylim=(0, 1.75))
        inset.set_xticks([-2, 0, 2])
        inset.tick_params(labelsize=8)
        inset.spines[["top", "right", "left"]].set_visible(False)
        words = "narrow, each in its own place" if used else "all alike: the prior (dashed)"
        page.text(left + 26, 1.2, words, size=8.5)
        for k, day in enumerate(days):
            y = 21.4 - 16.5 * k / (n_windows - 1)
            back = day if used else np.mean(days, axis=0)
            for x, shape, colour in ((2.5, day, INK), (40.3, back, OKABE_ITO["blue"])):
                page.ax.plot(left + x + np.linspace(0, 8, 40), y + 1.4 * shape, color=colour, linewidth=1.3)
            page.arrow((left + 11.4, y), (left + 15.2, y), width=0.8)
            page.arrow((left + 36.2, y), (left + 39.6, y), width=0.8)
    page.ax.plot([50, 50], [1, 28], color="#BBBBBB", linewidth=0.8)
    return page.picture(
        f"Left, z is used: the posteriors of {n_windows} windows are narrow, each in its own place within the prior, "
        "and the decoder gives each window back. Right, z has collapsed: the posterior of every window is the prior "
        "itself, so the decoder cannot tell the windows apart and answers with the same mean window each time."
    )


def variances_and_prices(variances: ArrayLike, prices: Mapping[str, float]) -> Picture:
    """Draw the variance of each direction as a bar, and what a dimension must be worth as a line for each loss.

    Parameters
    ----------
    variances : array-like, shape (n_directions,)
        Largest first, all above 0; 2 to 12 of them.
    prices : mapping of str to float
        The name of a loss and its beta times the noise variance, above 0; up to 4.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "mse + kl, price 12: 0 live." in variances_and_prices([8, 2, 0.5], {"mse + kl": 12, "sums": 1}).alt
    True
    """
    given = np.asarray(variances, float)
    if given.ndim != 1 or not 2 <= given.size <= 12 or not 1 <= len(prices) <= 4:
        raise InputError(f"{given.size} variances and {len(prices)} prices do not fit; give 2 to 12 and 1 to 4")
    if min(given.min(), *prices.values()) <= 0:
        raise InputError("variances and prices must all be above 0, since the axis is logarithmic")
    fig, ax = new_axes(height=3.0)
    low = 0.4 * min(given.min(), *prices.values())
    ax.bar(np.arange(given.size), given - low, bottom=low, width=0.62, color=OKABE_ITO["sky"], edgecolor=INK)
    colours = ("vermilion", "blue", "green", "orange")
    counts = []
    for (name, price), colour, style in zip(prices.items(), colours, ("-", "--", "-.", ":")):
        live = int((given > price).sum())
        counts.append(f"{name}, price {price:g}: {live} live.")
        ax.axhline(price, color=OKABE_ITO[colour], linestyle=style, linewidth=1.8)
        ax.text(given.size - 0.35, price, f"{name}\nprice {price:g}: {live} live", va="center", fontsize=9)
    ax.set(xlabel="direction of the window (PCA), largest variance first", ylabel="variance λ", yscale="log",
           xticks=np.arange(given.size), xticklabels=[str(k + 1) for k in range(given.size)],
           xlim=(-0.6, given.size - 0.5), ylim=(low, 2.2 * max(given.max(), *prices.values())))  # fmt: skip
    return picture(
        fig,
        f"Bars: the variances of {given.size} directions, from {given[0]:.1f} to {given[-1]:.2g}. Lines: what a "
        "dimension of z must be worth to live, for each loss. " + " ".join(counts),
    )
