"""THE SEAM: what a unit of an elastic network is, and what its head is. No TensorFlow here.

A subnet is a row of choices, one per unit; a supernet is a list of units and a head. A family of
networks is a list of units; training, search, costs, materialisation and export are written over
what this file declares and know no family.
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
    """What a unit must offer so that every member of a space finds its choice in it.

    Attributes:
        choices: the distinct choices of the members, in order.
        channels_in: greatest number of input channels.
        channels_out: greatest number of output channels; a member without the unit passes its
            input on.
    """

    choices: tuple[Choice, ...]
    channels_in: int
    channels_out: int


def unit_sizes(space: SearchSpace, channels: int = 1) -> tuple[UnitSizes, ...]:
    """The sizes of all units, for a network whose first unit gets so many channels."""
    found: list[UnitSizes] = []
    for options, units in zip(space.stages, space.stage_units, strict=True):
        # The channels that enter the stage's units and leave the last one, option by option.
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
    """A part of a network of which every subnet makes a choice.

    A unit answers four questions about a choice, side by side in one file:

    1. `layer`: how it is computed from tensors, on a prefix of the full weights;
    2. `plain`: its twin of built-in Keras layers;
    3. `cut` and `twin_layers`: its weights, for that twin;
    4. `row`: its sizes, from which all costs follow.

    And it says what two choices share. The first integer of a choice is the number of output
    channels, the *prefix*: if nothing else differs, a narrower output is the first channels of a
    wider one, and is computed with it. Whatever else differs (kernel, hidden width, whether the
    unit is there at all) is the *variant*, and is computed apart.

    Attributes:
        name: unique within the network.
        dropout: rate of the dropout after the unit; None where there is none.
    """

    name: str
    dropout: float | None = None

    @abstractmethod
    def layer(self, sizes: UnitSizes, execution: str, dtype: object) -> ElasticUnitLayer:
        """The Keras layer that holds the full weights; not built yet.

        Args:
            sizes: choices and channels that it must offer; if they are zeros alone, no subnet has
                the unit, and the layer has neither weights nor batch norms.
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
        """The trainable weights at a choice, from those of the full layer, in their order.

        Args:
            weights: of the layer that `layer` made.
            choice: of a subnet that has the unit.
            channels_in: that the unit gets in this subnet.
        """

    @abstractmethod
    def twin_layers(self, choice: Choice) -> Sequence[str]:
        """Names of the layers of `plain` that hold the weights of `cut`, in the same order."""

    @abstractmethod
    def row(self, choice: Choice, shape: Shape) -> LayerRow | None:
        """The unit's sizes at a choice and an input shape; None where nothing is computed."""

    def output_shape(self, choice: Choice, shape: Shape) -> Shape:
        """Frames, mel bins and channels after the unit; without stride or pool the input's."""
        return shape[0], shape[1], choice[0] or shape[2]

    def variant(self, choice: Choice) -> tuple:
        """What two choices must have in common so that the narrower is a prefix of the wider."""
        return (choice[0] > 0, *choice[1:])


class Head(ABC):
    """From the last unit's output to logits, with the same faces as a unit; it has no choices.

    Attributes:
        name: unique within the network.
        dropout: rate of the dropout on the pooled channels; None where there is none.
    """

    name: str
    dropout: float | None

    @abstractmethod
    def layer(self, dtype: object) -> keras.layers.Layer:
        """The Keras layer that holds the weights for the widest subnet; not built yet.

        Called with a tensor [clips, frames, mel bins, channels], of any prefix of the channels,
        and `keep`, bool [clips, channels] or None: its dropout mask. Returns logits.
        """

    @abstractmethod
    def plain(self, x: keras.KerasTensor, activation: str | None) -> keras.KerasTensor:
        """Adds the head to a model of built-in layers; `activation` is that of its scores."""

    @abstractmethod
    def cut(self, weights: Sequence[np.ndarray], channels_in: int) -> list[np.ndarray]:
        """The trainable weights for so many input channels, from those of the full layer."""

    @abstractmethod
    def twin_layers(self) -> Sequence[str]:
        """Names of the layers of `plain` that hold the weights of `cut`, in the same order."""

    @abstractmethod
    def row(self, shape: Shape) -> LayerRow:
        """The head's sizes at an input shape."""


def stem_length(units: Sequence[ElasticUnit], sizes: Sequence[UnitSizes]) -> int:
    """How many leading units all subnets of a step can compute together.

    Those of which all subnets make the same choice, and the next one if its choices are prefixes
    of each other: it is computed as wide as the widest of the subnets wants it.
    """
    for index, (unit, size) in enumerate(zip(units, sizes, strict=True)):
        if len(size.choices) > 1:
            return index + (len({unit.variant(choice) for choice in size.choices}) == 1)
    return len(units)
