"""The random draws of one training step, as a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.audio.augment import Part
from aec_ofa_tf.layers.prefix import channel_count
from aec_ofa_tf.models.unit import ElasticUnit, Head, Shape, UnitSizes

Tap = Callable[[int, tf.Tensor], None]
"""Is given the number of every unit that runs, and the unit's output before dropout."""


class DropoutSite(NamedTuple):
    """A place in a network where dropout is applied.

    Attributes:
        shape: shape of one clip's activations there, at full width.
        rate: dropout rate, in [0, 1).
    """

    shape: tuple[int, ...]
    rate: float


class Draws(NamedTuple):
    """The random masks and weights of one step; all subnets of the step use the same ones.

    Attributes:
        spec_augment: float32 [clips, frames, mel bins], 0 where SpecAugment masks a clip.
        mixup: float32 [clips // 2], mixing weight of every pair; None without mixup.
        dropout: for every site, bool [pairs or clips, *shape], False where an activation is
            dropped; None for a rate of 0.
    """

    spec_augment: tf.Tensor
    mixup: tf.Tensor | None
    dropout: tuple[tf.Tensor | None, ...]


def dropout_sites(
    units: Sequence[ElasticUnit], sizes: Sequence[UnitSizes], head: Head, image: Shape
) -> tuple[DropoutSite, ...]:
    """Where a network of these units applies dropout, from the shape of its input image on."""
    sites, shape = [], image
    for unit, size in zip(units, sizes, strict=True):
        shape = (*unit.output_shape(size.choices[-1], shape)[:2], size.channels_out)
        if unit.dropout is not None:
            sites.append(DropoutSite(shape, unit.dropout))
    if head.dropout is not None:
        sites.append(DropoutSite(shape[2:], head.dropout))
    return tuple(sites)


def dropout_masks(
    part: Part, sites: Sequence[DropoutSite], seed: tf.Tensor
) -> tuple[tf.Tensor | None, ...]:
    """Draws the masks at full width; a narrower subnet uses their first channels.

    Args:
        part: the clips, or pairs with mixup.
        sites: the dropout sites of the network, in order.
        seed: stateless seed, int32 [2]; the number of each site is folded in.

    Returns:
        `Draws.dropout`.
    """
    return tuple(_keep(part, site, seed, number) for number, site in enumerate(sites))


def drop(inputs: tf.Tensor, keep: tf.Tensor | None, rate: float) -> tf.Tensor:
    """Inverted dropout: kept values are divided by 1 - rate; `keep` may have more channels."""
    if keep is None:
        return inputs
    mask = tf.cast(keep[..., : channel_count(inputs)], inputs.dtype)
    return inputs * mask * tf.cast(1.0 / (1.0 - rate), inputs.dtype)


def _keep(part: Part, site: DropoutSite, seed: tf.Tensor, number: int) -> tf.Tensor | None:
    if site.rate == 0:
        return None
    draws = part.uniform(tf.random.experimental.stateless_fold_in(seed, number), *site.shape)
    return draws >= site.rate
