"""The weight-sharing supernet of any family (paper sections 2.2 and 2.3)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from aec_ofa_tf.audio.augment import mix_pairs
from aec_ofa_tf.layers.batch_norm import ElasticBatchNorm, Moments
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.layers.prefix import SLICES, keep_prefix
from aec_ofa_tf.models.draws import Draws, DropoutSite, drop
from aec_ofa_tf.models.family import network_from_config, to_config
from aec_ofa_tf.models.network import INPUT_NORM, NetworkConfig
from aec_ofa_tf.models.space import Members, Option, StagedSpace, Subnet, as_space
from aec_ofa_tf.models.unit import stem_length, unit_sizes
from aec_ofa_tf.pinned_keras import keras

TASK = "task"
"""As an activation: that of the network's task."""


@keras.saving.register_keras_serializable("aec_ofa_tf")
class Supernet(keras.Model):
    """All subnets of a search space in one set of weights.

    It is a list of units and a head; a subnet is a choice for every unit. A network that is
    trained alone, the teacher included, is a supernet of a single subnet: there is one network,
    one train step.

    A forward pass has two parts. The stem (input batch norm and the units of `stem_length`) is
    computed once for all subnets of a step; the branch is a subnet's own. Which subnet is meant
    is an argument.

    Example:
        >>> supernet = ofa.Supernet(space, network)
        >>> logits, moments = supernet(log_mel, space.largest)
        >>> logits.shape
        TensorShape([8, 3])

    Args:
        members: the search space, or a list of subnets.
        network: what is static.
        dtype: Keras dtype policy; batch-norm statistics, logits and losses stay float32 (float64
            in float64).
        execution: "slices" cuts every layer to its subnet's prefix, "masks" computes it in full
            and zeroes the rest, so that all shapes are static. Both give the same numbers.

    Attributes:
        space: of the members.
        units: what every unit is, see `models.unit`.
        sizes: of the units.
        unit_layers: the units' weights.
        head: what follows them.
        head_layer: its weights.

    Raises:
        ValueError: there is no member, or the members have unequally many units.
    """

    def __init__(
        self,
        members: Members,
        network: NetworkConfig,
        dtype: Any = "float32",
        execution: str = SLICES,
        name: str = "supernet",
    ) -> None:
        super().__init__(name=name, dtype=dtype, autocast=False)
        self.space = as_space(members)
        self.network = network
        self.execution = execution
        self.sizes = unit_sizes(self.space)
        self.units = network.units(len(self.sizes))
        self.head = network.head()
        self.stem_units = stem_length(self.units, self.sizes)
        self._create_layers()
        self.build()

    def _create_layers(self) -> None:
        policy = self.dtype_policy
        exact = self.variable_dtype
        self.input_norm = ElasticBatchNorm(dtype=exact, name=INPUT_NORM)
        self.unit_layers = [
            unit.layer(size, self.execution, policy)
            for unit, size in zip(self.units, self.sizes, strict=True)
        ]
        self.head_layer = self.head.layer(exact)

    def build(self, input_shape: tuple | None = None) -> None:
        """Creates all weights at full width."""
        self.input_norm.build((None, None, self.network.mel_bins))
        for layer, size in zip(self.unit_layers, self.sizes, strict=True):
            layer.build((None, None, None, size.channels_in))
            layer.built = True
        self.head_layer.build((None, None, None, self.sizes[-1].channels_out))
        self.head_layer.built = True
        self.built = True

    def __repr__(self) -> str:
        return f"Supernet({self.network.task}, {self.network.classes} classes, space {self.space})"

    def get_unit(self, name: str) -> keras.layers.Layer:
        """The layer of the unit called `name`, for example `block2_conv1`."""
        return next(layer for layer in self.unit_layers if layer.name == name)

    @property
    def subnets(self) -> list[Subnet]:
        """Every member."""
        return self.space.subnets()

    @property
    def fields(self) -> int:
        """The number of integers in the longest choice."""
        return max(len(size.choices[0]) for size in self.sizes)

    @property
    def dropout_sites(self) -> tuple[DropoutSite, ...]:
        """Where activations are dropped: after units in their order, then in the head."""
        sites, shape = [], self.network.image
        for unit, size in zip(self.units, self.sizes, strict=True):
            sides = unit.output_shape(size.choices[-1], shape)[:2]
            shape = (*sides, size.channels_out)
            if unit.dropout is not None:
                sites.append(DropoutSite(shape, unit.dropout))
        if self.head.dropout is not None:
            sites.append(DropoutSite(shape[2:], self.head.dropout))
        return tuple(sites)

    @property
    def stem_variables(self) -> list[keras.Variable]:
        """Trainable weights that all subnets of a step compute together."""
        stem: list[keras.Layer] = [self.input_norm, *self.unit_layers[: self.stem_units]]
        return [variable for layer in stem for variable in layer.trainable_variables]

    @property
    def branch_variables(self) -> list[keras.Variable]:
        """Trainable weights that every subnet of a step computes for itself."""
        stem = {id(variable) for variable in self.stem_variables}
        return [variable for variable in self.trainable_variables if id(variable) not in stem]

    def __call__(
        self,
        log_mel: tf.Tensor,
        subnet: Subnet | tf.Tensor | None = None,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """As `call`."""
        if subnet is None:
            subnet = self.space.subnet_at(0)
        if isinstance(subnet, Subnet):
            subnet = tf.constant(subnet.row(), tf.int32)
        return super().__call__(log_mel, subnet=subnet, statistics=statistics)

    def call(
        self,
        log_mel: tf.Tensor,
        subnet: tf.Tensor,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Runs one subnet without augmentation or dropout.

        Args:
            log_mel: float [batch, frames, mel bins] in dB.
            subnet: a `Subnet`, or its choices as int32 [units, fields], see `Subnet.row`; the
                first member by default.
            statistics: batch-norm moments; those of the batch itself by default.

        Returns:
            float32 logits [batch, classes], and the moments that were used.
        """
        shared, stem_moments = self.stem(log_mel, subnet, None, statistics)
        logits, branch_moments = self.branch(shared, subnet, None, statistics)
        return logits, {**stem_moments, **branch_moments}

    def stem(
        self,
        log_mel: tf.Tensor,
        choices: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """What the subnets of a step have in common.

        Args:
            log_mel: float [batch, frames, mel bins] in dB.
            choices: int32 [units, fields]; of several subnets the greatest in every place.
            draws: augmentation and dropout, or None for neither.
            statistics: batch-norm moments, or None for the batch's own.

        Returns:
            The stem's output as wide as the widest subnet wants it, with masks all channels, and
            the moments used.
        """
        given = None if statistics is None else statistics[INPUT_NORM]
        normed, moments = self.normalise_input(tf.cast(log_mel, self.variable_dtype), given)
        if draws is not None:
            normed = normed * tf.cast(draws.spec_augment, normed.dtype)
            normed = normed if draws.mixup is None else mix_pairs(normed, draws.mixup)
        x = tf.cast(normed[..., None], self.compute_dtype)
        x, used = self._run(range(self.stem_units), x, choices, draws, statistics)
        return x, {INPUT_NORM: moments, **used}

    def branch(
        self,
        shared: tf.Tensor,
        choices: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """One subnet from the stem's output to its logits.

        Args:
            shared: what `stem` returned, of whose channels the subnet's are the first.
            choices: int32 [units, fields].
            draws: dropout, or None for none.
            statistics: batch-norm moments, or None for the batch's own.

        Returns:
            float32 logits [batch, classes], and the moments used.
        """
        end = self.stem_units
        if end and len(self.sizes[end - 1].choices) > 1:
            shared = keep_prefix(shared, choices[end - 1, 0], self.execution)
        units = range(end, len(self.units))
        x, moments = self._run(units, shared, choices, draws, statistics)
        keep = None if draws is None or self.head.dropout is None else draws.dropout[-1]
        return self.head_layer(x, keep=keep), moments

    def _run(
        self,
        units: range,
        x: tf.Tensor,
        choices: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Some of the units in a row, each with the dropout after it."""
        moments: Statistics = {}
        for index in units:
            unit, possible = self.units[index], self.sizes[index].choices
            choice = choices[index] if len(possible) > 1 else possible[0]
            x, used = self.unit_layers[index](x, choice=choice, statistics=statistics)
            moments |= used
            if draws is not None and unit.dropout is not None:
                site = sum(before.dropout is not None for before in self.units[:index])
                x = drop(x, draws.dropout[site], unit.dropout)
        return x, moments

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

    def subnet_model(
        self, subnet: Subnet, statistics: Statistics, classifier_activation: str | None = TASK
    ) -> keras.Model:
        """A plain Keras model with a subnet's weights, see `models.materialise.materialise`."""
        from aec_ofa_tf.models.materialise import materialise

        return materialise(self, subnet, statistics, classifier_activation)

    def get_config(self) -> dict[str, Any]:
        """Members, network, dtype policy and execution, as JSON holds them."""
        return {
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "stages": [
                [[option.text, option.choices] for option in options]
                for options in self.space.stages
            ],
            "network": to_config(self.network),
            "execution": self.execution,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Supernet:
        """The supernet that `get_config` described, with fresh weights."""
        config = dict(config)
        stages = tuple(
            tuple(Option(text, tuple(map(tuple, choices))) for text, choices in options)
            for options in config.pop("stages")
        )
        network = network_from_config(config.pop("network"))
        dtype = keras.saving.deserialize_keras_object(config.pop("dtype"))
        return cls(StagedSpace(stages), network, dtype, **config)
