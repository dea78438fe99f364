"""What the page's chart needs, small: rows packed as 16-bit numbers, a long series as the extremes of its buckets.

The page draws from these numbers alone. A series of 77,192 rows is kept row by row; one of ten million rows as the
lowest and highest value of each bucket, and its worst events row by row.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.signal import oaconvolve

from vaehelpers.data.series import Series
from vaehelpers.report.alarms_view import AlarmView
from vaehelpers.report.cards import Card
from vaehelpers.report.figures import _shown_variables
from vaehelpers.report.labels import labelled_events
from vaehelpers.report.methods import shares_of
from vaehelpers.report.text import _moment

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector

MISSING = 65_535  # the packed number for NaN; the others go from 0 to 65,534
VALUES, SCORES = 300_000, 150_000  # packed numbers for the variables together, and for the score
KNOTS = 4_000  # time is drawn by straight lines between so many rows
DETAILS = 40  # events that come with their rows
POINTS = 300  # of a line in the details
SEARCHED = 200_000  # normal rows in which the nearest normal window is looked for


class Packer:
    """Collects arrays into one block of 16-bit numbers, each scaled to its own range.

    Examples
    --------
    >>> packer = Packer()
    >>> packer.add([0.0, 5.0, 10.0])
    {'at': 0, 'n': 3, 'low': 0.0, 'high': 10.0}
    >>> unpack(packer.text(), {"at": 0, "n": 3, "low": 0.0, "high": 10.0}).round(3).tolist()
    [0.0, 5.0, 10.0]
    """

    def __init__(self) -> None:
        self._parts: list[NDArray[np.uint16]] = []
        self._size = 0

    def add(self, values: ArrayLike) -> dict[str, Any]:
        """Pack one array; returns where it lies and how to scale it back."""
        x = np.asarray(values, dtype=float).ravel()
        known = np.isfinite(x)
        low, high = (float(x[known].min()), float(x[known].max())) if known.any() else (0.0, 0.0)
        span = (high - low) or 1.0
        whole = np.full(len(x), MISSING, dtype=np.uint16)
        whole[known] = np.round((x[known] - low) / span * (MISSING - 1)).astype(np.uint16)
        place = {"at": self._size, "n": len(x), "low": low, "high": high}
        self._parts.append(whole)
        self._size += len(x)
        return place

    def text(self) -> str:
        """The block as base64 of zlib: differences from number to number, low bytes first, then high bytes."""
        block = np.concatenate([np.zeros(1, np.uint16), *self._parts])
        steps = (block[1:] - block[:-1]).astype(np.uint16)
        planes = np.concatenate([(steps & 255).astype(np.uint8), (steps >> 8).astype(np.uint8)])
        return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def unpack(text: str, place: dict[str, Any]) -> NDArray[np.float64]:
    """Read one array back, as the page's script does."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).astype(np.uint16)
    half = len(planes) // 2
    block = np.cumsum(planes[:half] + (planes[half:] << 8), dtype=np.uint16)[place["at"] : place["at"] + place["n"]]
    span = (place["high"] - place["low"]) or 1.0
    return np.where(block == MISSING, np.nan, place["low"] + block.astype(float) / (MISSING - 1) * span)


def extremes(values: NDArray[Any], size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lowest and highest value of each bucket of `size` rows; NaN where a bucket has none.

    Examples
    --------
    >>> low, high = extremes(np.array([1.0, 5.0, np.nan, np.nan, 2.0]), 2)
    >>> low.tolist(), high.tolist()
    ([1.0, nan, 2.0], [5.0, nan, 2.0])
    """
    x = np.asarray(values, dtype=float)
    padded = np.concatenate([x, np.full(-len(x) % size, np.nan)]).reshape(-1, size)
    known = ~np.isnan(padded)
    some = known.any(axis=1)
    low = np.where(some, np.where(known, padded, np.inf).min(axis=1), np.nan)
    high = np.where(some, np.where(known, padded, -np.inf).max(axis=1), np.nan)
    return low, high


def page_payload(
    data: Series, detector: Detector, found: Explanation, alarms: AlarmView, cards: Sequence[Card]
) -> dict[str, Any]:
    """Everything that the page's script reads, as plain JSON values.

    Parameters
    ----------
    data : Series
    detector : Detector
    found : Explanation
    alarms : AlarmView
    cards : sequence of Card

    Returns
    -------
    dict
    """
    packer = Packer()
    shown = _shown_variables(data, found)
    if cards and cards[0].column in shown:  # the chart opens on the variable of the worst event
        shown = [cards[0].column, *(column for column in shown if column != cards[0].column)]
    bucket = 1 if data.n * len(shown) <= VALUES else math.ceil(2 * data.n * len(shown) / VALUES)
    variables = []
    for column in shown:
        variable: dict[str, Any] = {"name": str(data.columns[column])}
        unit = data.units[column] if data.units else ""
        variable["unit"] = unit or ""
        if bucket == 1:
            variable["low"] = packer.add(data.values[:, column])
        else:
            low, high = extremes(data.values[:, column], bucket)
            variable["low"], variable["high"] = packer.add(low), packer.add(high)
        variables.append(variable)
    coarse = 1 if data.n <= SCORES else math.ceil(data.n / SCORES)
    every = alarms.score(found)
    scores = every if coarse == 1 else extremes(every, coarse)[1]
    log = alarms.points is None and log_scale(every)  # point scores are logarithms already
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.log10(np.where(scores > 0, scores, np.nan)) if log else scores
    labelled = labelled_events(data) if data.labels is not None else None
    searched = NormalWindows(data, detector, found)
    first_free = min(data.train_rows or 0, data.n - 1)
    return {
        "rows": data.n,
        "flagged": int(found.flags.sum()),
        "several": data.n_features > 1,
        "of": data.n_features,
        "variables": variables,
        "bucket": bucket,
        "score": packer.add(drawn),
        "score_bucket": coarse,
        "log": log,
        "score_name": alarms.score_name,
        "threshold": alarms.threshold if math.isfinite(alarms.threshold) else None,
        "merge": detector.timesteps_ // 2,
        "unit": alarms.unit,
        "unit_rows": alarms.rows,
        "judged_from": first_free,
        "gaps": [int(row) for row in np.asarray(data.gaps)[:5_000]],
        "time": _knots(data),
        "labels": None if labelled is None else labelled[["first", "last"]].astype(int).to_numpy().tolist(),
        "train_rows": data.train_rows,
        "events": [
            {
                "n": card.number,
                "first": card.first,
                "last": card.last,
                "when": card.when,
                "title": f"{card.kind}, {card.duration}",
                **(_details(packer, data, detector, found, card, searched) if card.number <= DETAILS else {}),
            }
            for card in cards
        ],
        "packed": packer.text(),
    }


def log_scale(scores: NDArray[Any]) -> bool:
    """Whether the score is drawn on a log axis: all of it is above 0, and its highest values are far above the rest."""
    finite = scores[np.isfinite(scores)]
    if not len(finite) or np.quantile(finite, 0.01) <= 0:
        return False
    return bool(finite.max() > 20 * np.median(finite))


def milliseconds(data: Series) -> NDArray[np.float64] | None:
    """Time of each row on the chart: milliseconds of the local clock, plain numbers, or None for row numbers."""
    if data.times is None:
        return None
    if isinstance(data.times, pd.DatetimeIndex):
        local = data.times.tz_localize(None) if data.times.tz is not None else data.times
        return local.to_numpy().astype("datetime64[ns]").astype(np.int64) / 1e6
    return np.asarray(data.times, dtype=float)


def _knots(data: Series) -> dict[str, Any]:
    """Rows and their times between which time runs evenly enough to be drawn."""
    x = milliseconds(data)
    if x is None:
        return {"kind": "row", "rows": [0, data.n - 1], "at": [0, data.n - 1]}
    steps = np.diff(x)
    bends = np.flatnonzero(np.abs(np.diff(steps)) > 1e-6 * max(float(np.abs(steps).max(initial=0.0)), 1e-12)) + 1
    if len(bends) > KNOTS:
        bends = np.unique(np.linspace(0, data.n - 1, KNOTS).round().astype(int))
    rows = np.unique(np.concatenate([[0], bends, [data.n - 1]])).astype(int)
    kind = "time" if isinstance(data.times, pd.DatetimeIndex) else "number"
    zone = str(data.times.tz) if isinstance(data.times, pd.DatetimeIndex) and data.times.tz is not None else ""
    return {"kind": kind, "rows": rows.tolist(), "at": x[rows].tolist(), "zone": zone}


def _details(
    packer: Packer, data: Series, detector: Detector, found: Explanation, card: Card, searched: NormalWindows
) -> dict[str, Any]:
    """One event row by row: what was measured and expected around it, what contributed, the nearest normal window."""
    context = max(detector.timesteps_ // 2, (card.last - card.first + 1) // 4)
    begin, end = max(0, card.first - context), min(data.n, card.last + 1 + context)
    stride = max(1, math.ceil((end - begin) / POINTS))
    rows = slice(begin, end, stride)
    lines = {
        name: packer.add(array[rows, card.column])
        for name, array in (
            ("value", data.values),
            ("expected", found.expected),
            ("lower", found.lower),
            ("upper", found.upper),
        )
    }
    shares = shares_of(np.nansum(found.contributions[card.first : card.last + 1], axis=0))
    order = [int(i) for i in np.argsort(-shares, kind="stable")[:8] if shares[i] >= 0.005]
    nearest = searched.nearest(card)
    result: dict[str, Any] = {
        "begin": begin,
        "stride": stride,
        "variable": card.variable,
        **lines,
        "shares": [[str(data.columns[i]), round(float(shares[i]), 4)] for i in order],
    }
    if nearest is not None:
        start, at = nearest
        kept = slice(start, start + detector.timesteps_, max(1, math.ceil(detector.timesteps_ / POINTS)))
        result["normal"] = {
            "when": _moment(data, start),
            "at": at,  # the row of the event's window that its first row is drawn over
            "stride": kept.step,
            "value": packer.add(data.values[kept, card.column]),
        }
    return result


class NormalWindows:
    """Looks for the normal window that comes nearest to an event's worst window, by squared distance.

    Normal are rows of the training part without an event, a label or a missing value nearby; at most the last 200,000
    of them are searched.
    """

    def __init__(self, data: Series, detector: Detector, found: Explanation) -> None:
        self.data, self.width = data, detector.timesteps_
        part = min(data.train_rows or data.n, data.n)
        self.first = max(0, part - SEARCHED)
        rows = slice(self.first, part)
        bad = found.flags[rows].copy()
        if data.labels is not None:
            bad |= np.asarray(data.labels[rows]) > 0
        for event_first, event_last in zip(found.events["first"], found.events["last"]):
            bad[max(0, event_first - self.first) : max(0, event_last + 1 - self.first)] = True
        bad |= np.isnan(data.values[rows]).any(axis=1) if data.n_features > 1 else np.isnan(data.values[rows, 0])
        crossing = bad.astype(np.int64)
        total = np.concatenate([[0], np.cumsum(crossing)])
        starts = np.arange(max(0, len(bad) - self.width + 1))
        free = total[starts + self.width] == total[starts]
        for gap in np.asarray(data.gaps, dtype=int) - self.first:
            free[max(0, gap - self.width + 1) : max(0, gap)] = False
        self.free = free

    def nearest(self, card: Card) -> tuple[int, int] | None:
        """First row of the nearest normal window, and the row of the event's window; None where there is none."""
        if not self.free.any():
            return None
        width, column = self.width, card.column
        start = int(np.clip(card.peak - width // 2, 0, self.data.n - width))
        wanted = np.asarray(self.data.values[start : start + width, column], float)
        known = np.isfinite(wanted)
        if not known.any():
            return None
        values = np.nan_to_num(
            np.asarray(self.data.values[self.first : self.first + len(self.free) + width - 1, column], float)
        )
        middle = float(values.mean())
        values, shape = values - middle, np.where(known, wanted - middle, 0.0)
        squares = oaconvolve(values**2, known[::-1].astype(float), mode="valid")
        products = oaconvolve(values, shape[::-1], mode="valid")
        distance = np.where(self.free, squares - 2 * products, np.inf)
        return self.first + int(distance.argmin()), start
