"""A convolution of which any prefix of the channels can be used."""

from __future__ import annotations

import keras
import tensorflow as tf

from aec_ofa_tf.layers.prefix import channel_count


class ElasticConv2D(keras.layers.Layer):
    """3x3 convolution, same padding, no bias, that computes its first `width` output channels.

    The kernel of a narrower convolution is the prefix `kernel[:, :, :inputs, :width]` of the full
    one (paper section 2.2, elastic width). Only that prefix is computed.

    Args:
        filters: output channels at full width.
        kernel_size: side of the square kernel.

    Raises:
        ValueError: `filters` or `kernel_size` is not positive.
    """

    def __init__(self, filters: int, kernel_size: int = 3, **kwargs) -> None:
        super().__init__(**kwargs)
        if filters < 1 or kernel_size < 1:
            raise ValueError(
                f"filters and kernel_size must be positive, received {filters} and {kernel_size}"
            )
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the full kernel.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        size = self.kernel_size
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, size, input_shape[-1], self.filters),
            initializer="glorot_uniform",
        )

    def call(self, inputs: tf.Tensor, width: tf.Tensor | int | None = None) -> tf.Tensor:
        """Convolves with the kernel's prefix.

        Args:
            inputs: [batch, frames, mel bins, inputs], where inputs may be a prefix too.
            width: scalar, number of output channels; all of them by default.

        Returns:
            [batch, frames, mel bins, width] in the compute dtype.
        """
        width = self.filters if width is None else width
        kernel = self.kernel[:, :, : channel_count(inputs), :width]
        return tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """The shape at full width."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        sizes = {"filters": self.filters, "kernel_size": self.kernel_size}
        return {**super().get_config(), **sizes}
