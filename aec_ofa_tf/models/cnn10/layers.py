"""CNN10's unit and head as Keras layers that hold the full weights."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import ElasticBatchNorm
from aec_ofa_tf.layers.convolution import ElasticConv2D
from aec_ofa_tf.layers.dense import ElasticDense
from aec_ofa_tf.layers.elastic_unit import ElasticUnitLayer, Segment
from aec_ofa_tf.layers.prefix import SLICES
from aec_ofa_tf.models.draws import drop
from aec_ofa_tf.pinned_keras import keras


@keras.saving.register_keras_serializable("aec_ofa_tf")
class ConvBNReLU(ElasticUnitLayer):
    """ElasticConv2D -> ElasticBatchNorm -> ReLU, and an average pool at the end of a block.

    At width w its output is the first w channels of a wider output.

    Args:
        filters: output channels at full width; 0 if no subnet has the convolution.
        pooled: whether a 2x2 average pool follows.
        channels_out: as for `ElasticUnitLayer`; `filters` by default.
    """

    def __init__(
        self, filters: int, pooled: bool = False, channels_out: int | None = None, **kwargs
    ) -> None:
        super().__init__(filters if channels_out is None else channels_out, **kwargs)
        self.filters = filters
        self.pooled = pooled
        if filters:
            self.conv = ElasticConv2D(filters, dtype=self.dtype_policy, name="conv")
            self.norm = ElasticBatchNorm(dtype=self.dtype_policy, name="norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        if self.filters:
            self.conv.build(input_shape)
            self.norm.build((*input_shape[:-1], self.filters))

    @property
    def norms(self) -> dict[str, ElasticBatchNorm]:
        """The one batch norm, by the name of the unit."""
        return {self.name: self.norm} if self.filters else {}

    def segments(self, choice: Sequence[tf.Tensor | int]) -> Sequence[Segment]:
        """The convolution at the choice's width."""
        width = choice[0]
        computed = width if self.execution == SLICES else self.filters
        return (
            Segment(
                self.name,
                lambda x: self.conv(x, width=computed),
                self.norm,
                tf.nn.relu,
                width,
            ),
        )

    def post_process(self, outputs: tf.Tensor) -> tf.Tensor:
        """The average pool; it drops an odd last frame or mel bin."""
        return tf.nn.avg_pool2d(outputs, 2, 2, "VALID") if self.pooled else outputs

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        return {**super().get_config(), "filters": self.filters, "pooled": self.pooled}


@keras.saving.register_keras_serializable("aec_ofa_tf")
class PannsHeadLayer(keras.layers.Layer):
    """Mean over mel bins, maximum plus mean over time, dense layer with ReLU, classifier.

    Args:
        classes: number of outputs.
        embedding_units: width of the dense layer.
        dropout: rate before the dense layer.
    """

    def __init__(self, classes: int, embedding_units: int, dropout: float, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.classes = classes
        self.embedding_units = embedding_units
        self.dropout = dropout
        self.embedding = ElasticDense(embedding_units, dtype=self.dtype_policy, name="embedding")
        self.classifier = ElasticDense(classes, dtype=self.dtype_policy, name="classifier")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights.

        Args:
            input_shape: (batch, frames, mel bins, channels at full width).
        """
        self.embedding.build((None, input_shape[-1]))
        self.classifier.build((None, self.embedding_units))

    def call(self, inputs: tf.Tensor, keep: tf.Tensor | None = None) -> tf.Tensor:
        """Logits, [batch, classes] in the variables' dtype.

        Args:
            inputs: [batch, frames, mel bins, channels], a prefix of the full width.
            keep: bool [batch, channels at full width], False where dropout sets a value to 0.
        """
        sequence = tf.reduce_mean(tf.cast(inputs, self.variable_dtype), axis=2)
        pooled = tf.reduce_max(sequence, axis=1) + tf.reduce_mean(sequence, axis=1)
        pooled = drop(pooled, keep, self.dropout)
        return self.classifier(tf.nn.relu(self.embedding(pooled)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """The shape of the logits."""
        return (None, self.classes)

    def get_config(self) -> dict:
        """Mirrors the constructor."""
        sizes = {"classes": self.classes, "embedding_units": self.embedding_units}
        return {**super().get_config(), **sizes, "dropout": self.dropout}
