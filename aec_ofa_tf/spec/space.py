"""The search space: which subnets a supernet holds (paper section 2.2)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from aec_ofa_tf.spec.subnet import SubnetSpec

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

    def subnets(self) -> list[SubnetSpec]:
        """Every distinct subnet, in the order of the specs."""
        return [SubnetSpec(blocks) for blocks in itertools.product(*self.block_choices)]

    @property
    def largest(self) -> SubnetSpec:
        """Every block at its largest ratio and greatest depth."""
        return SubnetSpec(tuple(max(c, key=_block_size) for c in self.block_choices))

    @property
    def smallest(self) -> SubnetSpec:
        """Every block at its smallest ratio and least depth."""
        return SubnetSpec(tuple(min(c, key=_block_size) for c in self.block_choices))

    def __contains__(self, spec: object) -> bool:
        return (
            isinstance(spec, SubnetSpec)
            and len(spec.blocks) == len(self.block_choices)
            and all(b in c for b, c in zip(spec.blocks, self.block_choices, strict=True))
        )

    def fixed_ratio(self, ratio: float) -> SubnetSpec:
        """The subnet of one width ratio and depth 2 everywhere: the paper's baselines (3.2)."""
        full = self.full_widths
        widths = [full[0], *(max(1, self.width_of(ratio, width)) for width in full[1:])]
        return SubnetSpec(tuple((width, width) for width in widths))

    def parse_subnet(self, text: str) -> SubnetSpec:
        """Reads a member: `largest`, `smallest`, a width ratio, or the text form of a spec.

        Raises:
            ValueError: the text is none of these, or the subnet is not in this space.
        """
        named = {"largest": self.largest, "smallest": self.smallest}
        if text in named:
            return named[text]
        spec = self.fixed_ratio(_ratio(text)) if _is_number(text) else SubnetSpec.parse(text)
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
