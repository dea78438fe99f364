"""The report page in a browser: its bytes, seconds until it is ready, and the time from a click to the redrawn chart.

    python benchmarks/report_page.py [--rows 77192 --rows 10000000] [--zooms 10] [--out report_page.md]

A rhythm with noise and an event in each tenth of the series, a small detector that is fitted on the first rows, and the
page as `vaehelpers report` makes it. Headless Chromium opens it from a file and zooms and pans by its buttons.
A redraw counts from the click until the text above the chart names the new range and the frame with it has been drawn.
Needs playwright and a Chromium on the path.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pandas as pd

from vaehelpers.common.files import atomic_file

TRAIN, EVENTS = 5_000, 10
REDRAW = """async (button) => {
  const shown = document.getElementById("shown"), before = shown.textContent, begin = performance.now();
  document.getElementById(button).click();
  for (let frame = 0; frame < 300 && shown.textContent === before; frame += 1) {
    await new Promise((done) => requestAnimationFrame(done));
  }
  if (shown.textContent === before) return null;
  await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - begin;
}"""


def page_of(rows: int) -> str:
    """The page of a report on a made-up series of so many rows."""
    from vaehelpers.data import Series
    from vaehelpers.detectors import Detector
    from vaehelpers.report import Report
    from vaehelpers.report.page import render_page

    rng = np.random.default_rng(0)
    values = np.sin(np.arange(rows, dtype=np.float32) * np.float32(2 * np.pi / 32))
    values += 0.05 * rng.normal(size=rows).astype(np.float32)
    for number in range(EVENTS):
        first = TRAIN + int((number + 0.5) * (rows - TRAIN) / EVENTS)
        values[first : first + 60] += 3.0
    times = pd.date_range("2000-01-01", periods=rows, freq="1min")
    data = Series(values[:, None], times=times, columns=("flow",), train_rows=TRAIN, name="made up")
    detector = Detector(timesteps=32, units=8, latent_dim=3, steps=100, smooth=8).fit(data.train)
    return render_page(Report.of(data, detector))


def redraws(file: Path, browser: str, zooms: int) -> tuple[float, list[float]]:
    """Seconds until the page is ready, and milliseconds of each redraw."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1200, "height": 1000})
        begin = time.perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
        ready = time.perf_counter() - begin
        found: list[Any] = []
        for button in ["zoom-in"] * zooms + ["pan-left", "pan-right"] * 2 + ["zoom-out"] * zooms:
            found.append(page.evaluate(REDRAW, button))
        opened.close()
    return ready, [one for one in found if one is not None]


@click.command()
@click.option("--rows", "sizes", type=int, multiple=True, default=(77_192, 10_000_000), show_default=True)
@click.option("--zooms", default=10, show_default=True)
@click.option("--out", type=click.Path(path_type=Path))
def main(sizes: tuple[int, ...], zooms: int, out: Path | None) -> None:
    """Measure the page at each size."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise click.ClickException("no Chromium on the path; install one and playwright")
    lines = [
        "| rows | bytes of the page | ready, s | redraws | median, ms | 95 %, ms | slowest, ms |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for rows in sizes:
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "report.html"
            file.write_text(page_of(rows), encoding="utf-8")
            ready, times = redraws(file, browser, zooms)
            lines.append(
                f"| {rows:,} | {file.stat().st_size:,} | {ready:.2f} | {len(times)} | {np.median(times):.0f} | "
                f"{np.quantile(times, 0.95):.0f} | {max(times):.0f} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if out:
        with atomic_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
