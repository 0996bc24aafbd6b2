"""The random draws of one training step, as a value."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.spec import NetworkConfig


class Draws(NamedTuple):
    """What augmentation and dropout do in one step, the same for all subnets of the step.

    Attributes:
        spec_augment: float32 [clips, frames, mel bins], 0 where a clip is blanked.
        mixup: float32 [clips // 2] weights of the pairs, or None without mixup.
        dropout: per block bool [pairs or clips, frames, mel bins, full width], False where an
            activation is dropped; None for a rate of 0.
        embedding: bool [pairs or clips, full width], likewise before the fully-connected layer.
    """

    spec_augment: tf.Tensor
    mixup: tf.Tensor | None
    dropout: tuple[tf.Tensor | None, ...]
    embedding: tf.Tensor | None


def dropout_masks(
    batch: tf.Tensor | int, network: NetworkConfig, widths: tuple[int, ...], seed: tf.Tensor
) -> tuple[tuple[tf.Tensor | None, ...], tf.Tensor | None]:
    """Draws the masks at full width; a narrower subnet uses their first channels.

    Args:
        batch: number of clips that reach the blocks.
        network: shapes and rates.
        widths: output channels of every block at full width.
        seed: int32 [2], stateless; every layer folds its own number in.

    Returns:
        The block masks and the embedding mask of `Draws`.
    """
    shapes = network.pooled_shapes(len(widths))
    blocks = tuple(
        _keep([batch, *shape, width], network.block_dropout, seed, layer)
        for layer, (shape, width) in enumerate(zip(shapes, widths, strict=True))
    )
    return blocks, _keep([batch, widths[-1]], network.embedding_dropout, seed, len(widths))


def drop(inputs: tf.Tensor, keep: tf.Tensor | None, rate: float) -> tf.Tensor:
    """Inverted dropout by a mask of at least as many channels: kept values are / (1 - rate)."""
    if keep is None:
        return inputs
    mask = tf.cast(keep[..., : tf.shape(inputs)[-1]], inputs.dtype)
    return inputs * mask * tf.cast(1.0 / (1.0 - rate), inputs.dtype)


def _keep(
    shape: list[tf.Tensor | int], rate: float, seed: tf.Tensor, layer: int
) -> tf.Tensor | None:
    if rate == 0:
        return None
    seed = tf.random.experimental.stateless_fold_in(seed, layer)
    return tf.random.stateless_uniform(shape, seed) >= rate
