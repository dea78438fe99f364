"""Killed at any moment, a feed goes on: no row lost, none twice, over a pipe that outlives the process."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vaehelpers.commands.feed import Journal, Output, lines_of
from vaehelpers.commands.rows import StopSignals
from vaehelpers.common import InputError

ROWS = 4000

# watch with a stream that only adds up: what is tested is who has which row, and starting takes no TensorFlow
CHILD = """
import json, sys
from vaehelpers.commands import watching
from vaehelpers.commands.feed import Journal, Output, lines_of
from vaehelpers.commands.rows import RowReader, StopSignals

watching.PAUSE = 0.05

class Point:
    p_value, flag, note, event = 0.5, False, "", None
    def __init__(self, time, score):
        self.time, self.score = time, score

class Sum:
    def __init__(self, total=0.0):
        self.total = total
    def update(self, values, time):
        self.total += values[0]
        return Point(time, self.total)
    def state(self):
        return {"total": self.total}

state = sys.argv[1]
before = watching.load_state(state)
stream = Sum(before["stream"]["total"] if before else 0.0)
reader = RowReader(["flow"], layout=before and before["layout"])
rows = before["rows"] if before else 0
source = before and before["input"]
with StopSignals() as stop, Output(1, state, rows=rows) as output, Journal(state, source) as journal:
    def save(place):
        end = place.end if place.end >= 0 else journal.offset
        journal.settle(end, cut=place.cut, save=lambda at: watching.save_state(state, stream, reader, place, at))
    print("ready", file=sys.stderr, flush=True)
    watching.watch(stream, reader, lines_of(0, stop, journal), output.write, save=save, rows=rows,
                   pending=before["pending"] if before else (), complain=print)
"""


def start(state, reading, out):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(state)], stdin=reading, stdout=out, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr.readline() == "ready\n"
    return child


def expected_lines():
    total, lines = 0, []
    for row in range(ROWS):
        total += row % 7
        lines.append(f'"row": {row + 1}, "time": {row}, "value": {float(row % 7)}, "score": {float(total)},')
    return lines


def write_feed(writing, rng):
    """Rows in pieces that end anywhere, as fast as the reader takes them; a generator that gives way after each."""
    text = "ts,flow\n" + "".join(f"{row},{row % 7}\n" for row in range(ROWS))
    data = text.encode()
    os.set_blocking(writing, False)
    while data:
        try:
            done = os.write(writing, data[: rng.randint(1, 600)])
            data = data[done:]
        except BlockingIOError:
            pass
        yield


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "splice"), reason="Linux moves bytes between a pipe and a file in one step")
@pytest.mark.parametrize("seed", [0, 1])
def test_no_kill_loses_or_repeats_a_row(tmp_path, seed):
    rng = random.Random(seed)
    fifo = tmp_path / "feed"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDWR)  # the pipe outlives every reader
    writing = os.open(fifo, os.O_WRONLY)
    feeding = write_feed(writing, rng)
    out = tmp_path / "out.jsonl"
    kills = 0
    more = True
    while more:
        reading, target = os.open(fifo, os.O_RDONLY), os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        child = start(tmp_path / "state.json", reading, target)
        os.close(reading), os.close(target)
        until = time.monotonic() + rng.uniform(0.0, 0.15) if kills < 6 else None
        while more and (until is None or time.monotonic() < until):
            more = next(feeding, "over") != "over"
        if until is not None:
            child.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            kills += 1
            more = True
        else:
            os.close(writing), os.close(held)
        assert child.wait(timeout=60) in (0, -9)
        child.stderr.close()
        if until is None:
            break
    lines = out.read_text().splitlines()
    expected = expected_lines()
    assert len(lines) == ROWS
    for line, start_of in zip(lines, expected):
        assert line.startswith("{" + start_of)


def test_what_is_not_settled_is_read_again(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"a\n1\n2\n3")
    state = tmp_path / "s"
    with StopSignals() as stop, Journal(state) as journal:
        lines = lines_of(reading, stop, journal)
        got = [next(lines) for _ in range(3)]
        assert got == [None, b"a", b"1"]
        saved = []
        journal.settle(got[2].end, cut=False, save=saved.append)
    os.write(writing, b"4\n")
    os.close(writing)
    with StopSignals() as stop, Journal(state, saved[0]) as journal:
        assert [line for line in lines_of(reading, stop, journal) if line is not None] == [b"2", b"34"]
    os.close(reading)
    with pytest.raises(InputError, match="is shorter than"):
        Journal(state, {"generation": 0, "offset": 99, "cut": False})


def test_the_input_file_begins_anew_and_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr("vaehelpers.commands.feed._ROTATE", 50)
    state, saved, got = tmp_path / "s", [], []
    reading, writing = os.pipe()
    with StopSignals() as stop, Journal(state) as journal:
        lines = lines_of(reading, stop, journal)
        for number in range(200):
            os.write(writing, b"%d\nx" % number if number % 3 == 0 else b"%d\n" % number)
            line = next(line for line in lines if line is not None)
            got.append(line)
            if number % 5 == 0:
                journal.settle(line.end, cut=line.cut, save=saved.append)
        names = sorted(path.name for path in tmp_path.iterdir())
    assert got[:5] == [b"0", b"x1", b"2", b"3", b"x4"]
    assert names == [f"s.input-{saved[-1]['generation']}"]
    assert (tmp_path / names[0]).stat().st_size < 120
    with StopSignals() as stop, Journal(state, saved[-1]) as journal:
        os.close(writing)
        assert [line for line in lines_of(reading, stop, journal) if line is not None] == [*got[196:]]
    os.close(reading)


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_the_end_of_a_file_says_which_lines_are_there(tmp_path, cut):
    """A kill between writing and counting, and a disk that was full in the middle of a line."""
    out, state = tmp_path / "out", tmp_path / "s"
    with open(out, "ab") as file, Output(file.fileno(), state) as output:
        output.write("first line", 1)
    with open(out, "ab") as file:
        file.write(b"second line\n" + b"third line"[:cut])
    with open(out, "ab") as file, Output(file.fileno(), state) as output:
        assert output.rows == 2
        for row, line in enumerate(("first line", "second line", "third line", "fourth line"), start=1):
            output.write(line, row)
    assert out.read_text().splitlines() == ["first line", "second line", "third line", "fourth line"]


def test_another_file_begins_with_what_is_not_counted(tmp_path):
    state = tmp_path / "s"
    with open(tmp_path / "one", "ab") as file, Output(file.fileno(), state) as output:
        output.write("a", 1)
    with open(tmp_path / "two", "ab") as file, Output(file.fileno(), state, rows=0) as output:
        output.write("a", 1)
        output.write("b", 2)
    assert (tmp_path / "two").read_text() == "b\n"


def test_a_damaged_count_is_that_of_the_checkpoint(tmp_path):
    (tmp_path / "s.count").write_bytes(os.urandom(64))
    with open(tmp_path / "one", "ab") as file, Output(file.fileno(), tmp_path / "s", rows=5) as output:
        assert output.rows == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_loses_nothing(tmp_path):
    state = tmp_path / "s"
    with open("/dev/full", "wb", buffering=0) as file, Output(file.fileno(), state) as output:
        with pytest.raises(OSError, match="No space") as caught:
            output.write("a", 1)
        assert caught.value.errno == errno.ENOSPC
        assert output.rows == 0
    with open(tmp_path / "out", "ab") as file, Output(file.fileno(), state) as output:
        output.write("a", 1)
    assert (tmp_path / "out").read_text() == "a\n"
