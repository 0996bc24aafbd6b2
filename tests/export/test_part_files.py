"""Layers as models of their own compute what they compute within a network."""

import keras
import numpy as np
import pytest

from aec_ofa_tf.export.part_files import open_parts
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.mobilenet import MobilenetNetwork, mobilenet_space

NETWORK = Cnn10Network(classes=5, frames=33, embedding_units=24, pool_last=True)
SPEC = parse_subnet("4x2-3+5-6x1-7x1")
MOBILE_SPACE = mobilenet_space("mn01 expand=0.5,1")
MOBILE = MobilenetNetwork(classes=5, frames=33, width_mult=0.1)


@pytest.mark.parametrize(
    ("network", "subnet"),
    [(NETWORK, SPEC), (MOBILE, MOBILE_SPACE.largest), (MOBILE, MOBILE_SPACE.smallest)],
    ids=["cnn10", "largest mobilenet", "smallest mobilenet"],
)
def test_the_layers_in_a_row_are_the_network(network, subnet):
    keras.utils.set_random_seed(0)
    whole = build_plain(subnet, network)
    parts = [part.model() for part in network.parts(subnet, "sigmoid") if part.row]
    rng = np.random.default_rng(0)
    for weight, own in zip(whole.weights, [w for p in parts for w in p.weights], strict=True):
        weight.assign(weight + rng.uniform(0.0, 0.1, weight.shape))
        own.assign(weight)
    clips = x = rng.normal(size=(2, 33, 64)).astype(np.float32)
    for part in parts:
        x = part(x, training=False)

    np.testing.assert_allclose(x, whole(clips, training=False), atol=1e-6)


def test_the_layers_of_a_space_are_those_of_all_its_members():
    measured = {part.row for part in MOBILE.all_parts(MOBILE_SPACE) if part.row}
    subnets = [MOBILE_SPACE.subnet_at(n) for n in range(0, MOBILE_SPACE.size, 2_003)]

    assert len(subnets) > 100
    for subnet in subnets:
        assert set(MOBILE.rows(subnet)) <= measured


def test_int8_layers_are_integers_inside_the_network_and_float_at_its_ends():
    first, *inner, last = NETWORK.parts(SPEC, "sigmoid")
    models = open_parts([first, inner[0], last, SPEC], NETWORK, "int8")

    ends = [(m.input.dtype, m.output.dtype) for m in models]
    f, i = np.float32, np.int8
    assert ends == [(f, i), (i, i), (i, f), (f, f)]
    for model in models:
        model.invoke()
