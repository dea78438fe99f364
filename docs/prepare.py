"""What the site shows besides the pages in this folder: lessons, API pages and tables, written before Sphinx reads.

Lessons are copied from notebooks/ with their stored outputs, API pages follow from what each room's `__init__` exports,
and tables come from docs/results. Nothing here is committed (see .gitignore) and nothing is executed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import re
import shutil
import tomllib
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
# modules at addresses of an older layout, and doors: what they hold is documented with their room
ROOM_OF = {
    "blocks": "model",
    "contracts_adapters": "contracts",
    "detector": "detectors",
    "museum": "contracts",
    "negative_elbo": "model",
}
HIDDEN = (
    "build, call, compute_output_shape, train_step, test_step, get_config, from_config, build_from_config, "
    "set_fit_request, set_score_request, set_predict_request, set_transform_request, set_inverse_transform_request, "
    "set_decision_function_request"
)
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")


def rooms() -> dict[str, str]:
    """Return every public room with a line on what is in it, lowest floor first, without the command line."""
    house = tomllib.loads((DOCS / "house.toml").read_text(encoding="utf-8"))
    listed = [(room, what) for floor in reversed(house["floor"]) for room, what in floor.items()]
    return {room: what for room, what in listed if room != "commands"}


def doors() -> dict[str, str]:
    """Return which room each door leads to."""
    return tomllib.loads((DOCS / "house.toml").read_text(encoding="utf-8"))["doors"]


def rewritten(text: str) -> str:
    """Return Markdown with links between files of the repository turned into links between pages of the site."""

    def place(match: re.Match[str]) -> str:
        return match[1] + _target(match[2]) + match[3]

    return _LINK.sub(place, text)


def _target(link: str) -> str:
    if re.match(r"[a-z]+:", link):
        return link
    if link.startswith("#"):  # headings of notebooks keep capitals and marks in Jupyter, not here
        return "#" + re.sub(r"[^\w-]", "", link[1:].lower())
    path, _, anchor = link.partition("#")
    plain = re.sub(r"^(\.\./)+", "", path)
    where = path
    if path.startswith("..") and plain.startswith("notebooks/"):
        where = "/lessons/" + plain.removeprefix("notebooks/")
    elif plain.startswith("vaehelpers/"):
        module = re.sub(r"\.py$", "", plain.split("/")[1])
        where = f"/api/{ {**doors(), **ROOM_OF}.get(module, module) }.rst"
    elif plain in ("docs/results", "results"):
        where = "/evaluation.md"
    elif plain.startswith("docs/"):
        where = "/" + plain.removeprefix("docs/")
    elif plain in ("CONTRIBUTING.md", "CHANGELOG.md"):
        where = "/" + plain.lower()
    return where + (f"#{anchor}" if anchor else "")


def lessons(out: Path) -> list[Path]:
    """Copy the notebooks, solutions and appendices with them; return what was written."""
    written = []
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = rewritten(_downloads("".join(cell["source"]), path))
                text = re.sub(r'(<a href="[^":]*)\.ipynb"', r'\1.html"', text)  # links inside folded answers are HTML
                cell["source"] = text.splitlines(keepends=True)
            elif "".join(cell["source"]).startswith("if install:"):  # for Colab; on a page it only delays the answer
                cell["metadata"].setdefault("tags", []).append("remove-cell")
        target = out / path.relative_to(ROOT / "notebooks")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(notebook), encoding="utf-8")
        written.append(target)
    return written


def _downloads(text: str, path: Path) -> str:
    """Turn a notebook's link to itself ("download it") into a link to its file; its address is the page."""
    up = "../" * len(path.relative_to(ROOT).parts[:-1])
    return re.sub(
        rf"\[(download \w+)\]\({re.escape(path.name)}\)",
        lambda found: f"{{download}}`{found[1]} <{up}../{path.relative_to(ROOT).as_posix()}>`",
        text,
    )


def api(out: Path) -> list[Path]:
    """Write a page for each room with every name it exports; return what was written."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for room, what in rooms().items():
        module = importlib.import_module(f"vaehelpers.{room}")
        name = f"vaehelpers.{room}"
        parts = [name, "=" * len(name), "", what[0].upper() + what[1:] + ".", ""]
        leading = sorted(door for door, held in doors().items() if held == room)
        if leading:
            parts += ["Also at " + ", ".join(f"``vaehelpers.{door}``" for door in leading) + ".", ""]
        groups: dict[str, list[str]] = {"Classes": [], "Functions": [], "Constants": []}
        for public in sorted(module.__all__, key=str.lower):
            held = getattr(module, public)
            kind = "Classes" if inspect.isclass(held) else "Functions" if callable(held) else "Constants"
            groups[kind].append(public)
        parts += [f".. currentmodule:: {name}", ""]
        for title, names in groups.items():
            if not names:
                continue
            parts += [title, "-" * len(title), ""]
            if title != "Constants":
                parts += [".. autosummary::", "   :nosignatures:", "", *(f"   {one}" for one in names), ""]
            for one in names:
                if title == "Classes":
                    parts += [f".. autoclass:: {one}", "   :members:", f"   :exclude-members: {HIDDEN}", ""]
                elif title == "Functions":
                    parts += [f".. autofunction:: {one}", ""]
                else:
                    parts += [f".. py:data:: {one}", "", f"   {_text_of(room, one)}", ""]
        path = out / f"{room}.rst"
        path.write_text("\n".join(parts), encoding="utf-8")
        written.append(path)
    return written


def _text_of(room: str, name: str) -> str:
    """Return the string that follows the assignment of a constant, wherever in its room that is."""
    folder = ROOT / "vaehelpers" / room
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for statement, after in itertools.pairwise(body):
            target = getattr(statement, "target", None) or next(iter(getattr(statement, "targets", [])), None)
            text = getattr(getattr(after, "value", None), "value", None)
            if getattr(target, "id", None) == name and isinstance(after, ast.Expr) and isinstance(text, str):
                return " ".join(text.split())
    raise ValueError(f"vaehelpers.{room}.{name} has no text after its assignment")


def tables(out: Path) -> list[Path]:
    """Write the tables of the evaluation page out of docs/results; return what was written."""
    import pandas as pd

    out.mkdir(parents=True, exist_ok=True)
    written = []
    for folder in sorted(path.parent for path in (DOCS / "results").glob("*/means.csv")):
        frame = pd.read_csv(folder / "means.csv")
        frame.columns = ["method", "kind", "series", "VUS-PR", "VUS-ROC", "seconds a series"]
        text = frame.to_markdown(index=False, floatfmt=("", "", ".0f", ".3f", ".3f", ".2f"), missingval="")
        path = out / f"{folder.name}.md"
        path.write_text(text.replace("nan", "   ") + "\n", encoding="utf-8")
        written.append(path)
    return written


def pages(out: Path) -> list[Path]:
    """Copy the pages of the repository's root that the site shows; return what was written."""
    written = []
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = rewritten((ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](../docs/"))
        path = out / name.lower()
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def prepare() -> None:
    """Write everything anew."""
    for name in ("lessons", "api", "generated"):
        shutil.rmtree(DOCS / name, ignore_errors=True)
    lessons(DOCS / "lessons")
    api(DOCS / "api")
    tables(DOCS / "generated")
    pages(DOCS)
