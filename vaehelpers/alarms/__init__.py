"""Alarms that a person keeps switched on: lines that promise events per time, incidents, severity, edges, self-check.

The chain, on arrays alone (no TensorFlow)::

    line = calibrate({"row 1": scores}, Promise.per_month("15min"), contaminated=True)
    check = self_check(line, {"row 1": later})                           # still the right line?
    points = line.point_scores({"row 1": later}).score
    found = find_incidents(points, start=line.start, end=line.end, cooldown=line.cooldown)
    rarity = severity(line, [incident.score for incident in found]).value   # months to one such by chance

The detectors go further, by what is private to this package: errors at several time scales (`calibration.time_scales`),
a line that follows what changes for good (`redraw.judge`), and tables with causes (`incidents.incident_table`).
Measured in benchmarks/alarms.py; what was tried is in docs/alarms.md.
"""

from vaehelpers.alarms.calibration import (
    AlarmLine,
    Promise,
    calibrate,
    scale_reach,
)
from vaehelpers.alarms.causal import CausalDetector
from vaehelpers.alarms.incidents import find_incidents
from vaehelpers.alarms.selfcheck import self_check
from vaehelpers.alarms.severity import severity, severity_text

__all__ = [
    "AlarmLine",
    "CausalDetector",
    "Promise",
    "calibrate",
    "find_incidents",
    "scale_reach",
    "self_check",
    "severity",
    "severity_text",
]
