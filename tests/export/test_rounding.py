"""Data-aware rounding of the first convolution, for int8 and float16."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.convert import convert
from aec_ofa_tf.export.fold import fold, unfold
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.export.rounding import round_first_convolution
from tests.export.graphs import open_graph
from tests.exported import make_waveforms

CONVOLUTION = "block1_conv1"


@pytest.fixture(scope="module")
def clips():
    return log_mel(tf.constant(make_waveforms(16, seed=1)))


@pytest.fixture(scope="module")
def model(random_cnn10):
    return random_cnn10("8x2-6x1-12x1-20x1")


@pytest.fixture(scope="module")
def rounded(model, clips):
    return round_first_convolution(model, [clips[:5], clips[5:]])


def _kernel(model):
    return model.get_layer(CONVOLUTION).get_weights()[0]


def _steps(kernel):
    """Weights in the units of TFLite's int8, whose largest of an output channel is 127."""
    return kernel / np.abs(kernel).max(axis=(0, 1, 2)) * 127


def _outputs(model, clips):
    """Outputs of the first convolution's batch norm, [values, channels]."""
    probe = keras.Model(model.input, model.get_layer("block1_norm1").output)
    outputs = probe(clips, training=False).numpy()
    return outputs.reshape(-1, outputs.shape[-1])


def _nearest(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel = _kernel(model)
    copy.get_layer(CONVOLUTION).set_weights([np.round(_steps(kernel)) / _steps(kernel) * kernel])
    return copy


def test_weights_lie_on_the_scales_of_int8_a_step_away_at_most(model, rounded):
    steps = _steps(_kernel(rounded))
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert np.abs(steps - _steps(_kernel(model))).max() < 1.001
    np.testing.assert_array_equal(
        np.abs(_kernel(rounded)).max((0, 1, 2)), np.abs(_kernel(model)).max((0, 1, 2))
    )


def test_every_filter_loses_less_than_by_rounding_to_nearest(model, rounded, clips):
    exact = _outputs(model, clips)
    error = np.square(_outputs(rounded, clips) - exact).mean(0)
    nearest = np.square(_outputs(_nearest(model), clips) - exact).mean(0)
    assert (error <= nearest).all()
    assert error.sum() < 0.5 * nearest.sum()


def test_the_mean_of_every_channel_stays(model, rounded, clips):
    exact = _outputs(model, clips)
    bias = (_outputs(rounded, clips) - exact).mean(0)
    assert np.abs(bias).max() < 1e-5 * np.abs(exact).max()


def test_all_else_stays_and_the_model_itself_too(model, rounded, clips):
    before = model.get_weights()
    again = round_first_convolution(model, [clips])
    for weights, same in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, same)
    changed = {
        layer.name
        for layer in model.layers
        for one, other in zip(
            layer.get_weights(), again.get_layer(layer.name).get_weights(), strict=True
        )
        if not np.array_equal(one, other)
    }
    assert changed == {CONVOLUTION, "block1_norm1"}


def test_a_filter_of_zeros_stays(model, clips):
    silent = keras.models.clone_model(model)
    silent.set_weights(model.get_weights())
    kernel = _kernel(model).copy()
    kernel[..., 2] = 0
    silent.get_layer(CONVOLUTION).set_weights([kernel])
    assert not _kernel(round_first_convolution(silent, [clips]))[..., 2].any()


def test_other_networks_stay_as_they_are(clips):
    inputs = keras.Input(clips.shape[1:])
    other = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    assert round_first_convolution(other, [clips]) is other


@pytest.mark.parametrize("form", ["log_mel", "waveform"])
def test_int8_files_hold_these_weights(model, info, form, tmp_path):
    waveforms = make_waveforms(16, seed=1)
    seen = waveforms if form == "waveform" else log_mel(tf.constant(waveforms)).numpy()
    card = replace(info, input=form, quantization="int8")
    path = tmp_path / "int8.tflite"
    convert(model, ConversionRequest(path, card, seen, seen))

    interpreter = open_graph(path)
    kernels = [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] == np.int8 and tuple(tensor["shape"]) == (8, 3, 3, 1)
    ]
    (found,) = kernels
    expected = _steps(_kernel(round_first_convolution(model, [log_mel(tf.constant(waveforms))])))
    # A negative gamma of the batch norm turns a folded filter's sign.
    expected = expected * np.sign(model.get_layer("block1_norm1").gamma.numpy())
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), np.round(expected))


def _folded(model):
    """The first convolution's filters with the batch norm folded, as the converter rounds them."""
    return fold(model).weights[f"{CONVOLUTION}/kernel"]


def test_float16_weights_are_neighbours_that_lose_less(model, clips):
    rounded = round_first_convolution(model, [clips[:5], clips[5:]], "float16")
    exact, kernel = _outputs(model, clips), _folded(rounded)
    np.testing.assert_array_equal(kernel, kernel.astype(np.float16))
    apart = np.abs(kernel - _folded(model))
    assert (apart <= np.spacing(np.abs(_folded(model)).astype(np.float16))).all()
    error = np.square(_outputs(rounded, clips) - exact).mean(0)
    nearest = np.square(_outputs(_nearest_float16(model), clips) - exact).mean(0)
    assert error.sum() < 0.5 * nearest.sum()


def _nearest_float16(model):
    weights = dict(fold(model).weights)
    weights[f"{CONVOLUTION}/kernel"] = weights[f"{CONVOLUTION}/kernel"].astype(np.float16)
    return unfold(model, weights)


def test_float16_files_hold_these_weights(model, info, clips, tmp_path):
    card = replace(info, quantization="float16")
    path = tmp_path / "float16.tflite"
    convert(model, ConversionRequest(path, card, clips.numpy(), clips.numpy()))

    interpreter = open_graph(path)
    (found,) = [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] == np.float16 and tuple(tensor["shape"]) == (8, 3, 3, 1)
    ]
    expected = _folded(round_first_convolution(model, [clips], "float16"))
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), expected)
