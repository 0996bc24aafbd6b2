"""The latency of a subnet on a device, predicted from a table of measured layers.

`docs/latency_table.md` describes the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.rows import LayerRow
from aec_ofa_tf.models.space import Subnet

FORMAT = 1
_TOO_LONG_MS = 1e9
_NETWORK_SIZES = ("frames", "mel_bins", "classes")
"""The sizes of every network; families add others in `NetworkConfig.sizes`."""

_FACTS = {"device": str, "runtime": str, "threads": int, "quantization": str}
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
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise type(error)(
                f"cannot read the latency table {path}: {error.strerror}; {_REMEDY}"
            ) from error
        except (ValueError, RecursionError, OverflowError) as error:
            raise ValueError(f"{path} is not a latency table: {error}; {_REMEDY}") from error

    @classmethod
    def from_json(cls, content: object) -> LatencyTable:
        """The table from the values of `as_json`.

        Raises:
            ValueError: an entry is missing or invalid.
        """
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f'expected a JSON object with "format": {FORMAT}')
        facts = {name: _value(content, name, kind) for name, kind in _FACTS.items()}
        if facts["threads"] < 1:
            raise ValueError(f"threads is a positive number, found {facts['threads']}")
        network = _value(content, "network", dict)
        sizes = dict.fromkeys([*_NETWORK_SIZES, *network])
        rows = [_row(row) for row in _value(content, "layers", list)]
        if len(dict(rows)) < len(rows):
            raise ValueError("a layer occurs twice")
        known = {"format", "network", "layers", *_FACTS}
        return cls(
            **facts,
            network={name: _value(network, name, int) for name in sizes},
            layer_ms=dict(rows),
            extra={name: value for name, value in content.items() if name not in known},
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
            "layers": [
                {"kind": row.kind, **dict(row.sizes), "ms": ms} for row, ms in self.layer_ms.items()
            ],
            **self.extra,
        }

    def predict(self, subnet: Subnet, network: NetworkConfig) -> float:
        """Predicts the milliseconds of a subnet for one clip.

        Raises:
            ValueError: the table is of another network, or lacks a layer of the subnet.
        """
        self._check(network)
        try:
            return sum(self.layer_ms[row] for row in network.rows(subnet))
        except KeyError as error:
            raise ValueError(
                f"the latency table of {self.device!r} has no row for a {error.args[0]}, which "
                f"{subnet} needs: measure this search space with {_MEASURE}"
            ) from error

    def _check(self, network: NetworkConfig) -> None:
        for name, size in network.sizes.items():
            if self.network.get(name) != size:
                raise ValueError(
                    f"the latency table of {self.device!r} is of a network with {name} "
                    f"{self.network.get(name)}, this one has {size}: measure again with {_MEASURE}"
                )


def _row(row: object) -> tuple[LayerRow, float]:
    if not isinstance(row, dict):
        raise ValueError(f"a layer is an object with kind, sizes and ms, found {row!r}")
    kind = _value(row, "kind", str)
    names = [name for name in row if name not in ("kind", "ms")]
    sizes = {name: _value(row, name, (int, bool)) for name in names}
    milliseconds = _value(row, "ms", (int, float))
    counts = [size for size in sizes.values() if not isinstance(size, bool)]
    if not (0 < milliseconds < _TOO_LONG_MS and min(counts, default=1) > 0):
        raise ValueError(f"sizes and milliseconds are positive, found {row!r}")
    return LayerRow.make(kind, **sizes), float(milliseconds)


def _value(content: dict[str, object], name: str, kind: Any) -> Any:
    value = content.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind != (int, bool)):
        raise ValueError(f"{name!r} is missing or of another type, found {value!r}")
    return value
