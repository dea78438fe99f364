"""The how-to guides are run: their Python, and their commands, in an empty folder, from top to bottom."""

import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from vaehelpers.commands import cli

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs/howto").glob("*.md"))
# what the page shows, and what prepares its files in a comment that only this test reads
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$|^<!-- test: before\n(.*?)^-->$", re.MULTILINE | re.DOTALL)


def blocks(path):
    """Kind and text of every block that is run, with its line."""
    text = path.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield match[1] or "python", match[2] or match[3], text.count("\n", 0, match.start()) + 2


@pytest.mark.slow
@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_a_guide_runs(path, tmp_path, monkeypatch, capsys):
    if path.stem == "excel-grafana":
        pytest.importorskip("openpyxl", reason="workbooks need the extra excel")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "howto"}
    for kind, text, line in blocks(path):
        if kind == "python":
            tree = ast.parse("\n" * (line - 1) + text)
            exec(compile(tree, str(path), "exec"), names)
            continue
        for command in filter(None, map(str.strip, text.splitlines())):
            words = shlex.split(command, comments=True)
            assert words[0] == "vaehelpers", f"{path.name}:{line}: show what is not run as ```text"
            if words[1] == "report":  # half a minute of TensorFlow each; tests/report runs it
                continue
            assert cli.run([*words[1:], "--quiet"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_a_guide_shows_something_to_run(path):
    assert [kind for kind, _, _ in blocks(path) if kind == "python"]
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_every_guide_is_on_the_start_page():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert not [path.stem for path in GUIDES if f"howto/{path.stem}\n" not in index]


def test_the_parameters_that_guides_set_exist():
    from vaehelpers.detectors.settings import DETECTOR_PARAMETERS

    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    for path in GUIDES:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"--set (\w+)=", text)) <= set(DETECTOR_PARAMETERS), path.name
        assert set(re.findall(r'"vaehelpers\[(\w+)\]"', text)) <= extras, path.name
