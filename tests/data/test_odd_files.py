"""Odd files that people really have: what is read of each, what is noted, or the one line that refuses it."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from vaehelpers.common import InputError
from vaehelpers.data import read_series

DAYS = [f"2024-01-{day:02d}" for day in range(1, 13)]
X = [5.0, 7.5, 6.0, 8.25, 5.5, 9.0, 4.0, 6.5, 7.0, 8.0, 5.25, 6.75]


def rows(pattern, times=DAYS, values=X):
    return "".join(pattern.format(t=t, x=x, c=str(x).replace(".", ",")) + "\n" for t, x in zip(times, values))


def epochs(scale):
    return [1_700_000_000 * scale + 3600 * scale * i for i in range(12)]


def zipped(*texts):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"part{number}.csv", text)
    return content.getvalue()


PLAIN = "time,flow\n" + rows("{t},{x}")
CTIME = [pd.Timestamp(day).strftime("%a %b %e %H:%M:%S %Y") for day in DAYS]
MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]
HOURS = [f"2024-10-27 {hour:02d}:00" for hour in (0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
OVER = pd.date_range("2024-01-01", periods=70, freq="h")
LONG = "time,device,flow\n" + "".join(f"{t},a,{x}\n{t},b,{x + 100}\n" for t, x in zip(DAYS, X))
INFLUX = (
    "#group,false,false,true,false\n#datatype,string,long,dateTime:RFC3339,double\n#default,_result,,,\n"
    ",result,table,_time,_value\n" + rows(",,0,{t}T00:00:00Z,{x}")
)

READ = {
    "Excel's empty rows": ("time;flow\n" + rows("{t};{c}") + ";\n;\n", {}, "2 empty rows left out"),
    "Excel's empty columns": ("time;flow\n" + rows("{t};{c};;"), {}, "decimal commas"),
    "units under the header": ("time,flow\n,m3/h\n" + rows("{t},{x}"), {}, "line 2 holds units (m3/h)"),
    "lines above the header": ("Logger 7\nSite North\n\ntime,flow,state\n" + rows("{t},{x},on"), {}, "2 lines above"),
    "sep=;": ("sep=;\ntime;flow\n" + rows("{t};{c}"), {}, "decimal commas"),
    "comment lines": ("# logger\n# site\ntime,flow\n" + rows("{t},{x}"), {}, "2 lines starting with '#'"),
    "total row": ("time,flow\n" + rows("{t},{x}") + "Total,78.75\n", {}, "'Total'"),
    "InfluxDB": (INFLUX, {}, "InfluxDB's columns result, table left out"),
    "Grafana's units": ("Time,flow\n" + rows("{t},{x} kW"), {}, "unit 'kW' left out"),
    "per cent": ("Time,flow\n" + rows("{t},{x}%"), {}, "unit '%' left out"),
    "JSON lines": (rows('{{"time": "{t}", "flow": {x}}}'), {}, None),
    "JSON list": ("[" + ",".join(rows('{{"time": "{t}", "flow": {x}}}').splitlines()) + "]", {}, None),
    "Prometheus": (
        '{"status": "success", "data": {"result": [{"metric": {"job": "a"}, "values": ['
        + ",".join(f'[{t}, "{x}"]' for t, x in zip(epochs(1), X))
        + "]}]}}",
        {},
        "s since 1970",
    ),
    "zip": (zipped(PLAIN), {}, "part0.csv is read"),
    "gzip": (gzip.compress(PLAIN.encode()), {}, None),
    "epoch s": ("unix,flow\n" + rows("{t},{x}", epochs(1)), {}, "s since 1970, UTC"),
    "epoch s as fractions": ("unix,flow\n" + rows("{t}.5,{x}", epochs(1)), {}, "s since 1970, UTC"),
    "epoch ms": ("ts,flow\n" + rows("{t},{x}", epochs(1000)), {}, "ms since 1970"),
    "epoch us": ("ts,flow\n" + rows("{t},{x}", epochs(10**6)), {}, "us since 1970"),
    "epoch ns": ("ts,flow\n" + rows("{t},{x}", epochs(10**9)), {}, "ns since 1970"),
    "YYYYMMDD": ("day,flow\n" + rows("{t},{x}", [d.replace("-", "") for d in DAYS]), {}, "read as days"),
    "months": ("month,flow\n" + rows("{t},{x}", MONTHS), {}, None),
    "ctime": ("when,flow\n" + rows("{t},{x}", CTIME), {}, None),
    "counter": (
        "id,time,flow\n" + "".join(f"{i},{t},{x}\n" for i, (t, x) in enumerate(zip(DAYS, X))), {}, "'id' numbers"),
    "Swiss thousands": ("time;flow\n" + rows("{t};1\u2019{x:06.2f}".replace("{x:06.2f}", "00{x}")), {}, "apostrophes"),
    "non-breaking thousands": ("time;flow\n" + rows("{t};1\u00a000{x}"), {}, "blanks or apostrophes"),
    "decimal commas, no header": ("".join(f"0,0{i}9\n" for i in range(1, 9)), {}, "one column with decimal commas"),
    "an autumn hour": ("time,flow\n" + rows("{t},{x}", HOURS), {}, "--tz ZONE"),
    "an autumn hour in its zone": ("time,flow\n" + rows("{t},{x}", HOURS), {"tz": "Europe/Berlin"}, None),
    "descending": ("time,flow\n" + rows("{t},{x}", DAYS[::-1], X[::-1]), {}, "backwards"),
    "shuffled, sorted": (
        "time,flow\n" + rows("{t},{x}", DAYS[::2] + DAYS[1::2], X[::2] + X[1::2]), {"sort": True}, "order of their times"  # noqa: E501
    ),
    "overlapping exports": (
        "time,flow\n" + "".join(f"{OVER[i]},{i % 7}\n" for i in [*range(40), *range(30, 70)]),
        {},
        "10 rows that are there twice left out",
    ),
    "twice, first": ("time,flow\n" + rows("{t},{x}\n{t},0"), {"duplicates": "first"}, "first of each"),
    "twice, mean": ("time,flow\n" + rows("{t},{x}\n{t},0"), {"duplicates": "mean"}, "mean of each"),
    "long, one of it": (LONG, {"by": "device=a"}, "12 rows of other series"),
    "words for missing": ("time,flow\n" + rows("{t},{x}") + "2024-02-01,ERR\n", {"na": ["ERR"]}, "1 of 13 values"),
    "skip rows": ("junk,1,2\n" + PLAIN, {"skip_rows": 1}, None),
    "excluded": ("time,flow,p\n" + rows("{t},{x},3{x}"), {"exclude": ["p"]}, None),
    "dollars": ("time,$flow$\n" + rows("{t},{x}"), {}, None),
    "date and hour": (
        "date,hour,flow\n" + "".join(f"2024-01-0{1 + i // 6},{i % 6},{x}\n" for i, x in enumerate(X)), {}, "hour"
    ),
}  # fmt: skip

REFUSED = {
    "long": (LONG, {}, "--by device=a"),
    "shuffled": ("time,flow\n" + rows("{t},{x}", DAYS[::2] + DAYS[1::2]), {}, "--sort"),
    "error cell": (PLAIN + "2024-02-01,ERR\n", {}, "--na 'ERR'"),
    "zip of two": (zipped(PLAIN, PLAIN), {}, "holds 2 files"),
    "one decimal comma": ("t;a;b\n1;1.500;7\n2;2.250;8\n3;3.125;2,9\n4;2.125;3\n", {}, "--decimal"),
    "no such zone": (PLAIN, {"tz": "Mars/North"}, "no time zone"),
    "two units": (
        "time,flow\n" + rows("{t},{x} kW", DAYS[:6]) + rows("{t},{x} W", DAYS[6:]), {}, "no column of numbers"),
    "a number of 400 digits": (PLAIN + "2024-02-01,1" + "0" * 400 + "\n", {}, "flow"),
    "a time that is blank": (PLAIN + " ,5\n", {}, "missing"),
    "deep JSON": ("{" + '"a":[' * 100_000, {}, "no JSON"),
    "many columns": (",".join(f"c{i}" for i in range(30_000)) + "\n" + "1," * 29_999 + "1\n", {}, "30,000 columns"),
    "train_until too early": (PLAIN, {"train_until": "2020-01-01"}, "before the first row"),
}  # fmt: skip


def write(folder, content):
    path = folder / "odd.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("case", READ)
def test_read(case, tmp_path):
    content, choices, note = READ[case]
    series = read_series(write(tmp_path, content), **choices)
    assert series.n_features == 1
    assert np.isfinite(series.values).sum() >= 8
    if case != "decimal commas, no header":
        assert series.times is not None
    if note is not None:
        assert any(note in said for said in series.notes), series.notes
    if case not in ("twice, mean", "overlapping exports", "decimal commas, no header") and "thousands" not in case:
        assert series.values[:12, 0].tolist() == X
    assert series.step is None or series.step > pd.Timedelta(0)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case, tmp_path):
    content, choices, said = REFUSED[case]
    with pytest.raises(InputError, match=None) as caught:
        read_series(write(tmp_path, content), **choices)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 600


def test_parquet_with_a_multiindex_never_mixes_its_series(tmp_path):
    index = pd.MultiIndex.from_product([["a", "b"], pd.to_datetime(DAYS)], names=["machine", "t"])
    pd.DataFrame({"flow": X + X}, index=index).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(InputError, match="--by machine=a"):
        read_series(tmp_path / "m.parquet")
    assert read_series(tmp_path / "m.parquet", by="machine=b").n == 12


def test_times_and_values_are_kept_as_given(tmp_path):
    path = write(tmp_path, "time,flow\n" + rows("{t}T00:00:00+02:00,{x}190129224"))
    series = read_series(path)
    assert series.given_times.iloc[0] == "2024-01-01T00:00:00+02:00"
    assert series.given_values[:, 0].tolist() == pd.read_csv(path).flow.tolist()
    assert series.slice(2, 4).given_values.shape == (2, 1)


def test_train_until_is_inclusive(tmp_path):
    assert read_series(write(tmp_path, PLAIN), train_until="2024-01-05").train_rows == 5


def test_the_page_says_what_is_read_today():
    import subprocess
    import sys
    from pathlib import Path

    tool = Path(__file__).parents[2] / "tools" / "odd_files.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, "docs/odd-files.md is out of date: python tools/odd_files.py writes it anew"
