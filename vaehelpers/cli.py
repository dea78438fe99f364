"""The command line: `vaehelpers report | fit | score | watch | bench | data`.

Nothing heavy is imported before it is needed, so that ``--help`` answers at once and bad input within a second or so:
whatever can be told without TensorFlow is told before it starts. Errors are one line on stderr, ``Error: ...``; the
exit status is 0 (done), 1 (the work failed), 2 (bad usage or bad input) or 130 (interrupted).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import vaehelpers
from vaehelpers.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.series import Series

__all__ = ["cli", "main", "run"]

Command = TypeVar("Command", bound=Callable[..., Any])
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def main() -> None:
    """Run the command line and leave with its exit status; the entry point ``vaehelpers``."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str
        What stands behind ``vaehelpers``.

    Returns
    -------
    int

    Examples
    --------
    >>> run(["--version"])
    vaehelpers ...
    0
    """
    _clean_up_when_told_to_stop()
    try:
        status = cli.main(args=list(arguments), prog_name="vaehelpers", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except InputError as error:
        return _fail(str(error), 2, arguments)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted; nothing was written", 130)
    except BrokenPipeError:
        # Whoever read our stdout has gone; Python must not complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        reason = f"{name}{error.strerror or error}"
        if error.errno in CANNOT_WRITE:
            return _fail(f"cannot write the result: {reason}; make room or choose another place", 2, arguments)
        return _fail(reason, 2 if isinstance(error, PermissionError) else 1, arguments)
    except MemoryError:
        return _fail("out of memory; give fewer rows or a smaller batch_size", 1, arguments)
    except Exception as error:
        text = str(error).strip().splitlines()
        message = f"{type(error).__name__}: {text[0] if text else 'no message'}"
        if isinstance(error, vaehelpers.report.ReportError):
            message = str(error)
        return _fail(f"{message} (--verbose shows the traceback)", 1, arguments)


def _clean_up_when_told_to_stop() -> None:
    """Leave through the ordinary way out on SIGTERM and, unless it is ignored (nohup), when the terminal closes."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminated)


def _terminated(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def _fail(message: str, status: int, arguments: Sequence[str]) -> int:
    if "--verbose" in arguments:
        error = sys.exception()
        details = getattr(error, "details", "")
        click.echo(details or traceback.format_exc(), err=True)
    return _say(message, status)


def _say(message: str, status: int) -> int:
    click.echo("Error: " + " ".join(message.split()), err=True)
    return status


# ---------------------------------------------------------------- options that several commands share


def _common(command: Command) -> Command:
    command = click.option("--verbose", is_flag=True, help="Show the traceback of an error.")(command)
    return click.option("--quiet", is_flag=True, help="No progress, no remarks.")(command)


def _reading(command: Command) -> Command:
    options = [
        click.option("--time", metavar="COL", default="", help="Time column; default: the first that holds times."),
        click.option("--value", metavar="COL", multiple=True, help="Value column, repeatable; default: all numeric."),
        click.option("--label", metavar="COL", default="", help="Column of 0 (normal) and 1 (anomalous)."),
        click.option("--data-dir", metavar="DIR", help="Where downloadable series lie; also VAEHELPERS_DATA."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _fitting(command: Command) -> Command:
    options = [
        click.option("--preset", metavar="fast|accurate", default="fast", show_default=True, help="How long to train."),
        click.option("--seed", type=int, default=0, show_default=True, help="Of every random choice."),
        click.option(
            "--set", "assignments", metavar="NAME=VALUE", multiple=True,
            help="Any parameter of the report notebook or the detector; a wrong name lists the known ones.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _collect(preset: str, seed: int, assignments: Sequence[str], **columns: Any) -> dict[str, Any]:
    """Options and --set into parameters of the report notebook; a parameter of the detector goes into `settings`."""
    from vaehelpers import report

    ours, detectors = report.parameters(), report.detector_parameters()
    values: dict[str, Any] = {"preset": preset, "seed": seed}
    further: list[str] = []
    for name, text in map(_assignment, assignments):
        if name in ours:
            values[name] = text
        elif name in detectors:
            value = report.check_parameters({name: text}, detectors)[name]
            further.append(f"{name}={value!r}")
        else:
            known = list(dict.fromkeys([*ours, *detectors]))
            report.check_parameters({name: text}, {key: ours.get(key) or detectors[key] for key in known})
    if further:
        values["settings"] = ", ".join([*filter(None, [values.get("settings", "")]), *further])
    given = {name: value for name, value in columns.items() if value}
    if given.get("value"):
        given["value"] = report.join_names(given["value"])
    checked = report.check_parameters(values | given, ours)
    for name in report.parse_settings(checked.get("settings", "")):
        if name not in detectors:
            report.check_parameters({name: ""}, detectors)
    return checked


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text!r} is not NAME=VALUE")
    return name.strip(), value


def _remark(text: str, quiet: bool) -> None:
    if not quiet:
        click.echo(text, err=True)


# ---------------------------------------------------------------- commands


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, no_args_is_help=True)
@click.version_option(vaehelpers.__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Find what is unusual in a time series, with an LSTM variational autoencoder.

    SERIES is a CSV or Parquet file, - for standard input, or the name of a known series (vaehelpers data list).
    """


@cli.command()
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
    from vaehelpers.progress import terminal_progress
    from vaehelpers.report import report as write_report

    values = _collect(preset, seed, assignments, time=time, value=value, label=label)
    with terminal_progress(False if quiet else None) as progress:
        page = write_report(
            series, out, values=values, data_dir=data_dir, force=force, command=["vaehelpers", *sys.argv[1:]],
            progress=progress,
        )  # fmt: skip
    click.echo(page)


@cli.command()
@click.argument("series")
@click.option("--out", metavar="DIR", required=True, help="Folder to make.")
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@_reading
@_fitting
@_common
def fit(
    series: str,
    out: str,
    force: bool,
    time: str,
    value: tuple[str, ...],
    label: str,
    data_dir: str | None,
    preset: str,
    seed: int,
    assignments: tuple[str, ...],
    quiet: bool,
    verbose: bool,
) -> None:
    """Train a detector on SERIES and save it.

    Ctrl-C ends the training and keeps the best weights so far. Prints the folder.
    """
    from vaehelpers.files import check_free
    from vaehelpers.findings import with_training_part
    from vaehelpers.progress import terminal_progress
    from vaehelpers.report import check_length, detector_settings, open_series, start_tensorflow

    check_free(out, force=force)
    values = _collect(preset, seed, assignments, time=time, value=value, label=label)
    columns = {name: values.pop(name, "") for name in ("time", "value", "label")}
    for name in ("series", "out"):
        if name in values:
            raise InputError(f"the parameter {name} is set by the command itself; leave it out of --set")
    data = open_series(series, **columns, data_dir=data_dir)
    check_length(data, values)
    data = with_training_part(data, values.pop("train_rows", 0))
    chosen = detector_settings(data, **{"contamination": -1.0, **values})
    with terminal_progress(False if quiet else None) as progress:
        start_tensorflow()
        from vaehelpers.detector import Detector

        detector = Detector(**chosen).fit(data.train, progress=progress)
    detector.save(out, force=force)
    for note in (*data.notes, *detector.notes_):
        _remark(f"Note: {note}", quiet)
    click.echo(out)


@cli.command()
@click.argument("folder", metavar="DIR")
@click.argument("series")
@click.option("--out", metavar="FILE", required=True, help="Where to write; .csv, .parquet or .pq.")
@click.option(
    "--rows-at-once",
    metavar="N",
    type=int,
    help="Read and score so many rows at a time; default: all of a file under 100 MB, else 250000.",
)
@_reading
@_common
def score(
    folder: str,
    series: str,
    out: str,
    rows_at_once: int | None,
    time: str,
    value: tuple[str, ...],
    label: str,
    data_dir: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Score SERIES with the detector saved in DIR.

    Writes one row per input row: time, values, score, p_value, flag. Prints the file.
    """
    import numpy as np

    from vaehelpers.parts import Spool
    from vaehelpers.progress import terminal_progress
    from vaehelpers.report import check_table_path, open_series, scores_frame, start_tensorflow, write_table

    check_table_path(out)
    if series != "-" and Path(series).exists() and Path(out).exists() and Path(series).samefile(out):
        raise InputError(f"{out} is the series itself; name another file with --out")
    columns = _columns_of(folder)
    if rows_at_once is not None or (series != "-" and Spool.check(series)):
        _score_in_parts(folder, series, out, 250_000 if rows_at_once is None else rows_at_once, columns, quiet,
                        time=time or None, values=value or None, label=label or None)  # fmt: skip
        click.echo(out)
        return
    data = open_series(series, time=time, value=value, label=label, data_dir=data_dir, allow_constant=True)
    data = _pick(data, columns)
    with terminal_progress(False if quiet else None) as progress:
        start_tensorflow()
        from vaehelpers.detector import Detector

        detector = Detector.load(folder)
        scores = detector.decision_function(data, progress=progress)
    rule = detector.threshold_
    # the floor is that of Detector.explain, so that a report and `score` say the same of the same rows
    p_values = np.maximum(rule.p_values(scores), 0.01 / (detector.calibration_["rows"] + 1))
    write_table(scores_frame(data, scores, p_values, rule.flags(scores)), out)
    for note in data.notes:
        _remark(f"Note: {note}", quiet)
    click.echo(out)


def _score_in_parts(
    folder: str, series: str, out: str, rows: int, columns: Sequence[str], quiet: bool, **named: Any
) -> None:
    from vaehelpers.parts import Spool, write_scores
    from vaehelpers.progress import terminal_progress
    from vaehelpers.reading import read_series_parts
    from vaehelpers.report import start_tensorflow

    if rows < 1:
        raise InputError(f"--rows-at-once {rows} must be at least 1")
    if not Path(series).is_file():
        raise InputError(f"only a file is read in parts, and {series} is none; leave out --rows-at-once")
    parts = read_series_parts(series, rows=rows, known=columns, **named)
    with terminal_progress(False if quiet else None) as progress, Spool(Path(out).absolute().parent) as spool:
        spool.read((_pick(part, columns) for part in parts), progress=progress)
        start_tensorflow()
        from vaehelpers.detector import Detector

        write_scores(Detector.load(folder), spool, out, rows=rows, progress=progress)
    for note in spool.notes:
        _remark(f"Note: {note}", quiet)


@cli.command()
@click.argument("folder", metavar="DIR")
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

    Reads CSV with a header, or JSON lines, from standard input; writes one line of JSON for each row at once: time,
    value, score, p_value, flag, note. A row's score depends on the rows up to it alone. Ends with its input, or at
    Ctrl-C.
    """
    from vaehelpers.report import start_tensorflow
    from vaehelpers.watch import RowReader, StopSignals, lines_of, load_state, save_state
    from vaehelpers.watch import watch as run_watch

    columns = _columns_of(folder)
    before = load_state(state) if state else None
    reader = RowReader(columns, time=time, value=value, layout=before and before["layout"])
    with StopSignals() as stop:
        start_tensorflow()
        from vaehelpers.detector import Detector
        from vaehelpers.stream import StreamingDetector

        detector = Detector.load(folder)
        if before is None:
            stream = StreamingDetector(detector, gap_limit=_interval(gap))
        else:
            stream = StreamingDetector.from_state(detector, before["stream"])
        for note in stream.prepare().notes:
            _remark(f"Note: {note}", quiet)

        def save(pending: list[str]) -> None:
            if state:
                save_state(state, stream, reader, pending)

        def write(line: str) -> None:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

        run_watch(
            stream, reader, lines_of(sys.stdin.fileno(), stop), write, strict=strict, save=save,
            complain=lambda text: click.echo(text, err=True), remark=lambda text: _remark(f"Note: {text}", quiet),
            pending=before["pending"] if before else (),
        )  # fmt: skip
    if stop.number:
        raise click.exceptions.Exit(128 + stop.number)


def _interval(text: str | None) -> str | float | None:
    """A number, or text for a Timedelta."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _columns_of(folder: str) -> list[str]:
    """Columns that a saved detector was fitted on, read without TensorFlow; the full check is `Detector.load`."""
    import json

    path = Path(folder) / "detector.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no detector; name a folder that `vaehelpers fit` or a report wrote")
    try:
        columns = json.loads(path.read_text(encoding="utf-8"))["columns"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in columns] if isinstance(columns, list) else []


def _pick(data: Series, columns: Sequence[str]) -> Series:
    """The columns that the detector knows, in its order, where the series has them all."""
    import dataclasses

    if not columns or tuple(columns) == data.columns:
        return data
    if not set(columns) <= set(data.columns):
        if len(columns) != data.n_features:
            raise InputError(
                f"the series has {data.n_features} variables ({', '.join(data.columns)}); the detector was fitted on "
                f"{len(columns)} ({', '.join(columns)})"
            )
        return data
    where = [data.columns.index(name) for name in columns]
    units = tuple(data.units[i] for i in where) if data.units else None
    return dataclasses.replace(data, values=data.values[:, where], columns=tuple(columns), units=units)


@cli.command()
@click.argument("folder", metavar="DIR")
@click.option("--out", metavar="DIR", required=True, help="Folder for bench.csv and bench.md; run again to go on.")
@click.option("--force", is_flag=True, help="Drop the results in it and start over.")
@click.option("--published", metavar="CSV", help="Published VUS-PR: a column file, then one column per detector.")
@click.option("--limit", metavar="N", type=int, help="The first N files alone, by name.")
@click.option(
    "--methods", metavar="A,B", default="",
    help="vae, vae-fast, vae-accurate, a baseline (pca), or one with a smoothing of its own (pca@200); default: vae "
    "and all baselines. A wrong name lists the known ones.",
)  # fmt: skip
@click.option("--preset", metavar="fast|accurate", default="fast", show_default=True, help="What vae means.")
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
    published: str | None,
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
    from vaehelpers.bench import bench as run_bench
    from vaehelpers.progress import terminal_progress

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


def _detector_settings(assignments: Sequence[str]) -> dict[str, Any]:
    """--set into parameters of the Detector; the preset and the seed have options of their own."""
    from vaehelpers import report

    known = {name: it for name, it in report.detector_parameters().items() if name not in ("preset", "seed")}
    return report.check_parameters(dict(map(_assignment, assignments)), known)


@cli.group(name="data")
def data_group() -> None:
    """Embedded and downloadable series."""


@data_group.command(name="list")
@click.option("--data-dir", metavar="DIR", help="Where downloadable series lie; also VAEHELPERS_DATA.")
@_common
def list_command(data_dir: str | None, quiet: bool, verbose: bool) -> None:
    """List the series known by name, and where they lie."""
    from vaehelpers.data import list_series

    click.echo(list_series(data_dir).to_string(index=False, na_rep="-"))


@data_group.command(name="fetch")
@click.argument("name", default="nab")
@click.option("--data-dir", metavar="DIR", help="Where to put it; also VAEHELPERS_DATA.")
@_common
def fetch_command(name: str, data_dir: str | None, quiet: bool, verbose: bool) -> None:
    """Download a series, checked against its SHA-256; prints where it lies."""
    from vaehelpers.data import fetch
    from vaehelpers.progress import terminal_progress

    with terminal_progress(False if quiet else None) as progress:
        place = fetch(name, data_dir=data_dir, progress=progress)
    click.echo(place)


if __name__ == "__main__":
    main()
