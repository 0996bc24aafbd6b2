"""Results per class: average precision, precision, recall, and confusions.

No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from aec_ofa_tf.metrics import (
    average_precisions,
    check_scores,
    has_one_label_each,
    not_single_label,
)

WORST_CONFUSIONS = 10
SHOWN_CLASSES = 50
"""Classes that TensorBoard shows one by one."""


@dataclass(frozen=True)
class ClassResult:
    """The results of one class.

    Attributes:
        label: name of the class.
        clips: number of clips with this label.
        average_precision: average precision of ranking all clips by the score of this class; None
            if all clips have the label, or none.
        precision: share of correct clips among those classified as this class; None if there are
            no such clips.
        recall: share of the clips with this label that are classified as this class; None if there
            are no such clips.
        f1: 2 * correct / (classified as this class + clips); None if both are 0.

    A clip is classified as the class with the highest score. For several labels per clip,
    precision, recall and f1 are None.
    """

    label: str
    clips: int
    average_precision: float | None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


@dataclass(frozen=True)
class Confusion:
    """Clips of one class that are classified as another.

    Attributes:
        label: the true class.
        classified_as: the class with the highest score.
        clips: number of such clips.
        share: their share of all clips with the label.
    """

    label: str
    classified_as: str
    clips: int
    share: float


@dataclass(frozen=True)
class PerClassReport:
    """The results of every class, and the most frequent confusions.

    Attributes:
        classes: results in the order of the labels.
        confusions: the most frequent ones first; empty for several labels per clip.
    """

    classes: tuple[ClassResult, ...]
    confusions: tuple[Confusion, ...] = ()

    def rows(self) -> list[dict[str, str | int | float | None]]:
        """Rows of a table, the class with the worst result first; empty columns are left out."""
        rows = [asdict(result) for result in self.classes]
        columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
        first = "f1" if "f1" in columns else "average_precision"
        rows.sort(key=lambda row: (row[first] is None, row[first] or 0.0))
        return [{name: row[name] for name in columns} for row in rows]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "classes": self.rows(),
            "confusions": [asdict(confusion) for confusion in self.confusions],
        }


def per_class_report(
    scores: np.ndarray, labels: np.ndarray, names: Sequence[str], single_label: bool
) -> PerClassReport:
    """Computes the results of every class.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        names: names of the classes, in order.
        single_label: whether clips have one label each and are classified by their highest score.

    Raises:
        ValueError: as `metrics.evaluate_scores`, or the number of names differs.
    """
    check_scores(scores, labels)
    if len(names) != labels.shape[1] or not names:
        raise ValueError(f"expected {labels.shape[1]} names of classes, received {len(names)}")
    clips = labels.sum(axis=0).astype(int).tolist()
    precisions = [_or_none(value) for value in average_precisions(scores, labels)]
    if not single_label:
        rows = zip(names, clips, precisions, strict=True)
        return PerClassReport(tuple(ClassResult(*row) for row in rows))
    matrix = confusion(scores, labels)
    right, chosen, present = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    columns = (
        _shares(right, chosen),
        _shares(right, present),
        _shares(2 * right, chosen + present),
    )
    rows = zip(names, clips, precisions, *columns, strict=True)
    return PerClassReport(tuple(ClassResult(*row) for row in rows), worst_confusions(matrix, names))


def confusion(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The confusion matrix of clips with one label each.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].

    Returns:
        int64 [classes, classes]: number of clips by label (rows) and highest score (columns).

    Raises:
        ValueError: as `metrics.evaluate_scores`, or a clip has no label or several.
    """
    check_scores(scores, labels)
    if not has_one_label_each(labels):
        raise ValueError(not_single_label(labels))
    classes = labels.shape[1]
    places = labels.argmax(1) * classes + scores.argmax(1)
    return np.bincount(places, minlength=classes**2).reshape(classes, classes)


def worst_confusions(
    matrix: np.ndarray, names: Sequence[str], most: int = WORST_CONFUSIONS
) -> tuple[Confusion, ...]:
    """The pairs of classes that are confused most often, the most frequent first.

    Args:
        matrix: confusion matrix (`confusion`).
        names: names of the classes, in order.
        most: maximum number of pairs.
    """
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, matrix.shape), strict=True)
    return tuple(
        Confusion(
            names[row], names[column], int(wrong[row, column]), _share(wrong, matrix, row, column)
        )
        for row, column in pairs
        if wrong[row, column]
    )


def co_occurrence(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How high a class scores in clips that have another.

    With the labels as scores, it is the share of the clips with one label that have the other too.

    Args:
        scores: float [clips, classes] in [0, 1].
        labels: {0, 1} [clips, classes].

    Returns:
        float64 [classes, classes]: mean score of a class (columns) over the clips with a label
        (rows); 0 for a label without clips.
    """
    clips = np.maximum(labels.sum(axis=0, dtype=np.float64), 1.0)
    return (labels.T.astype(np.float64) @ scores) / clips[:, None]


def frequent_classes(labels: np.ndarray, most: int = SHOWN_CLASSES) -> list[int]:
    """The classes with the most clips, in the order of the classes; those without any never.

    Args:
        labels: {0, 1} [clips, classes].
        most: maximum number of classes.
    """
    clips = labels.sum(axis=0)
    first = np.argsort(-clips, kind="stable")[:most]
    return sorted(int(index) for index in first if clips[index])


def _share(wrong: np.ndarray, matrix: np.ndarray, row: int, column: int) -> float:
    return float(wrong[row, column] / matrix[row].sum())


def _shares(parts: np.ndarray, wholes: np.ndarray) -> list[float | None]:
    """Computes parts / wholes; None where the whole is 0."""
    return [
        float(part / whole) if whole else None for part, whole in zip(parts, wholes, strict=True)
    ]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
