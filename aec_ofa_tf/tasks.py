"""Tasks: several labels per clip (multi_label), or exactly one (single_label).

A task defines the activation, the loss, the metrics and the figure that candidates are ranked by.
TensorFlow is imported only when a loss or scores are computed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.metrics import Metrics, evaluate_scores
from aec_ofa_tf.per_class import PerClassReport, per_class_report

if TYPE_CHECKING:
    import tensorflow as tf

ClassWeights = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Task(ABC):
    """The meaning of logits, labels and scores.

    Attributes:
        name: name of the task in flags, configurations and model files.
        activation: Keras name of the function from logits to scores.
        figure: the field of `Metrics` that candidates are ranked by and tables show first.
        single_label: whether every clip has exactly one label.
    """

    name: ClassVar[str]
    activation: ClassVar[str]
    figure: ClassVar[str]
    single_label: ClassVar[bool]

    @abstractmethod
    def loss(
        self, logits: tf.Tensor, targets: tf.Tensor, class_weights: ClassWeights | None = None
    ) -> tf.Tensor:
        """The mean loss over clips; linear in the targets.

        Args:
            logits: float32 or float64 [clips, classes].
            targets: [clips, classes] in [0, 1]: labels, or a teacher's scores.
            class_weights: [classes], weight of each class; None for equal weights. They are
                divided by their mean, so that the loss keeps its scale.

        Returns:
            Scalar of the logits' dtype.

        Raises:
            ValueError: as `normalised_weights`.
        """

    def smoothed(self, labels: tf.Tensor, share: float) -> tf.Tensor:
        """Labels of which a share is spread evenly (Szegedy et al. 2016), of the same shape.

        Args:
            labels: float [clips, classes] in [0, 1].
            share: what is spread, in [0, 1]: over the classes where a clip has exactly one label,
                otherwise over the two answers for each class.
        """
        even = 1 / labels.shape[1] if self.single_label else 0.5
        return (1 - share) * labels + share * even if share else labels

    @abstractmethod
    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """Scores in [0, 1], [clips, classes], from logits of the same shape."""

    def metrics(self, scores: np.ndarray, labels: np.ndarray) -> Metrics:
        """All metrics of scores, float [clips, classes], and {0, 1} labels of the same shape.

        Raises:
            ValueError: as `metrics.evaluate_scores`.
        """
        return evaluate_scores(scores, labels, self.single_label)

    def figure_of(self, metrics: Metrics) -> float:
        """The value of `figure` in the metrics.

        Raises:
            ValueError: the figure is None.
        """
        value = getattr(metrics, self.figure)
        if value is None:
            raise ValueError(
                f"{self.figure} is not defined for these {metrics.clips} clips: the task "
                f"{self.name} does not match their labels"
            )
        return value

    def per_class(
        self, scores: np.ndarray, labels: np.ndarray, names: Sequence[str]
    ) -> PerClassReport:
        """Results of every class (`per_class.per_class_report`)."""
        return per_class_report(scores, labels, names, self.single_label)


class MultiLabel(Task):
    """Any number of labels per clip: sigmoid, binary cross-entropy, mAP (the paper)."""

    name = "multi_label"
    activation = "sigmoid"
    figure = "mAP"
    single_label = False

    def loss(
        self, logits: tf.Tensor, targets: tf.Tensor, class_weights: ClassWeights | None = None
    ) -> tf.Tensor:
        """Mean over clips and classes of -w (t ln s + (1 - t) ln(1 - s)), s = sigmoid(logits).

        With a teacher's scores as targets this is the distillation loss of the paper's equation 2,
        which lacks the minus sign there.
        """
        import tensorflow as tf

        targets = tf.cast(targets, logits.dtype)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        if class_weights is not None:
            losses *= _weights_like(class_weights, logits)
        return tf.reduce_mean(losses)

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """sigmoid(logits); the scores are independent of each other."""
        import tensorflow as tf

        return tf.sigmoid(logits)


class SingleLabel(Task):
    """Exactly one label per clip: softmax, cross-entropy, accuracy."""

    name = "single_label"
    activation = "softmax"
    figure = "accuracy"
    single_label = True

    def loss(
        self, logits: tf.Tensor, targets: tf.Tensor, class_weights: ClassWeights | None = None
    ) -> tf.Tensor:
        """Mean over clips of -sum over classes of w t ln s, s = softmax(logits).

        The mean is over clips, not over the weights of their classes. So the loss is linear in the
        targets, and the losses of replicas with equal batches can be averaged.
        """
        import tensorflow as tf

        targets = tf.cast(targets, logits.dtype)
        if class_weights is not None:
            targets *= _weights_like(class_weights, logits)
            return -tf.reduce_mean(tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=-1))
        losses = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
        return tf.reduce_mean(losses)

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """softmax(logits); the scores of a clip sum to 1."""
        import tensorflow as tf

        return tf.nn.softmax(logits)


MULTI_LABEL, SINGLE_LABEL = MultiLabel(), SingleLabel()
_TASKS: dict[str, Task] = {task.name: task for task in (MULTI_LABEL, SINGLE_LABEL)}
TASKS = tuple(_TASKS)
"""The names of all tasks."""


def get_task(name: str) -> Task:
    """The task with this name.

    Raises:
        ValueError: the name is unknown.

    Example:
        >>> ofa.get_task("single_label").figure
        'accuracy'
    """
    if name not in _TASKS:
        raise ValueError(f"task is one of {', '.join(TASKS)}, received {name!r}")
    return _TASKS[name]


def default_task(has_one_label_per_clip: bool) -> str:
    """The name of the default task.

    Args:
        has_one_label_per_clip: whether every clip of the records has exactly one label
            (`Manifest.has_one_label_per_clip`).
    """
    return SINGLE_LABEL.name if has_one_label_per_clip else MULTI_LABEL.name


def check_task(task: str, has_one_label_per_clip: bool) -> None:
    """Checks before training that the data can be scored by the task.

    Args:
        task: name of the task.
        has_one_label_per_clip: as for `default_task`.

    Raises:
        ConfigError: the task needs exactly one label per clip, and the data differ.
    """
    if get_task(task).single_label and not has_one_label_per_clip:
        raise ConfigError(
            f"task={task!r} needs clips with exactly one of several labels, and some clips have "
            "none or two, or there is only one label: use task='multi_label' or task='auto'",
            "task",
        )


def normalised_weights(class_weights: ClassWeights, classes: int) -> np.ndarray:
    """Class weights divided by their mean.

    Args:
        class_weights: weight of each class; none is negative and not all are 0.
        classes: number of classes.

    Returns:
        float64 [classes] with a mean of 1.

    Raises:
        ValueError: the weights are not as described, or not one per class.
    """
    weights = np.asarray(class_weights, np.float64)
    if weights.shape != (classes,):
        raise ValueError(
            f"class_weights are one number for each of {classes} classes, received an array of "
            f"shape {weights.shape}"
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError(
            f"class_weights are finite, none is negative and not all are 0, received {weights}"
        )
    return weights / weights.mean()


def balanced_class_weights(clips: Sequence[int]) -> tuple[float, ...]:
    """Weights that give every class the same influence, whatever its number of clips.

    They are inversely proportional to the number of clips and have a mean of 1 (scikit-learn's
    "balanced", up to a factor). A class without clips is weighted as if it had one.

    Args:
        clips: number of training clips of every class.

    Raises:
        ValueError: there are no classes, or a number of clips is negative.
    """
    counts = np.asarray(clips, np.float64)
    if counts.ndim != 1 or not counts.size or (counts < 0).any():
        raise ValueError(f"expected a number of clips for every class, received {clips}")
    weights = normalised_weights(1.0 / np.maximum(counts, 1.0), len(counts))
    return tuple(weights.tolist())


def _weights_like(class_weights: ClassWeights, logits: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.constant(normalised_weights(class_weights, logits.shape[-1]), logits.dtype)
