"""The page in a browser: it zooms, drags and clicks, in the dark and on a phone, and asks nobody for anything."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from vaehelpers.data import Series
from vaehelpers.report.document import Report
from vaehelpers.report.page import render_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("bokeh", reason="bokeh is not installed, so the page has no interactive chart")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path"),
]

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> `x` $y$ | {{ 7 * 7 }}"
ARGUMENTS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-default-apps",
]  # fmt: skip


def make_report(n_features=1, name="level", rows=6_000):
    from vaehelpers.detectors import Detector

    rng = np.random.default_rng(5)
    phase = np.arange(rows)[:, None] * 2 * np.pi / 32 + np.arange(n_features)
    values = np.sin(phase) + 0.05 * rng.normal(size=(rows, n_features))
    labels = np.zeros(rows, int)
    for first in (2_700, 4_000, 5_400):
        values[first : first + 60, 0] += 3.0
        labels[first : first + 60] = 1
    columns = (name, *(f"other {i}" for i in range(1, n_features)))
    times = pd.date_range("2024-03-01", periods=rows, freq="15min")
    data = Series(values, times=times, labels=labels, columns=columns, train_rows=2_500, name=f"pump {name}")
    detector = Detector(timesteps=32, units=8, latent_dim=3, steps=60, smooth=8, false_alarm_rate=0.01).fit(data.train)
    report = Report.of(data, detector)
    assert len(report.cards) >= 3
    return report


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Files: one variable, and several with a hostile name."""
    place = tmp_path_factory.mktemp("pages")
    files = {}
    for key, report in {"one": make_report(), "many": make_report(4, HOSTILE)}.items():
        files[key] = place / f"{key}.html"
        files[key].write_text(render_page(report), encoding="utf-8")
    return files


@pytest.fixture
def visit(browser, pages):
    """Opens a page; afterwards nothing was complained about, and nobody was asked for anything."""
    opened, wrong = [], []

    def go(key="one", **options):
        page = browser.new_page(**{"viewport": {"width": 1200, "height": 1000}, **options})
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else wrong.append(request.url),
        )
        page.goto(pages[key].as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        opened.append(page)
        return page

    yield go
    for page in opened:
        page.close()
    assert wrong == []


def shown(page):
    return page.text_content("#shown")


def chart(page, name):
    """Left, top, width and height of a plot's frame, by Bokeh's own word."""
    return page.evaluate(
        """(name) => { for (const root of Object.values(Bokeh.index.roots ? [...Bokeh.index.roots] : Bokeh.index)) {
          for (const view of [root, ...root.child_views]) if (view.model.name === name) {
            const box = view.el.getBoundingClientRect(), frame = view.frame.bbox;
            return [box.left + frame.left, box.top + frame.top, frame.width, frame.height];
          } } }""",
        name,
    )


def test_the_first_screen_has_the_status_and_the_events(visit):
    page = visit()
    assert "events found" in page.text_content(".status")
    assert page.is_visible("#chart")
    assert page.is_hidden("#static")
    assert page.locator(".card").count() >= 3
    assert page.evaluate("document.querySelector('.status').getBoundingClientRect().bottom") < 400


def test_zoom_by_buttons_keys_and_wheel(visit):
    page = visit()
    whole = shown(page)
    page.click("#zoom-in")
    page.wait_for_function("(before) => document.getElementById('shown').textContent !== before", arg=whole)
    closer = shown(page)
    page.focus("#chart")
    page.keyboard.press("0")
    page.wait_for_function("(before) => document.getElementById('shown').textContent === before", arg=whole)
    page.keyboard.press("+")
    page.wait_for_function("(before) => document.getElementById('shown').textContent === before", arg=closer)
    left, top, width, height = chart(page, "main")
    page.mouse.move(left + width / 2, top + height / 2)
    page.mouse.wheel(0, -400)
    page.wait_for_function("(before) => document.getElementById('shown').textContent !== before", arg=closer)


def test_a_drag_moves_the_series(visit):
    page = visit()
    page.click("#zoom-in")
    page.wait_for_timeout(200)
    before = shown(page)
    left, top, width, height = chart(page, "main")
    page.mouse.move(left + width * 0.4, top + height * 0.5)
    page.mouse.down()
    page.mouse.move(left + width * 0.6, top + height * 0.5, steps=5)
    page.mouse.up()
    page.wait_for_function("(before) => document.getElementById('shown').textContent !== before", arg=before)


def test_the_line_moves_by_slider_and_by_the_mouse(visit):
    page = visit()
    own = int(page.text_content("#n-events"))
    assert "own" in page.text_content("#line-at")
    page.evaluate(
        "const s = document.getElementById('line-slider'); s.value = 1000; s.dispatchEvent(new Event('input'))"
    )
    assert int(page.text_content("#n-events")) == 0
    assert page.text_content("#n-hits") == "0 of 3"
    page.click("#line-reset")
    assert int(page.text_content("#n-events")) == own
    assert page.text_content("#n-hits") == "3 of 3"
    at = page.evaluate(
        """() => { const m = Bokeh.documents.map(d => d.get_model_by_name('score')).find(Boolean);
          const line = Bokeh.documents.map(d => d.get_model_by_name('line')).find(Boolean);
          const r = m.y_range, log = m.y_scale.type === 'LogScale', f = log ? Math.log : (x) => x;
          return (f(line.location) - f(r.start)) / (f(r.end) - f(r.start)); }"""
    )
    page.locator("#chart").scroll_into_view_if_needed()
    left, top, width, height = chart(page, "score")
    y = top + height * (1 - at)
    page.mouse.move(left + width * 0.3, y)
    page.mouse.down()
    page.mouse.move(left + width * 0.3, y - 30, steps=6)
    page.mouse.up()
    page.wait_for_function("() => !document.getElementById('line-at').textContent.includes('own')")
    assert page.evaluate("+document.getElementById('line-slider').value") > 0


def test_a_card_opens_its_event_and_a_click_in_the_chart_another(visit):
    page = visit()
    page.click("button[data-event='2']")
    page.wait_for_selector("#detail:not([hidden])")
    assert page.text_content("#detail-title").startswith("Event 2")
    assert page.locator(".card.chosen").get_attribute("data-event") == "2"
    assert "normal window" in page.text_content("#detail-normal")
    drawn = page.evaluate(
        "Bokeh.documents.map(d => d.get_model_by_name('detail-value')).find(Boolean).data.y.filter(isFinite).length"
    )
    assert drawn > 32
    page.click("#detail-next")
    assert page.text_content("#detail-title").startswith("Event 3")
    page.click("#zoom-all")
    page.wait_for_timeout(200)
    place = page.evaluate(
        """() => { const e = JSON.parse(document.getElementById('payload').textContent);
          return (e.events[0].first + e.events[0].last) / 2 / e.rows; }"""
    )
    page.locator("#chart").scroll_into_view_if_needed()
    left, top, width, height = chart(page, "main")
    page.mouse.click(left + width * place, top + height * 0.5)
    page.wait_for_function("() => document.getElementById('detail-title').textContent.startsWith('Event 1')")


def test_the_dark_page_is_dark_and_changes_over(visit):
    page = visit(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 24, 29)"
    paper = "Bokeh.documents.map(d => d.get_model_by_name('main')).find(Boolean).background_fill_color"
    page.wait_for_function(f"() => {paper} === '#14181d'")
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"() => {paper} === '#ffffff'")


@pytest.mark.parametrize("key", ["one", "many"])
def test_a_phone_need_not_scroll_sideways(visit, key):
    page = visit(key, viewport={"width": 375, "height": 700})
    page.click("button[data-event='1']")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_without_javascript_the_picture_stays(visit):
    page = visit(java_script_enabled=False)
    assert page.is_visible("#static img")
    assert page.is_hidden("#interactive")
    assert page.locator("table tbody tr").count() >= 3


def test_names_bring_no_script(visit):
    page = visit("many")
    page.select_option("#variable", "1")
    page.select_option("#variable", "0")
    page.click("button[data-event='1']")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None
    assert "<img" in page.text_content("#detail-shares")  # the name is shown as it is
    assert "{{ 7 * 7 }}" in page.content()


def test_printed_the_table_is_whole(visit):
    page = visit()
    page.emulate_media(media="print")
    assert page.is_visible("#static img")
    assert page.is_hidden("#interactive")
    assert page.evaluate("getComputedStyle(document.querySelector('.all')).maxHeight") == "none"
    assert len(page.pdf(format="A4")) > 10_000


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The text of axe-core, fetched by npm for this test alone."""
    if shutil.which("npm") is None or os.environ.get("VAEHELPERS_OFFLINE"):
        pytest.skip("npm is not here to fetch axe-core")
    place = tmp_path_factory.mktemp("axe")
    done = subprocess.run(["npm", "pack", "axe-core@4", "--silent"], cwd=place, capture_output=True, timeout=120)
    archives = list(place.glob("axe-core-*.tgz"))
    if done.returncode or not archives:
        pytest.skip("axe-core could not be fetched")
    shutil.unpack_archive(archives[0], place, filter="data")
    return (place / "package" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("key", ["one", "many"])
def test_axe_finds_nothing_serious(visit, axe, key, scheme):
    page = visit(key, color_scheme=scheme, bypass_csp=True)
    page.click("button[data-event='1']")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    serious = [
        (one["id"], [node["target"] for node in one["nodes"]][:3], one["nodes"][0].get("failureSummary"))
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
