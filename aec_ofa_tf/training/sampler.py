"""Which subnets a training step computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from aec_ofa_tf.models.space import SearchSpace, Subnet

Sampler = Callable[[tf.Tensor], tf.Tensor]
"""From a stateless int32 seed [2] to the widths of the step's subnets, int32 [K, blocks, 2]."""


def uniform_sampler(subnets: Sequence[Subnet], count: int) -> Sampler:
    """`count` independent draws, uniform over the space, with replacement (paper section 2.3).

    Raises:
        ValueError: `count` is not positive.
    """
    if count < 1:
        raise ValueError(f"a step needs at least one subnet, received {count}")
    table = tf.constant([spec.widths() for spec in subnets], tf.int32)

    def sample(seed: tf.Tensor) -> tf.Tensor:
        size = len(subnets)
        choices = tf.random.stateless_uniform([count], seed, maxval=size, dtype=tf.int32)
        drawn = tf.gather(table, choices)
        return tf.ensure_shape(drawn, [count, *table.shape[1:]])

    return sample


def sandwich_sampler(space: SearchSpace, count: int) -> Sampler:
    """The largest, the smallest and `count` - 2 uniform draws (universally slimmable networks).

    Raises:
        ValueError: `count` is below 2.
    """
    if count < 2:
        raise ValueError(
            f"the sandwich rule takes the largest and the smallest subnet, so at least 2 a step; "
            f"received {count}"
        )
    ends = tf.constant([space.largest.widths(), space.smallest.widths()], tf.int32)
    if count == 2:
        return lambda seed: ends
    between = uniform_sampler(space.subnets(), count - 2)
    return lambda seed: tf.concat([ends, between(seed)], axis=0)


def constant_sampler(subnet: Subnet) -> Sampler:
    """Always the same single subnet: phase 1 of the paper, and every network trained alone."""
    widths = tf.constant([subnet.widths()], tf.int32)
    return lambda seed: widths
