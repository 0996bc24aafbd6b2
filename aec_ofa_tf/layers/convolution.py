"""Convolutions over any prefix of their channels."""

from __future__ import annotations

import tensorflow as tf

from aec_ofa_tf.layers.prefix import EXECUTIONS, SLICES, channel_count
from aec_ofa_tf.pinned_keras import keras


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticConv2D(keras.layers.Layer):
    """Convolution, stride 1, same padding, no bias, that computes `width` output channels.

    The kernel of a narrower convolution is the prefix `kernel[:, :, :channels, :width]` of the full
    kernel (paper section 2.2, elastic width).

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
            inputs: [batch, frames, mel bins, channels], a prefix of the full width.
            width: int32 scalar, number of output channels; by default all.

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


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticDepthwiseConv2D(keras.layers.Layer):
    """Depthwise convolution, same padding, no bias, over any prefix and with any kernel size.

    A smaller kernel is the centre of the full kernel (once-for-all, elastic kernel size).

    Args:
        kernel_size: side of the full square kernel, odd.
        strides: stride of both axes.
        execution: "slices" cuts out the kernel's centre; "masks" sets the rest to 0.

    Raises:
        ValueError: the kernel size is not positive and odd, or the execution is unknown.
    """

    def __init__(
        self, kernel_size: int = 3, strides: int = 1, execution: str = SLICES, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0 or execution not in EXECUTIONS:
            raise ValueError(
                f"kernel_size must be positive and odd, execution one of {EXECUTIONS}, received "
                f"{kernel_size} and {execution!r}"
            )
        self.kernel_size = kernel_size
        self.strides = strides
        self.execution = execution

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the full kernel.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        size = self.kernel_size
        self.kernel = self.add_weight(
            name="kernel", shape=(size, size, input_shape[-1], 1), initializer="glorot_uniform"
        )

    def call(self, inputs: tf.Tensor, kernel_size: tf.Tensor | int | None = None) -> tf.Tensor:
        """Convolves every channel with its own kernel.

        Args:
            inputs: [batch, frames, mel bins, channels], a prefix of the full width.
            kernel_size: int32 scalar, odd, at most the full size, which is the default.

        Returns:
            [batch, ceil(frames / strides), ceil(mel bins / strides), channels] in the compute
            dtype.
        """
        kernel = self.kernel[:, :, : channel_count(inputs)]
        if kernel_size is not None:
            kernel = self._centre(kernel, (self.kernel_size - kernel_size) // 2)
        strides = [1, self.strides, self.strides, 1]
        return tf.nn.depthwise_conv2d(inputs, kernel, strides, "SAME")

    def _centre(self, kernel: tf.Tensor, border: tf.Tensor | int) -> tf.Tensor:
        end = self.kernel_size - border
        if self.execution == SLICES:
            return kernel[border:end, border:end]
        places = tf.range(self.kernel_size)
        inside = tf.cast((places >= border) & (places < end), kernel.dtype)
        return kernel * (inside[:, None] * inside)[..., None, None]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """Frames and mel bins divided by the strides, rounded up."""
        batch, *sides, channels = input_shape
        return (batch, *(side and -(-side // self.strides) for side in sides), channels)

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        sizes = {"kernel_size": self.kernel_size, "strides": self.strides}
        return {**super().get_config(), **sizes, "execution": self.execution}
