"""Alarms that a person keeps switched on: lines that promise events per time, incidents, severity, edges, self-check.

The chain, on arrays alone (no TensorFlow)::

    scores = time_scales(row_errors, window_errors, gaps=gaps)           # dict of (n,) arrays
    line = calibrate(scores, Promise.per_month("15min"), reach=scale_reach(timesteps), contaminated=True)
    line, check, points = judge(line, later, reach=scale_reach(timesteps))  # still the right line? follows if not
    table = incident_table(line, later, points=points, row_errors=..., values=..., expected=..., times=times, gaps=gaps)

Measured in benchmarks/alarms.py; what was tried is in docs/alarms.md.
"""

from vaehelpers.alarms.calibration import (
    AlarmLine,
    Promise,
    calibrate,
    scale_reach,
    time_scales,
)
from vaehelpers.alarms.causal import CausalDetector
from vaehelpers.alarms.drift import drift_notes
from vaehelpers.alarms.edges import KINDS
from vaehelpers.alarms.incidents import IncidentTracker, find_incidents, incident_table
from vaehelpers.alarms.redraw import judge
from vaehelpers.alarms.selfcheck import self_check
from vaehelpers.alarms.severity import severity, severity_text

__all__ = [
    "KINDS",
    "AlarmLine",
    "CausalDetector",
    "IncidentTracker",
    "Promise",
    "calibrate",
    "drift_notes",
    "find_incidents",
    "incident_table",
    "judge",
    "scale_reach",
    "self_check",
    "severity",
    "severity_text",
    "time_scales",
]
