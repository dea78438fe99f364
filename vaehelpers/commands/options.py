"""Options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vaehelpers.commands import completion
from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.data.series import Series


Command = TypeVar("Command", bound=Callable[..., Any])


def _say(message: str, status: int) -> int:
    click.echo("Error: " + " ".join(message.split()), err=True)
    return status


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


def _shaping(command: Command) -> Command:
    """Options that settle how a file is read; they arrive as one keyword, `choices`."""
    import functools

    options = [
        click.option("--skip-rows", metavar="N", type=int, default=0, help="Lines above the header."),
        click.option("--na", metavar="WORD", multiple=True, help="Further word for a missing value, repeatable."),
        click.option("--tz", metavar="ZONE", help="Zone of times without one, such as Europe/Berlin."),
        click.option("--exclude", metavar="COL", multiple=True, help="Column to leave out, repeatable."),
        click.option("--train-until", metavar="TIME", help="Rows up to this time are the training part."),
        click.option("--sort", is_flag=True, help="Put rows in the order of their times."),
        click.option("--duplicates", metavar="RULE", help="Of repeated times: keep, first, last, mean or refuse."),
        click.option("--by", metavar="COL=ID", help="One series of a long table."),
        click.option("--decimal", metavar="MARK", help="Decimal mark, where a file leaves it open: . or ,"),
    ]

    @functools.wraps(command)
    def gathered(*args: Any, skip_rows: int, na: tuple[str, ...], tz: str | None, exclude: tuple[str, ...],
                 train_until: str | None, sort: bool, duplicates: str | None, by: str | None, decimal: str | None,
                 **rest: Any) -> Any:  # fmt: skip
        from vaehelpers.data.choices import Choices

        choices = Choices(skip_rows, na, tz, exclude, train_until, sort, duplicates, by, decimal)
        return command(*args, choices=choices, **rest)

    shaped: Any = gathered
    for option in reversed(options):
        shaped = option(shaped)
    return shaped


def _fitting(command: Command) -> Command:
    options = [
        click.option(
            "--preset", metavar="NAME", default="fast", show_default=True, shell_complete=completion.presets,
            help="fast, accurate or lstm; vaehelpers params --preset shows what each sets.",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Of every random choice."),
        click.option(
            "--false-alarms", type=float, default=None, metavar="N",
            help="False alarms a month, or per 10,000 rows without times, that you accept; default: 1.",
        ),
        click.option(
            "--set", "assignments", metavar="NAME=VALUE", multiple=True, shell_complete=completion.parameters,
            help="Any parameter of the report notebook or the detector; vaehelpers params lists them.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _collect(
    preset: str, seed: int, assignments: Sequence[str], false_alarms: float | None = None, **columns: Any
) -> dict[str, Any]:
    """Options and --set into parameters of the report notebook; a parameter of the detector goes into `settings`."""
    if false_alarms is not None:
        assignments = [*assignments, f"false_alarms={false_alarms!r}"]
    from vaehelpers.data import names
    from vaehelpers.report import parameters

    ours, detectors = parameters.parameters(), parameters.detector_parameters()
    values: dict[str, Any] = {"preset": preset, "seed": seed}
    further: list[str] = []
    for name, text in map(_assignment, assignments):
        if name in ours:
            values[name] = text
        elif name in detectors:
            value = parameters.check_parameters({name: text}, detectors)[name]
            further.append(f"{name}={value!r}")
        else:
            known = list(dict.fromkeys([*ours, *detectors]))
            parameters.check_parameters({name: text}, {key: ours.get(key) or detectors[key] for key in known})
    if further:
        values["settings"] = ", ".join([*filter(None, [values.get("settings", "")]), *further])
    given = {name: value for name, value in columns.items() if value}
    if given.get("value"):
        given["value"] = names.join_names(given["value"])
    checked = parameters.check_parameters(values | given, ours)
    for name in parameters.parse_settings(checked.get("settings", "")):
        if name not in detectors:
            parameters.check_parameters({name: ""}, detectors)
    return checked


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text!r} is not NAME=VALUE")
    return name.strip(), value


def _remark(text: str, quiet: bool) -> None:
    if not quiet:
        click.echo(text, err=True)


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


def _detector_folder(folder: str) -> str:
    """A detector's folder; that of a report holds one."""
    inside = Path(folder) / "detector"
    return str(inside) if not (Path(folder) / "detector.json").is_file() and inside.is_dir() else folder


def _pick(data: Series, columns: Sequence[str], *, named: bool = False) -> Series:
    """The columns that the detector knows, in its order; of other names only those that the user has named."""
    import dataclasses

    if not columns or tuple(columns) == data.columns:
        return data
    known = f"the detector was fitted on {len(columns)} ({', '.join(columns)})"
    found = ", ".join(data.columns)
    if named or not set(columns) <= set(data.columns):
        if len(columns) != data.n_features:
            raise InputError(f"the series has {data.n_features} variables ({found}); {known}")
        plain = tuple(columns) == (
            ("value",) if len(columns) == 1 else tuple(f"value_{i}" for i in range(len(columns)))
        )
        if not named and not plain:
            values = " ".join(f"--value {shlex.quote(name)}" for name in data.columns)
            raise InputError(f"the series has {found}; {known}; rename the columns, or name those to take: {values}")
        note = f"{found} is read as {', '.join(columns)}"
        return dataclasses.replace(data, columns=tuple(columns), notes=(*data.notes, note))
    where = [data.columns.index(name) for name in columns]
    units = tuple(data.units[i] for i in where) if data.units else None
    given = None if data.given_values is None else data.given_values[:, where]
    return dataclasses.replace(
        data, values=data.values[:, where], given_values=given, columns=tuple(columns), units=units
    )


def _detector_settings(assignments: Sequence[str]) -> dict[str, Any]:
    """--set into parameters of the Detector; the preset and the seed have options of their own."""
    from vaehelpers.report import parameters

    known = {name: it for name, it in parameters.detector_parameters().items() if name not in ("preset", "seed")}
    return parameters.check_parameters(dict(map(_assignment, assignments)), known)
