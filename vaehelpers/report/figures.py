"""The figures of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers import plots
from vaehelpers.data.series import Series
from vaehelpers.plots import compare, lines
from vaehelpers.plots.base import Picture
from vaehelpers.report.alarms_view import AlarmView
from vaehelpers.report.findings import collapse_of, kinds_found, ranked_events
from vaehelpers.report.methods import Method, event_shares, own_rate, promised_rates, shares_of
from vaehelpers.report.text import MAX_ROWS, _and, _count, _moment, _number, _percent, _unit
from vaehelpers.thresholds.dependence import RealisedRate

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector


MAX_VARIABLES = 10  # how many variables one figure shows


def _shown_variables(data: Series, found: Explanation | None = None) -> list[int]:
    """The variables that figures show: all of a few, else those that contributed most to the events."""
    if data.n_features <= MAX_VARIABLES:
        return list(range(data.n_features))
    if found is None or not len(found.events):
        return list(range(MAX_VARIABLES))
    weight = event_shares(found).mean(axis=0)
    return sorted(np.argsort(-weight, kind="stable")[:MAX_VARIABLES].tolist())


def _overlaps(table: pd.DataFrame, marks: NDArray[Any]) -> int:
    return sum(bool(marks[first : last + 1].any()) for first, last in zip(table["first"], table["last"]))


def show_data(data: Series, found: Explanation | None = None) -> Picture:
    """The whole series with its gaps, labels, training part and, where given, found events."""
    table = None if found is None else found.events
    shown = _shown_variables(data, found)
    if data.n_features == 1:
        figure, ax = plots.new_axes(height=2.8)
        _draw_variable(data, 0, ax, table)
    else:
        figure, ax = plots.new_axes(height=max(2.4, 0.5 * len(shown) + 0.9))
        lines.stacked_series(
            data.values[:, shown], [_label(data, i) for i in shown], times=data.times, labels=data.labels,
            events=table, gaps=data.gaps, train_rows=data.train_rows, ax=ax,
        )  # fmt: skip
    some = "" if len(shown) == data.n_features else f" {len(shown)} of {data.n_features} variables are drawn."
    events_text = "" if table is None else f" {_count(len(table), 'event')} marked."
    return plots.picture(figure, f"The whole series, {_count(data.n, 'row')}.{events_text}{some}")


def _label(data: Series, variable: int) -> str:
    unit = _unit(data, variable)
    name = data.columns[variable]
    name = name if len(name) <= 24 else name[:23] + "…"
    return f"{name} ({unit})" if unit else name


def _draw_variable(data: Series, variable: int, ax: Any, table: pd.DataFrame | None, **options: Any) -> None:
    plots.series(
        data.values[:, variable], times=data.times, labels=data.labels, events=table, gaps=data.gaps,
        train_rows=data.train_rows, name=data.columns[variable], unit=_unit(data, variable), ax=ax, **options,
    )  # fmt: skip


def overview(data: Series, found: Explanation, alarms: AlarmView) -> Picture:
    """The report's first figure: the series with its events, and the score with its threshold below."""
    shown = _shown_variables(data, found)
    tall = 2.4 if data.n_features == 1 else max(2.4, 0.45 * len(shown) + 0.7)
    figure, (above, below) = plots.new_axes(2, heights=[tall, 1.9], sharex=True)
    if data.n_features == 1:
        _draw_variable(data, 0, above, found.events)
    else:
        lines.stacked_series(
            data.values[:, shown], [_label(data, i) for i in shown], times=data.times, labels=data.labels,
            events=found.events, gaps=data.gaps, train_rows=data.train_rows, ax=above,
        )  # fmt: skip
    above.set_xlabel("")
    plots.score(
        alarms.score(found), alarms.threshold, times=data.times, gaps=data.gaps, ax=below
    )  # fmt: skip
    text = f"Series above, anomaly score below; {_count(len(found.events), 'event')} marked."
    return plots.picture(figure, text)


def show_training(detector: Detector) -> Picture:
    """Training curves."""
    figure, ax = plots.new_axes(height=2.6)
    compare.training_curves(detector.history_, ax=ax)
    return plots.picture(figure, f"Training curves over {detector.training_['steps']:,} steps.")


def show_latent(detector: Detector) -> Picture | None:
    """KL per latent dimension; None where there are too few windows to measure it."""
    if not collapse_of(detector):
        return None
    kl = np.asarray(collapse_of(detector)["kl_per_dimension"], float)
    figure, ax = plots.new_axes(height=2.4)
    plots.latent_kl(kl, ax=ax)
    return plots.picture(
        figure, f"KL divergence of {len(kl)} latent dimensions, {_number(float(kl.sum()))} nats in all."
    )


def reconstruction_examples(data: Series, detector: Detector, found: Explanation) -> Picture:
    """Two usual stretches on the left, the two strangest on the right, one window long each."""
    good, bad = _examples(data, detector, found)
    figure, axes = plots.new_axes(2, 2, height=2.5)
    titles = [("usual", good), ("strange", bad)]
    for column, (word, starts) in enumerate(titles):
        for row in range(2):
            ax = axes[row][column]
            if row >= len(starts):
                ax.set_axis_off()
                continue
            start = starts[row]
            rows = slice(start, start + detector.timesteps_)
            variable = int(np.argmax(shares_of(np.nansum(found.contributions[rows], axis=0))))
            plots.reconstruction(
                data.values[rows, variable], found.expected[rows, variable], lower=found.lower[rows, variable],
                upper=found.upper[rows, variable], times=None if data.times is None else data.times[rows],
                name=_label(data, variable), title=f"{word}: {_moment(data, start)}", legend=False, ax=ax,
            )  # fmt: skip
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False, fontsize=8.5)
    return plots.picture(figure, f"Reconstructions of {len(good)} usual and {len(bad)} strange windows.")


def _examples(data: Series, detector: Detector, found: Explanation) -> tuple[list[int], list[int]]:
    """First rows of usual and of strange stretches, each one window long and without a gap."""
    width = detector.timesteps_
    starts = np.arange(0, data.n - width + 1, max(1, width // 2))
    totals = np.concatenate([[0.0], np.cumsum(np.nan_to_num(found.scores))])
    holes = np.concatenate([[0], np.cumsum(np.isnan(found.scores))])
    crossing = np.zeros(data.n + 1, dtype=int)
    crossing[np.asarray(data.gaps, dtype=int)] = 1
    crossing = np.cumsum(crossing)
    whole = (holes[starts + width] == holes[starts]) & (crossing[starts + width - 1] == crossing[starts])
    starts = starts[whole] if whole.any() else starts
    means = (totals[starts + width] - totals[starts]) / width
    order = np.argsort(means, kind="stable")
    usual = [int(starts[order[len(order) // 4]]), int(starts[order[len(order) // 2]])]
    strange: list[int] = []
    for peak in ranked_events(found)["peak_row"].tolist() + starts[order[::-1]].tolist():
        start = int(np.clip(peak - width // 2, 0, data.n - width))
        if all(abs(start - other) >= width for other in strange):
            strange.append(start)
        if len(strange) == 2:
            break
    return list(dict.fromkeys(usual)), strange


def show_score(data: Series, detector: Detector, found: Explanation) -> Picture:
    """The score with threshold and labels, and how calibration rows and all rows spread."""
    figure, (above, below) = plots.new_axes(2, height=2.5)
    limit = detector.threshold_.threshold_
    plots.score(
        found.scores, limit, times=data.times, labels=data.labels, events=found.events, gaps=data.gaps,
        train_rows=data.train_rows, ax=above,
    )  # fmt: skip
    lines.score_histogram(detector.calibration_scores_, found.scores, limit, ax=below)
    over = int(np.nansum(found.scores > limit))
    return plots.picture(figure, f"Anomaly score of every row; {_count(over, 'row')} above the threshold.")


def closeups(
    data: Series, detector: Detector, found: Explanation, alarms: AlarmView, *, most: int = 3
) -> Picture | None:
    """The most surprising events, each with the expected band above and the score that the line is drawn through."""
    ranked = ranked_events(found).head(most)
    if not len(ranked):
        return None
    figure, axes = plots.new_axes(2, len(ranked), height=2.2)
    axes = np.asarray(axes).reshape(2, len(ranked))
    for column, (number, event) in enumerate(zip(range(1, len(ranked) + 1), ranked.to_dict("records"))):
        variable = int(np.argmax(shares_of(np.nan_to_num(found.contributions[event["peak_row"]]))))
        lines.event_closeup(
            axes[:, column], data.values[:, variable], found.expected[:, variable], alarms.score(found),
            first=event["first"], last=event["last"], lower=found.lower[:, variable], upper=found.upper[:, variable],
            threshold=alarms.threshold, score_name=alarms.score_name, times=data.times, labels=data.labels,
            context=max(detector.timesteps_, event["last"] - event["first"] + 1), name=_label(data, variable),
            title=f"event {number}",
        )  # fmt: skip
        if column and data.n_features == 1:
            axes[0, column].set_ylabel("")
            axes[1, column].set_ylabel("")
        legend = axes[0, column].get_legend()
        if legend is not None:
            legend.remove()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    once = dict(zip(labels, handles))
    figure.legend(once.values(), once.keys(), loc="outside upper right", ncols=5, frameon=False, fontsize=8.5)
    return plots.picture(figure, f"Close-ups of the {len(ranked)} most surprising events.")


def contribution_map(data: Series, found: Explanation, *, most: int = MAX_ROWS) -> Picture | None:
    """Which variables made which event; None with one variable or without events."""
    ranked = ranked_events(found).head(most)
    if data.n_features == 1 or not len(ranked):
        return None
    shares = event_shares(found)[ranked.index]
    keep = _shown_variables(data, found)
    figure, ax = plots.new_axes(height=max(1.8, 0.32 * len(ranked) + 1.4))
    compare.contributions(shares[:, keep], [data.columns[i] for i in keep], ax=ax)
    top = data.columns[int(shares.mean(axis=0).argmax())]
    return plots.picture(figure, f"Share of each variable in {_count(len(ranked), 'event')}; {top} has the largest.")


def variable_map(data: Series, found: Explanation, *, most: int = 60) -> Picture | None:
    """What each variable adds to the score over time; None with one variable."""
    if data.n_features == 1:
        return None
    weight = np.nanmax(np.nan_to_num(found.contributions), axis=0)
    keep = sorted(np.argsort(-weight, kind="stable")[:most].tolist())
    figure, ax = plots.new_axes(height=max(1.8, 0.2 * len(keep) + 1.0))
    compare.variable_heat(found.contributions[:, keep], [_label(data, i) for i in keep], times=data.times, ax=ax)
    top = data.columns[int(np.argmax(weight))]
    some = "" if len(keep) == data.n_features else f" {len(keep)} of {data.n_features} are drawn."
    return plots.picture(figure, f"Heat map of {len(keep)} variables over time; {top} adds the most.{some}")


def show_calibration(detector: Detector, rates: Mapping[str, Sequence[RealisedRate]]) -> Picture | None:
    """Promised against realised false-alarm rates; None where nothing could be measured."""
    if not rates:
        return None
    figure, ax = plots.new_axes(height=3.4)
    measured = {source: np.array([[r.rate, r.low, r.high] for r in several]) for source, several in rates.items()}
    lines.calibration(
        np.array(promised_rates(detector)), measured, chosen=float(detector.settings_["false_alarm_rate"]), ax=ax
    )
    own = [f"{_percent(own_rate(detector, several).rate)} on {source}" for source, several in rates.items()]
    return plots.picture(figure, f"Promised {_percent(detector.settings_['false_alarm_rate'])}, realised {_and(own)}.")


def show_evaluation(table: pd.DataFrame | None) -> Picture | None:
    """Recall, precision and VUS-PR of all methods; None without labels."""
    if table is None:
        return None
    figure, ax = plots.new_axes(height=0.45 * len(table) + 1.2)
    compare.comparison(
        table[["recall", "precision", "vus_pr"]].rename(columns={"vus_pr": "VUS-PR"}), ax=ax
    )  # fmt: skip
    ours = table.iloc[0]
    text = f"{table.index[0]}: recall {_number(ours['recall'], 2)}, precision {_number(ours['precision'], 2)}."
    return plots.picture(figure, text)


def show_kinds(data: Series, methods: Sequence[Method]) -> Picture | None:
    """Which kinds of labelled anomaly each method found; None where kinds are not known."""
    if data.kinds is None or not len(data.kinds):
        return None
    found, total = kinds_found(data, methods)
    figure, ax = plots.new_axes(height=0.42 * len(found) + 1.1)
    compare.kind_matrix(found, total, ax=ax)
    said = ", ".join(f"{kind} {int(found.iloc[0][kind])} of {int(total[kind])}" for kind in total.index)
    return plots.picture(figure, f"{found.index[0]} by kind: {said}.")
