"""Saved detectors of every format that was ever published load for ever and score as on the day they were made."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vaehelpers.data import Series
from vaehelpers.detectors import Detector
from vaehelpers.detectors.saved import FORMAT

GOLDEN = Path(__file__).parents[1] / "golden"
FORMATS = sorted(path.name for path in GOLDEN.glob("format_*"))
CASES = [(made, name) for made in FORMATS for name in ("univariate", "multivariate")]


def test_every_format_up_to_todays_has_golden_files():
    assert [f"format_{number}" for number in range(1, FORMAT + 1)] == FORMATS
    for made, name in CASES:
        assert json.loads((GOLDEN / made / name / "detector.json").read_text())["format"] == int(made.split("_")[1])


@pytest.mark.slow
@pytest.mark.parametrize(("made", "name"), CASES)
def test_golden_detector_loads_and_scores_alike(made, name):
    detector = Detector.load(GOLDEN / made / name)
    with np.load(GOLDEN / made / f"{name}.npz") as golden:
        held = dict(golden)
    got = detector.explain(Series(held["values"], columns=tuple(detector.columns_)))
    # the series has missing values, and a hole longer than a window: rows with and without a score
    assert 0 < np.isnan(held["scores"]).sum() < len(held["scores"]) / 2
    for part in ("scores", "p_values", "expected", "upper"):
        np.testing.assert_allclose(getattr(got, part), held[part], rtol=1e-4, atol=1e-6, err_msg=part)
    np.testing.assert_array_equal(got.flags, held["flags"])
    # and what it says is right: the fault is in rows 120 to 130
    assert held["flags"][120:131].any()
    assert 110 < np.nanargmax(held["scores"]) < 140


@pytest.mark.slow
@pytest.mark.parametrize(("made", "name"), CASES)
def test_golden_detector_can_be_saved_again(made, name, tmp_path):
    detector = Detector.load(GOLDEN / made / name)
    again = Detector.load(detector.save(tmp_path / "again"))
    values = np.load(GOLDEN / made / f"{name}.npz")["values"]
    np.testing.assert_array_equal(again.decision_function(values), detector.decision_function(values))


def test_golden_files_are_small_and_hold_no_code():
    files = [path for path in GOLDEN.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 300_000
    assert {path.suffix for path in files} == {".json", ".keras", ".npz", ".py"}


@pytest.mark.slow
def test_golden_files_are_not_overwritten_by_accident():
    before = {path: path.stat().st_mtime_ns for path in GOLDEN.rglob("*.json")}
    command = [sys.executable, str(GOLDEN / "make.py"), FORMATS[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "exists already" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in GOLDEN.rglob("*.json")} == before
