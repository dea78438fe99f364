"""Checks of the mathematics: KL, sampling, likelihood, ELBO."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from vaehelpers.contracts.probe import (
    ALPHA,
    _array,
    _bonferroni,
    _closed_form_kl,
    _distribution,
    _Fault,
    _guess,
    _guess_sigma,
    _linear_gaussian,
    _log_var,
    _margin,
    _Missing,
    _pair_p_value,
    _Probe,
    _repeated_calls,
    _rows_of_one_call,
    _spread,
    _two_sided_chi2,
    _with_mean,
)


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


def _compare_likelihood(probe: _Probe, name: str) -> str:
    nll, decode = probe.need(name, "decode")
    z, _ = probe.posterior(7)
    decoded = decode(z.astype(np.float32))
    mean, scale = probe.parameters(decoded)
    shape = (probe.f.batch_size, probe.f.timesteps, probe.f.n_features)
    if mean.shape != shape:
        raise _Missing(f"rests on reconstructions of shape {shape}; they are {mean.shape}")
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


def _check_objective(probe: _Probe) -> str:
    loss, encode, sample, decode, nll = probe.need("loss", "encode", "sample", "decode", "nll")
    kl = probe.f.kl or (lambda mu, spread: _closed_form_kl(mu, _log_var(spread, probe.f.spread)))
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
                f"({whole.mean() - parts.mean():+.3g}, {z:.0f} standard errors apart)"
            )
        if z >= worst:
            worst, seen = z, f"loss {whole.mean():.4g}, nll + beta KL {parts.mean():.4g}"
    return f"{seen}, {worst:.1f} standard errors apart"
