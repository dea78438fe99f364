"""`Report`: everything that a report says about one series, rendered from what ran."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from vaehelpers.common.progress import Progress, quiet
from vaehelpers.data.series import Series
from vaehelpers.plots.base import Picture
from vaehelpers.report import figures, findings, narrative
from vaehelpers.report import methods as comparing
from vaehelpers.report.alarms_view import AlarmView, view
from vaehelpers.report.cards import Card, event_cards
from vaehelpers.report.labels import has_labels
from vaehelpers.report.methods import Method
from vaehelpers.report.text import escape_markdown, markdown_table
from vaehelpers.thresholds.dependence import RealisedRate

if TYPE_CHECKING:
    from vaehelpers.detectors.prepared import Explanation
    from vaehelpers.detectors.vae import Detector

MOST_IN_SUMMARY = 10  # events that summary.md lists


class Report:
    """What there is to say about one series; sentences as Markdown, figures as `Picture`.

    Parameters
    ----------
    data : Series
    detector : Detector
        Fitted on the series' training part.
    found : Explanation
        What it says about the series.
    methods : sequence of Method, optional
        The detector and its baselines, from `vaehelpers.report.methods.compare_methods`.
    rates : mapping of str to list of RealisedRate, optional
        From `vaehelpers.report.methods.realised_rates`.

    Attributes
    ----------
    name : str
        The model's name, from the blocks that ran.
    alarms : AlarmView
        Status of the alarms, and how many false ones to expect.

    Examples
    --------
    >>> import numpy as np
    >>> from vaehelpers.detectors import Detector
    >>> wave = Series(np.sin(np.arange(700) / 4) + 0.1 * np.random.default_rng(0).normal(size=700))
    >>> detector = Detector(timesteps=16, units=4, latent_dim=2, steps=3, smooth=8).fit(wave)
    >>> report = Report.of(wave, detector)
    >>> report.name
    'dense VAE'
    >>> [method.name for method in report.methods]
    ['dense VAE', 'smoothed z-score', 'windowed PCA']
    """

    def __init__(
        self,
        data: Series,
        detector: Detector,
        found: Explanation,
        methods: Sequence[Method] = (),
        rates: Mapping[str, Sequence[RealisedRate]] | None = None,
    ) -> None:
        self.data, self.detector, self.found = data, detector, found
        self.methods = list(methods)
        self.rates = dict(rates or {})
        self.name = detector.model_name
        self.alarms: AlarmView = view(data, detector, found, self.rates)

    @classmethod
    def of(cls, data: Series, detector: Detector, *, progress: Progress = quiet) -> Report:
        """Score a series, compare with the baselines, check the promise: what the constructor needs.

        Parameters
        ----------
        data : Series
        detector : Detector
            Fitted.
        progress : Progress, optional

        Returns
        -------
        Report
        """
        found = detector.explain(data, progress=progress)
        methods = comparing.compare_methods(data, detector, found)
        return cls(data, detector, found, methods, comparing.realised_rates(detector, data, found))

    @cached_property
    def table(self) -> pd.DataFrame | None:
        """The methods against the labels; None without labels."""
        return comparing.evaluation_table(self.data, self.methods) if has_labels(self.data) and self.methods else None

    @cached_property
    def cards(self) -> list[Card]:
        """The events in words, the worst first."""
        return event_cards(self.data, self.found, self.alarms)

    @property
    def title(self) -> str:
        return f"{self.data.name}: anomaly report"

    # -- first screen -------------------------------------------------------------------------------------------------

    def status(self) -> str:
        """The first line: what was found, and whether the rate of alarms can be trusted."""
        return narrative.describe_status(self.data, self.found, self.alarms)

    def summary(self) -> str:
        """Status, how many alarms to expect, the worst event, and the labels where there are any."""
        return narrative.describe_summary(self.data, self.found, self.alarms, self.table)

    def overview(self) -> Picture:
        """The series with its events, and the score with its line."""
        return figures.overview(self.data, self.found, self.alarms)

    def events(self) -> str:
        """The table of events."""
        return narrative.describe_events(self.data, self.found, self.alarms)

    def closeups(self) -> Picture | None:
        """The worst events, each with the expected band above and the score below."""
        return figures.closeups(self.data, self.detector, self.found, self.alarms)

    def contributions(self) -> Picture | None:
        """Which variables made which event; None with one variable or without events."""
        return figures.contribution_map(self.data, self.found)

    def summary_text(self) -> str:
        """The first screen as Markdown, for a chat or a ticket: what summary.md holds."""
        parts = [f"# {escape_markdown(self.title)}", self.summary()]
        if self.cards:
            shown = narrative.event_table(self.data, self.found, self.alarms, most=MOST_IN_SUMMARY)
            more = len(self.cards) - len(shown)
            parts += ["## Events", markdown_table(shown)]
            if more:
                parts.append(f"{more} more in events.csv.")
        return "\n\n".join(parts) + "\n"

    # -- appendix -----------------------------------------------------------------------------------------------------

    def about_data(self) -> str:
        """Length, sampling, gaps, missing values, labels, and what reading noticed."""
        return narrative.describe_data(self.data)

    def data_figure(self) -> Picture:
        """The whole series with its gaps, labels and training part."""
        return figures.show_data(self.data)

    def variable_map(self) -> Picture | None:
        """Heat map of variables by time; None with one variable."""
        return figures.variable_map(self.data, self.found)

    def windows(self) -> str:
        """How the series was cut into windows, and what the rows were used for."""
        return narrative.describe_windows(self.data, self.detector, self.found)

    def loss(self) -> str:
        """The loss and its weights, as the training used them."""
        return narrative.describe_loss(self.detector)

    def training(self) -> str:
        """How the training went."""
        return narrative.describe_training(self.detector)

    def training_figure(self) -> Picture:
        """Training curves."""
        return figures.show_training(self.detector)

    def latent(self) -> str:
        """Whether the latent is used."""
        return narrative.describe_latent(self.detector)

    def latent_figure(self) -> Picture | None:
        """KL per latent dimension; None where there are too few windows to measure it."""
        return figures.show_latent(self.detector)

    def reconstructions(self) -> str:
        """What to look for in the figure of reconstructions, with the share of rows inside the band."""
        return narrative.describe_reconstructions(self.data, self.detector, self.found)

    def reconstructions_figure(self) -> Picture:
        """Two usual stretches on the left, the two strangest on the right."""
        return figures.reconstruction_examples(self.data, self.detector, self.found)

    def score(self) -> str:
        """What the score is, and where its line lies."""
        return narrative.describe_score(self.data, self.detector, self.alarms)

    def score_figure(self) -> Picture:
        """The score over time, and how its values spread."""
        return figures.show_score(self.data, self.detector, self.found)

    def promise(self) -> str:
        """What the line promised, and what held-back rows showed."""
        return narrative.describe_calibration(self.data, self.detector, self.found, self.rates, self.alarms)

    def promise_figure(self) -> Picture | None:
        """Promised against realised rates; None where nothing could be measured."""
        return figures.show_calibration(self.detector, self.rates)

    def evaluation(self) -> str:
        """How the detector and the baselines do against the labels."""
        return narrative.describe_evaluation(self.data, self.table)

    def kinds_figure(self) -> Picture | None:
        """Which kinds of labelled anomaly each method found; None where kinds are not known."""
        return figures.show_kinds(self.data, self.methods) if self.methods else None

    def evaluation_figure(self) -> Picture | None:
        """Recall, precision and VUS-PR of all methods; None without labels."""
        return figures.show_evaluation(self.table)

    def baselines(self) -> str:
        """What simple baselines would have flagged."""
        return narrative.describe_agreement(self.data, self.methods)

    def limits(self) -> str:
        """What this report cannot tell, for this very series."""
        return narrative.describe_limits(self.data, self.detector, self.found, self.alarms)

    # -- files --------------------------------------------------------------------------------------------------------

    def metrics(self) -> dict[str, Any]:
        """Everything that metrics.json holds, in plain types."""
        numbers = findings.collect_metrics(self.data, self.detector, self.found, methods=self.methods, rates=self.rates)
        numbers["events"]["worst"] = [card.to_dict() for card in self.cards[:MOST_IN_SUMMARY]]
        alarms = {
            "text": self.status().replace("*", "").replace("\\", ""),
            "status": self.alarms.status,
            "reason": self.alarms.reason,
            "expected": self.alarms.expected,
            "line": None if self.alarms.ranked else self.alarms.threshold,
        }
        return numbers | {
            "model": self.name,
            "alarms": {**alarms, "unit": self.alarms.unit, "missed": self.alarms.missed or None},
        }

    def save(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write the result files into `folder`, made where it is missing; returns their names."""
        from vaehelpers.report.results import save_results

        return save_results(folder, self)
