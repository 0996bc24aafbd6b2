"""Random draws keyed by a clip's position in the global batch."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def per_clip(
    draw: Callable[[tf.Tensor], tf.Tensor],
    positions: tf.Tensor,
    seed: tf.Tensor,
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """Stacks what every clip draws from a seed of its own.

    A clip draws the same wherever its batch is cut between replicas.

    Args:
        draw: from a stateless int32 seed [2] to a tensor.
        positions: int32 [clips] in the global batch.
        seed: int32 [2].
        dtype: of what is drawn.

    Returns:
        [clips, ...].
    """
    fold = tf.random.experimental.stateless_fold_in
    return tf.map_fn(
        lambda position: draw(fold(seed, position)), positions, fn_output_signature=dtype
    )
