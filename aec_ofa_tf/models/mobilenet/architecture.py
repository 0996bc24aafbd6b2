"""MobileNetV3-Large as EfficientAT's `mn` networks have it, at any width. No TensorFlow here."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

MULTIPLE = 8
"""Widths are multiples of this."""

BATCH_NORM_EPSILON = 1e-3
HIDDEN_UNITS = 1280
"""Of the dense layer before the classifier, at a width multiplier of 1."""

LAST_EXPANSION = 6
"""Channels of the last convolution by those that enter it."""


class Block(NamedTuple):
    """One inverted residual block.

    Attributes:
        width: output channels.
        kernel: side of the depthwise kernel.
        expanded: channels of the depthwise convolution.
        squeezes: whether squeeze-and-excitation follows the depthwise convolution.
        hard_swish: whether the activations are hard-swish rather than ReLU.
        stride: of the depthwise convolution.
        expands: whether a 1x1 convolution precedes the depthwise one: where it changes the width.
        is_residual: whether the input is added to the output: where both have the same shape.
    """

    width: int
    kernel: int
    expanded: int
    squeezes: bool
    hard_swish: bool
    stride: int
    expands: bool = True
    is_residual: bool = False


_STEM_WIDTH = 16
_BLOCKS = (
    Block(16, 3, 16, False, False, 1),
    Block(24, 3, 64, False, False, 2),
    Block(24, 3, 72, False, False, 1),
    Block(40, 5, 72, True, False, 2),
    Block(40, 5, 120, True, False, 1),
    Block(40, 5, 120, True, False, 1),
    Block(80, 3, 240, False, True, 2),
    Block(80, 3, 200, False, True, 1),
    Block(80, 3, 184, False, True, 1),
    Block(80, 3, 184, False, True, 1),
    Block(112, 3, 480, True, True, 1),
    Block(112, 3, 672, True, True, 1),
    Block(160, 5, 672, True, True, 2),
    Block(160, 5, 960, True, True, 1),
    Block(160, 5, 960, True, True, 1),
)
"""Table 1 of MobileNetV3 (Howard et al. 2019)."""


class Architecture(NamedTuple):
    """The network at one width multiplier.

    Attributes:
        stem: channels of the first convolution.
        stages: all blocks of a stage but the first have a residual connection; the first block of
            all is a stage of its own.
        last: channels of the last convolution.
        hidden: units of the dense layer before the classifier.
    """

    stem: int
    stages: tuple[tuple[Block, ...], ...]
    last: int
    hidden: int


@lru_cache
def architecture(width_mult: float) -> Architecture:
    """The network whose widths are those of MobileNetV3-Large times `width_mult`."""
    stem = divisible(_STEM_WIDTH * width_mult)
    stages: list[list[Block]] = []
    channels = stem
    for wide in _BLOCKS:
        width, expanded = (divisible(value * width_mult) for value in (wide.width, wide.expanded))
        is_residual = wide.stride == 1 and width == channels
        if not (stages and is_residual):
            stages.append([])
        stages[-1].append(
            wide._replace(
                width=width,
                expanded=expanded,
                expands=expanded != channels,
                is_residual=is_residual,
            )
        )
        channels = width
    hidden = divisible(HIDDEN_UNITS * width_mult)
    return Architecture(stem, tuple(map(tuple, stages)), LAST_EXPANSION * channels, hidden)


def divisible(value: float, multiple: int = MULTIPLE) -> int:
    """The nearest multiple, at least one and never below 90 % of the value (MobileNet)."""
    rounded = max(multiple, int(value + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * value else rounded


def check_pool(pool: tuple[int, ...]) -> None:
    """Checks an input pool.

    Raises:
        ValueError: it is not two positive numbers.
    """
    if len(pool) != 2 or min(pool) < 1:
        raise ValueError(
            f"input_pool is a number of frames and one of mel bins, (1, 1) or more, received {pool}"
        )


def squeezed(expanded: int) -> int:
    """Units of the squeeze-and-excitation on so many channels."""
    return divisible(expanded / 4)
