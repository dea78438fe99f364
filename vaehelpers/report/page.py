"""One page for the browser: first what was found, then the chart, the events, and a folded appendix.

The page holds everything that it shows: it asks no server for anything, and a policy in its head forbids it to.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from functools import cache
from html import escape
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

import numpy as np

from vaehelpers.plots.base import Picture
from vaehelpers.report.chart import bokeh_script, chart_items
from vaehelpers.report.narrative import event_table
from vaehelpers.report.payload import page_payload
from vaehelpers.report.text import _number, _percent

if TYPE_CHECKING:
    from vaehelpers.report.cards import Card
    from vaehelpers.report.document import Report

MOST_CARDS, MOST_TABLE = 48, 1_000


def render_page(report: Report, *, made: datetime.datetime | None = None) -> str:
    """Write a report as one HTML page.

    Parameters
    ----------
    report : Report
    made : datetime, optional
        Shown at the foot; default: now.

    Returns
    -------
    str

    Notes
    -----
    With Bokeh installed, its JavaScript is written into the page and draws an interactive chart; without it, or without
    JavaScript, a static picture is shown. Names out of the data are escaped wherever they appear.
    """
    from jinja2 import Environment

    data, found, alarms = report.data, report.found, report.alarms
    payload = page_payload(data, report.detector, found, alarms, report.cards)
    script = bokeh_script()
    lines = report.summary().split("\n\n")
    table = event_table(data, found, alarms, most=MOST_TABLE)
    environment = Environment(autoescape=True, trim_blocks=False)
    moment = made or datetime.datetime.now(datetime.UTC)
    several = data.n_features > 1
    return environment.from_string(_part("page.html.j2")).render(
        title=report.title,
        css=_part("page.css"),
        alarms=alarms,
        status_class={"ok": "ok", "doubtful": "doubtful"}.get(alarms.status, "none"),
        status=markdown_html(lines[0]),
        summary=markdown_html("\n\n".join(lines[1:])),
        facts=_facts(report),
        overview=_picture(report.overview()),
        heat=_picture(report.variable_map()),
        bokeh=script,
        script=_part("page.js"),
        payload=payload,
        payload_json=_script_json(payload),
        items_json=_script_json(chart_items(payload)) if script else "",
        cards=[(card, thumbnail(report, card)) for card in report.cards[:MOST_CARDS]],
        several=several,
        table_head=list(table.columns),
        table_rows=table.astype(str).to_numpy().tolist() if len(table) else [],
        left_out=max(0, len(report.cards) - MOST_TABLE),
        sections=_sections(report),
        made=f"{moment:%Y-%m-%d %H:%M %Z}".strip(),
        version=metadata.version("vaehelpers"),
    )


@cache
def _part(name: str) -> str:
    return (resources.files("vaehelpers.report") / "html_template" / name).read_text(encoding="utf-8")


def _facts(report: Report) -> list[tuple[str, str]]:
    """The numbers of the first screen."""
    data, found, alarms = report.data, report.found, report.alarms
    if alarms.expected is None:
        expected = "unknown"
    elif alarms.unit == "month" and alarms.expected < 0.095:
        expected = f"{_number(12 * alarms.expected, 2)} a year"
    else:
        expected = f"{_number(alarms.expected, 2)} {alarms.each}"
    facts = [("stretches listed" if alarms.ranked else "events", f"{len(found.events):,}")]
    if report.table is not None:
        ours = report.table.iloc[0]
        facts += [
            ("labelled anomalies found", f"{int(ours['found'])} of {int(ours['labelled'])}"),
            (
                f"{'stretches' if alarms.ranked else 'events'} that are right",
                f"{int(ours['right'])} of {int(ours['alarms'])}",
            ),
        ]
    facts.append(("false alarms to expect", expected))
    if not alarms.ranked:
        where = "rows above the line" if alarms.points is None else "rows in events"
        facts.append((where, _percent(float(found.flags.mean()))))
    facts += [
        ("rows", f"{data.n:,}"),
        ("model", report.name),
    ]
    return facts


def _sections(report: Report) -> list[dict[str, Any]]:
    """The appendix: titles, and their sentences and pictures."""
    parts: list[tuple[str, list[Any]]] = [
        ("Was the promise kept?", [report.promise(), report.promise_figure()]),
        ("Against the labels", [report.evaluation(), report.kinds_figure(), report.evaluation_figure()]),
        ("What simple baselines flag", [report.baselines()] if report.methods else []),
        ("The data", [report.about_data()]),
        ("Windows", [report.windows()]),
        ("Training", [report.loss(), report.training(), report.training_figure()]),
        ("Is the latent alive?", [report.latent(), report.latent_figure()]),
        ("Reconstructions", [report.reconstructions(), report.reconstructions_figure()]),
        ("Score and line", [report.score(), report.score_figure()]),
        ("Which variable", [report.contributions()] if report.data.n_features > 1 else []),
        ("Limits", [report.limits()]),
    ]
    return [
        {"title": title, "parts": [_picture(p) if isinstance(p, Picture) else markdown_html(p) for p in shown]}
        for title, several in parts
        if (shown := [part for part in several if part is not None and part != ""])
    ]


def _picture(picture: Picture | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {"data": base64.b64encode(picture.png).decode("ascii"), "alt": picture.alt, "width": picture.width}


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it lies in."""
    text = json.dumps(_plain(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown_html(text: str) -> str:
    """Markdown as HTML, with tables and formulas (as MathML); HTML in it is shown as text.

    Examples
    --------
    >>> markdown_html("**a** <b>")
    '<p><strong>a</strong> &lt;b&gt;</p>\\n'
    >>> "<math" in markdown_html("$x^2$")
    True
    """
    import mistune
    from mistune.plugins.math import math as formulas
    from mistune.plugins.table import table

    class Renderer(mistune.HTMLRenderer):
        def inline_math(self, body: str) -> str:
            return _mathml(body, "inline")

        def block_math(self, body: str) -> str:
            return f"<p>{_mathml(body, 'block')}</p>\n"

    renderer = Renderer(escape=True, allow_harmful_protocols=False)
    html = mistune.Markdown(renderer)
    formulas(html)
    table(html)
    # the plugin registers renderers of its own, which do not know MathML
    renderer.register("inline_math", lambda _, body: _mathml(body, "inline"))
    renderer.register("block_math", lambda _, body: f"<p>{_mathml(body, 'block')}</p>\n")
    return str(html(text))


def _mathml(body: str, display: str) -> str:
    from latex2mathml.converter import convert

    try:
        return str(convert(body, display=display))
    except Exception:  # whatever it cannot read is shown as it was written
        return f"<code>{escape(body)}</code>"


def thumbnail(report: Report, card: Card, *, width: int = 240, height: int = 64, points: int = 110) -> str:
    """An event as a small SVG: measured, expected, and the event's span."""
    data, found = report.data, report.found
    context = max(report.detector.timesteps_ // 2, (card.last - card.first + 1) // 2)
    begin, end = max(0, card.first - context), min(data.n, card.last + 1 + context)
    size = max(1, -(-(end - begin) // points))
    values = np.asarray(data.values[begin:end, card.column], float)
    expected = np.asarray(found.expected[begin:end, card.column], float)
    both = np.concatenate([values, expected])
    both = both[np.isfinite(both)]
    low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
    span = (high - low) or 1.0
    count = max(end - begin - 1, 1)

    def path(line: Any) -> str:
        text, pen = [], "M"
        for row in range(0, len(line), size):
            piece = line[row : row + size]
            piece = piece[np.isfinite(piece)]
            if not len(piece):
                pen = "M"
                continue
            for value in dict.fromkeys([float(piece.min()), float(piece.max())]) if size > 1 else [float(piece[0])]:
                text.append(f"{pen}{row / count * width:.1f} {height - 4 - (value - low) / span * (height - 8):.1f}")
                pen = "L"
        return "".join(text)

    left = (card.first - begin) / count * width
    wide = max(1.5, (card.last - card.first) / count * width)
    label = f"{card.kind}: {card.against}"
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'<rect class="event" x="{left:.1f}" y="0" width="{wide:.1f}" height="{height}"/>'
        f'<path class="expected" d="{path(expected)}"/><path class="value" d="{path(values)}"/></svg>'
    )
