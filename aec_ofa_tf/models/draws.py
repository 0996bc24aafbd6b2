"""The random draws of one training step, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.audio.augment import per_clip
from aec_ofa_tf.layers.prefix import channel_count
from aec_ofa_tf.models.network import NetworkConfig


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
    positions: tf.Tensor, network: NetworkConfig, widths: tuple[int, ...], seed: tf.Tensor
) -> tuple[tuple[tf.Tensor | None, ...], tf.Tensor | None]:
    """Draws the masks at full width; a narrower subnet uses their first channels.

    Args:
        positions: int32 [clips that reach the blocks] in the global batch.
        network: shapes and rates.
        widths: output channels of every block at full width.
        seed: int32 [2], stateless; every layer folds its own number in.

    Returns:
        The block masks and the embedding mask of `Draws`.
    """
    shapes = network.pooled_shapes(len(widths))
    blocks = tuple(
        _keep(positions, [*shape, width], network.block_dropout, seed, layer)
        for layer, (shape, width) in enumerate(zip(shapes, widths, strict=True))
    )
    return blocks, _keep(positions, widths[-1:], network.embedding_dropout, seed, len(widths))


def drop(inputs: tf.Tensor, keep: tf.Tensor | None, rate: float) -> tf.Tensor:
    """Inverted dropout by a mask of at least as many channels: kept values are / (1 - rate)."""
    if keep is None:
        return inputs
    mask = tf.cast(keep[..., : channel_count(inputs)], inputs.dtype)
    return inputs * mask * tf.cast(1.0 / (1.0 - rate), inputs.dtype)


def _keep(
    positions: tf.Tensor, shape: Sequence[int], rate: float, seed: tf.Tensor, layer: int
) -> tf.Tensor | None:
    if rate == 0:
        return None
    return per_clip(
        lambda clip_seed: tf.random.stateless_uniform(shape, clip_seed) >= rate,
        positions,
        tf.random.experimental.stateless_fold_in(seed, layer),
        tf.bool,
    )
