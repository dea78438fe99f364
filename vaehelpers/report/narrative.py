"""What a report says about one series: the sentences around the numbers, and the figures.

Every function takes the series, the fitted detector and what it found, and returns Markdown text, a table, or a
`Picture`; so the report notebook is right for one variable or forty, with labels or without, with times or row
numbers. The numbers come from `vaehelpers.findings`. The notebook that uses all of it: notebooks/07_report.ipynb.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers.data.series import Series, format_step
from vaehelpers.detectors.rows import ROW_SMOOTHS
from vaehelpers.report.alarms_view import AlarmView
from vaehelpers.report.cards import event_cards
from vaehelpers.report.figures import MAX_VARIABLES, _overlaps
from vaehelpers.report.findings import collapse_of, independent_rows
from vaehelpers.report.labels import false_events, has_labels, labelled_events
from vaehelpers.report.methods import Method, away_from_labels, label_margin, own_rate
from vaehelpers.report.text import (
    MAX_ROWS,
    _and,
    _count,
    _length,
    _moment,
    _number,
    _percent,
    _span,
    _unit,
    escape_markdown,
    markdown_table,
)
from vaehelpers.thresholds.dependence import RealisedRate

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector


def describe_status(data: Series, found: Explanation, alarms: AlarmView) -> str:
    """The first line: what was found, and whether the rate of alarms can be trusted."""
    events = f"{_count(len(found.events), 'event')} found"
    if not len(found.events):
        if not np.isfinite(found.scores).any():
            return "**Nothing was found, and nothing could have been found:** no row has a score."
        if not alarms.possible:
            return (
                "**Nothing was found, and nothing could have been found:** the line lies above every score that there "
                f"can be. {alarms.reason}"
            )
        events = f"No event found in {_length(data, data.n)}"
    if alarms.ranked:
        shown = f"the {_count(len(found.events), 'most unusual stretch', 'most unusual stretches')}"
        return f"**No alarm can be given; {shown} are listed.** {alarms.reason}"
    if alarms.missed:
        return f"**{events}, but the promise was missed:** {alarms.missed}."
    if alarms.status == "ok":
        return f"**{events}, and the rate of alarms can be trusted.** {alarms.reason}"
    if alarms.status == "doubtful":
        return f"**{events}; the rate of alarms is doubtful.** {alarms.reason}"
    return f"**{events}, without a promise about false alarms.** {alarms.reason}"


def describe_summary(data: Series, found: Explanation, alarms: AlarmView, table: pd.DataFrame | None = None) -> str:
    """What was found, in a few sentences: the top of the report."""
    parts = [alarms.expectation, _by_chance(data, found, alarms)]
    if alarms.ranked and len(found.events):
        (worst,) = event_cards(data, found, alarms, most=1)
        by = f" in {escape_markdown(worst.variable)}" if data.n_features > 1 else ""
        parts.insert(0, f"The most unusual stretch is {worst.when}: {escape_markdown(worst.kind)}{by}.")
    elif len(found.events):
        (worst,) = event_cards(data, found, alarms, most=1)
        where = "above the line" if alarms.points is None else "in events"
        by = f" in {escape_markdown(worst.variable)}" if data.n_features > 1 else ""
        parts.insert(
            0,
            f"{_percent(float(found.flags.mean()))} of {_length(data, data.n)} of {_variables(data)} lie {where}. "
            f"The worst event is {worst.when}: {escape_markdown(worst.kind)}{by}, {worst.severity}.",
        )
    elif np.isfinite(alarms.score(found)).any():
        parts.append(
            f"The line is at {_number(alarms.threshold)}; the highest score is "
            f"{_number(float(np.nanmax(alarms.score(found))))}."
        )
    lines = [describe_status(data, found, alarms), " ".join(filter(None, parts))]
    if table is not None and len(table):
        lines.append(_verdict(table))
    return "\n\n".join(lines)


def _by_chance(data: Series, found: Explanation, alarms: AlarmView) -> str:
    """How many false alarms the promise allows in this series, beside the events that were found."""
    if alarms.points is None or alarms.expected is None or alarms.missed:
        return ""
    allowed = alarms.expected * data.n / alarms.rows
    if allowed < 1.0 or not len(found.events):
        return ""
    events = _count(len(found.events), "event")
    return f"Over this whole series that allows about {_number(allowed, 2)} by chance alone; {events} found."


def _variables(data: Series) -> str:
    if data.n_features == 1:
        return f"*{escape_markdown(data.columns[0])}*"
    return f"{data.n_features} variables"


def _verdict(table: pd.DataFrame) -> str:
    """One sentence: ours against the labels, and the best baseline beside it."""
    ours = table.iloc[0]
    text = (
        f"Against the labels: {int(ours['found'])} of "
        f"{_count(int(ours['labelled']), 'labelled anomaly', 'labelled anomalies')} found, "
        f"{_right(ours)}"
    )
    others = table.iloc[1:]
    if not len(others):
        return text + "."
    sides = [
        f"{name} {int(row['found'])} of {int(row['labelled'])} found, {_right(row)}" for name, row in others.iterrows()
    ]
    return f"{text}. Under the same conditions: {'; '.join(sides)}."


def _right(row: pd.Series) -> str:
    return f"{int(row['right'])} of {_count(int(row['alarms']), 'event')} right" if row["alarms"] else "no event"


def describe_data(data: Series) -> str:
    """What the series is: length, sampling, gaps, missing values, labels, and what reading noticed."""
    lines = []
    if data.times is not None:
        every = f"one every {format_step(data.step)}" if data.step is not None else "no interval"
        irregular = ", irregularly" if data.is_irregular else ""
        lines.append(
            f"**{_count(data.n, 'row')}** from {_moment(data, 0)} to {_moment(data, data.n - 1)}, {every}{irregular}."
        )
    else:
        lines.append(f"**{_count(data.n, 'row')}** without times; rows are numbered from 0.")
    names = [
        f"*{escape_markdown(name)}*" + (f" ({escape_markdown(unit)})" if (unit := _unit(data, position)) else "")
        for position, name in enumerate(data.columns)
    ]
    shown = names if len(names) <= MAX_VARIABLES else [*names[:MAX_VARIABLES], f"{len(names) - MAX_VARIABLES} more"]
    lines.append(f"{_count(data.n_features, 'variable')}: {_and(shown)}.")
    missing = int(np.isnan(data.values).sum())
    lines.append(
        f"Missing values: {_count(missing, 'value')} ({_percent(missing / data.values.size)})."
        if missing
        else "No value is missing."
    )
    if data.times is not None:
        gaps = len(data.gaps)
        longest = _longest_gap(data)
        lines.append(f"{_count(gaps, 'gap')} in time, the longest {longest}." if gaps else "No gap in time.")
    if data.train_rows is not None:
        lines.append(
            f"The first {_count(data.train_rows, 'row')} are the training part; the other "
            f"{data.n - data.train_rows:,} were never learned from."
        )
    else:
        lines.append("No training part is known, so the detector learned from the series as a whole.")
    if data.labels is not None:
        labelled = labelled_events(data)
        share = _percent(float(np.mean(data.labels)))
        lines.append(f"Labels: {_count(len(labelled), 'anomaly', 'anomalies')} ({share} of rows). {_kinds(labelled)}")
    lines += [f"Noticed while reading: {escape_markdown(note)}." for note in data.notes]
    return "\n".join(f"- {line.strip()}" for line in lines)


def _kinds(labelled: pd.DataFrame) -> str:
    if not len(labelled) or set(labelled["kind"]) == {"labelled"}:
        return ""
    counts = labelled["kind"].value_counts(sort=False)
    return "By kind: " + ", ".join(f"{count} {escape_markdown(kind)}" for kind, count in counts.items()) + "."


def _longest_gap(data: Series) -> str:
    if data.times is None or not len(data.gaps):
        return ""
    row = max(data.gaps.tolist(), key=lambda i: data.times[i] - data.times[i - 1])  # type: ignore[index]
    length = data.times[row] - data.times[row - 1]
    return f"{format_step(length)} before {_moment(data, row)}"


def describe_windows(data: Series, detector: Detector, found: Explanation) -> str:
    """How the series was cut into windows, and what the rows were used for."""
    timesteps, used = detector.timesteps_, detector.calibration_
    covered = int(np.isfinite(found.scores).sum())
    chosen = "as asked" if detector.timesteps else "about one period of the series, found from its autocorrelation"
    if not detector.timesteps and timesteps == 100:
        chosen = "the default, since the series shows no rhythm or one of that length"
    part = data.train.n
    lines = [
        f"A window is **{_length(data, timesteps)}**: {chosen}. One starts at every row where none of its rows lies "
        f"beyond a gap; none is copied, a batch gathers its rows from the one series in memory.",
    ]
    if used["held_back"]:
        calibration = part - used["fit_rows"] - used["validation_rows"]
        lines.append(
            f"Of the {_count(part, 'row')} to learn from, the first {used['fit_rows']:,} trained the weights and the "
            f"scaling, the next {used['validation_rows']:,} decided when to stop, the last {calibration:,} set the "
            "threshold."
        )
        if "refit_step" in detector.training_:
            lines[-1] += " Then the training went on with all of them; the threshold stayed."
    elif detector.settings_["contamination"]:
        lines.append(
            f"The series is its own training part: of its {_count(part, 'row')} the first {used['fit_rows']:,} trained "
            f"the weights, the next {used['validation_rows']:,} decided when to stop, then the training went on with "
            "all of them. Both lines, that of the alarms and the threshold of single rows, were set at the end on all "
            "rows but those that looked anomalous themselves."
        )
    else:
        lines.append(
            "The series is too short to hold rows back: the threshold is calibrated on rows that were trained on, and "
            "flags more than it promises."
        )
    if covered < data.n:
        lines.append(
            f"{_count(data.n - covered, 'row')} got no score: no window without a gap covers them, or nothing was "
            "measured there. They stand empty in scores.csv, and are never taken for normal."
        )
    else:
        lines.append("Every row got a score, at both ends too.")
    return "\n".join(f"- {line}" for line in lines)


def describe_training(detector: Detector) -> str:
    """How the training went."""
    training, history = dict[str, Any](detector.training_), detector.history_
    why = {
        "budget": "all steps of the budget were run",
        "early": "the held-back loss did not fall any further",
        "interrupt": "it was interrupted",
    }[training["stopped"]]
    again = "refit_step" in training
    use = "that set the threshold" if again else "in use"
    text = (
        f"**{_count(training['steps'], 'training step')}** of {detector.settings_['batch_size']} windows each; {why}. "
        f"The weights {use} are those of step {training['best_step']:,}"
    )
    losses = history["val_loss"].dropna()
    if len(losses):
        first = "the start is probabilistic PCA, so the curve begins low" if detector.settings_["linear_path"] else ""
        text += f", where the held-back loss was lowest ({_number(float(losses.min()))} nats per value)"
        text += f"; {first}" if first else ""
    if again:
        text += f". From step {training['refit_step']:,} on the training used the held-back rows as well"
    return text + "."


def describe_latent(detector: Detector) -> str:
    """Whether the latent is used, in words."""
    found = collapse_of(detector)
    if not found:
        return "There are too few windows to tell whether the latent is used."
    return f"**{found['verdict'].capitalize()}.** {found['text']}"


def describe_reconstructions(data: Series, detector: Detector, found: Explanation) -> str:
    """What to look for in the figure of reconstructions, with the share of rows inside the band."""
    values, inside = data.values, (data.values >= found.lower) & (data.values <= found.upper)
    known = np.isfinite(values) & np.isfinite(found.lower)
    known[found.flags] = False
    share = float(inside[known].mean()) if known.any() else math.nan
    return (
        f"On the left two stretches as the model knows them, on the right the two that it finds strangest. "
        f"**{_percent(share)}** of the values outside events lie inside the expected band (two standard deviations: "
        "95 % if errors were Gaussian)."
    )


def describe_score(data: Series, detector: Detector, alarms: AlarmView) -> str:
    """What the score is and where its threshold lies."""
    settings, rule = detector.settings_, detector.threshold_
    scores = np.asarray(detector.calibration_scores_, float)
    middle = float(np.nanmedian(scores)) if len(scores) else math.nan
    around = _length(data, detector.smooth_)
    if settings["kind"] == "window_error":
        what = (
            "The score of a row is the mean squared error of whole windows: of those that contain it, averaged over "
            f"{around} around it; 1 is a usual row of the training part."
        )
        if settings["scales"] == "window+row":
            what += (
                f" The row's own squared error, and that averaged over {max(ROW_SMOOTHS)} rows, count where they are "
                "larger, so that short anomalies do not drown; they are scaled to have the same highest values (99.9 % "
                "quantile) in the training part."
            )
    elif settings["kind"] == "error":
        what = (
            "The score of a row is its squared reconstruction error, averaged over the windows that contain it and "
            f"over {around} around it; 1 is a usual row of the training part."
        )
    else:
        what = f"The score of a row is *{escape_markdown(settings['kind'])}*, averaged over {around} around it."
    promise = "" if rule.promised_rate is None else f" for a false-alarm rate of {_percent(rule.promised_rate)}"
    return (
        f"{what} On the calibration rows its median is {_number(middle)}. The threshold is "
        f"**{_number(rule.threshold_)}**, set by the rule *{settings['threshold']}*{promise}.{_alarm_score(alarms)}"
    )


def _alarm_score(alarms: AlarmView) -> str:
    if alarms.points is None:
        return ""
    return (
        " Alarms look at several time scales at once: their score is log10 of the number of rows in which chance "
        f"brings one such event, and an event begins where it reaches **{_number(alarms.threshold)}**."
    )


def event_table(data: Series, found: Explanation, alarms: AlarmView, *, most: int = MAX_ROWS) -> pd.DataFrame:
    """The events, the worst first, in words that a person reads.

    Parameters
    ----------
    data : Series
    found : Explanation
    alarms : AlarmView
    most : int, default 20
        How many.

    Returns
    -------
    DataFrame
        Columns event, when, duration, kind, value, severity; with several variables also variable, with labels also
        label.
    """
    rows = []
    for card in event_cards(data, found, alarms, most=most):
        row = {
            "event": card.number,
            "when": card.when,
            "lasts": card.duration,
            "kind": card.kind,
            "value, expected": card.against,
            "severity": card.severity,
        }
        if data.n_features > 1:
            row["variable"] = card.variable
        if data.labels is not None:
            row["label"] = card.label or "none"
        rows.append(row)
    return pd.DataFrame(rows)


def describe_events(data: Series, found: Explanation, alarms: AlarmView) -> str:
    """The table of events as Markdown, with a sentence before it."""
    n_events = len(found.events)
    if not n_events:
        return "No row is above the threshold: no event. The figure of the score shows how close it came."
    shown = min(n_events, MAX_ROWS)
    head = f"{_count(n_events, 'event')}, the worst first"
    head += f"; the first {shown} are shown, events.csv has all" if shown < n_events else ""
    return (
        f"{head}. The value is that of the row furthest from what was expected.\n\n"
        f"{markdown_table(event_table(data, found, alarms))}"
    )


def describe_calibration(
    data: Series,
    detector: Detector,
    found: Explanation,
    rates: Mapping[str, Sequence[RealisedRate]],
    alarms: AlarmView,
) -> str:
    """What the threshold promised and what held-back rows showed."""
    rule, promise = detector.threshold_, float(detector.settings_["false_alarm_rate"])
    rows, independent = independent_rows(detector)
    if detector.calibration_["held_back"]:
        head = f"The threshold was set on {_count(rows, 'row')} that no weight had been trained on by then"
    elif detector.settings_["contamination"]:
        head = f"The series is its own training part: the threshold was set on {_count(rows, 'row')} of it"
    else:
        head = f"The series is short: the threshold was set on {_count(rows, 'row')} that the model trained on"
    if alarms.points is not None:
        head = (
            "This is about the threshold of single rows, which gives p-values. Events are found by the alarm line; the "
            f"first screen has its promise. {head}"
        )
    if rule.promised_rate is None:
        parts = [f"{head}. The rule *{rule.name}* promises no rate of false alarms."]
    else:
        parts = [f"{head}; it promises that **{_percent(promise)}** of normal rows are flagged."]
    parts.append(f"Scores come in runs, so these rows tell about as much as {_count(independent, 'independent one')}.")
    if rule.promised_rate is not None and promise * independent < 1:
        parts.append(
            f"A rate of {_percent(promise)} is rarer than one in {independent:,}: the line stands beyond what was "
            "seen, by the shape of the tail."
        )
    lines = [_kept(source, own_rate(detector, measured), promise) for source, measured in rates.items()]
    if alarms.points is not None and any(own_rate(detector, measured).low > promise for measured in rates.values()):
        lines.append("So p-values of this series are not rates. The alarm line does not use them.")
    near = _near_labels(data, detector, found)
    if near:
        lines.append(near)
    if not lines:
        parts.append("Too few rows were held back to check the promise.")
    false = false_events(data, found)
    if false is not None and data.train_rows is not None:
        span = data.n - data.train_rows
        each = f", one every {_length(data, span // false)}" if false else ""
        lines.append(f"Counted in events: {_count(false, 'event')} without a label in {_length(data, span)}{each}.")
    own = [alarms.reason, ""] if alarms.points is not None else []
    return "\n".join([*own, " ".join(parts), "", *(f"- {line}" for line in lines)])


def _kept(source: str, own: RealisedRate, promise: float) -> str:
    if own.low <= promise <= own.high:
        verdict = "the promise lies within the interval"
    elif own.rate > promise:
        verdict = f"**{_number(own.rate / promise, 2)} times what was promised**"
    else:
        verdict = "fewer than promised"
    return (
        f"On {_count(own.rows, 'row')} ({source}): **{_percent(own.rate)}** were flagged (95 % interval "
        f"{_percent(own.low)} to {_percent(own.high)}): {verdict}."
    )


def _near_labels(data: Series, detector: Detector, found: Explanation) -> str:
    """How many of the flagged rows labelled normal lie so near a label that they share its windows."""
    if not has_labels(data) or data.train_rows is None or data.train_rows >= data.n:
        return ""
    margin = label_margin(detector)
    flagged = found.flags & (np.asarray(data.labels) == 0) & (np.arange(data.n) >= data.train_rows)
    near = int((flagged & ~away_from_labels(data, margin)).sum())
    return (
        f"{near:,} of the {_count(int(flagged.sum()), 'flagged row')} labelled normal lie within "
        f"{_length(data, margin)} of a labelled anomaly: their windows or their smoothing hold some of it."
    )


def describe_loss(detector: Detector) -> str:
    """The loss and its weights, as the training used them."""
    settings, history = detector.settings_, detector.history_
    noise = {
        "gaussian": "with one noise variance set to its optimum at each step",
    }.get(settings["likelihood"], f"with the likelihood *{escape_markdown(settings['likelihood'])}*")
    beta = history["beta"].dropna().to_numpy(float)
    if not len(beta) or (beta == beta[0]).all():
        weight = rf"$\beta = {_number(float(beta[0]) if len(beta) else 1.0)}$ throughout"
    else:
        full = int(history["step"].iloc[int(np.argmax(beta))])
        weight = (
            rf"$\beta$ rising from {_number(float(beta.min()))} to {_number(float(beta.max()))} until step {full:,}"
        )
    return (
        "The loss is the negative evidence lower bound, per value of a window $x$ of $T$ steps and $F$ variables:\n\n"
        r"$$\frac{1}{TF}\left(-\log p(x \mid z) + \beta\, \mathrm{KL}\left(q(z \mid x) \,\|\, "
        r"\mathcal{N}(0, I)\right)\right)$$"
        f"\n\n{noise}, and {weight}."
    )


def describe_evaluation(data: Series, table: pd.DataFrame | None) -> str:
    """How the detector and the baselines do against the labels."""
    if table is None or not has_labels(data):
        return (
            "The series has no labelled anomaly, so recall and precision cannot be told. Name a column of 0 and 1 with "
            "`--label` to have them."
        )
    best = table["vus_pr"].astype(float).idxmax()
    shown = pd.DataFrame(
        {
            "method": table.index,
            "labelled anomalies found": _of(table["found"], table["labelled"]),
            "events that are right": _of(table["right"], table["alarms"]),
            "recall": [_fixed(value, 2) for value in table["recall"]],
            "precision": [_fixed(value, 2) for value in table["precision"]],
            "VUS-PR": [_fixed(value, 3) for value in table["vus_pr"]],
        }
    )
    ours = table.index[0]
    if best == ours:
        remark = f"**{ours}** has the highest VUS-PR here."
    else:
        remark = (
            f"**{best}** has a higher VUS-PR here than the {ours}: on this series the simpler method ranks rows "
            "better, and is worth using."
        )
    return (
        "A labelled anomaly counts as found when an event overlaps it, an event as right when it overlaps a labelled "
        "anomaly. VUS-PR looks at the score alone, at every threshold, and forgives small shifts in time (Paparrizos "
        f"et al. 2022). All methods share training rows, smoothing and threshold rule. {remark}\n\n"
        f"{markdown_table(shown)}"
    )


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _of(part: pd.Series, whole: pd.Series) -> list[str]:
    return [f"{int(some)} of {int(every)}" for some, every in zip(part, whole)]


def describe_agreement(data: Series, methods: Sequence[Method]) -> str:
    """What simple baselines would have flagged, beside the detector's events."""
    ours = methods[0]
    lines = []
    for other in methods[1:]:
        shared = _overlaps(ours.events, other.marks)
        theirs = len(other.events) - _overlaps(other.events, ours.marks)
        lines.append(
            f"- **{other.name}**: {_count(len(other.events), 'event')}; it sees {shared} of our {len(ours.events)}, "
            f"and {theirs} that we do not."
        )
    if len(methods) > 1 and len(ours.events):
        alone = [
            (first, last)
            for first, last in zip(ours.events["first"].tolist(), ours.events["last"].tolist())
            if not any(other.marks[first : last + 1].any() for other in methods[1:])
        ]
        spans = [_span(data, first, last) for first, last in alone]
        if spans:
            more = f" and {len(spans) - 5} more" if len(spans) > 5 else ""
            lines.append(f"- Only the {ours.name} sees: {'; '.join(spans[:5])}{more}.")
        else:
            lines.append(f"- No event is seen by the {ours.name} alone.")
    return "\n".join(lines)


def describe_limits(data: Series, detector: Detector, found: Explanation, alarms: AlarmView) -> str:
    """What this report cannot tell, for this very series."""
    lines = [escape_markdown(note) for note in detector.notes_]
    if data.train_rows is None:
        lines.append(
            "No training part was given: the model learned from rows that may hold anomalies, and what is frequent in "
            "them is normal to it. With `--set train_rows=N` it learns from the first N rows alone."
        )
    spread = detector.timesteps_ + detector.smooth_
    lines.append(
        "An event's edges are placed by the errors of its own rows; a slow beginning is found late."
        if alarms.points is not None
        else f"An event's edges are blurred by up to {_length(data, spread // 2)} on either side: a row's score comes "
        "from all windows around it and is smoothed. The peak is the better pointer."
    )
    lines.append(
        "A gradual change of what is normal (a new product, a replaced sensor) looks like one long anomaly; fit again "
        "on rows from after it."
    )
    lines.append(
        "p-values speak of single rows, not of events, and hold as far as the future resembles the calibration rows."
    )
    if data.n_features == 1:
        lines.append(
            "One variable alone cannot tell a fault from a changed load; variables that explain the load help."
        )
    unscored = int(np.isnan(found.scores).sum())
    if unscored:
        lines.append(f"{_count(unscored, 'row')} without a score were not judged at all.")
    return "\n".join(f"- {line}" for line in lines)
