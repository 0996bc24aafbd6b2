"""The weight-sharing supernet of any family (paper sections 2.2 and 2.3)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from aec_ofa_tf.audio.augment import mix_pairs
from aec_ofa_tf.layers.batch_norm import ElasticBatchNorm
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.layers.prefix import SLICES, keep_prefix
from aec_ofa_tf.models.checks import as_choices, check_log_mel, check_no_norms
from aec_ofa_tf.models.draws import Draws, DropoutSite, Tap, drop, dropout_sites
from aec_ofa_tf.models.image import as_image
from aec_ofa_tf.models.network import INPUT_NORM, NetworkConfig
from aec_ofa_tf.models.space import Members, Subnet, as_space
from aec_ofa_tf.models.supernet_config import arguments, describe
from aec_ofa_tf.models.unit import feature_length, fixed_length, stem_length, unit_sizes
from aec_ofa_tf.pinned_keras import keras

TASK = "task"
"""An activation: that of the network's task."""


@keras.saving.register_keras_serializable("aec_ofa_tf")
class Supernet(keras.Model):
    """All subnets of a search space in one set of weights.

    It is a list of units and a head; a subnet is a choice for every unit. A network that is trained
    alone, such as the teacher, is a supernet of one subnet: there is one train step.

    A forward pass has two parts. The stem (input batch norm and the units of `stem_length`) is
    computed once for all subnets of a step, the branch for each. The subnet is an argument.

    Example:
        >>> supernet = ofa.Supernet(space, network)
        >>> logits, moments = supernet(log_mel, space.largest)
        >>> logits.shape
        TensorShape([8, 3])

    Args:
        members: the search space, or a list of subnets.
        network: the static parts of the network.
        dtype: Keras dtype policy; batch-norm statistics, logits and losses stay float32 or float64.
        execution: "slices" computes only a subnet's prefix of every layer; "masks" computes the
            whole layer and sets the rest to 0, with static shapes. Both agree up to rounding.

    Attributes:
        space: the space of the members.
        units: descriptions of the units, see `models.unit`.
        sizes: the choices and channels of every unit.
        unit_layers: layers with the units' weights.
        head, head_layer: description of the head, and the layer with its weights.

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
        self.fixed_units = fixed_length(self.units, self.sizes)
        self.feature_units = feature_length(self.units)
        self._create_layers()
        self.build()

    def _create_layers(self) -> None:
        policy = self.dtype_policy
        exact, scaling = self.variable_dtype, self.network.input_scaling
        self.input_norm = (
            ElasticBatchNorm(dtype=exact, name=INPUT_NORM)
            if scaling is None
            else keras.layers.Rescaling(*scaling, dtype=exact, name=INPUT_NORM)
        )
        self.unit_layers = [
            unit.layer(size, self.execution, policy)
            for unit, size in zip(self.units, self.sizes, strict=True)
        ]
        check_no_norms(self.unit_layers[self.feature_units :])
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

    @property
    def subnets(self) -> list[Subnet]:
        """Every member."""
        return self.space.subnets()

    @property
    def fields(self) -> int:
        """The number of integers in the longest choice."""
        return max(len(size.choices[0]) for size in self.sizes)

    def dropout_sites(self, frames: int) -> tuple[DropoutSite, ...]:
        """Where dropout is applied, for an input of `frames`: after units in order, in the head."""
        image = self.network.image_of(frames)
        return dropout_sites(self.units, self.sizes, self.head, image)

    @property
    def stem_variables(self) -> list[keras.Variable]:
        """Trainable weights of the stem, which all subnets of a step share."""
        stem: list[keras.Layer] = [self.input_norm, *self.unit_layers[: self.stem_units]]
        return [variable for layer in stem for variable in layer.trainable_variables]

    @property
    def branch_variables(self) -> list[keras.Variable]:
        """Trainable weights of the branch, which is computed for each subnet of a step."""
        stem = set(map(id, self.stem_variables))
        return [variable for variable in self.trainable_variables if id(variable) not in stem]

    def __call__(
        self,
        log_mel: tf.Tensor,
        subnet: Subnet | str | tf.Tensor | None = None,
        statistics: Statistics | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """As `call`; `subnet` may also be a `Subnet` or its text, by default the largest.

        Raises:
            TypeError: `subnet` is something else.
            ValueError: the subnet is not in the space, the clips have other frames or mel bins
                than the network, or `training` is True.
        """
        if training:
            raise ValueError(
                "a call has no training mode: Trainer draws augmentation and dropout, and batch "
                "norm uses the batch's moments unless statistics are given"
            )
        check_log_mel(log_mel, self.network)
        chosen = as_choices(self.space, "largest" if subnet is None else subnet, self.fields)
        return super().__call__(log_mel, subnet=chosen, statistics=statistics)

    def call(
        self,
        log_mel: tf.Tensor,
        subnet: tf.Tensor,
        statistics: Statistics | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Runs one subnet without augmentation or dropout.

        Args:
            log_mel: float [batch, frames, mel bins] in dB.
            subnet: choices, int32 [units, fields], see `Subnet.row`.
            statistics: batch-norm moments; by default those of the batch itself.

        Returns:
            Logits, float32 [batch, classes], and the moments used.
        """
        shared, stem_moments = self.stem(log_mel, subnet, None, statistics)
        features, moments = self.features(shared, subnet, None, statistics)
        return self.classify(features, subnet, None), {**stem_moments, **moments}

    def stem(
        self,
        log_mel: tf.Tensor,
        choices: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None = None,
        tap: Tap | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Computes the part that all subnets of a step share.

        Args:
            log_mel: float [clips, frames, mel bins] in dB.
            choices: int32 [units, fields]; for several subnets the elementwise maximum.
            draws: augmentation and dropout, or None for neither.
            statistics: batch-norm moments, or None for the batch's own.
            tap: is given the outputs of the units.

        Returns:
            [clips, or pairs with mixup, frames, mel bins, channels], as wide as the widest subnet
            needs, or all channels with masks; and the moments used.
        """
        normed, moments = self.normalise_input(tf.cast(log_mel, self.variable_dtype), statistics)
        if draws is not None:
            normed = normed * tf.cast(draws.spec_augment, normed.dtype)
            normed = normed if draws.mixup is None else mix_pairs(normed, draws.mixup)
        image = tf.cast(as_image(normed, self.network.input_pool), self.compute_dtype)
        x, used = self._run(range(self.stem_units), image, choices, draws, statistics, tap)
        return x, {**moments, **used}

    def features(
        self,
        shared: tf.Tensor,
        choices: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None = None,
        tap: Tap | None = None,
        first: int | None = None,
        end: int | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Computes one subnet's branch up to the mean over frames and mel bins, or part of it.

        Args:
            shared: the output of `stem`, or of the unit before `first`.
            choices: int32 [units, fields].
            draws: dropout, or None for none.
            statistics: batch-norm moments, or None for the batch's own.
            tap: is given the outputs of the units.
            first: the first unit to compute; None for that after the stem.
            end: the unit before which to stop; None for that of the mean.

        Returns:
            [clips or pairs, frames, mel bins, channels], with masks all channels; and the moments.
        """
        stem = self.stem_units
        if first is None and stem and len(self.sizes[stem - 1].choices) > 1:
            shared = keep_prefix(shared, choices[stem - 1, 0], self.execution)
        part = range(stem if first is None else first, self.feature_units if end is None else end)
        return self._run(part, shared, choices, draws, statistics, tap)

    def classify(self, features: tf.Tensor, choices: tf.Tensor, draws: Draws | None) -> tf.Tensor:
        """Logits, float32 [clips or pairs, classes], from the output of `features`."""
        x, _ = self._run(range(self.feature_units, len(self.units)), features, choices, draws, None)
        keep = None if draws is None or self.head.dropout is None else draws.dropout[-1]
        return self.head_layer(x, keep=keep)

    def _run(
        self,
        units: range,
        x: tf.Tensor,
        choices: tf.Tensor,
        draws: Draws | None,
        statistics: Statistics | None,
        tap: Tap | None = None,
    ) -> tuple[tf.Tensor, Statistics]:
        """Applies consecutive units, each followed by its dropout."""
        moments: Statistics = {}
        for index in units:
            unit, possible = self.units[index], self.sizes[index].choices
            choice = choices[index] if len(possible) > 1 else possible[0]
            x, used = self.unit_layers[index](x, choice=choice, statistics=statistics)
            moments |= used
            if tap is not None:
                tap(index, x)
            if draws is not None and unit.dropout is not None:
                site = sum(before.dropout is not None for before in self.units[:index])
                x = drop(x, draws.dropout[site], unit.dropout)
        return x, moments

    def normalise_input(
        self, log_mel: tf.Tensor, statistics: Statistics | None = None
    ) -> tuple[tf.Tensor, Statistics]:
        """Applies the input batch norm, whose channels are the mel bins, or the fixed scaling.

        Args:
            log_mel: float [batch, frames, mel bins] in dB.
            statistics: batch-norm moments, or None for the batch's own.

        Returns:
            The normalised input, and the moments used; a fixed scaling has none.
        """
        if self.network.input_scaling is not None:
            return self.input_norm(log_mel), {}
        given = None if statistics is None else statistics[INPUT_NORM]
        normed, moments = self.input_norm(log_mel[:, :, None, :], moments=given)  # needs four axes
        return normed[:, :, 0, :], {INPUT_NORM: moments}

    def subnet_model(
        self, subnet: Subnet | str, statistics: Statistics, classifier_activation: str | None = TASK
    ) -> keras.Model:
        """A plain Keras model with a subnet's weights, see `models.materialise.materialise`."""
        from aec_ofa_tf.models.materialise import materialise

        return materialise(self, subnet, statistics, classifier_activation)

    def get_config(self) -> dict[str, Any]:
        """Members, network, dtype policy and execution, as JSON values."""
        return describe(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Supernet:
        """The supernet that `get_config` described, with fresh weights."""
        return cls(**arguments(config))
