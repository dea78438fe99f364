"""`vaehelpers report`: one command's work on one series."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import _collect, _common, _fitting, _reading, _remark, _shaping

if TYPE_CHECKING:
    from vaehelpers.data.choices import Choices

SHOWN = 5  # events in the terminal


@click.command()
@click.argument("series", default="example", shell_complete=completion.known_series)
@_reading
@_shaping
@click.option("--out", metavar="DIR", help="Folder to make; default: runs/NAME, or the next free one.")
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@_fitting
@_common
def report(
    series: str,
    time: str,
    value: tuple[str, ...],
    label: str,
    data_dir: str | None,
    out: str | None,
    force: bool,
    preset: str,
    seed: int,
    false_alarms: float | None,
    assignments: tuple[str, ...],
    quiet: bool,
    verbose: bool,
    choices: Choices,
) -> None:
    """Write a report: notebook, HTML page, scores, events, detector.

    Without SERIES: on the embedded example. Prints the path of the HTML page, and on stderr what was found.
    """
    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.report.parameters import reading_text
    from vaehelpers.report.run import report as write_report

    values = _collect(
        preset, seed, assignments, false_alarms, time=time, value=value, label=label, reading=reading_text(choices)
    )
    with terminal_progress(False if quiet else None) as progress:
        page = write_report(
            series, out, values=values, data_dir=data_dir, force=force, command=["vaehelpers", *sys.argv[1:]],
            progress=progress,
        )  # fmt: skip
    click.echo(page)
    _remark(told(page), quiet)


def told(page: Path) -> str:
    """What a finished report says in a terminal: its first line, a short table of events, the size of the page."""
    import json

    numbers = json.loads((page.parent / "metrics.json").read_text(encoding="utf-8"))
    worst = numbers["events"]["worst"][:SHOWN]
    rows = [
        [str(card["number"]), card["when"], card["duration"], card["kind"], card["severity"], card["variable"]]
        for card in worst
    ]
    if len(numbers["series"]["columns"]) == 1:
        rows = [row[:-1] for row in rows]
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = [f"Note: {note}" for note in numbers.get("notes", ())]
    lines += [numbers["alarms"]["text"], *("  ".join(map(str.ljust, row, wide)).rstrip() for row in rows)]
    if numbers["events"]["count"] > len(rows):
        lines.append(f"... {numbers['events']['count'] - len(rows)} more in {page.parent / 'events.csv'}")
    lines.append(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
    return "\n".join(lines)
