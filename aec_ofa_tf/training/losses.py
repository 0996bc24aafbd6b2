"""Binary cross entropy to labels and to a teacher."""

from __future__ import annotations

import tensorflow as tf


def binary_cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean over clips and classes of -(t ln s + (1 - t) ln(1 - s)), s = sigmoid(logits).

    With targets from {0, 1} the loss to labels; with a teacher's scores the distillation loss of
    the paper's equation 2, which is printed there without its minus sign.

    Args:
        logits: float32 or float64 [clips, classes].
        targets: [clips, classes] in [0, 1].

    Returns:
        Scalar of the logits' dtype.
    """
    targets = tf.cast(targets, logits.dtype)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits))
