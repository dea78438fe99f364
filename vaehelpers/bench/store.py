"""Rows of a benchmark kept on disk, so that it can go on."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import vaehelpers
from vaehelpers.bench.schema import _PARTS, COLUMNS, FORMAT, METRICS
from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file, check_free

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


# what the figures depend on: a change here between two runs into one folder is told
_CODE = ("common", "data", "detectors", "metrics", "model", "thresholds", "windows.py")


class _Store:
    """bench.csv and bench.json of one folder: rows by (file, method, seed), each on the disk before the next begins."""

    def __init__(self, folder: Path):
        self.table, self.record = folder / "bench.csv", folder / "bench.json"
        self.rows: dict[tuple[str, str, int | None], dict[str, Any]] = {}
        self.about: dict[str, Any] = {}
        self.held: int | None = None

    def lock(self) -> None:
        """Keep other processes from writing here, until `close` or the end of this one; not on Windows."""
        if fcntl is None:
            return
        self.held = os.open(self.table.parent, os.O_RDONLY)
        try:
            fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise InputError(
                    f"another run is writing into {self.table.parent}; wait for it, or choose another folder"
                ) from error
            # a file system without locks: go on without

    def close(self) -> None:
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def open(self) -> None:
        """Read what is there; a line that a crash cut short is dropped."""
        try:
            self.about = json.loads(self.record.read_text(encoding="utf-8"))
            found = self.about["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.record} is damaged ({error}); start over with --force (force=True)") from error
        if found != FORMAT:
            raise InputError(
                f"{self.record} has format {found}, and this version knows {FORMAT}; choose another folder"
            )
        if not self.table.is_file():
            return
        text = self.table.read_bytes()
        text = text[: text.rfind(b"\n") + 1]
        reader = csv.DictReader(io.StringIO(text.decode("utf-8", errors="replace"), newline=""))
        if text and reader.fieldnames != list(COLUMNS):
            raise InputError(f"{self.table} has other columns than {', '.join(COLUMNS)}; start over with --force")
        for line in reader:
            row = _typed(line)
            self.rows[_key(row)] = row

    def add(self, row: dict[str, Any]) -> None:
        self.rows[_key(row)] = row
        with self.table.open("ab") as file:
            file.write(_line(row).encode())
            file.flush()
            os.fsync(file.fileno())

    def write(self, order: Sequence[str] = ()) -> None:
        """Write all rows anew, in order: what was tried again stands there once."""
        methods = list(dict.fromkeys([*order, *(key[1] for key in self.rows)]))

        def place(key: tuple[str, str, int | None]) -> tuple[str, int, int]:
            return key[0], methods.index(key[1]), -1 if key[2] is None else key[2]

        self.rows = {key: self.rows[key] for key in sorted(self.rows, key=place)}
        with atomic_file(self.table) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(COLUMNS) + "\n")
            file.writelines(_line(row) for row in self.rows.values())

    def note(self) -> None:
        with atomic_file(self.record) as temporary:
            temporary.write_text(json.dumps(self.about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def frame(self) -> pd.DataFrame:
        frame = pd.DataFrame(list(self.rows.values()), columns=list(COLUMNS))
        numbers = [*METRICS, "fit_seconds", "score_seconds"]
        whole = ["n", "window", "seed"]
        return frame.astype({**dict.fromkeys(numbers, "float64"), **dict.fromkeys(whole, "Int64")})


def _key(row: Mapping[str, Any]) -> tuple[str, str, int | None]:
    return row["file"], row["method"], row["seed"]


def _line(row: Mapping[str, Any]) -> str:
    text = io.StringIO()
    values = (row.get(name) for name in COLUMNS)
    csv.writer(text, lineterminator="\n").writerow(
        ["" if value is None or value != value else value for value in values]
    )
    return text.getvalue()


def _typed(line: Mapping[str, str | None]) -> dict[str, Any]:
    row: dict[str, Any] = dict(line)
    for name in ("n", "window", "seed"):
        row[name] = int(row[name]) if row[name] else None
    for name in (*METRICS, "fit_seconds", "score_seconds"):
        row[name] = float(row[name]) if row[name] else None
    return row


def _check_same(about: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    way_out = "choose another folder, or start over with --force (force=True)"
    for name, words in (("preset", "preset"), ("settings", "settings"), ("version", "version of vaehelpers")):
        if about.get(name) != asked[name]:
            raise InputError(
                f"the results in {folder} were made with {words} {about.get(name)!r}, and now it is {asked[name]!r}; "
                f"{way_out}"
            )
    held, given = about.get("data", {}), asked["data"]
    changed = [name for name in held if name in given and held[name] != given[name]]
    if changed:
        raise InputError(
            f"{len(changed)} of {len(held)} files have changed since the results in {folder} were made ({changed[0]}); "
            f"{way_out}"
        )
    if held and not set(held) & set(given):
        raise InputError(
            f"the results in {folder} are of {len(held)} other files ({min(held)}, ...), not the {len(given)} given; "
            f"{way_out}"
        )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code_hash() -> str:
    home = Path(vaehelpers.__file__).parent
    files = sorted(
        path for room in _CODE for path in ([home / room] if room.endswith(".py") else (home / room).glob("*.py"))
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _open_store(out: Path, asked: Mapping[str, Any], force: bool) -> _Store:
    store = _Store(out)
    going_on = store.record.is_file() and not force
    if not going_on:
        check_free(out, force=force)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot create the folder {out}: {error.strerror}; choose another place") from error
    store.lock()
    if going_on:
        try:
            store.open()
            _check_same(store.about, asked, out)
        except InputError:
            store.close()
            raise
    else:
        for name in _PARTS:
            (out / name).unlink(missing_ok=True)
    return store
