"""Draws of subnets, a random batch and trainers for all measurements of the training step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import tensorflow as tf

from aec_ofa_tf.layers.prefix import SLICES
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.gradients import Gradients, shared_gradients
from aec_ofa_tf.training.sampler import Sampler, uniform_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.trainer import Trainer
from pipelines.benchmarks.settings import FLOAT32, TrainStepSettings

LEARNING_RATE = 1e-3
Draw = tuple[Subnet, ...]
"""The K subnets of a step."""


def draw_subnets(settings: TrainStepSettings) -> list[Draw]:
    """The draws of the uniform sampler for the seeds 0, 1, ..."""
    space = settings.space
    sample = uniform_sampler(space, settings.subnets_per_step)
    rows = [sample(tf.constant([seed, 0])).numpy().tolist() for seed in range(settings.draws)]
    return [tuple(_subnet_of(row, space) for row in draw) for draw in rows]


def _subnet_of(row: list[list[int]], space: SearchSpace) -> Subnet:
    """The member with the row `Subnet.row`."""
    left, options = iter(row), []
    for stage in space.stages:
        wanted = list(itertools.islice(left, len(stage[0].choices)))
        options.append(next(o for o in stage if _starts_with(wanted, o.choices)))
    return space.build(options)


def _starts_with(rows: Sequence[Sequence[int]], choices: Sequence[Sequence[int]]) -> bool:
    """Whether the rows are the choices, which may be shorter."""
    pairs = zip(rows, choices, strict=True)
    return all(tuple(row[: len(choice)]) == tuple(choice) for row, choice in pairs)


def random_batch(settings: TrainStepSettings) -> dict[str, tf.Tensor]:
    """Noise at the level of log-mels, float32 [clips, frames, mel bins], and soft labels."""
    network, clips = settings.network, settings.batch_size
    shape = [clips, network.frames, network.mel_bins]
    noise = tf.random.stateless_normal(shape, [0, 0], mean=-40.0, stddev=10.0)
    return {
        "log_mel": noise,
        "soft_labels": tf.random.stateless_uniform([clips, network.classes], [0, 1]),
    }


def new_trainer(
    settings: TrainStepSettings,
    sampler: Sampler,
    precision: str = FLOAT32,
    execution: str = SLICES,
    gradients: Gradients = shared_gradients,
) -> Trainer:
    """A trainer whose weights and optimiser are built."""
    supernet = Supernet(settings.space, settings.network, precision, execution)
    trainer = Trainer(supernet, sampler, StepConfig(), gradients=gradients)
    trainer.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), auto_scale_loss=False)
    trainer.optimizer.build(supernet.trainable_variables)
    return trainer


class SupernetStep:
    """A compiled training step whose subnets can be changed without tracing it again.

    Args:
        settings: sizes.
        precision: Keras dtype policy.
        execution: "slices" or "masks".
        gradients: function that computes the gradients, with or without sharing.
    """

    def __init__(
        self,
        settings: TrainStepSettings,
        precision: str = FLOAT32,
        execution: str = SLICES,
        gradients: Gradients = shared_gradients,
    ) -> None:
        row = settings.space.largest.row()
        self._subnets = tf.Variable([row] * settings.subnets_per_step, dtype=tf.int32)
        trainer = new_trainer(
            settings, lambda seed: self._subnets.read_value(), precision, execution, gradients
        )
        self.function = tf.function(trainer.step, autograph=False)

    def choose(self, draw: Sequence[Subnet]) -> None:
        """Sets the subnets of the next steps."""
        self._subnets.assign([spec.row() for spec in draw])

    def run(self, batch: dict[str, tf.Tensor]) -> float:
        """Trains one step and returns its loss."""
        return float(self.function(batch))
