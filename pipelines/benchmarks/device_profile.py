"""Measures the layers of a search space on this machine, and whole subnets to check the sums."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from absl import logging

from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.export.part_files import open_parts
from aec_ofa_tf.models.network import NetworkConfig, Part
from aec_ofa_tf.models.rows import LayerRow
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.reporting.machine import describe_machine
from aec_ofa_tf.search import algorithms
from aec_ofa_tf.tagging.interpreter import TFLiteModel, runtime_version
from pipelines.benchmarks.measuring import OtherLoad, median_seconds

_WARM_UP = 2


@dataclass(frozen=True)
class ProfileSettings:
    """Sizes and counts of a device profile.

    Attributes:
        space: the search space whose layers are measured.
        network: the static parts of the network.
        device: name of this machine in the table.
        quantization: "float32" or "int8".
        threads: threads of the interpreter.
        repetitions: measurements of every layer and subnet; their median is reported.
        check_subnets: number of random subnets to measure as a whole.
        seed: seed of the draw of these subnets.
    """

    space: SearchSpace
    network: NetworkConfig
    device: str
    quantization: str = "float32"
    threads: int = 1
    repetitions: int = 15
    check_subnets: int = 20
    seed: int = 0


def profile_device(settings: ProfileSettings) -> LatencyTable:
    """Measures every layer of the space, and whole subnets to compare with the sums.

    Layers and subnets take turns, so that changes in the machine's speed affect both alike.

    Returns:
        The table; `extra` contains `machine` and, if subnets were measured, `check` with
        `median_ape`, the median of |sum of layers - measured| / measured.

    Raises:
        RuntimeError: the converter failed, or no interpreter is installed.
    """
    parts = _parts(settings)
    logging.info("converting %d layers and subnets", len(parts))
    models = open_parts(
        list(parts.values()), settings.network, settings.quantization, settings.threads
    )
    load = OtherLoad()
    taken = _median_ms(models, settings.repetitions)
    share = load.share()
    times = dict(zip(parts, taken, strict=True))
    table = LatencyTable(
        device=settings.device,
        runtime=runtime_version(),
        threads=settings.threads,
        quantization=settings.quantization,
        network=settings.network.sizes,
        layer_ms={part: ms for part, ms in times.items() if isinstance(part, LayerRow)},
    )
    whole = {part: ms for part, ms in times.items() if isinstance(part, Subnet)}
    check = {"check": compare(table, settings.network, whole)} if whole else {}
    machine = {**describe_machine().as_dict(), "share_of_other_programs": share}
    extra = {"repetitions": settings.repetitions, "machine": machine, **check}
    return dataclasses.replace(table, extra=extra)


def compare(
    table: LatencyTable, network: NetworkConfig, measured_ms: dict[Subnet, float]
) -> dict[str, object]:
    """Compares predicted with measured latencies of subnets.

    Returns:
        `median_ape` and `max_ape`, the absolute relative errors, and `subnets`, a row per subnet.
    """
    predicted_ms = {spec: table.predict(spec, network) for spec in measured_ms}
    errors = [abs(predicted_ms[spec] - ms) / ms for spec, ms in measured_ms.items()]
    rows = [
        {"subnet": str(spec), "predicted_ms": predicted_ms[spec], "measured_ms": ms}
        for spec, ms in measured_ms.items()
    ]
    return {"median_ape": median(errors), "max_ape": max(errors), "subnets": rows}


def _parts(settings: ProfileSettings) -> dict[LayerRow | Subnet, Part | Subnet]:
    """Every distinct layer of the space by its row, and the random subnets by themselves."""
    subnets, activation = settings.space.subnets(), settings.network.get_task().activation
    needed = {
        part.row: part
        for subnet in subnets
        for part in settings.network.parts(subnet, activation)
        if part.row is not None
    }
    checked = (
        algorithms.random(subnets, settings.check_subnets, settings.seed).propose()
        if settings.check_subnets
        else []
    )
    parts: dict[LayerRow | Subnet, Part | Subnet] = {row: needed[row] for row in sorted(needed)}
    return parts | {subnet: subnet for subnet in checked}


def _median_ms(models: Sequence[TFLiteModel], repetitions: int) -> list[float]:
    candidates = {str(index): model.invoke for index, model in enumerate(models)}
    median_seconds(candidates, _WARM_UP)
    return [1e3 * seconds for seconds in median_seconds(candidates, repetitions).values()]
