"""The memory that a subnet's activations need, in closed form."""

from __future__ import annotations

from aec_ofa_tf.costs.layers import CONVOLUTION, INPUT, Layer, layers
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet

_FLOAT32_BYTES = 4


def activation_bytes(spec: Subnet, network: NetworkConfig) -> int:
    """Peak activation bytes of the float32 file that takes log-mel, at batch 1.

    That is the greatest sum, over the operators, of the tensors that an operator reads and
    writes, constants apart. An interpreter's arena is at least as large.
    """
    peak = max(_peak_elements(layer, network) for layer in layers(spec, network))
    return _FLOAT32_BYTES * peak


def _peak_elements(layer: Layer, network: NetworkConfig) -> int:
    """The greatest sum of input and output elements among the operators of a layer."""
    _, channels_in, channels_out, frames, mel_bins, pooled = layer
    pixels = frames * mel_bins
    if layer.kind == INPUT:
        return 2 * pixels
    if layer.kind == CONVOLUTION:
        halved = (frames // 2) * (mel_bins // 2)
        return max(pixels * (channels_in + channels_out), pooled * (pixels + halved) * channels_out)
    return max(
        (pixels + frames) * channels_in,  # mean over mel bins
        (frames + 1) * channels_in,  # maximum and mean over time
        3 * channels_in,  # their sum
        channels_in + network.embedding_units,
        network.embedding_units + network.classes,
        2 * network.classes,  # sigmoid
    )
