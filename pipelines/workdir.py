"""The run directory: configuration, stages and their results, one writer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrecords.files import exclusive, fingerprint, read_json, write_json


@dataclass(frozen=True)
class Workdir:
    """One experiment on disk.

    Layout: `config.json`, `fingerprint`, `flags.txt`, `stages/NAME.json`, `checkpoints/NAME/`,
    `events/NAME/` (TensorBoard), `soft_labels/`, `search/`, `export/`.

    Attributes:
        path: the directory.
    """

    path: Path

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds the directory against other jobs.

        Raises:
            OSError: another job works here.
        """
        with exclusive(self.path):
            yield

    def claim(self, config: Mapping[str, Any]) -> None:
        """Writes the configuration, or compares it with the one that stands.

        Raises:
            ValueError: the directory belongs to another search space, label set or front end.
        """
        path = self.path / "config.json"
        if path.exists():
            self._compare(read_json(path), config, f"{self.path} belongs to another experiment")
            return
        write_json(path, config)
        (self.path / "fingerprint").write_text(fingerprint(config) + "\n", encoding="ascii")

    def config(self) -> dict[str, Any]:
        """The configuration that `claim` wrote.

        Raises:
            ValueError: the directory is not an experiment.
        """
        path = self.path / "config.json"
        if not path.exists():
            raise ValueError(
                f"{self.path} holds no experiment (no config.json); "
                "point --workdir at the directory of a finished `python -m pipelines.train`"
            )
        return read_json(path)

    def stage_result(self, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result of a stage that is done, or None after noting that it has begun.

        Raises:
            ValueError: the stage was begun with other settings.
        """
        path = self._stage_path(name)
        if not path.exists():
            write_json(path, {"settings": settings, "result": None})
            return None
        record = read_json(path)
        self._compare(record["settings"], settings, f"stage {name} in {self.path} has run before")
        return record["result"]

    def finish_stage(self, name: str, result: Mapping[str, Any]) -> None:
        """Marks a stage as done."""
        record = read_json(self._stage_path(name))
        write_json(self._stage_path(name), {**record, "result": result})

    def require_stage(self, name: str) -> dict[str, Any]:
        """The record of a finished stage: its `settings` and `result`.

        Raises:
            ValueError: it is not done.
        """
        path = self._stage_path(name)
        record = read_json(path) if path.exists() else {"result": None}
        if record["result"] is None:
            raise ValueError(
                f"stage {name} is not done in {self.path}: run `python -m pipelines.train` with "
                f"--stages={name} and the same flags first"
            )
        return record

    def _stage_path(self, name: str) -> Path:
        return self.path / "stages" / f"{name}.json"

    def _compare(self, old: Mapping[str, Any], new: Mapping[str, Any], what: str) -> None:
        new = json.loads(json.dumps(new))  # tuples are lists in what stands on disk
        names = sorted(set(old) | set(new))
        differing = [name for name in names if old.get(name) != new.get(name)]
        if differing:
            details = "; ".join(f"{n} was {old.get(n)!r}, now {new.get(n)!r}" for n in differing)
            raise ValueError(f"{what}: {details}. Use another --workdir, or the same settings")
