"""Evaluations on disk, so that a search that was killed goes on where it stood."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aec_ofa_tf.spec import SubnetSpec

Evaluate = Callable[[SubnetSpec], dict[str, Any]]
"""From a subnet to its metrics by name, `mAP` among them, JSON-serialisable."""


class EvaluationStore:
    """Remembers the metrics of every subnet that was evaluated, one JSON line each.

    Args:
        path: the file; evaluations under another key are ignored.
        key: identifies weights, data and settings that the evaluations hold for.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key
        self._known = dict(self._read())

    def _read(self) -> list[tuple[SubnetSpec, dict[str, Any]]]:
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # a kill can cut the last line short
                continue
            if row["key"] == self.key:
                found.append((SubnetSpec.parse(row["subnet"]), row["metrics"]))
        return found

    def remembered(self, evaluate: Evaluate) -> Evaluate:
        """`evaluate`, but each subnet only once."""

        def look_up(spec: SubnetSpec) -> dict[str, Any]:
            if spec not in self._known:
                self._known[spec] = evaluate(spec)
                self._append(spec)
            return self._known[spec]

        return look_up

    def _append(self, spec: SubnetSpec) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        row = {"key": self.key, "subnet": str(spec), "metrics": self._known[spec]}
        with self.path.open("a", encoding="utf-8") as file:
            # The leading newline ends a line that a kill cut short.
            file.write("\n" + json.dumps(row))
