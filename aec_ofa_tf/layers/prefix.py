"""The first channels of a tensor, cut out or masked: the two executions of a subnet."""

from __future__ import annotations

import tensorflow as tf

SLICES, MASKS = "slices", "masks"
EXECUTIONS = (SLICES, MASKS)


def keep_prefix(values: tf.Tensor, width: tf.Tensor | int, execution: str) -> tf.Tensor:
    """The first `width` channels.

    Args:
        values: [..., channels].
        width: scalar, at most the number of channels.
        execution: "slices" cuts the rest off, so that nothing is computed for it; "masks" sets
            it to 0, so that shapes are static.

    Returns:
        [..., width] for slices, the shape of `values` for masks.
    """
    if execution == SLICES:
        return values[..., :width]
    # Selected, not multiplied: what is masked may have overflowed.
    return tf.where(tf.sequence_mask(width, values.shape[-1]), values, tf.zeros([], values.dtype))


def channel_count(values: tf.Tensor) -> tf.Tensor | int:
    """Number of channels, as an int where it is static."""
    return values.shape[-1] or tf.shape(values)[-1]
