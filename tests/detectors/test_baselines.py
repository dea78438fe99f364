"""vaehelpers.baselines: one contract for all, and what each is there to see."""

from __future__ import annotations

import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone

from vaehelpers.common import InputError
from vaehelpers.data import Series
from vaehelpers.detectors import MatrixProfile, MovingZScore, WindowedPCA
from vaehelpers.detectors.baseline import Baseline
from vaehelpers.detectors.baselines import BASELINES, make_baseline
from vaehelpers.metrics import auc_roc, vus_pr
from vaehelpers.windows import gather, smooth, window_starts, windows_to_points

QUICK = [name for name in BASELINES if name != "matrix_profile"]
WINDOWED = ["pca", "kmeans"]


def rhythm(n=1_200, n_features=1, period=50):
    rows = np.arange(n)[:, None]
    noise = (rows * 7919 % 1009 - 504) / 10_000
    return (np.sin(2 * np.pi * (rows / period + np.arange(n_features) / 7)) + noise).astype(np.float32)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("n_features", [1, 3])
def test_contract(name, n_features):
    """Clone, shape, higher = more anomalous in every row defined, same answer twice, train part alone decides."""
    series = rhythm(n_features=n_features)
    model = make_baseline(name, smooth=5)
    assert model.fit(series[:600]) is model
    scores = model.decision_function(series)
    assert scores.shape == (1_200,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(clone(model).fit(series[:600]).decision_function(series), scores)
    np.testing.assert_array_equal(model.fit(pd.DataFrame(series[:600])).decision_function(series), scores)


@pytest.mark.parametrize("name", QUICK)
def test_smoothing_is_that_of_windows(name):
    series = rhythm()
    windows = {"scales": "window"} if name == "pca" else {}
    raw = make_baseline(name, smooth=1, **windows).fit(series[:600]).decision_function(series)
    smoothed = make_baseline(name, smooth=31, **windows).fit(series[:600]).decision_function(series)
    np.testing.assert_allclose(smoothed, smooth(raw, 31), atol=1e-12)


@pytest.mark.parametrize("name", QUICK)
def test_missing_values(name):
    """Missing rows get no score, the rest does, and what stood in a missing cell cannot matter."""
    series = rhythm(n_features=2)
    series[100:110] = np.nan
    series[700:720, 0] = np.nan
    series[800:830] = np.nan
    scores = make_baseline(name, smooth=9).fit(series[:600]).decision_function(series)
    missing = np.isnan(series).all(axis=1)
    np.testing.assert_array_equal(np.isnan(scores), missing)


@pytest.mark.parametrize("name", QUICK[1:])  # random looks at no value
def test_gaps_part_the_series(name):
    """Scores of the piece before a gap do not depend on what comes behind it."""
    series = rhythm()
    other = series.copy()
    other[900:] += 3.0
    model = make_baseline(name, smooth=21).fit(series[:600])
    whole = model.decision_function(with_gaps(series, 900))
    moved = model.decision_function(with_gaps(other, 900))
    np.testing.assert_array_equal(whole[:900], moved[:900])
    assert np.nanmax(np.abs(whole[900:] - moved[900:])) > 0 or name in ("abs_diff", "moving_variance")


def with_gaps(values, *gaps):
    """A series whose clock jumps ahead of these rows."""
    times = np.arange(len(values), dtype=float)
    for row in gaps:
        times[row:] += 1_000.0
    series = Series(values, times=times)
    assert series.gaps.tolist() == list(gaps)
    return series


@pytest.mark.parametrize("name", WINDOWED)
def test_stretches_shorter_than_a_window_have_no_score(name):
    series = rhythm()
    model = make_baseline(name, timesteps=50, smooth=1).fit(series[:600])
    scores = model.decision_function(with_gaps(series, 700, 730))
    assert np.isnan(scores[700:730]).all()
    assert np.isfinite(scores[:700]).all()
    assert np.isfinite(scores[730:]).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("abs_diff", "spike"),
        ("moving_zscore", "level"),
        ("moving_variance", "noise"),
        ("pca", "shape"),
        ("kmeans", "shape"),
        ("pca", "spike"),
        ("pca", "level"),
    ],
)
def test_sees_what_it_is_there_for(name, kind):
    series, labels = rhythm()[:, 0], np.zeros(1_200, int)
    labels[900:940] = 1
    if kind == "spike":
        labels[:] = 0
        labels[920] = 1
        series[920] += 4
    elif kind == "level":
        series[900:940] += 3
    elif kind == "noise":
        series[900:940] += np.random.default_rng(0).normal(size=40) * 2
    else:
        series[900:940] *= -1
    model = make_baseline(name, smooth=1 if kind == "spike" else 20).fit(series[:600])
    chance = labels.mean()
    assert auc_roc(labels, model.decision_function(series)) > 0.9
    assert vus_pr(labels, model.decision_function(series), 20) > 10 * chance


def test_random_is_no_detector():
    labels = np.zeros(20_000, int)
    labels[5_000:6_000] = 1
    series = rhythm(20_000)
    aucs = [
        auc_roc(labels, make_baseline("random", smooth=1, seed=seed).fit(series).decision_function(series))
        for seed in range(10)
    ]
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.02)
    assert len(set(aucs)) == 10


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.float64, st.tuples(st.integers(3, 30), st.integers(1, 3)), elements=st.floats(-5, 5, width=32)))
def test_moving_zscore_is_the_squared_zscore(series):
    scores = MovingZScore(smooth=1).fit(series).decision_function(series)
    spread = series.std(axis=0)
    z = (series - series.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    if ((spread == 0) | (spread > 1e-6)).all():
        np.testing.assert_allclose(scores, (z**2).mean(axis=1), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 40), st.integers(1, 6), st.integers(1, 2), st.integers(0, 99))
def test_pca_equals_its_twin(timesteps, n_components, n_features, seed):
    """All windows at once, the whole SVD, against batches and a truncated basis."""
    series = np.random.default_rng(seed).normal(size=(200, n_features)).cumsum(axis=0)
    series[150] *= 20  # beyond 8 deviations: cut before it is rebuilt, held whole against it
    model = WindowedPCA(n_components=n_components, timesteps=timesteps, smooth=1, scales="window").fit(series[:120])
    scaled = (series - series[:120].mean(axis=0)) / series[:120].std(axis=0)
    starts = window_starts(200, timesteps)
    whole = gather(scaled, starts, timesteps).reshape(len(starts), -1)
    windows = np.clip(whole, -8, 8)
    train = windows[: 120 - timesteps + 1]
    centre = train.mean(axis=0)
    basis = np.linalg.svd(train - centre, full_matrices=False)[2][:n_components]
    error = (whole - centre) - (windows - centre) @ basis.T @ basis
    per_step = np.repeat((error**2).mean(axis=1)[:, None], timesteps, axis=1)
    expected = windows_to_points(per_step, starts, 200)
    np.testing.assert_allclose(model.decision_function(series), expected, rtol=2e-3, atol=1e-4)


@pytest.mark.slow
def test_many_windows_stay_out_of_memory():
    """300,000 windows of 200 would be 240 MB as float32."""
    series = rhythm(300_000)
    for name in WINDOWED:
        model = make_baseline(name, timesteps=200, smooth=1).fit(series[:5_000])
        tracemalloc.start()
        model.decision_function(series)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 80e6, name


def test_training_windows_are_bounded():
    """One variable more or less must not make the training matrix larger than the bound."""
    series = np.random.default_rng(0).normal(size=(3_000, 40)).astype(np.float32)
    model = WindowedPCA(n_components=2, timesteps=1_000, smooth=1)
    model.fit(series[:1_500])
    model.timesteps_ = 1_000
    assert model._training_windows(model.prepare(series)).nbytes <= 200e6


def test_constant_training_part():
    series = np.zeros(400)
    series[300:310] = 5.0
    for name in QUICK:
        scores = make_baseline(name, smooth=1).fit(series[:200]).decision_function(series)
        assert np.isfinite(scores).all()
        if name not in ("random", "abs_diff", "moving_variance"):
            assert 290 <= scores.argmax() < 320, name


def test_bad_input_names_both_numbers():
    with pytest.raises(InputError, match=r"timesteps=100 is longer than the training part \(80 rows\); use at most 80"):
        WindowedPCA(timesteps=100).fit(np.arange(80.0))
    with pytest.raises(InputError, match=r"20 rows are fewer than one window \(timesteps=50\)"):
        WindowedPCA(timesteps=50).fit(rhythm()).decision_function(np.arange(20.0))
    with pytest.raises(InputError, match=r"1 gaps\); use at most 60"):
        WindowedPCA(timesteps=70).fit(with_gaps(np.arange(100.0), 60))
    with pytest.raises(InputError, match=r"has 2 variables \(.*\); this detector was fitted on 1"):
        MovingZScore().fit(np.arange(9.0)).decision_function(np.zeros((9, 2)))
    with pytest.raises(InputError, match="holds no number"):
        MovingZScore().fit([np.nan, np.nan])
    with pytest.raises(InputError, match="hold nothing"):
        MovingZScore().fit([])
    with pytest.raises(InputError, match="not a number"):
        MovingZScore().fit(["a", "b"])
    with pytest.raises(InputError, match="look like windows"):
        MovingZScore().fit(np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="smooth=0"):
        MovingZScore(smooth=0).fit(np.arange(9.0))
    with pytest.raises(InputError, match="n_clusters=0"):
        make_baseline("kmeans", n_clusters=0).fit(rhythm())
    with pytest.raises(InputError, match=r"n_components=-1"):
        make_baseline("pca", n_components=-1).fit(rhythm())
    with pytest.raises(InputError, match="random, abs_diff"):
        make_baseline("donut")
    with pytest.raises(InputError, match=r"no parameter n_clusters; it has .*n_components"):
        make_baseline("pca", n_clusters=3)


def test_progress_reaches_its_total():
    calls = []
    series = rhythm(5_000)
    model = WindowedPCA(timesteps=50).fit(series)
    model.decision_function(series, progress=lambda *call: calls.append(call))
    assert calls[-1] == ("scoring", 4_951, 4_951)


def test_a_baseline_of_ones_own():
    class Level(Baseline):
        def _points(self, prepared, progress):
            return prepared.whole[:, 0]

    np.testing.assert_allclose(Level(smooth=1).fit([0.0, 2.0]).decision_function([3.0]), [2.0])


def test_matrix_profile_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "stumpy", None)
    with pytest.raises(InputError, match=r"stumpy; pip install 'vaehelpers\[baselines\]'"):
        make_baseline("matrix_profile").fit(rhythm())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_matrix_profile():
    """Against the definition: nearest z-normalized training window; own rows leave themselves out; gaps; missing."""
    pytest.importorskip("stumpy")
    rng = np.random.default_rng(0)
    series, train, width = rng.normal(size=(160, 1)).cumsum(axis=0), 90, 8
    fitted = MatrixProfile(timesteps=width, smooth=1).fit(series[:train])
    scores = fitted.decision_function(series)
    scaled = (series - series[:train].mean()) / series[:train].std()
    windows = gather(scaled, np.arange(160 - width + 1), width)[:, :, 0]
    windows = (windows - windows.mean(axis=1, keepdims=True)) / windows.std(axis=1, keepdims=True)
    n_train = train - width + 1
    nearest = np.empty(len(windows))
    for i, window in enumerate(windows):
        distance = np.linalg.norm(windows[:n_train] - window, axis=1)
        if i < n_train:  # not its own neighbourhood: a quarter of the width, the convention of the matrix profile
            distance[max(0, i - 2) : i + 3] = np.inf
        nearest[i] = distance.min()
    expected = windows_to_points(np.repeat(nearest[:, None], width, 1), np.arange(len(windows)), 160)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)

    holes = series.copy()
    holes[120] = np.nan
    broken = fitted.decision_function(with_gaps(holes, 140))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(broken)), [120])
    with pytest.raises(InputError, match="needs a training part of 100 rows and there are 90; use at most 45"):
        MatrixProfile(timesteps=50).fit(series[:90])
