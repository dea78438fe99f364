"""Encoders and decoders: shapes, Keras's own layers and NumPy loops as oracles, teacher forcing, gradients, configs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaehelpers.common import InputError
from vaehelpers.model import LSTMVAE, Decoder, decoders, encoders
from vaehelpers.model.decoders import (
    DECODERS,
    DenseDecoder,
    FeedbackCell,
    FeedbackDecoder,
    RepeatDecoder,
    RepeatStateDecoder,
    StateDecoder,
    make_decoder,
)
from vaehelpers.model.encoders import (
    ENCODERS,
    BidirectionalLSTMEncoder,
    ConvEncoder,
    DenseEncoder,
    Encoder,
    GRUEncoder,
    LSTMEncoder,
    make_encoder,
)
from vaehelpers.model.likelihoods import LIKELIHOODS

T = 7


def some(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def decoder_of(name, features=1, units=(4,), n_outputs=None, **options):
    return make_decoder(name, timesteps=T, n_features=features, n_outputs=n_outputs or features, units=units, **options)


def shake(layer, seed=0):
    """Biases start at zero, heads perhaps too: a test that should see them needs them different."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(weight + 0.5 * rng.normal(size=weight.shape))
    return layer


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm_step(x, h, c, kernel, recurrent, bias):
    """One step by hand; gates in Keras's order: input, forget, cell, output."""
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


# -- encoders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("features", [1, 3])
@pytest.mark.parametrize("units", [(4,), (6, 4)])
def test_every_encoder_gives_one_vector_per_window(name, features, units):
    encoder = make_encoder(name, units=units, seed=1)
    summary = encoder(some(5, T, features))
    width = {"bilstm": 2 * units[-1], "conv": -(-T // 2 ** len(units)) * units[-1]}.get(name, units[-1])
    assert summary.shape == (5, width)
    # a window's summary does not depend on its neighbours, and the batch may be of any size
    np.testing.assert_allclose(encoder(some(5, T, features)[3:4]), summary[3:4], rtol=1e-4, atol=1e-6)
    # every row of the window is read
    for step in range(T):
        changed = some(5, T, features)
        changed[:, step] += 1.0
        assert np.abs(np.asarray(encoder(changed)) - np.asarray(summary)).max() > 1e-6, step


def test_lstm_encoder_is_a_stack_of_keras_lstms():
    encoder = shake(build(LSTMEncoder(units=(5, 3)), 2))
    x = some(4, T, 2)
    stock = keras.Sequential([keras.layers.LSTM(5, return_sequences=True), keras.layers.LSTM(3)])
    stock(x)
    stock.set_weights(encoder.get_weights())
    np.testing.assert_allclose(encoder(x), stock(x), rtol=1e-4, atol=1e-6)


def test_gru_encoder_is_a_stack_of_keras_grus():
    encoder = shake(build(GRUEncoder(units=(5, 3)), 2))
    x = some(4, T, 2)
    stock = keras.Sequential([keras.layers.GRU(5, return_sequences=True), keras.layers.GRU(3)])
    stock(x)
    stock.set_weights(encoder.get_weights())
    np.testing.assert_allclose(encoder(x), stock(x), rtol=1e-5, atol=1e-6)


def test_bidirectional_encoder_reads_both_ways():
    encoder = shake(build(BidirectionalLSTMEncoder(units=(5, 3)), 2))
    x = some(4, T, 2)
    stock = keras.Sequential(
        [
            keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(3)),
        ]
    )
    stock(x)
    stock.set_weights(encoder.get_weights())
    np.testing.assert_allclose(encoder(x), stock(x), rtol=1e-4, atol=1e-6)


def test_conv_encoder_by_hand():
    encoder = shake(build(ConvEncoder(units=(3,)), 2))
    x = some(4, T, 2)
    kernel, bias = encoder.get_weights()  # (5, features, filters)
    padded = np.pad(x, [(0, 0), (2, 2), (0, 0)])  # 7 rows, stride 2: 4 outputs, two rows of padding on each side
    steps = [np.einsum("bkf,kfo->bo", padded[:, start : start + 5], kernel) + bias for start in range(0, T, 2)]
    np.testing.assert_allclose(encoder(x), np.maximum(np.concatenate(steps, axis=1), 0), rtol=1e-4, atol=1e-5)


def test_dense_encoder_by_hand():
    encoder = shake(build(DenseEncoder(units=(5, 3)), 2))
    first, b1, second, b2 = encoder.get_weights()
    x = some(4, T, 2)
    hidden = np.tanh(x.reshape(4, -1) @ first + b1)
    np.testing.assert_allclose(encoder(x), np.tanh(hidden @ second + b2), rtol=1e-4, atol=1e-5)


def build(encoder, features):
    encoder(some(1, T, features))
    return encoder


# -- decoders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("features", [1, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_decoder_gives_the_channels_of_every_step(name, features, channels):
    decoder = decoder_of(name, features, n_outputs=channels * features)
    z, base = some(5, 2), some(5, T, features, seed=1)
    outputs = decoder(z, base=base)
    assert outputs.shape == (5, T, channels * features)
    np.testing.assert_allclose(decoder(z[3:4], base=base[3:4]), outputs[3:4], rtol=1e-4, atol=1e-6)
    assert np.ptp(np.asarray(decoder(z)), axis=0).min() > 0  # every step hears of z


@pytest.mark.parametrize("name", sorted(set(DECODERS) - {"feedback"}))
def test_stacks_of_decoders(name):
    decoder = decoder_of(name, units=(3, 5))
    assert decoder(some(2, 4)).shape == (2, T, 1)
    assert [layer.units for layer in decoder.stack] == [3, 5]


@pytest.mark.parametrize("name", DECODERS)
def test_a_zero_head_adds_nothing_to_the_linear_path(name):
    assert np.abs(np.asarray(decoder_of(name, zero_head=True)(some(3, 2), base=some(3, T, 1)))).max() == 0


def test_repeat_decoder_is_repeat_vector_lstm_dense():
    """The asker's question: yes, RepeatVector is what feeds z to every step."""
    decoder = RepeatDecoder(T, 3, units=(6, 4))
    z = some(5, 2)
    decoder(z)
    shake(decoder)
    stock = keras.Sequential(
        [
            keras.layers.RepeatVector(T),
            keras.layers.LSTM(6, return_sequences=True),
            keras.layers.LSTM(4, return_sequences=True),
            keras.layers.Dense(3),
        ]
    )
    stock(z)
    stock.set_weights(decoder.get_weights())
    np.testing.assert_allclose(decoder(z), stock(z), rtol=1e-4, atol=1e-5)


def by_hand_with_states(decoder, z, repeat):
    """One layer: z sets output and carry, the input of every step is one or z."""
    (w_h, b_h), (w_c, b_c) = (pair[0].get_weights() for pair in (decoder.first_output, decoder.first_carry))
    h, c = np.tanh(z @ w_h + b_h), z @ w_c + b_c
    weights, (w, b) = decoder.stack[0].get_weights(), decoder.head.get_weights()
    steps = []
    for _ in range(T):
        h, c = lstm_step(z if repeat else np.ones((len(z), 1)), h, c, *weights)
        steps.append(h @ w + b)
    return np.stack(steps, axis=1)


@pytest.mark.parametrize(("cls", "repeat"), [(StateDecoder, False), (RepeatStateDecoder, True)])
def test_state_decoders_against_a_loop(cls, repeat):
    decoder, z = cls(T, 2, units=(4,)), some(5, 3)
    decoder(z)
    shake(decoder)
    np.testing.assert_allclose(decoder(z), by_hand_with_states(decoder, z, repeat), rtol=1e-4, atol=1e-5)


def test_state_decoder_knows_z_by_its_state_alone():
    decoder = StateDecoder(T, 1, units=(4,))
    decoder(some(1, 3))
    shake(decoder)
    nothing = np.asarray(decoder(np.zeros((2, 3), np.float32)))
    for pair in (decoder.first_output, decoder.first_carry):
        kernel, bias = pair[0].get_weights()
        pair[0].set_weights([np.zeros_like(kernel), bias])
    # z = 0 is the same as no weights but the biases; and without those weights no z makes a difference
    np.testing.assert_allclose(decoder(some(2, 3)), nothing, rtol=1e-5, atol=1e-6)
    assert decoder.stack[0].cell.kernel.shape[0] == 1


def test_every_layer_of_a_stack_gets_its_state_from_z():
    decoder = StateDecoder(T, 1, units=(4, 3))
    z = some(2, 3)
    before = np.asarray(decoder(z))
    for layer in (decoder.first_carry[1], decoder.first_output[1]):
        layer.bias.assign(layer.bias + 0.5)
        after = np.asarray(decoder(z))
        assert np.abs(after - before).max() > 1e-3
        before = after


def test_dense_decoder_by_hand():
    decoder, z = DenseDecoder(T, 2, units=(5,)), some(4, 3)
    decoder(z)
    shake(decoder)
    w, b, head, bias = decoder.get_weights()
    expected = (np.tanh(z @ w + b) @ head + bias).reshape(4, T, 2)
    np.testing.assert_allclose(decoder(z), expected, rtol=1e-4, atol=1e-5)


def test_dense_decoder_with_layer_norm_by_hand():
    """Every layer's outputs: mean 0 and variance 1 over the units, then a scale and a shift of their own."""
    decoder, z = DenseDecoder(T, 2, units=(5, 6), layer_norm=True), some(4, 3)
    decoder(z)
    shake(decoder)
    hidden = z
    for layer, norm in zip(decoder.stack, decoder.norms, strict=True):
        (w, b), (scale, shift) = layer.get_weights(), norm.get_weights()
        hidden = np.tanh(hidden @ w + b)
        away = hidden - hidden.mean(axis=1, keepdims=True)
        hidden = scale * away / np.sqrt((away**2).mean(axis=1, keepdims=True) + norm.epsilon) + shift
    head, bias = decoder.head.get_weights()
    np.testing.assert_allclose(decoder(z), (hidden @ head + bias).reshape(4, T, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "feedback"])
def test_layer_norm_takes_away_the_size_of_what_every_layer_gives(name):
    decoder = decoder_of(name, features=2, units=(6, 4), seed=3, layer_norm=True)
    decoder(some(3, 5))
    assert [norm.gamma.shape for norm in decoder.norms] == [(6,), (4,)]
    decoder.norms[-1].gamma.assign(np.zeros(4))  # nothing of the last layer is left, so that z cannot be told by it
    if name == "unfold":  # whose head reads the vectors as well
        kernel, bias = decoder.head.get_weights()
        kernel[4:] = 0
        decoder.head.set_weights([kernel, bias])
    np.testing.assert_array_equal(*np.asarray(decoder(some(2, 5, seed=1))))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(decoder))
    assert again.layer_norm and len(again.norms) == 2


@pytest.mark.parametrize(
    ("decoder", "message"),
    [("feedback", "the feedback decoder has none"), (keras.layers.Dense(2), "put the normalisation into your layer")],
)
def test_layer_norm_is_refused_where_there_is_none(decoder, message):
    with pytest.raises(InputError, match=f"layer_norm=True.*{message}"):
        LSTMVAE(T, 2, 3, units=4, decoder=decoder, layer_norm=True)


# -- feedback ------------------------------------------------------------------------------------------------------


def feedback(features=2, channels=1, **options):
    decoder = FeedbackDecoder(T, channels * features, n_features=features, units=(4,), **options)
    decoder(some(1, 3))
    return shake(decoder)


def by_hand_with_feedback(decoder, z, base, targets=None):
    """What is read: the true previous value where given, else what was emitted, the linear path's share included."""
    h = np.tanh(z @ decoder.first_output.kernel.numpy() + decoder.first_output.bias.numpy())
    c = z @ decoder.first_carry.kernel.numpy() + decoder.first_carry.bias.numpy()
    cell = decoder.rnn.cell
    weights, (w, b) = cell.cell.get_weights(), cell.head.get_weights()
    previous, steps = np.zeros_like(base[:, 0]), []
    for step in range(T):
        h, c = lstm_step(previous, h, c, *weights)
        emitted = h @ w + b
        steps.append(emitted)
        previous = emitted[:, : base.shape[2]] + base[:, step] if targets is None else targets[:, step]
    return np.stack(steps, axis=1)


@pytest.mark.parametrize("channels", [1, 2])
def test_feedback_runs_freely_on_its_own_output(channels):
    decoder, z, base = feedback(channels=channels), some(5, 3), some(5, T, 2, seed=1)
    expected = by_hand_with_feedback(decoder, z, base)
    np.testing.assert_allclose(decoder(z, base=base), expected, rtol=1e-4, atol=1e-5)
    # scoring never looks at the truth, even where it is handed over
    np.testing.assert_allclose(decoder(z, base=base, targets=some(5, T, 2)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(decoder(z), by_hand_with_feedback(decoder, z, np.zeros_like(base)), rtol=1e-4, atol=1e-5)


def test_teacher_forcing_reads_the_truth_at_the_start_of_the_training():
    decoder, z, base, targets = feedback(), some(5, 3), some(5, T, 2, seed=1), some(5, T, 2, seed=2)
    decoder.set_progress(0.0)
    got = decoder(z, base=base, targets=targets, training=True)
    np.testing.assert_allclose(got, by_hand_with_feedback(decoder, z, base, targets), rtol=1e-4, atol=1e-5)
    # never the value that it is about to predict, let alone a later one
    for step in range(T):
        later = targets.copy()
        later[:, step:] += 1.0
        changed = np.asarray(decoder(z, base=base, targets=later, training=True))
        np.testing.assert_allclose(changed[:, : step + 1], got[:, : step + 1], rtol=1e-5, atol=1e-6)
        if step + 1 < T:
            assert np.abs(changed[:, step + 1] - got[:, step + 1]).max() > 1e-4


def test_teacher_forcing_is_over_at_the_end_of_the_training():
    decoder, z, base = feedback(), some(5, 3), some(5, T, 2, seed=1)
    decoder.set_progress(1.0)
    got = decoder(z, base=base, targets=some(5, T, 2, seed=2), training=True)
    np.testing.assert_allclose(got, decoder(z, base=base), rtol=1e-5, atol=1e-6)


def test_scheduled_sampling_falls_in_a_line():
    decoder = feedback(final_teacher_forcing=0.2)
    shares = []
    for progress in (-1.0, 0.0, 0.25, 0.5, 1.0, 2.0):
        decoder.set_progress(progress)
        shares.append(float(decoder.teacher_forcing))
    np.testing.assert_allclose(shares, [1.0, 1.0, 0.8, 0.6, 0.2, 0.2], rtol=1e-6)
    # with a linear readout of the previous value, the share of truths read shows in the outputs
    decoder.set_progress(0.5)
    z = np.zeros((4_000, 3), np.float32)
    truth, free = (
        by_hand_with_feedback(decoder, z[:1], np.zeros((1, T, 2)), targets=t) for t in (np.ones((1, T, 2)), None)
    )
    outputs = np.asarray(decoder(z, targets=np.ones((4_000, T, 2), np.float32), training=True))
    read_truth = np.isclose(outputs[:, 1], truth[:, 1], atol=1e-5).all(axis=1)
    read_own = np.isclose(outputs[:, 1], free[:, 1], atol=1e-5).all(axis=1)
    assert np.all(read_truth ^ read_own)
    assert read_truth.mean() == pytest.approx(0.6, abs=0.04)


def test_feedback_takes_one_layer_and_says_so():
    with pytest.raises(InputError, match=r"units=\(4, 3\): the feedback decoder has one layer"):
        FeedbackDecoder(T, 1, units=(4, 3))


# -- within the model ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize(
    ("encoder", "decoder"), [*((name, "repeat") for name in ENCODERS), *(("lstm", name) for name in list(DECODERS)[1:])]
)
def test_gradient_reaches_every_weight(encoder, decoder, linear_path):
    """After one step: before it, heads that start at zero rightly hold back what lies behind them."""
    features = 2
    model = LSTMVAE(T, features, 3, units=6, encoder=encoder, decoder=decoder, linear_path=linear_path, seed=2)
    x = some(30, T, features) + np.sin(np.arange(T))[:, None]
    optimizer = keras.optimizers.SGD(0.1)
    model.beta.assign(0.5)
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = model.loss_terms(model.terms(x, training=True))[0]
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(
            [(g, w) for g, w in zip(gradients, model.trainable_weights, strict=True) if g is not None]
        )
    for gradient, weight in zip(gradients, model.trainable_weights, strict=True):
        if encoder_kernel_of_zeros(weight, model):
            continue
        assert gradient is not None, weight.path
        assert np.abs(np.asarray(gradient)).max() > 0, weight.path


def encoder_kernel_of_zeros(weight, model):
    """The state decoder's LSTM reads zeros: the kernel of its input is the one weight that cannot learn."""
    decoder = model.decoder
    return isinstance(decoder, StateDecoder) and not decoder._repeat and weight is decoder.stack[0].cell.kernel


def test_one_seed_one_start_other_seed_other_start():
    def start(name, seed):
        decoder = decoder_of(name, units=(4,), seed=seed)
        decoder(some(1, 2))
        return [weight for weight in decoder.get_weights() if weight.ndim > 1]

    for name in DECODERS:
        for a, b, c in zip(start(name, 1), start(name, 1), start(name, 2), strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.any(a != c)


# -- configs and names ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_config_round_trip(name):
    encoder = build(make_encoder(name, units=(4, 3), seed=5), 2)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert type(again) is type(encoder)
    assert again.get_config() == encoder.get_config()
    np.testing.assert_array_equal(build(again, 2)(some(3, T, 2)), encoder(some(3, T, 2)))  # same seed, same weights


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", DECODERS)
def test_decoder_config_round_trip(name):
    decoder = decoder_of(name, features=2, n_outputs=4, units=(3,), seed=5)
    expected = np.asarray(decoder(some(3, 2)))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(decoder))
    assert type(again) is type(decoder)
    assert again.get_config() == decoder.get_config()
    np.testing.assert_array_equal(again(some(3, 2)), expected)


def test_feedback_cell_config_round_trip_and_options():
    cell = FeedbackCell(4, 2, 4, seed=3, zero_head=True)
    assert FeedbackCell.from_config(cell.get_config()).get_config() == cell.get_config()
    decoder = feedback(final_teacher_forcing=0.3)
    assert FeedbackDecoder.from_config(decoder.get_config()).final_teacher_forcing == 0.3


def test_unfold_decoder_by_hand():
    decoder = decoder_of("unfold", features=2, units=(4,))
    z = some(3, 5)
    decoder(z)
    shake(decoder)
    first, unfold, lstm, head = (
        layer.get_weights() for layer in (decoder.first, decoder.unfold, *decoder.stack, decoder.head)
    )
    assert (first[0].shape, unfold[0].shape, head[0].shape) == ((5, 8), (8, T * 2), (4 + 2, 2))
    hidden = np.tanh(z @ first[0] + first[1])
    vectors = np.tanh(hidden @ unfold[0] + unfold[1]).reshape(3, T, 2)
    h = c = np.zeros((3, 4))
    for step in range(T):
        h, c = lstm_step(vectors[:, step], h, c, *lstm)
        expected = np.concatenate([h, vectors[:, step]], axis=1) @ head[0] + head[1]
        np.testing.assert_allclose(decoder(z)[:, step], expected, rtol=1e-4, atol=1e-5)


def test_mixed_blocks_by_hand():
    encoder, decoder = make_encoder("mixed", units=(4,)), decoder_of("mixed", features=3, units=(4,))
    x, z = some(5, T, 3), some(5, 2)
    for block, read in ((encoder, x), (decoder, z)):
        block(read)
        shake(block)
    mix, (kernel, bias) = encoder.mix.get_weights()[0], encoder.stack[0].get_weights()
    np.testing.assert_allclose(encoder(x), np.tanh((x @ mix).reshape(5, -1) @ kernel + bias), rtol=1e-4, atol=1e-5)
    inner, unfold, head = (layer.get_weights() for layer in (*decoder.stack, decoder.unfold, decoder.head))
    rows = (np.tanh(z @ inner[0] + inner[1]) @ unfold[0] + unfold[1]).reshape(5, T, 8)
    np.testing.assert_allclose(decoder(z), rows @ head[0] + head[1], rtol=1e-4, atol=1e-5)


def test_a_layer_of_ones_own_passes_through():
    own = keras.layers.Dense(3)
    assert make_encoder(own, units=(1,)) is own
    assert make_decoder(own, timesteps=T, n_features=1, n_outputs=1, units=(1,)).layer is own
    ours = DenseDecoder(T, 1)
    assert make_decoder(ours, timesteps=T, n_features=1, n_outputs=1, units=(1,)) is ours


def test_the_tables_hold_every_block_by_its_name():
    for table, base in ((ENCODERS, Encoder), (DECODERS, Decoder)):
        room = [cls for module in (encoders, decoders) for cls in vars(module).values() if isinstance(cls, type)]
        public = [cls for cls in room if not cls.__name__.startswith("_")]
        assert set(table.values()) == {cls for cls in public if issubclass(cls, base)} - {base}
        assert all(cls.name_ == name for name, cls in table.items())
    assert all(likelihood.n_outputs in (1, 2) for likelihood in LIKELIHOODS.values())  # what `channels` above covers


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_encoder("tcn", units=(3,)), "encoder='tcn' is unknown; choose one of lstm, bilstm"),
        (lambda: decoder_of("tcn"), "decoder='tcn' is unknown; choose one of repeat, state"),
        (lambda: LSTMEncoder(units=()), "give one or more layer sizes"),
        (lambda: LSTMEncoder(units=(3, 0)), "of at least 1"),
    ],
)
def test_bad_input_names_what_was_wrong(call, message):
    with pytest.raises(InputError, match=message):
        call()
