"""What a teacher says of the clips of a step, and how far a subnet is from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.training.step_config import StepConfig


class TeacherOutput(NamedTuple):
    """What a teacher says of the clips of a step.

    Attributes:
        scores: [clips, classes].
        features: the means over frames and mel bins of the last convolution's output, [clips,
            channels]; None if they are not learnt.
        maps: outputs of units by their numbers, [clips, frames, mel bins, channels]; empty if they
            are not learnt.
    """

    scores: tf.Tensor
    features: tf.Tensor | None = None
    maps: Mapping[int, tf.Tensor] = {}


def learnt_of(output: tf.Tensor | TeacherOutput, config: StepConfig, dtype: str) -> TeacherOutput:
    """What a step learns of a teacher's output or scores, in the weights' dtype."""
    if not isinstance(output, TeacherOutput):
        output = TeacherOutput(output)

    def constant(values: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(tf.cast(values, dtype))

    features = constant(output.features) if config.feature_weight else None
    wanted = output.maps if config.map_weight else {}
    maps = {number: constant(values) for number, values in wanted.items()}
    return TeacherOutput(output.scores, features, maps)


def feature_error(features: tf.Tensor, teachers: tf.Tensor) -> tf.Tensor:
    """The squared error of a subnet's features relative to the teacher's, a mean over clips.

    Features are the means over frames and mel bins of the last convolution's output (FitNets,
    Romero et al. 2015, without a regressor: a subnet's channels are the first of the largest's).

    Args:
        features: [clips, frames, mel bins, channels].
        teachers: [clips, channels], in the dtype of the result.
    """
    return _relative_error(tf.reduce_mean(tf.cast(features, teachers.dtype), axis=[1, 2]), teachers)


def map_error(maps: tf.Tensor, teachers: tf.Tensor) -> tf.Tensor:
    """The squared error of a subnet's map relative to the teacher's, a mean over clips.

    Subnets have the same stages as the largest, with less in them (block-wise distillation, DNA, Li
    et al. 2020).

    Args:
        maps: [clips, frames, mel bins, channels].
        teachers: the same, in the dtype of the result.
    """
    return _relative_error(tf.cast(maps, teachers.dtype), teachers)


def _relative_error(own: tf.Tensor, teachers: tf.Tensor) -> tf.Tensor:
    axes = list(range(1, teachers.shape.rank))
    errors = tf.reduce_sum(tf.square(own - teachers), axis=axes)
    return tf.reduce_mean(
        tf.math.divide_no_nan(errors, tf.reduce_sum(tf.square(teachers), axis=axes))
    )
