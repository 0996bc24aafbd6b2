"""A tree of subnets: subnets with equal leading choices share nodes. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from aec_ofa_tf.models.space import Choice, Subnet
from aec_ofa_tf.models.unit import ElasticUnit

_Path = tuple[tuple[int, Choice], ...]


@dataclass(frozen=True, eq=False)
class SharedUnit:
    """A unit that is computed once for all subnets with the same input and variant of the unit.

    Since batch norm works channel by channel, the outputs and statistics of narrower subnets are
    prefixes of the widest one's.

    Attributes:
        index: index of the unit.
        choice: the choice of the widest subnet.
        prefixes: the distinct choices of the subnets, narrowest first.
    """

    index: int
    choice: Choice
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, eq=False)
class Prefix:
    """The subnets with equal choices up to and including one unit.

    Attributes:
        width: output channels of that unit; 0 if the unit is absent and all channels stay.
        below: the next unit, once for every variant of it among the subnets.
        subnet: the subnet, if this is the last unit.
    """

    width: int
    below: tuple[SharedUnit, ...] = ()
    subnet: Subnet | None = None


def prefix_tree(subnets: Sequence[Subnet], units: Sequence[ElasticUnit]) -> tuple[SharedUnit, ...]:
    """Builds the tree of subnets.

    Args:
        subnets: subnets of one supernet, in any order; repetitions are ignored.
        units: the units of the supernet.

    Returns:
        The first unit, once for every variant of it among the subnets.

    Raises:
        ValueError: there are no subnets.
    """
    if not subnets:
        raise ValueError("a prefix tree needs at least one subnet")
    return tuple(_grow(sorted(set(subnets), key=_path), units, 0))


def groups(subnets: Sequence[Subnet], limit: int) -> list[list[Subnet]]:
    """Splits subnets into groups of at most `limit` neighbours in the tree, which share most."""
    ordered = sorted(set(subnets), key=_path)
    count = max(1, -(-len(ordered) // max(limit, 1)))
    size = -(-len(ordered) // count)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _path(subnet: Subnet) -> _Path:
    """Sort key, index and choice of the units that a subnet has: neighbours share most."""
    return tuple((index, choice) for index, choice in enumerate(subnet.choices) if any(choice))


def _grow(members: Sequence[Subnet], units: Sequence[ElasticUnit], at: int) -> Iterator[SharedUnit]:
    """The unit at an index, once per variant, for subnets with equal choices before it."""
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
            Prefix(choice[0], tuple(_grow(kept, units, at + 1)), _subnet_at_end(kept, units, at))
            for choice, kept in ((choice, list(group)) for choice, group in by_choice)
        )
        yield SharedUnit(at, max(subnet.choices[at] for subnet in same), prefixes)


def _subnet_at_end(
    members: Sequence[Subnet], units: Sequence[ElasticUnit], at: int
) -> Subnet | None:
    return members[0] if at == len(units) - 1 else None
