"""One walk gives what evaluating each subnet alone gives."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.training.evaluation import SubnetEvaluator, all_labels
from tests.models.conftest import randomised
from tests.training.test_evaluation import batches

SPACES = {
    "block": cnn10_space("[X,2,X]", base_channels=4),
    "layer": cnn10_space("[2,2,X]", base_channels=4, width_per="layer", width_ratios=(0.4, 1.0)),
}
NETWORK = Cnn10Network(classes=3, frames=40, embedding_units=16)


@pytest.fixture(scope="module", params=["float32 slices", "bfloat16 masks"])
def evaluator(request) -> SubnetEvaluator:
    options = {} if "slices" in request.param else {"dtype": "mixed_bfloat16", "execution": "masks"}
    return SubnetEvaluator(
        randomised(Supernet(SPACES["block"].subnets(), NETWORK, **options)), batches(3)
    )


def test_scores_and_map_are_those_of_each_subnet_alone(evaluator):
    subnets = SPACES["block"].subnets()[::7]
    tree = TreeEvaluator(evaluator)
    test = batches(2, size=5, seed=9)
    found = dict(tree.scores(subnets, test))

    assert sorted(found) == sorted(subnets)
    for spec, scores in found.items():
        alone = evaluator.scores(spec, evaluator.recalibrate(spec), test)
        np.testing.assert_allclose(scores, alone, atol=1e-4)
        labels = all_labels(test)
        one, other = (evaluate_scores(s, labels).mAP for s in (scores, alone))
        assert one == pytest.approx(other, abs=1e-3)


def test_widths_per_layer_and_the_order_of_subnets_do_not_matter():
    space = SPACES["layer"]
    evaluator = SubnetEvaluator(randomised(Supernet(space.subnets(), NETWORK)), batches(2))
    test = batches(1, seed=5)
    some = space.subnets()[::40]
    found = dict(TreeEvaluator(evaluator).scores(some[::-1], test))
    for spec in some:
        alone = evaluator.scores(spec, evaluator.recalibrate(spec), test)
        np.testing.assert_allclose(found[spec], alone, atol=1e-4)


def test_given_statistics_hold_for_all_subnets(evaluator):
    largest, other = SPACES["block"].largest, SPACES["block"].smallest
    statistics = evaluator.recalibrate(largest)
    test = batches(1, seed=5)
    found = dict(TreeEvaluator(evaluator).scores([largest, other], test, statistics))

    for spec in (largest, other):
        np.testing.assert_allclose(found[spec], evaluator.scores(spec, statistics, test), atol=1e-4)
    own = evaluator.scores(other, evaluator.recalibrate(other), test)
    assert np.abs(found[other] - own).max() > 1e-3


def test_groups_keep_to_the_memory_that_scores_may_take(evaluator):
    subnets = SPACES["block"].subnets()
    clips, clip_bytes = 100, 3 * 4
    tree = TreeEvaluator(evaluator, memory_bytes=10 * clips * clip_bytes)

    assert max(len(group) for group in tree.groups(subnets, clips)) <= 10
    assert sum(len(group) for group in tree.groups(subnets, clips)) == len(subnets)
    unbounded = TreeEvaluator(evaluator, subnets_per_walk=20)
    assert max(len(group) for group in unbounded.groups(subnets, clips)) <= 20


def test_every_piece_is_traced_once_whatever_widths_and_batches_come(evaluator):
    tree = TreeEvaluator(evaluator)
    for clips in (2, 5):
        list(tree.scores(SPACES["block"].subnets()[::5], batches(1, size=clips)))

    counts = [f.experimental_get_tracing_count() for f in tree._pieces.given]
    counts += [f.experimental_get_tracing_count() for f in tree._pieces.measured]
    assert set(counts) == {1}


def test_later_weights_are_followed_and_ticks_count_batches():
    supernet = randomised(Supernet(SPACES["block"].subnets(), NETWORK, "mixed_bfloat16"))
    evaluator = SubnetEvaluator(supernet, batches(3))
    tree = TreeEvaluator(evaluator)
    ticks = []
    test = batches(2, seed=3)
    largest = SPACES["block"].largest
    before = dict(tree.scores([largest], test, tick=lambda: ticks.append(1)))[largest]
    assert len(ticks) == 5
    bias = supernet.head_layer.classifier.bias
    bias.assign(bias + 1)
    after = dict(tree.scores([largest], test))[largest]
    np.testing.assert_allclose(after, tf.sigmoid(np.log(before / (1 - before)) + 1), atol=1e-5)


def test_without_calibration_clips_there_are_no_scores(evaluator):
    empty = TreeEvaluator(SubnetEvaluator(evaluator.supernet, []))
    with pytest.raises(ValueError, match="no calibration clips"):
        list(empty.scores([SPACES["block"].largest], batches(1)))
