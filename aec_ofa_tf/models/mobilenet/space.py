"""MobileNets' search spaces: elastic widths, expansions, kernels, depths. No TensorFlow here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from aec_ofa_tf.models.family import register_family
from aec_ofa_tf.models.mobilenet.architecture import (
    Architecture,
    Block,
    architecture,
    check_pool,
    squeezed,
)
from aec_ofa_tf.models.network import NO_POOL
from aec_ofa_tf.models.space import Choice, Option, SearchSpace

if TYPE_CHECKING:
    from aec_ofa_tf.models.network import NetworkConfig

ABSENT: Choice = (0, 0, 0, 0)
_KERNELS = "3,5"
_NAME = re.compile(r"mn(\d)(\d)")
_WORD = re.compile(r"(width|expand|last|hidden|kernel|depth|pool)=([\w.,]+)")
_POOL = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})", re.ASCII)


@register_family("mobilenet")
@dataclass(frozen=True)
class MobilenetSpace(SearchSpace):
    """Subnets of one MobileNet; the first convolution and the first block are static.

    The choice of a block is its output width, the side of its depthwise kernel, its expanded width
    and the units of its squeeze-and-excitation, 0 without one. All blocks of a stage have one
    width, one kernel and one expansion ratio. A smaller depth lacks the last blocks of a stage,
    which are residual.

    Attributes:
        width_mult: full size, as a multiple of MobileNetV3-Large's widths.
        width_ratios: output widths of a stage, relative to the full width.
        expand_ratios: expanded widths of the blocks of a stage, relative to the full one.
        last_ratios: widths of the last convolution, relative to the full one.
        hidden_ratios: widths of the dense layer before the classifier, relative to the full one.
        elastic_kernel: whether a kernel of 5 may also be 3, its centre.
        elastic_depth: whether the last blocks of a stage may be absent.
        width_multiple: all widths are rounded to the nearest multiple of this, at least one.
        input_pool: frames and mel bins that are averaged into one before the first convolution:
            all subnets are that much smaller and faster.

    Raises:
        ValueError: a ratio is outside (0, 1], or another value is not positive.
    """

    fields: ClassVar[tuple[str, ...]] = ("width", "kernel", "expanded", "squeezed")

    width_mult: float = 0.4
    width_ratios: tuple[float, ...] = (0.5, 0.75, 1.0)
    expand_ratios: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    last_ratios: tuple[float, ...] = (0.25, 0.5, 1.0)
    hidden_ratios: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0)
    elastic_kernel: bool = True
    elastic_depth: bool = True
    width_multiple: int = 8
    input_pool: tuple[int, int] = field(default=NO_POOL, metadata={"is_later": True})

    def __post_init__(self) -> None:
        if not self.width_mult > 0 or self.width_multiple < 1:
            raise ValueError(
                "width_mult and width_multiple must be positive, received "
                f"{self.width_mult} and {self.width_multiple}"
            )
        for name in ("width_ratios", "expand_ratios", "last_ratios", "hidden_ratios"):
            ratios = getattr(self, name)
            if not ratios or not all(0 < ratio <= 1 for ratio in ratios):
                raise ValueError(f"{name} must lie in (0, 1], received {ratios!r}")
            object.__setattr__(self, name, tuple(sorted(set(ratios))))
        check_pool(self.input_pool)

    def __str__(self) -> str:
        kernels = _KERNELS if self.elastic_kernel else "full"
        depth = "elastic" if self.elastic_depth else "full"
        pool = "" if self.input_pool == NO_POOL else " pool={}x{}".format(*self.input_pool)
        return (
            f"mn{round(10 * self.width_mult):02d} width={_listed(self.width_ratios)} "
            f"expand={_listed(self.expand_ratios)} last={_listed(self.last_ratios)} "
            f"hidden={_listed(self.hidden_ratios)} kernel={kernels} depth={depth}{pool}"
        )

    def network(
        self, classes: int, frames: int, mel_bins: int, *, task: str, **options: Any
    ) -> NetworkConfig:
        """A MobileNet at this width multiplier."""
        from aec_ofa_tf.models.mobilenet.network import MobilenetNetwork

        own = {"width_mult": self.width_mult, "input_pool": self.input_pool}
        sizes = {**own, **options}
        return MobilenetNetwork(classes, frames, mel_bins=mel_bins, task=task, **sizes)

    @cached_property
    def full(self) -> Architecture:
        """The network at full size."""
        return architecture(self.width_mult)

    @cached_property
    def stages(self) -> tuple[tuple[Option, ...], ...]:
        """First convolution and block, a stage per group of blocks, last convolution, dense."""
        (first,), *elastic = self.full.stages
        static = ((self.full.stem,), _choice(first, first.width, first.kernel, first.expanded))
        return (
            (Option(str(first.width), static),),
            *(
                self._options(blocks, is_fixed=not all(block.expands for block in nearby))
                for blocks, nearby in zip(elastic, _nearby(elastic), strict=True)
            ),
            self._widths(self.full.last, self.last_ratios),
            self._widths(self.full.hidden, self.hidden_ratios),
        )

    def _options(self, blocks: Sequence[Block], is_fixed: bool) -> tuple[Option, ...]:
        ratios = (1.0,) if is_fixed else self.width_ratios
        # Ratios may round to the same widths; the greatest then gives its name.
        found = {option.choices: option for option in self._every_option(blocks, ratios)}
        return tuple(found.values())

    def _every_option(self, blocks: Sequence[Block], ratios: Sequence[float]) -> Iterator[Option]:
        kernel, full = blocks[0].kernel, blocks[0].width
        kernels = (3, kernel) if self.elastic_kernel and kernel > 3 else (kernel,)
        depths = range(1 if self.elastic_depth else len(blocks), len(blocks) + 1)
        widths = [option.choices[0][0] for option in self._widths(full, ratios)]
        every = itertools.product(widths, depths, kernels, self.expand_ratios)
        for width, depth, side, ratio in every:
            choices = [
                _choice(block, width, side, self._expanded(block, ratio))
                for block in blocks[:depth]
            ]
            text = f"{width}x{depth}" + f"k{side}" * (len(kernels) > 1) + f"e{100 * ratio:g}"
            yield Option(text, (*choices, *[ABSENT] * (len(blocks) - depth)))

    def _widths(self, full: int, ratios: Sequence[float]) -> tuple[Option, ...]:
        widths = sorted({self._rounded(ratio * full) for ratio in ratios})
        return tuple(Option(str(width), ((width,),)) for width in widths)

    def _expanded(self, block: Block, ratio: float) -> int:
        return self._rounded(ratio * block.expanded) if block.expands else block.expanded

    def _rounded(self, width: float) -> int:
        multiple = self.width_multiple
        return max(multiple, int(width + multiple / 2) // multiple * multiple)


def _nearby(stages: Sequence[Sequence[Block]]) -> Iterator[list[Block]]:
    """Per stage, the blocks that get its output: if one does not expand it, its width is fixed."""
    for stage, after in itertools.zip_longest(stages, stages[1:], fillvalue=()):
        yield [*stage[1:], *after[:1]]


def _choice(block: Block, width: int, kernel: int, expanded: int) -> Choice:
    return width, kernel, expanded, squeezed(expanded) if block.squeezes else 0


def _listed(ratios: Sequence[float]) -> str:
    return ",".join(f"{ratio:g}" for ratio in ratios)


def mobilenet_space(name: str) -> MobilenetSpace:
    """The space called `name`, such as `mn04` or `mn10 width=0.5,1 expand=0.25,0.5,1 depth=full`.

    The first word gives the width multiplier: mn04 is 0.4, mn10 is 1.0. The other words restrict
    what is elastic: `width`, `expand`, `last` and `hidden` list ratios, `kernel=full` and
    `depth=full` leave kernels and depths as they are. `pool=4x2` averages 4 frames and 2 mel bins
    into one before the first convolution, for devices with little memory.

    Raises:
        ValueError: the text is not of that form.
    """
    first, *words = name.split()
    match = _NAME.fullmatch(first)
    pairs = [_WORD.fullmatch(word) for word in words]
    if match is None or not all(pairs):
        raise ValueError(
            f"cannot read the space {name!r}: expected mn and the width multiplier times 10, such "
            "as mn04, then any of width=, expand=, last= and hidden= with ratios joined by commas, "
            "kernel=full, depth=full and pool=FRAMESxMELS"
        )
    values = dict(_value(pair.group(1), pair.group(2), name) for pair in pairs if pair)
    return MobilenetSpace(int(match.group(1) + match.group(2)) / 10, **values)


def _value(word: str, value: str, name: str) -> tuple[str, Any]:
    if word in ("kernel", "depth"):
        elastic = ("elastic", *([_KERNELS] if word == "kernel" else []))
        if value not in ("full", *elastic):
            raise ValueError(f"{word} is full or elastic, received {value!r} in {name!r}")
        return f"elastic_{word}", value in elastic
    if word == "pool":
        sides = _POOL.fullmatch(value)
        if sides is None:
            raise ValueError(f"pool is frames x mel bins, such as 4x2, received {value!r}")
        return "input_pool", (int(sides.group(1)), int(sides.group(2)))
    try:
        return f"{word}_ratios", tuple(float(ratio) for ratio in value.split(","))
    except ValueError as error:
        raise ValueError(f"{word} takes ratios such as 0.5,1, received {value!r}") from error
