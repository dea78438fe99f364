"""The index page: what it says without a browser, and what it does in one."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from vaehelpers.fleet.page import render_index
from vaehelpers.fleet.tables import control_discoveries, events_frame, fleet_frame

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


def records(count):
    """So many series: one that failed, one with a hostile name, the others of rising severity."""
    made = []
    for number in range(count):
        event = {"start": "2024-01-01T00:00:00", "end": "2024-01-01T01:00:00", "severity": float(number), "first": 5,
                 "last": 9}  # fmt: skip
        made.append(
            {
                "series": f"pump-{number:05}", "status": "ok", "error": "", "alarms": "ok", "unit": "month",
                "unit_rows": 1_000.0, "supported": 5.0, "scored_rows": 500, "severity": float(number), "events": 1,
                "drift": 1.0, "rows": 500, "seconds": 1.5, "folder": f"series/pump-{number:05}-abc", "report": True,
                "picture": {"line": [0, 50, 99, None, 20, 30], "events": [[40, 5]]}, "event_list": [event],
            }
        )  # fmt: skip
    made[0] = {"series": "lost", "status": "failed", "error": "no column of <b>numbers</b>"}
    made[1] |= {"series": HOSTILE, "drift": 3.0}
    return made


def page_of(count):
    made = records(count)
    rows, sentence = control_discoveries(fleet_frame(made), 0.1)
    return render_index(rows, events_frame(made, rows), made, sentence, title=HOSTILE)


def test_names_reach_the_page_as_data_alone():
    page = page_of(5)
    assert page.count("<script") == 2  # the data and the one script
    assert "<img" not in page and "<b>" not in page
    payload = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    listed = json.loads(payload.group(1))
    assert [one["series"] for one in listed[:2]] == ["lost", "pump-00004"]  # failures on top, then the worst
    assert HOSTILE in [one["series"] for one in listed]
    assert listed[1]["severity"] == 4.0 and listed[1]["limit"] == 5.0
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


def test_a_severity_beyond_the_calibration_is_at_least_what_that_supports():
    page = page_of(12)
    assert page.count("<td>at least 5.0 months</td>") == 6  # severities 6 to 11
    assert page.count("<td>5.0 months</td>") == 1
    assert "11.0 months" not in page


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.slow
def test_ten_thousand_series_sort_search_and_open(browser, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(page_of(10_000), encoding="utf-8")
    place = tmp_path / "series" / "pump-04321-abc"
    place.mkdir(parents=True)
    (place / "report.html").write_text("<title>the report</title>")
    page, wrong = browser.new_page(viewport={"width": 1200, "height": 900}), []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else wrong.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready=yes]")
    first = "#body tr:first-child td.name"
    assert page.text_content(first).startswith("lost")
    assert page.locator("#body tr").count() == 100
    assert page.text_content("#count") == "10,000 of 10,000 series"
    page.click("th[data-key=series] button")
    assert page.text_content(first).startswith("</script>")  # ascending; the name is shown as it is
    assert page.get_attribute("th[data-key=series]", "aria-sort") == "ascending"
    page.click("th[data-key=severity] button")
    assert page.text_content(first) == "pump-09999"
    assert page.text_content("#body tr:first-child td:nth-child(5)") == "over 5"  # what the calibration supports
    page.click("#forth")
    assert page.text_content("#page") == "page 2 of 100"
    page.fill("#search", "4321")
    assert page.text_content("#count") == "1 of 10,000 series"
    page.fill("#search", "")
    page.select_option("#only", "failed")
    assert page.text_content(first).startswith("lost")
    page.select_option("#only", "drift")
    assert page.text_content("#count") == "1 of 10,000 series"
    page.select_option("#only", "")
    page.fill("#search", "pump-04321")
    page.click("#body a")
    page.wait_for_load_state()
    assert page.title() == "the report"
    assert page.evaluate("window.hacked") is None
    page.close()
    assert wrong == []
