"""Draw the figure of the README: the two halves of the answer on the embedded pump, from a run of the default detector.

python docs/make_figure.py
"""

from pathlib import Path

import numpy as np

from vaehelpers import Detector, load_series
from vaehelpers.model import use_threads
from vaehelpers.plots import event_closeup, new_axes

use_threads()
series = load_series("example")
detector = Detector().fit(series.train)
found = detector.explain(series)
assert series.kinds is not None

flat = series.kinds[series.kinds["kind"] == "flat line"].iloc[0]
figure, axes = new_axes(2, sharex=True)
event_closeup(
    axes,
    series.values[:, 0],
    found.expected[:, 0],
    found.scores,
    first=int(flat["first"]),
    last=int(flat["last"]),
    lower=found.lower[:, 0],
    upper=found.upper[:, 0],
    threshold=detector.threshold_.threshold_,
    times=series.times,
    labels=series.labels,
    context=400,
    name=series.columns[0],
    unit=series.units[0] if series.units else None,
)
path = Path(__file__).parent / "figures" / "pump.png"
figure.savefig(path, dpi=110)
z = np.abs(series.values[flat["first"] : flat["last"] + 1] - series.train.values.mean()) / series.train.values.std()
print(f"{path.name}: largest |z| of the value in the event {z.max():.2f}")
