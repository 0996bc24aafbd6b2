"""Mixup of pairs of clips."""

from __future__ import annotations

import tensorflow as tf

from aec_ofa_tf.audio.per_clip import per_clip


def mixup_lambda(positions: tf.Tensor, seed: tf.Tensor, alpha: float = 1.0) -> tf.Tensor:
    """Mixing weights ~ Beta(alpha, alpha) (Zhang et al. 2018; PANNs: alpha = 1).

    Args:
        positions: int32 [pairs] in the global batch of pairs.
        seed: int32 [2], stateless.
        alpha: concentration of the beta distribution.

    Returns:
        float32 [pairs].
    """
    gamma = per_clip(lambda s: tf.random.stateless_gamma([2], s, alpha), positions, seed)
    return gamma[:, 0] / (gamma[:, 0] + gamma[:, 1])


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
