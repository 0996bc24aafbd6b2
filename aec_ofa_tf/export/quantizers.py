"""Simulated int8: what becomes 8-bit integers in a layer of the twin, and with which scales.

Only for a child process, as `twin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

Quantizer: TypeAlias = tfmot.quantization.keras.quantizers.Quantizer


class LayerQuantization(tfmot.quantization.keras.QuantizeConfig):
    """Which values of a layer become 8-bit integers: its weights, its output, both or none.

    Args:
        weight: name of the weight's attribute, or "".
        weight_quantizer: quantizer of the weight; biases are int32 and need none.
        output_quantizer: quantizer of the output; None if the output has the scale of the input,
            as TFLite requires for pooling and reshaping.
    """

    def __init__(
        self,
        weight: str = "",
        weight_quantizer: Quantizer | None = None,
        output_quantizer: Quantizer | None = None,
    ) -> None:
        self.weight, self.weight_quantizer = weight, weight_quantizer
        self.output_quantizer = output_quantizer

    def get_weights_and_quantizers(
        self, layer: tf_keras.layers.Layer
    ) -> list[tuple[tf.Variable, Quantizer]]:
        """Returns the weight, if any, with its quantizer."""
        return [(getattr(layer, self.weight), self.weight_quantizer)] if self.weight else []

    def set_quantize_weights(
        self, layer: tf_keras.layers.Layer, quantize_weights: list[tf.Tensor]
    ) -> None:
        """Replaces the weight by the quantized weight during a call."""
        for weight in quantize_weights:
            setattr(layer, self.weight, weight)

    def get_activations_and_quantizers(
        self, layer: tf_keras.layers.Layer
    ) -> list[tuple[tf.Tensor, Quantizer]]:
        """Returns nothing: the values of an activation function are the layer's output."""
        return []

    def set_quantize_activations(
        self, layer: tf_keras.layers.Layer, quantize_activations: list[tf.Tensor]
    ) -> None:
        """Does nothing."""

    def get_output_quantizers(self, layer: tf_keras.layers.Layer) -> list[Quantizer]:
        """Returns the output's quantizer, if any."""
        return [self.output_quantizer] if self.output_quantizer else []

    def get_config(self) -> dict[str, object]:
        """The constructor's arguments."""
        names = "weight", "weight_quantizer", "output_quantizer"
        return {name: getattr(self, name) for name in names}


class ChannelQuantizer(tfmot.quantization.keras.quantizers.LastValueQuantizer):
    """A symmetric scale per output channel, as TFLite's convolutions require."""

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)

    def build(
        self, tensor_shape: Sequence[int], name: str, layer: tf_keras.layers.Layer
    ) -> dict[str, tf.Variable]:
        """Creates the ends of the ranges, float32 [channels] each."""

        # The parent class passes an integer as shape, which tf_keras refuses.
        def add(end: str) -> tf.Variable:
            shape = (tensor_shape[-1],)
            return layer.add_weight(f"{name}_{end}", shape=shape, trainable=False)

        return {"min_var": add("min"), "max_var": add("max")}


class DepthwiseQuantizer(ChannelQuantizer):
    """A symmetric scale per output channel of a kernel [height, width, channels, multiplier].

    TFLite's depthwise kernel is [1, height, width, channels * multiplier], with a scale per entry
    of its last axis.
    """

    def build(
        self, tensor_shape: Sequence[int], name: str, layer: tf_keras.layers.Layer
    ) -> dict[str, tf.Variable]:
        """Creates the ends of the ranges, float32 [channels * multiplier] each."""
        return super().build((tensor_shape[-2] * tensor_shape[-1],), name, layer)

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: object
    ) -> tf.Tensor:
        """Rounds a kernel [height, width, channels, multiplier] to 8 bits."""
        shape = inputs.shape
        # This is TFLite's layout, so that the converter's reshape and this one cancel out.
        kernel = tf.reshape(inputs, [1, *shape[:2], shape[2] * shape[3]])
        return tf.reshape(super().__call__(kernel, training, weights, **kwargs), shape)


def moving_range() -> Quantizer:
    """Of an output: its range moves with the batches."""
    return tfmot.quantization.keras.quantizers.MovingAverageQuantizer(
        8, per_axis=False, symmetric=False, narrow_range=False
    )


def unit_range() -> Quantizer:
    """Of scores."""
    # TFLite's LOGISTIC and SOFTMAX require a scale of 1 / 256.
    return tfmot.quantization.keras.quantizers.FixedQuantizer(8, 0.0, 255 / 256, narrow_range=False)


def tensor_range(symmetric: bool) -> Quantizer:
    """Of a weight with one scale."""
    return tfmot.quantization.keras.quantizers.LastValueQuantizer(
        8, per_axis=False, symmetric=symmetric, narrow_range=symmetric
    )
