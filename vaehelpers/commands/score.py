"""`vaehelpers score`: score a series with a saved detector."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import (
    _columns_of,
    _common,
    _detector_folder,
    _pick,
    _reading,
    _remark,
    _shaping,
)
from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.commands.daily import Outcome
    from vaehelpers.data.choices import Choices

ALARM = 3  # exit status of --fail-on-alarm


@click.command()
@click.argument("folder", metavar="DIR", shell_complete=completion.folders)
@click.argument("series", shell_complete=completion.known_series)
@click.option("--out", metavar="FILE", required=True, help="Where to write; .csv, .parquet or .pq.")
@click.option("--events", metavar="FILE", help="Write what was found as well; .csv, .parquet, .pq or .json.")
@click.option("--context", metavar="FILE", help="Rows before SERIES, so that its first rows have a past.")
@click.option("--fail-on-alarm", is_flag=True, help=f"Exit status {ALARM} if anything was found.")
@click.option("--as-is", is_flag=True, help="Score although the interval or the unit differs from the training part.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option(
    "--rows-at-once",
    metavar="N",
    type=int,
    help="Read and score so many rows at a time; default: all of a file under 100 MB, else 250000.",
)
@_reading
@_shaping
@_common
def score(
    folder: str,
    series: str,
    out: str,
    events: str | None,
    context: str | None,
    fail_on_alarm: bool,
    as_is: bool,
    force: bool,
    rows_at_once: int | None,
    time: str,
    value: tuple[str, ...],
    label: str,
    data_dir: str | None,
    quiet: bool,
    verbose: bool,
    choices: Choices,
) -> None:
    """Score SERIES with the detector saved in DIR, the folder of `fit` or of a report.

    Writes one row per input row: time, values, score, p_value, flag. Prints the file, and on stderr one line: rows,
    events, the most severe one, and whether the alarms can be trusted.
    """
    from vaehelpers.commands.daily import check_targets, write_events
    from vaehelpers.detectors.spool import Spool

    check_targets(out, events, [series, *([context] if context else [])], force=force)
    folder = _detector_folder(folder)
    columns = _columns_of(folder)
    job = _Job(folder, series, out, context, as_is, quiet, columns,
               {"time": time, "value": value, "label": label, "data_dir": data_dir, "choices": choices})  # fmt: skip
    if rows_at_once is not None or (series != "-" and Spool.check(series)):
        found, notes = job.in_parts(250_000 if rows_at_once is None else rows_at_once)
    else:
        found, notes = job.at_once()
    if events:
        write_events(found, events, job.name)
    for note in notes:
        _remark(f"Note: {note}", quiet)
    alarm = fail_on_alarm and found.alarms > 0
    _remark(found.summary, quiet and not alarm)
    click.echo(out)
    if alarm:
        raise click.exceptions.Exit(ALARM)


@dataclasses.dataclass
class _Job:
    folder: str
    series: str
    out: str
    context: str | None
    as_is: bool
    quiet: bool
    columns: list[str]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return "standard input" if self.series == "-" else Path(self.series).name

    def _open(self, source: str) -> Any:
        from vaehelpers.data.opening import open_series

        options = dict(self.options)
        if source != self.series:  # the training part is no matter of the rows before
            options["choices"] = dataclasses.replace(options["choices"], train_until=None)
        data = open_series(source, allow_constant=True, **options)
        return _pick(data, self.columns, named=bool(self.options["value"]))

    def at_once(self) -> tuple[Outcome, list[str]]:
        from vaehelpers.commands.daily import check_same_kind, outcome, with_context
        from vaehelpers.common.output import write_table
        from vaehelpers.common.progress import terminal_progress
        from vaehelpers.common.tensorflow import start_tensorflow
        from vaehelpers.detectors.tables import scores_frame

        data = self._open(self.series)
        differences = check_same_kind(self.folder, data, as_is=self.as_is)
        whole, skip = (data, 0) if self.context is None else with_context(data, self._open(self.context))
        with terminal_progress(False if self.quiet else None) as progress:
            start_tensorflow()
            from vaehelpers.detectors.vae import Detector

            detector = Detector.load(self.folder)
            found = detector.explain(whole, progress=progress)
        if not self.out.lower().endswith(".csv"):  # a typed table keeps times as times
            data = dataclasses.replace(data, given_times=None)
        write_table(scores_frame(data, found.scores[skip:], found.p_values[skip:], found.flags[skip:]), self.out)
        told = outcome(self.name, found.events, found.flags, found.check, found.line, skip=skip)
        return told, [*whole.notes, *differences]

    def in_parts(self, rows: int) -> tuple[Outcome, list[str]]:
        from vaehelpers.commands.daily import check_same_kind, outcome, with_context
        from vaehelpers.common.progress import terminal_progress
        from vaehelpers.common.tensorflow import start_tensorflow
        from vaehelpers.data.reading import read_series_parts
        from vaehelpers.detectors.spool import Spool
        from vaehelpers.detectors.writing import write_scores

        if rows < 1:
            raise InputError(f"--rows-at-once {rows} must be at least 1")
        if not Path(self.series).is_file():
            raise InputError(f"only a file is read in parts, and {self.series} is none; leave out --rows-at-once")
        options = self.options
        parts = (
            _pick(part, self.columns, named=bool(options["value"]))
            for part in read_series_parts(
                self.series, rows=rows, known=self.columns, time=options["time"] or None,
                values=options["value"] or None, label=options["label"] or None, choices=options["choices"],
            )
        )  # fmt: skip
        first = next(parts)
        differences = check_same_kind(self.folder, first, as_is=self.as_is)
        skip = 0
        with (
            terminal_progress(False if self.quiet else None) as progress,
            Spool(Path(self.out).absolute().parent) as spool,
        ):
            if self.context is not None:
                joined, skip = with_context(first, self._open(self.context))
                first = joined
            spool.read(_chain(first, parts), progress=progress)
            start_tensorflow()
            from vaehelpers.detectors.vae import Detector

            detector = Detector.load(self.folder)
            judged = write_scores(detector, spool, self.out, rows=rows, skip=skip, progress=progress)
        told = outcome(self.name, judged.events, judged.flags, judged.check, judged.line, skip=skip)
        return told, [*spool.notes, *differences]


def _chain(first: Any, rest: Any) -> Any:
    yield first
    yield from rest
