"""`vaehelpers fleet`: many series, and `vaehelpers fleet score` for the days after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from vaehelpers.commands.options import Command, _collect, _common, _fitting, _reading, _remark, _shaping
from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.data.choices import Choices
    from vaehelpers.fleet.run import Fleet


def _cluster(command: Command) -> Command:
    options = [
        click.option("--workers", metavar="N", type=int, help="Processes on this machine; default: one for two cores."),
        click.option("--scheduler", metavar="ADDRESS", default="", help="A Dask scheduler that is there: tcp://..."),
        click.option("--deadline", metavar="SECONDS", type=float, help="For one series; default: none."),
        click.option(
            "--false-discoveries", metavar="SHARE", type=float, default=0.1, show_default=True,
            help="Expected share of chance among the series that are called a discovery.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("folder", metavar="DIR")
@click.argument("series", nargs=-1, required=True)
@_cluster
@click.option("--by", metavar="COL", default="", help="Column of the ids, where one table holds many series.")
@_common
def score(
    folder: str,
    series: tuple[str, ...],
    workers: int | None,
    scheduler: str,
    deadline: float | None,
    false_discoveries: float,
    by: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Score what is new in SERIES with the detectors of the fleet in DIR.

    Series are matched by name. Rows behind the last one that was scored are new; they are appended to new_scores.csv of
    their series, and the index shows new events on top. Prints the path of the index.
    """
    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.fleet.scoring import score_fleet

    with terminal_progress(False if quiet else None) as progress:
        done = score_fleet(
            folder, series, by=by, workers=workers, scheduler=scheduler, deadline=deadline,
            false_discoveries=false_discoveries, command=["vaehelpers", *sys.argv[1:]], progress=progress,
            announce=lambda address: _remark(f"dashboard: {address}", quiet),
        )  # fmt: skip
    new = int(done.rows["new_events"].fillna(0).sum())
    _tell(done, f"{int(done.rows['new_rows'].fillna(0).sum()):,} new rows, {new:,} new events. ", quiet)


class _Fleet(click.Command):
    """``fleet SERIES...``, or ``fleet score``; a file of that name is ./score."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] == "score":
            return score.make_context(f"{info_name} score", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Fleet)
@click.argument("series", nargs=-1, required=True)
@click.option("--out", metavar="DIR", required=True, help="Folder of the fleet; one that is there goes on.")
@click.option("--no-report", is_flag=True, help="Detector, scores and events alone: quicker by far.")
@_cluster
@_reading
@_shaping
@_fitting
@_common
def fleet(
    series: tuple[str, ...],
    out: str,
    no_report: bool,
    workers: int | None,
    scheduler: str,
    deadline: float | None,
    false_discoveries: float,
    time: str,
    value: tuple[str, ...],
    label: str,
    data_dir: str | None,
    preset: str,
    seed: int,
    false_alarms: float | None,
    assignments: tuple[str, ...],
    quiet: bool,
    verbose: bool,
    choices: Choices,
) -> None:
    """Write a report for each of many series, on all cores or on a cluster.

    SERIES are files, folders, globs, addresses or known names; with --by COL one table that holds many. A second call
    does what is missing or has changed. Later: vaehelpers fleet score DIR SERIES... scores new rows with the saved
    detectors. Prints the path of the index.
    """
    import dataclasses

    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.fleet.run import fleet as run_fleet

    by, choices = choices.by or "", dataclasses.replace(choices, by=None)
    if "=" in by:
        raise InputError(f"--by {by}: a fleet takes all series of a table; name the column alone")
    values = _collect(preset, seed, assignments, false_alarms, time=time, value=value, label=label)
    with terminal_progress(False if quiet else None) as progress:
        done = run_fleet(
            series, out, by=by, values=values, report=not no_report, choices=choices, workers=workers,
            scheduler=scheduler, deadline=deadline, false_discoveries=false_discoveries, data_dir=data_dir,
            command=["vaehelpers", *sys.argv[1:]], progress=progress,
            announce=lambda address: _remark(f"dashboard: {address}", quiet),
        )  # fmt: skip
    _tell(done, "", quiet)


for parameter in fleet.params:
    if isinstance(parameter, click.Option) and parameter.name == "by":  # elsewhere it takes one series of a table
        parameter.metavar, parameter.help = "COL", "Column of the ids, where one table holds many series."


def _tell(done: Fleet, news: str, quiet: bool) -> None:
    """The path on stdout, and what happened on stderr."""
    click.echo(done.folder / "index.html")
    rate = f", {60 * done.done / done.seconds:.1f} a minute" if done.done else ""
    _remark(
        f"{done.done:,} series done{rate}, {done.kept:,} were done already, {done.failed:,} failed; "
        f"{done.seconds:.1f} s. {news}",
        quiet,
    )
    for row in done.rows[done.rows["status"] != "ok"].head(5).itertuples():
        _remark(f"failed: {row.series}: {row.error}", quiet)
    _remark(done.sentence, quiet)
