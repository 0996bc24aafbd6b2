"""What a train step tells besides its loss, and what the loop takes from it to the log."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.models.space import SearchSpace

SIZES = ("largest", "smallest", "drawn")
"""Size classes of the subnets of a step; a subnet that is largest and smallest is the largest."""


class StepDetails(NamedTuple):
    """What a train step tells.

    Attributes:
        losses: [K], the mean loss of every subnet over this replica's clips.
        subnets: the choices of the subnets, int32 [K, units, fields].
        gradient_norm: float32 scalar, Euclidean norm of the gradients of the summed losses over all
            weights. A replica has the norm of its own gradients, before they are averaged.
    """

    losses: tf.Tensor
    subnets: tf.Tensor
    gradient_norm: tf.Tensor

    @property
    def loss(self) -> tf.Tensor:
        """The loss of the step, a scalar: the sum over the subnets."""
        return tf.add_n(tf.unstack(self.losses))

    def by_size(self, space: SearchSpace) -> tf.Tensor:
        """Sums of losses by size class, and numbers of subnets, float32 [2, size classes].

        Args:
            space: the space of the subnets.
        """
        ends = tf.constant([[end.row()] for end in (space.largest, space.smallest)], tf.int32)
        largest, smallest = tf.unstack(tf.reduce_all(ends == self.subnets, axis=[2, 3]))
        classes = [largest, smallest & ~largest, ~(largest | smallest)]
        members = tf.cast(tf.stack(classes), tf.float32)
        losses = tf.cast(self.losses, tf.float32)
        return tf.stack([tf.linalg.matvec(members, losses), tf.reduce_sum(members, axis=1)])


def gradient_norm(gradients: list[tf.Tensor], scale: tf.Tensor) -> tf.Tensor:
    """The norm of all gradients together, float32, without the scale that their loss had."""
    return tf.cast(tf.linalg.global_norm(gradients) / scale, tf.float32)
