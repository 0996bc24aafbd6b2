"""Search spaces and subnets of any family of networks. No TensorFlow here."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, total_ordering
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from aec_ofa_tf.models.network import NetworkConfig

Choice = tuple[int, ...]
"""A subnet's choice for one unit: the number of output channels, then other elastic sizes.

All zeros mean that the subnet lacks the unit. All choices of one unit have the same length.
"""

_SEPARATOR = "-"


@total_ordering
@dataclass(frozen=True)
class Subnet:
    """One network of a search space: a choice for every unit.

    It is immutable, hashable and ordered; `SearchSpace.parse_subnet` reads its text.

    Attributes:
        choices: a choice for every unit of the network.
        text: the family's short notation, which is safe in file names; `str` returns it.

    Raises:
        ValueError: there is no choice.

    Example:
        >>> space = ofa.search_space("[2,2,X]", base_channels=16)
        >>> space.parse_subnet("16x2-12x2-25x2-51x1").choices
        ((16,), (16,), (12,), (12,), (25,), (25,), (51,), (0,))
    """

    choices: tuple[Choice, ...]
    text: str = field(compare=False)

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError(f"a subnet needs a choice for at least one unit, received {self!r}")

    def __lt__(self, other: Subnet) -> bool:
        return self.choices < other.choices

    def __str__(self) -> str:
        return self.text

    def row(self) -> list[list[int]]:
        """The choices as a rectangle [units, fields]; shorter choices are padded with 0."""
        fields = max(map(len, self.choices))
        return [[*choice, *[0] * (fields - len(choice))] for choice in self.choices]


class Option(NamedTuple):
    """One way to build a stage.

    Attributes:
        text: its part of a subnet's text.
        choices: a choice for every unit of the stage.
    """

    text: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class SearchSpace(ABC):
    """All combinations of one option per stage; `stages` determines everything else.

    Only `subnets` enumerates the space, which may have more members than memory can hold.

    Attributes:
        family: name under which the space is registered, see `models.family`.
        fields: names of the integers of a choice, the number of output channels first.

    Example:
        >>> space = ofa.search_space("[2,2,X]", base_channels=16)
        >>> space.size, str(space.smallest), str(space.largest)
        (128, '16x2-12x2-25x2-51x1', '16x2-32x2-64x2-128x2')
    """

    family: ClassVar[str] = ""
    fields: ClassVar[tuple[str, ...]] = ("width",)

    def network(
        self, classes: int, frames: int, mel_bins: int, *, task: str, **options: object
    ) -> NetworkConfig:
        """The static parts of the networks of this space.

        Args:
            classes: number of outputs.
            frames: time frames of the input log-mel.
            mel_bins: mel bins of the input log-mel.
            task: name of the task, see `aec_ofa_tf.tasks`.
            **options: other fields of the family's `NetworkConfig`.

        Raises:
            TypeError: the family has no such option.
            ValueError: a value is invalid, or the family has registered no network configuration.
        """
        from aec_ofa_tf.models.family import network_class  # it imports this file

        return network_class(self.family)(classes, frames, mel_bins=mel_bins, task=task, **options)

    @property
    @abstractmethod
    def stages(self) -> tuple[tuple[Option, ...], ...]:
        """The options of every stage, in order; those of one stage have equally many units."""

    @property
    def size(self) -> int:
        """The number of distinct subnets."""
        return math.prod(map(len, self.stages))

    def subnets(self) -> list[Subnet]:
        """Every subnet; the options of the last stage vary fastest."""
        return [self.build(options) for options in itertools.product(*self.stages)]

    def subnet_at(self, index: int) -> Subnet:
        """`subnets()[index]`, without enumerating the space.

        Raises:
            IndexError: the index is negative or not less than `size`.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"the space has subnets 0 to {self.size - 1}, received {index}")
        chosen = []
        for options in reversed(self.stages):
            index, digit = divmod(index, len(options))
            chosen.append(options[digit])
        return self.build(chosen[::-1])

    @property
    def largest(self) -> Subnet:
        """In every stage the option with most units; of these, the one with greatest choices."""
        return self.build([max(options, key=_extent) for options in self.stages])

    @property
    def smallest(self) -> Subnet:
        """In every stage the option with fewest units; of these, the one with least choices."""
        return self.build([min(options, key=_extent) for options in self.stages])

    @property
    def landmarks(self) -> dict[str, Subnet]:
        """Members whose validation results are reported during supernet training, by name."""
        return {"smallest": self.smallest, "largest": self.largest}

    def __contains__(self, subnet: object) -> bool:
        if not isinstance(subnet, Subnet) or len(subnet.choices) != sum(self.stage_units):
            return False
        return all(part in o for part, o in zip(self.split(subnet), self._choices, strict=True))

    def parse_subnet(self, text: str | float) -> Subnet:
        """Parses `largest`, `smallest`, a name or ratio of the family, or a subnet's text.

        Raises:
            ValueError: the text is none of these, or the subnet is not in this space.
        """
        text = str(text).strip()
        if text in ("largest", "smallest"):
            return getattr(self, text)
        subnet = self.named_subnet(text)
        if subnet is None:
            return self.from_texts(text.split(_SEPARATOR))
        if subnet not in self:
            raise self._not_a_member(str(subnet))
        return subnet

    def named_subnet(self, text: str) -> Subnet | None:
        """The subnet of a name that the family defines; None if the text is not such a name.

        Raises:
            ValueError: the name is invalid.
        """
        return None

    def from_texts(self, texts: Sequence[str]) -> Subnet:
        """The member whose stages have these texts.

        Raises:
            ValueError: there is no such member.
        """
        try:
            pairs = zip(texts, self._by_text, strict=True)
            return self.build([options[text] for text, options in pairs])
        except (KeyError, ValueError):
            raise self._not_a_member(_SEPARATOR.join(texts)) from None

    def texts(self, subnet: Subnet) -> list[str]:
        """The texts of a member's stages."""
        return [o[part] for part, o in zip(self.split(subnet), self._choices, strict=True)]

    def split(self, subnet: Subnet) -> list[tuple[Choice, ...]]:
        """A subnet's choices by stage."""
        choices = iter(subnet.choices)
        return [tuple(itertools.islice(choices, units)) for units in self.stage_units]

    @cached_property
    def stage_units(self) -> tuple[int, ...]:
        """The number of units of every stage."""
        return tuple(len(options[0].choices) for options in self.stages)

    def hyperparameters(self, subnet: Subnet) -> Iterator[tuple[int, str, int]]:
        """Yields (stage, name, value), stages numbered from 1.

        `depth` is the number of units in the stage. A field of its n-th unit has the suffix n:
        `width1`, `width2` and so on for the field `width`.
        """
        for stage, choices in enumerate(self.split(subnet), start=1):
            present = [choice for choice in choices if any(choice)]
            yield stage, "depth", len(present)
            for unit, choice in enumerate(present, start=1):
                for name, value in zip(self.fields, choice, strict=False):
                    yield stage, f"{name}{unit}", value

    @staticmethod
    def build(options: Sequence[Option]) -> Subnet:
        """The subnet of one option per stage."""
        choices = tuple(choice for option in options for choice in option.choices)
        return Subnet(choices, _SEPARATOR.join(option.text for option in options))

    @cached_property
    def _choices(self) -> tuple[dict[tuple[Choice, ...], str], ...]:
        return tuple({option.choices: option.text for option in o} for o in self.stages)

    @cached_property
    def _by_text(self) -> tuple[dict[str, Option], ...]:
        return tuple({option.text: option for option in options} for options in self.stages)

    def _not_a_member(self, text: str) -> ValueError:
        return ValueError(
            f"the subnet {text} is not in the search space {self}, which has subnets from "
            f"smallest ({self.smallest}) to largest ({self.largest})"
        )


@dataclass(frozen=True)
class StagedSpace(SearchSpace):
    """A space defined by its stages.

    Attributes:
        stages: the options of every stage.

    Raises:
        ValueError: a stage has no options, or its options differ in their number of units.
    """

    stages: tuple[tuple[Option, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.stages or not all(self.stages):
            raise ValueError("a search space needs at least one subnet, received none")
        for options in self.stages:
            if len({len(option.choices) for option in options}) > 1:
                raise ValueError(
                    "the subnets of a space need equally many units, received "
                    f"{[option.text for option in options[:4]]}"
                )

    def __str__(self) -> str:
        return f"of {self.size} subnets"

    @classmethod
    def listing(cls, subnets: Sequence[Subnet]) -> StagedSpace:
        """The space of exactly these subnets: one stage, with an option for each of them.

        Raises:
            ValueError: there are none, or they differ in their number of units.
        """
        return cls((tuple(Option(subnet.text, subnet.choices) for subnet in subnets),))


Members = SearchSpace | Sequence[Subnet]
"""A space, or a list of subnets with equally many units."""


def as_space(members: Members) -> SearchSpace:
    """The space itself, or the space of the listed subnets.

    Raises:
        ValueError: the list is empty, or its subnets differ in their number of units.
    """
    return members if isinstance(members, SearchSpace) else StagedSpace.listing(members)


def _extent(option: Option) -> tuple:
    """Sort key of an option: its number of units, then its choices."""
    present = [choice for choice in option.choices if any(choice)]
    return len(present), sorted(option.choices, reverse=True)
