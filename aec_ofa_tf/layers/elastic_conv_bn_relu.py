"""Convolution, batch norm and ReLU as one elastic unit."""

from __future__ import annotations

import keras
import tensorflow as tf

from aec_ofa_tf.layers.elastic_batch_norm import ElasticBatchNorm
from aec_ofa_tf.layers.elastic_conv2d import ElasticConv2D
from aec_ofa_tf.layers.moments import Moments, replica_count, synchronise, zero_moments
from aec_ofa_tf.layers.prefix import EXECUTIONS, SLICES, keep_prefix


class ElasticConvBNReLU(keras.layers.Layer):
    """ElasticConv2D -> ElasticBatchNorm -> ReLU: the unit of which blocks are made.

    A unit at width w computes exactly the first w channels of a wider one.

    Args:
        filters: output channels at full width.
        execution: "slices" computes the first channels alone; "masks" computes all of them and
            sets the others to 0, so that shapes are static.

    Raises:
        ValueError: there is no such execution.
    """

    def __init__(self, filters: int, execution: str = SLICES, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        if execution not in EXECUTIONS:
            raise ValueError(f"execution must be one of {EXECUTIONS}, received {execution!r}")
        self.filters = filters
        self.execution = execution
        self.conv = ElasticConv2D(filters, dtype=self.dtype_policy, name="conv")
        self.norm = ElasticBatchNorm(dtype=self.dtype_policy, name="norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        self.conv.build(input_shape)
        self.norm.build((*input_shape[:-1], self.filters))

    def call(
        self, inputs: tf.Tensor, width: tf.Tensor | int, moments: Moments | None = None
    ) -> tuple[tf.Tensor, Moments]:
        """Computes the first `width` channels.

        Args:
            inputs: [batch, frames, mel bins, channels], a prefix of the full input; with masks,
                the full input, 0 beyond the prefix.
            width: scalar, number of output channels.
            moments: statistics for the batch norm; the batch's own by default.

        Returns:
            [batch, frames, mel bins, width], with masks all channels, in the compute dtype, and
            the moments used.
        """
        outputs, moments = self.norm(self._convolve(inputs, width), moments=moments)
        return self._finish(outputs, width), self._keep_moments(moments, width)

    def call_or_pass(
        self, inputs: tf.Tensor, width: tf.Tensor, channels: int, moments: Moments | None = None
    ) -> tuple[tf.Tensor, Moments]:
        """As `call`, but a width of 0 passes the input on (elastic depth).

        Args:
            inputs: as for `call`.
            width: scalar, number of output channels, or 0.
            channels: static number of channels to return with masks, at least as many as either
                way has.
            moments: as for `call`.

        Returns:
            [batch, frames, mel bins, width or input channels], with masks `channels`, and the
            moments used: zeros where the width is 0.
        """
        absent = zero_moments(self.filters, self.variable_dtype)
        if moments is None and replica_count() > 1:
            return self._call_or_pass_synchronised(inputs, width, channels, absent)

        def present() -> tuple[tf.Tensor, Moments]:
            outputs, used = self(inputs, width=width, moments=moments)
            return self._fit(outputs, channels), used

        return tf.cond(width > 0, present, lambda: (self._fit(inputs, channels), absent))

    def _call_or_pass_synchronised(
        self, inputs: tf.Tensor, width: tf.Tensor, channels: int, absent: Moments
    ) -> tuple[tf.Tensor, Moments]:
        """No collective may stand inside a conditional: one before the reduction, one after."""

        def convolved() -> tuple[tf.Tensor, Moments]:
            outputs = self._convolve(inputs, width)
            return outputs, self._keep_moments(self.norm.local_moments(outputs), width)

        def nothing() -> tuple[tf.Tensor, Moments]:
            if self.execution == SLICES:
                return inputs[..., :0], absent
            # Static shapes must agree, for the gradients' sake too.
            return tf.zeros([*tf.unstack(tf.shape(inputs)[:3]), self.filters], inputs.dtype), absent

        outputs, local = tf.cond(width > 0, convolved, nothing)
        moments = synchronise(local)

        def finished() -> tf.Tensor:
            static = None if self.execution == SLICES else self.filters
            shaped = tf.ensure_shape(outputs, [None, None, None, static])
            normed = self.norm.normalise(shaped, moments)
            return self._fit(self._finish(normed, width), channels)

        return tf.cond(width > 0, finished, lambda: self._fit(inputs, channels)), moments

    def _convolve(self, inputs: tf.Tensor, width: tf.Tensor | int) -> tf.Tensor:
        return self.conv(inputs, width=width if self.execution == SLICES else self.filters)

    def _finish(self, outputs: tf.Tensor, width: tf.Tensor | int) -> tf.Tensor:
        return keep_prefix(tf.nn.relu(outputs), width, self.execution)

    def _keep_moments(self, moments: Moments, width: tf.Tensor | int) -> Moments:
        # With slices the layer has padded them already.
        if self.execution == SLICES:
            return moments
        return Moments(*(keep_prefix(vector, width, self.execution) for vector in moments))

    def _fit(self, values: tf.Tensor, channels: int) -> tf.Tensor:
        """With masks, the first `channels`, padded with 0 where there are fewer."""
        if self.execution == SLICES:
            return values
        missing = max(channels - values.shape[-1], 0)
        return tf.pad(values, [[0, 0]] * 3 + [[0, missing]])[..., :channels]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """The shapes at full width."""
        return self.norm.compute_output_shape((*input_shape[:-1], self.filters))

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        sizes = {"filters": self.filters, "execution": self.execution}
        return {**super().get_config(), **sizes}
