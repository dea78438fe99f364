"""`pip install vaehelpers` alone: a report says in one line which extra it needs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vaehelpers.common import InputError
from vaehelpers.report.requirements import EXTRA, REPORT_NEEDS, check_report_requirements

ROOT = Path(__file__).parents[2]


def test_everything_is_there_in_a_development_environment():
    check_report_requirements()


def test_several_missing_modules_are_named_together():
    with pytest.raises(InputError, match=r"no_such_one, no_such_two, which are not installed: pip install .*notebooks"):
        check_report_requirements(["no_such_one", "json", "no_such_two"])


def test_the_extra_installs_what_is_checked():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][EXTRA]
    named = {Requirement(text).name for text in listed}
    assert (
        set(REPORT_NEEDS) - {"nbformat"} <= named
    )  # nbformat comes with nbconvert and papermill, which cannot be without


def test_the_command_line_says_it_in_one_line(tmp_path):
    """With the modules hidden, as after a plain `pip install vaehelpers`."""
    code = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        f"hidden = {set(REPORT_NEEDS)!r}\n"
        "util.find_spec = lambda name, *rest: None if name.split('.')[0] in hidden else find(name, *rest)\n"
        "for name in hidden: sys.modules[name] = None\n"
        "from vaehelpers.commands.cli import run; sys.exit(run(['report', 'example', '--out', 'here']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert 'pip install "vaehelpers[notebooks]"' in done.stderr
    assert not (tmp_path / "here").exists()
