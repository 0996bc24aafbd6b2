"""The size of a subnet's TFLite file, in closed form."""

from __future__ import annotations

from functools import cache

from aec_ofa_tf.costs.layers import KERNEL_TAPS, convolutions, dense_shapes
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet

_DYNAMIC_LEAST_ELEMENTS = 1024
"""TFLite's converter leaves smaller weights in float32 in dynamic-range quantisation."""

_SCALE_BYTES = 12
"""Of a channel quantised by itself: a float32 scale and an int64 zero point."""

_WIDTHS = {"float32": 4, "float16": 2, "dynamic": 4, "int8": 1, "int8_qat": 1}
"""Bytes of an element of the input batch norm's scale and shift."""

_LABEL_BYTES = 16
"""Of a label with its line end: AudioSet's mean."""

# Operators, names, signature, metadata and model card; (of every file, of every convolution).
_GRAPH_BYTES = {
    "float32": (5850, 460),
    "float16": (7200, 590),
    "dynamic": (5900, 470),
    "int8": (7250, 500),
    "int8_qat": (7500, 500),
}


def tflite_bytes(spec: Subnet, network: NetworkConfig, quantization: str = "float32") -> int:
    """Bytes of the file that `pipelines.convert` writes for log-mel input.

    Weights after folding batch norms, biases, and scales are counted exactly; operators, names,
    metadata and the model card are constants that were measured on trained networks. At full width
    it lies within 2 % of real files, for thin networks within 1 % and 500 bytes, where labels are
    not much longer than AudioSet's.

    Args:
        spec: the subnet.
        network: what is static.
        quantization: "float32", "float16", "dynamic", "int8" or "int8_qat".

    Raises:
        ValueError: the quantisation is none of these.
    """
    if quantization not in _GRAPH_BYTES:
        raise ValueError(
            f"quantization is one of {', '.join(_GRAPH_BYTES)}, received {quantization!r}"
        )
    every_file, every_convolution = _GRAPH_BYTES[quantization]
    size = every_file + _LABEL_BYTES * network.classes
    size += 2 * network.mel_bins * _WIDTHS[quantization]
    for _, _, channels_in, channels_out in convolutions(spec):
        size += every_convolution
        size += _weight_bytes(KERNEL_TAPS * channels_in, channels_out, True, quantization)
    for rows, columns in dense_shapes(spec, network):
        size += _weight_bytes(rows, columns, False, quantization)
    return size


@cache
def _weight_bytes(rows: int, columns: int, per_channel: bool, quantization: str) -> int:
    """Bytes of a matrix of weights, its biases and its scales.

    Convolutions are quantised per output channel, dense layers as a whole; int8 gives biases
    scales of their own.
    """
    elements = rows * columns
    if quantization == "float16":
        return 2 * (elements + columns)
    if quantization == "float32":
        return 4 * (elements + columns)
    if quantization == "dynamic" and elements < _DYNAMIC_LEAST_ELEMENTS:
        return 4 * (elements + columns)
    scaled = 2 if quantization in ("int8", "int8_qat") else 1
    return elements + 4 * columns + per_channel * scaled * _SCALE_BYTES * columns
