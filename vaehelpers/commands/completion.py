"""What the Tab key offers: files and known series, detectors, presets, parameters."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem


def known_series(context: click.Context, argument: click.Parameter, text: str) -> list[Any]:
    """Names of known series that begin with the text, and files."""
    if text.startswith((".", "/", "~")):
        return [CompletionItem(text, type="file")]
    from vaehelpers.data.catalogue import list_series

    names = [name for name in list_series()["name"] if name.startswith(text)]
    return [*map(CompletionItem, names), CompletionItem(text, type="file")]


def folders(context: click.Context, argument: click.Parameter, text: str) -> list[Any]:
    """Folders, as detectors and reports are."""
    return [CompletionItem(text, type="dir")]


def presets(context: click.Context, argument: click.Parameter, text: str) -> list[Any]:
    """Presets with what they set."""
    from vaehelpers.detectors.settings import PRESETS

    return [
        CompletionItem(name, help=", ".join(f"{key} {value}" for key, value in values.items()))
        for name, values in PRESETS.items()
        if name.startswith(text)
    ]


def parameters(context: click.Context, argument: click.Parameter, text: str) -> list[Any]:
    """Parameters for --set, each with its equals sign, and for `params`, where none is wanted."""
    from vaehelpers.detectors.settings import DETECTOR_PARAMETERS

    equals = "=" if isinstance(argument, click.Option) else ""
    return [
        CompletionItem(f"{name}{equals}", help=one.help)
        for name, one in DETECTOR_PARAMETERS.items()
        if name.startswith(text)
    ]
