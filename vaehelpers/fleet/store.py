"""The folder of a fleet: which series it has, what is done, and the tables over all of them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vaehelpers.common.errors import InputError
from vaehelpers.common.files import check_free
from vaehelpers.common.output import write_json, write_table
from vaehelpers.fleet.inputs import Source, slug
from vaehelpers.fleet.jobs import RECORD, read_record
from vaehelpers.fleet.page import render_index
from vaehelpers.fleet.tables import control_discoveries, events_frame, fleet_frame

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FORMAT = 1
FINAL = ("input",)  # causes of failure that the same data and parameters would meet again


class Store:
    """One folder.

    Attributes
    ----------
    folder : Path
        Holds ``fleet.json`` (what was asked, names), ``series/NAME/`` and ``failed/NAME.json``.
    about : dict
        What fleet.json holds.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).resolve()
        self.record = self.folder / "fleet.json"
        self.about: dict[str, Any] = {"format": FORMAT, "names": {}}

    @contextlib.contextmanager
    def open(self, *, create: bool = True) -> Iterator[Store]:
        """Read what is there and keep other processes out."""
        if self.record.is_file():
            self._read()
        elif create:
            check_free(self.folder)
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"cannot create the folder {self.folder}: {error.strerror}; choose another") from error
        else:
            raise InputError(f"{self.folder} holds no fleet; name a folder that `vaehelpers fleet --out` made")
        with self._lock():
            yield self

    def _read(self) -> None:
        try:
            self.about = json.loads(self.record.read_text(encoding="utf-8"))
            found = self.about["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.record} is damaged ({error}); remove the folder and start over") from error
        if found != FORMAT:
            raise InputError(f"{self.record} has format {found}, and this version knows {FORMAT}; choose another")

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        if fcntl is None:
            yield
            return
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise InputError(f"another run is writing into {self.folder}; wait for it, or choose another") from error
        except OSError:
            pass  # a file system without locks: go on without
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.close(handle)

    # -- series ---------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> Path:
        """Where parts of long tables and fetched files lie."""
        return self.folder / "input"

    def place(self, name: str) -> Path:
        """The folder of a series."""
        return self.folder / "series" / slug(name)

    def failed(self, name: str) -> Path:
        """Where a failure of a series is recorded."""
        return self.folder / "failed" / f"{slug(name)}.json"

    def note(self, sources: Sequence[Source], asked: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        """Keep the names of series, what was asked, and this run."""
        names = {**self.about.get("names", {}), **{source.origin: source.name for source in sources}}
        runs = [*self.about.get("runs", [])[-19:], dict(run)]
        self.about = {**self.about, "asked": dict(asked), "names": names, "runs": runs}
        write_json(self.about, self.record)

    def done(self, name: str, key: str) -> dict[str, Any] | None:
        """The record of a series where it is done with this key, or failed for good; None where there is work."""
        for path in (self.place(name) / RECORD, self.failed(name)):
            record = read_record(path)
            if record and record.get("key") == key and (record["status"] == "ok" or record["cause"] in FINAL):
                return record
        return None

    def records(self) -> list[dict[str, Any]]:
        """What is known of each series: its last failure, where there is one, else its result."""
        found = {}
        for path in sorted((self.folder / "series").glob(f"*/{RECORD}")):
            record = read_record(path)
            if record:
                found[record["series"]] = record
        for path in sorted((self.folder / "failed").glob("*.json")):
            record = read_record(path)
            if record:
                found[record["series"]] = record
        return list(found.values())

    # -- tables ---------------------------------------------------------------------------------------------------

    def write_tables(self, false_discoveries: float) -> tuple[Any, Any, str]:
        """Write fleet.parquet, events.parquet and index.html from all records; returns both tables and a sentence."""
        records = self.records()
        rows = fleet_frame(records)
        rows, sentence = control_discoveries(rows, false_discoveries)
        events = events_frame(records, rows)
        write_table(rows, self.folder / "fleet.parquet")
        write_table(events, self.folder / "events.parquet")
        page = render_index(rows, events, records, sentence, title=self.folder.name)
        (self.folder / "index.html").write_text(page, encoding="utf-8")
        return rows, events, sentence
