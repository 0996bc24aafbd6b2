"""The value that says which subnet of a supernet is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_BLOCK = re.compile(
    r"(?P<width>[1-9]\d*)x(?P<depth>[12])|(?P<first>[1-9]\d*)\+(?P<second>[1-9]\d*)"
)


@total_ordering
@dataclass(frozen=True)
class SubnetSpec:
    """A CNN10-shaped network: the output channels of every convolution, block by block.

    A block is one or two 3x3 convolutions (paper section 2.2). A spec is immutable, hashable and
    ordered, and has one short text form that is also safe in file names: `64x2-51x2-102x2-204x1`
    is a block of two 64-channel convolutions, two blocks of two, and a last block of one; where
    the two convolutions of a block differ they are written `51+76`.

    Attributes:
        blocks: per block, the output channels of its one or two convolutions.

    Raises:
        ValueError: a block does not have one or two positive integer widths.
    """

    blocks: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        blocks = tuple(tuple(int(width) for width in block) for block in self.blocks)
        if not blocks or any(len(block) not in (1, 2) or min(block) < 1 for block in blocks):
            raise ValueError(
                f"a subnet needs one or two positive widths per block, received {self.blocks!r}"
            )
        object.__setattr__(self, "blocks", blocks)

    def __lt__(self, other: SubnetSpec) -> bool:
        return self.blocks < other.blocks

    def __str__(self) -> str:
        return "-".join(
            f"{block[0]}x{len(block)}" if len(set(block)) == 1 else f"{block[0]}+{block[1]}"
            for block in self.blocks
        )

    @property
    def depths(self) -> tuple[int, ...]:
        """The number of convolutions in each block."""
        return tuple(len(block) for block in self.blocks)

    def widths(self) -> list[list[int]]:
        """The widths as a rectangle [blocks, 2]; an absent second convolution is 0."""
        return [[*block, 0][:2] for block in self.blocks]

    @classmethod
    def parse(cls, text: str) -> SubnetSpec:
        """Reads the text form that `str` writes.

        Raises:
            ValueError: the text is not of that form.
        """
        matches = [_BLOCK.fullmatch(part) for part in text.strip().split("-")]
        if not all(matches):
            raise ValueError(
                f"cannot read the subnet {text!r}: expected blocks joined by '-', each "
                "WIDTHxDEPTH, the depth 1 or 2, or FIRST+SECOND, for example "
                "64x2-51x2-102x2-204x1"
            )
        return cls(tuple(_read_block(match.groupdict()) for match in matches if match))


def _read_block(fields: dict[str, str | None]) -> tuple[int, ...]:
    if fields["width"] is not None and fields["depth"] is not None:
        return (int(fields["width"]),) * int(fields["depth"])
    return int(fields["first"] or 0), int(fields["second"] or 0)
