"""The image that a supernet's first unit gets."""

from __future__ import annotations

import tensorflow as tf

from aec_ofa_tf.models.network import NO_POOL


def as_image(normed: tf.Tensor, pool: tuple[int, int]) -> tf.Tensor:
    """Adds the axis of channels and averages over a pool; what fills no pool is dropped.

    Args:
        normed: [clips, frames, mel bins], the normalised input.
        pool: frames and mel bins of a pool (`NetworkConfig.input_pool`).

    Returns:
        [clips, frames / pool[0], mel bins / pool[1], 1].
    """
    image = normed[..., None]
    return image if pool == NO_POOL else tf.nn.avg_pool2d(image, pool, pool, "VALID")
