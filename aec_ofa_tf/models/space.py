"""The search space, and the value that says which subnet of it is meant (paper section 2.2)."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, total_ordering

_BLOCK = re.compile(
    r"(?P<width>[1-9]\d*)x(?P<depth>[12])|(?P<first>[1-9]\d*)\+(?P<second>[1-9]\d*)"
)


@total_ordering
@dataclass(frozen=True)
class Subnet:
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

    def __lt__(self, other: Subnet) -> bool:
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
    def parse(cls, text: str) -> Subnet:
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


PAPER_RATIOS = (0.4, 0.6, 0.8, 1.0)
WIDTH_CHOICES = ("block", "layer")


@dataclass(frozen=True)
class SearchSpace:
    """Elastic widths and depths over a static first block.

    Attributes:
        depths: per dynamic block "2" (fixed) or "X" (elastic, 1 or 2), for example ("2","2","X").
        base_channels: width of the static block at full size; each further block doubles it.
        width_ratios: elastic width ratios r; a layer of full width D keeps the first floor(r * D)
            channels.
        width_per: "block" (one width for both layers of a block) or "layer".
        width_multiple: widths are rounded to the nearest multiple of this, at least one multiple;
            1 as in the paper, 8 for int8 and vector units.

    Raises:
        ValueError: an entry is outside what is described above.
    """

    depths: tuple[str, ...] = ("2", "2", "X")
    base_channels: int = 64
    width_ratios: tuple[float, ...] = PAPER_RATIOS
    width_per: str = "block"
    width_multiple: int = 1

    def __post_init__(self) -> None:
        if not self.depths or not set(self.depths) <= {"2", "X"}:
            raise ValueError(f"depths are '2' or 'X' per dynamic block, received {self.depths!r}")
        if not self.width_ratios or not all(0 < ratio <= 1 for ratio in self.width_ratios):
            raise ValueError(f"width ratios must lie in (0, 1], received {self.width_ratios!r}")
        if self.base_channels < 1 or self.width_multiple < 1:
            raise ValueError(
                "base_channels and width_multiple must be positive, received "
                f"{self.base_channels} and {self.width_multiple}"
            )
        if self.width_per not in WIDTH_CHOICES:
            raise ValueError(f"width_per is one of {WIDTH_CHOICES}, received {self.width_per!r}")
        object.__setattr__(self, "width_ratios", tuple(sorted(set(self.width_ratios))))

    def __str__(self) -> str:
        ratios = ",".join(f"{ratio:g}" for ratio in self.width_ratios)
        return (
            f"[{','.join(self.depths)}] widths {ratios} per {self.width_per}, "
            f"base {self.base_channels}, multiple {self.width_multiple}"
        )

    @property
    def full_widths(self) -> tuple[int, ...]:
        """Channels of every block at full size, the static one first."""
        return tuple(
            self.width_of(1.0, self.base_channels * 2**block)
            for block in range(len(self.depths) + 1)
        )

    def width_of(self, ratio: float, channels: int) -> int:
        """floor(ratio * channels), rounded to the nearest `width_multiple` (half goes up)."""
        width = math.floor(Fraction(str(ratio)) * channels)
        multiple = self.width_multiple
        return max(multiple, (width + multiple // 2) // multiple * multiple)

    @cached_property
    def block_choices(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Per block, the static one first, every distinct choice of its convolutions' widths."""
        full = self.full_widths
        choices: list[tuple[tuple[int, ...], ...]] = [((full[0], full[0]),)]
        for depth, channels in zip(self.depths, full[1:], strict=True):
            widths = sorted({max(1, self.width_of(r, channels)) for r in self.width_ratios})
            same = self.width_per == "block"
            pairs = zip(widths, widths, strict=True) if same else itertools.product(widths, widths)
            singles = ((width,) for width in widths) if depth == "X" else ()
            choices.append(tuple(sorted([*singles, *pairs])))
        return tuple(choices)

    @property
    def size(self) -> int:
        """The number of distinct subnets."""
        return math.prod(len(choices) for choices in self.block_choices)

    def subnets(self) -> list[Subnet]:
        """Every distinct subnet, in the order of the specs."""
        return [Subnet(blocks) for blocks in itertools.product(*self.block_choices)]

    @property
    def largest(self) -> Subnet:
        """Every block at its largest ratio and greatest depth."""
        return Subnet(tuple(max(c, key=_block_size) for c in self.block_choices))

    @property
    def smallest(self) -> Subnet:
        """Every block at its smallest ratio and least depth."""
        return Subnet(tuple(min(c, key=_block_size) for c in self.block_choices))

    def __contains__(self, spec: object) -> bool:
        return (
            isinstance(spec, Subnet)
            and len(spec.blocks) == len(self.block_choices)
            and all(b in c for b, c in zip(spec.blocks, self.block_choices, strict=True))
        )

    def fixed_ratio(self, ratio: float) -> Subnet:
        """The subnet of one width ratio and depth 2 everywhere: the paper's baselines (3.2)."""
        full = self.full_widths
        widths = [full[0], *(max(1, self.width_of(ratio, width)) for width in full[1:])]
        return Subnet(tuple((width, width) for width in widths))

    def parse_subnet(self, text: str) -> Subnet:
        """Reads a member: `largest`, `smallest`, a width ratio, or the text form of a spec.

        Raises:
            ValueError: the text is none of these, or the subnet is not in this space.
        """
        named = {"largest": self.largest, "smallest": self.smallest}
        if text in named:
            return named[text]
        spec = self.fixed_ratio(_ratio(text)) if _is_number(text) else Subnet.parse(text)
        if spec not in self:
            raise ValueError(
                f"the subnet {spec} is not in the search space {self}; its smallest member is "
                f"{self.smallest}, its largest {self.largest}"
            )
        return spec


def _block_size(widths: tuple[int, ...]) -> tuple[int, ...]:
    return (len(widths), *sorted(widths, reverse=True))


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _ratio(text: str) -> float:
    ratio = float(text)
    if not 0 < ratio <= 1:
        raise ValueError(f"a width ratio must lie in (0, 1], received {text}")
    return ratio


EW_ONLY = "EW"
EW_ONLY_RATIOS = (0.2, *PAPER_RATIOS)


def search_space(
    name: str,
    base_channels: int = 64,
    width_per: str = "block",
    width_multiple: int = 1,
    width_ratios: tuple[float, ...] | None = None,
) -> SearchSpace:
    """The space called `name`: depths such as `[2,2,X]` or `2,2,X`, or `EW`.

    `EW` is elastic width only, with the added ratio 0.2; every other name says for each dynamic
    block whether its depth is elastic (X) or fixed (2).

    Raises:
        ValueError: the name is neither.
    """
    if name.strip().upper() in (EW_ONLY, "EW-ONLY"):
        return SearchSpace(
            ("2", "2", "2"),
            base_channels,
            width_ratios or EW_ONLY_RATIOS,
            width_per,
            width_multiple,
        )
    depths = tuple(part.strip().upper() for part in name.strip().strip("[]").split(","))
    if len(depths) != 3 or not set(depths) <= {"2", "X"}:
        raise ValueError(
            f"unknown search space {name!r}: expected 'EW' or three depths that are 2 or X, "
            "for example [2,2,X]"
        )
    return SearchSpace(
        depths, base_channels, width_ratios or PAPER_RATIOS, width_per, width_multiple
    )
