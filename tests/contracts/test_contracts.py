"""check_vae passes what is right and fails each fault for its own reason."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vaehelpers.common import InputError
from vaehelpers.contracts import VAEFunctions, assert_vae, check_vae, probe
from vaehelpers.contracts.checks import CHECKS
from vaehelpers.windows import window_starts, windows_to_points

T, F, D = 8, 2, 3
SIGMA = 0.7

LOADER = (  # a process that knows nothing but the saved file and NumPy
    "import sys, numpy as np\n"
    "saved = np.load(sys.argv[1] + '.npz'); x = np.load(sys.argv[2]).astype(float)\n"
    "a, w = saved['inward'], saved['outward']\n"
    "n = len(x); total = np.zeros(n); count = np.zeros(n)\n"
    "for s in range(n - 7):\n"
    "    part = x[s:s + 8]\n"
    "    total[s:s + 8] += ((part - (part.ravel() @ a @ w).reshape(8, 2)) ** 2).sum(axis=1); count[s:s + 8] += 1\n"
    "np.save(sys.argv[3], total / count)\n"
)


class LinearVAE:
    """A faultless linear VAE in NumPy: fast, and every function of it stands here to be broken."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.rng = np.random.default_rng(seed + 1000)
        self.inward = 0.2 * rng.standard_normal((T * F, D))
        self.spread = 0.2 * rng.standard_normal((T * F, D))
        self.outward = 0.3 * rng.standard_normal((D, T * F))

    def encode(self, x):
        flat = x.reshape(len(x), -1)
        return flat @ self.inward, flat @ self.spread - 1.0

    def sample(self, mu, log_var):
        return mu + np.exp(0.5 * log_var) * self.rng.standard_normal(mu.shape)

    def decode(self, z):
        return (z @ self.outward).reshape(len(z), T, F)

    def kl(self, mu, log_var):
        return 0.5 * np.sum(mu**2 + np.exp(log_var) - 1 - log_var, axis=1)

    def nll(self, x, mean):
        return np.sum(0.5 * ((x - mean) / SIGMA) ** 2 + np.log(SIGMA * np.sqrt(2 * np.pi)), axis=(1, 2))

    def loss(self, x):
        mu, log_var = self.encode(x)
        return np.mean(self.nll(x, self.decode(self.sample(mu, log_var))) + self.kl(mu, log_var))

    def score(self, series):
        starts = window_starts(len(series), T)
        x = np.stack([series[start : start + T] for start in starts])
        per_step = np.sum((x - self.decode(self.encode(x)[0])) ** 2, axis=2)
        return windows_to_points(per_step, starts, len(series), "mean")

    def functions(self) -> VAEFunctions:
        return VAEFunctions(
            timesteps=T,
            n_features=F,
            latent_dim=D,
            batch_size=16,
            encode=self.encode,
            sample=self.sample,
            decode=self.decode,
            scale=SIGMA,
            kl=self.kl,
            nll=self.nll,
            nll_at_scoring=self.nll,
            loss=self.loss,
            gradients=lambda x: {"inward": np.ones(3), "outward": np.array([0.0, 1.0])},
            score=self.score,
            score_after=lambda before, series: self.score(np.concatenate([before, series]))[len(before) :],
            window_starts=lambda n: window_starts(n, T),
            windows_to_points=lambda per_step, starts, n: windows_to_points(per_step, starts, n, "mean"),
            scale_parts=lambda train, test: tuple((part - train.mean(0)) / train.std(0) for part in (train, test)),
            split=lambda n: (np.arange(0, n // 2 - T + 1), np.arange(n // 2, n - T + 1)),
            save=lambda path: np.savez(path + ".npz", inward=self.inward, outward=self.outward),
            loader=[sys.executable, "-c", LOADER, "{path}", "{series}", "{scores}"],
        )


GOOD = LinearVAE()


def failing(vae: VAEFunctions, **options) -> set[str]:
    return {result.name for result in check_vae(vae, draws=200, **options).failures}


def test_a_faultless_vae_passes_every_single_check():
    report = check_vae(GOOD)
    assert {result.status for result in report.results} == {"passed"}, str(report)
    assert [result.name for result in report.results] == list(CHECKS)
    assert report.passed
    assert not report.failures
    assert not report.skipped


def test_seeds_do_not_make_a_faultless_vae_fail():
    statistical = ["kl_monte_carlo", "sampling_moments", "elbo_linear_gaussian", "objective"]
    statistical += ["noise_between_rows", "noise_between_dimensions", "noise_between_calls"]
    for seed in range(15):
        assert_vae(LinearVAE(seed), checks=statistical, seed=seed, draws=100)


frozen = np.random.default_rng(5).standard_normal((16, D))
rng = np.random.default_rng(6)


def _noise(shape):
    return lambda mu, log_var: mu + np.exp(0.5 * log_var) * np.broadcast_to(rng.standard_normal(shape), mu.shape)


def _tile_half_batch(mu, log_var):
    half = rng.standard_normal((-(-len(mu) // 2), D))
    return mu + np.exp(0.5 * log_var) * np.concatenate([half, half])[: len(mu)]


def _double_first_row(per_step, starts, n):
    total, count = np.zeros(n), np.zeros(n)
    for start, values in zip(starts, per_step, strict=True):
        total[start : start + T] += values
        count[start : start + T] += 1
    total[0] *= 2  # counted twice
    return total / count


def _rolled(function):
    return lambda *arguments: np.roll(function(*arguments), 1)


def _own_range(series):
    scores = GOOD.score(series)
    return scores / scores.max()


def _with_nan_edges(series):
    scores = GOOD.score(series).copy()
    scores[:3] = np.nan
    return scores


def _seed_free_score(series):
    return GOOD.score(series) + rng.standard_normal(len(series))


def _per_batch_encode(x):
    mu, log_var = GOOD.encode(x)
    return mu - mu.mean(axis=0), log_var  # batch statistics at inference


def _fixed_noise(mu, log_var):
    return mu + np.exp(0.5 * log_var) * rng.standard_normal((16, D))


LIKELIHOOD = {"likelihood", "elbo_linear_gaussian"}
KL = {"kl_closed_form", "kl_monte_carlo", "elbo_linear_gaussian"}
FAULTS = {
    "no exp": (
        {"sample": lambda mu, lv: mu + lv * rng.standard_normal(mu.shape)},
        {"sampling_moments", "elbo_linear_gaussian", "objective"},
    ),
    "no half": (
        {"sample": lambda mu, lv: mu + np.exp(lv) * rng.standard_normal(mu.shape)},
        {"sampling_moments", "elbo_linear_gaussian", "objective"},
    ),
    "uniform noise": (
        {"sample": lambda mu, lv: mu + np.exp(0.5 * lv) * rng.uniform(-(3**0.5), 3**0.5, mu.shape)},
        {"sampling_moments"},
    ),
    "shared by rows": ({"sample": _noise((1, D))}, {"noise_between_rows"}),
    "shared by half the batch": ({"sample": _tile_half_batch}, {"noise_between_rows"}),
    "frozen": ({"sample": lambda mu, lv: mu + np.exp(0.5 * lv) * frozen[: len(mu)]}, {"noise_between_calls"}),
    "fixed batch": ({"sample": _fixed_noise}, {"partial_last_batch"}),
    "kl as log_sigma": (
        {"kl": lambda mu, ls: 0.5 * np.sum(mu**2 + np.exp(2 * ls) - 1 - 2 * ls, axis=1)},
        KL | {"objective"},
    ),
    "kl averaged": ({"kl": lambda mu, lv: GOOD.kl(mu, lv) / D}, KL | {"objective"}),
    "kl zero": ({"kl": lambda mu, lv: 0.0 * mu}, KL | {"objective"}),
    "wide posterior": (
        {"encode": lambda x: (GOOD.encode(x)[0], np.logaddexp(0, GOOD.encode(x)[1])), "loss": None},
        {"posterior_can_narrow"},
    ),
    "mse": ({"nll": lambda x, mean: np.mean((x - mean) ** 2, axis=(1, 2))}, LIKELIHOOD | {"objective"}),
    "no constant": (
        {"nll": lambda x, mean: np.sum(0.5 * ((x - mean) / SIGMA) ** 2, axis=(1, 2))},
        LIKELIHOOD | {"objective"},
    ),
    "other likelihood at scoring": (
        {"nll_at_scoring": lambda x, mean: 2 * GOOD.nll(x, mean)},
        {"likelihood_at_scoring"},
    ),
    "loss without kl": ({"loss": lambda x: GOOD.loss(x) - np.mean(GOOD.kl(*GOOD.encode(x)))}, {"objective"}),
    "batch statistics": ({"encode": _per_batch_encode, "loss": None}, {"partial_last_batch"}),
    "one output": ({"decode": lambda z: GOOD.decode(z)[:, -1:], "nll": None, "nll_at_scoring": None}, {"shapes"}),
    "no gradient": (
        {"gradients": lambda x: {"inward": np.ones(3), "outward": None}},
        {"gradient_reaches_every_weight"},
    ),
    "zero gradient": ({"gradients": lambda x: {"inward": np.zeros(3)}}, {"gradient_reaches_every_weight"}),
    "nan gradient": ({"gradients": lambda x: {"inward": np.full(3, np.nan)}}, {"gradient_reaches_every_weight"}),
    "last window lost": ({"window_starts": lambda n: np.arange(n - T)}, {"windows_cover_every_row"}),
    "first window twice": ({"window_starts": lambda n: np.r_[0, np.arange(n - T + 1)]}, {"windows_cover_every_row"}),
    "tail lost": ({"window_starts": lambda n: np.arange(0, n - T + 1, 5)}, {"windows_cover_every_row"}),
    "row counted twice": ({"windows_to_points": _double_first_row}, {"points_counted_once"}),
    "points shifted": (
        {"windows_to_points": _rolled(lambda p, s, n: windows_to_points(p, s, n, "mean"))},
        {"points_counted_once"},
    ),
    "unscored edge": ({"score": _with_nan_edges, "score_after": None, "save": None}, {"every_row_scored"}),
    "scaled by the scored series": ({"score": _own_range, "score_after": None, "save": None}, {"impulse_is_local"}),
    "scores shifted": ({"score": _rolled(GOOD.score), "score_after": None, "save": None}, {"impulse_is_local"}),
    "random score": ({"score": _seed_free_score}, {"impulse_is_local", "history_is_used", "save_load_fresh_process"}),
    "history dropped": ({"score_after": lambda before, series: GOOD.score(series)}, {"history_is_used"}),
    "scaler saw all": (
        {"scale_parts": lambda a, b: tuple((part - np.r_[a, b].mean(0)) / np.r_[a, b].std(0) for part in (a, b))},
        {"scaler_fitted_on_train", "test_scaled_by_train"},
    ),
    "test by itself": (
        {"scale_parts": lambda a, b: tuple((part - part.mean(0)) / part.std(0) for part in (a, b))},
        {"test_scaled_by_train"},
    ),
    "not scaled by train": ({"scale_parts": lambda a, b: ((a - a.mean(0)) / a.std(0), b)}, {"test_scaled_by_train"}),
    "shared rows": (
        {"split": lambda n: (np.arange(0, n // 2), np.arange(n // 2, n - T + 1))},
        {"split_without_overlap"},
    ),
    "half saved": (
        {"save": lambda path: np.savez(path + ".npz", inward=GOOD.inward, outward=0 * GOOD.outward)},
        {"save_load_fresh_process"},
    ),
    "nothing saved": ({"save": lambda path: None}, {"save_load_fresh_process"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_fails_its_own_checks_and_no_other(fault):
    changes, expected = FAULTS[fault]
    skip = set() if "save_load_fresh_process" in expected else {"save_load_fresh_process"}
    assert failing(dataclasses.replace(GOOD.functions(), **changes), skip=skip) == expected


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"kl": lambda mu, lv: -GOOD.kl(mu, lv)}, "kl_closed_form", "sign is flipped"),
        ({"kl": lambda mu, lv: GOOD.kl(mu, lv) / D}, "kl_closed_form", "mean over latent dimensions"),
        ({"kl": lambda mu, lv: GOOD.kl(mu, 2 * lv)}, "kl_closed_form", "'log_sigma', but 'log_var' is declared"),
        ({"kl": lambda mu, lv: 3.7 * GOOD.kl(mu, lv)}, "kl_closed_form", "3.7 times"),
        ({"nll": lambda x, mean: GOOD.nll(x, mean) / (T * F)}, "likelihood", "mean over a window's values"),
        ({"nll": lambda x, mean: GOOD.nll(x, mean) + 3}, "likelihood", "a constant of 3"),
        (FAULTS["no exp"][0], "sampling_moments", "without exp"),
        (FAULTS["no half"][0], "sampling_moments", "half is missing"),
        ({"sample": lambda mu, lv: mu}, "sampling_moments", "no noise at all"),
        (FAULTS["points shifted"][0], "points_counted_once", "gets what belongs to row"),
        ({"sample": lambda mu, lv: 1 / 0}, "sampling_moments", "ZeroDivisionError"),
    ],
)
def test_the_report_names_the_fault_in_words(changes, check, words):
    report = check_vae(dataclasses.replace(GOOD.functions(), **changes), checks=[check], draws=200)
    if check == "sampling_moments" and "no noise" in words:
        assert report.skipped, "without any noise there are no moments to compare"
        return
    assert words in report.failures[0].found


@pytest.mark.parametrize(
    ("spread", "convert"),
    [("log_var", lambda v: v), ("log_sigma", lambda v: 2 * v), ("sigma", lambda v: 2 * np.log(np.abs(v) + 1e-9))],
)
def test_the_three_kinds_of_spread(spread, convert):
    back = {"log_var": lambda v: v, "log_sigma": lambda v: 0.5 * v, "sigma": lambda v: np.exp(0.5 * v)}[spread]
    vae = dataclasses.replace(
        GOOD.functions(),
        spread=spread,
        encode=lambda x: (GOOD.encode(x)[0], back(GOOD.encode(x)[1])),
        sample=lambda mu, value: GOOD.sample(mu, convert(value)),
        kl=lambda mu, value: GOOD.kl(mu, convert(value)),
    )
    skip = ["save_load_fresh_process"]
    assert failing(vae, skip=skip) == set()
    wrong = {"log_var": "log_sigma", "log_sigma": "log_var", "sigma": "log_var"}[spread]
    assert {"kl_closed_form", "sampling_moments"} <= failing(dataclasses.replace(vae, spread=wrong), skip=skip)


@pytest.mark.parametrize("family", ["gaussian", "laplace", "student_t"])
@pytest.mark.parametrize("form", ["values", "windows", "scalar"])
def test_likelihoods_in_every_form(family, form):
    distribution = {
        "gaussian": lambda mean, scale: stats.norm(mean, scale),
        "laplace": lambda mean, scale: stats.laplace(mean, scale),
        "student_t": lambda mean, scale: stats.t(4.0, mean, scale),
    }[family]

    def decode(z):
        mean = GOOD.decode(z)
        return {"mean": mean, "log_var": 0.3 * np.tanh(mean)}

    def nll(x, decoded):
        values = -distribution(decoded["mean"], np.exp(0.5 * decoded["log_var"])).logpdf(x)
        return {"values": values, "windows": values.sum(axis=(1, 2)), "scalar": values.sum() / len(x)}[form]

    vae = dataclasses.replace(
        GOOD.functions(), decode=decode, nll=nll, likelihood=family, df=4.0, scale=None, nll_at_scoring=None
    )
    report = check_vae(vae, checks=["likelihood", "partial_last_batch"])
    assert report.passed, str(report)
    other = dataclasses.replace(vae, likelihood={"gaussian": "laplace"}.get(family, "gaussian"))
    assert failing(other, checks=["likelihood"]) == {"likelihood"}


def test_a_dropped_constant_is_allowed_when_it_is_declared():
    changes = FAULTS["no constant"][0]
    vae = dataclasses.replace(GOOD.functions(), **changes, nll_drops_constant=True, nll_at_scoring=None)
    assert failing(vae, checks=["likelihood", "elbo_linear_gaussian"]) == set()
    halved = dataclasses.replace(vae, nll=lambda x, mean: np.sum(0.25 * ((x - mean) / SIGMA) ** 2, axis=(1, 2)))
    assert failing(halved, checks=["likelihood"]) == {"likelihood"}


def test_scalars_for_kl_and_loss_vectors_are_understood():
    vae = dataclasses.replace(
        GOOD.functions(),
        kl=lambda mu, lv: GOOD.kl(mu, lv).mean(),
        loss=lambda x: np.full(len(x), GOOD.loss(x)),
    )
    assert failing(vae, checks=["kl_closed_form", "kl_monte_carlo", "objective"]) == set()


def test_what_is_not_given_is_skipped_and_never_passed():
    report = check_vae(VAEFunctions(timesteps=T, n_features=F, latent_dim=D))
    assert {result.status for result in report.skipped} == {"skipped"}
    assert len(report.skipped) == len(CHECKS)
    assert all("not given" in result.found for result in report.results)
    assert not report.passed
    with pytest.raises(AssertionError, match="0 passed, 0 failed"):
        assert_vae(VAEFunctions(timesteps=T, n_features=F, latent_dim=D))


def test_report_reads_well():
    vae = dataclasses.replace(GOOD.functions(), name="mine", kl=lambda mu, lv: 0 * mu)
    report = check_vae(vae, checks=["shapes", "kl_closed_form", "noise_between_calls"], skip=["noise_between_calls"])
    text = str(report)
    assert text.splitlines()[0] == "mine: 1 passed, 1 failed, 1 skipped"
    failure = report.failures[0]
    assert failure.meaning in text
    assert failure.mend in text
    assert "left out on request" in text
    markdown = report._repr_markdown_()
    assert markdown.count("\n| ") == 2 + 3
    assert "**failed**" in markdown
    assert failure.mend in markdown
    assert repr(report) == "<ContractReport mine: 1 passed, 1 failed, 1 skipped>"
    with pytest.raises(AssertionError) as caught:
        assert_vae(vae, checks=["shapes", "kl_closed_form", "noise_between_calls"], skip=["noise_between_calls"])
    assert str(caught.value) == text


def test_every_check_says_what_it_means_and_how_to_mend_it():
    for check in CHECKS.values():
        assert len(check.meaning) > 30
        assert check.meaning.endswith(".")
        assert len(check.mend) > 15


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_vae(GOOD, checks=["kl"]), "unknown check 'kl'; known are: shapes"),
        (lambda: check_vae(GOOD, skip=["kl"]), "unknown check 'kl'"),
        (lambda: check_vae(GOOD, draws=10), "draws=10 is too few for the statistics; use at least 50"),
        (lambda: check_vae(3), "cannot check a int"),
        (lambda: VAEFunctions(timesteps=0, n_features=1, latent_dim=1), "timesteps=0 is below 1"),
        (lambda: VAEFunctions(timesteps=1, n_features=1, latent_dim=1, spread="var"), "spread='var' is not known"),
        (lambda: VAEFunctions(timesteps=1, n_features=1, latent_dim=1, likelihood="t"), "likelihood='t' is not known"),
    ],
)
def test_bad_input_is_refused_with_the_way_out(call, words):
    with pytest.raises(InputError, match=words):
        call()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 15), st.integers(0, 1000))
def test_exact_likelihood_and_posterior_of_the_linear_gaussian_case(latent_dim, size, seed):
    x, loadings, centre, mean, variance, log_p = probe._linear_gaussian(
        np.random.default_rng(seed), 3, size, latent_dim
    )
    expected = stats.multivariate_normal(centre, loadings @ loadings.T + np.eye(size)).logpdf(x)
    np.testing.assert_allclose(log_p, expected, rtol=1e-6, atol=1e-6)
    posterior = np.linalg.inv(np.eye(latent_dim) + loadings.T @ loadings)
    np.testing.assert_allclose(np.diag(posterior), variance[0], rtol=1e-8)
    np.testing.assert_allclose((x - centre) @ loadings @ posterior, mean, rtol=1e-6, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(0, 12),
    st.sampled_from(["mean", "median", "max", "last", "centre"]),
    st.integers(0, 99),
)
def test_the_twin_of_windows_to_points_agrees_with_ours(timesteps, more, how, seed):
    n = timesteps + more
    starts = np.arange(n - timesteps + 1)
    per_step = np.random.default_rng(seed).random((len(starts), timesteps))
    rows = starts[:, None] + np.arange(timesteps)
    np.testing.assert_allclose(probe._points_twin(per_step, rows, n, how), windows_to_points(per_step, starts, n, how))


# --- the museum, and our own models: these need TensorFlow ---


def _exhibits():
    from vaehelpers.contracts.museum import EXHIBITS

    return EXHIBITS


@pytest.mark.slow
@pytest.mark.parametrize("number", range(14))
def test_each_exhibit_is_caught_for_the_right_reason_and_no_other(number):
    exhibit = _exhibits()[number]
    skip = {"save_load_fresh_process"} - exhibit.caught_by
    report = check_vae(exhibit.kind(), skip=skip, draws=100)
    assert {failure.name for failure in report.failures} == exhibit.caught_by, str(report)
    unmade = {result.name for result in report.skipped} - skip
    allowed = {"noise_between_dimensions", "elbo_linear_gaussian"}
    if "shapes" in exhibit.caught_by:  # no likelihood can be compared with reconstructions of another shape
        allowed |= {"likelihood", "likelihood_at_scoring"}
    assert unmade <= allowed, str(report)


def test_there_are_at_least_eight_exhibits_and_each_check_of_a_published_fault_is_used():
    assert len(_exhibits()) == 14
    caught = set().union(*(exhibit.caught_by for exhibit in _exhibits()))
    never_published = {"noise_between_dimensions", "noise_between_calls", "gradient_reaches_every_weight"}
    assert set(CHECKS) - caught == never_published | {"windows_cover_every_row", "impulse_is_local"}


def test_the_sound_toys_of_the_museum_pass():
    from vaehelpers.contracts.museum import MinimumRule
    from vaehelpers.contracts.toy import ToyVAE

    report = check_vae(ToyVAE(seed=3), draws=100, skip=["save_load_fresh_process"])  # notebook 10 makes that one
    assert report.passed, str(report)
    assert len(report.skipped) == 1
    assert_vae(MinimumRule(), skip=["save_load_fresh_process"], draws=50)


def test_the_toy_learns_and_a_seed_means_the_same_weights():
    from vaehelpers.contracts.toy import ToyVAE, toy_series

    train, test, labels = toy_series(seed=1, n=600)
    np.testing.assert_array_equal(train, toy_series(seed=1, n=600)[0])
    assert labels.sum() == 163
    assert not np.array_equal(train, toy_series(seed=2, n=600)[0])
    scaled, scaled_test = ToyVAE().scale_parts(train, test)
    first, second = (ToyVAE(seed=1).fit(scaled, steps=200) for _ in range(2))
    for name, value in first.state().items():
        np.testing.assert_allclose(value, second.state()[name], rtol=1e-4, atol=1e-6)
    untrained = ToyVAE(seed=1)
    assert np.mean(first.score(scaled)) < 0.3 * np.mean(untrained.score(scaled))
    scores = first.score_after(scaled, scaled_test)
    assert scores[labels == 1].mean() > 1.5 * scores[labels == 0].mean()


OURS = [
    {},
    {"n_features": 2, "linear_path": False, "units": (6, 4)},
    {"decoder": "state"},
    {"encoder": "bilstm", "decoder": "repeat+state", "likelihood": "laplace"},
    {"encoder": "gru", "decoder": "feedback", "likelihood": "gaussian-learned", "n_features": 2, "timesteps": 5},
    {"encoder": "conv", "decoder": "dense", "likelihood": {"name": "gaussian-fixed", "variance": 0.3}},
    {"encoder": "dense", "decoder": "dense", "likelihood": {"name": "student-t", "learned": True}},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", OURS, ids=lambda options: "-".join(map(str, options.values())) or "default")
def test_our_models_pass_before_and_after_training(options):
    from vaehelpers.model import LSTMVAE

    model = LSTMVAE(**{"timesteps": 12, "latent_dim": 2, "units": 6, **options})
    model.log_scale.assign(np.linspace(-0.5, 0.5, model.n_features).astype("float32"))
    before = [weight.copy() for weight in model.get_weights()]
    left_out = {"save_load_fresh_process"} | ({"objective"} if options.get("decoder") == "feedback" else set())  # slow
    report = check_vae(model, skip=left_out, draws=60)
    assert report.passed, str(report)
    gaussian = str(options.get("likelihood", "gaussian")).count("gaussian")
    unmade = {"likelihood_at_scoring", "scaler_fitted_on_train", "test_scaled_by_train", "split_without_overlap"}
    unmade |= set() if gaussian else {"elbo_linear_gaussian"}
    assert {result.name for result in report.skipped} == unmade | left_out
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # checking a model leaves it as it was


def test_a_broken_model_of_ours_is_caught():
    from vaehelpers.model import LSTMVAE

    class Broken(LSTMVAE):
        def encode(self, windows, training=None):
            mu, log_var = super().encode(windows, training=training)
            return mu - mu[:1], log_var  # each row leans on the first of its batch

    found = {
        r.name for r in check_vae(Broken(timesteps=6, latent_dim=2, units=3), checks=["impulse_is_local"]).failures
    }
    assert found == {"impulse_is_local"}


@pytest.mark.slow
def test_our_detector_passes_and_scores_the_same_in_a_fresh_process():
    from vaehelpers.detectors import Detector

    rows = np.arange(700)
    series = 5 + 3 * np.sin(rows / 4)[:, None] + 0.1 * np.random.default_rng(0).normal(size=(700, 2))
    with pytest.raises(InputError, match="not fitted"):
        check_vae(Detector())
    detector = Detector(timesteps=16, latent_dim=2, units=4, steps=20, smooth=5).fit(series)
    report = check_vae(detector, draws=60)
    assert report.passed, str(report)
    assert {result.name for result in report.skipped} == {"likelihood_at_scoring", "split_without_overlap"}
