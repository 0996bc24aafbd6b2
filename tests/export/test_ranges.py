"""Searched ranges of int8 activations: a channel that matters little no longer sets the scale."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.ranges import mixtures
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from tests.export.graphs import operators
from tests.exported import make_waveforms

LOUD, FRACTION = 40.0, 1e-4


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return log_mel(tf.constant(make_waveforms(16, seed=1))).numpy()


@pytest.fixture(scope="module")
def model(clips, info) -> keras.Model:
    """A network with a channel that is forty times as loud as the others and hardly heard."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(clips.shape[1:])
    x = keras.layers.Rescaling(1 / 30, 1.0)(inputs)
    x = keras.layers.Reshape((*clips.shape[1:], 1))(x)
    stem = keras.layers.Conv2D(6, 3, strides=2, activation="hard_silu")
    x = keras.layers.DepthwiseConv2D(3, activation="hard_silu")(stem(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    head = keras.layers.Dense(len(info.labels), activation="sigmoid")
    network = keras.Model(inputs, head(x))
    kernel, bias = stem.get_weights()
    kernel[..., 0] = LOUD * np.abs(kernel[..., 0])
    stem.set_weights([kernel, bias])
    kernel, bias = head.get_weights()
    kernel[0] = FRACTION * kernel[0]
    head.set_weights([30 * kernel, bias])
    return network


@pytest.fixture(scope="module")
def files(model, clips, info, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ranges")
    card = dataclasses.replace(info, quantization="int8", subnet="loud")
    kinds = {"plain": (False, "float32"), "searched": (True, "float32"), "int8": (True, "int8")}
    work = [
        (
            model,
            ConversionRequest(
                folder / f"{name}.tflite",
                dataclasses.replace(card, io_type=io_type),
                clips,
                clips,
                search_ranges=searched,
            ),
        )
        for name, (searched, io_type) in kinds.items()
    ]
    return {name: Path(made.file) for name, made in zip(kinds, convert_models(work), strict=True)}


def error(path: Path, model: keras.Model, clips: np.ndarray) -> float:
    scores = TFLiteModel(path).batch_scores(iter(clips))
    return float(np.sqrt(np.mean(np.square(scores - model.predict(clips, verbose=0)))))


def test_scores_of_clips_that_the_search_did_not_see_come_closer_to_the_float_network(files, model):
    others = log_mel(tf.constant(make_waveforms(12, seed=9))).numpy()
    plain, searched = (error(files[name], model, others) for name in ("plain", "searched"))
    assert searched < 0.7 * plain


def test_the_operators_are_the_same(files):
    assert operators(files["plain"]) == operators(files["searched"])


def test_int8_ends_have_the_same_scores_within_a_step(files, clips):
    floats, integers = (
        TFLiteModel(files[name]).batch_scores(iter(clips)) for name in ("searched", "int8")
    )
    assert np.abs(floats - integers).max() <= 1 / 256 + 1e-6


def test_pairs_are_as_loud_as_the_louder_clip_in_every_bin():
    clips = np.array([[[-100.0, -10.0]], [[-20.0, -50.0]], [[-60.0, -60.0]]], np.float32)
    np.testing.assert_array_equal(mixtures(clips), [[[-60.0, -10.0]]])
    assert mixtures(clips[:1]).shape == (1, 1, 2)


def test_the_search_is_off_unless_it_is_asked_for():
    assert not ExportConfig(quantizations="int8").search_ranges
