"""What a subnet costs, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from aec_ofa_tf.costs.activations import activation_bytes
from aec_ofa_tf.costs.file_size import tflite_bytes
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.costs.layers import KERNEL_TAPS, convolutions, dense_shapes
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet

BATCH_NORM_PARAMS = 2
"""Scale and shift per channel: moving statistics are not trainable and do not count."""

LATENCY = "latency_ms"


def costs(
    spec: Subnet,
    network: NetworkConfig,
    latency: LatencyTable | None = None,
    metrics: Iterable[str] | None = None,
) -> dict[str, float]:
    """Costs of a subnet by name.

    Args:
        spec: the subnet.
        network: what is static.
        latency: a device's table, for `latency_ms`.
        metrics: names from `METRICS`; otherwise all, `latency_ms` only with a table.

    Returns:
        Integers; `latency_ms` in milliseconds for one clip.

    Raises:
        ValueError: `latency_ms` is asked for without a table, or the table does not cover the
            subnet.
    """
    if metrics is None:
        metrics = [name for name in METRICS if latency is not None or name != LATENCY]
    return {name: _cost(name, spec, network, latency) for name in metrics}


def _cost(metric: str, spec: Subnet, network: NetworkConfig, latency: LatencyTable | None) -> float:
    if metric != LATENCY:
        return _FORMULAS[metric](spec, network)
    if latency is None:
        raise ValueError(
            f"{LATENCY} depends on the device: give --latency_table=FILE, which `python -m "
            "pipelines.profile_device --out=FILE` measures"
        )
    return latency.predict(spec, network)


def params(spec: Subnet, network: NetworkConfig) -> int:
    """Number of trainable weights; for 64-128-256-512 and 527 classes PANNs CNN10's 5,219,279."""
    count = BATCH_NORM_PARAMS * network.mel_bins
    for _, _, channels_in, channels_out in convolutions(spec):
        count += (KERNEL_TAPS * channels_in + BATCH_NORM_PARAMS) * channels_out
    return count + sum((rows + 1) * columns for rows, columns in dense_shapes(spec, network))


def macs(spec: Subnet, network: NetworkConfig) -> int:
    """Multiply-adds of the convolutions and dense layers for one clip."""
    return sum(layer_macs(spec, network).values())


def layer_macs(spec: Subnet, network: NetworkConfig) -> dict[str, int]:
    """Multiply-adds for one clip by the layer's name in `build_cnn10`."""
    shapes = network.block_shapes(len(spec.blocks))
    counts = {}
    for block, layer, channels_in, channels_out in convolutions(spec):
        frames, mel_bins = shapes[block]
        count = frames * mel_bins * KERNEL_TAPS * channels_in * channels_out
        counts[f"block{block + 1}_conv{layer + 1}"] = count
    dense = (rows * columns for rows, columns in dense_shapes(spec, network))
    return counts | dict(zip(("embedding", "classifier"), dense, strict=True))


def shared_macs(specs: Sequence[Subnet], network: NetworkConfig) -> int:
    """Multiply-adds for one clip of several subnets that compute their stem together.

    The stem is the static block and the first elastic convolution; it is computed once, as wide
    as the widest of the subnets wants it.
    """
    layers = [layer_macs(spec, network) for spec in specs]
    stem = [name for name in layers[0] if name.startswith("block1_") or name == "block2_conv1"]
    once = sum(max(counts[name] for counts in layers) for name in stem)
    every = sum(sum(counts.values()) - sum(counts[name] for name in stem) for counts in layers)
    return once + every


_FORMULAS: dict[str, Callable[[Subnet, NetworkConfig], int]] = {
    "params": params,
    "macs": macs,
    "activation_bytes": activation_bytes,
    "tflite_bytes": tflite_bytes,
    "tflite_bytes_float16": partial(tflite_bytes, quantization="float16"),
    "tflite_bytes_dynamic": partial(tflite_bytes, quantization="dynamic"),
    "tflite_bytes_int8": partial(tflite_bytes, quantization="int8"),
}

METRICS = (*_FORMULAS, LATENCY)
"""What a budget can bound."""
