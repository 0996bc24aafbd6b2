"""A family of networks in one file: residual depthwise-separable units of three elastic sizes.

A first convolution, then units of 1x1 convolution, depthwise convolution and 1x1 convolution, with
elastic kernel size, hidden width and, being residual, depth.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property, lru_cache

import keras
import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import ElasticBatchNorm
from aec_ofa_tf.layers.convolution import ElasticConv2D, ElasticDepthwiseConv2D
from aec_ofa_tf.layers.elastic_unit import ElasticUnitLayer, Segment
from aec_ofa_tf.layers.prefix import SLICES
from aec_ofa_tf.models.cnn10.unit import ConvUnit, PannsHead
from aec_ofa_tf.models.family import register_family
from aec_ofa_tf.models.network import NetworkConfig, plain_batch_norm
from aec_ofa_tf.models.rows import LayerRow, Matrix, Operator
from aec_ofa_tf.models.space import Option, SearchSpace
from aec_ofa_tf.models.unit import ElasticUnit


@register_family("toy")
@dataclass(frozen=True)
class ToySpace(SearchSpace):
    """A first convolution, then residual units, `id` where one is absent."""

    fields = ("width", "kernel", "hidden")

    width: int = 8
    kernels: tuple[int, ...] = (3, 5)
    hidden: tuple[int, ...] = (6, 12)
    units: int = 2

    @cached_property
    def stages(self):
        first = (Option(f"c{self.width}", ((self.width,),)),)
        absent = Option("id", ((0, 0, 0),))
        present = [
            Option(f"k{kernel}h{hidden}", ((self.width, kernel, hidden),))
            for kernel, hidden in itertools.product(self.kernels, self.hidden)
        ]
        return (first, *[(absent, *present)] * self.units)


@register_family("toy")
@dataclass(frozen=True)
class ToyNetwork(NetworkConfig):
    """Its first unit and its head are CNN10's."""

    @lru_cache  # noqa: B019
    def units(self, count):
        first = ConvUnit("first", block=1, pooled=True)
        return (first, *(ToyUnit(f"unit{n}", 0.1) for n in range(1, count)))

    @lru_cache  # noqa: B019
    def head(self):
        return PannsHead(self.classes, 16, 0.2)


@dataclass(frozen=True)
class ToyUnit(ElasticUnit):
    """relu(x + project(depthwise(expand(x)))); its choice is (width, kernel, hidden)."""

    def layer(self, sizes, execution, dtype):
        width, kernel, hidden = (max(c[n] for c in sizes.choices) for n in range(3))
        optional = any(not choice[0] for choice in sizes.choices)
        return ToyLayer(
            kernel, hidden, channels_out=width, is_optional=optional, execution=execution,
            dtype=dtype, name=self.name,
        )  # fmt: skip

    def plain(self, x, choice):
        width, kernel, hidden = choice
        if width:
            inputs = x
            x = keras.layers.Conv2D(hidden, 1, use_bias=False, name=f"{self.name}_expand")(x)
            x = keras.layers.ReLU()(plain_batch_norm(f"{self.name}_norm1")(x))
            depthwise = keras.layers.DepthwiseConv2D(
                kernel, padding="same", use_bias=False, name=f"{self.name}_depthwise"
            )
            x = keras.layers.ReLU()(plain_batch_norm(f"{self.name}_norm2")(depthwise(x)))
            x = keras.layers.Conv2D(width, 1, use_bias=False, name=f"{self.name}_project")(x)
            x = keras.layers.Add()([inputs, plain_batch_norm(f"{self.name}_norm3")(x)])
            x = keras.layers.ReLU()(x)
        return keras.layers.Dropout(self.dropout, name=f"{self.name}_dropout")(x)

    def cut(self, weights, choice, channels_in):
        width, kernel, hidden = choice
        expand, *norm1, depthwise, gamma2, beta2, project, gamma3, beta3 = weights
        border = (len(depthwise) - kernel) // 2
        centre = slice(border, border + kernel)
        return [
            *(expand[:, :, :channels_in, :hidden], *(vector[:hidden] for vector in norm1)),
            *(depthwise[centre, centre, :hidden], gamma2[:hidden], beta2[:hidden]),
            *(project[:, :, :hidden, :width], gamma3[:width], beta3[:width]),
        ]

    def twin_layers(self, choice):
        names = ("expand", "norm1", "depthwise", "norm2", "project", "norm3")
        return [f"{self.name}_{name}" for name in names] if choice[0] else []

    def row(self, choice, shape):
        width, kernel, hidden = choice
        frames, mel_bins, channels = shape
        if not width:
            return None
        pixels = frames * mel_bins
        operators = (
            self._operator("expand", channels, hidden, channels, pixels, held=0),
            self._operator("depthwise", hidden, hidden, kernel**2, pixels, held=pixels * channels),
            self._operator("project", hidden, width, hidden, pixels, held=pixels * channels),
            Operator(f"{self.name}_add", 3 * pixels * width),
        )
        sizes = {"channels": channels, "hidden": hidden, "kernel": kernel}
        return LayerRow.make("toy", operators, frames=frames, mel_bins=mel_bins, **sizes)

    def _operator(self, name, channels_in, channels_out, rows, pixels, held):
        matrix = Matrix(rows, channels_out, vectors=2, per_channel=True)
        elements = pixels * (channels_in + channels_out)
        return Operator(f"{self.name}_{name}", elements, matrix, pixels, held=held)


@keras.saving.register_keras_serializable("tests")
class ToyLayer(ElasticUnitLayer):
    """The three convolutions at full size."""

    def __init__(self, kernel, hidden, channels_out, **kwargs):
        super().__init__(channels_out, **kwargs)
        self.kernel, self.hidden = kernel, hidden
        if not hidden:  # no subnet has the unit
            return
        policy = {"dtype": self.dtype_policy}
        self.expand = ElasticConv2D(hidden, 1, **policy)
        self.norm1 = ElasticBatchNorm(**policy)
        self.depthwise = ElasticDepthwiseConv2D(kernel, execution=self.execution, **policy)
        self.norm2 = ElasticBatchNorm(**policy)
        self.project = ElasticConv2D(channels_out, 1, **policy)
        self.norm3 = ElasticBatchNorm(**policy)

    def build(self, input_shape):
        if not self.hidden:
            return
        hidden = (*input_shape[:-1], self.hidden)
        self.expand.build(input_shape)
        self.norm1.build(hidden)
        self.depthwise.build(hidden)
        self.norm2.build(hidden)
        self.project.build(hidden)
        self.norm3.build((*input_shape[:-1], self.channels_out))

    @property
    def norms(self):
        return {f"{self.name}_{n}": getattr(self, f"norm{n}") for n in (1, 2, 3) if self.hidden}

    def segments(self, choice):
        width, kernel, hidden = choice[0], choice[1], choice[2]
        full = self.execution != SLICES
        expanded, projected = (self.hidden, self.channels_out) if full else (hidden, width)
        parts = (
            (lambda x: self.expand(x, width=expanded), tf.nn.relu, hidden),
            (lambda x: self.depthwise(x, kernel_size=kernel), tf.nn.relu, hidden),
            (lambda x: self.project(x, width=projected), tf.identity, width),
        )
        norms = self.norms.items()
        return [
            Segment(n, part[0], norm, *part[1:])
            for (n, norm), part in zip(norms, parts, strict=True)
        ]

    def combine(self, inputs, outputs):
        return tf.nn.relu(inputs + outputs)

    def get_config(self):
        return {**super().get_config(), "kernel": self.kernel, "hidden": self.hidden}
