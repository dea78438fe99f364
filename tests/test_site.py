"""The site: built from stored outputs without a warning, every local link leads somewhere, nothing from outside."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """Links, what a browser would fetch by itself, and the places that links can lead to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.fetched, self.places = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        for name in ("src", "href" if tag == "link" and given.get("rel") != "canonical" else "src"):
            if given.get(name) and not given[name].startswith("data:"):
                self.fetched.append(given[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for needed in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(needed, reason="the site needs the extra docs")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return {
        path.relative_to(out).as_posix(): Page(path.read_text(encoding="utf-8")) for path in out.rglob("*.html")
    }, out


@pytest.mark.slow
def test_every_page_is_there(site):
    pages, _ = site
    lessons = {
        path.relative_to(ROOT / "notebooks").with_suffix(".html") for path in (ROOT / "notebooks").rglob("*.ipynb")
    }
    guides = {path.with_suffix(".html").name for path in (ROOT / "docs/howto").glob("*.md")}
    assert {f"lessons/{path.as_posix()}" for path in lessons} <= set(pages)
    assert {f"howto/{name}" for name in guides} <= set(pages)
    assert {"index.html", "api/model.html", "glossary.html", "evaluation.html", "performance.html"} <= set(pages)


@pytest.mark.slow
def test_local_links_lead_somewhere(site):
    pages, out = site
    broken = []
    for name, page in pages.items():
        for link in page.links + page.fetched:
            if re.match(r"[a-z]+:|//", link):
                continue
            path, anchor = urldefrag(link)
            target = (out / name).parent / unquote(path.partition("?")[0]) if path else out / name
            if not target.exists():
                broken.append(f"{name}: {link}")
            elif anchor and target.suffix == ".html":
                there = pages[target.resolve().relative_to(out.resolve()).as_posix()]
                if unquote(anchor) not in there.places:
                    broken.append(f"{name}: {link} (no such place)")
    assert not broken, "\n".join(broken[:20])


@pytest.mark.slow
def test_nothing_is_fetched_from_outside(site):
    pages, _ = site
    assert not [(name, link) for name, page in pages.items() for link in page.fetched if re.match(r"https?:|//", link)]


@pytest.mark.slow
def test_search_finds_words_of_lessons_guides_and_reference(site):
    _, out = site
    index = (out / "searchindex.js").read_text(encoding="utf-8")
    assert all(word in index for word in ("repeatvector", "grafana", "potthreshold", "kl_per_dimension"))


@pytest.mark.slow
def test_formulas_are_drawn_without_a_script(site):
    _, out = site
    text = (out / "lessons/04_loss.html").read_text(encoding="utf-8")
    assert text.count("<math") > 5
    assert "MathJax" not in text
