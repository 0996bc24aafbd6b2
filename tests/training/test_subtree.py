"""Steps on a subtree: the same losses and gradients, more subnets for the price."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.costs import macs
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.gradients import LossConfig, separate_gradients
from aec_ofa_tf.training.learnt import TeacherOutput
from aec_ofa_tf.training.sampler import subtree_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.student_config import SupernetConfig
from aec_ofa_tf.training.subtree import Subtree, plan_subtree, subtree_gradients
from aec_ofa_tf.training.trainer import Trainer
from tests.families.toy import ToyNetwork, ToySpace
from tests.models.conftest import randomised
from tests.training.steps import NETWORK, SPACE, batch

MOBILENETS = mobilenet_space("mn01 width=0.5,1 expand=0.5,1 last=0.5,1 hidden=0.5,1")
LEARNS = {"feature_weight": 1.0, "map_weight": 2.0}
BOUND = 1e-9


def new_trainer(space, network, tree: Subtree, execution: str, **config) -> Trainer:
    supernet = randomised(Supernet(space, network, "float64", execution), 0)
    teacher = None
    if config:
        teacher = teacher_of(supernet)
    sampler = subtree_sampler(space, tree.trunks, tree.tails, tree.stages)
    return Trainer(supernet, sampler, StepConfig(mixup=True, **config), teacher)


def teacher_of(supernet: Supernet):
    """The supernet's largest subnet, with the outputs of its first and last units as maps."""
    largest = tf.constant(supernet.space.largest.row())
    end = supernet.feature_units

    def teacher(log_mel: tf.Tensor) -> TeacherOutput:
        maps: dict[int, tf.Tensor] = {}
        shared, _ = supernet.stem(log_mel, largest, None, None, maps.__setitem__)
        features, _ = supernet.features(shared, largest, None, None, maps.__setitem__)
        scores = tf.sigmoid(supernet.classify(features, largest, None))
        means = tf.reduce_mean(features, axis=[1, 2])
        learnt = {number: maps[number] for number in (0, end // 2, end - 2)}
        return TeacherOutput(scores, means, learnt)

    return teacher


@pytest.mark.parametrize(
    ("space", "network", "learns", "execution"),
    [
        (SPACE, NETWORK, {}, "slices"),
        (SPACE, NETWORK, LEARNS, "masks"),
        (ToySpace(units=4), ToyNetwork(5, 40), LEARNS, "slices"),
    ],
    ids=["cnn10", "masks", "toy"],
)
def test_gradients_of_a_subtree_are_those_of_separate_passes(space, network, learns, execution):
    tree = plan_subtree(space, network, 4)
    options = {"target": "teacher", **learns} if learns else {}
    trainer = new_trainer(space, network, tree, execution, **options)
    seeds = trainer.seeds(3)
    inputs, subnets = trainer.inputs(batch(4), seeds), trainer.sampler(seeds[0])
    config = trainer.task.loss, None, lambda loss: 3 * loss, *learns.values()
    losses = LossConfig(*config)
    expected, separate = separate_gradients(trainer.supernet, inputs, subnets, losses)
    compute = tf.function(subtree_gradients(tree), autograph=False)
    received, shared = compute(trainer.supernet, inputs, subnets, losses)

    np.testing.assert_allclose(received, expected, rtol=BOUND)
    assert len(np.unique(received)) > 1
    for ours, theirs in zip(shared, separate, strict=True):
        # A bias before a batch norm has no gradient but rounding.
        bound = BOUND * np.linalg.norm(theirs) + 1e-12
        assert np.linalg.norm(np.asarray(ours) - np.asarray(theirs)) <= bound


def test_subnets_of_a_trunk_share_their_first_stages_and_every_one_is_uniform():
    sample = tf.function(subtree_sampler(SPACE, 2, 4, 3))
    drawn = np.stack([sample(tf.constant([0, step])).numpy() for step in range(1000)])
    split = sum(SPACE.stage_units[:3])
    trunks = drawn[:, :, :split].reshape(1000, 2, 4, -1)

    assert (trunks == trunks[:, :, :1]).all()
    assert (trunks[:, 0] != trunks[:, 1]).any()
    for place in (0, 7):
        _, counts = np.unique(drawn[:, place].reshape(1000, -1), axis=0, return_counts=True)
        # 1000 draws over 128 subnets: 7.8 expected, standard deviation 2.8.
        assert len(counts) > 120
        assert counts.max() < 7.8 + 6 * 2.8


@pytest.mark.parametrize(
    ("space", "size"), [(cnn10_space("[2,2,X]"), (400, 64)), (MOBILENETS, (500, 128))]
)
def test_eight_subnets_as_a_subtree_cost_less_than_six_independent_ones(space, size):
    network = space.network(10, *size, task="multi_label")
    tree = plan_subtree(space, network, 8)
    assert (tree.trunks, tree.tails) == (2, 4)
    parts = [*network.parts(space.largest)][1:-1]
    costs = [0 if part.row is None else part.row.macs for part in parts]
    stem = Supernet(space, network).stem_units
    shared, own = sum(costs[stem : tree.split]), sum(costs[tree.split :])
    total = macs(space.largest, network)
    assert 2 * shared + 8 * own < 0.7 * 8 * (shared + own)
    assert total >= shared + own


def test_what_cannot_be_a_subtree_is_refused():
    for count in (3, 2, 5):
        with pytest.raises(ConfigError, match="subnets_per_step 4, 6, 8"):
            SupernetConfig(sampler="subtree", subnets_per_step=count)
    with pytest.raises(ConfigError, match="leave out sample_budget"):
        SupernetConfig(sampler="subtree", sample_budget="params<=1M")
    with pytest.raises(ConfigError, match="add sampler='sandwich'"):
        SupernetConfig(sampler="subtree", distill_from="largest")
    with pytest.raises(ValueError, match="even number of subnets a step, at least 4"):
        plan_subtree(SPACE, NETWORK, 5)
    with pytest.raises(ValueError, match="share 1 to 3 stages"):
        subtree_sampler(SPACE, 2, 2, 4)
