"""Dense layers over any prefix of their inputs, with any prefix of their outputs."""

from __future__ import annotations

import tensorflow as tf

from aec_ofa_tf.layers.prefix import SLICES, channel_count, keep_prefix
from aec_ofa_tf.pinned_keras import keras


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticDense(keras.layers.Layer):
    """Dense layer over any prefix of its inputs that computes any prefix of its outputs.

    Args:
        units: number of outputs at full size.

    Raises:
        ValueError: `units` is not positive.
    """

    def __init__(self, units: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units must be positive, received {units}")
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the full kernel and the bias.

        Args:
            input_shape: (batch, inputs at full width).
        """
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: tf.Tensor, width: tf.Tensor | int | None = None) -> tf.Tensor:
        """Multiplies by a corner of the kernel and adds the bias.

        Args:
            inputs: [batch, inputs], a prefix of the full width.
            width: scalar, number of outputs; all of them by default.

        Returns:
            [batch, width] in the compute dtype.
        """
        width = self.units if width is None else width
        kernel = self.kernel[: channel_count(inputs), :width]
        return tf.linalg.matmul(inputs, kernel) + self.bias[:width]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """(batch, units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticSqueezeExcitation(keras.layers.Layer):
    """Scales every channel by a gate in (0, 1) that is computed from the means of all channels.

    gate = sigmoid(W2 relu(W1 mean(x) + b1) + b2), the means over frames and mel bins (Hu et al.
    2018). Channels and squeezed units may be prefixes of those at full size.

    Args:
        units: squeezed units at full size.
        execution: "slices" computes the squeezed units that are wanted, "masks" sets the others
            to 0.
    """

    def __init__(self, units: int, execution: str = SLICES, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.execution = execution
        self.squeeze = ElasticDense(units, dtype=self.dtype_policy, name="squeeze")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        channels = int(input_shape[-1] or 0)
        self.excite = ElasticDense(channels, dtype=self.dtype_policy, name="excite")
        self.squeeze.build((None, channels))
        self.excite.build((None, self.units))

    def call(self, inputs: tf.Tensor, units: tf.Tensor | int | None = None) -> tf.Tensor:
        """Scales the channels.

        Args:
            inputs: [batch, frames, mel bins, channels], a prefix of the full width; with masks,
                all channels, 0 beyond the prefix.
            units: scalar, number of squeezed units; all of them by default.

        Returns:
            The shape and dtype of the inputs.
        """
        wanted = self.units if units is None else units
        means = tf.reduce_mean(tf.cast(inputs, self.variable_dtype), axis=[1, 2])
        means = tf.cast(means, self.compute_dtype)
        computed = wanted if self.execution == SLICES else self.units
        squeezed = tf.nn.relu(self.squeeze(means, width=computed))
        squeezed = keep_prefix(squeezed, wanted, self.execution)
        gates = tf.sigmoid(self.excite(squeezed, width=channel_count(inputs)))
        return inputs * gates[:, None, None, :]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "units": self.units, "execution": self.execution}
