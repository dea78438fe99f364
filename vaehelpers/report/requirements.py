"""What a report needs beyond the package's own dependencies, checked before any work begins."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from vaehelpers.common.errors import InputError

EXTRA = "notebooks"
REPORT_NEEDS = ("papermill", "nbformat", "nbconvert", "ipykernel", "latex2mathml", "bokeh")
"""Modules of the extra `notebooks` without which no report can be written."""


def check_report_requirements(modules: Iterable[str] = REPORT_NEEDS) -> None:
    """Refuse to begin a report that could not be finished.

    Parameters
    ----------
    modules : iterable of str, default REPORT_NEEDS
        Top-level modules to look for. They are found, not imported, so that the check costs next to nothing.

    Raises
    ------
    InputError
        If one is missing: in one line, with the extra that installs it.

    Examples
    --------
    >>> check_report_requirements(["json"])
    >>> check_report_requirements(["json", "no_such_module"])
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: a report needs no_such_module, which is not installed: pip install "vaehelpers[notebooks]"
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        are = "which is" if len(missing) == 1 else "which are"
        raise InputError(f'a report needs {", ".join(missing)}, {are} not installed: pip install "vaehelpers[{EXTRA}]"')
