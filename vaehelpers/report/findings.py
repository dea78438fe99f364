"""The numbers of a report: what was found, what labels and baselines say to it, and whether the promise held.

Functions take the series, the fitted detector and its explanation. `vaehelpers.narrative` puts them into sentences and
figures; notebooks/07_report.ipynb uses both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers import metrics
from vaehelpers.common.errors import InputError
from vaehelpers.data.series import Series
from vaehelpers.report.alarms_view import severity_order
from vaehelpers.report.labels import has_labels, labelled_events
from vaehelpers.report.methods import Method, _usable, evaluation_table, promised_rates
from vaehelpers.thresholds.dependence import RealisedRate, extremal_index

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector


def with_training_part(data: Series, train_rows: int = 0) -> Series:
    """Set how many leading rows are the training part, where `train_rows` is not 0.

    Examples
    --------
    >>> with_training_part(Series(np.arange(10.0)), 6).train.n
    6
    """
    if not train_rows:
        return data
    if not 0 < train_rows <= data.n:
        raise InputError(f"train_rows={train_rows} lies outside the series; use 1 to {data.n}")
    return dataclasses.replace(data, train_rows=train_rows)


def kinds_found(data: Series, methods: Sequence[Method]) -> tuple[pd.DataFrame, pd.Series]:
    """Count by kind how many labelled anomalies each method found.

    Parameters
    ----------
    data : Series
        With `kinds`.
    methods : sequence of Method

    Returns
    -------
    found : DataFrame
        Index: methods; columns: kinds.
    total : Series
        How many there are of each kind.
    """
    labelled = labelled_events(data)
    total = labelled["kind"].value_counts(sort=False)
    found = pd.DataFrame(0, index=[method.name for method in methods], columns=total.index)
    for method in methods:
        for first, last, kind in labelled.itertuples(index=False):
            found.loc[method.name, kind] += int(method.marks[first : last + 1].any())
    return found, total


def ranked_events(found: Explanation) -> pd.DataFrame:
    """Events, the worst first."""
    return severity_order(found.events)


def independent_rows(detector: Detector) -> tuple[int, int]:
    """How many calibration rows set the threshold, and how many independent ones they are worth."""
    scores = _usable(np.asarray(detector.calibration_scores_, float), detector)
    index = extremal_index(scores) if len(scores) >= 100 else 1.0
    return len(scores), max(1, round(index * len(scores)))


def collapse_of(detector: Detector) -> dict[str, Any]:
    """The detector's collapse report as plain JSON, freshly fitted or loaded."""
    found: Any = detector.collapse_
    return dict(found) if isinstance(found, Mapping) else found.to_dict()


def collect_metrics(
    data: Series,
    detector: Detector,
    found: Explanation,
    *,
    methods: Sequence[Method] = (),
    rates: Mapping[str, Sequence[RealisedRate]] | None = None,
) -> dict[str, Any]:
    """Everything that metrics.json holds, in plain types.

    Parameters
    ----------
    data : Series
    detector : Detector
    found : Explanation
    methods : sequence of Method
        From `compare_methods`.
    rates : mapping, optional
        From `realised_rates`.

    Returns
    -------
    dict
        series, training, collapse, threshold, calibration, events, seconds; with labels also evaluation (per method,
        with every figure of `vaehelpers.metrics.evaluate`) and labelled_anomalies: which was found by which events.
    """
    history, training = detector.history_, dict[str, Any](detector.training_)
    result: dict[str, Any] = {
        "series": {
            "name": data.name,
            "rows": data.n,
            "columns": list(data.columns),
            "missing": int(np.isnan(data.values).sum()),
            "gaps": len(data.gaps),
            "train_rows": data.train_rows,
            "rows_without_score": int(np.isnan(found.scores).sum()),
        },
        "training": {
            **{key: value for key, value in training.items() if key != "seconds"},
            "timesteps": detector.timesteps_,
            "smooth": detector.smooth_,
            "loss": float(history["loss"].iloc[-1]) if len(history) else None,
            "val_loss": float(history["val_loss"].min()) if history["val_loss"].notna().any() else None,
        },
        "collapse": collapse_of(detector),
        "threshold": {
            "rule": detector.settings_["threshold"],
            "value": float(detector.threshold_.threshold_),
            "false_alarm_rate": detector.settings_["false_alarm_rate"],
        },
        "calibration": {
            **detector.calibration_,
            "promised": promised_rates(detector),
            "realised": {source: [r._asdict() for r in several] for source, several in (rates or {}).items()},
        },
        "events": {"count": len(found.events), "flagged_rows": int(found.flags.sum())},
        "seconds": {"fit": round(detector.fit_seconds_, 2), "training": round(training["seconds"], 2)},
        "notes": [*data.notes, *detector.notes_],
    }
    if has_labels(data):
        result |= _judged(data, found, methods)
    return result


def _judged(data: Series, found: Explanation, methods: Sequence[Method]) -> dict[str, Any]:
    window = metrics.sliding_window_of(data.values)
    labels = np.asarray(data.labels)
    table = evaluation_table(data, methods) if methods else None
    evaluation = {}
    for method in methods:
        row = table.loc[method.name].to_dict() if table is not None else {}
        # Counted over whole events, merged as they are reported.
        full = metrics.evaluate(labels, method.scores, method.marks, window)
        evaluation[method.name] = {**full, **{f"reported_{key}": value for key, value in row.items()}}
        if data.kinds is not None and len(data.kinds):
            by_kind, total = kinds_found(data, [method])
            evaluation[method.name]["by_kind"] = {
                str(kind): {"found": int(by_kind.iloc[0][kind]), "labelled": int(total[kind])} for kind in total.index
            }
    labelled = []
    for first, last, kind in labelled_events(data).itertuples(index=False):
        over = found.events[(found.events["first"] <= last) & (found.events["last"] >= first)]
        labelled.append(
            {
                "start": _stamp(data, first),
                "end": _stamp(data, last),
                "kind": None if kind == "labelled" else kind,
                "found": bool(len(over)),
                "events": [
                    {"start": _stamp(data, a), "end": _stamp(data, b)} for a, b in zip(over["first"], over["last"])
                ],
            }
        )
    return {"evaluation": evaluation, "labelled_anomalies": labelled}


def _stamp(data: Series, row: int) -> Any:
    if data.times is None:
        return int(row)
    moment = data.times[int(row)]
    return moment.isoformat() if isinstance(moment, pd.Timestamp) else moment.item()
