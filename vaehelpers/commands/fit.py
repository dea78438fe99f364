"""`vaehelpers fit`: train a detector and save it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vaehelpers.commands.options import _collect, _common, _fitting, _reading, _remark, _shaping
from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.data.choices import Choices


@click.command()
@click.argument("series")
@click.option("--out", metavar="DIR", required=True, help="Folder to make.")
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@_reading
@_shaping
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
    choices: Choices,
) -> None:
    """Train a detector on SERIES and save it.

    Ctrl-C ends the training and keeps the best weights so far. Prints the folder.
    """
    from vaehelpers.common.files import check_free
    from vaehelpers.common.progress import terminal_progress
    from vaehelpers.common.temporary import reserved
    from vaehelpers.common.tensorflow import start_tensorflow
    from vaehelpers.data.opening import open_series
    from vaehelpers.report.findings import with_training_part
    from vaehelpers.report.parameters import detector_settings
    from vaehelpers.report.run import check_length

    check_free(out, force=force)
    values = _collect(preset, seed, assignments, time=time, value=value, label=label)
    columns = {name: values.pop(name, "") for name in ("time", "value", "label")}
    for name in ("series", "out"):
        if name in values:
            raise InputError(f"the parameter {name} is set by the command itself; leave it out of --set")
    data = open_series(series, **columns, data_dir=data_dir, choices=choices)
    check_length(data, values)
    data = with_training_part(data, values.pop("train_rows", 0))
    chosen = detector_settings(data, **{"contamination": -1.0, **values})
    with reserved(out), terminal_progress(False if quiet else None) as progress:
        start_tensorflow()
        from vaehelpers.detectors.vae import Detector

        detector = Detector(**chosen).fit(data.train, progress=progress)
        detector.save(out, force=force)
    for note in (*data.notes, *detector.notes_):
        _remark(f"Note: {note}", quiet)
    click.echo(out)
