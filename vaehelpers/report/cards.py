"""Events in words: one card each, for the page, the summary and the terminal."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers.data.series import Series, format_step
from vaehelpers.report.alarms_view import AlarmView, describe_event, severity_order, severity_words
from vaehelpers.report.labels import labelled_events
from vaehelpers.report.methods import shares_of
from vaehelpers.report.text import _and, _count, _number, _span, _unit

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation


@dataclasses.dataclass(frozen=True)
class Card:
    """One event, in words and numbers.

    Attributes
    ----------
    number : int
        1 is the worst.
    first, last, peak : int
        Rows; the last one is inside the event.
    when, duration, severity, kind : str
    column : int
        The variable that contributed most; `variable` is its name.
    against : str
        Value and expected value at the row that is furthest from what was expected, with the unit.
    label : str or None
        Kinds of labelled anomaly that it overlaps, "" for none; None without labels.
    score : float
    """

    number: int
    first: int
    last: int
    peak: int
    when: str
    duration: str
    severity: str
    kind: str
    column: int
    variable: str
    against: str
    label: str | None
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


def event_cards(data: Series, found: Explanation, alarms: AlarmView, *, most: int | None = None) -> list[Card]:
    """Describe the events, the worst first.

    Parameters
    ----------
    data : Series
    found : Explanation
    alarms : AlarmView
    most : int, optional
        How many; default: all.

    Returns
    -------
    list of Card
    """
    ranked = severity_order(found.events).head(len(found.events) if most is None else most)
    labelled = labelled_events(data) if data.labels is not None else None
    cards = []
    for number, event in enumerate(
        ({str(key): value for key, value in each.items()} for each in ranked.to_dict("records")), start=1
    ):
        first, last = int(event["first"]), int(event["last"])
        rows = slice(first, last + 1)
        column = int(np.argmax(shares_of(np.nansum(found.contributions[rows], axis=0)))) if data.n_features > 1 else 0
        cards.append(
            Card(
                number=number,
                first=first,
                last=last,
                peak=int(event["peak_row"]),
                when=_span(data, first, last),
                duration=_duration(data, first, last),
                severity=severity_words(event, alarms),
                kind=describe_event(data, found, event, column),
                column=column,
                variable=str(data.columns[column]),
                against=_against(data, found, rows, column),
                label=None if labelled is None else _label(labelled, first, last),
                score=float(event["score"]),
            )
        )
    return cards


def _label(labelled: pd.DataFrame, first: int, last: int) -> str:
    over = labelled[(labelled["first"] <= last) & (labelled["last"] >= first)]
    return _and(sorted(set(over["kind"].astype(str))))


def _duration(data: Series, first: int, last: int) -> str:
    step = data.step
    if isinstance(step, pd.Timedelta) and data.times is not None:
        return format_step(data.times[last] - data.times[first] + step)
    return _count(last - first + 1, "row")


def _against(data: Series, found: Explanation, rows: slice, column: int) -> str:
    values = data.values[rows, column].astype(float)
    expected = np.asarray(found.expected[rows, column], float)
    off = np.abs(values - expected)
    if not np.isfinite(off).any():
        return "–"
    row = int(np.nanargmax(off))
    unit = _unit(data, column)
    return f"{_number(values[row])}, expected {_number(expected[row])}{' ' + unit if unit else ''}"
