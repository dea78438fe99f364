"""Every mutation finds its line, exactly once: a refactoring that moves one is noticed here, not in `make mutate`."""

import re
from pathlib import Path

import nbformat
import pytest
from mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[1]


def source(module):
    if not module.startswith("notebooks/"):
        return (ROOT / "vaehelpers" / f"{module}.py").read_text(encoding="utf-8")
    lesson = nbformat.read(ROOT / f"{module}.ipynb", as_version=4)
    return "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "code")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_its_line_is_there_once_and_the_fault_is_another(mutation):
    assert source(mutation.module).count(mutation.line) == 1
    assert mutation.fault != mutation.line
    for lesson in mutation.first:
        assert (ROOT / "notebooks" / f"{lesson}.ipynb").exists()


def test_the_stored_table_has_a_red_cell_for_each():
    rows = (ROOT / "docs/results/mutations.md").read_text(encoding="utf-8").splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [mutation.name for mutation in MUTATIONS]
    assert all(re.search(r"\| `\w+`, cell \d+", row) for row in rows)
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    assert f"All {len(rows)} faults turn a cell red" in text


def test_there_are_at_least_twenty_and_the_best_known_ones_among_them():
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names)) >= 20
    for wanted in ("sampling left out", "hits counted inside", "PCA held at 8"):
        assert any(wanted in name for name in names)
