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
    rate = learning_rate(train, steps)
    if transfer is not None:
        return TransferAdamW(rate, train.weight_decay, transfer, head)
    if train.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=train.weight_decay)
    return keras.optimizers.Adam(rate)


class TransferAdamW(keras.optimizers.AdamW):
    """AdamW for a new head on a pretrained body.

    The body rests for the first steps, in which the head is trained alone. Then its rate rises
    linearly to a share of the head's.

    Args:
        rate: the head's learning rate, by step.
        weight_decay: of head and body.
        transfer: the body's schedule.
        head: the weights of the head.
    """

    def __init__(
        self,
        rate: float | keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float,
        transfer: TransferConfig,
        head: Sequence[keras.Variable],
    ) -> None:
        super().__init__(rate, weight_decay=weight_decay)
        self._transfer = transfer
        self._head = {id(variable) for variable in head}

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        """One variable's update, by its own rate."""
        share = self._share(variable)
        super().update_step(gradient, variable, learning_rate * tf.cast(share, variable.dtype))

    def _apply_weight_decay(self, variables: Sequence[keras.Variable]) -> None:
        # Decay goes by the rate of the variable, as its update does.
        for variable in variables:
            if self._use_weight_decay(variable):
                rate = self._get_current_learning_rate() * self._share(variable)
                decay = tf.cast(rate * self.weight_decay, variable.dtype)
                variable.assign_sub(variable * decay)

    def _share(self, variable: keras.Variable) -> tf.Tensor | float:
        if id(variable) in self._head:
            return 1.0
        rest, rise = self._transfer.classifier_steps, max(1, self._transfer.body_warmup_steps)
        risen = (tf.cast(self.iterations.value, tf.float32) + 1.0 - rest) / rise
        return self._transfer.body_rate * tf.clip_by_value(risen, 0.0, 1.0)
