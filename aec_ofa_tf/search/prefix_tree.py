"""Subnets as a tree of the prefixes that they share. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from aec_ofa_tf.models.space import Subnet

_Step = tuple[int, int, int]
_Path = tuple[_Step, ...]


@dataclass(frozen=True, eq=False)
class SharedLayer:
    """A convolution on one prefix's output, computed once and as wide as any subnet wants it.

    Batch norm works channel by channel, so narrower subnets' outputs and statistics are prefixes.

    Attributes:
        block: index of its block, the static one being 0.
        layer: 0 or 1 within the block.
        prefixes: what subnets keep of it, narrowest first.
    """

    block: int
    layer: int
    prefixes: tuple[Prefix, ...]

    @property
    def width(self) -> int:
        """Output channels of the widest subnet."""
        return self.prefixes[-1].width

    @property
    def name(self) -> str:
        """As the supernet calls it."""
        return f"block{self.block + 1}_conv{self.layer + 1}"


@dataclass(frozen=True, eq=False)
class Prefix:
    """Subnets that agree up to a convolution of a certain width.

    Attributes:
        width: of that convolution.
        deeper: the block's second convolution, for the subnets that have one.
        below: the next block's first convolution, for those that end the block here.
        subnet: the one that ends here.
    """

    width: int
    deeper: SharedLayer | None = None
    below: SharedLayer | None = None
    subnet: Subnet | None = None


def prefix_tree(subnets: Sequence[Subnet]) -> SharedLayer:
    """The tree of some subnets.

    Args:
        subnets: of one supernet, in any order; repetitions count once.

    Returns:
        The first convolution of the static block.

    Raises:
        ValueError: there is no subnet.
    """
    if not subnets:
        raise ValueError("a prefix tree needs at least one subnet")
    members = {_path(spec): spec for spec in subnets}
    return _grow(sorted(members.items()), 0)


def groups(subnets: Sequence[Subnet], limit: int) -> list[list[Subnet]]:
    """Splits subnets into neighbours in the tree, which share most, at most `limit` a group."""
    ordered = sorted(set(subnets), key=_path)
    count = max(1, -(-len(ordered) // max(limit, 1)))
    size = -(-len(ordered) // count)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _path(spec: Subnet) -> _Path:
    return tuple(
        (block, layer, width)
        for block, widths in enumerate(spec.blocks)
        for layer, width in enumerate(widths)
    )


def _grow(members: Sequence[tuple[_Path, Subnet]], at: int) -> SharedLayer:
    """The layer that sorted paths, alike before `at`, have there."""
    block, layer, _ = members[0][0][at]
    by_width = groupby(members, key=lambda member: member[0][at][2])
    return SharedLayer(
        block, layer, tuple(_prefix(width, list(same), at) for width, same in by_width)
    )


def _prefix(width: int, members: Sequence[tuple[_Path, Subnet]], at: int) -> Prefix:
    ended = next((spec for path, spec in members if len(path) == at + 1), None)
    longer = [member for member in members if len(member[0]) > at + 1]
    block = members[0][0][at][0]
    deeper = [member for member in longer if member[0][at + 1][0] == block]
    below = [member for member in longer if member[0][at + 1][0] != block]
    return Prefix(
        width,
        _grow(deeper, at + 1) if deeper else None,
        _grow(below, at + 1) if below else None,
        ended,
    )
