"""What every room uses: the error for bad input, whole files, progress, output."""

from vaehelpers.common.errors import InputError
from vaehelpers.common.files import atomic_file, atomic_folder, check_free
from vaehelpers.common.output import write_json, write_table
from vaehelpers.common.progress import Progress, file_progress, quiet, terminal_progress

__all__ = [
    "InputError",
    "Progress",
    "atomic_file",
    "atomic_folder",
    "check_free",
    "file_progress",
    "quiet",
    "terminal_progress",
    "write_json",
    "write_table",
]
