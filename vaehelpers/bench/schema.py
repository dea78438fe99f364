"""Columns and measures of a benchmark, and its result."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

METRICS = ("vus_pr", "vus_roc", "auc_pr", "auc_roc")
"""Figures of each row, none of which needs a threshold."""


COLUMNS = ("file", "method", "n", "window", *METRICS, "fit_seconds", "score_seconds", "error", "seed")
"""Columns of bench.csv, in order."""


TIE = 0.01
"""Two methods tie on a series where their VUS-PR differ by less."""


FORMAT = 1
"""Version of bench.json."""


_FACTS = {"ts_len", "anomaly_len", "num_anomaly", "avg_anomaly_len", "anomaly_ratio", "point_anomaly", "seq_anomaly"}


_NAME = re.compile(r"_tr_\d+_1st_\d+\.csv(\.gz)?$")


_PARTS = ("bench.csv", "bench.json", "bench.md")


def _markdown(table: pd.DataFrame) -> str:
    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    rule = ("---" if name in ("method", "kind", "series", "error") else "---:" for name in table)
    return "\n".join([line(table), line(rule), *map(line, table.to_numpy())])


def _number(value: Any, digits: int = 3) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"
