"""Rows that rank by the largest of three time scales: the window's error, and the row's own over 1 and 25 rows."""

import json

import numpy as np
import pytest

from vaehelpers.common import InputError
from vaehelpers.detectors import Detector, OnnxScorer, WindowedPCA, score_parts
from vaehelpers.detectors.saved import _checksum
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
    return Detector(**QUICK, scales="window").fit(train), Detector(**QUICK).fit(train)


def rows_of(detector, values):
    """Errors of rows at both scales, times their factors."""
    given, prepared = detector._ready(values)
    errors = np.nansum(detector._errors(prepared, lambda *_: None)[0], axis=1)
    factors = detector._row_scales.factors
    assert list(factors) == [1, 25] and min(factors.values()) > 0
    return [factor * smooth(errors, rows, gaps=given.gaps) for rows, factor in factors.items()]


def test_the_largest_of_all_scales_counts(pair):
    plain, both = pair
    windows = plain.decision_function(odd())
    every = np.stack([windows, *rows_of(both, odd())])
    np.testing.assert_allclose(both.decision_function(odd()), every.max(axis=0), rtol=1e-5)
    shares = np.bincount(every.argmax(axis=0), minlength=3) / len(windows)
    assert (shares > 0.002).all()  # each of the three decides somewhere


def test_all_scales_have_the_same_tail_in_training(pair):
    plain, both = pair
    known = wave(1_500)[: int(1_500 * 0.7)]
    windows = np.quantile(plain.decision_function(known), 0.999)
    for rows in rows_of(both, known):
        assert 0.7 < np.quantile(rows, 0.999) / windows < 1.4  # drawn before the second half of the training


def test_pca_counts_rows_alike():
    train = wave(1_500)
    plain, both = (
        WindowedPCA(timesteps=20, smooth=60, scales=scales).fit(train) for scales in ("window", "window+row")
    )
    every = np.stack([plain.decision_function(odd()), *rows_of(both, odd())])
    np.testing.assert_allclose(both.decision_function(odd()), every.max(axis=0), rtol=1e-5)
    assert (np.bincount(every.argmax(axis=0), minlength=3) > 2).all()
    picture = both.explain(odd())
    np.testing.assert_allclose(picture.scores, both.decision_function(odd()), rtol=1e-5)
    assert int(picture.contributions[601].argmax()) == 1


def test_only_the_error_of_windows_is_helped():
    train = wave(1_500)
    plain, both = (Detector(**QUICK, kind="error", scales=scales).fit(train) for scales in ("window", "window+row"))
    np.testing.assert_array_equal(plain.decision_function(odd()), both.decision_function(odd()))


def test_a_constant_series_has_scales():
    constant = np.full(1_500, 3.0)
    detector = Detector(**QUICK).fit(constant)
    assert np.isfinite(detector.decision_function(constant)).all()
    jump = constant.copy()
    jump[700] = 4.0
    assert 670 <= detector.decision_function(jump).argmax() <= 730


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


def write(folder, info):
    info["checksum"] = _checksum(info, folder / "model.keras")
    (folder / "detector.json").write_text(json.dumps(info))


def test_a_detector_from_before_there_were_two_loads(pair, tmp_path):
    folder = pair[1].save(tmp_path / "saved")
    info = json.loads((folder / "detector.json").read_text())
    factors = info.pop("row_scales")
    info["row_factor"] = factors["25"]
    write(folder, info)
    again = Detector.load(folder)
    assert again._row_scales.factors == {25: factors["25"]}
    del info["row_factor"], info["settings"]["scales"]
    write(folder, info)
    again = Detector.load(folder)
    assert again.settings_["scales"] == "window"
    np.testing.assert_allclose(again.decision_function(odd()), pair[0].decision_function(odd()), rtol=1e-5)


def test_onnx_scores_alike(pair, tmp_path):
    pytest.importorskip("onnxruntime")
    both = pair[1]
    scorer = OnnxScorer(both.export(tmp_path / "two.onnx"))
    np.testing.assert_allclose(scorer.decision_function(odd()), both.decision_function(odd()), rtol=1e-4)


def test_other_scales_are_refused():
    with pytest.raises(InputError, match="scales='rows' is unknown"):
        Detector(scales="rows").fit(wave(100))
