"""Layers as models of their own compute what they compute within a network."""

import keras
import numpy as np

from aec_ofa_tf.export.part_files import open_parts
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.materialise import build_plain

NETWORK = Cnn10Network(classes=5, frames=33, embedding_units=24, pool_last=True)
SPEC = parse_subnet("4x2-3+5-6x1-7x1")


def test_the_layers_in_a_row_are_the_network():
    keras.utils.set_random_seed(0)
    whole = build_plain(SPEC, NETWORK)
    parts = [part.model() for part in NETWORK.parts(SPEC, "sigmoid") if part.row]
    rng = np.random.default_rng(0)
    for weight, own in zip(whole.weights, [w for p in parts for w in p.weights], strict=True):
        weight.assign(weight + rng.uniform(0.0, 0.1, weight.shape))
        own.assign(weight)
    clips = x = rng.normal(size=(2, 33, 64)).astype(np.float32)
    for part in parts:
        x = part(x, training=False)

    np.testing.assert_allclose(x, whole(clips, training=False), atol=1e-6)


def test_int8_layers_are_integers_inside_the_network_and_float_at_its_ends():
    first, *inner, last = NETWORK.parts(SPEC, "sigmoid")
    models = open_parts([first, inner[0], last, SPEC], NETWORK, "int8")

    ends = [(m._input.dtype, m._output.dtype) for m in models]
    f, i = np.float32, np.int8
    assert ends == [(f, i), (i, i), (i, f), (f, f)]
    for model in models:
        model.invoke()
