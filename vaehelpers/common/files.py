"""Files and folders that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vaehelpers.common.errors import InputError


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
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file to write")
    _make_parent(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
    path = Path(path)
    check_free(path, force=force)
    _make_parent(path.absolute().parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.absolute().parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.absolute().parent))
            os.replace(path, old)
            try:
                os.replace(temporary, path)
            except OSError:
                os.replace(old, path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
    path = Path(path)
    if path.is_file():
        raise InputError(f"{path} is a file; name a folder")
    if path.is_dir() and not force and any(path.iterdir()):
        raise InputError(f"{path} exists already; choose another folder, or replace it with --force (force=True)")


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
