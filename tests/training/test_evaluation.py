import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space
from aec_ofa_tf.models.materialise import materialise
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.evaluation import SubnetEvaluator, all_labels
from tests.models.conftest import randomised

SPACE = cnn10_space("[2,2,X]", base_channels=4)
NETWORK = Cnn10Network(classes=3, frames=40, embedding_units=16)


def batches(count: int, size: int = 4, seed: int = 0) -> list[dict[str, tf.Tensor]]:
    generator = np.random.default_rng(seed)
    return [
        {
            "log_mel": tf.constant(generator.normal(1, 2, (size, 40, 64)), tf.float32),
            "labels": tf.constant(generator.integers(0, 2, (size, 3)), tf.float32),
        }
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return randomised(Supernet(SPACE.subnets(), NETWORK))


def test_statistics_are_means_over_batches_of_the_biased_batch_moments(supernet):
    calibration = batches(3)
    evaluator = SubnetEvaluator(supernet, calibration)
    spec = SPACE.smallest
    each = [supernet(b["log_mel"], spec)[1] for b in calibration]

    received = evaluator.recalibrate(spec)
    for name in each[0]:
        for part in (0, 1):
            wanted = np.mean([moments[name][part].numpy() for moments in each], axis=0)
            np.testing.assert_allclose(received[name][part], wanted, rtol=1e-4, atol=1e-6)
    clips = np.concatenate([b["log_mel"].numpy() for b in calibration])
    np.testing.assert_allclose(received["input_norm"].mean, clips.mean((0, 1)), rtol=1e-4)


def test_statistics_of_one_batch_make_inference_equal_training(supernet):
    (calibration,) = batches(1)
    evaluator = SubnetEvaluator(supernet, [calibration])
    for spec in (SPACE.smallest, SPACE.largest):
        logits, _ = supernet(calibration["log_mel"], spec)
        scores = evaluator.scores(spec, evaluator.recalibrate(spec), [calibration])
        np.testing.assert_allclose(scores, tf.sigmoid(logits), atol=1e-5)


def test_scores_are_those_of_the_materialised_model(supernet):
    evaluator = SubnetEvaluator(supernet, batches(2))
    test = batches(2, size=3, seed=9)
    for spec in (SPACE.smallest, SPACE.subnets()[70]):
        statistics = evaluator.recalibrate(spec)
        model = materialise(supernet, spec, statistics)
        expected = np.concatenate([model(b["log_mel"], training=False) for b in test])
        np.testing.assert_allclose(
            evaluator.scores(spec, statistics, test), expected, rtol=0, atol=1e-4
        )


def test_all_subnets_share_one_trace_and_partial_batches_work(supernet):
    evaluator = SubnetEvaluator(supernet, batches(1) + batches(1, size=2))
    for spec in SPACE.subnets()[::40]:
        metrics = evaluator.evaluate(spec, batches(2) + batches(1, size=3))
        assert metrics.clips == 11
    assert evaluator._moments.experimental_get_tracing_count() == 1


def test_a_network_that_trains_in_bfloat16_is_evaluated_in_float32(supernet):
    mixed = Supernet(SPACE.subnets(), NETWORK, dtype="mixed_bfloat16")
    evaluator = SubnetEvaluator(mixed, batches(2))
    mixed.set_weights(supernet.get_weights())  # as training would: after the evaluator was made
    spec, test = SPACE.smallest, batches(2, seed=7)

    exact = SubnetEvaluator(supernet, batches(2))
    received = evaluator.scores(spec, evaluator.recalibrate(spec), test)
    expected = exact.scores(spec, exact.recalibrate(spec), test)
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_the_order_of_subnets_changes_nothing(supernet):
    evaluator = SubnetEvaluator(supernet, batches(2))
    one, other = SPACE.smallest, SPACE.largest
    test = batches(2, seed=5)

    first = evaluator.evaluate(one, test)
    evaluator.evaluate(other, test)
    assert evaluator.evaluate(one, test) == first


def test_calibration_without_clips_is_refused(supernet):
    with pytest.raises(ValueError, match="no calibration clips"):
        SubnetEvaluator(supernet, []).recalibrate(SPACE.smallest)


def test_labels_keep_the_order_of_the_batches():
    data = batches(2)
    expected = np.concatenate([data[0]["labels"], data[1]["labels"]])
    np.testing.assert_array_equal(all_labels(data), expected)
