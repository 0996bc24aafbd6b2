"""The costs of a subnet of any family, computed from its layer rows. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.rows import LayerRow, Operator
from aec_ofa_tf.models.space import Subnet

LATENCY = "latency_ms"
_FLOAT32_BYTES = 4

_DYNAMIC_LEAST_ELEMENTS = 1024
"""In dynamic-range quantisation TFLite's converter keeps smaller weights in float32."""

_SCALE_BYTES = 12
"""Per channel with its own quantisation: a float32 scale and an int64 zero point."""

_WIDTHS = {"float32": 4, "float16": 2, "dynamic": 4, "int8": 1, "int8_qat": 1}
"""Bytes of a trained value outside a matrix, such as the input batch norm's scale."""

_LABEL_BYTES = 16
"""Mean length of AudioSet's labels, line end included."""

# (per file, per convolution), for operators, names, signature, metadata and model card.
_GRAPH_BYTES = {
    "float32": (5850, 460),
    "float16": (7200, 590),
    "dynamic": (5900, 470),
    "int8": (7250, 500),
    "int8_qat": (7500, 500),
}


def subnet_costs(
    subnet: Subnet,
    network: NetworkConfig,
    latency: LatencyTable | None = None,
    metrics: Iterable[str] | None = None,
) -> dict[str, float]:
    """Costs of a subnet by name.

    Args:
        subnet: the subnet.
        network: the static parts of the network.
        latency: a device's latency table, for `latency_ms`.
        metrics: names from `METRICS`; by default all, `latency_ms` only with a table.

    Returns:
        Integers; `latency_ms` is a float, in milliseconds for one clip.

    Raises:
        ValueError: `latency_ms` is requested without a table, the table is of another network or
            lacks a layer of the subnet, a metric is unknown, or the subnet is only a text.

    Example:
        >>> space = ofa.search_space("[2,2,X]", base_channels=16)
        >>> network = space.network(classes=10, frames=400, mel_bins=64, task="multi_label")
        >>> ofa.subnet_costs(space.smallest, network, metrics=["params", "macs"])
        {'params': 33660, 'macs': 99940208}
    """
    if metrics is None:
        metrics = [name for name in METRICS if latency is not None or name != LATENCY]
    metrics = metrics if isinstance(metrics, str) else tuple(metrics)
    _check_arguments(subnet, metrics)
    return {name: _cost(name, subnet, network, latency) for name in metrics}


def _check_arguments(subnet: Subnet, metrics: Sequence[str]) -> None:
    if not isinstance(subnet, Subnet):
        raise ValueError(
            "the costs are those of a Subnet, for example space.parse_subnet('largest'), received "
            f"{subnet!r}"
        )
    if isinstance(metrics, str) or any(name not in METRICS for name in metrics):
        raise ValueError(
            f"metrics is a list of names from {', '.join(METRICS)}, received {metrics!r}"
        )


def _cost(
    metric: str, subnet: Subnet, network: NetworkConfig, latency: LatencyTable | None
) -> float:
    if metric != LATENCY:
        return _FORMULAS[metric](subnet, network)
    if latency is None:
        raise missing_table()
    return latency.predict(subnet, network)


def missing_table() -> ConfigError:
    """The error of a request for `latency_ms` without a table."""
    return ConfigError(
        f"{LATENCY} depends on the device: give its latency_table, a file that `python -m "
        "pipelines.profile_device --out=FILE` measures",
        "latency_table",
    )


def params(subnet: Subnet, network: NetworkConfig) -> int:
    """Number of trainable weights; PANNs' CNN10 with 527 classes has 5,219,279."""
    return sum(row.params for row in network.rows(subnet))


def macs(subnet: Subnet, network: NetworkConfig) -> int:
    """Multiply-adds of the convolutions and dense layers for one clip."""
    return sum(row.macs for row in network.rows(subnet))


def layer_macs(subnet: Subnet, network: NetworkConfig) -> dict[str, int]:
    """Multiply-adds for one clip by layer name of the plain model."""
    operators = (operator for row in network.rows(subnet) for operator in row.operators)
    return {operator.name: operator.macs for operator in operators if operator.macs}


def shared_macs(subnets: Sequence[Subnet], network: NetworkConfig, stem_units: int) -> int:
    """Multiply-adds for one clip of several subnets that share the computation of the stem.

    Args:
        subnets: the subnets of a train step.
        network: the static parts of the network.
        stem_units: number of units in the stem, which is computed once, at the width of the widest
            subnet; see `models.unit.stem_length`.
    """
    stems, rest = [], 0
    for subnet in subnets:
        counts = [row.macs if row else 0 for row in (p.row for p in network.parts(subnet))]
        stems.append(counts[: stem_units + 1])  # the input batch norm is the first
        rest += sum(counts[stem_units + 1 :])
    return sum(map(max, zip(*stems, strict=True))) + rest


def activation_bytes(subnet: Subnet, network: NetworkConfig) -> int:
    """Peak activation bytes of the float32 file with log-mel input, for one clip.

    It is the maximum over the operators of the bytes that an operator reads and writes, without
    constants, plus the bytes that must stay in memory meanwhile. An interpreter's arena is at
    least as large.
    """
    return _FLOAT32_BYTES * max(row.peak_elements for row in network.rows(subnet))


def tflite_bytes(subnet: Subnet, network: NetworkConfig, quantization: str = "float32") -> int:
    """Bytes of the file that `pipelines.convert` writes for log-mel input.

    Weights (with batch norms folded), biases and scales are counted exactly. Operators, names,
    metadata and the model card are constants measured on trained CNN10s. The estimate is within
    2 % of real files at full width, and within 1 % and 500 bytes for narrow networks, if labels
    are not much longer than AudioSet's.

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
    """Bytes of an operator's weights, and of a convolution's part of the graph."""
    size = operator.constants * _WIDTHS[quantization]
    matrix = operator.matrix
    if matrix is None:
        return size
    if matrix.per_channel:
        size += _GRAPH_BYTES[quantization][1]
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
"""The costs that a budget can bound."""
