import numpy as np
import pytest
from scipy.stats import binomtest

from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.search.bootstrap import (
    bootstrap_figure,
    bootstrap_interval,
    bootstrap_mean_average_precision,
)


def classified(right: int, clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of clips of two classes, the first `right` of them classified right."""
    classes = np.arange(clips) % 2
    chosen = np.where(np.arange(clips) < right, classes, 1 - classes)
    return np.eye(2)[chosen], np.eye(2)[classes]


def test_resamples_of_the_map_are_those_of_the_figure_map():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (40, 3))
    scores = labels + generator.normal(0, 1, labels.shape)

    received = bootstrap_figure(scores, labels, "mAP", 150, seed=3)
    expected = bootstrap_mean_average_precision(scores, labels, 150, seed=3)
    np.testing.assert_array_equal(received, expected)


def test_resamples_of_the_accuracy_vary_as_resampled_clips_do():
    scores, labels = classified(64, 80)
    drawn = bootstrap_figure(scores, labels, "accuracy", 4000, seed=1)
    generator = np.random.default_rng(2)
    right = (scores.argmax(1) == labels.argmax(1))[generator.integers(0, 80, (4000, 80))]

    assert drawn.mean() == pytest.approx(0.8, abs=0.005)
    assert drawn.std() == pytest.approx(right.mean(axis=1).std(), rel=0.05)


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
    for function in (
        bootstrap_figure,
        lambda *a, figure: bootstrap_interval(*a, 0.5, figure=figure),
    ):
        with pytest.raises(ValueError, match="figure is one of mAP, accuracy, received 'mAUC'"):
            function(scores, labels, figure="mAUC")
        with pytest.raises(ValueError, match="4 of 4 clips do not have exactly one label"):
            function(scores, np.ones_like(labels), figure="accuracy")
