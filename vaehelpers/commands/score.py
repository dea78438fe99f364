"""`vaehelpers score`: score a series with a saved detector."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaehelpers.commands.options import _columns_of, _common, _pick, _reading, _remark, _shaping
from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.data.choices import Choices


@click.command()
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
@_shaping
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
    choices: Choices,
) -> None:
    """Score SERIES with the detector saved in DIR.

    Writes one row per input row: time, values, score, p_value, flag. Prints the file.
    """
    from vaehelpers.common.output import check_table_path, write_table
    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.common.tensorflow import start_tensorflow
    from vaehelpers.data.opening import open_series
    from vaehelpers.detectors.spool import Spool
    from vaehelpers.detectors.tables import scores_frame

    check_table_path(out)
    if series != "-" and Path(series).exists() and Path(out).exists() and Path(series).samefile(out):
        raise InputError(f"{out} is the series itself; name another file with --out")
    if not (Path(folder) / "detector.json").is_file() and (Path(folder) / "detector" / "detector.json").is_file():
        folder = str(Path(folder) / "detector")  # a report's folder
    columns = _columns_of(folder)
    if rows_at_once is not None or (series != "-" and Spool.check(series)):
        _score_in_parts(folder, series, out, 250_000 if rows_at_once is None else rows_at_once, columns, quiet,
                        time=time or None, values=value or None, label=label or None, choices=choices)  # fmt: skip
        click.echo(out)
        return
    data = open_series(series, time=time, value=value, label=label, data_dir=data_dir, allow_constant=True,
                       choices=choices)  # fmt: skip
    data = _pick(data, columns)
    with terminal_progress(False if quiet else None) as progress:
        start_tensorflow()
        from vaehelpers.detectors.vae import Detector

        detector = Detector.load(folder)
        scores = detector.decision_function(data, progress=progress)
        flags = detector.predict(data).astype(bool)
    if not out.lower().endswith(".csv"):  # a typed table keeps times as times
        data = dataclasses.replace(data, given_times=None)
    write_table(scores_frame(data, scores, detector.p_values(scores), flags), out)
    for note in data.notes:
        _remark(f"Note: {note}", quiet)
    click.echo(out)


def _score_in_parts(
    folder: str, series: str, out: str, rows: int, columns: Sequence[str], quiet: bool, **named: Any
) -> None:
    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.common.tensorflow import start_tensorflow
    from vaehelpers.data.reading import read_series_parts
    from vaehelpers.detectors.spool import Spool
    from vaehelpers.detectors.writing import write_scores

    if rows < 1:
        raise InputError(f"--rows-at-once {rows} must be at least 1")
    if not Path(series).is_file():
        raise InputError(f"only a file is read in parts, and {series} is none; leave out --rows-at-once")
    parts = read_series_parts(series, rows=rows, known=columns, **named)
    with terminal_progress(False if quiet else None) as progress, Spool(Path(out).absolute().parent) as spool:
        spool.read((_pick(part, columns) for part in parts), progress=progress)
        start_tensorflow()
        from vaehelpers.detectors.vae import Detector

        write_scores(Detector.load(folder), spool, out, rows=rows, progress=progress)
    for note in spool.notes:
        _remark(f"Note: {note}", quiet)
    _remark("Note: read in parts, rows are flagged one by one by the row threshold, not gathered into incidents", quiet)
