"""`vaehelpers watch`: score rows as they come in."""

from __future__ import annotations

import contextlib
import sys

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import _columns_of, _common, _detector_folder, _interval, _remark


@click.command()
@click.argument("folder", metavar="DIR", shell_complete=completion.folders)
@click.option("--time", metavar="COL", default="", help="Time column; default: one called so, or that holds dates.")
@click.option("--value", metavar="COL", multiple=True, help="Value column, repeatable; default: the detector's own.")
@click.option("--gap", metavar="INTERVAL", help="Longer intervals are gaps: 10min, 90s, or a number; default: learned.")
@click.option("--state", metavar="FILE", help="Go on from this file, and keep it: nothing is lost by a restart.")
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be read.")
@_common
def watch(
    folder: str,
    time: str,
    value: tuple[str, ...],
    gap: str | None,
    state: str | None,
    strict: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Score rows as they come in, with the detector saved in DIR.

    Reads CSV with a header, or JSON lines, from standard input; writes one line of JSON for each row at once: row,
    time, value, score, p_value, flag, event, note. A row's score depends on the rows up to it alone. Ends with its
    input, or at Ctrl-C.
    """
    from vaehelpers.commands.feed import Journal, Output, lines_of, stdout_descriptor
    from vaehelpers.commands.rows import RowReader, StopSignals
    from vaehelpers.commands.watching import Checkpoint, load_state, save_state
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

        detector = Detector.load(folder)
        if before is None:
            stream = StreamingDetector(detector, gap_limit=_interval(gap))
        else:
            stream = StreamingDetector.from_state(detector, before["stream"])
        for note in stream.prepare().notes:
            _remark(f"Note: {note}", quiet)
        rows = before["rows"] if before else 0
        output = stack.enter_context(Output(stdout_descriptor(), state, rows=rows))
        journal = stack.enter_context(Journal(state, before and before["input"])) if state else None

        def save(place: Checkpoint) -> None:
            if state and journal:
                end = place.end if place.end >= 0 else journal.offset
                journal.settle(end, cut=place.cut, save=lambda source: save_state(state, stream, reader, place, source))

        run_watch(
            stream, reader, lines_of(sys.stdin.fileno(), stop, journal), output.write, strict=strict, save=save,
            complain=lambda text: click.echo(text, err=True), remark=lambda text: _remark(f"Note: {text}", quiet),
            pending=before["pending"] if before else (), rows=rows,
        )  # fmt: skip
    if stop.number:
        raise click.exceptions.Exit(128 + stop.number)
