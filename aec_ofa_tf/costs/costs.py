"""The costs of a subnet of any family, computed from its layer rows. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.arena import arena_bytes
from aec_ofa_tf.costs.file_bytes import front_end_bytes, tflite_bytes
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.costs.npu import NPU_METRICS, NpuTable, missing_npu_table
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet

LATENCY = "latency_ms"
ARENA = "arena_bytes"
_FLOAT32_BYTES = 4


def subnet_costs(
    subnet: Subnet,
    network: NetworkConfig,
    latency: LatencyTable | None = None,
    metrics: Iterable[str] | None = None,
    front_end: FrontEndConfig | None = None,
    npu: NpuTable | None = None,
) -> dict[str, float]:
    """Costs of a subnet by name.

    Args:
        subnet: the subnet.
        network: the static parts of the network.
        latency: a device's latency table, for `latency_ms`.
        metrics: names from `METRICS`; by default all for which the other arguments suffice.
        front_end: the front end of files with waveform input, for `tflite_bytes_waveform` and
            `tflite_bytes_int8_waveform`.
        npu: layers on NPUs, for `ethos_u55_128_ms` and the other costs on its accelerators.

    Returns:
        Integers; `latency_ms` and times on NPUs are floats, in milliseconds for one clip.

    Raises:
        ValueError: `latency_ms` or a cost on an NPU is requested without its table, a table is of
            another network or lacks a layer of the subnet, bytes of files with waveform input are
            requested without a front end, a metric is unknown, or the subnet is only a text.

    Example:
        >>> space = ofa.search_space("[2,2,X]", base_channels=16)
        >>> network = space.network(classes=10, frames=400, mel_bins=64, task="multi_label")
        >>> ofa.subnet_costs(space.smallest, network, metrics=["params", "macs"])
        {'params': 33660, 'macs': 99940208}
    """
    if metrics is None:
        unknown = set(() if front_end else _WAVEFORM) | ({LATENCY} if latency is None else set())
        unknown |= set(NPU_METRICS).difference(npu.metrics if npu else ())
        metrics = [name for name in METRICS if name not in unknown]
    metrics = metrics if isinstance(metrics, str) else tuple(metrics)
    _check_arguments(subnet, metrics)
    return {name: _cost(name, subnet, network, latency, front_end, npu) for name in metrics}


def file_metric(input_kind: str, quantization: str) -> str:
    """The metric that bounds the bytes of a file: `tflite_bytes_int8` and so on.

    An int8_qat file is an int8 file that was trained in another way.

    Args:
        input_kind: "log_mel" or "waveform".
        quantization: quantisation of the file.
    """
    kind = "int8" if quantization == "int8_qat" else quantization
    name = "tflite_bytes" if kind == "float32" else f"tflite_bytes_{kind}"
    return name if input_kind == "log_mel" else f"{name}_waveform"


def _check_arguments(subnet: Subnet, metrics: Sequence[str]) -> None:
    if not isinstance(subnet, Subnet):
        raise ValueError(
            "the costs are those of a Subnet, for example space.parse_subnet('largest'), received "
            f"{subnet!r}"
        )
    if isinstance(metrics, str) or any(name not in METRICS for name in metrics):
        raise ValueError(f"metrics is a list of names from {METRIC_NAMES}, received {metrics!r}")


def _cost(
    metric: str,
    subnet: Subnet,
    network: NetworkConfig,
    latency: LatencyTable | None,
    front_end: FrontEndConfig | None,
    npu: NpuTable | None,
) -> float:
    if metric in _FORMULAS:
        return _FORMULAS[metric](subnet, network)
    if metric in _WAVEFORM:
        if front_end is None:
            raise ValueError(f"{metric} depends on the front end: give front_end")
        return _FORMULAS[_WAVEFORM[metric]](subnet, network) + front_end_bytes(front_end)
    if metric in NPU_METRICS:
        if npu is None:
            raise missing_npu_table(metric)
        return npu.predict(metric, subnet, network)
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


_FORMULAS: dict[str, Callable[[Subnet, NetworkConfig], int]] = {
    "params": params,
    "macs": macs,
    "activation_bytes": activation_bytes,
    ARENA: arena_bytes,
    "tflite_bytes": tflite_bytes,
    "tflite_bytes_float16": partial(tflite_bytes, quantization="float16"),
    "tflite_bytes_dynamic": partial(tflite_bytes, quantization="dynamic"),
    "tflite_bytes_int8": partial(tflite_bytes, quantization="int8"),
}

# Files with waveform input exist in these quantisations only.
_WAVEFORM = {f"{name}_waveform": name for name in ("tflite_bytes", "tflite_bytes_int8")}

_OWN = (*_FORMULAS, *_WAVEFORM, LATENCY)

METRICS = (*_OWN, *NPU_METRICS)
"""The costs that a budget can bound; bytes are of files with log-mel input unless `_waveform`."""

METRIC_NAMES = (
    f"{', '.join(_OWN)}, ethos_u55_128_ms, ethos_u55_128_sram_bytes, ethos_u55_128_flash_bytes and "
    "the same of other NPUs"
)
"""Their names for messages, in which 33 of NPUs would be too many."""
