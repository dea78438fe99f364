"""Drawings for the lessons on the bottleneck, thresholds, evaluation and faults; made with `drawings.Canvas`.

Each returns a `Picture` that carries its alternative text. Whatever a colour says, a hatch, a line style or a word says
as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.common import InputError
from vaehelpers.plots import OKABE_ITO, new_axes, picture
from vaehelpers.plots.base import Picture
from vaehelpers.plots.canvas import INK, PALE, Canvas

__all__ = [
    "before_and_after",
    "consensus",
    "flag_strips",
    "museum_map",
    "one_number_per_window",
    "parts_of_a_series",
    "score_chain",
    "symbolic_loss",
    "three_ideas_of_normal",
]


def one_number_per_window() -> Picture:
    """Draw the four windows of six counted rows, and the one number that says which window is meant.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "one number" in one_number_per_window().alt
    True
    """
    page = Canvas(24)
    page.text(14, 21, "series of 6 rows", bold=True)
    page.cells(5, 17, list(range(6)), fills="blue")
    page.text(47, 21, "windows of 3 rows", bold=True)
    page.text(81, 21, "what a decoder needs to know", bold=True)
    for start in range(4):
        y = 17 - 4.2 * start
        page.cells(42.5, y, list(range(start, start + 3)), fills="blue")
        page.cells(66, y, [start], fills="green")
        page.arrow((52.5, y), (65.2, y))
        page.text(71, y, "start here, then add 1, add 1", align="left", size=9, italic=True)
    page.arrow((24, 16), (41, 11.2))
    page.text(14, 9, "3 numbers in,\n1 number in between,\n3 numbers out", size=9.5)
    return page.picture(
        "A series of the numbers 0 to 5 and its four windows of three: 0 1 2, 1 2 3, 2 3 4, 3 4 5. Each window is "
        "described in full by one number, its start, because the other two follow by adding one."
    )


def parts_of_a_series(parts: Mapping[str, int], *, labelled: Sequence[str] = ()) -> Picture:
    """Draw how a series is split in time: one bar, one part for each use.

    Parameters
    ----------
    parts : mapping of str to int
        What each part is used for, in order of time, and its rows.
    labelled : sequence of str
        Names of parts that hold labelled faults: hatched.

    Returns
    -------
    Picture

    Examples
    --------
    >>> parts_of_a_series({"train": 600, "test": 400}, labelled=["test"]).alt
    'A series split in time into train (600 rows), test (400 rows); test holds labelled faults.'
    """
    if not parts or min(parts.values()) < 1:
        raise InputError(f"parts={dict(parts)} must hold at least one part, each of 1 row or more")
    page = Canvas(13)
    total, left = sum(parts.values()), 3.0
    fills = ("blue", "green", "white", "orange", "grey")
    for i, (name, rows) in enumerate(parts.items()):
        width = 94 * rows / total
        page.cells(left, 7, [""], width=width, height=4.2, fills="orange" if name in labelled else fills[i % 3])
        page.text(left + width / 2, 11, name, size=9, bold=True)
        page.text(left + width / 2, 3.2, f"{rows:,} rows", size=8.5, italic=True)
        left += width
    page.text(50, 0.9, "time", size=8.5)
    page.arrow((53, 0.9), (62, 0.9))
    said = ", ".join(f"{name} ({rows:,} rows)" for name, rows in parts.items())
    faults = f"; {', '.join(labelled)} holds labelled faults" if labelled else ""
    return page.picture(f"A series split in time into {said}{faults}.")


def score_chain(scores: Sequence[float], threshold: float) -> Picture:
    """Draw the way from row scores to flags to one event.

    Parameters
    ----------
    scores : sequence of float
        One per row, at most 14.
    threshold : float
        Rows above it are flagged.

    Returns
    -------
    Picture

    Examples
    --------
    >>> score_chain([0, 6, 8, 12, 8, 6, 0], 7).alt[:71]
    'Three rows of cells: 7 scores, the 3 flags above the threshold 7, and t'
    """
    if not 1 <= len(scores) <= 14:
        raise InputError(f"{len(scores)} scores do not fit the page; give 1 to 14")
    page = Canvas(19)
    side = 4.2
    flags = [score > threshold for score in scores]
    rows = (
        ("score of the row", [f"{score:g}" for score in scores], ["white"] * len(scores)),
        (
            f"flag: score > {threshold:g}",
            ["1" if flag else "0" for flag in flags],
            ["orange" if f else "white" for f in flags],
        ),
    )
    for i, (name, values, fills) in enumerate(rows):
        y = 15.5 - 5.2 * i
        page.text(27, y, name, align="right")
        page.cells(29, y, values, width=side, height=3.2, fills=fills)
    page.text(27, 4.6, "event", align="right")
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False]))
    pairs = list(zip(edges[::2], edges[1::2]))
    for first, stop in pairs:
        page.bar(
            29 + side * (first + stop) / 2,
            4.6,
            side * (stop - first),
            2.6,
            fill="orange",
            words=f"rows {first} to {stop - 1}",
        )
    page.text(29 + side * len(scores) + 3, 4.6, "one event is one alarm", align="left", size=9, italic=True)
    return page.picture(
        f"Three rows of cells: {len(scores)} scores, the {sum(flags)} flags above the threshold {threshold:g}, and the "
        f"{len(pairs)} event(s) that runs of flags become."
    )


def flag_strips(strips: Mapping[str, ArrayLike], *, notes: Mapping[str, str] | None = None) -> Picture:
    """Draw flags along time as strips: a dark line for each flagged row.

    Parameters
    ----------
    strips : mapping of str to array-like of bool, shape (n,)
        Name of each strip, and its flags; all equally long.
    notes : mapping of str to str, optional
        Words at the right of a strip. Default: share of rows, and number of runs.

    Returns
    -------
    Picture

    Examples
    --------
    >>> flag_strips({"alone": [1, 0, 1, 0], "in a run": [1, 1, 0, 0]}).alt
    'Flags along 4 rows. alone: 50% of rows in 2 runs. in a run: 50% of rows in 1 runs. Chart: ...'
    """
    kept = {name: np.asarray(flags, bool) for name, flags in strips.items()}
    lengths = sorted({len(flags) for flags in kept.values()})
    if len(lengths) != 1:
        raise InputError(f"strips hold {lengths} rows; they must be equally long")
    figure, axes = new_axes(len(kept), 1, height=0.62, sharex=True)
    said = []
    for ax, (name, flags) in zip(np.atleast_1d(axes), kept.items()):
        runs = int(np.sum(np.diff(np.r_[0, flags.astype(int)]) == 1))
        words = f"{flags.mean():.0%} of rows in {runs} runs" if flags.mean() >= 0.005 or not flags.any() else (
            f"{flags.mean():.2%} of rows in {runs} runs")  # fmt: skip
        said.append(f"{name}: {words}.")
        ax.vlines(np.flatnonzero(flags), 0, 1, color=INK, linewidth=0.9)
        ax.set(ylim=(0, 1), yticks=[], xlim=(0, len(flags)))
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9.5)
        ax.text(1.01, 0.5, (notes or {}).get(name, words), transform=ax.transAxes, va="center", fontsize=9)
        ax.spines[["top", "right", "left"]].set_visible(False)
    np.atleast_1d(axes)[-1].set_xlabel("row")
    return picture(figure, f"Flags along {len(flags):,} rows. {' '.join(said)}")


def three_ideas_of_normal(seed: int = 0) -> Picture:
    """Draw what k-means, PCA and a VAE call normal, on points that lie along a bent line.

    Parameters
    ----------
    seed : int, default 0
        Of the points.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "a few typical points" in three_ideas_of_normal().alt
    True
    """
    rng = np.random.default_rng(seed)
    place = rng.uniform(-1, 1, 160)
    points = np.c_[2.2 * place, 1.5 * place**2] + 0.09 * rng.standard_normal((160, 2))
    odd = np.array([0.15, 1.35])
    figure, axes = new_axes(1, 3, height=2.15)
    titles = ("k-means: a few typical points", "PCA: a flat sheet", "VAE: a bent sheet")
    along = np.linspace(-1.05, 1.05, 200)
    line = np.c_[2.2 * along, 1.5 * along**2]
    mean, (axis, *_) = points.mean(axis=0), np.linalg.svd(points - points.mean(axis=0))[2]
    centres = np.c_[2.2 * np.linspace(-0.85, 0.85, 6), 1.5 * np.linspace(-0.85, 0.85, 6) ** 2]
    nearest = (
        centres[np.argmin(((centres - odd) ** 2).sum(axis=1))],
        mean + ((odd - mean) @ axis) * axis,
        line[np.argmin(((line - odd) ** 2).sum(axis=1))],
    )
    for ax, title, at in zip(axes, titles, nearest):
        ax.plot(*points.T, ".", color="#A8A8A8", markersize=4, label="normal windows")
        ax.plot(*odd, "X", color=OKABE_ITO["vermilion"], markersize=10, markeredgecolor="black", label="a faulty one")
        ax.annotate("", at, odd, arrowprops={"arrowstyle": "<->", "linestyle": "--", "color": INK})
        ax.set_title(title, loc="left", fontsize=10)
        ax.set(xticks=[], yticks=[], xlim=(-2.7, 2.7), ylim=(-0.75, 2.0), aspect="equal")
    axes[0].plot(*centres.T, "D", color=OKABE_ITO["blue"], markersize=7, markeredgecolor="black")
    reach = np.array([[-2.6], [2.6]])
    axes[1].plot(*(mean + reach * axis).T, color=OKABE_ITO["blue"], linewidth=2.2)
    axes[2].plot(*line.T, color=OKABE_ITO["blue"], linewidth=2.2)
    axes[0].legend(frameon=False, fontsize=8, loc="lower left", ncols=2, handletextpad=0.2)
    gaps = [float(np.linalg.norm(odd - at)) for at in nearest]
    return picture(
        figure,
        "Normal windows as points along a bent line, and one faulty window above it. k-means keeps a few typical "
        "points, PCA a flat sheet, the VAE a bent sheet; the score is the distance to what is kept: "
        f"{gaps[0]:.1f}, {gaps[1]:.1f} and {gaps[2]:.1f}.",
    )


# where in the way from a series to an alarm each station lies: x of its box
_STATIONS = {
    "scaling": 7.5,
    "windows, split": 22.0,
    "encoder": 36.5,
    "sampling": 50.0,
    "decoder": 63.5,
    "loss": 77.0,
    "row scores": 91.5,
}


def museum_map(exhibits: Mapping[str, Sequence[int]], *, saved: Sequence[int] = ()) -> Picture:
    """Draw the way of a series through a VAE, and at which station each numbered exhibit goes wrong.

    Parameters
    ----------
    exhibits : mapping of str to sequence of int
        Numbers by station: "scaling", "windows, split", "encoder", "sampling", "decoder", "loss", "row scores".
    saved : sequence of int
        Exhibits whose fault lies in saving and loading.

    Returns
    -------
    Picture

    Examples
    --------
    >>> museum_map({"sampling": [1, 2], "loss": [3]}).alt
    'The way from a series to row scores; faults at sampling: 1, 2; loss: 3.'
    """
    unknown = set(exhibits) - set(_STATIONS)
    if unknown:
        raise InputError(f"station {sorted(unknown)} is unknown; known are {', '.join(_STATIONS)}")
    page = Canvas(22, size=9)
    boxes = [
        page.box(x, 15.5, name.replace(", ", ",\n"), width=11.4, height=5, fill="grey") for name, x in _STATIONS.items()
    ]
    for first, second in itertools.pairwise(boxes):
        page.arrow(first, second)
    for name, numbers in exhibits.items():
        for i, number in enumerate(numbers):
            page.mark(_STATIONS[name] - 4 + 4.0 * (i % 3), 10.6 - 3.6 * (i // 3), number)
    if saved:
        disk = page.box(50, 2.2, "save, load", width=14, height=3.4, fill="white", dashed=True)
        for i, number in enumerate(saved):
            page.mark(disk[0] + 9.5 + 4 * i, 2.2, number)
    said = [f"{name}: {', '.join(map(str, numbers))}" for name, numbers in exhibits.items()]
    said += [f"saving: {', '.join(map(str, saved))}"] if saved else []
    return page.picture(f"The way from a series to row scores; faults at {'; '.join(said)}.")


def before_and_after(
    window: ArrayLike,
    sound: ArrayLike,
    faulty: ArrayLike,
    *,
    titles: tuple[str, str] = ("without the fault", "with it"),
    what: str = "rebuilt",
    ylabel: str = "value (scaled)",
    faulty_window: ArrayLike | None = None,
    note: str = "",
) -> Picture:
    """Draw what a fault does to one window: the same window without and with it, side by side.

    Parameters
    ----------
    window : array-like, shape (timesteps,)
        What was measured, or the reference line.
    sound, faulty : array-like, shape (timesteps,) or (draws, timesteps)
        What the model makes of it without and with the fault; several draws become thin lines. NaN is drawn as missing.
    titles : pair of str
    what : str
        The legend's word for those lines.
    ylabel : str
    faulty_window : array-like, optional
        The reference line on the right, where the fault changes it too.
    note : str
        First words of the alternative text.

    Returns
    -------
    Picture

    Examples
    --------
    >>> wave = np.sin(np.arange(8))
    >>> before_and_after(wave, wave, np.zeros(8), note="One number out.").alt
    'One number out. Mean squared gap to the window 0.00 without the fault, 0.44 with it. Chart ...'
    """
    left = np.asarray(window, float).ravel()
    right = left if faulty_window is None else np.asarray(faulty_window, float).ravel()
    figure, axes = new_axes(1, 2, height=1.75)
    gaps, low, high = [], np.inf, -np.inf
    for ax, reference, curves, title, name in zip(axes, (left, right), (sound, faulty), titles, ("blue", "vermilion")):
        drawn = np.atleast_2d(np.asarray(curves, float))
        ax.plot(reference, color=INK, linewidth=1.3, label="window")
        for i, curve in enumerate(drawn):
            many = len(drawn) > 1
            ax.plot(curve, "-" if many else "--", color=OKABE_ITO[name], linewidth=0.8 if many else 1.6,
                    alpha=0.55 if many else 1.0, label=what if i == 0 else None)  # fmt: skip
        finite = np.isfinite(drawn)
        gaps.append(float(np.mean((drawn - reference)[finite] ** 2)) if finite.any() else np.nan)
        every = np.r_[reference, drawn[finite]]
        low, high = min(low, every.min()), max(high, every.max())
        ax.set_title(title, loc="left", fontsize=9.5)
        ax.set_xlabel("step of the window", fontsize=8.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    for ax in axes:
        ax.set_ylim(low - 0.06 * (high - low), high + 0.3 * (high - low))
        ax.legend(frameon=False, fontsize=7.5, ncols=2, loc="upper right")
    axes[0].set_ylabel(ylabel, fontsize=8.5)
    words = [f"{gap:.2f}" if np.isfinite(gap) else "none, nothing is finite" for gap in gaps]
    said = f"Mean squared gap to the window {words[0]} without the fault, {words[1]} with it."
    return picture(figure, f"{note} {said}".strip())


def consensus(models: int = 6) -> Picture:
    """Draw several models that must all agree, when they are independent and when they see the same row.

    Parameters
    ----------
    models : int, default 6
        How many are drawn, 3 to 8.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "the same row" in consensus().alt
    True
    """
    if not 3 <= models <= 8:
        raise InputError(f"models={models} do not fit the drawing; use 3 to 8")
    page = Canvas(27)
    for left, title in ((3, "the sum on paper: independent dice"), (53, "what happens: all look at the same row")):
        page.text(left + 21, 25.4, title, bold=True)
    step = 42 / models
    for k in range(models):
        x = 3 + step * (k + 0.5)
        page.box(x, 16, f"model {k + 1}\n1%", width=step - 0.8, height=5, fill="blue")
        die = page.box(x, 22, "row\n" + "abcdefgh"[k], width=step - 1.6, height=3.6, fill="white")
        page.arrow(die, (x, 18.6))
    page.text(24, 9.4, " x ".join(["0.01"] * models), size=8.5)
    page.text(24, 5.6, f"= 10^-{2 * models}", bold=True, size=9)
    same = page.box(74, 22, "one unusual, normal row", width=26, height=3.6, fill="orange")
    for k in range(models):
        x = 53 + step * (k + 0.5)
        page.box(x, 14.6, f"model {k + 1}\nodd!", width=step - 0.8, height=5, fill="blue")
        page.arrow((same[0] + (x - same[0]) * 0.5, 20.2), (x, 17.2))
    page.text(74, 9.4, "where one says odd, most others do too", size=8.5)
    page.text(74, 5.6, "all agree far more often than the product says", bold=True, size=9)
    page.ax.plot([50, 50], [2, 26.5], color=PALE["grey"], linewidth=2)
    return page.picture(
        f"Left: {models} models that judge {models} different rows, each wrong once in a hundred; the product is "
        f"10 to the power of -{2 * models}. Right: {models} models that judge the same row; where one finds it odd, "
        "most others do too, so they all agree far more often than the product says."
    )


def symbolic_loss() -> Picture:
    """Draw why a loss of TensorFlow functions fails on a Keras 3 model, and where it belongs.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "no numbers" in symbolic_loss().alt
    True
    """
    page = Canvas(19)
    for left, title in ((2, "while the model is built"), (53, "inside a layer's call")):
        page.text(left + 22, 17.6, title, bold=True)
    tensor = page.box(11, 10.5, "KerasTensor\na shape,\nno numbers", width=14, height=7.2, fill="white", dashed=True)
    function = page.box(35, 10.5, "tf.reduce_sum(...)\nwants numbers", width=17, height=5.6, fill="orange")
    page.arrow(tensor, function, colour=OKABE_ITO["vermilion"], dashed=True)
    page.text(24, 3.6, "ValueError: A KerasTensor cannot be used ...", size=9, colour=OKABE_ITO["vermilion"])
    numbers = page.box(62, 10.5, "mu, log_var\nof a batch", width=14, height=5.6, fill="blue")
    layer = page.box(86, 10.5, "self.add_loss(\nops.mean(KL))", width=17, height=5.6, fill="green")
    page.arrow(numbers, layer)
    page.text(75, 3.6, "computed anew for each batch, and added to the loss", size=9)
    page.ax.plot([50, 50], [1, 18], color="#BBBBBB", linewidth=0.8)
    return page.picture(
        "Left: while a model is built, its tensors are KerasTensors, shapes with no numbers, and a TensorFlow function "
        "that wants numbers raises an error. Right: in a layer's call there are numbers, and add_loss adds the KL."
    )
