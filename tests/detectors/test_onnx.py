"""The portable form scores as the detector does, starts without TensorFlow, and refuses what it cannot carry."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from vaehelpers.common import InputError
from vaehelpers.data import Series
from vaehelpers.detectors import Detector, OnnxScorer

pytestmark = pytest.mark.slow  # fits detectors

QUICK = {"timesteps": 30, "latent_dim": 3, "units": 6, "steps": 20, "batch_size": 16, "smooth": 7}
LSTM = {"encoder": "lstm", "decoder": "repeat"}


def normal(n=1_100, features=1, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.arange(n)[:, None]
    values = np.sin(2 * np.pi * rows / 29 + np.arange(features)) + 0.1 * rng.normal(size=(n, features))
    return values.astype(np.float32)


def odd(features=1, holes=False):
    """Normal rows with a shift and a spike beyond the cut, and holes in single variables and in whole rows."""
    values = normal(900, features, seed=1)
    values[500:530] += 12.0
    values[700] = 400.0
    if holes:
        values[100:110, 0] = np.nan
        values[300:303] = np.nan
        values[620:625, -1] = np.nan
    return values


def export(detector, folder):
    pytest.importorskip("onnx", reason="needs the extra vaehelpers[onnx]")
    pytest.importorskip("onnxruntime", reason="needs the extra vaehelpers[onnx]")
    return OnnxScorer(detector.export(folder / "detector.onnx"))


def assert_alike(detector, scorer, series):
    expected, found = detector.decision_function(series), scorer.decision_function(series)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.nanmax(expected) > 100 * np.nanmedian(expected)  # the odd rows are seen, so equal scores say something
    np.testing.assert_array_equal(scorer.predict(series), detector.predict(series))


@pytest.fixture(scope="module")
def fitted():
    return Detector(**QUICK, **LSTM).fit(normal())


@pytest.fixture(scope="module")
def scorer(fitted, tmp_path_factory):
    return export(fitted, tmp_path_factory.mktemp("onnx"))


@pytest.mark.parametrize(
    ("features", "settings"),
    [
        (1, {"encoder": "lstm", "decoder": "repeat", "units": (6, 4), "patch": 8}),
        (2, {"encoder": "bilstm", "decoder": "state", "units": (6, 4), "patch": 7, "kind": "window_error+error"}),
        (2, {"encoder": "gru", "decoder": "repeat+state", "linear_path": False, "aggregate": "max"}),
        (1, {"encoder": "conv", "decoder": "dense", "kind": "error", "aggregate": "median"}),
        (2, {"encoder": "dense", "decoder": "dense", "likelihood": "gaussian-learned", "patch": 4}),
        (2, {"encoder": "lstm", "decoder": "unfold", "patch": 7, "units": (6, 4)}),
        (2, {"encoder": "mixed", "decoder": "mixed", "likelihood": "gaussian-learned"}),
        (1, {"encoder": "lstm", "decoder": "repeat", "likelihood": "gaussian-learned", "patch": 4}),
        (1, {"encoder": "dense", "decoder": "dense", "layer_norm": True, "units": (6, 4)}),
        (2, {"encoder": "mixed", "decoder": "mixed", "layer_norm": True}),
        (1, {"encoder": "lstm", "decoder": "unfold", "layer_norm": True, "patch": 7}),
        (2, {"encoder": "lstm", "decoder": "repeat", "layer_norm": True, "patch": 4}),
        (1, {"encoder": "gru", "decoder": "repeat+state", "layer_norm": True, "patch": 4, "units": (6, 4)}),
    ],
    ids=lambda value: "-".join(map(str, list(value.values())[:2])) if isinstance(value, dict) else str(value),
)
def test_scores_agree_for_every_block(features, settings, tmp_path):
    detector = Detector(**{**QUICK, **settings}).fit(normal(features=features))
    assert_alike(detector, export(detector, tmp_path), odd(features))


@pytest.mark.parametrize("settings", [{"imputations": 5, "max_missing": 0.9}, {"imputations": 0, "kind": "error"}])
def test_scores_agree_with_missing_values(settings, tmp_path):
    detector = Detector(**QUICK, **LSTM, **settings).fit(normal(features=2))
    series = odd(2, holes=True)
    assert np.isnan(series).any()
    assert_alike(detector, export(detector, tmp_path), series)


def test_scores_agree_across_gaps_and_for_tables(fitted, scorer):
    times = pd.date_range("2024-03-01", periods=900, freq="5min").to_numpy().copy()
    times[400:] += np.timedelta64(2, "h")
    series = Series(odd(), times=pd.DatetimeIndex(times))
    assert len(series.gaps) == 1
    assert_alike(fitted, scorer, series)
    table = pd.DataFrame({"value": odd()[:, 0]})
    np.testing.assert_array_equal(scorer.decision_function(table), scorer.decision_function(odd()[:, 0]))


def test_columns_are_found_by_name(tmp_path):
    detector = Detector(**{**QUICK, "steps": 2}).fit(pd.DataFrame(normal(features=2), columns=["flow", "heat"]))
    scorer = export(detector, tmp_path)
    turned = pd.DataFrame(odd(2)[:, ::-1], columns=["heat", "flow"])
    np.testing.assert_array_equal(scorer.decision_function(turned), scorer.decision_function(odd(2)))
    with pytest.raises(InputError, match="the series has wind, and this detector was fitted on 2"):
        scorer.decision_function(turned.rename(columns={"heat": "wind"}))


def test_rows_are_flagged_as_by_the_detector_with_a_promise_and_without(tmp_path):
    """Incidents where the calibration is long enough for the promise, the plain threshold where it is not."""
    promising = Detector(**{**QUICK, "timesteps": 16, "false_alarms": 20.0}).fit(normal(6_000))
    short = Detector(**QUICK, hold_back=0.0).fit(normal(300))
    for detector, status in ((promising, True), (short, False)):
        line = detector.alarm_line_
        assert (line is not None and line.status != "no promise") is status
        found = export(detector, tmp_path).predict(odd())
        np.testing.assert_array_equal(found, detector.predict(odd()))
        assert found[500:530].any()


def test_scores_depend_on_neither_threads_nor_batches(fitted, scorer, tmp_path):
    path = fitted.export(tmp_path / "again.onnx")
    for options in ({"threads": 1, "batch_size": 7}, {"threads": 3, "batch_size": 64}):
        other = OnnxScorer(path, **options)
        np.testing.assert_allclose(other.decision_function(odd()), scorer.decision_function(odd()), rtol=1e-6)


def test_openvino_scores_alike(fitted, scorer, tmp_path):
    pytest.importorskip("openvino", reason="needs the extra vaehelpers[openvino]")
    other = OnnxScorer(fitted.export(tmp_path / "again.onnx"), engine="openvino")
    assert_alike(fitted, other, odd(holes=True))


def test_graph_has_one_lstm_node_for_each_layer(fitted, scorer, tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(fitted.export(tmp_path / "graph.onnx"))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("LSTM") == 2
    assert not {"Loop", "Scan", "If"} & set(kinds)
    assert [one.name for one in model.graph.input] == ["windows", "target", "noise"]
    assert [one.name for one in model.graph.output] == ["reconstruction", "window_error"]


def test_reconstruction_agrees_with_the_model(fitted, scorer):
    windows = np.random.default_rng(0).normal(size=(5, 30, 1)).astype(np.float32)
    expected = np.asarray(fitted.model_(windows))
    assert expected.std() > 0.1
    np.testing.assert_allclose(scorer.reconstruct(windows), expected, atol=1e-5)
    with pytest.raises(InputError, match=r"windows have shape \(5, 29, 1\); this model reads \(batch, 30, 1\)"):
        scorer.reconstruct(windows[:, 1:])


def test_scorer_needs_no_tensorflow(scorer, fitted, tmp_path):
    path = fitted.export(tmp_path / "alone.onnx")
    np.save(tmp_path / "odd.npy", odd())
    code = (
        "import sys, json, numpy as np\n"
        "from vaehelpers.detectors import OnnxScorer\n"
        f"scores = OnnxScorer({str(path)!r}).decision_function(np.load({str(tmp_path / 'odd.npy')!r}))\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'scipy', 'sklearn', 'onnx'} & set(sys.modules)\n"
        "print(json.dumps([sorted(heavy), float(scores.max())]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy, highest = json.loads(answer)
    assert heavy == []
    assert highest == pytest.approx(fitted.decision_function(odd()).max(), rel=1e-5)


def test_what_cannot_be_exported_is_refused(fitted, tmp_path):
    with pytest.raises(InputError, match=r"does not end in \.onnx"):
        fitted.export(tmp_path / "detector.bin")
    pytest.importorskip("onnx", reason="needs the extra vaehelpers[onnx]")
    feedback = Detector(**{**QUICK, "decoder": "feedback", "encoder": "lstm"}).fit(normal())
    with pytest.raises(InputError, match="FeedbackDecoder has no ONNX form"):
        feedback.export(tmp_path / "feedback.onnx")
    assert not (tmp_path / "feedback.onnx").exists()
    sampled = Detector(**QUICK, kind="window_error+probability", samples=2).fit(normal())
    with pytest.raises(InputError, match="'probability' has no ONNX form"):
        sampled.export(tmp_path / "sampled.onnx")


def test_what_is_no_export_is_refused(fitted, scorer, tmp_path):
    onnx = pytest.importorskip("onnx")
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    with pytest.raises(InputError, match="cannot be read as an ONNX model"):
        OnnxScorer(text)
    path = fitted.export(tmp_path / "whole.onnx")
    model = onnx.load(path)
    info = json.loads(model.metadata_props[0].value)

    def changed(text):
        onnx.helper.set_model_props(model, text)
        (tmp_path / "changed.onnx").write_bytes(model.SerializeToString())
        return tmp_path / "changed.onnx"

    with pytest.raises(InputError, match=r"none that Detector\.export wrote"):
        OnnxScorer(changed({"other": "x"}))
    with pytest.raises(InputError, match="has format 99"):
        OnnxScorer(changed({"vaehelpers": json.dumps({**info, "format": 99})}))
    with pytest.raises(InputError, match="are damaged"):
        OnnxScorer(changed({"vaehelpers": json.dumps({**info, "scaler": 5})}))


def test_series_that_do_not_fit_are_refused(scorer):
    with pytest.raises(InputError, match=r"has shape \(50, 2\); this detector was fitted on 1 \(value\)"):
        scorer.decision_function(np.zeros((50, 2)))
    with pytest.raises(InputError, match="10 rows are fewer than one window"):
        scorer.decision_function(np.zeros(10))
    with pytest.raises(InputError, match="infinite or beyond"):
        scorer.decision_function(np.full(50, np.inf))
    with pytest.raises(InputError, match="nothing can be scored"):
        scorer.decision_function(np.full(50, np.nan))


def test_missing_package_is_named_with_its_extra(fitted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"the package onnx is missing; .*vaehelpers\[onnx\]"):
        fitted.export(tmp_path / "detector.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "some.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"the package openvino is missing; .*vaehelpers\[openvino\]"):
        OnnxScorer(tmp_path / "some.onnx", engine="openvino")
    with pytest.raises(InputError, match="engine='abacus' is unknown; choose one of onnxruntime, openvino"):
        OnnxScorer(tmp_path / "some.onnx", engine="abacus")
    with pytest.raises(InputError, match=r"the package onnxruntime is missing; .*vaehelpers\[onnx\]"):
        OnnxScorer(tmp_path / "some.onnx")
