"""Parquet files to tables, at once or part by part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from vaehelpers.common.errors import InputError
from vaehelpers.data import kinds
from vaehelpers.data.sources import Source, Table, first_line, refuse_repeats


def read_parquet(source: Source) -> Table:
    """Read the whole file."""
    # pyarrow itself rather than pandas: two columns of one name must be seen, and its faults are told apart from ours.
    import pyarrow.parquet

    with _bad_parquet(source), source.open() as file:
        opened = pyarrow.parquet.ParquetFile(file)
        kinds.refuse_size(source.label, opened.metadata.num_rows, opened.metadata.num_columns)
        refuse_repeats(opened.schema_arrow.names, source.label)
        if not opened.metadata.num_rows:
            raise InputError(f"{source.label} has columns but no rows")
        frame = opened.read().to_pandas()
        return _typed_table(frame, source)


def parquet_parts(source: Source, rows: int) -> Iterator[Table]:
    """Read so many rows at a time."""
    import pyarrow.parquet

    with source.open() as file:
        with _bad_parquet(source):
            opened = pyarrow.parquet.ParquetFile(file)
            refuse_repeats(opened.schema_arrow.names, source.label)
            if not opened.metadata.num_rows:
                raise InputError(f"{source.label} has columns but no rows")
            batches = opened.iter_batches(batch_size=rows)
        first = 0
        while True:
            with _bad_parquet(source):
                batch = next(batches, None)
            if batch is None:
                return
            if len(batch):
                part = pyarrow.Table.from_batches([batch])
                with _bad_parquet(source):
                    table = _typed_table(part.to_pandas(), replace(source, first_row=first))
                yield table
            first += len(batch)


@contextlib.contextmanager
def _bad_parquet(source: Source) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a damaged file raises anything from ArrowInvalid to OSError and KeyError
        reason = first_line(str(error) or type(error).__name__)
        raise InputError(f"{source.label} is not a readable Parquet file ({reason}); write it anew") from error


def _typed_table(frame: pd.DataFrame, source: Source) -> Table:
    if isinstance(frame.index, pd.MultiIndex):
        frame.index.names = [name if name is not None else f"level_{i}" for i, name in enumerate(frame.index.names)]
        frame = frame.reset_index()
    elif frame.index.name is not None or isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.reset_index()
    frame.columns = pd.Index([str(column) for column in frame.columns])
    return Table(frame.reset_index(drop=True), source)
