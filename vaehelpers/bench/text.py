"""A benchmark's result as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from vaehelpers.bench.files import _stem
from vaehelpers.bench.paired import _RESAMPLES, _best, _by_file, _has_error
from vaehelpers.bench.schema import METRICS, TIE, _markdown, _number


def _verdicts(differences: pd.DataFrame) -> list[str]:
    """One sentence for each VAE and rival."""
    kinds = {"baseline": "best baseline", "published": "best published detector"}
    said = []
    for row in differences.to_dict("records"):
        interval = f"95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
        if math.isnan(row["low"]):
            interval = "no interval (it takes two series)"
        said.append(
            f"{row['method']} {row['mean']:.3f}, {kinds[row['kind']]} {row['against']} {row['rival']:.3f} on the same "
            f"{row['files']} series: difference {row['difference']:+.3f}, {interval}; wins {row['wins']}, "
            f"ties {row['ties']}, losses {row['losses']}."
        )
    return said


def _means_table(means: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame({"method": means.index, "kind": means["kind"].to_numpy(), "files": means["files"].to_numpy()})
    for metric in METRICS:
        table[metric.upper().replace("_", "-")] = [_number(value) for value in means[metric]]
    records = means.to_dict("records")
    table["seeds: worst to best"] = [
        f"{row['lowest']:.3f} to {row['highest']:.3f} ({row['seeds']:.0f})" if row["seeds"] > 1 else ""
        for row in records
    ]
    table["s per series"] = [_number(value, 2) for value in means["seconds"]]
    table["s per 10,000 rows"] = [_number(value, 2) for value in means["seconds_per_10000"]]
    if "wins" in means:
        table["wins / ties / losses"] = [
            "" if math.isnan(row["wins"]) else f"{row['wins']:.0f} / {row['ties']:.0f} / {row['losses']:.0f}"
            for row in records
        ]
    return table


def _series_table(rows: pd.DataFrame, published: pd.DataFrame | None, means: pd.DataFrame) -> pd.DataFrame:
    good = rows[~_has_error(rows)]
    scores = _by_file(good)
    facts = good.groupby("file")[["n", "window"]].first()
    table = pd.DataFrame({"series": [_stem(name) for name in scores.index]})
    table["rows"], table["window"] = facts["n"].to_numpy(), facts["window"].to_numpy()
    for name in scores:
        table[name] = [_number(value) for value in scores[name]]
    best = _best(means[means["kind"] == "published"])
    if published is not None and best is not None:
        held = {_stem(str(name)): value for name, value in published[best.removesuffix(" (published)")].items()}
        table[f"{best} (published)"] = [_number(held.get(_stem(name))) for name in scores.index]
    return table


def _text(
    rows: pd.DataFrame,
    means: pd.DataFrame,
    differences: pd.DataFrame,
    published: pd.DataFrame | None,
    about: Mapping[str, Any],
    notes: Sequence[str],
) -> str:
    failed = rows[_has_error(rows)]
    n_files = rows["file"].nunique()
    run = about["runs"][-1]
    parts = [f"# Benchmark on {n_files} series", *_verdicts(differences)]
    if len(means):
        parts += [
            "## Means",
            "Sorted by mean VUS-PR; higher is better, random scores reach about the share of anomalous rows. Wins, "
            "ties and losses are those of the first VAE against the method of the row, series by series; a tie is a "
            f"difference below {TIE}.",
            _markdown(_means_table(means)),
            "## Series by series",
            "VUS-PR, averaged over seeds. `window` is the buffer length of VUS.",
            _markdown(_series_table(rows, published, means)),
        ]
    parts.append("## What failed")
    if len(failed):
        listed = failed[["file", "method", "seed", "error"]].astype({"seed": object}).fillna("")
        parts.append(_markdown(listed.rename(columns={"file": "series"})))
    else:
        parts.append("Nothing.")
    settings = ", ".join(f"{name}={value!r}" for name, value in about["settings"].items()) or "none beside it"
    parts += [
        "## How it was measured",
        "\n".join(
            [
                "- Protocol of TSB-AD: fitted on the first T rows (T from the file name) without labels, all rows "
                "scored, all rows judged.",
                f"- `vae` is the preset {about['preset']}; further settings: {settings}. Baselines have the smoothing "
                "of their class (z-score 200 rows, others 100) or the one in their name (`pca@200`: 200 rows).",
                "- Intervals: series drawn anew with replacement, on differences between methods on the same series, "
                f"averaged over seeds first; {_RESAMPLES:,} draws, BCa. The best rival was picked on these very "
                "series, which is in its favour.",
                f"- Seconds are those of fit and score together, {run['jobs'] or 1} at a time, on {run['cores']} cores "
                f"({run['platform']}).",
                f"- vaehelpers {about['version']}, Python {run['python']}; last run ended {run['end']}.",
                *(f"- {note}" for note in notes),
            ]
        ),
    ]
    return "\n\n".join(parts) + "\n"
