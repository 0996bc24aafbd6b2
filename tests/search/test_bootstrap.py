import numpy as np
import pytest
from scipy.stats import binomtest

from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.search.bootstrap import bootstrap_interval


def classified(right: int, clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of clips of two classes, the first `right` of them classified right."""
    classes = np.arange(clips) % 2
    chosen = np.where(np.arange(clips) < right, classes, 1 - classes)
    return np.eye(2)[chosen], np.eye(2)[classes]


@pytest.mark.parametrize("right", [0, 1, 64, 79, 80])
def test_the_interval_of_an_accuracy_is_the_exact_binomial_one(right):
    scores, labels = classified(right, 80)
    value = evaluate_scores(scores, labels).accuracy
    low, high = bootstrap_interval(scores, labels, value, figure="accuracy")
    expected = binomtest(right, 80).proportion_ci(0.95, method="exact")

    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert low <= value <= high
    assert high - low > 0.04


def test_figures_that_are_not_there_are_refused():
    scores, labels = classified(3, 4)
    with pytest.raises(ValueError, match="figure is one of mAP, accuracy, received 'mAUC'"):
        bootstrap_interval(scores, labels, 0.5, figure="mAUC")
    with pytest.raises(ValueError, match="4 of 4 clips do not have exactly one label"):
        bootstrap_interval(scores, np.ones_like(labels), 0.5, figure="accuracy")


def test_few_clips_have_an_interval_although_resamples_lack_the_class():
    scores, labels = np.array([[0.9], [0.2], [0.4]]), np.array([[1], [0], [0]])
    low, high = bootstrap_interval(scores, labels, 1.0, resamples=50)
    assert low == high == 1.0  # the class is first in every resample that has it
    one = bootstrap_interval(scores[:2], np.array([[0], [0]]), 0.5, resamples=50)
    assert one == (0.0, 1.0)
