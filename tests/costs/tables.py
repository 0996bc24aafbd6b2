"""A latency table without a device."""

from aec_ofa_tf.costs.layers import layers

from aec_ofa_tf.costs.latency import NETWORK_FIELDS, LatencyTable


def uniform_table(subnets, network) -> LatencyTable:
    """Every layer takes a quarter of a millisecond."""
    return LatencyTable(
        device="metronome",
        runtime="none",
        threads=1,
        quantization="float32",
        network={name: getattr(network, name) for name in NETWORK_FIELDS},
        layer_ms={layer: 0.25 for spec in subnets for layer in layers(spec, network)},
    )
