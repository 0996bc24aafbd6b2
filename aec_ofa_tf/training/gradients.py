"""Loss and gradients of the K subnets of a step, with and without sharing nested work."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.models.draws import Draws
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.losses import binary_cross_entropy


class Lesson(NamedTuple):
    """What all subnets of a step learn from.

    Attributes:
        log_mel: float [clips, frames, mel bins] in dB.
        targets: float32 [clips or pairs, classes] in [0, 1].
        draws: augmentation and dropout.
    """

    log_mel: tf.Tensor
    targets: tf.Tensor
    draws: Draws


class Rules(NamedTuple):
    """How the losses of a step are made.

    Attributes:
        follow: from the first subnet's logits to what the others learn from (in-place
            distillation), or None where all learn from the lesson's targets.
        scale: what a loss is multiplied by before its gradient is taken.
    """

    follow: Callable[[tf.Tensor], tf.Tensor] | None = None
    scale: Callable[[tf.Tensor], tf.Tensor] = lambda loss: loss


Gradients = Callable[[Supernet, Lesson, tf.Tensor, Rules], tuple[tf.Tensor, list[tf.Tensor]]]
"""From int32 widths [K, blocks, 2] to the summed loss, unscaled, and the summed gradients of the
scaled losses by `stem_variables`, then `branch_variables`."""


def shared_gradients(
    supernet: Supernet, lesson: Lesson, widths: tf.Tensor, rules: Rules
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs the stem once for all subnets, at the widest first convolution among them.

    Each subnet's backward pass ends at the stem's output, where the gradients are summed before
    the one backward pass through the stem. So the memory is that of one subnet.
    """
    stem = [variable.value for variable in supernet.stem_variables]
    branch = [variable.value for variable in supernet.branch_variables]
    with tf.GradientTape() as tape:
        widest = tf.reduce_max(widths[:, 1, 0])
        shared, _ = supernet.stem(lesson.log_mel, widest, lesson.draws)

    def forward(inputs: tf.Tensor, subnet: tf.Tensor) -> tf.Tensor:
        return supernet.branch(inputs, subnet, lesson.draws)[0]

    loss, (gradient, *gradients) = _accumulate(
        forward, shared, branch, lesson.targets, widths, rules
    )
    return loss, tape.gradient(shared, stem, output_gradients=gradient) + gradients


def separate_gradients(
    supernet: Supernet, lesson: Lesson, widths: tf.Tensor, rules: Rules
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """K whole passes: what `shared_gradients` must equal, and is measured against."""
    variables = supernet.stem_variables + supernet.branch_variables

    def forward(log_mel: tf.Tensor, subnet: tf.Tensor) -> tf.Tensor:
        shared, _ = supernet.stem(log_mel, subnet[1, 0], lesson.draws)
        return supernet.branch(shared, subnet, lesson.draws)[0]

    sources = [variable.value for variable in variables]
    loss, gradients = _accumulate(
        forward, lesson.log_mel, sources, lesson.targets, widths, rules, by_inputs=False
    )
    return loss, gradients


def _accumulate(
    forward: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    inputs: tf.Tensor,
    variables: list[tf.Variable],
    targets: tf.Tensor,
    widths: tf.Tensor,
    rules: Rules,
    by_inputs: bool = True,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The loss and its gradients by the inputs and the variables, one subnet after another."""
    losses: list[tf.Tensor] = []
    sums: list[tf.Tensor] = []
    # Unrolled: a loop in the graph would hold synchronised batch norm's collectives, and none may.
    # An inner function, traced once for all subnets, was tried: it raised peak memory by a fifth.
    for index, subnet in enumerate(tf.unstack(widths)):
        # Without an order all subnets' activations could be alive at once.
        with tf.control_dependencies(sums):
            own = tf.identity(inputs)
        with tf.GradientTape() as tape:
            tape.watch(own)
            logits = forward(own, subnet)
            loss = binary_cross_entropy(logits, targets)
            scaled = rules.scale(loss)
        gradients = tape.gradient(
            scaled,
            [own, *variables] if by_inputs else variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        sums = [a + b for a, b in zip(sums, gradients, strict=True)] if sums else gradients
        losses.append(loss)
        if index == 0 and rules.follow is not None:
            targets = tf.stop_gradient(rules.follow(logits))
    return tf.add_n(losses), sums
