"""Bytes of TFLite files from layer rows and from front ends. No TensorFlow here."""

from __future__ import annotations

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.mel_blocks import BLOCK_BYTES, mel_blocks
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.rows import LayerRow, Operator
from aec_ofa_tf.models.space import Subnet

_FLOAT32_BYTES = 4

_DYNAMIC_LEAST_ELEMENTS = 1024
"""In dynamic-range quantisation TFLite's converter keeps smaller weights in float32."""

_SCALE_BYTES = 12
"""Per channel with its own quantisation: a float32 scale and an int64 zero point."""

_WIDTHS = {"float32": 4, "float16": 2, "dynamic": 4, "int8": 1, "int8_qat": 1}
"""Bytes of a trained value outside a matrix, such as the input batch norm's scale."""

_LABEL_BYTES = 16
"""Mean length of AudioSet's labels, line end included."""

# (per file, per operator with a matrix, per other operator), for operators, tensors, names,
# signature, metadata and model card. The first is 150 bytes above the mean of what was measured.
_GRAPH_BYTES = {
    "float32": (4300, 387, 227),
    "float16": (4600, 615, 227),
    "dynamic": (4320, 384, 227),
    "int8": (4900, 470, 261),
    "int8_qat": (5150, 470, 261),
}

_DYNAMIC_BYTES = 32
"""What a matrix that dynamic-range quantisation stores in int8 adds to the graph."""

# Operators of the front end, their tensors and names, apart from those of `mel_blocks`.
_FRONT_END_BYTES = 5100


def tflite_bytes(subnet: Subnet, network: NetworkConfig, quantization: str = "float32") -> int:
    """Bytes of the file that `pipelines.convert` writes for log-mel input.

    Weights (with batch norms folded), biases and scales are counted exactly. Operators, names,
    metadata and the model card are constants that were measured on thin and full CNN10s and
    MobileNets of 54 to 127 operators. Files are at most 0.4 % and 100 bytes larger than the
    estimate, and at most 400 bytes smaller, if labels are not much longer than AudioSet's.
    TensorFlow 2.21's converter adds up to 220 bytes per operator, mostly to float16 files; a file
    over its budget is not handed out.

    Args:
        subnet: the subnet.
        network: the static parts of the network.
        quantization: "float32", "float16", "dynamic", "int8" or "int8_qat".

    Raises:
        ValueError: the quantisation is unknown.
    """
    if quantization not in _GRAPH_BYTES:
        raise ValueError(
            f"quantization is one of {', '.join(_GRAPH_BYTES)}, received {quantization!r}"
        )
    size = _GRAPH_BYTES[quantization][0] + _LABEL_BYTES * network.classes
    return size + sum(_row_bytes(row, quantization) for row in network.rows(subnet))


def _row_bytes(row: LayerRow, quantization: str) -> int:
    """Cached in the row, which many subnets share."""
    known = row.known_bytes
    if quantization not in known:
        known[quantization] = sum(_operator_bytes(o, quantization) for o in row.operators)
    return known[quantization]


def _operator_bytes(operator: Operator, quantization: str) -> int:
    """Bytes of an operator's weights, and of its part of the graph."""
    size = operator.constants * _WIDTHS[quantization]
    matrix, (_, with_matrix, without) = operator.matrix, _GRAPH_BYTES[quantization]
    if matrix is None:
        return size + without
    size += with_matrix
    if quantization == "dynamic" and matrix.elements >= _DYNAMIC_LEAST_ELEMENTS:
        size += _DYNAMIC_BYTES
    return size + _weight_bytes(matrix.rows, matrix.columns, matrix.per_channel, quantization)


def _weight_bytes(rows: int, columns: int, per_channel: bool, quantization: str) -> int:
    """Bytes of a matrix of weights, its biases and its scales.

    Convolutions have a scale per output channel, dense layers one scale; in int8, biases have
    scales too.
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


def front_end_bytes(front_end: FrontEndConfig) -> int:
    """Bytes that a file with waveform input has more than the same network with log-mel input.

    They do not depend on the clip's length. Window and mel filters are counted exactly; operators
    and names are constants that were measured.
    """
    blocks = mel_blocks(front_end)
    values = front_end.fft_samples + sum(block.filters.size for block in blocks)
    return _FRONT_END_BYTES + _FLOAT32_BYTES * values + BLOCK_BYTES * len(blocks)
