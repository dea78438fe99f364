"""What a daily job needs around a score: rows before, a check that it is the same series, events, one line to read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from vaehelpers.alarms import AlarmLine
    from vaehelpers.alarms.selfcheck import SelfCheck
    from vaehelpers.data.series import Series


def check_targets(out: str, events: str | None, sources: list[str], *, force: bool) -> None:
    """Refuse results that cannot be written, or that would replace something. Call it before long work starts."""
    from vaehelpers.common.files import check_writable
    from vaehelpers.common.output import check_table_path

    if events and Path(events).absolute() == Path(out).absolute():
        raise InputError(f"--out and --events are both {out}; name two files")
    for option, path in (("--out", out), ("--events", events)):
        if not path:
            continue
        if option == "--out" or Path(path).suffix.lower() != ".json":
            check_table_path(path)
        for source in sources:
            if source != "-" and Path(source).exists() and Path(path).exists() and Path(source).samefile(path):
                raise InputError(f"{path} is the series itself; name another file with {option}")
        check_writable(path, force=force)


def check_same_kind(folder: str, data: Series, *, as_is: bool) -> list[str]:
    """Hold a series against what the detector was fitted on; refuse another sampling or unit unless `as_is`."""
    from vaehelpers.detectors.saved import load_detector_info
    from vaehelpers.detectors.seen import Seen

    found = load_detector_info(folder).get("seen")
    seen = Seen.from_dict(found, data.n_features) if isinstance(found, dict) else None
    differences = [] if seen is None else seen.differences(data)
    grave = [text for refused, text in differences if refused]
    if grave and not as_is:
        raise InputError(f"{'; '.join(grave)}; bring the rows into that form, or score them all the same with --as-is")
    return [text for _, text in differences]


def with_context(data: Series, context: Series) -> tuple[Series, int]:
    """Put the rows of `context` that lie before `data` in front of it; return the whole and how many they are."""
    import numpy as np
    import pandas as pd

    kinds = [type(one.times) if not isinstance(one.times, pd.DatetimeIndex) else one.times.tz is None
             for one in (context, data)]  # fmt: skip
    if kinds[0] != kinds[1]:
        raise InputError("the times of --context are of another kind than those of the series; give both alike")
    if data.times is not None and context.times is not None:
        earlier = np.asarray(context.times < data.times[0])
        if not earlier.any():
            raise InputError(
                f"no row of --context lies before the series, which begins at {data.times[0]}; give the rows before it"
            )
        if not earlier.all():
            note = f"{int((~earlier).sum()):,} rows of --context are not before the series and were left out"
            data = dataclasses.replace(data, notes=(*data.notes, note))
        context = context.slice(0, int(earlier.sum())) if earlier[: int(earlier.sum())].all() else context
    times: Any = None
    if isinstance(data.times, pd.DatetimeIndex) and isinstance(context.times, pd.DatetimeIndex):
        before = context.times if data.times.tz is None else context.times.tz_convert(data.times.tz)
        times = before.append(data.times)
    elif data.times is not None:
        times = np.concatenate([np.asarray(context.times), np.asarray(data.times)])
    values = np.concatenate([context.values, data.values])
    return dataclasses.replace(
        data, values=values, times=times, labels=None, train_rows=None, kinds=None, given_times=None, given_values=None
    ), context.n


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was found among the rows that were asked about.

    Attributes
    ----------
    rows, flagged : int
    events : DataFrame
        The most severe first.
    alarms : int
        Events above a line that promises something, else rows above the row threshold.
    status, reason : str
    summary : str
        One line.
    """

    rows: int
    flagged: int
    events: pd.DataFrame
    alarms: int
    status: str
    reason: str
    summary: str


def outcome(
    name: str, events: pd.DataFrame, flags: Any, check: SelfCheck | None, line: AlarmLine | None, *, skip: int = 0
) -> Outcome:
    """Say what was found in the rows behind the context.

    Parameters
    ----------
    name : str
        Of the series.
    events : DataFrame
        `Explanation.events`, of context and new rows.
    flags : ndarray of bool
        Of the same rows.
    check : SelfCheck or None
    line : AlarmLine or None
    skip : int
        Rows of context.

    Returns
    -------
    Outcome
    """
    from vaehelpers.detectors.tables import events_frame

    found = events_frame(events[events["last"] >= skip])
    flagged, rows = int(flags[skip:].sum()), len(flags) - skip
    status = "no promise" if check is None else check.status
    reason = "No alarm line was drawn." if check is None else check.reason
    ranked = status == "no promise"
    counted = (
        f"{flagged:,} rows above the row threshold" if ranked else f"{len(found):,} event{'s' * (len(found) != 1)}"
    )
    parts = [f"{name}: {rows:,} rows, {counted}"]
    if len(found) and (flagged or not ranked):
        parts.append(f"{'most unusual' if ranked else 'most severe'} {_told(found.iloc[0], line)}")
    parts.append(f"alarms {status}" + ("" if status == "ok" else f": {reason}"))
    return Outcome(rows, flagged, found, flagged if ranked else len(found), status, reason, "; ".join(parts))


def _told(event: pd.Series, line: AlarmLine | None) -> str:
    from vaehelpers.alarms import severity
    from vaehelpers.alarms.severity import severity_text

    span = str(event["start"]) if event["start"] == event["end"] else f"{event['start']} to {event['end']}"
    words = [span, str(event["kind"])] if event["kind"] else [span]
    if line is not None and event["severity"] == event["severity"]:
        words.append(severity_text(float(event["severity"]), line.promise.unit, supported=severity(line, []).supported))
    return ", ".join(words)


def write_events(found: Outcome, path: str, name: str) -> None:
    """Write the events as a table, or as JSON with the status of the alarms."""
    from vaehelpers.common.output import write_json, write_table

    if Path(path).suffix.lower() != ".json":
        write_table(found.events, path)
        return
    head = {"series": name, "rows": found.rows, "flagged": found.flagged, "alarms": found.alarms}
    status = {"status": found.status, "reason": found.reason}
    write_json({**head, **status, "events": found.events.to_dict("records")}, path)
