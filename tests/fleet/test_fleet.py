"""A fleet from call to call: what is done, what is done again, what fails, and what a lost machine costs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from fleet.conftest import TINY, make_frame, run, write

from vaehelpers import InputError
from vaehelpers import fleet as room
from vaehelpers.commands import cli
from vaehelpers.fleet import jobs
from vaehelpers.fleet.store import Store

pytestmark = pytest.mark.slow  # fits detectors


def scores_of(folder):
    return {path.parent.name: pd.read_csv(path)["score"] for path in sorted(folder.glob("series/*/scores.csv"))}


@pytest.fixture
def copied(small, tmp_path):
    """The finished fleet, to be changed."""
    shutil.copytree(small[1] / "out", tmp_path / "out")
    return tmp_path


def test_each_series_has_its_row_its_folder_and_its_detector(small):
    from vaehelpers import Detector

    done, place = small
    assert (done.done, done.kept, done.failed) == (3, 0, 0)
    rows = done.rows.set_index("series")
    assert sorted(rows.index) == ["m0", "m1", "m2"]
    assert rows["rows"].tolist() == [500] * 3 and (rows["seconds"] > 0).all()
    folder = place / "out" / rows.loc["m1", "folder"]
    table, saved = pd.read_csv(folder / "scores.csv"), Detector.load(folder / "detector")
    np.testing.assert_allclose(saved.decision_function(make_frame(1)[["flow"]]), table["score"], rtol=1e-5, atol=1e-6)
    stored = pd.read_parquet(place / "out" / "events.parquet")
    assert stored["severity"].is_monotonic_decreasing
    assert stored.iloc[0]["series"] == "m1"  # one of three has a jump
    assert stored.iloc[0]["first"] <= 320 and stored.iloc[0]["last"] >= 300
    assert (place / "out" / "index.html").is_file()


def test_the_second_call_does_nothing_and_a_changed_file_is_done_again(small, copied, monkeypatch):
    data = small[1] / "data"
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_fit", lambda *_: pytest.fail("nothing is to be done"))
        again = run(data, copied / "out")
    assert (again.done, again.kept) == (0, 3)
    pd.testing.assert_frame_equal(again.rows, small[0].rows)
    before = {path: path.stat().st_mtime_ns for path in copied.glob("out/series/*/scores.csv")}
    other = copied / "data"
    shutil.copytree(data, other)
    names = json.loads((copied / "out" / "fleet.json").read_text())["names"]
    store = Store(copied / "out")
    with store.open():  # the same fleet with its files at another place
        store.about["names"] = {str(other / os.path.basename(path)): name for path, name in names.items()}
        store.note([], store.about["asked"], {})
    make_frame(1, rows=510).to_csv(other / "m1.csv", index=False)
    changed = run(other, copied / "out")
    assert (changed.done, changed.kept) == (1, 2)
    assert changed.failed == 0, changed.rows.iloc[0]["error"]
    after = {path: path.stat().st_mtime_ns for path in copied.glob("out/series/*/scores.csv")}
    assert sum(before[path] != after[path] for path in before) == 1
    assert changed.rows.set_index("series")["rows"].to_dict() == {"m0": 500, "m1": 510, "m2": 500}


def crash(*_):
    raise RuntimeError("first line\nsecond line")


def test_other_parameters_are_other_work(small, copied, monkeypatch):
    monkeypatch.setattr(jobs, "_fit", crash)  # it is the trying that counts
    asked = {**TINY, "settings": TINY["settings"].replace("steps=4", "steps=5")}
    assert run(small[1] / "data" / "m0.csv", copied / "out").done == 0
    assert run(small[1] / "data" / "m0.csv", copied / "out", values=asked).done == 1
    assert run(small[1] / "data" / "m0.csv", copied / "out", values={**TINY, "seed": 1}).done == 1


def test_what_fails_is_a_row_with_one_line_and_is_tried_when_it_changes(tmp_path, monkeypatch):
    write(tmp_path / "data", 1)
    (tmp_path / "data" / "text.csv").write_text("when,flow\n2024-01-01,a\n2024-01-02,b\n")
    given = [tmp_path / "data" / "m0.csv", tmp_path / "data" / "text.csv", tmp_path / "data" / "gone.csv"]
    found = run(given, tmp_path / "out")
    assert found.failed == 2 and found.rows["status"].tolist() == ["failed", "failed", "ok"]
    errors = found.rows.set_index("series")["error"]
    assert "no column of numbers" in errors["text"] and "No such file" in errors["gone"]
    assert not any("\n" in text for text in errors)
    assert run(given, tmp_path / "out").done == 0  # the same data would fail again
    make_frame(7).to_csv(tmp_path / "data" / "gone.csv", index=False)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_fit", crash)
        found = run(given, tmp_path / "out")
    assert found.rows.iloc[0]["error"] == "RuntimeError: first line second line"
    better = run(given, tmp_path / "out")  # an accident is tried again
    assert (better.done, better.failed) == (1, 1)


def test_a_deadline_ends_a_series_and_leaves_nothing_half(tmp_path, monkeypatch):
    write(tmp_path / "data", 1)
    found = run(tmp_path / "data", tmp_path / "out", deadline=1e-6)
    assert found.rows.iloc[0]["error"] == "stopped at the deadline of 1e-06 s"
    assert not list((tmp_path / "out").glob("series/*"))
    monkeypatch.setattr(jobs, "_fit", crash)
    assert run(tmp_path / "data", tmp_path / "out").done == 1  # time may be better next time


def test_two_runs_do_not_write_into_one_folder(copied):
    pytest.importorskip("fcntl", reason="no locks on this system")
    with Store(copied / "out").open(), pytest.raises(InputError, match="another run is writing"):
        run(copied, copied / "out")


def test_a_folder_that_is_no_fleet_is_left_alone(tmp_path):
    write(tmp_path / "data", 1)
    with pytest.raises(InputError, match="exists already"):
        run(tmp_path / "data", tmp_path / "data")
    (tmp_path / "data" / "fleet.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        run(tmp_path / "data", tmp_path / "data")
    with pytest.raises(InputError, match="holds no fleet"):
        room.score_fleet(tmp_path / "no", tmp_path / "data")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": -1}, "workers=-1"), ({"deadline": 0.0}, "deadline=0.0"), ({"false_discoveries": 1.0}, "between"),
        ({"values": {"series": "a"}}, "set by the fleet"), ({"values": {"no": 1}}, "unknown parameter"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(tmp_path, options, words):
    write(tmp_path / "data", 1)
    with pytest.raises(InputError, match=words):
        run(tmp_path / "data", tmp_path / "out", **options)


# -- a cluster -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_is_killed_and_the_table_is_the_same(small, tmp_path):
    """Two workers; as soon as one has a series in hand it is killed, by its number, without a word."""
    pytest.importorskip("distributed", reason="dask.distributed comes with the extra fleet")
    from vaehelpers.fleet.cluster import open_client

    data, out, killed = small[1] / "data", tmp_path / "out", []
    with open_client(2) as client:

        def kill():
            while not killed:
                busy = [address for address, keys in client.processing().items() if keys]
                if busy:
                    number = client.run(os.getpid, workers=busy[:1])[busy[0]]
                    time.sleep(0.3)
                    os.kill(number, signal.SIGKILL)
                    killed.append(number)
                time.sleep(0.05)

        thread = threading.Thread(target=kill)
        thread.start()
        found = run(data, out, workers=2, scheduler=client.scheduler.address)
        thread.join(timeout=30)
    assert len(killed) == 1
    assert (found.done, found.failed) == (3, 0)
    ours, theirs = scores_of(out), scores_of(small[1] / "out")
    assert ours.keys() == theirs.keys()
    for name, scores in ours.items():
        np.testing.assert_allclose(scores, theirs[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_told(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="dask.distributed comes with the extra fleet")
    monkeypatch.setattr("vaehelpers.fleet.cluster.WAIT", 1)
    write(tmp_path / "data", 1)
    with pytest.raises(room.FleetError, match="no scheduler answers at tcp:"):
        run(tmp_path / "data", tmp_path / "out", scheduler="tcp://127.0.0.1:9")


# -- the command line ----------------------------------------------------------------------------------------------


def test_the_command_does_it_all(tmp_path, capsys):
    write(tmp_path / "data", 1)
    (tmp_path / "data" / "bad.csv").write_text("flow\nx\ny\n")
    words = ["--no-report", "--workers", "0", "--out", str(tmp_path / "out"), "--set", "timesteps=16"]
    words += [f"--set={one.strip()}" for one in TINY["settings"].split(",")]
    assert cli.run(["fleet", f"{tmp_path}/data/*.csv", *words]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(tmp_path / "out" / "index.html")
    assert "2 series done" in told.err and "failed: bad:" in told.err
    assert cli.run(["fleet", "score", str(tmp_path / "out"), str(tmp_path / "data"), "--workers", "0"]) == 0
    assert "0 new rows, 0 new events" in capsys.readouterr().err
    assert cli.run(["fleet", "x.csv", "--out", str(tmp_path / "o"), "--by", "a=b"]) == 2
    assert "name the column alone" in capsys.readouterr().err
