"""MobileNet's convolutions and blocks. No TensorFlow until they are built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aec_ofa_tf.models.mobilenet.operators import (
    convolution,
    elements,
    layer_row,
    padding,
    squeeze_excitation,
    strided,
)
from aec_ofa_tf.models.rows import LayerRow, Operator
from aec_ofa_tf.models.space import Choice
from aec_ofa_tf.models.unit import ElasticUnit, Shape, UnitSizes

if TYPE_CHECKING:
    import keras
    import numpy as np

    from aec_ofa_tf.models.mobilenet.layers import (
        ConvLayer,
        InvertedResidualLayer,
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
        from aec_ofa_tf.models.mobilenet import plain

        x = plain.conv(x, choice[0], self.kernel, self.stride, self.name)
        return plain.normed(x, self.name, HARD_SWISH)

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
            *padding(self.name, shape, self.kernel, self.stride),
            convolution(self.name, shape, after, self.kernel**2 * shape[2]),
            Operator(f"{self.name}_act", 2 * elements(after)),
        )
        return layer_row("conv_hard_swish", operators, shape, stride=self.stride, **sizes)

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """Frames and mel bins divided by the stride, rounded up."""
        return strided(shape, self.stride, choice[0])


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
        from aec_ofa_tf.models.mobilenet import plain
        from aec_ofa_tf.pinned_keras import keras

        width, kernel, expanded, squeezed = choice
        if not width:
            return x
        inputs, activation = x, HARD_SWISH if self.hard_swish else "relu"
        expand, depthwise, project = (
            f"{self.name}_{part}" for part in ("expand", "depthwise", "project")
        )
        if self.expands:
            x = plain.normed(plain.conv(x, expanded, 1, 1, expand), expand, activation)
        x = plain.normed(plain.depthwise(x, kernel, self.stride, depthwise), depthwise, activation)
        if squeezed:
            x = plain.squeeze_excitation(x, squeezed, self.name)
        x = plain.normed(plain.conv(x, width, 1, 1, project), project)
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
        held = elements(shape) if self.is_residual else 0
        first = convolution(f"{name}_expand", shape, wide, shape[2])
        operators = (
            *(first, *self._act("expand", wide, held)) * self.expands,
            *padding(f"{name}_depthwise", wide, kernel, self.stride, held),
            convolution(f"{name}_depthwise", wide, narrow, kernel**2, held),
            *self._act("depthwise", narrow, held),
            *squeeze_excitation(name, narrow, squeezed, held),
            convolution(f"{name}_project", narrow, after, expanded, held),
            *(Operator(f"{name}_add", 3 * elements(after)),) * self.is_residual,
        )
        sizes = {"channels_in": shape[2], "channels_out": width, "kernel": kernel}
        sizes |= {"expanded": expanded, "squeezed": squeezed, "stride": self.stride}
        kind = "inverted_residual" if self.is_residual else "inverted_block"
        return layer_row(kind + "_hard_swish" * self.hard_swish, operators, shape, **sizes)

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """Frames and mel bins divided by the stride, rounded up; the input's where absent."""
        return strided(shape, self.stride, choice[0]) if choice[0] else shape

    def _act(self, part: str, shape: Shape, held: int) -> tuple[Operator, ...]:
        """A ReLU is part of its convolution, a hard-swish an operator of its own."""
        operator = Operator(f"{self.name}_{part}_act", 2 * elements(shape), held=held)
        return (operator,) * self.hard_swish
