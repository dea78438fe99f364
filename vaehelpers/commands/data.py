"""`vaehelpers data`: embedded and downloadable series."""

from __future__ import annotations

import click

from vaehelpers.commands.options import _common


@click.group(name="data")
def data_group() -> None:
    """Embedded and downloadable series."""


@data_group.command(name="list")
@click.option("--data-dir", metavar="DIR", help="Where downloadable series lie; also VAEHELPERS_DATA.")
@_common
def list_command(data_dir: str | None, quiet: bool, verbose: bool) -> None:
    """List the series known by name, and where they lie."""
    from vaehelpers.data.catalogue import list_series

    click.echo(list_series(data_dir).to_string(index=False, na_rep="-"))


@data_group.command(name="fetch")
@click.argument("name", default="nab")
@click.option("--data-dir", metavar="DIR", help="Where to put it; also VAEHELPERS_DATA.")
@_common
def fetch_command(name: str, data_dir: str | None, quiet: bool, verbose: bool) -> None:
    """Download a series, checked against its SHA-256; prints where it lies."""
    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.data.catalogue import fetch

    with terminal_progress(False if quiet else None) as progress:
        place = fetch(name, data_dir=data_dir, progress=progress)
    click.echo(place)
