"""Costs in closed form against what TFLite's converter makes."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.costs.costs import activation_bytes, macs, params, tflite_bytes
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.tagging.model_file import QUANTIZATIONS, ModelInfo
from tests.export.graphs import plain_interpreter

FRAMES = 50
FULL_WIDTH = (parse_subnet("64x2-128x2-256x2-512x2"), Cnn10Network(527, FRAMES))
# int8_qat files need fine-tuned networks: see test_qat.
KINDS = [kind for kind in QUANTIZATIONS if kind != "int8_qat"]
# TensorFlow 2.21's converter writes longer names for every operator.
EXTRA_BYTES = 0 if tf.__version__.startswith("2.16.") else 220
MOBILENETS = mobilenet_space("mn04")
THIN_MOBILENET = MOBILENETS.smallest, MOBILENETS.network(5, FRAMES, 64, task="multi_label")
THIN = [
    (parse_subnet(spec), Cnn10Network(5, FRAMES, 24, pool_last=pool_last))
    for spec in ("8x2-6x1-12x2-20x1", "4x1-16x2-9+32-64x2")
    for pool_last in (False, True)
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths by (spec, network, quantisation), from one child process."""
    wanted = [(*FULL_WIDTH, kind) for kind in KINDS]
    wanted += [(*THIN[0], kind) for kind in KINDS]
    wanted += [(*pair, "float32") for pair in THIN[1:]]
    wanted += [(*THIN_MOBILENET, kind) for kind in ("float16", "int8")]
    clips = np.random.default_rng(0).normal(0, 1, (2, FRAMES, 64)).astype(np.float32)
    models = {pair: _model(*pair) for pair in {(spec, network) for spec, network, _ in wanted}}
    folder = tmp_path_factory.mktemp("costs")
    work = [
        (
            models[spec, network],
            ConversionRequest(
                folder / f"{i}" / "model.tflite", _info(spec, network, kind), clips, clips
            ),
        )
        for i, (spec, network, kind) in enumerate(wanted)
    ]
    made = convert_models(work)
    return {key: Path(conversion.file) for key, conversion in zip(wanted, made, strict=True)}


def _model(spec, network):
    """Without weights of 0, which the converter would leave out of the file."""
    model = build_plain(spec, network)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.uniform(0.01, 0.02, w.shape) for w in model.get_weights()])
    return model


def _info(spec, network, quantization):
    return ModelInfo(
        labels=tuple(f"Sound number {i:03}" for i in range(network.classes)),
        sample_rate_hz=PANNS.sample_rate_hz,
        clip_samples=FRAMES * PANNS.hop_samples,
        length_policy="pad",
        front_end=PANNS,
        input="log_mel",
        quantization=quantization,
        subnet=str(spec),
        params=params(spec, network),
        network=network.family.upper(),
        extra={
            **network.family_fields,
            "macs": macs(spec, network),
            "run": "quickstart",
            "run_fingerprint": "0123456789abcdef" * 4,
            "dataset": "synthetic",
            "records_fingerprint": "0123456789abcdef" * 4,
            "training_steps": 500_000,
            "seed": 0,
        },
    )


@pytest.mark.parametrize("quantization", KINDS)
def test_full_width_file_sizes_lie_within_2_percent(files, quantization):
    spec, network = FULL_WIDTH
    size = files[spec, network, quantization].stat().st_size

    assert tflite_bytes(spec, network, quantization) == pytest.approx(size, rel=0.02)


def test_a_full_width_float32_file_is_little_more_than_its_weights(files):
    spec, network = FULL_WIDTH
    size = files[spec, network, "float32"].stat().st_size

    assert size <= 1.05 * 4 * params(spec, network)


def test_files_are_hardly_larger_than_the_estimate_and_little_smaller(files):
    for (spec, network, quantization), path in files.items():
        expected, size = tflite_bytes(spec, network, quantization), path.stat().st_size
        place = str(spec), quantization, size
        operators = sum(len(row.operators) for row in network.rows(spec))
        assert size <= 1.004 * expected + 100 + EXTRA_BYTES * operators, place
        if (spec, network) != FULL_WIDTH:  # TFLite stores equal scales of wide matrices once
            assert expected <= 1.004 * size + 400, place


@pytest.mark.parametrize("pair", [*THIN, FULL_WIDTH], ids=lambda pair: f"{pair[0]}")
def test_activation_bytes_are_the_peak_over_the_operators_of_the_file(files, pair):
    assert activation_bytes(*pair) == max(_operator_bytes(files[(*pair, "float32")]))


@pytest.mark.parametrize("pair", [*THIN, FULL_WIDTH], ids=lambda pair: f"{pair[0]}")
def test_macs_are_those_of_the_operators_of_the_file(files, pair):
    interpreter = plain_interpreter(files[(*pair, "float32")])
    shapes = {t["index"]: t["shape"].tolist() for t in interpreter.get_tensor_details()}
    counted = 0
    for operator in interpreter._get_ops_details():
        _, weights, *_ = inputs = [shapes[i] for i in operator["inputs"] if i >= 0] + [None] * 2
        (output,) = (shapes[i] for i in operator["outputs"])
        if operator["op_name"] == "CONV_2D":  # weights [out, height, width, in]
            counted += int(np.prod(output) * np.prod(weights[1:]))
        elif operator["op_name"] == "FULLY_CONNECTED":  # weights [out, in]
            counted += int(np.prod(weights) * inputs[0][0])

    assert macs(*pair) == counted


def _operator_bytes(path) -> list[int]:
    """Of every operator, the bytes of the tensors that it reads and writes, constants apart."""
    interpreter = plain_interpreter(path)
    operators = interpreter._get_ops_details()
    size = {
        tensor["index"]: int(np.prod(tensor["shape"])) * np.dtype(tensor["dtype"]).itemsize
        for tensor in interpreter.get_tensor_details()
    }
    computed = {interpreter.get_input_details()[0]["index"]}
    computed |= {index for operator in operators for index in operator["outputs"]}
    return [
        sum(size[i] for i in {*operator["inputs"], *operator["outputs"]} if i in computed)
        for operator in operators
    ]
