"""A conversion that fails raises an error with the reason and writes no file."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.child import run_child
from aec_ofa_tf.export.convert import convert, convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.tagging.model_file import write_bundle
from tests.exported import make_waveforms, median_labels

SPEC = "4x2-4x1-4x1-4x1"


def _request(info, path, **changes):
    info = dataclasses.replace(info, **changes)
    hops = info.clip_samples // 320
    shape = (2, hops, 64) if info.input == "log_mel" else (2, info.clip_samples)
    clips = np.random.default_rng(0).normal(-40.0, 10.0, shape).astype(np.float32)
    return ConversionRequest(path, info, clips)


def test_an_aborting_child_becomes_an_error_with_the_end_of_its_log(tmp_path):
    code = "import os; print('last words', flush=True); os.abort()"
    with pytest.raises(RuntimeError, match=r"(?s)making x failed.*SIGABRT.*last words"):
        run_child(["-c", code], tmp_path, "making x")


def test_a_refused_operator_leaves_no_file(tmp_path, info):
    clip = keras.Input((info.clip_samples // 320, 64))
    inverse = keras.ops.erfinv(keras.ops.tanh(clip))
    scores = keras.layers.Dense(len(info.labels))(keras.layers.GlobalAveragePooling1D()(inverse))
    model = keras.Model(clip, scores)
    with pytest.raises(RuntimeError, match=r"(?s)converting to odd\.tflite failed.*Erfinv"):
        convert(model, _request(info, tmp_path / "odd.tflite"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_beyond_its_bound_takes_the_others_with_it(tmp_path, info, random_cnn10):
    model = random_cnn10(SPEC)
    # Together these layers change nothing, but float16 ends at 65,504.
    embedding, classifier = model.get_layer("embedding"), model.get_layer("classifier")
    embedding.kernel.assign(embedding.kernel * 1e7)
    classifier.kernel.assign(classifier.kernel * 1e-7)
    requests = [
        _request(info, tmp_path / "good.tflite"),
        _request(info, tmp_path / "bad.tflite", quantization="float16"),
    ]
    with pytest.raises(RuntimeError, match=r"bad\.tflite: scores of the float16 log_mel file"):
        convert_models([(model, request) for request in requests])
    assert list(tmp_path.iterdir()) == []


def test_int8_scales_that_lose_the_ranking_leave_no_file(tmp_path, info, random_cnn10):
    model = random_cnn10(SPEC)
    clips = log_mel(tf.constant(make_waveforms(16, seed=1))).numpy()
    request = ConversionRequest(
        tmp_path / "x.tflite",
        dataclasses.replace(info, quantization="int8"),
        clips,
        # In scales for these levels all real clips are one and the same integer.
        representative_clips=clips * 1e4,
        parity_labels=median_labels(model, clips),
        max_map_drop=0.05,
    )
    message = r"x\.tflite: mAP of the int8 log_mel file is 0\.\d+ below .*bound 0\.05"
    with pytest.raises(RuntimeError, match=message):
        convert(model, request)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parity_labels": np.zeros((3, 5))}, r"\(2, 5\), received \(3, 5\)"),
        ({"max_map_drop": float("nan")}, "from 0 to 1, received nan"),
    ],
)
def test_gates_that_do_not_fit_are_refused(tmp_path, info, random_cnn10, changes, message):
    request = dataclasses.replace(_request(info, tmp_path / "x.tflite"), **changes)
    with pytest.raises(ValueError, match=message):
        convert(random_cnn10(SPEC), request)


def test_without_a_class_that_only_some_clips_have_there_is_no_drop(tmp_path, info, random_cnn10):
    labels = np.ones((2, len(info.labels)), np.uint8)
    request = dataclasses.replace(
        _request(info, tmp_path / "x.tflite", quantization="dynamic"), parity_labels=labels
    )
    assert convert(random_cnn10(SPEC), request).parity_drop is None


@pytest.mark.parametrize("labels", [None, np.ones((2, 5), np.uint8)])
def test_a_bound_that_nothing_could_break_is_refused(tmp_path, info, random_cnn10, labels):
    request = dataclasses.replace(
        _request(info, tmp_path / "x.tflite", quantization="dynamic"),
        parity_labels=labels,
        max_map_drop=0.05,
    )
    with pytest.raises(ValueError, match=r"x\.tflite: .* 2 parity clips do not define it"):
        convert(random_cnn10(SPEC), request)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("one",)}, "1 labels"),
        ({"clip_samples": 32000}, r"\(100, 64\)"),
        ({"clip_samples": 20481}, "multiple of 320"),
        ({"quantization": "int8"}, "representative"),
        ({"input": "waveform", "quantization": "float16"}, "underflows"),
        ({"input": "waveform", "quantization": "dynamic"}, r"would get 8 bits.*0\.55 dB"),
        ({"io_type": "int8"}, "a float32 file with log_mel input cannot have int8"),
        (
            {"io_type": "int8", "quantization": "dynamic"},
            "a dynamic file with log_mel input cannot have int8",
        ),
        ({"io_type": "int8", "quantization": "int8", "input": "waveform"}, "float32 front end"),
    ],
)
def test_invalid_requests_are_refused(tmp_path, info, random_cnn10, changes, message):
    with pytest.raises(ValueError, match=rf"x\.tflite: .*{message}"):
        convert(random_cnn10(SPEC), _request(info, tmp_path / "x.tflite", **changes))


def test_parity_clips_of_another_shape_are_refused(tmp_path, info, random_cnn10):
    request = dataclasses.replace(
        _request(info, tmp_path / "x.tflite"), parity_clips=np.zeros((2, 32, 64), np.float32)
    )
    with pytest.raises(ValueError, match=r"log_mel clip of shape \(64, 64\)"):
        convert(random_cnn10(SPEC), request)


def test_nothing_to_convert_is_an_error():
    with pytest.raises(ValueError, match="no requests"):
        convert_models([])


def test_another_models_front_end_is_not_overwritten(tmp_path, info, random_cnn10):
    other = dataclasses.replace(info, clip_samples=32000, labels=())
    front_end = tmp_path / "front_end.tflite"
    write_bundle(b"a front end", other, front_end)
    before = front_end.read_bytes()
    with pytest.raises(ValueError, match="belongs to another model: its clip_samples is 32000"):
        convert(random_cnn10(SPEC), _request(info, tmp_path / "x.tflite"))
    assert [p.name for p in tmp_path.iterdir()] == ["front_end.tflite"]
    assert front_end.read_bytes() == before


def test_other_labels_in_the_folder_are_not_overwritten(tmp_path, info, random_cnn10):
    (tmp_path / "labels.txt").write_text("Cat\n")
    with pytest.raises(ValueError, match=r"labels\.txt has other labels"):
        convert(random_cnn10(SPEC), _request(info, tmp_path / "x.tflite"))
    assert [p.name for p in tmp_path.iterdir()] == ["labels.txt"]


def test_files_of_one_folder_share_their_labels(tmp_path, info, random_cnn10):
    model = random_cnn10(SPEC)
    other = _request(info, tmp_path / "y.tflite", labels=info.labels[::-1])
    with pytest.raises(
        ValueError, match=r"y\.tflite: files in one folder must have the same labels"
    ):
        convert_models([(model, _request(info, tmp_path / "x.tflite")), (model, other)])
