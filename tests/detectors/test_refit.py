"""A stream whose model learns on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from vaehelpers.common import InputError
from vaehelpers.data import Series
from vaehelpers.detectors import Detector, StreamingDetector
from vaehelpers.detectors.refit import MOST, RefittingStream

pytestmark = pytest.mark.slow  # fits detectors


def wave(n, seed, loud=1.0):
    rng = np.random.default_rng(seed)
    return loud * np.sin(np.arange(n) / 3) + 0.1 * rng.normal(size=n)


@pytest.fixture(scope="module")
def detector():
    return Detector(timesteps=12, units=4, latent_dim=2, steps=20, smooth=3, seed=1).fit(wave(1_200, 0))


def run(stream, values, times=None):
    given = [None] * len(values) if times is None else times
    return [stream.update(value, time) for value, time in zip(values, given)]


def plain(points):
    return [(point.score, point.p_value, point.flag, point.note) for point in points]


def test_before_the_first_update_it_is_the_plain_stream(detector):
    values = wave(300, 1)
    refitting = RefittingStream(detector, every=1_000, on=240)
    np.testing.assert_equal(plain(run(refitting, values)), plain(run(StreamingDetector(detector), values)))


def test_updates_come_on_time_and_use_the_past_alone(detector):
    values = np.r_[wave(300, 2), wave(400, 3, loud=1.5)]
    stream = RefittingStream(detector, every=250, on=240, steps=4)
    points = run(stream, values)
    refits = [row for row, point in enumerate(points, 1) if point.note == "refitted"]
    assert stream.refits == len(refits) == 2 and refits[0] == 250
    assert stream.rows == 700 and len(stream.notes) == 2 and "Updated on 240 newer rows" in stream.notes[0]
    again = RefittingStream(detector, every=250, on=240, steps=4)
    np.testing.assert_equal(plain(run(again, values[:600])), plain(points[:600]))


def test_the_detector_that_was_given_stays(detector):
    before = [weight.copy() for weight in detector.model_.get_weights()]
    stream = RefittingStream(detector, every=250, on=240, steps=4)
    run(stream, wave(260, 4))
    assert stream.refits == 1 and stream.detector is not detector
    assert all(np.array_equal(old, new) for old, new in zip(before, detector.model_.get_weights()))
    assert any(not np.array_equal(old, new) for old, new in zip(before, stream.detector.model_.get_weights()))


def test_behind_an_update_rows_are_scored_at_once(detector):
    stream = RefittingStream(detector, every=250, on=240, steps=4)
    points = run(stream, wave(255, 5))
    assert not np.isnan([point.score for point in points[250:]]).any()


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_restart_goes_on_bit_by_bit(detector, tmp_path, zone):
    times = [str(time) for time in pd.date_range("2024-03-01", periods=600, freq="5min", tz=zone)]
    series = Series(wave(1_200, 0), times=pd.date_range("2024-01-01", periods=1_200, freq="5min"))
    fitted = Detector(timesteps=12, units=4, latent_dim=2, steps=20, smooth=3, seed=1).fit(series)
    values = wave(600, 6)
    whole = RefittingStream(fitted, every=250, on=240, steps=4)
    expected = run(whole, values, times)
    assert whole.refits == 2
    first = RefittingStream(fitted, every=250, on=240, steps=4)
    run(first, values[:400], times[:400])
    state = json.loads(json.dumps(first.state()))
    loaded = Detector.load(first.detector.save(tmp_path / "detector"))
    second = RefittingStream.from_state(loaded, state)
    np.testing.assert_equal(plain(run(second, values[400:], times[400:])), plain(expected[400:]))
    assert second.refits == 2
    with pytest.raises(InputError, match="another detector"):
        RefittingStream.from_state(fitted, state)


@pytest.mark.parametrize(
    ("key", "value"),
    [("values", "???"), ("values", "AAAA"), ("times", [1]), ("every", 0), ("on", 3), ("refits", -1), ("due", 1.5)],
)
def test_a_damaged_state_is_refused(detector, key, value):
    stream = RefittingStream(detector, every=250, on=240)
    run(stream, wave(20, 7))
    state = stream.state()
    state["refit"][key] = value
    with pytest.raises(InputError):
        RefittingStream.from_state(detector, state)


def test_a_failed_update_leaves_the_stream_as_it_was(detector):
    told = []
    stream = RefittingStream(detector, every=250, on=240, steps=4, tell=told.append)
    points = run(stream, [np.nan] * 260)
    assert stream.refits == 0 and len(points) == 260
    assert len(told) == 1 and told == stream.notes and "left out" in told[0]


def test_rows_must_be_enough(detector):
    with pytest.raises(InputError, match="on=100 must be a whole number of at least 240"):
        RefittingStream(detector, every=10, on=100)
    with pytest.raises(InputError, match="every=0"):
        RefittingStream(detector, every=0)
    assert 240 <= RefittingStream(detector, every=10).on <= MOST
