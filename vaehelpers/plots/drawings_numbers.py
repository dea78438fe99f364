"""Drawings of numbers: sampling, sums and means, windows over rows, tails, point adjustment, tolerance."""

from __future__ import annotations

import numpy as np

from vaehelpers.common import InputError
from vaehelpers.plots import OKABE_ITO, picture
from vaehelpers.plots.base import Picture
from vaehelpers.plots.canvas import INK, Canvas


def sampling(mu: float = 1.0, sigma: float = 0.5, eps: float = 1.2) -> Picture:
    """Draw how mu, sigma and eps make z.

    Parameters
    ----------
    mu, sigma, eps : float
        The encoder's mean and standard deviation (above 0), and one draw of standard normal noise.

    Returns
    -------
    Picture

    Examples
    --------
    >>> sampling(1.0, 0.5, 1.2).alt.endswith("z = 1.0 + 0.5 * 1.2 = 1.60 in it")
    True
    """
    if sigma <= 0:
        raise InputError(f"sigma={sigma} is not above 0; a standard deviation must be")
    page = Canvas(24)
    z = mu + sigma * eps
    m = page.box(9, 19, f"mu = {mu:g}", width=12, fill="blue")
    s = page.box(9, 12, f"sigma = {sigma:g}", width=12, fill="blue")
    e = page.box(9, 5, f"eps = {eps:g}", width=12, fill="orange")
    times = page.box(27, 8.5, "x", width=4.5, height=4.2, fill="white")
    plus = page.box(37, 14, "+", width=4.5, height=4.2, fill="white")
    out = page.box(49, 14, f"z = {z:.2f}", width=11, fill="green")
    page.arrow(s, times)
    page.arrow(e, times)
    page.arrow(times, plus)
    page.arrow(m, plus)
    page.arrow(plus, out)
    page.text(9, 22.9, "from the encoder", size=8.5, italic=True)
    page.text(9, 1.1, "drawn from N(0, 1)", size=8.5, italic=True)
    inset = page.figure.add_axes((0.62, 0.2, 0.35, 0.68))
    low, high = min(-3.0, mu - 3.5 * sigma), max(3.0, mu + 3.5 * sigma)
    grid = np.linspace(low, high, 400)
    prior = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    posterior = np.exp(-(((grid - mu) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
    inset.plot(grid, prior, "--", color=OKABE_ITO["grey"], label="prior N(0, 1)")
    inset.plot(grid, posterior, color=OKABE_ITO["blue"], label="posterior N(mu, sigma²)")
    at_z = float(np.interp(z, grid, posterior))
    inset.plot([z, z], [0, at_z], color=OKABE_ITO["green"], linewidth=2)
    inset.plot(z, at_z, "o", color=OKABE_ITO["green"], label="this draw, z")
    inset.set(yticks=[], ylim=(0, posterior.max() * 1.65))
    inset.set_xlabel("z", fontsize=9)
    inset.spines[["top", "right", "left"]].set_visible(False)
    inset.legend(frameon=False, fontsize=8.5, loc="upper left", ncols=1)
    return page.picture(
        "mu and sigma come from the encoder, eps is drawn from N(0, 1); sigma times eps is added to mu and gives z. "
        "Beside it "
        "the prior N(0, 1), the narrower posterior N(mu, sigma squared) around mu, and "
        f"the draw z = {mu:.1f} + {sigma:g} * {eps:g} = {z:.2f} in it"
    )


def gradient_paths() -> Picture:
    """Draw why z = mu + sigma * eps can be trained: the gradient has a way back to mu and sigma.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "no way back" in gradient_paths().alt
    True
    """
    page = Canvas(20)
    for left, title in ((2, "z drawn from a black box"), (53, "z computed from mu, sigma and eps")):
        page.text(left + 22, 18.6, title, bold=True)
    encoder = page.box(8, 11, "mu, sigma", width=10, fill="blue")
    dice = page.box(24, 11, "draw from\nN(mu, sigma²)", width=13, fill="orange", dashed=True)
    loss = page.box(41, 11, "decoder,\nloss", width=10)
    page.arrow(encoder, dice)
    page.arrow(dice, loss)
    page.arrow((38, 7.6), (27, 7.6), colour=OKABE_ITO["vermilion"], dashed=True)
    page.text(24, 5.2, "the gradient stops here:\na random number has no derivative", size=8.5)
    page.ax.plot([24.6, 26.0], [8.3, 6.9], color=OKABE_ITO["vermilion"], linewidth=2)
    page.ax.plot([24.6, 26.0], [6.9, 8.3], color=OKABE_ITO["vermilion"], linewidth=2)
    encoder = page.box(59, 11, "mu, sigma", width=10, fill="blue")
    total = page.box(75, 11, "mu +\nsigma x eps", width=11, fill="green")
    loss = page.box(92, 11, "decoder,\nloss", width=10)
    noise = page.box(75, 3.4, "eps from N(0, 1)", width=14, height=3.4, fill="orange")
    page.arrow(encoder, total)
    page.arrow(noise, total)
    page.arrow(total, loss)
    page.arrow((89, 15.1), (62, 15.1), colour=OKABE_ITO["vermilion"], dashed=True)
    page.text(75, 16.5, "the gradient: dz/dmu = 1, dz/dsigma = eps", size=8.5)
    page.ax.plot([50, 50], [1, 19], color="#BBBBBB", linewidth=0.8)
    return page.picture(
        "Left: z is drawn by a black box from N(mu, sigma squared), and the gradient of the loss has no way back to "
        "mu and "
        "sigma. Right: z = mu + sigma x eps is computed, only eps is random, and the gradient flows back: dz/dmu is "
        "1 and "
        "dz/dsigma is eps."
    )


def sum_against_mean(timesteps: int = 100, nll: float = 50.0, kl: float = 8.0) -> Picture:
    """Draw the two terms of the loss as areas: summed as they should be, and with the first one averaged.

    Parameters
    ----------
    timesteps : int, default 100
        T, by which a mean divides the first term.
    nll, kl : float
        The two terms in nats per window, above 0. Areas are in proportion.

    Returns
    -------
    Picture

    Examples
    --------
    >>> sum_against_mean(100, 50.0, 8.0).alt.endswith("50.0 to 0.5 and the KL is 94% of the loss")
    True
    """
    if min(nll, kl) <= 0 or timesteps < 1:
        raise InputError(f"nll={nll}, kl={kl} and timesteps={timesteps} must be above 0")
    page = Canvas(27)
    scale = 16.5 / np.sqrt(max(nll, kl))
    mean = nll / timesteps
    share = kl / (mean + kl)
    for left, first, title in ((3, nll, "summed over the window"), (53, mean, f"averaged over {timesteps} steps")):
        page.text(left + 21, 25.6, title, bold=True)
        a, b = scale * np.sqrt(first), scale * np.sqrt(kl)
        page.bar(left + 10, 4.6 + a / 2, a, a, fill="blue")
        page.bar(left + 32, 4.6 + b / 2, b, b, fill="orange")
        page.text(left + 10, 2.6, f"error: {first:.3g} nats", size=9)
        page.text(left + 32, 2.6, f"KL: {kl:.3g} nats", size=9)
        page.text(left + 21.5, 6.4, "+", size=13)
        page.text(left + 32, 22.9, f"KL is {kl / (first + kl):.0%} of the loss", size=9, italic=True)
    page.ax.plot([50, 50], [1, 26], color="#BBBBBB", linewidth=0.8)
    return page.picture(
        f"Two pairs of squares whose areas are the terms of the loss. Left, summed: error {nll:.1f} nats, KL "
        f"{kl:.1f} nats, the "
        f"KL is {kl / (nll + kl):.0%} of the loss. Right, averaged over {timesteps} steps: the error shrinks from "
        f"{nll:.1f} to {mean:.1f} and the KL is {share:.0%} of the loss"
    )


def windows_over_row(row: int = 5, n: int = 10, timesteps: int = 3) -> Picture:
    """Draw which windows touch a row, and at which place of each window the row lies.

    Parameters
    ----------
    row : int, default 5
        The row, counted from 0.
    n, timesteps : int, default 10 and 3
        Rows of the series, rows of a window; at most 14 rows and 12 windows fit the page.

    Returns
    -------
    Picture

    Examples
    --------
    >>> windows_over_row(5, 10, 3).alt[:65]
    'A series of 10 rows and its 8 windows of 3. Row 5 lies in 3 of th'
    """
    count = n - timesteps + 1
    if not (0 <= row < n <= 14 and 1 <= timesteps <= n and count <= 12):
        raise InputError(
            f"row={row}, n={n}, timesteps={timesteps} do not fit; use n <= 14, at most 12 windows, row < n"
        )
    side = 3.0
    height = 6.0 + (count + 1) * (side - 0.2)
    page = Canvas(height, size=9)
    left = 22.0
    top = height - 3.2
    page.text(left - 1.2, top, "series: row", align="right", size=9)
    page.cells(
        left,
        top,
        list(range(n)),
        width=side,
        height=side - 0.4,
        fills=["orange" if r == row else "white" for r in range(n)],
    )
    touching = []
    for start in range(count):
        y = top - (start + 1) * (side - 0.2) - 0.8
        hit = start <= row < start + timesteps
        touching += [start] if hit else []
        fills = ["orange" if r == row else ("blue" if hit else "white") for r in range(start, start + timesteps)]
        page.cells(
            left + start * side, y, list(range(start, start + timesteps)), width=side, height=side - 0.6, fills=fills
        )
        page.text(left - 1.2, y, f"window {start}", align="right", size=8.5, bold=hit)
        if hit:
            page.text(
                left + n * side + 2, y, f"row {row} is at place {row - start} of this window", align="left", size=8.5
            )
    return page.picture(
        f"A series of {n} rows and its {count} windows of {timesteps}. Row {row} lies in {len(touching)} of them, "
        f"those that "
        f"start at {', '.join(map(str, touching))}, each time at another place."
    )


def normal_beside_faulty(
    normal: np.ndarray,
    faulty: np.ndarray,
    *,
    rebuilt: tuple[np.ndarray, np.ndarray] | None = None,
    titles: tuple[str, str] = ("a normal window", "a faulty window"),
    x: np.ndarray | None = None,
    xlabel: str = "step of the window",
    ylabel: str = "value (scaled)",
    fault: tuple[int, int] | None = None,
) -> Picture:
    """Draw a normal window beside a faulty one, with reconstructions and the gap between the two shaded.

    Parameters
    ----------
    normal, faulty : ndarray of shape (timesteps,)
        The values that were measured.
    rebuilt : pair of ndarray of shape (timesteps,), optional
        The reconstructions of both.
    titles : pair of str
    x : ndarray of shape (timesteps,), optional
        Default: 0, 1, 2, ...
    xlabel, ylabel : str
        With units.
    fault : (first, last), optional
        Steps of the second window that are faulty; shaded.

    Returns
    -------
    Picture
        Its alternative text gives the mean squared gap of both windows.

    Examples
    --------
    >>> day = np.sin(np.arange(24) / 4)
    >>> normal_beside_faulty(day, day + (np.arange(24) > 15), rebuilt=(day, day)).alt[:62]
    'a normal window beside a faulty window; mean squared gap to th'
    """
    pair = [np.asarray(part, float).ravel() for part in (normal, faulty)]
    if len(pair[0]) != len(pair[1]):
        raise InputError(f"normal has {len(pair[0])} values, faulty has {len(pair[1])}; they must be equally long")
    from vaehelpers.plots import new_axes

    places = np.arange(len(pair[0])) if x is None else np.asarray(x, float)
    figure, axes = new_axes(1, 2, height=2.7)
    low, high = min(map(np.min, pair)), max(map(np.max, pair))
    if rebuilt is not None:
        back = [np.asarray(part, float).ravel() for part in rebuilt]
        low, high = min(low, *map(np.min, back)), max(high, *map(np.max, back))
    said = f"{titles[0]} beside {titles[1]}"
    gaps = []
    for i, (ax, values) in enumerate(zip(axes, pair)):
        ax.plot(places, values, color=OKABE_ITO["black"], linewidth=1.6, label="measured")
        if rebuilt is not None:
            ax.plot(places, back[i], "--", color=OKABE_ITO["blue"], linewidth=1.6, label="reconstruction")
            ax.fill_between(
                places,
                values,
                back[i],
                facecolor="none",
                edgecolor=OKABE_ITO["orange"],
                hatch="////",
                linewidth=0,
                label="gap",
            )
            gaps.append(float(np.mean((values - back[i]) ** 2)))
        if i and fault is not None:
            ax.axvspan(places[fault[0]], places[fault[1]], color="#DDDDDD", zorder=0, label="fault")
        ax.set_title(titles[i], loc="left", fontsize=10.5, pad=20 if rebuilt is not None else 6)
        ax.set(xlabel=xlabel, ylim=(low - 0.05 * (high - low), high + 0.05 * (high - low)))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(ylabel)
    axes[1].legend(frameon=False, fontsize=8.5, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 0.99))
    if gaps:
        said += f"; mean squared gap to the reconstruction {gaps[0]:.2g} and {gaps[1]:.2g}."
    return picture(figure, said)


def tail_threshold(share: float = 0.01) -> Picture:
    """Draw the distribution of normal scores, its tail, and the threshold that a share of rows exceeds.

    Parameters
    ----------
    share : float, default 0.01
        Share of normal rows beyond the threshold, between 0 and 0.5.

    Returns
    -------
    Picture

    Examples
    --------
    >>> tail_threshold(0.05).alt[:54]
    'A density of scores of normal rows, steep on the left '
    """
    if not 0 < share < 0.5:
        raise InputError(f"share={share} is not between 0 and 0.5; 0.01 means one normal row in a hundred")
    from scipy import stats

    from vaehelpers.plots import new_axes

    figure, ax = new_axes(height=2.7)
    family = stats.gamma(2.5, scale=0.6)
    limit = float(family.isf(share))
    grid = np.linspace(0, max(8.0, limit * 1.4), 500)
    density = family.pdf(grid)
    ax.plot(grid, density, color=OKABE_ITO["black"])
    beyond = grid >= limit
    ax.fill_between(
        grid[beyond],
        density[beyond],
        facecolor=OKABE_ITO["orange"],
        edgecolor=OKABE_ITO["vermilion"],
        hatch="///",
        linewidth=0,
    )
    ax.axvline(limit, color=OKABE_ITO["vermilion"], linestyle="--")
    top = density.max()
    ax.text(limit + 0.08, 0.92 * top, f"threshold {limit:.1f}", color=INK, fontsize=9.5, va="center")
    ax.annotate(
        f"{share:.1%} of the normal rows\nlie here: false alarms", (limit + 0.35, family.pdf(limit + 0.35) * 0.5),
        (limit + 0.9, 0.5 * top), fontsize=9.5, arrowprops={"arrowstyle": "->", "color": INK},
    )  # fmt: skip
    ax.set(
        xlabel="score (no unit), higher = more anomalous", ylabel="density", ylim=(0, 1.08 * top), xlim=(0, grid[-1])
    )
    ax.spines[["top", "right"]].set_visible(False)
    return picture(
        figure,
        f"A density of scores of normal rows, steep on the left and with a long tail on the right. A threshold at "
        f"{limit:.1f} "
        f"cuts {share:.1%} of the rows off the tail.",
    )


def point_adjustment() -> Picture:
    """Draw what point adjustment does: one flag inside a labelled event counts as all of its rows.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "1 of 10" in point_adjustment().alt
    True
    """
    page = Canvas(21)
    rows = 26
    label = [1 if 9 <= r < 19 else 0 for r in range(rows)]
    flags = [1 if r in (4, 14) else 0 for r in range(rows)]
    adjusted = [1 if (r == 4 or label[r]) else 0 for r in range(rows)]
    lines = (
        ("labelled event", label, "green", "10 rows"),
        ("flags of a detector", flags, "orange", "1 hit of 10 rows, 1 false alarm: F1 = 0.17"),
        ("after point adjustment", adjusted, "orange", "10 hits of 10 rows, 1 false alarm: F1 = 0.95"),
    )
    for i, (name, values, fill, note) in enumerate(lines):
        y = 16.6 - 6.2 * i
        page.text(20, y, name, align="right", size=9)
        page.cells(
            21,
            y,
            ["1" if v else "" for v in values],
            width=2.15,
            height=2.6,
            fills=[fill if v else "white" for v in values],
        )
        page.text(21, y - 2.4, note, align="left", size=8.5, italic=True)
    page.ax.plot([21 + 9 * 2.15] * 2, [2.0, 19.6], color=OKABE_ITO["grey"], linestyle=":", linewidth=1.2)
    page.ax.plot([21 + 19 * 2.15] * 2, [2.0, 19.6], color=OKABE_ITO["grey"], linestyle=":", linewidth=1.2)
    page.text(79, 10.4, "one lucky row\nbuys ten", align="left", bold=True)
    return page.picture(
        "Three rows of 26 squares. A labelled event covers 10 rows. The detector flags 1 of 10 of them and one row "
        "elsewhere, "
        "which gives F1 = 0.17. After point adjustment all 10 rows of the event count as found and F1 is 0.95."
    )


def vus_band(buffer: int = 8) -> Picture:
    """Draw the tolerance band of VUS: labels that fall off gradually on both sides of an event.

    Parameters
    ----------
    buffer : int, default 8
        Width of the narrower band in rows, 4 to 15, half of it on each side of the event; the other is twice as wide.

    Returns
    -------
    Picture

    Examples
    --------
    >>> vus_band(8).alt[:47]
    'A labelled event of 20 rows, as a hard label th'
    """
    if not 4 <= buffer <= 15:
        raise InputError(f"buffer={buffer} does not fit the drawing; use 4 to 15 rows")
    from vaehelpers.plots import new_axes

    figure, ax = new_axes(height=2.6)
    rows = np.arange(70)
    hard = ((rows >= 25) & (rows < 45)).astype(float)
    for width, style, colour in ((buffer, "-", "blue"), (2 * buffer, "--", "vermilion")):
        soft = hard.copy()
        for distance in range(1, width // 2 + 1):
            soft[25 - distance] = soft[44 + distance] = np.sqrt(1 - distance / width)
        ax.step(rows, soft, style, where="mid", color=OKABE_ITO[colour], linewidth=1.6, label=f"buffer of {width} rows")
    ax.fill_between(rows, hard, step="mid", color="#DDDDDD", label="the label as given")
    peak = 23
    ax.plot([peak, peak], [0, 1.12], color="black", linewidth=1.2)
    ax.annotate("a peak two rows early:\noutside the label,\ninside the band", (peak, 0.5), (1.5, 0.3), fontsize=9,
                arrowprops={"arrowstyle": "->", "color": INK})  # fmt: skip
    ax.set(xlabel="row", ylabel="label (0 to 1)", ylim=(0, 1.35), xlim=(0, 69))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper right")
    return picture(
        figure,
        f"A labelled event of 20 rows, as a hard label that jumps from 0 to 1 and with tolerance buffers of {buffer} "
        f"and "
        f"{2 * buffer} rows that fall off on both sides. A peak two rows before the event counts in part inside a "
        f"band.",
    )
