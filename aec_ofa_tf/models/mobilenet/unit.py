"""MobileNet's units and its head. No TensorFlow until they are built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aec_ofa_tf.models.mobilenet.architecture import BATCH_NORM_EPSILON
from aec_ofa_tf.models.network import plain_batch_norm
from aec_ofa_tf.models.rows import LayerRow, Matrix, Operator
from aec_ofa_tf.models.space import Choice
from aec_ofa_tf.models.unit import ElasticUnit, Head, Shape, UnitSizes

if TYPE_CHECKING:
    import keras
    import numpy as np

    from aec_ofa_tf.models.mobilenet.layers import (
        ClassifierLayer,
        ConvLayer,
        InvertedResidualLayer,
        PooledDenseLayer,
    )

HARD_SWISH = "hard_silu"
"""Keras' name of x * relu6(x + 3) / 6."""


@dataclass(frozen=True)
class ConvUnit(ElasticUnit):
    """Convolution, batch norm, hard-swish. Its choice is (width,).

    Attributes:
        kernel: side of the kernel.
        stride: of both axes.
    """

    kernel: int = 1
    stride: int = 1

    def layer(self, sizes: UnitSizes, execution: str, dtype: object) -> ConvLayer:
        """The elastic convolution at full width."""
        from aec_ofa_tf.models.mobilenet.layers import ConvLayer

        return ConvLayer(
            sizes.channels_out,
            self.kernel,
            self.stride,
            execution=execution,
            dtype=dtype,
            name=self.name,
        )

    def plain(self, x: keras.KerasTensor, choice: Choice) -> keras.KerasTensor:
        """Conv2D, BatchNormalization, Activation."""
        x = _plain_conv(x, choice[0], self.kernel, self.stride, self.name)
        return _normed(x, self.name, HARD_SWISH)

    def cut(
        self, weights: Sequence[np.ndarray], choice: Choice, channels_in: int
    ) -> list[np.ndarray]:
        """The first channels of kernel, scale and shift."""
        kernel, gamma, beta = weights
        (width,) = choice
        return [kernel[:, :, :channels_in, :width], gamma[:width], beta[:width]]

    def twin_layers(self, choice: Choice) -> Sequence[str]:
        """Convolution and batch norm."""
        return self.name, f"{self.name}_norm"

    def row(self, choice: Choice, shape: Shape) -> LayerRow:
        """A `conv_hard_swish`."""
        width, after = choice[0], self.output_shape(choice, shape)
        sizes = {"channels_in": shape[2], "channels_out": width, "kernel": self.kernel}
        operators = (
            *_padding(self.name, shape, self.kernel, self.stride),
            _convolution(self.name, shape, after, self.kernel**2 * shape[2]),
            Operator(f"{self.name}_act", 2 * _elements(after)),
        )
        return _row("conv_hard_swish", operators, shape, stride=self.stride, **sizes)

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """Frames and mel bins divided by the stride, rounded up."""
        return _strided(shape, self.stride, choice[0])


@dataclass(frozen=True)
class InvertedResidual(ElasticUnit):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection.

    Its choice is (width, kernel, expanded, squeezed), of which the last is 0 without
    squeeze-and-excitation; four zeros are an absent block.

    Attributes:
        stride: of the depthwise convolution.
        hard_swish: whether the activations are hard-swish rather than ReLU.
        squeezes: whether there is squeeze-and-excitation.
        expands: whether there is an expansion.
        is_residual: whether the input is added to the output.
    """

    stride: int = 1
    hard_swish: bool = False
    squeezes: bool = False
    expands: bool = True
    is_residual: bool = False

    def layer(self, sizes: UnitSizes, execution: str, dtype: object) -> InvertedResidualLayer:
        """The elastic block at full size."""
        from aec_ofa_tf.models.mobilenet.layers import InvertedResidualLayer

        _, kernel, expanded, squeezed = (max(c[n] for c in sizes.choices) for n in range(4))
        return InvertedResidualLayer(
            sizes.channels_out,
            kernel,
            expanded,
            squeezed,
            stride=self.stride,
            hard_swish=self.hard_swish,
            expands=self.expands,
            is_residual=self.is_residual,
            is_optional=any(not choice[0] for choice in sizes.choices),
            execution=execution,
            dtype=dtype,
            name=self.name,
        )

    def plain(self, x: keras.KerasTensor, choice: Choice) -> keras.KerasTensor:
        """Conv2D and DepthwiseConv2D with batch norms, and what stands between them."""
        from aec_ofa_tf.pinned_keras import keras

        width, kernel, expanded, squeezed = choice
        if not width:
            return x
        inputs, activation = x, HARD_SWISH if self.hard_swish else "relu"
        expand, depthwise, project = (
            f"{self.name}_{part}" for part in ("expand", "depthwise", "project")
        )
        if self.expands:
            x = _normed(_plain_conv(x, expanded, 1, 1, expand), expand, activation)
        x = _normed(_plain_depthwise(x, kernel, self.stride, depthwise), depthwise, activation)
        if squeezed:
            x = _plain_squeeze_excitation(x, squeezed, self.name)
        x = _normed(_plain_conv(x, width, 1, 1, project), project)
        if self.is_residual:
            x = keras.layers.Add(name=f"{self.name}_add")([inputs, x])
        return x

    def cut(
        self, weights: Sequence[np.ndarray], choice: Choice, channels_in: int
    ) -> list[np.ndarray]:
        """The first channels of all, and the centre of the depthwise kernel."""
        width, kernel, expanded, squeezed = choice
        left = iter(weights)
        found: list[np.ndarray] = []
        if self.expands:
            found += [next(left)[:, :, :channels_in, :expanded]]
            found += [next(left)[:expanded], next(left)[:expanded]]
        depthwise = next(left)
        border = (len(depthwise) - kernel) // 2
        found.append(depthwise[border : border + kernel, border : border + kernel, :expanded])
        found += [next(left)[:expanded], next(left)[:expanded]]
        if self.squeezes:
            found += [next(left)[:expanded, :squeezed], next(left)[:squeezed]]
            found += [next(left)[:squeezed, :expanded], next(left)[:expanded]]
        return [
            *found,
            *(next(left)[:, :, :expanded, :width], next(left)[:width], next(left)[:width]),
        ]

    def twin_layers(self, choice: Choice) -> Sequence[str]:
        """Convolutions, batch norms and the two dense layers."""
        parts = (
            *("expand", "expand_norm") * self.expands,
            *("depthwise", "depthwise_norm"),
            *("squeeze", "excite") * bool(choice[3]),
            *("project", "project_norm"),
        )
        return [f"{self.name}_{part}" for part in parts] if choice[0] else []

    def row(self, choice: Choice, shape: Shape) -> LayerRow | None:
        """An `inverted_residual`; its input stays alive to its end where it is residual."""
        width, kernel, expanded, squeezed = choice
        if not width:
            return None
        name, after = self.name, self.output_shape(choice, shape)
        wide, narrow = (*shape[:2], expanded), (*after[:2], expanded)
        held = _elements(shape) if self.is_residual else 0
        first = _convolution(f"{name}_expand", shape, wide, shape[2])
        operators = (
            *(first, *self._act("expand", wide, held)) * self.expands,
            *_padding(f"{name}_depthwise", wide, kernel, self.stride, held),
            _convolution(f"{name}_depthwise", wide, narrow, kernel**2, held),
            *self._act("depthwise", narrow, held),
            *_squeeze_excitation(name, narrow, squeezed, held),
            _convolution(f"{name}_project", narrow, after, expanded, held),
            *(Operator(f"{name}_add", 3 * _elements(after)),) * self.is_residual,
        )
        sizes = {"channels_in": shape[2], "channels_out": width, "kernel": kernel}
        sizes |= {"expanded": expanded, "squeezed": squeezed, "stride": self.stride}
        kind = "inverted_residual" if self.is_residual else "inverted_block"
        return _row(kind + "_hard_swish" * self.hard_swish, operators, shape, **sizes)

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """Frames and mel bins divided by the stride, rounded up; the input's where absent."""
        return _strided(shape, self.stride, choice[0]) if choice[0] else shape

    def _act(self, part: str, shape: Shape, held: int) -> tuple[Operator, ...]:
        """A ReLU is part of its convolution, a hard-swish an operator of its own."""
        operator = Operator(f"{self.name}_{part}_act", 2 * _elements(shape), held=held)
        return (operator,) * self.hard_swish


@dataclass(frozen=True)
class PooledDenseUnit(ElasticUnit):
    """Mean over frames and mel bins, dense layer, hard-swish. Its choice is (width,)."""

    def layer(self, sizes: UnitSizes, execution: str, dtype: object) -> PooledDenseLayer:
        """The elastic dense layer at full width."""
        from aec_ofa_tf.models.mobilenet.layers import PooledDenseLayer

        return PooledDenseLayer(
            sizes.channels_out, execution=execution, dtype=dtype, name=self.name
        )

    def plain(self, x: keras.KerasTensor, choice: Choice) -> keras.KerasTensor:
        """GlobalAveragePooling2D, then a 1x1 Conv2D, whose int8 weights have a scale per unit."""
        from aec_ofa_tf.pinned_keras import keras

        x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="embedding")(x)
        x = keras.layers.Conv2D(choice[0], 1, name=self.name)(x)
        return keras.layers.Activation(HARD_SWISH, name=f"{self.name}_act")(x)

    def cut(
        self, weights: Sequence[np.ndarray], choice: Choice, channels_in: int
    ) -> list[np.ndarray]:
        """A corner of the kernel and the first biases."""
        kernel, bias = weights
        return [kernel[:channels_in, : choice[0]], bias[: choice[0]]]

    def twin_layers(self, choice: Choice) -> Sequence[str]:
        """The one layer with weights."""
        return (self.name,)

    def row(self, choice: Choice, shape: Shape) -> LayerRow:
        """A `pooled_dense`."""
        width, channels = choice[0], shape[2]
        matrix = Matrix(channels, width, vectors=1, per_channel=True)
        operators = (
            Operator("embedding", _elements(shape) + channels),
            Operator(self.name, channels + width, matrix),
            Operator(f"{self.name}_act", 2 * width),
        )
        return _row("pooled_dense", operators, shape, channels_in=channels, channels_out=width)

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """A single frame and mel bin."""
        return 1, 1, choice[0]


@dataclass(frozen=True)
class ClassifierHead(Head):
    """Dropout and a dense layer on a single frame and mel bin.

    Attributes:
        classes: number of outputs.
        dropout: rate before the dense layer.
    """

    classes: int
    dropout: float
    name: str = "head"

    def layer(self, dtype: object) -> ClassifierLayer:
        """The elastic dense layer."""
        from aec_ofa_tf.models.mobilenet.layers import ClassifierLayer

        return ClassifierLayer(self.classes, self.dropout, dtype=dtype, name=self.name)

    def plain(self, x: keras.KerasTensor, activation: str | None) -> keras.KerasTensor:
        """From [clips, 1, 1, channels] to [clips, classes]."""
        from aec_ofa_tf.pinned_keras import keras

        x = keras.layers.Reshape((x.shape[-1],), name="features")(x)
        x = keras.layers.Dropout(self.dropout, name="hidden_dropout")(x)
        return keras.layers.Dense(self.classes, activation=activation, name="classifier")(x)

    def cut(self, weights: Sequence[np.ndarray], channels_in: int) -> list[np.ndarray]:
        """The first rows of the kernel; all biases."""
        kernel, bias = weights
        return [kernel[:channels_in], bias]

    def twin_layers(self) -> Sequence[str]:
        """The dense layer."""
        return ("classifier",)

    def row(self, shape: Shape) -> LayerRow:
        """A `classifier`, the activation of the scores included."""
        channels = shape[2]
        matrix = Matrix(channels, self.classes, vectors=1, per_channel=False)
        operators = (
            Operator("classifier", channels + self.classes, matrix),
            Operator("scores", 2 * self.classes),
        )
        return LayerRow.make(
            "classifier", operators, channels_in=channels, channels_out=self.classes
        )


def _plain_conv(
    x: keras.KerasTensor, width: int, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    import keras

    x, padding = _plain_padding(x, kernel, stride, name)
    conv = keras.layers.Conv2D(
        width, kernel, strides=stride, padding=padding, use_bias=False, name=name
    )
    return conv(x)


def _plain_depthwise(
    x: keras.KerasTensor, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    import keras

    x, padding = _plain_padding(x, kernel, stride, name)
    conv = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding=padding, use_bias=False, name=name
    )
    return conv(x)


def _plain_padding(
    x: keras.KerasTensor, kernel: int, stride: int, name: str
) -> tuple[keras.KerasTensor, str]:
    """As `layers.convolution.pad_evenly`; the padded input and the convolution's own padding."""
    import keras

    if stride == 1:
        return x, "same"
    return keras.layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x), "valid"


def _normed(x: keras.KerasTensor, name: str, activation: str | None = None) -> keras.KerasTensor:
    """Batch norm and activation, named after the layer before them."""
    import keras

    x = plain_batch_norm(f"{name}_norm", BATCH_NORM_EPSILON)(x)
    return keras.layers.Activation(activation, name=f"{name}_act")(x) if activation else x


def _plain_squeeze_excitation(x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
    """1x1 Conv2Ds rather than Dense layers: their int8 weights have a scale per unit."""
    import keras

    gates = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_means")(x)
    gates = keras.layers.Conv2D(units, 1, activation="relu", name=f"{name}_squeeze")(gates)
    gates = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_excite")(gates)
    gates = keras.layers.Activation("sigmoid", name=f"{name}_gates")(gates)
    return keras.layers.Multiply(name=f"{name}_scaled")([x, gates])


def _strided(shape: Shape, stride: int, width: int) -> Shape:
    return -(-shape[0] // stride), -(-shape[1] // stride), width


def _elements(shape: Shape) -> int:
    return shape[0] * shape[1] * shape[2]


def _convolution(name: str, before: Shape, after: Shape, rows: int, held: int = 0) -> Operator:
    """A convolution with a batch norm folded in; `rows` are the weights per output channel."""
    matrix = Matrix(rows, after[2], vectors=2, per_channel=True)
    elements = _elements(before) + _elements(after)
    return Operator(name, elements, matrix, after[0] * after[1], held=held)


def _padding(
    name: str, shape: Shape, kernel: int, stride: int, held: int = 0
) -> tuple[Operator, ...]:
    """What `_plain_padding` adds."""
    if stride == 1:
        return ()
    padded = (shape[0] + kernel - 1, shape[1] + kernel - 1, shape[2])
    return (Operator(f"{name}_pad", _elements(shape) + _elements(padded), held=held),)


def _squeeze_excitation(name: str, shape: Shape, units: int, held: int) -> tuple[Operator, ...]:
    if not units:
        return ()
    channels, alive = shape[2], held + _elements(shape)
    squeeze = Matrix(channels, units, vectors=1, per_channel=True)
    excite = Matrix(units, channels, vectors=1, per_channel=True)
    return (
        Operator(f"{name}_means", _elements(shape) + channels, held=held),
        Operator(f"{name}_squeeze", channels + units, squeeze, held=alive),
        Operator(f"{name}_excite", units + channels, excite, held=alive),
        Operator(f"{name}_gates", 2 * channels, held=alive),
        Operator(f"{name}_scaled", 2 * _elements(shape) + channels, held=held),
    )


def _row(kind: str, operators: tuple[Operator, ...], shape: Shape, **sizes: int) -> LayerRow:
    return LayerRow.make(kind, operators, frames=shape[0], mel_bins=shape[1], **sizes)
