"""Samplers of the subnets of a train step."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from aec_ofa_tf.models.space import Members, SearchSpace, Subnet, as_space
from aec_ofa_tf.models.unit import UnitSizes

Sampler = Callable[[tf.Tensor], tf.Tensor]
"""From a stateless seed, int32 [2], to the choices of the step's K subnets (`Subnet.row`), int32
[K, units, fields]."""

_INT32_VALUES = 2**31
_TRIED_DRAWS = 3


def uniform_sampler(members: Members, count: int) -> Sampler:
    """`count` independent draws, uniform over the space, with replacement (paper section 2.3).

    The space is not enumerated: a draw is one number, whose digits are the options of the stages;
    if such numbers do not fit into int32, every stage has its own draw.

    Args:
        members: the space, or a list of subnets.
        count: number of subnets per step.

    Raises:
        ValueError: `count` is not positive.

    Example:
        >>> ofa.uniform_sampler(space, 2)(np.array([0, 1])).shape  # [K, units, fields]
        TensorShape([2, 8, 1])
    """
    if count < 1:
        raise ValueError(f"a step needs at least one subnet, received {count}")
    space = as_space(members)
    tables = _tables(space)
    sizes = [len(options) for options in space.stages]
    return lambda seed: _rows(tables, _uniform(seed, count, sizes), count)


def subtree_sampler(space: SearchSpace, trunks: int, tails: int, stages: int) -> Sampler:
    """Subnets that share their first stages in groups, so that these can be computed once a group.

    Every subnet is uniform over the space, and those of different groups are independent.

    Args:
        space: the space.
        trunks: number of groups.
        tails: subnets in a group, which follow each other.
        stages: number of leading stages that the subnets of a group have alike.

    Raises:
        ValueError: there is no group, or no stage before or after the split.
    """
    if min(trunks, tails) < 1 or not 0 < stages < len(space.stages):
        raise ValueError(
            f"expected groups of at least one subnet that share 1 to {len(space.stages) - 1} "
            f"stages, received {trunks} of {tails} that share {stages}"
        )
    tables, count = _tables(space), trunks * tails
    sizes = [len(options) for options in space.stages]

    def sample(seed: tf.Tensor) -> tf.Tensor:
        fold = tf.random.experimental.stateless_fold_in
        shared = _uniform(fold(seed, 0), trunks, sizes[:stages])
        own = _uniform(fold(seed, 1), count, sizes[stages:])
        return _rows(tables, [*(tf.repeat(digit, tails) for digit in shared), *own], count)

    return sample


def sandwich_sampler(space: SearchSpace, count: int, between: Members | None = None) -> Sampler:
    """The largest, the smallest and `count` - 2 uniform draws (universally slimmable networks).

    Args:
        space: the space.
        count: number of subnets per step.
        between: the subnets to draw from; by default the space.

    Raises:
        ValueError: `count` is less than 2.

    Example:
        >>> ofa.sandwich_sampler(space, 2)(np.array([0, 1]))[0, :, 0].numpy().tolist()
        [4, 4, 8, 8, 16, 16, 32, 32]
    """
    if count < 2:
        raise ValueError(
            f"the sandwich rule takes the largest and the smallest subnet, so at least 2 a step; "
            f"received {count}"
        )
    ends = tf.constant([space.largest.row(), space.smallest.row()], tf.int32)
    if count == 2:
        return lambda seed: ends
    draws = uniform_sampler(space if between is None else between, count - 2)
    return lambda seed: tf.concat([ends, draws(seed)], axis=0)


def constant_sampler(subnet: Subnet) -> Sampler:
    """Always this subnet: for phase 1 of the paper, and for networks that are trained alone."""
    rows = tf.constant([subnet.row()], tf.int32)
    return lambda seed: rows


def check_sampler(
    sampler: Sampler, space: SearchSpace, sizes: Sequence[UnitSizes], largest_first: bool = False
) -> None:
    """Checks a few draws, so that a wrong sampler fails before training.

    Args:
        sampler: the sampler.
        space: the space of the supernet.
        sizes: the choices of the supernet's units.
        largest_first: whether the first subnet of every step must be the largest.

    Raises:
        TypeError: the sampler cannot be called.
        ValueError: it draws subnets that are not in the space, or the first is not the largest.
    """
    if not callable(sampler):
        raise TypeError(
            "sampler is a function, such as uniform_sampler(space, 2); received "
            f"{type(sampler).__name__}: {reprlib.repr(sampler)}"
        )
    for number in range(_TRIED_DRAWS):
        rows = np.asarray(sampler(tf.constant([0, number], tf.int32)))
        if not _are_members(rows, sizes):
            raise ValueError(
                f"the sampler draws subnets that are not in the supernet's space {space}: make it "
                "of the same space"
            )
        if largest_first and rows[0].tolist() != space.largest.row():
            raise ValueError(
                "target='largest' takes the first subnet of a step for the largest, and this "
                "sampler draws another: use sandwich_sampler(space, 4)"
            )


def _are_members(rows: np.ndarray, sizes: Sequence[UnitSizes]) -> bool:
    """Whether choices [K, units, fields] are possible in every unit."""
    if rows.ndim != 3 or not len(rows) or rows.shape[1] != len(sizes):
        return False
    return all(
        tuple(choice[: len(size.choices[0])].tolist()) in size.choices
        for row in rows
        for choice, size in zip(row, sizes, strict=True)
    )


def _uniform(seed: tf.Tensor, count: int, sizes: list[int]) -> list[tf.Tensor]:
    """Uniform options of consecutive stages, int32 [count] each."""
    if math.prod(sizes) < _INT32_VALUES:
        return _digits(_draw(seed, count, math.prod(sizes)), sizes)
    fold = tf.random.experimental.stateless_fold_in
    return [_draw(fold(seed, n), count, size) for n, size in enumerate(sizes)]


def _rows(tables: list[tf.Tensor], digits: list[tf.Tensor], count: int) -> tf.Tensor:
    """The choices of subnets from their options, int32 [count, units, fields]."""
    rows = [tf.gather(table, digit) for table, digit in zip(tables, digits, strict=True)]
    units = sum(int(table.shape[1]) for table in tables)
    return tf.ensure_shape(tf.concat(rows, axis=1), [count, units, tables[0].shape[-1]])


def _draw(seed: tf.Tensor, count: int, size: int) -> tf.Tensor:
    return tf.random.stateless_uniform([count], seed, maxval=size, dtype=tf.int32)


def _digits(numbers: tf.Tensor, sizes: list[int]) -> list[tf.Tensor]:
    """Mixed-radix digits of numbers; the last varies fastest, as in `SearchSpace.subnets`."""
    digits = []
    for size in reversed(sizes):
        digits.append(numbers % size)
        numbers = numbers // size
    return digits[::-1]


def _tables(space: SearchSpace) -> list[tf.Tensor]:
    """For every stage, the choices of its options, int32 [options, units, fields]."""
    choices = [choice for options in space.stages for o in options for choice in o.choices]
    fields = max(map(len, choices))
    return [
        tf.constant(
            [[[*c, *[0] * (fields - len(c))] for c in option.choices] for option in options],
            tf.int32,
        )
        for options in space.stages
    ]
