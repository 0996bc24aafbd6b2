"""The subnets of a draw as separate Keras models, trained one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.pinned_keras import keras
from pipelines.benchmarks.settings import TrainStepSettings
from pipelines.benchmarks.workload import LEARNING_RATE, Draw

Step = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class StandaloneModels:
    """Models of a draw's subnets, each with an optimiser and a training step of static shapes.

    Args:
        settings: sizes.
        draw: the subnets.
        precision: Keras dtype policy.
    """

    def __init__(self, settings: TrainStepSettings, draw: Draw, precision: str) -> None:
        with _dtype_policy(precision):
            self._steps = [_train_step(settings, spec) for spec in draw]

    def run(self, batch: dict[str, tf.Tensor]) -> float:
        """Trains every model for one step, waits for its loss, and returns the sum of losses."""
        log_mel, targets = batch["log_mel"], batch["soft_labels"]
        return sum(float(step(log_mel, targets)) for step in self._steps)


def _train_step(settings: TrainStepSettings, spec: Subnet) -> Step:
    network = settings.network
    model = build_plain(spec, network, classifier_activation=None)
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(model.trainable_variables)
    variables = [variable.value for variable in model.trainable_variables]

    def step(log_mel: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.cast(model(log_mel, training=True), tf.float32)
            loss = settings.network.get_task().loss(logits, targets)
        optimizer.apply(tape.gradient(loss, variables), model.trainable_variables)
        return loss

    # A concrete function: TensorFlow would mistake many models for one function that is retraced.
    return tf.function(step, autograph=False).get_concrete_function(
        tf.TensorSpec([settings.batch_size, network.frames, network.mel_bins], tf.float32),
        tf.TensorSpec([settings.batch_size, network.classes], tf.float32),
    )


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Sets the default dtype policy of layers that are built in the block."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
