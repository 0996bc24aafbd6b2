import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.tasks import (
    MULTI_LABEL,
    SINGLE_LABEL,
    balanced_class_weights,
    default_task,
    get_task,
    normalised_weights,
)

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (12, 5)).astype(np.float32)
CLASSES = np.arange(12) % 5
ONE_EACH = np.eye(5, dtype=np.float32)[CLASSES]
SEVERAL = (RNG.random((12, 5)) < 0.4).astype(np.float32)
SOFT = RNG.dirichlet(np.ones(5), 12).astype(np.float32)
WEIGHTS = (1.0, 2.0, 0.5, 3.0, 1.0)


def test_the_multi_label_loss_is_scikit_learn_s():
    scores = MULTI_LABEL.scores(tf.constant(LOGITS, tf.float64)).numpy()
    by_class = [log_loss(SEVERAL[:, c], scores[:, c], labels=[0, 1]) for c in range(5)]
    weighted = np.average(by_class, weights=WEIGHTS)

    assert MULTI_LABEL.loss(LOGITS, SEVERAL).numpy() == pytest.approx(np.mean(by_class), rel=1e-5)
    received = MULTI_LABEL.loss(LOGITS, SEVERAL, WEIGHTS).numpy()
    assert received == pytest.approx(weighted, rel=1e-5)


def test_the_single_label_loss_is_scikit_learn_s():
    scores = SINGLE_LABEL.scores(tf.constant(LOGITS, tf.float64)).numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)

    expected = log_loss(CLASSES, scores, labels=range(5))
    assert SINGLE_LABEL.loss(LOGITS, ONE_EACH).numpy() == pytest.approx(expected, rel=1e-5)
    of_clips = (np.array(WEIGHTS) / np.mean(WEIGHTS))[CLASSES]
    expected = log_loss(CLASSES, scores, labels=range(5), sample_weight=of_clips, normalize=True)
    received = SINGLE_LABEL.loss(LOGITS, ONE_EACH, WEIGHTS).numpy()
    assert received == pytest.approx(expected * of_clips.mean(), rel=1e-5)


@pytest.mark.parametrize("task", [MULTI_LABEL, SINGLE_LABEL], ids=lambda task: task.name)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_a_loss_is_linear_in_its_targets(task, weights):
    logits = tf.constant(LOGITS, tf.float64)
    parts = [task.loss(logits, targets, weights).numpy() for targets in (ONE_EACH, SOFT)]
    mixed = 0.3 * ONE_EACH.astype(float) + 0.7 * SOFT.astype(float)

    expected = 0.3 * parts[0] + 0.7 * parts[1]
    assert task.loss(logits, mixed, weights).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("task", [MULTI_LABEL, SINGLE_LABEL], ids=lambda task: task.name)
def test_equal_class_weights_change_nothing_whatever_their_size(task):
    plain = task.loss(LOGITS, ONE_EACH).numpy()

    assert task.loss(LOGITS, ONE_EACH, [7.0] * 5).numpy() == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("task", [MULTI_LABEL, SINGLE_LABEL], ids=lambda task: task.name)
def test_a_loss_s_gradient_is_finite_for_logits_of_any_size(task):
    logits = tf.Variable([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]])
    for weights in (None, [1.0, 2.0, 3.0]):
        with tf.GradientTape() as tape:
            loss = task.loss(logits, np.eye(3)[[1, 2]], weights)
        assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], "one number for each of 5 classes"),
        ([1.0, 1.0, 1.0, 1.0, -1.0], "none is negative"),
        ([0.0] * 5, "not all are 0"),
        ([1.0, 1.0, 1.0, 1.0, np.nan], "finite"),
    ],
)
def test_class_weights_that_mean_nothing_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        normalised_weights(weights, 5)
    with pytest.raises(ValueError, match=message):
        SINGLE_LABEL.loss(LOGITS, ONE_EACH, weights)


def test_balanced_class_weights_are_scikit_learn_s_with_a_mean_of_one():
    labels = [0] * 10 + [1] * 2 + [2] * 5
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)

    np.testing.assert_allclose(balanced_class_weights([10, 2, 5]), expected / expected.mean())
    assert np.isfinite(balanced_class_weights([10, 0])).all()
    with pytest.raises(ValueError, match="number of clips for every class"):
        balanced_class_weights([])


def test_a_task_ranks_by_its_own_figure():
    scores, labels = SINGLE_LABEL.scores(LOGITS).numpy(), ONE_EACH
    metrics = SINGLE_LABEL.metrics(scores, labels)

    assert metrics == evaluate_scores(scores, labels)
    assert SINGLE_LABEL.figure_of(metrics) == metrics.accuracy
    assert MULTI_LABEL.figure_of(metrics) == metrics.mAP
    with pytest.raises(ValueError, match="accuracy is not defined for these 12 clips"):
        SINGLE_LABEL.figure_of(MULTI_LABEL.metrics(scores, SEVERAL))


def test_a_task_is_found_by_its_name_and_chosen_by_the_clips():
    assert get_task("single_label") is SINGLE_LABEL
    assert get_task(default_task(has_one_label_per_clip=True)) is SINGLE_LABEL
    assert get_task(default_task(has_one_label_per_clip=False)) is MULTI_LABEL
    with pytest.raises(ValueError, match="multi_label, single_label, received 'regression'"):
        get_task("regression")


@pytest.mark.parametrize("task", [MULTI_LABEL, SINGLE_LABEL], ids=lambda task: task.name)
def test_a_task_s_scores_are_those_of_its_keras_activation(task):
    received = tf.keras.activations.get(task.activation)(tf.constant(LOGITS)).numpy()

    np.testing.assert_allclose(task.scores(tf.constant(LOGITS)).numpy(), received, atol=1e-6)
