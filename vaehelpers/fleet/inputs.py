"""Which series a fleet has: files, globs, one long table, addresses, known names."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file
from vaehelpers.common.progress import Progress, quiet

ENDINGS = (".csv", ".parquet", ".pq", ".txt", ".tsv", ".json", ".jsonl", ".gz", ".bz2", ".xz", ".zip")


@dataclasses.dataclass(frozen=True)
class Source:
    """One series of a fleet.

    Attributes
    ----------
    name : str
        Unique in the fleet, and kept from call to call.
    path : str
        Absolute path of the file to read, or a known name.
    origin : str
        What the user named: the path, ``file#id`` for a series of a long table, or the address.
    sha256 : str
        Of the file's bytes; of the name, where the series is a known one. Empty where it could not be read.
    error : str
        Why it could not be read.
    """

    name: str
    path: str
    origin: str
    sha256: str
    error: str = ""


def find_sources(
    given: Iterable[str],
    inputs: Path,
    *,
    by: str = "",
    known: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> list[Source]:
    """Turn what a user names into series, each with a name and the hash of its data.

    Parameters
    ----------
    given : iterable of str
        Files, folders (all tables in them), globs, addresses (``s3://...``, read through fsspec), known names.
    inputs : Path
        Folder for what has to be copied: the parts of a long table, and what was fetched from an address.
    by : str, optional
        Column that tells the series of a long table apart.
    known : mapping of str to str, optional
        Names that an earlier call gave, by origin.
    progress : Progress, optional

    Returns
    -------
    list of Source
        In the order given; a series that is named twice is there once.

    Raises
    ------
    InputError
        If a glob or a folder holds nothing, or the column is missing.
    """
    places: dict[str, str] = {}
    errors: dict[str, str] = {}
    for word in given:
        for origin in _expand(word):
            if by:
                places |= _split(origin, by, inputs)
            elif "://" in origin:
                try:
                    places[origin] = _fetch(origin, inputs)
                except Exception as error:  # whatever the file system behind the address raises
                    places[origin], errors[origin] = origin, f"{type(error).__name__}: {_line(error)}"
            else:
                places[origin] = origin
    if not places:
        raise InputError("no series is given; name files, a glob in quotes, or one table with --by")
    names = _names(list(places), known or {})
    found = []
    for number, (origin, path) in enumerate(places.items(), 1):
        digest, wrong = "", errors.get(origin, "")
        if not wrong:
            try:
                digest = _digest(path)
            except OSError as problem:
                wrong = f"{path}: {problem.strerror or problem}"
        found.append(Source(names[origin], path, origin, digest, wrong))
        progress("looking at the data", number, len(places))
    return found


def _expand(word: str) -> list[str]:
    """The files behind one word of the command line, as absolute paths; addresses and known names as they are."""
    if "://" in word:
        return _expand_address(word) if glob.has_magic(word) else [word]
    path = Path(word)
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file() and one.suffix.lower() in ENDINGS)
        if not files:
            raise InputError(f"the folder {word} holds no table (known endings: {', '.join(ENDINGS)})")
        return [str(one.resolve()) for one in files]
    if path.exists():
        return [str(path.resolve())]
    if glob.has_magic(word):
        found = sorted(one for one in glob.glob(word, recursive=True) if os.path.isfile(one))
        if not found:
            raise InputError(f"no file matches {word}")
        return [str(Path(one).resolve()) for one in found]
    if path.suffix.lower() in ENDINGS:  # a file that is not there is a row with its error
        return [str(path.resolve())]
    return [word if _is_known(word) else str(path.resolve())]


def _expand_address(word: str) -> list[str]:
    import fsspec

    files = fsspec.open_files(word)
    if not files:
        raise InputError(f"no file matches {word}")
    return [str(one.full_name) for one in files]


def _fetch(address: str, inputs: Path) -> str:
    """Copy a file from an address; the copy is replaced only where the bytes have changed."""
    import fsspec

    with fsspec.open(address, "rb") as file:
        content: bytes = file.read()
    place = inputs / f"{slug(address)}{_suffix(address)}"
    if not place.is_file() or place.read_bytes() != content:
        with atomic_file(place) as temporary:
            temporary.write_bytes(content)
    return str(place.resolve())


def _split(path: str, by: str, inputs: Path) -> dict[str, str]:
    """Cut a long table into a file for each id; a part that has not changed is not written again."""
    from vaehelpers.data.tables import read_table

    if "://" in path:
        path = _fetch(path, inputs)
    table = read_table(path)
    frame = table.frame
    if by not in frame.columns:
        raise InputError(f"{path} has no column {by!r}; it has {', '.join(map(str, frame.columns))}")
    parts = {}
    typed = table.separator is None
    for key, group in frame.groupby(by, sort=True):
        name = f"{path}#{key}"
        place = inputs / f"{slug(name)}{'.parquet' if typed else '.csv'}"
        rows = group.drop(columns=by).reset_index(drop=True)
        with atomic_file(place) as temporary:
            if typed:
                rows.to_parquet(temporary, index=False)
            else:
                rows.to_csv(temporary, index=False, sep=table.separator or ",", lineterminator="\n")
        parts[name] = str(place.resolve())
    if not parts:
        raise InputError(f"the column {by!r} of {path} names no series")
    return parts


def _is_known(name: str) -> bool:
    from vaehelpers.data.catalogue import EMBEDDED
    from vaehelpers.data.nab import _nab_names

    return not os.path.exists(name) and (name in EMBEDDED or name.removesuffix(".csv") in _nab_names())


def _digest(path: str) -> str:
    if _is_known(path):  # drawn from its seed, or checked against its registered hash when it is read
        return hashlib.sha256(path.encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(origins: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Short names that stay: the stem, with as many folders before it as it takes to be the only one."""
    names = {origin: known[origin] for origin in origins if origin in known}
    taken = set(known.values())
    words = {origin: _words(origin) for origin in origins if origin not in names}
    length = 1
    while words:
        tails = {origin: "/".join(parts[-length:]) for origin, parts in words.items()}
        counts = Counter(tails.values())
        for origin, name in tails.items():
            whole = length >= len(words[origin])
            if whole or (counts[name] == 1 and name not in taken):
                names[origin] = origin if whole else name
        taken.update(names.values())
        words = {origin: parts for origin, parts in words.items() if origin not in names}
        length += 1
    return names


def _words(origin: str) -> list[str]:
    """Folders and stem; the id of a long table is a stem of its own."""
    place, mark, key = origin.partition("#")
    if mark:
        return [*place.split("/"), key.replace("/", "-") or "(empty)"]
    head, _, tail = place.rpartition("/")
    return [*head.split("/"), Path(tail).stem or tail]


def _suffix(address: str) -> str:
    suffix = Path(address.split("?")[0]).suffix.lower()
    return suffix if suffix in ENDINGS else ".csv"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or "no message"


def slug(name: str) -> str:
    """A folder's name for a series: what every file system and address takes, and unique by a piece of the hash.

    Examples
    --------
    >>> slug("hall 3/pump<1>")
    'hall-3-pump-1-545441'
    """
    words = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).strip("-.")
    return f"{words[-80:] or 'series'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def job_key(sha256: str, asked: Mapping[str, Any]) -> str:
    """Hash of everything that a result depends on: the data, the parameters, the version."""
    import json

    text = json.dumps([sha256, dict(asked)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
