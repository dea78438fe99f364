"""What each lesson offers its reader, counted: the table in docs/lessons.md.

    python tests/lesson_table.py            # print the table
    python tests/lesson_table.py --write    # put it into docs/lessons.md; tests/test_lessons.py compares

Everything is counted in the committed notebooks, but the seconds: ``execute_notebooks.py --record`` writes those to
docs/results/lesson_seconds.csv. The cell whose output first answers a lesson's question has the tag ``answer``.
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
SECONDS = ROOT / "docs/results/lesson_seconds.csv"
PAGE = ROOT / "docs/lessons.md"
BEGIN, END = "<!-- begin: tests/lesson_table.py --write -->", "<!-- end -->"
HEADS = (
    "lesson",
    "code lines before the answer",
    "drawings",
    "figures",
    "words in a sentence (median)",
    "terms in the glossary",
    "checked cells",
    "seconds of CPU",
)


def lessons() -> list[Path]:
    """Every lesson and appendix; the report is a product and no lesson."""
    found = [*(ROOT / "notebooks").glob("[01]*.ipynb"), *(ROOT / "notebooks/appendices").glob("A*.ipynb")]
    return sorted(path for path in found if path.stem != "07_report")


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def code_lines_before_answer(code: list[nbformat.NotebookNode]) -> int:
    """Lines that are not blank, above the cell tagged ``answer``; parameters and installation do not count."""
    answers = [number for number, cell in enumerate(code) if "answer" in tags(cell)]
    if len(answers) != 1:
        raise ValueError(f"{len(answers)} cells are tagged answer; tag the one that first answers the question")
    above = [c for c in code[: answers[0]] if "parameters" not in tags(c) and not c.source.startswith("if install")]
    return sum(bool(line.strip()) for cell in above for line in cell.source.splitlines())


def drawings(code: list[nbformat.NotebookNode]) -> int:
    """Cells with a picture that a function of `vaehelpers.plots.drawings...` made."""
    names = re.findall(
        r"from vaehelpers\.plots\.drawings\w* import (\([^)]+\)|[^\n]+)", "\n".join(cell.source for cell in code)
    )
    made = {name for names in names for name in re.findall(r"\w+", names)}
    called = re.compile(r"\b(" + "|".join(sorted(made)) + r")\(") if made else None
    return sum(bool(called and called.search(cell.source) and pictures(cell)) for cell in code)


def pictures(cell: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def sentences(text: str) -> list[str]:
    """The sentences of a cell's prose: no headings, tables, code, formulas, addresses, or labels of two words."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<[^>]+>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`|\$[^$]*\$", "x", text)
    blocks: list[str] = [""]
    for line in text.splitlines():
        line = re.sub(r"^\s*>\s?", "", line).strip()
        if not line or line.startswith(("#", "|")):
            blocks.append("")
        elif re.match(r"([-*]|\d+\.)\s", line):
            blocks.append(re.sub(r"^([-*]|\d+\.)\s+", "", line))
        else:
            blocks[-1] += " " + line
    return [part for block in blocks for part in re.split(r"(?<=[.!?])[\"*)]*\s+", block) if words(part) > 2]


def words(sentence: str) -> int:
    return len(re.findall(r"[^\W_][\w'’.,%/-]*", sentence))


def seconds() -> dict[str, str]:
    """CPU seconds of the last recorded run, by the notebook's name without its ending."""
    with SECONDS.open(encoding="utf-8", newline="") as file:
        return {row["notebook"]: row["cpu_seconds"] for row in csv.DictReader(file)}


def facts(path: Path, taken: dict[str, str]) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    prose = [one for cell in cells if cell.cell_type == "markdown" for one in sentences(cell.source)]
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    terms = [row for row in glossary.splitlines() if row.startswith("| **") and f"/{path.name})" in row]
    title = re.sub(r"^# (\S+) · ", r"\1 ", cells[0].source.splitlines()[0])
    return [
        f"[{title}](../{path.relative_to(ROOT).as_posix()})",
        str(code_lines_before_answer(code)),
        str(drawings(code)),
        str(sum(pictures(cell) for cell in code)),
        f"{statistics.median(map(words, prose)):g}",
        str(len(terms)),
        str(sum("nbval-check-output" in tags(cell) for cell in code)),
        taken.get(path.stem, "not measured"),
    ]


def table() -> str:
    """The table in Markdown."""
    taken = seconds()
    rows = [HEADS, ["---"] + ["---:"] * (len(HEADS) - 1), *(facts(path, taken) for path in lessons())]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def page(text: str) -> str:
    """The page with a fresh table in it."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Count what each lesson offers.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/lessons.md")
    if parser.parse_args(arguments).write:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
