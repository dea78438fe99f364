"""Many variables: their mixtures are modelled unless you ask otherwise, and the odd variable is still named."""

import numpy as np
import pytest

from vaehelpers.detectors import Detector
from vaehelpers.model.decoders import make_decoder
from vaehelpers.model.encoders import make_encoder

pytestmark = pytest.mark.slow  # fits detectors

QUICK = {"timesteps": 20, "latent_dim": 4, "units": 16, "steps": 60, "smooth": 9}


def machine(n, features=20, seed=0):
    """Variables that follow three hidden rhythms."""
    rng = np.random.default_rng(seed)
    rhythms = np.sin(2 * np.pi * np.arange(n)[:, None] / [20, 33, 50])
    return rhythms @ np.random.default_rng(9).normal(size=(3, features)) + 0.1 * rng.normal(size=(n, features))


def test_many_variables_get_mixed_blocks_and_smaller_batches():
    detector = Detector(**QUICK).fit(machine(1_000))
    assert {k: detector.settings_[k] for k in ("encoder", "decoder", "batch_size")} == {
        "encoder": "mixed", "decoder": "mixed", "batch_size": 32,
    }  # fmt: skip
    assert any("20 variables are more than 16" in note for note in detector.notes_)
    odd = machine(600, seed=1)
    odd[300:330, 7] += 4.0
    picture = detector.explain(odd)
    assert abs(int(picture.scores.argmax()) - 315) < 25
    assert int(picture.contributions[315].argmax()) == 7


def test_other_blocks_and_smaller_batches_stay(tmp_path):
    detector = Detector(**{**QUICK, "steps": 20}, encoder="gru", batch_size=16).fit(machine(1_000))
    assert (detector.settings_["encoder"], detector.settings_["decoder"]) == ("gru", "mixed")
    assert detector.settings_["batch_size"] == 16
    detector.save(tmp_path / "saved")
    again = Detector.load(tmp_path / "saved")
    odd = machine(300, seed=1)
    np.testing.assert_allclose(again.decision_function(odd), detector.decision_function(odd), rtol=1e-5)
    plain = Detector(**{**QUICK, "steps": 2}, mix_variables=False).fit(machine(1_000))
    assert (plain.settings_["encoder"], plain.settings_["batch_size"]) == ("dense", 128)
    assert not any("more than 16" in note for note in plain.notes_)
    few = Detector(**{**QUICK, "steps": 2}).fit(machine(1_000, features=16))
    assert few.settings_["encoder"] == "dense"
    assert few.settings_["batch_size"] == 128


@pytest.mark.parametrize("features", [17, 55])
def test_mixed_blocks_have_few_weights(features):
    windows = np.zeros((1, 200, features), "float32")
    counts = []
    for name in ("dense", "mixed"):
        encoder = make_encoder(name, units=(128,))
        decoder = make_decoder(name, timesteps=200, n_features=features, n_outputs=features, units=(128,))
        decoder(encoder(windows)[:, :8])
        counts.append(encoder.count_params() + decoder.count_params())
    assert counts[1] < 9 / features * counts[0]
