"""No trace of elasticity: a converted subnet is what one would have written by hand."""

import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.cnn10 import Cnn10Network, blocks_of, parse_subnet
from aec_ofa_tf.models.materialise import build_plain, materialise
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.tagging.model_file import ModelInfo
from aec_ofa_tf.training.evaluation import SubnetEvaluator
from pipelines.benchmarks.handwritten import handwritten_cnn10
from tests.export.graphs import operators, randomise_norms

FRAMES, CLASSES, UNITS = 64, 10, 24
SUBNETS = ("8x2-12x2-19x1-24x1", "8x2-16x1-20x2-24x2", "8x2-16x2-32x2-64x2")


@pytest.fixture(scope="module")
def lists(tmp_path_factory) -> dict[tuple[str, str, str], list[str]]:
    """Operators by (subnet, who wrote it, quantisation), of files made in one child process."""
    folder = tmp_path_factory.mktemp("operators")
    network = Cnn10Network(CLASSES, FRAMES, embedding_units=UNITS)
    clips = np.random.default_rng(0).normal(-40, 10, (8, FRAMES, 64)).astype(np.float32)
    specs = [parse_subnet(text) for text in SUBNETS]
    supernet = Supernet(specs, network)
    evaluator = SubnetEvaluator(supernet, [{"log_mel": clips}])
    work, keys = [], []
    for spec in specs:
        models = {
            "materialised": materialise(supernet, spec, evaluator.recalibrate(spec)),
            "handwritten": handwritten_cnn10(
                blocks_of(spec), FRAMES, CLASSES, embedding_units=UNITS
            ),
        }
        for author, model in models.items():
            randomise_norms(model)
            for quantization in ("float32", "int8"):
                keys.append((str(spec), author, quantization))
                path = folder / f"{'_'.join(keys[-1])}.tflite"
                request = ConversionRequest(path, _info(spec, quantization), clips, clips)
                work.append((model, request))
    conversions = convert_models(work)
    return {key: operators(done.file) for key, done in zip(keys, conversions, strict=True)}


def _info(spec: Subnet, quantization: str) -> ModelInfo:
    return ModelInfo(
        labels=tuple("abcdefghij"),
        sample_rate_hz=PANNS.sample_rate_hz,
        clip_samples=FRAMES * PANNS.hop_samples,
        length_policy="pad",
        front_end=PANNS,
        input="log_mel",
        quantization=quantization,
        subnet=str(spec),
        params=1,
    )


@pytest.mark.parametrize("quantization", ["float32", "int8"])
@pytest.mark.parametrize("subnet", SUBNETS)
def test_a_subnet_has_the_operators_of_a_handwritten_network(lists, subnet, quantization):
    received = lists[subnet, "materialised", quantization]

    assert received == lists[subnet, "handwritten", quantization]
    # Batch norms are folded, but for the input's, and a ReLU is part of its convolution.
    depths = tuple(map(len, blocks_of(parse_subnet(subnet))))
    blocks = [name for depth in depths for name in (*["CONV_2D"] * depth, "AVERAGE_POOL_2D")]
    body = ["MUL", "ADD", "RESHAPE", *blocks, "MAX_POOL_2D", "AVERAGE_POOL_2D"]
    body += ["RESHAPE", "ADD", "FULLY_CONNECTED", "FULLY_CONNECTED", "LOGISTIC"]
    int8 = ["QUANTIZE", *body, "DEQUANTIZE"]
    assert received == (body if quantization == "float32" else int8)


@pytest.mark.parametrize("pool_last", [False, True])
def test_the_handwritten_network_is_the_same_function(pool_last):
    network = Cnn10Network(CLASSES, FRAMES, embedding_units=UNITS, pool_last=pool_last)
    spec = parse_subnet(SUBNETS[0])
    model = build_plain(spec, network)
    randomise_norms(model)
    twin = handwritten_cnn10(
        blocks_of(spec), FRAMES, CLASSES, embedding_units=UNITS, pool_last=pool_last
    )
    twin.set_weights(model.get_weights())
    noise = np.random.default_rng(0).normal(0, 1, (4, FRAMES, 64))
    clips = (np.geomspace(0.1, 10, 4)[:, None, None] * noise).astype(np.float32)
    scores = model(clips, training=False).numpy()

    assert np.ptp(scores, axis=0).max() > 0.01
    np.testing.assert_allclose(twin(clips, training=False), scores, atol=1e-6)
