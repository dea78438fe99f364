"""Layers of one's own in `LSTMVAE` and in `Detector`: any Keras layer of the right shapes, saved without its code."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.base import clone

from vaehelpers.common import InputError
from vaehelpers.detectors import Detector, StreamingDetector
from vaehelpers.model import LSTMVAE

TIMESTEPS, FEATURES, LATENT = 24, 2, 3
WINDOWS = np.random.default_rng(0).normal(size=(64, TIMESTEPS, FEATURES)).astype("float32")


@keras.saving.register_keras_serializable("tests")
class Strided(layers.Layer):
    """Reads every other row; its `call` knows nothing of `training`."""

    def __init__(self, size=6, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.dense = layers.Dense(size, activation="tanh")

    def call(self, windows):
        rows = windows[:, ::2]
        return self.dense(ops.reshape(rows, (-1, rows.shape[1] * rows.shape[2])))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("tests")
class Steps(layers.Layer):
    """A decoder that notes which arguments it was given."""

    def __init__(self, timesteps=TIMESTEPS, features=FEATURES, **kwargs):
        super().__init__(**kwargs)
        self.timesteps, self.features = timesteps, features
        self.dense = layers.Dense(timesteps * features)
        self.given, self.shares = set(), []

    def call(self, z, base=None, targets=None, training=None):
        self.given |= {name for name, one in (("base", base), ("targets", targets)) if one is not None}
        return ops.reshape(self.dense(z), (-1, self.timesteps, self.features))

    def set_progress(self, share):
        self.shares.append(share)

    def get_config(self):
        return {**super().get_config(), "timesteps": self.timesteps, "features": self.features}


class FirstWindow(layers.Layer):
    """Loses the batch."""

    def call(self, windows):
        return windows[0]


def encoder():
    return keras.Sequential([layers.Conv1D(8, 5, strides=2, activation="relu"), layers.GlobalAveragePooling1D()])


def decoder(rows=TIMESTEPS, columns=FEATURES):
    return keras.Sequential([layers.Dense(rows * columns), layers.Reshape((rows, columns))])


@pytest.mark.slow
@pytest.mark.parametrize("make_encoder", [encoder, Strided, lambda: "dense"])
@pytest.mark.parametrize("make_decoder", [decoder, Steps, lambda: "repeat"])
def test_any_layer_of_the_right_shape(make_encoder, make_decoder, tmp_path):
    model = LSTMVAE(TIMESTEPS, FEATURES, LATENT, units=4, encoder=make_encoder(), decoder=make_decoder())
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    before = [weight.copy() for weight in model.get_weights()]
    losses = model.fit(WINDOWS, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    trained = sum(not np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    assert trained >= len(model.trainable_weights) - 1
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(WINDOWS), model(WINDOWS), atol=1e-6)


def test_with_a_linear_path_the_start_is_probabilistic_pca():
    own = LSTMVAE(TIMESTEPS, FEATURES, LATENT, encoder=Strided(), decoder=Steps()).start_from_pca(WINDOWS)
    ours = LSTMVAE(TIMESTEPS, FEATURES, LATENT, encoder="dense", decoder="dense").start_from_pca(WINDOWS)
    np.testing.assert_allclose(own(WINDOWS), ours(WINDOWS), atol=1e-5)
    without = LSTMVAE(TIMESTEPS, FEATURES, LATENT, encoder=Strided(), decoder=Steps(), linear_path=False)
    assert float(np.abs(without(WINDOWS)).max()) > 1e-3, "without a linear path the decoder alone must speak"


def test_a_decoder_gets_the_arguments_that_it_knows():
    block = Steps()
    model = LSTMVAE(TIMESTEPS, FEATURES, LATENT, units=4, encoder="dense", decoder=block)
    assert block.given == {"base"}
    model(WINDOWS, training=True)
    assert block.given == {"base", "targets"}
    model.decoder.set_progress(0.5)
    assert block.shares == [0.5]


def test_with_patches_a_block_sees_patches():
    model = LSTMVAE(TIMESTEPS, FEATURES, LATENT, patch=5, encoder=Strided(), decoder=decoder(5, 10))
    assert model(WINDOWS).shape == WINDOWS.shape


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"encoder": layers.LSTM(3, return_sequences=True)}, r"encoder LSTM turns .*\(2, 24, 3\).*one vector for each"),
        ({"encoder": FirstWindow()}, "one vector for each"),
        ({"decoder": layers.Dense(3)}, r"decoder Dense turns z of shape \(2, 3\) into \(2, 3\).*\(2, 24, 2\)"),
        ({"decoder": decoder(columns=1)}, r"\(2, 24, 1\); it must return \(2, 24, 2\)"),
        ({"decoder": decoder(), "likelihood": "gaussian-learned"}, r"it must return \(2, 24, 4\)"),
        ({"encoder": 3}, "encoder=3 is unknown; choose one of .* or give a layer"),
        ({"decoder": layers.LSTM}, "is unknown; choose one of .* or give a layer"),
    ],
)
def test_other_shapes_are_refused_when_the_model_is_built(blocks, message):
    with pytest.raises(InputError, match=message):
        LSTMVAE(TIMESTEPS, FEATURES, LATENT, **{"encoder": "dense", "decoder": "dense", **blocks})


# -- Detector ----------------------------------------------------------------------------------------------------------


def series(n=900):
    rows = np.arange(n)
    return np.c_[np.sin(rows / 4), np.cos(rows / 4)] + 0.1 * np.random.default_rng(1).normal(size=(n, 2))


@pytest.fixture(scope="module")
def fitted():
    detector = Detector(timesteps=TIMESTEPS, latent_dim=LATENT, steps=30, smooth=3, encoder=Strided(4), decoder=Steps())
    return detector.fit(series())


def test_a_detector_with_layers_of_ones_own(fitted):
    assert fitted.model_name == "Strided-to-Steps VAE"
    odd = series()
    odd[500:520] = 2.0
    assert 490 < int(np.argmax(fitted.decision_function(odd))) < 530


@pytest.mark.slow
def test_each_fit_starts_anew(fitted):
    """The layer that was given stays untrained, so that a second fit gives the same weights as the first."""
    given = fitted.encoder
    first = fitted.decision_function(series())
    assert not given.built
    again = clone(fitted).fit(series())
    assert again.encoder is not given
    np.testing.assert_allclose(again.decision_function(series()), first, rtol=0.5)
    assert fitted.model_.encoder is not again.model_.encoder


def test_saved_without_the_code(fitted, tmp_path):
    folder = fitted.save(tmp_path / "own")
    assert "own:Strided" in (folder / "detector.json").read_text()
    back = Detector.load(folder, encoder=Strided(4), decoder=Steps())
    np.testing.assert_array_equal(back.decision_function(series()), fitted.decision_function(series()))
    stream = StreamingDetector(fitted, gap_limit=60)
    StreamingDetector.from_state(back, stream.state())


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({}, r"encoder=Strided, a layer of your own.*Detector.load\(folder, encoder=Strided"),
        ({"encoder": Strided(4)}, "decoder=Steps, a layer of your own"),
        ({"encoder": Steps(), "decoder": Steps()}, "encoder=Strided, and Steps was given"),
        ({"encoder": Strided(5), "decoder": Steps()}, "does not fit detector.json"),
        ({"encoder": "dense", "decoder": Steps()}, "encoder=Strided, and str was given"),
    ],
)
def test_a_missing_or_another_layer_is_refused(fitted, tmp_path, own, message):
    with pytest.raises(InputError, match=message):
        Detector.load(fitted.save(tmp_path / "own"), **own)


def test_a_layer_that_is_not_needed_is_refused(tmp_path):
    plain = Detector(timesteps=TIMESTEPS, latent_dim=2, units=4, steps=4, smooth=3).fit(series(400))
    with pytest.raises(InputError, match="was saved with encoder='dense'; leave encoder out"):
        Detector.load(plain.save(tmp_path / "plain"), encoder=Strided())


def test_a_layer_that_cannot_be_built_again():
    class Forgetful(layers.Layer):
        def __init__(self, size):
            super().__init__()
            self.size = size

        def call(self, windows):
            return windows[:, -1]

    with pytest.raises(InputError, match="Forgetful cannot be built again from its get_config"):
        Detector(timesteps=TIMESTEPS, steps=2, encoder=Forgetful(3)).fit(series(400))


def test_an_unknown_name_says_that_a_layer_would_do():
    with pytest.raises(InputError, match=r"encoder='transformer' is unknown; choose one of .*, or give a Keras layer"):
        Detector(encoder="transformer").settings()
