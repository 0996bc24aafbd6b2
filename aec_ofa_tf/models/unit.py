"""The interface of every network family: elastic units and a head. No TensorFlow here.

A supernet is a list of units and a head; a subnet is a choice for every unit. A family defines its
units and its head; training, search, costs, materialisation and export use only the interface of
this file and know no family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aec_ofa_tf.models.rows import LayerRow
from aec_ofa_tf.models.space import Choice, SearchSpace

if TYPE_CHECKING:
    import keras
    import numpy as np

    from aec_ofa_tf.layers.elastic_unit import ElasticUnitLayer

Shape = tuple[int, int, int]
"""Frames, mel bins and channels of one clip."""


class UnitSizes(NamedTuple):
    """The choices and channels of a unit over all members of a space.

    Attributes:
        choices: the distinct choices of the members, in ascending order.
        channels_in: greatest number of input channels.
        channels_out: greatest number of output channels; in a member without the unit these are
            its input channels.
    """

    choices: tuple[Choice, ...]
    channels_in: int
    channels_out: int


def unit_sizes(space: SearchSpace, channels: int = 1) -> tuple[UnitSizes, ...]:
    """The sizes of all units; `channels` is the number of input channels of the first unit."""
    found: list[UnitSizes] = []
    for options, units in zip(space.stages, space.stage_units, strict=True):
        # For every option, the input channels of each unit and the output channels of the last.
        flows = [list(_flow(option.choices, channels)) for option in options]
        for unit in range(units):
            choices = sorted({option.choices[unit] for option in options})
            widest = (max(flow[unit + step] for flow in flows) for step in (0, 1))
            found.append(UnitSizes(tuple(choices), *widest))
        channels = max(flow[-1] for flow in flows)
    return tuple(found)


def _flow(choices: Sequence[Choice], channels: int) -> Iterator[int]:
    yield channels
    for choice in choices:
        channels = choice[0] or channels
        yield channels


@dataclass(frozen=True)
class ElasticUnit(ABC):
    """A part of a network for which every subnet has a choice.

    A unit defines, side by side in one file:

    1. `layer`: its elastic layer, which computes any choice from a prefix of the full weights;
    2. `plain`: its twin, the same computation in built-in Keras layers;
    3. `cut` and `twin_layers`: the weights of that twin;
    4. `row`: its sizes, from which all costs follow.

    The first integer of a choice is the number of output channels, the width of the *prefix*: if
    two choices differ in nothing else, the narrower output is the first channels of the wider one
    and is computed with it. All other differences (kernel size, hidden width, whether the unit is
    present) make another *variant*, which is computed separately.

    Attributes:
        name: unique within the network.
        dropout: rate of the dropout after the unit; None for no dropout.
    """

    name: str
    dropout: float | None = None

    @property
    def pools(self) -> bool:
        """Whether the unit begins with the mean over frames and mel bins; no batch norm follows."""
        return False

    @abstractmethod
    def layer(self, sizes: UnitSizes, execution: str, dtype: object) -> ElasticUnitLayer:
        """The Keras layer that holds the full weights; not built yet.

        Args:
            sizes: the choices and channels that it must support; if all choices are zeros, no
                subnet has the unit, and the layer has neither weights nor batch norms.
            execution: "slices" or "masks".
            dtype: Keras dtype policy.
        """

    @abstractmethod
    def plain(self, x: keras.KerasTensor, choice: Choice) -> keras.KerasTensor:
        """Adds the unit at a choice, dropout included, to a model of built-in layers."""

    @abstractmethod
    def cut(
        self, weights: Sequence[np.ndarray], choice: Choice, channels_in: int
    ) -> list[np.ndarray]:
        """The trainable weights at a choice, in the order of the full layer's.

        Args:
            weights: trainable weights of the layer that `layer` creates.
            choice: the choice of a subnet that has the unit.
            channels_in: input channels of the unit in this subnet.
        """

    @abstractmethod
    def twin_layers(self, choice: Choice) -> Sequence[str]:
        """Names of the layers of `plain` that hold the weights of `cut`, in the same order."""

    @abstractmethod
    def row(self, choice: Choice, shape: Shape) -> LayerRow | None:
        """The unit's sizes at a choice and an input shape; None if nothing is computed."""

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """The unit's output shape; a unit with stride or pool overrides this method."""
        return shape[0], shape[1], choice[0] or shape[2]

    def variant(self, choice: Choice) -> tuple:
        """A key: of two choices with equal keys, the narrower is a prefix of the wider."""
        return (choice[0] > 0, *choice[1:])


class Head(ABC):
    """The layers from the last unit's output to logits: the methods of a unit without a choice.

    Attributes:
        name: unique within the network.
        dropout: rate of the dropout on the pooled channels; None for no dropout.
    """

    name: str
    dropout: float | None

    @abstractmethod
    def layer(self, dtype: object) -> keras.layers.Layer:
        """The Keras layer that holds the weights for the widest subnet; not built yet.

        Its arguments are a tensor [clips, frames, mel bins, channels], of any prefix of the
        channels, and `keep`, its dropout mask: bool [clips, channels] or None. It returns logits.
        """

    @abstractmethod
    def plain(self, x: keras.KerasTensor, activation: str | None) -> keras.KerasTensor:
        """Adds the head to a model of built-in layers; `activation` turns logits into scores."""

    @abstractmethod
    def cut(self, weights: Sequence[np.ndarray], channels_in: int) -> list[np.ndarray]:
        """The trainable weights for `channels_in` input channels, from the full layer's."""

    @abstractmethod
    def twin_layers(self) -> Sequence[str]:
        """Names of the layers of `plain` that hold the weights of `cut`, in the same order."""

    @abstractmethod
    def row(self, shape: Shape) -> LayerRow:
        """The head's sizes at an input shape."""


def stem_length(units: Sequence[ElasticUnit], sizes: Sequence[UnitSizes]) -> int:
    """The number of leading units that are computed once for all subnets of a step.

    These are the units for which all subnets have the same choice, and the next one if its choices
    are prefixes of each other: it is computed at the width of the widest subnet. Units that follow
    the mean over frames and mel bins cost next to nothing and are none of them.
    """
    end, fixed = feature_length(units), fixed_length(units, sizes)
    if fixed == end:
        return end
    variants = {units[fixed].variant(choice) for choice in sizes[fixed].choices}
    return fixed + (len(variants) == 1)


def fixed_length(units: Sequence[ElasticUnit], sizes: Sequence[UnitSizes]) -> int:
    """The number of leading units before the mean for which all subnets have the same choice."""
    end = feature_length(units)
    elastic = (index for index, size in enumerate(sizes[:end]) if len(size.choices) > 1)
    return next(elastic, end)


def feature_length(units: Sequence[ElasticUnit]) -> int:
    """The number of leading units before the mean over frames and mel bins."""
    return next((index for index, unit in enumerate(units) if unit.pools), len(units))
