"""The random draws of one training step, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.audio.augment import per_clip
from aec_ofa_tf.layers.prefix import channel_count


class DropoutSite(NamedTuple):
    """A place of a network where activations are dropped.

    Attributes:
        shape: of one clip's activations there, at full width.
        rate: share of them that is dropped.
    """

    shape: tuple[int, ...]
    rate: float


class Draws(NamedTuple):
    """What augmentation and dropout do in one step, the same for all subnets of the step.

    Attributes:
        spec_augment: float32 [clips, frames, mel bins], 0 where a clip is blanked.
        mixup: float32 [clips // 2] weights of the pairs, or None without mixup.
        dropout: per site of the network bool [pairs or clips, *shape], False where an activation
            is dropped; None for a rate of 0.
    """

    spec_augment: tf.Tensor
    mixup: tf.Tensor | None
    dropout: tuple[tf.Tensor | None, ...]


def dropout_masks(
    positions: tf.Tensor, sites: Sequence[DropoutSite], seed: tf.Tensor
) -> tuple[tf.Tensor | None, ...]:
    """Draws the masks at full width; a narrower subnet uses their first channels.

    Args:
        positions: int32 [clips that reach the units] in the global batch.
        sites: of the network, in order.
        seed: int32 [2], stateless; every site folds its own number in.
    """
    return tuple(_keep(positions, site, seed, number) for number, site in enumerate(sites))


def drop(inputs: tf.Tensor, keep: tf.Tensor | None, rate: float) -> tf.Tensor:
    """Inverted dropout by a mask of at least as many channels: kept values are / (1 - rate)."""
    if keep is None:
        return inputs
    mask = tf.cast(keep[..., : channel_count(inputs)], inputs.dtype)
    return inputs * mask * tf.cast(1.0 / (1.0 - rate), inputs.dtype)


def _keep(
    positions: tf.Tensor, site: DropoutSite, seed: tf.Tensor, number: int
) -> tf.Tensor | None:
    if site.rate == 0:
        return None
    return per_clip(
        lambda clip_seed: tf.random.stateless_uniform(site.shape, clip_seed) >= site.rate,
        positions,
        tf.random.experimental.stateless_fold_in(seed, number),
        tf.bool,
    )
