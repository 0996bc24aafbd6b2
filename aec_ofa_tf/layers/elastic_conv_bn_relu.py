"""Convolution, batch norm and ReLU as one elastic unit."""

from __future__ import annotations

import keras
import tensorflow as tf

from aec_ofa_tf.layers.elastic_batch_norm import ElasticBatchNorm, Moments
from aec_ofa_tf.layers.elastic_conv2d import ElasticConv2D


class ElasticConvBNReLU(keras.layers.Layer):
    """ElasticConv2D -> ElasticBatchNorm -> ReLU: the unit of which blocks are made.

    A unit at width w computes exactly the first w channels of a wider one.

    Args:
        filters: output channels at full width.
    """

    def __init__(self, filters: int, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.filters = filters
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
            inputs: [batch, frames, mel bins, channels], a prefix of the full input.
            width: scalar, number of output channels.
            moments: statistics for the batch norm; the batch's own by default.

        Returns:
            [batch, frames, mel bins, width] in the compute dtype, and the moments used.
        """
        outputs, moments = self.norm(self.conv(inputs, width=width), moments=moments)
        return tf.nn.relu(outputs), moments

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """The shapes at full width."""
        return self.norm.compute_output_shape((*input_shape[:-1], self.filters))

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "filters": self.filters}
