"""A door that scripts rely on: the detector row by row, whose home is `vaehelpers.detectors`."""

from vaehelpers.detectors import StreamingDetector, score_parts
from vaehelpers.detectors.stream import StreamPoint, trailing_scores

__all__ = [
    "StreamPoint",
    "StreamingDetector",
    "score_parts",
    "trailing_scores",
]
