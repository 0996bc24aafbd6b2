"""What follows a MobileNet's convolutions. No TensorFlow until it is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aec_ofa_tf.models.mobilenet.operators import elements, layer_row
from aec_ofa_tf.models.mobilenet.unit import HARD_SWISH
from aec_ofa_tf.models.rows import LayerRow, Matrix, Operator
from aec_ofa_tf.models.space import Choice
from aec_ofa_tf.models.unit import ElasticUnit, Head, Shape, UnitSizes

if TYPE_CHECKING:
    import keras
    import numpy as np

    from aec_ofa_tf.models.mobilenet.layers import ClassifierLayer, PooledDenseLayer


@dataclass(frozen=True)
class PooledDenseUnit(ElasticUnit):
    """Mean over frames and mel bins, dense layer, hard-swish. Its choice is (width,)."""

    @property
    def pools(self) -> bool:
        """Always."""
        return True

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
            Operator("embedding", elements(shape) + channels),
            Operator(self.name, channels + width, matrix),
            Operator(f"{self.name}_act", 2 * width),
        )
        return layer_row("pooled_dense", operators, shape, channels_in=channels, channels_out=width)

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
