"""The Tab key, by click's own machinery: what a shell would be told."""

from __future__ import annotations

import pytest
from click.shell_completion import BashComplete

from vaehelpers.commands.cli import cli
from vaehelpers.detectors.settings import DETECTOR_PARAMETERS, PRESETS


def offered(*words):
    complete = BashComplete(cli, {}, "vaehelpers", "_VAEHELPERS_COMPLETE")
    return complete.get_completions(list(words[:-1]), words[-1])


@pytest.mark.parametrize("command", ["report", "fit"])
def test_series_are_known_names_and_files(command):
    items = offered(command, "exam")
    assert [item.value for item in items if item.type == "plain"] == ["example", "example-multivariate"]
    assert items[-1].type == "file"
    assert [item.type for item in offered(command, "./data/")] == ["file"]


@pytest.mark.parametrize("command", ["report", "fit", "params"])
def test_presets(command):
    assert {item.value for item in offered(command, "--preset", "")} == set(PRESETS)


def test_parameters_with_their_help():
    items = {item.value: item.help for item in offered("fit", "--set", "tim")}
    assert items == {"timesteps=": DETECTOR_PARAMETERS["timesteps"].help}
    assert [item.value for item in offered("params", "tim")] == ["timesteps"]


FOLDERS = [("bench", ""), ("compare", ""), ("score", ""), ("watch", ""), ("fit", "--update", "")]


@pytest.mark.parametrize("words", FOLDERS)
def test_folders(words):
    assert [item.type for item in offered(*words)] == ["dir"]
