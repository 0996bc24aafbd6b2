"""What a subnet costs, in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    for _, _, channels_in, channels_out in _convolutions(spec):
        count += (KERNEL_TAPS * channels_in + BATCH_NORM_PARAMS) * channels_out
    return count + sum((rows + 1) * columns for rows, columns in _dense_shapes(spec, network))


def macs(spec: SubnetSpec, network: NetworkConfig) -> int:
    """Multiply-adds of the convolutions and dense layers for one clip."""
    return sum(layer_macs(spec, network).values())


def layer_macs(spec: SubnetSpec, network: NetworkConfig) -> dict[str, int]:
    """Multiply-adds for one clip by the layer's name in `build_cnn10`."""
    shapes = network.block_shapes(len(spec.blocks))
    counts = {}
    for block, layer, channels_in, channels_out in _convolutions(spec):
        frames, mel_bins = shapes[block]
        count = frames * mel_bins * KERNEL_TAPS * channels_in * channels_out
        counts[f"block{block + 1}_conv{layer + 1}"] = count
    dense = (rows * columns for rows, columns in _dense_shapes(spec, network))
    return counts | dict(zip(("embedding", "classifier"), dense, strict=True))


def shared_macs(specs: Sequence[SubnetSpec], network: NetworkConfig) -> int:
    """Multiply-adds for one clip of several subnets that compute their stem together.

    The stem is the static block and the first elastic convolution; it is computed once, as wide
    as the widest of the subnets wants it.
    """
    layers = [layer_macs(spec, network) for spec in specs]
    stem = [name for name in layers[0] if name.startswith("block1_") or name == "block2_conv1"]
    once = sum(max(counts[name] for counts in layers) for name in stem)
    every = sum(sum(counts.values()) - sum(counts[name] for name in stem) for counts in layers)
    return once + every


def _convolutions(spec: SubnetSpec) -> Iterator[tuple[int, int, int, int]]:
    """(block, layer, input channels, output channels) of every convolution in order."""
    channels_in = 1
    for block, widths in enumerate(spec.blocks):
        for layer, width in enumerate(widths):
            yield block, layer, channels_in, width
            channels_in = width


def _dense_shapes(spec: SubnetSpec, network: NetworkConfig) -> list[tuple[int, int]]:
    last_width = spec.blocks[-1][-1]
    return [
        (last_width, network.embedding_units),
        (network.embedding_units, network.classes),
    ]
