"""The result files of a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from vaehelpers.common.output import write_json, write_table
from vaehelpers.detectors.tables import plain_name, scores_frame
from vaehelpers.report.alarms_view import severity_order

if TYPE_CHECKING:
    from vaehelpers.data.series import Series
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.report.cards import Card
    from vaehelpers.report.document import Report


def save_results(folder: str | os.PathLike[str], report: Report) -> list[str]:
    """Write every result file and the page; what lies there from an earlier run is replaced.

    Parameters
    ----------
    folder : path
        Made where it is missing.
    report : Report

    Returns
    -------
    list of str
        Names of what was written.
    """
    from vaehelpers.report.page import render_page

    place = Path(folder)
    data, found = report.data, report.found
    write_table(scores_frame(data, found.scores, found.p_values, found.flags), place / "scores.csv")
    write_table(events_frame(data, found, report.cards), place / "events.csv")
    write_json(report.metrics(), place / "metrics.json")
    (place / "summary.md").write_text(report.summary_text(), encoding="utf-8")
    (place / "report.html").write_text(render_page(report), encoding="utf-8")
    report.detector.save(place / "detector", force=True)
    return ["scores.csv", "events.csv", "metrics.json", "summary.md", "report.html", "detector/"]


def events_frame(data: Series, found: Explanation, cards: Sequence[Card]) -> pd.DataFrame:
    """The events as events.csv has them, the worst first; where there are labels with the kinds they overlap."""
    front = ["start", "end", "peak", "severity", "score", "p_value", "kind", "n_points", "contributed"]
    table = severity_order(found.events).reset_index(drop=True)
    table["contributed"] = table["contributed"].map(plain_name).astype(object)
    if "kind" not in table and "direction" not in table:
        table["kind"] = [card.kind for card in cards]
    if data.labels is not None:
        table["label"] = [card.label for card in cards]
        front.append("label")
    front = [name for name in front if name in table]
    return table[[*front, *(name for name in table if name not in front)]]
