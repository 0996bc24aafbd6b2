"""Evaluations on disk, so that a search that was killed goes on where it stood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aec_ofa_tf.models.space import SearchSpace, Subnet

SubnetMetrics = dict[str, Any]
"""A subnet's metrics by name, that of the task among them, JSON-serialisable."""


class EvaluationStore:
    """Remembers the metrics of every subnet that was evaluated, one JSON line each.

    Args:
        path: the file; evaluations under another key or of another space, and damaged lines, are
            ignored.
        key: identifies weights, data and settings that the evaluations hold for.
        space: of the subnets that are evaluated.

    Attributes:
        known: metrics by subnet.
    """

    def __init__(self, path: Path, key: str, space: SearchSpace) -> None:
        self.path = path
        self.key = key
        self.space = space
        self.known: dict[Subnet, SubnetMetrics] = dict(self._read())

    def _read(self) -> Iterator[tuple[Subnet, SubnetMetrics]]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
                if row["key"] == self.key:
                    yield self.space.parse_subnet(row["subnet"]), {**row["metrics"]}
            except (ValueError, TypeError, KeyError):  # a kill can cut the last line short
                continue

    def add(self, subnet: Subnet, metrics: SubnetMetrics) -> None:
        """Writes down one evaluation."""
        self.known[subnet] = metrics
        self.path.parent.mkdir(parents=True, exist_ok=True)
        row = {"key": self.key, "subnet": str(subnet), "metrics": metrics}
        with self.path.open("a", encoding="utf-8") as file:
            # The leading newline ends a line that a kill cut short.
            file.write("\n" + json.dumps(row))
