"""Files and folders that appear whole or not at all, and progress that another process can read."""

import json
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from vaehelpers.common import InputError, progress
from vaehelpers.common.files import atomic_file, atomic_folder, check_free
from vaehelpers.common.progress import file_progress, quiet, terminal_progress


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail(writing):
    """Die half way."""
    with writing as temporary:
        (temporary / "a.txt" if temporary.is_dir() else temporary).write_text("half")
        raise RuntimeError("disk")


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "deep" / "scores.csv"
    with atomic_file(path) as temporary:
        assert temporary.parent == path.parent  # same disk, or the rename would not be one step
        assert temporary.suffix == ".csv"
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["scores.csv"]


def test_after_an_error_the_old_file_stands_and_nothing_else(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="disk"):
        fail(atomic_file(path))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["scores.csv"]
    with atomic_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    (tmp_path / "folder").mkdir()
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("")
    with atomic_folder(tmp_path / "made"):
        pass

    def mode(name):
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    assert mode("file") == mode("plain")
    assert mode("made") == mode("folder")


# -- folders -------------------------------------------------------------------------------------------------------


def fill(folder, text, *, force=False):
    with atomic_folder(folder, force=force) as temporary:
        (temporary / "a.txt").write_text(text)
        assert text not in [path.read_text() for path in folder.glob("a.txt")]


def test_a_folder_appears_when_it_is_whole(tmp_path):
    fill(tmp_path / "deep" / "run", "one")
    assert names(tmp_path / "deep") == ["run"]
    assert names(tmp_path / "deep" / "run") == ["a.txt"]


def test_an_existing_folder_is_refused_before_any_work(tmp_path):
    fill(tmp_path / "run", "one")
    with pytest.raises(InputError, match=r"run exists already; choose another folder, or replace it with --force"):
        fill(tmp_path / "run", "two")
    assert (tmp_path / "run" / "a.txt").read_text() == "one"
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "empty", "one")
    assert names(tmp_path) == ["empty", "run"]


def test_force_replaces_the_whole_folder(tmp_path):
    fill(tmp_path / "run", "one")
    (tmp_path / "run" / "old.txt").write_text("")
    fill(tmp_path / "run", "two", force=True)
    assert names(tmp_path / "run") == ["a.txt"]
    assert (tmp_path / "run" / "a.txt").read_text() == "two"
    assert names(tmp_path) == ["run"]


def test_after_an_error_the_old_folder_stands(tmp_path):
    fill(tmp_path / "run", "one")
    with pytest.raises(RuntimeError, match="disk"):
        fail(atomic_folder(tmp_path / "run", force=True))
    assert (tmp_path / "run" / "a.txt").read_text() == "one"
    assert names(tmp_path) == ["run"]


KILLED = """
import sys, time
from pathlib import Path
from vaehelpers.common.files import atomic_folder
with atomic_folder(sys.argv[1]) as temporary:
    (temporary / "half.txt").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_no_half_folder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"ready"
    process.kill()
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "run").exists()
    fill(tmp_path / "run", "one")  # what it left behind is in nobody's way


# -- refusals ------------------------------------------------------------------------------------------------------


def test_check_free_says_what_stands_in_the_way(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    check_free(tmp_path / "nothing")
    check_free(tmp_path, force=True)
    for force in (False, True):
        with pytest.raises(InputError, match="is a file; name a folder"):
            check_free(file, force=force)
    with pytest.raises(InputError, match="exists already"):
        check_free(tmp_path)


def test_a_file_is_no_folder_and_the_other_way_round(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a folder; name a file to write"), atomic_file(tmp_path):
        pass
    with pytest.raises(InputError, match="is a file; name a folder"), atomic_folder(tmp_path / "file", force=True):
        pass
    for make in (atomic_file, atomic_folder):
        with pytest.raises(InputError, match="cannot create the folder"), make(tmp_path / "file" / "below" / "it"):
            pass


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere, whatever the bits say
    for make in (atomic_file, atomic_folder):
        with pytest.raises(InputError, match="is not writable; choose another place"), make(tmp_path / "x"):
            pass
    assert names(tmp_path) == []


# -- progress ------------------------------------------------------------------------------------------------------


def test_progress_is_one_line_of_json_each(tmp_path):
    path = tmp_path / "progress.jsonl"
    report = file_progress(path)
    for done in (1, 2):
        report("fitting — Lauf", done, 2)
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        ["fitting — Lauf", 1, 2],
        ["fitting — Lauf", 2, 2],
    ]


def test_quiet_is_quiet_and_so_is_a_pipe(capsys):
    quiet("training", 1, 2)
    with terminal_progress() as hook:  # under pytest, stderr is no terminal
        hook("training", 1, 2)
    with terminal_progress(enabled=False) as hook:
        hook("training", 1, 2)
    out, err = capsys.readouterr()
    assert out == err == ""


def test_the_terminal_shows_each_stage_on_stderr(capsys):
    with terminal_progress(enabled=True) as hook:
        for stage in ("training", "scoring"):
            for done in (1, 5, 10):
                hook(stage, done, 10)
                time.sleep(0.12)  # tqdm draws at most ten times a second
    out, err = capsys.readouterr()
    assert out == ""
    assert "training" in err
    assert "scoring" in err
    assert all(f"{stage}:  50%" in err for stage in ("training", "scoring"))


def test_the_bar_goes_on_while_nothing_is_reported(monkeypatch, capsys):
    drawn = threading.Semaphore(0)
    monkeypatch.setattr(progress._Bar, "BEAT", 0.01)
    with progress._Bar() as bar:
        bar.show("reading", 1, 1)  # all of it is done, and the next stage is far away
        refresh = bar._bar.refresh
        monkeypatch.setattr(bar._bar, "refresh", lambda *a, **k: (refresh(*a, **k), drawn.release()))
        assert all(drawn.acquire(timeout=30) for _ in range(3))
    assert "reading [" in capsys.readouterr().err
