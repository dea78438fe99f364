"""The tables over all series: a row for each, a row for each event, and which of them chance explains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

COLUMNS = {
    "series": "str", "status": "str", "error": "str", "alarms": "str", "events": "Int64", "severity": "float64",
    "unit": "str", "p_value": "float64", "q_value": "float64", "discovery": "boolean", "extrapolated": "boolean",
    "threshold": "float64", "drift": "float64", "rows": "Int64", "scored_rows": "Int64", "new_rows": "Int64",
    "new_events": "Int64", "first_time": "str", "last_time": "str", "seconds": "float64", "fit_seconds": "float64",
    "memory_mb": "float64", "reason": "str", "source": "str", "folder": "str", "sha256": "str", "key": "str",
    "version": "str", "worker": "str", "finished": "str",
}  # fmt: skip
EVENT_COLUMNS = ("series", "start", "end", "peak", "severity", "unit", "at_least", "score", "kind", "n_points",
                 "contributed", "first", "last", "alarms", "q_value", "discovery", "found", "new")  # fmt: skip


def fleet_frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row per series: failures first, then by severity; see docs/fleet.md for the columns."""
    frame = pd.DataFrame({name: pd.Series([record.get(name) for record in records], dtype=object) for name in COLUMNS})
    frame["p_value"] = [chance_of(record) for record in records]
    frame["extrapolated"] = [_beyond(record) for record in records]
    frame["discovery"] = False
    kinds: dict[str, Any] = COLUMNS
    for name, kind in kinds.items():
        if kind == "float64":
            frame[name] = pd.to_numeric(frame[name]).astype("float64")
        elif kind == "str":
            frame[name] = frame[name].map(lambda value: "" if value is None else str(value)).astype(object)
        else:
            frame[name] = frame[name].astype(kind)
    failed = frame["status"] != "ok"
    order = pd.DataFrame({"ok": ~failed, "new": -frame["new_events"].fillna(0).astype(int)})
    order["worst"], order["name"] = -frame["severity"].fillna(-1.0), frame["series"]
    return frame.loc[order.sort_values(["ok", "new", "worst", "name"]).index].reset_index(drop=True)


def chance_of(record: Mapping[str, Any]) -> float:
    """Chance that normal rows, as many as were scored, bring an event at least as rare as the worst one.

    Where an event of severity s is expected once in s units of u rows, n rows bring one with chance
    1 - exp(-n / (s u)). Without an event it is 1: not the exact chance, but never too small.

    Returns
    -------
    float
        NaN where the alarm line keeps no promise, so that there is no chance to calculate with.

    Examples
    --------
    >>> record = {"status": "ok", "alarms": "ok", "unit_rows": 1_000.0, "scored_rows": 500, "severity": 50.0}
    >>> record |= {"events": 1}
    >>> round(chance_of(record), 5)
    0.00995
    >>> chance_of(record | {"alarms": "no promise"})
    nan
    """
    if record.get("status") != "ok" or record.get("alarms") != "ok" or not record.get("unit_rows"):
        return math.nan
    severity = record.get("severity")
    if not record.get("events") or severity is None or not math.isfinite(severity):
        return 1.0
    return -math.expm1(-float(record["scored_rows"]) / (float(severity) * float(record["unit_rows"])))


def _beyond(record: Mapping[str, Any]) -> bool:
    """Whether the worst event is rarer than the calibration rows can show, so that its chance is an extrapolation."""
    severity, supported = record.get("severity"), record.get("supported")
    return severity is not None and supported is not None and float(severity) > float(supported)


def control_discoveries(rows: pd.DataFrame, level: float) -> tuple[pd.DataFrame, str]:
    """Say which series differ from normal ones so that at most a share of `level` of them is chance.

    Parameters
    ----------
    rows : DataFrame
        From `fleet_frame`.
    level : float
        The expected share of false ones among the series that are called a discovery.

    Returns
    -------
    DataFrame
        With q_value (the p-value adjusted by Benjamini and Hochberg) and discovery.
    str
        What was controlled, and for which series it could not be.

    References
    ----------
    Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society B 57, 1995.
    """
    rows = rows.copy()
    usable = rows["p_value"].notna().to_numpy()
    done = int((rows["status"] == "ok").sum())
    if usable.any():
        q = np.full(len(rows), np.nan)
        q[usable] = false_discovery_control(rows.loc[usable, "p_value"].to_numpy(float), method="bh")
        rows["q_value"] = q
        rows["discovery"] = pd.array((q <= level) & usable, dtype="boolean")
    found = int(rows["discovery"].sum())
    far = int((rows["discovery"] & rows["extrapolated"]).sum())
    if not usable.any():
        return rows, (
            f"False discoveries are not controlled: of {done} series none has an alarm line that keeps its promise, so "
            "there are no p-values to go by; events are ranked."
        )
    words = (
        f"{found} of the {int(usable.sum())} series with calibrated p-values are discoveries; at most {level:.0%} of "
        "them are expected to be chance (Benjamini-Hochberg)."
    )
    if far:
        words += f" {far} of them rest on a tail that was extrapolated beyond the calibration rows."
    if done > usable.sum():
        words += (
            f" The other {done - int(usable.sum())} make no promise or a doubtful one: their events are ranked, and "
            "nothing is said about chance."
        )
    return rows, words


def events_frame(records: Sequence[Mapping[str, Any]], rows: pd.DataFrame) -> pd.DataFrame:
    """A row per event over all series: what is new first, then by severity.

    Times are timestamps where all series have them in one way, else text.
    """
    known = rows.set_index("series")
    listed = []
    for record in records:
        if record.get("status") != "ok":
            continue
        series = known.loc[record["series"]]
        for event in record.get("event_list", ()):
            listed.append(
                {
                    **{name: event.get(name) for name in EVENT_COLUMNS},
                    "series": record["series"], "unit": record.get("unit", ""), "alarms": record.get("alarms", ""),
                    "q_value": series["q_value"], "discovery": bool(series["discovery"]),
                    "found": event.get("found") or record.get("finished", ""), "new": bool(event.get("new", False)),
                }
            )  # fmt: skip
    frame = pd.DataFrame(listed, columns=list(EVENT_COLUMNS))
    for name in ("severity", "score", "q_value"):
        frame[name] = pd.to_numeric(frame[name]).astype("float64")
    for name in ("n_points", "first", "last"):
        frame[name] = frame[name].astype("Int64")
    for name in ("at_least", "discovery", "new"):
        frame[name] = frame[name].astype("boolean")
    for name in ("start", "end", "peak"):
        frame[name] = _times(frame[name])
    for name in ("series", "unit", "kind", "contributed", "alarms", "found"):
        frame[name] = frame[name].map(lambda value: "" if value is None else str(value)).astype(object)
    order = frame.assign(old=~frame["new"].astype(bool)).sort_values(
        ["old", "severity", "series", "first"], ascending=[True, False, True, True], na_position="last"
    )
    return frame.loc[order.index].reset_index(drop=True)


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    text = column.map(lambda value: isinstance(value, str))
    if len(column) and text.all():
        try:
            return pd.to_datetime(column, format="ISO8601")
        except (ValueError, TypeError):
            return column
    return column.map(lambda value: None if value is None else str(value)).astype(object)
