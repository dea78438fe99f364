"""The faults that ``tests/mutate.py`` puts into the package or into a lesson, one at a time.

``module`` is a file of the package without its ending ("model/elbo"), or a lesson ("notebooks/04_loss").
``tests/test_mutations.py`` holds every line to the file that it is in.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One line of the package or of a lesson, and the fault to put there."""

    name: str
    module: str
    line: str
    fault: str
    first: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "noise of a fixed shape: one draw for the whole batch",
        "model/layers",
        "noise = keras.random.normal(ops.shape(mu), dtype=mu.dtype, seed=self.seed_generator)",
        "noise = keras.random.normal((1, 1), dtype=mu.dtype, seed=self.seed_generator)",
        ("03_sampling", "00_start_here"),
    ),
    Mutation(
        "noise of a fixed shape: batches of 50",
        "model/layers",
        "noise = keras.random.normal(ops.shape(mu), dtype=mu.dtype, seed=self.seed_generator)",
        "noise = keras.random.normal((50, 1), dtype=mu.dtype, seed=self.seed_generator)",
        ("03_sampling", "00_start_here"),
    ),
    Mutation(
        "KL of the wrong sign",
        "model/elbo",
        "return 0.5 * (ops.square(mu) + (ops.expm1(log_var) - log_var))",
        "return -0.5 * (ops.square(mu) + (ops.expm1(log_var) - log_var))",
        ("04_loss",),
    ),
    Mutation(
        "KL averaged over the latent, not summed",
        "model/elbo",
        "return ops.sum(kl_per_dimension(mu, log_var), axis=-1)",
        "return ops.mean(kl_per_dimension(mu, log_var), axis=-1)",
        ("04_loss",),
    ),
    Mutation(
        "window starts: the last window is forgotten",
        "windows",
        "starts = np.arange(first, end - timesteps + 1, stride, dtype=np.int64)",
        "starts = np.arange(first, end - timesteps, stride, dtype=np.int64)",
        ("01_windowing",),
    ),
    Mutation(
        "windows to points: the edges are dropped",
        "windows",
        "return np.where(self._count > 0, values, np.nan)",
        "return np.where(self._count == self._count.max(initial=1), values, np.nan)",
        ("01_windowing", "06_thresholding"),
    ),
    Mutation(
        "detector: scaler fitted on held-back rows too",
        "detectors/vae",
        "self.scaler_ = Scaler().fit(values[:fit_end])",
        "self.scaler_ = Scaler().fit(values)",
        ("10_bug_museum", "01_windowing"),
    ),
    Mutation(
        "scaler: fitted anew on whatever it transforms",
        "data/scaling",
        "x -= self.mean_",
        "self.fit(x); x -= self.mean_",
        ("01_windowing", "10_bug_museum"),
    ),
    Mutation(
        "sampling left out of the loss: z is the mean in training",
        "model/vae",
        "if z is None:\n            z = self.sampling([mu, log_var], training=training)",
        "if z is None:\n            z = self.sampling([mu, log_var], training=False)",
        ("03_sampling", "04_loss"),
    ),
    Mutation(
        "loss layer: error averaged over the window, not summed",
        "model/negative_elbo",
        "return ops.sum(gaussian_nll(windows, rebuilt, self.noise), axis=(1, 2))",
        "return ops.mean(gaussian_nll(windows, rebuilt, self.noise), axis=(1, 2))",
        ("00_start_here",),
    ),
    Mutation(
        "loss layer: no KL divergence",
        "model/negative_elbo",
        "self.add_loss(ops.mean(self.nll(windows, rebuilt) + self.beta * kl_divergence(mu, log_var)))",
        "self.add_loss(ops.mean(self.nll(windows, rebuilt)))",
        ("00_start_here",),
    ),
    Mutation(
        "every latent dimension counts as active",
        "model/collapse",
        "return means.var(axis=0) > threshold",
        "return means.var(axis=0) >= 0",
        ("04b_collapse",),
    ),
    Mutation(
        "warm-up that is over at once",
        "model/schedules",
        "share = min(max(step / self.steps, 0.0), 1.0)",
        "share = 1.0",
        ("04b_collapse",),
    ),
    Mutation(
        "windows to points: 'last' takes the middle",
        "windows",
        'target = self.timesteps - 1 if self.how == "last" else self.timesteps // 2',
        "target = self.timesteps // 2",
        ("01_windowing",),
    ),
    Mutation(
        "hits counted inside the label only",
        "notebooks/01_windowing",
        "tolerant = [np.flatnonzero(flags[first : last + 1 + HOUR]) for _, first, last in events]",
        "tolerant = [np.flatnonzero(flags[first : last + 1]) for _, first, last in events]",
        (),
    ),
    Mutation(
        "rules compared at unequal false alarms",
        "notebooks/01_windowing",
        "limits = {how: np.quantile(points[how][far], 0.999) for how in rules}",
        "limits = {how: np.quantile(points[how], 0.99) for how in rules}",
        (),
    ),
    Mutation(
        "feedback judged with the truth at hand",
        "notebooks/02_repeat_vector",
        "outputs = model.decode(mu, targets=windows, training=True) if truth else model.decode(mu)",
        "outputs = model.decode(mu, targets=windows, training=True)",
        (),
    ),
    Mutation(
        "flags that differ counted twice",
        "notebooks/03_sampling",
        "lost = np.sum(flags[0] & ~flags[1]) / flags[0].sum()",
        "lost = np.sum(flags[0] != flags[1]) / flags[0].sum()",
        (),
    ),
    Mutation(
        "sampling left out of a comparison of losses",
        "notebooks/04b_collapse",
        "drawn = np.mean([nll(model.sampling([mu, log_var], training=True)) for _ in range(draws)])",
        "drawn = nll(mu)",
        (),
    ),
    Mutation(
        "score function without its baseline",
        "notebooks/appendices/A1_score_function",
        '"baseline 2d": (f - 2 * d) * eps[:, 0]',
        '"baseline 2d": f * eps[:, 0]',
        (),
    ),
    Mutation(
        "PCA held at 8 components, whatever is asked",
        "detectors/window_baselines",
        "kept = wanted if wanted < 1 else min(int(wanted), *windows.shape)",
        "kept = wanted if wanted < 1 else min(8, *windows.shape)",
        ("08_honest_evaluation", "11_kmeans_beats_your_vae"),
    ),
    Mutation(
        "k-means held at 20 typical windows, whatever is asked",
        "detectors/window_baselines",
        'min(self.settings_["n_clusters"], len(windows)),',
        "min(20, len(windows)),",
        ("11_kmeans_beats_your_vae",),
    ),
    Mutation(
        "conformal threshold: one score too many may lie above",
        "thresholds/counting",
        "rank = math.floor(self.false_alarm_rate * (n + 1) + _RATE_SLACK)",
        "rank = math.floor(self.false_alarm_rate * (n + 1) + _RATE_SLACK) + 1",
        ("06_thresholding",),
    ),
    Mutation(
        "extremal index: dependence taken for independence",
        "thresholds/dependence",
        "return float(min(max(index, 1.0 / x.size), 1.0))",
        "return 1.0",
        ("06_thresholding", "12_ten_to_the_minus_36"),
    ),
    Mutation(
        "noise without the half of log_var in the museum's sound VAE",
        "contracts/toy",
        "return mu + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mu), seed=self.noise)",
        "return mu + ops.exp(log_var) * keras.random.normal(ops.shape(mu), seed=self.noise)",
        ("10_bug_museum",),
    ),
    Mutation(
        "museum: the sound minimum rule forgets the last window",
        "contracts/museum",
        "for step in range(self.timesteps):",
        "for step in range(self.timesteps - 1):",
        ("10_bug_museum",),
    ),
    Mutation(
        "every score is smoothed over 200 rows, the rough coin too",
        "detectors/base",
        'self.smooth_ = int(settings["smooth"] or max(1, min(100, n // 5)))',
        'self.smooth_ = max(200, int(settings["smooth"] or 0))',
        ("08_honest_evaluation",),
    ),
    Mutation(
        "alarms: the end line lies on the start line",
        "alarms/calibration",
        "return min(self.start, max(self.start - END_DROP, rarest))",
        "return self.start",
        ("06b_alarms",),
    ),
    Mutation(
        "alarms: the cool-down does not grow, and there is none",
        "alarms/incidents",
        "return calm > max(self.cooldown, int(_PATIENCE * self._points))",
        "return calm > 0",
        ("06b_alarms",),
    ),
    Mutation(
        "alarms: a promise from any number of rows",
        "alarms/calibration",
        "if pieces >= LEAST_PIECES and span >= 0.95 * needed:",
        "if pieces >= 1:",
        ("06b_alarms",),
    ),
    Mutation(
        "alarms: dependent blocks count as independent",
        "alarms/tails",
        "if r <= noise or len(scores) // (2 * block) < least:",
        "if True:",
        ("06b_alarms",),
    ),
    Mutation(
        "alarms: anomalies in the calibration rows are kept",
        "alarms/tails",
        "if not robust or len(y) < 6:",
        "if True:",
        ("06b_alarms",),
    ),
    Mutation(
        "alarms: a severity never says that it is extrapolated",
        "alarms/severity",
        "return Severity(value, score > line.supported, supported, line.promise.unit)",
        "return Severity(value, score > np.inf, supported, line.promise.unit)",
        ("06b_alarms",),
    ),
    Mutation(
        "alarms: the check of oneself ignores that the series has changed",
        "alarms/selfcheck",
        "if change.changed:",
        "if False:",
        ("06b_alarms",),
    ),
    Mutation(
        "hits on alarms counted without tolerance or overlap",
        "notebooks/06b_alarms",
        "HOUR = 4  # rows: how far an incident may lie from a label and still count as a hit",
        "HOUR = 4_000",
        (),
    ),
)
