"""Somebody else's Keras model: taken apart without a word from its author, tested, and put back as it was."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats

from vaehelpers.common import InputError
from vaehelpers.contracts import check_vae
from vaehelpers.contracts.adapters import functions_of
from vaehelpers.contracts.keras_adapter import keras_functions
from vaehelpers.model import Sampling, kl_divergence
from vaehelpers.model.negative_elbo import NegativeELBO

T, D = 12, 2
QUICK = ["shapes", "kl_closed_form", "sampling_moments", "likelihood", "objective", "partial_last_batch"]


def graph(sample=None, loss_layer=True, last=None, d=D):
    windows = keras.Input((T, 1))
    flat = layers.Flatten()(windows)
    mu, log_var = layers.Dense(d, name="mu")(flat), layers.Dense(d, name="log_var")(flat)
    z = (sample or Sampling(name="z"))([mu, log_var])
    rebuilt = (last or layers.Reshape((T, 1), name="rebuilt"))(layers.Dense(T)(z))
    return keras.Model(windows, NegativeELBO()([windows, rebuilt, mu, log_var]) if loss_layer else rebuilt)


def fixed_noise(pair):
    return pair[0] + ops.exp(pair[1] / 2) * keras.random.normal((50, D))


class Subclassed(keras.Model):
    """The way of Keras's own examples: sub-models, and a train_step that sums the loss."""

    def __init__(self, kl_weight=1.0):
        super().__init__()
        windows = keras.Input((T, 1))
        flat = layers.Flatten()(windows)
        mu, log_var = layers.Dense(D)(flat), layers.Dense(D)(flat)
        self.encoder = keras.Model(windows, [mu, log_var, Sampling(name="sampling")([mu, log_var])])
        z = keras.Input((D,))
        self.decoder = keras.Model(z, layers.Reshape((T, 1))(layers.Dense(T)(z)))
        self.kl_weight = kl_weight

    def train_step(self, data):
        mu, log_var, z = self.encoder(data, training=True)
        error = 0.5 * ops.sum((data - self.decoder(z)) ** 2, axis=(1, 2))
        return {"loss": ops.mean(error + self.kl_weight * kl_divergence(mu, log_var))}


def half_squares(x, rebuilt):
    return 0.5 * np.sum((np.asarray(x) - np.asarray(rebuilt)) ** 2, axis=(1, 2))


def status(model, **options):
    return {result.name: result.status for result in check_vae(model, **{"draws": 60, **options}).results}


@pytest.mark.slow
def test_a_sound_functional_model_passes_all_that_it_has():
    report = check_vae(graph(), draws=100)
    assert report.passed, str(report)
    skipped = {result.name for result in report.results if result.status == "skipped"}
    assert skipped == {
        "likelihood_at_scoring", "windows_cover_every_row", "points_counted_once", "scaler_fitted_on_train",
        "test_scaled_by_train", "split_without_overlap",
    }  # fmt: skip


def test_a_batch_size_that_is_built_in_is_found_and_fails():
    model = graph(layers.Lambda(fixed_noise, name="z"))
    functions = functions_of(model)
    assert functions.batch_size == 50
    assert np.asarray(functions.decode(np.zeros((7, D)))).shape == (7, T, 1)
    found = status(functions, checks=QUICK)
    assert found["partial_last_batch"] == "failed"
    assert found["sampling_moments"] == "passed"


def test_a_compiled_mse_is_no_negative_elbo():
    model = graph(loss_layer=False)
    model.compile("adam", "mse", jit_compile=False)
    report = check_vae(model, draws=60, checks=QUICK)
    found = {result.name: result for result in report.results}
    assert found["kl_closed_form"].status == "skipped"
    assert found["likelihood"].status == found["objective"].status == "failed"
    values = np.asarray(functions_of(model).nll(np.ones((3, T, 1)), np.zeros((3, T, 1))))
    assert values.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "verdict"), [(1.0, "passed"), (0.0, "failed")])
def test_a_train_step_of_the_models_own_is_asked_for_its_loss(weight, verdict):
    keras.utils.set_random_seed(0)  # whether a missing KL shows depends on the weights, so they are the same each time
    model = Subclassed(weight)
    model.compile("adam", jit_compile=False)
    before = [value.copy() for value in model.get_weights()]
    functions = keras_functions(model, nll=half_squares, kl=kl_divergence)
    # the noise of z hides a missing KL of a few nats from 60 draws
    found = status(functions, draws=600, checks=["shapes", "sampling_moments", "objective"])
    assert found == {"shapes": "passed", "sampling_moments": "passed", "objective": verdict}
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_names_can_be_given_and_wrong_ones_are_refused():
    windows = keras.Input((T, 1))
    flat = layers.Flatten()(windows)
    a, b = layers.Dense(D, name="a")(flat), layers.Dense(D, name="b")(flat)
    out = layers.Reshape((T, 1), name="out")(layers.Dense(T)(Sampling(name="c")([a, b])))
    model = keras.Model(windows, out)
    with pytest.raises(InputError, match=r"no layer is called mu of this model; give mu= one of: .*a, b, c"):
        functions_of(model)
    with pytest.raises(InputError, match="mu='x' is no layer of this model"):
        keras_functions(model, mu="x")
    assert keras_functions(model, mu="a", spread="b", z="c").latent_dim == D


def test_a_path_around_z_is_refused():
    windows = keras.Input((T, 1))
    flat = layers.Flatten()(windows)
    mu, log_var = layers.Dense(D, name="mu")(flat), layers.Dense(D, name="log_var")(flat)
    out = layers.Add()([layers.Dense(T)(Sampling(name="z")([mu, log_var])), flat])
    with pytest.raises(InputError, match="does not follow from z alone"):
        functions_of(keras.Model(windows, layers.Reshape((T, 1))(out)))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: keras_functions("model"), "model is a str"),
        (lambda: functions_of(keras.Sequential()), "give mu= one of|neither encoder and decoder"),
        (lambda: keras_functions(graph(), mu="rebuilt"), r"needed are \(None, timesteps, features\)"),
    ],
)
def test_what_is_no_vae_is_refused(model, words):
    with pytest.raises(InputError, match=words):
        model()


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
def test_negative_elbo_against_scipy(beta):
    rng = np.random.default_rng(0)
    x, rebuilt = rng.normal(size=(2, 4, T, 1)).astype("float32")
    mu, log_var = rng.normal(size=(2, 4, D)).astype("float32")
    layer = NegativeELBO(beta)
    assert np.array_equal(layer([x, rebuilt, mu, log_var]), rebuilt)
    layer.noise.assign(np.log(0.25))
    layer([x, rebuilt, mu, log_var])
    nll = -stats.norm(rebuilt, 0.5).logpdf(x).sum(axis=(1, 2))
    kl = 0.5 * np.sum(mu**2 + np.exp(log_var) - 1 - log_var, axis=1)
    assert np.isclose(float(layer.losses[-1]), np.mean(nll + beta * kl), rtol=1e-5)


@pytest.mark.slow
def test_negative_elbo_learns_its_noise_and_survives_saving(tmp_path):
    keras.utils.set_random_seed(0)
    model = graph()
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    x = np.random.default_rng(0).normal(0, 0.1, (256, T, 1)).astype("float32")
    model.fit(x, epochs=20, batch_size=32, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(model(x), again(x))
    assert again.layers[-1].noise < -2  # the noise's standard deviation went from 1 toward 0.1


def test_negative_elbo_refuses_what_would_broadcast():
    x, latent = np.zeros((3, T, 1), "float32"), np.zeros((3, D), "float32")
    with pytest.raises(InputError, match=r"\(12, 1\) and a reconstruction of shape \(1, 1\)"):
        NegativeELBO()([x, x[:, :1], latent, latent])
    with pytest.raises(InputError, match="reads four tensors, not 3"):
        NegativeELBO()([x, x, latent])
    with pytest.raises(InputError, match="beta=-1 is negative"):
        NegativeELBO(-1)
