"""A large offset changes no score: series are centred in float64 before they become float32."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaehelpers.common.precision import narrow
from vaehelpers.data import Scaler, Series, read_series
from vaehelpers.detectors import Detector, StreamingDetector
from vaehelpers.detectors.baselines import make_baseline
from vaehelpers.detectors.spool import Spool
from vaehelpers.detectors.stream import trailing_scores
from vaehelpers.detectors.writing import write_scores

pytestmark = pytest.mark.slow  # fits detectors

QUICK = {"timesteps": 20, "latent_dim": 2, "units": 4, "steps": 30, "batch_size": 32, "smooth": 5}
OFFSETS = [1e6, 1.7e9, -3e11]


def wave(n=900):
    rows = np.arange(n)
    values = np.sin(rows / 3) + 0.1 * np.random.default_rng(0).normal(size=n)
    values[700:720] += 3.0
    return values


@pytest.fixture(scope="module")
def plain():
    return Detector(**QUICK).fit(wave()[:600])


@pytest.mark.parametrize("offset", OFFSETS)
def test_an_offset_changes_no_score(offset, plain, tmp_path):
    series = wave() + offset
    assert len(np.unique(series.astype(np.float32))) < 600  # in float32 at least a third of the rows would be lost
    detector = Detector(**QUICK).fit(series[:600])
    found = detector.decision_function(series)
    np.testing.assert_allclose(found, plain.decision_function(wave()), rtol=0.02)
    assert 695 <= found.argmax() <= 725
    assert (detector.predict(series) == plain.predict(wave())).mean() > 0.99
    picture = detector.explain(series)
    np.testing.assert_allclose(picture.expected[:600, 0] - offset, wave()[:600], atol=1.5)
    trailing = trailing_scores(detector, series)
    stream = StreamingDetector(detector)
    streamed = [stream.update(value).score for value in series[:60]]
    np.testing.assert_allclose(streamed, trailing[:60], rtol=1e-4)
    with Spool(tmp_path) as spool:
        for first in range(0, 900, 300):
            spool.append(Series(series[first : first + 300], columns=("value",)))
        write_scores(detector, spool, tmp_path / "scores.csv", rows=200)
    written = read_series(tmp_path / "scores.csv", values="score", label="flag").values[:, 0]
    np.testing.assert_allclose(written, found, rtol=1e-5)


@pytest.mark.parametrize("name", ["pca", "kmeans", "moving_zscore", "moving_variance", "abs_diff"])
def test_an_offset_changes_no_baseline(name):
    one, other = make_baseline(name, smooth=5), make_baseline(name, smooth=5)
    expected = one.fit(wave()[:600]).decision_function(wave())
    found = other.fit(wave()[:600] + 1.7e9).decision_function(Series(wave() + 1.7e9))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_files_with_an_offset_are_read_as_they_are(tmp_path):
    path = tmp_path / "counter.csv"
    path.write_text("value\n" + "\n".join(f"{1.7e9 + x:.6f}" for x in wave()))
    series = read_series(path)
    assert series.values.dtype == np.float64
    np.testing.assert_allclose(series.values[:, 0] - 1.7e9, wave(), atol=2e-6)


def test_one_coarse_variable_is_enough():
    both = np.stack([wave(), wave() + 1.7e9], axis=1)
    assert Series(both).values.dtype == np.float64
    assert Series(both[:, :1]).values.dtype == np.float32
    back = Scaler().fit(both).inverse_transform(Scaler().fit(both).transform(both))
    np.testing.assert_allclose(back, both, atol=1e-6, rtol=0)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    offset=st.floats(-1e12, 1e12),
    scale=st.floats(1e-3, 1e6),
    shape=st.sampled_from([(40,), (40, 2)]),
    holes=st.booleans(),
)
def test_rounding_stays_far_below_the_spread(offset, scale, shape, holes):
    values = offset + scale * np.random.default_rng(0).normal(size=shape)
    if holes:
        values[3:6] = np.nan
    found = narrow(values)
    assert found.dtype in (np.float32, np.float64)
    error = np.nanmax(np.abs(found.astype(np.float64) - values), axis=0)
    assert np.all(error <= 1e-3 * np.nanstd(values, axis=0))
    if abs(offset) < 100 * scale:
        assert found.dtype == np.float32  # memory is not spent where nothing is gained
