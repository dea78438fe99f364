"""The one place where the report asks about alarms: status, promise, severity, direction.

A detector with a calibrated alarm line answers from that line. One with a threshold on rows alone answers from its
threshold and from what held-back rows showed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.data.series import Series
from vaehelpers.report.labels import false_events
from vaehelpers.report.methods import own_rate
from vaehelpers.report.text import _number, _percent
from vaehelpers.thresholds.dependence import RealisedRate, extremal_index

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector

MONTH = pd.Timedelta(days=365.25 / 12)
WORDS = {"shape": "changed shape", "rhythm": "changed rhythm"}  # of the detector, as a reader reads them


@dataclasses.dataclass(frozen=True)
class AlarmView:
    """What a report may say about the rate of false alarms.

    Attributes
    ----------
    status : {"ok", "doubtful", "no promise"}
    reason : str
        One sentence.
    expected : float or None
        False alarms per `unit`; None where nothing is promised, or the promise was missed.
    unit : str
        "month" or "10,000 rows".
    rows : float
        Rows in one unit.
    threshold : float
        The line in units of the score that is drawn.
    possible : bool
        Whether anything could have been found: some row has a score and the line is finite.
    missed : str
        What held-back or labelled rows showed, where it is more than was promised; else empty.
    supported : float or None
        Severities above it are extrapolations, and shown as "less than".
    ranked : bool
        Whether the events are only the most unusual stretches, and none of them is an alarm.
    points : ndarray of shape (n,), or None
        Point scores of an alarm line: log10 of the rows in which one such event is expected by chance.
    """

    status: str
    reason: str
    expected: float | None
    unit: str
    rows: float
    threshold: float
    possible: bool
    missed: str = ""
    supported: float | None = None
    ranked: bool = False
    points: NDArray[Any] | None = None

    def score(self, found: Explanation) -> NDArray[Any]:
        """The score that the line is drawn through: point scores where there is an alarm line, else row scores."""
        return found.scores if self.points is None else self.points

    @property
    def score_name(self) -> str:
        """What the axis of that score is called."""
        return "score" if self.points is None else "alarm score (log10 rows)"

    @property
    def each(self) -> str:
        """Unit of the promise: "a month" or "per 10,000 rows"."""
        return "a month" if self.unit == "month" else f"per {self.unit}"

    @property
    def expectation(self) -> str:
        """How many false alarms to expect, in one sentence."""
        if self.expected is None:
            return "How many false alarms to expect cannot be said."
        if self.expected >= 0.095 or self.unit != "month":
            number, each = _number(self.expected, 2), self.each
        else:
            number, each = _number(12 * self.expected, 2), "a year"
        return f"Expect about {number} false {'alarm' if number == '1' else 'alarms'} {each}."


def view(
    data: Series,
    detector: Detector,
    found: Explanation,
    rates: Mapping[str, Sequence[RealisedRate]] | None = None,
) -> AlarmView:
    """Look at a fitted detector's alarms.

    Parameters
    ----------
    data : Series
    detector : Detector
    found : Explanation
    rates : mapping, optional
        From `vaehelpers.report.methods.realised_rates`.

    Returns
    -------
    AlarmView
    """
    threshold = float(detector.threshold_.threshold_)
    unit, rows = unit_of(data)
    line = getattr(found, "line", None) or getattr(detector, "alarm_line_", None)
    points = getattr(found, "point_scores", None)
    if line is not None:
        check = getattr(found, "check", None) or line
        status, reason = str(check.status), str(check.reason)
        unit, rows = str(line.promise.unit), float(line.promise.rows)
        supported = 10.0 ** float(line.supported) / rows
        if status == "no promise" or line.status == "no promise":
            possible = bool(np.isfinite(found.scores).any())
            return AlarmView("no promise", reason, None, unit, rows, threshold, possible, "", supported, ranked=True)
        expected: float | None = float(line.promise.alarms)
        missed = _missed_events(data, found, float(line.promise.alarms), unit, rows)
        if missed:
            status, expected = "doubtful", _false_rate(data, found, rows)
        drawn = None if points is None else np.asarray(points, float)
        possible = bool(np.isfinite(found.scores if drawn is None else drawn).any())
        return AlarmView(
            status, reason, expected, unit, rows, float(line.start), possible, missed, supported, points=drawn
        )
    possible = bool(np.isfinite(found.scores).any()) and math.isfinite(threshold)
    missed = _missed_rows(detector, rates or {})
    status, reason = _by_rows(detector, rates or {}, missed)
    promise = detector.threshold_.promised_rate
    # a line that flags many times what it promises says nothing about how many events that makes
    expected = None if status == "no promise" or missed or promise is None else promise * rows * _index(detector)
    return AlarmView(status, reason, expected, unit, rows, threshold, possible, missed)


def unit_of(data: Series) -> tuple[str, float]:
    """The unit that rates are told in, and its rows: a month where rows have times, else 10,000 rows.

    Examples
    --------
    >>> unit_of(Series([1.0, 2.0]))
    ('10,000 rows', 10000.0)
    """
    step = data.pace
    if isinstance(step, pd.Timedelta) and step > pd.Timedelta(0):
        return "month", MONTH / step
    return "10,000 rows", 10_000.0


def _missed_rows(detector: Detector, rates: Mapping[str, Sequence[RealisedRate]]) -> str:
    """The first source on which more rows were flagged than promised, beyond chance."""
    promise = detector.threshold_.promised_rate
    if promise is None:
        return ""
    for source, several in rates.items():
        own = own_rate(detector, several)
        if own.low > promise:
            return (
                f"{_percent(promise)} of normal rows were promised to be flagged, and {_percent(own.rate)} of "
                f"{own.rows:,} rows were ({source.removeprefix('rows ')}), {_number(own.rate / promise, 2)} times as "
                "many"
            )
    return ""


def _false_rate(data: Series, found: Explanation, rows: float) -> float:
    return (false_events(data, found) or 0) * rows / max(1, data.n - int(data.train_rows or 0))


def _missed_events(data: Series, found: Explanation, expected: float, unit: str, rows: float) -> str:
    """False events behind the training part, against so many promised ones."""
    from scipy.stats import poisson

    false = false_events(data, found)
    if false is None or data.train_rows is None:
        return ""
    units = (data.n - data.train_rows) / rows
    if poisson.sf(false - 1, expected * units) >= 0.025:
        return ""
    each = "a month" if unit == "month" else f"per {unit}"
    return (
        f"{_number(expected, 2)} false alarms {each} were promised, and {false} events without a label in "
        f"{_number(units, 2)} {'months' if unit == 'month' else 'times ' + unit} are "
        f"{_number(false / units, 2)} {each}"
    )


def _by_rows(detector: Detector, rates: Mapping[str, Sequence[RealisedRate]], missed: str) -> tuple[str, str]:
    """Status of a threshold that promises a share of rows."""
    rule, promise = detector.threshold_, detector.threshold_.promised_rate
    if promise is None:
        return "no promise", f"The rule {rule.name} promises no rate of false alarms."
    rows = int(np.isfinite(np.asarray(detector.calibration_scores_, float)).sum())
    if not detector.calibration_["held_back"]:
        why = "is its own training part" if detector.settings_["contamination"] else "is short"
        return "no promise", f"The series {why}: the line was set on the {rows:,} rows that the model learned from."
    if missed:
        return "doubtful", missed[0].upper() + missed[1:] + "."
    independent = max(1, round(_index(detector) * rows))
    if promise * independent < 1:
        return "doubtful", (
            f"The line promises one false alarm in {round(1 / promise):,} rows, and its {rows:,} calibration rows tell "
            f"as much as {independent:,} independent ones."
        )
    if not rates:
        return "doubtful", "Too few rows were held back to check the promise."
    return "ok", f"The line promises to flag {_percent(promise)} of normal rows, and held-back rows agree."


def _index(detector: Detector) -> float:
    scores = np.asarray(detector.calibration_scores_, float)
    scores = scores[np.isfinite(scores)]
    return float(extremal_index(scores)) if len(scores) >= 100 else 1.0


# ---------------------------------------------------------------- events: which way, how severe


def describe_event(data: Series, found: Explanation, event: Mapping[str, Any], variable: int) -> str:
    """Which way an event goes: "too high", "too low", "frozen", "changed shape", or what the detector itself says.

    Parameters
    ----------
    data : Series
    found : Explanation
    event : mapping
        A row of ``found.events``.
    variable : int
        The one to look at.

    Returns
    -------
    str
    """
    for name in ("direction", "kind"):
        said = event.get(name)
        if isinstance(said, str) and said:
            return WORDS.get(said, said)
    rows = slice(int(event["first"]), int(event["last"]) + 1)
    values, expected = data.values[rows, variable].astype(float), found.expected[rows, variable].astype(float)
    width = (found.upper - found.lower)[rows, variable] / 4
    known = np.isfinite(values) & np.isfinite(expected)
    if not known.any():
        return "changed shape"
    values, expected = values[known], expected[known]
    residual = values - expected
    around = max(1, int(0.2 * len(values)))
    begin = _stillest(values, around)
    still = _spread(values[begin : begin + around])
    if around >= 4 and still < 0.02 * _spread(expected):
        return "frozen"
    scale = max(float(np.nanmedian(width[known])), 1e-12)
    middle = float(np.mean(residual))
    # most of what is off goes one way, and by more than the usual error
    if abs(middle) > 0.6 * float(np.mean(np.abs(residual))) and abs(middle) > 0.5 * scale:
        return "too high" if middle > 0 else "too low"
    return "changed shape"


def _spread(values: Any) -> float:
    return float(np.ptp(values)) if len(values) else math.inf


def _stillest(values: Any, width: int) -> int:
    """Where a stretch of `width` rows changes least."""
    if len(values) <= width:
        return 0
    steps = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(values)))])
    return int(np.argmin(steps[width - 1 :] - steps[: len(steps) - width + 1]))


def severity_words(event: Mapping[str, Any], seen: AlarmView) -> str:
    """How severe an event is, in words."""
    value = event.get("severity")
    if value is None or not np.isfinite(value):
        return f"{_number(float(event['score']))} times a usual row"
    supported = seen.supported
    beyond = supported is not None and float(value) > supported
    shown = max(float(supported if beyond and supported is not None else value), 1e-12)
    less = "less than " if beyond else ""
    if shown < 0.95:
        return f"{less}{_number(1 / shown, 2)} times {seen.each} by chance"
    span = f"{_number(10_000 * shown, 2)} rows"
    if seen.unit == "month":
        months = _number(shown, 2)
        span = f"{months} {'month' if months == '1' else 'months'}"
    return f"{less}once in {span} by chance"


def severity_order(events: pd.DataFrame) -> pd.DataFrame:
    """Events, the worst first: by severity where the detector gives it, else by score."""
    by = "severity" if "severity" in events and events["severity"].notna().any() else "score"
    return events.sort_values(by, ascending=False, kind="stable")
