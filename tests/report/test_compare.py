"""Two reports side by side: every event is new, continuing, ended or gone, and drift is told."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from vaehelpers.commands import cli
from vaehelpers.common import InputError
from vaehelpers.report import compare_reports

HOUR = pd.Timedelta(hours=1)


def write(
    folder, rows, events, *, line=2.0, alarm_line=None, columns=("flow",), smooth=10, scale=1.0, times=True, shift=0
):
    """A report's folder as far as a comparison reads it."""
    folder.mkdir()
    at = pd.date_range("2024-01-01", periods=rows, freq="1h") + shift * HOUR if times else np.arange(rows) + shift
    scores = np.full(rows, scale)
    flags = np.zeros(rows, int)
    for first, last in events:
        scores[first : last + 1] = 3.0 * scale
        flags[first : last + 1] = 1
    values = {name: np.sin(np.arange(rows)) for name in columns}
    pd.DataFrame({"time": at, **values, "score": scores, "flag": flags}).to_csv(folder / "scores.csv", index=False)
    table = {
        "start": [at[first] for first, _ in events],
        "end": [at[last] for _, last in events],
        "score": [3.0 * scale] * len(events),
        "kind": ["too high"] * len(events),
    }
    pd.DataFrame(table).to_csv(folder / "events.csv", index=False)
    numbers = {
        "series": {"name": folder.name, "columns": list(columns)},
        "alarms": {"line": alarm_line},
        "threshold": {"value": line, "rule": "pot"},
        "training": {"timesteps": 32, "smooth": smooth},
        "model": "dense VAE",
    }
    (folder / "metrics.json").write_text(json.dumps(numbers))
    return folder


@pytest.mark.parametrize("times", [True, False])
def test_events_are_sorted_into_new_continuing_ended_and_gone(tmp_path, times):
    old = write(tmp_path / "old", 100, [(10, 14), (40, 44), (96, 99)], times=times)
    new = write(tmp_path / "new", 150, [(11, 14), (96, 110), (130, 133)], line=2.5, times=times)
    found = compare_reports(old, new)
    assert found.counts() == {"new": 1, "continuing": 1, "ended": 1, "gone": 1}
    assert found.line == (2.0, 2.5)
    text = found.text()
    assert "**1 new event**, 1 continuing, 1 ended, 1 no longer found" in text
    assert "from 2 to 2.5 (+25 %)" in text
    json.dumps(found.to_dict(), default=str)


def test_the_line_is_the_one_that_events_are_found_by(tmp_path):
    old = write(tmp_path / "old", 100, [], alarm_line=3.0)
    new = write(tmp_path / "new", 150, [], alarm_line=4.5)
    found = compare_reports(old, new)
    assert found.line == (3.0, 4.5)
    assert "from 3 to 4.5 (+50 %)" in found.text() and "Rows in events: 0 % before" in found.text()


def test_another_series_is_refused_or_noted(tmp_path):
    old = write(tmp_path / "old", 100, [])
    other = write(tmp_path / "other", 100, [], shift=50)
    with pytest.raises(InputError, match="share 50 times, and their values differ at 50 of them"):
        compare_reports(old, other)
    later = write(tmp_path / "later", 100, [], shift=200)
    assert "old and later, and share no time: is it the same series" in compare_reports(old, later).text()
    longer = write(tmp_path / "longer", 150, [])
    assert "the older one comes first" in compare_reports(longer, old).text()


def test_drift_is_told_on_rows_that_only_the_newer_report_has(tmp_path):
    old = write(tmp_path / "old", 100, [])
    new = write(tmp_path / "new", 160, [])
    scores = pd.read_csv(new / "scores.csv")
    scores.loc[100:, "score"] = 2.0
    scores.to_csv(new / "scores.csv", index=False)
    found = compare_reports(old, new)
    assert found.drift == pytest.approx(2.0)
    assert "has drifted" in found.text()
    assert compare_reports(old, old).drift is None


def test_other_settings_are_not_compared_by_score(tmp_path):
    old = write(tmp_path / "old", 100, [])
    new = write(tmp_path / "new", 160, [], smooth=20)
    found = compare_reports(old, new)
    assert found.drift is None
    assert "differ in smooth" in found.text()


def test_what_cannot_be_compared_is_refused(tmp_path):
    old = write(tmp_path / "old", 100, [])
    with pytest.raises(InputError, match="different variables"):
        compare_reports(old, write(tmp_path / "other", 100, [], columns=("level",)))
    with pytest.raises(InputError, match="row numbers"):
        compare_reports(old, write(tmp_path / "rows", 100, [], times=False))
    with pytest.raises(InputError, match="no report"):
        compare_reports(old, tmp_path)
    (old / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        compare_reports(old, old)


def test_the_command_prints_text_or_json(tmp_path, capsys):
    old = write(tmp_path / "old", 100, [(10, 14)])
    new = write(tmp_path / "new", 150, [(10, 14), (130, 133)])
    assert cli.run(["compare", str(old), str(new)]) == 0
    assert "**1 new event**" in capsys.readouterr().out
    assert cli.run(["compare", str(old), str(new), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["new"] == 1
    assert cli.run(["compare", str(old), str(tmp_path / "none")]) == 2
    assert "no report" in capsys.readouterr().err
