"""Steps on a subtree of the space: subnets that share more than the stem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate as running_sums

import tensorflow as tf

from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.models.unit import feature_length, stem_length, unit_sizes
from aec_ofa_tf.training.gradients import (
    Gradients,
    LossConfig,
    StepInputs,
    accumulate,
    branch_loss,
    map_loss,
    through_stem,
    traced_once,
)

TRUNKS = 2
"""Groups of subnets in a step."""
_PRICE = 0.7
"""Greatest multiply-adds of a step, as a share of those of as many independent subnets."""


@dataclass(frozen=True)
class Subtree:
    """How the subnets of a step share their first stages.

    Attributes:
        trunks: groups of subnets; those of a group have their first stages alike.
        tails: subnets of a group.
        stages: number of stages that they have alike.
        split: number of units of these stages.
    """

    trunks: int
    tails: int
    stages: int
    split: int


def plan_subtree(space: SearchSpace, network: NetworkConfig, count: int) -> Subtree:
    """Splits a step of `count` subnets as early as pays: at 0.7 of the price without sharing.

    Prices are multiply-adds after the stem, in the proportions of the largest subnet.

    Args:
        space: the space.
        network: what its subnets have in common.
        count: subnets of a step, an even number of at least 4.

    Raises:
        ValueError: `count` is odd or below 4, or wherever the space is split too little is shared.
    """
    if count < 2 * TRUNKS or count % TRUNKS:
        raise ValueError(
            f"a subtree needs an even number of subnets a step, at least {2 * TRUNKS}; received "
            f"{count}"
        )
    for stages, split, shared in _splits(space, network):
        if TRUNKS * shared + count * (1 - shared) <= _PRICE * count:
            return Subtree(TRUNKS, count // TRUNKS, stages, split)
    raise ValueError(
        f"the subnets of {space} have too little in common to be trained as a subtree: use a "
        "uniform sampler"
    )


def _splits(space: SearchSpace, network: NetworkConfig) -> Iterator[tuple[int, int, float]]:
    """Numbers of stages and of units, and their share of the multiply-adds after the stem."""
    sizes = unit_sizes(space)
    units = network.units(len(sizes))
    stem, end = stem_length(units, sizes), feature_length(units)
    parts = [*network.parts(space.largest)][1:-1]
    macs = [0 if part.row is None else part.row.macs for part in parts]
    for stages, split in enumerate(running_sums(space.stage_units), start=1):
        if stem < split < end and stages < len(space.stages):
            yield stages, split, sum(macs[stem:split]) / sum(macs[stem:])


def subtree_gradients(tree: Subtree) -> Gradients:
    """As `gradients.shared_gradients`, for subnets of `sampler.subtree_sampler`.

    Every trunk is computed once, forwards and backwards, for the tails that follow it.
    """

    def gradients(
        supernet: Supernet, inputs: StepInputs, subnets: tf.Tensor, losses: LossConfig
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        one = traced_once(_trunk(supernet, inputs, losses, tree))

        def trunks(shared: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            found: list[tf.Tensor] = []
            sums: list[tf.Tensor] = []
            for group in tf.split(subnets, tree.trunks):
                # Without a fixed order the activations of all trunks could be in memory at once.
                with tf.control_dependencies(sums):
                    again = tf.identity(shared)
                of_group, added = one(again, group)
                sums = [a + b for a, b in zip(sums, added, strict=True)] if sums else added
                found.append(of_group)
            return tf.concat(found, axis=0), sums

        return through_stem(supernet, inputs, subnets, losses, trunks)

    return gradients


def _trunk(supernet: Supernet, inputs: StepInputs, losses: LossConfig, tree: Subtree):
    """From the stem's output and a group, [tails, units, fields], to losses [tails] and gradients.

    These are with respect to the stem's output and the branch's variables.
    """
    branch = [variable.value for variable in supernet.branch_variables]
    tail = branch_loss(supernet, inputs, losses, tree.split)

    def compute(shared: tf.Tensor, group: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        maps: dict[int, tf.Tensor] = {}
        with tf.GradientTape() as tape:
            tape.watch(shared)
            trunk, _ = supernet.features(
                shared,
                group[0],
                inputs.draws,
                inputs.statistics,
                maps.__setitem__,
                end=tree.split,
            )
            own = map_loss(supernet, inputs, losses, maps, group[0])
            scaled = losses.scale(tree.tails * own)
        found, (gradient, *of_tails) = accumulate(
            tail, trunk, branch, inputs.targets, group, losses
        )
        of_trunk = tape.gradient(
            [trunk, scaled],
            [shared, *branch],
            output_gradients=[gradient, tf.ones_like(scaled)],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        sums = [a + b for a, b in zip(of_trunk[1:], of_tails, strict=True)]
        return found + own, [of_trunk[0], *sums]

    return compute
