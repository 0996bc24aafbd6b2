"""The arena in closed form against the recorder of the micro interpreter."""

import numpy as np
import pytest

from aec_ofa_tf.costs.arena import arena_bytes
from aec_ofa_tf.costs.budget import Budget, UnsatisfiableBudgetError
from aec_ofa_tf.costs.costs import METRICS, subnet_costs
from aec_ofa_tf.costs.members import members_within
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.models.mobilenet import mobilenet_space
from tests.micro.files import convert_all, random_subnets

FAMILIES = {
    "cnn10": (cnn10_space("[X,X,X]", base_channels=8), 98, 40),
    "mobilenet": (mobilenet_space("mn04"), 100, 64),
    "pooled mobilenet": (mobilenet_space("mn04 pool=4x2"), 250, 64),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_of_20_random_subnets_it_is_within_5_percent_of_the_recorded_arena(family, tmp_path):
    pytest.importorskip("tflite_micro", reason="needs the extra micro")
    from aec_ofa_tf.micro.graph import graph_operators, without_first_reshape
    from aec_ofa_tf.micro.interpreter import run_micro
    from aec_ofa_tf.tagging.model_file import read_bundle

    space, frames, mel_bins = FAMILIES[family]
    network = space.network(12, frames, mel_bins, task="multi_label")
    subnets = random_subnets(space, 20)
    for subnet, conversion in zip(subnets, convert_all(subnets, network, tmp_path), strict=True):
        content = without_first_reshape(read_bundle(conversion.file)[0])
        inputs = np.zeros((1, frames, mel_bins), np.int8)
        _, arena = run_micro(content, inputs, graph_operators(content), tmp_path)

        assert arena.total == arena.head + arena.tail
        assert arena_bytes(subnet, network) == pytest.approx(arena.total, rel=0.05), str(subnet)
        # The planner reaches the least head that is possible.
        head = max(row.peak_elements for row in network.rows(subnet))
        assert arena.head == -(-head // 16) * 16


def test_by_hand_it_is_the_peak_and_what_persists():
    network = Cnn10Network(classes=5, frames=32, mel_bins=16, embedding_units=8)
    subnet = parse_subnet("4x2-3x1-3x1-2x1")
    # Both convolutions of the first block: 4 channels in, 4 out. Seven matrices; scaling, three
    # pools, three pools of the head, their sum and the activation.
    columns = 4 + 4 + 3 + 3 + 2 + 8 + 5
    persistent = 1470 + 7 * 250 + 9 * 125 + 8 * columns

    assert arena_bytes(subnet, network) == 32 * 16 * (4 + 4) + persistent


def test_it_is_a_cost_and_a_budget_whose_impossible_values_name_the_nearest():
    space, frames, mel_bins = FAMILIES["mobilenet"]
    network = space.network(12, frames, mel_bins, task="multi_label")
    assert "arena_bytes" in METRICS
    costs = subnet_costs(space.smallest, network, metrics=["arena_bytes"])
    assert costs == {"arena_bytes": arena_bytes(space.smallest, network)}

    budget = Budget.parse("arena_bytes<=64k")
    members = members_within(space, [budget], network)[budget]
    for subnet in members.sample(5, seed=0):
        assert arena_bytes(subnet, network) <= 64_000
    with pytest.raises(UnsatisfiableBudgetError, match=r"the nearest are .*arena_bytes 5\d,\d{3}"):
        members_within(space, [Budget.parse("arena_bytes<=8k")], network)
