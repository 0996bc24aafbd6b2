"""Loss and gradients of the K subnets of a step, with and without sharing nested work."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.models.draws import Draws
from aec_ofa_tf.models.supernet import Supernet


class StepInputs(NamedTuple):
    """What all subnets of a step learn from.

    Attributes:
        log_mel: float [clips, frames, mel bins] in dB.
        targets: float32 [clips or pairs, classes] in [0, 1].
        draws: augmentation and dropout.
    """

    log_mel: tf.Tensor
    targets: tf.Tensor
    draws: Draws


class LossConfig(NamedTuple):
    """How the losses of a step are made.

    Attributes:
        loss: from logits and targets, [clips or pairs, classes] each, to a scalar.
        follow: from the first subnet's logits to what the others learn from (in-place
            distillation), or None where all learn from the targets of the inputs.
        scale: what a loss is multiplied by before its gradient is taken.
    """

    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    follow: Callable[[tf.Tensor], tf.Tensor] | None = None
    scale: Callable[[tf.Tensor], tf.Tensor] = lambda loss: loss


Gradients = Callable[
    [Supernet, StepInputs, tf.Tensor, LossConfig], tuple[tf.Tensor, list[tf.Tensor]]
]
"""From int32 choices [K, units, fields] to the summed loss, unscaled, and the summed gradients of
the scaled losses by `stem_variables`, then `branch_variables`."""


def shared_gradients(
    supernet: Supernet, inputs: StepInputs, subnets: tf.Tensor, losses: LossConfig
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs the stem once for all subnets, as wide as the widest of them wants it.

    Each subnet's backward pass ends at the stem's output, where the gradients are summed before
    the one backward pass through the stem. So the memory is that of one subnet.
    """
    stem = [variable.value for variable in supernet.stem_variables]
    branch = [variable.value for variable in supernet.branch_variables]
    with tf.GradientTape() as tape:
        widest = tf.reduce_max(subnets, axis=0)
        shared, _ = supernet.stem(inputs.log_mel, widest, inputs.draws)

    def forward(x: tf.Tensor, subnet: tf.Tensor) -> tf.Tensor:
        return supernet.branch(x, subnet, inputs.draws)[0]

    loss, (gradient, *gradients) = _accumulate(
        forward, shared, branch, inputs.targets, subnets, losses
    )
    return loss, tape.gradient(shared, stem, output_gradients=gradient) + gradients


def separate_gradients(
    supernet: Supernet, inputs: StepInputs, subnets: tf.Tensor, losses: LossConfig
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """K whole passes: what `shared_gradients` must equal, and is measured against."""
    variables = supernet.stem_variables + supernet.branch_variables

    def forward(log_mel: tf.Tensor, subnet: tf.Tensor) -> tf.Tensor:
        shared, _ = supernet.stem(log_mel, subnet, inputs.draws)
        return supernet.branch(shared, subnet, inputs.draws)[0]

    sources = [variable.value for variable in variables]
    loss, gradients = _accumulate(
        forward, inputs.log_mel, sources, inputs.targets, subnets, losses, by_inputs=False
    )
    return loss, gradients


def _accumulate(
    forward: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    inputs: tf.Tensor,
    variables: list[tf.Variable],
    targets: tf.Tensor,
    subnets: tf.Tensor,
    config: LossConfig,
    by_inputs: bool = True,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The loss and its gradients by the inputs and the variables, one subnet after another."""
    losses: list[tf.Tensor] = []
    sums: list[tf.Tensor] = []
    # Unrolled: a loop in the graph would hold synchronised batch norm's collectives, and none may.
    # An inner function, traced once for all subnets, was tried: it raised peak memory by a fifth.
    for index, subnet in enumerate(tf.unstack(subnets)):
        # Without an order all subnets' activations could be alive at once.
        with tf.control_dependencies(sums):
            own = tf.identity(inputs)
        with tf.GradientTape() as tape:
            tape.watch(own)
            logits = forward(own, subnet)
            loss = config.loss(logits, targets)
            scaled = config.scale(loss)
        gradients = tape.gradient(
            scaled,
            [own, *variables] if by_inputs else variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        sums = [a + b for a, b in zip(sums, gradients, strict=True)] if sums else gradients
        losses.append(loss)
        if index == 0 and config.follow is not None:
            targets = tf.stop_gradient(config.follow(logits))
    return tf.add_n(losses), sums
