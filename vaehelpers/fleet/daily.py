"""What a worker does with one series on a later day: score the rows that are new, and find the events that are.

Windows and smoothing reach back, so that the last rows of what was scored are kept beside the detector as context; new
rows then score as they would in the whole series.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers.alarms import scale_reach
from vaehelpers.common.errors import InputError
from vaehelpers.common.output import write_table
from vaehelpers.common.progress import Progress
from vaehelpers.data.series import Series

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector

CONTEXT, NEW_SCORES = "context.parquet", "new_scores.csv"
REMEMBERED = 400  # files that are known to be scored already


def save_context(folder: Path, data: Series, timesteps: int, smooth: int) -> None:
    """Keep as many of the last rows as the scores of the next ones look back on."""
    rows = 2 * timesteps + max(smooth, *scale_reach(timesteps).values())
    part = data.slice(max(0, data.n - rows), data.n)
    frame = pd.DataFrame(part.values, columns=[f"value {i}" for i in range(part.n_features)])
    if part.times is not None:
        frame.insert(0, "time", part.times)
    write_table(frame, folder / CONTEXT)


def read_context(folder: Path, columns: tuple[str, ...]) -> Series | None:
    """What `save_context` kept; None where nothing can be read."""
    try:
        frame = pd.read_parquet(folder / CONTEXT)
    except (OSError, ValueError):
        return None
    times: Any = None
    if "time" in frame:
        column = frame.pop("time")
        times = pd.DatetimeIndex(column) if column.dtype.kind not in "iuf" else column.to_numpy()
    return Series(frame.to_numpy(), times=times, columns=columns)


def score_new_rows(job: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Score what is new in a file; append it, and update the record of the series."""
    from vaehelpers.detectors.tables import scores_frame
    from vaehelpers.fleet.jobs import RECORD, open_data, read_record, start_worker

    folder = Path(job["folder"])
    record = read_record(folder / RECORD)
    if record is None:
        raise InputError(f"{folder} holds no record of a fitted series; fit it with `vaehelpers fleet`")
    given = open_data(job, allow_constant=True)
    progress("reading", 1, 1)
    start_worker(job["neighbours"])
    from vaehelpers.detectors.vae import Detector

    detector = Detector.load(folder / "detector")
    given = detector.align(given)
    before = read_context(folder, given.columns)
    if (given.times is None) != (record["last_time"] is None):
        now, then = ("no times", "times") if given.times is None else ("times", "no times")
        raise InputError(f"{job['path']} has {now}, and the detector's series has {then}")
    known = {**record, "scored": [*record.get("scored", []), job["key"]][-REMEMBERED:], "new_rows": 0, "new_events": 0}
    known["event_list"] = [{**event, "new": False} for event in record["event_list"]]
    fresh = _behind(given, record["last_time"])
    if not fresh.n:
        return known
    whole = _joined(before, fresh)
    found = detector.explain(whole, progress=progress)
    border = whole.n - fresh.n
    table = scores_frame(fresh, found.scores[border:], found.p_values[border:], found.flags[border:])
    _append(table, folder / NEW_SCORES)
    save_context(folder, whole, detector.timesteps_, detector.smooth_)
    _update(known, found, whole, border, detector)
    return known


def _update(known: dict[str, Any], found: Explanation, whole: Series, border: int, detector: Detector) -> None:
    from vaehelpers.fleet.jobs import event_list, moment, picture

    events = found.events
    if detector.alarm_line_ is None or detector.alarm_line_.status == "no promise":  # a ranking is no alarm
        above = [bool(found.flags[a : b + 1].any()) for a, b in zip(events["first"], events["last"])]
        events = events[above]
    events = events[events["last"] >= border]
    offset = known["rows"] - border
    listed = event_list(events)
    for event in listed:
        event["first"], event["last"] = int(event["first"]) + offset, int(event["last"]) + offset
    kept, fresh = [], 0
    for event in known["event_list"]:  # one that goes on is taken from the newer scores
        if not any(event["first"] <= one["last"] and event["last"] >= one["first"] for one in listed):
            kept.append(event)
    for one in listed:
        one["new"] = not any(
            event["first"] <= one["last"] and event["last"] >= one["first"] for event in known["event_list"]
        )
        fresh += one["new"]
    worst = [float(one["severity"]) for one in (*listed, *kept) if one["severity"] is not None]
    scores = found.scores[border:]
    usual = float(np.median(detector.calibration_scores_))
    rows = whole.n - border
    known |= {
        "event_list": [*listed, *kept],
        "events": len(listed) + len(kept),
        "new_events": fresh,
        "new_rows": rows,
        "rows": known["rows"] + rows,
        "scored_rows": known["scored_rows"] + int(np.isfinite(scores).sum()),
        "last_time": moment(whole, whole.n - 1),
        "severity": max(worst, default=float("nan")),
        "drift": float(np.nanmedian(scores)) / usual if usual > 0 and np.isfinite(scores).any() else float("nan"),
        "picture": picture(whole, events),
    }
    if found.check is not None:
        known |= {"alarms": found.check.status, "reason": found.check.reason}


def _behind(given: Series, last: Any) -> Series:
    """The rows behind the last one that was scored; all of them where rows have no times."""
    if given.times is None:
        return given
    if isinstance(given.times, pd.DatetimeIndex):
        border = pd.Timestamp(last)
        if (border.tz is None) != (given.times.tz is None):
            raise InputError(f"times with and without a zone cannot be compared ({last}, {given.times[0]})")
        new = np.asarray(given.times > border)
    else:
        new = np.asarray(given.times) > float(last)
    first = int(np.argmax(new)) if new.any() else given.n
    return given.slice(first, given.n) if first < given.n else _Nothing()  # type: ignore[return-value]


class _Nothing:
    """A series without rows, which `Series` refuses to be."""

    n = 0


def _joined(before: Series | None, fresh: Series) -> Series:
    """Context and new rows as one series."""
    if before is None or before.n_features != fresh.n_features:
        return fresh
    values = np.concatenate([before.values, fresh.values])
    times: Any = None
    if fresh.times is not None and before.times is not None:
        if isinstance(fresh.times, pd.DatetimeIndex):
            times = pd.DatetimeIndex(before.times).append(fresh.times)
        else:
            times = np.concatenate([np.asarray(before.times), fresh.times])
    return Series(values, times=times, columns=fresh.columns, name=fresh.name)


def _append(table: pd.DataFrame, path: Path) -> None:
    """Append rows to a CSV; a call that is cut off leaves the old file."""
    with contextlib.suppress(FileNotFoundError, pd.errors.EmptyDataError):
        old = pd.read_csv(path, dtype={"time": str})
        table = pd.concat([old, table.astype({"time": str})], ignore_index=True)
    write_table(table, path)
