"""The work of a report failed."""

from __future__ import annotations


class ReportError(RuntimeError):
    """The work itself failed: the notebook raised, or its kernel died. Carries the traceback in `details`."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details
