"""Drawings of the lesson on alarms say in words what they show, and refuse what does not fit."""

import numpy as np
import pytest

from vaehelpers.common import InputError
from vaehelpers.plots import drawings_alarms as drawn


def test_incidents_are_counted_and_named():
    made = drawn.incident_lines([0, 3, 5, 0, 4, 0, 0, 0, 0, 6], [(1, 4), (9, 9)], start=4, end=3)
    assert made.png[:4] == b"\x89PNG"
    assert "2 incident(s): rows 1 to 4, rows 9 to 9." in made.alt
    assert "0 incident(s): none." in drawn.incident_lines([0, 3.5], [], start=4, end=3).alt


def test_blocks_name_their_maxima():
    made = drawn.rows_in_blocks(np.r_[np.arange(10.0), np.zeros(3), 4.0, 0, 0], 5)
    assert made.png[:4] == b"\x89PNG" and "15 row scores cut into 3 blocks" in made.alt
    assert "between 4.0 and 9.0" in made.alt


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: drawn.incident_lines([0.0] * 31, [], start=4, end=3),
        lambda: drawn.incident_lines([0.0], [], start=3, end=4),
        lambda: drawn.rows_in_blocks([1.0, 2.0, 3.0], 2),
        lambda: drawn.rows_in_blocks([1.0, 2.0, 3.0], 0),
    ],
)
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()
