"""Batch statistics as values, and their reduction over replicas."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Moments(NamedTuple):
    """Mean and biased variance per channel, float32 [channels] each, at full width.

    Channels that were not computed are 0.
    """

    mean: tf.Tensor
    variance: tf.Tensor


def zero_moments(channels: int, dtype: str = "float32") -> Moments:
    """The moments of a layer that was not computed."""
    return Moments(tf.zeros([channels], dtype), tf.zeros([channels], dtype))


def local_moments(inputs: tf.Tensor, dtype: str = "float32") -> Moments:
    """Moments over all axes but the last of the clips on this replica, in `dtype`."""
    axes = list(range(inputs.shape.rank - 1))
    return Moments(*tf.nn.moments(tf.cast(inputs, dtype), axes))


def replica_count() -> int:
    """Number of replicas that train in sync; 1 outside a strategy."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def synchronise(local: Moments) -> Moments:
    """Moments over the clips of all replicas, which hold equally many each; differentiable.

    The variance is the mean of the variances plus the variance of the means: unlike a difference
    of squares that loses nothing to rounding where a mean is large. Must be called by every
    replica and outside conditionals and loops, as any collective.
    """
    if replica_count() == 1:
        return local
    context = tf.distribute.get_replica_context()
    row = tf.one_hot(
        context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=local.mean.dtype
    )
    # A sum of rows of which each replica fills its own gathers them all in one collective.
    rows = context.all_reduce(tf.distribute.ReduceOp.SUM, row[:, None, None] * tf.stack(local))
    means, variances = rows[:, 0], rows[:, 1]
    mean = tf.reduce_mean(means, axis=0)
    return Moments(mean, tf.reduce_mean(variances + tf.square(means - mean), axis=0))
