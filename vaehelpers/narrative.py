"""What a report says about one series: the sentences around the numbers, and the figures.

Every function takes the series, the fitted detector and what it found, and returns Markdown text, a table, or a
`plots.Picture`; so the report notebook is right for one variable or forty, with labels or without, with times or row
numbers. The numbers come from `vaehelpers.findings`. The notebook that uses all of it: notebooks/07_report.ipynb.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vaehelpers import plots
from vaehelpers.findings import (
    Method,
    collapse_of,
    event_shares,
    false_events,
    has_labels,
    independent_rows,
    kinds_found,
    labelled_events,
    own_rate,
    promised_rates,
    ranked_events,
    shares_of,
)
from vaehelpers.series import Series, format_step
from vaehelpers.thresholds import RealisedRate

if TYPE_CHECKING:
    from vaehelpers.detector import Detector, Explanation

__all__ = [
    "closeups",
    "contribution_map",
    "describe_agreement",
    "describe_calibration",
    "describe_data",
    "describe_evaluation",
    "describe_events",
    "describe_latent",
    "describe_limits",
    "describe_reconstructions",
    "describe_score",
    "describe_summary",
    "describe_training",
    "describe_windows",
    "escape_markdown",
    "event_table",
    "markdown_table",
    "overview",
    "reconstruction_examples",
    "show_calibration",
    "show_data",
    "show_evaluation",
    "show_kinds",
    "show_latent",
    "show_score",
    "show_training",
]

MAX_VARIABLES = 10  # how many variables one figure shows
MAX_ROWS = 20  # how many events one table shows


def _number(value: float, digits: int = 3) -> str:
    """A number as people write it: few digits, no exponent where it can be avoided."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.2g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(share: float) -> str:
    """A share in percent, with as many digits as it needs."""
    if not math.isfinite(share):
        return "–"
    value = 100 * share
    if value < 1e-4:
        return "0 %"
    return f"{_number(value, 2)} %" if value < 10 else f"{value:.0f} %"


def _count(number: int, word: str, plural: str = "") -> str:
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def _and(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def escape_markdown(text: object) -> str:
    """A name out of a file, as Markdown that shows it as it is.

    Examples
    --------
    >>> print(escape_markdown("flow_1 <b>"))
    flow\\_1 \\<b\\>
    """
    cleaned = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|$~" else c for c in cleaned)


def _moment(data: Series, row: int, other: int | None = None) -> str:
    """Time of a row, or its number; the date is left out where `other` is on the same day."""
    if data.times is None:
        return f"row {row:,}"
    moment = data.times[row]
    if isinstance(moment, pd.Timestamp):
        if other is not None and data.times[other].date() == moment.date():
            return moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
        return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")
    return f"{moment:g}"


def _span(data: Series, first: int, last: int) -> str:
    return _moment(data, first) if first == last else f"{_moment(data, first)} to {_moment(data, last, first)}"


def _length(data: Series, rows: int) -> str:
    """So many rows as time where the sampling is known: "100 rows (8 h 20 min)"."""
    step = data.step
    if isinstance(step, pd.Timedelta):
        return f"{_count(rows, 'row')} ({format_step(rows * step)})"
    return _count(rows, "row")


def markdown_table(frame: pd.DataFrame, *, index: bool = False) -> str:
    """A table as Markdown; numbers stand right.

    Parameters
    ----------
    frame : DataFrame
        Cells are shown by ``str``; None and NaN as a dash.
    index : bool, default False
        Show the index as the first column.

    Returns
    -------
    str

    Examples
    --------
    >>> print(markdown_table(pd.DataFrame({"method": ["a|b"], "recall": [0.5]})))
    | method | recall |
    | :--- | ---: |
    | a\\|b | 0.5 |
    """
    if index:
        frame = frame.reset_index()
    aligned = ["---:" if _is_numeric(frame[name]) else ":---" for name in frame]
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    lines = [[escape_markdown(name) for name in frame.columns], aligned, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _is_numeric(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column):
        return True
    digits = (str(value).replace(",", "").replace(".", "") for value in column)
    return all(word.isdigit() or word == "–" for word in digits)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        return _number(float(value))
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return f"{value:,}"
    return escape_markdown(value)


def _shown_variables(data: Series, found: Explanation | None = None) -> list[int]:
    """The variables that figures show: all of a few, else those that contributed most to the events."""
    if data.n_features <= MAX_VARIABLES:
        return list(range(data.n_features))
    if found is None or not len(found.events):
        return list(range(MAX_VARIABLES))
    weight = event_shares(found).mean(axis=0)
    return sorted(np.argsort(-weight, kind="stable")[:MAX_VARIABLES].tolist())


def _unit(data: Series, variable: int) -> str | None:
    return data.units[variable] or None if data.units else None


def _partners(data: Series, first: int, last: int) -> list[int]:
    """Numbers of the labelled anomalies that an event overlaps."""
    labelled = labelled_events(data)
    return np.flatnonzero((labelled["first"] <= last) & (labelled["last"] >= first)).tolist()


def describe_summary(data: Series, detector: Detector, found: Explanation, table: pd.DataFrame | None = None) -> str:
    """What was found, in a few sentences: the top of the report."""
    n_events, flagged = len(found.events), int(found.flags.sum())
    rate = float(detector.settings_["false_alarm_rate"])
    scored = int(np.isfinite(found.scores).sum())
    head = f"**{_count(n_events, 'event')}** in {_length(data, data.n)} of {_variables(data)}"
    parts = [f"{head}: {_count(flagged, 'row')} ({_percent(flagged / data.n)}) lie above the threshold."]
    if n_events:
        worst = ranked_events(found).iloc[0]
        by = (
            f", made by {escape_markdown(worst['contributed'])}" if data.n_features > 1 and worst["contributed"] else ""
        )
        parts.append(
            f"The most surprising is {_span(data, worst['first'], worst['last'])}: its score reaches "
            f"{_number(worst['score'])} times that of a normal row{by}."
        )
    else:
        highest = np.nanmax(found.scores) if scored else math.nan
        parts.append(
            f"Nothing is above the threshold of {_number(detector.threshold_.threshold_)}; "
            f"the highest score is {_number(highest)}."
        )
    if detector.threshold_.promised_rate is not None:
        parts.append(
            f"The threshold promises that at most {_percent(rate)} of normal rows are flagged, about "
            f"{_count(round(rate * scored), 'row')} of this series by chance alone."
        )
    if table is not None and len(table):
        return " ".join(parts) + "\n\n" + _verdict(table)
    return " ".join(parts)


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
        f"{int(ours['right'])} of {_count(int(ours['alarms']), 'event')} right"
    )
    others = table.iloc[1:]
    if not len(others):
        return text + "."
    sides = [
        f"{name} {int(row['found'])} of {int(row['labelled'])} found, {int(row['right'])} of {int(row['alarms'])} right"
        for name, row in others.iterrows()
    ]
    return f"{text}. Under the same conditions: {'; '.join(sides)}."


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


def describe_score(data: Series, detector: Detector, found: Explanation) -> str:
    """What the score is and where its threshold lies."""
    settings, rule = detector.settings_, detector.threshold_
    scores = np.asarray(detector.calibration_scores_, float)
    middle = float(np.nanmedian(scores)) if len(scores) else math.nan
    around = _length(data, detector.smooth_)
    if settings["score"] == "window_error":
        what = (
            "The score of a row is the mean squared error of whole windows: of those that contain it, averaged over "
            f"{around} around it; 1 is a usual row of the training part."
        )
    elif settings["score"] == "error":
        what = (
            "The score of a row is its squared reconstruction error, averaged over the windows that contain it and "
            f"over {around} around it; 1 is a usual row of the training part."
        )
    else:
        what = f"The score of a row is *{escape_markdown(settings['score'])}*, averaged over {around} around it."
    promise = "" if rule.promised_rate is None else f" for a false-alarm rate of {_percent(rule.promised_rate)}"
    return (
        f"{what} On the calibration rows its median is {_number(middle)}. The threshold is "
        f"**{_number(rule.threshold_)}**, set by the rule *{settings['threshold']}*{promise}."
    )


def event_table(data: Series, found: Explanation, *, most: int = MAX_ROWS) -> pd.DataFrame:
    """The most surprising events, the worst first, in words that a person reads.

    Parameters
    ----------
    data : Series
    found : Explanation
    most : int, default 20
        How many.

    Returns
    -------
    DataFrame
        Columns event, when, rows, peak, score, p, with several variables also made by, with labels also label.
    """
    rows = []
    labelled = labelled_events(data)
    tied = found.events["p_value"].value_counts()
    # p-values end where the calibration rows cannot tell any further: several events then share the lowest
    lowest = tied.index.min() if len(tied) and tied[tied.index.min()] > 1 else math.nan
    for number, (_, event) in enumerate(ranked_events(found).head(most).iterrows(), start=1):
        first, last = int(event["first"]), int(event["last"])
        row = {
            "event": number,
            "when": _span(data, first, last),
            "rows": last - first + 1,
            "peak": _moment(data, int(event["peak_row"])),
            "score": f"{event['score']:,.2f}",
            "p": f"under {_number(lowest, 2)}" if event["p_value"] == lowest else _number(float(event["p_value"]), 2),
        }
        if data.n_features > 1:
            row["made by"] = event["contributed"] or "–"
        if data.labels is not None:
            partners = sorted({str(labelled["kind"][i]) for i in _partners(data, first, last)})
            row["label"] = _and(partners) if partners else "none"
        rows.append(row)
    return pd.DataFrame(rows)


def describe_events(data: Series, found: Explanation) -> str:
    """The table of events as Markdown, with a sentence before it."""
    n_events = len(found.events)
    if not n_events:
        return "No row is above the threshold: no event. The score's figure above shows how close it came."
    shown = min(n_events, MAX_ROWS)
    head = f"{_count(n_events, 'event')}, the most surprising first"
    head += f"; the first {shown} are shown, events.csv has all" if shown < n_events else ""
    return (
        f"{head}. The score is that of the event's highest row, in multiples of a usual row; p is the share of "
        f"normal rows that score as high.\n\n{markdown_table(event_table(data, found))}"
    )


def describe_calibration(
    data: Series, detector: Detector, found: Explanation, rates: Mapping[str, Sequence[RealisedRate]]
) -> str:
    """What the threshold promised and what held-back rows showed."""
    rule, promise = detector.threshold_, float(detector.settings_["false_alarm_rate"])
    rows, independent = independent_rows(detector)
    if detector.calibration_["held_back"]:
        head = f"The threshold was set on {_count(rows, 'row')} that no weight had been trained on by then"
    else:
        head = f"The series is short: the threshold was set on {_count(rows, 'row')} that the model trained on"
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
    if not lines:
        parts.append("Too few rows were held back to check the promise.")
    false = false_events(data, found)
    if false is not None and data.train_rows is not None:
        span = data.n - data.train_rows
        each = f", one every {_length(data, span // false)}" if false else ""
        lines.append(f"Counted in events: {_count(false, 'event')} without a label in {_length(data, span)}{each}.")
    return "\n".join([" ".join(parts), "", *(f"- {line}" for line in lines)])


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


def _overlaps(table: pd.DataFrame, marks: NDArray) -> int:
    return sum(bool(marks[first : last + 1].any()) for first, last in zip(table["first"], table["last"]))


def describe_limits(data: Series, detector: Detector, found: Explanation) -> str:
    """What this report cannot tell, for this very series."""
    lines = [escape_markdown(note) for note in detector.notes_]
    if data.train_rows is None:
        lines.append(
            "No training part was given: the model learned from rows that may hold anomalies, and what is frequent in "
            "them is normal to it. With `--set train_rows=N` it learns from the first N rows alone."
        )
    spread = detector.timesteps_ + detector.smooth_
    lines.append(
        f"An event's edges are blurred by up to {_length(data, spread // 2)} on either side: a row's score comes from "
        "all windows around it and is smoothed. The peak is the better pointer."
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


def show_data(data: Series, found: Explanation | None = None) -> plots.Picture:
    """The whole series with its gaps, labels, training part and, where given, found events."""
    table = None if found is None else found.events
    shown = _shown_variables(data, found)
    if data.n_features == 1:
        figure, ax = plots.new_axes(height=2.8)
        _draw_variable(data, 0, ax, table)
    else:
        figure, ax = plots.new_axes(height=max(2.4, 0.5 * len(shown) + 0.9))
        plots.stacked_series(
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


def overview(data: Series, detector: Detector, found: Explanation) -> plots.Picture:
    """The report's first figure: the series with its events, and the score with its threshold below."""
    shown = _shown_variables(data, found)
    tall = 2.4 if data.n_features == 1 else max(2.4, 0.45 * len(shown) + 0.7)
    figure, (above, below) = plots.new_axes(2, heights=[tall, 1.9], sharex=True)
    if data.n_features == 1:
        _draw_variable(data, 0, above, found.events)
    else:
        plots.stacked_series(
            data.values[:, shown], [_label(data, i) for i in shown], times=data.times, labels=data.labels,
            events=found.events, gaps=data.gaps, train_rows=data.train_rows, ax=above,
        )  # fmt: skip
    above.set_xlabel("")
    plots.score(
        found.scores, detector.threshold_.threshold_, times=data.times, gaps=data.gaps, ax=below
    )  # fmt: skip
    text = f"Series above, anomaly score below; {_count(len(found.events), 'event')} marked."
    return plots.picture(figure, text)


def show_training(detector: Detector) -> plots.Picture:
    """Training curves."""
    figure, ax = plots.new_axes(height=2.6)
    plots.training_curves(detector.history_, ax=ax)
    return plots.picture(figure, f"Training curves over {detector.training_['steps']:,} steps.")


def show_latent(detector: Detector) -> plots.Picture | None:
    """KL per latent dimension; None where there are too few windows to measure it."""
    if not collapse_of(detector):
        return None
    kl = np.asarray(collapse_of(detector)["kl_per_dimension"], float)
    figure, ax = plots.new_axes(height=2.4)
    plots.latent_kl(kl, ax=ax)
    return plots.picture(
        figure, f"KL divergence of {len(kl)} latent dimensions, {_number(float(kl.sum()))} nats in all."
    )


def reconstruction_examples(data: Series, detector: Detector, found: Explanation) -> plots.Picture:
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


def show_score(data: Series, detector: Detector, found: Explanation) -> plots.Picture:
    """The score with threshold and labels, and how calibration rows and all rows spread."""
    figure, (above, below) = plots.new_axes(2, height=2.5)
    limit = detector.threshold_.threshold_
    plots.score(
        found.scores, limit, times=data.times, labels=data.labels, events=found.events, gaps=data.gaps,
        train_rows=data.train_rows, ax=above,
    )  # fmt: skip
    plots.score_histogram(detector.calibration_scores_, found.scores, limit, ax=below)
    over = int(np.nansum(found.scores > limit))
    return plots.picture(figure, f"Anomaly score of every row; {_count(over, 'row')} above the threshold.")


def closeups(data: Series, detector: Detector, found: Explanation, *, most: int = 3) -> plots.Picture | None:
    """The most surprising events, each with the expected band above and the score below."""
    ranked = ranked_events(found).head(most)
    if not len(ranked):
        return None
    figure, axes = plots.new_axes(2, len(ranked), height=2.2)
    axes = np.asarray(axes).reshape(2, len(ranked))
    for column, (number, event) in enumerate(zip(range(1, len(ranked) + 1), ranked.to_dict("records"))):
        variable = int(np.argmax(shares_of(np.nan_to_num(found.contributions[event["peak_row"]]))))
        plots.event_closeup(
            axes[:, column], data.values[:, variable], found.expected[:, variable], found.scores,
            first=event["first"], last=event["last"], lower=found.lower[:, variable], upper=found.upper[:, variable],
            threshold=detector.threshold_.threshold_, times=data.times, labels=data.labels,
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


def contribution_map(data: Series, found: Explanation, *, most: int = MAX_ROWS) -> plots.Picture | None:
    """Which variables made which event; None with one variable or without events."""
    ranked = ranked_events(found).head(most)
    if data.n_features == 1 or not len(ranked):
        return None
    shares = event_shares(found)[ranked.index]
    keep = _shown_variables(data, found)
    figure, ax = plots.new_axes(height=max(1.8, 0.32 * len(ranked) + 1.4))
    plots.contributions(shares[:, keep], [data.columns[i] for i in keep], ax=ax)
    top = data.columns[int(shares.mean(axis=0).argmax())]
    return plots.picture(figure, f"Share of each variable in {_count(len(ranked), 'event')}; {top} has the largest.")


def show_calibration(detector: Detector, rates: Mapping[str, Sequence[RealisedRate]]) -> plots.Picture | None:
    """Promised against realised false-alarm rates; None where nothing could be measured."""
    if not rates:
        return None
    figure, ax = plots.new_axes(height=3.4)
    measured = {source: np.array([[r.rate, r.low, r.high] for r in several]) for source, several in rates.items()}
    plots.calibration(
        np.array(promised_rates(detector)), measured, chosen=float(detector.settings_["false_alarm_rate"]), ax=ax
    )
    own = [f"{_percent(own_rate(detector, several).rate)} on {source}" for source, several in rates.items()]
    return plots.picture(figure, f"Promised {_percent(detector.settings_['false_alarm_rate'])}, realised {_and(own)}.")


def show_evaluation(table: pd.DataFrame | None) -> plots.Picture | None:
    """Recall, precision and VUS-PR of all methods; None without labels."""
    if table is None:
        return None
    figure, ax = plots.new_axes(height=0.45 * len(table) + 1.2)
    plots.comparison(
        table[["recall", "precision", "vus_pr"]].rename(columns={"vus_pr": "VUS-PR"}), ax=ax
    )  # fmt: skip
    ours = table.iloc[0]
    text = f"{table.index[0]}: recall {_number(ours['recall'], 2)}, precision {_number(ours['precision'], 2)}."
    return plots.picture(figure, text)


def show_kinds(data: Series, methods: Sequence[Method]) -> plots.Picture | None:
    """Which kinds of labelled anomaly each method found; None where kinds are not known."""
    if data.kinds is None or not len(data.kinds):
        return None
    found, total = kinds_found(data, methods)
    figure, ax = plots.new_axes(height=0.42 * len(found) + 1.1)
    plots.kind_matrix(found, total, ax=ax)
    said = ", ".join(f"{kind} {int(found.iloc[0][kind])} of {int(total[kind])}" for kind in total.index)
    return plots.picture(figure, f"{found.index[0]} by kind: {said}.")
