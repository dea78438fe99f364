"""Two reports on the same series, an older and a newer one: new and ended events, the line, and drift."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaehelpers.common.errors import InputError
from vaehelpers.report.text import _count, _number, _percent, markdown_table

KINDS = ("new", "continuing", "ended", "gone")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What has changed from one report to the next.

    Attributes
    ----------
    events : DataFrame
        change ("new", "continuing", "ended" or "gone"), start, end, score, kind. An event is new if the older report
        has none that overlaps it, continuing if it goes on to the newer report's last row or beyond the older one's
        end, ended if both have it and it is over, gone if only the older report has it though the newer one covers
        its time.
    line : tuple of float
        The line that events are found by, of the older and of the newer report.
    flagged : tuple of float
        Share of rows in events, older and newer.
    drift : float or None
        Median score of the rows that only the newer report has, over that of the older report's rows; None where the
        two were not scored by the same detector settings, or there are no new rows.
    notes : tuple of str
        What cannot be compared, and why.
    """

    events: pd.DataFrame
    line: tuple[float, float]
    flagged: tuple[float, float]
    drift: float | None
    notes: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """How many events of each change there are."""
        return {kind: int((self.events["change"] == kind).sum()) for kind in KINDS}

    def text(self) -> str:
        """The comparison as Markdown."""
        counts = self.counts()
        old, new = self.line
        parts = [
            f"**{_count(counts['new'], 'new event')}**, {counts['continuing']} continuing, {counts['ended']} ended"
            + (f", {counts['gone']} no longer found" if counts["gone"] else "")
            + "."
        ]
        moved = new / old - 1 if old else float("nan")
        parts.append(
            f"The line moved from {_number(old)} to {_number(new)} ({'-' if moved < 0 else '+'}{_percent(abs(moved))})."
            if abs(moved) > 5e-4
            else f"The line stayed at {_number(new)}."
        )
        parts.append(f"Rows in events: {_percent(self.flagged[0])} before, {_percent(self.flagged[1])} now.")
        if self.drift is not None:
            word = "as before" if 0.77 < self.drift < 1.3 else "the series has drifted; fit the detector again"
            parts.append(f"Scores of the new rows are {_number(self.drift, 2)} times those of the old ones: {word}.")
        lines = [" ".join(parts), *(f"- {note}." for note in self.notes)]
        if len(self.events):
            lines.append(markdown_table(self.events))
        return "\n\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        table = self.events.astype(object).where(self.events.notna(), None)
        return {
            "counts": self.counts(),
            "line": list(self.line),
            "flagged": list(self.flagged),
            "drift": self.drift,
            "notes": list(self.notes),
            "events": table.to_dict("records"),
        }


def compare_reports(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Comparison:
    """Compare two report folders.

    Parameters
    ----------
    old, new : path
        Folders that `report` wrote. They are matched by time, or by row number where there are no times.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a folder is no report, the two have different variables, or their values differ at the times that both have.

    Examples
    --------
    >>> compare_reports("last week", "this week")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: last week is no report: ...
    """
    before, after = _Folder(old), _Folder(new)
    if before.columns != after.columns:
        raise InputError(
            f"the reports are on different variables ({', '.join(before.columns)} and {', '.join(after.columns)}); "
            "compare reports on the same series"
        )
    if before.times != after.times:
        raise InputError("one report has times and the other row numbers; compare reports on the same series")
    notes = _other_series(before, after)
    same = before.settings == after.settings
    if not same:
        changed = sorted(
            key for key in before.settings.keys() | after.settings.keys()
            if before.settings.get(key) != after.settings.get(key)
        )  # fmt: skip
        notes.append(f"The detectors differ in {', '.join(changed)}, so scores are not compared")
    if after.at.min() > before.at.max():
        notes.append("The newer report begins after the older one ends")
    later = after.scores[after.at > before.at.max()]
    drift = None
    if same and np.isfinite(later).any() and np.isfinite(before.scores).any():
        drift = float(np.nanmedian(later) / np.nanmedian(before.scores))
    table = pd.DataFrame(_matched(before, after), columns=["change", "start", "end", "score", "kind"])
    return Comparison(table, (before.line, after.line), (before.flagged, after.flagged), drift, tuple(notes))


def _other_series(before: _Folder, after: _Folder) -> list[str]:
    """Refuse reports on another series, and note what looks like one."""
    shared, old, new = np.intersect1d(before.at.to_numpy(), after.at.to_numpy(), return_indices=True)
    if len(shared):
        differ = ~np.isclose(before.values[old], after.values[new], rtol=1e-5, atol=0.0, equal_nan=True).all(axis=1)
        if differ.mean() > 0.5:
            raise InputError(
                f"the reports share {len(shared):,} times, and their values differ at {int(differ.sum()):,} of them; "
                "compare reports on the same series"
            )
    notes = []
    if before.name != after.name and not len(shared):
        notes.append(f"The reports are on {before.name} and {after.name}, and share no time: is it the same series?")
    if after.at.max() < before.at.max():
        notes.append("The report given first goes on longer than the second: the older one comes first")
    return notes


def _matched(before: _Folder, after: _Folder) -> list[list[Any]]:
    rows = []
    seen: set[int] = set()
    for event in after.events.to_dict("records"):
        over = before.events[(before.events["start"] <= event["end"]) & (before.events["end"] >= event["start"])]
        seen.update(over.index)
        if not len(over):
            change = "new"
        else:
            change = "continuing" if event["end"] >= after.at.max() or event["end"] > before.at.max() else "ended"
        rows.append([change, event["start"], event["end"], event["score"], event.get("kind", "")])
    for index, event in zip(before.events.index, before.events.to_dict("records")):
        if index not in seen and event["end"] >= after.at.min():
            rows.append(["gone", event["start"], event["end"], event["score"], event.get("kind", "")])
    order = {"new": 0, "continuing": 1, "ended": 2, "gone": 3}
    return sorted(rows, key=lambda row: (order[row[0]], -row[3]))


class _Folder:
    """What a comparison reads of a report."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        place = Path(folder)
        missing = [name for name in ("scores.csv", "events.csv", "metrics.json") if not (place / name).is_file()]
        if missing:
            raise InputError(f"{folder} is no report: it has no {', '.join(missing)}; name a folder that report wrote")
        try:
            numbers = json.loads((place / "metrics.json").read_text(encoding="utf-8"))
            self.columns = [str(name) for name in numbers["series"]["columns"]]
            self.name = str(numbers["series"].get("name"))
            seen = numbers.get("alarms") or {}
            self.line = float(seen["line"] if seen.get("line") is not None else numbers["threshold"]["value"])
            self.settings = {key: numbers["training"].get(key) for key in ("timesteps", "smooth")}
            self.settings |= {"model": numbers.get("model"), "threshold rule": numbers["threshold"]["rule"]}
            scores = pd.read_csv(place / "scores.csv", usecols=["time", *self.columns, "score", "flag"])
            self.values = scores[list(self.columns)].to_numpy(float)
            self.events = pd.read_csv(place / "events.csv")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder} holds a report that cannot be read ({error}); make it again") from error
        if not len(scores):
            raise InputError(f"{folder} has no row in scores.csv; make the report again")
        self.times = not pd.api.types.is_numeric_dtype(scores["time"])
        at = pd.to_datetime(scores["time"], utc=True) if self.times else scores["time"].astype(float)
        self.at: Any = at
        self.scores = scores["score"].to_numpy(float)
        self.flagged = float(scores["flag"].mean())
        for name in ("start", "end"):
            column = self.events[name]
            self.events[name] = pd.to_datetime(column, utc=True) if self.times else column.astype(float)
