"""Detector: from series to events, over every entry that users take, and saved folders that cannot lie or run code."""

import ast
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from vaehelpers.common import InputError
from vaehelpers.data import Series
from vaehelpers.data.arrays import as_series
from vaehelpers.detectors import Detector, saved, vus_pr_scorer
from vaehelpers.detectors.settings import DETECTOR_PARAMETERS, PRESETS
from vaehelpers.model.likelihoods import LIKELIHOODS

QUICK = {"timesteps": 24, "latent_dim": 3, "units": 6, "steps": 30, "batch_size": 32, "smooth": 5}


def normal(n=1_500, features=1, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.arange(n)[:, None]
    return (np.sin(2 * np.pi * rows / 24 + np.arange(features)) + 0.1 * rng.normal(size=(n, features))).astype(
        "float32"
    )


def odd(features=1):
    """Rows 700 to 720 stand still: within range, so only the shape tells."""
    series = normal(features=features, seed=1)
    series[700:720] = 0.2
    return series


@pytest.fixture(scope="module")
def fitted():
    return Detector(**QUICK).fit(normal(4_000))  # windows overlap: a threshold needs many of them


@pytest.fixture(scope="module")
def fitted_three():
    return Detector(**QUICK).fit(normal(features=3))


@pytest.mark.slow
def test_finds_what_a_z_score_cannot(fitted):
    series = odd()
    scores = fitted.decision_function(series)
    assert scores.shape == (1_500,)
    assert np.isfinite(scores).all()
    assert 690 < np.argmax(scores) < 730
    flags = fitted.predict(series)
    assert set(np.unique(flags)) <= {0, 1}
    assert flags[702:718].all()
    # the event blurs by a window and the smoothing at each side; false alarms come in runs of a window's length
    assert flags[np.r_[0:665, 755:1_500]].mean() < 0.05
    z = np.abs(series[:, 0] - normal().mean()) / normal().std()
    assert z[700:720].max() < np.quantile(z, 0.9)


def test_scores_are_about_one_on_normal_rows(fitted):
    assert np.median(fitted.decision_function(normal(seed=2))) == pytest.approx(1.0, abs=0.5)


def test_events_and_explanation(fitted_three):
    series = odd(3)
    series[:, 1:] = normal(features=3, seed=1)[:, 1:]  # only the first variable stands still
    explained = fitted_three.explain(series)
    np.testing.assert_allclose(explained.contributions.sum(axis=1), explained.scores, rtol=1e-6)
    np.testing.assert_allclose(explained.scores, fitted_three.decision_function(series), rtol=1e-3)
    assert np.argmax(explained.contributions[710]) == 0
    event = explained.events.iloc[np.argmax(explained.events["score"])]
    assert event["first"] <= 710 <= event["last"]
    assert event["contributed"].startswith(fitted_three.columns_[0])
    assert explained.expected.shape == explained.lower.shape == series.shape
    inside = (series >= explained.lower) & (series <= explained.upper)
    assert inside[:600].mean() > 0.8


@pytest.mark.parametrize("form", ["1d", "2d", "frame", "series"])
def test_every_form_of_input_gives_the_same_scores(fitted, form):
    series = odd()
    given = {
        "1d": series[:, 0],
        "2d": series,
        "frame": pd.DataFrame({"value": series[:, 0]}),
        "series": as_series(series),
    }[form]
    np.testing.assert_allclose(fitted.decision_function(given), fitted.decision_function(series))


def test_missing_values_and_gaps(fitted):
    series = odd()
    series[100] = np.nan
    series[300:340] = np.nan  # longer than a window
    scores = fitted.decision_function(series)
    assert np.isnan(scores[100])
    assert np.isnan(scores[300:340]).all()
    assert np.isfinite(np.delete(scores, np.r_[100, 300:340])).all()
    assert not fitted.predict(series)[300:340].any()
    times = pd.date_range("2024", periods=1_500, freq="min").to_series()
    times.iloc[800:] += pd.Timedelta("1h")
    with_gap = Series(odd(), times=pd.DatetimeIndex(times))
    assert len(with_gap.gaps) == 1
    assert np.isfinite(fitted.decision_function(with_gap)).all()


@pytest.mark.slow
def test_fit_on_a_contaminated_part():
    series = normal(3_000)
    series[500:530] += 6.0
    detector = Detector(**QUICK, contamination=0.05).fit(series)
    assert any("set aside" in note for note in detector.notes_)
    assert detector.predict(series)[500:530].mean() > 0.8
    # its own training part: the threshold knows all rows but the odd ones, as the finished model scores them
    assert detector.calibration_["rows"] == 3_000 and not detector.calibration_["held_back"]
    p_values = detector.p_values(detector.decision_function(series))
    assert (p_values[500:530] < 0.01).mean() > 0.8
    assert (np.delete(p_values, np.r_[450:580]) < 0.001).mean() < 0.01
    assert sum("looked anomalous themselves" in note for note in detector.notes_) <= 2


@pytest.mark.slow
def test_scaler_and_weights_see_the_training_rows_alone():
    series = normal(1_500)
    later = series.copy()
    later[int(1_500 * 0.8) :] *= 50.0  # calibration rows
    one, two = (Detector(**QUICK, refit=False).fit(rows) for rows in (series, later))
    assert one.scaler_.to_dict() == two.scaler_.to_dict()
    np.testing.assert_allclose(one.decision_function(series), two.decision_function(series), rtol=1e-4)


def test_a_short_training_part_is_used_whole_and_says_so():
    detector = Detector(**QUICK).fit(normal(200))
    assert not detector.calibration_["held_back"]
    assert "shorter than 20 windows" in detector.notes_[0]


@pytest.mark.slow
def test_seed_decides():
    def scores(seed):
        return Detector(**QUICK, hold_back=0.0, seed=seed).fit(normal()).decision_function(odd())

    np.testing.assert_array_equal(scores(0), scores(0))
    assert np.any(scores(0) != scores(1))


def test_scikit_learn_parameters_and_clone(fitted):
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "model_")
    assert copied.set_params(latent_dim=5).settings()["latent_dim"] == 5
    for preset in PRESETS:
        assert Detector(preset).settings()["steps"] == PRESETS[preset]["steps"]


@pytest.mark.slow
@pytest.mark.parametrize("score", ["nll", "elbo", "latent", "error+latent"])
def test_other_scores_find_it_as_well(score):
    detector = Detector(**QUICK, kind=score, samples=4).fit(normal())
    assert 680 < np.argmax(detector.decision_function(odd())) < 740


@pytest.mark.slow
def test_period_is_found():
    assert Detector(steps=1, units=2, latent_dim=2).fit(normal(3_000)).timesteps_ % 24 == 0


# -- saved form ----------------------------------------------------------------------------------------------------

FRESH = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
from vaehelpers import Detector
np.save(sys.argv[3], Detector.load(sys.argv[1]).decision_function(np.load(sys.argv[2])))
"""


@pytest.fixture
def folder(fitted, tmp_path):
    return fitted.save(tmp_path / "saved")


@pytest.mark.slow
def test_a_fresh_process_scores_the_same(fitted, folder, tmp_path):
    np.save(tmp_path / "in.npy", odd())
    subprocess.run(
        [sys.executable, "-c", FRESH, str(folder), str(tmp_path / "in.npy"), str(tmp_path / "out.npy")], check=True
    )
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), fitted.decision_function(odd()), rtol=1e-5)
    loaded = Detector.load(folder)
    assert loaded.threshold_.threshold_ == fitted.threshold_.threshold_
    assert loaded.get_params()["latent_dim"] == 3
    assert loaded.explain(odd()).events.equals(fitted.explain(odd()).events)
    pd.testing.assert_frame_equal(loaded.history_, fitted.history_, check_dtype=False)


def test_normalised_layers_are_saved_as_well(tmp_path):
    detector = Detector(**QUICK, encoder="dense", decoder="dense", layer_norm=True).fit(normal())
    assert len(detector.model_.decoder.norms) == 1
    loaded = Detector.load(detector.save(tmp_path / "saved"))
    assert loaded.settings_["layer_norm"]
    np.testing.assert_allclose(loaded.decision_function(odd()), detector.decision_function(odd()), rtol=1e-6)


def test_saved_twice_and_saved_over(fitted, folder):
    with pytest.raises(InputError, match="exists already"):
        fitted.save(folder)
    fitted.save(folder, force=True)
    assert sorted(path.name for path in folder.iterdir()) == ["detector.json", "model.keras"]
    assert [path.name for path in folder.parent.iterdir()] == ["saved"]


def change(folder, **values):
    path = folder / "detector.json"
    info = json.loads(path.read_text())
    for key, value in values.items():
        info[key] = {**info[key], **value} if isinstance(value, dict) else value
    sign(folder, info)


def sign(folder, info=None):
    """Write a checksum that fits: it notices damage, not malice, so that every leaf is checked as well."""
    path = folder / "detector.json"
    info = json.loads(path.read_text()) if info is None else info
    info["checksum"] = saved._checksum(info, folder / "model.keras")
    path.write_text(json.dumps(info))


def test_a_changed_number_is_noticed(folder):
    path = folder / "detector.json"
    text = path.read_text()
    assert '"clip": 8.0' in text
    path.write_text(text.replace('"clip": 8.0', '"clip": 9.0'))
    with pytest.raises(InputError, match="was changed by hand"):
        Detector.load(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.rmtree(f), "is no folder"),
        (lambda f: (f / "detector.json").unlink(), "holds no detector.json"),
        (lambda f: (f / "model.keras").unlink(), "holds no model.keras"),
        (lambda f: (f / "detector.json").write_text("{"), "detector.json is damaged"),
        (lambda f: (f / "detector.json").write_text("[]"), "detector.json is damaged"),
        (lambda f: (f / "model.keras").write_bytes(b"PK"), "its checksum differs"),
        (lambda f: change(f, format=99), "has format 99 and this version of vaehelpers reads up to 2"),
        (lambda f: change(f, format="1"), "damaged"),
        (lambda f: change(f, timesteps=25), "does not fit"),
        (lambda f: change(f, n_features=2), "damaged|does not fit"),
        (lambda f: change(f, settings={"encoder": "__import__('os').system('true')"}), "encoder=.* is unknown"),
        (lambda f: change(f, settings={"units": "os"}), "units='os'"),
        (lambda f: change(f, settings={"surprise": 1}), "surprise"),
        (lambda f: change(f, threshold={"name": "os.system"}), "damaged"),
        (lambda f: change(f, scaler={"mean": ["x"]}), "damaged"),
    ],
)
def test_a_damaged_or_changed_folder_is_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        Detector.load(folder)


def test_nothing_in_the_weights_file_can_run(folder, tmp_path):
    """The architecture in model.keras is not even read: only numbers are."""
    import zipfile

    weights = folder / "model.keras"
    parts = {}
    with zipfile.ZipFile(weights) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    witness = tmp_path / "ran"
    planted = {"module": "subprocess", "class_name": "run", "config": {"args": ["touch", str(witness)]}}
    parts["config.json"] = json.dumps(planted).encode()
    with zipfile.ZipFile(weights, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    sign(folder)
    Detector.load(folder)
    assert not witness.exists()
    getattr(importlib.import_module(planted["module"]), planted["class_name"])(**planted["config"], check=True)
    assert witness.exists(), "a reader who followed what was planted would have left the witness"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "best"}, "preset='best' is unknown; choose one of fast, accurate"),
        ({"timesteps": 2_000}, "timesteps=2000 is longer than the training part"),
        ({"timesteps": 1}, "timesteps=1 must be a whole number of at least 2"),
        ({"steps": 0}, "steps=0"),
        ({"latent_dim": 2.5}, "latent_dim=2.5"),
        ({"encoder": "x"}, "encoder='x' is unknown; choose one of lstm"),
        ({"likelihood": "x"}, "likelihood='x' is unknown; choose one of " + ", ".join(LIKELIHOODS)),
        ({"kind": "x"}, "kind='x' is unknown; choose one of error"),
        ({"threshold": "x"}, "threshold='x' is unknown"),
        ({"false_alarm_rate": 2.0}, "false_alarm_rate=2.0 must be a number between"),
        ({"hold_back": -1}, "hold_back=-1"),
        ({"units": ()}, r"units=\(\)"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(InputError, match=message):
        Detector(**{**QUICK, **options}).fit(normal())


def test_bad_series(fitted, fitted_three):
    with pytest.raises(InputError, match="not fitted"):
        Detector().predict(normal())
    with pytest.raises(InputError, match="has 1 variables \\(value\\); this detector was fitted on 3"):
        fitted_three.decision_function(normal())
    with pytest.raises(InputError, match="10 rows are fewer than one window"):
        fitted.decision_function(normal(10))
    with pytest.raises(InputError, match="infinite"):
        fitted.decision_function(np.r_[normal()[:, 0], np.inf])
    with pytest.raises(InputError):
        Detector(**QUICK).fit(np.full(1_500, np.nan))
    with pytest.raises(InputError):
        Detector(**QUICK).fit(np.array(["a"] * 100))


@pytest.mark.slow
def test_refit_learns_from_the_held_back_rows_and_leaves_the_threshold():
    rows = normal(2_000)
    once = Detector(**{**QUICK, "steps": 40}, patience=40, refit=False).fit(rows)
    twice = Detector(**{**QUICK, "steps": 80}, patience=40).fit(rows)
    assert twice.training_["refit_step"] == 40
    assert twice.training_["steps"] == 80
    np.testing.assert_array_equal(twice.calibration_scores_, once.calibration_scores_)
    assert twice.threshold_.threshold_ == once.threshold_.threshold_
    # a shape that only the held-back rows hold is learned by the refit alone
    changed = np.concatenate([rows[:1_400], rows[:1_200:2]])  # twice as fast
    options = {**QUICK, "steps": 600, "latent_dim": 6}
    scored = [
        np.median(Detector(**options, refit=refit).fit(changed).decision_function(changed)[1_500:])
        for refit in (False, True)
    ]
    assert scored[1] < 0.2 * scored[0]


@pytest.mark.slow
def test_what_the_encoder_reads_is_cut_and_what_it_is_held_against_is_not():
    rows = normal()
    detector = Detector(**{**QUICK, "smooth": 1}).fit(rows)
    spikes = []
    for size in (20.0, 200.0):
        spiked = rows.copy()
        spiked[700] = size
        spikes.append(detector.decision_function(spiked).max())
    assert 50 < spikes[1] / spikes[0] < 150


# -- the face that scikit-learn knows ------------------------------------------------------------------------------


def test_the_declared_names_are_those_of_the_model():
    from vaehelpers.detectors import settings
    from vaehelpers.model import decoders, encoders, scores

    assert list(settings.ENCODERS) == list(encoders.ENCODERS)
    assert list(settings.DECODERS) == list(decoders.DECODERS)
    assert list(settings.SCORES) == list(scores.SCORES)
    assert set(settings.LIKELIHOODS) <= set(LIKELIHOODS)


def test_signature_docstring_and_presets_say_the_defaults_that_hold():
    signature = inspect.signature(Detector)
    assert next(iter(signature.parameters)) == "preset"
    assert signature.parameters["units"].default == (128, 128)
    plain = Detector()
    for name, one in DETECTOR_PARAMETERS.items():
        assert signature.parameters[name].default == one.default == getattr(plain, name)
        said = re.search(rf"^    {name} : .*?default (.+)$", Detector.__doc__, re.MULTILINE)
        if said:
            assert ast.literal_eval(said[1]) == one.default, name
        else:
            assert one.default is None or name in ("linear_path", "patch"), name
    assert Detector("accurate").units == PRESETS["accurate"]["units"]
    assert Detector("accurate", units=3).units == 3
    assert clone(Detector("accurate", units=3)).get_params() == Detector("accurate", units=3).get_params()
    assert Detector().set_params(preset="accurate").steps == PRESETS["accurate"]["steps"]
    with pytest.raises(TypeError, match="did you mean 'units'"):
        Detector(unit=3)


def test_unfitted_is_an_error_of_both_kinds():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        Detector().decision_function(normal())
    with pytest.raises(InputError, match="not fitted"):
        Detector().decision_function(normal())


@pytest.mark.slow
def test_columns_are_put_in_order_by_name(fitted_three):
    rows = pd.DataFrame(normal(1_500, 3), columns=["flow", "level", "power"])
    detector = Detector(**{**QUICK, "steps": 2}).fit(rows)
    assert detector.feature_names_in_.tolist() == ["flow", "level", "power"]
    expected = detector.decision_function(rows)
    np.testing.assert_array_equal(detector.decision_function(rows[["power", "flow", "level"]]), expected)
    np.testing.assert_array_equal(detector.decision_function(rows.to_numpy()), expected)
    with pytest.raises(InputError, match="the series has heat, and this detector was fitted on 3"):
        detector.decision_function(rows.rename(columns={"flow": "heat"}))
    assert not hasattr(fitted_three, "feature_names_in_")


@pytest.mark.slow
def test_score_samples_fit_predict_and_search(fitted):
    rows = odd()
    np.testing.assert_array_equal(fitted.score_samples(rows), -fitted.decision_function(rows))
    small = Detector(**{**QUICK, "steps": 2})
    np.testing.assert_array_equal(small.fit_predict(rows), small.predict(rows))
    with pytest.raises(InputError, match=r"scoring=vaehelpers\.detectors\.vus_pr_scorer"):
        fitted.score(rows)
    labels = (np.arange(len(rows)) // 40 == 17).astype(int)
    assert 0 < vus_pr_scorer(fitted, rows, labels) <= 1


def test_the_name_says_what_ran(fitted):
    assert Detector().model_name == "dense VAE"
    assert Detector(encoder="lstm", decoder="repeat").model_name == "LSTM-VAE"
    assert Detector(encoder="gru", decoder="dense").model_name == "GRU-to-dense VAE"
