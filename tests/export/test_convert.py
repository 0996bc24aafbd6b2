"""TFLite = Keras, for every depth, both inputs and every quantisation."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.tagging.interpreter import TFLiteModel, interpreter_class
from aec_ofa_tf.tagging.model_file import read_bundle
from pipelines.benchmarks.front_end_error import cut_after_front_end
from tests.export.graphs import open_graph, operator_details, operators
from tests.exported import FRAMES, make_waveforms, median_labels


def _output_types(path):
    interpreter = open_graph(path)
    tensors = {t["index"]: t for t in interpreter.get_tensor_details()}
    return [
        (op["op_name"], tensors[i]["name"], tensors[i]["dtype"])
        for op in operator_details(interpreter)
        for i in op["outputs"]
    ]


def _assert_near_in_db(received, expected):
    """Within 1e-3 dB where the clip is loud, 0.5 dB in bins over 60 dB below its maximum."""
    assert np.isfinite(received).all()
    error = np.abs(received - expected)
    loud = expected > expected.max(axis=(-2, -1), keepdims=True) - 60
    assert error[loud].max() < 1e-3
    assert error.max() < 0.5


def test_log_mel_in_float32_computes_what_keras_computes(exported, waveforms, spec):
    clips = log_mel(tf.constant(waveforms)).numpy()
    expected = exported.models[spec](clips, training=False).numpy()
    received = TFLiteModel(exported.path(spec, "log_mel")).batch_scores(clips)
    # Constant scores would agree whatever the file computes.
    assert np.median(np.ptp(expected, axis=0)) > 0.05
    np.testing.assert_allclose(received, expected, atol=1e-4, rtol=0)
    assert exported.conversions[spec, "log_mel", "float32"].max_abs_error <= 1e-4


@pytest.mark.parametrize("size", ["smallest", "largest"])
def test_waveform_in_float32_computes_what_keras_computes(exported, waveforms, size, request):
    spec = request.getfixturevalue(size)
    expected = exported.models[spec](log_mel(tf.constant(waveforms)), training=False).numpy()
    received = TFLiteModel(exported.path(spec, "waveform")).batch_scores(waveforms)
    np.testing.assert_allclose(received, expected, atol=1e-4, rtol=0)


def test_logits_agree_relative_to_the_largest(exported, waveforms):
    clips = log_mel(tf.constant(waveforms)).numpy()
    expected = exported.models["logits"](clips, training=False).numpy()
    received = TFLiteModel(exported.path("logits", "log_mel")).batch_scores(clips)
    bound = 1e-4 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(received, expected, atol=bound, rtol=0)


def test_batch_norms_fold_and_shapes_are_static(exported, spec):
    names = operators(exported.path(spec, "log_mel"))
    convolutions = sum(2 if "x2" in block or "+" in block else 1 for block in spec.split("-"))
    assert names.count("CONV_2D") == convolutions
    # Input norm: one of each; the other addition joins the two global pools.
    assert (names.count("MUL"), names.count("ADD")) == (1, 2)
    assert set(names) <= {
        *("MUL", "ADD", "RESHAPE", "CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"),
        *("FULLY_CONNECTED", "LOGISTIC"),
    }


def test_files_hold_built_in_operators_only(exported):
    for path in exported.folder.glob("*.tflite"):
        names = set(operators(path))
        assert not {n for n in names if n.startswith("Flex") or n == "CUSTOM"}, path
        assert not names & {"SHAPE", "PACK", "WHILE", "IF"}, path


def test_front_end_file_computes_log_mel(exported, waveforms):
    front_end = TFLiteModel(exported.folder / "front_end.tflite")
    received = front_end.batch_scores(waveforms)
    _assert_near_in_db(received, log_mel(tf.constant(waveforms)).numpy())
    np.testing.assert_allclose(received[-1], -100.0, atol=1e-3)


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_the_front_end_inside_stays_in_float(exported, largest, waveforms, quantization):
    content, _ = read_bundle(exported.path(largest, "waveform", quantization))
    # Kept tensors would not do: tflite-runtime computes the input norm in place.
    interpreter = interpreter_class()(model_content=cut_after_front_end(content, "waveform"))
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    received = []
    for clip in waveforms:
        interpreter.set_tensor(taken["index"], clip[None])
        interpreter.invoke()
        received.append(interpreter.get_tensor(given["index"]).reshape(FRAMES, -1))
    _assert_near_in_db(np.array(received), log_mel(tf.constant(waveforms)).numpy())
    # The last clip is digital silence.
    np.testing.assert_allclose(received[-1], -100.0, atol=1e-3)


@pytest.mark.parametrize("form", ["log_mel", "waveform"])
def test_int8_computes_the_network_in_integers(exported, largest, form):
    outputs = _output_types(exported.path(largest, form, "int8"))
    body = [(op, dtype) for op, name, dtype in outputs if not name.startswith("front_end/")]
    assert body[-1] == ("DEQUANTIZE", np.float32)
    assert {dtype for _, dtype in body[:-1]} == {np.int8}
    assert [op for op, _ in body].count("CONV_2D") == 8


@pytest.mark.parametrize("form", ["log_mel", "waveform"])
def test_int8_scores_are_close(exported, largest, waveforms, form):
    clips = log_mel(tf.constant(waveforms)).numpy()
    expected = exported.models[largest](clips, training=False).numpy()
    model = TFLiteModel(exported.path(largest, form, "int8"))
    error = np.abs(model.batch_scores(waveforms if form == "waveform" else clips) - expected)
    assert error.max() < 0.1
    assert error.mean() < 0.03
    reported = exported.conversions[largest, form, "int8"].max_abs_error
    assert 0 < reported < 0.1


@pytest.mark.parametrize(("quantization", "bound"), [("float16", 1e-2), ("dynamic", 0.05)])
def test_other_quantisations_are_close(exported, largest, quantization, bound):
    conversion = exported.conversions[largest, "log_mel", quantization]
    assert 0 < conversion.max_abs_error < bound
    assert conversion.bytes < exported.conversions[largest, "log_mel", "float32"].bytes


def test_a_conversion_describes_its_file(exported):
    for (spec, form, quantization), conversion in exported.conversions.items():
        path = exported.path(spec, form, quantization)
        info = TFLiteModel(path).info
        assert (info.subnet, info.input, info.quantization) == (spec, form, quantization)
        assert (conversion.input, conversion.quantization) == (form, quantization)
        assert conversion.bytes == path.stat().st_size


@pytest.mark.parametrize("quantization", ["float32", "dynamic", "int8"])
def test_a_conversion_reports_the_drop_in_map_on_the_parity_clips(exported, largest, quantization):
    clips = log_mel(tf.constant(make_waveforms(16, seed=1))).numpy()
    labels = median_labels(exported.models[largest], clips)
    received = TFLiteModel(exported.path(largest, "log_mel", quantization)).batch_scores(clips)
    expected = 1.0 - average_precision_score(labels, received, average="macro")

    conversion = exported.conversions[largest, "log_mel", quantization]
    assert conversion.figure == "mAP"
    assert conversion.parity_drop == pytest.approx(expected, abs=1e-6)
    assert (conversion.parity_drop > 0) == (quantization != "float32")
