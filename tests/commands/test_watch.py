"""Lines to rows: every form that feeds come in, every line that is none, and a reader who goes away."""

import errno
import json
import math
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

from vaehelpers.commands.feed import lines_of
from vaehelpers.commands.refits import Refits
from vaehelpers.commands.rows import RowReader, StopSignals
from vaehelpers.commands.watching import lead_in, load_state, save_state, watch
from vaehelpers.common import InputError
from vaehelpers.data import Series
from vaehelpers.data.tables import MAX_LINE
from vaehelpers.detectors import Detector, StreamingDetector
from vaehelpers.detectors.stream import trailing_scores

TIMES = pd.date_range("2024-03-01", periods=800, freq="5min")


def wave(n=800, seed=0):
    return np.round(np.sin(np.arange(n) / 3) + 0.1 * np.random.default_rng(seed).normal(size=n), 4).astype("float32")


@pytest.fixture(scope="module")
def detector():
    return Detector(timesteps=8, units=4, latent_dim=2, steps=10, smooth=3).fit(
        Series(wave(), times=TIMES, columns=("flow",))
    )


def read(lines, columns=("flow",), **options):
    reader = RowReader(columns, **options)
    return [reader.read(line) for line in lines]


# -- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "row"),
    [
        (["when,flow", "2024-01-31 13:45,7.5"], ("2024-01-31 13:45", [7.5])),
        (["flow,when", "7.5,2024-01-31 13:45"], ("2024-01-31 13:45", [7.5])),
        (["when;flow", "31.01.2024 13:45;7,5"], ("31.01.2024 13:45", [7.5])),
        (["when;flow", "31.01.2024 13:45;1.234,5"], ("31.01.2024 13:45", [1234.5])),
        (["t\tflow\tts", "5\t7.5\t12"], (12, [7.5])),
        (["ts|flow", "1700000000000000001|-7.5e1"], (1700000000000000001, [-75.0])),
        (["ts,flow", "12.25,7"], (12.25, [7.0])),
        (["date,flow", "20240131,7"], ("20240131", [7.0])),
        (["flow", "7.5"], (None, [7.5])),
        (["flow,other", "7.5,x"], (None, [7.5])),
        (['"when","flow, m3/h"', '"2024-01-31","7.5"'], ("2024-01-31", [7.5])),
        (["\ufeffwhen,flow", "", "2024-01-31,7.5"], ("2024-01-31", [7.5])),
        (["when,flow", "when,flow", "2024-01-31,7.5"], ("2024-01-31", [7.5])),
        (["when,level", "2024-01-31,7.5"], ("2024-01-31", [7.5])),
        (["when,level,label", "2024-01-31,7.5,0"], ("2024-01-31", [7.5])),
        (['{"when": "2024-01-31", "flow": 7.5}'], ("2024-01-31", [7.5])),
        (['{"flow": 7, "tags": {"site": 1}, "timestamp": 1700000000.25}'], (1700000000.25, [7.0])),
        (['{"flow": 7, "n": 3}'], (None, [7.0])),
        (['{"flow": "7.5"}'], (None, [7.5])),
    ],
)
def test_forms_of_rows(lines, row):
    columns = ("flow, m3/h",) if "m3/h" in lines[0] else ("flow",)
    assert read(lines, columns)[-1] == row


def test_named_columns_beat_what_looks_right():
    assert read(["when,flow,level,n", "2024-01-31,1,2,3"], value=["level"], time="n")[-1] == (3, [2.0])
    assert read(["when,flow", "2024-01-31,1"], time="none")[-1] == (None, [1.0])
    assert read(["b,a", "1,2"], ("a", "b"))[-1] == (None, [2.0, 1.0])


@pytest.mark.parametrize("cell", ["", " ", "NA", "n/a", "NaN", "null", "None", "-", "--", "?"])
def test_missing_values_of_csv(cell):
    assert math.isnan(read(["when,flow", f"2024-01-31,{cell}"])[-1][1][0])


def test_missing_values_of_json():
    lines = ['{"when": "2024-01-31", "a": 1, "b": null}', '{"when": "2024-01-31", "a": NaN}']
    for _, values in read(lines, ("a", "b")):
        assert math.isnan(values[1])


@pytest.mark.parametrize(
    ("lines", "message", "fatal"),
    [
        (["when,flow", "2024-01-31,high"], "'high' in 'flow' is not a number", False),
        (["when,flow", "2024-01-31,1,2"], "has 3 fields, the header has 2", False),
        (["when,flow", "2024-01-31"], "has 1 field, the header has 2", False),
        (["ts,flow", ",1"], "the time in 'ts' is missing", False),
        (["when,flow", '2024-01-31,"1'], "cannot be split", False),
        (["when,flow", "2024-01-31,1;5"], "'1;5' in 'flow' is not a number", False),
        (["2024-01-31,1", "2024-01-31,1"], "holds data, not names; send a header first", True),
        (["when,flow,flow", "2024-01-31,1,1"], "'flow' twice", True),
        (["when,a,b", "2024-01-31,1,1"], "the rows have when, a, b; the detector was fitted on flow; name", True),
        (['{"flow": 1}', "{"], "is no JSON object", False),
        (['{"flow": 1}', "[1]"], "is no JSON object", False),
        (['{"flow": 1}', '{"flow": true}'], "'True' in 'flow' is not a number", False),
        (['{"flow": 1}', '{"flow": [1]}'], "is not a number", False),
        (['{"flow": 1}', '{"other": 1}'], "there is no flow among other", False),
        (['{"flow": 1}', '{"flow": 1' + "0" * 400 + "}"], "beyond float32", False),
        (['{"flow": 1}', "[" * 100_000], "is no JSON object", False),
        (['{"flow": '], "is no JSON object", False),
        (['{"flow": 1, "ts": 5}', '{"flow": 1}'], "the time in 'ts' is missing", False),
    ],
)
def test_lines_that_are_no_rows(lines, message, fatal):
    reader = RowReader(["flow"])
    with pytest.raises(InputError, match=message):
        list(map(reader.read, lines))
    assert reader.fatal is fatal


def test_named_columns_must_be_there():
    with pytest.raises(InputError, match="no column 'level'; there are: when, flow"):
        read(["when,flow", "2024-01-31,1"], value=["level"])
    with pytest.raises(InputError, match="2 value columns are named; the detector was fitted on 1"):
        RowReader(["flow"], value=["a", "b"])


def test_a_feed_that_goes_on_needs_no_header():
    first = RowReader(["flow"])
    assert first.layout is None
    for line in ("when;flow", "2024-01-31;1,5"):
        first.read(line)
    layout = json.loads(json.dumps(first.layout))
    assert RowReader(["flow"], layout=layout).read("2024-02-01;2,5") == ("2024-02-01", [2.5])
    again = RowReader(["flow"], layout=layout)
    assert again.read("when;flow") is None
    assert again.read("2024-02-01;2,5") == ("2024-02-01", [2.5])
    with pytest.raises(InputError, match="has 3 fields, the header has 2"):
        RowReader(["flow"], layout=layout).read("2024-02-01;2,5;7")


# -- lines -----------------------------------------------------------------------------------------------------------


def through_a_pipe(pieces):
    reading, writing = os.pipe()

    def feed():
        for piece in pieces:
            os.write(writing, piece)
        os.close(writing)

    thread = threading.Thread(target=feed)
    thread.start()
    with StopSignals() as stop:
        lines = [line for line in lines_of(reading, stop) if line is not None]
    thread.join()
    os.close(reading)
    return lines


def test_lines_are_put_together_from_pieces():
    assert through_a_pipe([b"a,", b"b\r\n1,2\n", b"\n3", b",4"]) == [b"a,b", b"1,2", b"", b"3,4"]
    assert through_a_pipe([]) == []


def test_an_endless_line_is_cut_off_and_its_end_is_no_row():
    pieces = [b"a\n", *[b"7" * 60_000] * 40, b",8\n", b"9\n"]
    lines = through_a_pipe(pieces)
    assert [line for line in lines if len(line) < 10] == [b"a", b"9"]
    assert [MAX_LINE < len(line) < 2 * MAX_LINE for line in lines if len(line) >= 10] == [True]


def test_a_signal_ends_the_waiting_and_the_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    reading, writing = os.pipe()
    os.write(writing, b"1\n2\n")
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    begin = time.monotonic()
    with StopSignals() as stop:
        assert [line for line in lines_of(reading, stop) if line] == [b"1", b"2"]
    assert 0.2 < time.monotonic() - begin < 10
    assert stop.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    os.close(reading)
    os.close(writing)


# -- the whole -------------------------------------------------------------------------------------------------------


def into(out):
    return lambda line, row: out.append(line)


def feed(first, last, values=None):
    values = wave(seed=3) if values is None else values
    return [f"{TIMES[i]},{values[i]}".encode() for i in range(first, last)]


def test_every_row_comes_out_with_the_score_of_the_whole(detector):
    values = wave(60, seed=3)
    out = []
    count = watch(StreamingDetector(detector), RowReader(["flow"]), [b"t,flow", *feed(0, 60)], into(out), complain=out)
    rows = [json.loads(line) for line in out]
    assert count == len(rows) == 60
    expected = trailing_scores(detector, Series(values, times=TIMES[:60]))
    np.testing.assert_allclose([row["score"] or np.nan for row in rows], expected, rtol=1e-6)
    assert [row["time"] for row in rows] == [str(t) for t in TIMES[:60]]
    assert [np.float32(row["value"]) for row in rows] == values.tolist()
    assert [row["row"] for row in rows] == list(range(1, 61))
    assert list(rows[0]) == ["row", "time", "value", "score", "p_value", "flag", "event", "note"]


def test_rows_before_the_stream_give_its_first_rows_a_past(detector, tmp_path):
    pd.DataFrame({"time": TIMES[:300], "flow": wave()[:300]}).to_csv(tmp_path / "before.csv", index=False)
    stream, out = StreamingDetector(detector), []
    said = lead_in(stream, detector, str(tmp_path / "before.csv"), ["flow"])
    assert said == "111 rows of before.csv went before, up to 2024-03-02 00:55:00"
    watch(stream, RowReader(["flow"]), [b"time,flow", *feed(300, 400, wave())], into(out), complain=out.append)
    rows = [json.loads(line) for line in out]
    whole = trailing_scores(detector, Series(wave(), times=TIMES, columns=("flow",)))
    assert [row["row"] for row in rows] == list(range(1, 101))
    np.testing.assert_allclose([row["score"] for row in rows], whole[300:400], rtol=1e-5)
    assert not any("warming" in row["note"] for row in rows)


def test_rows_that_a_feed_sends_again_are_left_out(detector):
    stream, out, said = StreamingDetector(detector), [], []
    watch(stream, RowReader(["flow"]), [b"t,flow", *feed(0, 50)], into(out), complain=out.append)
    again = [b"t,flow", *feed(0, 60)]
    watch(
        stream, RowReader(["flow"]), again, into(out), complain=out.append, remark=said.append, rows=50, restarted=True
    )
    assert [json.loads(line)["row"] for line in out] == list(range(1, 61))
    assert said == ["50 rows at the beginning are no newer than the state, and were left out"]


def test_columns_of_other_names_are_remarked(detector):
    said = []
    lines = [b"t,level", b"2024-03-01,1", b"2024-03-01 00:05,1"]
    watch(StreamingDetector(detector), RowReader(["flow"]), lines, into([]), complain=pytest.fail, remark=said.append)
    assert said == ["level is read as flow"]


def test_several_variables_are_named():
    values = np.stack([wave(), wave(seed=1)], axis=1)
    two = Detector(timesteps=8, units=4, latent_dim=2, steps=5, smooth=3).fit(Series(values, columns=("a", "b")))
    out = []
    watch(StreamingDetector(two), RowReader(["a", "b"]), [b"b,a", b"2,1", b"2,"], into(out), complain=out.append)
    assert [json.loads(line)["value"] for line in out] == [{"a": 1.0, "b": 2.0}, {"a": None, "b": 2.0}]


def test_bad_lines_are_told_and_left_out(detector):
    lines = [b"t,flow", *feed(0, 2), b"x", b"2024-03-01,9", b"\x81\xfe", *feed(2, 3), b"soon,1", b"2024-03-02,inf"]
    out, wrong = [], []
    assert watch(StreamingDetector(detector), RowReader(["flow"]), lines, into(out), complain=wrong.append) == 4
    assert [json.loads(line)["note"] for line in out] == ["warming up", "warming up", "late", "warming up"]
    assert [text.split(":")[0] for text in wrong] == ["line 4", "line 6", "line 8", "line 9"]
    for text, word in zip(wrong, ("1 field", "neither UTF-8 nor cp1252", "'soon' is no time", "infinite")):
        assert word in text
    with pytest.raises(InputError, match="line 4: 'x' has 1 field"):
        watch(StreamingDetector(detector), RowReader(["flow"]), lines, into(out), complain=out.append, strict=True)
    with pytest.raises(InputError, match="line 2: the rows have t, a, b"):
        watch(StreamingDetector(detector), RowReader(["flow"]), [b"t,a,b", b"3,1,2"], into(out), complain=out.append)


@pytest.mark.parametrize("delivered", [0, 1, 17, 39])
def test_what_could_not_be_handed_on_comes_after_the_restart(detector, tmp_path, delivered):
    path, out = tmp_path / "state.json", []

    def once(stream, reader, lines, write, **options):
        return watch(
            stream, reader, lines, write, complain=pytest.fail,
            save=lambda place: save_state(path, stream, reader, place), **options,
        )  # fmt: skip

    def until_nobody_reads(line, row):
        if len(out) == delivered:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        out.append(line)

    stream, reader = StreamingDetector(detector), RowReader(["flow"])
    with pytest.raises(BrokenPipeError):
        once(stream, reader, [b"t,flow", *feed(0, 40)], until_nobody_reads)
    state = load_state(path)
    assert len(state["pending"]) == 1
    stream = StreamingDetector.from_state(detector, state["stream"])
    reader = RowReader(["flow"], layout=state["layout"])
    once(stream, reader, feed(delivered + 1, 40), into(out), pending=state["pending"], rows=state["rows"])
    assert load_state(path)["pending"] == []
    whole = []
    watch(StreamingDetector(detector), RowReader(["flow"]), [b"t,flow", *feed(0, 40)], into(whole), complain=whole)
    assert out == whole


def test_the_state_is_kept_when_rows_pause_and_at_the_end(detector):
    kept, stream = [], StreamingDetector(detector)
    lines = [None, b"t,flow", *feed(0, 3), None, *feed(3, 5)]
    watch(stream, RowReader(["flow"]), lines, into([]), complain=str, save=lambda pending: kept.append(stream.rows))
    assert kept == [0, 3, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no state of watch"),
        ("[]", "no state of watch"),
        ('{"format": 1, "stream": {}, "layout": {}, "pending": []}', "damaged"),
        ('{"format": 1, "stream": {}, "layout": null, "pending": [1]}', "damaged"),
        ('{"format": 3, "stream": {}, "layout": null, "pending": []}', "update vaehelpers"),
    ],
)
def test_files_that_are_no_state(tmp_path, text, message):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_state(tmp_path / "state.json")


# -- a model that learns on ------------------------------------------------------------------------------------------


def refitting(detector, state, lines, *, every=170, on=160):
    """One run of `watch --refit-every`, as the command makes it: returns what came out, and the stream."""
    before = load_state(state)
    refits = Refits(str(state), before and before["stream"], every=every, on=on, tell=lambda text: None)
    known = Detector.load(refits.folder) if refits.folder else detector
    if before is None:
        stream = refits.begin(known, StreamingDetector(known))
    else:
        stream = refits.go_on(known, before["stream"])
    reader, out = RowReader(["flow"], layout=before and before["layout"]), []

    def save(place):
        refits.keep(stream)
        save_state(state, stream, reader, place)
        refits.forget(stream)

    watch(stream, reader, lines, lambda text, row: out.append(json.loads(text)), complain=print, save=save,
          rows=before["rows"] if before else 0)  # fmt: skip
    return out, stream


@pytest.mark.slow
def test_a_refitted_detector_is_kept_beside_the_state(detector, tmp_path):
    rows = [f"{time},{value}".encode() for time, value in zip(TIMES, wave(400, 3))]
    whole, _ = refitting(detector, tmp_path / "whole.json", [b"when,flow", *rows])
    state = tmp_path / "state.json"
    first, stream = refitting(detector, state, [b"when,flow", *rows[:200]])
    assert stream.refits == 1 and (tmp_path / "state.json.detector-1").is_dir()
    second, stream = refitting(detector, state, rows[200:], every=None, on=None)
    assert stream.refits == 2
    assert first + second == whole
    assert sorted(place.name for place in tmp_path.glob("state.json*")) == ["state.json", "state.json.detector-2"]
    assert [line["row"] for line in whole if line["note"] == "refitted"] == [170, 340]


def test_a_state_without_its_detector_is_refused(detector, tmp_path):
    state = tmp_path / "state.json"
    rows = [f"{time},{value}".encode() for time, value in zip(TIMES, wave(200, 3))]
    refitting(detector, state, [b"when,flow", *rows])
    (tmp_path / "state.json.detector-1").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is missing, the detector that"):
        refitting(detector, state, rows)


def test_a_plain_stream_can_begin_to_learn_on(detector, tmp_path):
    state = tmp_path / "state.json"
    rows = [f"{time},{value}".encode() for time, value in zip(TIMES, wave(400, 3))]
    refitting(detector, state, [b"when,flow", *rows[:100]], every=None)
    out, stream = refitting(detector, state, rows[100:])
    assert stream.rows == 400 and stream.refits == 1
    assert [line["row"] for line in out if line["note"] == "refitted"] == [270]
