"""The costs of a subnet on Arm's Ethos-U NPUs, predicted from a table of layers that Vela compiled.

`docs/microcontrollers.md` describes the file. No TensorFlow here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.tables import (
    FORMAT,
    check_network,
    checked_content,
    layers_as_json,
    layers_of,
    network_sizes,
    read_table,
    value_of,
)
from aec_ofa_tf.files import JsonObject, write_json
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.rows import LayerRow
from aec_ofa_tf.models.space import Subnet

ACCELERATORS = (
    *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)
"""The NPUs that Vela compiles for, by its names; the number is of multiply-adds per cycle."""

_COMMAND = "`python -m pipelines.profile_device --target={} --out=FILE`"
_WRITE = f"write it with {_COMMAND}"
_MEASURE = (
    "`python -m pipelines.profile_device --workdir=RUN --target={} --out=FILE`, RUN its run "
    "directory"
)

MS, SRAM, FLASH = FIGURES = ("ms", "sram_bytes", "flash_bytes")
"""What is known of a file on an NPU: duration of an inference, SRAM, and flash."""


def npu_metrics(accelerator: str) -> tuple[str, ...]:
    """The names of the costs on an NPU: `ethos_u55_128_ms` and so on."""
    return tuple(f"{accelerator.replace('-', '_')}_{figure}" for figure in FIGURES)


NPU_METRICS = {
    name: accelerator for accelerator in ACCELERATORS for name in npu_metrics(accelerator)
}
"""The accelerator of every cost on an NPU, by the cost's name."""


@dataclass(frozen=True)
class NpuTable:
    """Vela's figures of single layers on NPUs, each compiled between neighbours.

    The time of a subnet is the sum of its layers' times, and so is its flash; its SRAM is the
    greatest of its layers'.

    Attributes:
        runtime: the compiler and its version.
        accelerators: names from `ACCELERATORS`.
        network: `NetworkConfig.sizes` of the network to which the layers belong.
        layers: the costs on all accelerators by layer: by name from `npu_metrics`, times in
            milliseconds, memory in bytes.
        extra: other entries of the file, such as the comparison with whole subnets.

    Example:
        >>> table = ofa.NpuTable("ethos-u-vela 5.2.0", ["ethos-u55-128"], network.sizes, {})
        >>> table.metrics
        ('ethos_u55_128_ms', 'ethos_u55_128_sram_bytes', 'ethos_u55_128_flash_bytes')
    """

    runtime: str
    accelerators: Sequence[str]
    network: Mapping[str, int]
    layers: Mapping[LayerRow, Mapping[str, float]]
    extra: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_accelerators(self.accelerators)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NpuTable:
        """Reads a table.

        Raises:
            ValueError: the file is damaged or not a table.
            OSError: the file cannot be read.
        """
        return read_table(path, cls.from_json, "an NPU table", _WRITE.format(ACCELERATORS[2]))

    @classmethod
    def from_json(cls, content: object) -> NpuTable:
        """The table from the values of `as_json`.

        Raises:
            ValueError: an entry is missing or invalid.
        """
        found = checked_content(content)
        accelerators = value_of(found, "accelerators", list)
        check_accelerators(accelerators)
        names = [name for each in accelerators for name in npu_metrics(each)]
        known = {"format", "runtime", "accelerators", "network", "layers"}
        return cls(
            runtime=value_of(found, "runtime", str),
            accelerators=tuple(accelerators),
            network=network_sizes(found),
            layers=layers_of(found, names),
            extra={name: value for name, value in found.items() if name not in known},
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the costs that it predicts."""
        return tuple(name for each in self.accelerators for name in npu_metrics(each))

    def as_json(self) -> dict[str, object]:
        """The file's content."""
        return {
            "format": FORMAT,
            "runtime": self.runtime,
            "accelerators": list(self.accelerators),
            "network": dict(self.network),
            "layers": layers_as_json(self.layers),
            **self.extra,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file."""
        write_json(Path(path), self.as_json())

    def predict(self, metric: str, subnet: Subnet, network: NetworkConfig) -> float:
        """Predicts a cost of the int8 file with log-mel input and int8 ends.

        Args:
            metric: the name of the cost, from `NPU_METRICS`.
            subnet: the subnet.
            network: the static parts of the network.

        Returns:
            Milliseconds for one clip, or bytes.

        Raises:
            ValueError: the table is of another network, or lacks the accelerator or a layer.
        """
        accelerator = NPU_METRICS[metric]
        remedy = _MEASURE.format(accelerator)
        if accelerator not in self.accelerators:
            raise ConfigError(
                f"the npu_table is of {', '.join(self.accelerators)}, and {metric} is a cost on "
                f"another: write one with {remedy}",
                "npu_table",
            )
        check_network(self.network, network, "the NPU table", remedy)
        try:
            found = [self.layers[row][metric] for row in network.rows(subnet)]
        except KeyError as error:
            raise ValueError(
                f"the NPU table has no row for a {error.args[0]}, which {subnet} needs: measure "
                f"this search space with {remedy}"
            ) from error
        return max(found) if metric.endswith(SRAM) else sum(found)


def check_accelerators(names: Sequence[str]) -> None:
    """Checks that names are those of NPUs.

    Raises:
        ConfigError: there is none, one is unknown, or one is given twice.
    """
    unknown = [name for name in names if name not in ACCELERATORS]
    if unknown or not names or len(set(names)) < len(names):
        raise ConfigError(
            f"accelerators are some of {', '.join(ACCELERATORS)}, each once, received "
            f"{', '.join(map(str, names)) or 'none'}",
            "accelerators",
        )


def missing_npu_table(metric: str) -> ConfigError:
    """The error of a request for a cost on an NPU without a table."""
    return ConfigError(
        f"{metric} is predicted from layers that Vela compiled: give their npu_table, a file that "
        f"{_COMMAND.format(NPU_METRICS[metric])} writes",
        "npu_table",
    )
