"""Loss and gradients of the K subnets of a step, with a shared stem or separately."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import replica_count
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.layers.prefix import keep_prefix
from aec_ofa_tf.models.draws import Draws
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.learnt import feature_error, map_error


class StepInputs(NamedTuple):
    """The inputs that all subnets of a step share.

    Attributes:
        log_mel: float [clips, frames, mel bins] in dB.
        targets: float32 [clips, or pairs with mixup, classes] in [0, 1].
        draws: augmentation and dropout.
        features: the teacher's features in the weights' dtype, [clips or pairs, channels at full
            width]; None if they are not learnt.
        maps: the teacher's maps in the weights' dtype, see `learnt.TeacherOutput`.
        statistics: batch-norm moments; by default those of the clips.
    """

    log_mel: tf.Tensor
    targets: tf.Tensor
    draws: Draws
    features: tf.Tensor | None = None
    maps: Mapping[int, tf.Tensor] = {}
    statistics: Statistics | None = None


class LossConfig(NamedTuple):
    """How the losses of a step are computed.

    Attributes:
        loss: from logits and targets, [clips or pairs, classes] each, to a scalar.
        inplace_targets: from the first subnet's logits to the targets of the others (in-place
            distillation); None if all subnets have the targets of the inputs.
        scale: from a loss to the scaled loss whose gradients are computed.
        feature_weight: weight of `feature_error` in the loss, if there are features to learn.
        map_weight: weight of `map_error` in the loss, a mean over the maps that are learnt.
    """

    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    inplace_targets: Callable[[tf.Tensor], tf.Tensor] | None = None
    scale: Callable[[tf.Tensor], tf.Tensor] = lambda loss: loss
    feature_weight: float = 0.0
    map_weight: float = 0.0


Gradients = Callable[
    [Supernet, StepInputs, tf.Tensor, LossConfig], tuple[tf.Tensor, list[tf.Tensor]]
]
"""From a supernet, inputs, choices, int32 [K, units, fields], and losses to the unscaled losses [K]
and the gradients of the sum of the scaled losses with respect to `stem_variables`, followed by
`branch_variables`."""


def shared_gradients(
    supernet: Supernet, inputs: StepInputs, subnets: tf.Tensor, losses: LossConfig
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs the stem once for all subnets, at the width of the widest.

    Each subnet's backward pass ends at the stem's output. The gradients are summed there, before
    one backward pass through the stem, so that memory is needed for only one subnet at a time.
    """
    branch = [variable.value for variable in supernet.branch_variables]
    compute = branch_loss(supernet, inputs, losses)
    return through_stem(
        supernet,
        inputs,
        subnets,
        losses,
        lambda shared: accumulate(compute, shared, branch, inputs.targets, subnets, losses),
    )


def through_stem(
    supernet: Supernet,
    inputs: StepInputs,
    subnets: tf.Tensor,
    losses: LossConfig,
    branches: Callable[[tf.Tensor], tuple[tf.Tensor, list[tf.Tensor]]],
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs the stem forwards, the branches of all subnets, and the stem backwards.

    Args:
        supernet: the network.
        inputs: the step's inputs.
        subnets: choices, int32 [K, units, fields].
        losses: how losses are computed.
        branches: from the stem's output to the losses [K], and the sums of the gradients with
            respect to that output and to `branch_variables`.

    Returns:
        As `Gradients`.
    """
    stem = [variable.value for variable in supernet.stem_variables]
    maps: dict[int, tf.Tensor] = {}
    with tf.GradientTape() as tape:
        widest = tf.reduce_max(subnets, axis=0)
        shared, _ = supernet.stem(
            inputs.log_mel, widest, inputs.draws, inputs.statistics, maps.__setitem__
        )
        # Learnt maps of the stem are those of units that all subnets have alike.
        own = map_loss(supernet, inputs, losses, maps, widest)
        scaled = losses.scale(subnets.shape[0] * own)
    of_branch, (gradient, *gradients) = branches(shared)
    of_stem = tape.gradient(
        [shared, scaled], stem, output_gradients=[gradient, tf.ones_like(scaled)]
    )
    return of_branch + own, of_stem + gradients


def separate_gradients(
    supernet: Supernet, inputs: StepInputs, subnets: tf.Tensor, losses: LossConfig
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs stem and branch for every subnet: the reference for `shared_gradients`."""
    variables = supernet.stem_variables + supernet.branch_variables
    branch = branch_loss(supernet, inputs, losses)

    def compute(
        log_mel: tf.Tensor, subnet: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        maps: dict[int, tf.Tensor] = {}
        shared, _ = supernet.stem(
            log_mel, subnet, inputs.draws, inputs.statistics, maps.__setitem__
        )
        loss, logits = branch(shared, subnet, targets)
        return loss + map_loss(supernet, inputs, losses, maps, subnet), logits

    sources = [variable.value for variable in variables]
    return accumulate(
        compute, inputs.log_mel, sources, inputs.targets, subnets, losses, by_inputs=False
    )


Loss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""From inputs, choices and targets to a subnet's loss and logits."""


def branch_loss(
    supernet: Supernet, inputs: StepInputs, config: LossConfig, first: int | None = None
) -> Loss:
    """The loss from the output of the stem on, or from the input of the unit `first`."""

    def compute(
        shared: tf.Tensor, subnet: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        maps: dict[int, tf.Tensor] = {}
        features, _ = supernet.features(
            shared, subnet, inputs.draws, inputs.statistics, maps.__setitem__, first
        )
        logits = supernet.classify(features, subnet, inputs.draws)
        loss = config.loss(logits, targets)
        if inputs.features is not None:
            own = _own_channels(supernet, inputs.features, subnet, supernet.feature_units - 1)
            loss += config.feature_weight * feature_error(features, own)
        return loss + map_loss(supernet, inputs, config, maps, subnet), logits

    return compute


def map_loss(
    supernet: Supernet,
    inputs: StepInputs,
    config: LossConfig,
    maps: Mapping[int, tf.Tensor],
    subnet: tf.Tensor,
) -> tf.Tensor:
    """The part of a subnet's loss that some of its maps have, a scalar; 0 without learnt maps.

    Of the stem those of `fixed_units` are learnt: the last one may have channels of wider subnets.
    """
    fixed, end = supernet.fixed_units, supernet.stem_units
    learnt = [number for number in inputs.maps if number < fixed or number >= end]
    loss = tf.zeros([], supernet.variable_dtype)
    for number in (number for number in learnt if number in maps):
        own = _own_channels(supernet, inputs.maps[number], subnet, number)
        loss += config.map_weight / len(learnt) * map_error(maps[number], own)
    return loss


def _own_channels(
    supernet: Supernet, teachers: tf.Tensor, subnet: tf.Tensor, unit: int
) -> tf.Tensor:
    """The teacher's channels that a subnet has after a unit."""
    widths = subnet[: unit + 1, 0]
    # The last unit that is not absent, which would have width 0.
    last = tf.reduce_max(tf.where(widths > 0, tf.range(unit + 1), 0))
    return keep_prefix(teachers, widths[last], supernet.execution)


def accumulate(
    compute: Loss,
    inputs: tf.Tensor,
    variables: list[tf.Variable],
    targets: tf.Tensor,
    subnets: tf.Tensor,
    config: LossConfig,
    by_inputs: bool = True,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The losses, and the sums of gradients (inputs first, unless `by_inputs` is False)."""

    def one(
        own: tf.Tensor, subnet: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(own)
            loss, logits = compute(own, subnet, targets)
            scaled = config.scale(loss)
        gradients = tape.gradient(
            scaled,
            [own, *variables] if by_inputs else variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return loss, logits, gradients

    one = traced_once(one)
    losses: list[tf.Tensor] = []
    sums: list[tf.Tensor] = []
    for index, subnet in enumerate(tf.unstack(subnets)):
        # Without a fixed order the activations of all subnets could be in memory at once.
        with tf.control_dependencies(sums):
            own = tf.identity(inputs)
        loss, logits, gradients = one(own, subnet, targets)
        sums = [a + b for a, b in zip(sums, gradients, strict=True)] if sums else gradients
        losses.append(loss)
        if index == 0 and config.inplace_targets is not None:
            targets = tf.stop_gradient(config.inplace_targets(logits))
    return tf.stack(losses), sums


def traced_once(compute: Callable) -> Callable:
    """A function that is one part of the graph for all subnets, traced and optimised once.

    It is not inlined: the optimiser would see K copies, and their buffers took more memory. Eager
    steps need none, and with several replicas it would contain the collectives of batch norm,
    which TensorFlow forbids.
    """
    if not tf.inside_function() or replica_count() > 1:
        return compute
    return tf.function(compute, autograph=False, experimental_attributes={"_noinline": True})
