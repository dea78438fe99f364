"""The interactive chart of the page, by Bokeh: empty plots that the page's script fills from the packed rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaehelpers.plots.base import EVENT, LABEL, LIMIT, MODEL, OKABE_ITO, SIGNAL


def bokeh_script() -> str | None:
    """BokehJS from the installed package, to be written into a page; None where Bokeh is not installed."""
    try:
        from bokeh.resources import INLINE
    except ImportError:
        return None
    core = INLINE.components[:1]
    from bokeh.resources import Resources

    return "\n".join(Resources(mode="inline", components=core, minified=True).js_raw).replace("</script", "<\\/script")


def chart_items(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The two charts of the page as JSON for ``Bokeh.embed.embed_item``.

    Parameters
    ----------
    payload : mapping
        From `vaehelpers.report.payload.page_payload`.

    Returns
    -------
    dict
        "chart" (the series above, its score below, one time axis) and "detail" (one event).
    """
    from bokeh.embed import json_item
    from bokeh.layouts import column

    main, score = _main(payload), _score(payload)
    score.x_range = main.x_range
    together = column(main, score, sizing_mode="stretch_width")
    return {"chart": json_item(together, "chart"), "detail": json_item(_detail(payload), "detail-chart")}


def _figure(payload: Mapping[str, Any], name: str, label: str, height: int, **options: Any) -> Any:
    from bokeh.models import DatetimeTickFormatter
    from bokeh.plotting import figure

    kind = payload["time"]["kind"]
    plot = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        min_width=200,
        x_axis_type="datetime" if kind == "time" else "linear",
        tools="",
        output_backend="canvas",
        y_axis_label=label,
        **options,
    )
    if kind == "time":
        plot.xaxis.formatter = DatetimeTickFormatter(
            hours="%H:%M", days="%d %b", months="%b %Y", years="%Y", hourmin="%H:%M", minutes="%H:%M",
            context="%Y", hide_repeats=True, context_which="start",
        )  # fmt: skip
    plot.xaxis.ticker.desired_num_ticks = 7
    plot.yaxis.axis_label_text_font_style = "normal"
    plot.grid.grid_line_alpha = 0.5
    plot.outline_line_color = None
    plot.min_border_left = 62  # both plots keep their left edges in line
    plot.min_border_right = 12
    return plot


def _tools(plot: Any) -> None:
    from bokeh.models import BoxZoomTool, PanTool, ResetTool, WheelZoomTool

    pan, wheel = PanTool(dimensions="width"), WheelZoomTool(dimensions="width", zoom_on_axis=False)
    plot.add_tools(pan, wheel, BoxZoomTool(dimensions="width"), ResetTool())
    plot.toolbar.active_drag, plot.toolbar.active_scroll = pan, wheel
    plot.toolbar.logo = None


def _source(name: str, *columns: str) -> Any:
    from bokeh.models import ColumnDataSource

    return ColumnDataSource(data={column: [] for column in columns}, name=name)


def _main(payload: Mapping[str, Any]) -> Any:
    from bokeh.models import Range1d

    plot = _figure(payload, "main", "", 270, x_range=Range1d(0, 1), y_range=Range1d(0, 1))
    _tools(plot)
    plot.vstrip(
        "x0", "x1", source=_source("events", "x0", "x1"), fill_color=EVENT, fill_alpha=0.35, line_color=EVENT,
        line_alpha=0.9,
    )  # fmt: skip
    plot.vstrip(
        "x0", "x1", source=_source("chosen", "x0", "x1"), fill_color=EVENT, fill_alpha=0.45, line_color=MODEL,
        line_width=2,
    )  # fmt: skip
    plot.line("x", "y", source=_source("value", "x", "y"), line_color=SIGNAL, line_width=1.2, name="value-line")
    plot.scatter(
        "x", "y", source=_source("marks", "x", "y"), marker="inverted_triangle", size=10, fill_color=EVENT,
        line_color="black",
    )  # fmt: skip
    plot.segment("x0", "y", "x1", "y", source=_source("labels", "x0", "x1", "y"), line_color=LABEL, line_width=7)
    plot.xaxis.visible = False
    return plot


def _score(payload: Mapping[str, Any]) -> Any:
    from bokeh.models import Range1d, Span

    kind = "log" if payload["log"] else "linear"
    plot = _figure(
        payload, "score", payload["score_name"], 190, y_axis_type=kind, x_range=Range1d(0, 1), y_range=Range1d(0.1, 1)
    )
    _tools(plot)
    plot.toolbar_location = None
    plot.vstrip("x0", "x1", source=_source("alarms", "x0", "x1"), fill_color=EVENT, fill_alpha=0.35, line_color=EVENT)
    plot.line(
        "x", "y", source=_source("scores", "x", "y"), line_color=OKABE_ITO["grey"], line_width=1.1, name="score-line"
    )
    if payload["threshold"] is not None:
        plot.add_layout(
            Span(
                location=payload["threshold"],
                dimension="width",
                line_color=LIMIT,
                line_width=2.5,
                line_dash="dashed",
                editable=True,
                name="line",
                hover_line_width=4,
                hover_line_color=LIMIT,
            )
        )
    return plot


def _detail(payload: Mapping[str, Any]) -> Any:
    from bokeh.models import Range1d

    plot = _figure(payload, "detail", "", 260, x_range=Range1d(0, 1), y_range=Range1d(0, 1))
    _tools(plot)
    plot.vstrip(
        "x0", "x1", source=_source("detail-event", "x0", "x1"), fill_color=EVENT, fill_alpha=0.3, line_color=None
    )
    plot.varea("x", "y1", "y2", source=_source("band", "x", "y1", "y2"), fill_color=MODEL, fill_alpha=0.18)
    plot.line(
        "x", "y", source=_source("normal", "x", "y"), line_color=OKABE_ITO["green"], line_width=1.5, line_dash=[2, 3]
    )
    plot.line("x", "y", source=_source("expected", "x", "y"), line_color=MODEL, line_width=1.5, line_dash=[6, 3])
    plot.line("x", "y", source=_source("detail-value", "x", "y"), line_color=SIGNAL, line_width=1.8, name="detail-line")
    return plot
