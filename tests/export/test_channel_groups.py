"""Channels of the first convolution that are far smaller than others, computed apart."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.channel_groups import split_first_channels
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from tests.exported import make_waveforms, randomise

SMALL = [0, 3]


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return log_mel(tf.constant(make_waveforms(16, seed=1))).numpy()


def network(clips: np.ndarray, classes: int, small: list[int], residual: bool) -> keras.Model:
    """A stem and a depthwise convolution, which amplifies what the stem makes small."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(clips.shape[1:])
    x = keras.layers.Rescaling(1 / 30, 1.0)(inputs)
    x = keras.layers.Reshape((*clips.shape[1:], 1))(x)
    x = keras.layers.ZeroPadding2D(1)(x)
    stem = keras.layers.Conv2D(6, 3, strides=2, use_bias=False, name="stem")
    x = keras.layers.BatchNormalization(name="stem_norm")(stem(x))
    x = stem_out = keras.layers.Activation("hard_silu", name="stem_act")(x)
    depthwise = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")
    x = keras.layers.BatchNormalization(name="depthwise_norm")(depthwise(x))
    x = keras.layers.ReLU(name="depthwise_act")(x)
    x = keras.layers.Conv2D(6, 1, name="project")(x)
    if residual:
        x = keras.layers.Add()([x, stem_out])
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(classes, activation="sigmoid")(x))
    randomise(model, 0)
    scale = np.ones(6, np.float32)
    scale[small] = 0.01
    for name, factor in (("stem", scale), ("depthwise", 1 / scale[:, None])):
        (kernel,) = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel * factor])
    gamma, _, mean, variance = model.get_layer("stem_norm").get_weights()
    zeros = np.zeros_like(mean)
    model.get_layer("stem_norm").set_weights([np.abs(gamma), zeros, zeros, np.ones_like(variance)])
    return model


@pytest.mark.parametrize("residual", [False, True])
def test_the_scores_stay_and_small_channels_have_layers_of_their_own(clips, info, residual):
    model = network(clips, len(info.labels), SMALL, residual)
    split = split_first_channels(model, [tf.constant(clips)])

    expected, received = (each.predict(clips, verbose=0) for each in (model, split))
    np.testing.assert_allclose(received, expected, atol=1e-5)
    parts = [layer.filters for layer in split.layers if layer.name.startswith("stem_") and
             isinstance(layer, keras.layers.Conv2D)]  # fmt: skip
    assert sorted(parts) == [1, 1, 2, 2]  # channels 0, 1 to 2, 3, and 4 to 5
    # Whole, it is needed only by a sum.
    assert ("stem" in [layer.name for layer in split.layers]) == residual


def test_networks_without_small_channels_or_depthwise_convolutions_stay(clips, info, random_cnn10):
    even = network(clips, len(info.labels), [], residual=False)
    assert split_first_channels(even, [tf.constant(clips)]) is even
    cnn10 = random_cnn10("8x2-6x1-12x1-20x1")
    assert split_first_channels(cnn10, [tf.constant(clips)]) is cnn10


def test_int8_files_are_closer_to_the_float_network(clips, info, tmp_path):
    model = network(clips, len(info.labels), SMALL, residual=True)
    card = dataclasses.replace(info, quantization="int8", subnet="small")
    work = [
        (
            model,
            ConversionRequest(
                tmp_path / f"{split}.tflite", card, clips, clips, split_channels=split
            ),
        )
        for split in (False, True)
    ]
    files = [Path(made.file) for made in convert_models(work)]
    others = log_mel(tf.constant(make_waveforms(12, seed=9))).numpy()
    expected = model.predict(others, verbose=0)
    plain, split = (
        float(np.sqrt(np.mean(np.square(TFLiteModel(file).batch_scores(iter(others)) - expected))))
        for file in files
    )
    assert split < 0.5 * plain
