"""Scores: every kind against its closed form and a slow twin, with and without missing values, per window and row."""

import gc

import numpy as np
import pytest
import reference_scores as reference
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import mahalanobis

from vaehelpers.common import InputError
from vaehelpers.model import LSTMVAE, fit_latent_distance, score_series, window_scores
from vaehelpers.model.imputation import impute
from vaehelpers.model.likelihoods import LIKELIHOODS
from vaehelpers.model.normalising import LatentDistance, Normaliser, combine
from vaehelpers.model.scores import SCORES, SeriesScores, encode_series
from vaehelpers.windows import AGGREGATIONS, gather, window_starts

T, F = 8, 2
SAMPLED = {"probability", "elbo", "iwae"}


def waves(n=120, features=F, seed=0, noise=0.2):
    rng = np.random.default_rng(seed)
    rows = np.arange(n)[:, None]
    return (np.sin(2 * np.pi * rows / T + np.arange(features)) + noise * rng.normal(size=(n, features))).astype("f4")


def holes(shape, share=0.3, seed=0):
    return (np.random.default_rng(seed).random(shape) >= share).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    """Probabilistic PCA, its recurrent half shaken so that nothing is zero or symmetric."""
    model = LSTMVAE(T, F, 3, units=4).start_from_pca(gather(waves(600), np.arange(590), T))
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.05 * rng.normal(size=weight.shape))
    model.log_scale.assign([-1.2, -0.4])
    return model


@pytest.fixture(scope="module")
def windows():
    return gather(waves(seed=2), np.arange(0, 60, 7), T)


@pytest.fixture(scope="module")
def latent(model):
    return fit_latent_distance(encode_series(model, waves(600), np.arange(590))[0])


def posterior(model, windows):
    mu, log_var = model.encode(windows)
    return np.asarray(mu, np.float64), np.asarray(log_var, np.float64)


# -- windows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SCORES)
def test_every_kind_has_one_number_per_value_and_is_reproducible(model, windows, latent, kind):
    values = window_scores(model, windows, kind=kind, latent=latent)
    assert values.shape == windows.shape
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values, window_scores(model, windows, kind=kind, latent=latent))
    other = window_scores(model, windows, kind=kind, latent=latent, seed=1)
    assert np.any(other != values) == (kind in SAMPLED)
    # a window that is no wave at all is more anomalous than each that is
    odd = np.where(np.arange(T)[:, None] % 2, 3.0, -3.0) * np.ones((1, T, F))
    assert window_scores(model, odd, kind=kind, latent=latent).sum() > values.sum(axis=(1, 2)).max()


def test_error_is_the_squared_residual(model, windows):
    expected = (windows - np.asarray(model(windows))) ** 2
    np.testing.assert_allclose(window_scores(model, windows, kind="error"), expected, rtol=1e-4, atol=1e-6)


def test_nll_against_scipy_and_the_slow_twin(model, windows):
    mean, scale = np.asarray(model(windows), float), np.exp(np.asarray(model.log_scale, float))
    values = window_scores(model, windows, kind="nll")
    np.testing.assert_allclose(values, -stats.norm(mean, scale).logpdf(windows), rtol=1e-4, atol=1e-4)
    slow = [reference.gaussian_nll(x, m, scale) for x, m in zip(windows.tolist(), mean.tolist(), strict=True)]
    np.testing.assert_allclose(values, slow, rtol=1e-4, atol=1e-4)


def test_kl_closed_form_spread_evenly(model, windows):
    mu, log_var = posterior(model, windows)
    values = window_scores(model, windows, kind="kl")
    expected = [reference.kl(m, v) for m, v in zip(mu, log_var, strict=True)]
    np.testing.assert_allclose(values.sum(axis=(1, 2)), expected, rtol=1e-4)
    assert np.ptp(values, axis=(1, 2)).max() == 0


def test_latent_is_scipys_mahalanobis_distance(model, windows, latent):
    mu, _ = posterior(model, windows)
    expected = [mahalanobis(m, latent.mean, latent.precision) ** 2 for m in mu]
    values = window_scores(model, windows, kind="latent", latent=latent)
    np.testing.assert_allclose(values.sum(axis=(1, 2)), expected, rtol=1e-3)


def decoded_nll(model, windows, z):
    """NLL of each window for each of its latents, (batch, draws, T, F): SciPy does the likelihood."""
    scale = np.exp(np.asarray(model.log_scale, float))
    mean = np.asarray(model.mean(model.decode(z.reshape(-1, z.shape[2]).astype(np.float32))), float)
    nll = -stats.norm(mean, scale).logpdf(np.repeat(windows, z.shape[1], axis=0))
    return nll.reshape(len(windows), z.shape[1], T, F)


def test_probability_is_the_mean_over_posterior_samples(model, windows):
    """An and Cho 2015: E_q[-log p(x | z)], here with our own draws of z instead of the function's."""
    mu, log_var = posterior(model, windows)
    rng = np.random.default_rng(0)
    z = mu[:, None] + np.exp(0.5 * log_var)[:, None] * rng.normal(size=(len(mu), 400, 3))
    nll = decoded_nll(model, windows, z)
    got = window_scores(model, windows, kind="probability", samples=4_000)
    error = nll.sum(axis=(2, 3)).std(axis=1) / np.sqrt(400)
    assert np.all(np.abs(got.sum(axis=(1, 2)) - nll.mean(axis=1).sum(axis=(1, 2))) < 5 * error + 1e-3)
    np.testing.assert_allclose(got, nll.mean(axis=1), atol=6 * nll.std(axis=1).max() / np.sqrt(400))
    single = [window_scores(model, windows, kind="probability", samples=1, seed=seed) for seed in range(20)]
    assert np.std(single, axis=0).max() > 1e-3  # one sample is noise; many are not


def test_elbo_is_probability_plus_kl_with_the_same_noise(model, windows):
    parts = [window_scores(model, windows, kind=kind, samples=5, seed=3) for kind in ("probability", "kl", "elbo")]
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], rtol=1e-4, atol=1e-5)


def test_iwae_with_one_sample_is_an_elbo_and_more_samples_tighten_it(model, windows):
    """Burda et al. 2016, theorem 1: the expected bound does not fall with the number of samples."""

    def bound(kind, samples, repeats):
        tiled = np.repeat(windows, repeats, axis=0)  # each copy draws its own noise
        values = window_scores(model, tiled, kind=kind, samples=samples).sum(axis=(1, 2), dtype=np.float64)
        return values.reshape(len(windows), repeats).mean(axis=1)

    one, eight, many = bound("iwae", 1, 800), bound("iwae", 8, 200), bound("iwae", 200, 20)
    elbo = bound("elbo", 400, 2)
    np.testing.assert_allclose(one, elbo, rtol=0.02, atol=0.3)
    assert one.mean() > eight.mean() > many.mean()  # negative bounds
    assert many.mean() < elbo.mean()


@pytest.mark.parametrize("features", [1, 2])
def test_iwae_approaches_the_exact_likelihood_of_a_linear_gaussian_model(features):
    """Decoder V z + b with noise s: x ~ N(b, V'V + s^2), whatever the encoder does."""
    model = LSTMVAE(T, features, 2, units=3).start_from_pca(gather(waves(500, features), np.arange(490), T))
    model.log_var_head.set_weights([model.log_var_head.get_weights()[0], np.full(2, -2.0, np.float32)])  # wrong q
    x = gather(waves(seed=5, features=features), np.arange(0, 100, 5), T)
    loading, offset = (weight.astype(float) for weight in model.linear_decoder.get_weights())
    noise = np.tile(np.exp(2 * np.asarray(model.log_scale, float)), T)
    exact = -stats.multivariate_normal(offset, loading.T @ loading + np.diag(noise)).logpdf(x.reshape(len(x), -1))
    elbo = window_scores(model, x, kind="elbo", samples=2_000).sum(axis=(1, 2), dtype=np.float64)
    iwae = window_scores(model, x, kind="iwae", samples=2_000).sum(axis=(1, 2), dtype=np.float64)
    assert np.all(elbo > exact + 0.05)  # this posterior is wrong, so the ELBO is loose
    assert np.abs(iwae - exact).mean() < 0.1 * (elbo - exact).mean() + 0.02


@pytest.mark.parametrize("kind", SCORES)
def test_missing_values_have_no_score_and_change_none(model, windows, latent, kind):
    mask = holes(windows.shape)
    values = window_scores(model, windows, mask, kind=kind, latent=latent)
    np.testing.assert_array_equal(np.isnan(values), mask == 0)
    full = window_scores(model, windows, np.ones_like(mask), kind=kind, latent=latent)
    np.testing.assert_allclose(full, window_scores(model, windows, kind=kind, latent=latent), rtol=1e-5)
    if kind in ("error", "nll", "probability"):
        np.testing.assert_allclose(values[mask > 0], full[mask > 0], rtol=1e-4, atol=1e-5)
    if kind in ("kl", "latent"):  # of the window as a whole: the same sum, over fewer values
        np.testing.assert_allclose(np.nansum(values, axis=(1, 2)), full.sum(axis=(1, 2)), rtol=1e-4)
        slow = [reference.spread(float(s), m) for s, m in zip(full.sum(axis=(1, 2)), mask.tolist(), strict=True)]
        np.testing.assert_allclose(values, slow, rtol=1e-4)


def test_masked_iwae_leaves_the_missing_values_out_of_the_weights():
    """In the linear-Gaussian case with the exact posterior replaced by a wide one: log-likelihood of what was seen."""
    model = LSTMVAE(T, 1, 2, units=3).start_from_pca(gather(waves(500, 1), np.arange(490), T))
    x = gather(waves(seed=5, features=1), np.arange(0, 100, 10), T)
    mask = np.ones_like(x)
    mask[:, 2:4] = 0
    model.log_var_head.set_weights([model.log_var_head.get_weights()[0], np.full(2, -1.0, np.float32)])
    loading, offset = (weight.astype(float) for weight in model.linear_decoder.get_weights())
    noise = np.exp(2 * float(model.log_scale[0]))
    seen = np.flatnonzero(mask[0, :, 0])
    covariance = (loading.T @ loading + noise * np.eye(T))[np.ix_(seen, seen)]
    exact = -stats.multivariate_normal(offset[seen], covariance).logpdf(x[:, seen, 0])
    got = np.nansum(window_scores(model, x, mask, kind="iwae", samples=5_000).astype(float), axis=(1, 2))
    np.testing.assert_allclose(got, exact, atol=0.5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_every_likelihood_gives_every_score(likelihood):
    model = LSTMVAE(T, F, 2, units=3, likelihood=likelihood)
    x = gather(waves(), np.arange(5), T)
    latent = fit_latent_distance(np.random.default_rng(0).normal(size=(50, 2)))
    for kind in SCORES:
        assert np.isfinite(window_scores(model, x, kind=kind, samples=2, latent=latent)).all(), kind
    nll = window_scores(model, x, kind="nll")
    np.testing.assert_allclose(nll, model.terms(x).nll, rtol=1e-5)


# -- series --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", AGGREGATIONS)
@pytest.mark.parametrize("batch_size", [1, 7, 1_000])
def test_series_scores_are_those_of_its_windows(model, how, batch_size):
    series = waves(50, seed=3)
    starts = window_starts(50, T, stride=2, gaps=[21])
    got = score_series(model, series, starts, kind="nll", aggregate=how, batch_size=batch_size)
    each = window_scores(model, gather(series, starts, T), kind="nll").tolist()
    slow = reference.series_scores(each, np.ones((50, F)), starts, 50, how)
    np.testing.assert_allclose(got.scores, slow, rtol=1e-4, atol=1e-5)
    assert got.contributions is None
    assert got.expected is None


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_missing_variables_are_made_up_for_and_empty_rows_have_no_score(model, how):
    series, mask = waves(40, seed=4), holes((40, F), 0.25, seed=1)
    mask[10] = 0
    starts = np.arange(40 - T + 1)
    got = score_series(model, series, starts, mask=mask, kind="error", aggregate=how, batch_size=9)
    each = window_scores(model, gather(series, starts, T), gather(mask, starts, T), kind="error").tolist()
    np.testing.assert_allclose(got.scores, reference.series_scores(each, mask, starts, 40, how), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.isnan(got.scores), mask.sum(axis=1) == 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("masked", [False, True])
def test_details_add_up_to_the_score(model, latent, kind, masked):
    series = waves(30, seed=4)
    mask = holes((30, F), 0.25, seed=1) if masked else None
    options = {"kind": kind, "mask": mask, "latent": latent, "samples": 3}
    starts = np.arange(20)  # rows from 27 on lie in no window
    got = score_series(model, series, starts, details=True, **options)
    np.testing.assert_allclose(got.contributions.sum(axis=1), got.scores, rtol=1e-6)
    np.testing.assert_allclose(got.scores, score_series(model, series, starts, **options).scores, rtol=1e-4, atol=1e-5)
    assert np.isnan(got.scores[27:]).all()
    assert np.isnan(got.expected[27:]).all()
    assert np.isfinite(got.expected[:27]).all()
    assert np.all(got.deviation[:27] > 0)


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_details_do_not_change_the_score(model, how):
    series, starts = waves(40, seed=4), np.arange(30)
    plain, rich = (
        score_series(model, series, starts, aggregate=how, details=details).scores for details in (False, True)
    )
    np.testing.assert_allclose(rich, plain, rtol=1e-5, atol=1e-6)


def test_expected_is_the_average_reconstruction_and_deviation_the_models(model):
    series, starts = waves(30, seed=4), np.arange(23)
    got = score_series(model, series, starts, details=True, aggregate="max")
    reconstructions = np.asarray(model(gather(series, starts, T)))
    for row in (0, 5, 15, 29):
        touching = [reconstructions[w, row - s] for w, s in enumerate(starts) if s <= row < s + T]
        np.testing.assert_allclose(got.expected[row], np.mean(touching, axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.deviation[5], np.exp(np.asarray(model.log_scale)), rtol=1e-4)


def test_no_window_and_partial_batches(model):
    nothing = score_series(model, waves(20), [], details=True)
    assert isinstance(nothing, SeriesScores)
    assert np.isnan(nothing.scores).all()
    assert nothing.contributions.shape == nothing.deviation.shape == (20, F)
    calls = []
    score_series(model, waves(30), np.arange(20), batch_size=8, progress=lambda *what: calls.append(what))
    assert calls == [("scoring", 8, 20), ("scoring", 16, 20), ("scoring", 20, 20)]


def test_encode_series_is_the_model_in_batches(model):
    series, starts = waves(60), np.arange(50)
    whole = [np.asarray(part) for part in model.encode(gather(series, starts, T))]
    for got, expected in zip(encode_series(model, series, starts, batch_size=7), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert [part.shape for part in encode_series(model, series, [])] == [(0, 3), (0, 3)]


def test_new_weights_and_new_latents_are_never_served_from_the_cache(latent):
    model = LSTMVAE(T, F, 3, units=2)
    series, starts = waves(30), np.arange(20)

    def score(distance=latent):
        return score_series(model, series, starts, kind="latent", latent=distance).scores[:20]

    before = score()
    np.testing.assert_allclose(score(LatentDistance(latent.mean, 2 * latent.precision)), 2 * before, rtol=1e-4)
    for factor in (3.0, 4.0, 5.0):  # each garbage before the next is made: its id may come again
        np.testing.assert_allclose(
            score(LatentDistance(latent.mean, factor * latent.precision)), factor * before, rtol=1e-4
        )
        gc.collect()
    model.mu_head.bias.assign([1.0, 1.0, 1.0])
    assert np.any(np.abs(score() - before) > 1e-3)


# -- latent distance, normalising, combining -----------------------------------------------------------------------


def test_latent_distance_is_the_shrunk_inverse_covariance():
    mu = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([1.0, 2.0, 0.1]) + 3.0
    got = fit_latent_distance(mu, shrinkage=0.0)
    np.testing.assert_allclose(got.precision, np.linalg.inv(np.cov(mu.T)), rtol=1e-8)
    np.testing.assert_allclose(got.mean, mu.mean(axis=0))
    # of normal data, squared distances average the number of dimensions
    away = mu - got.mean
    assert np.einsum("ni,ij,nj->n", away, got.precision, away).mean() == pytest.approx(3.0, rel=0.01)
    flat = fit_latent_distance(np.c_[mu, np.zeros(500)])  # a collapsed dimension
    assert np.isfinite(flat.precision).all()


finite = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(values=st.lists(finite, min_size=2, max_size=40), shift=finite, factor=st.floats(0.01, 100.0))
def test_normaliser_against_the_slow_twin_and_under_change_of_units(values, shift, factor):
    normal = Normaliser.fit([*values, np.nan, np.inf])
    low, centre, high = reference.quartiles(values)
    assert normal.centre == pytest.approx(centre, rel=1e-9, abs=1e-9)
    if high - low > 1e-6:
        assert normal.spread == pytest.approx((high - low) / 1.349, rel=1e-6)
        moved = factor * np.asarray(values) + shift
        np.testing.assert_allclose(
            Normaliser.fit(moved).transform(moved), normal.transform(values), rtol=1e-3, atol=1e-3
        )
    assert normal.spread > 0
    assert np.isfinite(normal.transform(values)).all()


def test_normalised_normal_scores_have_spread_one():
    scores = np.random.default_rng(0).normal(5.0, 3.0, size=20_000)
    assert Normaliser.fit(scores).transform(scores).std() == pytest.approx(1.0, abs=0.03)
    assert np.isnan(Normaliser.fit(scores).transform([np.nan, 1.0])).tolist() == [True, False]


def test_combination_adds_what_is_normalised():
    rng = np.random.default_rng(0)
    scores = {"error": rng.gamma(2.0, size=50), "kl": 100 * rng.gamma(2.0, size=50)}
    normalisers = {kind: Normaliser.fit(values) for kind, values in scores.items()}
    expected = [sum((scores[kind][i] - n.centre) / n.spread for kind, n in normalisers.items()) for i in range(50)]
    np.testing.assert_allclose(combine(scores, normalisers), expected)


# -- missing data --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sine():
    """A model of a sine of any phase, which two dimensions describe exactly, and its windows with holes."""
    period = 16
    rows = np.arange(600)[:, None]
    series = (np.sin(2 * np.pi * rows / period) + 0.05 * np.random.default_rng(0).normal(size=(600, 1))).astype("f4")
    model = LSTMVAE(period, 1, 2, units=3).start_from_pca(gather(series, np.arange(500), period))
    return model, gather(series, np.arange(500, 580), period)


@pytest.mark.parametrize("kind", ["at random", "in blocks"])
def test_imputation_beats_zero_fill_and_leaves_the_observed_alone(sine, kind):
    model, truth = sine
    mask = holes(truth.shape, 0.3)
    if kind == "in blocks":
        mask[:] = 1
        mask[:, 5:10] = 0
    filled = truth * mask
    got = impute(model, filled, mask, passes=20)
    np.testing.assert_array_equal(got[mask == 1], truth[mask == 1])
    missing = mask == 0
    error = np.sqrt(np.mean((got - truth)[missing] ** 2))
    assert error < 0.4 * np.sqrt(np.mean(truth[missing] ** 2)), error
    # what stands in for a missing value at first hardly matters at the end
    other = impute(model, np.where(mask > 0, truth, 2.0), mask, passes=20)
    assert np.sqrt(np.mean((other - got)[missing] ** 2)) < 0.3
    np.testing.assert_array_equal(got, impute(model, filled, mask, passes=20))
    assert np.any(impute(model, filled, mask, passes=20, seed=1) != got)


def test_more_passes_come_closer(sine):
    model, truth = sine
    mask = holes(truth.shape, 0.4)
    errors = [np.mean((impute(model, truth * mask, mask, passes=p) - truth)[mask == 0] ** 2) for p in (1, 4, 20)]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.slow
def test_imputation_while_scoring_uncovers_less_of_the_hole(sine):
    """Zero fill next to a hole looks like an anomaly; imputation takes that away."""
    model, _ = sine
    rows = np.arange(300)[:, None]
    series = np.sin(2 * np.pi * rows / 16).astype("f4")
    mask = np.ones_like(series)
    mask[150:156] = 0
    starts = np.arange(300 - 15)
    zero, imputed = (
        score_series(model, series * mask, starts, mask=mask, imputations=passes).scores for passes in (0, 10)
    )
    near = np.r_[140:150, 156:166]
    assert np.isnan(zero[150:156]).all()
    assert np.isnan(imputed[150:156]).all()
    assert imputed[near].mean() < 0.3 * zero[near].mean()
    np.testing.assert_allclose(imputed[:100], zero[:100], rtol=1e-4, atol=1e-6)


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: window_scores(m, x, kind="mse"), "score 'mse' is unknown; choose one of error, window_error"),
        (lambda m, x: window_scores(m, x, kind="latent"), "needs latent=fit_latent_distance"),
        (lambda m, x: window_scores(m, x, kind="elbo", samples=0), "samples=0 must be at least 1"),
        (lambda m, x: window_scores(m, x[:, :5]), r"windows have shape \(9, 5, 2\)"),
        (lambda m, x: window_scores(m, x, np.ones(3)), r"mask has shape \(3,\) and the windows \(9, 8, 2\)"),
        (lambda m, x: impute(m, x, np.ones_like(x), passes=0), "passes=0 must be at least 1"),
        (lambda m, x: impute(m, x, np.ones((9, T, 1))), r"mask has shape \(9, 8, 1\)"),
        (lambda m, x: score_series(m, waves(20, 3), [0]), "the series has 3 variables and the model 2"),
        (lambda m, x: score_series(m, waves(20), [0], aggregate="sum"), "how='sum' is unknown"),
        (lambda m, x: score_series(m, waves(20), [0], mask=np.ones((9, F))), r"mask has shape \(9, 2\)"),
        (lambda m, x: score_series(m, waves(20), [0], imputations=-1), "imputations=-1"),
        (lambda m, x: score_series(m, waves(20), [0, 13]), "reach outside the 20 rows.*between 0 and 12"),
        (lambda m, x: encode_series(m, waves(20), [-1]), "reach outside the 20 rows"),
        (lambda m, x: fit_latent_distance(np.zeros((1, 2))), "1 windows are too few"),
        (lambda m, x: Normaliser.fit([np.nan]), "no score of the training part is a number"),
        (lambda m, x: combine({"kl": [1.0]}, {}), "the kinds kl have no normaliser"),
        (lambda m, x: combine({}, {}), "no score to combine"),
    ],
)
def test_bad_input_names_what_was_wrong(model, windows, call, message):
    with pytest.raises(InputError, match=message):
        call(model, windows)


def test_window_error_stands_at_each_row_of_its_window():
    model = LSTMVAE(timesteps=12, n_features=2, latent_dim=2, units=4)
    windows = np.random.default_rng(0).normal(size=(3, 12, 2)).astype("float32")
    mask = (np.random.default_rng(1).random(windows.shape) < 0.8).astype("float32")
    got = window_scores(model, windows, mask, kind="window_error")
    error = window_scores(model, windows, mask, kind="error")
    expected = np.broadcast_to(np.nanmean(error, axis=1, keepdims=True), got.shape)
    np.testing.assert_allclose(got[mask > 0], expected[mask > 0], rtol=1e-5)
    assert np.isnan(got[mask == 0]).all()


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("aggregate", ["mean", "median", "max", "trailing"])
def test_errors_of_rows_come_with_those_of_windows_in_one_pass(model, details, aggregate):
    data, starts, mask = waves(60), np.arange(52), holes((60, F))
    mask[30] = 0
    options = {"mask": mask, "aggregate": aggregate, "details": details}
    both = score_series(model, data, starts, kind="window_error", rows=True, **options)
    window, row = (score_series(model, data, starts, kind=kind, **options) for kind in ("window_error", "error"))
    np.testing.assert_allclose(both.scores, window.scores, rtol=1e-6)
    assert both.rows.shape == (60, F)
    assert np.isnan(both.rows[30]).all()
    if details:
        np.testing.assert_allclose(both.rows, row.contributions, rtol=1e-6)
        np.testing.assert_allclose(both.contributions, window.contributions, rtol=1e-6)
    elif aggregate in ("mean", "trailing"):
        np.testing.assert_allclose(both.rows.sum(axis=1), row.scores, rtol=1e-5)


def test_errors_of_rows_go_with_window_errors_alone(model):
    with pytest.raises(InputError, match="rows=True goes with kind='window_error', not with 'nll'"):
        score_series(model, waves(30), [0], kind="nll", rows=True)


@pytest.mark.parametrize("details", [False, True])
def test_without_a_window_nothing_is_scored(model, details):
    empty = score_series(model, waves(5), [], kind="window_error", rows=True, details=details)
    assert np.isnan(empty.scores).all() and np.isnan(empty.rows).all()
    assert (empty.expected is not None) is details
