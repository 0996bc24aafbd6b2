"""Tables without a device and without a compiler."""

from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.costs.npu import NpuTable, npu_metrics


def uniform_table(subnets, network) -> LatencyTable:
    """Every layer takes a quarter of a millisecond."""
    return LatencyTable(
        device="metronome",
        runtime="none",
        threads=1,
        quantization="float32",
        network=network.sizes,
        layer_ms={row: 0.25 for subnet in subnets for row in network.rows(subnet)},
    )


def npu_table(rows, network, accelerator="ethos-u55-128") -> NpuTable:
    """Every layer takes a quarter of a millisecond, its activations as SRAM, its weights as flash.

    Args:
        rows: the layers.
        network: the network to which they belong.
        accelerator: the one NPU.
    """
    names = npu_metrics(accelerator)
    layers = {
        row: dict(zip(names, (0.25, row.peak_elements, row.params), strict=True)) for row in rows
    }
    return NpuTable("none", (accelerator,), network.sizes, layers)
