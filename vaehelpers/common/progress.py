"""The one hook through which long work tells how far it is. The package itself never prints."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``, for example ``progress("training", 120, 1500)``."""


def quiet(stage: str, done: int, total: int) -> None:
    """Report nothing; the default hook.

    Parameters
    ----------
    stage : str
        What is going on, for example "training".
    done, total : int
        Steps done, of how many.

    Examples
    --------
    >>> quiet("training", 1, 10)
    """


@contextlib.contextmanager
def terminal_progress(enabled: bool | None = None) -> Iterator[Progress]:
    """Draw one bar per stage on stderr, by tqdm.

    Parameters
    ----------
    enabled : bool, optional
        Default: only when stderr is a terminal.

    Yields
    ------
    Progress
        The hook to hand to ``fit``, ``decision_function`` and the like.

    Examples
    --------
    >>> with terminal_progress(enabled=False) as progress:
    ...     progress("training", 1, 10)
    """
    if enabled is None:
        enabled = sys.stderr.isatty()
    if not enabled:
        yield quiet
        return
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def progress(stage: str, done: int, total: int) -> None:
        bar = bars.get(stage)
        if bar is None:
            bar = bars[stage] = tqdm(total=total, desc=stage, file=sys.stderr, unit_scale=True, leave=True)
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


def file_progress(path: str | os.PathLike[str]) -> Progress:
    """Append each report as one JSON line to a file, for a parent process to read.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Progress

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "progress.jsonl"
    >>> file_progress(path)("training", 1, 10)
    >>> path.read_text()
    '["training", 1, 10]\\n'
    """
    target = Path(path)

    def progress(stage: str, done: int, total: int) -> None:
        with target.open("a", encoding="utf-8") as file:
            file.write(json.dumps([stage, int(done), int(total)]) + "\n")

    return progress
