"""Batch norm over any prefix of the channels, with its statistics as arguments and results."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.layers import BATCH_NORM_EPSILON
from aec_ofa_tf.layers.prefix import channel_count
from aec_ofa_tf.pinned_keras import keras


class Moments(NamedTuple):
    """Mean and biased variance of every channel, each [channels] at full width.

    Their dtype is float32, or float64 in a float64 network. Channels that were not computed are 0.
    """

    mean: tf.Tensor
    variance: tf.Tensor


def zero_moments(channels: int, dtype: str = "float32") -> Moments:
    """The moments of a layer that was not computed: zeros."""
    return Moments(tf.zeros([channels], dtype), tf.zeros([channels], dtype))


def local_moments(inputs: tf.Tensor, dtype: str = "float32") -> Moments:
    """Moments of this replica's clips over all axes but the last, in `dtype`."""
    axes = list(range(inputs.shape.rank - 1))
    return Moments(*tf.nn.moments(tf.cast(inputs, dtype), axes))


def replica_count() -> int:
    """Number of replicas that train in sync; 1 outside a strategy."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def synchronise(local: Moments) -> Moments:
    """Moments over the clips of all replicas, each with equally many clips; differentiable.

    The variance is the mean of the variances plus the variance of the means, which stays accurate
    for large means, unlike a difference of squares. Like any collective, this must be called by
    every replica, outside conditionals and loops.
    """
    if replica_count() == 1:
        return local
    context = tf.distribute.get_replica_context()
    row = tf.one_hot(
        context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=local.mean.dtype
    )
    # Each replica fills only its own row, so the sum gathers all rows in one collective.
    rows = context.all_reduce(tf.distribute.ReduceOp.SUM, row[:, None, None] * tf.stack(local))
    means, variances = rows[:, 0], rows[:, 1]
    mean = tf.reduce_mean(means, axis=0)
    return Moments(mean, tf.reduce_mean(variances + tf.square(means - mean), axis=0))


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticBatchNorm(keras.layers.Layer):
    """Batch norm over the last axis that keeps no moving statistics.

    Running averages shared between subnets are wrong for each of them (once-for-all, section 4).
    Therefore a call normalises by the moments of the batch, over all replicas, and returns them,
    or it normalises by given moments: the means of batch moments over calibration batches.

    Args:
        epsilon: added to the variance; by default PANNs' 1e-5.
    """

    def __init__(self, epsilon: float = BATCH_NORM_EPSILON, **kwargs) -> None:
        # Statistics, scale and shift stay float32 in every policy (float64 in float64).
        super().__init__(autocast=False, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates scale and shift.

        Args:
            input_shape: (..., channels at full width).
        """
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)

    @property
    def channels(self) -> int:
        """Channels at full width."""
        return self.gamma.shape[0]

    def call(self, inputs: tf.Tensor, moments: Moments | None = None) -> tuple[tf.Tensor, Moments]:
        """(x - mean) / sqrt(variance + epsilon) * gamma + beta, on a prefix of the channels.

        Args:
            inputs: [batch, frames, mel bins, channels], a prefix of the full width.
            moments: the moments to normalise by; by default those of the batch.

        Returns:
            The normalised input, with the input's shape and dtype, and the moments used.
        """
        if self._fused():
            return self._call_fused(inputs, moments)
        moments = moments or synchronise(self.local_moments(inputs))
        return self.normalise(inputs, moments), moments

    def local_moments(self, inputs: tf.Tensor) -> Moments:
        """The moments of this replica's clips, padded with 0 to full width."""
        return self._full_width(*local_moments(inputs, self.variable_dtype))

    def normalise(self, inputs: tf.Tensor, moments: Moments) -> tf.Tensor:
        """Normalises by given moments; differentiable with respect to the moments."""
        channels = channel_count(inputs)
        mean, variance = moments.mean[:channels], moments.variance[:channels]
        scale = tf.math.rsqrt(variance + self.epsilon) * self.gamma[:channels]
        centred = tf.cast(inputs, self.variable_dtype) - mean
        return tf.cast(centred * scale + self.beta[:channels], inputs.dtype)

    def _fused(self) -> bool:
        """TensorFlow's fused kernel supports neither several replicas nor float64."""
        return replica_count() == 1 and self.variable_dtype == "float32"

    def _call_fused(self, inputs: tf.Tensor, moments: Moments | None) -> tuple[tf.Tensor, Moments]:
        channels = channel_count(inputs)
        given = moments or Moments(tf.zeros([0]), tf.zeros([0]))
        # The raw op, since TensorFlow's wrapper silently raises epsilon to 1.001e-5.
        result = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma[:channels],
            offset=self.beta[:channels],
            mean=given.mean[:channels],
            variance=given.variance[:channels],
            epsilon=self.epsilon,
            is_training=moments is None,
        )
        if moments is not None:
            return result.y, moments
        variance = _biased(result.batch_variance, inputs)
        return result.y, self._full_width(result.batch_mean, variance)

    def _full_width(self, mean: tf.Tensor, variance: tf.Tensor) -> Moments:
        missing = self.gamma.shape[0] - channel_count(mean)
        padded = (tf.pad(vector, [[0, missing]]) for vector in (mean, variance))
        return Moments(*(tf.ensure_shape(vector, self.gamma.shape) for vector in padded))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """The input's shape, and (channels,) for each of the two moments."""
        return input_shape, Moments((input_shape[-1],), (input_shape[-1],))

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "epsilon": self.epsilon}


def _biased(variance: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    # The fused kernel normalises by the biased variance but returns the unbiased one.
    samples = tf.cast(tf.size(inputs, tf.int64) // tf.shape(inputs, tf.int64)[-1], tf.float32)
    return variance * (samples - 1.0) / samples
