"""`vaehelpers fit`: train a detector and save it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import (
    _collect,
    _columns_of,
    _common,
    _detector_folder,
    _fitting,
    _pick,
    _reading,
    _remark,
    _shaping,
)
from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.data.choices import Choices
    from vaehelpers.detectors.vae import Detector


@click.command()
@click.argument("series", shell_complete=completion.known_series)
@click.option("--out", metavar="DIR", required=True, help="Folder to make.")
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@click.option(
    "--update",
    metavar="DETECTOR",
    shell_complete=completion.folders,
    help="Go on from this saved detector or report folder, not from nothing.",
)
@_reading
@_shaping
@_fitting
@_common
def fit(
    series: str,
    out: str,
    force: bool,
    update: str | None,
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
    """Train a detector on SERIES and save it.

    With --update: learn on from the newer rows of SERIES, a quarter of the steps, and draw the lines anew on them.
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
    values = _collect(preset, seed, assignments, false_alarms, time=time, value=value, label=label)
    columns = {name: values.pop(name, "") for name in ("time", "value", "label")}
    for name in ("series", "out"):
        if name in values:
            raise InputError(f"the parameter {name} is set by the command itself; leave it out of --set")
    if update is not None:
        update = _detector_folder(update)
        known = _updatable(update, values, preset, seed)
        data = _pick(open_series(series, **columns, data_dir=data_dir, choices=choices), _columns_of(update))
        with reserved(out), terminal_progress(False if quiet else None) as progress:
            start_tensorflow()
            from vaehelpers.detectors.vae import Detector

            detector = Detector.load(update).update(data, progress=progress, **known)
            return _save(detector, data.notes, out, force, quiet)
    data = open_series(series, **columns, data_dir=data_dir, choices=choices)
    check_length(data, values)
    data = with_training_part(data, values.pop("train_rows", 0))
    chosen = detector_settings(data, **{"contamination": -1.0, **values})
    with reserved(out), terminal_progress(False if quiet else None) as progress:
        start_tensorflow()
        from vaehelpers.detectors.vae import Detector

        detector = Detector(**chosen).fit(data.train, progress=progress)
        _save(detector, data.notes, out, force, quiet)


def _save(detector: Detector, notes: Sequence[str], out: str, force: bool, quiet: bool) -> None:
    detector.save(out, force=force)
    for note in (*notes, *detector.notes_):
        _remark(f"Note: {note}", quiet)
    click.echo(out)


def _updatable(folder: str, values: Mapping[str, Any], preset: str, seed: int) -> dict[str, Any]:
    """What --set may change of a detector that exists: the steps."""
    from vaehelpers.report.parameters import parse_settings

    _columns_of(folder)  # is there a detector?
    given = {**parse_settings(str(values.get("settings", ""))), **{n: v for n, v in values.items() if n != "settings"}}
    given = {name: value for name, value in given.items() if (name, value) not in (("preset", preset), ("seed", seed))}
    fixed = sorted(given.keys() - {"steps"})
    if fixed or preset != "fast" or seed:
        raise InputError(
            f"--update keeps the settings of {folder}; leave out {', '.join(fixed) or '--preset and --seed'}, or fit "
            "anew without --update"
        )
    return given
