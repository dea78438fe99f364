"""The result files of a report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vaehelpers.common.output import write_json, write_table
from vaehelpers.detectors.tables import scores_frame

if TYPE_CHECKING:
    from vaehelpers.data.series import Series
    from vaehelpers.detectors.base import Explanation
    from vaehelpers.detectors.vae import Detector


def save_results(
    folder: str | os.PathLike[str], data: Series, detector: Detector, found: Explanation, numbers: Mapping[str, Any]
) -> list[str]:
    """Write scores.csv, events.csv, metrics.json and the detector; what lies there from an earlier run is replaced.

    Parameters
    ----------
    folder : path
        Made where it is missing.
    data : Series
    detector : Detector
    found : Explanation
    numbers : mapping
        From `vaehelpers.report.findings.collect_metrics`.

    Returns
    -------
    list of str
        Names of what was written.
    """
    place = Path(folder)
    write_table(scores_frame(data, found.scores, found.p_values, found.flags), place / "scores.csv")
    write_table(events_frame(data, found), place / "events.csv")
    write_json(numbers, place / "metrics.json")
    detector.save(place / "detector", force=True)
    return ["scores.csv", "events.csv", "metrics.json", "detector/"]


def events_frame(data: Series, found: Explanation) -> pd.DataFrame:
    """The events as events.csv has them: in order of time, where there are labels with the kinds they overlap."""
    from vaehelpers.report.labels import labelled_events

    front = ["start", "end", "peak", "score", "p_value", "n_points", "contributed"]
    table = found.events[[*front, *(name for name in found.events if name not in front)]].copy()
    if data.labels is not None:
        labelled = labelled_events(data)
        kinds = [
            sorted(set(labelled["kind"][(labelled["first"] <= last) & (labelled["last"] >= first)].astype(str)))
            for first, last in zip(table["first"], table["last"])
        ]
        table.insert(7, "label", ["; ".join(several) for several in kinds])
    return table
