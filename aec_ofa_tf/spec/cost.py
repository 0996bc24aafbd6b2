"""What a subnet costs, in closed form."""

from __future__ import annotations

from collections.abc import Iterator

from aec_ofa_tf.spec.network import NetworkConfig
from aec_ofa_tf.spec.subnet import SubnetSpec

KERNEL_TAPS = 9
BATCH_NORM_PARAMS = 2
"""Scale and shift per channel: moving statistics are not trainable and do not count."""


METRICS = ("params", "macs")
"""What a budget can bound."""


def costs(spec: SubnetSpec, network: NetworkConfig) -> dict[str, int]:
    """Every metric of a subnet by name."""
    return {"params": params(spec, network), "macs": macs(spec, network)}


def params(spec: SubnetSpec, network: NetworkConfig) -> int:
    """Number of trainable weights; for 64-128-256-512 and 527 classes PANNs CNN10's 5,219,279."""
    count = BATCH_NORM_PARAMS * network.mel_bins
    for _, channels_in, channels_out in _convolutions(spec):
        count += (KERNEL_TAPS * channels_in + BATCH_NORM_PARAMS) * channels_out
    return count + sum((rows + 1) * columns for rows, columns in _dense_shapes(spec, network))


def macs(spec: SubnetSpec, network: NetworkConfig) -> int:
    """Multiply-adds of the convolutions and dense layers for one clip."""
    shapes = network.block_shapes(len(spec.blocks))
    count = 0
    for block, channels_in, channels_out in _convolutions(spec):
        frames, mel_bins = shapes[block]
        count += frames * mel_bins * KERNEL_TAPS * channels_in * channels_out
    return count + sum(rows * columns for rows, columns in _dense_shapes(spec, network))


def _convolutions(spec: SubnetSpec) -> Iterator[tuple[int, int, int]]:
    """(block, input channels, output channels) of every convolution in order."""
    channels_in = 1
    for block, widths in enumerate(spec.blocks):
        for width in widths:
            yield block, channels_in, width
            channels_in = width


def _dense_shapes(spec: SubnetSpec, network: NetworkConfig) -> list[tuple[int, int]]:
    last_width = spec.blocks[-1][-1]
    return [
        (last_width, network.embedding_units),
        (network.embedding_units, network.classes),
    ]
