"""What TFLite's converter must not make of a CNN10."""

from dataclasses import replace

import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.tagging.model_file import ModelInfo
from tests.export.graphs import operators


@pytest.mark.parametrize("spec", ["8x2-12x2-19x2-51x1", "8x2-12x2-19x2-64x2"])
def test_the_dense_layers_stay_two_behind_one_sum(spec, tmp_path):
    network = Cnn10Network(classes=10, frames=64, embedding_units=64)
    model = build_plain(parse_subnet(spec), network)
    clips = np.random.default_rng(0).normal(0, 1, (8, 64, 64)).astype(np.float32)
    info = ModelInfo(
        labels=tuple("abcdefghij"),
        sample_rate_hz=32000,
        clip_samples=64 * 320,
        length_policy="pad",
        front_end=PANNS,
        input="log_mel",
        quantization="float32",
        subnet=spec,
        params=1,
    )
    requests = [
        ConversionRequest(
            tmp_path / f"{kind}.tflite", replace(info, quantization=kind), clips, clips
        )
        for kind in ("float32", "int8")
    ]

    for conversion in convert_models([(model, request) for request in requests]):
        found = operators(conversion.file)
        assert found.count("FULLY_CONNECTED") == 2
        assert found.count("ADD") <= 2  # the pooled sum, and the input batch norm's shift
        assert not {"SHAPE", "PACK", "STRIDED_SLICE", "REDUCE_MAX"} & set(found)
