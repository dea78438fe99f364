"""Cells to numbers, whatever pandas makes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd


def coerce_numbers(cells: pd.Series) -> pd.Series:
    """Numbers, NaN where a cell is none; also where one of them has 400 digits, which pandas cannot hold."""
    try:
        return pd.to_numeric(cells, errors="coerce")
    except OverflowError:
        return pd.Series([_float(cell) for cell in cells], index=cells.index, dtype=np.float64)


def _float(cell: object) -> float:
    """As float64, infinite where the number is beyond it; NaN where it is none."""
    try:
        return float(str(cell))
    except ValueError:
        return float("nan")
