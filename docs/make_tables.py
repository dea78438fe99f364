"""Put the tables that benchmarks printed into the pages that discuss them, between their markers.

python docs/make_tables.py
"""

import re
from pathlib import Path

HERE = Path(__file__).parent
MARK = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with every table as its file in docs/results has it."""
    return MARK.sub(lambda found: found[1] + tables(HERE / "results" / found[2]) + found[3], page)


def tables(path: Path) -> str:
    """The text of a results file, set off by empty lines."""
    return "\n" + path.read_text(encoding="utf-8").strip() + "\n\n"


def main() -> None:
    """Rewrite the pages."""
    for page in sorted(HERE.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            page.write_text(new, encoding="utf-8")
            print(page.name)


if __name__ == "__main__":
    main()
