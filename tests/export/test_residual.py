"""A depthwise-separable residual softmax network goes through every export like CNN10."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.fine_tune import TuningData, fine_tune
from aec_ofa_tf.export.request import ConversionRequest, FineTuning
from aec_ofa_tf.export.rounding import round_first_convolution
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.model_file import read_info
from aec_ofa_tf.tagging.tagger import Tagger
from tests.export.graphs import open_graph, operator_details, operators
from tests.export.residual import build_residual
from tests.exported import FRAMES, LABELS, make_waveforms, randomise

SETTINGS = FineTuning(steps=10, learning_rate=3e-4, batch_size=8, seed=3)
KINDS = [
    ("log_mel", "float32"),
    ("log_mel", "float16"),
    ("log_mel", "int8"),
    ("log_mel", "int8_qat"),
    ("waveform", "float32"),
    ("waveform", "int8"),
    ("waveform", "int8_qat"),
]
BUILT_IN = {
    *("MUL", "ADD", "RESHAPE", "CONV_2D", "DEPTHWISE_CONV_2D", "HARD_SWISH", "MEAN", "LOGISTIC"),
    *("PAD", "AVERAGE_POOL_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"),
    *("QUANTIZE", "DEQUANTIZE"),
}


@pytest.fixture(scope="module")
def clips() -> dict[str, np.ndarray]:
    waveforms = make_waveforms(24, seed=1)
    return {"waveform": waveforms, "log_mel": log_mel(tf.constant(waveforms)).numpy()}


@pytest.fixture(scope="module")
def model(clips) -> keras.Model:
    keras.utils.set_random_seed(5)
    model = build_residual((FRAMES, 64), len(LABELS))
    randomise(model, seed=5)
    # Every class should have the highest score of some clips.
    bias, scores = model.get_layer("classifier").bias, model(clips["log_mel"], training=False)
    bias.assign(bias - np.log(scores).mean(0))
    return model


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, model, clips):
    scores = model(clips["log_mel"], training=False).numpy()
    targets = 0.7 * scores + 0.3 / len(LABELS)
    data = TuningData(clips["log_mel"], targets, clips["log_mel"])
    return fine_tune(model, data, SETTINGS, tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def files(tmp_path_factory, model, tuned, clips, info):
    """The conversion of every kind."""
    folder = tmp_path_factory.mktemp("residual")
    card = dataclasses.replace(info, task="single_label", network="Residual", subnet="plain")
    labels = np.eye(len(LABELS), dtype=np.uint8)
    labels = labels[model(clips["log_mel"], training=False).numpy().argmax(1)]
    work = []
    for form, quantization in KINDS:
        is_tuned = quantization == "int8_qat"
        request = ConversionRequest(
            folder / f"{form}-{quantization}.tflite",
            dataclasses.replace(card, input=form, quantization=quantization),
            clips[form],
            representative_clips=clips[form],
            twin=tuned.twin if is_tuned else None,
            parity_labels=labels,
            max_map_drop=0.5,
        )
        work.append((tuned.model if is_tuned else model, request))
    return dict(zip(KINDS, convert_models(work), strict=True))


def test_both_twins_start_where_the_model_is(model, clips, tuned):
    rows = np.random.default_rng(SETTINGS.seed).permutation(24)[:8]
    scores = model(clips["log_mel"][rows], training=False).numpy()
    targets = 0.7 * scores + 0.3 / len(LABELS)
    expected = -np.mean(np.sum(targets * np.log(scores), axis=1))

    assert tuned.losses.float32[0] == pytest.approx(expected, abs=1e-4)
    assert tuned.losses.int8_qat[0] == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_files_agree_with_keras(files, model, tuned, waveforms, kind):
    form, quantization = kind
    network = tuned.model if quantization == "int8_qat" else model
    log_mels = log_mel(tf.constant(waveforms)).numpy()
    expected = network(log_mels, training=False).numpy()
    received = TFLiteModel(files[kind].file).batch_scores(
        waveforms if form == "waveform" else log_mels
    )
    bound = {"float32": 1e-4, "float16": 1e-2}.get(quantization, 0.1)

    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(received, expected, atol=bound)


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_plain_operators_only(files, kind):
    interpreter = open_graph(files[kind].file)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    body = [
        operator["op_name"]
        for operator in operator_details(interpreter)
        if not names[operator["outputs"][0]].startswith("front_end/")
    ]

    assert set(body) <= BUILT_IN
    assert body.count("DEPTHWISE_CONV_2D") == 2
    assert body.count("CONV_2D") == 7
    assert (body.count("MUL"), body.count("ADD")) == (2, 3)
    if "int8" in kind[1]:
        types = {t["index"]: t["dtype"] for t in interpreter.get_tensor_details()}
        assert body.count("QUANTIZE") == body.count("DEQUANTIZE") == 1
        last = operator_details(interpreter)[-2]
        assert types[last["outputs"][0]] == np.int8


@pytest.mark.parametrize("quantization", ["int8", "int8_qat"])
def test_depthwise_kernels_have_a_scale_per_channel(files, quantization):
    interpreter = open_graph(files["log_mel", quantization].file)
    scales = {
        tuple(tensor["shape"]): tensor["quantization_parameters"]
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] == np.int8 and tensor["name"] and len(tensor["shape"]) == 4
    }
    for shape in ((1, 3, 3, 16), (1, 5, 5, 8)):
        assert len(set(scales[shape]["scales"])) == shape[-1]
        assert scales[shape]["quantized_dimension"] == 3
        assert not scales[shape]["zero_points"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_sum_to_one(files, waveforms, kind):
    tagger = Tagger(files[kind].file, fit_length=lambda *_: None)
    long = np.concatenate(waveforms[3:6])
    # Scores of int8 files are multiples of 1 / 256.
    bound = 1e-3 if kind[1].startswith("float") else len(LABELS) / 256

    assert read_info(files[kind].file).task == "single_label"
    for waveform in (waveforms[4], long):
        assert tagger.tag(waveform).sum() == pytest.approx(1.0, abs=bound)


def test_the_gate_is_accuracy(files):
    for conversion in files.values():
        assert conversion.figure == "accuracy"
        assert conversion.parity_drop is not None
    assert files["log_mel", "float32"].parity_drop == 0.0


def test_labels_are_beside_the_files(files):
    (folder,) = {Path(conversion.file).parent for conversion in files.values()}
    assert (folder / "labels.txt").read_text("utf-8").splitlines() == list(LABELS)


def test_the_first_convolution_of_any_size_is_rounded(model, clips):
    rounded = round_first_convolution(model, [clips["log_mel"]])
    kernel, original = (m.get_layer("stem").kernel.numpy() for m in (rounded, model))
    scales = np.abs(original).max((0, 1, 2)) / 127
    steps = kernel / scales

    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    nearest = np.round(original / scales) * scales
    exact, ours, theirs = (
        _stem_outputs(model, k, clips["log_mel"]) for k in (original, kernel, nearest)
    )
    # Variances: the mean goes into the batch norm.
    error, worse = (ours - exact).var(0), (theirs - exact).var(0)
    assert (error <= worse).all()
    assert error.sum() < 0.5 * worse.sum()


def _stem_outputs(model, kernel, clips):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.get_layer("stem").kernel.assign(kernel)
    outputs = keras.Model(copy.input, copy.get_layer("stem").output)(clips, training=False)
    return outputs.numpy().reshape(-1, kernel.shape[-1]).astype(np.float64)


def test_scores_of_another_task_are_refused(model, clips, info, tmp_path):
    request = ConversionRequest(tmp_path / "x.tflite", info, clips["log_mel"])
    with pytest.raises(ValueError, match=r"multi_label model are a sigmoid.*ends with softmax"):
        convert_models([(model, request)])


def test_operators_are_those_of_the_int8_file(files):
    """Training for int8 changes no operator; it may only leave out a reshape."""
    received, expected = (
        [name for name in operators(files["log_mel", kind].file) if name != "RESHAPE"]
        for kind in ("int8_qat", "int8")
    )
    assert sorted(received) == sorted(expected)
