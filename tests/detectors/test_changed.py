"""A series that has changed since the fit: every way of judging it lets the line follow, and they agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaehelpers.detectors import Detector, OnnxScorer
from vaehelpers.detectors.outofcore import judge_parts

pytestmark = pytest.mark.slow  # fits a detector


def wave(n, seed, loud=0.1):
    return np.sin(np.arange(n) / 3) + loud * np.random.default_rng(seed).normal(size=n)


@pytest.fixture(scope="module")
def detector():
    return Detector(
        timesteps=12, units=4, latent_dim=2, steps=40, smooth=3, seed=1, hold_back=0.6, contamination=0.0
    ).fit(wave(12_000, 0))


@pytest.fixture(scope="module")
def changed():
    rows = wave(14_000, 2, loud=0.3)
    rows[12_000:12_004] += 8.0
    return rows


def test_the_event_behind_the_change_is_found(detector, changed):
    found = detector.explain(changed)
    assert detector.alarm_line_.status == "ok"
    assert found.check.status == "doubtful" and found.check.redrawn and found.line is not detector.alarm_line_
    late = found.events[found.events["first"] > 10_000]
    hit = late[(late["first"] <= 12_003) & (late["last"] >= 12_000)]
    assert len(hit) == 1 and hit["n_points"].iloc[0] < 100 and len(late) <= 4
    assert np.mean(found.flags[10_000:]) < 0.02
    stays = detector.alarm_line_.point_scores(detector._time_scales(detector._ready(changed)[1], lambda *_: None)).score
    assert np.mean(stays[10_000:] >= detector.alarm_line_.start) > 10 * np.mean(
        found.point_scores[10_000:] >= found.line.start
    )


def test_the_same_rows_again_do_not_move_the_line(detector):
    found = detector.explain(wave(8_000, 5))
    assert found.check.status == "ok" and not found.check.redrawn and found.line is detector.alarm_line_


def test_every_way_of_judging_agrees(detector, changed, tmp_path):
    found = detector.explain(changed)
    np.testing.assert_array_equal(detector.predict(changed), found.flags.astype(int))
    judged = judge_parts(detector, lambda first, last: changed[first:last, None], len(changed), rows=3_000)
    assert judged.check.redrawn and judged.check.reason == found.check.reason
    columns = ["first", "last", "kind", "scale"]
    pd.testing.assert_frame_equal(judged.events[columns], found.events[columns])
    np.testing.assert_array_equal(judged.flags, found.flags)
    pytest.importorskip("onnxruntime")
    scorer = OnnxScorer(detector.export(tmp_path / "model.onnx"))
    assert np.mean(scorer.predict(changed) == found.flags) > 0.999
