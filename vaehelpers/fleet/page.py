"""The index of a fleet as one page: it sorts and searches, 100 rows at a time, and asks nobody for anything."""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

import vaehelpers
from vaehelpers.report.page import _script_json

TOP_EVENTS = 30


def render_index(
    rows: pd.DataFrame, events: pd.DataFrame, records: Sequence[Mapping[str, Any]], sentence: str, *, title: str
) -> str:
    """Write the page.

    Parameters
    ----------
    rows, events : DataFrame
        As in fleet.parquet and events.parquet.
    records : sequence of mapping
        With the small pictures.
    sentence : str
        What is said about false discoveries.
    title : str

    Returns
    -------
    str

    Notes
    -----
    Names of series reach the page as data and are written by ``textContent``; the policy in its head allows one script
    alone, by its hash.
    """
    from jinja2 import Environment

    script = _part("index.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    pictures = {record["series"]: record.get("picture") for record in records}
    reports = {record["series"]: bool(record.get("report")) for record in records}
    limits = {record["series"]: record.get("supported") for record in records}
    payload = [_row(row, pictures, reports, limits) for row in rows.to_dict("records")]
    failed = int((rows["status"] != "ok").sum())
    new = int(rows["new_events"].fillna(0).sum())
    facts = [
        ("series", f"{len(rows):,}"),
        ("failed", f"{failed:,}"),
        ("with events", f"{int((rows['events'].fillna(0) > 0).sum()):,}"),
        ("events", f"{int(rows['events'].fillna(0).sum()):,}"),
        *([("new events", f"{new:,}")] if new else []),
        ("discoveries", f"{int(rows['discovery'].sum()):,}"),
    ]
    return (
        Environment(autoescape=True)
        .from_string(_part("index.html.j2"))
        .render(
            title=title,
            css=_part("index.css"),
            script=script,
            digest=digest,
            facts=facts,
            sentence=sentence,
            payload=_script_json(payload),
            top=_top(events, limits),
            made=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M UTC}",
            version=vaehelpers.__version__,
        )
    )


@cache
def _part(name: str) -> str:
    return (resources.files("vaehelpers.fleet") / "html_template" / name).read_text(encoding="utf-8")


def _row(
    row: Mapping[Any, Any], pictures: Mapping[str, Any], reports: Mapping[str, bool], limits: Mapping[str, Any]
) -> dict[str, Any]:
    def number(name: str) -> Any:
        return None if pd.isna(row[name]) else float(row[name])

    name = row["series"]
    failed = row["status"] != "ok"
    link = "" if failed else f"{row['folder']}/{'report.html' if reports.get(name) else ''}"
    return {
        "series": name, "status": row["status"], "error": row["error"], "alarms": row["alarms"],
        "events": number("events"), "new": number("new_events"), "severity": number("severity"), "unit": row["unit"],
        "q": number("q_value"), "discovery": bool(row["discovery"]), "drift": number("drift"), "rows": number("rows"),
        "seconds": number("seconds"), "reason": row["reason"], "link": link, "picture": pictures.get(name),
        "limit": limits.get(name),
    }  # fmt: skip


def _top(events: pd.DataFrame, limits: Mapping[str, Any]) -> list[dict[str, str]]:
    """The first events of the table as text; beyond what the calibration supports a severity is "at least" that."""
    top = []
    for event in events.head(TOP_EVENTS).to_dict("records"):
        severity, limit = event["severity"], limits.get(event["series"])
        over = limit is not None and severity > limit
        severity = float(limit) if limit is not None and over else severity
        shown = "–" if pd.isna(severity) else f"{severity:,.1f}" if severity < 1e6 else f"{severity:.1e}"
        beyond = "at least " if over or (not pd.isna(event["at_least"]) and event["at_least"]) else ""
        top.append(
            {
                "series": str(event["series"]),
                "when": f"{event['start']} to {event['end']}",
                "severity": f"{beyond}{shown} {event['unit']}{'s' if event['unit'] == 'month' else ''}".strip(),
                "kind": str(event["kind"]),
                "new": "new" if event["new"] else "",
            }
        )
    return top
