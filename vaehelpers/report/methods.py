"""The detector beside its baselines, on the same rows."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv

from vaehelpers import metrics
from vaehelpers.common.errors import InputError
from vaehelpers.data.series import Series
from vaehelpers.detectors.baselines import BASELINES, make_baseline
from vaehelpers.report.labels import has_labels, labelled_events
from vaehelpers.thresholds.base import THRESHOLDS, Threshold, make_threshold
from vaehelpers.thresholds.dependence import RealisedRate, extremal_index, realised_rate

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector


BASELINE_NAMES = {
    "moving_zscore": "smoothed z-score",
    "pca": "windowed PCA",
    "abs_diff": "absolute difference",
    "moving_variance": "moving variance",
    "kmeans": "k-means distance",
    "matrix_profile": "matrix profile",
    "random": "random score",
}
"""Names of `vaehelpers.baselines` as tables show them."""


ALL_NORMAL = "rows labelled normal"


RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # promised false-alarm rates that are tried on held-back rows


@dataclasses.dataclass(frozen=True)
class Method:
    """What one method says about the series, for `evaluation_table` and the like.

    Attributes
    ----------
    name : str
    scores : ndarray of shape (n,)
        Higher = more anomalous; NaN where there is no score.
    flags : ndarray of bool, shape (n,)
    events : DataFrame
        From `vaehelpers.thresholds.events`.
    marks : ndarray of bool, shape (n,)
        Rows from the first to the last of each event.
    """

    name: str
    scores: NDArray[Any]
    flags: NDArray[Any]
    events: pd.DataFrame

    @property
    def marks(self) -> NDArray[Any]:
        marks = np.zeros(len(self.scores), dtype=bool)
        for first, last in zip(self.events["first"], self.events["last"]):
            marks[first : last + 1] = True
        return marks


def compare_methods(
    data: Series,
    detector: Detector,
    found: Explanation,
    *,
    baselines: Sequence[str] = ("moving_zscore", "pca"),
) -> list[Method]:
    """Run simple baselines under the detector's own conditions.

    They smooth their scores over as many rows, and get their threshold from the same rule at the same promised
    false-alarm rate on the same calibration rows. Like the detector they learn from the rows before those for the
    threshold, and where it then learned from all rows, so do they.

    Parameters
    ----------
    data : Series
    detector : Detector
        Fitted.
    found : Explanation
        What `detector` says about `data`.
    baselines : sequence of str, default ("moving_zscore", "pca")
        Names out of `vaehelpers.baselines.BASELINES`.

    Returns
    -------
    list of Method
        The detector first.
    """
    methods = [Method(detector.model_name, found.scores, found.flags, found.events)]
    shared = ("threshold", "false_alarm_rate", "false_alarms", "contamination", "hold_back", "refit", "max_missing")
    same = {name: detector.settings_[name] for name in shared}
    for name in baselines:
        own = {"scales": detector.settings_["scales"]} if "scales" in BASELINES[name].parameters else {}
        baseline = make_baseline(name, timesteps=detector.timesteps_, smooth=detector.smooth_, **same, **own)
        said = baseline.fit(data.train).explain(data)
        methods.append(Method(BASELINE_NAMES.get(name, name), said.scores, said.flags, said.events))
    return methods


def _usable(scores: NDArray[Any], detector: Detector) -> NDArray[Any]:
    """Calibration scores as the detector takes its own: finite, and without outbreaks in a contaminated part."""
    if detector.settings_["contamination"] and np.isfinite(scores).any():
        from vaehelpers.detectors.calibration import without_outbreaks

        scores = without_outbreaks(scores, detector.smooth_)
    return scores[np.isfinite(scores)]


def _same_rule(detector: Detector) -> Threshold:
    """The detector's threshold rule at its promised rate, not fitted."""
    name, rate = detector.settings_["threshold"], detector.settings_["false_alarm_rate"]
    promises = "false_alarm_rate" in inspect.signature(THRESHOLDS[name]).parameters
    return make_threshold(name, **({"false_alarm_rate": rate} if promises else {}))


def evaluation_table(data: Series, methods: Sequence[Method]) -> pd.DataFrame:
    """Judge methods by the labels, over all rows.

    Parameters
    ----------
    data : Series
        With labels.
    methods : sequence of Method

    Returns
    -------
    DataFrame
        Index: methods. Columns: found, labelled (counts of labelled anomalies), right, alarms (counts of events),
        recall, precision, f1 (event-wise), vus_pr, auc_pr.

    Examples
    --------
    >>> from vaehelpers.thresholds import events
    >>> data = Series(np.zeros(100) + np.arange(100), labels=np.arange(100) // 10 == 5)
    >>> scores = data.labels.astype(float)
    >>> method = Method("oracle", scores, scores > 0, events(scores > 0, scores))
    >>> evaluation_table(data, [method]).loc["oracle", ["found", "recall", "precision"]].tolist()
    [1.0, 1.0, 1.0]
    """
    window = metrics.sliding_window_of(data.values)
    labels = np.asarray(data.labels)
    labelled = labelled_events(data)
    rows = {}
    for method in methods:
        hit = [bool(method.marks[first : last + 1].any()) for first, last in zip(labelled["first"], labelled["last"])]
        right = [
            bool(labels[first : last + 1].any()) for first, last in zip(method.events["first"], method.events["last"])
        ]
        recall = float(np.mean(hit)) if hit else np.nan
        precision = float(np.mean(right)) if right else np.nan
        rows[method.name] = {
            "found": sum(hit),
            "labelled": len(hit),
            "right": sum(right),
            "alarms": len(right),
            "recall": recall,
            "precision": precision,
            "f1": 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0,
            "vus_pr": metrics.vus_pr(labels, method.scores, window),
            "auc_pr": metrics.auc_pr(labels, method.scores),
        }
    counts = ["found", "labelled", "right", "alarms"]
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method").astype(dict.fromkeys(counts, int))


def realised_rates(detector: Detector, data: Series, found: Explanation) -> dict[str, list[RealisedRate]]:
    """Measure on rows that were held back how often normal rows are flagged, for several promised rates.

    Parameters
    ----------
    detector : Detector
        Fitted in this session (a loaded one has its calibration scores in order of size, not of time).
    data : Series
    found : Explanation

    Returns
    -------
    dict of str to list of RealisedRate
        One list per source, one entry per rate of `promised_rates`:

        - "calibration rows, cross-checked": the rule is fitted on one half of the calibration scores and counted on the
          other, both ways, so that no row judges itself;
        - "rows labelled normal": every row behind the training part without a label;
        - "rows labelled normal, N rows from any label": those of them that share no window and no smoothing with a
          labelled anomaly. Both only with labels and a known training part.

    Notes
    -----
    Scores come in runs, since neighbours share their windows and their smoothing. The intervals are Clopper-Pearson's
    for ``extremal_index * rows`` independent rows.
    """
    rates = promised_rates(detector)
    found_rates: dict[str, list[RealisedRate]] = {}
    scores = _usable(np.asarray(detector.calibration_scores_, float), detector)
    halves = np.array_split(scores, 2)
    with contextlib.suppress(InputError):  # half the scores may be too few for the rule
        pairs = (halves, halves[::-1])
        p_values = np.concatenate([_same_rule(detector).fit(ours).p_values(other) for ours, other in pairs])
        index = extremal_index(scores)
        found_rates["calibration rows, cross-checked"] = [_realised(p_values <= rate, index) for rate in rates]
    if has_labels(data) and data.train_rows is not None and data.train_rows < data.n:
        later = np.isfinite(found.scores) & (np.arange(data.n) >= data.train_rows)
        margin = label_margin(detector)
        sources = {
            ALL_NORMAL: later & (np.asarray(data.labels) == 0),
            f"{ALL_NORMAL}, {margin} rows from any label": later & away_from_labels(data, margin),
        }
        for source, normal in sources.items():
            if normal.any():
                index = extremal_index(found.scores[normal])
                flags = [found.p_values[normal] <= rate for rate in rates]
                found_rates[source] = [_realised(marks, index) for marks in flags]
    return found_rates


def _realised(flags: NDArray[Any], index: float) -> RealisedRate:
    """Share of rows flagged, with the interval that as many independent rows as there are runs of scores would give."""
    counted = realised_rate(flags)
    rows, flagged = index * counted.rows, index * counted.flagged
    low = 0.0 if flagged == 0 else float(betaincinv(flagged, rows - flagged + 1, 0.025))
    high = 1.0 if flagged >= rows else float(betaincinv(flagged + 1, rows - flagged, 0.975))
    return counted._replace(low=low, high=high)


def promised_rates(detector: Detector) -> list[float]:
    """The false-alarm rates at which `realised_rates` looks: round ones, and the detector's own."""
    return sorted({*RATES, float(detector.settings_["false_alarm_rate"])})


def label_margin(detector: Detector) -> int:
    """Rows around a labelled anomaly whose score shares a window or the smoothing with it."""
    return detector.timesteps_ + detector.smooth_ // 2


def away_from_labels(data: Series, margin: int) -> NDArray[Any]:
    """Rows that are more than `margin` rows from every labelled one."""
    normal = np.ones(data.n, dtype=bool)
    for first, last in metrics.runs(np.asarray(data.labels)):
        normal[max(0, first - margin) : last + 1 + margin] = False
    return normal


def own_rate(detector: Detector, rates: Sequence[RealisedRate]) -> RealisedRate:
    """Out of what `realised_rates` measured on one source: the entry for the rate that the detector uses."""
    return rates[promised_rates(detector).index(float(detector.settings_["false_alarm_rate"]))]


def shares_of(parts: NDArray[Any]) -> NDArray[Any]:
    """Contributions of one event as shares that sum to 1."""
    kept = np.clip(np.nan_to_num(parts), 0.0, None)
    total = kept.sum()
    return kept / total if total > 0 else np.full(len(kept), 1.0 / len(kept))


def event_shares(found: Explanation) -> NDArray[Any]:
    """Share of each variable in each event, (n_events, n_features), over the rows of the event."""
    rows = zip(found.events["first"], found.events["last"])
    shares = [shares_of(np.nansum(found.contributions[first : last + 1], axis=0)) for first, last in rows]
    return np.array(shares).reshape(len(shares), found.contributions.shape[1])
