"""Draw the figure of the README from a run of the default detector on the embedded pump: an event as it was found.

python docs/make_figure.py
"""

from pathlib import Path

import numpy as np

from vaehelpers import Detector, load_series
from vaehelpers.model import use_threads
from vaehelpers.plots import new_axes
from vaehelpers.plots.lines import event_closeup
from vaehelpers.report.alarms_view import severity_order, view

PATH = Path(__file__).parent / "figures" / "pump.png"


def event_over(events, first, last):
    """The worst event that overlaps the rows from `first` to `last`: its own first and last row."""
    over = severity_order(events[(events["first"] <= last) & (events["last"] >= first)])
    if not len(over):
        raise SystemExit(f"no event was found over rows {first} to {last}; the figure would show nothing")
    return int(over.iloc[0]["first"]), int(over.iloc[0]["last"])


def draw(series, detector, found):
    """The first flat line of the pump: labelled at the foot, the event that was found over it shaded."""
    flat = series.kinds[series.kinds["kind"] == "flat line"].iloc[0]
    first, last = event_over(found.events, int(flat["first"]), int(flat["last"]))
    alarms = view(series, detector, found)
    figure, axes = new_axes(2, sharex=True)
    event_closeup(
        axes,
        series.values[:, 0],
        found.expected[:, 0],
        alarms.score(found),
        first=first,
        last=last,
        lower=found.lower[:, 0],
        upper=found.upper[:, 0],
        threshold=alarms.threshold,
        score_name=alarms.score_name,
        times=series.times,
        labels=series.labels,
        context=300,
        name=series.columns[0],
        unit=series.units[0] if series.units else None,
    )
    return figure, first, last


def main() -> None:
    """Draw the pump's event as the detector found it."""
    use_threads()
    series = load_series("example")
    detector = Detector().fit(series.train)
    found = detector.explain(series)
    figure, first, last = draw(series, detector, found)
    figure.savefig(PATH, dpi=110)
    z = np.abs(series.values[first : last + 1] - series.train.values.mean()) / series.train.values.std()
    print(
        f"{PATH.name}: event found {series.times[first]} to {series.times[last]}, largest |z| of a value {z.max():.2f}"
    )


if __name__ == "__main__":
    main()
