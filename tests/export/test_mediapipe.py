"""A waveform-in file opens in MediaPipe's AudioClassifier as it is.

MediaPipe is far too heavy for the tests' own environment; `pip install -e '.[test,mediapipe]'`
brings it, as `.ci/run` does.
"""

import dataclasses
import json

import numpy as np
import pytest
import soxr
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS, front_end
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.audio.resamplers import MEDIAPIPE
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.robustness.conditions import Resampled
from aec_ofa_tf.tagging.model_file import read_bundle
from tests.exported import LABELS

pytest.importorskip("mediapipe", reason="needs the extra mediapipe")

from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import audio
from mediapipe.tasks.python.components import containers
from mediapipe.tasks.python.metadata import metadata as mediapipe_metadata


def classify(path, samples, rate_hz=PANNS.sample_rate_hz):
    """One dictionary from label to score per window."""
    options = audio.AudioClassifierOptions(tasks.BaseOptions(model_asset_path=str(path)))
    with audio.AudioClassifier.create_from_options(options) as classifier:
        results = classifier.classify(containers.AudioData.create_from_array(samples, rate_hz))
    return [
        {
            category.category_name: category.score
            for category in result.classifications[0].categories
        }
        for result in results
    ]


def tflite_scores(path, clip):
    """By TensorFlow's own interpreter: tflite-runtime 2.14's int8 kernels round otherwise."""
    interpreter = tf.lite.Interpreter(model_content=read_bundle(path)[0])
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], clip[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


@pytest.mark.parametrize(("quantization", "bound"), [("float32", 1e-5), ("int8", 1 / 256 + 1e-6)])
def test_audio_classifier_gives_our_labels_and_scores(
    exported, largest, waveforms, quantization, bound
):
    path = exported.path(largest, "waveform", quantization)
    for clip in (waveforms[3], waveforms[-1]):  # the last is digital silence
        (scores,) = classify(path, clip)
        assert scores.keys() == set(LABELS)
        received = [scores[label] for label in LABELS]
        np.testing.assert_allclose(received, tflite_scores(path, clip), atol=bound, rtol=0)


@pytest.mark.parametrize(("quantization", "bound"), [("float32", 1e-5), ("int8", 1 / 256 + 1e-6)])
def test_audio_classifier_takes_a_mobilenet(tmp_path, info, waveforms, quantization, bound):
    features = front_end("efficientat_32k", mel_bins=40)
    network = mobilenet_space("mn01").network(
        len(LABELS), log_mel(waveforms[:1], features).shape[1], 40, task="multi_label"
    )
    model = build_plain(mobilenet_space("mn01").largest, network)
    path = tmp_path / "mn01.tflite"
    card = dataclasses.replace(
        info, front_end=features, input="waveform", quantization=quantization, network="MobileNet"
    )
    clips = waveforms if quantization == "int8" else None
    convert_models([(model, ConversionRequest(path, card, waveforms, clips))])

    (scores,) = classify(path, waveforms[3])
    received = [scores[label] for label in LABELS]
    np.testing.assert_allclose(received, tflite_scores(path, waveforms[3]), atol=bound, rtol=0)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_our_copy_of_mediapipe_s_resampler_gives_its_scores(exported, largest, waveforms, rate_hz):
    """So `evaluate --robustness` tells what a phone will do, without MediaPipe."""
    path = exported.path(largest, "waveform")
    for clip in (waveforms[1], waveforms[5]):
        recorded = soxr.resample(clip, PANNS.sample_rate_hz, rate_hz, quality="HQ")
        scores = classify(path, recorded, rate_hz)[0]
        received = np.array([scores[label] for label in LABELS])
        changed = Resampled(rate_hz, MEDIAPIPE)(clip, PANNS.sample_rate_hz, b"")

        np.testing.assert_allclose(received, tflite_scores(path, changed), atol=0.01, rtol=0)
        if rate_hz < 22050:  # the change itself is much greater
            assert np.abs(received - tflite_scores(path, clip)).max() > 0.03


def test_audio_classifier_cuts_a_longer_recording_into_clips(exported, smallest, waveforms):
    path = exported.path(smallest, "waveform")
    windows = classify(path, np.concatenate([waveforms[1], waveforms[3]]))
    expected = [tflite_scores(path, clip) for clip in (waveforms[1], waveforms[3])]

    received = [[window[label] for label in LABELS] for window in windows[:2]]
    np.testing.assert_allclose(received, expected, atol=1e-5, rtol=0)


def test_mediapipes_own_reader_understands_the_metadata(exported, largest):
    displayer = mediapipe_metadata.MetadataDisplayer.with_model_file(
        str(exported.path(largest, "waveform"))
    )
    metadata = json.loads(displayer.get_metadata_json())
    (graph,) = metadata["subgraph_metadata"]
    (waveform,), (scores,) = graph["input_tensor_metadata"], graph["output_tensor_metadata"]

    assert metadata["name"] == f"CNN10 {largest}"
    assert metadata["min_parser_version"] == "1.3.0"
    assert waveform["content"]["content_properties_type"] == "AudioProperties"
    assert waveform["content"]["content_properties"] == {"sample_rate": 32000, "channels": 1}
    assert scores["associated_files"][0]["type"] == "TENSOR_AXIS_LABELS"
    assert "labels.txt" in displayer.get_packed_associated_file_list()
    labels = displayer.get_associated_file_buffer("labels.txt").decode("utf-8").splitlines()
    assert labels == list(LABELS)
