"""Which labels of a clip are reported."""

import numpy as np
import pytest

from aec_ofa_tf.tagging.selection import LabelSelection, parse_label_thresholds

LABELS = ("Dog", "Rain", "a=b", "Siren")
SCORES = np.array([0.5, 0.25, 0.75, 0.5], np.float32)


def test_the_highest_come_first_and_equal_ones_in_the_order_of_the_classes():
    assert LabelSelection(LABELS, 3)(SCORES) == [("a=b", 0.75), ("Dog", 0.5), ("Siren", 0.5)]
    assert [label for label, _ in LabelSelection(LABELS, 9)(SCORES)][-1] == "Rain"


def test_a_score_that_equals_its_threshold_is_reported():
    assert [label for label, _ in LabelSelection(LABELS, 9, 0.5)(SCORES)] == ["a=b", "Dog", "Siren"]
    own = LabelSelection(LABELS, 9, 0.5, {"Rain": 0.25, "Dog": 0.6, "a=b": 0.9})
    assert [label for label, _ in own(SCORES)] == ["Siren", "Rain"]


def test_a_label_may_hold_an_equals_sign_and_the_last_threshold_counts():
    assert parse_label_thresholds(["a=b=0.5", "Dog=1", "Dog=.25"]) == {"a=b": 0.5, "Dog": 0.25}


@pytest.mark.parametrize("top_k", [0, 2.5, "3", None, True])
def test_the_number_of_labels_is_a_positive_whole_one(top_k):
    with pytest.raises(ValueError, match="top_k is a whole number of at least 1, received"):
        LabelSelection(LABELS, top_k)


@pytest.mark.parametrize("text", ["Dog", "=0.5", "Dog=", "Dog=high", "Dog=nan", ""])
def test_other_ways_of_writing_are_refused(text):
    with pytest.raises(ValueError, match=r"LABEL=0\.7"):
        parse_label_thresholds([text])


def test_an_unknown_label_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"no label 'sirene' .*did you mean 'Siren'"):
        LabelSelection(LABELS, 1, 0.0, {"sirene": 0.5})
    with pytest.raises(ValueError, match="they are Dog, "):
        LabelSelection(LABELS, 1, 0.0, {"xyz": 0.5})


@pytest.mark.parametrize(("top_k", "threshold"), [(0, 0.5), (1, np.nan), (1, np.inf)])
def test_impossible_settings_are_refused(top_k, threshold):
    with pytest.raises(ValueError, match=r"at least 1|finite"):
        LabelSelection(LABELS, top_k, threshold)
