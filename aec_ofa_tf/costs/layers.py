"""A subnet as the layers that a device runs one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet

KERNEL_TAPS = 9
INPUT, CONVOLUTION, HEAD = KINDS = ("input", "convolution", "head")


class Layer(NamedTuple):
    """What a device computes in one go, batch norms folded.

    Attributes:
        kind: "input" (batch norm of the log-mel), "convolution" (3x3, bias, ReLU and, if
            `pooled`, a 2x2 average pool) or "head" (global pools, both dense layers, sigmoid).
        channels_in: of the input.
        channels_out: of the output; of a head: the classes.
        frames: time frames of the input.
        mel_bins: frequency bins of the input.
        pooled: whether the average pool follows.
    """

    kind: str
    channels_in: int
    channels_out: int
    frames: int
    mel_bins: int
    pooled: bool = False

    def __str__(self) -> str:
        pool = ", pooled" if self.pooled else ""
        return (
            f"{self.kind} of {self.channels_in} to {self.channels_out} channels "
            f"at {self.frames} frames x {self.mel_bins} mel bins{pool}"
        )


def layers(spec: Subnet, network: NetworkConfig) -> list[Layer]:
    """The layers of a subnet in order."""
    shapes = network.block_shapes(len(spec.blocks) + 1)
    last_block = len(spec.blocks) - 1
    found = [Layer(INPUT, 1, 1, network.frames, network.mel_bins)]
    for block, layer, channels_in, channels_out in convolutions(spec):
        pools = network.pool_last or block < last_block
        pooled = pools and layer == len(spec.blocks[block]) - 1
        found.append(Layer(CONVOLUTION, channels_in, channels_out, *shapes[block], pooled))
    last_shape = shapes[-1] if network.pool_last else shapes[-2]
    found.append(Layer(HEAD, spec.blocks[-1][-1], network.classes, *last_shape))
    return found


def convolutions(spec: Subnet) -> Iterator[tuple[int, int, int, int]]:
    """(block, layer, input channels, output channels) of every convolution in order."""
    channels_in = 1
    for block, widths in enumerate(spec.blocks):
        for layer, width in enumerate(widths):
            yield block, layer, channels_in, width
            channels_in = width


def dense_shapes(spec: Subnet, network: NetworkConfig) -> list[tuple[int, int]]:
    """(inputs, units) of the fully-connected layer and the classifier."""
    return [
        (spec.blocks[-1][-1], network.embedding_units),
        (network.embedding_units, network.classes),
    ]
