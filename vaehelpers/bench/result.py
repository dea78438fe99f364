"""The result of a benchmark."""

from __future__ import annotations

import dataclasses

import pandas as pd

from vaehelpers.bench.paired import _best, _has_error
from vaehelpers.bench.text import _means_table, _verdicts


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What `bench` found.

    Attributes
    ----------
    rows : DataFrame
        One row per file, method and seed: `COLUMNS`.
    means : DataFrame
        One row per method, published ones included, best first: see `compare`.
    differences : DataFrame
        One row per VAE and best rival: see `compare`.
    text : str
        What bench.md says, in Markdown.
    notes : tuple of str
        What a reader should know.
    """

    rows: pd.DataFrame
    means: pd.DataFrame
    differences: pd.DataFrame
    text: str
    notes: tuple[str, ...]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows with an error."""
        return self.rows[_has_error(self.rows)]

    @property
    def summary(self) -> str:
        """Means of what was run and of the best published detector, and one sentence per VAE and rival; plain text."""
        best = _best(self.means[self.means["kind"] == "published"])
        shown = self.means[(self.means["kind"] != "published") | (self.means.index == best)]
        return "\n".join([_means_table(shown).to_string(index=False), *_verdicts(self.differences)])
