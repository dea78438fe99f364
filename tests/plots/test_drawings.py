"""Drawings: they say in words what they show, refuse what does not fit, and stay readable without colour."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from vaehelpers.common import InputError
from vaehelpers.plots import drawings

ROOT = Path(__file__).resolve().parents[2]
DAY = np.sin(np.arange(24) / 4)
DRAWN = {
    "asked_model": (),
    "corrected_model": (),
    "five_decoders": (),
    "gradient_paths": (),
    "normal_beside_faulty": (DAY, DAY + (np.arange(24) > 15)),
    "point_adjustment": (),
    "sampling": (),
    "sum_against_mean": (),
    "tail_threshold": (),
    "vus_band": (),
    "window_shapes": (),
    "windows_over_row": (),
}


def test_every_drawing_is_tested():
    assert {*DRAWN, "Canvas"} == set(drawings.__all__)


@pytest.mark.parametrize("name", DRAWN)
def test_each_is_one_picture_with_words_and_no_figure_left_open(name):
    before = plt.get_fignums()
    drawn = getattr(drawings, name)(*DRAWN[name])
    assert plt.get_fignums() == before
    assert len(drawn.alt.split()) >= 12
    image = Image.open(io.BytesIO(drawn.png))
    assert image.width == round(1.2 * drawn.width)
    assert len(drawn.png) < 60_000


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_the_same_bytes_twice(name):
    assert getattr(drawings, name)(*DRAWN[name]).png == getattr(drawings, name)(*DRAWN[name]).png


@pytest.mark.parametrize("name", DRAWN)
def test_ink_keeps_away_from_the_edges(name):
    """Nothing is cut off: the outermost pixels are white."""
    pixels = np.asarray(Image.open(io.BytesIO(getattr(drawings, name)(*DRAWN[name]).png)).convert("L"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert edge.min() > 250


def test_marks_differ_without_colour():
    markers, colours, words = zip(*drawings.MARKS.values())
    assert len(set(markers)) == len(markers) == len(set(colours)) == len(set(words))


def test_numbers_in_words_are_the_numbers_drawn():
    assert "z = 2.0 + 0.1 * -3 = 1.70" in drawings.sampling(2.0, 0.1, -3).alt
    assert "averaged over 24 steps" in drawings.sum_against_mean(24, 48.0, 8.0).alt
    assert "from 48.0 to 2.0 and the KL is 80% of the loss" in drawings.sum_against_mean(24, 48.0, 8.0).alt
    assert "lies in 1 of them, those that start at 0" in drawings.windows_over_row(0, 6, 3).alt
    assert (
        "gap to the reconstruction 0.25 and 1."
        in drawings.normal_beside_faulty(np.zeros(4), np.zeros(4), rebuilt=(np.full(4, 0.5), np.ones(4))).alt
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: drawings.Canvas(0), "height=0 is not above 0"),
        (lambda: drawings.five_decoders(9), "use 3 to 5"),
        (lambda: drawings.sampling(sigma=0), "sigma=0 is not above 0"),
        (lambda: drawings.sum_against_mean(kl=0), "must be above 0"),
        (lambda: drawings.tail_threshold(0.7), "not between 0 and 0.5"),
        (lambda: drawings.vus_band(2), "use 4 to 15"),
        (lambda: drawings.window_shapes(latent_dim=0), "at least 1"),
        (lambda: drawings.windows_over_row(12, 10, 3), "row < n"),
        (lambda: drawings.normal_beside_faulty(np.zeros(3), np.zeros(4)), "3 values, faulty has 4"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    before = plt.get_fignums()
    with pytest.raises(InputError, match=words):
        call()
    assert plt.get_fignums() == before


def test_unknown_mark_is_refused():
    canvas = drawings.Canvas(5)
    with pytest.raises(InputError, match="'loud' is not known"):
        canvas.mark(1, 1, 1, "loud")
    plt.close("all")


def test_matplotlib_is_imported_late():
    code = "import sys, vaehelpers.plots.drawings; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_alternative_text_reaches_the_page_of_plain_nbconvert(tmp_path, caplog):
    """`jupyter nbconvert --template alt_text` writes it into the <img> tag, also where it holds quotes."""
    from nbconvert import HTMLExporter

    shutil.copytree(ROOT / "notebooks" / "alt_text", tmp_path / "alt_text")
    data, metadata = drawings.Picture(b"x", 'A "bump" & more.', 600)._repr_mimebundle_()
    output = {"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": metadata}
    cell = {"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {}, "source": "1", "outputs": [output]}
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps(book), encoding="utf-8")
    page, _ = HTMLExporter(template_name="alt_text", extra_template_basedirs=[str(tmp_path)]).from_filename(str(path))
    assert "alt='A \"bump\" &amp; more.'" in page or 'alt="A &quot;bump&quot; &amp; more."' in page
    assert "Alternative text is missing" not in caplog.text
