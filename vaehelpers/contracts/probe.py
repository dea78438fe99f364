"""What the checks share: random windows, tolerances, closed forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import stats

from vaehelpers.contracts.functions import Aggregate, Spread, VAEFunctions

ALPHA = 1e-6  # p-value, after Bonferroni, below which a statistical check fails


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


def _rows_of_one_call(noise: np.ndarray) -> str:
    repeated = len(noise) - len(np.unique(noise, axis=0))
    if repeated:
        raise _Fault(f"{repeated} of {len(noise)} samples of a batch repeat the noise of another")
    return f"{len(noise)} samples of a batch with different noise (calls repeat, so correlations are not to be had)"


def _repeated_calls(noise: np.ndarray) -> int:
    flat = np.round(noise.reshape(len(noise), -1), 5)
    return len(flat) - len(np.unique(flat, axis=0))


def _distribution(probe: _Probe, mean: np.ndarray, scale: np.ndarray) -> Any:
    if probe.f.likelihood == "gaussian":
        return stats.norm(mean, scale)
    if probe.f.likelihood == "laplace":
        return stats.laplace(mean, scale)
    if probe.f.df is None:
        raise _Missing("not given: df (degrees of freedom of the Student-t likelihood)")
    return stats.t(probe.f.df, mean, scale)


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


def _with_mean(example: Any, mean: np.ndarray) -> Any:
    """A decoder's output in the form of `example`, with another mean and, where it has one, a scale of 0.5."""
    mean = mean.astype(np.float32)
    if not isinstance(example, Mapping):
        return mean
    values = {"scale": 0.5, "log_var": 2 * np.log(0.5)}
    shapes = {key: np.shape(np.asarray(example[key])) for key in values if key in example}
    return {"mean": mean, **{key: np.full(shape, values[key], np.float32) for key, shape in shapes.items()}}


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


def _ranges(rows: np.ndarray) -> str:
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    texts = [f"{part[0]}" if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    return ", ".join(texts[:4]) + (", ..." if len(texts) > 4 else "")


def _two_parts(probe: _Probe) -> tuple[np.ndarray, np.ndarray]:
    series = probe.series()
    cut = len(series) // 2
    return series[:cut].copy(), series[cut:].copy()


def _scaled(probe: _Probe, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    (scale_parts,) = probe.need("scale_parts")
    scaled_train, scaled_test = scale_parts(train.copy(), test.copy())
    return _array(scaled_train), _array(scaled_test)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else "no message"
