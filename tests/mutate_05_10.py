"""Mutations for lessons 05 to 12, for the list in tests/mutate.py: each must turn a cell of a named notebook red.

``python tests/mutate_05_10.py [NAME ...]`` runs these alone. Modules are named as they are in the flat layout.
"""

from __future__ import annotations

import click
import mutate
from mutate import Mutation

MUTATIONS = (
    Mutation(
        "PCA held at 8 components, whatever is asked",
        "baselines",
        "kept = self.n_components if self.n_components < 1 else min(int(self.n_components), *windows.shape)",
        "kept = self.n_components if self.n_components < 1 else min(8, *windows.shape)",
        ("08_honest_evaluation", "11_kmeans_beats_your_vae"),
    ),
    Mutation(
        "k-means held at 20 typical windows, whatever is asked",
        "baselines",
        "min(self.n_clusters, len(windows)), batch_size=2_048, n_init=3, random_state=self.seed",
        "min(20, len(windows)), batch_size=2_048, n_init=3, random_state=self.seed",
        ("11_kmeans_beats_your_vae",),
    ),
    Mutation(
        "baselines: random scores are always smooth",
        "baselines",
        "return smooth(np.where(observed.any(axis=1), scores, np.nan), self.smooth, gaps=gaps)",
        "return smooth(np.where(observed.any(axis=1), scores, np.nan), max(self.smooth, 200), gaps=gaps)",
        ("08_honest_evaluation",),
    ),
    Mutation(
        "conformal threshold: one score too many may lie above",
        "thresholds",
        "rank = math.floor(self.false_alarm_rate * (n + 1) + _RATE_SLACK)",
        "rank = math.floor(self.false_alarm_rate * (n + 1) + _RATE_SLACK) + 1",
        ("06_thresholding",),
    ),
    Mutation(
        "extremal index: dependence taken for independence",
        "thresholds",
        "return float(min(max(index, 1.0 / x.size), 1.0))",
        "return 1.0",
        ("06_thresholding", "12_ten_to_the_minus_36"),
    ),
    Mutation(
        "noise without the half of log_var in the museum's sound VAE",
        "museum",
        "return mu + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mu), seed=self.noise)",
        "return mu + ops.exp(log_var) * keras.random.normal(ops.shape(mu), seed=self.noise)",
        ("10_bug_museum",),
    ),
    Mutation(
        "museum: the sound minimum rule forgets the last window",
        "museum",
        "for step in range(self.timesteps):",
        "for step in range(self.timesteps - 1):",
        ("10_bug_museum",),
    ),
)


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.pass_context
def main(context: click.Context, names: tuple[str, ...]) -> None:
    mutate.MUTATIONS = MUTATIONS
    context.invoke(mutate.main, names=names, keep_going=False)


if __name__ == "__main__":
    main()
