"""MobileNet's units and head as Keras layers that hold the full weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import ElasticBatchNorm
from aec_ofa_tf.layers.convolution import ElasticConv2D, ElasticDepthwiseConv2D
from aec_ofa_tf.layers.dense import ElasticDense, ElasticSqueezeExcitation
from aec_ofa_tf.layers.elastic_unit import ElasticUnitLayer, Segment
from aec_ofa_tf.layers.prefix import SLICES
from aec_ofa_tf.models.draws import drop
from aec_ofa_tf.models.mobilenet.architecture import BATCH_NORM_EPSILON
from aec_ofa_tf.pinned_keras import keras

Activation = Callable[[tf.Tensor], tf.Tensor]


def hard_swish(x: tf.Tensor) -> tf.Tensor:
    """Computes x * relu6(x + 3) / 6."""
    return x * tf.nn.relu6(x + 3.0) * tf.cast(1.0 / 6.0, x.dtype)


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ConvLayer(ElasticUnitLayer):
    """Convolution, batch norm, hard-swish.

    Args:
        channels_out: output channels at full width.
        kernel: side of the kernel.
        stride: of both axes.
    """

    def __init__(self, channels_out: int, kernel: int = 1, stride: int = 1, **kwargs) -> None:
        super().__init__(channels_out, **kwargs)
        self.kernel = kernel
        self.stride = stride
        self.conv = ElasticConv2D(channels_out, kernel, stride, dtype=self.dtype_policy)
        self.norm = ElasticBatchNorm(BATCH_NORM_EPSILON, dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        self.conv.build(input_shape)
        self.norm.build((*input_shape[:-1], self.channels_out))

    @property
    def norms(self) -> dict[str, ElasticBatchNorm]:
        """The one batch norm."""
        return {f"{self.name}_norm": self.norm}

    def segments(self, choice: Sequence[tf.Tensor | int]) -> Sequence[Segment]:
        """The convolution at the choice's width."""
        width = choice[0]
        computed = width if self.execution == SLICES else self.channels_out
        name = f"{self.name}_norm"
        return (
            Segment(name, lambda x: self.conv(x, width=computed), self.norm, hard_swish, width),
        )

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "kernel": self.kernel, "stride": self.stride}


@keras.saving.register_keras_serializable("aec_ofa_tf")
class InvertedResidualLayer(ElasticUnitLayer):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection.

    Args:
        channels_out: output channels at full width.
        kernel: side of the depthwise kernel at full size; 0 where no subnet has the block.
        expanded: channels of the depthwise convolution at full width.
        squeezed: units of the squeeze-and-excitation at full size, 0 without one.
        stride: of the depthwise convolution.
        hard_swish: whether the activations are hard-swish rather than ReLU.
        expands: whether there is an expansion.
        is_residual: whether the input is added to the output.
    """

    def __init__(
        self,
        channels_out: int,
        kernel: int,
        expanded: int,
        squeezed: int = 0,
        *,
        stride: int = 1,
        hard_swish: bool = False,
        expands: bool = True,
        is_residual: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(channels_out, **kwargs)
        self.kernel, self.expanded, self.squeezed, self.stride = kernel, expanded, squeezed, stride
        self.hard_swish, self.expands, self.is_residual = hard_swish, expands, is_residual
        if self.is_empty:
            return
        policy = {"dtype": self.dtype_policy}
        if expands:
            self.expand = ElasticConv2D(expanded, 1, **policy)
            self.expand_norm = ElasticBatchNorm(BATCH_NORM_EPSILON, **policy)
        self.depthwise = ElasticDepthwiseConv2D(kernel, stride, self.execution, **policy)
        self.depthwise_norm = ElasticBatchNorm(BATCH_NORM_EPSILON, **policy)
        if squeezed:
            self.squeeze_excitation = ElasticSqueezeExcitation(squeezed, self.execution, **policy)
        self.project = ElasticConv2D(channels_out, 1, **policy)
        self.project_norm = ElasticBatchNorm(BATCH_NORM_EPSILON, **policy)

    @property
    def is_empty(self) -> bool:
        """Whether no subnet has the block."""
        return not self.kernel

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        if self.is_empty:
            return
        expanded = (*input_shape[:-1], self.expanded)
        if self.expands:
            self.expand.build(input_shape)
            self.expand_norm.build(expanded)
        self.depthwise.build(expanded)
        self.depthwise_norm.build(expanded)
        if self.squeezed:
            self.squeeze_excitation.build(expanded)
        self.project.build(expanded)
        self.project_norm.build((*input_shape[:-1], self.channels_out))

    @property
    def norms(self) -> dict[str, ElasticBatchNorm]:
        """Those of expansion, depthwise convolution and projection."""
        if self.is_empty:
            return {}
        parts = (*("expand",) * self.expands, "depthwise", "project")
        return {f"{self.name}_{part}_norm": getattr(self, f"{part}_norm") for part in parts}

    def segments(self, choice: Sequence[tf.Tensor | int]) -> Sequence[Segment]:
        """Expansion, depthwise convolution, projection of the excited channels."""
        width, kernel, expanded, squeezed = choice[0], choice[1], choice[2], choice[3]
        full = self.execution != SLICES
        wide, narrow = (self.expanded, self.channels_out) if full else (expanded, width)
        activation = hard_swish if self.hard_swish else tf.nn.relu

        def depthwise(x: tf.Tensor) -> tf.Tensor:
            return self.depthwise(x, kernel_size=kernel)

        def project(x: tf.Tensor) -> tf.Tensor:
            if self.squeezed:
                x = self.squeeze_excitation(x, units=squeezed)
            return self.project(x, width=narrow)

        first = (lambda x: self.expand(x, width=wide), activation, expanded)
        parts: list[tuple[Activation, Activation, tf.Tensor | int]] = [
            *[first] * self.expands,
            (depthwise, activation, expanded),
            (project, tf.identity, width),
        ]
        return [
            Segment(name, compute, norm, finish, wanted)
            for (name, norm), (compute, finish, wanted) in zip(
                self.norms.items(), parts, strict=True
            )
        ]

    def combine(self, inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """The sum of both where the block is residual."""
        return inputs + outputs if self.is_residual else outputs

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        names = ("kernel", "expanded", "squeezed", "stride", "hard_swish", "expands", "is_residual")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("aec_ofa_tf")
class PooledDenseLayer(ElasticUnitLayer):
    """Mean over frames and mel bins, dense layer, hard-swish.

    Args:
        channels_out: units at full width.
    """

    def __init__(self, channels_out: int, **kwargs) -> None:
        super().__init__(channels_out, **kwargs)
        self.dense = ElasticDense(channels_out, dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        self.dense.build((None, input_shape[-1]))

    @property
    def is_empty(self) -> bool:
        """Every subnet has the layer, although it has no batch norm."""
        return False

    @property
    def norms(self) -> dict[str, ElasticBatchNorm]:
        """None."""
        return {}

    def segments(self, choice: Sequence[tf.Tensor | int]) -> Sequence[Segment]:
        """The dense layer at the choice's width."""
        width = choice[0]
        computed = width if self.execution == SLICES else self.channels_out

        def compute(x: tf.Tensor) -> tf.Tensor:
            means = tf.reduce_mean(tf.cast(x, self.variable_dtype), axis=[1, 2])
            means = tf.cast(means, self.compute_dtype)
            return self.dense(means, width=computed)[:, None, None, :]

        return (Segment(self.name, compute, None, hard_swish, width),)


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ClassifierLayer(keras.layers.Layer):
    """Dropout and a dense layer on a single frame and mel bin.

    Args:
        classes: number of outputs.
        dropout: rate before the dense layer.
    """

    def __init__(self, classes: int, dropout: float, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.classes = classes
        self.dropout = dropout
        self.classifier = ElasticDense(classes, dtype=self.dtype_policy, name="classifier")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, 1, 1, channels at full width).
        """
        self.classifier.build((None, input_shape[-1]))

    def call(self, inputs: tf.Tensor, keep: tf.Tensor | None = None) -> tf.Tensor:
        """Logits [batch, classes] in the variables' dtype.

        Args:
            inputs: [batch, 1, 1, channels], a prefix of the full width.
            keep: bool [batch, channels at full width], False where dropout sets a value to 0.
        """
        features = tf.cast(inputs[:, 0, 0, :], self.variable_dtype)
        return self.classifier(drop(features, keep, self.dropout))

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "classes": self.classes, "dropout": self.dropout}
