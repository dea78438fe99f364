"""Score for a daily job: context, events, status, and refusals of what is another series; watch says the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaehelpers.commands import cli

pytestmark = pytest.mark.slow  # fits detectors

SETTINGS = ["timesteps=20", "steps=120", "units=16", "latent_dim=4"]
STEP = 15


def frame(first, n, odd=(), **columns):
    rows = first + np.arange(n)
    flow = 10 + np.sin(rows / 5) + 0.1 * np.random.default_rng(first).normal(size=n)
    for begin, end in odd:
        flow[begin:end] += 0.6
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(STEP * rows, unit="min")
    return pd.DataFrame({"when": times, "flow": flow, **columns})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("daily")
    frame(0, 6000).to_csv(folder / "history.csv", index=False)
    given = [part for one in SETTINGS for part in ("--set", one)]
    assert cli.run(["fit", str(folder / "history.csv"), "--out", str(folder / "pump"), "--quiet", *given]) == 0
    return folder / "pump"


@pytest.fixture
def place(fitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(fitted, "pump")
    frame(6000, 300, odd=[(150, 153)]).to_csv("today.csv", index=False)
    frame(6000, 300).to_csv("calm.csv", index=False)
    frame(5700, 300).to_csv("before.csv", index=False)
    return tmp_path


def run(capsys, *arguments, status=0):
    assert cli.run(list(map(str, arguments))) == status
    return capsys.readouterr()


def test_a_day_in_one_line(place, capsys):
    said = run(capsys, "score", "pump", "today.csv", "--out", "s.csv", "--events", "e.csv", "--context", "before.csv")
    assert said.out == "s.csv\n"
    line = said.err.splitlines()[-1]
    assert line.startswith("today.csv: 300 rows, 1 event; most severe 2024-03-05 0")
    assert "once in" in line
    assert line.endswith("alarms ok")
    events = pd.read_csv("e.csv", parse_dates=["start", "end", "peak"])
    assert list(events)[:4] == ["start", "end", "peak", "severity"]
    # the fault is in rows 150 to 152
    assert pd.Timestamp("2024-03-05 00:30") <= events["start"][0] <= pd.Timestamp("2024-03-05 01:30")
    assert pd.Timestamp("2024-03-05 02:00") <= events["end"][0] <= pd.Timestamp("2024-03-05 03:00")
    scores = pd.read_csv("s.csv", parse_dates=["time"])
    assert len(scores) == 300
    flagged = scores.loc[scores["flag"] == 1, "time"]
    assert (flagged.iloc[0], flagged.iloc[-1]) == (events["start"][0], events["end"][0])


def test_exit_status_tells_an_alarm(place, capsys):
    said = run(capsys, "score", "pump", "calm.csv", "--out", "a.csv", "--fail-on-alarm", "--quiet")
    assert said.err == ""
    said = run(capsys, "score", "pump", "today.csv", "--out", "b.csv", "--fail-on-alarm", "--quiet", status=3)
    assert said.err.count("\n") == 1
    assert "1 event" in said.err
    assert Path("b.csv").exists()


def test_events_as_json_say_how_far_to_trust_them(place, capsys):
    run(capsys, "score", "pump", "today.csv", "--out", "s.csv", "--events", "e.json", "--quiet")
    found = json.loads(Path("e.json").read_text())
    assert (found["rows"], found["alarms"], found["status"]) == (300, 1, "ok")
    assert found["events"][0]["start"].startswith("2024-03-05T0")


def test_context_makes_a_day_score_as_within_the_whole(place, capsys):
    whole = pd.concat([pd.read_csv("before.csv"), pd.read_csv("today.csv")])
    whole.to_csv("whole.csv", index=False)
    run(capsys, "score", "pump", "whole.csv", "--out", "whole-s.csv", "--quiet")
    run(capsys, "score", "pump", "today.csv", "--out", "alone.csv", "--quiet")
    for name, more in (("day", []), ("parts", ["--rows-at-once", "70"])):
        run(capsys, "score", "pump", "today.csv", "--out", f"{name}.csv", "--context", "before.csv", "--quiet", *more)
        expected = pd.read_csv("whole-s.csv")[300:].reset_index(drop=True)
        pd.testing.assert_frame_equal(pd.read_csv(f"{name}.csv"), expected, rtol=1e-4)
    alone = pd.read_csv("alone.csv")["score"]
    assert abs(alone - expected["score"])[:20].max() > 1e-3  # without a past its first rows score otherwise


def test_an_overlap_of_the_context_is_noted_and_one_behind_refused(place, capsys):
    frame(5900, 200).to_csv("overlap.csv", index=False)
    said = run(capsys, "score", "pump", "today.csv", "--out", "s.csv", "--context", "overlap.csv")
    assert "100 rows of --context are not before the series" in said.err
    said = run(capsys, "score", "pump", "before.csv", "--out", "t.csv", "--context", "today.csv", status=2)
    assert "no row of --context lies before the series" in said.err


@pytest.mark.parametrize("n_odd", [0, 1, 3])
def test_parts_and_whole_give_the_same_events(place, capsys, n_odd):
    odd = [(200 * k + 40, 200 * k + 43 + k) for k in range(n_odd)]
    new = frame(6000, 800, odd=odd)
    new.loc[700:715, "flow"] = new["flow"][700]  # a frozen sensor as well
    new.to_csv("new.csv", index=False)
    run(capsys, "score", "pump", "new.csv", "--out", "w.csv", "--events", "we.csv", "--quiet")
    run(capsys, "score", "pump", "new.csv", "--out", "p.csv", "--events", "pe.csv", "--quiet", "--rows-at-once", "60")
    pd.testing.assert_frame_equal(pd.read_csv("pe.csv"), pd.read_csv("we.csv"), rtol=1e-3)
    pd.testing.assert_frame_equal(pd.read_csv("p.csv"), pd.read_csv("w.csv"), rtol=1e-3)
    assert len(pd.read_csv("we.csv")) == n_odd + 1


@pytest.mark.parametrize("parts", [[], ["--rows-at-once", "100"]])
def test_another_series_is_refused_in_one_line(place, capsys, parts):
    frame(6000, 300).iloc[::4].to_csv("hourly.csv", index=False)
    frame(6000, 300).assign(flow=lambda f: 1000 * f["flow"]).to_csv("watt.csv", index=False)
    frame(6000, 300).assign(flow=lambda f: f["flow"] / 1000).to_csv("mega.csv", index=False)
    frame(6000, 300).rename(columns={"flow": "level"}).to_csv("other.csv", index=False)
    for name, words in (
        ("hourly", "interval 1 h, fitted on 15 min"),
        ("watt", "values of 'flow' are about 1,000 times as large as in training"),
        ("mega", "values of 'flow' are about 1,000 times as small as in training"),
        ("other", "the series has level; the detector was fitted on 1 (flow); rename the columns, or name"),
    ):
        said = run(capsys, "score", "pump", f"{name}.csv", "--out", "s.csv", *parts, status=2)
        assert said.err.startswith("Error: ")
        assert said.err.count("\n") == 1
        assert words in said.err
        assert not Path("s.csv").exists()
    said = run(capsys, "score", "pump", "hourly.csv", "--out", "s.csv", "--as-is", *parts)
    assert "Note: interval 1 h, fitted on 15 min" in said.err
    said = run(capsys, "score", "pump", "other.csv", "--out", "t.csv", "--value", "level", *parts)
    assert "Note: level is read as flow" in said.err


def test_nothing_is_replaced_without_force(place, capsys):
    Path("s.csv").write_text("kept")
    for more in (["--out", "s.csv"], ["--out", "t.csv", "--events", "s.csv"]):
        said = run(capsys, "score", "pump", "today.csv", *more, status=2)
        assert "s.csv exists already" in said.err
        assert Path("s.csv").read_text() == "kept"
        assert not Path("t.csv").exists()
    said = run(capsys, "score", "pump", "today.csv", "--out", "s.csv", "--events", "s.csv", status=2)
    assert "name two files" in said.err
    run(capsys, "score", "pump", "today.csv", "--out", "s.csv", "--force", "--quiet")
    assert len(pd.read_csv("s.csv")) == 300


def test_a_report_folder_holds_a_detector(place, capsys):
    Path("run").mkdir()
    shutil.move("pump", "run/detector")
    run(capsys, "score", "run", "today.csv", "--out", "s.csv", "--quiet")
    assert len(pd.read_csv("s.csv")) == 300


def test_a_short_training_part_promises_nothing(place, capsys):
    frame(0, 300).to_csv("short.csv", index=False)
    given = [part for one in SETTINGS for part in ("--set", one)]
    run(capsys, "fit", "short.csv", "--out", "short", "--quiet", *given)
    said = run(capsys, "score", "short", "today.csv", "--out", "s.csv", "--quiet", "--fail-on-alarm", status=3)
    assert "rows above the row threshold" in said.err
    assert "no promise" in said.err
