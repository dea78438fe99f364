"""Reading files: what is found out, what is noted, and one clear line for every fault."""

import bz2
import gzip
import io
import lzma
import os
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaehelpers.common import InputError
from vaehelpers.data import read_series
from vaehelpers.data.reading import read_series_parts
from vaehelpers.data.tables import read_table

PLAIN = "time,flow\n2024-01-01 00:00:00,1.5\n2024-01-01 00:10:00,2.5\n2024-01-01 00:20:00,1.25\n"
VALUES = [1.5, 2.5, 1.25]


@pytest.fixture
def write(tmp_path):
    """Write text or bytes to a file and give its path."""

    def write(content, name="pump.csv"):
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    return write


def flat(series):
    return series.values.ravel().tolist()


def refused(path, **columns):
    with pytest.raises(InputError) as caught:
        read_series(path, **columns)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


# What is read


def test_plain_csv(write):
    series = read_series(write(PLAIN))
    assert flat(series) == VALUES
    assert series.values.dtype == np.float32
    assert series.name == "pump"
    assert series.columns == ("flow",)
    assert series.time_name == "time"
    assert series.step == pd.Timedelta(minutes=10)
    assert series.times[1] == pd.Timestamp("2024-01-01 00:10")
    assert series.labels is None
    assert series.train_rows is None
    assert series.notes == ()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(write, separator):
    assert flat(read_series(write(PLAIN.replace(",", separator)))) == VALUES


@pytest.mark.parametrize(
    "encode",
    [gzip.compress, bz2.compress, lzma.compress, lambda b: b"\xef\xbb\xbf" + b, lambda b: b.decode().encode("utf-16")],
    ids=["gzip", "bzip2", "xz", "byte order mark", "utf-16"],
)
def test_compressed_and_encoded(write, encode):
    assert flat(read_series(write(encode(PLAIN.encode())))) == VALUES


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends(write, end):
    assert flat(read_series(write(PLAIN.replace("\n", end)))) == VALUES


def test_windows_encoding_is_noted(write):
    series = read_series(write("Zeit;Öltemperatur °C\n0;1,5\n1;2\n".encode("cp1252")), time="Zeit")
    assert series.columns == ("Öltemperatur °C",)
    assert "Windows-1252" in series.notes[0]


def test_decimal_commas(write):
    series = read_series(write("Zeit;Druck;Menge\n01.02.2024 00:00;1,5;1.234\n01.02.2024 00:15;1.002,25;2.500\n"))
    assert series.values.tolist() == [[1.5, 1234.0], [1002.25, 2500.0]]
    assert series.times[0] == pd.Timestamp("2024-02-01")
    assert any("'1,5' is read as 1.5" in note for note in series.notes)
    assert any("'1.234' is read as 1234" in note for note in series.notes)


def test_decimal_commas_in_one_column(write):
    assert flat(read_series(write("value\n1,5\n2,25\n"))) == [1.5, 2.25]


def test_decimal_commas_in_quotes(write):
    assert flat(read_series(write('t,value\n0,"1,5"\n1,"2,25"\n'), time="t")) == [1.5, 2.25]


def test_thousands_commas_in_quotes_are_noted(write):
    series = read_series(write('t,value\n0,"1,500"\n1,"12,250.5"\n2,7\n'), time="t")
    assert flat(series) == [1500.0, 12250.5, 7.0]
    assert "commas between thousands: '1,500' is read as 1500" in series.notes


def test_three_decimals_after_a_comma_in_a_semicolon_file_are_decimals(write):
    assert flat(read_series(write("t;value\n0;21,125\n1;21,250\n"), time="t")) == [21.125, 21.25]


def test_points_stay_points_where_no_comma_speaks_against_it(write):
    assert flat(read_series(write("t;value\n0;1.234\n1;1.500\n"), time="t")) == pytest.approx([1.234, 1.5])


def test_no_header(write):
    series = read_series(write("   1.5e+00\n   2.5e+00\n   1.25e+00\n", "ucr.txt"))
    assert flat(series) == VALUES
    assert "without header" in series.notes[0]


def test_blank_separated_numbers(write):
    series = read_series(write("0 1.5\n1 2.5\n2 1.25\n", "two.txt"))
    assert flat(series) == VALUES
    assert any("numbers the rows" in note for note in series.notes)


def test_index_written_by_pandas_is_left_out(write):
    series = read_series(write(pd.DataFrame({"a": [3.0, 1.0, 2.0]}).to_csv()))
    assert series.columns == ("a",)
    assert any("numbers the rows" in note for note in series.notes)


def test_separator_at_the_end_of_each_row(write):
    assert flat(read_series(write("time,flow\n0,1.5,\n1,2.5,\n2,1.25,\n"))) == VALUES
    assert flat(read_series(write("time,flow,\n0,1.5,\n1,2.5,\n2,1.25,\n"))) == VALUES


def test_several_values_text_and_label(write):
    path = write("time,site,a,b,Label\n0,north,1,2,0\n1,north,2,4,1\n2,south,3,5,0\n")
    series = read_series(path)
    assert series.columns == ("a", "b")
    assert series.labels.tolist() == [0, 1, 0]
    assert any("'Label'" in note for note in series.notes)
    assert any("'site'" in note for note in series.notes)
    assert read_series(path, values=["b"]).columns == ("b",)
    assert read_series(path, values=["b", "a"]).values[0].tolist() == [2, 1]
    assert read_series(path, values="Label").labels is None


def test_a_column_called_label_with_other_numbers_is_a_value(write):
    assert read_series(write("a,label\n1,3\n2,5\n")).columns == ("a", "label")


def test_label_in_words(write):
    series = read_series(write("a,bad\n1,True\n2,False\n"), label="bad")
    assert series.labels.tolist() == [1, 0]


@pytest.mark.parametrize("word", ["", "NA", "nan", "NaN", "-", "?", "null", " "])
def test_missing_values(write, word):
    series = read_series(write(f"t,a\n0,1\n1,{word}\n2,3\n"), time="t")
    assert np.isnan(flat(series)).tolist() == [False, True, False]
    assert "1 of 3 values is missing (33.3 %)" in series.notes


def test_missing_values_with_decimal_commas(write):
    series = read_series(write("t;a\n0;1,5\n1;\n2;-\n3;2\n"), time="t")
    np.testing.assert_array_equal(flat(series), [1.5, np.nan, np.nan, 2.0])


def test_gaps(write):
    rows = [f"2024-01-01 {h:02d}:00,{h}" for h in (0, 1, 2, 3, 8, 9, 10, 23)]
    series = read_series(write("time,a\n" + "\n".join(rows)))
    assert series.gaps.tolist() == [4, 7]
    assert series.step == pd.Timedelta(hours=1)
    assert series.notes == ("2 gaps in the times, the longest 13 h after 2024-01-01 10:00:00",)


def test_irregular_sampling_is_not_full_of_gaps(write):
    rng = np.random.default_rng(0)
    steps = rng.choice([1, 2, 5], size=999, p=[0.7, 0.2, 0.1])
    steps[500] = 400
    times = np.concatenate([[0], steps.cumsum()])
    series = read_series(pd.DataFrame({"time": times, "a": np.arange(1000.0)}))
    assert series.gaps.tolist() == [501]
    assert any("irregular" in note for note in series.notes)


def test_parquet(tmp_path):
    path = tmp_path / "pump.parquet"
    times = pd.date_range("2024-01-01", periods=3, freq="10min", tz="Europe/Berlin")
    pd.DataFrame({"time": times, "flow": VALUES, "is_anomaly": [False, True, False]}).to_parquet(path)
    series = read_series(path)
    assert flat(series) == VALUES
    assert series.times[0] == pd.Timestamp("2023-12-31 23:00", tz="UTC")
    assert series.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("index_name", [None, "when"])
def test_parquet_with_an_index_of_times(tmp_path, index_name):
    path = tmp_path / "pump.parquet"
    times = pd.date_range("2024-01-01", periods=3, freq="10min", name=index_name)
    pd.DataFrame({"flow": VALUES}, index=times).to_parquet(path)
    series = read_series(path)
    assert flat(series) == VALUES
    assert series.times[2] == pd.Timestamp("2024-01-01 00:20")


def test_data_frames():
    times = pd.date_range("2024-01-01", periods=3, freq="10min")
    frame = pd.DataFrame({"flow": VALUES}, index=times)
    before = frame.copy()
    series = read_series(frame, name="mine")
    assert flat(series) == VALUES
    assert series.name == "mine"
    assert list(series.times) == list(times)
    pd.testing.assert_frame_equal(frame, before)
    assert read_series(frame, time="none").times is None
    decimals = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")})
    np.testing.assert_array_equal(flat(read_series(decimals)), [1, np.nan, 3])


class Piped:
    """Standard input as a pipe."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content)

    def isatty(self):
        return False


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input(monkeypatch, pack):
    monkeypatch.setattr(sys, "stdin", Piped(pack(PLAIN.encode())))
    series = read_series("-")
    assert flat(series) == VALUES
    assert series.name == "stdin"


def test_standard_input_parquet(monkeypatch):
    content = io.BytesIO()
    pd.DataFrame({"a": VALUES}).to_parquet(content)
    monkeypatch.setattr(sys, "stdin", Piped(content.getvalue()))
    assert flat(read_series("-")) == VALUES


# Times


@pytest.mark.parametrize(
    "written",
    [
        ["2024-02-01 00:00", "2024-02-01 00:10"],
        ["2024-02-01T00:00:00.000", "2024-02-01T00:10:00.000"],
        ["2024/02/01 00:00", "2024/02/01 00:10"],
        ["01.02.2024 00:00", "01.02.2024 00:10"],
        ["01.02.24 00:00", "01.02.24 00:10"],
        ["Feb 1 2024 00:00", "Feb 1 2024 00:10"],
        ["1-Feb-2024 00:00", "1-Feb-2024 00:10"],
        ["2/1/2024 12:00:00 AM", "2/1/2024 12:10:00 AM"],
        ["20240201T000000", "20240201T001000"],
    ],
    ids=lambda pair: pair[0],
)
def test_ways_to_write_a_time(write, written):
    series = read_series(write("".join(f"{t};{v}\n" for t, v in zip(["when", *written], ["a", 1, 2]))))
    assert list(series.times) == [pd.Timestamp("2024-02-01 00:00"), pd.Timestamp("2024-02-01 00:10")]


def test_day_or_month_first_is_told_by_the_steps(write):
    days = pd.date_range("2024-01-10", periods=30, freq="D")
    for order, name in (("%d/%m/%Y", "day first"), ("%m/%d/%Y", "month first")):
        series = read_series(write("date,a\n" + "\n".join(f"{d:{order}},{i}" for i, d in enumerate(days))))
        assert list(series.times) == list(days)
        assert any(name in note for note in series.notes)
    hours = pd.date_range("2024-03-11 20:00", periods=9, freq="h")  # 11 and 12 could both be months
    series = read_series(write("date,a\n" + "\n".join(f"{d:%d/%m/%Y %H:%M},{i}" for i, d in enumerate(hours))))
    assert list(series.times) == list(hours)


def test_day_and_clock_in_two_columns(write):
    series = read_series(write("Date;Time;a\n2024-01-01;23:50;1\n2024-01-01;23:55;2\n2024-01-02;00:00;3\n"))
    assert series.times[2] == pd.Timestamp("2024-01-02")
    assert series.step == pd.Timedelta(minutes=5)
    assert series.columns == ("a",)


def test_numbers_as_times(write):
    series = read_series(write("timestamp,a\n1700000000,1\n1700000060,2\n1700000600,3\n1700000660,4\n"))
    assert series.times.as_unit("s").asi8.tolist() == [1700000000, 1700000060, 1700000600, 1700000660]
    assert series.step == pd.Timedelta(60, "s")
    assert series.gaps.tolist() == [2]
    assert any("time axis" in note for note in series.notes)


def test_days_as_numbers(write):
    series = read_series(write("date,a\n20240130,1\n20240131,2\n20240201,3\n"))
    assert series.step == pd.Timedelta(days=1)


def test_zones_become_utc(write):
    series = read_series(write("time,a\n2024-01-01T00:00+02:00,1\n2024-01-01T00:10+02:00,2\n"))
    assert series.times[0] == pd.Timestamp("2023-12-31 22:00", tz="UTC")


def test_summer_time_in_offsets_is_no_mixture(write):
    times = pd.date_range("2024-03-30 22:00", periods=12, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    series = read_series(write("time,a\n" + "\n".join(f"{t.isoformat()},{i}" for i, t in enumerate(times))))
    assert list(series.times) == list(times.tz_convert("UTC"))
    assert len(series.gaps) == 0
    assert any("summer time" in note for note in series.notes)


def test_wall_clock_set_back_is_noted(write):
    first = pd.date_range("2024-10-27 00:00", "2024-10-27 02:50", freq="10min")
    times = first.append(pd.date_range("2024-10-27 02:00", periods=20, freq="10min"))
    series = read_series(write("time,a\n" + "\n".join(f"{t},{i}" for i, t in enumerate(times))))
    assert list(series.times) == list(times)
    assert any("clock was set back" in note and f"line {len(first) + 2}" in note for note in series.notes)


def test_time_none_gives_rows(write):
    series = read_series(write("time,a\n2,1\n1,2\n"), time="none")
    assert series.times is None
    assert series.columns == ("time", "a")


# What is refused: one line, with the place and the way out


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        ("", {}, ["is empty"]),
        ("\n \n", {}, ["is empty"]),
        ("time,value\n", {}, ["header but no rows"]),
        ("a,b\nx,y\nz,w\n", {}, ["no column of numbers", "a (text), b (text)"]),
        (PLAIN, {"values": "flaw"}, ["no column 'flaw'", "time, flow", "did you mean 'flow'?"]),
        (PLAIN, {"time": "Date"}, ["no column 'Date'", "time, flow"]),
        (PLAIN, {"label": "y"}, ["no column 'y'"]),
        (PLAIN, {"values": ["flow", "flow"]}, ["'flow'", "two purposes"]),
        (PLAIN, {"time": "flow", "values": "flow"}, ["'flow'", "two purposes"]),
        (PLAIN, {"values": []}, ["no value column"]),
        ("t,a\n0,1\n1,2\n2,ERR\n3,4\n", {}, ["line 4", "'ERR'", "'a'", "leave the cell empty"]),
        ("t,a\n\n0,1\n\n1,oops\n2,3\n", {}, ["line 5", "'oops'"]),
        ("t;a\n0;1,5\n1;2,5\n2;3.5\n", {}, ["line 4", "'3.5'"]),
        ("t;a\n0;1,5\n1;2,5x\n2;3,5\n", {}, ["line 3", "'2,5x'"]),
        ("a\nx\ny\nz\n", {"values": "a"}, ["line 2", "'x'", "not a number"]),
        ("t,a\n0,\n1,\n", {"time": "t"}, ["all 2 values", "'a'", "missing"]),
        ("t,a,b\n0,,1\n1,,2\n", {"values": ["a", "b"]}, ["all 2 values", "'a'"]),
        ("t,a\n0,5\n1,5\n2,5\n", {"time": "t"}, ["'a' is constant (5 in all 3 rows)"]),
        ("t,a\n0,5\n1,inf\n2,6\n", {"time": "t"}, ["line 3", "'a' is infinite"]),
        ("t,a\n0,5\n1,-1e39\n2,6\n", {"time": "t"}, ["line 3", "beyond float32"]),
        ("a,b,a\n1,2,3\n2,3,4\n", {}, ["2 columns named 'a'"]),
        ("a,b\n1,2\n3,4,5\n6,7\n", {}, ["line 3 has 3 fields, the others have 2"]),
        ("t,a\n0,1,5\n1,2\n2,3\n", {}, ["line 2 has more fields than the header, which has 2"]),
        ("Logger 7\n7,b,c\n1,2,3\n4,5,6\n", {}, ["first line has 1 field", "have 3", "--skip-rows"]),
        ("time,a\n2024-01-01,1\n2024-01-03,2\n2024-01-02,3\n", {}, ["line 4", "2024-01-03", "2024-01-02", "sort"]),
        (
            "time,a\n2024-01-01,1\n2024-01-02,2\n2024-01-02,3\n",
            {"duplicates": "refuse"},
            ["line 4", "2024-01-02", "twice", "--duplicates"],
        ),
        ("time,a\n3,1\n2,2\n4,3\n", {}, ["line 3", "3 is followed by 2", "--sort"]),
        ("time,a\n2024-01-01 00:00,1\nyesterday,2\n2024-01-01 02:00,3\n", {}, ["line 3", "'yesterday'"]),
        ("time,a\n2024-01-01 00:00,1\n,2\n2024-01-01 02:00,3\n", {}, ["line 3", "missing"]),
        ("when,a\nnoon,1\nnight,2\n", {"time": "when"}, ["line 2", "'noon'", "not a time"]),
        ("time,a\n2024-01-01T00:00Z,1\n2024-01-01T01:00,2\n", {}, ["line 3", "mixed zones", "has none"]),
        ("time,a\n2024-01-01T00:00+00:00,1\n2024-01-01T05:00+03:00,2\n", {}, ["line 3", "mixed zones", "UTC"]),
        ("a,y\n1,0\n2,2\n3,1\n", {"label": "y"}, ["line 3", "'y'", "'2'", "0 (normal)"]),
        ("a,y\n1,0\n2,\n3,1\n", {"label": "y"}, ["line 3", "empty"]),
        (b"\x7fELF\x02\x01\0\0\0\0", {}, ["binary data"]),
        (b"PK\x03\x04....", {}, ["zip archive or Excel file"]),
        (b"PAR1 but nothing else PAR1", {}, ["not a readable Parquet file"]),
        (gzip.compress(PLAIN.encode() * 50, mtime=0)[:-30], {}, ["cannot read"]),
    ],
)
def test_bad_input(write, content, columns, said):
    message = refused(write(content), **columns)
    for part in said:
        assert part in message, message


def test_missing_file_and_folder(tmp_path, write):
    path = write(PLAIN)
    assert "did you mean" in refused(tmp_path / "pumps.csv")
    assert "there is no file" in refused(tmp_path / "nowhere" / "x.csv")
    assert "is a folder" in refused(path.parent)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable_file(write):
    path = write(PLAIN)
    path.chmod(0)
    assert "Permission denied" in refused(path)


def test_truncated_parquet(tmp_path):
    path = tmp_path / "pump.parquet"
    pd.DataFrame({"a": np.arange(1000.0)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a readable Parquet file" in refused(path)


def test_text_in_a_parquet_column(tmp_path):
    path = tmp_path / "pump.parquet"
    pd.DataFrame({"a": ["1", "2", "x"]}).to_parquet(path)
    assert "row 3" in refused(path)


@pytest.mark.parametrize("header", [b"", b"time,value\n0,1\n"])
def test_a_gigabyte_in_one_line_costs_neither_time_nor_memory(tmp_path, header):
    path = tmp_path / "endless.csv"
    with path.open("wb") as file:
        file.write(header + b"1" * (3 << 20))
        file.truncate(1 << 30)  # sparse: no gigabyte is written
    tracemalloc.start()
    message = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "binary data" in message or "line of more than" in message
    assert peak < 16e6


def test_endless_line_in_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Piped(b"1," * (2 << 20)))
    assert "line of more than 1,048,576 bytes" in refused("-")


def test_nothing_piped_in(monkeypatch):
    piped = Piped(b"")
    piped.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", piped)
    assert "nothing is piped in" in refused("-")


def test_constant_is_accepted_for_scoring(write):
    series = read_series(write("t,a\n0,5\n1,5\n"), time="t", allow_constant=True)
    assert flat(series) == [5, 5]
    assert any("constant" in note for note in series.notes)


def test_one_constant_column_among_others_is_noted(write):
    series = read_series(write("t,a,b\n0,5,1\n1,5,2\n"), time="t")
    assert series.columns == ("a", "b")
    assert any("'a' is constant" in note for note in series.notes)


def test_swapped_rows_are_no_clock_change(write):
    times = list(pd.date_range("2024-10-27 00:00", periods=20, freq="30min"))
    times[8], times[9] = times[9], times[8]
    assert "do not increase" in refused(write("time,a\n" + "\n".join(f"{t},{i}" for i, t in enumerate(times))))


def test_table_keeps_lines_apart_from_rows(write):
    table = read_table(write("\n\na;b\n\n1;2\n\n3;4\n"))
    assert table.source.place(0).endswith("line 5")
    assert table.source.place(1).endswith("line 7")
    assert table.frame.to_numpy().tolist() == [[1, 2], [3, 4]]


# What is written is read back

FLOATS = st.one_of(
    st.just(float("nan")), st.floats(-(2.0**100), 2.0**100, width=32), st.integers(-10_000, 10_000).map(lambda i: i / 8)
)


@st.composite
def tables(draw):
    n = draw(st.integers(2, 12))
    columns = draw(st.lists(st.sampled_from(["flow", "Druck °C", "a b", "x"]), min_size=1, max_size=3, unique=True))
    table = {c: np.array(draw(st.lists(FLOATS, min_size=n, max_size=n)), np.float32) for c in columns}
    for column in table.values():
        column[:2] = 1.5, -2.25  # neither constant nor all missing
    start = draw(st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2090-01-01")))
    steps = draw(st.lists(st.integers(1, 10_000), min_size=n - 1, max_size=n - 1))
    times = pd.Timestamp(start).floor("s") + pd.to_timedelta(np.cumsum([0, *steps]), unit="s")
    return pd.DataFrame({"time": times, **table})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frame=tables(),
    form=st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ","), ("|", ".")]),
    zone=st.sampled_from([None, "UTC", "Asia/Kolkata"]),
)
def test_round_trip_through_csv(tmp_path, frame, form, zone):
    separator, decimal = form
    written = frame.copy()
    if zone is not None:
        written["time"] = written["time"].dt.tz_localize("UTC").dt.tz_convert(zone)
    path = tmp_path / "round.csv"
    written.to_csv(path, sep=separator, decimal=decimal, index=False)
    series = read_series(path)
    expected = pd.DatetimeIndex(frame["time"])
    assert list(series.times) == list(expected if zone is None else expected.tz_localize("UTC"))
    np.testing.assert_array_equal(series.values, frame.iloc[:, 1:].to_numpy(np.float32))
    again = read_series(series.frame())
    np.testing.assert_array_equal(again.values, series.values)
    assert again.times.equals(series.times)


SIGNS = [*",;\t|.-+:/'\"# %\n\0", "\r\n"]
WORDS = ["e", "inf", "nan", "NA", "x", "é", "1", "0", "12", "1,5", "1.234,5", "1e400", "9" * 20, "time", "label", "a"]
DATES = ["2024-01-01", "01.02.2024", "13/13/2024", "00:00", "T00:00Z", "+02:00", "0001-01-01", "9999-12-31"]
PIECES = st.sampled_from([*SIGNS, *WORDS, *DATES])


def read_or_one_line(path, **columns):
    """The series, or None where it was refused in one line; anything else is a bug."""
    try:
        return read_series(path, **columns)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    return None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(PIECES, max_size=40),
    start=st.sampled_from(["", PLAIN, "t;a\n0;1,5\n1;2,5\n", "1 2\n3 4\n"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]),
    values=st.sampled_from([None, "a", "flow"]),
)
def test_whatever_is_read_gives_a_series_or_one_line(tmp_path, pieces, start, encoding, values):
    path = tmp_path / "any.csv"
    path.write_bytes((start + "".join(pieces)).encode(encoding))
    series = read_or_one_line(path, values=values)
    if series is not None:
        assert np.isfinite(series.values).any()
        assert series.times is None or len(series.times) == series.n


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), magic=st.sampled_from([b"", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PAR1", b"PK"]))
def test_whatever_bytes_give_a_series_or_one_line(tmp_path, content, magic):
    path = tmp_path / "any.bin"
    path.write_bytes(magic + content)
    read_or_one_line(path)


def test_one_offset_of_another_form_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,v\n" + "".join(f"2024-01-0{i},{i}\n" for i in range(1, 9)) + "2024-01-09 00:00+1:00,3\n")
    with pytest.raises(InputError, match=r"'2024-01-09 00:00\+1:00' in column 'time' is not a time like the others"):
        read_series(path)


def test_a_label_of_400_digits_is_no_label(tmp_path):
    """pandas cannot hold it as a number; the column is then an ordinary one, and refused."""
    path = tmp_path / "long.csv"
    rows = "".join(f"{row},{row / 7},{row % 2}\n" for row in range(50))
    path.write_text(f"time,flow,label\n{rows}50,1,{'9' * 400}\n")
    with pytest.raises(InputError) as caught:
        list(read_series_parts(path, rows=100))
    assert "label" in str(caught.value)
