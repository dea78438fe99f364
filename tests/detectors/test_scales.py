"""Rows that rank by the larger of two time scales: the window's error, and the row's own."""

import numpy as np
import pytest

from vaehelpers.common import InputError
from vaehelpers.detectors import Detector, score_parts
from vaehelpers.windows import smooth

pytestmark = pytest.mark.slow  # fits detectors

QUICK = {"timesteps": 20, "latent_dim": 2, "units": 4, "steps": 30, "batch_size": 32, "smooth": 60}


def wave(n, features=2, seed=0):
    rows = np.arange(n)[:, None]
    return np.sin(rows / 3 + np.arange(features)) + 0.1 * np.random.default_rng(seed).normal(size=(n, features))


def odd():
    values = wave(1_000, seed=1)
    values[600:603, 1] += 4.0
    values[300, 0] = np.nan
    return values


@pytest.fixture(scope="module")
def pair():
    train = wave(1_500)
    return Detector(**QUICK).fit(train), Detector(**QUICK, scales="window+row").fit(train)


def test_the_larger_of_both_scales_counts(pair):
    plain, both = pair
    given, prepared = both._ready(odd())
    errors = np.nansum(both._errors(prepared, lambda *_: None)[0], axis=1)
    rows = smooth(errors, 25, gaps=given.gaps)
    windows = plain.decision_function(odd())
    factor = both._row_factor
    assert factor > 0
    np.testing.assert_allclose(both.decision_function(odd()), np.maximum(windows, factor * rows), rtol=1e-5)
    share = (factor * rows > windows).mean()
    assert 0.02 < share < 0.98  # each of the two decides somewhere


def test_both_scales_have_the_same_tail_in_training(pair):
    plain, both = pair
    known = wave(1_500)[: int(1_500 * 0.7)]
    prepared = both._ready(known)[1]
    rows = both._row_factor * smooth(np.nansum(both._errors(prepared, lambda *_: None)[0], axis=1), 25)
    ratio = np.quantile(rows, 0.999) / np.quantile(plain.decision_function(known), 0.999)
    assert 0.7 < ratio < 1.4  # drawn before the second half of the training


def test_contributions_still_add_up_and_name_the_variable(pair):
    both = pair[1]
    picture = both.explain(odd())
    np.testing.assert_allclose(picture.scores, both.decision_function(odd()), rtol=1e-5)
    peak = int(np.argmax(picture.scores))
    assert 580 < peak < 622
    assert int(picture.contributions[peak].argmax()) == 1


def test_saved_and_scored_in_parts_alike(pair, tmp_path):
    both = pair[1]
    expected = both.decision_function(odd())
    again = Detector.load(both.save(tmp_path / "saved"))
    np.testing.assert_allclose(again.decision_function(odd()), expected, rtol=1e-6)
    values = odd()
    parts = score_parts(again, lambda first, last: values[first:last], 1_000, rows=300)
    np.testing.assert_allclose(np.concatenate([part for _, part in parts]), expected, rtol=1e-5)


def test_what_has_no_second_scale_says_so(pair, tmp_path):
    with pytest.raises(InputError, match=r"scales='window\+row' has no ONNX form"):
        pair[1].export(tmp_path / "two.onnx")
    with pytest.raises(InputError, match="scales='rows' is unknown"):
        Detector(scales="rows").fit(wave(100))
