"""The metrics against their public implementations, on values that oracle/make_oracle.py wrote: for a bare clone."""

import csv
import importlib.util
import re
from pathlib import Path

import pytest

from vaehelpers import metrics

ORACLE = Path(__file__).parent / "oracle"
with (ORACLE / "oracle.csv").open(encoding="utf-8") as file:
    ROWS = [(int(row["seed"]), row["figure"], float(row["value"])) for row in csv.DictReader(file)]

spec = importlib.util.spec_from_file_location("oracle_make", ORACLE / "make_oracle.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def ours(seed, figure):
    labels, scores, flags = make.series(seed)
    if match := re.fullmatch(r"vus_(pr|roc)_(\d+)", figure):
        return dict(zip(("pr", "roc"), metrics.vus(labels, scores, int(match[2]))))[match[1]]
    if match := re.fullmatch(r"range_recall_(\w+)", figure):
        return metrics.range_precision_recall(labels, flags, alpha=0.2, bias=match[1]).recall
    if figure == "range_precision":
        return metrics.range_precision_recall(labels, flags).precision
    return getattr(metrics.affiliation(labels, flags), figure.removeprefix("affiliation_"))


@pytest.mark.parametrize("figure", sorted({figure for _, figure, _ in ROWS}))
def test_equals_the_public_implementation(figure):
    listed = [(seed, value) for seed, name, value in ROWS if name == figure]
    assert len(listed) >= 8
    for seed, value in listed:
        assert ours(seed, figure) == pytest.approx(value, rel=0, abs=1e-9), f"seed {seed}"


def test_the_oracle_is_no_trivial_one():
    """Figures between 0 and 1, most of them neither, and different from seed to seed."""
    values = [value for _, _, value in ROWS]
    assert all(0 <= value <= 1 for value in values)
    assert len({round(value, 6) for value in values}) > 0.7 * len(values)
