"""What a killed run leaves is removed by the next one; results are swapped, names and places tested first."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vaehelpers.common import InputError, temporary
from vaehelpers.common.files import _kept_aside, atomic_file, atomic_folder, check_free, check_writable
from vaehelpers.common.temporary import reserved, temporary_folder

posix = pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")

HOLD = """
import sys, time
from vaehelpers.common.files import atomic_file, atomic_folder
from vaehelpers.common.temporary import reserved, temporary_folder
place = sys.argv[1]
with (
    reserved(place + "/pump"), atomic_folder(place + "/pump") as a, atomic_file(place + "/s.csv"),
    temporary_folder(place),
):
    (a / "half.txt").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def sweep_again(monkeypatch):
    monkeypatch.setattr(temporary, "_swept", set())


def hold(place):
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(place)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


def end(child):
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


@posix
def test_leftovers_go_with_the_next_run_and_those_of_a_living_one_stay(tmp_path):
    child = hold(tmp_path)
    try:
        before = sorted(path.name for path in tmp_path.iterdir())
        assert len(before) == 4
        with atomic_file(tmp_path / "other.csv") as file:
            file.write_text("1")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "other.csv"])
        with pytest.raises(InputError, match="another run is writing"), reserved(tmp_path / "pump"):
            pass
    finally:
        end(child)
    temporary._swept.clear()
    with reserved(tmp_path / "pump"), atomic_folder(tmp_path / "pump"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "pump"]


@posix
def test_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / ".vaehelpers-link").symlink_to(tmp_path / "target")
    (tmp_path / ".vaehelper-x").write_text("")
    with temporary_folder(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".vaehelper-x", ".vaehelpers-link", "target"]


@pytest.mark.parametrize("swaps", [True, False])
def test_force_always_leaves_one_of_both(tmp_path, monkeypatch, swaps):
    if not swaps:
        monkeypatch.setattr("vaehelpers.common.files._exchange", lambda new, path: False)
    path = tmp_path / "pump"
    for text in ("old", "new"):
        with atomic_folder(path, force=True) as folder:
            (folder / "a.txt").write_text(text)
    assert (path / "a.txt").read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["pump"]


def test_a_kill_between_two_renames_is_undone(tmp_path):
    path = tmp_path / "pump"
    path.mkdir()
    (path / "a.txt").write_text("old")
    os.replace(path, _kept_aside(path))
    with pytest.raises(InputError, match="exists already"):
        check_free(path)
    assert (path / "a.txt").read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["pump"]


@posix
def test_links_are_followed(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with atomic_file(tmp_path / "link.csv") as file:
        file.write_text("new")
    assert (tmp_path / "real.csv").read_text() == "new"
    assert (tmp_path / "link.csv").is_symlink()
    (tmp_path / "runs").mkdir()
    (tmp_path / "latest").symlink_to("runs")
    with atomic_folder(tmp_path / "latest", force=True) as folder:
        (folder / "a.txt").write_text("1")
    assert (tmp_path / "runs" / "a.txt").read_text() == "1"
    (tmp_path / "nowhere").symlink_to("later")
    with atomic_folder(tmp_path / "nowhere"):
        pass
    assert (tmp_path / "later").is_dir()
    (tmp_path / "loop").symlink_to("loop")
    for check in (check_free, check_writable):
        with pytest.raises(InputError, match="leads nowhere"):
            check(tmp_path / "loop")


@posix
def test_names_and_places_are_tested_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for check in (check_free, check_writable):
        check(tmp_path / ("a" * 255))
        with pytest.raises(InputError, match="more than 255 bytes"):
            check(tmp_path / ("a" * 256))
        with pytest.raises(InputError, match="is a file; choose another place"):
            check(tmp_path / "file" / "below")
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda path, mode: False)
            with pytest.raises(InputError, match="is not writable"):
                check(tmp_path / "new" / "deep")
    with atomic_folder(tmp_path / ("a" * 255)) as folder:
        (folder / "x").write_text("")
    assert Path(tmp_path / ("a" * 255) / "x").exists()


@posix
def test_a_result_that_came_meanwhile_is_not_replaced(tmp_path):
    def late():
        with atomic_folder(tmp_path / "pump"):
            (tmp_path / "pump").mkdir()
            (tmp_path / "pump" / "theirs").write_text("")

    with pytest.raises(InputError, match="exists already"):
        late()
    assert [path.name for path in (tmp_path / "pump").iterdir()] == ["theirs"]
