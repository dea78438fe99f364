"""From a file, a name or an array to a `Series`: reading, embedded machines, NAB, scaling."""

from vaehelpers.data.catalogue import fetch, list_series, load_series
from vaehelpers.data.machines import make_pump
from vaehelpers.data.opening import open_series
from vaehelpers.data.reading import read_series
from vaehelpers.data.scaling import Scaler
from vaehelpers.data.series import Series
from vaehelpers.data.tsb_ad import read_tsb_ad

__all__ = [
    "Scaler",
    "Series",
    "fetch",
    "list_series",
    "load_series",
    "make_pump",
    "open_series",
    "read_series",
    "read_tsb_ad",
]
