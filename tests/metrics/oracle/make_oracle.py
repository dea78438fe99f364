"""Write oracle.csv: what the metrics' public implementations give on seeded series. Not a part of the tests.

    python -m venv /some/where && /some/where/bin/pip install vus prts "numpy<2" "pandas<2.3"
    /some/where/bin/pip install --no-deps TSB-AD
    /some/where/bin/python tests/metrics/oracle/make_oracle.py

VUS comes from TSB-AD, the benchmark's own package (its `generate_curve` with 250 thresholds), range-based precision and
recall from prts, affiliation from the code of Huet et al. as the package vus carries it. tests/metrics/test_oracle.py
reads the file and draws the same series.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEEDS = range(12)
WINDOWS = (5, 40)


def series(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and flags of 300 rows: events of 1 to 40 rows, scores that find some of them, late."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(300, int)
    for start in rng.choice(np.arange(5, 255, 50), size=rng.integers(1, 5), replace=False):
        labels[start : start + rng.integers(1, 41)] = 1
    late = np.roll(labels, rng.integers(-3, 8))
    scores = np.round(rng.random(300) + late * rng.uniform(0.0, 1.0), 3)
    return labels, scores, (scores > 1.0).astype(int)


def main() -> None:
    """Compute every figure and write the table."""
    from importlib.metadata import version

    from prts import ts_precision, ts_recall
    from TSB_AD.evaluation.basic_metrics import generate_curve
    from vus.affiliation.generics import convert_vector_to_events
    from vus.affiliation.metrics import pr_from_events

    rows: list[tuple[int, str, float]] = []
    for seed in SEEDS:
        labels, scores, flags = series(seed)
        for window in WINDOWS:
            *_, roc, pr = generate_curve(labels, scores, window, "opt", 250)
            rows += [(seed, f"vus_roc_{window}", roc), (seed, f"vus_pr_{window}", pr)]
        if not flags.any():
            continue
        for bias in ("flat", "front", "middle", "back"):
            recall = ts_recall(labels, flags, alpha=0.2, cardinality="reciprocal", bias=bias)
            rows.append((seed, f"range_recall_{bias}", recall))
        rows.append((seed, "range_precision", ts_precision(labels, flags, cardinality="reciprocal", bias="flat")))
        both = pr_from_events(convert_vector_to_events(flags), convert_vector_to_events(labels), (0, len(labels)))
        rows.append((seed, "affiliation_precision", both["Affiliation_Precision"]))
        rows.append((seed, "affiliation_recall", both["Affiliation_Recall"]))
    with (HERE / "oracle.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["seed", "figure", "value"])
        writer.writerows((seed, figure, f"{float(value):.12f}") for seed, figure, value in rows)
    used = ", ".join(f"{name} {version(name)}" for name in ("TSB-AD", "vus", "prts", "numpy"))
    sys.stdout.write(f"{len(rows)} figures by {used}\n")


if __name__ == "__main__":
    main()
