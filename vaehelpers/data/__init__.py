"""From a file, a name or an array to a `Series`: reading, embedded machines, NAB, scaling."""

from vaehelpers.data.arrays import as_series
from vaehelpers.data.catalogue import EMBEDDED, fetch, list_series, load_series
from vaehelpers.data.machines import PLANT_KINDS, PUMP_KINDS, make_plant, make_pump
from vaehelpers.data.opening import open_series
from vaehelpers.data.reading import describe, frame_to_series, read_series, read_series_parts
from vaehelpers.data.scaling import Scaler
from vaehelpers.data.series import Series
from vaehelpers.data.tsb_ad import read_tsb_ad

__all__ = [
    "EMBEDDED",
    "PLANT_KINDS",
    "PUMP_KINDS",
    "Scaler",
    "Series",
    "as_series",
    "describe",
    "fetch",
    "frame_to_series",
    "list_series",
    "load_series",
    "make_plant",
    "make_pump",
    "open_series",
    "read_series",
    "read_series_parts",
    "read_tsb_ad",
]
