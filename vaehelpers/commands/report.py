"""`vaehelpers report`: one command's work on one series."""

from __future__ import annotations

import sys

import click

from vaehelpers.commands.options import _collect, _common, _fitting, _reading


@click.command()
@click.argument("series", default="example")
@_reading
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
    assignments: tuple[str, ...],
    quiet: bool,
    verbose: bool,
) -> None:
    """Write a report: notebook, HTML page, scores, events, detector.

    Without SERIES: on the embedded example. Prints the path of the HTML page.
    """
    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.report.run import report as write_report

    values = _collect(preset, seed, assignments, time=time, value=value, label=label)
    with terminal_progress(False if quiet else None) as progress:
        page = write_report(
            series, out, values=values, data_dir=data_dir, force=force, command=["vaehelpers", *sys.argv[1:]],
            progress=progress,
        )  # fmt: skip
    click.echo(page)
