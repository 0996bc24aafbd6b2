"""Evaluations on disk, with which an interrupted search is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from aec_ofa_tf.files import DAMAGE_ERRORS, JsonObject
from aec_ofa_tf.models.space import SearchSpace, Subnet

SubnetMetrics = JsonObject
"""A subnet's metrics on a split by name, among them the task's figure and, for the evaluation
split, its `interval`, a pair."""


class EvaluationStore:
    """Stores the metrics of every evaluated subnet, one JSON line each.

    Args:
        path: the file; damaged lines, and evaluations with another key or of another space, are
            ignored.
        key: identifies weights, data and settings of the evaluations.
        space: the space of the subnets.

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
        for line in self.path.read_bytes().splitlines():
            try:
                row = json.loads(line)
                if row["key"] == self.key:
                    yield self.space.parse_subnet(row["subnet"]), {**row["metrics"]}
            except DAMAGE_ERRORS:  # a kill can truncate the last line
                continue

    def add(self, subnet: Subnet, metrics: SubnetMetrics) -> None:
        """Appends one evaluation to the file."""
        self.known[subnet] = metrics
        self.path.parent.mkdir(parents=True, exist_ok=True)
        row = {"key": self.key, "subnet": str(subnet), "metrics": metrics}
        with self.path.open("a", encoding="utf-8") as file:
            # The leading newline ends a line that a kill truncated.
            file.write("\n" + json.dumps(row))
