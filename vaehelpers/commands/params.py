"""`vaehelpers params`: every parameter that --set takes, with its default and a line each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

import click

from vaehelpers.commands import completion
from vaehelpers.commands.options import _common
from vaehelpers.common.errors import InputError


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completion.parameters)
@click.option(
    "--preset",
    metavar="NAME",
    default=None,
    shell_complete=completion.presets,
    help="Show the defaults under this preset.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@_common
def params(names: tuple[str, ...], preset: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """List the parameters that --set takes: name, default, range, unit, and what each does.

    With NAMEs: these alone.
    """
    from vaehelpers.detectors.settings import DEFAULT_PRESET, DETECTOR_PARAMETERS, preset_values, unknown_name
    from vaehelpers.report.parameters import parameters

    chosen = DEFAULT_PRESET if preset is None else preset
    defaults = preset_values(DETECTOR_PARAMETERS["preset"].check(chosen))
    detector = {
        name: {
            "default": defaults[name],
            "range": one.range,
            "unit": one.unit,
            "help": one.help,
            "type": one.type,
        }
        for name, one in DETECTOR_PARAMETERS.items()
    }
    notebook: dict[str, dict[str, Any]] = {
        name: {"default": one.default, "range": "", "unit": "", "help": one.help, "type": one.type}
        for name, one in parameters().items()
        if name not in detector
    }
    for name in names:
        if name not in detector and name not in notebook:
            raise InputError(unknown_name(name, [*detector, *notebook]))
    groups = {"detector": detector, "report": notebook}
    if names:
        groups = {title: {n: table[n] for n in names if n in table} for title, table in groups.items()}
    if as_json:
        click.echo(json.dumps(groups, indent=2))
        return
    titles = {
        "detector": f"Parameters of the detector, preset {chosen} (report, fit, bench):",
        "report": "Parameters of the report notebook alone (report):",
    }
    click.echo("\n\n".join(_table(titles[name], table) for name, table in groups.items() if table))


def _table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    wide = max(map(len, rows)) + 2
    room = min(max(shutil.get_terminal_size().columns, 60), 100)
    lines = [title]
    for name, one in rows.items():
        allowed = one["range"] + (f" ({one['unit']})" if one["unit"] else "")
        facts = f"default {_shown(one['default'])}" + (f"; {allowed}" if allowed else "")
        first, further = f"  {name:<{wide}}", " " * (wide + 2)
        lines.append(click.wrap_text(one["help"] or facts, room, first, further))
        if one["help"]:
            lines.append(click.wrap_text(facts, room, further, further))
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is None:
        return "from the series"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value) or "none"
