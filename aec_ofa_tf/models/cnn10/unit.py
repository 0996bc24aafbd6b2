"""CNN10's only kind of unit, a convolution, and its head; TensorFlow is imported to build them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aec_ofa_tf.models.network import plain_batch_norm
from aec_ofa_tf.models.rows import LayerRow, Matrix, Operator
from aec_ofa_tf.models.space import Choice
from aec_ofa_tf.models.unit import ElasticUnit, Head, Shape, UnitSizes

if TYPE_CHECKING:
    import keras
    import numpy as np

    from aec_ofa_tf.models.cnn10.layers import ConvBNReLU, PannsHeadLayer

KERNEL_TAPS = 9


@dataclass(frozen=True)
class ConvUnit(ElasticUnit):
    """3x3 convolution, batch norm, ReLU, and at the end of a block 2x2 average pool and dropout.

    Its choice is (width,). The second convolution of a block of depth 1 is absent: its choice is
    (0,), and only pool and dropout remain.

    Attributes:
        block: number of its block, from 1.
        layer_number: its number in the block, 1 or 2.
        pooled: whether the pool follows; it drops an odd last frame or mel bin.
    """

    block: int = 1
    layer_number: int = 1
    pooled: bool = False

    @property
    def _norm_name(self) -> str:
        return f"block{self.block}_norm{self.layer_number}"

    def layer(self, sizes: UnitSizes, execution: str, dtype: object) -> ConvBNReLU:
        """The elastic convolution at full width; without weights if no subnet has it."""
        from aec_ofa_tf.models.cnn10.layers import ConvBNReLU

        return ConvBNReLU(
            filters=sizes.choices[-1][0],
            is_optional=sizes.choices[0][0] == 0,
            channels_out=sizes.channels_out,
            pooled=self.pooled,
            execution=execution,
            dtype=dtype,
            name=self.name,
        )

    def plain(self, x: keras.KerasTensor, choice: Choice) -> keras.KerasTensor:
        """Conv2D, BatchNormalization, ReLU, AveragePooling2D, Dropout."""
        from aec_ofa_tf.pinned_keras import keras

        if choice[0]:
            x = keras.layers.Conv2D(
                choice[0],
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="glorot_uniform",
                name=self.name,
            )(x)
            x = plain_batch_norm(self._norm_name)(x)
            x = keras.layers.ReLU(name=self._norm_name.replace("norm", "relu"))(x)
        if self.pooled:
            x = keras.layers.AveragePooling2D(2, name=f"block{self.block}_pool")(x)
        if self.dropout is not None:
            x = keras.layers.Dropout(self.dropout, name=f"block{self.block}_dropout")(x)
        return x

    def cut(
        self, weights: Sequence[np.ndarray], choice: Choice, channels_in: int
    ) -> list[np.ndarray]:
        """The first channels of kernel, scale and shift."""
        kernel, gamma, beta = weights
        (width,) = choice
        return [kernel[:, :, :channels_in, :width], gamma[:width], beta[:width]]

    def twin_layers(self, choice: Choice) -> Sequence[str]:
        """Convolution and batch norm."""
        return (self.name, self._norm_name) if choice[0] else ()

    def row(self, choice: Choice, shape: Shape) -> LayerRow | None:
        """A `convolution` with its pool; a `pool` if the convolution is absent."""
        frames, mel_bins, channels = shape
        width = choice[0] or channels
        pixels, halved = frames * mel_bins, (frames // 2) * (mel_bins // 2)
        pool = Operator(f"block{self.block}_pool", activations=(pixels + halved) * width)
        pools = (pool,) * self.pooled
        sizes = {"channels_in": channels, "channels_out": width}
        sizes |= {"frames": frames, "mel_bins": mel_bins}
        if not choice[0]:
            return LayerRow.make("pool", pools, **sizes) if pools else None
        matrix = Matrix(KERNEL_TAPS * channels, width, vectors=2, per_channel=True)
        convolution = Operator(self.name, pixels * (channels + width), matrix, pixels)
        return LayerRow.make("convolution", (convolution, *pools), pooled=self.pooled, **sizes)

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """Half the frames and mel bins after a pool."""
        frames, mel_bins, channels = super().output_shape(choice, shape)
        halving = 2 if self.pooled else 1
        return frames // halving, mel_bins // halving, channels


@dataclass(frozen=True)
class PannsHead(Head):
    """Mean over mel bins, maximum plus mean over time, dense layer with ReLU, classifier.

    Its input must not be negative: it is the output of a ReLU.

    Attributes:
        classes: number of outputs.
        embedding_units: width of the dense layer.
        dropout: rate before the dense layer.
    """

    classes: int
    embedding_units: int
    dropout: float
    name: str = "head"

    def layer(self, dtype: object) -> PannsHeadLayer:
        """Global pooling and two elastic dense layers."""
        from aec_ofa_tf.models.cnn10.layers import PannsHeadLayer

        return PannsHeadLayer(
            self.classes, self.embedding_units, self.dropout, dtype=dtype, name=self.name
        )

    def plain(self, x: keras.KerasTensor, activation: str | None) -> keras.KerasTensor:
        """From the last unit's output [clips, frames, mel bins, channels] to [clips, classes]."""
        from aec_ofa_tf.pinned_keras import keras

        x = _global_pool(x)
        x = keras.layers.Dropout(self.dropout, name="embedding_dropout")(x)
        x = _dense(self.embedding_units, "embedding", "relu")(x)
        return _dense(self.classes, "classifier", activation)(x)

    def cut(self, weights: Sequence[np.ndarray], channels_in: int) -> list[np.ndarray]:
        """The first rows of the first dense layer's kernel; all other weights whole."""
        kernel, *others = weights
        return [kernel[:channels_in], *others]

    def twin_layers(self) -> Sequence[str]:
        """The two dense layers."""
        return "embedding", "classifier"

    def row(self, shape: Shape) -> LayerRow:
        """A `head`: pools, two dense layers and the activation of the scores."""
        frames, mel_bins, channels = shape
        embedding = Matrix(channels, self.embedding_units, vectors=1, per_channel=False)
        classifier = Matrix(self.embedding_units, self.classes, vectors=1, per_channel=False)
        operators = (
            Operator("mel_mean", (frames * mel_bins + frames) * channels),
            Operator("time_max", (frames + 1) * channels),
            Operator("time_mean", (frames + 1) * channels),
            Operator("pooled_sum", 3 * channels),
            Operator("embedding", channels + self.embedding_units, embedding),
            Operator("classifier", self.embedding_units + self.classes, classifier),
            Operator("scores", 2 * self.classes),
        )
        sizes = {"channels_in": channels, "channels_out": self.classes}
        sizes |= {"frames": frames, "mel_bins": mel_bins}
        return LayerRow.make("head", operators, pooled=False, **sizes)


def _global_pool(x: keras.KerasTensor) -> keras.KerasTensor:
    """Mean over mel bins, then maximum plus mean over time.

    It uses pools, not reductions, since XNNPACK has kernels for pools. The ReLU changes no value,
    since the input is not negative, and is fused into the addition. Without it TFLite's converter
    distributes the following dense layer over both summands, which int8 kernels do not support.
    """
    from aec_ofa_tf.pinned_keras import keras

    _, frames, mel_bins, channels = x.shape
    x = keras.layers.AveragePooling2D((1, mel_bins), name="mel_mean")(x)
    time_max = keras.layers.MaxPooling2D((frames, 1), name="time_max")(x)
    time_mean = keras.layers.AveragePooling2D((frames, 1), name="time_mean")(x)
    pooled = keras.layers.Add(name="pooled_sum")([time_max, time_mean])
    pooled = keras.layers.ReLU(name="pooled")(pooled)
    return keras.layers.Reshape((channels,), name="features")(pooled)


def _dense(units: int, name: str, activation: str | None) -> keras.layers.Layer:
    from aec_ofa_tf.pinned_keras import keras

    return keras.layers.Dense(
        units, activation=activation, kernel_initializer="glorot_uniform", name=name
    )
