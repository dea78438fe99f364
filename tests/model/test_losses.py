"""Each term against SciPy, against its slow twin and against Monte Carlo."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference_losses import (
    active_units_loop,
    best_log_scale,
    cyclical_loop,
    free_bits_loop,
    kl_by_integration,
    linear_warmup_loop,
    mutual_information_loop,
    nll_loop,
)
from scipy import stats

from vaehelpers.common import InputError
from vaehelpers.model import (
    active_units,
    collapse_report,
    elbo_terms,
    free_bits,
    gaussian_nll,
    get_likelihood,
    kl_divergence,
    kl_per_dimension,
    laplace_nll,
    masked_sum,
    register_likelihood,
    student_t_nll,
)
from vaehelpers.model.collapse import mutual_information
from vaehelpers.model.likelihoods import (
    LIKELIHOODS,
    Gaussian,
    GaussianFixed,
    GaussianLearned,
    Laplace,
    Likelihood,
    StudentT,
)
from vaehelpers.model.masks import masked_mean
from vaehelpers.model.schedules import constant, cyclical, get_schedule, linear_warmup

NAMES = ["gaussian", "gaussian-fixed", "gaussian-learned", "laplace", "student-t"]
SHARED = ["gaussian", "laplace", "student-t"]
CONFIGS = [
    *NAMES,
    {"name": "laplace", "learned": True},
    {"name": "student-t", "learned": True, "df": 3.0},
    {"name": "gaussian", "per_feature": False},
    {"name": "gaussian-fixed", "variance": 0.25},
]


def rng(seed=0):
    return np.random.default_rng(seed)


def windows(seed=0, batch=4, steps=6, features=2):
    """x, mean and mask, with the masked values of x missing."""
    r = rng(seed)
    x, mean = r.normal(size=(2, batch, steps, features))
    mask = r.random(x.shape) < 0.7
    return np.where(mask, x, np.nan), mean, mask


finite = st.floats(-5, 5, allow_subnormal=False)
fast = settings(max_examples=40, deadline=None)


# -- KL ---------------------------------------------------------------------------------------------------------------


@fast
@given(mu=finite, log_var=st.floats(-6, 4))
def test_kl_equals_the_integral(mu, log_var):
    assert float(kl_per_dimension([[mu]], [[log_var]])[0, 0]) == pytest.approx(
        kl_by_integration(mu, log_var), rel=1e-4, abs=1e-5
    )


def test_kl_equals_monte_carlo():
    mu, log_var = rng().normal(size=(2, 3, 4))
    z = mu + np.exp(0.5 * log_var) * rng(1).normal(size=(400_000, 1, 4))
    q = stats.norm.logpdf(z, mu, np.exp(0.5 * log_var)).sum(axis=-1)
    p = stats.norm.logpdf(z).sum(axis=-1)
    error = (q - p).std(axis=0) / math.sqrt(len(z))
    assert np.all(np.abs((q - p).mean(axis=0) - kl_divergence(mu, log_var)) < 5 * error)


@fast
@given(arrays(np.float64, (3, 4), elements=finite), arrays(np.float64, (3, 4), elements=finite))
def test_kl_is_summed_and_never_negative(mu, log_var):
    each = np.asarray(kl_per_dimension(mu, log_var))
    assert each.shape == (3, 4)
    assert np.all(each >= 0)
    np.testing.assert_allclose(kl_divergence(mu, log_var), each.sum(axis=1), rtol=1e-6)


def test_kl_is_zero_at_the_prior_alone_and_precise_beside_it():
    assert float(kl_divergence([[0.0]], [[0.0]])[0]) == 0.0
    small = 1e-4  # exp(x) - 1 - x loses everything in float32; expm1 keeps it
    assert float(kl_divergence(np.float32([[0.0]]), np.float32([[small]]))[0]) == pytest.approx(small**2 / 4, rel=0.01)
    assert float(kl_divergence([[0.0]], [[-2.0]])[0]) > 0.4
    assert float(kl_divergence([[0.0]], [[2.0]])[0]) > 0.4


@pytest.mark.parametrize("log_var", [[[np.float64(-2)]], [[-2]], np.float32([[-2]]), np.float64([[-2]])])
def test_kl_takes_lists_and_arrays_of_unlike_dtypes(log_var):
    assert float(kl_divergence([[0.0]], log_var)[0]) == pytest.approx(0.5 * (math.exp(-2) - 1 + 2), rel=1e-6)
    assert float(kl_divergence(np.float64([[0]]), log_var)[0]) == pytest.approx(0.5 * (math.exp(-2) - 1 + 2), rel=1e-6)


def test_kl_refuses_shapes_that_would_broadcast():
    with pytest.raises(InputError, match=r"\(50, 1\).*\(50, 8\)"):
        kl_divergence(np.zeros((50, 1)), np.zeros((50, 8)))


@fast
@given(arrays(np.float64, (5, 3), elements=st.floats(0, 3)), st.floats(0, 2))
def test_free_bits_equals_its_twin(kl, minimum):
    np.testing.assert_allclose(free_bits(kl, minimum), free_bits_loop(kl, minimum), rtol=1e-6, atol=1e-9)


def test_free_bits_stop_the_gradient_below_the_minimum():
    kl = tf.constant([[0.1, 3.0], [0.3, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch(kl)
        paid = tf.reduce_sum(free_bits(kl, 0.5))
    np.testing.assert_allclose(tape.gradient(paid, kl), [[0.0, 0.5], [0.0, 0.5]])
    with pytest.raises(InputError, match=r"-1"):
        free_bits(kl, -1.0)


# -- masks ------------------------------------------------------------------------------------------------------------


@fast
@given(
    arrays(np.float64, (3, 4, 2), elements=finite),
    arrays(np.bool_, (3, 4, 2)),
    st.sampled_from([None, 0, (0, 1), (0, 1, 2), -1]),
)
def test_masked_sum_and_mean(values, mask, axis):
    kept = np.ma.masked_array(values, ~mask)
    holey = np.where(mask, values, np.nan)
    for form in (mask, mask.astype("float32"), mask.astype("int64")):
        np.testing.assert_allclose(masked_sum(holey, form, axis), np.ma.filled(kept.sum(axis), 0.0), atol=1e-9)
        np.testing.assert_allclose(masked_mean(holey, form, axis), np.ma.filled(kept.mean(axis), 0.0), atol=1e-9)


def test_masks_broadcast_over_variables_and_other_ranks_are_refused():
    values, mask = rng().normal(size=(2, 3, 4)), np.array([[1, 0, 1], [1, 1, 1]])
    assert float(masked_mean(values, mask[..., None])) == pytest.approx(values[mask == 1].mean())
    with pytest.raises(InputError, match=r"mask has shape \(2, 3\)"):
        masked_mean(values, mask)


# -- negative log-likelihoods -----------------------------------------------------------------------------------------

FAMILIES = {
    "gaussian": (lambda x, m, s, k: gaussian_nll(x, m, 2 * s, k), stats.norm),
    "laplace": (laplace_nll, stats.laplace),
    "student-t": (lambda x, m, s, k: student_t_nll(x, m, s, 3.5, k), stats.t(3.5)),
}


def frozen(name, df=None):
    return {"gaussian": stats.norm, "laplace": stats.laplace}.get(name) or _StudentT(df)


class _StudentT:
    def __init__(self, df):
        self.df = df

    def logpdf(self, x, loc=0.0, scale=1.0):
        return stats.t.logpdf(x, self.df, loc=loc, scale=scale)


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_nll_equals_scipy(name, masked, seed):
    x, mean, mask = windows(seed)
    log_scale = rng(9).normal(size=x.shape)
    if not masked:
        x, mask = np.nan_to_num(x), None
    got = FAMILIES[name][0](x, mean, log_scale, mask)
    np.testing.assert_allclose(got, nll_loop(x, mean, np.exp(log_scale), mask, frozen(name, 3.5)), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", SHARED)
def test_densities_integrate_to_one(name):
    x = np.linspace(-2_000, 2_000, 4_000_001)[None, :, None]
    nll = FAMILIES[name][0](x, np.full_like(x, 0.3), math.log(0.7), None)
    assert float(np.exp(-np.asarray(nll)).sum() * 1e-3) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", SHARED)
def test_scalar_scale_per_feature_scale_and_one_per_value_agree(name):
    x, mean, _ = windows()
    x, nll = np.nan_to_num(x), FAMILIES[name][0]
    np.testing.assert_allclose(nll(x, mean, 0.3, None), nll(x, mean, np.full(x.shape, 0.3), None), rtol=1e-6)
    np.testing.assert_allclose(
        nll(x, mean, np.array([0.3, -1.0]), None), nll(x, mean, np.broadcast_to([0.3, -1.0], x.shape), None), rtol=1e-6
    )


@pytest.mark.parametrize("name", SHARED)
def test_missing_values_do_not_reach_the_gradient(name):
    x, mean, mask = windows()
    mean_t = tf.constant(mean)
    with tf.GradientTape() as tape:
        tape.watch(mean_t)
        loss = tf.reduce_sum(FAMILIES[name][0](x, mean_t, 0.0, mask))
    gradient = np.asarray(tape.gradient(loss, mean_t))
    assert np.isfinite(gradient).all()
    assert np.all(gradient[~mask] == 0)
    assert np.all(gradient[mask] != 0)


def test_unit_variance_is_half_the_squared_error():
    x, mean, _ = windows()
    x = np.nan_to_num(x)
    np.testing.assert_allclose(gaussian_nll(x, mean) - 0.5 * math.log(2 * math.pi), 0.5 * (x - mean) ** 2, rtol=1e-6)


def test_reconstructions_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"\(4, 6, 1\).*\(4, 1, 1\)"):
        gaussian_nll(np.zeros((4, 6, 1)), np.zeros((4, 1, 1)))
    with pytest.raises(InputError, match="df"):
        student_t_nll(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), df=0.0)


# -- likelihood objects -----------------------------------------------------------------------------------------------


def outputs_for(likelihood, mean, seed=3):
    raw = rng(seed).normal(size=(*mean.shape[:2], mean.shape[2] * (likelihood.n_outputs - 1)))
    return np.concatenate([mean, raw], axis=-1)


def distribution_of(likelihood):
    return {"laplace": stats.laplace, "student-t": _StudentT(getattr(likelihood, "df", None))}.get(
        likelihood.name, stats.norm
    )


def unit_deviation(likelihood):
    """Standard deviation of the family at scale 1, by SciPy."""
    if likelihood.name == "student-t":
        return stats.t.std(likelihood.df)
    return distribution_of(likelihood).std()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_likelihood_equals_scipy_with_the_scale_that_it_states(config):
    """`scale` is a standard deviation; with it, SciPy must give the same NLL."""
    likelihood = get_likelihood(config)
    x, mean, mask = windows()
    outputs, log_scale = outputs_for(likelihood, mean), np.array([0.2, -0.4])
    deviation = np.asarray(likelihood.scale(outputs, log_scale))
    assert deviation.shape == x.shape
    expected = nll_loop(x, mean, deviation / unit_deviation(likelihood), mask, distribution_of(likelihood))
    np.testing.assert_allclose(likelihood.nll(x, outputs, mask, log_scale), expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(likelihood.mean(outputs), mean)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_is_json_and_comes_back_equal(config):
    likelihood = get_likelihood(config)
    again = get_likelihood(json.loads(json.dumps(likelihood.get_config())))
    assert again == likelihood
    assert hash(again) == hash(likelihood)
    assert type(again) is type(likelihood)
    assert get_likelihood(again) is again
    assert repr(again) == repr(likelihood)


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("per_feature", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_optimal_scale_is_the_most_likely_one(name, per_feature, seed):
    likelihood = get_likelihood({"name": name, "per_feature": per_feature})
    x, mean, mask = windows(seed, batch=8)
    x = x * np.array([1.0, 20.0])
    got = np.asarray(likelihood.optimal_log_scale(x, mean, mask))
    residual, family = x - mean, distribution_of(likelihood)
    if per_feature:
        expected = [best_log_scale(residual[..., j][mask[..., j]], family) for j in range(2)]
    else:
        expected = best_log_scale(residual[mask], family)
    np.testing.assert_allclose(got, expected, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    df=st.floats(2.1, 50),
    size=st.integers(1, 60),
    spread=st.floats(0.5, 60),
    share=st.floats(0, 1),
    seed=st.integers(0, 10_000),
)
def test_student_scale_is_found_whatever_the_outliers(df, size, spread, share, seed):
    """At the optimum the score is zero: the weighted squares average to the squared scale."""
    r = rng(seed)
    residual = r.normal(size=size) * np.where(r.random(size) < share, spread, 1.0)
    scale = math.exp(float(StudentT(df).optimal_log_scale(residual.reshape(1, -1, 1), np.zeros((1, size, 1)))[0]))
    if scale > 1.01e-3:
        ratio = (residual / scale) ** 2
        assert ((df + 1) * ratio / (df + ratio)).mean() == pytest.approx(1.0, abs=1e-3)


def test_optimal_scale_of_the_gaussian_is_the_mean_squared_error():
    x, mean, mask = windows()
    expected = [0.5 * math.log(np.mean((x - mean)[..., j][mask[..., j]] ** 2)) for j in range(2)]
    np.testing.assert_allclose(Gaussian().optimal_log_scale(x, mean, mask), expected, rtol=1e-6)


@pytest.mark.parametrize("name", SHARED)
def test_training_uses_the_batch_s_own_scale_and_its_gradient_is_exact(name):
    """Cutting the path through the scale changes nothing: there, its gradient is zero."""
    likelihood = get_likelihood(name)
    x, mean, mask = windows()
    best = likelihood.optimal_log_scale(x, mean, mask)
    np.testing.assert_allclose(likelihood.nll(x, mean, mask), likelihood.nll(x, mean, mask, best), rtol=1e-6)
    outputs = tf.constant(mean)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(outputs)
        cut = tf.reduce_sum(likelihood.nll(x, outputs, mask))
        whole = tf.reduce_sum(likelihood.nll(x, outputs, mask, likelihood.optimal_log_scale(x, outputs, mask)))
    np.testing.assert_allclose(tape.gradient(whole, outputs), tape.gradient(cut, outputs), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", SHARED)
def test_perfect_reconstruction_and_empty_masks_stay_finite(name):
    likelihood = get_likelihood(name)
    x = rng().normal(size=(2, 3, 2)).astype("float32")
    for mask in (None, np.zeros(x.shape), np.concatenate([np.ones((2, 3, 1)), np.zeros((2, 3, 1))], axis=-1)):
        outputs = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            best = likelihood.optimal_log_scale(x, outputs, mask)
            loss = tf.reduce_sum(likelihood.nll(x, outputs, mask))
        np.testing.assert_allclose(best, np.log([1e-3, 1e-3]), rtol=1e-4)
        assert np.isfinite(loss)
        assert np.isfinite(tape.gradient(loss, outputs)).all()


def test_scales_never_fall_below_the_floor():
    x, outputs = np.zeros((1, 2, 1)), np.concatenate([np.zeros((1, 2, 1)), np.full((1, 2, 1), -1_000.0)], axis=-1)
    for likelihood in (GaussianLearned(min_scale=0.2), Laplace(learned=True, min_scale=0.2)):
        floor = 0.2 * unit_deviation(likelihood)
        np.testing.assert_allclose(likelihood.scale(outputs), floor, rtol=1e-5)
        assert np.isfinite(likelihood.nll(x + 100.0, outputs)).all()
    np.testing.assert_allclose(Gaussian(min_scale=0.2).scale(x, -50.0), 0.2, rtol=1e-6)
    np.testing.assert_allclose(Gaussian().nll(x, x, log_scale=-50.0), Gaussian().nll(x, x, log_scale=math.log(1e-3)))


def test_learned_scale_is_the_decoder_s_own_well_above_the_floor():
    outputs = np.concatenate([np.zeros((1, 1, 1)), np.full((1, 1, 1), 3.0)], axis=-1)
    assert float(GaussianLearned(min_scale=1e-3).scale(outputs)[0, 0, 0]) == pytest.approx(math.exp(1.5), rel=1e-5)


def test_shared_scale_must_be_given_for_a_band():
    with pytest.raises(InputError, match="log_scale"):
        Gaussian().scale(np.zeros((1, 2, 1)))
    assert GaussianFixed().optimal_log_scale(np.zeros((1, 1, 1)), np.zeros((1, 1, 1))) is None
    assert GaussianLearned().optimal_log_scale(np.zeros((1, 1, 1)), np.zeros((1, 1, 2))) is None


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_every_likelihood_trains_in_a_graph_with_unknown_batch(config):
    likelihood = get_likelihood(config)

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 2]), tf.TensorSpec([None, 6, 2 * likelihood.n_outputs])])
    def loss(x, outputs):
        nll = likelihood.nll(x, outputs, tf.ones_like(x))
        return tf.reduce_sum(nll), tf.gradients(nll, outputs)[0]

    x, mean, _ = windows()
    outputs = outputs_for(likelihood, mean)
    value, gradient = loss(tf.constant(np.nan_to_num(x), tf.float32), tf.constant(outputs, tf.float32))
    assert value.dtype == tf.float32
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("gauss", "gauss.*gaussian-fixed"),
        ({"name": "gaussian", "sigma": 1.0}, "no parameter sigma; it has per_feature, min_scale"),
        ({"variance": 1.0}, "None"),
        ({"name": "gaussian-fixed", "variance": 0}, "variance=0"),
        ({"name": "gaussian-fixed", "variance": "1"}, "variance='1'"),
        ({"name": "gaussian-fixed", "variance": float("nan")}, "variance=nan"),
        ({"name": "gaussian", "min_scale": -1.0}, "min_scale=-1.0"),
        ({"name": "gaussian", "per_feature": "yes"}, "per_feature='yes'"),
        ({"name": "student-t", "df": 2.0}, "df=2.0 must be a number above 2"),
        ({"name": "laplace", "learned": 1}, "learned=1"),
        ({"name": ["gaussian"]}, "gaussian"),
        (3, "likelihood=3"),
    ],
)
def test_bad_configs_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        get_likelihood(config)


def test_wrong_number_of_channels_is_refused():
    with pytest.raises(InputError, match="3 decoder channels"):
        GaussianLearned().mean(np.zeros((1, 2, 3)))


def test_a_likelihood_of_one_s_own():
    @register_likelihood("test-half-normal")
    class Weighted(Likelihood):
        def __init__(self, weight: float = 2.0):
            self.weight = weight

        def nll(self, x, outputs, mask=None, log_scale=None):
            return self.weight * gaussian_nll(x, outputs, mask=mask)

        def scale(self, outputs, log_scale=None):
            return tf.ones_like(outputs)

    try:
        likelihood = get_likelihood({"name": "test-half-normal", "weight": 3.0})
        assert get_likelihood(likelihood.get_config()) == likelihood
        assert repr(likelihood) == "Weighted(weight=3.0)"
        assert likelihood.n_outputs == 1
        with pytest.raises(InputError, match="taken"):
            register_likelihood("test-half-normal")(Gaussian)
        assert Gaussian.name == "gaussian"
    finally:
        LIKELIHOODS.pop("test-half-normal")


# -- ELBO -------------------------------------------------------------------------------------------------------------


def test_elbo_sums_over_the_window_and_averages_over_the_batch():
    nll, kl = rng().random((4, 5, 2)), rng(1).random((4, 3))
    terms = elbo_terms(nll, kl, beta=0.5)
    expected_nll = sum(nll[i].sum() for i in range(4)) / 4
    expected_kl = sum(kl[i].sum() for i in range(4)) / 4
    assert float(terms.nll) == pytest.approx(expected_nll)
    assert float(terms.kl) == pytest.approx(expected_kl)
    assert float(terms.loss) == pytest.approx(expected_nll + 0.5 * expected_kl)
    paid = elbo_terms(nll, kl, beta=0.5, free_nats=0.6)
    assert float(paid.loss) == pytest.approx(expected_nll + 0.5 * np.maximum(kl.mean(axis=0), 0.6).sum())
    assert float(paid.kl) == pytest.approx(expected_kl)
    with pytest.raises(InputError, match="4 windows and kl 3"):
        elbo_terms(nll, kl[:3])


def test_elbo_meets_the_exact_log_likelihood_where_it_is_known():
    """Linear-Gaussian model: with the exact posterior the bound is tight, with any other it lies below."""
    loading, noise = rng().normal(size=(2, 5)), 0.4  # z (2,) -> window (5,)
    x = rng(1).normal(size=(200, 2)) @ loading + noise * rng(2).normal(size=(200, 5))
    exact = stats.multivariate_normal(np.zeros(5), loading.T @ loading + noise**2 * np.eye(5)).logpdf(x).mean()
    # rotate z to where its exact posterior is diagonal
    values, vectors = np.linalg.eigh(loading @ loading.T)
    rotated = vectors.T @ loading
    variance = 1.0 / (1.0 + values / noise**2)
    mu = x @ rotated.T / noise**2 * variance
    bounds = []
    for factor in (1.0, 1.5):
        log_var = np.broadcast_to(np.log(variance * factor), mu.shape)
        z = mu + np.exp(0.5 * log_var) * rng(3).normal(size=(2_000, *mu.shape))
        nll = gaussian_nll(np.broadcast_to(x, (2_000, 200, 5)), z @ rotated, math.log(noise**2))
        averaged = np.asarray(nll).mean(axis=0)[:, :, None]
        bounds.append(-float(elbo_terms(averaged, kl_per_dimension(mu, log_var)).loss))
    assert bounds[0] == pytest.approx(exact, abs=0.01)
    assert bounds[1] < exact - 0.05


# -- schedules --------------------------------------------------------------------------------------------------------


@fast
@given(st.integers(1, 40), st.floats(0, 3), st.floats(0, 3), st.integers(0, 80))
def test_linear_warmup_equals_its_twin(steps, beta, start, step):
    expected = linear_warmup_loop(steps, beta, start, step)
    assert linear_warmup(steps, beta, start)(step) == pytest.approx(expected, abs=1e-9)


@fast
@given(st.integers(1, 30), st.floats(0.05, 1), st.floats(0, 3), st.integers(0, 100))
def test_cyclical_equals_its_twin(period, ratio, beta, step):
    assert cyclical(period, ratio, beta)(step) == pytest.approx(cyclical_loop(period, ratio, beta, step), abs=1e-9)


def test_cyclical_stops_after_its_cycles():
    schedule = cyclical(10, cycles=2)
    assert [schedule(step) for step in (0, 10, 19, 20, 21, 1_000)] == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("schedule", [constant(0.3), linear_warmup(7, 2.0, 0.5), cyclical(9, 0.3, 2.0, 4), cyclical(5)])
def test_schedules_are_json_and_come_back_equal(schedule):
    again = get_schedule(json.loads(json.dumps(schedule.get_config())))
    assert again == schedule
    assert [again(step) for step in range(40)] == [schedule(step) for step in range(40)]
    assert all(isinstance(schedule(step), float) for step in range(3))
    assert get_schedule(schedule) is schedule


def test_schedules_by_number_and_name():
    assert get_schedule(2)(100) == 2.0
    assert get_schedule("constant") == constant(1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: linear_warmup(0), "steps=0"),
        (lambda: linear_warmup(10, -1.0), "beta=-1.0"),
        (lambda: cyclical(10, 0.0), "ratio=0.0"),
        (lambda: cyclical(10, 1.5), "ratio=1.5"),
        (lambda: cyclical(2.5), "period=2.5"),
        (lambda: cyclical(10, cycles=0), "cycles=0"),
        (lambda: constant(float("nan")), "beta=nan"),
        (lambda: get_schedule("linear"), "linear.*linear_warmup"),
        (lambda: get_schedule({"name": "constant", "value": 1}), "no parameter value; it has beta"),
        (lambda: get_schedule({"name": "linear_warmup", "steps": "many"}), "steps='many'"),
        (lambda: get_schedule(None), "None"),
    ],
)
def test_bad_schedules_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


# -- is the latent used? ----------------------------------------------------------------------------------------------


@fast
@given(arrays(np.float64, (6, 3), elements=st.floats(-1, 1)), st.floats(0.001, 1))
def test_active_units_equal_their_twin(mu, threshold):
    expected = active_units_loop(mu, threshold)
    close = np.abs(mu.var(axis=0) - threshold) < 1e-12
    assert np.all((active_units(mu, threshold=threshold) == expected) | close)


@pytest.mark.parametrize("n", [3, 300])
def test_mutual_information_equals_its_twin(n):
    """More windows than one block of the fast one."""
    mu, log_var = rng().normal(size=(2, n, 2))
    noise = np.random.default_rng((7, 31)).standard_normal(mu.shape)
    expected = mutual_information_loop(mu, log_var, noise) if n < 100 else _mi_matrix(mu, log_var, noise)
    assert mutual_information(mu, log_var, seed=7) == pytest.approx(expected, abs=1e-9)


def _mi_matrix(mu, log_var, noise):
    z = mu + np.exp(0.5 * log_var) * noise
    each = stats.norm.logpdf(z[:, None], mu[None], np.exp(0.5 * log_var)[None]).sum(axis=2)
    return float(np.mean(np.diag(each) - np.log(np.exp(each).mean(axis=1))))


def test_mutual_information_of_a_gaussian_channel():
    """mu of variance s and noise of variance v: log(1 + s / v) / 2 per dimension, known in closed form."""
    mu = rng().normal(size=(2_048, 2))
    expected = 2 * 0.5 * math.log(1 + 1 / 0.5)
    estimate = mutual_information(mu, np.full(mu.shape, math.log(0.5)), samples=4)
    assert estimate == pytest.approx(expected, abs=0.08)


def test_mutual_information_is_bounded_and_stable():
    far = 1e3 * np.arange(50.0)[:, None]
    assert mutual_information(far, np.full((50, 1), -20.0)) == pytest.approx(math.log(50))
    assert abs(mutual_information(np.zeros((50, 3)), np.zeros((50, 3)))) < 1e-9
    assert np.isfinite(mutual_information(np.full((5, 2), 1e6), np.full((5, 2), -16.0)))
    many = rng().normal(size=(5_000, 1))
    assert mutual_information(many, np.full((5_000, 1), -20.0), max_windows=100) <= math.log(100) + 1e-9


def posterior(scales, log_vars, n=400):
    mu = rng().normal(size=(n, len(scales))) * scales
    return mu, np.tile(np.asarray(log_vars, float), (n, 1))


def test_report_of_a_healthy_latent():
    report = collapse_report(*posterior([1.0, 1.0], [-3.0, -3.0]))
    assert (report.verdict, report.alive, report.dead, report.advice) == ("used", (0, 1), (), ())
    assert report.text.startswith("The latent is used: 2 of 2 dimensions differ")
    assert "What to do" not in report.text
    assert report.kl == pytest.approx(sum(report.kl_per_dimension))


def test_report_of_a_collapsed_latent():
    report = collapse_report(*posterior([0.01, 0.01, 0.01], [0.0, 0.0, 0.0]))
    assert (report.verdict, report.alive, report.dead) == ("collapsed", (), (0, 1, 2))
    assert "collapsed: none of 3 dimensions" in report.text
    assert "linear_warmup" in report.text
    assert report.mutual_information < 0.05


def test_report_of_a_partly_used_latent():
    report = collapse_report(*posterior([1.0, 0.0, 0.0, 0.0], [-4.0, 0.0, 0.0, 0.0]))
    assert (report.verdict, report.alive, report.dead) == ("partly used", (0,), (1, 2, 3))
    assert "latent_dim=1 would do as well" in report.text


def test_report_names_dimensions_that_cost_and_tell_nothing():
    """A posterior far from the prior but alike for all windows: KL alone would call it alive."""
    mu, log_var = posterior([1.0, 0.0], [-3.0, -3.0])
    report = collapse_report(mu, log_var)
    assert report.offset == (1,)
    assert report.kl_per_dimension[1] > 0.5
    assert "dimension 1 costs KL and tells nothing" in report.text


def test_report_is_json():
    report = collapse_report(*posterior([1.0, 0.0], [-3.0, 0.0]))
    data = json.loads(json.dumps(report.to_dict()))
    assert data["alive"] == [0]
    assert data["text"] == report.text
    assert len(data["kl_per_dimension"]) == 2


@pytest.mark.parametrize(
    ("mu", "log_var", "message"),
    [
        (np.zeros(5), np.zeros(5), r"\(5,\)"),
        (np.zeros((5, 2)), np.zeros((5, 3)), r"\(5, 2\).*\(5, 3\)"),
        (np.full((5, 2), np.nan), np.zeros((5, 2)), "5 of 5 windows is not finite"),
        (np.zeros((1, 2)), np.zeros((1, 2)), "1 window"),
        (np.zeros((0, 2)), np.zeros((0, 2)), r"\(0, 2\)"),
    ],
)
def test_reports_refuse_what_they_cannot_read(mu, log_var, message):
    with pytest.raises(InputError, match=message):
        collapse_report(mu, log_var)
