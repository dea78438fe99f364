"""`check_vae`: run every check and say what failed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from typing import Any, Literal

from vaehelpers.common.errors import InputError
from vaehelpers.contracts.adapters import functions_of
from vaehelpers.contracts.checks import CHECKS, CheckResult
from vaehelpers.contracts.probe import _Probe


@dataclasses.dataclass(frozen=True)
class ContractReport:
    """The results of `check_vae`; prints as a table, followed by what each failure means and how to mend it.

    Attributes
    ----------
    subject : str
        Name of what was checked.
    results : tuple of CheckResult
        One per check, in the order in which they are made.
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
    model : LSTMVAE, Detector, keras.Model or VAEFunctions
        What to check: one of ours, a Keras model (see `functions_of`), or any model's functions.
    checks : iterable of str, optional
        Names of the checks to make, as `ContractReport` lists them. Default: all.
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
    >>> from vaehelpers.contracts.functions import VAEFunctions
    >>> from vaehelpers.contracts.report import check_vae
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
    >>> from vaehelpers.contracts.functions import VAEFunctions
    >>> from vaehelpers.contracts.report import assert_vae
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
