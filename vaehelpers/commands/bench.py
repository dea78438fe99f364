"""`vaehelpers bench`: evaluate on a folder of labelled series."""

from __future__ import annotations

import sys

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import _common, _detector_settings, _remark, _say


@click.command()
@click.argument("folder", metavar="DIR", shell_complete=completion.folders)
@click.option("--out", metavar="DIR", required=True, help="Folder for bench.csv and bench.md; run again to go on.")
@click.option("--force", is_flag=True, help="Drop the results in it and start over.")
@click.option(
    "--published", metavar="CSV", multiple=True,
    help="Published VUS-PR: a column file, then one column per detector. May be given several times.",
)  # fmt: skip
@click.option("--limit", metavar="N", type=int, help="The first N files alone, by name.")
@click.option(
    "--methods", metavar="A,B", default="",
    help="vae, vae-fast, vae-accurate, vae-lstm, a baseline (pca), or one with a smoothing of its own (pca@200); "
    "default: vae and all baselines. A wrong name lists the known ones.",
)  # fmt: skip
@click.option("--preset", metavar="fast|accurate|lstm", default="fast", show_default=True, help="What vae means.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of every random choice.")
@click.option(
    "--seeds", metavar="N", type=click.IntRange(1), default=1, show_default=True,
    help="So many seeds, from --seed on; their mean counts.",
)  # fmt: skip
@click.option(
    "--jobs", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="Processes side by side."
)
@click.option("--time-limit", metavar="SECONDS", type=float, help="For one method on one file; default: none.")
@click.option(
    "--set", "assignments", metavar="NAME=VALUE", multiple=True,
    help="Any parameter of the detector; a wrong name lists the known ones.",
)  # fmt: skip
@_common
def bench(
    folder: str,
    out: str,
    force: bool,
    published: tuple[str, ...],
    limit: int | None,
    methods: str,
    preset: str,
    seed: int,
    seeds: int,
    jobs: int,
    time_limit: float | None,
    assignments: tuple[str, ...],
    quiet: bool,
    verbose: bool,
) -> None:
    """Evaluate on a folder of TSB-AD-format files.

    Files called <anything>_tr_<T>_1st_<A>.csv, with a column Label: each method is fitted on the first T rows without
    labels, scores all rows, and is judged by VUS-PR. Writes bench.csv, a row as soon as it is there, and bench.md.
    Prints the means. A failure on one file is recorded and tried again by the next run.
    """
    from vaehelpers.bench.run import bench as run_bench
    from vaehelpers.common.progress import terminal_progress

    chosen = [name.strip() for name in methods.split(",") if name.strip()] if methods else None
    settings = _detector_settings(assignments)
    try:
        with terminal_progress(False if quiet else None) as progress:
            result = run_bench(
                folder, out, methods=chosen, preset=preset, seeds=range(seed, seed + seeds), settings=settings,
                published=published, limit=limit, jobs=jobs, time_limit=time_limit, force=force,
                command=["vaehelpers", *sys.argv[1:]], progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        message = f"interrupted; what is done is kept in {out}, and the same command goes on"
        raise click.exceptions.Exit(_say(message, 130)) from None
    for note in result.notes:
        _remark(f"Note: {note}", quiet)
    if len(result.means):
        click.echo(result.summary)
    failed = result.failed
    if len(failed) == len(result.rows):
        raise click.exceptions.Exit(_say(f"all {len(failed)} runs failed; the first: {failed['error'].iloc[0]}", 1))
    if len(failed):
        _remark(f"Note: {len(failed)} of {len(result.rows)} runs failed; {out}/bench.md says why", quiet)
