"""Convolutions over any prefix of their channels."""

from __future__ import annotations

import tensorflow as tf

from aec_ofa_tf.layers.prefix import EXECUTIONS, MASKS, SLICES, channel_count
from aec_ofa_tf.pinned_keras import keras


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticConv2D(keras.layers.Layer):
    """Convolution without bias that computes `width` output channels.

    The kernel of a narrower convolution is the prefix `kernel[:, :, :channels, :width]` of the full
    kernel (paper section 2.2, elastic width). Padding is "same" for stride 1, and `pad_evenly`
    before a stride.

    Args:
        filters: output channels at full width.
        kernel_size: side of the square kernel.
        strides: of both axes.

    Raises:
        ValueError: `filters` or `kernel_size` is not positive.
    """

    def __init__(self, filters: int, kernel_size: int = 3, strides: int = 1, **kwargs) -> None:
        super().__init__(**kwargs)
        if filters < 1 or kernel_size < 1:
            raise ValueError(
                f"filters and kernel_size must be positive, received {filters} and {kernel_size}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

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
            [batch, frames / strides, mel bins / strides, width] in the compute dtype.
        """
        width = self.filters if width is None else width
        kernel = self.kernel[:, :, : channel_count(inputs), :width]
        if self.strides == 1:
            return tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME")
        return tf.nn.conv2d(pad_evenly(inputs, self.kernel_size), kernel, self.strides, "VALID")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """The shape at full width."""
        return strided_shape(input_shape, self.strides, self.filters)

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        sizes = {"filters": self.filters, "kernel_size": self.kernel_size}
        return {**super().get_config(), **sizes, "strides": self.strides}


def pad_evenly(inputs: tf.Tensor, kernel_size: tf.Tensor | int) -> tf.Tensor:
    """Pads frames and mel bins by (kernel_size - 1) / 2 zeros at both ends.

    PyTorch pads so; TensorFlow's "SAME" pads one less at the start before a stride of 2 over an
    even length.
    """
    border = (kernel_size - 1) // 2
    return tf.pad(inputs, [[0, 0], [border, border], [border, border], [0, 0]])


def strided_shape(
    input_shape: tuple[int | None, ...], strides: int, channels: int | None
) -> tuple[int | None, ...]:
    """(batch, frames, mel bins, channels) after a convolution; sides are rounded up."""
    batch, *sides, _ = input_shape
    return (batch, *(side and -(-side // strides) for side in sides), channels)


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticDepthwiseConv2D(keras.layers.Layer):
    """Depthwise convolution without bias, over any prefix and with any kernel size.

    A smaller kernel is the centre of the full kernel (once-for-all, elastic kernel size). Padding
    is as in `ElasticConv2D`.

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
        if self.strides == 1:
            return tf.nn.depthwise_conv2d(inputs, kernel, [1, 1, 1, 1], "SAME")
        strides = [1, self.strides, self.strides, 1]
        computed = self.kernel_size if self.execution == MASKS else kernel_size
        padded = pad_evenly(inputs, self.kernel_size if computed is None else computed)
        return tf.nn.depthwise_conv2d(padded, kernel, strides, "VALID")

    def _centre(self, kernel: tf.Tensor, border: tf.Tensor | int) -> tf.Tensor:
        end = self.kernel_size - border
        if self.execution == SLICES:
            return kernel[border:end, border:end]
        places = tf.range(self.kernel_size)
        inside = tf.cast((places >= border) & (places < end), kernel.dtype)
        return kernel * (inside[:, None] * inside)[..., None, None]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """Frames and mel bins divided by the strides, rounded up."""
        return strided_shape(input_shape, self.strides, input_shape[-1])

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        sizes = {"kernel_size": self.kernel_size, "strides": self.strides}
        return {**super().get_config(), **sizes, "execution": self.execution}
