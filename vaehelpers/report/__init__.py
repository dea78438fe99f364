"""One command's work: a report on one series."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["ReportError"],
        "compare": ["compare_reports"],
        "document": ["Report"],
        "run": ["report"],
    },
)
