import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, log_loss, roc_auc_score

from aec_ofa_tf.metrics import evaluate_scores


def test_average_precision_of_a_ranking_by_hand():
    # Positives at ranks 1 and 3: (1/1 + 2/3) / 2.
    labels = np.array([[1], [0], [1], [0]])
    scores = np.array([[0.9], [0.8], [0.7], [0.1]])

    metrics = evaluate_scores(scores, labels)
    assert metrics.mAP == pytest.approx(5 / 6)
    assert metrics.mAUC == pytest.approx(3 / 4)
    # ppf(0.75) = 0.67449.
    assert metrics.d_prime == pytest.approx(math.sqrt(2) * 0.674490, rel=1e-5)


def test_the_mean_is_over_classes_and_leaves_out_those_without_positives():
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    scores = np.array([[0.9, 0.9, 0.5], [0.1, 0.8, 0.1], [0.8, 0.1, 0.2]])

    metrics = evaluate_scores(scores, labels)
    assert metrics.undefined_classes == (2,)
    assert metrics.mAP == pytest.approx((1.0 + (1 / 2 + 2 / 3) / 2) / 2)
    assert metrics.as_dict()["undefined_classes"] == 1


def test_accuracy_is_given_where_every_clip_has_one_label():
    labels = np.eye(3)[[0, 1, 2, 0]]
    scores = np.eye(3)[[0, 1, 1, 0]]

    assert evaluate_scores(scores, labels).accuracy == pytest.approx(0.75)
    assert evaluate_scores(scores, np.maximum(labels, np.eye(3)[[1, 1, 1, 1]])).accuracy is None


@pytest.mark.parametrize("levels", [4, 10**6])
def test_metrics_are_scikit_learns_also_where_scores_are_equal(levels):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (60, 7)).astype(np.float32)
    scores = (generator.integers(0, levels, (60, 7)) / levels).astype(np.float32)

    metrics = evaluate_scores(scores, labels)
    assert metrics.mAP == pytest.approx(average_precision_score(labels, scores))
    assert metrics.mAUC == pytest.approx(roc_auc_score(labels, scores))


def test_the_log_loss_is_scikit_learns_where_every_clip_has_one_label():
    generator = np.random.default_rng(0)
    classes = generator.integers(0, 5, 40)
    scores = generator.dirichlet(np.ones(5), 40)
    labels = np.eye(5)[classes]

    assert evaluate_scores(scores, labels).log_loss == pytest.approx(log_loss(classes, scores))
    assert evaluate_scores(labels[:, ::-1], labels).log_loss < 20  # finite for a score of 0
    assert evaluate_scores(np.log(scores), labels).log_loss is None
    for dtype in (np.float32, np.float64):  # one step of float32 above 1
        rounded_up = (labels * (1 + np.finfo(np.float32).eps)).astype(dtype)
        assert evaluate_scores(rounded_up, labels).log_loss < 1e-6
    assert evaluate_scores(scores, np.maximum(labels, np.eye(5)[0])).log_loss is None


def test_a_perfect_ranking_has_a_finite_d_prime():
    assert evaluate_scores(np.eye(2), np.eye(2)).d_prime == pytest.approx(8.48, abs=0.01)


def test_any_monotone_function_of_the_scores_gives_the_same_metrics():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (50, 4))
    logits = generator.normal(size=(50, 4))

    assert evaluate_scores(logits, labels) == evaluate_scores(1 / (1 + np.exp(-logits)), labels)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2)), "the same shape"),
        (np.full((2, 1), np.nan), np.array([[0], [1]]), "2 clips have scores that are not finite"),
        (np.zeros((2, 1)), np.ones((2, 1)), "nothing to score"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "no clips"),
    ],
)
def test_what_cannot_be_scored_is_refused(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        evaluate_scores(scores, labels)


def test_one_label_per_clip_has_an_accuracy_where_no_class_can_be_ranked():
    labels, scores = np.eye(3)[[1, 1, 1, 1]], np.eye(3)[[1, 1, 1, 0]]
    metrics = evaluate_scores(scores, labels, single_label=True)

    assert metrics.accuracy == pytest.approx(0.75)
    assert (metrics.mAP, metrics.mAUC, metrics.d_prime) == (None, None, None)
    assert metrics.as_dict()["undefined_classes"] == 3
    with pytest.raises(ValueError, match="nothing to score"):
        evaluate_scores(scores, labels)


def test_the_accuracy_counts_clips_of_classes_that_are_left_out_of_the_map():
    labels = np.eye(4)[[0, 1, 0, 1]]
    scores = np.eye(4)[[0, 1, 3, 1]]
    metrics = evaluate_scores(scores, labels, single_label=True)

    assert metrics == evaluate_scores(scores, labels)
    assert metrics.undefined_classes == (2, 3)
    assert metrics.accuracy == pytest.approx(accuracy_score(labels.argmax(1), scores.argmax(1)))


def test_clips_of_several_labels_are_refused_where_one_is_expected():
    labels = np.array([[1, 0], [1, 1], [0, 0]])
    message = "2 of 3 clips do not have exactly one label .* has 2.: use the task multi_label"
    with pytest.raises(ValueError, match=message):
        evaluate_scores(np.zeros((3, 2)), labels, single_label=True)
