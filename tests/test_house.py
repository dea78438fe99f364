"""What holds the house together: one list of dependencies, no addresses, no traces of a machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def pinned(path):
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==", (ROOT / path).read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name) for name in found}


def extras_for_any_machine():
    extras = PROJECT["project"]["optional-dependencies"]
    return {name for extra, listed in extras.items() if extra not in ("gpu", "openvino") for name in names(listed)}


def test_environment_installs_this_package_by_the_same_constraints():
    pip = next(entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict))
    assert "-c constraints.txt" in pip
    editable = next(line for line in pip if line.startswith("-e ."))
    extras = set(re.search(r"\[(.*)\]", editable).group(1).split(","))
    assert {"notebooks", "fleet"} <= extras <= set(PROJECT["project"]["optional-dependencies"])
    rest = [line for line in pip if not line.startswith("-")]
    assert names(rest) <= names(PROJECT["dependency-groups"]["test"])


def test_environment_pins_a_python_that_the_package_allows():
    python = next(entry for entry in ENVIRONMENT["dependencies"] if str(entry).startswith("python="))
    assert python.split("=")[1] in SpecifierSet(PROJECT["project"]["requires-python"])


@pytest.mark.parametrize("path", ["requirements.lock", "constraints.txt"])
def test_every_dependency_is_locked(path):
    wanted = (
        names(PROJECT["project"]["dependencies"])
        | extras_for_any_machine()
        | names(PROJECT["dependency-groups"]["test"])
    )
    assert wanted <= pinned(path)


def test_lock_and_constraints_agree():
    def versions(path):
        # the lock names extras, which pip's hash mode wants; constraints may not hold any
        found = re.findall(
            r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?(==[^\s;\\]+)", (ROOT / path).read_text(), flags=re.MULTILINE
        )
        return {name + version for name, version in found}

    assert versions("requirements.lock") == versions("constraints.txt")
    assert (ROOT / "requirements.lock").read_text().count("--hash=sha256:") > 500


def test_packages_of_the_mission_are_there():
    wanted = {"jupyterlab", "numpy", "pandas", "matplotlib", "nbval", "papermill", "keras"}
    assert wanted <= pinned("requirements.lock")


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout: nothing to list")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_nothing_names_a_package_index_or_a_home_folder():
    pattern = re.compile(r"https?://[^\s\"]+(/simple/|\.whl)|/(home|root|Users)/[a-z]+/")
    for path in tracked():
        if path.suffix in {".keras", ".npz", ".npy", ".png"} or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert not pattern.search(text), f"{path.name}: {pattern.search(text).group(0)}"


def test_make_help_lists_every_target_of_the_readme():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "report", "test", "notebooks", "lint", "bench"):
        assert f"make {target} " in shown


def test_ci_runs_what_a_contributor_runs():
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_wheel_carries_the_report_template_and_the_registry(tmp_path):
    pytest.importorskip("hatchling")
    import sys
    import zipfile

    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = set(wheel.namelist())
    assert "vaehelpers/templates/07_report.ipynb" in held
    assert "vaehelpers/data/nab_registry.txt" in held
    assert "vaehelpers/py.typed" in held
    assert any(name.startswith("vaehelpers/report/html_template/") for name in held)
