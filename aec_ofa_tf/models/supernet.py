"""The weight-sharing supernet (paper sections 2.2 and 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from aec_ofa_tf.audio.augment import mix_pairs
from aec_ofa_tf.layers.elastic_batch_norm import ElasticBatchNorm
from aec_ofa_tf.layers.elastic_conv_bn_relu import ElasticConvBNReLU
from aec_ofa_tf.layers.elastic_dense import ElasticDense
from aec_ofa_tf.layers.moments import Moments
from aec_ofa_tf.layers.prefix import SLICES, keep_prefix
from aec_ofa_tf.models.draws import Draws, drop
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet

Statistics = dict[str, Moments]
"""Batch-norm moments of one subnet by layer name, each at full width."""


class Supernet(keras.Model):
    """All subnets of a search space in one set of weights.

    Every layer of a subnet is the prefix of a full-size layer. A network that is trained alone,
    the teacher included, is a supernet of a single subnet: there is one network, one train step.

    A forward pass has two parts. The stem (input batch norm, static block, first elastic
    convolution) is the same for all subnets, narrower first convolutions being prefixes of the
    widest; the branch is a subnet's own. Which subnet is meant is an argument: int32 widths
    [blocks, 2] as in `Subnet.widths`, 0 for an absent second convolution.

    Args:
        subnets: the members, all of the same number of blocks and the same first block.
        network: what is static.
        dtype: Keras dtype policy; batch-norm statistics, logits and losses stay float32 (float64
            in float64).
        execution: "slices" cuts every layer to its subnet's prefix, "masks" computes it in full
            and zeroes the rest, so that all shapes are static. Both give the same numbers.

    Raises:
        ValueError: there is no member, or the members differ in their static part.
    """

    def __init__(
        self,
        subnets: Sequence[Subnet],
        network: NetworkConfig,
        dtype: str = "float32",
        execution: str = SLICES,
    ) -> None:
        super().__init__(name="supernet", dtype=dtype, autocast=False)
        if not subnets or len({(spec.blocks[0], len(spec.blocks)) for spec in subnets}) != 1:
            raise ValueError(
                "a supernet needs at least one subnet, all with the same first block and number "
                f"of blocks, received {[str(spec) for spec in subnets[:4]]}"
            )
        self.subnets = tuple(subnets)
        self.network = network
        self.execution = execution
        self.full_widths = _full_widths(self.subnets)
        self.fixed_depth = [
            len({spec.depths[block] for spec in subnets}) == 1
            for block in range(len(self.full_widths))
        ]
        self._create_layers()
        self.build()

    def _create_layers(self) -> None:
        policy = self.dtype_policy
        exact = self.variable_dtype
        self.input_norm = ElasticBatchNorm(dtype=exact, name="input_norm")
        self.units = [
            [
                ElasticConvBNReLU(
                    width, self.execution, dtype=policy, name=f"block{block}_conv{layer}"
                )
                for layer, width in enumerate(widths, start=1)
            ]
            for block, widths in enumerate(self.full_widths, start=1)
        ]
        self.embedding = ElasticDense(self.network.embedding_units, dtype=exact, name="embedding")
        self.classifier = ElasticDense(self.network.classes, dtype=exact, name="classifier")

    def build(self, input_shape: tuple | None = None) -> None:
        """Creates all weights at full width."""
        self.input_norm.build((None, None, self.network.mel_bins))
        channels = 1
        for units, width in zip(self.units, self.block_widths, strict=True):
            units[0].build((None, None, None, channels))
            if len(units) == 2:
                units[1].build((None, None, None, units[0].filters))
            channels = width
        self.embedding.build((None, self.block_widths[-1]))
        self.classifier.build((None, self.network.embedding_units))
        self.built = True

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Output channels of every block at full width."""
        blocks = zip(*(spec.blocks for spec in self.subnets), strict=True)
        return tuple(max(widths[-1] for widths in members) for members in blocks)

    def get_unit(self, name: str) -> ElasticConvBNReLU:
        """The convolution called `name`, for example `block2_conv1`."""
        return next(unit for units in self.units for unit in units if unit.name == name)

    @property
    def stem_variables(self) -> list[keras.Variable]:
        """Trainable weights that all subnets of a step compute together."""
        stem: list[keras.Layer] = [self.input_norm, *self.units[0], self.units[1][0]]
        return [variable for layer in stem for variable in layer.trainable_variables]

    @property
    def branch_variables(self) -> list[keras.Variable]:
        """Trainable weights that every subnet of a step computes for itself."""
        stem = {id(variable) for variable in self.stem_variables}
        return [variable for variable in self.trainable_variables if id(variable) not in stem]

    def call(
        self,
        log_mel: tf.Tensor,
        widths: tf.Tensor | None = None,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Runs one subnet without augmentation or dropout.

        Args:
            log_mel: float [batch, frames, mel bins] in dB.
            widths: int32 [blocks, 2]; the first member by default.
            statistics: batch-norm moments; those of the batch itself by default.

        Returns:
            float32 logits [batch, classes], and the moments that were used.
        """
        widths = tf.constant(self.subnets[0].widths()) if widths is None else widths
        shared, stem_moments = self.stem(log_mel, widths[1, 0], None, statistics)
        logits, branch_moments = self.branch(shared, widths, None, statistics)
        return logits, {**stem_moments, **branch_moments}

    def stem(
        self,
        log_mel: tf.Tensor,
        first_width: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Everything up to the first elastic convolution at width `first_width`.

        Args:
            log_mel: float [batch, frames, mel bins] in dB.
            first_width: scalar, the widest that a branch will want.
            draws: augmentation and dropout, or None for neither.
            statistics: batch-norm moments, or None for the batch's own.

        Returns:
            [batch or pairs, frames / 2, mel bins / 2, first_width], with masks all channels, and
            the moments used.
        """
        moments: Statistics = {}
        name = self.input_norm.name
        given = None if statistics is None else statistics[name]
        normed, moments[name] = self.normalise_input(tf.cast(log_mel, self.variable_dtype), given)
        if draws is not None:
            normed = normed * tf.cast(draws.spec_augment, normed.dtype)
            normed = normed if draws.mixup is None else mix_pairs(normed, draws.mixup)
        x = tf.cast(normed[..., None], self.compute_dtype)
        for unit, width in zip(self.units[0], self.full_widths[0], strict=True):
            x = _apply(unit, x, width, statistics, moments)
        x = self.end_block(x, 0, draws)
        x = _apply(self.units[1][0], x, first_width, statistics, moments)
        return x, moments

    def branch(
        self,
        shared: tf.Tensor,
        widths: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """One subnet from the stem's output to its logits.

        Args:
            shared: what `stem` returned; its first `widths[1, 0]` channels are used.
            widths: int32 [blocks, 2].
            draws: dropout, or None for none.
            statistics: batch-norm moments, or None for the batch's own.

        Returns:
            float32 logits [batch, classes], and the moments used.
        """
        moments: Statistics = {}
        x = keep_prefix(shared, widths[1, 0], self.execution)
        for block in range(1, len(self.units)):
            if block > 1:
                x = _apply(self.units[block][0], x, widths[block, 0], statistics, moments)
            if len(self.units[block]) == 2:
                x = self._second(block, x, widths[block, 1], statistics, moments)
            x = self.end_block(x, block, draws)
        return self.head(x, draws), moments

    def normalise_input(
        self, log_mel: tf.Tensor, moments: Moments | None = None
    ) -> tuple[tf.Tensor, Moments]:
        """The input batch norm, per mel bin.

        Args:
            log_mel: [batch, frames, mel bins] in dB.
            moments: statistics per mel bin, or None for the batch's own.

        Returns:
            The normalised input and the moments used.
        """
        # The fused kernel wants four axes; the mel bins are the channels here.
        normed, moments = self.input_norm(log_mel[:, :, None, :], moments=moments)
        return normed[:, :, 0, :], moments

    def _second(
        self,
        block: int,
        x: tf.Tensor,
        width: tf.Tensor,
        statistics: Statistics | None,
        moments: Statistics,
    ) -> tf.Tensor:
        """The second convolution of a block, where the subnet has one (elastic depth)."""
        unit = self.units[block][1]
        if self.fixed_depth[block]:
            return _apply(unit, x, width, statistics, moments)
        given = None if statistics is None else statistics[unit.name]
        channels = self.block_widths[block]
        x, moments[unit.name] = unit.call_or_pass(x, width, channels, given)
        return x

    def end_block(self, x: tf.Tensor, block: int, draws: Draws | None = None) -> tf.Tensor:
        """Pooling and dropout after a block, by its index."""
        if block < len(self.units) - 1 or self.network.pool_last:
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        return x if draws is None else drop(x, draws.dropout[block], self.network.block_dropout)

    def head(self, x: tf.Tensor, draws: Draws | None = None) -> tf.Tensor:
        """From the last block's output to float32 logits [batch, classes]."""
        sequence = tf.reduce_mean(tf.cast(x, self.variable_dtype), axis=2)
        pooled = tf.reduce_max(sequence, axis=1) + tf.reduce_mean(sequence, axis=1)
        if draws is not None:
            pooled = drop(pooled, draws.embedding, self.network.embedding_dropout)
        return self.classifier(tf.nn.relu(self.embedding(pooled)))


def _apply(
    unit: ElasticConvBNReLU,
    x: tf.Tensor,
    width: tf.Tensor | int,
    statistics: Statistics | None,
    moments: Statistics,
) -> tf.Tensor:
    given = None if statistics is None else statistics[unit.name]
    x, moments[unit.name] = unit(x, width=width, moments=given)
    return x


def _full_widths(subnets: Sequence[Subnet]) -> tuple[tuple[int, ...], ...]:
    """Per block, the greatest width of its first and, where any member has one, second layer."""
    blocks = zip(*(spec.blocks for spec in subnets), strict=True)
    return tuple(
        tuple(max(b[layer] for b in members if len(b) > layer) for layer in range(2))
        if any(len(b) == 2 for b in members)
        else (max(b[0] for b in members),)
        for members in blocks
    )
