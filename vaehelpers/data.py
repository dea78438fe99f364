"""Series by name, from files and from arrays; scaling.

Three sources: two embedded series drawn from a seed (`vaehelpers.examples`), the Numenta Anomaly Benchmark (NAB), and
the user's own files (`vaehelpers.reading`). Nothing here goes to the network unless `fetch` is called.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from vaehelpers.errors import InputError
from vaehelpers.examples import make_plant, make_pump
from vaehelpers.progress import Progress, quiet
from vaehelpers.reading import describe, frame_to_series, read_series
from vaehelpers.series import Series
from vaehelpers.tables import read_table

__all__ = [
    "Scaler",
    "Series",
    "as_series",
    "fetch",
    "list_series",
    "load_series",
    "make_plant",
    "make_pump",
    "read_series",
    "read_tsb_ad",
]

NAB_COMMIT = "ea702d75cc2258d9d7dd35ca8e5e2539d71f3140"
NAB_URL = f"https://raw.githubusercontent.com/numenta/NAB/{NAB_COMMIT}/"
NAB_WINDOWS = "labels/combined_windows.json"

EMBEDDED = {"example": make_pump, "example-multivariate": make_plant}

_TSB_NAME = re.compile(r"_tr_(\d+)_1st_(\d+)$")


def load_series(name: str | os.PathLike[str], *, data_dir: str | os.PathLike[str] | None = None) -> Series:
    """Load a series by name, or from a file.

    Parameters
    ----------
    name : str or path-like
        ``"example"`` (`make_pump`), ``"example-multivariate"`` (`make_plant`), a NAB series such as
        ``"nab/realKnownCause/nyc_taxi"`` (`list_series` has all), or a file for `read_series`; a file called
        ``..._tr_<T>_1st_<A>.csv`` goes to `read_tsb_ad`.
    data_dir : str or path-like, optional
        Folder that holds NAB, as ``data/`` and ``labels/`` or within ``nab/``. Default: the environment variable
        ``VAEHELPERS_DATA``, else the cache folder of `fetch`.

    Returns
    -------
    Series

    Raises
    ------
    InputError
        If there is no such series or file, or the series has not been fetched. Never downloads by itself.

    Notes
    -----
    NAB labels: rows whose time lies in one of the file's windows of ``combined_windows.json``, both ends included, as
    NAB itself scores them. The TSB-AD benchmark leaves the first row of each window out.

    NAB training part: the probationary period in which NAB does not score, 15 % of the rows, at most 750.

    NAB times: seven files repeat a time (a clock change squeezed onto one value, or rounding), one turns back an hour.
    They are loaded as published, rows in order, with a note; `read_series` refuses repeated times in other files.

    Examples
    --------
    >>> load_series("example").values.shape
    (77192, 1)
    """
    text = os.fspath(name)
    if text in EMBEDDED:
        return EMBEDDED[text]()
    if text == "nab" or text.startswith("nab/"):
        key = text.removesuffix(".csv")
        if key in _nab_names():
            return _load_nab(key, data_dir)
        if not Path(text).exists():
            raise InputError(f"NAB has no series {text!r}; {_suggest(text, _nab_names())}")
    path = Path(text)
    if text == "-" or path.exists() or path.suffix or len(path.parts) > 1:
        return read_tsb_ad(path) if _TSB_NAME.search(path.stem) else read_series(text)
    known = [*EMBEDDED, *_nab_names()]
    raise InputError(f"there is no series and no file called {text!r}; {_suggest(text, known)}")


def list_series(data_dir: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """List the series that `load_series` knows by name.

    Parameters
    ----------
    data_dir : str or path-like, optional
        As in `load_series`.

    Returns
    -------
    DataFrame
        name; rows (missing where not fetched); variables; where ("embedded", the file, or "not fetched").

    Examples
    --------
    >>> listed = list_series()
    >>> len(listed)
    60
    >>> listed[["name", "rows", "variables", "where"]].head(2)
                       name   rows  variables     where
    0               example  77192          1  embedded
    1  example-multivariate   6000          5  embedded
    """
    rows: list[tuple[str, int | None, int, str]] = []
    for name, make in EMBEDDED.items():
        series = make()
        rows.append((name, series.n, series.n_features, "embedded"))
    root = _nab_root(data_dir)
    for name in _nab_names():
        path = None if root is None else root / _nab_file(name)
        if path is not None and path.is_file():
            with path.open("rb") as file:
                rows.append((name, sum(1 for line in file if line.strip()) - 1, 1, str(path)))
        else:
            rows.append((name, None, 1, "not fetched"))
    listed = pd.DataFrame(rows, columns=["name", "rows", "variables", "where"])
    return listed.astype({"rows": "Int64"})


def fetch(name: str = "nab", *, data_dir: str | os.PathLike[str] | None = None, progress: Progress = quiet) -> Path:
    """Download NAB, or one series of it, from its public repository; files that are there already are kept.

    Parameters
    ----------
    name : str, default "nab"
        ``"nab"`` for all 58 series (12 MB), or one name such as ``"nab/realKnownCause/nyc_taxi"``.
    data_dir : str or path-like, optional
        Where to put them: into ``nab/`` there. Default: ``VAEHELPERS_DATA``, else the user's cache folder.
    progress : Progress
        Called once per file.

    Returns
    -------
    Path
        The folder with ``data/`` and ``labels/``.

    Raises
    ------
    InputError
        If there is no such series, the server cannot be reached, or a file is not the one whose SHA-256 is registered.

    Examples
    --------
    >>> fetch("nab/realKnownCause/nyc_taxi")  # doctest: +SKIP
    PosixPath('.../vaehelpers/nab')
    """
    import pooch

    key = name.removesuffix(".csv")
    if key == "nab":
        files = list(_registry())
    elif key in _nab_names():
        files = [_nab_file(key), NAB_WINDOWS]
    elif key in EMBEDDED:
        raise InputError(f"{key!r} is embedded; there is nothing to fetch")
    else:
        raise InputError(f"there is no series {name!r} to fetch; {_suggest(name, ['nab', *_nab_names()])}")
    there = _nab_root(data_dir)
    if there is not None and all((there / file).is_file() for file in files):
        return there
    root = _data_folder(data_dir) / "nab"
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(path=root, base_url=NAB_URL, registry=_registry(), retry_if_failed=1)
    for done, file in enumerate(files):
        progress("fetching", done, len(files))
        try:
            store.fetch(file, downloader=pooch.HTTPDownloader(timeout=30))
        except ValueError as error:  # pooch's word for a wrong hash
            raise InputError(
                f"{NAB_URL}{file} is not the file that is registered (SHA-256); try again later"
            ) from error
        except OSError as error:  # no network, or no room
            reason = _short_reason(error)
            raise InputError(
                f"cannot fetch {file} from {NAB_URL.split('/')[2]} ({reason}); connect to the network, or name a "
                f"folder that holds NAB: --data-dir DIR (data_dir=, VAEHELPERS_DATA)"
            ) from error
    progress("fetching", len(files), len(files))
    return root


def read_tsb_ad(path: str | os.PathLike[str]) -> Series:
    """Read a series in the format of the TSB-AD benchmark.

    Parameters
    ----------
    path : str or path-like
        A file ``<anything>_tr_<T>_1st_<A>.csv`` with columns ``Data`` (or several value columns) and ``Label``. The
        first T rows are the training part; A is the first anomalous row, and is not used.

    Returns
    -------
    Series
        Without times; with labels and `train_rows`.

    Raises
    ------
    InputError
        If the name has no such ending, T exceeds the rows, or the file cannot be read.

    References
    ----------
    Liu and Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark", NeurIPS
    2024. Taught in notebooks/08_honest_evaluation.ipynb.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "001_toy_tr_2_1st_3.csv"
    >>> _ = path.write_text("Data,Label\\n1.0,0\\n1.5,0\\n9.0,1\\n")
    >>> read_tsb_ad(path)
    <Series '001_toy_tr_2_1st_3': 3 rows x 1 (Data), 1 row labelled, training part 2 rows>
    """
    path = Path(path)
    match = _TSB_NAME.search(path.name.removesuffix(".gz").removesuffix(".csv"))
    if match is None:
        raise InputError(f"{path.name} does not end in _tr_<T>_1st_<A>.csv; rename it, or use read_series")
    series = read_series(path, time="none", label="Label", allow_constant=True)
    train_rows = int(match[1])
    if not 0 < train_rows <= series.n:
        raise InputError(f"{path.name} names {train_rows} training rows, but holds {series.n} rows; correct the name")
    return replace(series, train_rows=train_rows)


def as_series(x: Any, *, name: str = "series") -> Series:
    """Make a `Series` of whatever holds one.

    Parameters
    ----------
    x : Series, DataFrame, pandas Series or array-like of shape (n,) or (n, F)
        A DataFrame is read by the rules of `read_series`. A constant series is accepted, unlike there.
    name : str, default "series"
        For what has no name of its own.

    Returns
    -------
    Series
        The same object where `x` is one already.

    Raises
    ------
    InputError
        If the values are no real, finite numbers (NaN = missing is fine), of more than 2 dimensions, or none at all.

    Examples
    --------
    >>> as_series([1, 2, 4])
    <Series 'series': 3 rows x 1 (value)>
    >>> as_series(np.zeros((2, 3, 1)))
    Traceback (most recent call last):
    ...
    vaehelpers.errors.InputError: values of shape (2, 3, 1) look like windows; give the series itself, (n, features)
    """
    if isinstance(x, Series):
        return x
    if isinstance(x, pd.Series):
        x = x.to_frame(name="value" if x.name is None else str(x.name))
    if isinstance(x, pd.DataFrame):
        if not len(x):
            raise InputError(f"the table has {x.shape[1]} columns but no rows")
        return frame_to_series(x, name=name, allow_constant=True)
    if isinstance(x, str | os.PathLike):
        raise InputError(f"{os.fspath(x)!r} is a name, not a series; load it with load_series or read_series")
    return Series(x, name=name)


class Scaler:
    """Shift each variable to mean 0 and scale it to standard deviation 1, leaving missing values out.

    Statistics are float64; what comes out is float32. A variable that is constant, or never seen, in what it was fitted
    on keeps its scale (standard deviation 1) and earns a note. Fit on the training part alone: statistics of the whole
    series let the anomalies set the scale by which they are judged.

    Attributes
    ----------
    mean_, std_ : ndarray of float64, shape (F,)
    notes_ : list of str

    See Also
    --------
    sklearn.preprocessing.StandardScaler : the same idea, without the notes and the JSON.

    Notes
    -----
    Taught in notebooks/01_windowing.ipynb.

    Examples
    --------
    >>> scaler = Scaler().fit([1.0, 3.0, float("nan")])
    >>> scaler.transform([1.0, 3.0, float("nan")]).ravel()
    array([-1.,  1., nan], dtype=float32)
    >>> scaler.inverse_transform([0.0]).ravel()
    array([2.], dtype=float32)
    >>> Scaler.from_dict(scaler.to_dict()).to_dict()
    {'mean': [2.0], 'std': [1.0]}
    """

    mean_: NDArray[np.float64]
    std_: NDArray[np.float64]
    notes_: list[str]

    def fit(self, values: ArrayLike | Series) -> Scaler:
        """Learn mean and standard deviation of each variable.

        Parameters
        ----------
        values : Series or array-like, shape (n,) or (n, F)

        Returns
        -------
        Scaler
            Itself.
        """
        x = _as_columns(values)
        present = ~np.isnan(x)
        count = present.sum(axis=0)
        total = np.where(present, x, 0.0)
        mean = total.sum(axis=0) / np.maximum(count, 1)
        deviation = np.where(present, x - mean, 0.0)
        std = np.sqrt((deviation**2).sum(axis=0) / np.maximum(count, 1))
        names = values.columns if isinstance(values, Series) else [f"variable {j}" for j in range(x.shape[1])]
        self.notes_ = []
        for j, name in enumerate(names):
            if count[j] == 0:
                self.notes_.append(f"{name} has no value in what was fitted on; it keeps its scale")
            elif std[j] <= 1e-12 * max(1.0, abs(mean[j])):
                self.notes_.append(f"{name} is constant in what was fitted on; it keeps its scale")
                std[j] = 0.0
        self.mean_, self.std_ = mean, np.where(std > 0, std, 1.0)
        return self

    def transform(self, values: ArrayLike | Series) -> NDArray[np.float32]:
        """Scale: ``(values - mean) / std``, float32 of shape (n, F); missing values stay NaN."""
        x = self._checked(values)
        x -= self.mean_
        x /= self.std_
        return x.astype(np.float32)

    def inverse_transform(self, values: ArrayLike | Series) -> NDArray[np.float32]:
        """Back to the units of the series: ``values * std + mean``, float32 of shape (n, F)."""
        x = self._checked(values)
        x *= self.std_
        x += self.mean_
        return x.astype(np.float32)

    def to_dict(self) -> dict[str, list[float]]:
        """As plain JSON: ``{"mean": [...], "std": [...]}``; floats survive the round trip bit by bit."""
        self._check_fitted()
        return {"mean": self.mean_.tolist(), "std": self.std_.tolist()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Scaler:
        """Make a scaler of what `to_dict` gave.

        Raises
        ------
        InputError
            If mean and std are not two lists of as many finite numbers, or a std is not above 0.
        """
        try:
            lists = [[float(number) for number in state[key]] for key in ("mean", "std")]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the scaler's settings are damaged ({error!r}); fit again") from error
        mean, std = lists
        if not mean or len(mean) != len(std) or not all(map(math.isfinite, mean + std)) or min(std) <= 0:
            raise InputError(
                f"the scaler's settings are damaged ({len(mean)} means, {len(std)} standard deviations, all must be "
                f"finite and the latter above 0); fit again"
            )
        scaler = cls()
        scaler.mean_, scaler.std_, scaler.notes_ = np.array(mean), np.array(std), []
        return scaler

    def _check_fitted(self) -> None:
        if not hasattr(self, "mean_"):
            raise InputError("the scaler is not fitted; call fit(values) first")

    def _checked(self, values: ArrayLike | Series) -> NDArray[np.float64]:
        self._check_fitted()
        x = _as_columns(values).copy()
        if x.shape[1] != len(self.mean_):
            raise InputError(f"{x.shape[1]} variables, but the scaler was fitted on {len(self.mean_)}; give as many")
        return x


def _as_columns(values: ArrayLike | Series) -> NDArray[np.float64]:
    """Shape (n, F); unlike a series, scaled values may be any floats, and no rows are fine."""
    x = np.asarray(values.values if isinstance(values, Series) else values, dtype=np.float64)
    if x.ndim not in (1, 2):
        raise InputError(f"values with {x.ndim} dimensions; give shape (n,) or (n, features)")
    return x[:, None] if x.ndim == 1 else x


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:
        close = [k for k in known if k.endswith("/" + name.rsplit("/", 1)[-1])][:1]
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}`vaehelpers data list` shows all"


# --------------------------------------------------------------------------------------------------------------------
# NAB


@cache
def _registry() -> dict[str, str]:
    """Path in NAB's repository -> SHA-256."""
    text = importlib.resources.files("vaehelpers").joinpath("nab_registry.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return dict(lines)


def _nab_names() -> list[str]:
    paths = [path for path in _registry() if path.endswith(".csv")]
    return [f"nab/{path.removeprefix('data/').removesuffix('.csv')}" for path in paths]


def _nab_file(name: str) -> str:
    return f"data/{name.removeprefix('nab/')}.csv"


def _data_folder(data_dir: str | os.PathLike[str] | None) -> Path:
    given = data_dir or os.environ.get("VAEHELPERS_DATA")
    if given:
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("vaehelpers"))


def _nab_root(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """The folder with ``data/`` and ``labels/``, or None where there is none."""
    folder = _data_folder(data_dir)
    for root in (folder / "nab", folder / "NAB", folder):
        if (root / NAB_WINDOWS).is_file():
            return root
    return None


def _load_nab(name: str, data_dir: str | os.PathLike[str] | None) -> Series:
    root = _nab_root(data_dir)
    file = _nab_file(name)
    if root is None or not (root / file).is_file():
        raise InputError(
            f"{name} is not in {root or _data_folder(data_dir)}; fetch it with `vaehelpers data fetch nab`, or name a "
            f"folder that holds NAB: --data-dir DIR (data_dir=, VAEHELPERS_DATA)"
        )
    table = read_table(root / file)
    notes = []
    for path in (file, NAB_WINDOWS):
        if hashlib.sha256((root / path).read_bytes()).hexdigest() != _registry()[path]:
            notes.append(f"{root / path} differs from the registered file (SHA-256)")
    try:
        windows = json.loads((root / NAB_WINDOWS).read_text(encoding="utf-8"))[file.removeprefix("data/")]
        times = pd.DatetimeIndex(pd.to_datetime(table.frame["timestamp"], format="ISO8601"), name=None).as_unit("ns")
        values = table.frame["value"].to_numpy(np.float64)
        labels = np.zeros(len(times), np.int8)
        for start, end in windows:
            labels[(times >= pd.Timestamp(start)) & (times <= pd.Timestamp(end))] = 1
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{root / file} is not as NAB published it ({error}); fetch it again") from error
    steps = np.diff(times.asi8)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        notes.append(f"as published, the time {times[row]} in line {row + 2} does not increase: rows are kept in order")
    if (values == values[0]).all():
        notes.append(f"the value is constant ({values[0]:g} in all {len(values):,} rows)")
    series = Series(
        values=values.astype(np.float32),
        times=times,
        labels=labels,
        name=name,
        columns=("value",),
        train_rows=min(int(0.15 * len(values)), 750) or None,
        time_name="timestamp",
    )
    return replace(series, notes=(*notes, *describe(series)))


def _short_reason(error: OSError) -> str:
    """requests and urllib3 nest the cause deep inside a long text."""
    text = str(error)
    for cause in (
        "Name or service not known",
        "Temporary failure in name resolution",
        "Connection refused",
        "timed out",
    ):
        if cause.lower() in text.lower():
            return cause.lower()
    found = re.search(r"\b[45]\d\d [A-Z][a-z]+(?: [A-Z][a-z]+)?", text)
    return found[0] if found else type(error).__name__
