"""A dense layer over any prefix of its input."""

from __future__ import annotations

import tensorflow as tf

from aec_ofa_tf.layers.prefix import channel_count
from aec_ofa_tf.pinned_keras import keras


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ElasticDense(keras.layers.Layer):
    """Dense layer of fixed output width that uses as many kernel rows as it has inputs.

    Args:
        units: number of outputs.

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

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Multiplies by the first rows of the kernel and adds the bias.

        Args:
            inputs: [batch, inputs], a prefix of the full width.

        Returns:
            [batch, units] in the compute dtype.
        """
        kernel = self.kernel[: channel_count(inputs)]
        return tf.linalg.matmul(inputs, kernel) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple:
        """(batch, units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "units": self.units}
