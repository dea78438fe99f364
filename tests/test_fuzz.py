"""A short part of `make fuzz`, the same on every run: files, parameters, states and detectors that were changed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import fuzz


@pytest.mark.filterwarnings("ignore")
def test_changed_files_are_read_or_refused(tmp_path):
    outcomes, wrong = fuzz.drive("inputs", lambda seed: fuzz.try_input(seed, tmp_path), 400)
    assert wrong == []
    assert outcomes["series"] > 20
    assert outcomes["refused"] > 100


def test_odd_parameters_are_taken_or_refused():
    outcomes, wrong = fuzz.drive("parameters", fuzz.try_parameters, 600)
    assert wrong == []
    assert min(outcomes["taken"], outcomes["refused"]) > 20


@pytest.mark.slow
def test_changed_states_and_detectors_are_refused_or_harmless(tmp_path):
    outcomes, wrong = fuzz.drive("states", fuzz.States(tmp_path).tries, 60)
    assert wrong == []
    assert outcomes["refused"] > 20
    outcomes, wrong = fuzz.drive("detectors", fuzz.Tampering(tmp_path).tries, 60)
    assert wrong == []
    assert outcomes["refused"] > 20
