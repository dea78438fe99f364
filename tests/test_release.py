"""One version, written once; workflow, hooks and forms that can be read and call what a contributor calls."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import vaehelpers

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
MAKE = (ROOT / "Makefile").read_text()


def test_the_version_is_written_once():
    assert "version" not in PROJECT["project"]
    assert (ROOT / PROJECT["tool"]["hatch"]["version"]["path"]).samefile(vaehelpers.__file__)
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == vaehelpers.__version__
    assert re.search(rf"^## {re.escape(vaehelpers.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_ci_tries_every_python_that_the_package_promises():
    from packaging.specifiers import SpecifierSet

    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    promised = [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in allowed]
    assert CI["jobs"]["test"]["strategy"]["matrix"]["python"] == promised
    spec = importlib.util.spec_from_file_location("check_wheel", ROOT / "tools/check_wheel.py")
    check_wheel = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_wheel)
    assert list(check_wheel.PYTHONS) == promised


def test_ci_calls_targets_that_exist():
    called = [
        word
        for job in CI["jobs"].values()
        for step in job["steps"]
        if step.get("run", "").startswith("make ")
        for word in step["run"].split()[1:]
        if "=" not in word
    ]
    assert {"test", "docs", "coverage"} <= set(called)
    assert not [target for target in called if not re.search(rf"^{target}:", MAKE, re.MULTILINE)]


def test_every_target_is_phony_and_described():
    targets = set(re.findall(r"^([a-z-]+):", MAKE, re.MULTILINE))
    assert targets == set(re.search(r"^\.PHONY: (.*)", MAKE, re.MULTILINE).group(1).split())
    assert targets == set(re.findall(r"^([a-z-]+):.*## ", MAKE, re.MULTILINE))


def test_hooks_are_local_and_fetch_nothing():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repo["repo"] for repo in hooks} == {"local"}
    listed = [hook for repo in hooks for hook in repo["hooks"]]
    assert {hook["language"] for hook in listed} == {"system"}
    wanted = {re.split(r"[<>=]", name)[0] for name in PROJECT["dependency-groups"]["test"] if isinstance(name, str)}
    assert {Path(hook["entry"].split()[0]).name for hook in listed} <= wanted | {"python"}


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_issue_forms_ask_for_something(form):
    read = yaml.safe_load(form.read_text())
    if form.stem == "config":
        assert read == {"blank_issues_enabled": False}
        return
    assert read["name"] and read["description"]
    assert [field for field in read["body"] if field.get("validations", {}).get("required")]


def test_the_citation_can_be_read():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == PROJECT["project"]["license"]
    assert "version" not in citation, "the version is written in vaehelpers/__init__.py alone"


@pytest.mark.parametrize("page", ["SECURITY.md", "CODE_OF_CONDUCT.md", "docs/releasing.md", "CONTRIBUTING.md"])
def test_pages_name_files_and_targets_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        assert re.search(rf"^{target}:", MAKE, re.MULTILINE), f"{page} names make {target}"
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / link).exists(), f"{page} links {link}"
