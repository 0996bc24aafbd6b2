"""The bounds of every conversion: just inside passes, just outside fails."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.convert import _check_front_end_values
from aec_ofa_tf.export.parity import MAX_ABS_ERROR, check_fine_tuned, check_parity, figure_of
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.tagging.model_file import read_bundle
from aec_ofa_tf.tasks import get_task
from tests.exported import make_waveforms, median_labels


@pytest.fixture(scope="module")
def clips():
    return log_mel(tf.constant(make_waveforms(12, seed=3))).numpy()


def with_other_scores(model: keras.Model, difference: float, clips: np.ndarray) -> keras.Model:
    """The model, its first class's largest score on the clips off by so much."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    score = float(model(clips, training=False).numpy()[:, 0].max())
    logits = [np.log(p / (1 - p)) for p in (score, score + difference)]
    bias = copy.get_layer("classifier").bias
    bias.assign(bias.numpy() + np.eye(bias.shape[0])[0] * (logits[1] - logits[0]))
    return copy


@pytest.mark.parametrize("quantization", MAX_ABS_ERROR)
def test_a_score_beyond_its_bound_is_refused(exported, largest, clips, tmp_path, quantization):
    flatbuffer, info = read_bundle(exported.path(largest, "log_mel", quantization))
    request = ConversionRequest(tmp_path / "x.tflite", info, clips)
    model, bound = exported.models[largest], MAX_ABS_ERROR[quantization]
    own = check_parity(model, request, flatbuffer, tmp_path).max_abs_error
    assert own < 0.3 * bound
    near, far = (with_other_scores(model, factor * bound, clips) for factor in (-0.6, -1.5))

    assert check_parity(near, request, flatbuffer, tmp_path).max_abs_error > own
    with pytest.raises(RuntimeError, match=f"differ from Keras' by .*bound {bound:g}"):
        check_parity(far, request, flatbuffer, tmp_path)


def test_a_front_end_of_other_bands_is_refused(exported, tmp_path):
    flatbuffer, info = read_bundle(exported.folder / "front_end.tflite")
    _check_front_end_values(flatbuffer, info, tmp_path)
    other = dataclasses.replace(info, front_end=dataclasses.replace(info.front_end, min_hz=50.5))

    with pytest.raises(RuntimeError, match="differs from log_mel by"):
        _check_front_end_values(flatbuffer, other, tmp_path)


def test_fine_tuning_that_forgets_is_refused(exported, largest, clips, info, tmp_path):
    model = exported.models[largest]
    forgot = keras.models.clone_model(model)
    kernel, bias = model.get_layer("classifier").get_weights()
    forgot.set_weights(model.get_weights())
    forgot.get_layer("classifier").set_weights([-kernel, bias])
    request = ConversionRequest(
        tmp_path / "x.tflite",
        info,
        clips,
        parity_labels=median_labels(model, clips),
        max_map_drop=0.05,
    )
    check_fine_tuned(model, model, request)

    with pytest.raises(RuntimeError, match=r"fine-tuning lowered mAP by .*learning_rate"):
        check_fine_tuned(model, forgot, request)


def test_figures_that_the_labels_do_not_define_are_none():
    labels = np.eye(3, dtype=np.uint8)[[0, 1, 2, 1]]
    scores = labels + 0.1
    multi, single = get_task("multi_label"), get_task("single_label")

    assert figure_of(multi, scores, labels) == figure_of(single, scores, labels) == 1.0
    assert figure_of(single, scores[:, ::-1], labels) == 0.5
    assert figure_of(multi, scores, None) is None
    assert figure_of(multi, scores, np.ones_like(labels)) is None
    two = labels | np.eye(3, dtype=np.uint8)[[2, 2, 2, 2]]
    assert figure_of(single, scores, two) is None
    assert figure_of(multi, scores, two) is not None
