"""The tables over all series, and what is said about chance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from vaehelpers.fleet.tables import chance_of, control_discoveries, events_frame, fleet_frame


def record(name, severity=math.nan, **other):
    base = {
        "series": name, "status": "ok", "error": "", "alarms": "ok", "unit": "month", "unit_rows": 1_000.0,
        "supported": 50.0, "scored_rows": 1_000, "severity": severity, "events": int(severity == severity),
        "drift": 1.0, "finished": "2024-01-01", "event_list": [],
    }  # fmt: skip
    return base | other


def test_failures_come_first_then_news_then_the_worst():
    records = [
        record("calm"), record("bad", 9.0), record("worse", 90.0), record("news", 0.1, new_events=2),
        {"series": "lost", "status": "failed", "error": "no"},
    ]  # fmt: skip
    rows = fleet_frame(records)
    assert rows["series"].tolist() == ["lost", "news", "worse", "bad", "calm"]
    assert rows["events"].isna().tolist() == [True, False, False, False, False]


def test_chance_is_that_of_a_poisson_count():
    # one event in 50 x 1,000 rows: 1,000 rows hold one with chance 1 - exp(-1/50)
    assert chance_of(record("a", 50.0)) == pytest.approx(1 - math.exp(-0.02))
    assert chance_of(record("a")) == 1.0
    assert math.isnan(chance_of(record("a", 50.0, alarms="doubtful")))


def test_false_discoveries_are_controlled_where_there_is_nothing_to_find():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):  # the worst event of normal series: p-values are uniform, severities follow from them
        p = rng.uniform(size=50)
        rows, _ = control_discoveries(fleet_frame([record(f"{i}", -1 / np.log1p(-x)) for i, x in enumerate(p)]), 0.1)
        wrong += bool(rows["discovery"].any())
    assert wrong <= binom.ppf(1 - 1e-4, 100, 0.1)  # by accident once in 10,000 draws


def test_discoveries_and_what_they_rest_on_are_told():
    records = [record("far", 1e6), record("near", 1.0), record("none", 1e9, alarms="no promise")]
    rows, sentence = control_discoveries(fleet_frame(records), 0.1)
    assert rows.set_index("series")["discovery"].to_dict() == {"far": True, "near": False, "none": False}
    assert sentence.startswith("1 of the 2 series with calibrated p-values")
    assert "1 of them rest on a tail that was extrapolated" in sentence
    assert "The other 1 make no promise" in sentence
    _, sentence = control_discoveries(fleet_frame(records[2:]), 0.1)
    assert sentence.startswith("False discoveries are not controlled")


def test_events_of_all_series_in_one_table_new_ones_on_top():
    def event(severity, start, **other):
        return {"start": start, "end": start, "peak": start, "severity": severity, "first": 1, "last": 2, **other}

    times = ["2024-01-01T00:00:00", "2024-01-02T00:00:00", "2024-01-03T00:00:00"]
    records = [
        record("a", 9.0, event_list=[event(9.0, times[0]), event(1.0, times[1], new=True)]),
        record("b", 5.0, event_list=[event(5.0, times[2])]),
        {"series": "lost", "status": "failed", "error": "no", "event_list": [event(99.0, times[0])]},
    ]
    events = events_frame(records, fleet_frame(records))
    assert events["severity"].tolist() == [1.0, 9.0, 5.0]
    assert events["series"].tolist() == ["a", "a", "b"]
    assert isinstance(events["start"].dtype, type(pd.Series(pd.to_datetime(times)).dtype))
    records[1]["event_list"][0]["start"] = 7  # a series without times
    assert events_frame(records, fleet_frame(records))["start"].tolist() == [times[1], times[0], "7"]
    assert events_frame([], fleet_frame([])).empty
