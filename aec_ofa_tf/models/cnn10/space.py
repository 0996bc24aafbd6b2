"""CNN10's search spaces (paper section 2.2). No TensorFlow here."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from aec_ofa_tf.config import check_fields
from aec_ofa_tf.models.family import register_family
from aec_ofa_tf.models.space import Option, SearchSpace, Subnet

if TYPE_CHECKING:
    from aec_ofa_tf.models.network import NetworkConfig

UNITS_PER_BLOCK = 2
PAPER_RATIOS = (0.4, 0.6, 0.8, 1.0)
WIDTH_CHOICES = ("block", "layer")
_WATCHED_RATIOS = (0.6, 0.8)

_BLOCK = re.compile(
    r"(?P<width>[1-9]\d*)x(?P<depth>[12])|(?P<first>[1-9]\d*)\+(?P<second>[1-9]\d*)",
    re.ASCII,
)
Block = tuple[int, ...]
"""Output channels of a block's one or two convolutions."""


def cnn10_subnet(blocks: Sequence[Sequence[int]]) -> Subnet:
    """A CNN10 with the given widths; no space needs to contain it.

    Args:
        blocks: for every block, the output channels of its one or two convolutions.

    Raises:
        ValueError: a block does not have one or two positive widths.
    """
    if not blocks or any(len(block) not in (1, 2) or min(block) < 1 for block in blocks):
        raise ValueError(f"a CNN10 needs one or two positive widths per block, received {blocks!r}")
    return SearchSpace.build([_option(block) for block in blocks])


def blocks_of(subnet: Subnet) -> tuple[Block, ...]:
    """The output channels of a CNN10's convolutions, block by block."""
    widths = [width for (width,) in subnet.choices]
    pairs = zip(widths[::2], widths[1::2], strict=True)
    return tuple((first, second) if second else (first,) for first, second in pairs)


def parse_subnet(text: str) -> Subnet:
    """Parses the text of a CNN10; no space needs to contain it.

    `64x2-51+76-102x2-204x1` has four blocks: two convolutions of 64 channels, two of 51 and 76,
    two of 102, and a single convolution of 204.

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
    return cnn10_subnet([_read_block(match.groupdict()) for match in matches if match])


def _read_block(fields: dict[str, str | None]) -> Block:
    if fields["width"] is not None and fields["depth"] is not None:
        return (int(fields["width"]),) * int(fields["depth"])
    return int(fields["first"] or 0), int(fields["second"] or 0)


def _option(block: Sequence[int]) -> Option:
    first, second = (*block, 0)[:UNITS_PER_BLOCK]
    same = second in (0, first)
    text = f"{first}x{len(block)}" if same else f"{first}+{second}"
    return Option(text, ((first,), (second,)))


@register_family("cnn10")
@dataclass(frozen=True)
class Cnn10Space(SearchSpace):
    """Elastic widths and depths over a static first block.

    Attributes:
        depths: for every dynamic block "2" (fixed) or "X" (elastic, 1 or 2): ("2", "2", "X").
        base_channels: width of the static block at full size; each further block doubles it.
        width_ratios: elastic width ratios r; a layer of full width D keeps the first floor(r * D)
            channels.
        width_per: "block" (one width for both layers of a block) or "layer".
        width_multiple: widths are rounded to the nearest positive multiple of this number: 1 as in
            the paper, 8 for int8 and vector units.

    Raises:
        ValueError: a value is not as described above.
    """

    fields: ClassVar[tuple[str, ...]] = ("width",)

    depths: tuple[str, ...] = ("2", "2", "X")
    base_channels: int = 64
    width_ratios: tuple[float, ...] = PAPER_RATIOS
    width_per: str = "block"
    width_multiple: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
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

    def network(
        self, classes: int, frames: int, mel_bins: int, *, task: str, **options: Any
    ) -> NetworkConfig:
        """As `SearchSpace.network`; the fully-connected layer is as wide as the last block."""
        from aec_ofa_tf.models.cnn10.network import Cnn10Network

        units = self.base_channels * 2 ** len(self.depths)
        sizes = {"embedding_units": units, **options}
        return Cnn10Network(classes, frames, mel_bins=mel_bins, task=task, **sizes)

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
    def block_choices(self) -> tuple[tuple[Block, ...], ...]:
        """All distinct widths of every block's convolutions, the static block first."""
        full = self.full_widths
        choices: list[tuple[Block, ...]] = [((full[0], full[0]),)]
        for depth, channels in zip(self.depths, full[1:], strict=True):
            widths = sorted({max(1, self.width_of(r, channels)) for r in self.width_ratios})
            same = self.width_per == "block"
            pairs = zip(widths, widths, strict=True) if same else itertools.product(widths, widths)
            singles = ((width,) for width in widths) if depth == "X" else ()
            choices.append(tuple(sorted([*singles, *pairs])))
        return tuple(choices)

    @cached_property
    def stages(self) -> tuple[tuple[Option, ...], ...]:
        """A stage per block."""
        return tuple(tuple(map(_option, blocks)) for blocks in self.block_choices)

    def fixed_ratio(self, ratio: float) -> Subnet:
        """The subnet with this width ratio and depth 2 in all blocks: a baseline (paper 3.2)."""
        full = self.full_widths
        widths = [full[0], *(max(1, self.width_of(ratio, width)) for width in full[1:])]
        return cnn10_subnet([(width, width) for width in widths])

    @property
    def landmarks(self) -> dict[str, Subnet]:
        """The smallest and largest members, and the paper's baselines that are members."""
        ratios = {f"ratio_{ratio}": self.fixed_ratio(ratio) for ratio in _WATCHED_RATIOS}
        members = {name: subnet for name, subnet in ratios.items() if subnet in self}
        return {"smallest": self.smallest, **members, "largest": self.largest}

    def named_subnet(self, text: str) -> Subnet | None:
        """`fixed_ratio` of a width ratio such as 0.6, or `parse_subnet` of another text."""
        if text.isascii() and text.replace(".", "", 1).isdigit():
            return self.fixed_ratio(_ratio(text))
        try:
            return parse_subnet(text)
        except ValueError as error:
            ratios = (f"{r:g}" for r in self.width_ratios if self.fixed_ratio(r) in self)
            names = ", ".join(("smallest", "largest", *ratios))
            raise ValueError(f"{error}, or one of the names {names}") from None


def _ratio(text: str) -> float:
    ratio = float(text)
    if not 0 < ratio <= 1:
        raise ValueError(f"a width ratio must lie in (0, 1], received {text}")
    return ratio


_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
EW_ONLY = "EW"
EW_ONLY_RATIOS = (0.2, *PAPER_RATIOS)


def cnn10_space(
    name: str,
    base_channels: int = 64,
    width_per: str = "block",
    width_multiple: int = 1,
    width_ratios: tuple[float, ...] | None = None,
) -> Cnn10Space:
    """The space called `name`: depths such as `[2,2,X]` or `2,2,X`, or `EW`.

    `EW` is elastic width only, with the additional ratio 0.2; any other name gives the depth of
    each dynamic block, elastic (X) or fixed (2).

    Raises:
        ValueError: the name is neither, or another argument is invalid.

    Example:
        >>> print(cnn10_space("EW", base_channels=16).largest)
        16x2-32x2-64x2-128x2
    """
    depths: tuple[str, ...] = ("2", "2", "2")
    ratios: tuple[float, ...] = EW_ONLY_RATIOS
    if not isinstance(name, str):
        raise ValueError(f"a search space is named by text such as [2,2,X], received {name!r}")
    if name.strip().upper() not in (EW_ONLY, "EW-ONLY"):
        inside = _BRACKETS.fullmatch(name.strip())
        listed = inside.group(1) if inside else name
        depths = tuple(part.strip().upper() for part in listed.split(","))
        ratios = PAPER_RATIOS
    if len(depths) != 3 or not set(depths) <= {"2", "X"}:
        raise ValueError(
            f"unknown search space {name!r}: expected 'EW' or three depths that are 2 or X, "
            "for example [2,2,X]"
        )
    if width_ratios is not None:
        ratios = width_ratios
    return Cnn10Space(depths, base_channels, ratios, width_per, width_multiple)
