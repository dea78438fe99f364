"""The list of all checks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from vaehelpers.contracts.checks_flow import (
    _check_every_row_scored,
    _check_gradient,
    _check_history,
    _check_impulse,
    _check_partial_last_batch,
    _check_points,
    _check_save_load,
    _check_scaler_fitted,
    _check_split,
    _check_test_scaled,
    _check_windows_cover,
)
from vaehelpers.contracts.checks_math import (
    _check_elbo,
    _check_kl_closed_form,
    _check_kl_monte_carlo,
    _check_likelihood,
    _check_likelihood_at_scoring,
    _check_noise_between_calls,
    _check_noise_between_dimensions,
    _check_noise_between_rows,
    _check_objective,
    _check_posterior_can_narrow,
    _check_sampling_moments,
    _check_shapes,
)
from vaehelpers.contracts.probe import _Fault, _first_line, _Missing, _Probe


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes
    ----------
    name : str
        The check, a key of `CHECKS`.
    status : {"passed", "failed", "skipped"}
    found : str
        What was seen, with numbers; for a skipped check, what it would have needed.
    meaning : str
        What a failure of this check means for the user of the model.
    mend : str
        How to mend it.
    seconds : float
        How long the check took.
    """

    name: str
    status: Literal["passed", "failed", "skipped"]
    found: str
    meaning: str
    mend: str
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class _Check:
    function: Callable[[_Probe], str]
    meaning: str
    mend: str

    def run(self, probe: _Probe) -> tuple[Literal["passed", "failed", "skipped"], str]:
        try:
            return "passed", self.function(probe)
        except _Fault as fault:
            return "failed", str(fault)
        except _Missing as missing:
            return "skipped", str(missing)
        except Exception as error:  # the model's own code may raise anything; that is a finding, not a crash
            return "failed", f"raises {type(error).__name__}: {_first_line(error)}"


# name -> what is checked, what a failure means, how to mend it; `check_vae` runs them in this order
CHECKS: Mapping[str, Any] = {
    "shapes": _Check(
        _check_shapes,
        "The network does not map windows to a posterior and back to windows; losses may broadcast silently.",
        "Return sequences from the last recurrent layer and put a per-step output on it.",
    ),
    "kl_closed_form": _Check(
        _check_kl_closed_form,
        "The KL term is not the divergence of the posterior from N(0, 1); something else shapes the latent space.",
        "KL = 0.5 sum(mu^2 + exp(log_var) - 1 - log_var), summed over latent dimensions, with the declared spread.",
    ),
    "kl_monte_carlo": _Check(
        _check_kl_monte_carlo,
        "The KL term does not equal the mean of log q(z|x) - log p(z) over draws from the posterior.",
        "See kl_closed_form; this check shares no formula with it.",
    ),
    "posterior_can_narrow": _Check(
        _check_posterior_can_narrow,
        "Every posterior is at least as wide as the prior: z can carry hardly any information about its window.",
        "Leave the log-variance without activation; a softplus belongs to sigma, then declared as such.",
    ),
    "sampling_moments": _Check(
        _check_sampling_moments,
        "z is not drawn from the posterior that the encoder claims and the KL term assumes.",
        "z = mu + exp(0.5 * log_var) * eps with eps ~ N(0, 1).",
    ),
    "noise_between_rows": _Check(
        _check_noise_between_rows,
        "Samples of one batch share their noise: the gradient's noise does not average out over the batch.",
        "Draw the noise with the shape of mu, batch included, never (1, d) or (d,).",
    ),
    "noise_between_dimensions": _Check(
        _check_noise_between_dimensions,
        "Latent dimensions share their noise: the posterior is not the diagonal Gaussian that the KL term assumes.",
        "Draw the noise with the shape of mu; a last axis of 1 broadcasts silently.",
    ),
    "noise_between_calls": _Check(
        _check_noise_between_calls,
        "The same noise comes back at later calls: training sees one fixed disturbance and learns to undo it.",
        "Draw the noise inside the call, and advance the generator's state each time.",
    ),
    "likelihood": _Check(
        _check_likelihood,
        "The reconstruction term is not the negative log-likelihood it claims to be; its weight against the KL is off.",
        "Compare with -scipy.stats.norm(mean, sigma).logpdf(x), summed over steps and features.",
    ),
    "likelihood_at_scoring": _Check(
        _check_likelihood_at_scoring,
        "Scores come from another likelihood than the claimed one: they rank by something that was never trained.",
        "Use one function for the reconstruction term in training and in scoring.",
    ),
    "elbo_linear_gaussian": _Check(
        _check_elbo,
        "Where the exact likelihood is known (probabilistic PCA), nll + KL is not its bound: the objective is no ELBO.",
        "Mend sampling, KL and likelihood first; then check that each is summed, not averaged, over its axes.",
    ),
    "objective": _Check(
        _check_objective,
        "The training loss is not made of the model's own reconstruction term and KL term of the posterior.",
        "Feed the reconstruction term with the decoder's mean and the KL term with the encoder's mu and spread.",
    ),
    "partial_last_batch": _Check(
        _check_partial_last_batch,
        "A last batch that is not full crashes or changes values; single windows cannot be scored.",
        "Take the batch size from the input (ops.shape(mu)), never from a constant.",
    ),
    "gradient_reaches_every_weight": _Check(
        _check_gradient,
        "Some weights are never trained.",
        "Look for an integer cast, a stop_gradient, a NumPy call in the loss, or a layer that is not used.",
    ),
    "windows_cover_every_row": _Check(
        _check_windows_cover,
        "Some rows lie in no window (or a window is used twice), most often at the end of the series.",
        "n - timesteps + 1 starts at stride 1; with a larger stride add a last window that ends with the series.",
    ),
    "points_counted_once": _Check(
        _check_points,
        "On the way from windows to points, rows lose windows, gain them twice, or receive another row's score.",
        "Add each window's step t to row start + t, once, and divide by how many windows cover the row.",
    ),
    "every_row_scored": _Check(
        _check_every_row_scored,
        "Rows without a score can never be flagged, and the edges are where live data arrives.",
        "Aggregate over whatever windows cover the row, also where they are fewer than T.",
    ),
    "impulse_is_local": _Check(
        _check_impulse,
        "A row's score depends on rows that no common window covers (leak, shift), or not on the row itself.",
        "Never normalise by statistics of the series that is scored; check the alignment of scores and rows.",
    ),
    "history_is_used": _Check(
        _check_history,
        "Scores depend on where a series was cut: the first rows of a piece are scored without what came before them.",
        "Prepend the last T - 1 known rows before scoring a piece, and drop their scores afterwards.",
    ),
    "scaler_fitted_on_train": _Check(
        _check_scaler_fitted,
        "The scaler has seen the test part: its anomalies shrink themselves, and results do not repeat on new data.",
        "Fit the scaler on the training part alone.",
    ),
    "test_scaled_by_train": _Check(
        _check_test_scaled,
        "The test part is scaled by itself: one outlier squashes all other rows, and a level shift disappears.",
        "Transform the test part with the scaler that was fitted on the training part.",
    ),
    "split_without_overlap": _Check(
        _check_split,
        "Validation windows contain rows of training windows: validation loss says nothing about new data.",
        "Split the time axis first, then cut windows on each side.",
    ),
    "save_load_fresh_process": _Check(
        _check_save_load,
        "What is saved is not what scored: weights, scaler or settings are missing from the saved state.",
        "Save every layer's weights and every fitted number; test the loading in a new process.",
    ),
}
"""Every check of `check_vae` by its name, in the order in which they are made."""
