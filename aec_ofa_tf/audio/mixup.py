"""Mixup of pairs and roll over time."""

from __future__ import annotations

import tensorflow as tf


def mixup_lambda(pairs: tf.Tensor | int, seed: tf.Tensor, alpha: float = 1.0) -> tf.Tensor:
    """Mixing weights ~ Beta(alpha, alpha) (Zhang et al. 2018; PANNs: alpha = 1).

    Args:
        pairs: number of pairs.
        seed: int32 [2], stateless.
        alpha: concentration of the beta distribution.

    Returns:
        float32 [pairs].
    """
    gamma = tf.random.stateless_gamma([2, pairs], seed, alpha)
    return gamma[0] / (gamma[0] + gamma[1])


def mix_pairs(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mixes neighbours: weights * values[0::2] + (1 - weights) * values[1::2].

    Args:
        values: [2 * pairs, ...], log-mel or labels.
        weights: float32 [pairs].

    Returns:
        [pairs, ...].
    """
    weights = tf.reshape(tf.cast(weights, values.dtype), [-1] + [1] * (values.shape.rank - 1))
    return weights * values[0::2] + (1 - weights) * values[1::2]


def time_roll(log_mel: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotates each clip over time by its own uniform shift.

    Args:
        log_mel: [batch, frames, mel bins].
        seed: int32 [2], stateless.

    Returns:
        [batch, frames, mel bins].
    """
    batch, frames = tf.shape(log_mel)[0], tf.shape(log_mel)[1]
    shifts = tf.random.stateless_uniform([batch, 1], seed, maxval=frames, dtype=tf.int32)
    return tf.gather(log_mel, (tf.range(frames) + shifts) % frames, axis=1, batch_dims=1)
