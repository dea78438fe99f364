"""The benchmark's corpus score against the published board, cases worked by hand, and a slow twin."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaehelpers.common.errors import InputError
from vaehelpers.metrics.nab import NAB_PROFILES, nab_score
from vaehelpers.metrics.nab_corpus import nab_corpus, nab_probation, nab_sweep

SHARED = Path(os.environ.get("VAEHELPERS_SHARED", Path(__file__).parents[3] / "shared" / "data"))

BOARD = {  # NAB's README and final_results.json, standard profile
    "ARTime": 74.85,
    "numenta": 70.10,
    "contextOSE": 69.90,
    "htmjava": 65.55,
    "earthgeckoSkyline": 58.20,
    "knncad": 57.99,
    "relativeEntropy": 54.64,
    "randomCutForest": 51.72,
    "twitterADVec": 47.06,
    "windowedGaussian": 39.65,
    "skyline": 35.69,
}


@pytest.fixture(scope="module")
def nab_labels():
    path = SHARED / "nab" / "labels" / "combined_windows.json"
    if not path.exists():
        pytest.skip(f"no {path}: NAB is not here (set VAEHELPERS_SHARED)")
    labels = {}
    for file, windows in json.loads(path.read_text()).items():
        times = pd.to_datetime(pd.read_csv(SHARED / "nab" / "data" / file)["timestamp"])
        inside = np.zeros(len(times), bool)
        for start, end in windows:
            inside |= ((times >= pd.Timestamp(start)) & (times <= pd.Timestamp(end))).to_numpy()
        labels[file] = inside
    return labels


def test_the_published_scores_come_out(nab_labels):
    path = SHARED / "nab_board_detections.csv"
    if not path.exists():
        pytest.skip(f"no {path}: the board's detections are not here")
    board = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert set(board["detector"]) == set(BOARD)
    for detector, rows in board.groupby("detector"):
        flags = []
        for file, truth in nab_labels.items():
            marks = np.zeros(len(truth), bool)
            marks[[int(row) for row in rows.loc[rows["file"] == file, "rows"].iloc[0].split()]] = True
            flags.append(marks)
        result = nab_corpus(list(nab_labels.values()), flags)
        assert round(result.score, 2) == BOARD[str(detector)], detector
        assert result.windows == 116


# --------------------------------------------------------------------------------------------------- worked by hand


def one_window(n=1_000, first=400, last=499):
    labels = np.zeros(n, int)
    labels[first : last + 1] = 1
    return labels


def sigmoid(position):
    return 2 / (1 + math.exp(5 * position)) - 1


def test_by_hand():
    """Two series, 1,000 rows, a window of 100 rows in the first only: raw points against -1 silent and 1 perfect."""
    labels = [one_window(), np.zeros(1_000, int)]
    flags = np.zeros((2, 1_000), int)
    assert nab_corpus(labels, flags).score == 0.0
    flags[0, 400] = 1
    assert nab_corpus(labels, flags).score == 100.0
    flags[0, 400], flags[0, [450, 460]] = 0, 1  # in the middle: only the first flag of a window counts
    hit = sigmoid(-0.5) / sigmoid(-1.0)
    assert nab_corpus(labels, flags).score == pytest.approx(100 * (hit + 1) / 2, abs=1e-9)
    flags[0, 600] = 1  # 101 rows behind the window's last row, whose length counts as 99
    late = 0.11 * sigmoid(101 / 99)
    assert nab_corpus(labels, flags).score == pytest.approx(100 * (hit + late + 1) / 2, abs=1e-9)
    flags[1, 900] = 1  # no window before it: all of the weight
    flags[:, :150] = 1  # the probation is not judged
    expected = {"standard": (0.11, 1.0), "lowFP": (0.22, 1.0), "lowFN": (0.11, 2.0)}
    for profile, (fp, fn) in expected.items():
        raw = hit + fp * sigmoid(101 / 99) - fp
        result = nab_corpus(labels, flags, profile=profile)
        assert result.score == pytest.approx(100 * (raw + fn) / (1 + fn), abs=1e-9)
        assert (result.hits, result.windows, result.false_rows, result.files_hit) == (1, 1, 2, 1)


def test_the_best_threshold_by_hand():
    labels = [one_window(), one_window(2_000, 1_500, 1_699)]
    scores = [np.zeros(1_000), np.full(2_000, np.nan)]
    scores[0][[300, 400, 450]] = 2.0, 3.0, 9.0  # as the line sinks: half of the window, then all of it, then an alarm
    scores[1][[1_000, 1_600]] = 5.0, 1.0  # an alarm, then the second window's middle
    best = nab_sweep(labels, scores)
    half = sigmoid(-0.5) / sigmoid(-1.0)
    raw = np.array([-2, half - 1, half - 1 - 0.11, -0.11, -0.22, half + 1 - 0.22])
    assert best.thresholds[:6].tolist() == [math.inf, 9.0, 5.0, 3.0, 2.0, 1.0]
    np.testing.assert_allclose(best.scores[:6], 100 * (raw + 2) / 4, atol=1e-9)
    assert best.threshold == 1.0 and best.score == pytest.approx(100 * (half + 3 - 0.22) / 4)


def test_silence_is_the_best_of_useless_scores():
    scores = np.zeros(1_000)
    scores[200:300] = np.arange(100, 0, -1)
    best = nab_sweep([one_window()], [scores])
    assert (best.threshold, best.score) == (math.inf, 0.0)


# ------------------------------------------------------------------------------------------------------- properties


@st.composite
def corpora(draw):
    series = []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(2, 50))
        series.append(
            (
                draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1))),
                draw(hnp.arrays(np.float64, n, elements=st.integers(0, 4).map(float))),
            )
        )
    series[0][0][-1] = 1
    return [labels for labels, _ in series], [scores for _, scores in series]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(corpora(), st.sampled_from(sorted(NAB_PROFILES)))
def test_each_threshold_of_the_sweep_scores_as_its_flags(corpus, profile):
    labels, scores = corpus
    sweep = nab_sweep(labels, scores, profile=profile)
    for threshold, score in zip(sweep.thresholds, sweep.scores):
        flags = [values >= threshold for values in scores]
        assert score == pytest.approx(nab_corpus(labels, flags, profile=profile).score, abs=1e-9)
    assert sweep.score == sweep.scores.max()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(corpora(), st.sampled_from(sorted(NAB_PROFILES)))
def test_one_series_scores_as_nab_score(corpus, profile):
    labels, scores = corpus[0][0], corpus[1][0] > 2
    assert nab_corpus([labels], [scores], profile=profile).score == pytest.approx(
        nab_score(labels, scores, profile=profile), abs=1e-9
    )


# ---------------------------------------------------------------------------------------------------------- refused


def test_probation():
    assert [nab_probation(n) for n in (0, 10, 1_127, 5_000, 5_001, 22_695)] == [0, 1, 169, 750, 750, 750]


@pytest.mark.parametrize("function", [nab_corpus, nab_sweep])
def test_bad_input(function):
    labels, good = one_window(), np.zeros(1_000)
    with pytest.raises(InputError, match="'lowfp' is unknown"):
        function([labels], [good], profile="lowfp")
    with pytest.raises(InputError, match="2 series have labels, 1"):
        function([labels, labels], [good])
    with pytest.raises(InputError, match=r"series 1: .*999"):
        function([labels, labels], [good, good[1:]])
    with pytest.raises(InputError, match=r"no.* window behind"):
        function([np.zeros(1_000, int)], [good])
