"""Keras's own LSTM is the oracle of the fused one; closed forms and moments are those of the sampling step."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vaehelpers.common import InputError
from vaehelpers.model import FusedLSTM, RepeatLSTM, Sampling, layers, sample_posterior, use_threads
from vaehelpers.model.layers import default_splits, fused_lstm

OUTPUT = {"rtol": 1e-5, "atol": 1e-6}
GRADIENT = {"rtol": 2e-4, "atol": 2e-5}


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def pair(shape, units=4, *, splits=None, cls=FusedLSTM, extra=None, **kwargs):
    """Keras's layer and ours with the same weights, all of them away from their initial values."""
    stock = keras.layers.LSTM(units, **kwargs)
    fused = cls(units, splits=splits, **kwargs, **(extra or {}))
    stock.build(shape)
    fused.build(shape if cls is FusedLSTM else (shape[0], shape[2]))
    weights = [w + normal(*w.shape, seed=i, scale=0.3) for i, w in enumerate(stock.get_weights())]
    stock.set_weights(weights)
    fused.set_weights(weights)
    return stock, fused


def refuse_stock(monkeypatch):
    """Fail where the stock loop runs in place of the kernel."""

    def refuse(*args, **kwargs):
        raise AssertionError("fell back to the stock layer")

    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", refuse)


@pytest.fixture
def never_fused(monkeypatch):
    """Fail where the kernel runs in place of the stock loop."""

    def refuse(*args, **kwargs):
        raise AssertionError("used the fused kernel")

    monkeypatch.setattr(layers, "_batch_major", refuse)


def everything(layer, x, states=None):
    """Outputs, states and the gradient of a curved loss in inputs, initial states and weights."""
    x = tf.convert_to_tensor(x)
    states = [] if states is None else [tf.convert_to_tensor(s) for s in states]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        results = tf.nest.flatten(layer(x, initial_state=states or None))
        loss = tf.add_n([tf.reduce_sum(tf.sin(3.0 * r + i)) for i, r in enumerate(results)])
    return results, tape.gradient(loss, [x, *states, *layer.trainable_weights])


def assert_same(stock, fused, x, states=None, *, fused_x=None):
    expected, expected_grads = everything(stock, x, states)
    fused_x = x if fused_x is None else fused_x
    graph = tf.function(lambda *a: everything(fused, a[0], a[1:] or None), autograph=False)
    # an unknown batch size, as Keras's fit has it
    arguments = [fused_x, *(states or [])]
    unknown = graph.get_concrete_function(*(tf.TensorSpec([None, *np.shape(a)[1:]], "float32") for a in arguments))
    for how, (results, grads) in {
        "eager": everything(fused, fused_x, states),
        "graph": unknown(*(tf.convert_to_tensor(a) for a in arguments)),
    }.items():
        for a, b in zip(expected, results, strict=True):
            np.testing.assert_allclose(b, a, **OUTPUT, err_msg=how)
        for a, b in zip(expected_grads, grads, strict=True):
            assert b is not None
            np.testing.assert_allclose(b, a, **GRADIENT, err_msg=how)


# -- FusedLSTM against keras.layers.LSTM ----------------------------------------------------------------------------


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(("batch", "splits"), [(1, None), (1, 3), (2, 2), (5, 2), (7, 3), (4, 1)])
def test_outputs_states_and_gradients(batch, splits, sequences):
    """Batches of one, of odd sizes, smaller than the number of parts, and none."""
    stock, fused = pair((batch, 6, 3), splits=splits, return_sequences=sequences, return_state=True)
    assert_same(stock, fused, normal(batch, 6, 3))


@pytest.mark.parametrize(("steps", "features", "units"), [(1, 1, 1), (1, 4, 3), (9, 1, 5), (30, 2, 8)])
def test_sizes(steps, features, units):
    stock, fused = pair((3, steps, features), units, splits=2, return_sequences=True)
    assert_same(stock, fused, normal(3, steps, features))


@pytest.mark.parametrize("sequences", [False, True])
def test_initial_state_and_its_gradient(sequences):
    stock, fused = pair((5, 6, 3), splits=2, return_sequences=sequences, return_state=True)
    assert_same(stock, fused, normal(5, 6, 3), [normal(5, 4, seed=1), normal(5, 4, seed=2)])


@pytest.mark.parametrize("kwargs", [{"go_backwards": True}, {"use_bias": False}, {"use_cudnn": False}])
@pytest.mark.parametrize("sequences", [False, True])
def test_options_that_stay_fused(kwargs, sequences, monkeypatch):
    stock, fused = pair((5, 6, 3), splits=2, return_sequences=sequences, **kwargs)
    expected, expected_grads = everything(stock, normal(5, 6, 3))
    refuse_stock(monkeypatch)
    results, grads = everything(fused, normal(5, 6, 3))
    for a, b in zip(expected, results, strict=True):
        np.testing.assert_allclose(b, a, **OUTPUT)
    for a, b in zip(expected_grads, grads, strict=True):
        np.testing.assert_allclose(b, a, **GRADIENT)


@settings(max_examples=12, deadline=None)
@given(
    batch=st.integers(1, 9),
    steps=st.integers(1, 7),
    features=st.integers(1, 5),
    units=st.integers(1, 6),
    splits=st.integers(1, 4),
    seed=st.integers(0, 1_000),
)
def test_fused_lstm_function_equals_keras(batch, steps, features, units, splits, seed):
    x, h0, c0 = normal(batch, steps, features, seed=seed), normal(batch, units, seed=1), normal(batch, units, seed=2)
    stock = keras.layers.LSTM(units, return_sequences=True, return_state=True, bias_initializer="random_normal")
    outputs, last, carry = stock(x, initial_state=[h0, c0])
    got = fused_lstm(np.swapaxes(x, 0, 1), h0, c0, *stock.weights, splits=splits)
    np.testing.assert_allclose(np.swapaxes(got[0], 0, 1), outputs, **OUTPUT)
    np.testing.assert_allclose(got[1], last, **OUTPUT)
    np.testing.assert_allclose(got[2], carry, **OUTPUT)


def test_gradient_agrees_with_finite_differences():
    """An oracle that is not Keras: central differences of a loss over all results."""
    weights = [normal(2, 8, seed=1), normal(2, 8, seed=2), normal(8, seed=3)]
    arguments = [normal(4, 3, 2), normal(3, 2, seed=4), normal(3, 2, seed=5), *weights]

    def loss(*values):
        outputs, last, carry = fused_lstm(*values, splits=2)
        return tf.reduce_sum(tf.sin(outputs)) + tf.reduce_sum(last**3) + tf.reduce_sum(tf.cos(carry))

    tensors = [tf.constant(a) for a in arguments]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = loss(*tensors)
    for k, gradient in enumerate(tape.gradient(value, tensors)):
        direction = normal(*arguments[k].shape, seed=10 + k)
        step = 1e-2 * direction
        ahead = loss(*(a + step if i == k else a for i, a in enumerate(arguments)))
        behind = loss(*(a - step if i == k else a for i, a in enumerate(arguments)))
        assert float(ahead - behind) / 2e-2 == pytest.approx(float(np.sum(gradient * direction)), rel=2e-2, abs=2e-3)


@pytest.mark.parametrize("steps", [19, 20, 37])
@pytest.mark.parametrize("sequences", [False, True])
def test_outside_training_long_windows_run_in_stretches(steps, sequences):
    stock, fused = pair((5, steps, 3), splits=2, return_sequences=sequences, return_state=True)
    x, states = normal(5, steps, 3), [normal(5, 4, seed=1), normal(5, 4, seed=2)]
    assert_same(stock, fused, x, states)
    whole, parts = (fused(x, initial_state=states, training=training) for training in (True, False))
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-7)


def test_long_sequences_and_saturated_gates_stay_finite():
    stock, fused = pair((4, 300, 2), splits=2, return_sequences=True)
    fused.set_weights([40 * w for w in stock.get_weights()])
    results, grads = everything(fused, normal(4, 300, 2, scale=10.0))
    assert all(np.isfinite(value).all() for value in (*results, *grads))


def test_carry_is_not_clipped():
    """BlockLSTM clips the carry at 3 unless told otherwise; Keras does not."""
    stock, fused = pair((2, 40, 1), return_sequences=True, return_state=True)
    weights = [np.zeros_like(w) for w in stock.get_weights()]
    weights[2][:] = 8.0  # all gates open: the carry grows by one each step
    stock.set_weights(weights)
    fused.set_weights(weights)
    carry = fused(normal(2, 40, 1))[2]
    assert float(carry[0, 0]) > 30
    np.testing.assert_allclose(carry, stock(normal(2, 40, 1))[2], rtol=1e-5)


@pytest.mark.parametrize("merge", ["concat", "sum"])
def test_bidirectional(merge):
    x = normal(5, 6, 3)
    stock = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True), merge_mode=merge)
    fused = keras.layers.Bidirectional(FusedLSTM(4, return_sequences=True), merge_mode=merge)
    stock.build(x.shape)
    fused.build(x.shape)
    fused.set_weights(stock.get_weights())
    assert isinstance(fused.backward_layer, FusedLSTM)
    np.testing.assert_allclose(fused(x), stock(x), **OUTPUT)
    graph = tf.function(fused, input_signature=[tf.TensorSpec([None, 6, 3])], autograph=False)
    np.testing.assert_allclose(graph(tf.constant(x)), stock(x), **OUTPUT)


def test_stateful():
    stock, fused = pair((4, 6, 3), splits=2, stateful=True, return_sequences=True)
    for seed in range(3):
        np.testing.assert_allclose(fused(normal(4, 6, 3, seed=seed)), stock(normal(4, 6, 3, seed=seed)), **OUTPUT)
    assert float(np.abs(fused.states[0]).max()) > 0
    fused.reset_state()
    stock.reset_state()
    np.testing.assert_allclose(fused(normal(4, 6, 3)), stock(normal(4, 6, 3)), **OUTPUT)


def test_split_state_equals_one_pass():
    """Two halves of a sequence with the state handed over are the whole."""
    _, fused = pair((3, 8, 2), return_sequences=True, return_state=True)
    x = normal(3, 8, 2)
    whole, h, c = fused(x)
    first, h1, c1 = fused(x[:, :5])
    second, h2, c2 = fused(x[:, 5:], initial_state=[h1, c1])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, **OUTPUT)
    np.testing.assert_allclose(h2, h, **OUTPUT)
    np.testing.assert_allclose(c2, c, **OUTPUT)


@pytest.mark.parametrize(
    ("kwargs", "call"),
    [
        ({"activation": "relu"}, {}),
        ({"recurrent_activation": "hard_sigmoid"}, {}),
        ({"unroll": True}, {}),
        ({"dropout": 0.5}, {"training": True}),
        ({"recurrent_dropout": 0.5}, {"training": True}),
        ({"dtype": "mixed_bfloat16"}, {}),
        ({"dtype": "float64"}, {}),
        ({}, {"mask": np.array([[True, True, False], [True, True, True]])}),
    ],
)
def test_falls_back_to_the_stock_layer(kwargs, call, never_fused):
    stock, fused = pair((2, 3, 2), return_sequences=True, seed=3, **kwargs)
    got = fused(normal(2, 3, 2), **call)
    if "training" not in call:
        np.testing.assert_allclose(
            np.asarray(got, "float64"), np.asarray(stock(normal(2, 3, 2), **call), "float64"), rtol=1e-6
        )
    assert got.dtype == stock(normal(2, 3, 2), **call).dtype


def test_stays_stock_where_a_gpu_is_visible(monkeypatch, never_fused):
    monkeypatch.setattr(layers, "_gpu_visible", lambda: True)
    stock, fused = pair((2, 3, 2))
    np.testing.assert_allclose(fused(normal(2, 3, 2)), stock(normal(2, 3, 2)), rtol=1e-6)


def test_dropout_layer_is_fused_outside_training(monkeypatch):
    refuse_stock(monkeypatch)
    fused = FusedLSTM(4, dropout=0.5)
    np.testing.assert_allclose(fused(normal(2, 3, 2)), fused(normal(2, 3, 2), training=False))


def test_masking_layer_before_it():
    x = normal(4, 6, 2)
    x[1, 4:] = 0.0
    stock, fused = pair((4, 6, 2))
    masking = keras.layers.Masking()
    np.testing.assert_allclose(fused(masking(x)), stock(masking(x)), **OUTPUT)
    assert np.abs(fused(masking(x)) - fused(x))[1].max() > 1e-3


def test_any_length_and_any_batch():
    """A Functional model over sequences of any length and any batch."""
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, FusedLSTM(4, return_sequences=True)(inputs))
    assert model.output_shape == (None, None, 4)
    for batch, steps in itertools.product((1, 3), (1, 5)):
        assert model(normal(batch, steps, 3)).shape == (batch, steps, 4)


@pytest.mark.slow
def test_fit_save_and_load(tmp_path):
    """The same training as the stock layer, and a file that loads without custom_objects."""
    x, y = normal(37, 8, 2), normal(37, 1, seed=1)

    def build(cls):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 2))
        hidden = cls(4, return_sequences=True)(inputs)
        model = keras.Model(inputs, keras.layers.Dense(1)(cls(3)(hidden)))
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return model

    stock, fused = build(keras.layers.LSTM), build(FusedLSTM)
    fused.set_weights(stock.get_weights())
    assert fused.jit_compile is False
    losses = [m.fit(x, y, batch_size=16, epochs=2, verbose=0, shuffle=False).history["loss"] for m in (stock, fused)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    np.testing.assert_allclose(fused.predict(x, verbose=0), stock.predict(x, verbose=0), rtol=1e-3, atol=1e-4)
    fused.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in fused.layers]
    np.testing.assert_array_equal(loaded(x), fused(x))


def test_config_is_that_of_the_stock_layer():
    arguments = dict(units=4, return_sequences=True, go_backwards=True, kernel_regularizer="l2", name="same", seed=1)
    stock, fused = keras.layers.LSTM(**arguments), FusedLSTM(**arguments, splits=3)
    assert fused.get_config() == stock.get_config()
    again = FusedLSTM.from_config(stock.get_config())
    assert again.get_config() == stock.get_config()


def test_an_existing_model_can_be_converted():
    stock = keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(4, return_sequences=True), keras.layers.LSTM(2)])

    def convert(layer):
        if type(layer) is keras.layers.LSTM:
            return FusedLSTM.from_config(layer.get_config())
        return type(layer).from_config(layer.get_config())

    fused = keras.models.clone_model(stock, clone_function=convert)
    fused.set_weights(stock.get_weights())
    assert all(type(layer) is FusedLSTM for layer in fused.layers)
    np.testing.assert_allclose(fused(normal(5, 6, 3)), stock(normal(5, 6, 3)), **OUTPUT)


def test_regularizer_and_constraint_still_work():
    fused = FusedLSTM(4, kernel_regularizer="l2", kernel_constraint="non_neg", trainable=True)
    fused(normal(2, 3, 2))
    assert len(fused.losses) == 1
    fused.trainable = False
    assert fused.trainable_weights == []


def test_gradients_of_what_is_watched_alone():
    """Frozen weights and inputs: what is asked for comes, the rest is None, as with any layer."""
    _, fused = pair((3, 5, 2))
    x = tf.constant(normal(3, 5, 2))
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        loss = tf.reduce_sum(fused(x))
    gradient, none = tape.gradient(loss, [x, fused.trainable_weights[0].value])
    assert gradient.shape == x.shape
    assert none is None


def test_empty_parts_do_not_leak_uninitialized_memory():
    """A batch of one in four parts: three are empty, and the op's gradient for them is whatever lay in memory."""
    stock, fused = pair((1, 5, 3), 16, splits=4)
    for seed in range(2):
        assert_same(stock, fused, normal(1, 5, 3, seed=seed))


@pytest.mark.parametrize("splits", [0, -1, 1.5])
def test_splits_are_checked(splits):
    with pytest.raises(InputError, match="splits"):
        FusedLSTM(4, splits=splits)(normal(2, 3, 2))


def test_default_splits_follow_the_threads(monkeypatch):
    monkeypatch.setattr(layers, "_cores", lambda: 8)
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: 0)
    assert default_splits() == 8
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: 3)
    assert default_splits() == 3
    monkeypatch.setattr(layers, "_cores", lambda: 64)
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: 0)
    assert default_splits() == 16


def test_use_threads_says_so_when_it_is_too_late():
    tf.constant(1.0) + 1.0  # TensorFlow has started
    now = tf.config.threading.get_inter_op_parallelism_threads()
    assert use_threads(now + 1) is False
    assert tf.config.threading.get_inter_op_parallelism_threads() == now


# -- RepeatLSTM against RepeatVector + LSTM ---------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "splits"), [(1, None), (5, 2), (4, 1)])
@pytest.mark.parametrize("kwargs", [{"return_sequences": True}, {"return_sequences": False, "go_backwards": True}])
def test_repeat_lstm(batch, splits, kwargs):
    lstm, repeat = pair((batch, 7, 3), splits=splits, cls=RepeatLSTM, extra={"timesteps": 7}, **kwargs)

    class Pair:
        trainable_weights = lstm.trainable_weights

        def __call__(self, z, initial_state=None):
            return lstm(tf.repeat(z[:, None], 7, axis=1), initial_state=initial_state)

    assert_same(Pair(), repeat, normal(batch, 3))
    assert_same(Pair(), repeat, normal(batch, 3), [normal(batch, 4, seed=1), normal(batch, 4, seed=2)])


def test_repeat_lstm_falls_back_and_saves(tmp_path, monkeypatch):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, RepeatLSTM(4, timesteps=6)(inputs))
    assert model.output_shape == (None, 6, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(normal(5, 3)), model(normal(5, 3)))
    fused = model(normal(5, 3))
    monkeypatch.setattr(layers, "_gpu_visible", lambda: True)
    np.testing.assert_allclose(model(normal(5, 3)), fused, **OUTPUT)


def test_repeat_lstm_keeps_the_flags_of_lstm():
    lstm, repeat = pair(
        (4, 5, 3), cls=RepeatLSTM, extra={"timesteps": 5}, return_sequences=True, return_state=True, stateful=True
    )
    for seed in range(2):
        z = normal(4, 3, seed=seed)
        for a, b in zip(lstm(np.repeat(z[:, None], 5, axis=1)), repeat(z), strict=True):
            np.testing.assert_allclose(b, a, **OUTPUT)


@pytest.mark.parametrize("timesteps", [0, -3, 2.5])
def test_repeat_lstm_checks_timesteps(timesteps):
    with pytest.raises(InputError, match="timesteps"):
        RepeatLSTM(4, timesteps=timesteps)


# -- Sampling ---------------------------------------------------------------------------------------------------------


def test_sampling_has_the_claimed_moments():
    mu, log_var = np.float32([[1.0, -2.0]]), np.float32([[-2.0, 1.0]])
    many = [np.repeat(a, 20_000, axis=0) for a in (mu, log_var)]
    z = np.asarray(Sampling(seed=1)(many, training=True))
    deviation = np.exp(0.5 * log_var[0])
    for j in range(2):
        assert stats.kstest(z[:, j], "norm", args=(mu[0, j], deviation[j])).pvalue > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("batch", [1, 43, 50])
def test_noise_has_the_shape_of_the_batch(batch):
    z = np.asarray(Sampling(seed=0)([np.zeros((batch, 3), "float32"), np.zeros((batch, 3), "float32")], training=True))
    assert len(np.unique(z)) == 3 * batch


def test_two_calls_differ_and_a_seed_repeats():
    both = [np.zeros((4, 2), "float32")] * 2
    one, other = Sampling(seed=5), Sampling(seed=5)
    first = np.asarray(one(both, training=True))
    assert np.all(first == np.asarray(other(both, training=True)))
    assert np.all(first != np.asarray(one(both, training=True)))
    graph = tf.function(lambda: one(both, training=True))
    assert np.all(np.asarray(graph()) != np.asarray(graph()))


@pytest.mark.parametrize("training", [None, False])
def test_sampling_returns_mu_outside_training(training):
    mu = normal(4, 2)
    np.testing.assert_array_equal(Sampling()([mu, mu], training=training), mu)


def test_sampling_lets_gradients_through():
    """d z / d mu = 1 and d z / d log_var = (z - mu) / 2."""
    mu, log_var = tf.constant(normal(6, 2)), tf.constant(normal(6, 2, seed=1))
    with tf.GradientTape() as tape:
        tape.watch([mu, log_var])
        z = Sampling(seed=0)([mu, log_var], training=True)
    d_mu, d_log_var = tape.gradient(z, [mu, log_var])
    np.testing.assert_array_equal(d_mu, np.ones((6, 2)))
    np.testing.assert_allclose(d_log_var, (z - mu) / 2, rtol=1e-4, atol=1e-6)


def test_sampling_saves_and_keeps_its_seed(tmp_path):
    inputs = [keras.Input((2,)), keras.Input((2,))]
    model = keras.Model(inputs, Sampling(seed=9)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config()["seed"] == 9
    both = [np.zeros((3, 2), "float32")] * 2
    np.testing.assert_array_equal(loaded(both, training=True), model(both, training=True))


def test_sampling_refuses_shapes_that_would_broadcast():
    with pytest.raises(InputError, match=r"\(50, 1\).*\(50, 8\)"):
        Sampling()([np.zeros((50, 1), "float32"), np.zeros((50, 8), "float32")])
    with pytest.raises(InputError, match="pair"):
        Sampling()(np.zeros((2, 3), "float32"))


def test_sample_posterior_draws_independently():
    mu, log_var = normal(3, 2), normal(3, 2, seed=1)
    z = np.asarray(sample_posterior(mu, log_var, samples=5_000, seed_generator=keras.random.SeedGenerator(0)))
    assert z.shape == (5_000, 3, 2)
    standard = (z - mu) / np.exp(0.5 * log_var)
    assert stats.kstest(standard.ravel(), "norm").pvalue > 1e-3
    flat = standard.reshape(5_000, 6)
    assert np.abs(np.corrcoef(flat.T) - np.eye(6)).max() < 0.07
    assert abs(np.corrcoef(flat[:-1, 0], flat[1:, 0])[0, 1]) < 0.07


def test_sample_posterior_works_with_an_unknown_batch():
    graph = tf.function(
        lambda mu: sample_posterior(mu, mu, samples=3, seed_generator=1), input_signature=[tf.TensorSpec([None, 2])]
    )
    assert graph(tf.zeros((7, 2))).shape == (3, 7, 2)


@pytest.mark.parametrize("samples", [0, -1, 1.5])
def test_sample_posterior_checks_samples(samples):
    with pytest.raises(InputError, match="samples"):
        sample_posterior(np.zeros((2, 2), "float32"), np.zeros((2, 2), "float32"), samples=samples)
