"""The tf_keras twin of a folded network, plain or with simulated int8 arithmetic.

Only for a child process: tensorflow-model-optimization supports only tf_keras layers, and importing
it sets TF_USE_LEGACY_KERAS for the whole process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from aec_ofa_tf.export.folded_graph import FIXED, INPUT, SCALE, SHIFT, FoldedGraph, FoldedLayer
from aec_ofa_tf.export.quantizers import (
    ChannelQuantizer,
    DepthwiseQuantizer,
    LayerQuantization,
    Quantizer,
    moving_range,
    tensor_range,
    unit_range,
)


class _PerChannel(tf_keras.layers.Layer):
    """A number per channel.

    Args:
        fixed: the number of all channels, which is then not trained.
    """

    weight, initial = "", 0.0

    def __init__(self, fixed: float | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.fixed = fixed

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates `scale` or `shift`, float32 [channels]."""
        value = tf_keras.initializers.Constant(self.initial if self.fixed is None else self.fixed)
        numbers = {"shape": (input_shape[-1],), "initializer": value}
        trained = self.fixed is None
        setattr(self, self.weight, self.add_weight(self.weight, trainable=trained, **numbers))
        super().build(input_shape)

    def get_config(self) -> dict[str, object]:
        """Mirrors the constructor."""
        return {**super().get_config(), FIXED: self.fixed}


class Scale(_PerChannel):
    """Multiplies every channel by its scale: the first half of a batch norm or a `Rescaling`."""

    weight, initial = "scale", 1.0

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[batch, ..., channels] to the same."""
        return inputs * self.scale


class Shift(_PerChannel):
    """Adds its shift to every channel: the second half."""

    weight = "shift"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[batch, ..., channels] to the same."""
        return inputs + self.shift


def hard_swish(x: tf.Tensor) -> tf.Tensor:
    """Computes x * relu6(x + 3) / 6, in a form that the converter maps to one operator."""
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


def build_twin(
    graph: FoldedGraph, weights: dict[str, np.ndarray], quantized: bool = False
) -> tf_keras.Model:
    """Builds the network of a folded graph.

    Args:
        graph: the layers.
        weights: the folded weights (`fold.Folded`).
        quantized: whether int8 is simulated. If so, the caller must set the ranges of the outputs
            (`set_output_ranges`).

    Returns:
        A model from float32 [batch, *graph.input_shape] to scores, float32 [batch, classes]. Its
        layers have the names of the graph's layers.
    """
    outputs: dict[str, tf.Tensor] = {}
    for layer in graph.layers:
        inputs = [outputs[name] for name in layer.inputs]
        if layer.kind == INPUT:
            clip = tf_keras.layers.Input(graph.input_shape, name=layer.name)
            first = tf_keras.layers.Activation("linear", name=_input_name(graph))
            quantization = LayerQuantization(output_quantizer=moving_range())
            built, inputs = first, [clip]
        else:
            built, quantization = _build(layer), _quantization_of(layer, graph)
        if quantized:
            built = _wrapped(built, quantization)
        outputs[layer.name] = built(inputs if len(inputs) > 1 else inputs[0])
    model = tf_keras.Model(clip, outputs[graph.output])
    variables = named_variables(model)
    for name, array in weights.items():
        variables[name].assign(array)
    return model


def _input_name(graph: FoldedGraph) -> str:
    """The name of the layer that quantises the input."""
    names = {layer.name for layer in graph.layers}
    return "input" if "input" not in names else "quantized_input"


def _build(layer: FoldedLayer) -> tf_keras.layers.Layer:
    settings = dict(layer.settings)
    if layer.activation == "relu6":
        settings["activation"] = tf.nn.relu6
    if layer.activation == "hard_swish":
        settings["activation"] = hard_swish
    own = {SCALE: Scale, SHIFT: Shift}
    kind = own.get(layer.kind) or getattr(tf_keras.layers, layer.kind)
    return kind(name=layer.name, **settings)


def _wrapped(
    layer: tf_keras.layers.Layer, quantization: LayerQuantization
) -> tf_keras.layers.Layer:
    # The wrapper gets the layer's name, so that weights and outputs have the same names in both
    # twins.
    return tfmot.quantization.keras.QuantizeWrapperV2(layer, quantization, name_prefix="")


def _quantization_of(layer: FoldedLayer, graph: FoldedGraph) -> LayerQuantization:
    """The quantisation of a layer in TFLite's int8 kernels.

    Biases are int32. Pooling, reshaping and padding keep the scale of their input. A layer whose
    only consumer is a ReLU is fused with it; the output is quantized once, after the ReLU.
    """
    consumers = graph.consumers(layer.name)
    has_relu = len(consumers) == 1 and consumers[0].kind == "ReLU"
    output = None if has_relu else moving_range()
    if layer.kind in _KERNELS:
        attribute, quantizer = _KERNELS[layer.kind]
        return LayerQuantization(attribute, quantizer(), output)
    if layer.kind == "Activation" and layer.activation in ("sigmoid", "softmax"):
        return LayerQuantization(output_quantizer=unit_range())
    if layer.kind in _OWN_RANGE:
        return LayerQuantization(output_quantizer=output)
    return LayerQuantization()


_KERNELS: dict[str, tuple[str, Callable[[], Quantizer]]] = {
    "Conv2D": ("kernel", ChannelQuantizer),
    "DepthwiseConv2D": ("depthwise_kernel", DepthwiseQuantizer),
    "Dense": ("kernel", partial(tensor_range, symmetric=True)),
    SCALE: ("scale", partial(tensor_range, symmetric=False)),
    SHIFT: ("shift", partial(tensor_range, symmetric=False)),
}
"""The weight that becomes 8-bit integers, and its quantizer, by kind of layer."""

_OWN_RANGE = ("Add", "Multiply", "ReLU", "Activation", "GlobalAveragePooling2D")
"""Kinds of layers without weights whose output has a range of its own."""


def named_variables(model: tf_keras.Model) -> dict[str, tf.Variable]:
    """A twin's trainable variables by the names of their arrays in `fold.Folded`."""
    return {
        f"{layer.name}/{_last_name(variable)}": variable
        for layer in model.layers
        for variable in layer.trainable_weights
    }


def set_output_ranges(quantized: tf_keras.Model, plain: tf_keras.Model, clips: np.ndarray) -> None:
    """Sets the ranges of a quantized twin's outputs to those of the plain twin's outputs.

    Ranges start at -6 and 6 and move by a thousandth of the distance per step, so a few hundred
    training steps would not suffice to adapt them.

    Args:
        quantized: the twin whose ranges are set.
        plain: the plain twin of the same network.
        clips: float32 [clips, frames, mel_bins].
    """
    ranges = {
        layer.name: {_last_name(v): v for v in layer.non_trainable_weights}
        for layer in quantized.layers
    }
    names = [name for name, variables in ranges.items() if "output_min" in variables]
    probe = tf_keras.Model(plain.input, [plain.get_layer(name).output for name in names])

    @tf.function(autograph=False)
    def extremes(clip: tf.Tensor) -> tf.Tensor:
        outputs = probe(clip, training=False)
        return tf.stack([(tf.reduce_min(x), tf.reduce_max(x)) for x in outputs])

    found = np.array([extremes(tf.constant(clip[None])) for clip in clips])
    for name, low, high in zip(names, found[:, :, 0].min(0), found[:, :, 1].max(0), strict=True):
        # The integers must be able to represent zero.
        ranges[name]["output_min"].assign(min(low, 0.0))
        ranges[name]["output_max"].assign(max(high, 0.0))


def _last_name(variable: tf.Variable) -> str:
    return variable.name.rpartition("/")[2].partition(":")[0]
