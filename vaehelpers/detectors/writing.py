"""Write the scores of a spooled series, part by part."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers.common.files import atomic_file
from vaehelpers.common.output import check_table_path
from vaehelpers.common.progress import Progress, quiet
from vaehelpers.detectors.spool import Spool
from vaehelpers.detectors.tables import scores_frame

if TYPE_CHECKING:
    from vaehelpers.detectors.outofcore import Judged
    from vaehelpers.detectors.vae import Detector


def write_scores(
    detector: Detector,
    spool: Spool,
    path: str | os.PathLike[str],
    *,
    rows: int = 250_000,
    skip: int = 0,
    progress: Progress = quiet,
) -> Judged:
    """Score a spooled series and write the table that `vaehelpers score` writes, part by part, whole or not at all.

    Parameters
    ----------
    detector : Detector
    spool : Spool
    path : str or path-like
        Ends in .csv, .parquet or .pq.
    rows : int, default 250,000
        Rows in memory at a time, with a window's length and the smoothing around them.
    skip : int, default 0
        Leading rows that are context, and not written.
    progress : Progress, optional
        Called as ``progress("scoring", rows done, n)``.

    Returns
    -------
    Judged
        Scores, flags and events of all rows, those that were skipped too.

    Raises
    ------
    InputError
        If no row can be scored.

    Examples
    --------
    >>> import tempfile
    >>> from vaehelpers.data import Series
    >>> from vaehelpers.detectors import Detector
    >>> wave = np.sin(np.arange(600) / 3)
    >>> detector = Detector(timesteps=10, units=4, steps=5, smooth=1).fit(wave)
    >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> with Spool(path.parent) as spool:
    ...     spool.append(Series(wave, columns=("value",)))
    ...     judged = write_scores(detector, spool, path, rows=100)
    >>> pd.read_csv(path).shape
    (600, 5)
    """
    from vaehelpers.detectors.outofcore import judge_parts

    check_table_path(path)
    judged = judge_parts(
        detector, spool.values, spool.n, times=spool.times(), gaps=spool.gaps(), rows=rows, progress=progress
    )
    chances = detector.p_values(judged.scores)  # of all at once: a rule may remember the rows before
    with atomic_file(path) as temporary, _table_writer(temporary) as write:
        for first in range(skip, spool.n, rows):
            here = slice(first, min(first + rows, spool.n))
            data = spool.part(here.start, here.stop)
            frame = scores_frame(data, judged.scores[here], chances[here], judged.flags[here])
            if spool.exact:  # a part may happen to need no double precision; the column has one type
                held = frame.columns[1 : 1 + data.n_features]
                frame[held] = frame[held].astype(np.float64)
            if data.times is None:
                frame["time"] += first - skip
            elif isinstance(data.times, pd.DatetimeIndex) and temporary.suffix.lower() == ".csv":
                frame["time"] = spool.as_text(data.times)
            write(frame)
    return judged


@contextlib.contextmanager
def _table_writer(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    if path.suffix.lower() == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            yield lambda frame: frame.to_csv(file, index=False, lineterminator="\n", header=not file.tell())
        return
    import pyarrow
    import pyarrow.parquet

    writer: Any = None

    def write(frame: pd.DataFrame) -> None:
        nonlocal writer
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
