"""Files and folders that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from vaehelpers.common.errors import InputError
from vaehelpers.common.temporary import PREFIX, temporary_file, temporary_folder

_LONGEST = 255  # bytes of a name, on every file system in use
_EXCHANGE, _HERE = 2, -100  # RENAME_EXCHANGE, AT_FDCWD of Linux


def _target(path: str | os.PathLike[str]) -> Path:
    """Where a link leads: results replace what it names, and not the link."""
    path = Path(path)
    _check_names(path)
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _check_names(path: Path) -> None:
    for part in path.parts:
        if len(os.fsencode(part)) > _LONGEST:
            raise InputError(f"{part[:40]}... has more than {_LONGEST} bytes; choose a shorter name")


def _make_parent(parent: Path) -> None:
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {parent}: {error.strerror}; choose another place") from error
    if not os.access(parent, os.W_OK):
        raise InputError(f"the folder {parent} is not writable; choose another place")


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends without an error.

    Parameters
    ----------
    path : str or path-like
        The file to write. Its folder is made where it is missing; an existing file is replaced.

    Yields
    ------
    pathlib.Path
        Where to write. Has the same ending as `path`, so that writers which look at it work.

    Raises
    ------
    InputError
        If the folder cannot be made or written to.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_file(folder / "scores.csv") as temporary:
    ...     _ = temporary.write_text("score\\n1.0\\n")
    >>> [path.name for path in folder.iterdir()]
    ['scores.csv']
    """
    path = _target(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file to write")
    _make_parent(path.parent)
    with temporary_file(path.parent, path.suffix) as temporary:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it to `path` when the block ends without an error.

    Parameters
    ----------
    path : str or path-like
        The folder to make.
    force : bool, default False
        Replace an existing folder. Without it, an existing folder (unless empty) is refused before any work is done.

    Yields
    ------
    pathlib.Path
        The folder to fill.

    Raises
    ------
    InputError
        If `path` exists and `force` is false, is a file, or its parent cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "run"
    >>> with atomic_folder(folder) as temporary:
    ...     _ = (temporary / "manifest.json").write_text("{}")
    >>> [path.name for path in folder.iterdir()]
    ['manifest.json']
    >>> with atomic_folder(folder):
    ...     pass
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: .../run exists already; choose another folder, or replace it with --force (force=True)
    """
    path = _target(path)
    check_free(path, force=force)
    _make_parent(path.absolute().parent)
    with temporary_folder(path.absolute().parent) as temporary:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if not force:  # what has come since is not ours
            check_free(path)
        _put_in_place(temporary, path)


def _put_in_place(new: Path, path: Path) -> None:
    """Rename; what was there is swapped with it in one step where the system can, so that no moment has neither."""
    if not path.exists():
        os.replace(new, path)
    elif _exchange(new, path):
        shutil.rmtree(new, ignore_errors=True)
    else:
        old = _kept_aside(path)
        os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            os.replace(old, path)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _exchange(new: Path, path: Path) -> bool:
    """Swap two names at once; False where the system cannot."""
    if sys.platform != "linux":
        return False
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(swap(_HERE, os.fsencode(new), _HERE, os.fsencode(path), ctypes.c_uint(_EXCHANGE)) == 0)


def _kept_aside(path: Path) -> Path:
    """Where a result waits while it is replaced by two renames; not a name that a sweep takes for a leftover."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.absolute().parent / f"{PREFIX.rstrip('-')}.old-{digest}"


def _bring_back(path: Path) -> None:
    """Undo the first of two renames if a run was killed between them."""
    old = _kept_aside(path)
    with contextlib.suppress(OSError):
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        elif old.is_dir():
            os.replace(old, path)


def check_free(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raise `InputError` if `path` cannot become a new folder. Call it before long work starts.

    Parameters
    ----------
    path : str or path-like
    force : bool, default False
        An existing folder may be replaced.

    Examples
    --------
    >>> check_free("a/folder/that/is/not/there")
    >>> check_free(__file__)
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: ... is a file; name a folder
    """
    path = _target(path)
    _bring_back(path)
    if path.is_file():
        raise InputError(f"{path} is a file; name a folder")
    _check_place(path)
    if path.is_dir() and not force and any(path.iterdir()):
        raise InputError(f"{path} exists already; choose another folder, or replace it with --force (force=True)")


def check_writable(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raise `InputError` if `path` cannot become a new file. Call it before long work starts.

    Parameters
    ----------
    path : str or path-like
    force : bool, default False
        An existing file may be replaced.

    Examples
    --------
    >>> check_writable("scores.csv")
    >>> check_writable(__file__)
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: ... exists already; choose another file, or replace it with --force (force=True)
    """
    path = _target(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file to write")
    if not force and path.exists():
        raise InputError(f"{path} exists already; choose another file, or replace it with --force (force=True)")
    _check_place(path)


def _check_place(path: Path) -> None:
    """Refuse a name that the disk would refuse after the work: too long, below a file, or in a folder of others."""
    if path.is_symlink():
        raise InputError(f"{path} is a link that leads nowhere; remove it or choose another place")
    parents = path.absolute().parents
    present = next(parent for parent in parents if parent.exists())
    if not present.is_dir():
        raise InputError(f"cannot create the folder {path.parent}: {present} is a file; choose another place")
    if not os.access(present, os.W_OK):
        raise InputError(f"the folder {present} is not writable; choose another place")


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
