"""The command line as a script sees it: exit status, one line on stderr, nothing half-written, fast answers."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaehelpers import report
from vaehelpers.commands import cli
from vaehelpers.report import process

COMMANDS = [[], ["report"], ["fit"], ["score"], ["watch"], ["params"], ["data"], ["data", "list"], ["data", "fetch"]]
TINY = ["--set", "timesteps=20", "--set", "steps=10", "--set", "units=4", "--set", "latent_dim=2", "--set", "smooth=10"]


def make_frame(n=600, seed=0):
    rows = np.arange(n)
    flow = np.sin(rows / 5) + 0.1 * np.random.default_rng(seed).normal(size=n)
    return pd.DataFrame({"when": pd.date_range("2024-01-01", periods=n, freq="5min"), "flow": flow})


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def good(place):
    make_frame().to_csv(place / "good.csv", index=False)
    return "good.csv"


def refused(capsys, arguments, *words, status=2):
    """Run a command that must fail: its status, one line, and no new file or folder."""
    before = sorted(path.name for path in Path().iterdir())
    assert cli.run(arguments) == status
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("Error: ")
    for word in words:
        assert word in lines[0]
    assert captured.out == ""
    assert sorted(path.name for path in Path().iterdir()) == before
    return lines[0]


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_but_click(command):
    """What makes help slow is what it imports; seconds would depend on what else the machine does."""
    code = (
        "import sys; before = set(sys.modules); from vaehelpers.commands.cli import run; status = run(sys.argv[1:]);"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names;"
        "print('LOADED', *sorted(loaded)); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: vaehelpers")
    assert done.stdout.splitlines()[-1] == "LOADED click lazy_loader vaehelpers"
    assert done.stderr == ""


def test_no_command_shows_help_and_is_bad_usage(capsys):
    assert cli.run([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vaehelpers 0.")


# ---------------------------------------------------------------- bad input


def write(name, text):
    Path(name).write_text(text)
    return name


def table(values, header="time,value", times=None):
    times = times if times is not None else pd.date_range("2024-01-01", periods=len(values), freq="1min")
    return header + "\n" + "\n".join(f"{t},{v}" for t, v in zip(times, values)) + "\n"


def rising(n=300):
    return [round(float(x), 4) for x in np.sin(np.arange(n) / 7)]


BAD_FILES = {
    "missing file": (None, ["bad.csv"]),
    "empty file": ("", ["empty"]),
    "only a header": ("time,value\n", ["bad.csv"]),
    "no numeric column": ("name,place\na,b\nc,d\n", ["number"]),
    "text in a number column": (table([*rising(), "oops", *rising(5)]), ["oops"]),
    "all missing": (table([""] * 50), ["bad.csv"]),
    "constant": (table([5] * 300), ["constant"]),
    "infinite": (table([*rising(), "inf"]), ["infinite"]),
    "fewer rows than one window": (table(rising(12)), ["timesteps=32", "12 rows", "at most 12"]),
    "mixed zones": (
        table(rising(3), times=["2024-01-01T00:00+01:00", "2024-01-01T01:00", "2024-01-01T02:00+01:00"]),
        ["zone"],
    ),
}


@pytest.mark.parametrize("command", ["report", "fit"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(place, capsys, command, case):
    text, words = BAD_FILES[case]
    if text is not None:
        write("bad.csv", text)
    refused(capsys, [command, "bad.csv", "--out", "out"], *words)


def test_column_that_is_absent_lists_those_there(place, capsys, good):
    for option in ("--value", "--time", "--label"):
        refused(capsys, ["report", good, option, "nope", "--out", "out"], "nope", "when", "flow")


def test_label_that_is_not_0_or_1(place, capsys):
    make_frame().assign(label=2).to_csv("labels.csv", index=False)
    refused(capsys, ["report", "labels.csv", "--label", "label", "--out", "out"], "0", "1")


def test_unreadable_parquet(place, capsys):
    Path("bad.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    refused(capsys, ["report", "bad.parquet", "--out", "out"], "bad.parquet")


def test_a_gigabyte_in_one_line_is_refused_without_reading_it_all(place, capsys):
    with open("line.csv", "wb") as file:
        file.write(b"time,value\n" + b"7" * 4096)
        file.truncate(1 << 30)  # sparse: takes no room on the disk
    begin = time.perf_counter()
    refused(capsys, ["report", "line.csv", "--out", "out"], "line.csv")
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize("command", ["report", "fit"])
def test_output_folder_that_exists(place, capsys, good, command):
    Path("out").mkdir()
    write("out/keep.txt", "mine")
    refused(capsys, [command, good, "--out", "out"], "out exists already", "--force")
    assert Path("out/keep.txt").read_text() == "mine"


@pytest.mark.parametrize("command", ["report", "fit"])
def test_output_folder_that_cannot_be_made(place, capsys, good, command):
    write("file", "")
    if command == "report":
        refused(capsys, [command, good, "--out", "file/out"], "file")
    refused(capsys, [command, good, "--out", "file"], "file is a file")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("tmesteps=50", ["unknown parameter 'tmesteps'", "did you mean 'timesteps'", "known are", "latent_dim"]),
        ("timesteps=many", ["timesteps='many' is not a whole number"]),
        ("timesteps=2.5", ["timesteps=2.5 is not a whole number"]),
        ("timesteps=-3", ["timesteps=-3 must be a whole number of at least 2"]),
        ("linear_path=perhaps", ["linear_path='perhaps' is not true or false"]),
        ("false_alarm_rate=2", ["false_alarm_rate=2.0 must be a number between"]),
        ("threshold=magic", ["threshold='magic' is unknown", "pot"]),
        ("settings=colour=blue", ["unknown parameter 'colour'"]),
        ("timesteps", ["is not NAME=VALUE"]),
        ("timesteps=5000", ["timesteps=5000 is longer than the part to learn from (600 rows)", "at most 600"]),
        ("train_rows=9999", ["train_rows=9999", "600"]),
    ],
)
@pytest.mark.parametrize("command", ["report", "fit"])
def test_bad_parameter(place, capsys, good, command, assignment, words):
    refused(capsys, [command, good, "--out", "out", "--set", assignment], *words)


def test_bad_preset_option_and_command(place, capsys, good):
    refused(capsys, ["report", good, "--preset", "slow", "--out", "out"], "preset='slow'", "fast, accurate")
    refused(capsys, ["report", good, "--nope"], "--nope")
    refused(capsys, ["nope"], "nope")
    refused(capsys, ["fit", good], "--out")


def test_unknown_series_suggests(place, capsys):
    refused(capsys, ["report", "exmaple", "--out", "out"], "exmaple", "did you mean 'example'")
    refused(capsys, ["report", "nab/realKnownCause/nyc_tax", "--out", "out"], "nyc_taxi")
    refused(capsys, ["report", "example", "--value", "flow", "--out", "out"], "--value")


def test_bad_input_is_answered_before_tensorflow_starts(place, good):
    code = (
        "import sys; from vaehelpers.commands.cli import run; status = run(sys.argv[1:]);"
        "assert 'tensorflow' not in sys.modules; sys.exit(status)"
    )
    for arguments in (["fit", "no.csv", "--out", "out"], ["report", good, "--set", "timesteps=9999", "--out", "out"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_full_disk_leaves_nothing(place, capsys, good, monkeypatch):
    def full(*args, **kwargs):
        Path(args[1], "half.csv").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vaehelpers.report.run._run_notebook", full)
    refused(capsys, ["report", good, "--out", "out", "--quiet"], "No space left", "make room")


def test_failure_of_the_work_itself_is_status_1_and_verbose_shows_why(place, capsys, good, monkeypatch):
    def broken(*args, **kwargs):
        raise report.ReportError("ValueError in the report notebook: boom", "Traceback: deep down")

    monkeypatch.setattr("vaehelpers.report.run._run_notebook", broken)
    line = refused(capsys, ["report", good, "--out", "out"], "boom", "--verbose", status=1)
    assert "Traceback" not in line
    assert cli.run(["report", good, "--out", "out", "--verbose"]) == 1
    assert "deep down" in capsys.readouterr().err


def test_interrupted_report_leaves_nothing(place, capsys, good, monkeypatch):
    def interrupt(child, path, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_follow", interrupt)
    refused(capsys, ["report", good, "--out", "out"], "interrupted", status=130)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(2, 130), (15, 143), (1, 129)], ids=["INT", "TERM", "HUP"])
def test_a_signal_during_a_report_leaves_nothing(place, good, number, status):
    command = [sys.executable, "-m", "vaehelpers", "report", good, "--out", "out", "--quiet"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(Path().glob(".vaehelpers-*/*")) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1.0)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == status
    assert len(stderr.strip().splitlines()) <= 1
    assert sorted(path.name for path in Path().iterdir()) == ["good.csv"]


# ---------------------------------------------------------------- fit and score


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a small detector, fitted through the command line."""
    folder = tmp_path_factory.mktemp("fitted")
    make_frame().to_csv(folder / "train.csv", index=False)
    status = cli.run(["fit", str(folder / "train.csv"), "--out", str(folder / "pump"), "--quiet", *TINY])
    assert status == 0
    return folder / "pump"


@pytest.fixture
def detector(fitted, place):
    shutil.copytree(fitted, place / "pump")
    return "pump"


def test_fit_keeps_stdout_for_the_result(fitted, capsys, place, good):
    assert cli.run(["fit", good, "--out", "again", "--quiet", *TINY]) == 0
    captured = capsys.readouterr()
    assert captured.out == "again\n"
    assert captured.err == ""
    assert sorted(path.name for path in Path("again").iterdir()) == ["detector.json", "model.keras"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_score_writes_one_row_per_input_row(detector, capsys, ending):
    frame = make_frame(500, seed=1)
    frame.to_csv("new.csv", index=False)
    assert cli.run(["score", detector, "new.csv", "--out", f"scores.{ending}", "--quiet"]) == 0
    assert capsys.readouterr().out == f"scores.{ending}\n"
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    result = read(f"scores.{ending}")
    assert list(result) == ["time", "flow", "score", "p_value", "flag"]
    assert len(result) == 500
    assert (pd.to_datetime(result["time"]).to_numpy() == frame["when"].to_numpy()).all()
    np.testing.assert_allclose(result["flow"], frame["flow"], rtol=1e-6)
    assert set(result["flag"]) <= {0, 1}
    assert result["score"].notna().all()


def test_score_picks_the_columns_that_the_detector_knows(detector, capsys):
    make_frame(300).assign(extra=1.5).to_csv("new.csv", index=False)
    assert cli.run(["score", detector, "new.csv", "--out", "scores.csv", "--quiet"]) == 0
    assert list(pd.read_csv("scores.csv")) == ["time", "flow", "score", "p_value", "flag"]


def test_score_reads_standard_input_and_a_stuck_sensor(detector, capsys, monkeypatch):
    make_frame(300).assign(flow=0.25).to_csv("stuck.csv", index=False)
    with open("stuck.csv") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert cli.run(["score", detector, "-", "--out", "scores.csv", "--quiet"]) == 0
    assert len(pd.read_csv("scores.csv")) == 300


def test_score_refuses_what_it_cannot_use(detector, capsys, good):
    refused(capsys, ["score", detector, good, "--out", "scores.xlsx"], ".xlsx", ".csv")
    refused(capsys, ["score", detector, good, "--out", good], "the series itself")
    refused(capsys, ["score", "nowhere", good, "--out", "scores.csv"], "nowhere")
    make_frame().rename(columns={"flow": "a"}).assign(b=np.arange(600) % 7).to_csv("two.csv", index=False)
    refused(capsys, ["score", detector, "two.csv", "--out", "scores.csv"], "2 variables", "1 (flow)")
    make_frame(8).to_csv("short.csv", index=False)
    refused(capsys, ["score", detector, "short.csv", "--out", "scores.csv"], "8 rows", "20")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_score_in_parts_writes_the_same_table(detector, capsys, ending):
    frame = make_frame(500, seed=1)
    frame.loc[100:130, "flow"] = np.nan
    frame.drop(index=range(300, 340)).to_csv("new.csv", index=False)
    for name, more in (("whole", []), ("parts", ["--rows-at-once", "90"])):
        assert cli.run(["score", detector, "new.csv", "--out", f"{name}.{ending}", "--quiet", *more]) == 0
        assert capsys.readouterr().out == f"{name}.{ending}\n"
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    pd.testing.assert_frame_equal(read(f"parts.{ending}"), read(f"whole.{ending}"), rtol=1e-5)
    assert sorted(path.name for path in Path().iterdir() if path.name.startswith((".", "vaehelpers"))) == []


def test_score_in_parts_refuses_what_it_cannot_use(detector, capsys, good):
    refused(capsys, ["score", detector, good, "--out", "s.csv", "--rows-at-once", "0"], "--rows-at-once 0", "1")
    refused(capsys, ["score", detector, "-", "--out", "s.csv", "--rows-at-once", "9"], "only a file")
    refused(capsys, ["score", detector, "no.csv", "--out", "s.csv", "--rows-at-once", "9"], "no.csv")


def edit(folder, **changes):
    path = Path(folder) / "detector.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def damage_json(folder):
    (Path(folder) / "detector.json").write_text('{"format": 1, "columns": ["flow"')


def damage_weights(folder):
    path = Path(folder) / "model.keras"
    path.write_bytes(path.read_bytes()[:-100])


def from_the_future(folder):
    edit(folder, format=99)


def tampered(folder):
    settings = json.loads((Path(folder) / "detector.json").read_text())["settings"]
    edit(folder, settings={**settings, "encoder": "__import__('os').system('touch owned')"})


def without_weights(folder):
    (Path(folder) / "model.keras").unlink()


@pytest.mark.parametrize("harm", [damage_json, damage_weights, from_the_future, tampered, without_weights])
def test_a_harmed_detector_folder_is_refused_and_runs_nothing(detector, capsys, good, harm):
    harm(detector)
    refused(capsys, ["score", detector, good, "--out", "scores.csv"])
    assert not Path("owned").exists()
    if harm is tampered:  # the words that were refused do leave the witness, where somebody runs them
        planted = json.loads((Path(detector) / "detector.json").read_text())["settings"]["encoder"]
        subprocess.run([sys.executable, "-c", planted], check=True)
        assert Path("owned").exists()


def test_interrupted_fit_keeps_the_best_so_far(fitted, place, capsys, good, monkeypatch):
    from vaehelpers.common import progress

    pressed = []

    @contextlib.contextmanager
    def interrupting(enabled=None):
        def hook(stage, done, total):
            if stage == "training" and 3 <= done < total and not pressed:
                pressed.append(done)
                raise KeyboardInterrupt

        yield hook

    monkeypatch.setattr(progress, "terminal_progress", interrupting)
    arguments = [argument.replace("steps=10", "steps=400") for argument in TINY]
    assert cli.run(["fit", good, "--out", "out", *arguments]) == 0
    assert "interrupted" in capsys.readouterr().err
    assert json.loads(Path("out/detector.json").read_text())["training"]["stopped"] == "interrupt"


def test_a_second_interrupt_of_fit_leaves_nothing(fitted, place, capsys, good, monkeypatch):
    from vaehelpers.detectors import Detector

    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Detector, "_calibrate", interrupted)
    refused(capsys, ["fit", good, "--out", "out", *TINY], "interrupted", status=130)


# ---------------------------------------------------------------- watch


def open_watch(*arguments):
    command = [sys.executable, "-m", "vaehelpers", "watch", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)


def rows_of(frame):
    return [f"{when},{flow}\n" for when, flow in zip(frame["when"], frame["flow"])]


def watched(capsys, text, *arguments, status=0):
    """Run watch in this process, on a file as standard input."""
    write("feed.txt", text)
    with open("feed.txt") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", file)
        assert cli.run(["watch", *arguments]) == status
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_watch_gives_the_scores_of_the_whole(detector, capsys):
    from vaehelpers.detectors import Detector
    from vaehelpers.detectors.stream import trailing_scores

    frame = make_frame(60, seed=2)
    rows, errors = watched(capsys, "when,flow\n" + "".join(rows_of(frame)), detector, "--quiet")
    assert errors == ""
    loaded = Detector.load(detector)
    expected = trailing_scores(loaded, frame)
    np.testing.assert_allclose([np.nan if row["score"] is None else row["score"] for row in rows], expected, rtol=1e-6)
    assert [row["flag"] for row in rows] == loaded.trailing_threshold_.flags(expected).astype(int).tolist()
    assert [row["time"] for row in rows] == frame["when"].astype(str).tolist()
    lines = "".join(json.dumps({"when": str(when), "flow": flow}) + "\n" for when, flow in frame.to_numpy())
    assert watched(capsys, lines, detector, "--quiet")[0] == rows


def test_watch_tells_bad_lines_and_goes_on_or_stops(detector, capsys):
    text = "when,flow\n2024-01-01,1\n2024-01-01 00:05,oops\n2024-01-01 00:10,2\n"
    rows, errors = watched(capsys, text, detector)
    assert [row["value"] for row in rows] == [1.0, 2.0]
    assert errors.splitlines()[0].startswith("Note: no trailing alarm line promises anything")
    assert errors.partition("\n")[2] == "line 3: 'oops' in 'flow' is not a number; left out\n"
    rows, errors = watched(capsys, text, detector, "--strict", "--quiet", status=2)
    assert [row["value"] for row in rows] == [1.0]
    assert errors == "Error: line 3: 'oops' in 'flow' is not a number\n"


@pytest.mark.slow
def test_watch_refuses_what_it_cannot_use(detector, capsys):
    for text, arguments, word in (
        ("when,a,b\n2024-01-01,1,2\n", [detector], "the detector was fitted on flow"),
        ("when,flow\n2024-01-01,1\n", [detector, "--value", "level"], "no column 'level'"),
        ("when,flow\n2024-01-01,1\n", [detector, "--gap", "soon"], "gap_limit='soon'"),
        ("ts,flow\n12,1\n", [detector], "give gap_limit as a number"),
        ("1,2\n", [detector], "send a header first"),
        ("", ["nowhere"], "nowhere holds no detector"),
    ):
        rows, errors = watched(capsys, text, *arguments, "--strict", "--quiet", status=2)
        assert rows == []
        assert errors.startswith("Error: ") and len(errors.splitlines()) == 1 and word in errors
    assert watched(capsys, "ts,flow\n12,1\n80,1\n", detector, "--gap", "60")[0][1]["note"] == "gap"


def test_watch_refuses_a_state_that_is_not_its_own(detector, capsys, place):
    write("state.json", "{")
    assert "no state of watch" in watched(capsys, "", detector, "--state", "state.json", status=2)[1]
    Path("state.json").unlink()
    rows, _ = watched(capsys, "when,flow\n2024-01-01,1\n", detector, "--state", "state.json", "--quiet")
    assert len(rows) == 1
    state = json.loads(Path("state.json").read_text())
    state["stream"]["detector"] = "another"
    write("state.json", json.dumps(state))
    assert "another detector" in watched(capsys, "", detector, "--state", "state.json", status=2)[1]
    assert "is a folder" in watched(capsys, "", detector, "--state", detector, status=2)[1]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(2, 130), (15, 143), (9, -9)], ids=["INT", "TERM", "KILL"])
def test_watch_answers_at_once_and_goes_on_after_a_signal(detector, capsys, number, status):
    frame = make_frame(50, seed=3)
    rows = rows_of(frame)
    whole, _ = watched(capsys, "when,flow\n" + "".join(rows), detector, "--quiet")
    child = open_watch(detector, "--state", "state.json", "--quiet")
    child.stdin.write("when,flow\n")
    seen = []
    for row in rows[:30]:
        child.stdin.write(row)
        seen.append(json.loads(child.stdout.readline()))  # before the next row is sent
    until = time.monotonic() + 60
    while json.loads(Path("state.json").read_text())["stream"]["rows"] < 30 and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(number)
    output, errors = child.communicate(timeout=60)
    assert (child.returncode, output, errors) == (status, "", "")
    # the feed goes on without a header, and repeats three rows, which are left out
    more, _ = watched(capsys, "".join(rows[27:]), detector, "--state", "state.json", "--quiet")
    assert seen + more == whole


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_watch_ends_when_nobody_reads_and_loses_nothing(detector, capsys):
    frame = make_frame(50, seed=3)
    rows = rows_of(frame)
    whole, _ = watched(capsys, "when,flow\n" + "".join(rows), detector, "--quiet")
    child = open_watch(detector, "--state", "state.json", "--quiet")
    child.stdin.write("when,flow\n" + "".join(rows[:20]))
    child.stdin.flush()
    seen = [json.loads(child.stdout.readline()) for _ in range(20)]
    child.stdout.close()
    child.stdin.write("".join(rows[20:25]))
    child.stdin.flush()
    assert child.wait(timeout=60) == 1
    assert child.stderr.read() == ""
    child.stdin.close()
    child.stderr.close()
    # what it had taken from the pipe lies beside the state
    more, _ = watched(capsys, "".join(rows[25:]), detector, "--state", "state.json", "--quiet")
    assert seen + more == whole


# ---------------------------------------------------------------- data


def test_data_list_names_the_embedded_series_and_all_of_nab(capsys, place):
    assert cli.run(["data", "list", "--data-dir", str(place)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 + 58
    assert any("example-multivariate" in line and "embedded" in line for line in lines)
    assert any("nab/realKnownCause/nyc_taxi" in line for line in lines)


def test_data_that_was_not_fetched_says_both_ways_out(capsys, place):
    refused(
        capsys,
        ["report", "nab/realKnownCause/nyc_taxi", "--data-dir", str(place), "--out", "out"],
        "vaehelpers data fetch",
        "--data-dir",
    )
