"""One command's work: papermill runs the report notebook, and a folder with everything appears whole or not at all.

The notebook is notebooks/07_report.ipynb, in an installed package templates/07_report.ipynb; what it says is built by
`vaehelpers.findings`. Here is what stands around it: the parameters it takes, the run in a process of its own, the
single-file HTML page, the result files and the manifest.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import dataclasses
import datetime
import errno
import hashlib
import io
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.errors import InputError
from vaehelpers.files import atomic_file, atomic_folder, check_free
from vaehelpers.progress import Progress, file_progress, quiet

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from vaehelpers.detector import Detector, Explanation
    from vaehelpers.series import Series

__all__ = [
    "Parameter",
    "ReportError",
    "check_length",
    "check_parameters",
    "check_table_path",
    "default_folder",
    "detector_parameters",
    "detector_settings",
    "events_frame",
    "join_names",
    "notebook_progress",
    "open_series",
    "parameters",
    "parse_settings",
    "report",
    "save_results",
    "scores_frame",
    "split_names",
    "start_tensorflow",
    "template",
    "to_html",
    "write_json",
    "write_table",
]

PROGRESS_VARIABLE = "VAEHELPERS_PROGRESS"  # where the kernel writes how far it is
SHORTEST_WINDOW = 32  # rows, where the window is chosen by the detector
NOTEBOOK = "07_report.ipynb"
PACKAGES = (
    "vaehelpers",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "papermill",
)


class ReportError(RuntimeError):
    """The work itself failed: the notebook raised, or its kernel died. Carries the traceback in `details`."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


# ---------------------------------------------------------------- parameters


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of the report notebook, as its parameters cell declares it.

    Attributes
    ----------
    name : str
    type : str
        "str", "int", "float" or "bool".
    default : object
    help : str
        The comment behind it.
    """

    name: str
    type: str
    default: Any
    help: str


def template() -> Path:
    """Find the report notebook: the repository's own in an editable install, else the one inside the package.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ReportError
        If it is in neither place.

    Examples
    --------
    >>> template().name
    '07_report.ipynb'
    """
    package = Path(str(resources.files("vaehelpers")))
    for place in (package / "templates" / NOTEBOOK, package.parent / "notebooks" / NOTEBOOK):
        if place.is_file():
            return place
    raise ReportError(f"the report notebook {NOTEBOOK} is not part of this installation; install vaehelpers again")


def parameters(notebook: str | os.PathLike[str] | None = None) -> dict[str, Parameter]:
    """Read the parameters of the report notebook: names, types, defaults and what the comments say.

    The same as ``papermill.inspect_notebook`` (a test holds the two together) in a hundredth of the time, so that
    ``--help`` and a mistyped name are answered at once.

    Parameters
    ----------
    notebook : path, optional
        Default: `template`.

    Returns
    -------
    dict of str to Parameter
        In the order of the cell.

    Examples
    --------
    >>> parameters()["series"].type, parameters()["series"].default
    ('str', 'example')
    """
    path = template() if notebook is None else Path(notebook)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if not tagged:
        raise ReportError(f"{path} has no cell tagged parameters")
    source = "".join(tagged[0]["source"])
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            line = node.end_lineno or node.lineno
            name = node.target.id
            found[name] = Parameter(
                name, ast.unparse(node.annotation), ast.literal_eval(node.value), comments.get(line, "")
            )
    return found


def check_parameters(given: Mapping[str, Any], known: Mapping[str, Parameter] | None = None) -> dict[str, Any]:
    """Check names and types of report parameters, and what can be told about their values without any work.

    Parameters
    ----------
    given : mapping of str to object
        Values as text (from a command line) or of the right type.
    known : mapping of str to Parameter, optional
        Default: `parameters`.

    Returns
    -------
    dict of str to object
        The same names with values of the declared types.

    Raises
    ------
    InputError
        For an unknown name (with the list of known ones) or a value of another type or out of range.

    Examples
    --------
    >>> check_parameters({"timesteps": "50", "false_alarm_rate": 0.01})
    {'timesteps': 50, 'false_alarm_rate': 0.01}
    >>> check_parameters({"timesteps": "many"})
    Traceback (most recent call last):
    ...
    vaehelpers.errors.InputError: timesteps='many' is not a whole number (...)
    """
    known = parameters() if known is None else known
    checked = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"unknown parameter {name!r}{_guess(name, known)}; known are {', '.join(known)}")
        checked[name] = _convert(known[name], value)
    _check_values(checked)
    return checked


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


def _convert(parameter: Parameter, value: Any) -> Any:
    """`value` as one of the declared types ("int", "str | None", ...); text is read, other types are checked."""
    types = [part.strip().partition("[")[0] for part in parameter.type.split("|")]
    if isinstance(value, str) and "str" not in types:
        value = _read(value, types)
    if isinstance(value, list) and "tuple" in types:
        value = tuple(value)
    if "float" in types and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value).__name__ not in types and not (value is None and "None" in types):
        words = " or ".join(_KINDS.get(name, name) for name in types if name != "None")
        hint = f" ({parameter.help})" if parameter.help else ""
        raise InputError(f"{parameter.name}={value!r} is not {words}{hint}")
    return value


def _read(text: str, types: Sequence[str]) -> Any:
    word = text.strip().lower()
    if "None" in types and word in ("none", ""):
        return None
    if types[0] == "bool":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(word, text)
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text


def _check_values(values: Mapping[str, Any]) -> None:
    values = {name: value for name, value in values.items() if value is not None}
    choices = {"preset": ("fast", "accurate")}
    for name, allowed in choices.items():
        if name in values and values[name] not in allowed:
            raise InputError(f"{name}={values[name]!r} is unknown; known are {', '.join(allowed)}")
    if values.get("threshold"):
        from vaehelpers.thresholds import THRESHOLDS

        if values["threshold"] not in THRESHOLDS:
            raise InputError(f"threshold={values['threshold']!r} is unknown; known are {', '.join(sorted(THRESHOLDS))}")
    rate = values.get("false_alarm_rate", 0.0)
    if not (math.isfinite(rate) and 0.0 <= rate < 1.0):
        raise InputError(f"false_alarm_rate={rate} is a share of rows; give a number above 0 and below 1")
    for name in ("timesteps", "latent_dim", "steps", "smooth", "train_rows", "seed"):
        if name in values and values[name] < 0:
            raise InputError(f"{name}={values[name]} is negative; give a whole number of at least 1")
    if values.get("timesteps") == 1:
        raise InputError("timesteps=1 is no window; give at least 2 rows, or 0 for one period of the series")


def _guess(name: str, known: Mapping[str, Any]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def parse_settings(text: str) -> dict[str, Any]:
    """Read ``"units=16, linear_path=False"``, the form of the notebook's parameter `settings`.

    Values are Python literals; a bare word is text. Nothing is evaluated.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict of str to object

    Raises
    ------
    InputError
        If a piece is no ``name=value``.

    Examples
    --------
    >>> parse_settings("units=16, linear_path=False, decoder=state")
    {'units': 16, 'linear_path': False, 'decoder': 'state'}
    """
    found: dict[str, Any] = {}
    for piece in _split_outside_brackets(text):
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not name.isidentifier() or not value:
            raise InputError(f"settings={text!r}: {piece.strip()!r} is not NAME=VALUE")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = {"true": True, "false": False, "none": None}.get(value.lower(), value)
    return found


def _split_outside_brackets(text: str) -> list[str]:
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            pieces.append(text[start:position])
            start = position + 1
    pieces.append(text[start:])
    return [piece for piece in pieces if piece.strip()]


def split_names(text: str) -> list[str]:
    """Column names out of one comma-separated text; a name that holds a comma stands in double quotes.

    Examples
    --------
    >>> split_names('flow,"level, upper"')
    ['flow', 'level, upper']
    """
    rows = list(csv.reader([text], skipinitialspace=True))
    return [name for name in (rows[0] if rows else []) if name]


def join_names(names: Sequence[str]) -> str:
    """The inverse of `split_names`.

    Examples
    --------
    >>> join_names(["flow", "level, upper"])
    'flow,"level, upper"'
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(names)
    return out.getvalue()


# ---------------------------------------------------------------- reading


def open_series(
    source: Any,
    *,
    time: str = "",
    value: str | Sequence[str] = "",
    label: str = "",
    data_dir: str | os.PathLike[str] | None = None,
    allow_constant: bool = False,
) -> Series:
    """Read a file, standard input, or a series known by name.

    Parameters
    ----------
    source : str
        Path of a CSV or Parquet file, ``"-"``, or a name that `vaehelpers.data.list_series` lists.
    time, label : str, optional
        Columns; empty: found by `read_series`.
    value : str or sequence of str, optional
        Value columns, as text separated by commas; empty: every numeric one.
    data_dir : path, optional
        Where downloadable series lie.
    allow_constant : bool, default False
        Take a series that never changes: right for scoring (a stuck sensor), useless for training.

    Returns
    -------
    Series
        A file that lies in a copy of the Numenta benchmark (``data/GROUP/NAME.csv`` beside ``labels/``) and has no
        labels of its own gets those of the benchmark.

    Raises
    ------
    InputError
        If it cannot be read; the message says why and the way out.

    Examples
    --------
    >>> open_series("example").n
    77192
    """
    from vaehelpers.data import load_series, read_series

    values = split_names(value) if isinstance(value, str) else list(value)
    named = bool(time or values or label)
    if source == "-" or (Path(source).is_file() and (named or allow_constant)):
        data = read_series(
            source, time=time or None, values=values or None, label=label or None, allow_constant=allow_constant
        )
    else:
        data = load_series(source, data_dir=data_dir)
        if named and not Path(source).is_file():
            raise InputError(f"{source} is a known series; leave out --time, --value and --label")
    return _with_benchmark_labels(data, source)


def _with_benchmark_labels(data: Series, source: str) -> Series:
    """Labels for a file in a copy of the Numenta benchmark, by the benchmark's own reader."""
    from vaehelpers.data import load_series

    path = Path(source).absolute()
    root = path.parents[2] if len(path.parents) > 2 else path
    windows = root / "labels" / "combined_windows.json"
    if data.labels is not None or path.parents[1].name != "data" or not windows.is_file():
        return data
    try:
        known = load_series(f"nab/{path.parent.name}/{path.stem}", data_dir=root)
    except InputError:
        return data
    if known.n != data.n:
        return data
    note = f"labels are those of the Numenta benchmark ({windows.parent.name}/{windows.name} beside the file)"
    return dataclasses.replace(data, labels=known.labels, notes=(*data.notes, note))


# ---------------------------------------------------------------- result files


def scores_frame(data: Series, scores: np.ndarray, p_values: np.ndarray, flags: np.ndarray) -> pd.DataFrame:
    """Put scores beside the rows they belong to: one row per input row, in order.

    Parameters
    ----------
    data : Series
    scores, p_values : ndarray of shape (n,)
        NaN where there is no score.
    flags : ndarray of bool, shape (n,)

    Returns
    -------
    DataFrame
        Columns ``time`` (row numbers where the series has no times), the value columns, ``score``, ``p_value`` and
        ``flag`` (0 or 1). A value column that has one of these names gets ``value_`` before it.

    Examples
    --------
    >>> from vaehelpers.data import as_series
    >>> import numpy as np
    >>> data = as_series(np.array([1.0, 2.0]))
    >>> list(scores_frame(data, np.array([0.1, np.nan]), np.array([0.5, np.nan]), np.array([True, False])).flag)
    [1, 0]
    """
    import numpy as np
    import pandas as pd

    taken = {"time", "score", "p_value", "flag"}
    frame: dict[str, Any] = {"time": np.arange(data.n) if data.times is None else data.times}
    for position, column in enumerate(data.columns):
        name = str(column)
        while name in taken or name in frame:
            name = f"value_{name}"
        frame[name] = data.values[:, position]
    frame |= {"score": scores, "p_value": p_values, "flag": np.asarray(flags).astype(np.int8)}
    return pd.DataFrame(frame)


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV or Parquet, by the ending, whole or not at all.

    Examples
    --------
    >>> import pandas as pd
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_table(pd.DataFrame({"score": [1.5]}), folder / "scores.csv")
    >>> (folder / "scores.csv").read_text()
    'score\\n1.5\\n'
    >>> write_table(pd.DataFrame(), folder / "scores.xlsx")
    Traceback (most recent call last):
    ...
    vaehelpers.errors.InputError: ...scores.xlsx ends in .xlsx; known endings are .csv, .parquet and .pq
    """
    check_table_path(path)
    with atomic_file(path) as temporary:
        if Path(path).suffix.lower() == ".csv":
            frame.to_csv(temporary, index=False, lineterminator="\n")
        else:
            frame.to_parquet(temporary, index=False)


def check_table_path(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` unless `write_table` knows the ending. Call it before long work starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".parquet", ".pq"):
        raise InputError(f"{path} ends in {suffix or 'nothing'}; known endings are .csv, .parquet and .pq")


def write_json(value: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON that any reader takes: NaN and infinities become null, NumPy and pandas values plain ones.

    Examples
    --------
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "metrics.json"
    >>> write_json({"recall": np.float64(0.5), "vus_pr": np.nan}, path)
    >>> json.loads(path.read_text())
    {'recall': 0.5, 'vus_pr': None}
    """
    with atomic_file(path) as temporary:
        text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        return _plain(value.tolist())
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return value.isoformat() if value == value else None  # NaT is not equal to itself
    return str(value)


# ---------------------------------------------------------------- for the notebook


def notebook_progress() -> Progress:
    """Progress for a notebook run by `report`: written where the parent process reads it; nothing otherwise.

    Examples
    --------
    >>> notebook_progress()("training", 1, 10)
    """
    path = os.environ.get(PROGRESS_VARIABLE)
    return file_progress(path) if path else quiet


def start_tensorflow() -> None:
    """Import TensorFlow without the lines that its native code writes to stderr.

    A stored notebook holds no logs, and a command's stderr is for its own one line. Errors are raised as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def detector_parameters() -> dict[str, Parameter]:
    """Names, types and defaults of the Detector's parameters, read from its source so that TensorFlow stays out.

    Examples
    --------
    >>> detector_parameters()["units"].type
    'int | tuple[int, ...] | None'
    """
    tree = ast.parse((Path(str(resources.files("vaehelpers"))) / "detector.py").read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Detector"]
    (init,) = (node for node in classes[0].body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    arguments = [*init.args.args[1:], *init.args.kwonlyargs]
    defaults = [*init.args.defaults, *init.args.kw_defaults]
    return {
        argument.arg: Parameter(
            argument.arg,
            ast.unparse(argument.annotation or ast.Name("str")),
            ast.literal_eval(default or ast.Constant(None)),
            "",
        )
        for argument, default in zip(arguments, defaults)
    }


def detector_settings(data: Series, settings: str = "", **values: Any) -> dict[str, Any]:
    """Turn the notebook's parameters into the Detector's: 0 and "" mean what the preset says.

    Parameters
    ----------
    data : Series
        Decides what ``contamination=-1`` means: 0 where its training part is known, else 0.05.
    settings : str, optional
        Further parameters, as `parse_settings` reads them.
    **values
        Parameters of the Detector.

    Returns
    -------
    dict of str to object

    Raises
    ------
    InputError
        For a name that the Detector does not know.

    Examples
    --------
    >>> from vaehelpers.series import Series
    >>> detector_settings(Series([1.0, 2.0]), "units=16", timesteps=0, contamination=-1.0, seed=3)
    {'contamination': 0.05, 'seed': 3, 'units': 16}
    """
    known = detector_parameters()
    chosen = {
        name: value for name, value in values.items() if value not in (0, "") or name in ("seed", "contamination")
    }
    if chosen.get("contamination", 0.0) < 0:
        chosen["contamination"] = 0.0 if data.train_rows is not None else 0.05
    chosen |= parse_settings(settings)
    for name in chosen:
        if name not in known:
            raise InputError(f"unknown parameter {name!r}{_guess(name, known)}; known are {', '.join(known)}")
    return chosen


def save_results(
    folder: str | os.PathLike[str], data: Series, detector: Detector, found: Explanation, numbers: Mapping[str, Any]
) -> list[str]:
    """Write scores.csv, events.csv, metrics.json and the detector; what lies there from an earlier run is replaced.

    Parameters
    ----------
    folder : path
        Made where it is missing.
    data : Series
    detector : Detector
    found : Explanation
    numbers : mapping
        From `vaehelpers.findings.collect_metrics`.

    Returns
    -------
    list of str
        Names of what was written.
    """
    place = Path(folder)
    write_table(scores_frame(data, found.scores, found.p_values, found.flags), place / "scores.csv")
    write_table(events_frame(data, found), place / "events.csv")
    write_json(numbers, place / "metrics.json")
    detector.save(place / "detector", force=True)
    return ["scores.csv", "events.csv", "metrics.json", "detector/"]


def events_frame(data: Series, found: Explanation) -> pd.DataFrame:
    """The events as events.csv has them: in order of time, where there are labels with the kinds they overlap."""
    from vaehelpers.findings import labelled_events

    front = ["start", "end", "peak", "score", "p_value", "n_points", "contributed"]
    table = found.events[[*front, *(name for name in found.events if name not in front)]].copy()
    if data.labels is not None:
        labelled = labelled_events(data)
        kinds = [
            sorted(set(labelled["kind"][(labelled["first"] <= last) & (labelled["last"] >= first)].astype(str)))
            for first, last in zip(table["first"], table["last"])
        ]
        table.insert(7, "label", ["; ".join(several) for several in kinds])
    return table


# ---------------------------------------------------------------- the run


def default_folder(name: str) -> Path:
    """The first free of ``runs/NAME``, ``runs/NAME-2``, ...

    Examples
    --------
    >>> default_folder("no/such series").as_posix()
    'runs/no-such-series'
    """
    words = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip("-.") or "report"
    folder, number = Path("runs") / words, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{words}-{number}"
    return folder


def report(
    series: str = "example",
    out: str | os.PathLike[str] | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    force: bool = False,
    command: Sequence[str] | None = None,
    progress: Progress = quiet,
) -> Path:
    """Write a report: executed notebook, single-file HTML page, scores, events, detector, metrics and manifest.

    Parameters
    ----------
    series : str, default "example"
        CSV or Parquet file, ``"-"`` for standard input, or the name of a known series.
    out : path, optional
        Folder to make. Default: `default_folder` of the series' name.
    values : mapping of str to object, optional
        Parameters of the notebook (`parameters`), except series and out.
    data_dir : path, optional
        Where downloadable series lie.
    force : bool, default False
        Replace an existing folder.
    command : sequence of str, optional
        The command line, for the manifest.
    progress : Progress, optional

    Returns
    -------
    pathlib.Path
        ``report.html`` inside the folder.

    Raises
    ------
    InputError
        If the input cannot be used. Whatever can be told without TensorFlow is told before it starts.
    ReportError
        If the work failed. Nothing is left behind.

    Notes
    -----
    The notebook runs in a process of its own, in the folder that is being made; the caller's working directory and
    environment stay as they are. Lesson: notebooks/07_report.ipynb.
    """
    begin = _now()
    known = parameters()
    chosen = check_parameters(values or {}, known)
    for name in ("series", "out"):
        if name in chosen:
            raise InputError(f"the parameter {name} is set by the command itself; leave it out of --set")
    if out is not None:
        check_free(out, force=force)
    with tempfile.TemporaryDirectory(prefix="vaehelpers-") as scratch:
        source, file = _locate(series, Path(scratch))
        data = open_series(
            source, time=chosen.get("time", ""), value=chosen.get("value", ""), label=chosen.get("label", ""),
            data_dir=data_dir,
        )  # fmt: skip
        check_length(data, chosen)
        progress("reading", 1, 1)
        folder = Path(out) if out is not None else default_folder("stdin" if series == "-" else data.name)
        with _disk_errors(folder), atomic_folder(folder, force=force) as temporary:
            given = {"series": source, **chosen, "out": "."}
            title, head = f"{data.name}: anomaly report", _head(data, series, begin)
            _run_notebook(given, temporary, Path(scratch), title, head, data_dir, progress)
            manifest = _manifest(series, file, data, given, known, command, begin)
            write_json(manifest, temporary / "manifest.json")
    return folder / "report.html"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _head(data: Series, series: str, begin: datetime.datetime) -> str:
    """The title of this report, in place of the template's own."""
    from vaehelpers.narrative import escape_markdown

    source = "standard input" if series == "-" else escape_markdown(Path(series).name)
    made = f"{begin.astimezone():%Y-%m-%d %H:%M %Z} by vaehelpers {_version('vaehelpers')}"
    return (
        f"# {escape_markdown(data.name)}: anomaly report\n\n"
        f"> What is unusual in this series, how surprising it is, and how far to trust the answer.\n\n"
        f"Made from {source} on {made}."
    )


def _locate(series: str, scratch: Path) -> tuple[str, Path | None]:
    """Turn `series` into what the notebook reads, whatever its working directory: an absolute path or a known name."""
    if series == "-":
        spooled = scratch / "stdin.csv"
        with spooled.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with spooled.open("rb") as file:
            if file.read(4) == b"PAR1":
                spooled = spooled.rename(scratch / "stdin.parquet")
        return str(spooled), spooled
    path = Path(series)
    if path.is_file():
        return str(path.resolve()), path
    return series, None


def check_length(data: Series, chosen: Mapping[str, Any]) -> None:
    """Raise `InputError` if the series is too short for its windows or `train_rows`. Call it before TensorFlow."""
    from vaehelpers.windows import dominant_period

    train_rows = chosen.get("train_rows", 0)
    if train_rows > data.n:
        raise InputError(f"train_rows={train_rows} is more than the series has ({data.n} rows); use at most {data.n}")
    rows = train_rows or data.train_rows or data.n
    timesteps = chosen.get("timesteps") or max(SHORTEST_WINDOW, dominant_period(data.values[:rows]))
    if timesteps > rows:
        raise InputError(
            f"timesteps={timesteps} is longer than the part to learn from ({rows} rows); give more rows, or set "
            f"timesteps to at most {rows}"
        )


class _disk_errors:
    """Say what a full disk is: a place that cannot take the result, so bad input, in one line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            raise InputError(
                f"cannot write to {self.folder}: {os.strerror(error.errno or 0)}; make room or choose another place"
            ) from error


def _run_notebook(
    given: Mapping[str, Any],
    folder: Path,
    scratch: Path,
    title: str,
    head: str,
    data_dir: str | os.PathLike[str] | None,
    progress: Progress,
) -> None:
    job = {
        "template": str(template()),
        "folder": str(folder.resolve()),
        "parameters": dict(given),
        "title": title,
        "head": head,
        "result": str(scratch / "result.json"),
    }
    progress_file = scratch / "progress.jsonl"
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        **os.environ,
        PROGRESS_VARIABLE: str(progress_file),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel is this very Python, whatever else is registered as python3
        "PYTHONWARNINGS": "ignore",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    if data_dir is not None:
        environment["VAEHELPERS_DATA"] = str(Path(data_dir).resolve())
    code = "from vaehelpers.report import _execute; _execute()"
    log = scratch / "papermill.log"
    with log.open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr,
            env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps(job).encode())
            child.stdin.close()
            _follow(child, progress_file, progress)
        finally:
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
    result = _read_result(scratch / "result.json")
    if result is None:
        details = log.read_text(encoding="utf-8", errors="replace")
        raise ReportError(f"the process that runs the notebook ended with status {child.returncode}", details)
    if result["error"]:
        _raise_again(result["error"], result["message"], result["details"], result["errno"])


def _follow(child: subprocess.Popen[bytes], path: Path, progress: Progress) -> None:
    seen = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=0.2)
        if path.exists():
            with path.open("rb") as file:
                file.seek(seen)
                lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            seen += len(whole)
            for line in whole.splitlines():
                progress(*json.loads(line))
        if child.poll() is not None:
            return


def _read_result(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _raise_again(name: str, message: str, details: str, number: int | None) -> None:
    if name == "InputError":
        raise InputError(message)
    if number is not None:
        raise OSError(number, message)
    if name == "DeadKernelError":
        raise ReportError("the notebook's kernel died, most likely for want of memory", details)
    first = message.strip().splitlines()[0] if message.strip() else "no message"
    raise ReportError(f"{name} in the report notebook: {first}", details)


def _execute() -> None:
    """Run one notebook and export it; the child process of `_run_notebook`. Reads its job from stdin."""
    import traceback

    job = json.load(sys.stdin)
    outcome: dict[str, Any] = {"error": "", "message": "", "details": "", "errno": None}
    try:
        _execute_and_export(job)
    except Exception as error:
        outcome = {
            "error": getattr(error, "ename", type(error).__name__),
            "message": getattr(error, "evalue", str(error)),
            "details": "\n".join(getattr(error, "traceback", [])) or traceback.format_exc(),
            "errno": error.errno if isinstance(error, OSError) else None,
        }
        if outcome["error"] == "OSError" and outcome["message"].startswith("[Errno "):
            outcome["errno"] = int(outcome["message"][7:].split("]")[0])
    Path(job["result"]).write_text(json.dumps(outcome), encoding="utf-8")


def _execute_and_export(job: Mapping[str, Any]) -> None:
    import nbformat
    import papermill

    folder = Path(job["folder"])
    source = nbformat.read(job["template"], as_version=4)
    for cell in source.cells:
        if "title" in cell.metadata.get("tags", []):
            cell.source = job["head"]
    progress = notebook_progress()

    def count(cell: Any, cell_index: int, **_: Any) -> None:
        progress("cells", cell_index + 1, len(source.cells) + 1)  # one more: the injected parameters

    progress("cells", 0, len(source.cells) + 1)
    notebook = papermill.execute_notebook(
        source,
        None,
        parameters=job["parameters"],
        kernel_name="python3",
        progress_bar=False,
        log_output=False,
        cwd=str(folder),
        on_cell_executed=count,
        config=_kernel_config(Path(job["result"]).parent),
    )
    notebook.metadata["title"] = job["title"]
    notebook.metadata.papermill.update(input_path=NOTEBOOK, output_path="report.ipynb")
    with (folder / "report.ipynb").open("w", encoding="utf-8") as file:
        nbformat.write(notebook, file)
    (folder / "report.html").write_text(to_html(notebook, title=job["title"]), encoding="utf-8")


def _kernel_config(folder: Path) -> Any:
    """Reach the kernel by sockets in our own folder: kernels that start side by side cannot take each other's port."""
    from traitlets.config import Config

    connection = str(folder / "kernel.json")
    # a socket's path has at most 107 bytes, and "-ipc-5" comes behind
    possible = sys.platform == "linux" and len(os.fsencode(connection)) < 100
    return Config({"KernelManager": {"transport": "ipc", "connection_file": connection}} if possible else {})


# ---------------------------------------------------------------- HTML


def to_html(notebook: Any, *, title: str) -> str:
    """Turn an executed notebook into one HTML page: no script, nothing loaded from anywhere, formulas as MathML.

    Code is folded away and can be opened cell by cell. Pictures carry their alternative text. HTML in Markdown is
    shown as text, so that a column name out of a file cannot bring markup into the page.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        With outputs.
    title : str

    Returns
    -------
    str

    Examples
    --------
    >>> import nbformat
    >>> cell = nbformat.v4.new_markdown_cell("# Pump\\n$\\\\sigma^2$ <script>alert(1)</script>")
    >>> page = to_html(nbformat.v4.new_notebook(cells=[cell]), title="Pump")
    >>> "<math" in page, "<script" in page, "<title>Pump</title>" in page
    (True, False, True)
    """
    from mistune.plugins import import_plugin
    from nbconvert.exporters.html import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return _mathml(body, "inline")

        def block_math(self, body: str) -> str:
            return _mathml(body, "block")

        def latex_environment(self, name: str, body: str) -> str:
            return _mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    class Exporter(HTMLExporter):
        def markdown2html(self, context: Any = None, source: str = "") -> str:
            renderer = Renderer(escape=True, allow_harmful_protocols=False, anchor_link_text="#")
            return MarkdownWithMath(renderer=renderer, plugins=[import_plugin("table")]).render(source)

        def default_filters(self) -> Any:
            yield from super().default_filters()
            yield ("markdown2html", lambda source: self.markdown2html(None, source))

    base = Path(str(resources.files("vaehelpers")))
    exporter = Exporter(template_name="html_template", extra_template_basedirs=[str(base)])
    notebook.metadata["title"] = title
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return page


def _mathml(body: str, display: str) -> str:
    from html import escape

    from latex2mathml.converter import convert

    try:
        return convert(body, display=display)
    except Exception:  # whatever it cannot read is shown as it was written
        return f"<code>{escape(body)}</code>"


# ---------------------------------------------------------------- manifest


def _manifest(
    series: str,
    file: Path | None,
    data: Series,
    given: Mapping[str, Any],
    known: Mapping[str, Parameter],
    command: Sequence[str] | None,
    begin: datetime.datetime,
) -> dict[str, Any]:
    end = _now()
    every = {name: parameter.default for name, parameter in known.items()} | dict(given)
    every["series"] = series
    every.pop("out", None)
    return {
        "command": list(command) if command is not None else None,
        "parameters": every,
        "seed": every.get("seed"),
        "data": {
            "source": series,
            "sha256": _file_hash(file) if file is not None else None,
            "values_sha256": hashlib.sha256(data.values.tobytes()).hexdigest(),
            "rows": data.n,
            "columns": list(data.columns),
        },
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "start": begin.isoformat(timespec="seconds"),
        "end": end.isoformat(timespec="seconds"),
        "seconds": round((end - begin).total_seconds(), 1),
        "exit_status": 0,
    }


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
