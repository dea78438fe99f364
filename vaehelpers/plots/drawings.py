"""Drawings of the lessons: boxes, arrows, shapes and marks, where one would rather look than read.

One small family of tools (`Canvas`) and the drawings made with it. Each drawing returns a `Picture` that carries its
alternative text, so that a notebook cell needs one line and a page read aloud loses nothing. Colours are those of
Okabe and Ito; whatever a colour says, a shape, a line style or a word says as well: a grey print reads the same.

matplotlib is imported when something is drawn, not before.
"""

from __future__ import annotations

from vaehelpers.common import InputError
from vaehelpers.plots import OKABE_ITO
from vaehelpers.plots.base import Picture
from vaehelpers.plots.canvas import INK, MARKS, Canvas
from vaehelpers.plots.drawings_numbers import (
    gradient_paths,
    normal_beside_faulty,
    point_adjustment,
    sampling,
    sum_against_mean,
    tail_threshold,
    vus_band,
    windows_over_row,
)

__all__ = [
    "Canvas",
    "asked_model",
    "corrected_model",
    "five_decoders",
    "gradient_paths",
    "normal_beside_faulty",
    "point_adjustment",
    "sampling",
    "sum_against_mean",
    "tail_threshold",
    "vus_band",
    "window_shapes",
    "windows_over_row",
]


def asked_model() -> Picture:
    """Draw the asker's model with its six marks: shown, left open, depends on scaling.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "six marks" in asked_model().alt
    True
    """
    page = Canvas(39)
    y = 26.0
    window = page.box(7, y, "x_train", "77,093 x 100 x 1", width=10)
    lstm = page.box(21.5, y, "LSTM(32)", "32", width=10)
    mu = page.box(36, y + 5.2, "Dense(1)  mu", "1", width=12, height=4.4)
    log_sigma = page.box(36, y - 5.2, "Dense(1)  log_sigma", "1", width=16, height=4.4)
    z = page.box(51.5, y, "Lambda\nsample_z", "50 x 1", width=9.5)
    repeat = page.box(65, y, "Repeat-\nVector(100)", "50 x 100 x 1", width=10.5)
    first = page.box(79, y, "LSTM(1,\nsequences)", "50 x 100 x 1", width=10.5)
    last = page.box(92.5, y, "LSTM(1)", "50 x 1", width=9.5)
    for start, end in ((window, lstm), (lstm, mu), (lstm, log_sigma), (mu, z), (log_sigma, z), (z, repeat)):
        page.arrow(start, end)
    page.arrow(repeat, first)
    page.arrow(first, last)
    page.text(36, y - 10.6, "used as exp(log_sigma / 2): a log-variance", size=8.5, italic=True)
    for x, number, kind in ((7, 1, "open"), (49.3, 4, "shown"), (53.7, 6, "shown"), (90.3, 2, "shown")):
        page.mark(x, y + 4.7, number, kind)  # type: ignore[arg-type]
    page.mark(94.7, y + 4.7, 3, "scaling")
    page.mark(82.5, 13.2, 5, "open")
    page.text(84.4, 13.2, "compile(loss=?)", align="left", italic=True)
    said = [
        (1, "open", "windows: cut how? reshape alone cannot make 77,093 of them"),
        (2, "shown", "one number comes out where a window of 100 went in"),
        (3, "scaling", "an LSTM's output lies in (-1, 1): fine for data scaled into it"),
        (4, "shown", "noise of shape (50, 1): no other batch size fits"),
        (5, "open", "the loss is not shown: with a KL term, or without?"),
        (6, "shown", "a Lambda holds a Python function: loading needs that function"),
    ]
    for i, (number, kind, words) in enumerate(said):
        left, line = (3, 9.2 - 3.1 * (i % 3)) if i < 3 else (52, 9.2 - 3.1 * (i % 3))
        page.mark(left, line, number, kind)  # type: ignore[arg-type]
        page.text(left + 2, line, words, align="left", size=9)
    for x, (marker, colour, words) in zip((3, 29, 55), MARKS.values()):
        page.ax.plot(
            x, 37.2, marker, markersize=8, markerfacecolor="white", markeredgecolor=colour, markeredgewidth=1.8
        )
        page.text(x + 1.6, 37.2, words, align="left", size=9)
    return page.picture(
        "The asker's model from left to right with six marks: x_train of 77,093 x 100 x 1 (1, left open: how were "
        "windows "
        "cut?), LSTM(32), two Dense(1) for mu and log_sigma, a Lambda that samples z with noise of shape 50 x 1 (4, "
        "shown; "
        "6, shown: a Lambda), RepeatVector(100), LSTM(1) with sequences, and a last LSTM(1) that gives one number "
        "per window "
        "(2, shown) between -1 and 1 (3, depends on the scaling). The loss (5) is left open."
    )


def corrected_model(timesteps: int = 100, units: int = 32, latent_dim: int = 8) -> Picture:
    """Draw the corrected model in the asker's order, with what changed at each place.

    Parameters
    ----------
    timesteps, units, latent_dim : int
        Sizes to write beside the arrows.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "linear path" in corrected_model().alt
    True
    """
    page = Canvas(34)
    y = 21.0
    window = page.box(6.5, y, "window", f"B x {timesteps} x 1", width=9.5)
    lstm = page.box(20.5, y, f"LSTM({units})", f"B x {units}", width=10)
    mu = page.box(35, y + 5.2, f"Dense({latent_dim})  mu", f"B x {latent_dim}", width=13, height=4.4)
    spread = page.box(35, y - 5.2, f"Dense({latent_dim})  log_var", f"B x {latent_dim}", width=13, height=4.4)
    z = page.box(50, y, "Sampling", f"B x {latent_dim}", width=9.5, fill="green")
    repeat = page.box(63.5, y, f"Repeat-\nVector({timesteps})", f"B x {timesteps} x {latent_dim}", width=10.5)
    decode = page.box(77.5, y, f"LSTM({units},\nsequences)", f"B x {timesteps} x {units}", width=10.5, fill="green")
    dense = page.box(92, y, "Dense(1)\nat each step", f"B x {timesteps} x 1", width=11, fill="green")
    for start, end in ((window, lstm), (lstm, mu), (lstm, spread), (mu, z), (spread, z), (z, repeat)):
        page.arrow(start, end)
    page.arrow(repeat, decode)
    page.arrow(decode, dense)
    page.box(50, 7.2, "linear path: one matrix in, one matrix out", width=32, height=4, fill="blue")
    page.arrow((6.5, y - 5.3), (33.4, 7.2), bend=0.28, dashed=True, colour=OKABE_ITO["blue"])
    page.arrow((66.6, 7.2), (92, y - 5.3), bend=0.28, dashed=True, colour=OKABE_ITO["blue"])
    page.box(50, 31.8, "loss = NLL summed over the window + KL summed over z, averaged over the batch", width=66,
                    height=3.2, fill="green")  # fmt: skip
    page.text(
        3,
        1.6,
        "B is any batch size. Green boxes differ from the question; dashed is what we add.",
        align="left",
        size=9,
    )
    return page.picture(
        f"The corrected model: a window of B x {timesteps} x 1 goes through LSTM({units}) to mu and log_var of "
        f"{latent_dim} numbers, Sampling with noise shaped like mu, RepeatVector, an LSTM with sequences and a Dense "
        f"layer "
        f"at each step, back to B x {timesteps} x 1. A linear path runs beside the LSTMs. The loss is the summed NLL "
        f"plus "
        "the summed KL, averaged over the batch."
    )


def window_shapes(timesteps: int = 100, units: int = 32, latent_dim: int = 8, n_features: int = 1) -> Picture:
    """Draw what gets reduced: the window, the LSTM's state and z as columns of their size.

    Parameters
    ----------
    timesteps, units, latent_dim, n_features : int
        The sizes; a column's height is in proportion.

    Returns
    -------
    Picture

    Examples
    --------
    >>> window_shapes(100, 32, 8).alt[:40]
    'A window of 100 x 1 numbers becomes 32 i'
    """
    sizes = [timesteps * n_features, units, latent_dim, timesteps * n_features]
    if min(sizes) < 1:
        raise InputError(f"sizes {sizes} must all be at least 1")
    page = Canvas(31)
    top = max(sizes)
    middle = 16.0
    names = ["window", "encoder's last state", "z", "reconstruction"]
    shapes = [f"{timesteps} x {n_features}", f"{units}", f"{latent_dim}", f"{timesteps} x {n_features}"]
    fills = ["grey", "grey", "orange", "grey"]
    places = [9, 35, 61, 88]
    for x, size, name, shape, fill in zip(places, sizes, names, shapes, fills):
        height = max(24 * size / top, 0.5)
        page.bar(x, middle, 5, height, fill=fill)
        page.text(x, 29.6, f"{name}", bold=True)
        page.text(x, 1.8, f"{shape} numbers", italic=True)
    ways = ["LSTM reads\nstep by step", "Dense: mu, log_var;\nthen a draw", "decoder writes\nstep by step"]
    for (left, right), words in zip(((9, 35), (35, 61), (61, 88)), ways):
        page.arrow((left + 3.5, middle), (right - 3.5, middle))
        page.text((left + right) / 2, middle + 3.6, words, size=9)
    page.text(61, middle - 6.2, "the narrowest place:\nthis is what gets reduced", size=9, colour=INK)
    return page.picture(
        f"A window of {timesteps} x {n_features} numbers becomes {units} in the encoder's last state and "
        f"{latent_dim} in z, "
        f"the narrowest place, before the decoder writes {timesteps} x {n_features} numbers again. Heights are in "
        f"proportion."
    )


def five_decoders(steps: int = 4) -> Picture:
    """Draw five ways to hand z to a decoder LSTM, unrolled over a few steps.

    Parameters
    ----------
    steps : int, default 4
        Steps to draw, 3 to 5.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "feedback" in five_decoders().alt
    True
    """
    if not 3 <= steps <= 5:
        raise InputError(f"steps={steps} does not fit the page; use 3 to 5")
    page = Canvas(26, size=8.5)
    names = ["repeat", "state", "zeros", "repeat+state", "feedback"]
    inputs = ["z", "1", "0", "z", "own"]
    for i, (name, read) in enumerate(zip(names, inputs)):
        left = 1.0 + 20 * i
        page.text(left + 9, 24.6, name, bold=True, size=10)
        gap = 13.2 / (steps - 1)
        xs = [left + 3.6 + gap * k for k in range(steps)]
        from_z = name != "repeat"
        for k, x in enumerate(xs):
            page.bar(x, 12, 2.6, 3.4, fill="blue")
            page.arrow((x, 13.9), (x, 17.0), width=0.9)
            page.text(x, 18.4, f"x{k + 1}", size=8.5)
            if k:
                page.arrow((xs[k - 1] + 1.4, 12), (x - 1.4, 12), width=0.9)
            if name != "feedback":
                fill = {"z": "orange", "1": "white", "0": "white"}[read]
                page.cells(x - 1.1, 6.0, [read], width=2.2, height=2.2, fills=fill)
                page.arrow((x, 7.2), (x, 10.1), width=0.9)
            elif k:
                page.arrow(
                    (xs[k - 1] + 0.5, 17.4), (x - 0.3, 10.2), width=0.9, dashed=True, colour=OKABE_ITO["vermilion"]
                )
        if from_z:
            page.cells(left - 0.3, 16.4, ["z"], width=2.2, height=2.2, fills="orange")
            page.arrow((left + 0.8, 15.2), (xs[0] - 1.4, 12.6), width=0.9)
        words = {
            "repeat": "z at every step,\nstate starts at 0", "state": "z sets the state,\ninput is always 1",
            "zeros": "z sets the state,\ninput is always 0", "repeat+state": "z in both places",
            "feedback": "z sets the state, each step\nreads the last output",
        }[name]  # fmt: skip
        page.text(left + 9, 1.9, words, size=8.5)
        if i:
            page.ax.plot([left - 1.4] * 2, [0.5, 25.3], color="#BBBBBB", linewidth=0.8)
    return page.picture(
        "Five decoders, each an LSTM unrolled over a few steps. repeat: z is the input of every step. state: z sets "
        "the first "
        "state and the input is always 1. zeros: the same with input 0. repeat+state: both. feedback: z sets the "
        "first state "
        "and each step reads the output of the step before."
    )
