"""Batch norm over any prefix of the channels, and its statistics as values."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.layers import BATCH_NORM_EPSILON
from aec_ofa_tf.layers.prefix import channel_count
from aec_ofa_tf.pinned_keras import keras


class Moments(NamedTuple):
    """Mean and biased variance per channel, float32 [channels] each, at full width.

    Channels that were not computed are 0.
    """

    mean: tf.Tensor
    variance: tf.Tensor


def zero_moments(channels: int, dtype: str = "float32") -> Moments:
    """The moments of a layer that was not computed."""
    return Moments(tf.zeros([channels], dtype), tf.zeros([channels], dtype))


def local_moments(inputs: tf.Tensor, dtype: str = "float32") -> Moments:
    """Moments over all axes but the last of the clips on this replica, in `dtype`."""
    axes = list(range(inputs.shape.rank - 1))
    return Moments(*tf.nn.moments(tf.cast(inputs, dtype), axes))


def replica_count() -> int:
    """Number of replicas that train in sync; 1 outside a strategy."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def synchronise(local: Moments) -> Moments:
    """Moments over the clips of all replicas, which hold equally many each; differentiable.

    The variance is the mean of the variances plus the variance of the means: unlike a difference
    of squares that loses nothing to rounding where a mean is large. Must be called by every
    replica and outside conditionals and loops, as any collective.
    """
    if replica_count() == 1:
        return local
    context = tf.distribute.get_replica_context()
    row = tf.one_hot(
        context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=local.mean.dtype
    )
    # A sum of rows of which each replica fills its own gathers them all in one collective.
    rows = context.all_reduce(tf.distribute.ReduceOp.SUM, row[:, None, None] * tf.stack(local))
    means, variances = rows[:, 0], rows[:, 1]
    mean = tf.reduce_mean(means, axis=0)
    return Moments(mean, tf.reduce_mean(variances + tf.square(means - mean), axis=0))


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticBatchNorm(keras.layers.Layer):
    """Batch norm over the last axis that keeps no moving statistics.

    Running averages shared between subnets are wrong for each of them (once-for-all, section 4),
    so there are none: a call normalises by the moments of the batch, over all replicas, and
    returns them, or by the moments that it is given. Means of the former over calibration clips
    are the latter.

    Args:
        epsilon: added to the variance; PANNs' 1e-5.
    """

    def __init__(self, epsilon: float = BATCH_NORM_EPSILON, **kwargs) -> None:
        # Statistics, scale and shift stay float32 whatever the policy (float64 in float64).
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
            moments: the statistics to normalise by; the batch's own by default.

        Returns:
            The normalised input, of its shape and dtype, and the moments that were used.
        """
        if self._fused():
            return self._call_fused(inputs, moments)
        moments = moments or synchronise(self.local_moments(inputs))
        return self.normalise(inputs, moments), moments

    def local_moments(self, inputs: tf.Tensor) -> Moments:
        """The moments of this replica's clips, at full width."""
        return self._full_width(*local_moments(inputs, self.variable_dtype))

    def normalise(self, inputs: tf.Tensor, moments: Moments) -> tf.Tensor:
        """Normalises by given moments, through which gradients flow."""
        channels = channel_count(inputs)
        mean, variance = moments.mean[:channels], moments.variance[:channels]
        scale = tf.math.rsqrt(variance + self.epsilon) * self.gamma[:channels]
        centred = tf.cast(inputs, self.variable_dtype) - mean
        return tf.cast(centred * scale + self.beta[:channels], inputs.dtype)

    def _fused(self) -> bool:
        """TensorFlow's fused kernel knows neither other replicas' clips nor float64."""
        return replica_count() == 1 and self.variable_dtype == "float32"

    def _call_fused(self, inputs: tf.Tensor, moments: Moments | None) -> tuple[tf.Tensor, Moments]:
        channels = channel_count(inputs)
        given = moments or Moments(tf.zeros([0]), tf.zeros([0]))
        # The raw op, since the wrapped one silently raises epsilon to 1.001e-5.
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
        """The input's shape, and one vector per moment."""
        return input_shape, Moments((input_shape[-1],), (input_shape[-1],))

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "epsilon": self.epsilon}


def _biased(variance: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    # The fused kernel normalises by the biased variance but returns the unbiased one.
    samples = tf.cast(tf.size(inputs, tf.int64) // tf.shape(inputs, tf.int64)[-1], tf.float32)
    return variance * (samples - 1.0) / samples
