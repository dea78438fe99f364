"""Contracts: the tests that any variational autoencoder of anyone's must pass.

`check_vae` is to a VAE detector what ``sklearn.utils.estimator_checks.check_estimator`` is to an estimator. It takes
our `LSTMVAE`, our `Detector`, or the functions of any other model, written down in a `VAEFunctions`. What is not given
is reported as skipped, never as passed. Notebook 10 shows each contract catching a fault of published code.

How often does a correct model fail by chance? Seven of the checks are statistical. Each compares Monte Carlo estimates
with what they should be and fails where chance alone would have got so far with probability below 1e-6, all comparisons
inside it counted (Bonferroni). Moments and correlations of the noise have exact distributions (normal, chi-squared,
Student's t), KL and ELBO estimates a Bernstein bound, and only the comparison of the training loss leans on the central
limit theorem. A correct model therefore fails a complete run with probability below 1e-5.

References
----------
Kingma, Welling (2014), "Auto-Encoding Variational Bayes", section 2 and appendix B: ELBO, reparameterization, KL.
Tipping, Bishop (1999), "Probabilistic Principal Component Analysis", section 3: the exact likelihood used here.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import stats

from vaehelpers.errors import InputError

__all__ = [
    "CHECKS",
    "CheckResult",
    "ContractReport",
    "VAEFunctions",
    "assert_vae",
    "check_vae",
    "functions_of",
    "score_saved_detector",
    "score_saved_model",
]

Spread = Literal["log_var", "log_sigma", "sigma"]
Aggregate = Literal["mean", "median", "max", "min", "last", "centre"]

ALPHA = 1e-6  # p-value, after Bonferroni, below which a statistical check fails


@dataclasses.dataclass(frozen=True, kw_only=True)
class VAEFunctions:
    """The functions of a VAE, written down so that `check_vae` can test them one by one.

    Arrays in, arrays out: each function is called with NumPy arrays (float32) and may return anything that
    `numpy.asarray` understands (a TensorFlow or Keras tensor does; detach a PyTorch one). B = batch, T = timesteps,
    F = features, d = latent dimensions. All but the three sizes may be left out; checks that need a missing function
    are skipped and say so.

    Parameters
    ----------
    timesteps, n_features, latent_dim : int
        T, F and d.
    name : str, default "VAE"
        What the report calls it.
    batch_size : int, default 64
        The batch size of training. Every check but the one of the partial batch calls with exactly this many rows.
    spread : {"log_var", "log_sigma", "sigma"}, default "log_var"
        What the encoder's second output claims to be.
    encode : callable, (B, T, F) -> (mu, spread), both (B, d)
    sample : callable, (mu, spread) -> z (B, d)
        Draws new noise at each call.
    decode : callable, z (B, d) -> the mean (B, T, F), or a dict with ``mean`` and one of ``scale`` and ``log_var``
        `nll` must be able to work from these keys alone, whatever else the dict holds.
    likelihood : {"gaussian", "laplace", "student_t"}, default "gaussian"
        The family that `nll` claims; for the last, `df` gives the degrees of freedom.
    scale : float or ndarray that broadcasts to (B, T, F), optional
        The scale of the likelihood (Gaussian: sigma), where `decode` does not return it.
    df : float, optional
        Degrees of freedom of ``likelihood="student_t"``.
    kl : callable, (mu, spread) -> (B,), (B, d), or a scalar that is the batch's mean
    nll : callable, (x, decoded) -> (B,), (B, T), (B, T, F), or a scalar that is the batch's mean
        Minus the log-likelihood of windows `x` under what `decode` returned, as it is used in training. Summed over
        the axes after the first.
    nll_at_scoring : callable, optional
        The same as used in scoring, if that is another function.
    nll_drops_constant : bool, default False
        Whether `nll` leaves out terms that depend on neither x nor the mean. Only differences are compared then.
    beta : float, default 1.0
        The weight of the KL divergence in `loss`.
    loss : callable, x (B, T, F) -> scalar (the batch's mean) or (B,)
        The whole training objective at the present weights.
    gradients : callable, x (B, T, F) -> mapping of weight name to gradient (array, or None where there is none)
    score : callable, series (n, F) -> (n,), higher = more anomalous
        Must give the same scores for the same series.
    score_after : callable, (history (m, F), series (n, F)) -> (n,)
        Scores of a series whose preceding rows are known.
    series : ndarray of shape (n, F), optional
        A series that `score` can take. Default: a noisy sine of unit variance, 4 T + 7 rows.
    reach : int, optional
        How many rows away a row may move a score. Default T - 1; add half the width of a smoothing.
    window_starts : callable, n -> int array
        The first rows of the windows that scoring uses for n rows.
    windows_to_points : callable, (per_step (W, T), starts (W,), n) -> (n,)
    aggregate : {"mean", "median", "max", "min", "last", "centre"}, default "mean"
        What `windows_to_points` claims to do with the windows that cover a row.
    scale_parts : callable, (train (n, F), test (m, F)) -> (scaled train, scaled test)
        The preparation of both parts, as the pipeline does it.
    split : callable, n -> (starts of training windows, starts of validation windows)
    save : callable, path -> None
        Writes what a later scoring needs under `path`, a file or folder that does not exist yet.
    loader : str or sequence of str, optional
        How a fresh process scores with what `save` wrote: ``"module:function"``, called as ``function(path, series)``
        and returning scores, or a command with the placeholders ``{path}``, ``{series}`` and ``{scores}`` (the last
        two are .npy files). Needs `score` for comparison.

    Examples
    --------
    >>> import numpy as np
    >>> from vaehelpers.contracts import VAEFunctions, check_vae
    >>> rng = np.random.default_rng(0)
    >>> vae = VAEFunctions(
    ...     timesteps=20, n_features=1, latent_dim=2, spread="log_sigma",
    ...     sample=lambda mu, spread: mu + np.exp(spread) * rng.standard_normal(mu.shape),
    ...     kl=lambda mu, spread: 0.5 * np.sum(mu**2 + np.exp(spread) - 1 - spread, axis=1),
    ... )
    >>> report = check_vae(vae)
    >>> report.passed
    False
    >>> [failure.name for failure in report.failures]
    ['kl_closed_form', 'kl_monte_carlo']
    >>> print(report.failures[0].found)  # the formula is the one for log_var
    off by up to ...; it fits a spread that is 'log_var', but 'log_sigma' is declared
    """

    timesteps: int
    n_features: int
    latent_dim: int
    name: str = "VAE"
    batch_size: int = 64
    spread: Spread = "log_var"
    encode: Callable[[np.ndarray], tuple[Any, Any]] | None = None
    sample: Callable[[np.ndarray, np.ndarray], Any] | None = None
    decode: Callable[[np.ndarray], Any] | None = None
    likelihood: Literal["gaussian", "laplace", "student_t"] = "gaussian"
    scale: float | np.ndarray | None = None
    df: float | None = None
    kl: Callable[[np.ndarray, np.ndarray], Any] | None = None
    nll: Callable[[np.ndarray, Any], Any] | None = None
    nll_at_scoring: Callable[[np.ndarray, Any], Any] | None = None
    nll_drops_constant: bool = False
    beta: float = 1.0
    loss: Callable[[np.ndarray], Any] | None = None
    gradients: Callable[[np.ndarray], Mapping[str, Any]] | None = None
    score: Callable[[np.ndarray], Any] | None = None
    score_after: Callable[[np.ndarray, np.ndarray], Any] | None = None
    series: np.ndarray | None = None
    reach: int | None = None
    window_starts: Callable[[int], Any] | None = None
    windows_to_points: Callable[[np.ndarray, np.ndarray, int], Any] | None = None
    aggregate: Aggregate = "mean"
    scale_parts: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]] | None = None
    split: Callable[[int], tuple[Any, Any]] | None = None
    save: Callable[[str], Any] | None = None
    loader: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        for field in ("timesteps", "n_features", "latent_dim", "batch_size"):
            if getattr(self, field) < 1:
                raise InputError(f"{field}={getattr(self, field)} is below 1; give a positive integer")
        if self.spread not in ("log_var", "log_sigma", "sigma"):
            raise InputError(f"spread={self.spread!r} is not known; use 'log_var', 'log_sigma' or 'sigma'")
        if self.likelihood not in ("gaussian", "laplace", "student_t"):
            raise InputError(f"likelihood={self.likelihood!r} is not known; use 'gaussian', 'laplace' or 'student_t'")


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
class ContractReport:
    """The results of `check_vae`; prints as a table, followed by what each failure means and how to mend it.

    Attributes
    ----------
    subject : str
        Name of what was checked.
    results : tuple of CheckResult
        One per check, in the order of `CHECKS`.
    """

    subject: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed and at least one was made."""
        return not self.failures and any(result.status == "passed" for result in self.results)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(result for result in self.results if result.status == "failed")

    @property
    def skipped(self) -> tuple[CheckResult, ...]:
        """The checks that were not made, with the reason in `found`."""
        return tuple(result for result in self.results if result.status == "skipped")

    def _headline(self) -> str:
        counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
        for result in self.results:
            counts[result.status] += 1
        return f"{self.subject}: " + ", ".join(f"{count} {status}" for status, count in counts.items())

    def __str__(self) -> str:
        width = max((len(result.name) for result in self.results), default=0)
        lines = [self._headline()]
        lines += [f"  {result.name:<{width}}  {result.status:<7}  {result.found}" for result in self.results]
        for result in self.failures:
            lines += ["", result.name, f"  means: {result.meaning}", f"  mend:  {result.mend}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<ContractReport {self._headline()}>"

    def _repr_markdown_(self) -> str:
        lines = [f"**{self._headline()}**", "", "| check | status | found |", "| --- | --- | --- |"]
        for result in self.results:
            status = "**failed**" if result.status == "failed" else result.status
            found = result.found.replace("|", "\\|")
            lines.append(f"| {result.name} | {status} | {found} |")
        for result in self.failures:
            lines += ["", f"**{result.name}** means: {result.meaning} *To mend:* {result.mend}"]
        return "\n".join(lines)


def check_vae(
    model: Any,
    *,
    checks: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    seed: int = 0,
    draws: int = 400,
) -> ContractReport:
    """Test a variational autoencoder against what its mathematics and its data flow promise.

    Parameters
    ----------
    model : LSTMVAE, Detector or VAEFunctions
        What to check: one of ours, or any model's functions.
    checks : iterable of str, optional
        Names of the checks to make. Default: all of `CHECKS`.
    skip : iterable of str, default ()
        Names of checks to leave out; they are reported as skipped.
    seed : int, default 0
        Seed of everything that the checks draw. The model's own noise is the model's affair.
    draws : int, default 400
        Calls of `sample` per statistical check, at least 50. More find smaller faults.

    Returns
    -------
    ContractReport
        With ``passed``, ``results`` and ``failures``.

    Raises
    ------
    InputError
        If `model` is none of the three, a check is unknown, or `draws` is too small.

    Notes
    -----
    A correct model fails a complete run by chance with probability below 1e-5 (see the head of this module). A passed
    check is no proof: ``posterior_can_narrow`` probes, and the Monte Carlo checks find a wrong scale of 5% with the
    default `draws`, hardly one of 1%.

    The lesson: notebooks/10_bug_museum.ipynb.

    Examples
    --------
    >>> import numpy as np
    >>> from vaehelpers.contracts import VAEFunctions, check_vae
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((64, 2))  # drawn once and for all: the fault
    >>> vae = VAEFunctions(
    ...     timesteps=20, n_features=1, latent_dim=2,
    ...     sample=lambda mu, log_var: mu + np.exp(0.5 * log_var) * noise[: len(mu)],
    ... )
    >>> print(check_vae(vae, checks=["noise_between_calls"]))
    VAE: 0 passed, 1 failed, 0 skipped
      noise_between_calls  failed   399 of 400 calls repeat the noise of an earlier call
    <BLANKLINE>
    noise_between_calls
      means: The same noise comes back at later calls: training sees one fixed disturbance and learns to undo it.
      mend:  Draw the noise inside the call, and advance the generator's state each time.
    """
    functions = functions_of(model)
    known = list(CHECKS)
    chosen = known if checks is None else list(checks)
    skipped = set(skip)
    for name in [*chosen, *skipped]:
        if name not in CHECKS:
            raise InputError(f"unknown check {name!r}; known are: {', '.join(known)}")
    if draws < 50:
        raise InputError(f"draws={draws} is too few for the statistics; use at least 50")
    probe = _Probe(functions, seed, draws)
    results = []
    for name in known:
        if name not in chosen:
            continue
        check = CHECKS[name]
        began = time.perf_counter()
        status: Literal["passed", "failed", "skipped"]
        if name in skipped:
            status, found = "skipped", "left out on request"
        else:
            status, found = check.run(probe)
        seconds = time.perf_counter() - began
        results.append(CheckResult(name, status, found, check.meaning, check.mend, seconds))
    return ContractReport(functions.name, tuple(results))


def assert_vae(model: Any, **options: Any) -> ContractReport:
    """Raise `AssertionError` with the printed report if `check_vae` fails; for use in one's own tests.

    Parameters
    ----------
    model : LSTMVAE, Detector or VAEFunctions
        What to check.
    **options
        Handed to `check_vae`.

    Returns
    -------
    ContractReport
        When nothing failed.

    Raises
    ------
    AssertionError
        If a check failed, or none could be made.

    Examples
    --------
    >>> from vaehelpers.contracts import VAEFunctions, assert_vae
    >>> vae = VAEFunctions(timesteps=20, n_features=1, latent_dim=2, kl=lambda mu, log_var: 0.0 * mu)
    >>> assert_vae(vae, checks=["kl_closed_form"])
    Traceback (most recent call last):
    ...
    AssertionError: VAE: 0 passed, 1 failed, 0 skipped
      kl_closed_form  failed   it is 0 for every posterior
    ...
    """
    report = check_vae(model, **options)
    if not report.passed:
        raise AssertionError(str(report))
    return report


def functions_of(model: Any) -> VAEFunctions:
    """Give the functions of a model as `check_vae` tests them.

    Parameters
    ----------
    model : LSTMVAE, Detector, VAEFunctions, or an object whose method ``functions()`` returns a VAEFunctions
        One's own model can learn to be checked by that one method.

    Returns
    -------
    VAEFunctions

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> from vaehelpers.contracts import functions_of
    >>> from vaehelpers.model import LSTMVAE
    >>> functions_of(LSTMVAE(timesteps=10, latent_dim=2, units=4)).latent_dim
    2
    """
    if isinstance(model, VAEFunctions):
        return model
    if callable(getattr(model, "functions", None)):
        return model.functions()
    ours = sys.modules.get("vaehelpers.model")  # not loaded: then it is none of ours, and TensorFlow stays out
    if ours is not None and isinstance(model, ours.LSTMVAE):
        return _functions_of_model(model)
    if hasattr(model, "decision_function"):
        return _functions_of_detector(model)
    raise InputError(
        f"cannot check a {type(model).__name__}; give an LSTMVAE, a fitted Detector, or write the functions of the "
        "model down in a VAEFunctions"
    )


def score_saved_detector(path: str, series: np.ndarray) -> np.ndarray:
    """Load a saved `Detector` and score a series (n, F) with it; what `check_vae` calls in a fresh process.

    Returns
    -------
    ndarray, shape (n,)
        Higher is more anomalous.

    Raises
    ------
    InputError
        If `path` holds no detector.

    Examples
    --------
    >>> from vaehelpers.contracts import score_saved_detector
    >>> score_saved_detector("no/such/folder", [[0.0]])
    Traceback (most recent call last):
    ...
    vaehelpers.errors.InputError: ...
    """
    from vaehelpers.detector import Detector

    return Detector.load(path).decision_function(series)


def score_saved_model(path: str, series: np.ndarray) -> np.ndarray:
    """Load an `LSTMVAE` saved at ``path + ".keras"`` and score a scaled series (n, F) by its reconstruction error.

    Returns
    -------
    ndarray, shape (n,)
        Higher is more anomalous.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from vaehelpers.contracts import score_saved_model
    >>> from vaehelpers.model import LSTMVAE
    >>> path = tempfile.mkdtemp() + "/model"
    >>> LSTMVAE(timesteps=10, latent_dim=2, units=4).save(path + ".keras")
    >>> score_saved_model(path, np.zeros((30, 1), np.float32)).shape
    (30,)
    """
    import keras

    import vaehelpers.model  # noqa: F401  (registers the classes that the file names)

    return _model_score(keras.saving.load_model(path + ".keras"), series)


# --- our own models as functions ---


def _model_score(model: Any, series: np.ndarray) -> np.ndarray:
    from vaehelpers.scores import score_series
    from vaehelpers.windows import window_starts

    return score_series(model, series, window_starts(len(series), model.timesteps), kind="error").scores


def _functions_of_model(model: Any) -> VAEFunctions:
    from keras import ops

    from vaehelpers.losses import kl_divergence
    from vaehelpers.windows import window_starts, windows_to_points

    likelihood, values = model.likelihood, model.timesteps * model.n_features
    family = {"gaussian": "gaussian", "gaussian-fixed": "gaussian", "gaussian-learned": "gaussian"}
    family |= {"laplace": "laplace", "student-t": "student_t"}
    df = float(getattr(likelihood, "df", 0.0)) or None
    # our likelihoods tell standard deviations, SciPy's distributions take scales
    unit = {"laplace": np.sqrt(2.0), "student-t": np.sqrt(df / (df - 2)) if df and df > 2 else np.nan}
    unit_scale = unit.get(likelihood.name, 1.0)
    known = likelihood.name in family and np.isfinite(unit_scale)
    from_decoder = likelihood.n_outputs > 1

    def scale_of(outputs: Any) -> np.ndarray:
        return np.asarray(likelihood.scale(outputs, model.log_scale), dtype=np.float64) / unit_scale

    def decode(z: np.ndarray) -> Any:
        outputs = model.decode(z)
        mean = model.mean(outputs)
        return {"mean": mean, "scale": scale_of(outputs), "outputs": outputs} if from_decoder else mean

    def nll(x: np.ndarray, decoded: Any) -> Any:
        if from_decoder and "outputs" not in decoded:
            raw = _raw_scale(
                lambda raw: scale_of(np.array([[[0.0, raw]]], np.float32)).item(), float(np.mean(decoded["scale"]))
            )
            decoded = {"outputs": ops.concatenate([decoded["mean"], np.full(x.shape, raw, np.float32)], axis=-1)}
        outputs = decoded["outputs"] if from_decoder else decoded
        return likelihood.nll(x, outputs, log_scale=model.log_scale)

    def loss(x: np.ndarray) -> Any:
        z = model.sampling(list(model.encode(x)), training=True)
        return model.loss_terms(model.terms(x, z=z))[0] * values  # in nats a window, at the stored noise scale

    one = np.zeros((1, model.timesteps, model.n_features), np.float32)
    return VAEFunctions(
        name=f"LSTMVAE({type(model.encoder).__name__}, {type(model.decoder).__name__}, {likelihood.name})",
        timesteps=model.timesteps,
        n_features=model.n_features,
        latent_dim=model.latent_dim,
        encode=model.encode,
        sample=lambda mu, log_var: model.sampling([mu, log_var], training=True),
        decode=decode,
        likelihood=family.get(likelihood.name, "gaussian"),  # type: ignore[arg-type]
        scale=None if from_decoder or not known else scale_of(one),
        df=df,
        kl=kl_divergence,
        nll=nll if known else None,
        beta=float(model.beta),
        loss=None if model.free_bits > 0 else loss,
        gradients=lambda x: _model_gradients(model, x),
        score=lambda series: _model_score(model, series),
        score_after=lambda before, series: _model_score(model, np.concatenate([before, series]))[len(before) :],
        window_starts=lambda n: window_starts(n, model.timesteps),
        windows_to_points=lambda per_step, starts, n: windows_to_points(per_step, starts, n, "mean"),
        save=lambda path: model.save(path + ".keras"),
        loader="vaehelpers.contracts:score_saved_model",
    )


def _raw_scale(scale_of_raw: Callable[[float], float], wanted: float) -> float:
    """The raw decoder output that gives a wanted scale, whatever floor and softplus stand between them."""
    from scipy.optimize import brentq

    return float(brentq(lambda raw: np.log(scale_of_raw(raw) / wanted), -30.0, 30.0, xtol=1e-9))


def _model_gradients(model: Any, x: np.ndarray) -> dict[str, Any]:
    """Gradient of the training loss for each weight, with all weights moved a little.

    Heads that start at zero pass no gradient back at the very start, which is no fault; moved, they do. Weights and
    noise scale are put back.
    """
    import tensorflow as tf

    before, rng = model.get_weights(), np.random.default_rng(0)
    try:
        for weight in model.trainable_variables:
            value = np.asarray(weight.value)
            weight.assign(value + 0.05 * rng.standard_normal(value.shape).astype(value.dtype))
        with tf.GradientTape() as tape:
            loss = model.loss_terms(model.terms(tf.convert_to_tensor(x), training=True))[0]
        found = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    finally:
        model.set_weights(before)
    return {weight.path: gradient for weight, gradient in zip(model.trainable_variables, found, strict=True)}


def _functions_of_detector(detector: Any) -> VAEFunctions:
    from sklearn.base import clone

    from vaehelpers.windows import windows_to_points

    if not hasattr(detector, "model_"):
        raise InputError("this Detector is not fitted; call fit(series) before it is checked")
    timesteps, aggregate = detector.timesteps_, detector.settings_["aggregate"]
    fitted: dict[bytes, Any] = {}

    def scale_parts(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if train.tobytes() not in fitted:
            fitted[train.tobytes()] = (
                clone(detector).set_params(timesteps=timesteps, steps=1, threshold="mad").fit(train)
            )
        other = fitted[train.tobytes()]
        return other.scaler_.transform(train), other.scaler_.transform(test)

    functions = _functions_of_model(detector.model_)
    rows = _Probe(functions, 0, 50).series()
    return dataclasses.replace(
        functions,
        name=f"Detector of {functions.name}",
        series=detector.scaler_.inverse_transform(rows),
        score=detector.decision_function,
        score_after=lambda before, series: detector.decision_function(np.concatenate([before, series]))[len(before) :],
        reach=timesteps - 1 + detector.smooth_ // 2,
        windows_to_points=lambda per_step, starts, n: windows_to_points(per_step, starts, n, aggregate),
        aggregate=aggregate,
        scale_parts=scale_parts,
        save=detector.save,
        loader="vaehelpers.contracts:score_saved_detector",
    )


# --- what the checks share ---------------------------------------------------------------------------------------


class _Fault(Exception):
    """A check has found something; the message is what."""


class _Missing(Exception):
    """A check cannot be made; the message says why."""


def _array(value: Any) -> np.ndarray:
    return np.asarray(value, dtype=np.float64)


def _log_var(spread: np.ndarray, kind: Spread) -> np.ndarray:
    if kind == "log_var":
        return spread
    return 2.0 * (spread if kind == "log_sigma" else np.log(spread))


def _spread(log_var: np.ndarray, kind: Spread) -> np.ndarray:
    if kind == "log_var":
        return log_var
    return 0.5 * log_var if kind == "log_sigma" else np.exp(0.5 * log_var)


def _closed_form_kl(mu: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    return 0.5 * np.sum(mu**2 + np.exp(log_var) - 1.0 - log_var, axis=-1)


def _bonferroni(p_values: np.ndarray | float, comparisons: int) -> float:
    smallest = float(np.min(p_values)) * comparisons
    return min(1.0, smallest) if np.isfinite(smallest) else 0.0  # not a number: surely no correct model's


def _margin(linear: np.ndarray, square: np.ndarray, count: int, comparisons: int) -> tuple[np.ndarray, np.ndarray]:
    """How far a mean of `count` draws of sum_j a_j e_j + b_j (e_j^2 - 1), e ~ N(0, I), may lie from 0; its deviation.

    Terms a, b have shape (B, d). A Bernstein bound: the log of the moment generating function is at most
    l^2 V / 2 / (1 - 2 l max|b|) with V = sum_j a_j^2 + 2 b_j^2, so that all of `comparisons` means stay inside with
    probability 1 - ALPHA, skewed as they are (Boucheron, Lugosi, Massart 2013, section 2.4).
    """
    variance = np.sum(linear**2 + 2 * square**2, axis=1)
    t = np.log(2 * comparisons / ALPHA)
    deviation = np.sqrt(variance / count)
    return np.sqrt(2 * t) * deviation + 2 * t * np.max(np.abs(square), axis=1) / count, deviation


class _Probe:
    """One model under test: its functions, the checks' own random numbers, and draws that several checks share."""

    def __init__(self, functions: VAEFunctions, seed: int, draws: int) -> None:
        self.f = functions
        self.seed = seed
        self.draws = draws
        self._noise: np.ndarray | Exception | None = None
        self._series_scores: np.ndarray | None = None

    def rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream])

    def need(self, *names: str) -> tuple[Any, ...]:
        missing = [name for name in names if getattr(self.f, name) is None]
        if missing:
            raise _Missing("not given: " + ", ".join(missing))
        return tuple(getattr(self.f, name) for name in names)

    def windows(self, stream: int, rows: int | None = None) -> np.ndarray:
        """Noisy sines with random phase, (B, T, F), of about unit variance."""
        rng = self.rng(stream)
        rows = self.f.batch_size if rows is None else rows
        t = np.arange(self.f.timesteps)[None, :, None]
        phase = rng.uniform(0, 2 * np.pi, (rows, 1, self.f.n_features))
        wave = 1.3 * np.sin(2 * np.pi * t / max(self.f.timesteps, 2) + phase)
        return (wave + 0.4 * rng.standard_normal(wave.shape)).astype(np.float32)

    def series(self) -> np.ndarray:
        if self.f.series is not None:
            return np.asarray(self.f.series, dtype=np.float32)
        n = 4 * self.f.timesteps + 7
        rng = self.rng(11)
        t = np.arange(n)[:, None] + 3.0 * np.arange(self.f.n_features)[None, :]
        wave = 1.3 * np.sin(2 * np.pi * t / max(self.f.timesteps, 2))
        return (wave + 0.4 * rng.standard_normal(wave.shape)).astype(np.float32)

    def posterior(self, stream: int, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Means and log-variances (B, d); the latter of both signs, but not near 0, where confusions hide."""
        rng = self.rng(stream)
        shape = (self.f.batch_size if rows is None else rows, self.f.latent_dim)
        mu = rng.standard_normal(shape)
        log_var = np.where(rng.random(shape) < 0.5, rng.uniform(-2.5, -0.4, shape), rng.uniform(0.4, 1.5, shape))
        return mu.astype(np.float32).astype(np.float64), log_var.astype(np.float32).astype(np.float64)

    def given(self, mu: np.ndarray, log_var: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the model is called with: float32, and the spread as it declares it."""
        return mu.astype(np.float32), _spread(log_var, self.f.spread).astype(np.float32)

    def noise(self) -> np.ndarray:
        """Standardised noise of `draws` calls, (N, B, d), of one fixed posterior; drawn once for all checks."""
        if self._noise is None:
            (sample,) = self.need("sample")
            mu, log_var = self.posterior(1)
            try:
                z = np.stack([_array(sample(*self.given(mu, log_var))) for _ in range(self.draws)])
                if z.shape[1:] != mu.shape:
                    raise _Fault(f"sample gives {z.shape[1:]} for a posterior of shape {mu.shape}")
                if not np.all(np.isfinite(z)):
                    raise _Fault("sample gives values that are not finite")
                self._noise = (z - mu) / np.exp(0.5 * log_var)
            except Exception as error:
                self._noise = error
        if isinstance(self._noise, Exception):
            raise self._noise
        return self._noise

    def per_window(self, function: Callable[..., Any], *batches: Any) -> np.ndarray:
        """Values (B,) of a function that may also return more axes (summed) or the batch's mean (asked row by row)."""
        value = _array(function(*batches))
        rows = len(batches[0])
        if value.ndim > 0:
            if value.shape[0] != rows:
                raise _Fault(f"{value.shape} values for a batch of {rows}: neither one per window nor a scalar")
            return value.reshape(rows, -1).sum(axis=1)
        values = [_array(function(*(_repeat_row(batch, row, rows) for batch in batches))) for row in range(rows)]
        return np.array(values)

    def parameters(self, decoded: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean (B, T, F) and scale (broadcastable to it) of what `decode` returned."""
        if not isinstance(decoded, Mapping):
            if self.f.scale is None:
                raise _Missing("not given: scale (decode returns the mean alone)")
            return _array(decoded), _array(self.f.scale)
        mean = _array(decoded["mean"])
        if "scale" in decoded:
            return mean, np.broadcast_to(_array(decoded["scale"]), mean.shape)
        if "log_var" in decoded:
            return mean, np.broadcast_to(np.exp(0.5 * _array(decoded["log_var"])), mean.shape)
        if self.f.scale is None:
            raise _Missing("not given: scale (decode returns neither 'scale' nor 'log_var')")
        return mean, _array(self.f.scale)

    def scores(self, series: np.ndarray) -> np.ndarray:
        (score,) = self.need("score")
        values = _array(score(np.array(series, dtype=np.float32)))
        if values.shape != (len(series),):
            raise _Fault(
                f"scores of shape {values.shape} for a series of {len(series)} rows; expected ({len(series)},)"
            )
        return values

    def repeatable_scores(self) -> np.ndarray:
        if self._series_scores is None:
            first, second = self.scores(self.series()), self.scores(self.series())
            if not np.allclose(first, second, rtol=1e-4, atol=1e-6, equal_nan=True):
                raise _Fault("two calls of score on the same series differ; fix the seed of its noise")
            self._series_scores = first
        return self._series_scores


def _repeat_row(batch: Any, row: int, times: int) -> Any:
    if isinstance(batch, Mapping):
        return {key: _repeat_row(value, row, times) for key, value in batch.items()}
    values = np.asarray(batch)
    if values.ndim == 0 or len(values) != times:
        return batch
    return np.repeat(values[row : row + 1], times, axis=0)


def _guess(observed: np.ndarray, expected: np.ndarray, probe: _Probe) -> str:
    """Say in words what a wrong value looks like: a constant factor or a constant offset."""
    if np.all(observed == 0):
        return "it is 0 for every posterior" if expected.ndim else "it is 0"
    off = float(np.max(np.abs(observed - expected)))
    text = f"off by up to {off:.3g}"
    usable = np.abs(expected) > 1e-3 * np.max(np.abs(expected))
    ratio = observed[usable] / expected[usable]
    names = {
        -1.0: "its sign is flipped",
        0.5: "it is halved",
        2.0: "it is doubled",
        0.25: "it is a quarter of what it should be",
        1 / probe.f.latent_dim: "it is the mean over latent dimensions, not their sum",
        1 / (probe.f.timesteps * probe.f.n_features): "it is the mean over a window's values, not their sum",
        1 / probe.f.timesteps: "it is the mean over a window's steps, not their sum",
    }
    for factor, name in names.items():
        if factor != 1.0 and np.allclose(ratio, factor, rtol=1e-3):
            return f"{text}; {name}"
    if np.allclose(ratio, ratio[0], rtol=1e-3):
        return f"{text}; it is {ratio[0]:.3g} times what it should be"
    difference = observed - expected
    if np.ptp(difference) < 1e-3 * np.ptp(expected):
        return f"{text}; a constant of {difference[0]:.4g} is in it (if that is meant, set nll_drops_constant=True)"
    slope = np.polyfit(expected, observed, 1)
    if np.allclose(np.polyval(slope, expected), observed, rtol=1e-3, atol=1e-3 * np.ptp(observed)):
        return f"{text}; it grows {slope[0]:.3g} times as fast as it should"
    return text


# --- the checks ---------------------------------------------------------------------------------------------------
# Each returns what it saw when all is well, raises _Fault when it is not, and _Missing when it cannot be made.


def _check_shapes(probe: _Probe) -> str:
    f = probe.f
    if f.encode is None and f.decode is None:
        raise _Missing("not given: encode, decode")
    seen = []
    latent = (f.batch_size, f.latent_dim)
    if f.encode is not None:
        for part, value in zip(("mu", "spread"), f.encode(probe.windows(2)), strict=True):
            if _array(value).shape != latent:
                raise _Fault(f"encode gives {part} of shape {_array(value).shape}; expected {latent}")
        seen.append(f"mu and spread {latent}")
    if f.decode is not None:
        decoded = f.decode(probe.posterior(2)[0].astype(np.float32))
        mean = _array(decoded["mean"] if isinstance(decoded, Mapping) else decoded)
        window = (f.batch_size, f.timesteps, f.n_features)
        if mean.shape != window:
            raise _Fault(f"decode gives {mean.shape}; a reconstruction has the shape of the windows, {window}")
        seen.append(f"reconstruction {window}")
    return ", ".join(seen)


def _check_kl_closed_form(probe: _Probe) -> str:
    (kl,) = probe.need("kl")
    mu, log_var = probe.posterior(3)
    mu[0], log_var[0] = 0.0, 0.0  # the prior itself
    observed, expected = probe.per_window(kl, *probe.given(mu, log_var)), _closed_form_kl(mu, log_var)
    if np.allclose(observed, expected, rtol=1e-3, atol=1e-4):
        return f"largest difference {np.max(np.abs(observed - expected)):.1e}"
    spread = _spread(log_var, probe.f.spread)
    for kind in ("log_var", "log_sigma", "sigma"):
        if kind == "sigma" and np.any(spread <= 0):
            continue
        if np.allclose(observed, _closed_form_kl(mu, _log_var(spread, kind)), rtol=1e-3, atol=1e-3):
            off = np.max(np.abs(observed - expected))
            raise _Fault(
                f"off by up to {off:.3g}; it fits a spread that is {kind!r}, but {probe.f.spread!r} is declared"
            )
    raise _Fault(_guess(observed, expected, probe))


def _check_kl_monte_carlo(probe: _Probe) -> str:
    (kl,) = probe.need("kl")
    mu, log_var = probe.posterior(4)
    observed = probe.per_window(kl, *probe.given(mu, log_var))
    count = 4000
    rows = np.arange(min(32, len(mu)))
    noise = probe.rng(5).standard_normal((count, len(rows), probe.f.latent_dim))
    z = mu[rows] + np.exp(0.5 * log_var[rows]) * noise
    # log q(z|x) - log p(z), whose mean under q is the KL divergence; the 2 pi cancel
    terms = 0.5 * np.sum(z**2 - noise**2 - log_var[rows], axis=2)
    sigma = np.exp(0.5 * log_var[rows])
    margin, deviation = _margin(mu[rows] * sigma, 0.5 * (sigma**2 - 1), count, len(rows))
    off = np.abs(observed[rows] - terms.mean(axis=0))
    worst = float(np.max(off / deviation))
    if not np.all(off <= margin + 1e-4):
        raise _Fault(f"{worst:.0f} standard errors from an estimate with {count} draws")
    return f"within {worst:.1f} standard errors of {count} draws"


def _check_posterior_can_narrow(probe: _Probe) -> str:
    (encode,) = probe.need("encode")
    base = probe.windows(6)
    lowest, highest = np.inf, -np.inf
    for factor in (0.0, 0.1, 1.0, -1.0, 10.0, -10.0, 100.0, -100.0):
        log_var = _log_var(_array(encode((factor * base).astype(np.float32))[1]), probe.f.spread)
        lowest, highest = min(lowest, float(np.min(log_var))), max(highest, float(np.max(log_var)))
    if lowest > -1e-3 and highest > 1e-2:  # a head that starts at zero gives 0 everywhere, which is no fault
        raise _Fault(
            f"sigma is at least {np.exp(0.5 * lowest):.4g} for all {8 * len(base)} probes: no posterior is narrower "
            "than the prior"
        )
    return f"sigma from {np.exp(0.5 * lowest):.2g} to {np.exp(0.5 * min(highest, 60.0)):.2g} over the probes"


def _independent_axes(probe: _Probe) -> tuple[bool, bool, bool]:
    """Whether noise is independent between calls, between rows and between dimensions."""
    found = []
    for check in (_check_noise_between_calls, _check_noise_between_rows, _check_noise_between_dimensions):
        try:
            check(probe)
            found.append(True)
        except _Fault:
            found.append(False)
        except _Missing:
            found.append(True)  # a single row or dimension
    return found[0], found[1], found[2]


def _check_sampling_moments(probe: _Probe) -> str:
    noise = probe.noise()
    axes = _independent_axes(probe)
    if not any(axes[:2]):
        raise _Missing("rests on noise that differs between calls or rows, and it does not")
    kept = noise[tuple(slice(None) if free else slice(0, 1) for free in axes)]
    cells = kept if axes[0] else kept.transpose(1, 0, 2)  # (repetitions, ., .)
    count = len(cells)
    p_cells = np.concatenate(
        [
            2 * stats.norm.sf(np.abs(cells.mean(axis=0)) * np.sqrt(count)).ravel(),
            _two_sided_chi2(np.sum(cells**2, axis=0).ravel(), count),
        ]
    )
    pooled = kept.ravel()
    p_pooled = [
        2 * stats.norm.sf(abs(pooled.mean()) * np.sqrt(pooled.size)),
        float(_two_sided_chi2(np.sum(pooled**2), pooled.size)),
        stats.kstest(pooled, "norm").pvalue,
    ]
    p = min(_bonferroni(p_cells, 2 * p_cells.size), _bonferroni(np.array(p_pooled), 2 * 3))
    seen = (
        f"mean {pooled.mean():+.3f}, variance {pooled.var():.3f} of {pooled.size} standardised draws (0 and 1 wanted)"
    )
    if p < ALPHA:
        raise _Fault(seen + _guess_sigma(probe, noise))
    return seen


def _two_sided_chi2(value: np.ndarray | float, df: int) -> np.ndarray:
    return np.minimum(1.0, 2 * np.minimum(stats.chi2.cdf(value, df), stats.chi2.sf(value, df)))


def _guess_sigma(probe: _Probe, noise: np.ndarray) -> str:
    """Name the wrong reading of the spread that the drawn noise fits, if one does."""
    _, log_var = probe.posterior(1)
    spread = _spread(log_var, probe.f.spread)
    drawn = noise.std(axis=0) * np.exp(0.5 * log_var)  # (B, d)
    readings = {
        "the spread is used as sigma without exp": np.abs(spread),
        "exp(spread) is used as sigma: the half is missing": np.exp(spread),
        "exp(spread / 2) is used as sigma": np.exp(0.5 * spread),
        "sigma is 1 whatever the spread": np.ones_like(spread),
        "the sign of the log-variance is flipped": np.exp(-0.5 * log_var),
    }
    if np.max(drawn) < 1e-6:
        return "; there is no noise at all"
    for name, sigma in readings.items():
        if np.allclose(drawn, sigma, rtol=5 / np.sqrt(probe.draws)):
            return f"; {name}"
    return ""


def _pair_p_value(series: np.ndarray) -> tuple[float, float]:
    """Largest absolute correlation between columns (N, K) and its corrected p-value; constant columns count as 1."""
    count, columns = series.shape
    spread = series.std(axis=0)
    if np.any(spread == 0):
        return 1.0, 0.0
    correlation = np.corrcoef(series, rowvar=False)[np.triu_indices(columns, 1)]
    largest = min(float(np.max(np.abs(correlation))), 1.0 - 1e-12)
    t = largest * np.sqrt((count - 2) / (1 - largest**2))  # exact for independent normal columns
    return largest, _bonferroni(2 * stats.t.sf(t, count - 2), correlation.size)


def _check_noise_between_rows(probe: _Probe) -> str:
    noise = probe.noise()
    if noise.shape[1] < 2:
        raise _Missing("needs batch_size of at least 2")
    if _repeated_calls(noise):
        noise = np.unique(noise, axis=0)
        if len(noise) < 50:
            return _rows_of_one_call(noise[0])
    found = [_pair_p_value(noise[:, :, dimension]) for dimension in range(noise.shape[2])]
    largest = max(correlation for correlation, _ in found)
    if min(p for _, p in found) * noise.shape[2] < ALPHA:
        raise _Fault(f"correlation of {largest:.2f} between the noise of two samples of a batch")
    return f"largest correlation {largest:.2f} over all pairs of samples and {len(noise)} calls"


def _rows_of_one_call(noise: np.ndarray) -> str:
    repeated = len(noise) - len(np.unique(noise, axis=0))
    if repeated:
        raise _Fault(f"{repeated} of {len(noise)} samples of a batch repeat the noise of another")
    return f"{len(noise)} samples of a batch with different noise (calls repeat, so correlations are not to be had)"


def _check_noise_between_dimensions(probe: _Probe) -> str:
    noise = probe.noise()
    if noise.shape[2] < 2:
        raise _Missing("needs latent_dim of at least 2")
    if _repeated_calls(noise):
        noise = np.unique(noise, axis=0)
        if len(noise) < 50:
            noise = noise[0][:, None, :]  # rows stand in for the calls
            if len(noise) < 10 or len(np.unique(noise[:, 0, 0])) < len(noise):
                raise _Missing("rests on noise that differs between calls or rows, and it does not")
    found = [_pair_p_value(noise[:, row, :]) for row in range(noise.shape[1])]
    largest = max(correlation for correlation, _ in found)
    if min(p for _, p in found) * noise.shape[1] < ALPHA:
        raise _Fault(f"correlation of {largest:.2f} between the noise of two latent dimensions")
    return f"largest correlation {largest:.2f} over all pairs of dimensions and {noise.shape[1]} samples"


def _repeated_calls(noise: np.ndarray) -> int:
    flat = np.round(noise.reshape(len(noise), -1), 5)
    return len(flat) - len(np.unique(flat, axis=0))


def _check_noise_between_calls(probe: _Probe) -> str:
    noise = probe.noise()
    repeated = _repeated_calls(noise)
    if repeated:
        raise _Fault(f"{repeated} of {len(noise)} calls repeat the noise of an earlier call")
    smallest, largest, comparisons = 1.0, 0.0, 0
    for lag in (1, 2, 3):
        blocks = noise[: len(noise) - len(noise) % (2 * lag)].reshape(-1, 2, lag, *noise.shape[1:])
        # pairs of calls, `lag` apart and no call in two of them: Pearson's r then follows Student's t exactly
        first, second = (blocks[:, half].reshape(-1, noise.shape[1] * noise.shape[2]) for half in (0, 1))
        first, second = first - first.mean(axis=0), second - second.mean(axis=0)
        scale = np.sqrt(np.sum(first**2, axis=0) * np.sum(second**2, axis=0))
        r = np.abs(np.sum(first * second, axis=0)) / np.where(scale > 0, scale, 1.0)
        r = np.minimum(r, 1.0 - 1e-12)
        df = len(first) - 2
        smallest = min(smallest, float(np.min(2 * stats.t.sf(r * np.sqrt(df / (1 - r**2)), df))))
        largest, comparisons = max(largest, float(np.max(r))), comparisons + r.size
    if _bonferroni(smallest, comparisons) < ALPHA:
        raise _Fault(f"correlation of {largest:.2f} between the noise of successive calls")
    return f"no repetition in {len(noise)} calls, largest correlation {largest:.2f}"


def _distribution(probe: _Probe, mean: np.ndarray, scale: np.ndarray) -> Any:
    if probe.f.likelihood == "gaussian":
        return stats.norm(mean, scale)
    if probe.f.likelihood == "laplace":
        return stats.laplace(mean, scale)
    if probe.f.df is None:
        raise _Missing("not given: df (degrees of freedom of the Student-t likelihood)")
    return stats.t(probe.f.df, mean, scale)


def _compare_likelihood(probe: _Probe, name: str) -> str:
    nll, decode = probe.need(name, "decode")
    z, _ = probe.posterior(7)
    decoded = decode(z.astype(np.float32))
    mean, scale = probe.parameters(decoded)
    rng = probe.rng(8)
    # from well inside to far outside what the decoder expects, one stretch per window
    stretch = rng.uniform(0.2, 4.0, (len(mean), 1, 1))
    x = (mean + scale * stretch * rng.standard_normal(mean.shape)).astype(np.float32)
    observed = probe.per_window(nll, x, decoded)
    expected = -_distribution(probe, mean, scale).logpdf(x.astype(np.float64)).reshape(len(x), -1).sum(axis=1)
    if probe.f.nll_drops_constant:
        observed, expected = observed - observed.mean(), expected - expected.mean()
    tolerance = 1e-3 * np.maximum(np.abs(expected), np.std(expected))
    if np.all(np.abs(observed - expected) <= tolerance):
        return f"largest difference {np.max(np.abs(observed - expected)):.1e} nats of up to {expected.max():.3g}"
    raise _Fault(_guess(observed, expected, probe))


def _check_likelihood(probe: _Probe) -> str:
    return _compare_likelihood(probe, "nll")


def _check_likelihood_at_scoring(probe: _Probe) -> str:
    return _compare_likelihood(probe, "nll_at_scoring")


def _linear_gaussian(
    rng: np.random.Generator, rows: int, size: int, latent_dim: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Probabilistic PCA with unit noise: data (B, D), loadings (D, d), centre (D,), posterior mean and variance, log p.

    Orthogonal columns make the posterior diagonal, so that a VAE's posterior can be exact.
    """
    used = min(latent_dim, size)
    basis, _ = np.linalg.qr(rng.standard_normal((size, used)))
    loadings = np.zeros((size, latent_dim))
    loadings[:, :used] = basis * rng.uniform(0.5, 2.0, used)
    centre = rng.standard_normal(size)
    x = centre + rng.standard_normal((rows, latent_dim)) @ loadings.T + rng.standard_normal((rows, size))
    norms = np.sum(loadings**2, axis=0)  # (d,)
    projected = (x - centre) @ loadings  # (B, d)
    variance = 1.0 / (1.0 + norms)
    mean = variance * projected
    # Woodbury and the determinant lemma, with a diagonal inner matrix
    squares = np.sum((x - centre) ** 2, axis=1) - np.sum(projected * mean, axis=1)
    log_p = -0.5 * (squares + np.sum(np.log1p(norms)) + size * np.log(2 * np.pi))
    return x, loadings, centre, mean, np.broadcast_to(variance, mean.shape), log_p


def _check_elbo(probe: _Probe) -> str:
    sample, kl, nll, decode = probe.need("sample", "kl", "nll", "decode")
    f = probe.f
    if f.likelihood != "gaussian":
        raise _Missing(f"needs a Gaussian likelihood; this one is {f.likelihood}")
    if f.nll_drops_constant:
        raise _Missing("needs a likelihood with its constant (nll_drops_constant=True)")
    between_calls, between_rows, _ = _independent_axes(probe)
    if not between_calls:
        raise _Missing("rests on noise that differs between calls, and it does not")
    example = decode(np.zeros((f.batch_size, f.latent_dim), np.float32))
    mean_example, scale_example = probe.parameters(example)
    free_scale = isinstance(example, Mapping) and bool({"scale", "log_var"} & set(example))
    shape = (f.batch_size, f.timesteps, f.n_features)
    if mean_example.shape != shape:
        raise _Missing(f"rests on reconstructions of shape {shape}; they are {mean_example.shape}")
    rng = probe.rng(9)
    size = f.timesteps * f.n_features
    # one scale per value: the problem is posed with unit noise, then each value is stretched by its own scale
    scale = np.full(size, 0.5) if free_scale else np.broadcast_to(scale_example, shape)[0].ravel()
    x, loadings, centre, mean, variance, log_p = _linear_gaussian(rng, f.batch_size, size, f.latent_dim)
    windows = (scale * x).reshape(shape).astype(np.float32)
    log_p = log_p - np.sum(np.log(scale))
    worst, seen, count = 0.0, [], max(50, probe.draws // 2)
    for exact in (True, False):
        mu = mean if exact else mean + 0.7 * np.sqrt(variance) * rng.standard_normal(mean.shape)
        log_var = np.log(variance) if exact else np.log(variance) + rng.uniform(-1.0, 1.0, mean.shape)
        mu, log_var = (value.astype(np.float32).astype(np.float64) for value in (mu, log_var))
        gap = 0.5 * np.sum(
            ((mu - mean) ** 2 + np.exp(log_var)) / variance - 1.0 - log_var + np.log(variance), axis=1
        )  # KL(q || true posterior): what the ELBO must lack, row by row
        divergence = probe.per_window(kl, *probe.given(mu, log_var))
        elbo = np.empty((count, f.batch_size))
        for draw in range(count):
            z = _array(sample(*probe.given(mu, log_var)))
            decoded = _with_mean(example, (scale * (centre + z @ loadings.T)).reshape(shape))
            elbo[draw] = -probe.per_window(nll, windows, decoded) - divergence
        excess = elbo.mean(axis=0) + gap - log_p  # (B,), zero in expectation
        sigma = np.exp(0.5 * log_var)
        pull = (x - centre - mu @ loadings.T) @ loadings * sigma  # what the noise adds to nll: pull e + bend e^2
        bend = 0.5 * np.sum(loadings**2, axis=0) * sigma**2
        bend = np.broadcast_to(bend, pull.shape)
        rounding = 2e-5 * np.abs(log_p)  # of float32
        compared = [(excess, pull, bend, rounding)]
        if between_rows:  # then their mean is known far better than each of them
            pooled = (value.reshape(1, -1) / len(x) for value in (pull, bend))
            compared.append((excess.mean(keepdims=True), *pooled, rounding.mean(keepdims=True)))
        inside = True
        for off, linear, square, slack in compared:
            margin, deviation = _margin(linear, square, count, 2 * (len(x) + 1))
            worst = max(worst, float(np.max(np.abs(off) / deviation)))
            inside = inside and bool(np.all(np.abs(off) <= margin + slack))
        if not inside:
            above = float(np.mean(excess))
            where = f"above the exact log-likelihood by {above:.3g}" if above > 0 else f"too low by {-above:.3g}"
            raise _Fault(f"with the exact posterior known, the ELBO is {where} nats a window on average")
        seen.append(float(np.mean(log_p - gap)))
    return (
        f"ELBO = log p - KL(q, true posterior) within {worst:.1f} standard errors ({seen[0]:.4g}, {seen[1]:.4g} nats)"
    )


def _with_mean(example: Any, mean: np.ndarray) -> Any:
    """A decoder's output in the form of `example`, with another mean and, where it has one, a scale of 0.5."""
    mean = mean.astype(np.float32)
    if not isinstance(example, Mapping):
        return mean
    values = {"scale": 0.5, "log_var": 2 * np.log(0.5)}
    shapes = {key: np.shape(np.asarray(example[key])) for key in values if key in example}
    return {"mean": mean, **{key: np.full(shape, values[key], np.float32) for key, shape in shapes.items()}}


def _check_objective(probe: _Probe) -> str:
    loss, encode, sample, decode, kl, nll = probe.need("loss", "encode", "sample", "decode", "kl", "nll")
    if not _independent_axes(probe)[0]:
        raise _Missing("rests on noise that differs between calls, and it does not")
    count = max(25, probe.draws // 4)
    base = probe.windows(10)
    worst, seen = 0.0, ""
    # with windows of zeros the noise of the estimate is smallest, with large ones the KL term is largest
    for stretch in (0.0, 1.0, 10.0):
        x = (stretch * base).astype(np.float32)
        mu, spread = (np.asarray(value, dtype=np.float32) for value in encode(x))
        divergence = probe.f.beta * probe.per_window(kl, mu, spread).mean()
        parts = np.empty(count)
        for draw in range(count):
            value = _array(nll(x, decode(np.asarray(sample(mu, spread), dtype=np.float32))))
            parts[draw] = (value if value.ndim == 0 else value.reshape(len(x), -1).sum(axis=1).mean()) + divergence
        whole = np.array([_array(loss(x)).mean() for _ in range(count)])
        error = np.sqrt((parts.var(ddof=1) + whole.var(ddof=1)) / count) + 1e-5 * abs(parts.mean())
        z = float(abs(whole.mean() - parts.mean()) / error)
        if _bonferroni(2 * stats.t.sf(z, count - 1), 3) < ALPHA:
            raise _Fault(
                f"the loss is {whole.mean():.4g}, but nll + beta KL of the same windows is {parts.mean():.4g} "
                f"({z:.0f} standard errors apart)"
            )
        if z >= worst:
            worst, seen = z, f"loss {whole.mean():.4g}, nll + beta KL {parts.mean():.4g}"
    return f"{seen}, {worst:.1f} standard errors apart"


def _check_partial_last_batch(probe: _Probe) -> str:
    f = probe.f
    given = [name for name in ("encode", "sample", "decode", "kl", "nll", "loss") if getattr(f, name) is not None]
    if not given:
        raise _Missing("not given: encode, sample, decode, kl, nll, loss")
    sizes = sorted({1, max(1, f.batch_size - 7)} - {f.batch_size})
    if not sizes:
        sizes = [2]  # batch_size 1: a batch that is larger
    x, (mu, log_var) = probe.windows(12), probe.posterior(12)
    for size in sizes:
        latent = (size, f.latent_dim)
        for name in given:
            try:
                _call_partially(probe, name, x, mu, log_var, size, latent)
            except (_Fault, _Missing) as problem:
                if isinstance(problem, _Fault):
                    raise
            except Exception as error:
                raise _Fault(
                    f"{name} on a batch of {size} (batch_size is {f.batch_size}) raises "
                    f"{type(error).__name__}: {_first_line(error)}"
                ) from error
    return f"{', '.join(given)} on batches of {', '.join(map(str, sizes))} beside {f.batch_size}"


def _call_partially(
    probe: _Probe, name: str, x: np.ndarray, mu: np.ndarray, log_var: np.ndarray, size: int, latent: tuple[int, int]
) -> None:
    f = probe.f
    part = x[:size] if size <= len(x) else np.repeat(x, size, axis=0)[:size]
    posterior = probe.given(np.resize(mu, latent), np.resize(log_var, latent))
    function = getattr(f, name)
    if name == "sample":
        shape = _array(function(*posterior)).shape
        if shape != latent:
            raise _Fault(f"sample gives {shape} for a posterior of shape {latent}")
    elif name == "loss":
        value = _array(function(part))
        if not np.all(np.isfinite(value)):
            raise _Fault(f"loss is not finite on a batch of {size}")
    elif name == "encode":
        for one, all_ in zip(function(part), function(x), strict=True):
            if size <= len(x) and not np.allclose(_array(one), _array(all_)[:size], rtol=1e-3, atol=1e-4):
                raise _Fault(f"encode gives other values for the same windows in a batch of {size}")
    elif name == "decode":
        decoded = function(posterior[0])
        mean = _array(decoded["mean"] if isinstance(decoded, Mapping) else decoded)
        if len(mean) != size:
            raise _Fault(f"decode gives {len(mean)} reconstructions for {size} latent vectors")
    elif name == "kl":
        function(*posterior)
    elif f.decode is not None:
        function(part, f.decode(posterior[0]))


def _check_gradient(probe: _Probe) -> str:
    (gradients,) = probe.need("gradients")
    found = gradients(probe.windows(13))
    if not found:
        raise _Fault("gradients names no weight at all")
    for name, gradient in found.items():
        if gradient is None:
            raise _Fault(f"no gradient reaches {name} ({len(found)} weights)")
        values = _array(gradient)
        if not np.all(np.isfinite(values)):
            raise _Fault(f"the gradient of {name} is not finite")
        if not np.any(values):
            raise _Fault(f"the gradient of {name} is zero everywhere ({len(found)} weights)")
    return f"all of {len(found)} weights"


def _check_windows_cover(probe: _Probe) -> str:
    (window_starts,) = probe.need("window_starts")
    timesteps = probe.f.timesteps
    lengths = (timesteps, timesteps + 1, 2 * timesteps - 1, 4 * timesteps + 7)
    for n in lengths:
        starts = np.asarray(window_starts(n), dtype=np.int64)
        outside = starts[(starts < 0) | (starts + timesteps > n)]
        if outside.size:
            raise _Fault(f"n={n}: the window from row {outside[0]} does not fit into the series")
        if len(np.unique(starts)) < len(starts):
            raise _Fault(f"n={n}: {len(starts) - len(np.unique(starts))} windows are there twice")
        counts = np.zeros(n, dtype=int)
        for start in starts:
            counts[start : start + timesteps] += 1
        lost = np.flatnonzero(counts == 0)
        if lost.size:
            raise _Fault(f"n={n}: {lost.size} rows lie in no window, the first is row {lost[0]}")
    return f"every row of series of {', '.join(map(str, lengths))} rows lies in a window"


def _check_points(probe: _Probe) -> str:
    (windows_to_points,) = probe.need("windows_to_points")
    timesteps = probe.f.timesteps
    n = 4 * timesteps + 7
    starts = np.arange(n - timesteps + 1, dtype=np.int64)
    rows = starts[:, None] + np.arange(timesteps)  # (W, T): which row each step is
    per_step = probe.rng(14).random(rows.shape)
    observed = _array(windows_to_points(per_step, starts, n))
    if observed.shape != (n,):
        raise _Fault(f"{observed.shape} point scores for {n} rows")
    expected = _points_twin(per_step, rows, n, probe.f.aggregate)
    wrong = np.flatnonzero(~np.isclose(observed, expected, rtol=1e-4, atol=1e-5, equal_nan=False))
    if not wrong.size:
        return f"equals the {probe.f.aggregate} over an explicit list of windows, at all {n} rows"
    unscored = np.flatnonzero(np.isnan(observed))
    text = f"{wrong.size} of {n} rows differ from the {probe.f.aggregate} over their windows, first row {wrong[0]}"
    if unscored.size:
        text += f"; {unscored.size} rows have no score"
    placed = _array(windows_to_points(rows.astype(np.float64), starts, n))  # each step holds its own row number
    moved = np.flatnonzero(~np.isclose(placed, np.arange(n)) & ~np.isnan(placed))
    if probe.f.aggregate in ("mean", "median", "max", "min") and moved.size:
        text += f"; row {moved[0]} gets what belongs to row {placed[moved[0]]:.3g}"
    raise _Fault(text)


def _points_twin(per_step: np.ndarray, rows: np.ndarray, n: int, aggregate: Aggregate) -> np.ndarray:
    """Point scores by an explicit list of values per row: slow and obvious."""
    values: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for window in range(rows.shape[0]):
        for step in range(rows.shape[1]):
            values[rows[window, step]].append((step, float(per_step[window, step])))
    middle = rows.shape[1] // 2
    choose: dict[str, Callable[[list[tuple[int, float]]], float]] = {
        "mean": lambda pairs: float(np.mean([value for _, value in pairs])),
        "median": lambda pairs: float(np.median([value for _, value in pairs])),
        "max": lambda pairs: max(value for _, value in pairs),
        "min": lambda pairs: min(value for _, value in pairs),
        "last": lambda pairs: max(pairs)[1],
        "centre": lambda pairs: min(pairs, key=lambda pair: (abs(pair[0] - middle), pair[0]))[1],
    }
    return np.array([choose[aggregate](pairs) for pairs in values])


def _check_every_row_scored(probe: _Probe) -> str:
    probe.need("score")
    series = probe.series()
    lengths = [len(series)]
    if len(series) > 2 * probe.f.timesteps:
        lengths += [probe.f.timesteps, probe.f.timesteps + 1]
    for n in lengths:
        lost = np.flatnonzero(~np.isfinite(probe.scores(series[:n])))
        if lost.size:
            raise _Fault(f"{lost.size} of {n} rows have no finite score: rows {_ranges(lost)}")
    return f"every row of series of {', '.join(map(str, lengths))} rows has a finite score"


def _ranges(rows: np.ndarray) -> str:
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    texts = [f"{part[0]}" if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    return ", ".join(texts[:4]) + (", ..." if len(texts) > 4 else "")


def _check_impulse(probe: _Probe) -> str:
    probe.need("score")
    series, timesteps = probe.series(), probe.f.timesteps
    n = len(series)
    reach = timesteps - 1 if probe.f.reach is None else probe.f.reach
    base = probe.repeatable_scores()
    tolerance = 1e-4 * np.nanstd(base) + 1e-4 * np.abs(base)
    rows = sorted({0, 1, timesteps - 1, n // 2, n - timesteps, n - 2, n - 1})
    for row in rows:
        changed = series.copy()
        changed[row] += 6.0 * series.std(axis=0) + 1e-3
        moved = np.flatnonzero(np.abs(probe.scores(changed) - base) > tolerance)
        far = moved[np.abs(moved - row) > reach]
        if far.size:
            raise _Fault(
                f"an impulse at row {row} moves the score of row {far[0]}; a window reaches {reach} rows at most"
            )
        if np.isfinite(base[row]) and row not in moved:
            raise _Fault(f"an impulse at row {row} of {n} leaves the score of that row as it was")
    return f"impulses at rows {', '.join(map(str, rows))} move scores at most {reach} rows away"


def _check_history(probe: _Probe) -> str:
    (score_after,) = probe.need("score_after")
    whole = probe.repeatable_scores()
    cut = len(whole) - probe.f.timesteps - 3
    history, series = probe.series()[:cut], probe.series()[cut:]
    observed = _array(score_after(history.copy(), series.copy()))
    if observed.shape != (len(series),):
        raise _Fault(f"scores of shape {observed.shape} for {len(series)} rows after {cut}")
    different = ~np.isclose(observed, whole[cut:], rtol=1e-3, atol=1e-4 * float(np.nanstd(whole)), equal_nan=True)
    if np.any(different):
        raise _Fault(
            f"{different.sum()} of {len(series)} rows get another score after their {cut} rows of history than in the "
            f"whole series, first row {np.flatnonzero(different)[0]}"
        )
    return f"{len(series)} rows after {cut} rows of history score as in the whole series"


def _two_parts(probe: _Probe) -> tuple[np.ndarray, np.ndarray]:
    series = probe.series()
    cut = len(series) // 2
    return series[:cut].copy(), series[cut:].copy()


def _scaled(probe: _Probe, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    (scale_parts,) = probe.need("scale_parts")
    scaled_train, scaled_test = scale_parts(train.copy(), test.copy())
    return _array(scaled_train), _array(scaled_test)


def _check_scaler_fitted(probe: _Probe) -> str:
    train, test = _two_parts(probe)
    scaled, _ = _scaled(probe, train, test)
    other, _ = _scaled(probe, train, 3.0 * test + 10.0 * test.std(axis=0))
    off = float(np.max(np.abs(other - scaled)))
    if off > 1e-5 * float(np.std(scaled)):
        raise _Fault(f"another test part moves the scaled training part by up to {off:.3g}")
    return "the scaled training part is the same whatever the test part holds"


def _check_test_scaled(probe: _Probe) -> str:
    train, test = _two_parts(probe)
    _, scaled = _scaled(probe, train, test)
    disturbed = test.copy()
    disturbed[-1] += 100.0 * test.std(axis=0)
    _, other = _scaled(probe, train, disturbed)
    off = float(np.max(np.abs(other[:-1] - scaled[:-1])))
    if off > 1e-5 * float(np.std(scaled)):
        raise _Fault(f"one outlier in the last test row moves other scaled test rows by up to {off:.3g}")
    _, wider = _scaled(probe, 2.0 * train, test)
    if np.allclose(wider, scaled, rtol=1e-4, atol=1e-6):
        raise _Fault("a training part twice as wide leaves the scaled test part as it was")
    return "a test row is scaled by the training part alone"


def _check_split(probe: _Probe) -> str:
    (split,) = probe.need("split")
    n = 20 * probe.f.timesteps + 7
    train, validation = (np.asarray(part, dtype=np.int64) for part in split(n))
    if not train.size or not validation.size:
        raise _Fault(f"n={n}: {train.size} training and {validation.size} validation windows")
    in_training = np.zeros(n, dtype=bool)
    for start in train:
        in_training[start : start + probe.f.timesteps] = True
    shared = sum(bool(in_training[start : start + probe.f.timesteps].any()) for start in validation)
    if shared:
        raise _Fault(f"{shared} of {len(validation)} validation windows share rows with training windows")
    return f"{len(train)} training and {len(validation)} validation windows share no row"


_FRESH_PROCESS = """
import importlib, sys
import numpy as np
module, function = sys.argv[1].split(":")
scores = getattr(importlib.import_module(module), function)(sys.argv[2], np.load(sys.argv[3]))
np.save(sys.argv[4], np.asarray(scores, dtype=np.float64))
"""


def _check_save_load(probe: _Probe) -> str:
    save, loader, _ = probe.need("save", "loader", "score")
    expected = probe.repeatable_scores()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(Path(folder) / name) for name in ("path", "series.npy", "scores.npy")}
        save(paths["path"])
        np.save(paths["series.npy"], probe.series())
        places = [paths["path"], paths["series.npy"], paths["scores.npy"]]
        if isinstance(loader, str):
            if loader.count(":") != 1:
                raise _Fault(f"loader={loader!r} does not read 'module:function'")
            command = [sys.executable, "-c", _FRESH_PROCESS, loader, *places]
        else:
            named = dict(zip(("path", "series", "scores"), places, strict=True))
            command = [part.format(**named) for part in loader]
        # the child finds the same modules as this process, and TensorFlow keeps quiet in it
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise _Fault(f"a fresh process could not load and score: {last}")
        observed = np.load(paths["scores.npy"])
    if observed.shape != expected.shape:
        raise _Fault(f"a fresh process gives scores of shape {observed.shape}, this one {expected.shape}")
    if np.allclose(observed, expected, rtol=1e-3, atol=1e-4 * float(np.nanstd(expected)), equal_nan=True):
        difference = np.nanmax(np.abs(observed - expected))
        return f"{len(expected)} scores from a fresh process, largest difference {difference:.1e}"
    alike = np.corrcoef(np.nan_to_num(observed), np.nan_to_num(expected))[0, 1]
    raise _Fault(f"scores from a fresh process differ; their correlation with those before saving is {alike:.2f}")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else "no message"


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
