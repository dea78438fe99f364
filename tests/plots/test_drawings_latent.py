"""Drawings of the lesson on collapse say in words what they show, and refuse what does not fit."""

import io

import numpy as np
import pytest
from PIL import Image

from vaehelpers.common import InputError
from vaehelpers.plots import drawings_latent as drawn


def test_collapsed_beside_used_counts_its_windows_and_stays_on_the_page():
    made = drawn.collapsed_beside_used(3)
    assert "the posteriors of 3 windows are narrow" in made.alt and "the same mean window" in made.alt
    pixels = np.asarray(Image.open(io.BytesIO(made.png)).convert("L"))
    assert np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).min() > 250


def test_a_direction_lives_if_its_variance_is_above_the_price():
    made = drawn.variances_and_prices([8.3, 5.8, 0.9], {"mse + kl": 12, "sums": 1, "equal": 8.3})
    assert made.png[:4] == b"\x89PNG"
    assert "mse + kl, price 12: 0 live. sums, price 1: 2 live. equal, price 8.3: 0 live." in made.alt


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: drawn.collapsed_beside_used(6), "use 2 to 5"),
        (lambda: drawn.variances_and_prices([1.0], {"a": 1}), "1 variances"),
        (lambda: drawn.variances_and_prices([2.0, 1.0], {}), "0 prices"),
        (lambda: drawn.variances_and_prices([2.0, 0.0], {"a": 1}), "above 0"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()
