"""Cells of a table as numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.data.numbers import coerce_numbers
from vaehelpers.data.sources import Table
from vaehelpers.data.tables import COMMA_DECIMAL, COMMA_THOUSANDS, MISSING

_POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+$")


_MOSTLY = 0.5
"""Share of decimal commas in a column from which the whole file counts as written with decimal commas."""

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([\u00a0\u202f\u2009\u2019' ]\d{3})+([.,]\d*)?$")
_WITH_UNIT = re.compile(
    r"([+-]?(?:\d[\d.,\u00a0\u202f\u2009\u2019']*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"\s*([A-Za-z%°µμΩ€$/²³·]{1,8})$"
)


def _plain_cells(texts: pd.Series, absent: pd.Series) -> tuple[pd.Series, tuple[str, str, int] | None]:
    """Without a unit that all cells share, and without blanks and apostrophes between thousands; what was done."""
    sample = texts[~absent].iloc[:50]
    done: tuple[str, str, int] | None = None
    found = [match for match in map(_WITH_UNIT.match, sample) if match]
    if len(found) > len(sample) / 2 and len({match.group(2) for match in found}) == 1:
        unit = found[0].group(2)
        bare = texts.str.removesuffix(unit).str.strip().where(~absent, texts)
        changed = (bare != texts) & ~absent
        if changed.any():
            row = int(np.argmax(changed.to_numpy()))
            done, texts = (f"unit {unit!r} left out of the cells", str(texts.iloc[row]), row), bare
            sample = texts[~absent].iloc[:50]
    if any(_GROUPED.match(cell) for cell in sample):
        fits = texts.str.match(_GROUPED.pattern) & ~absent
        row = int(np.argmax(fits.to_numpy()))
        done = done or ("blanks or apostrophes between thousands", str(texts.iloc[row]), row)
        texts = texts.where(~fits, texts.str.replace(r"[\u00a0\u202f\u2009\u2019' ]", "", regex=True))
    return texts, done


def _is_text(column: pd.Series) -> bool:
    return bool(column.dtype == object or isinstance(column.dtype, pd.StringDtype))


def _cells(column: pd.Series, n: int | None = None) -> list[str]:
    """The first n cells that are not missing, as stripped text."""
    present = column.dropna()
    return [str(cell).strip() for cell in (present if n is None else present.iloc[:n])]


def _parse_numbers(cells: pd.Series, table: Table) -> tuple[NDArray[np.float64], NDArray[np.bool_], str | None]:
    """Text to numbers: the numbers, True where a cell is a number or missing, and a remark on commas and points."""
    if cells.dtype == object and not all(isinstance(cell, str) for cell in cells.dropna()):
        cells = cells.map(lambda cell: float("inf") if isinstance(cell, int) and abs(cell) > 1 << 1023 else cell)
        numbers = pd.to_numeric(cells, errors="coerce")  # Decimal and mixed objects of typed tables
        found = np.asarray(numbers.to_numpy(np.float64, na_value=np.nan), np.float64)
        return found, (numbers.notna() | cells.isna()).to_numpy(bool), None
    texts = cells.astype("str").str.strip()
    absent = cells.isna() | texts.isin(["", "nan", "NaN", *MISSING, *table.choices.na])
    texts, further = _plain_cells(texts, absent)
    plain, fits, remark = texts, None, ""
    decimal = table.choices.decimal
    if not table.decimal_commas or decimal == ".":
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
            sure = decimal == "," or texts[has_point].str.count(r"\.").max() > 1
            if not sure and table.comma_share < _MOSTLY:
                row = int(np.argmax(has_point.to_numpy()))
                raise InputError(
                    f"{table.place(row)}: {texts.iloc[row]!r} in column {cells.name!r} is a thousand or a fraction, as "
                    "a few cells of the file have decimal commas; choose with --decimal , or --decimal ."
                )
            plain, fits, remark = texts.str.replace(".", "", regex=False), has_point, "points between thousands"
    numbers = coerce_numbers(plain.mask(absent)).astype("float64")
    good = (numbers.notna() | absent).to_numpy(bool)
    said = None
    if fits is not None:
        changed = (fits & texts.str.contains("[.,]") & ~absent).to_numpy(bool)
        if changed.any():
            row = int(np.argmax(changed))
            said = f"{remark}: {texts.iloc[row]!r} is read as {numbers.iloc[row]:.10g}"
            if remark == "points between thousands":
                said += " (--decimal . to choose otherwise)"
    if further:
        said = f"{further[0]}: {further[1]!r} is read as {numbers.iloc[further[2]]:.10g}" if said is None else said
    return np.asarray(numbers.to_numpy(np.float64, na_value=np.nan), np.float64), good, said
