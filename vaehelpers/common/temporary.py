"""Temporary files and folders that the next run removes if this one is killed.

Each is named `.vaehelpers-...` and locked while its process lives. A lock ends with its process, however that ends, so
that whatever is there without a lock is a leftover.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vaehelpers.common.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: no locks of this kind, and nothing is removed
    fcntl = None  # type: ignore[assignment]

PREFIX = ".vaehelpers-"
_swept: set[tuple[int, str]] = set()  # process and folder


@contextlib.contextmanager
def temporary_file(folder: Path, suffix: str) -> Iterator[Path]:
    """Give a new empty file in `folder`, which is gone with the end of the block unless it was renamed."""
    sweep(folder)
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=suffix, dir=folder)
        if _lock(handle) and _is(name, handle):
            break
        os.close(handle)  # somebody took it for a leftover just now
    try:
        yield Path(name)
    finally:
        os.close(handle)
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(folder: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Give a new empty folder in `folder`, which is gone with the end of the block unless it was renamed.

    Parameters
    ----------
    folder : path, optional
        Default: the system's folder for temporary files.

    Yields
    ------
    pathlib.Path

    Examples
    --------
    >>> with temporary_folder() as scratch:
    ...     _ = (scratch / "half.txt").write_text("half")
    >>> scratch.exists()
    False
    """
    place = Path(tempfile.gettempdir() if folder is None else folder)
    sweep(place)
    handle = None
    while True:
        name = tempfile.mkdtemp(prefix=PREFIX, dir=place)
        if fcntl is None:
            break
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(name, os.O_RDONLY)
            if _lock(handle) and _is(name, handle):
                break
            os.close(handle)
    try:
        yield Path(name)
    finally:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(name, ignore_errors=True)


@contextlib.contextmanager
def reserved(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other runs from making `path` until the end of the block.

    Raises
    ------
    InputError
        If another run is at it.

    Examples
    --------
    >>> with temporary_folder() as place, reserved(place / "pump"), reserved(place / "pump"):
    ...     pass
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: another run is writing ...pump; wait for it, or choose another place
    """
    target = Path(os.path.realpath(path))
    if fcntl is None or not target.parent.is_dir():
        yield
        return
    sweep(target.parent)
    name = target.parent / f"{PREFIX}{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.lock"
    while True:
        handle = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(handle):
            os.close(handle)
            raise InputError(f"another run is writing {path}; wait for it, or choose another place")
        if _is(name, handle):
            break
        os.close(handle)
    try:
        yield
    finally:
        name.unlink(missing_ok=True)
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what killed runs of this user left in a folder; once per process and folder."""
    key = os.getpid(), str(folder)
    if fcntl is None or key in _swept or not folder.is_dir():
        return
    _swept.add(key)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
        for name in names:
            _remove_leftover(name)


def _remove_leftover(name: str) -> None:
    with contextlib.suppress(OSError):
        status = os.lstat(name)
        folder = stat.S_ISDIR(status.st_mode)
        if status.st_uid != os.getuid() or not (folder or stat.S_ISREG(status.st_mode)):
            return
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if _lock(handle) and _is(name, handle):
                shutil.rmtree(name, ignore_errors=True) if folder else os.unlink(name)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    """Whether the lock is ours now; a file system without locks counts as locked by us."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is(name: str | os.PathLike[str], handle: int) -> bool:
    """Whether the name still leads to what was opened."""
    try:
        return os.path.samestat(os.lstat(name), os.fstat(handle))
    except FileNotFoundError:
        return False
