"""LSTMVAE: its terms against closed forms, its start against probabilistic PCA, every block trained, saved, loaded."""

import itertools
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy import stats

from vaehelpers.common import InputError
from vaehelpers.model import LSTMVAE, Decoder, train, window_scores
from vaehelpers.model.decoders import DECODERS
from vaehelpers.model.encoders import ENCODERS
from vaehelpers.model.likelihoods import LIKELIHOODS
from vaehelpers.windows import gather, window_starts

T = 12


def wave(n=400, features=1, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.arange(n)[:, None]
    phases = np.arange(features)
    return (np.sin(rows / 3 + phases) + 0.2 * rng.normal(size=(n, features))).astype(np.float32)


def linear_windows(n=4_000, features=1, d=2, seed=0):
    """Windows drawn from a linear-Gaussian model, whose optimum is known."""
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(d, T * features))
    flat = rng.normal(size=(n, d)) @ loading + 0.5 * rng.normal(size=(n, T * features)) + 1.0
    return flat.reshape(n, T, features).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 43, 50])
def test_any_batch_size_passes_also_the_askers_last_one(batch):
    model = LSTMVAE(T, 1, 2, units=4)
    windows = gather(wave(), np.arange(batch), T)
    assert model(windows, training=True).shape == (batch, T, 1)
    assert model.encode(windows)[0].shape == (batch, 2)


def test_terms_are_the_sum_and_mean_that_the_elbo_asks_for():
    model = LSTMVAE(T, 2, 3, units=4)
    windows = gather(wave(features=2), np.arange(7), T)
    terms = model.terms(windows)
    mean = np.asarray(model.mean(terms.outputs))
    scale = np.exp(np.asarray(model.log_scale))
    np.testing.assert_allclose(terms.nll, -stats.norm(mean, scale).logpdf(windows), rtol=1e-4, atol=1e-5)
    mu, variance = np.asarray(terms.mu), np.exp(np.asarray(terms.log_var))
    np.testing.assert_allclose(terms.kl, 0.5 * (mu**2 + variance - 1 - np.log(variance)), rtol=1e-4, atol=1e-5)
    loss, nll, kl = (float(value) for value in model.loss_terms(terms))
    assert nll == pytest.approx(np.asarray(terms.nll).sum(axis=(1, 2)).mean() / (T * 2), rel=1e-5)
    assert kl == pytest.approx(np.asarray(terms.kl).sum(axis=1).mean() / (T * 2), rel=1e-5)
    assert loss == pytest.approx(nll + kl, rel=1e-5)
    model.beta.assign(0.0)
    assert float(model.loss_terms(terms)[0]) == pytest.approx(nll, rel=1e-5)


@pytest.mark.parametrize("features", [1, 2])
def test_the_start_is_probabilistic_pca_with_its_exact_likelihood(features):
    """ELBO of the start = exact log-likelihood of the marginal Gaussian (Lucas et al. 2019)."""
    windows = linear_windows(features=features)
    model = LSTMVAE(T, features, 2, units=4).start_from_pca(windows)
    flat = windows.reshape(len(windows), -1)
    values, vectors = np.linalg.eigh(np.cov(flat, rowvar=False))
    noise = values[:-2].mean()
    covariance = (vectors[:, -2:] * (values[-2:] - noise)) @ vectors[:, -2:].T + noise * np.eye(flat.shape[1])
    exact = stats.multivariate_normal(flat.mean(axis=0), covariance).logpdf(flat[:500])
    bound = -window_scores(model, windows[:500], kind="elbo", samples=400).sum(axis=(1, 2))
    assert np.mean(bound - exact) == pytest.approx(0.0, abs=0.05)
    assert np.std(bound - exact) < 1.0
    tight = -window_scores(model, windows[:500], kind="iwae", samples=50).sum(axis=(1, 2))
    np.testing.assert_allclose(tight, exact, atol=0.02 * np.abs(exact).max())


def test_training_from_the_start_does_not_lose_the_optimum():
    windows = linear_windows()
    series = windows.reshape(-1, 1)
    starts = np.arange(0, len(series), T)
    model = LSTMVAE(T, 1, 2, units=4).start_from_pca(windows)
    before = -window_scores(model, windows, kind="elbo").sum() / len(windows)
    train(model, series, starts, steps=150, evaluations=3, batch_size=64)
    after = -window_scores(model, windows, kind="elbo").sum() / len(windows)
    assert after > before - 0.2


def test_a_plain_model_learns_to_beat_the_average_window():
    series = wave(2_000)
    starts = window_starts(len(series), T)
    model = LSTMVAE(T, 1, 4, units=16, linear_path=False)
    train(model, series, starts, steps=250, batch_size=64, evaluations=2, learning_rate=1e-2)
    windows = gather(series, starts[::10], T)
    error = np.mean((windows - np.asarray(model(windows))) ** 2)
    assert error < 0.3 * np.mean((windows - windows.mean(axis=0)) ** 2)


@pytest.mark.slow
def test_keras_fit_evaluate_and_saved_form(tmp_path):
    windows = gather(wave(), np.arange(300), T)
    model = LSTMVAE(T, 1, 2, units=4)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(windows, batch_size=50, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert set(model.evaluate(windows, verbose=0, return_dict=True)) == {"loss", "nll", "kl"}
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(windows), model(windows))


def test_noise_is_fresh_in_training_and_absent_in_scoring():
    model = LSTMVAE(T, 1, 2, units=4).start_from_pca(linear_windows())
    windows = linear_windows(5)
    first, second = np.asarray(model(windows, training=True)), np.asarray(model(windows, training=True))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(model(windows), model(windows))


@pytest.mark.slow
def test_seed_decides_everything():
    def run(seed):
        model = LSTMVAE(T, 1, 2, units=4, seed=seed)
        history = train(model, wave(), np.arange(300), steps=20, batch_size=16, evaluations=1, seed=seed)
        return history.frame["loss"].iloc[-1]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_masked_values_do_not_count():
    model = LSTMVAE(T, 1, 2, units=4)
    windows = gather(wave(), np.arange(5), T)
    mask = np.ones_like(windows)
    mask[:, 3] = 0
    assert np.asarray(model.terms(windows, mask).nll)[:, 3].tolist() == [[0.0]] * 5
    scores = window_scores(model, windows, mask, kind="nll")
    assert np.isnan(scores[:, 3]).all()
    assert np.isfinite(np.delete(scores, 3, axis=1)).all()


@keras.saving.register_keras_serializable("tests")
class FlatDecoder(Decoder):
    """A user's own: the same line at each step."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.head = self._head()

    def call(self, z, base=None, targets=None, training=None):
        return keras.ops.repeat(self.head(z)[:, None, :], self.timesteps, axis=1)


def test_a_users_own_decoder_is_one_small_class(tmp_path):
    model = LSTMVAE(T, 1, 2, units=4, decoder=FlatDecoder(T, 1), linear_path=False)
    windows = gather(wave(), np.arange(5), T)
    assert np.ptp(np.asarray(model(windows)), axis=1).max() == 0
    model.save(tmp_path / "own.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "own.keras")(windows), model(windows))


COMBINATIONS = list(itertools.product(ENCODERS, DECODERS, LIKELIHOODS))
# every pair of blocks, with likelihoods, linear path and number of variables in turn: each value meets each other one
CHOSEN = [
    (encoder, decoder, likelihood, bool(i % 2), 1 + i % 3)
    for i, (encoder, decoder, likelihood) in enumerate(COMBINATIONS)
]

FRESH = """
import sys, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, keras
import vaehelpers.model
from vaehelpers.model import window_scores
folder = sys.argv[1]
for name in sys.argv[2:]:
    model = keras.saving.load_model(f"{folder}/{name}.keras")
    windows = np.load(f"{folder}/{name}.npy")
    np.save(f"{folder}/{name}-fresh.npy", window_scores(model, windows, kind="nll"))
"""


@pytest.mark.slow
def test_every_encoder_decoder_likelihood_trains_saves_and_scores_the_same_in_a_fresh_process(tmp_path):
    expected, names = {}, []
    for i, (encoder, decoder, likelihood, linear, features) in enumerate(CHOSEN):
        keras.backend.clear_session()
        model = LSTMVAE(
            6, features, 2, units=3, encoder=encoder, decoder=decoder, likelihood=likelihood, linear_path=linear
        )
        windows = gather(wave(60, features), np.arange(20), 6)
        before = [weight.numpy().copy() for weight in model.trainable_weights]
        model.compile(optimizer=keras.optimizers.Adam(1e-2), run_eagerly=True)
        for _ in range(2):
            loss = model.train_on_batch(windows, return_dict=True)["loss"]
        assert np.isfinite(loss), (encoder, decoder, likelihood)
        moved = [np.any(w.numpy() != b) for w, b in zip(model.trainable_weights, before, strict=True)]
        assert np.mean(moved) > 0.5, (encoder, decoder, likelihood)
        name = f"m{i}"
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", windows)
        expected[name] = window_scores(model, windows, kind="nll")
        names.append(name)
    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path), *names], check=True, capture_output=True)
    for name in names:
        np.testing.assert_allclose(np.load(tmp_path / f"{name}-fresh.npy"), expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LSTMVAE(0), "timesteps=0 must be a whole number"),
        (lambda: LSTMVAE(T, units=()), "units"),
        (lambda: LSTMVAE(T, encoder="rnn"), "encoder='rnn' is unknown; choose one of lstm"),
        (lambda: LSTMVAE(T, decoder="x"), "decoder='x' is unknown"),
        (lambda: LSTMVAE(T, likelihood="x"), "x"),
        (lambda: LSTMVAE(T, 1, 2, units=2)(np.zeros((3, T + 1, 1))), r"windows have shape \(3, 13, 1\)"),
        (lambda: LSTMVAE(T, 1, 2, units=2).decode(np.zeros((3, 5))), "z has 5 columns"),
        (lambda: LSTMVAE(T, linear_path=False, units=2).start_from_pca(np.zeros((9, T, 1))), "no linear path"),
    ],
)
def test_bad_input_names_what_was_wrong(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lstm", "gru", "conv", "dense"])
@pytest.mark.parametrize("decoder", ["repeat", "feedback", "dense"])
@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian-learned"])
def test_patches_keep_every_row_in_its_place(encoder, decoder, likelihood, tmp_path):
    model = LSTMVAE(10, 2, 3, units=4, encoder=encoder, decoder=decoder, likelihood=likelihood, patch=4)
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(5, 10, 2)).astype("float32")
    rows = model._to_rows(model._to_patches(windows)) if likelihood == "gaussian" else None
    if rows is not None:
        np.testing.assert_array_equal(rows, windows)  # there and back, the filled-up rows cut off again
    model.start_from_pca(rng.normal(size=(200, 10, 2)))
    assert model(windows).shape == windows.shape
    terms = model.terms(windows, training=True)
    assert terms.nll.shape == windows.shape
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "m.keras")(windows), model(windows), atol=1e-6)


def test_a_patch_longer_than_the_window_is_refused():
    with pytest.raises(InputError, match="patch=12 is longer than a window"):
        LSTMVAE(timesteps=10, patch=12)
