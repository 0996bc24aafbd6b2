"""Subnets as a tree of the prefixes that they share. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from aec_ofa_tf.models.space import Choice, Subnet
from aec_ofa_tf.models.unit import ElasticUnit

_Path = tuple[tuple[int, Choice], ...]


@dataclass(frozen=True, eq=False)
class SharedUnit:
    """A unit on one prefix's output, computed once for all subnets that want one variant of it.

    Batch norm works channel by channel, so narrower subnets' outputs and statistics are prefixes.

    Attributes:
        index: of the unit.
        choice: of the widest subnet.
        prefixes: what subnets keep of it, narrowest first.
    """

    index: int
    choice: Choice
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, eq=False)
class Prefix:
    """Subnets that agree up to a unit and their choice for it.

    Attributes:
        width: output channels of that choice; 0 where the unit is absent and all channels stay.
        below: the next unit, once for each variant that one of the subnets wants.
        subnet: the one that ends here.
    """

    width: int
    below: tuple[SharedUnit, ...] = ()
    subnet: Subnet | None = None


def prefix_tree(subnets: Sequence[Subnet], units: Sequence[ElasticUnit]) -> tuple[SharedUnit, ...]:
    """The tree of some subnets.

    Args:
        subnets: of one supernet, in any order; repetitions count once.
        units: of the supernet.

    Returns:
        The first unit, once for each variant that one of the subnets wants.

    Raises:
        ValueError: there is no subnet.
    """
    if not subnets:
        raise ValueError("a prefix tree needs at least one subnet")
    return tuple(_grow(sorted(set(subnets), key=_path), units, 0))


def groups(subnets: Sequence[Subnet], limit: int) -> list[list[Subnet]]:
    """Splits subnets into neighbours in the tree, which share most, at most `limit` a group."""
    ordered = sorted(set(subnets), key=_path)
    count = max(1, -(-len(ordered) // max(limit, 1)))
    size = -(-len(ordered) // count)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _path(subnet: Subnet) -> _Path:
    """The units that a subnet has, with its choices: sorted by it, neighbours share most."""
    return tuple((index, choice) for index, choice in enumerate(subnet.choices) if any(choice))


def _grow(members: Sequence[Subnet], units: Sequence[ElasticUnit], at: int) -> Iterator[SharedUnit]:
    """The unit at an index for subnets that are alike before it, by variant."""
    if at == len(units):
        return

    def variant(subnet: Subnet) -> tuple:
        return units[at].variant(subnet.choices[at])

    variants = dict.fromkeys(map(variant, members))
    for wanted in variants:
        same = [subnet for subnet in members if variant(subnet) == wanted]
        by_choice = groupby(
            sorted(same, key=lambda subnet: subnet.choices[at]), key=lambda s: s.choices[at]
        )
        prefixes = tuple(
            Prefix(choice[0], tuple(_grow(kept, units, at + 1)), _ended(kept, units, at))
            for choice, kept in ((choice, list(group)) for choice, group in by_choice)
        )
        yield SharedUnit(at, max(subnet.choices[at] for subnet in same), prefixes)


def _ended(members: Sequence[Subnet], units: Sequence[ElasticUnit], at: int) -> Subnet | None:
    return members[0] if at == len(units) - 1 else None
