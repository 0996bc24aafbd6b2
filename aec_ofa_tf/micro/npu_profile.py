"""Compiles the layers of a search space by Vela, for budgets on NPUs."""

from __future__ import annotations

import csv
import dataclasses
import logging
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from aec_ofa_tf.costs.npu import NpuTable, check_accelerators, npu_metrics
from aec_ofa_tf.export.child import CONVERTER, run_jobs, write_jobs
from aec_ofa_tf.export.part_files import write_job
from aec_ofa_tf.micro import vela_runner
from aec_ofa_tf.micro.targets import require_vela
from aec_ofa_tf.micro.vela import read_figures, refuse_operators_of_the_cpu
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.network import NetworkConfig, Part
from aec_ofa_tf.models.rows import LayerRow
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.pinned_keras import keras

_log = logging.getLogger(__name__)
_MS_PER_SEC = 1000
_POOL = 1
"""The number of operators of a pool."""


class _Operator(NamedTuple):
    """Vela's figures of an operator: cycles, and bytes of SRAM in use meanwhile."""

    cycles: float
    sram_bytes: int


class _Compiled(NamedTuple):
    """Vela's figures of a file.

    Attributes:
        ms: duration of an inference in milliseconds.
        sram_bytes: SRAM of the whole file.
        flash_bytes: flash.
        clock_hz: clock of the NPU.
        operators: figures of every operator, in order.
    """

    ms: float
    sram_bytes: int
    flash_bytes: int
    clock_hz: float
    operators: tuple[_Operator, ...]


def profile_npus(
    space: SearchSpace,
    network: NetworkConfig,
    accelerators: Sequence[str],
    check_subnets: int = 20,
    seed: int = 0,
) -> NpuTable:
    """Compiles every layer of a space for NPUs, and whole subnets to compare with the sums.

    Every layer is compiled between two neighbours, whose figures do not count: alone, it would
    read and write tensors in the layout of the network's ends, which takes longer and is smaller.
    Weights are random. Trained ones are compressed better or worse.

    Args:
        space: the search space.
        network: the static parts of the network.
        accelerators: names from `costs.npu.ACCELERATORS`.
        check_subnets: number of random subnets to compile as a whole.
        seed: seed of the draw of these subnets.

    Returns:
        The table; with `check_subnets`, `extra` contains `check`, the values of `compare`.

    Raises:
        ConfigError: an accelerator is unknown, or Vela is not installed.
        RuntimeError: the converter or Vela failed, or Vela leaves an operator to the CPU.

    Example:
        >>> table = ofa.profile_npus(space, network, ["ethos-u55-128"])  # doctest: +SKIP
        >>> table.save("npu.json")  # doctest: +SKIP
        >>> config = ofa.SearchConfig(["ethos_u55_128_ms<=5"], npu_table="npu.json")
    """
    _check_arguments(accelerators)
    found = network.all_parts(space, network.get_task().activation)
    parts = {part.row: part for part in found if part.row is not None}
    models = [_between_neighbours(part, network) for part in parts.values()]
    layers: dict[LayerRow, dict[str, float]] = {row: {} for row in parts}
    for accelerator, files in _compile(models, network, accelerators).items():
        scaling = len(files[0].operators) - _POOL  # operators of the input's scaling
        for (row, part), file in zip(parts.items(), files, strict=True):
            before = 0 if part.is_first else scaling if part.shape == network.image else _POOL
            layers[row] |= _named(accelerator, _own_figures(file, before, part.is_last))
    runtime = f"ethos-u-vela {version('ethos-u-vela')}"
    table = NpuTable(runtime, tuple(accelerators), network.sizes, layers)
    if not check_subnets:
        return table
    whole = compiled_costs(network, _drawn(space, check_subnets, seed), accelerators)
    return dataclasses.replace(table, extra={"check": compare(table, network, whole)})


def compiled_costs(
    network: NetworkConfig, subnets: Sequence[Subnet], accelerators: Sequence[str]
) -> dict[Subnet, dict[str, float]]:
    """Vela's figures of whole subnets with random weights.

    Args:
        network: the static parts of the network.
        subnets: the subnets.
        accelerators: names from `costs.npu.ACCELERATORS`.

    Returns:
        The costs on all accelerators by subnet, as in `NpuTable.layers`.

    Raises:
        ConfigError: an accelerator is unknown, or Vela is not installed.
        RuntimeError: the converter or Vela failed, or Vela leaves an operator to the CPU.
    """
    _check_arguments(accelerators)
    models = [build_plain(subnet, network) for subnet in subnets]
    costs: dict[Subnet, dict[str, float]] = {subnet: {} for subnet in subnets}
    for accelerator, files in _compile(models, network, accelerators).items():
        for subnet, file in zip(subnets, files, strict=True):
            figures = file.ms, file.sram_bytes, file.flash_bytes
            costs[subnet] |= _named(accelerator, figures)
    return costs


def compare(
    table: NpuTable, network: NetworkConfig, whole: Mapping[Subnet, Mapping[str, float]]
) -> dict[str, object]:
    """Compares a table with whole subnets.

    Args:
        table: the table.
        network: the static parts of the network.
        whole: the costs of whole subnets, of `compiled_costs`.

    Returns:
        `costs`, by cost the `median_ape` and `max_ape`, the absolute relative errors, and the
        `least` and `greatest` of table / whole - 1; and `subnets`, a row per subnet with what Vela
        gives for the whole. A cost that is always 0 is left out.
    """
    costs: dict[str, dict[str, float]] = {}
    for metric in table.metrics:
        pairs = [(table.predict(metric, s, network), each[metric]) for s, each in whole.items()]
        errors = [predicted / value - 1 for predicted, value in pairs if value]
        if errors:
            absolute = sorted(map(abs, errors))
            costs[metric] = {
                "median_ape": median(absolute),
                "max_ape": absolute[-1],
                "least": min(errors),
                "greatest": max(errors),
            }
    return {"costs": costs, "subnets": [{"subnet": str(s), **each} for s, each in whole.items()]}


def _check_arguments(accelerators: Sequence[str]) -> None:
    check_accelerators(accelerators)
    require_vela()


def _drawn(space: SearchSpace, count: int, seed: int) -> list[Subnet]:
    count = min(count, space.size)
    indices = np.random.default_rng(seed).choice(space.size, count, replace=False)
    return [space.subnet_at(index) for index in sorted(indices.tolist())]


def _between_neighbours(part: Part, network: NetworkConfig) -> keras.Model:
    """A layer after the input's scaling or a pool, and before a pool.

    A pool keeps the shape and has no weights. The tensor of one channel between the scaling and
    the first unit has a layout of its own.
    """
    if part.is_first:
        inputs = x = keras.Input(part.shape)
    elif part.shape == network.image:
        scaling = network.first_part()
        inputs = keras.Input(scaling.shape)
        x = scaling.plain(inputs)
    else:
        inputs = keras.Input(part.shape)
        x = _pool("before")(inputs)
    x = part.plain(x)
    return keras.Model(inputs, x if part.is_last else _pool("after")(x))


def _pool(name: str) -> keras.layers.Layer:
    return keras.layers.MaxPooling2D(2, 1, padding="same", name=f"neighbour_{name}")


def _own_figures(file: _Compiled, before: int, is_last: bool) -> tuple[float, int, int]:
    """Milliseconds, SRAM and flash of a layer between neighbours.

    Args:
        file: the compiled file.
        before: the number of operators before the layer.
        is_last: whether no neighbour follows it.
    """
    own = file.operators[before : None if is_last else -_POOL]
    cycles = sum(operator.cycles for operator in own)
    sram = max((operator.sram_bytes for operator in own), default=0)
    return _MS_PER_SEC * cycles / file.clock_hz, sram, file.flash_bytes


def _named(accelerator: str, figures: tuple[float, int, int]) -> dict[str, float]:
    return dict(zip(npu_metrics(accelerator), figures, strict=True))


def _compile(
    models: Sequence[keras.Model], network: NetworkConfig, accelerators: Sequence[str]
) -> dict[str, list[_Compiled]]:
    """Vela's figures of models with random weights, by accelerator in the order of the models."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [
            write_job(model, network, "int8", (False, False), index, folder)
            for index, model in enumerate(models)
        ]
        _log.info("converting %d layers or subnets to int8", len(jobs))
        write_jobs(jobs, folder)
        run_jobs(["-m", CONVERTER], folder, "converting to int8", len(jobs))
        stems = [f"{index:06}" for index in range(len(jobs))]
        for job, stem in zip(jobs, stems, strict=True):
            (folder / job.output).rename(folder / f"{stem}.tflite")
        arguments = ["-m", vela_runner.MODULE, *accelerators]
        run_jobs(arguments, folder, "compiling with Vela", len(jobs) * len(accelerators))
        return {
            accelerator: [_read(folder / accelerator / stem, accelerator) for stem in stems]
            for accelerator in accelerators
        }


def _read(folder: Path, accelerator: str) -> _Compiled:
    (compiled,) = folder.glob("*_vela.tflite")
    refuse_operators_of_the_cpu(compiled.read_bytes(), accelerator)
    (summary,) = folder.glob("*_summary_*.csv")
    (operators,) = folder.glob("*_per-layer.csv")
    figures = read_figures(summary)
    with operators.open(encoding="utf-8", newline="") as file:
        rows = [
            _Operator(float(row["Op Cycles"]), round(float(row["Staging Usage"])))
            for row in csv.DictReader(file)
        ]
    sizes = figures.ms, figures.sram_bytes, figures.flash_bytes
    return _Compiled(*sizes, figures.clock_hz, tuple(rows))
