"""What a network's outputs mean: several labels per clip, or exactly one.

A task knows the activation, the loss, the metrics and the figure that candidates are ranked by.
TensorFlow is imported when a loss or scores are computed, not before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from aec_ofa_tf.metrics import Metrics, evaluate_scores

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Task(ABC):
    """What logits, labels and scores mean.

    Attributes:
        name: as flags, configurations and model files have it.
        activation: Keras name of the function from logits to scores.
        figure: the field of `Metrics` that candidates are ranked by and tables show first.
    """

    name: ClassVar[str]
    activation: ClassVar[str]
    figure: ClassVar[str]

    @abstractmethod
    def loss(
        self, logits: tf.Tensor, targets: tf.Tensor, class_weights: Sequence[float] = ()
    ) -> tf.Tensor:
        """The mean loss over clips; linear in the targets.

        Args:
            logits: float32 or float64 [clips, classes].
            targets: [clips, classes] in [0, 1]: labels, or a teacher's scores.
            class_weights: factors of the classes' shares of the loss; none for 1 each.

        Returns:
            Scalar of the logits' dtype.
        """

    @abstractmethod
    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """Scores in [0, 1], [clips, classes], from logits of the same shape."""

    def metrics(self, scores: np.ndarray, labels: np.ndarray) -> Metrics:
        """All metrics of some scores, float [clips, classes], against {0, 1} labels."""
        return evaluate_scores(scores, labels)

    def figure_of(self, metrics: Metrics) -> float:
        """The figure that candidates are ranked by."""
        return getattr(metrics, self.figure)


class MultiLabel(Task):
    """Any number of labels per clip: sigmoid, binary cross-entropy, mAP (the paper)."""

    name = "multi_label"
    activation = "sigmoid"
    figure = "mAP"

    def loss(
        self, logits: tf.Tensor, targets: tf.Tensor, class_weights: Sequence[float] = ()
    ) -> tf.Tensor:
        """Mean over clips and classes of -(t ln s + (1 - t) ln(1 - s)), s = sigmoid(logits).

        With targets from {0, 1} the loss to labels; with a teacher's scores the distillation loss
        of the paper's equation 2, which is printed there without its minus sign.
        """
        import tensorflow as tf

        targets = tf.cast(targets, logits.dtype)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        if class_weights:
            losses *= tf.constant(class_weights, logits.dtype)
        return tf.reduce_mean(losses)

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """sigmoid(logits), independent of each other."""
        import tensorflow as tf

        return tf.sigmoid(logits)


class SingleLabel(Task):
    """Exactly one label per clip: softmax, cross-entropy, accuracy."""

    name = "single_label"
    activation = "softmax"
    figure = "accuracy"

    def loss(
        self, logits: tf.Tensor, targets: tf.Tensor, class_weights: Sequence[float] = ()
    ) -> tf.Tensor:
        """Mean over clips of -sum over classes of t ln s, s = softmax(logits)."""
        import tensorflow as tf

        targets = tf.cast(targets, logits.dtype)
        if not class_weights:
            losses = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
            return tf.reduce_mean(losses)
        # The fused operation's gradient holds for targets that sum to 1 alone.
        shares = -targets * tf.nn.log_softmax(logits) * tf.constant(class_weights, logits.dtype)
        return tf.reduce_mean(tf.reduce_sum(shares, axis=-1))

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """softmax(logits), which sum to 1."""
        import tensorflow as tf

        return tf.nn.softmax(logits)


MULTI_LABEL, SINGLE_LABEL = MultiLabel(), SingleLabel()
_TASKS: dict[str, Task] = {task.name: task for task in (MULTI_LABEL, SINGLE_LABEL)}
TASKS = tuple(_TASKS)
"""The names of all tasks."""


def get_task(name: str) -> Task:
    """The task called `name`.

    Raises:
        ValueError: there is none.
    """
    if name not in _TASKS:
        raise ValueError(f"task is one of {', '.join(TASKS)}, received {name!r}")
    return _TASKS[name]
