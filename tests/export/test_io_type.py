"""Files with int8 tensors at both ends: the same network, for clients that hold integers."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.tagger import Tagger
from tests.export.graphs import open_graph, operators
from tests.export.guide import run_guide
from tests.exported import make_waveforms

SPEC = "8x2-6x1-12x1-20x1"


@pytest.fixture(scope="module")
def files(tmp_path_factory, random_cnn10, info):
    """The paths of one int8 network by the type of its ends."""
    folder = tmp_path_factory.mktemp("io_type")
    clips = log_mel(tf.constant(make_waveforms(16, seed=1))).numpy()
    model = random_cnn10(SPEC)
    card = dataclasses.replace(info, quantization="int8", subnet=SPEC)
    work = [
        (
            model,
            ConversionRequest(
                folder / f"{io_type}.tflite",
                dataclasses.replace(card, io_type=io_type),
                clips,
                clips,
            ),
        )
        for io_type in ("float32", "int8")
    ]
    conversions = convert_models(work)
    assert [conversion.io_type for conversion in conversions] == ["float32", "int8"]
    return {conversion.io_type: conversion.file for conversion in conversions}


def test_both_tensors_are_integers_and_nothing_else_changes(files):
    interpreter = open_graph(files["int8"])
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    assert (taken["dtype"], given["dtype"]) == (np.int8, np.int8)
    # A score of 1 is just beyond the range, as TFLite's LOGISTIC wants it.
    assert given["quantization"] == (1 / 256, -128)
    assert operators(files["float32"]) == ["QUANTIZE", *operators(files["int8"]), "DEQUANTIZE"]


def test_the_card_names_the_type_and_the_front_end_stays_float32(files):
    for io_type, path in files.items():
        model = TFLiteModel(path)
        assert (model.info.io_type, model.info.input) == (io_type, "log_mel")
    assert TFLiteModel(files["int8"].replace("int8", "front_end")).info.io_type == "float32"


def test_scores_and_tags_are_those_of_the_file_with_float32_ends(files, waveforms):
    clips = log_mel(tf.constant(waveforms)).numpy()
    scores = {io_type: TFLiteModel(path).batch_scores(clips) for io_type, path in files.items()}
    assert np.ptp(scores["int8"], axis=0).max() > 0.05
    np.testing.assert_array_equal(scores["int8"], scores["float32"])

    tags = [Tagger(path, fit_length=None).tag(waveforms[4]) for path in files.values()]
    np.testing.assert_array_equal(*tags)


def test_the_guides_python_snippet_reads_both(files, waveforms, tmp_path):
    windows = {io_type: run_guide(path, waveforms[4], tmp_path) for io_type, path in files.items()}
    assert windows["int8"] == windows["float32"]
    assert len(windows["int8"][0]) == 3
