"""Alarms that a person keeps switched on: lines that promise events per time, incidents, severity, edges, self-check.

The chain, on arrays alone (no TensorFlow)::

    scores = time_scales(row_errors, window_errors, gaps=gaps)           # dict of (n,) arrays
    line = calibrate(scores, Promise.per_month("15min"), reach=scale_reach(timesteps), contaminated=True)
    table = incident_table(line, scores, row_errors=..., values=..., expected=..., times=times, gaps=gaps)
    check = self_check(line, scores)                                    # status and the report's first sentence

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
    "scale_reach",
    "self_check",
    "severity",
    "severity_text",
    "time_scales",
]
