"""A detector that goes on learning: `Detector.update` and `vaehelpers fit --update`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaehelpers import Detector, InputError
from vaehelpers.commands import cli

pytestmark = pytest.mark.slow  # fits detectors

SMALL = {"timesteps": 20, "units": 8, "latent_dim": 2, "steps": 80, "smooth": 5}


def wave(n=3_000, *, seed=0, overtone=0.0):
    rows = np.arange(n)
    return np.sin(rows / 3) + overtone * np.sin(rows / 1.1) + 0.1 * np.random.default_rng(seed).normal(size=n)


@pytest.fixture
def fitted():
    return Detector(**SMALL).fit(wave())


def test_a_series_that_has_changed_is_normal_after_an_update(fitted):
    changed, later = wave(seed=1, overtone=0.7), wave(seed=2, overtone=0.7)
    before = fitted.predict(later).mean()
    assert before > 0.5
    assert fitted.update(changed, steps=40).predict(later).mean() < 0.02


def test_an_anomaly_among_the_newer_rows_is_found_and_not_learned_from(fitted):
    newer = wave(seed=3)
    newer[2_000:2_010] += 5.0
    fitted.update(newer)
    flags = fitted.predict(newer)
    assert flags[2_000:2_010].all()
    assert flags.sum() < 60
    note = fitted.notes_[-1]
    assert "3,000 newer rows with 20 steps" in note
    left_out = int(note.split("; ")[1].split()[0].replace(",", ""))
    assert 20 <= left_out < 200


def test_an_updated_detector_is_saved_and_loaded(fitted, tmp_path):
    later = wave(seed=4)
    fitted.update(wave(seed=5), steps=5).save(tmp_path / "new")
    again = Detector.load(tmp_path / "new")
    np.testing.assert_allclose(again.decision_function(later), fitted.decision_function(later), rtol=1e-5)
    assert again.alarm_line_.start == fitted.alarm_line_.start
    assert again.settings_["contamination"] == 0.05


@pytest.mark.parametrize(("rows", "steps", "words"), [
    (399, None, ["399 rows are fewer than 20 windows of 20", "400 rows"]),
    (1_000, 0, ["steps=0", "at least 1"]),
])  # fmt: skip
def test_what_cannot_be_learned_from_is_refused_and_changes_nothing(fitted, rows, steps, words):
    weights = [w.copy() for w in fitted.model_.get_weights()]
    with pytest.raises(InputError) as told:
        fitted.update(wave(rows), steps=steps)
    assert all(word in str(told.value) for word in words)
    assert all(np.array_equal(a, b) for a, b in zip(weights, fitted.model_.get_weights(), strict=True))
    assert fitted.settings_["contamination"] == 0


def test_an_unfitted_detector_has_nothing_to_update():
    with pytest.raises(InputError, match="not fitted"):
        Detector().update(wave())


def test_the_command_updates_into_a_new_folder(fitted, tmp_path, capsys):
    fitted.save(tmp_path / "old")
    before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "old").iterdir())
    pd.DataFrame({"value": wave(seed=6)}).to_csv(tmp_path / "newer.csv", index=False)
    arguments = ["fit", str(tmp_path / "newer.csv"), "--update", str(tmp_path / "old"), "--out", str(tmp_path / "new")]
    assert cli.run([*arguments, "--set", "steps=3"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(tmp_path / "new")
    assert "Updated on 3,000 newer rows with 3 steps" in told.err
    assert sorted((p.name, p.read_bytes()) for p in (tmp_path / "old").iterdir()) == before
    assert Detector.load(tmp_path / "new").notes_[-1].startswith("Updated on 3,000 newer rows")


@pytest.mark.parametrize(("options", "words"), [
    (["--preset", "accurate"], ["keeps the settings", "--preset"]),
    (["--set", "units=4"], ["leave out units"]),
    (["--false-alarms", "3"], ["leave out false_alarms"]),
])  # fmt: skip
def test_an_update_keeps_the_settings(fitted, tmp_path, capsys, options, words):
    fitted.save(tmp_path / "old")
    pd.DataFrame({"value": wave(seed=6)}).to_csv(tmp_path / "newer.csv", index=False)
    arguments = ["fit", str(tmp_path / "newer.csv"), "--update", str(tmp_path / "old"), "--out", str(tmp_path / "new")]
    assert cli.run([*arguments, *options]) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in words), told
    assert not (tmp_path / "new").exists()
