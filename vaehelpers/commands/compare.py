"""`vaehelpers compare`: what has changed from one report to the next."""

from __future__ import annotations

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import _common


@click.command()
@click.argument("old", shell_complete=completion.folders)
@click.argument("new", shell_complete=completion.folders)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@_common
def compare(old: str, new: str, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Compare two report folders on the same series: new, continuing and ended events, the line, and drift.

    OLD and NEW are folders that `vaehelpers report` wrote, the older one first.
    """
    import json

    from vaehelpers.report.compare import compare_reports

    found = compare_reports(old, new)
    click.echo(json.dumps(found.to_dict(), indent=1, default=str) if as_json else found.text())
