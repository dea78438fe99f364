"""Write docs/odd-files.md: what is read of each odd file of tests/data/test_odd_files.py, and what is noted.

python tools/odd_files.py [--check]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "odd-files.md"
HEAD = """# Odd files

What `read_series`, and with it every command, makes of files that people really have. Each is a test in
`tests/data/test_odd_files.py`; `python tools/odd_files.py` writes this page by reading them.

| file | asked for | what is read | what is noted |
| --- | --- | --- | --- |
"""


def cell(text: str) -> str:
    """Return text as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("$", "\\$").replace("<", "&lt;")


def page() -> str:
    """Read every file and return the page."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "data")]
    import test_odd_files as odd

    from vaehelpers.common import InputError
    from vaehelpers.data import read_series

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (content, choices, _) in {**odd.READ, **odd.REFUSED}.items():
            asked = ", ".join(f"`{key}={value!r}`" for key, value in choices.items())
            path = odd.write(Path(folder), content)
            try:
                series = read_series(path, **choices)
                read = repr(series).removeprefix("<Series 'odd': ").removesuffix(">")
                noted = "; ".join(series.notes) or "–"
            except InputError as error:
                read, noted = "**refused**", str(error).replace(f"{path}: ", "").replace(str(path), "the file")
            lines.append(f"| {cell(name)} | {cell(asked)} | {cell(read)} | {cell(noted)} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or tell by the exit status whether it is up to date."""
    text = page()
    if "--check" in sys.argv:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
