"""vaehelpers.metrics against slow twins, the benchmark's own numbers, and cases worked by hand."""

from __future__ import annotations

import math
import os
import re
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import reference_metrics as slow
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaehelpers import metrics
from vaehelpers.common import InputError
from vaehelpers.metrics import nab, ranges

SHARED = Path(os.environ.get("VAEHELPERS_SHARED", Path(__file__).parents[3] / "shared" / "data"))

bits = st.integers(2, 40).flatmap(lambda n: st.tuples(*(hnp.arrays(np.int8, n, elements=st.integers(0, 1)),) * 2))


@st.composite
def scored(draw, max_size=60):
    """Labels with at least one event, and scores with ties."""
    n = draw(st.integers(2, max_size))
    labels = draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1)))
    labels[draw(st.integers(0, n - 1))] = 1
    scores = draw(hnp.arrays(np.float64, n, elements=st.integers(-5, 5).map(float)))
    return labels, scores


def synthetic():
    """A series of 700 rows, five events of 1 to 60 rows of which one is at the edge and two are close together."""
    rows = np.arange(700)
    labels = np.zeros(700, int)
    for first, last in ((0, 11), (150, 209), (216, 216), (400, 429), (640, 655)):
        labels[first : last + 1] = 1
    noise = (rows * 7919 % 1009) / 1009
    shifted = np.roll(labels, 5)
    return labels, {"good": shifted + noise, "noise": noise, "coarse": np.round(2 * shifted + 3 * noise)}


# ------------------------------------------------------------------------------------------ the benchmark's numbers


@pytest.fixture(scope="module")
def oracle():
    path = SHARED / "metrics_oracle.csv"
    if not path.exists():
        pytest.skip(f"no {path}: the benchmark's numbers are not here (set VAEHELPERS_SHARED)")
    return pd.read_csv(path)


def read_tsb(name):
    path = next(folder / name for folder in (SHARED / "tsb_nab", SHARED / "tuning") if (folder / name).exists())
    frame = pd.read_csv(path)
    match = re.search(r"_tr_(\d+)_", name)
    assert match
    return frame.iloc[:, 0].to_numpy(float), frame["Label"].to_numpy(int), int(match[1])


def test_agrees_with_the_benchmark(oracle):
    """Issue 5: VUS-PR and VUS-ROC to 1e-9 on all 34 series and three scores; the buffer length exactly."""
    for name, rows in oracle.groupby("file"):
        series, labels, train = read_tsb(name)
        window = metrics.sliding_window_of(series)
        assert window == rows["sliding_window"].iloc[0], name
        z = np.clip((series - series[:train].mean()) / (series[:train].std() + 1e-8), -8, 8)
        averaged = np.convolve(np.pad(z**2, 50, mode="edge"), np.ones(101) / 101, mode="valid")
        scores = {"z2": z**2, "z2_ma101": averaged, "abs_diff": np.abs(np.diff(series, prepend=series[0]))}
        for row in rows.itertuples():
            score = scores[row.score]
            result = metrics.evaluate(labels, (score - score.min()) / np.ptp(score), window=window)
            # a moving average has near-ties, whose order hangs on the processor's rounding in np.convolve
            close = 5e-3 if row.score == "z2_ma101" else 1e-9
            for figure in ("vus_pr", "vus_roc", "auc_pr", "auc_roc"):
                assert result[figure] == pytest.approx(getattr(row, figure), rel=0, abs=close), (name, row.score)


# fmt: off
COMMITTED = [  # score, window, VUS-PR, VUS-ROC; by vus_slow
    ("good", 0, 0.646563996720, 0.764825930372),
    ("good", 1, 0.646563996720, 0.764825930372),
    ("good", 10, 0.796637691957, 0.897579181888),
    ("good", 37, 0.915233348022, 0.962599611795),
    ("good", 100, 0.959308500293, 0.983814488446),
    ("noise", 0, 0.174591308627, 0.444443801617),
    ("noise", 1, 0.174591308627, 0.444443801617),
    ("noise", 10, 0.194665746075, 0.528569927488),
    ("noise", 37, 0.248867243448, 0.632166143324),
    ("noise", 100, 0.380479036506, 0.759305962382),
    ("coarse", 0, 0.465171708881, 0.725179710438),
    ("coarse", 1, 0.465171708881, 0.725179710438),
    ("coarse", 10, 0.575086760742, 0.829162647106),
    ("coarse", 37, 0.680564277839, 0.893047936660),
    ("coarse", 100, 0.762884780079, 0.931883783947),
]
# fmt: on


@pytest.mark.parametrize(("name", "window", "pr", "roc"), COMMITTED)
def test_committed_numbers(name, window, pr, roc):
    labels, scores = synthetic()
    assert metrics.vus(labels, scores[name], window) == pytest.approx((pr, roc), rel=0, abs=1e-9)


# ---------------------------------------------------------------------------------------------------------- slow twins


@settings(deadline=None, max_examples=60)
@given(scored(), st.integers(0, 13))
def test_vus_equals_its_twin(case, window):
    labels, scores = case
    expected = slow.vus_slow(labels, scores, window)
    assert metrics.vus(labels, scores, window) == pytest.approx(expected, rel=0, abs=1e-11, nan_ok=True)
    assert metrics.vus_pr(labels, scores, window) == metrics.vus(labels, scores, window)[0]
    assert metrics.vus_roc(labels, scores, window) == pytest.approx(expected[1], abs=1e-11, nan_ok=True)


def test_vus_equals_its_twin_on_dense_events():
    """Many short events under a long buffer: every row within reach of several."""
    rng = np.random.default_rng(3)
    labels = (rng.random(600) < 0.08).astype(int)
    scores = rng.normal(size=600) + labels
    assert metrics.vus(labels, scores, 41) == pytest.approx(slow.vus_slow(labels, scores, 41), rel=0, abs=1e-11)


@given(bits)
def test_runs_equal_their_twin(case):
    assert [tuple(run) for run in metrics.runs(case[0])] == slow.runs_slow(case[0])


@settings(deadline=None)
@given(
    bits,
    st.floats(0, 1),
    st.sampled_from(["reciprocal", "one"]),
    st.sampled_from(["flat", "front", "middle", "back"]),
)
def test_range_precision_recall_equals_its_twin(case, alpha, cardinality, bias):
    labels, flags = case
    result = metrics.range_precision_recall(
        labels, flags, alpha=alpha, cardinality=cardinality, bias=bias, precision_bias=bias
    )
    true_runs, flagged_runs = slow.runs_slow(labels), slow.runs_slow(flags)
    recall = slow.range_reward_slow(true_runs, flagged_runs, alpha, cardinality, bias)
    precision = slow.range_reward_slow(flagged_runs, true_runs, 0.0, cardinality, bias)
    assert result[:2] == pytest.approx((precision, recall), nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(bits)
def test_affiliation_equals_its_twin(case):
    labels, flags = case
    if not labels.any():
        assert all(math.isnan(value) for value in metrics.affiliation(labels, flags))
        return
    # the twin's grid of 40 points a row is good to a thousandth
    assert metrics.affiliation(labels, flags)[:2] == pytest.approx(
        slow.affiliation_slow(labels, flags), abs=2e-3, nan_ok=True
    )


@given(bits, st.floats(0, 1), st.integers(0, 5))
def test_event_wise_equals_its_twin(case, min_overlap, tolerance):
    labels, flags = case
    result = metrics.event_wise(labels, flags, min_overlap=min_overlap, tolerance=tolerance)
    counts = result.n_found, result.n_events, result.n_correct, result.n_flagged
    assert counts == slow.event_wise_slow(labels, flags, min_overlap, tolerance)


@given(bits, st.sampled_from(sorted(nab.NAB_PROFILES)), st.integers(0, 10))
def test_nab_equals_its_twin(case, profile, probation):
    labels, flags = case
    expected = slow.nab_slow(labels, flags, **nab.NAB_PROFILES[profile], probation=probation)
    result = metrics.nab_score(labels, flags, profile=profile, probation=probation)
    assert result == pytest.approx(expected, nan_ok=True)


@given(scored())
def test_best_f1_equals_its_twin(case):
    labels, scores = case
    assert metrics.best_point_f1(labels, scores) == pytest.approx(slow.best_f1_slow(labels, scores))
    best = max(metrics.point_adjusted_f1_misleading(labels, scores >= cut) for cut in np.unique(scores))
    assert metrics.best_point_adjusted_f1_misleading(labels, scores) == pytest.approx(best)


@pytest.mark.parametrize("period", [5, 6, 17, 120, 299, 350])
def test_sliding_window_equals_its_twin(period):
    rng = np.random.default_rng(period)
    series = np.sin(2 * np.pi * np.arange(1_500) / period) + rng.normal(size=1_500)
    assert metrics.sliding_window_of(series) == slow.sliding_window_slow(series)


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.integers(-9, 9).map(float)))
def test_sliding_window_of_short_series(series):
    if np.ptp(series):  # equal peaks could tip either way in the last bit
        series = series + 1e-3 * np.random.default_rng(0).normal(size=len(series))
    expected = 125 if np.ptp(series) == 0 else slow.sliding_window_slow(series)
    assert metrics.sliding_window_of(series) == expected


# ------------------------------------------------------------------------------------------------------- what must hold


@settings(deadline=None)
@given(scored(), st.integers(0, 9))
def test_only_the_order_of_scores_matters(case, window):
    labels, scores = case
    assert metrics.vus(labels, scores, window) == metrics.vus(labels, np.exp(scores) * 3 - 1, window)


@settings(deadline=None)
@given(scored(), st.data())
def test_missing_scores_count_as_lowest(case, data):
    labels, scores = case
    missing = data.draw(hnp.arrays(bool, len(scores)))
    holes, lowest = np.where(missing, np.nan, scores), np.where(missing, -99.0, scores)
    expected, result = metrics.evaluate(labels, lowest, window=6), metrics.evaluate(labels, holes, window=6)
    assert result == pytest.approx(expected, nan_ok=True)


def test_infinite_scores_keep_their_order():
    labels = np.array([0, 0, 1, 0, 1])
    result = metrics.evaluate(labels, [-np.inf, 0.0, np.inf, 1.0, 2.0], window=2)
    assert result == pytest.approx(metrics.evaluate(labels, [-9.0, 0.0, 9.0, 1.0, 2.0], window=2))


def test_perfect_and_random_scores():
    labels = np.zeros(5_000, int)
    labels[1_000:1_200] = labels[3_000:3_050] = 1
    assert metrics.vus(labels, labels, 0) == pytest.approx((1.0, 1.0))
    rng = np.random.default_rng(0)
    chance = [metrics.evaluate(labels, rng.normal(size=5_000), window=0) for _ in range(20)]
    assert np.mean([result["vus_pr"] for result in chance]) == pytest.approx(0.05, abs=0.01)
    assert np.mean([result["auc_roc"] for result in chance]) == pytest.approx(0.5, abs=0.01)
    # the reason for the name: the same random scores
    assert np.mean([result["best_point_adjusted_f1_misleading"] for result in chance]) > 0.6
    assert np.mean([result["best_point_f1"] for result in chance]) < 0.12


def test_nothing_labelled_and_everything_labelled():
    nothing = metrics.evaluate(np.zeros(9, int), np.arange(9.0), np.ones(9, int))
    undefined = (
        "vus_pr vus_roc auc_pr auc_roc point_recall point_f1 event_f1 range_f1 affiliation_precision nab_standard"
    )
    assert all(math.isnan(nothing[name]) for name in undefined.split())
    assert nothing["event_precision"] == nothing["point_precision"] == 0.0
    everything = metrics.evaluate(np.ones(9, int), np.arange(9.0), np.zeros(9, int))
    assert everything["vus_pr"] == pytest.approx(1.0)
    assert math.isnan(everything["vus_roc"])
    assert math.isnan(everything["auc_roc"])
    assert math.isnan(everything["event_precision"])
    assert everything["event_f1"] == everything["affiliation_recall"] == 0.0
    empty = metrics.evaluate([], [], [])
    assert empty["n"] == 0
    assert math.isnan(empty["vus_pr"])


def test_tatbul_by_hand():
    """Two events of four rows; one half found in one piece, the other found whole in two pieces of two flagged runs."""
    labels = [1, 1, 1, 1, 0, 1, 1, 1, 1, 0]
    flags = [1, 1, 0, 0, 0, 1, 1, 0, 1, 1]
    result = metrics.range_precision_recall(labels, flags)
    assert result.recall == pytest.approx((0.5 + 0.75 / 2) / 2)
    assert result.precision == pytest.approx((1 + 1 + 0.5) / 3)
    assert metrics.range_precision_recall(labels, flags, alpha=1.0).recall == 1.0


def test_affiliation_by_hand():
    """One event [4, 6) in a zone [0, 10), flag [7, 8): distance 1 to 2 to the event, 2 to 3 and back from it."""
    labels, flags = np.zeros((2, 10), int)
    labels[4:6] = flags[7] = 1
    result = metrics.affiliation(labels, flags)
    assert result.precision == pytest.approx(1 - (2 + 2 * 1.5) / 10)  # 2 + 2 d of 10 are nearer
    assert result.recall == pytest.approx(1 - 2 * 2 / 10)  # from y in [4, 6) to 7: 2 (7 - y) of 10 are nearer


def test_nab_by_hand():
    labels, flags = np.zeros((2, 1_000), int)
    labels[500:600] = 1
    assert metrics.nab_score(labels, flags) == 0.0
    flags[500] = 1
    assert metrics.nab_score(labels, flags, profile="lowFP") == 100.0
    flags[10] = 1  # on probation
    assert metrics.nab_score(labels, flags) == 100.0
    flags[200] = 1  # a false alarm before every window
    assert metrics.nab_score(labels, flags) == pytest.approx(100 * (2 - 0.11) / 2)
    assert metrics.nab_score(labels, flags, profile="lowFP") == pytest.approx(100 * (2 - 0.22) / 2)
    assert metrics.nab_score(labels, flags, profile="lowFN") == pytest.approx(100 * (3 - 0.11) / 3)


def test_evaluate_gathers_the_parts():
    labels, scores = synthetic()
    flags = scores["good"] > 1
    result = metrics.evaluate(labels, scores["good"], flags, window=30)
    assert (result["vus_pr"], result["vus_roc"]) == metrics.vus(labels, scores["good"], 30)
    assert result["range_recall"] == metrics.range_precision_recall(labels, flags).recall
    assert result["affiliation_f1"] == metrics.affiliation(labels, flags).f1
    assert result["event_precision"] == metrics.event_wise(labels, flags).precision
    assert result["nab_lowFN"] == metrics.nab_score(labels, flags, profile="lowFN")
    assert result["n_found_events"] == ranges.events_found(labels, flags).sum()
    assert metrics.evaluate(labels, scores["good"])["window"] == 100


def test_bad_input_names_both_numbers():
    with pytest.raises(InputError, match=r"labels has 3 rows and scores 2"):
        metrics.vus_pr([0, 1, 0], [1.0, 2.0])
    with pytest.raises(InputError, match=r"labels has 3 rows and flags 2"):
        metrics.point_f1([0, 1, 0], [1, 0])
    with pytest.raises(InputError, match=r"labels holds .*2.* in row 1"):
        metrics.auc_pr([0, 2, 0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match=r"flags holds .*nan.* in row 0"):
        metrics.event_wise([0, 1], [np.nan, 1])
    with pytest.raises(InputError, match="window=-1"):
        metrics.vus([0, 1], [0.0, 1.0], -1)
    with pytest.raises(InputError, match="alpha=2"):
        metrics.range_precision_recall([0, 1], [0, 1], alpha=2)
    with pytest.raises(InputError, match="standard, lowFP, lowFN"):
        metrics.nab_score([0, 1], [0, 1], profile="lowfp")


def test_300_000_rows_in_seconds_and_linear_memory():
    rng = np.random.default_rng(0)
    labels = np.zeros(300_000, int)
    for first in rng.integers(0, 299_000, 400):
        labels[first : first + 60] = 1
    scores = rng.normal(size=300_000) + labels
    tracemalloc.start()
    begin = time.perf_counter()
    metrics.vus(labels, scores, 200)
    seconds = time.perf_counter() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 5
    assert peak < 40e6  # 2.4 MB of scores; one array for each of 200 buffers would be 480 MB
