"""The bug museum: small VAEs that are wrong on purpose, each with one fault.

**Use nothing of this for work.** Every class overrides one or two methods of the sound `contracts.toy.ToyVAE`
with a fault that was read in a public repository or in the question (rebuilt in our own words; the place is named), so
that notebook 10 and the tests can show which contract of `vaehelpers.contracts` catches it. One fault is our own, and
says so. The right building blocks are in `vaehelpers.model`.

What was published where was found by reading, at the commit that is named; nobody's code was run, and later versions
may be right.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from vaehelpers.contracts.toy import ToyVAE

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def load_and_score(path: str, series: np.ndarray) -> np.ndarray:
    """Build a saved `ToyVAE` or exhibit anew and score a series with it.

    Parameters
    ----------
    path : str
        Folder that ``ToyVAE.save`` wrote.
    series : ndarray, shape (n, 1)

    Returns
    -------
    ndarray, shape (n,)
        Higher is more anomalous.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from vaehelpers.contracts.museum import load_and_score
    >>> from vaehelpers.contracts.toy import ToyVAE
    >>> series, vae = np.ones((40, 1), np.float32), ToyVAE(timesteps=8)
    >>> folder = tempfile.mkdtemp() + "/toy"
    >>> vae.save(folder)
    >>> bool(np.allclose(load_and_score(folder, series), vae.score(series)))
    True
    """
    settings = json.loads((Path(path) / "settings.json").read_text())
    kinds: dict[str, Callable[..., ToyVAE]] = {kind.__name__: kind for kind in (ToyVAE, MinimumRule)}
    kinds |= {exhibit.kind.__name__: exhibit.kind for exhibit in EXHIBITS}
    vae = kinds[settings.pop("kind")](**settings)
    with np.load(Path(path) / "weights.npz") as saved:
        for name in saved.files:
            vae.weights[name].assign(saved[name])
    return vae.score(series)


class NoExponential(ToyVAE):
    """The second output multiplies the noise as it is, while the KL term reads it as a log-variance."""

    def sample(self, mu: Any, log_var: Any) -> Any:
        """z = mu + log_sigma * eps."""
        return mu + log_var * keras.random.normal(ops.shape(mu), seed=self.noise)


class DecoderVarianceAsMean(ToyVAE):
    """The decoder has two heads; the loss reconstructs with the wrong one and takes the KL of the decoder's outputs."""

    def output_layers(self) -> dict[str, tuple[int, int]]:
        """Two heads: mean and log-variance of each step."""
        return {"mean": (self.units, self.timesteps), "log_var": (self.units, self.timesteps)}

    def decode(self, z: Any) -> Any:
        """A dict with the mean and the log-variance of windows."""
        hidden = ops.tanh(self.layers["outward"](z))
        heads = {"mean": self.layers["mean"](hidden), "log_var": ops.tanh(self.layers["log_var"](hidden))}
        return {name: ops.reshape(value, (-1, self.timesteps, 1)) for name, value in heads.items()}

    def nll(self, x: Any, mean: Any) -> Any:
        """Squared error to the decoder's log-variance; `mean` is the dict of both heads."""
        return super().nll(x, mean["log_var"])

    def loss(self, x: Any) -> Any:
        """The KL term gets what the decoder says."""
        decoded = self.decode(self.sample(*self.encode(x)))
        divergence = self.kl(decoded["mean"][..., 0], decoded["log_var"][..., 0])
        return ops.mean(self.nll(x, decoded) + divergence)

    def per_step_score(self, x: Any) -> Any:
        """The terms of that loss, step by step."""
        decoded = self.decode(self.encode(x)[0])
        error = 0.5 * ((x - decoded["log_var"]) / self.sigma) ** 2
        return (error + self.kl(decoded["mean"], decoded["log_var"])[..., None])[..., 0]


class LatentLayersNotSaved(ToyVAE):
    """The saved state holds encoder and decoder, but not the two layers between them."""

    def state(self) -> dict[str, np.ndarray]:
        """Weights by name, without those of mu and of the spread."""
        return {
            name: value
            for name, value in super().state().items()
            if name.split("/")[0] in ("inward", "outward", "mean")
        }


class CapacityZero(ToyVAE):
    """The KL term is clamped from above by a capacity whose default is 0."""

    capacity = 0.0

    def kl(self, mu: Any, log_var: Any) -> Any:
        """Clamped to [0, capacity]."""
        return ops.clip(super().kl(mu, log_var), 0.0, self.capacity)


class SoftplusLogVariance(ToyVAE):
    """A softplus makes the second output positive, and then it is used as a log-variance."""

    def encode(self, x: Any) -> tuple[Any, Any]:
        """mu and softplus(spread)."""
        mu, spread = super().encode(x)
        return mu, ops.softplus(spread)


class FlippedSignAndSeenTest(ToyVAE):
    """The KL term's sign is flipped, and the scaler is fitted on training and test part together."""

    def kl(self, mu: Any, log_var: Any) -> Any:
        """Minus the divergence."""
        return -super().kl(mu, log_var)

    def scale_parts(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standardise by all data."""
        both = np.concatenate([train, test])
        return (train - both.mean(axis=0)) / both.std(axis=0), (test - both.mean(axis=0)) / both.std(axis=0)


class HalvedTwice(ToyVAE):
    """Training weighs the squared error by 1 / (4 sigma^2), scoring by 1 / sigma^2; the claim is 1 / (2 sigma^2)."""

    def nll(self, x: Any, mean: Any) -> Any:
        """The constant is right, the squared error is halved twice."""
        constant = self.timesteps * np.log(self.sigma * np.sqrt(2 * np.pi))
        return 0.25 * ops.sum(((x - mean) / self.sigma) ** 2, axis=(1, 2)) + constant

    def nll_at_scoring(self, x: Any, mean: Any) -> Any:
        """The squared error is not halved at all."""
        constant = self.timesteps * np.log(self.sigma * np.sqrt(2 * np.pi))
        return ops.sum(((x - mean) / self.sigma) ** 2, axis=(1, 2)) + constant

    def per_step_score(self, x: Any) -> Any:
        """Squared error over sigma^2, plus the window's KL spread over its steps."""
        mu, log_var = self.encode(x)
        return 2.0 * super().per_step_score(x) + self.kl(mu, log_var)[:, None] / self.timesteps


class FixedNoiseShape(ToyVAE):
    """The noise has the shape (50, 1), whatever the batch: the asker's own line."""

    def __init__(self, *, timesteps: int = 32, latent_dim: int = 1, units: int = 32, seed: int = 0) -> None:
        super().__init__(timesteps=timesteps, latent_dim=latent_dim, units=units, seed=seed)

    def sample(self, mu: Any, log_var: Any) -> Any:
        """eps of shape (50, 1)."""
        return mu + ops.exp(0.5 * log_var) * keras.random.normal((50, 1), seed=self.noise)


class BroadcastNoise(ToyVAE):
    """The same line with the mend that first comes to mind: shape (1, d) fits every batch, and all rows share it."""

    def sample(self, mu: Any, log_var: Any) -> Any:
        """eps of shape (1, d)."""
        return mu + ops.exp(0.5 * log_var) * keras.random.normal((1, self.latent_dim), seed=self.noise)


class MinimumRule(ToyVAE):
    """No fault: a row is as anomalous as the least anomalous of all windows that cover it, edges included."""

    aggregate = "min"

    def per_step_score(self, x: Any) -> Any:
        """The mean absolute error of the whole window, at each of its steps."""
        whole = ops.mean(ops.abs(x - self.decode(self.encode(x)[0])), axis=1)  # (B, 1)
        return ops.repeat(whole, self.timesteps, axis=1)

    def windows_to_points(self, per_step: np.ndarray, starts: np.ndarray, n: int) -> np.ndarray:
        """The minimum of all windows that cover a row: (W, T) to (n,)."""
        scores = np.full(n, np.inf)
        for step in range(self.timesteps):
            np.minimum.at(scores, starts + step, per_step[:, step])
        return scores


class EdgesNeverScored(MinimumRule):
    """The same rule with the last window forgotten; rows with fewer than T windows get nothing."""

    def windows_to_points(self, per_step: np.ndarray, starts: np.ndarray, n: int) -> np.ndarray:
        """The minimum over windows row - T + 1 to row - 1; rows with fewer windows stay without a score."""
        scores = np.full(n, np.nan)
        for row in range(self.timesteps - 1, n - self.timesteps + 1):
            covering = np.arange(row - self.timesteps + 1, row)
            scores[row] = per_step[covering, row - covering].min()
        return scores


class HistoryDropped(ToyVAE):
    """The rows before the series are used exactly when there are none: an inverted `is None`."""

    def score_after(self, history: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Scores of the series as if nothing had come before it."""
        return self.score(series)


class TestScaledByItself(ToyVAE):
    """The test part is scaled by its own minimum and maximum."""

    __test__ = False  # its name is not a test's

    def scale_parts(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each part by its own range, to [-2, 2]."""
        scaled = [4 * (part - part.min(axis=0)) / np.ptp(part, axis=0) - 2 for part in (train, test)]
        return scaled[0], scaled[1]


class RandomSplit(ToyVAE):
    """Overlapping windows are dealt at random to training and validation."""

    def split(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """80% of the windows against the rest."""
        starts = np.random.default_rng(self.seed).permutation(self.window_starts(n))
        cut = int(0.8 * len(starts))
        return np.sort(starts[:cut]), np.sort(starts[cut:])


class OneNumberOut(ToyVAE):
    """The decoder's last recurrent layer returns one number a window instead of a sequence: the asker's LSTM(1)."""

    def decode(self, z: Any) -> Any:
        """The last step alone, (B, 1, 1); it broadcasts against (B, T, 1) without an error."""
        return super().decode(z)[:, -1:]


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """One fault: which class shows it, where it was published, and which contracts must catch it.

    Attributes
    ----------
    kind : type
        The subclass of `ToyVAE`.
    where : str
        Repository, file and commit that were read, or the question, or "our own" where nobody published it.
    fault : str
        The fault in one line.
    caught_by : frozenset of str
        The checks of `vaehelpers.contracts.checks.CHECKS` that fail, all others passing or skipped.
    mended : callable, default ToyVAE
        Makes the same VAE without the fault, for comparison; takes ``seed=``.
    confirmed : str, default ""
        The thread that says the same, and its date. Empty: found by reading, by us alone.
    differs : str, default ""
        What the rebuild leaves out or does otherwise.
    """

    kind: type[ToyVAE]
    where: str
    fault: str
    caught_by: frozenset[str]
    mended: Callable[..., ToyVAE] = ToyVAE
    confirmed: str = ""
    differs: str = ""


# in the order in which notebook 10 shows them; commits are those of the stored versions that were read
EXHIBITS: tuple[Exhibit, ...] = (
    Exhibit(
        NoExponential,
        "twairball/keras_lstm_vae, lstm_vae/vae.py, line 46, commit 94774c9 (2018 or earlier)",
        "z = mu + log_sigma * eps, no exp, while the KL term reads log_sigma as log-variance",
        frozenset({"sampling_moments", "elbo_linear_gaussian"}),
        confirmed="twairball/keras_lstm_vae issue 4 (2018-02-18) says so; sintel-dev/Orion, orion/primitives/vae.py, "
        "commit 277ad9b, cites the file and has the same line",
        differs="theirs has LSTMs, and averages both terms of the loss",
    ),
    Exhibit(
        FixedNoiseShape,
        "the question; wiseodd/generative-models, VAE/vanilla_vae/vae_keras.py, commit 09ae1fe: (m, n_z), m = 50",
        "eps = K.random_normal(shape=(50, 1)): only batches of exactly 50",
        frozenset({"partial_last_batch"}),
        functools.partial(ToyVAE, latent_dim=1),
        confirmed="keras-team/keras pull request 7716 (2017-08-22) removes the same fault from Keras's own example",
        differs="nothing but the size",
    ),
    Exhibit(
        BroadcastNoise,
        "our own: a hasty repair of the line above; we know of no publication",
        "eps of shape (1, d): every sample of a batch gets the same noise, without an error",
        frozenset({"noise_between_rows"}),
    ),
    Exhibit(
        CapacityZero,
        "yzhao062/pyod, pyod/models/vae.py, commit 64242b3 (the PyTorch version)",
        "clamp(kl, 0, capacity) with capacity = 0 by default: the KL term is always 0",
        frozenset({"kl_closed_form", "kl_monte_carlo", "elbo_linear_gaussian"}),
        differs="theirs clamps the mean over the batch; with a capacity of 0 that is the same",
    ),
    Exhibit(
        SoftplusLogVariance,
        "RasmussenLab/vamb, vamb/encode.py, line 213, commit 9c9af8c (2019)",
        "softplus(...) used as a log-variance: sigma is never below 1",
        frozenset({"posterior_can_narrow"}),
        confirmed="RasmussenLab/vamb pull request 182 (2023-06-06) and wohlert/semi-supervised-pytorch issue 16 "
        "(2019-04-26), where the author agrees",
        differs="theirs bins DNA sequences, not time series",
    ),
    Exhibit(
        FlippedSignAndSeenTest,
        "paya54/Anomaly_Detect_LSTM_VAE, lstm_vae.py, commit b93e2c6",
        "the sign of the KL term is flipped; the scaler is fitted on all data",
        frozenset(
            {
                "kl_closed_form",
                "kl_monte_carlo",
                "elbo_linear_gaussian",
                "scaler_fitted_on_train",
                "test_scaled_by_train",
            }
        ),
        differs="theirs also has (1 - mu)^2 in the KL term and minus log sigma in the likelihood; ours has neither",
    ),
    Exhibit(
        DecoderVarianceAsMean,
        "TimeEval/TimeEval-algorithms, lstm_vae/src/model.py, line 125, commit 6d9d884",
        "loss_function(x, logvar, mu, logvar): the decoder's log-variance is the reconstruction, KL of decoder outputs",
        frozenset({"likelihood", "likelihood_at_scoring", "elbo_linear_gaussian", "objective"}),
        confirmed="TimeEval/TimeEval-algorithms issue 19 (2023-07-27) quotes the call",
        differs="theirs has a z at each time step, and a support vector regression that predicts the score from z",
    ),
    Exhibit(
        HalvedTwice,
        "lin-shuyu/VAE-LSTM-for-anomaly-detection, codes/base.py, commit 0bf00d1, and its notebook",
        "training minimises SSE / (4 sigma^2), scoring ranks by SSE / sigma^2",
        frozenset({"likelihood", "likelihood_at_scoring", "elbo_linear_gaussian"}),
        differs="theirs has convolutions and an LSTM behind the VAE; with a learned sigma the factor would be "
        "absorbed, with the fixed sigma of its configuration it is not",
    ),
    Exhibit(
        OneNumberOut,
        "the question: the last LSTM(1) without return_sequences",
        "the decoder returns (batch, 1) where a window is (100, 1)",
        frozenset({"shapes"}),
        differs="ours is dense, and keeps the last step of a whole window",
    ),
    Exhibit(
        EdgesNeverScored,
        "keras-team/keras-io, examples/timeseries/timeseries_anomaly_detection.py, commit 3aca056 (2020)",
        "the rule from windows to points forgets the last window; the first and last T - 1 rows are never flagged",
        frozenset({"points_counted_once", "every_row_scored"}),
        MinimumRule,
        differs="theirs is a convolutional autoencoder without z, and its rule combines flags of windows; the "
        "minimum of their errors is the same rule before a threshold",
    ),
    Exhibit(
        HistoryDropped,
        "salesforce/Merlion, merlion/models/anomaly/vae.py, read in the mirror WildGenie/Merlion, commit 5bc79c0; the "
        "earlier versions 0766dfc (2021) and 99455e9 (2022) have it right",
        "an inverted `if time_series_prev is None`: the rows before the series are never prepended",
        frozenset({"history_is_used"}),
        differs="theirs fills the rows before the first whole window with its score",
    ),
    Exhibit(
        TestScaledByItself,
        "NetManAIOps/OmniAnomaly, omni_anomaly/utils.py, commit 3da9a2e (2019)",
        "the test part is min-max scaled on itself",
        frozenset({"test_scaled_by_train"}),
        confirmed="NetManAIOps/OmniAnomaly issue 39 (2021-08-06) says so",
        differs="theirs scales to [0, 1]",
    ),
    Exhibit(
        RandomSplit,
        "lin-shuyu/VAE-LSTM-for-anomaly-detection, codes/base.py and codes/data_loader.py, commit 0bf00d1",
        "overlapping windows are split at random into training and validation",
        frozenset({"split_without_overlap"}),
        differs="theirs holds back 10%, ours 20%",
    ),
    Exhibit(
        LatentLayersNotSaved,
        "sintel-dev/Orion, orion/primitives/vae.py, __getstate__, commit 277ad9b",
        "the saved state drops the model that holds the layers of mu and log_sigma",
        frozenset({"save_load_fresh_process"}),
        confirmed="for a sibling, AER: sintel-dev/Orion issue 302 (2022-06-21), repaired by pull request 304",
        differs="theirs is loud: predict fails for want of an attribute; the quiet form is ours",
    ),
)
