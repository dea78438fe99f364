"""Figures: nothing that matters is lost by drawing less, and who cannot see them still learns what they show."""

from __future__ import annotations

import base64
import io

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.colors import to_rgb
from PIL import Image

from vaehelpers import plots
from vaehelpers.plots import base, compare, lines


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def finite_or_missing(draw_size):
    return hnp.arrays(float, draw_size, elements=st.one_of(st.floats(-1e6, 1e6), st.just(np.nan)))


@given(finite_or_missing(st.integers(0, 400)), st.integers(2, 60), st.lists(st.integers(0, 400), max_size=4))
@settings(max_examples=200, deadline=None)
def test_envelope_keeps_extremes_order_and_breaks(values, buckets, breaks):
    breaks = sorted(set(breaks))
    rows, drawn = base.envelope(values, buckets=buckets, breaks=breaks)
    assert len(rows) == len(drawn)
    assert (np.diff(rows) >= 0).all()
    # every value drawn is the value of its row, or the NaN that opens a break
    opened = np.zeros(len(rows), bool)
    if len(rows):
        opened[:-1] = rows[:-1] == rows[1:] - 1
    for row, value in zip(rows, drawn):
        if not np.isnan(value):
            assert value == values[row]
    for piece in np.split(np.arange(len(values)), [b for b in breaks if 0 < b < len(values)]):
        known = values[piece][~np.isnan(values[piece])]
        if len(known):
            shown = drawn[np.isin(rows, piece)]
            assert np.nanmin(shown) == known.min()
            assert np.nanmax(shown) == known.max()
    for b in breaks:
        if 0 < b < len(values):
            position = np.searchsorted(rows, b)  # first drawn row at or after the break
            assert np.isnan(drawn[position - 1])


@given(st.integers(3_000, 9_000), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_envelope_keeps_the_extremes_of_every_bucket(n, seed):
    values = np.random.default_rng(seed).normal(size=n)
    rows, drawn = base.envelope(values, buckets=100)
    size = -(-n // 100)
    for start in range(0, n // size * size, size):
        bucket = values[start : start + size]
        shown = drawn[(rows >= start) & (rows < start + size)]
        assert shown.min() == bucket.min()
        assert shown.max() == bucket.max()
    assert len(rows) <= 2 * 100 + 4


def test_envelope_leaves_short_series_whole_and_refuses_two_dimensions():
    values = np.arange(2_000.0)
    rows, drawn = base.envelope(values, buckets=1_000)
    assert (rows == np.arange(2_000)).all()
    assert (drawn == values).all()
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        base.envelope(np.zeros((2, 2)))


def test_a_spike_of_one_sample_is_drawn_in_a_long_series():
    values = np.zeros(77_192)
    values[40_001] = 5.0
    ax = plots.series(values)
    drawn = ax.get_lines()[0].get_ydata()
    assert np.nanmax(drawn) == 5.0
    assert len(drawn) <= 2_100


def test_series_shows_gap_labels_events_and_training_part():
    times = pd.date_range("2024-01-01", periods=300, freq="5min", tz="Europe/Berlin")
    times = times[:150].append(times[150:] + pd.Timedelta("1D"))
    labels = np.zeros(300, int)
    labels[200:220] = 1
    events = pd.DataFrame({"first": [205], "last": [215]})
    ax = plots.series(
        np.sin(np.arange(300) / 9),
        times=times,
        labels=labels,
        events=events,
        gaps=[150],
        train_rows=100,
        name="flow",
        unit="l/min",
    )
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["found", "labelled", "measured", "gap", "end of training part"]
    assert ax.get_ylabel() == "flow (l/min)"
    assert ax.get_xlabel() == "time (Europe/Berlin)"
    (measured,) = (line for line in ax.get_lines() if line.get_label() == "measured")
    assert np.isnan(measured.get_ydata()).sum() == 1


def draw_everything():
    rng = np.random.default_rng(0)
    x = np.sin(np.arange(500) / 10)
    yield plots.series(x, name="flow", unit="l/min")
    yield lines.stacked_series(rng.normal(size=(100, 3)), ["a", "b", "c"])
    history = pd.DataFrame(
        {"step": [1, 2], "loss": [2.0, 1.0], "nll": [1.5, 0.6], "kl": [0.5, 0.4], "val_loss": [2, 1]}
    )
    yield compare.training_curves(history)
    yield plots.latent_kl(np.array([0.001, 2.0, 1.0]))
    yield plots.reconstruction(x[:100], x[:100], lower=x[:100] - 1, upper=x[:100] + 1)
    yield plots.score(np.abs(x), 0.9, labels=(x > 0.9).astype(int), events=[(3, 9)])
    yield lines.score_histogram(rng.exponential(size=100), rng.exponential(size=100), 3.0)
    rates = np.array([0.001, 0.01, 0.1])
    yield lines.calibration(rates, {"a": np.c_[rates * [0, 1, 2], rates * 0, rates * 3]}, chosen=0.01)
    _, axes = plots.new_axes(2)
    yield from lines.event_closeup(axes, x, x, np.abs(x), first=100, last=110, lower=x - 1, upper=x + 1, threshold=0.9)
    yield compare.contributions(np.array([[0.5, 0.5]]), ["a", "b"])
    table = pd.DataFrame({"recall": [0.9, 0.5], "precision": [0.8, np.nan]}, index=["one", "two"])
    yield compare.comparison(table)
    yield compare.kind_matrix(pd.DataFrame({"spike": [1]}, index=["one"]), pd.Series({"spike": 2}))


def test_every_figure_returns_labelled_axes_and_draws_without_a_warning(recwarn):
    for ax in draw_everything():
        assert isinstance(ax, mpl.axes.Axes)
        assert ax.get_ylabel() or [t for t in ax.get_yticklabels() if t.get_text()]
        ax.figure.canvas.draw()
    assert not [str(w.message) for w in recwarn]


def test_empty_and_all_missing_input_draws(recwarn):
    missing = np.full(10, np.nan)
    plots.series(missing).figure.canvas.draw()
    plots.score(missing, 1.0).figure.canvas.draw()
    lines.score_histogram(missing, missing, 1.0).figure.canvas.draw()
    lines.score_histogram(np.ones(3), np.ones(3)).figure.canvas.draw()


def test_the_axes_given_is_the_axes_returned():
    _, ax = plots.new_axes()
    assert plots.series(np.arange(5.0), ax=ax) is ax


def test_lines_differ_in_more_than_colour():
    ax = plots.reconstruction(np.arange(100.0), np.arange(100.0))
    assert len({line.get_linestyle() for line in ax.get_lines()}) == 2
    history = pd.DataFrame(
        {"step": [1, 2], "loss": [2.0, 1.0], "nll": [1.5, 0.6], "kl": [0.5, 0.4], "val_loss": [2, 1]}
    )
    lines = compare.training_curves(history).get_lines()
    assert len({line.get_linestyle() for line in lines}) == len(lines) == 4


def test_measured_and_expected_differ_in_grey_or_in_style():
    def grey(colour):
        r, g, b = to_rgb(colour)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert abs(grey(plots.OKABE_ITO["blue"]) - grey(plots.OKABE_ITO["orange"])) > 0.2


def test_score_axis_is_logarithmic_only_where_wise():
    assert plots.score(np.r_[np.ones(99), 1e4]).get_yscale() == "log"
    assert plots.score(np.r_[np.zeros(99), 1e4]).get_yscale() == "linear"  # zeros have no logarithm
    assert plots.score(np.linspace(1, 2, 99)).get_yscale() == "linear"


def test_picture_carries_words_and_is_small_and_closed():
    figure, ax = plots.new_axes()
    plots.series(np.random.default_rng(0).normal(size=77_192), name="flow", unit="l/min", ax=ax)
    shown = plots.picture(figure, "Noise around 0.")
    data, metadata = shown._repr_mimebundle_()
    assert metadata["image/png"]["alt"].startswith("Noise around 0. Chart: flow (l/min) over sample")
    assert data["text/plain"].endswith(shown.alt)
    png = base64.b64decode(data["image/png"])
    assert Image.open(io.BytesIO(png)).size[0] == round(1.2 * metadata["image/png"]["width"])
    assert len(png) < 60_000
    assert not plt.fignum_exists(figure.number)


def test_the_same_figure_gives_the_same_bytes():
    def draw():
        figure, ax = plots.new_axes()
        plots.series(np.sin(np.arange(3_000) / 9), ax=ax)
        return plots.picture(figure).png

    assert draw() == draw()


def test_names_with_dollar_signs_are_no_formulas():
    from vaehelpers.plots import series
    from vaehelpers.plots.compare import contributions, variable_heat
    from vaehelpers.plots.lines import stacked_series

    names = ["a$b", r"$\frac$", "$x$"]
    values = np.random.default_rng(0).normal(size=(50, 3))
    for ax in (
        series(values[:, 0], name=names[1], unit="$"),
        stacked_series(values, names),
        contributions(np.abs(values[:2]), names, events=names[:2]),
        variable_heat(np.abs(values), names),
    ):
        ax.figure.canvas.draw()
