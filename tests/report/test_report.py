"""The report folder: whole, complete, true to the input, and a page that asks nobody for anything."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaehelpers import report
from vaehelpers.common import InputError, output
from vaehelpers.data import Series
from vaehelpers.data.names import join_names, split_names
from vaehelpers.detectors import tables
from vaehelpers.report import findings, methods, narrative, page, parameters, run, text
from vaehelpers.report.document import Report
from vaehelpers.thresholds import events

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    "detector",
    "events.csv",
    "manifest.json",
    "metrics.json",
    "report.html",
    "report.ipynb",
    "scores.csv",
    "summary.md",
]
SMALL = {"timesteps": 32, "steps": 20, "latent_dim": 3, "smooth": 16, "settings": "units=4"}
HOSTILE = "flow <script>alert(1)</script> | `x` $y$"


# ---------------------------------------------------------------- one small report, looked at from all sides


def make_frame():
    rows = np.arange(3_000)
    rng = np.random.default_rng(3)
    flow = np.sin(2 * np.pi * rows / 32) + 0.05 * rng.normal(size=len(rows))
    level = np.cos(2 * np.pi * rows / 32) + 0.05 * rng.normal(size=len(rows))
    flow[2_500:2_540] += 2.0
    level[100] = np.nan
    times = pd.date_range("2024-03-01", periods=len(rows), freq="5min").to_numpy().copy()
    times[1_500:] += np.timedelta64(1, "D")
    label = np.zeros(len(rows), int)
    label[2_500:2_540] = 1
    return pd.DataFrame({"when": times, HOSTILE: flow, "level": level, "label": label})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a finished report, the frame it is about, and the stages of its progress."""
    place = tmp_path_factory.mktemp("report")
    frame = make_frame()
    frame.to_csv(place / "pump.csv", index=False)
    stages = []
    page = report.report(
        str(place / "pump.csv"),
        place / "out",
        values={**SMALL, "train_rows": 2_000, "seed": 7},
        command=["vaehelpers", "report", "pump.csv"],
        progress=lambda stage, done, total: stages.append((stage, done, total)),
    )
    assert page == place / "out" / "report.html"
    return place / "out", frame, stages


@pytest.mark.slow
def test_folder_holds_what_the_interface_promises(made):
    folder, _, _ = made
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert sorted(path.name for path in (folder / "detector").iterdir()) == ["detector.json", "model.keras"]
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_scores_have_one_row_per_input_row_in_order(made):
    folder, frame, _ = made
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores) == ["time", HOSTILE, "level", "score", "p_value", "flag"]
    assert len(scores) == len(frame)
    assert (pd.to_datetime(scores["time"]).to_numpy() == frame["when"].to_numpy()).all()
    np.testing.assert_allclose(scores[HOSTILE], frame[HOSTILE].astype(np.float32), rtol=1e-6)
    assert scores["level"].isna().sum() == 1
    assert set(scores["flag"]) <= {0, 1}
    inside = scores["score"][2_500:2_540].mean()
    assert inside > 3 * scores["score"].median()


@pytest.mark.slow
def test_events_say_when_how_much_and_what_contributed(made):
    folder, _, _ = made
    found = pd.read_csv(folder / "events.csv")
    assert list(found)[:7] == ["start", "end", "peak", "severity", "score", "p_value", "kind"]
    assert found["severity"].is_monotonic_decreasing  # the worst first
    worst = found.loc[found["score"].idxmax()]
    assert worst["first"] <= 2_540
    assert worst["last"] >= 2_500
    assert worst["contributed"].startswith(HOSTILE)
    assert worst["label"] == "labelled"


@pytest.mark.slow
def test_metrics_are_strict_json_and_tell_which_labels_were_found(made):
    folder, _, _ = made
    text = (folder / "metrics.json").read_text()
    numbers = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert numbers["series"]["rows"] == 3_000
    assert numbers["series"]["gaps"] == 1
    assert set(numbers["evaluation"]) == {"dense VAE", "smoothed z-score", "windowed PCA"}
    (anomaly,) = numbers["labelled_anomalies"]
    assert anomaly["found"] is True
    assert anomaly["events"]
    assert numbers["evaluation"]["dense VAE"]["vus_pr"] > 0.3
    assert numbers["training"]["steps"] <= 20
    assert numbers["collapse"]["verdict"] in ("used", "partly used", "collapsed")
    assert numbers["seconds"]["fit"] > 0


@pytest.mark.slow
def test_manifest_tells_how_to_make_it_again(made):
    folder, _, _ = made
    manifest = json.loads((folder / "manifest.json").read_text())
    file = folder.parent / "pump.csv"
    assert manifest["command"] == ["vaehelpers", "report", "pump.csv"]
    assert manifest["parameters"]["timesteps"] == 32
    assert manifest["parameters"]["preset"] == "fast"
    assert manifest["seed"] == 7
    assert manifest["data"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert manifest["data"]["rows"] == 3_000
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["start"] < manifest["end"]
    assert manifest["exit_status"] == 0


@pytest.mark.slow
def test_saved_detector_scores_as_the_report_did(made):
    from vaehelpers.commands import cli

    folder, _, _ = made
    out = folder.parent / "again.csv"
    assert (
        cli.run(["score", str(folder / "detector"), str(folder.parent / "pump.csv"), "--out", str(out), "--quiet"]) == 0
    )
    again, before = pd.read_csv(out), pd.read_csv(folder / "scores.csv")
    assert list(again) == list(before)
    np.testing.assert_allclose(again["score"], before["score"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(again["p_value"], before["p_value"], rtol=1e-2, atol=1e-5)
    assert (again["flag"] == before["flag"]).mean() > 0.999


@pytest.mark.slow
def test_progress_reaches_the_caller(made):
    _, _, stages = made
    names = list(dict.fromkeys(stage for stage, _, _ in stages))
    assert names[:2] == ["reading", "report"]
    cells = [(done, total) for stage, done, total in stages if stage == "report"]
    assert cells[0][0] == 0
    assert cells[-1][0] == cells[-1][1]
    assert "training" in names
    assert ("training", 20, 20) in stages


@pytest.mark.slow
def test_stored_notebook_is_whole_and_without_bars_or_stderr(made):
    folder, _, _ = made
    notebook = nbformat.read(folder / "report.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# pump: anomaly report")
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert "%|" not in json.dumps(notebook)
    (injected,) = (cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", []))
    assert "timesteps = 32" in injected.source
    assert ".out-" not in json.dumps(notebook.metadata)  # the temporary folder is gone


class Page(HTMLParser):
    """Collects what matters for 'opens offline, asks nobody, readable by anybody'."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.headings, self.ids, self.links = [], [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        self.ids.add(given.get("id"))
        if tag == "img":
            self.images.append(given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


def check_page(text):
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert not {"iframe", "link", "object", "embed", "base", "form"} & set(names)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or "src" not in attributes
        for name in ("src", "data", "action", "srcset", "poster", "xlink:href"):
            assert not attributes.get(name) or attributes[name].startswith("data:image/png;base64,")
    assert not page.links
    (policy,) = (a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "http" not in policy
    css = "".join(re.findall(r"<style.*?</style>", text, flags=re.S))
    assert "url(" not in css
    assert "@import" not in css
    assert dict(page.tags[0][1]) == {"lang": "en"}
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:]))
    for image in page.images:
        assert len(image["alt"]) > 20
    return page


@pytest.mark.slow
def test_page_asks_nobody_for_anything_and_reads_without_pictures(made):
    folder, _, _ = made
    text = (folder / "report.html").read_text()
    page = check_page(text)
    assert len(page.images) >= 8
    assert "<title>pump: anomaly report</title>" in text
    assert "<math" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert len(text) < 3_000_000
    for words in ("Was the promise kept", "Against the labels", "Limits", "Variables over time"):
        assert words in text
    assert text.index('class="status') < text.index("The series and its events") < text.index("How it was found")


@pytest.mark.slow
def test_summary_is_the_first_screen_in_text(made):
    folder, _, _ = made
    text = (folder / "summary.md").read_text()
    assert text.startswith("# pump: anomaly report\n\n**")
    assert "<script>" not in text.replace("\\<", "")
    assert "| event |" in text


@pytest.mark.slow
def test_an_existing_folder_is_kept_unless_forced(made):
    folder, _, _ = made
    with pytest.raises(InputError, match="exists already"):
        report.report(str(folder.parent / "pump.csv"), folder)


@pytest.mark.slow
def test_input_errors_inside_the_kernel_come_back_as_such(tmp_path):
    make_frame().to_csv(tmp_path / "pump.csv", index=False)
    with pytest.raises(InputError, match="encoder='perceptron'"):
        report.report(str(tmp_path / "pump.csv"), tmp_path / "out", values={"settings": "encoder=perceptron"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pump.csv"]


# ---------------------------------------------------------------- the committed notebook


def test_parameters_are_those_that_papermill_sees():
    import papermill

    seen = papermill.inspect_notebook(str(parameters.template()))
    ours = parameters.parameters()
    assert list(ours) == list(seen)
    for name, parameter in ours.items():
        assert parameter.type == seen[name]["inferred_type_name"]
        assert repr(parameter.default) == seen[name]["default"].replace('"', "'")
        assert parameter.help == seen[name]["help"]
        assert type(parameter.default).__name__ == parameter.type
        assert parameter.help


def test_detector_parameters_are_those_of_its_signature():
    import inspect

    from vaehelpers.detectors import Detector

    signature = inspect.signature(Detector.__init__).parameters
    ours = parameters.detector_parameters()
    assert list(ours) == list(signature)[1:]
    assert all(ours[name].default == signature[name].default for name in ours)


def test_notebook_keeps_the_rules_of_style():
    notebook = nbformat.read(parameters.template(), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert max(len(cell.source.splitlines()) for cell in code) <= 20
    assert sum("nbval-check-output" in cell.metadata.get("tags", []) for cell in code) >= 4
    assert "parameters" in code[0].metadata.tags
    assert sum("assert " in cell.source for cell in code) >= 2
    assert parameters.template().stat().st_size < 500_000


# ---------------------------------------------------------------- pieces


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), max_size=4))
def test_names_survive_being_joined(names):
    kept = [name.strip() for name in names if name.strip()]
    assert split_names(join_names(kept)) == kept


@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.one_of(st.integers(), st.booleans(), st.none()))
)
def test_settings_survive_being_written(settings):
    text = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    assert parameters.parse_settings(text) == settings


def test_settings_hold_tuples_and_run_nothing():
    assert parameters.parse_settings("units=(32, 16), decoder=state") == {"units": (32, 16), "decoder": "state"}
    assert parameters.parse_settings("decoder=__import__('os').getcwd()") == {"decoder": "__import__('os').getcwd()"}
    deep = "[" * 900 + "]" * 900
    for odd in ("{{}}", "{[0]}", "{{1}:2}", deep):  # literals that Python cannot build: words, and no traceback
        assert parameters.parse_settings(f"decoder={odd}") == {"decoder": odd}
    with pytest.raises(InputError, match="NAME=VALUE"):
        parameters.parse_settings("units")


def test_values_are_converted_and_other_types_refused():
    known = {
        "n": parameters.Parameter("n", "int | None", None, ""),
        "x": parameters.Parameter("x", "float", 0.0, ""),
        "b": parameters.Parameter("b", "bool", False, ""),
        "u": parameters.Parameter("u", "int | tuple[int, ...] | None", None, ""),
    }
    given_text = {"n": "none", "x": "3", "b": "yes", "u": "(8, 4)"}
    assert parameters.check_parameters(given_text, known) == {"n": None, "x": 3.0, "b": True, "u": (8, 4)}
    for name, value in {"n": True, "x": "high", "b": 1, "u": "big"}.items():
        with pytest.raises(InputError, match=name):
            parameters.check_parameters({name: value}, known)


def test_scores_frame_renames_columns_in_the_way_and_numbers_rows():
    data = Series(np.arange(6.0).reshape(3, 2), columns=("score", "time"))
    frame = tables.scores_frame(data, np.ones(3), np.ones(3), np.array([True, False, True]))
    assert list(frame) == ["time", "value_score", "value_time", "score", "p_value", "flag"]
    assert frame["time"].tolist() == [0, 1, 2]


def test_folders_are_numbered_where_one_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run.default_folder("a/b c").as_posix() == "runs/a-b-c"
    Path("runs/pump").mkdir(parents=True)
    assert run.default_folder("pump").as_posix() == "runs/pump-2"


def test_importing_report_stays_light():
    import subprocess

    code = "import vaehelpers.report, sys; print({'tensorflow', 'papermill', 'pandas', 'nbconvert'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---------------------------------------------------------------- numbers and sentences


def marked(n, *spans):
    marks = np.zeros(n, bool)
    for first, last in spans:
        marks[first : last + 1] = True
    return marks


def method(name, n, *spans):
    flags = marked(n, *spans)
    scores = flags.astype(float)
    return methods.Method(name, scores, flags, events(flags, scores))


def test_evaluation_counts_anomalies_and_alarms():
    labels = marked(200, (20, 29), (100, 109))
    data = Series(np.sin(np.arange(200.0)), labels=labels.astype(int))
    table = methods.evaluation_table(data, [method("one", 200, (25, 40), (60, 62), (150, 150))])
    row = table.loc["one"]
    assert (row["found"], row["labelled"], row["right"], row["alarms"]) == (1, 2, 1, 3)
    assert row["recall"] == 0.5
    assert row["precision"] == pytest.approx(1 / 3)
    assert row["f1"] == pytest.approx(0.4)


def test_no_alarm_at_all_has_no_precision():
    data = Series(np.sin(np.arange(200.0)), labels=marked(200, (20, 29)).astype(int))
    row = methods.evaluation_table(data, [method("silent", 200)]).loc["silent"]
    assert np.isnan(row["precision"])
    assert row["recall"] == 0.0
    assert row["f1"] == 0.0
    assert "–" in narrative.describe_evaluation(data, methods.evaluation_table(data, [method("silent", 200)]))


def test_kinds_are_counted_by_method():
    kinds = pd.DataFrame(
        {"start": [5, 50], "end": [9, 59], "first": [5, 50], "last": [9, 59], "kind": ["spike", "drift"]}
    )
    labels = marked(100, (5, 9), (50, 59)).astype(int)
    data = Series(np.arange(100.0), labels=labels, kinds=kinds)
    found, total = findings.kinds_found(data, [method("a", 100, (55, 55)), method("b", 100, (0, 99))])
    assert found.loc["a"].to_dict() == {"spike": 0, "drift": 1}
    assert found.loc["b"].to_dict() == {"spike": 1, "drift": 1}
    assert total.to_dict() == {"spike": 1, "drift": 1}


def test_marks_fill_events_from_first_to_last():
    flags = np.array([0, 1, 0, 1, 0, 0], bool)
    merged = methods.Method("m", flags.astype(float), flags, events(flags, flags.astype(float), merge=1))
    assert merged.marks.tolist() == [False, True, True, True, False, False]


def test_correlated_scores_widen_the_interval():
    flags = marked(1_000, (0, 19))
    independent = methods._realised(flags, 1.0)
    in_runs = methods._realised(flags, 0.05)
    assert independent.rate == in_runs.rate == 0.02
    assert in_runs.low < independent.low < 0.02 < independent.high < in_runs.high


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1234567.0, "1.2e+06"), (12345.6, "12,346"), (3.14159, "3.14"), (0.00123, "0.00123"), (np.nan, "–")],
)
def test_numbers_are_written_short(value, words):
    assert text._number(value) == words


@pytest.mark.parametrize(("share", "words"), [(0.0, "0 %"), (0.001, "0.1 %"), (0.123, "12 %"), (1.0, "100 %")])
def test_shares_are_written_in_percent(share, words):
    assert text._percent(share) == words


def test_data_is_described_for_any_series():
    rows = np.arange(50.0)
    bare = narrative.describe_data(Series(rows))
    assert "without times" in bare
    assert "Labels" not in bare
    times = pd.date_range("2024-01-01", periods=50, freq="1h").to_numpy().copy()
    times[25:] += np.timedelta64(3, "D")
    values = np.column_stack([rows, rows])
    values[3, 1] = np.nan
    full = narrative.describe_data(
        Series(values, times=pd.DatetimeIndex(times), labels=(rows > 40).astype(int), train_rows=30, units=("m", ""))
    )
    for words in ("one every 1 h", "1 gap", "3 d 1 h", "1 value (1 %)", "first 30 rows", "1 anomaly", "(m)"):
        assert words in full


def test_names_from_files_cannot_bring_markup():
    table = text.markdown_table(pd.DataFrame({"a|b": ["<b>*x*</b>"]}))
    assert "a\\|b" in table
    assert "<b>" not in table.replace("\\<", "")
    assert "<b>" not in page.markdown_html(table)
    assert "<table>" in page.markdown_html(table)


# ---------------------------------------------------------------- every sentence and figure, for any series


def fit_small(data, **settings):
    from vaehelpers.detectors import Detector

    given = {"timesteps": 16, "steps": 3, "units": 4, "latent_dim": 2, "smooth": 8, **settings}
    return Detector(**given).fit(data.train)


TEXTS = (
    "status", "summary", "events", "summary_text", "about_data", "windows", "loss", "training", "latent",
    "reconstructions", "score", "promise", "evaluation", "baselines", "limits",
)  # fmt: skip
PICTURES = (
    "overview", "closeups", "contributions", "data_figure", "variable_map", "training_figure", "latent_figure",
    "reconstructions_figure", "score_figure", "promise_figure", "kinds_figure", "evaluation_figure",
)  # fmt: skip


def tell_everything(data, detector, draw=True):
    """All that the notebook shows, as text and pictures."""
    told = Report.of(data, detector)
    texts = [getattr(told, name)() for name in TEXTS]
    pictures = [getattr(told, name)() for name in PICTURES] if draw else []
    output.write_json(told.metrics(), "metrics.json")
    json.loads(Path("metrics.json").read_text(), parse_constant=pytest.fail)
    if draw:
        check_page(page.render_page(told))
    for words in texts:
        assert words.strip()
        assert not re.search(r"\bnan\b|\bNone\b|np\.", words), words
    return "\n".join(texts), [picture for picture in pictures if picture is not None]


def waves(n, n_features=1, seed=0):
    rng = np.random.default_rng(seed)
    phase = np.arange(n)[:, None] * 2 * np.pi / 16 + np.arange(n_features)
    return np.sin(phase) + 0.1 * rng.normal(size=(n, n_features))


def bare():
    return Series(waves(700))


def short():
    return Series(waves(150))


def labelled():
    values, labels = waves(1_200), np.zeros(1_200, int)
    values[1_100:1_120] += 4
    labels[1_100:1_120] = 1
    kinds = pd.DataFrame({"start": [1_100], "end": [1_119], "first": [1_100], "last": [1_119], "kind": ["level shift"]})
    return Series(values, labels=labels, kinds=kinds, train_rows=900, units=("m",))


def labelled_as_normal_throughout():
    return Series(waves(700), labels=np.zeros(700, int), train_rows=600)


def numeric_times():
    return Series(waves(700), times=np.arange(700) * 0.5)


def many_variables_with_holes():
    values = waves(900, 12)
    values[200:240, 3] = np.nan
    values[300:340] = np.nan
    values[800:810, 7] += 5
    times = pd.date_range("2024-01-01", periods=900, freq="1s", tz="Europe/Berlin").to_series()
    times = pd.DatetimeIndex(pd.concat([times[:450], times[450:] + pd.Timedelta("1h")]))
    return Series(values, times=times, labels=(np.arange(900) // 10 == 80).astype(int), train_rows=600)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [bare, short, labelled, labelled_as_normal_throughout, numeric_times, many_variables_with_holes]
)
def test_every_sentence_and_figure_for_any_series(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = make()
    said, pictures = tell_everything(data, fit_small(data))
    assert len(pictures) >= 6
    assert all(len(picture.alt) > 20 for picture in pictures)
    assert ("level shift" in said) == (make is labelled)
    assert ("No training part" in said) == (data.train_rows is None)


@pytest.mark.slow
def test_every_sentence_for_every_threshold_rule(tmp_path, monkeypatch):
    from vaehelpers.thresholds import THRESHOLDS

    monkeypatch.chdir(tmp_path)
    data = labelled()
    detector = fit_small(data)
    for name in sorted(set(THRESHOLDS) - {"budget"}):  # which needs 10,000 calibration rows
        detector.settings_ = {**detector.settings_, "threshold": name, "false_alarm_rate": 0.05}
        detector.threshold_ = methods._same_rule(detector).fit(detector.calibration_scores_)
        text, _ = tell_everything(data, detector, draw=False)
        assert f"*{name}*" in text


@pytest.mark.slow
def test_a_series_without_any_event_is_told_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = bare()
    detector = fit_small(data, threshold="ksigma")
    detector.threshold_.fit(np.r_[detector.calibration_scores_, 1e6, -1e6])
    text, _ = tell_everything(data, detector)
    assert "**No event found" in text
    assert "No row is above the threshold" in text
