"""The first channels of a tensor by the two executions of a subnet, slices and masks."""

from __future__ import annotations

import tensorflow as tf

SLICES, MASKS = "slices", "masks"
EXECUTIONS = (SLICES, MASKS)


def keep_prefix(values: tf.Tensor, width: tf.Tensor | int, execution: str) -> tf.Tensor:
    """The first `width` channels.

    Args:
        values: [..., channels].
        width: int32 scalar, at most the number of channels.
        execution: "slices" removes the other channels, so that they cost no computation; "masks"
            sets them to 0, so that shapes are static.

    Returns:
        [..., width] for slices, or the shape of `values` for masks.
    """
    if execution == SLICES:
        return values[..., :width]
    # Selected, not multiplied: masked values may be infinite, and 0 * inf is NaN.
    return tf.where(tf.sequence_mask(width, values.shape[-1]), values, tf.zeros([], values.dtype))


def channel_count(values: tf.Tensor) -> tf.Tensor | int:
    """Number of channels, an int if it is static."""
    return values.shape[-1] or tf.shape(values)[-1]
