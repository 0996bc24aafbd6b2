"""The optimiser of a training: Adam or AdamW, and the rates of head and body."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.config import TrainConfig
from aec_ofa_tf.training.origins import TransferConfig


def learning_rate(
    train: TrainConfig, steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The rate by step: constant or a cosine, after a linear warm-up.

    Args:
        train: rate, schedule and warm-up.
        steps: steps of the whole training.
    """
    if train.schedule == "cosine":
        warm = train.warmup_steps
        rises = {"warmup_target": train.learning_rate, "warmup_steps": warm} if warm else {}
        start = 0.0 if warm else train.learning_rate
        return keras.optimizers.schedules.CosineDecay(start, max(1, steps - warm), **rises)
    if train.warmup_steps:
        # A cosine that does not decay.
        return keras.optimizers.schedules.CosineDecay(
            0.0, 1, alpha=1.0, warmup_target=train.learning_rate, warmup_steps=train.warmup_steps
        )
    return train.learning_rate


def new_optimizer(
    train: TrainConfig,
    steps: int,
    transfer: TransferConfig | None = None,
    head: Sequence[keras.Variable] = (),
) -> keras.Optimizer:
    """The optimiser that a configuration describes; not built yet.

    Args:
        train: the configuration.
        steps: steps of the whole training.
        transfer: how the body of a pretrained network is trained; None where all weights are
            trained alike.
        head: the classifier's weights; all others are the body.
    """
    rate, epsilon = learning_rate(train, steps), train.adam_epsilon
    if transfer is not None:
        return TransferAdamW(rate, train.weight_decay, transfer, head, epsilon)
    if train.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=train.weight_decay, epsilon=epsilon)
    return keras.optimizers.Adam(rate, epsilon=epsilon)


class TransferAdamW(keras.optimizers.Adam):
    """AdamW for a new head on a pretrained body.

    The body rests for the first steps, in which the head is trained alone. Then its rate rises
    linearly to a multiple of the head's. A variable decays by its own rate, as it is updated.

    Args:
        rate: the head's learning rate, by step.
        weight_decay: of head and body, as a share per unit of the learning rate.
        transfer: the body's schedule.
        head: the weights of the head.
        epsilon: Adam's, see `TrainConfig.adam_epsilon`.
    """

    def __init__(
        self,
        rate: float | keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float,
        transfer: TransferConfig,
        head: Sequence[keras.Variable],
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(rate, epsilon=epsilon)
        self._decay = weight_decay
        self._transfer = transfer
        self._head = head
        self._head_indices: set[int] = set()

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the moments of all variables, of head and body."""
        super().build(variables)
        self._head_indices = {self._get_variable_index(variable) for variable in self._head}

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """One variable's decay and update, by its own rate."""
        rate = tf.cast(learning_rate, variable.dtype) * self._relative_rate(variable)
        # Here the variable is a replica's own; elsewhere a strategy forbids changes.
        self.assign_sub(variable, variable * rate * tf.cast(self._decay, variable.dtype))
        super().update_step(gradient, variable, rate)

    def _relative_rate(self, variable: tf.Variable) -> tf.Tensor:
        """The variable's rate, relative to the head's, in its dtype."""
        # Keras passes on TensorFlow's variable, not its own: only the index tells them apart.
        if self._get_variable_index(variable) in self._head_indices:
            return tf.ones([], variable.dtype)
        rest, rise = self._transfer.classifier_steps, max(1, self._transfer.body_warmup_steps)
        risen = (tf.cast(self.iterations.value, tf.float32) + 1.0 - rest) / rise
        return tf.cast(self._transfer.body_rate * tf.clip_by_value(risen, 0.0, 1.0), variable.dtype)
