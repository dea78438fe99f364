"""Cells of a table as numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.data.tables import COMMA_DECIMAL, COMMA_THOUSANDS, MISSING, Table

_POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+$")


def _is_text(column: pd.Series) -> bool:
    return bool(column.dtype == object or isinstance(column.dtype, pd.StringDtype))


def _cells(column: pd.Series, n: int | None = None) -> list[str]:
    """The first n cells that are not missing, as stripped text."""
    present = column.dropna()
    return [str(cell).strip() for cell in (present if n is None else present.iloc[:n])]


def _parse_numbers(cells: pd.Series, table: Table) -> tuple[NDArray[np.float64], NDArray[np.bool_], str | None]:
    """Text to numbers: the numbers, True where a cell is a number or missing, and a remark on commas and points."""
    if cells.dtype == object and not all(isinstance(cell, str) for cell in cells.dropna()):
        numbers = pd.to_numeric(cells, errors="coerce")  # Decimal and mixed objects of typed tables
        return numbers.to_numpy(np.float64, na_value=np.nan), (numbers.notna() | cells.isna()).to_numpy(bool), None
    texts = cells.astype("str").str.strip()
    absent = cells.isna() | texts.isin(["", "nan", "NaN", *MISSING])
    plain, fits, remark = texts, None, ""
    if not table.decimal_commas:
        has_comma = texts.str.contains(",", regex=False) & ~absent
        if has_comma.any() and texts[has_comma].str.match(COMMA_THOUSANDS.pattern).all():
            plain, fits, remark = texts.str.replace(",", ""), has_comma, "commas between thousands"
    elif texts.str.contains(",", regex=False).any():
        fits = texts.str.match(COMMA_DECIMAL.pattern)  # here a point can only stand between thousands
        plain = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False).where(fits | absent, "no")
        remark = "decimal commas"
    else:
        has_point = texts.str.contains(".", regex=False) & ~absent
        if has_point.any() and texts[has_point].str.match(_POINT_THOUSANDS.pattern).all():
            plain, fits, remark = texts.str.replace(".", "", regex=False), has_point, "points between thousands"
    numbers = pd.to_numeric(plain.mask(absent), errors="coerce")
    good = (numbers.notna() | absent).to_numpy(bool)
    said = None
    if fits is not None:
        changed = (fits & texts.str.contains("[.,]") & ~absent).to_numpy(bool)
        if changed.any():
            row = int(np.argmax(changed))
            said = f"{remark}: {texts.iloc[row]!r} is read as {numbers.iloc[row]:.10g}"
    return numbers.to_numpy(np.float64, na_value=np.nan), good, said
