"""What every room uses: the error for bad input, whole files, progress, output, checks."""

from vaehelpers.common.errors import InputError
from vaehelpers.common.progress import Progress

__all__ = ["InputError", "Progress"]
