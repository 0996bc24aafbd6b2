"""The tf_keras twin of a folded CNN10, plain or with int8 arithmetic simulated.

To be imported in a child process: tensorflow-model-optimization knows tf_keras layers only, and
importing it sets TF_USE_LEGACY_KERAS for the whole process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from aec_ofa_tf.export.tuning import TuningJob

LOGITS = "classifier"


class InputScale(tf_keras.layers.Layer):
    """Multiplies every mel bin by a number of its own: half of the input batch norm."""

    def build(self, input_shape: Any) -> None:
        """Creates `scale`, float32 [mel_bins]."""
        self.scale = self.add_weight("scale", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[batch, frames, mel_bins] to the same."""
        return inputs * self.scale


class InputShift(tf_keras.layers.Layer):
    """Adds a number of its own to every mel bin: the other half."""

    def build(self, input_shape: Any) -> None:
        """Creates `shift`, float32 [mel_bins]."""
        self.shift = self.add_weight("shift", shape=(input_shape[-1],), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[batch, frames, mel_bins] to the same."""
        return inputs + self.shift


class LayerQuantization(tfmot.quantization.keras.QuantizeConfig):
    """What becomes an 8-bit number in a layer: its weights, its output, both or nothing.

    Args:
        weight: name of the attribute, or "".
        weight_quantizer: for it; biases are int32 and need none.
        output_quantizer: for the output; None where it has the input's scale, as TFLite's pools
            and reshapes want.
    """

    def __init__(
        self, weight: str = "", weight_quantizer: Any = None, output_quantizer: Any = None
    ) -> None:
        self.weight, self.weight_quantizer = weight, weight_quantizer
        self.output_quantizer = output_quantizer

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """The weight, if any, with its quantizer."""
        return [(getattr(layer, self.weight), self.weight_quantizer)] if self.weight else []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        """Puts the quantized weight in its place for a call."""
        for weight in quantize_weights:
            setattr(layer, self.weight, weight)

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        """None: an activation function's values are the layer's output."""
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """Nothing to do."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        """The output's quantizer, if any."""
        return [self.output_quantizer] if self.output_quantizer else []

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = "weight", "weight_quantizer", "output_quantizer"
        return {name: getattr(self, name) for name in names}


class _ChannelQuantizer(tfmot.quantization.keras.quantizers.LastValueQuantizer):
    """A symmetric scale per output channel, as TFLite's convolutions want."""

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        # The parent's passes an integer as shape, which tf_keras refuses.
        def add(end: str) -> Any:
            shape = (tensor_shape[-1],)
            return layer.add_weight(f"{name}_{end}", shape=shape, trainable=False)

        return {"min_var": add("min"), "max_var": add("max")}


def build_twin(
    job: TuningJob, weights: dict[str, np.ndarray], quantized: bool = False
) -> tf_keras.Model:
    """The network of a job.

    Args:
        job: its structure.
        weights: as `folded.fold` returns them.
        quantized: whether int8 is simulated; the ranges are then still to be set.

    Returns:
        A model from float32 [batch, frames, mel_bins] to scores float32 [batch, classes], with a
        layer `classifier` whose outputs are the logits.
    """
    wrap = _wrapped if quantized else lambda layer: layer
    layers = tf_keras.layers
    x = clip = layers.Input((job.frames, job.mel_bins), name="log_mel")
    for layer in _before_pooling(job, weights):
        x = wrap(layer)(x)
    # The converter orders parallel operators by name: the maximum comes first.
    time_max = wrap(layers.MaxPooling2D((x.shape[1], 1), name="time_max"))(x)
    time_mean = wrap(layers.AveragePooling2D((x.shape[1], 1), name="time_mean"))(x)
    x = wrap(layers.Add(name="pooled_sum"))([time_max, time_mean])
    for layer in _after_pooling(weights):
        x = wrap(layer)(x)
    model = tf_keras.Model(clip, x)
    variables = named_variables(model)
    for name, array in weights.items():
        variables[name].assign(array)
    return model


def _before_pooling(job: TuningJob, weights: dict[str, np.ndarray]) -> list[tf_keras.layers.Layer]:
    layers = tf_keras.layers
    found = [
        layers.Activation("linear", name="input"),
        InputScale(name="input_scale"),
        InputShift(name="input_shift"),
        layers.Reshape((job.frames, job.mel_bins, 1), name="image"),
    ]
    mel_bins = job.mel_bins
    for name in job.layers:
        if f"{name}/kernel" in weights:
            width = weights[f"{name}/bias"].size
            found.append(layers.Conv2D(width, 3, padding="same", activation="relu", name=name))
        else:
            found.append(layers.AveragePooling2D(2, name=name))
            mel_bins //= 2
    return [*found, layers.AveragePooling2D((1, mel_bins), name="mel_mean")]


def _after_pooling(weights: dict[str, np.ndarray]) -> list[tf_keras.layers.Layer]:
    layers = tf_keras.layers
    return [
        layers.ReLU(name="pooled"),
        layers.Reshape((weights["embedding/kernel"].shape[0],), name="features"),
        layers.Dense(weights["embedding/bias"].size, activation="relu", name="embedding"),
        layers.Dense(weights[f"{LOGITS}/bias"].size, name=LOGITS),
        layers.Activation("sigmoid", name="scores"),
    ]


def _wrapped(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
    # Named as it is within, so that weights and outputs have the same names in both twins.
    return tfmot.quantization.keras.QuantizeWrapperV2(
        layer, _quantization_of(layer), name_prefix=""
    )


def _quantization_of(layer: tf_keras.layers.Layer) -> LayerQuantization:
    # TFLite has biases in int32 and pools, reshapes and sums of their operands' kind.
    layers = tf_keras.layers
    if isinstance(layer, layers.Conv2D):
        return LayerQuantization("kernel", _ChannelQuantizer(), _moving_range())
    if isinstance(layer, layers.Dense):
        return LayerQuantization("kernel", _tensor_range(symmetric=True), _moving_range())
    if isinstance(layer, InputScale | InputShift):
        weight = "scale" if isinstance(layer, InputScale) else "shift"
        return LayerQuantization(weight, _tensor_range(symmetric=False), _moving_range())
    if layer.name == "scores":
        # What TFLite's LOGISTIC insists on: a scale of 1 / 256.
        scores = tfmot.quantization.keras.quantizers.FixedQuantizer(
            8, 0.0, 255 / 256, narrow_range=False
        )
        return LayerQuantization(output_quantizer=scores)
    if layer.name in ("input", "pooled"):
        return LayerQuantization(output_quantizer=_moving_range())
    return LayerQuantization()


def _moving_range() -> Any:
    return tfmot.quantization.keras.quantizers.MovingAverageQuantizer(
        8, per_axis=False, symmetric=False, narrow_range=False
    )


def _tensor_range(symmetric: bool) -> Any:
    return tfmot.quantization.keras.quantizers.LastValueQuantizer(
        8, per_axis=False, symmetric=symmetric, narrow_range=symmetric
    )


def named_variables(model: tf_keras.Model) -> dict[str, tf.Variable]:
    """A twin's trainable variables by the names that `folded.fold` gives their arrays."""
    return {
        f"{layer.name}/{_last_name(variable)}": variable
        for layer in model.layers
        for variable in layer.trainable_weights
    }


def set_output_ranges(quantized: tf_keras.Model, plain: tf_keras.Model, clips: np.ndarray) -> None:
    """Sets the ranges of a quantized twin's outputs to what the plain twin's reach.

    They begin at -6 and 6 and move by a thousandth a step: some hundred steps of training would
    not get them where they belong.

    Args:
        quantized: changed in place.
        plain: the same network.
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
        # Zero must be among the numbers that 8 bits can say.
        ranges[name]["output_min"].assign(min(low, 0.0))
        ranges[name]["output_max"].assign(max(high, 0.0))


def _last_name(variable: tf.Variable) -> str:
    return variable.name.rpartition("/")[2].partition(":")[0]
