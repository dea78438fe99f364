"""`vaehelpers watch`: score rows as they come in."""

from __future__ import annotations

import contextlib
import sys

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import _columns_of, _common, _detector_folder, _interval, _remark
from vaehelpers.common.errors import InputError


@click.command()
@click.argument("folder", metavar="DIR", shell_complete=completion.folders)
@click.option("--time", metavar="COL", default="", help="Time column; default: one called so, or that holds dates.")
@click.option("--value", metavar="COL", multiple=True, help="Value column, repeatable; default: the detector's own.")
@click.option("--gap", metavar="INTERVAL", help="Longer intervals are gaps: 10min, 90s, or a number; default: learned.")
@click.option("--context", metavar="FILE", help="Rows before the stream, so that its first rows have a past.")
@click.option("--state", metavar="FILE", help="Go on from this file, and keep it: nothing is lost by a restart.")
@click.option(
    "--refit-every", metavar="ROWS", type=click.IntRange(1), help="Learn on from the last rows, each time so many came."
)
@click.option(
    "--refit-on",
    metavar="ROWS",
    type=click.IntRange(1),
    help="Rows that a refit learns from; default: as many as the detector was fitted on, 50,000 at most.",
)
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be read.")
@_common
def watch(
    folder: str,
    time: str,
    value: tuple[str, ...],
    gap: str | None,
    context: str | None,
    state: str | None,
    refit_every: int | None,
    refit_on: int | None,
    strict: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Score rows as they come in, with the detector saved in DIR.

    Reads CSV with a header, or JSON lines, from standard input; writes one line of JSON for each row at once: row,
    time, value, score, p_value, flag, event, note. A row's score depends on the rows up to it alone. Where the series
    changes for good, the alarm line is drawn anew; with --refit-every the model learns on as well, and rows wait while
    it does. DIR stays as it is. A score needs a whole window of rows before it: without --context the first rows are
    "warming up". Rows that a feed sends again after a restart are left out. Ends with its input, or at Ctrl-C.
    """
    if refit_on is not None and refit_every is None:
        raise InputError("--refit-on says what a refit learns from; give --refit-every as well")
    from vaehelpers.commands.feed import Journal, Output, lines_of, stdout_descriptor
    from vaehelpers.commands.refits import Refits
    from vaehelpers.commands.rows import RowReader, StopSignals
    from vaehelpers.commands.watching import Checkpoint, lead_in, load_state, save_state
    from vaehelpers.commands.watching import watch as run_watch
    from vaehelpers.common.files import check_writable
    from vaehelpers.common.temporary import reserved
    from vaehelpers.common.tensorflow import start_tensorflow

    folder = _detector_folder(folder)
    columns = _columns_of(folder)
    with contextlib.ExitStack() as stack:
        if state:
            check_writable(state, force=True)
            stack.enter_context(reserved(state))
        before = load_state(state) if state else None
        reader = RowReader(columns, time=time, value=value, layout=before and before["layout"])
        stop = stack.enter_context(StopSignals())
        start_tensorflow()
        from vaehelpers.detectors.stream import StreamingDetector
        from vaehelpers.detectors.vae import Detector

        def tell(text: str) -> None:
            _remark(f"Note: {text}", quiet)

        refits = Refits(state, before and before["stream"], every=refit_every, on=refit_on, tell=tell)
        detector = Detector.load(refits.folder or folder)
        if before is None:
            stream = refits.begin(detector, StreamingDetector(detector, gap_limit=_interval(gap)))
        else:
            stream = refits.go_on(detector, before["stream"])
        stream.prepare()
        for note in stream.notes:
            tell(note)
        if context and before is not None:
            tell("the stream goes on from its state; --context is not needed and was not read")
        elif context:
            tell(lead_in(stream, detector, context, columns, time=time, value=value))
        rows = before["rows"] if before else 0
        output = stack.enter_context(Output(stdout_descriptor(), state, rows=rows))
        journal = stack.enter_context(Journal(state, before and before["input"])) if state else None

        def save(place: Checkpoint) -> None:
            if state and journal:
                end = place.end if place.end >= 0 else journal.offset
                refits.keep(stream)
                journal.settle(end, cut=place.cut, save=lambda source: save_state(state, stream, reader, place, source))
                refits.forget(stream)

        run_watch(
            stream, reader, lines_of(sys.stdin.fileno(), stop, journal), output.write, strict=strict, save=save,
            complain=lambda text: click.echo(text, err=True), remark=tell,
            pending=before["pending"] if before else (), rows=rows, restarted=before is not None,
        )  # fmt: skip
    if stop.number:
        raise click.exceptions.Exit(128 + stop.number)
