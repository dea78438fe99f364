"""Drawings of lessons 05 to 12: they draw, they say in words what they show, and they refuse what does not fit."""

import numpy as np
import pytest

from vaehelpers.common import InputError
from vaehelpers.plots import drawings_evaluation as drawn

WAVE = np.sin(np.arange(16) / 3)
PICTURES = {
    "one_number_per_window": lambda: drawn.one_number_per_window(),
    "parts_of_a_series": lambda: drawn.parts_of_a_series({"learn": 10, "judge": 20}, labelled=["judge"]),
    "score_chain": lambda: drawn.score_chain([0, 3, 4, 0, 5], 2),
    "flag_strips": lambda: drawn.flag_strips({"a": WAVE > 0, "b": WAVE > 0.9}),
    "three_ideas_of_normal": lambda: drawn.three_ideas_of_normal(),
    "museum_map": lambda: drawn.museum_map({"loss": [1, 2, 3, 4]}, saved=[5]),
    "before_and_after": lambda: drawn.before_and_after(WAVE, np.stack([WAVE, WAVE + 0.1]), WAVE * np.nan),
    "consensus": lambda: drawn.consensus(4),
    "symbolic_loss": lambda: drawn.symbolic_loss(),
}


@pytest.mark.parametrize("name", PICTURES)
def test_each_is_a_picture_with_words(name):
    made = PICTURES[name]()
    assert made.png[:4] == b"\x89PNG" and len(made.png) < 120_000
    assert len(made.alt) > 40


def test_all_public_drawings_are_tried():
    assert set(PICTURES) == set(drawn.__all__)


def test_words_hold_the_numbers():
    assert "2 event(s)" in drawn.score_chain([0, 3, 4, 0, 5], 2).alt
    assert "judge holds labelled faults" in drawn.parts_of_a_series({"learn": 1, "judge": 1}, labelled=["judge"]).alt
    assert "none, nothing is finite with it" in drawn.before_and_after(WAVE, WAVE, WAVE * np.nan).alt
    assert "25% of rows in 1 runs" in drawn.flag_strips({"one": [0, 1, 0, 0]}).alt


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: drawn.parts_of_a_series({}),
        lambda: drawn.parts_of_a_series({"empty": 0}),
        lambda: drawn.score_chain(list(range(15)), 2),
        lambda: drawn.flag_strips({"a": [1, 0], "b": [1]}),
        lambda: drawn.museum_map({"attic": [1]}),
        lambda: drawn.consensus(2),
    ],
)
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()
