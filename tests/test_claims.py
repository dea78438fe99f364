"""What README and docs claim is held to the code and to the tables that runs left: nothing there may drift."""

import importlib.util
import itertools
import json
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from packaging.specifiers import SpecifierSet

from vaehelpers.bench.paired import paired_interval
from vaehelpers.commands import cli
from vaehelpers.detectors.settings import DEFAULT_PRESET, DETECTOR_PARAMETERS, PRESETS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DRAFT = ROOT / "docs/README.draft.md"
FRONTS = [path for path in (ROOT / "README.md", DRAFT) if path.exists()]
COPIES = {"contributing.md", "changelog.md"}  # made by `make docs`
DOCS = [path for path in (ROOT / "docs").glob("*.md") if path.name not in COPIES and path != DRAFT]
PAGES = sorted([*FRONTS, *DOCS, *(ROOT / "docs/howto").glob("*.md"), ROOT / "CONTRIBUTING.md"])
NUMBER = re.compile(r"[+-]?\d+\.\d{2,}")
BENCH = ROOT / "docs/results/nab23-fast/bench.md"
front = pytest.mark.parametrize("path", FRONTS, ids=lambda path: path.name)


def text_of(path):
    return path.read_text(encoding="utf-8")


def row_of(path, words):
    """The line of a table that begins with these words."""
    return next(line for line in text_of(path).splitlines() if line.startswith(f"| {words}"))


def means(folder):
    """Mean VUS-PR of each method from the rows of single series and seeds, not from a table of means."""
    frame = pd.read_csv(ROOT / f"docs/results/{folder}/bench.csv")
    seeds = frame.groupby(["method", "file"])["vus_pr"].mean()
    return seeds.groupby("method").mean().round(3)


# -- detection -----------------------------------------------------------------------------------------------------


@front
def test_detection_is_what_the_tables_say(path):
    row = row_of(path, "detection on TSB-AD")
    accurate, fast = means("nab23"), means("nab23-fast")
    published = (
        pd.read_csv(ROOT / "docs/results/nab23/means.csv").query("kind == 'published'").set_index("method")["vus_pr"]
    )
    own = fast.drop("vae")
    wanted = [fast["vae"], accurate["vae"], own.max(), fast["moving_zscore"], published.max()]
    assert list(map(float, NUMBER.findall(row))) == wanted
    assert own["pca16"] == own["kmeans"] == own.max()
    assert f"{published.idxmax()}, {published.max()}" in row
    files = pd.read_csv(ROOT / "docs/results/nab23/bench.csv")["file"].nunique()
    assert f"{files} series" in row
    if said := re.search(r"best of (\d+) published", row):
        assert int(said[1]) == len(published)


@front
def test_intervals_follow_from_the_rows(path):
    """Each difference with its interval is that of the VAE to one of our baselines, or on the run's page."""
    frame = pd.read_csv(ROOT / "docs/results/nab23-fast/bench.csv")
    table = frame.pivot_table("vus_pr", "file", "method", aggfunc="mean")
    known = set(re.findall(r"difference (\S+), 95 % interval (\S+) to ([+-][\d.]+\d)", text_of(BENCH)))
    for method in table.columns.drop("vae"):
        gap = table["vae"] - table[method]
        known.add(tuple(f"{value:+.3f}" for value in (gap.mean(), *paired_interval(gap))))
    said = re.findall(r"([+-]\d\.\d+) \(([+-]\d\.\d+) to ([+-]\d\.\d+)\)", row_of(path, "how sure that is"))
    assert len(said) >= 2
    assert set(said) <= known


@front
def test_an_interval_that_holds_zero_is_called_so(path):
    for low, high in re.findall(r"\(([+-]\d\.\d+) to ([+-]\d\.\d+)\)", row_of(path, "how sure that is")):
        if float(low) < 0 < float(high):
            assert re.search(rf"{re.escape(high)}\)[^|]*hold(s)? zero", row_of(path, "how sure that is"))


def test_tables_of_means_follow_from_the_rows():
    for folder in ("nab23", "nab23-fast"):
        table = pd.read_csv(ROOT / f"docs/results/{folder}/means.csv").query("kind != 'published'")
        listed = table.set_index("method")["vus_pr"]
        pd.testing.assert_series_equal(listed, means(folder)[listed.index], check_names=False, atol=1.1e-3)


# -- alarms --------------------------------------------------------------------------------------------------------


def table_of(name):
    """A table of docs/results as a DataFrame of text, with its first column as the index."""
    lines = [x for x in text_of(ROOT / "docs/results" / name).splitlines() if x.startswith("| ") and "---" not in x]
    cells = [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in lines]
    return pd.DataFrame([row[: len(cells[0])] for row in cells[1:]], columns=cells[0])


def test_pages_hold_the_tables_that_benchmarks_printed():
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "docs/make_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    marked = [page for page in DOCS if module.MARK.search(text_of(page))]
    assert marked
    for page in marked:
        assert module.filled(text_of(page)) == text_of(page), f"{page.name}: run python docs/make_tables.py"


def test_what_is_said_of_normal_series_is_in_the_table():
    table = table_of("alarms/normal.md")
    kept = table["at most 3 times"].str.rstrip("%").astype(int)
    said = text_of(ROOT / "docs/alarms.md").split("## How")[0]
    assert f"in at least {kept.min()} % of the runs of each" in said
    assert table["rows"].nunique() == 4 and "four sizes" in said
    kinds = {16: "sixteen"}[table["series"].nunique()]
    assert f"{kinds} kinds" in " ".join(said.split())


def test_what_is_said_of_change_is_in_the_table():
    table = table_of("alarms/change.md")
    quiet = table["change"].str.startswith("none")
    assert (quiet.sum(), (~quiet).sum()) == (3, 7)
    stays, follows = (table.iloc[:, column].str.rstrip("%").astype(int) for column in (5, 6))
    said = " ".join(text_of(ROOT / "docs/alarms.md").split("## When the series changes")[1].split())
    assert f"stays finds {stays[~quiet].mean():.0f} % of the faults" in said
    assert f"follows finds {follows[~quiet].mean():.0f} %" in said
    assert (table.iloc[:, 1] == table.iloc[:, 2])[quiet].all() and (stays == follows)[quiet].all()


def test_what_is_said_of_the_machines_is_in_the_table():
    lines = [x for x in text_of(ROOT / "docs/results/alarms/smd.md").splitlines() if x.startswith("| 1 |")]
    stays = [round(float(line.split("|")[7].strip().rstrip("%"))) for line in lines]
    said = " ".join(text_of(ROOT / "docs/alarms.md").split("## Two machines")[1].split())
    assert f"would put {stays[0]} % and {stays[1]} % of the normal rows inside incidents" in said
    assert all("doubtful" in line for line in lines) and "**Both are doubtful" in said


def test_what_is_said_of_nab_is_in_the_table():
    table = table_of("alarms/nab.md").set_index("line")
    ours = table.loc["at most 1 per 10,000 rows, 13 files without a promise silent"]
    shares = {name: f"{100 * float(ours[name]):.0f} %" for name in ("precision", "windows hit")}
    said = " ".join(text_of(ROOT / "docs/alarms.md").split("## How")[0].split())
    assert f"raised {ours['false per 10,000 rows']} false events" in said
    assert f"{shares['precision']} of its events" in said
    board = table[~table.index.str.startswith("at most")]["windows hit"].astype(float)
    low, high = (f"{100 * share:.0f}" for share in (board.min(), board.max()))
    assert f"It hit **{shares['windows hit']} of the windows; the board's detectors hit {low} to {high} %**" in said
    row = row_of(ROOT / "README.md", "false alarms realised on NAB")
    assert f"{ours['false per 10,000 rows']} per 10,000 rows; {shares['precision']} of {ours['events']} events" in row
    assert f"{shares['windows hit']} of 116 windows" in row


def test_lstm_or_dense_follows_from_the_rows():
    made = runpy.run_path(str(ROOT / "docs/make_recurrence.py"))
    text = text_of(ROOT / "docs/tuning.md")
    for table in made["tables"](made["results"]()):
        assert table in text


def searched(name):
    """VUS-PR of each series by model and change, mean over seeds."""
    rows = pd.read_csv(ROOT / f"docs/results/search/{name}.csv")
    return rows.pivot_table(index="series", columns=["model", "change"], values="vus_pr")


def test_what_is_said_of_layer_norm_follows_from_the_rows():
    found, said = searched("layer-norm")["fast"], " ".join(text_of(ROOT / "docs/tuning.md").split())
    plain, normed = found["as it is"], found["layer-norm"]
    assert len(found) == 11 and normed.mean() > searched("together")["accurate", "as it is"].mean()
    shown = [f"{name} rises from {plain[name]:.2f} to {normed[name]:.2f}" for name in ("T04",)]
    shown += [f"{name} from {plain[name]:.2f} to {normed[name]:.2f}" for name in ("T11", "T05")]
    assert all(text in said for text in shown), shown
    assert (normed - plain).min() > -0.02 and "no series loses more than 0.02" in said


def test_that_the_gain_of_layer_norm_does_not_carry_over_follows_from_the_rows():
    said = " ".join(text_of(ROOT / "docs/tuning.md").split())
    each = {}
    for folder in ("nab23-fast", "nab23-layer-norm"):
        rows = pd.read_csv(ROOT / f"docs/results/{folder}/bench.csv").query("method == 'vae'")
        assert rows.groupby("seed")["file"].nunique().tolist() == [23, 23, 23]
        each[folder] = rows.groupby("file")["vus_pr"].mean().rename(lambda name: name[:3])
    plain, normed = each["nab23-fast"], each["nab23-layer-norm"]
    assert f"{normed.mean():.3f}, against {plain.mean():.3f} without" in said
    worst = (normed - plain).nsmallest(2)
    assert all(f"{name} ({plain[name]:.2f} to {normed[name]:.2f})" in said for name in worst.index), worst
    assert worst.sum() < 0.5 * (normed - plain).sum()


def test_what_is_said_of_damage_and_averages_follows_from_the_rows():
    changes, said = searched("changes"), " ".join(text_of(ROOT / "docs/tuning.md").split())
    before, after = (
        [changes[model, change]["T05"] for model in ("fast", "lstm")] for change in ("as it is", "masked-0.1")
    )
    texts = (f"T05 falls from {before[0]:.2f} to {after[0]:.2f}", f"from {before[1]:.2f} to {after[1]:.2f} with `lstm`")
    assert all(text in said for text in texts), texts
    means = searched("together").mean()
    best = {name: means[name, "as it is"] for name in ("fast", "accurate", "lstm")}
    averages = {key: mean for key, mean in means.items() if key[1] != "as it is"}
    assert len(averages) == 14
    for (model, _), mean in averages.items():
        assert mean - max(best[name] for name in best if name in model) < 0.01
        assert mean - best["accurate"] < 0.002
    assert f"Three `lstm` models together reach {means['3 x lstm', 'windows']:.3f}" in said


@pytest.mark.parametrize("path", ["README.md", "notebooks/00_start_here.ipynb"])
def test_that_recurrence_does_not_pay_is_in_the_tables(path):
    rows = {name: pd.read_csv(ROOT / f"docs/results/tuning-{name}/bench.csv") for name in ("lstm", "fast")}
    ours = {name: part[part["method"] == method] for (name, part), method in zip(rows.items(), ("vae-lstm", "vae"))}
    scores = [part.groupby("file")["vus_pr"].mean().mean() for part in ours.values()]
    times = ours["lstm"]["fit_seconds"].mean() / ours["fast"]["fit_seconds"].mean()
    assert re.search("VUS-PR {:.3f} (and|against)\\s{:.3f}".format(*scores), text_of(ROOT / path))
    assert 3.4 < times < 4.0 and "nearly four times" in text_of(ROOT / path)


# -- speed ---------------------------------------------------------------------------------------------------------


def speed(title):
    """Windows per second of ours, Keras and PyTorch, and the two ratios, by batch, as docs/performance.md has them."""
    part = text_of(ROOT / "docs/performance.md").split(title)[1]
    rows = re.findall(r"^\| (50|128|512|each at its best) \|(.*)\|$", part, re.MULTILINE)[:4]
    return {batch: [float(cell.replace(",", "")) for cell in cells.split("|")] for batch, cells in rows}


@front
def test_speed_is_what_the_performance_page_says(path):
    training, scoring = speed("### Training: windows per second"), speed("### Scoring (encode and decode once)")
    said = list(map(float, re.findall(r"\d\.\d", row_of(path, "training an LSTM-VAE"))))
    assert said == [round(training[batch][3], 1) for batch in ("50", "128", "512")] + [
        round(training["each at its best"][4], 1)
    ]
    row = row_of(path, "scoring with an LSTM-VAE")
    exported = re.search(r"^\| OpenVINO .*$", text_of(ROOT / "docs/performance.md"), re.MULTILINE)[0].split("|")[5]
    assert re.findall(r"\d\.\d", row) == [f"{scoring['each at its best'][3]:.1f}", f"{float(exported):.1f}"]
    assert ("half of PyTorch" in row) == (abs(scoring["each at its best"][4] - 0.5) < 0.05)


@pytest.mark.parametrize("title", ["### Training: windows per second", "### Scoring (encode and decode once)"])
def test_ratios_follow_from_windows_per_second(title):
    for ours, keras, torch, to_keras, to_torch in speed(title).values():
        assert np.isclose(ours / keras, to_keras, atol=0.006)
        assert np.isclose(ours / torch, to_torch, atol=0.006)


# -- what there is -------------------------------------------------------------------------------------------------


@front
def test_the_default_model_is_named_as_what_it_is(path):
    assert PRESETS[DEFAULT_PRESET]["encoder"] == PRESETS[DEFAULT_PRESET]["decoder"] == "dense"
    assert "dense" in text_of(path).split("##")[0]


@front
def test_the_files_of_a_report_are_listed(path):
    source = "".join(text_of(one) for one in sorted((ROOT / "vaehelpers/report").glob("*.py")))
    left = set(re.search(r'return \["scores\.csv", (.*)\]', source)[0].split('"')[1::2])
    left |= {"report.ipynb", "manifest.json"}
    table = text_of(path).split("| file | holds |")[1].split("\n\n")[0]
    listed = {name for line in table.splitlines() for name in re.findall(r"`([^`]+)`", line.partition(" | ")[0])}
    assert listed == left


@front
def test_every_lesson_is_listed_once(path):
    there = sorted(one.name for one in (ROOT / "notebooks").glob("*.ipynb"))
    rows = re.findall(r"^\| \[[^\]]*\]\((?:\.\./)?notebooks/([^)]+)\)", text_of(path), re.MULTILINE)
    assert sorted(rows) == there


@front
def test_pythons_are_those_of_the_package(path):
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    promised = [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in allowed]
    assert f"Python {promised[0]} to {promised[-1]}" in text_of(path)


@front
def test_the_embedded_series_has_the_rows_that_are_said(path):
    from vaehelpers import load_series

    series = load_series("example")
    for rows, columns in re.findall(r"\.values \((\d+), (\d+)\)", text_of(path)):
        assert (int(rows), int(columns)) == series.values.shape
    batches = 77_093 // 50
    assert f"77,093 = {batches:,} x 50 + {77_093 - 50 * batches}" in text_of(path)


def test_the_museum_has_as_many_exhibits_as_its_lesson_says():
    from vaehelpers.contracts.museum import EXHIBITS

    words = {14: "fourteen", 15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen"}
    cells = json.loads(text_of(ROOT / "notebooks/10_bug_museum.ipynb"))["cells"]
    prose = " ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown").lower()
    said = {word for word in words.values() if re.search(rf"{word} exhibits", prose)}
    assert said == {words[len(EXHIBITS) + 2]}  # two more are faults of books under Keras 3, shown without a class


# -- commands and links --------------------------------------------------------------------------------------------


def shown_commands():
    """Every `vaehelpers ...` line of a fenced block, with its page."""
    for path in PAGES:
        for block in re.findall(r"```[a-z]*\n(.*?)```", text_of(path), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if match := re.search(r"(?:^|\| )vaehelpers +(?=[a-z])(.*)", line):
                    words = match[1].split(" #")[0].split(" > ")[0].split("&&")[0]
                    yield path.name, shlex.split(words)


def known_options(words):
    command: click.Command = cli.cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"no command {words[0]}"
        command, words = found, words[1:]
    return {option for parameter in command.params for option in parameter.opts}, words


@pytest.mark.parametrize(
    ("page", "words"), [pytest.param(*one, id=f"{one[0]}-{i}") for i, one in enumerate(shown_commands())]
)
def test_shown_commands_and_options_exist(page, words):
    known, rest = known_options(words)
    unknown = [word.partition("=")[0] for word in rest if word.startswith("--")]
    assert not [word for word in unknown if word not in known and word != "--help"]
    for flag, value in itertools.pairwise(rest):
        if flag == "--set":
            assert value.partition("=")[0] in DETECTOR_PARAMETERS


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_local_links_of_pages_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        if re.match(r"[a-z]+:|#", link):
            continue
        assert (path.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_tables_are_whole(path):
    """A row without a head above it, as after a stray empty line, is shown as text."""
    lines = ["", *re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL).splitlines(), ""]
    for before, line, after in zip(lines, lines[1:], lines[2:]):
        if line.startswith("|") and not before.startswith("|"):
            assert re.match(r"\|[\s:|-]+\|$", after), line[:60]
