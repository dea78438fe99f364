"""Execute notebooks in place and normalize them: ``make notebooks``.

Outputs and execution counts are kept, since nbval compares them; timestamps, versions and transient metadata are
dropped, so that a second run of an unchanged notebook leaves the same bytes. A notebook that raises, writes to stderr,
or grows too large is refused and left as it was.

    python tests/execute_notebooks.py                     # all of notebooks/, its appendices and its solutions
    python tests/execute_notebooks.py notebooks/03*.ipynb
    python tests/execute_notebooks.py --record            # keep processor seconds in docs/results/lesson_seconds.csv
    python tests/execute_notebooks.py --check             # execute nothing, say what is not as it should be
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import sys
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 500_000
SLOW = 60.0  # seconds of processor time, all cores together, with the committed defaults
SECONDS = ROOT / "docs/results/lesson_seconds.csv"
KEPT_METADATA = ("kernelspec", "title")


def normalize(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop everything that differs from run to run; change the notebook in place and return it."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    title = notebook.metadata.get("title")
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    if title:
        notebook.metadata["title"] = title
    count = 0
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {})
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        merged: list[nbformat.NotebookNode] = []
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
            last = merged[-1] if merged else None
            if output.output_type == "stream" and last and last.output_type == "stream" and last.name == output.name:
                last.text += output.text
            else:
                merged.append(output)
        cell.outputs = merged
    return notebook


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """What a stored notebook must not have: errors, stderr, cells that were not run, too many bytes."""
    found = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        skipped = {"nbval-skip", "raises-exception"} & set(cell.metadata.get("tags", []))
        if cell.execution_count is None and "nbval-skip" not in skipped:
            found.append(f"cell {number} was not run")
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"cell {number} writes to stderr: {output.text.strip().splitlines()[0][:100]}")
            if output.output_type == "error" and "raises-exception" not in skipped:
                found.append(f"cell {number} raises {output.ename}: {output.evalue[:100]}")
    size = len(dump(notebook))
    if size > MAX_BYTES:
        found.append(f"{size:,} bytes are more than {MAX_BYTES:,}")
    return found


def dump(notebook: nbformat.NotebookNode) -> bytes:
    """The bytes to store."""
    return (nbformat.writes(notebook, version=4).rstrip("\n") + "\n").encode("utf-8")


def execute(path: Path, timeout: int) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom in its own folder."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        allow_errors=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    return notebook


def cpu_seconds() -> float:
    """Processor time of all kernels that have ended, and of what they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def record(taken: dict[str, float]) -> None:
    """Keep the processor seconds of these notebooks, and those of others as they were."""
    kept: dict[str, str] = {}
    if SECONDS.exists():
        with SECONDS.open(encoding="utf-8", newline="") as file:
            kept = {row["notebook"]: row["cpu_seconds"] for row in csv.DictReader(file)}
    kept |= {name: f"{seconds:.0f}" for name, seconds in taken.items()}
    with SECONDS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["notebook", "cpu_seconds"])
        writer.writerows(sorted(kept.items()))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Execute and normalize notebooks in place.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: notebooks/, appendices, solutions")
    parser.add_argument("--check", action="store_true", help="execute nothing; say what is not as it should be")
    parser.add_argument("--record", action="store_true", help=f"keep the processor seconds in {SECONDS.name}")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for one cell (default 600)")
    options = parser.parse_args(arguments)
    folders = (ROOT / "notebooks", ROOT / "notebooks" / "appendices", ROOT / "notebooks" / "solutions")
    paths = options.notebooks or [path for folder in folders for path in sorted(folder.glob("*.ipynb"))]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    bad, taken = 0, {}
    for path in paths:
        stored = path.read_bytes()
        begin, used = time.perf_counter(), cpu_seconds()
        try:
            notebook = nbformat.read(path, as_version=4) if options.check else execute(path, options.timeout)
        except Exception as error:  # the traceback of the cell is what its author needs
            print(f"{path}: {error}", file=sys.stderr)
            bad += 1
            continue
        seconds, cpu = time.perf_counter() - begin, cpu_seconds() - used
        found = problems(normalize(notebook))
        fresh = dump(notebook)
        if options.check and fresh != stored:
            found.append("is not normalized: run make notebooks")
        if found:
            bad += 1
            print("\n".join(f"{path}: {problem}" for problem in found), file=sys.stderr)
        elif not options.check:
            if fresh != stored:
                path.write_bytes(fresh)
            taken[path.stem] = cpu
            slow = f", more than {SLOW:.0f} s" if cpu > SLOW else ""
            print(f"{path}: {'rewritten' if fresh != stored else 'unchanged'}, {seconds:.0f} s, {cpu:.0f} of CPU{slow}")
    if options.record:
        record(taken)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
