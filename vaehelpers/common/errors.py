"""The one error for input that cannot be used."""

from __future__ import annotations


class InputError(ValueError):
    """Something that the user gave cannot be used: a file, a column, a parameter, a folder.

    The message names what was wrong, both numbers where there are two, and the way out. The command line turns it
    into one line on stderr and exit status 2.

    Examples
    --------
    >>> from vaehelpers.common import InputError
    >>> raise InputError("timesteps=100 is longer than the series (80 points); use at most 80")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: timesteps=100 is longer than the series (80 points); use at most 80
    """

    __module__ = "vaehelpers"  # what a traceback shows: the shortest name it is imported by
