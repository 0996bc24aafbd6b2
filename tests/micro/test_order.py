"""Operators in the order that needs the smallest arena."""

import keras
import pytest

from aec_ofa_tf.export.convert import convert
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.micro.graph import dependencies, slim, with_order, without_first_reshape
from aec_ofa_tf.micro.order import earlier_orders
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.tagging.model_file import read_bundle
from tests.micro.files import clips_for, info_of

SPACE = mobilenet_space("mn04")
NETWORK = SPACE.network(5, 104, 128, task="multi_label")


def test_an_operator_runs_at_every_place_after_what_it_needs():
    assert list(earlier_orders([set(), {0}, {1}, {2}])) == []
    branches = [set(), {0}, {1}, {0}, {2, 3}]
    assert list(earlier_orders(branches)) == [[0, 3, 1, 2, 4], [0, 1, 3, 2, 4]]


@pytest.mark.slow
def test_a_network_whose_stem_is_split_takes_less_than_in_its_own_order(tmp_path):
    pytest.importorskip("tflite_micro", reason="needs the extra micro")
    from aec_ofa_tf.micro.interpreter import recorded_arenas

    subnet, clips = SPACE.smallest, clips_for(NETWORK)
    keras.utils.set_random_seed(0)
    model = build_plain(subnet, NETWORK)
    (kernel,) = model.get_layer("stem").get_weights()
    model.get_layer("stem").set_weights([kernel * [0.01, 1, 0.01, 1, 1, 1, 1, 1]])
    request = ConversionRequest(
        *(tmp_path / "x.tflite", info_of(subnet, NETWORK), clips, clips),
        split_channels=True,
        target="micro",
    )

    port = convert(model, request).port

    content = slim(without_first_reshape(read_bundle(request.path)[0]))
    (usual,) = recorded_arenas([content], tmp_path)
    assert port.micro.arena_bytes < 0.95 * usual
    # The scores are those of LiteRT in the usual order.
    assert port.micro.logit_steps <= 1
    same = with_order(content, range(len(dependencies(content))))
    assert recorded_arenas([same], tmp_path) == [usual]
