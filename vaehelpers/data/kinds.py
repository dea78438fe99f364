"""Files that are no plain text tables: zip archives, Excel sheets, JSON; each as text or a typed table."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO

from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 1 << 30
"""Unpacked bytes of one file that is read at once; more must be read in parts, or is no series."""

_EITHER = "zip archive or Excel file"

MOST_CELLS = 50_000_000
MOST_COLUMNS = 20_000


def refuse_size(label: str, rows: int, columns: int) -> None:
    """Raise `InputError` if a table is larger than memory allows, before it is unpacked.

    Examples
    --------
    >>> refuse_size("a.csv", 10, 3)
    >>> refuse_size("a.csv", 2, 100_000)
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: a.csv has 100,000 columns, at most 20,000 are read; choose fewer
    """
    if columns > MOST_COLUMNS:
        raise InputError(f"{label} has {columns:,} columns, at most {MOST_COLUMNS:,} are read; choose fewer")
    if rows * columns > MOST_CELLS:
        raise InputError(
            f"{label} has {rows:,} rows x {columns} columns, more than the {MOST_CELLS:,} cells that are read at once; "
            "score it in parts (--rows-at-once), or choose fewer columns"
        )


def unzip(file: BinaryIO, label: str) -> tuple[bytes, str | None]:
    """Give the text of a zip archive with one member, or of the first sheet of an Excel workbook.

    Returns
    -------
    content : bytes
    note : str or None
        What was chosen, where there was a choice.

    Raises
    ------
    InputError
        If there are several members, the archive is damaged or encrypted, or unpacks to more than a gigabyte.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise InputError(f"{label} unpacks to more than {MOST_BYTES:,} bytes; unpack it, and read it in parts")
            if "[Content_Types].xml" in names:
                return _sheet(file, label)
            members = [m for m in names if not m.endswith("/") and not m.startswith("__MACOSX/")]
            if len(members) != 1:
                shown = ", ".join(members[:5]) or "nothing"
                raise InputError(f"{label} holds {len(members)} files ({shown}); unpack it, and name one of them")
            with archive.open(members[0]) as member:
                content = member.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise InputError(
            f"{label} is no readable zip archive or Excel file ({_short(error)}); unpack it, or export it as CSV"
        ) from error
    except Exception as error:  # zlib.error, LZMAError and what else a damaged member raises
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{label} is no readable zip archive or Excel file ({_short(error)}); unpack it, or export it as CSV"
        ) from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{label} unpacks to more than {MOST_BYTES:,} bytes; unpack it, and read it in parts")
    return content, f"{members[0]} is read from the archive"


def _sheet(file: BinaryIO, label: str) -> tuple[bytes, str | None]:
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f'{label} is an Excel workbook: pip install "vaehelpers[excel]" reads it, or export it as CSV'
        ) from None
    file.seek(0)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        for row in sheets[0].iter_rows(values_only=True):
            writer.writerow(["" if cell is None else str(cell) for cell in row])
            if text.tell() > MOST_BYTES:
                raise InputError(f"{label} holds more than {MOST_BYTES:,} bytes; export it as CSV")
        names = [sheet.title for sheet in sheets]
    except InputError:
        raise
    except Exception as error:  # a damaged workbook raises anything from KeyError to the XML parser's own
        raise InputError(f"{label} is no readable Excel workbook ({_short(error)}); export it as CSV") from error
    note = f"sheet {names[0]!r} is read"
    if len(names) > 1:
        note += f", the first of {len(names)}; export another one as CSV to read it"
    return text.getvalue().encode(), note


def read_json(content: bytes, label: str) -> pd.DataFrame:
    """Read JSON lines, a JSON list of objects, or the answer of a Prometheus range query into a table.

    Raises
    ------
    InputError
        With the line that is no JSON object.

    Examples
    --------
    >>> read_json(b'{"t": 1, "flow": 2.5}\\n{"t": 2, "flow": null}\\n', "a.jsonl").columns.tolist()
    ['t', 'flow']
    """
    import pandas as pd

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{label} is no UTF-8, as JSON must be; save it as UTF-8") from error
    rows: list[Any] = []
    if text.lstrip().startswith("["):
        found = _loads(text, label)
        rows = found if isinstance(found, list) else [found]
    else:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                try:
                    rows.append(_loads(line, f"{label}: line {number}"))
                except InputError:
                    if number == 1 or rows == []:
                        rows = [_loads(text, label)]
                        break
                    raise
    if len(rows) == 1 and isinstance(rows[0], dict) and isinstance(rows[0].get("data"), dict):
        rows = _prometheus(rows[0]["data"], label)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{label}: row {number} is {str(row)[:40]!r}, no JSON object; write one object per row")
    if not rows:
        raise InputError(f"{label} has no rows; write one JSON object per line")
    try:
        flat = pd.json_normalize(rows) if any(isinstance(v, dict) for r in rows for v in r.values()) else None
        frame = pd.DataFrame(rows) if flat is None else flat
    except (ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise InputError(f"{label} is no table ({_short(error)}); write one flat JSON object per line") from error
    refuse_size(label, len(frame), frame.shape[1])
    for column in frame.columns:
        if frame[column].dtype == object:
            frame[column] = [c if c is None or isinstance(c, (str, float)) else _cell(c) for c in frame[column]]
    return frame


def _cell(cell: Any) -> Any:
    """Numbers as they are where float64 holds them; everything else as text, so that it is refused by its place."""
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) < 1 << 63:
        return cell
    return str(cell)


def _loads(text: str, label: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{label} is no JSON ({_short(error)}); write one object per line") from error


def _prometheus(data: dict[str, Any], label: str) -> list[dict[str, Any]]:
    try:
        rows = []
        for one in data["result"]:
            name = ",".join(f"{key}={value}" for key, value in sorted(one["metric"].items()))
            rows += [{"time": t, "value": v, "metric": name} for t, v in one["values"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{label} is no answer of a range query ({_short(error)}); write JSON lines") from error
    return rows


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
