"""The optimiser of a training: Adam or AdamW, and the rates of head and body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from absl import logging

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
    if 0 < steps <= train.warmup_steps:
        logging.warning(
            "a training of %d steps never reaches its learning rate: warmup_steps=%d",
            *(steps, train.warmup_steps),
        )
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
    options: dict[str, Any] = {"epsilon": train.adam_epsilon}
    if train.ema_momentum:
        options |= {"use_ema": True, "ema_momentum": train.ema_momentum}
    if transfer is not None:
        return TransferAdamW(rate, train.weight_decay, train.lazy_adam, transfer, head, **options)
    if train.lazy_adam:
        return LazyAdamW(rate, train.weight_decay, **options)
    if train.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=train.weight_decay, **options)
    return keras.optimizers.Adam(rate, **options)


@contextmanager
def averaged(optimizer: keras.Optimizer, weights: Sequence[keras.Variable]) -> Iterator[None]:
    """Sets weights to their moving averages for a while; does nothing if the optimiser has none.

    Args:
        optimizer: the optimiser, built for these weights.
        weights: all trainable weights, in the order in which the optimiser was built.
    """
    if not has_average(optimizer):
        yield
        return
    kept = [weight.numpy() for weight in weights]
    optimizer.finalize_variable_values(weights)
    try:
        yield
    finally:
        for weight, value in zip(weights, kept, strict=True):
            weight.assign(value)


def has_average(optimizer: keras.Optimizer) -> bool:
    """Whether the optimiser keeps a moving average of the weights."""
    return bool(getattr(optimizer, "inner_optimizer", optimizer).use_ema)


class LazyAdamW(keras.optimizers.Adam):
    """AdamW that can leave alone what has no gradient in a step.

    With weights that several subnets share, those that no subnet of a step has would still move by
    their moments, which are of earlier steps.

    Args:
        rate: learning rate, by step.
        weight_decay: decoupled decay, as a share per unit of the learning rate.
        lazy: whether weights and moments whose gradient is exactly 0 stay as they are.
        options: as for `keras.optimizers.Adam`.
    """

    def __init__(
        self,
        rate: float | keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float = 0.0,
        lazy: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(rate, **options)
        self._decay = weight_decay
        self._lazy = lazy

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """One variable's decay and update, by its own rate."""
        rate = tf.cast(learning_rate, variable.dtype) * self._relative_rate(variable)
        index = self._get_variable_index(variable)
        state = [variable, self._momentums[index], self._velocities[index]] if self._lazy else []
        before = [tf.identity(values) for values in state]
        # Here the variable is a replica's own; elsewhere a strategy forbids changes.
        self.assign_sub(variable, variable * rate * tf.cast(self._decay, variable.dtype))
        super().update_step(gradient, variable, rate)
        for values, old in zip(state, before, strict=True):
            self.assign(values, tf.where(gradient != 0, tf.convert_to_tensor(values), old))

    def _relative_rate(self, variable: tf.Variable) -> tf.Tensor:
        """The variable's rate relative to the optimiser's, in its dtype."""
        return tf.ones([], variable.dtype)


class TransferAdamW(LazyAdamW):
    """AdamW for a new head on a pretrained body.

    The body rests for the first steps, in which the head is trained alone. Then its rate rises
    linearly to a multiple of the head's. A variable decays by its own rate, as it is updated.

    Args:
        rate: the head's learning rate, by step.
        weight_decay: of head and body, as a share per unit of the learning rate.
        lazy: as for `LazyAdamW`.
        transfer: the body's schedule.
        head: the weights of the head.
        options: as for `keras.optimizers.Adam`.
    """

    def __init__(
        self,
        rate: float | keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float,
        lazy: bool,
        transfer: TransferConfig,
        head: Sequence[keras.Variable],
        **options: Any,
    ) -> None:
        super().__init__(rate, weight_decay, lazy, **options)
        self._transfer = transfer
        self._head = head
        self._head_indices: set[int] = set()

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the moments of all variables, of head and body."""
        super().build(variables)
        self._head_indices = {self._get_variable_index(variable) for variable in self._head}

    def _relative_rate(self, variable: tf.Variable) -> tf.Tensor:
        """The variable's rate, relative to the head's, in its dtype."""
        # Keras passes on TensorFlow's variable, not its own: only the index tells them apart.
        if self._get_variable_index(variable) in self._head_indices:
            return tf.ones([], variable.dtype)
        rest, rise = self._transfer.classifier_steps, max(1, self._transfer.body_warmup_steps)
        risen = (tf.cast(self.iterations.value, tf.float32) + 1.0 - rest) / rise
        return tf.cast(self._transfer.body_rate * tf.clip_by_value(risen, 0.0, 1.0), variable.dtype)
