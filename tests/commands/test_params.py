"""`vaehelpers params` and the options that are parameters under a name of their own."""

from __future__ import annotations

import json

import pytest

from vaehelpers.commands import cli
from vaehelpers.commands.options import _collect
from vaehelpers.detectors.settings import DETECTOR_PARAMETERS, PRESETS
from vaehelpers.report.parameters import parameters


def test_every_parameter_of_detector_and_notebook_is_listed(capsys):
    assert cli.run(["params", "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)
    assert list(groups["detector"]) == list(DETECTOR_PARAMETERS)
    assert set(groups["detector"]) | set(groups["report"]) == set(DETECTOR_PARAMETERS) | set(parameters())
    for name, one in groups["detector"].items():
        assert one["help"] == DETECTOR_PARAMETERS[name].help
        assert one["default"] == json.loads(json.dumps(PRESETS["fast"].get(name, DETECTOR_PARAMETERS[name].default)))


def test_the_preset_changes_the_defaults(capsys):
    assert cli.run(["params", "steps", "--preset", "accurate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["detector"]["steps"]["default"] == PRESETS["accurate"]["steps"]


def test_the_table_says_default_range_and_unit(capsys):
    assert cli.run(["params", "clip", "timesteps"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "default 8.0; at least 1 (standard deviations)" in text
    assert "default from the series; at least 2 (rows)" in text


@pytest.mark.parametrize(("arguments", "words"), [
    (["params", "cilp"], ["unknown parameter 'cilp'", "did you mean 'clip'"]),
    (["params", "--preset", "slow"], ["preset='slow'", "fast, accurate"]),
])  # fmt: skip
def test_a_wrong_name_is_one_line(capsys, arguments, words):
    assert cli.run(arguments) == 2
    told = capsys.readouterr().err.strip()
    assert len(told.splitlines()) == 1
    assert all(word in told for word in words)


def test_false_alarms_is_the_parameter_of_that_name():
    assert _collect("fast", 0, (), 4.0) == _collect("fast", 0, ("false_alarms=4.0",))
    assert "false_alarms=4.0" in _collect("fast", 0, (), 4.0)["settings"]


def test_an_impossible_number_of_false_alarms_is_refused(capsys, tmp_path):
    assert cli.run(["fit", "example", "--out", str(tmp_path / "d"), "--false-alarms", "0"]) == 2
    assert "false_alarms=0" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
