"""Break a helper on purpose; at least one notebook cell must turn red. Prints a Markdown table; `make mutate`.

    python tests/mutate.py [MUTATION ...] [--keep-going] [--out docs/results/mutations.md]

Every mutation is one changed line in a copy of the package, put ahead of the real one by PYTHONPATH, or one changed
line in a copy of a lesson (its module then begins with notebooks/): a mistake that its author could have made, and in
some cases once did. The notebooks run under nbval as in `make nbval`, likely ones first, until one turns red. A
mutation that no notebook notices fails the run: then a lesson claims something that no cell holds. Minutes, so not a
part of `make test`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import nbformat
from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[1]
NBVAL = [
    *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:doctest", "-p", "no:cacheprovider", "-o", "addopts="),
    *("-o", "testpaths=", "--nbval-lax", "--nbval-current-env", "--nbval-sanitize-with", str(ROOT / "tests/nbval.cfg")),
]


def mutated_lesson(mutation: Mutation, folder: Path) -> Path:
    """Copy notebooks and docs, put the fault into the copy of one lesson, and return its path."""
    for name in ("notebooks", "docs", "vaehelpers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    path = folder / f"{mutation.module}.ipynb"
    lesson = nbformat.read(path, as_version=4)
    cells = [cell for cell in lesson.cells if cell.cell_type == "code"]
    if sum(cell.source.count(mutation.line) for cell in cells) != 1:
        raise click.ClickException(f"{mutation.name}: {path.name} does not hold exactly once: {mutation.line}")
    for cell in cells:
        cell.source = cell.source.replace(mutation.line, mutation.fault)
    nbformat.write(lesson, path)
    return path


def mutated(mutation: Mutation, folder: Path) -> Path:
    """Copy the package and put the fault into the copy; return the folder for PYTHONPATH."""
    package = folder / "vaehelpers"
    shutil.copytree(ROOT / "vaehelpers", package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / f"{mutation.module}.py"
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.line) != 1:
        raise click.ClickException(
            f"{mutation.name}: {mutation.module}.py holds {text.count(mutation.line)} times, not once: {mutation.line}"
        )
    path.write_text(text.replace(mutation.line, mutation.fault), encoding="utf-8")
    return folder


def notebooks(first: tuple[str, ...]) -> list[Path]:
    """All lessons, likely ones first; the report is a product and comes last."""
    lessons = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    return sorted(lessons, key=lambda path: (path.stem not in first, path.stem == "07_report", path.stem))


def red_cell(path: Path, package: Path) -> str | None:
    """Run one notebook with the package at hand; None if all cells are green, else the first red one."""
    env = {**os.environ, "PYTHONPATH": str(package), "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run([*NBVAL, path.name], cwd=path.parent, env=env, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return None
    cell = re.search(r"::Cell (\d+)", run.stdout[run.stdout.rfind("short test summary") :])
    if run.returncode != 1 or cell is None:
        raise click.ClickException(f"{path.name} did not run:\n{run.stdout[-2_000:]}{run.stderr[-2_000:]}")
    return cell[1]


def loaded_from(package: Path) -> bool:
    """Whether Python takes the copy and not the installed package."""
    command = [sys.executable, "-c", "import vaehelpers; print(vaehelpers.__file__)"]
    env = {**os.environ, "PYTHONPATH": str(package)}
    found = subprocess.run(command, env=env, cwd=package, capture_output=True, text=True, check=True).stdout.strip()
    return Path(found).resolve().is_relative_to(package.resolve())


HEAD = ("| fault | in | turns red |", "| --- | --- | --- |")


def stored(path: Path, rows: list[str]) -> str:
    """The whole table in the order of MUTATIONS: rows of this run, and those of earlier runs for all others."""
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    by_name = {row.split(" | ")[0]: row for row in [*old, *rows] if row.startswith("| ")}
    kept = [by_name[f"| {m.name}"] for m in MUTATIONS if f"| {m.name}" in by_name]
    return "\n".join([*HEAD, *kept]) + "\n"


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--keep-going", is_flag=True, help="Look for every notebook that turns red, not only the first.")
@click.option("--out", type=click.Path(path_type=Path), help="Markdown file that keeps the table.")
def main(names: tuple[str, ...], keep_going: bool, out: Path | None) -> None:
    chosen = [each for each in MUTATIONS if not names or any(name in each.name for name in names)]
    if not chosen:
        raise click.ClickException("no mutation is called so; there are: " + "; ".join(m.name for m in MUTATIONS))
    rows, survived = [], []
    for mutation in chosen:
        begin, caught = time.monotonic(), []
        with tempfile.TemporaryDirectory() as place:
            if mutation.module.startswith("notebooks/"):
                package, paths = Path(place), [mutated_lesson(mutation, Path(place))]
            else:
                package, paths = mutated(mutation, Path(place)), notebooks(mutation.first)
            if not loaded_from(package):
                raise click.ClickException("Python does not take the mutated copy; is PYTHONPATH ignored?")
            for path in paths:
                cell = red_cell(path, package)
                if cell is not None:
                    caught.append(f"`{path.stem}`, cell {cell}")
                    if not keep_going:
                        break
        survived += [] if caught else [mutation.name]
        rows.append(f"| {mutation.name} | `{mutation.module}` | {'; '.join(caught) or 'nothing'} |")
        click.echo(f"{mutation.name}: {rows[-1]} {time.monotonic() - begin:.0f} s", err=True)
    click.echo("\n".join([*HEAD, *rows]))
    if out is not None:
        out.write_text(stored(out, rows), encoding="utf-8")
    if survived:
        raise click.ClickException("no notebook notices: " + "; ".join(survived))


if __name__ == "__main__":
    main()
