"""Series known by name: embedded ones and downloadable ones."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pandas as pd

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.data import nab
from vaehelpers.data.machines import make_plant, make_pump
from vaehelpers.data.nab import _data_folder, _load_nab, _nab_file, _nab_names, _nab_root, _short_reason
from vaehelpers.data.reading import read_series
from vaehelpers.data.series import Series
from vaehelpers.data.tsb_ad import _TSB_NAME, read_tsb_ad

EMBEDDED = {"example": make_pump, "example-multivariate": make_plant}
"""Series that come with the package, by name, and what makes each."""


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
        files = list(nab._registry())
    elif key in _nab_names():
        files = [_nab_file(key), nab.NAB_WINDOWS]
    elif key in EMBEDDED:
        raise InputError(f"{key!r} is embedded; there is nothing to fetch")
    else:
        raise InputError(f"there is no series {name!r} to fetch; {_suggest(name, ['nab', *_nab_names()])}")
    there = _nab_root(data_dir)
    if there is not None and all((there / file).is_file() for file in files):
        return there
    root = _data_folder(data_dir) / "nab"
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(path=root, base_url=nab.NAB_URL, registry=nab._registry(), retry_if_failed=1)
    for done, file in enumerate(files):
        progress("fetching", done, len(files))
        try:
            store.fetch(file, downloader=pooch.HTTPDownloader(timeout=30))
        except ValueError as error:  # pooch's word for a wrong hash
            raise InputError(
                f"{nab.NAB_URL}{file} is not the file that is registered (SHA-256); try again later"
            ) from error
        except OSError as error:  # no network, or no room
            reason = _short_reason(error)
            raise InputError(
                f"cannot fetch {file} from {nab.NAB_URL.split('/')[2]} ({reason}); connect to the network, or name a "
                f"folder that holds NAB: --data-dir DIR (data_dir=, VAEHELPERS_DATA)"
            ) from error
    progress("fetching", len(files), len(files))
    return root


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:
        close = [k for k in known if k.endswith("/" + name.rsplit("/", 1)[-1])][:1]
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}`vaehelpers data list` shows all"
