import json

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

from aec_ofa_tf.per_class import (
    Confusion,
    co_occurrence,
    confusion,
    frequent_classes,
    per_class_report,
    worst_confusions,
)
from aec_ofa_tf.tasks import MULTI_LABEL, SINGLE_LABEL

NAMES = ("dog", "rain", "siren", "wind")


def single_label_clips(count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.eye(4)[generator.integers(0, 4, count)]
    return labels + generator.normal(0, 0.8, labels.shape), labels


def test_precision_recall_and_f1_are_scikit_learn_s():
    scores, labels = single_label_clips()
    report = SINGLE_LABEL.per_class(scores, labels, NAMES)
    expected = precision_recall_fscore_support(labels.argmax(1), scores.argmax(1))

    for index, result in enumerate(report.classes):
        assert result.label == NAMES[index]
        received = (result.precision, result.recall, result.f1, result.clips)
        assert received == pytest.approx([column[index] for column in expected])
        wanted = average_precision_score(labels[:, index], scores[:, index])
        assert result.average_precision == pytest.approx(wanted)


def test_the_confusion_matrix_is_scikit_learn_s():
    scores, labels = single_label_clips()
    matrix = confusion(scores, labels)

    np.testing.assert_array_equal(matrix, confusion_matrix(labels.argmax(1), scores.argmax(1)))
    assert np.issubdtype(matrix.dtype, np.integer)


def test_the_worst_confusions_come_first():
    matrix = np.array([[5, 3, 0, 0], [1, 9, 0, 0], [0, 0, 4, 0], [0, 3, 0, 0]])

    assert worst_confusions(matrix, NAMES, most=2) == (
        Confusion("dog", "rain", 3, 3 / 8),
        Confusion("wind", "rain", 3, 1.0),
    )
    assert len(worst_confusions(matrix, NAMES)) == 3
    assert worst_confusions(np.diag([1, 2]), NAMES[:2]) == ()


def test_several_labels_per_clip_have_average_precisions_alone():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, (50, 4))
    labels[:, 3] = 0
    scores = labels + generator.normal(0, 1, labels.shape)
    report = MULTI_LABEL.per_class(scores, labels, NAMES)

    assert report.confusions == ()
    assert report.classes[3].average_precision is None
    assert all(result.f1 is None for result in report.classes)
    found = np.mean([r.average_precision for r in report.classes[:3]])
    assert found == pytest.approx(MULTI_LABEL.metrics(scores, labels).mAP)
    assert list(report.rows()[0]) == ["label", "clips", "average_precision"]
    assert report.rows()[-1]["label"] == "wind"


def test_rows_begin_with_the_hardest_class_and_are_json():
    scores, labels = single_label_clips()
    report = SINGLE_LABEL.per_class(scores, labels, NAMES)
    f1 = [row["f1"] for row in report.rows()]

    assert f1 == sorted(f1)
    assert list(report.rows()[0]) == [
        "label", "clips", "average_precision", "precision", "recall", "f1",
    ]  # fmt: skip
    assert json.loads(json.dumps(report.as_dict()))["confusions"][0]["clips"] > 0


def test_classes_without_clips_and_never_chosen_have_no_shares():
    scores, labels = np.eye(3)[[0, 1, 1]], np.eye(3)[[0, 0, 1]]
    dog, rain, siren = SINGLE_LABEL.per_class(scores, labels, NAMES[:3]).classes

    assert (dog.precision, dog.recall, dog.f1) == (1.0, 0.5, pytest.approx(2 / 3))
    assert (rain.precision, rain.recall) == (0.5, 1.0)
    assert (siren.clips, siren.precision, siren.recall, siren.f1) == (0, None, None, None)
    assert siren.average_precision is None


@pytest.mark.parametrize(
    ("scores", "labels", "names", "message"),
    [
        (np.zeros((2, 3)), np.ones((2, 3)), NAMES[:3], "2 of 2 clips do not have exactly one"),
        (np.zeros((2, 3)), np.eye(3)[:2], NAMES, "expected 3 names of classes, received 4"),
        (np.zeros((0, 3)), np.zeros((0, 3)), NAMES[:3], "no clips"),
    ],
)
def test_clips_that_cannot_be_reported_are_refused(scores, labels, names, message):
    with pytest.raises(ValueError, match=message):
        per_class_report(scores, labels, names, single_label=True)


def test_co_occurrence_of_labels_is_the_share_of_clips_that_have_both():
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    assert co_occurrence(labels, labels).tolist() == [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 0]]
    scores = np.array([[0.5, 0.1, 0.2], [0.7, 0.3, 0.4], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(co_occurrence(scores, labels)[0], [0.6, 0.2, 0.3])


def test_frequent_classes_have_clips_and_keep_their_order():
    labels = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1]], np.float32)
    assert frequent_classes(labels) == [0, 2, 3]
    assert frequent_classes(labels, most=2) == [0, 2]
