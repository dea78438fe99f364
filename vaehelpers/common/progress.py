"""The one hook through which long work tells how far it is. The package itself never prints."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
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
    """Draw one bar on stderr, by tqdm: the stage that is going on, its rate and its time left.

    The bar is drawn anew twice a second, so that its clock goes on through stages that cannot tell how far they are. It
    is gone when the work is done.

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
    with _Bar() as bar:
        yield bar.show


class _Bar:
    """One tqdm bar for all stages, kept alive by a thread."""

    FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"
    WAITING = "{desc} [{elapsed}]"  # nothing to count yet, or all of it done
    BEAT = 0.5  # seconds

    def __enter__(self) -> _Bar:
        from tqdm import tqdm

        self._stage = ""
        self._lock = threading.RLock()
        self._bar: Any = tqdm(
            total=1, desc="starting", file=sys.stderr, bar_format=self.WAITING, unit_scale=True, leave=False,
            dynamic_ncols=True,
        )  # fmt: skip
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._bar.close()

    def _beat(self) -> None:
        while not self._done.wait(self.BEAT):
            with self._lock:
                self._bar.refresh()

    def show(self, stage: str, done: int, total: int) -> None:
        """Move the bar; another stage starts it anew."""
        with self._lock:
            if stage != self._stage or total != self._bar.total:
                if stage != self._stage:
                    self._bar.reset(total)
                self._stage, self._bar.total = stage, total
            self._bar.bar_format = self.FORMAT if 0 < done < total else self.WAITING
            self._bar.set_description_str(stage, refresh=False)
            self._bar.update(done - self._bar.n)


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
