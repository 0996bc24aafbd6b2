"""The latency of a subnet on a device, predicted from a table of measured layers.

`docs/latency_table.md` describes the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

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
from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.rows import LayerRow
from aec_ofa_tf.models.space import Subnet

_FACTS = {"device": str, "runtime": str, "threads": int, "quantization": str}
_MS = "ms"
_MEASURE = "`python -m pipelines.profile_device --workdir=RUN --out=FILE`, RUN its run directory"
_REMEDY = (
    "write it with `python -m pipelines.profile_device --out=FILE`, or as docs/latency_table.md "
    "describes"
)


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of single layers on a device; a subnet's latency is their sum.

    Attributes:
        device: the device that was measured.
        runtime: the interpreter and its version.
        threads: threads of the interpreter.
        quantization: quantisation of the measured files.
        network: `NetworkConfig.sizes` of the network to which the layers belong.
        layer_ms: median milliseconds for one clip by layer.
        extra: other entries of the file, such as the comparison with whole models.
    """

    device: str
    runtime: str
    threads: int
    quantization: str
    network: Mapping[str, int]
    layer_ms: Mapping[LayerRow, float]
    extra: JsonObject = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Reads a table.

        Raises:
            ValueError: the file is damaged or not a table.
            OSError: the file cannot be read.
        """
        return read_table(path, cls.from_json, "a latency table", _REMEDY)

    @classmethod
    def from_json(cls, content: object) -> LatencyTable:
        """The table from the values of `as_json`.

        Raises:
            ValueError: an entry is missing or invalid.
        """
        found = checked_content(content)
        facts = {name: value_of(found, name, kind) for name, kind in _FACTS.items()}
        if facts["threads"] < 1:
            raise ValueError(f"threads is a positive number, found {facts['threads']}")
        known = {"format", "network", "layers", *_FACTS}
        return cls(
            **facts,
            network=network_sizes(found),
            layer_ms={row: float(each[_MS]) for row, each in layers_of(found, (_MS,)).items()},
            extra={name: value for name, value in found.items() if name not in known},
        )

    @property
    def facts(self) -> dict[str, object]:
        """Device, runtime, threads and quantisation, by name."""
        return {name: getattr(self, name) for name in _FACTS}

    def as_json(self) -> dict[str, object]:
        """The file's content."""
        return {
            "format": FORMAT,
            **self.facts,
            "network": dict(self.network),
            "layers": layers_as_json({row: {_MS: ms} for row, ms in self.layer_ms.items()}),
            **self.extra,
        }

    def predict(self, subnet: Subnet, network: NetworkConfig) -> float:
        """Predicts the milliseconds of a subnet for one clip.

        Raises:
            ValueError: the table is of another network, or lacks a layer of the subnet.
        """
        check_network(self.network, network, f"the latency table of {self.device!r}", _MEASURE)
        try:
            return sum(self.layer_ms[row] for row in network.rows(subnet))
        except KeyError as error:
            raise ValueError(
                f"the latency table of {self.device!r} has no row for a {error.args[0]}, which "
                f"{subnet} needs: measure this search space with {_MEASURE}"
            ) from error
