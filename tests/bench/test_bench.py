"""The bench: TSB-AD's protocol, every row kept, runs resumed, failures recorded, figures worked out by hand."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaehelpers import bench, metrics
from vaehelpers.bench import evaluating, files, methods, paired, run, schema, store, workers
from vaehelpers.common import InputError
from vaehelpers.data import read_tsb_ad
from vaehelpers.detectors.baseline import Baseline
from vaehelpers.detectors.baselines import BASELINES

SHARED = Path(os.environ.get("VAEHELPERS_SHARED", Path(__file__).parents[3] / "shared" / "data"))
CHEAP = ["random", "moving_zscore@20"]
TINY = {"timesteps": 20, "steps": 10, "units": 4, "latent_dim": 2, "smooth": 10}


def write_series(folder, name, seed=0, n=900, train=500, start=700, labelled=True):
    rows = np.arange(n)
    values = np.sin(rows / 5) + 0.1 * np.random.default_rng(seed).normal(size=n)
    labels = ((rows >= start) & (rows < start + 40)).astype(int)
    values[labels == 1] += 1.5
    path = folder / f"{name}_tr_{train}_1st_{start}.csv"
    pd.DataFrame({"Data": values, "Label": labels if labelled else 0 * labels}).to_csv(path, index=False)
    return path


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "series"
    place.mkdir()
    for k in range(3):
        write_series(place, f"{k:03d}_toy", seed=k, start=650 + 30 * k)
    (place / "README.md").write_text("no series")
    return place


@pytest.fixture
def counted(monkeypatch):
    """Every (series, method) that is really evaluated, in order."""
    calls = []
    original = evaluating.evaluate_series

    def counting(series, method, **options):
        calls.append((series.name, method, options["seed"]))
        return original(series, method, **options)

    monkeypatch.setattr(evaluating, "evaluate_series", counting)
    return calls


def lines_of(out):
    with (out / "bench.csv").open(newline="") as file:
        return list(csv.reader(file))


# -------------------------------------------------------------------------------------------------------- the protocol


class Spy(Baseline):
    """Remembers what it is shown."""

    seen: list = []  # noqa: RUF012

    def fit(self, series, y=None, *, progress=None):
        Spy.seen.append(series)
        return super().fit(series)

    def decision_function(self, series, *, progress=None):
        Spy.seen.append(series)
        return super().decision_function(series)

    def _points(self, prepared, progress):
        return prepared.whole[:, 0]


def test_a_method_sees_the_train_part_and_no_label(folder, monkeypatch):
    monkeypatch.setitem(BASELINES, "spy", Spy)
    Spy.seen = []
    series = read_tsb_ad(files.tsb_ad_files(folder)[0])
    evaluating.evaluate_series(series, "spy")
    train, whole = Spy.seen
    assert (train.n, whole.n) == (500, 900)
    assert train.labels is None and whole.labels is None
    np.testing.assert_array_equal(train.values, series.values[:500])


def test_the_row_is_what_the_metrics_say(folder):
    series = read_tsb_ad(files.tsb_ad_files(folder)[0])
    found = evaluating.evaluate_series(series, "moving_zscore@20")
    x = series.values[:, 0].astype(float)
    z2 = ((x - x[:500].mean()) / x[:500].std()) ** 2
    padded = np.pad(z2, (10, 10), constant_values=np.nan)
    by_hand = [np.nanmean(padded[i + 10 - 10 : i + 10 + 10]) for i in range(len(x))]
    window = metrics.sliding_window_of(x)
    assert found["window"] == window
    assert found["n"] == 900
    assert found["vus_pr"] == pytest.approx(metrics.vus_pr(series.labels, by_hand, window), abs=0.02)
    assert found["auc_roc"] == pytest.approx(metrics.auc_roc(series.labels, by_hand), abs=0.02)
    assert found["fit_seconds"] >= 0 and found["score_seconds"] >= 0


def test_agrees_with_the_benchmarks_own_code():
    """abs_diff without smoothing is a score of the oracle; float32 values move ties, hence the tolerance."""
    path = SHARED / "metrics_oracle.csv"
    if not path.exists():
        pytest.skip(f"no {path}: the benchmark's numbers are not here (set VAEHELPERS_SHARED)")
    oracle = pd.read_csv(path).query("score == 'abs_diff'").set_index("file")
    for file in files.tsb_ad_files(SHARED / "tsb_nab", limit=5):
        found = evaluating.evaluate_series(read_tsb_ad(file), "abs_diff@1")
        assert found["window"] == oracle.loc[file.name, "sliding_window"]
        for metric in schema.METRICS:
            assert found[metric] == pytest.approx(oracle.loc[file.name, metric], abs=5e-3), (file.name, metric)


def test_series_that_cannot_be_judged(folder):
    series = read_tsb_ad(files.tsb_ad_files(folder)[0])
    for change, word in (({"labels": None}, "labelled 1"), ({"train_rows": None}, "no train part")):
        with pytest.raises(InputError, match=word):
            evaluating.evaluate_series(dataclasses.replace(series, **change), "random")


# ------------------------------------------------------------------------------------------------------ rows and resume


@pytest.mark.slow
def test_one_row_per_file_method_and_seed(folder, tmp_path):
    out = tmp_path / "out"
    found = bench.bench(folder, out, methods=CHEAP, seeds=[3, 4], jobs=0)
    lines = lines_of(out)
    promised = "file,method,n,window,vus_pr,vus_roc,auc_pr,auc_roc,fit_seconds,score_seconds,error,seed"
    assert ",".join(lines[0]) == promised
    # what has no seed is evaluated once
    assert [(line[0][:3], line[1], line[-1]) for line in lines[1:]] == [
        (f"{k:03d}", method, seed)
        for k in range(3)
        for method, seed in (("random", "3"), ("random", "4"), ("moving_zscore@20", ""))
    ]
    assert len({line[4] for line in lines[1:]}) == 9
    assert (found.means.loc["random", "seeds"], found.means.loc["moving_zscore@20", "seeds"]) == (2, 1)
    assert sorted(path.name for path in out.iterdir()) == ["bench.csv", "bench.json", "bench.md"]
    assert pd.read_csv(out / "bench.csv")["vus_pr"].to_list() == found.rows["vus_pr"].to_list()


@pytest.mark.slow
def test_the_same_command_computes_nothing_again_and_a_larger_one_what_is_new(folder, tmp_path, counted):
    out = tmp_path / "out"
    bench.bench(folder, out, methods=CHEAP, limit=2, jobs=0)
    assert len(counted) == 4
    before = lines_of(out)
    bench.bench(folder, out, methods=CHEAP, limit=2, jobs=0)
    assert len(counted) == 4
    assert lines_of(out) == before
    bench.bench(folder, out, methods=[*CHEAP, "abs_diff"], seeds=[0, 1], jobs=0)
    assert sorted(counted[4:]) == sorted(
        [
            ("002_toy_tr_500_1st_710", "random", 0),
            ("002_toy_tr_500_1st_710", "moving_zscore@20", 0),
            *((f"00{k}_toy_tr_500_1st_{650 + 30 * k}", "abs_diff", 0) for k in range(3)),
            *((f"00{k}_toy_tr_500_1st_{650 + 30 * k}", "random", 1) for k in range(3)),
        ]
    )
    assert len(lines_of(out)) == 1 + 12
    record = json.loads((out / "bench.json").read_text())
    assert len(record["runs"]) == 3 and len(record["data"]) == 3


@pytest.mark.parametrize("cut", [1, 30, 95])
def test_a_line_cut_short_by_a_crash_is_done_again(folder, tmp_path, counted, cut):
    out = tmp_path / "out"
    bench.bench(folder, out, methods=["random"], jobs=0)
    whole = (out / "bench.csv").read_bytes()
    (out / "bench.csv").write_bytes(whole[:-cut])
    bench.bench(folder, out, methods=["random"], jobs=0)
    assert len(counted) == 4
    assert [line[:8] for line in lines_of(out)] == [line.split(",")[:8] for line in whole.decode().splitlines()]


@pytest.mark.slow
def test_stopped_in_the_middle_everything_done_is_kept(folder, tmp_path, monkeypatch, counted):
    out = tmp_path / "out"

    def stop_at(limit):
        def progress(stage, done, total):
            if done == limit:
                raise KeyboardInterrupt

        return progress

    for limit, rows in ((0, 0), (2, 2), (5, 5)):
        with pytest.raises(KeyboardInterrupt):
            bench.bench(folder, out, methods=CHEAP, jobs=0, progress=stop_at(limit))
        assert len(lines_of(out)) == 1 + rows
        assert (out / "bench.md").read_text().startswith("# Benchmark")
    found = bench.bench(folder, out, methods=CHEAP, jobs=0)
    assert len(counted) == 6 == len(found.rows)


def test_a_training_that_was_interrupted_is_no_result(folder, tmp_path, monkeypatch):
    from vaehelpers.detectors import Detector

    original = Detector.fit

    def interrupted(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.training_["stopped"] = "interrupt"
        return self

    out = tmp_path / "out"
    monkeypatch.setattr(Detector, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.bench(folder, out, methods=["vae"], settings=TINY, jobs=0)
    assert len(lines_of(out)) == 1


@pytest.mark.slow
def test_other_settings_data_or_files_are_refused(folder, tmp_path):
    out = tmp_path / "out"
    bench.bench(folder, out, methods=CHEAP, settings=TINY, jobs=0)
    before = (out / "bench.csv").read_bytes()

    def refused(words, place=folder, **change):
        with pytest.raises(InputError, match=words):
            bench.bench(place, out, **{"methods": CHEAP, "settings": TINY, "jobs": 0, **change})
        assert (out / "bench.csv").read_bytes() == before

    refused(r"preset 'fast', and now it is 'accurate'.*--force", preset="accurate")
    refused(r"settings .*'steps': 10.*'steps': 20", settings={**TINY, "steps": 20})
    other = tmp_path / "other"
    other.mkdir()
    write_series(other, "900_toy")
    refused("of 3 other files", place=other)
    path = files.tsb_ad_files(folder)[1]
    path.write_text(path.read_text().replace("Data", "Value"))
    refused("1 of 3 files have changed.*001_toy")
    (out / "bench.json").write_text("{")
    refused("damaged")
    found = bench.bench(folder, out, methods=CHEAP, settings={**TINY, "steps": 20}, jobs=0, force=True)
    assert len(found.rows) == 6


def test_a_folder_that_holds_something_else_is_left_alone(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "keep.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        bench.bench(folder, tmp_path / "mine", methods=CHEAP, jobs=0)
    bench.bench(folder, tmp_path / "mine", methods=CHEAP, limit=1, jobs=0, force=True)
    assert (tmp_path / "mine" / "keep.txt").read_text() == "mine"


@pytest.mark.skipif(store.fcntl is None, reason="no locks of POSIX")
def test_two_runs_do_not_write_into_one_folder(folder, tmp_path):
    out = tmp_path / "out"
    refused = []

    def again(stage, done, total):
        if done == 1:
            with pytest.raises(InputError, match="another run is writing"):
                bench.bench(folder, out, methods=CHEAP, jobs=0)
            refused.append(done)

    bench.bench(folder, out, methods=CHEAP, limit=1, jobs=0, progress=again)
    assert refused == [1]
    bench.bench(folder, out, methods=CHEAP, limit=1, jobs=0)


# ------------------------------------------------------------------------------------------------------------- failures


def test_what_fails_on_one_file_is_recorded_and_tried_again(folder, tmp_path, counted):
    out = tmp_path / "out"
    write_series(folder, "003_nothing", labelled=False)
    write_series(folder, "004_more_train_than_rows", train=5_000)
    (folder / "005_text_tr_5_1st_7.csv").write_text("Data,Label\nhello,0\nworld,1\n")
    found = bench.bench(folder, out, methods=CHEAP, jobs=0)
    errors = found.failed.set_index(["file", "method"])["error"].groupby("file").first()
    assert len(found.failed) == 6
    assert "no row" in errors.iloc[0] and "labelled 1" in errors.iloc[0]
    assert "5000 training rows" in errors.iloc[1]
    assert found.means["files"].to_list() == [3, 3]
    text = (out / "bench.md").read_text()
    assert "005_text" in text.split("## What failed")[1]
    n = len(counted)
    bench.bench(folder, out, methods=CHEAP, jobs=0)
    assert len(counted) == n + 2  # the unlabelled ones; the others cannot even be read
    assert len(lines_of(out)) == 1 + 12


def test_an_error_of_any_kind_is_one_line(folder, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ValueError('two\nlines, a comma and a "quote"')

    monkeypatch.setattr(evaluating, "evaluate_series", broken)
    found = bench.bench(folder, tmp_path / "out", methods=["random"], jobs=0)
    assert set(found.rows["error"]) == {'ValueError: two lines, a comma and a "quote"'}
    assert len((tmp_path / "out" / "bench.csv").read_text().splitlines()) == 4
    assert found.means.empty and found.differences.empty
    monkeypatch.undo()
    assert not len(bench.bench(folder, tmp_path / "out", methods=["random"], jobs=0).failed)


def test_a_missing_library_is_said_and_the_rest_goes_on(folder, tmp_path, monkeypatch):
    for module in (methods, run):
        monkeypatch.setattr(module, "_installed", lambda name: name != "matrix_profile")
    assert "matrix_profile" not in methods.default_methods()
    monkeypatch.setattr(run, "default_methods", lambda: CHEAP)
    found = bench.bench(folder, tmp_path / "out", jobs=0)
    assert "matrix_profile was left out" in found.notes[0]
    assert "matrix_profile was left out" in found.text
    with pytest.raises(InputError, match=r"pip install 'vaehelpers\[baselines\]'"):
        methods.check_methods(["matrix_profile"])


@pytest.mark.parametrize("method", ["VAE", "vae-slow", "pca@", "pca@0", "pca@two", "vae@100", "", "pca@-3"])
def test_unknown_methods(method):
    with pytest.raises(InputError, match="unknown"):
        methods.check_methods([method])


def test_folders_without_series(tmp_path, folder):
    with pytest.raises(InputError, match="does not exist"):
        files.tsb_ad_files(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is a file"):
        files.tsb_ad_files(folder / "README.md")
    with pytest.raises(InputError, match="limit=0"):
        files.tsb_ad_files(folder, 0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match="none of the 1 files"):
        files.tsb_ad_files(tmp_path / "empty")


# ----------------------------------------------------------------------------------------------------- worker processes


@pytest.mark.slow
def test_workers_give_what_this_process_gives(folder, tmp_path):
    here = bench.bench(folder, tmp_path / "here", methods=[*CHEAP, "vae"], limit=1, settings=TINY, jobs=0)
    there = bench.bench(folder, tmp_path / "there", methods=[*CHEAP, "vae"], limit=1, settings=TINY, jobs=2)
    assert not len(there.failed), there.failed["error"].to_list()
    columns = ["file", "method", "n", "window", *schema.METRICS, "seed"]
    pd.testing.assert_frame_equal(here.rows[columns], there.rows[columns], atol=0.02)
    cheap = here.rows["method"].isin(CHEAP)
    pd.testing.assert_frame_equal(here.rows[columns][cheap], there.rows[columns][cheap])


def task(folder, method="random", **settings):
    path = files.tsb_ad_files(folder)[0]
    return {"path": str(path), "method": method, "seed": 0, "preset": "fast", "settings": settings}


ENDLESS = {**TINY, "steps": 1_000_000, "patience": 1_000_000}


@pytest.fixture
def worker():
    worker = workers._Worker((), 1)
    yield worker
    worker.close()


@pytest.mark.slow
def test_a_worker_that_dies_or_is_late_is_replaced(folder, worker, monkeypatch):
    assert worker.run(task(folder), 60)["error"] == ""
    first = worker.child
    threading.Timer(0.5, first.kill).start()
    assert "killed" in worker.run(task(folder, "vae", **ENDLESS), 60)["error"]
    assert worker.run(task(folder, "vae", **ENDLESS), 1.5)["error"] == "stopped at the time limit of 1.5 s"
    assert worker.run(task(folder), None)["error"] == ""
    second = worker.child
    assert second is not first
    monkeypatch.setattr(workers, "_FITS", 0)  # a process that has grown too large
    assert worker.run(task(folder), None)["error"] == ""
    assert worker.child is not second


def test_a_worker_does_not_outlive_who_asked(folder, worker):
    child = worker.child = worker._start()
    child.stdin.write(json.dumps(task(folder, "vae", **ENDLESS)) + "\n")
    child.stdin.close()
    assert child.wait(timeout=60) == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_the_last_words_of_a_worker_are_recorded(folder):
    worker = workers._Worker([10**6], 1)  # a core that no machine has
    error = worker.run(task(folder), 60)["error"]
    worker.close()
    assert error.startswith("its process ended with status 1: OSError")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_goes_on(folder, tmp_path, number):
    """SIGKILL as well: what is on the disk then is what counts."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "vaehelpers", "bench", str(folder), "--out", str(out), "--quiet"]
    slow = [*command, "--methods", "random,vae", "--set", "timesteps=20", "--set", "steps=1000000"]
    child = subprocess.Popen(slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    table = out / "bench.csv"
    while (not table.exists() or table.read_bytes().count(b"\n") < 2) and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[number]
    if number == signal.SIGINT:
        assert "what is done is kept" in stderr and len(stderr.splitlines()) == 1
    kept = lines_of(out)[1:]
    assert [line[1] for line in kept] == ["random"]
    same = {"timesteps": 20, "steps": 1_000_000}
    found = bench.bench(folder, out, methods=["random"], settings=same, jobs=0)
    assert len(found.rows) == 3
    assert lines_of(out)[1] == kept[0]


# -------------------------------------------------------------------------------------------------------------- figures


def rows_of(table):
    """Rows from {method: {seed: [vus_pr per file]}}; None = failed."""
    rows = [
        {"file": f"{k:03d}_x_tr_5_1st_9.csv", "method": method, "seed": seed, "n": 1_000 * (k + 1), "vus_pr": value}
        for method, seeds in table.items()
        for seed, values in seeds.items()
        for k, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows).reindex(columns=list(schema.COLUMNS))
    frame["error"] = np.where(frame["vus_pr"].isna(), "boom", "")
    frame[["vus_roc", "auc_pr", "auc_roc"]] = 0.5
    frame[["fit_seconds", "score_seconds"]] = [3.0, 1.0]
    return frame


def test_seeds_are_averaged_file_by_file_first():
    rows = rows_of({"vae": {0: [0.2, 0.4], 1: [0.4, 0.8]}, "pca": {0: [0.3, 0.595]}, "kmeans": {0: [0.1, 0.1]}})
    published = pd.DataFrame(
        {"POLY": [0.9, 0.1, 0.5], "Donut": [0.2, np.nan, 0.9]},
        index=["000_x_tr_5_1st_9.csv", "001_x_tr_5_1st_9", "other_tr_5_1st_9.csv"],
    )
    means, differences = paired.compare(rows, published)
    assert means["vus_pr"].round(4).to_dict() == {
        "POLY": 0.5, "vae": 0.45, "pca": 0.4475, "Donut": 0.2, "kmeans": 0.1,
    }  # fmt: skip
    assert means["files"].to_dict() == {"POLY": 2, "vae": 2, "pca": 2, "Donut": 1, "kmeans": 2}
    assert means.loc["vae", ["lowest", "highest"]].round(4).to_list() == [0.3, 0.6]
    assert means.loc["vae", "seconds"] == 4.0
    assert means.loc["vae", "seconds_per_10000"] == pytest.approx(16.0 / 6_000 * 1e4)
    assert means.loc[["pca", "kmeans", "POLY"], ["wins", "ties", "losses"]].astype(int).to_numpy().tolist() == [
        [0, 2, 0], [2, 0, 0], [1, 0, 1],
    ]  # fmt: skip
    by_kind = differences.set_index("kind")
    assert by_kind["against"].to_dict() == {"baseline": "pca", "published": "POLY"}
    assert by_kind["difference"].round(4).to_dict() == {"baseline": 0.0025, "published": -0.05}


def test_a_rival_that_failed_on_the_hard_series_is_not_the_best():
    rows = rows_of({"vae": {0: [0.5, 0.5, 0.5]}, "pca": {0: [0.9, None, None]}, "kmeans": {0: [0.4, 0.4, 0.4]}})
    means, differences = paired.compare(rows)
    assert means.index[0] == "pca" and means.loc["pca", "files"] == 1
    assert differences["against"].to_list() == ["kmeans"]


def test_a_published_name_that_is_ours_as_well_stays_apart():
    rows = rows_of({"vae": {0: [0.5, 0.6]}, "pca": {0: [0.4, 0.4]}})
    published = pd.DataFrame({"pca": [0.7, 0.7]}, index=["000_x_tr_5_1st_9.csv", "001_x_tr_5_1st_9.csv"])
    means, differences = paired.compare(rows, published)
    assert means["kind"].to_dict() == {"pca (published)": "published", "vae": "vae", "pca": "baseline"}
    assert set(differences["against"]) == {"pca", "pca (published)"}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30), st.integers(-1000, 1000))
def test_the_interval_holds_the_mean_and_moves_with_it(values, shift):
    """Whole numbers: their sums are exact, so that no two resamples change places by rounding."""
    low, high = bench.paired_interval(values, resamples=500)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    moved = bench.paired_interval(np.add(values, shift), resamples=500)
    assert moved == pytest.approx((low + shift, high + shift), abs=1e-6)


def test_the_interval_is_students_where_that_is_right():
    from scipy import stats

    values = np.random.default_rng(0).normal(0.1, 0.2, 400)
    expected = stats.t.interval(0.95, 399, values.mean(), values.std(ddof=1) / 20)
    assert bench.paired_interval(values) == pytest.approx(expected, abs=2e-3)


def test_the_interval_misses_rarely():
    """300 samples of 25: a 95 % interval that holds the truth less than 89 % of the time is wrong (5 sigma)."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        low, high = bench.paired_interval(rng.normal(0.05, 0.2, 25), resamples=400)
        held += low <= 0.05 <= high
    assert 0.89 <= held / 300 <= 0.99


def test_few_or_equal_differences():
    assert np.isnan(bench.paired_interval([0.1])).all()
    assert np.isnan(bench.paired_interval([0.1, np.nan])).all()
    assert bench.paired_interval([0.25, 0.25, 0.25]) == (0.25, 0.25)


# ------------------------------------------------------------------------------------------------- published, bench.md


def test_a_variant_is_its_baseline_with_another_setting(folder):
    series = files._read(str(files.tsb_ad_files(folder)[0]))
    found = evaluating.evaluate_series(series, "kmeans100")
    plain, own = methods._make("kmeans", "fast", 0, {}), methods._make("kmeans100@7", "fast", 0, {})
    assert (plain.timesteps, own.timesteps, own.smooth) == (None, 100, 7)
    assert methods._make("pca16", "fast", 0, {}).n_components == 16
    bare = dataclasses.replace(series, labels=None)
    own = methods._make("kmeans100", "fast", 0, {}).fit(bare.slice(0, series.train_rows))
    expected = metrics.vus_pr(series.labels, own.decision_function(bare), found["window"])
    assert found["vus_pr"] == pytest.approx(expected)
    listed = methods.default_methods()
    assert listed.index("pca16") == listed.index("pca") + 1


def test_published_figures_as_the_benchmark_has_them(folder, tmp_path):
    names = [path.name for path in files.tsb_ad_files(folder)]
    table = pd.DataFrame(
        {"file": [*names[:2], "999_else_tr_5_1st_9.csv"], "POLY": [0.9, 0.8, 0.1], "Donut": [0.1, None, 0.3],
         "ts_len": 900, "point_anomaly": 0}
    )  # fmt: skip
    table.to_csv(tmp_path / "published.csv", index=False)
    read = files.read_published(tmp_path / "published.csv")
    assert list(read) == ["POLY", "Donut"]
    found = bench.bench(folder, tmp_path / "out", methods=CHEAP, published=tmp_path / "published.csv", jobs=0)
    assert found.means.loc["POLY", "vus_pr"] == pytest.approx(0.85)
    assert found.means.loc[["POLY", "Donut"], "files"].to_list() == [2, 1]
    assert "2 of 3 series have published figures" in found.notes
    newer = table[["file"]].assign(Donut=[0.5, None, 0.5], Tremor=[0.7, 0.7, 0.7])
    newer.to_csv(tmp_path / "newer.csv", index=False)
    both = (tmp_path / "published.csv", tmp_path / "newer.csv")
    found = bench.bench(folder, tmp_path / "out", methods=CHEAP, published=both, jobs=0)
    published = found.means[found.means["kind"] == "published"]["vus_pr"]
    assert published.round(2).to_dict() == {"POLY": 0.85, "Tremor": 0.7, "Donut": 0.5}
    table["file"] = [f"{k}_else_tr_5_1st_9.csv" for k in range(3)]
    table.to_csv(tmp_path / "published.csv", index=False)
    with pytest.raises(InputError, match=r"names 3 files and .* holds 3, and none is in both"):
        bench.bench(folder, tmp_path / "new", methods=CHEAP, published=tmp_path / "published.csv", jobs=0)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,POLY\na,0.5\n", "no column file"),
        ("file,ts_len\na,5\n", "no column of a detector"),
        ("file,POLY\na,0.5\na,0.6\n", "names a twice"),
        ("file,POLY\na,0.5\nb,good\n", "column POLY holds 'good'"),
        ("file,POLY\na,0.5\nb,1.5\n", "column POLY holds '1.5'"),
    ],
)
def test_published_figures_that_cannot_be_used(tmp_path, text, words):
    (tmp_path / "published.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        files.read_published(tmp_path / "published.csv")


def test_the_published_table_of_the_23_series():
    path = SHARED / "published_vus_pr_nab23.csv"
    if not path.exists():
        pytest.skip(f"no {path}: the published numbers are not here (set VAEHELPERS_SHARED)")
    means = files.read_published(path).mean()
    assert len(means) == 32
    assert means.idxmax() == "POLY"
    assert means[["POLY", "Sub-PCA", "AutoEncoder", "USAD", "OmniAnomaly", "Donut"]].round(3).to_list() == [
        0.484, 0.436, 0.317, 0.285, 0.190, 0.183,
    ]  # fmt: skip


@pytest.mark.slow
def test_the_page_says_what_the_table_says(folder, tmp_path):
    names = [path.name for path in files.tsb_ad_files(folder)]
    pd.DataFrame({"file": names, "A|B": 0.25}).to_csv(tmp_path / "published.csv", index=False)
    write_series(folder, "003_nothing", labelled=False)
    found = bench.bench(
        folder, tmp_path / "out", methods=["vae", *CHEAP], settings=TINY, published=tmp_path / "published.csv", jobs=0
    )
    text = (tmp_path / "out" / "bench.md").read_text()
    assert text == found.text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block}) == 1
    for method, mean in found.means["vus_pr"].items():
        shown = str(method).replace("|", "\\|")
        assert any(line.startswith(f"| {shown} | ") and f"{mean:.3f}" in line for line in blocks[0])
    assert [len(block) - 2 for block in blocks] == [4, 3, 3]
    first = found.differences.iloc[0]
    assert f"difference {first['difference']:+.3f}, 95 % interval {first['low']:+.3f} to {first['high']:+.3f}" in text
    assert "A|B" in found.summary and first["against"] in found.summary
    assert str(tmp_path) not in text
