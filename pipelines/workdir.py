"""The run directory: configuration, stages and their results, one writer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aec_ofa_tf.files import exclusive, fingerprint, read_json, write_json


@dataclass(frozen=True)
class Workdir:
    """One experiment on disk.

    Layout: `config.json`, `fingerprint`, `flags.txt`, `stages/NAME.json`, `checkpoints/NAME/`,
    `events/NAME/` (TensorBoard), `soft_labels/`, `search/`, `export/`.

    Attributes:
        path: the directory.
        writable: False for the workers of a cluster that leave writing to its chief.
    """

    path: Path
    writable: bool = True

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds the directory against other jobs, unless this one only reads.

        Raises:
            OSError: another job works here.
        """
        with exclusive(self.path) if self.writable else nullcontext():
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
        if not self.writable:
            raise ValueError(
                f"{path} is not there, which the cluster's first worker has written: all workers "
                "must share --workdir"
            )
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
        config = read_json(path)
        if not isinstance(config, dict) or {"space", "network", "labels"} - config.keys():
            raise ValueError(f"{path} is damaged: it describes no search space; restore it")
        return config

    def stage_result(
        self, name: str, settings: Mapping[str, Any], begun: bool = False
    ) -> dict[str, Any] | None:
        """The result of a stage that is done, or None after noting its settings.

        Args:
            name: of the stage.
            settings: what its outcome depends on.
            begun: whether there is work that other settings would spoil.

        Raises:
            ValueError: the stage was begun or finished with other settings.
        """
        record = self._stage_record(name)
        if record is not None and (begun or record["result"] is not None):
            self._compare(record["settings"], settings, f"stage {name} in {self.path} has run")
            return record["result"]
        self._write(name, settings, None)
        return None

    def finish_stage(
        self, name: str, result: Mapping[str, Any], settings: Mapping[str, Any] | None = None
    ) -> None:
        """Marks a stage as done, with `settings` where `stage_result` has not noted them."""
        if settings is None:
            settings = read_json(self._stage_path(name))["settings"]
        self._write(name, settings, result)

    def same_result(self, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result of a stage if it was finished with just these settings."""
        record = self._stage_record(name)
        same = record is not None and record["settings"] == _as_json(settings)
        return record["result"] if record is not None and same else None

    def require_stage(self, name: str) -> dict[str, Any]:
        """The record of a finished stage: its `settings` and `result`.

        Raises:
            ValueError: it is not done.
        """
        record = self._stage_record(name)
        if record is None or record["result"] is None:
            raise ValueError(
                f"stage {name} is not done in {self.path}: run `python -m pipelines.train` with "
                f"--stages={name} and the same flags first"
            )
        return record

    def search_result(self) -> dict[str, Any]:
        """What the search found: `budgets`, a row each, and the `largest` subnet.

        Raises:
            ValueError: nothing has been searched.
        """
        path = self.path / "search" / "result.json"
        if not path.exists():
            raise ValueError(
                f"there is no search result in {self.path}: run `python -m pipelines.search` or "
                "--stages=search first"
            )
        return read_json(path)

    def winners(self) -> dict[str, str]:
        """The subnet that the search found for every budget, by the budget's text.

        Raises:
            ValueError: nothing has been searched.
        """
        return {row["budget"]: row["subnet"] for row in self.search_result()["budgets"]}

    def _stage_record(self, name: str) -> dict[str, Any] | None:
        path = self._stage_path(name)
        if not path.exists():
            return None
        record = read_json(path)
        if not isinstance(record, dict) or {"settings", "result"} - record.keys():
            raise ValueError(
                f"{path} is damaged: it has no settings and result; restore or remove it"
            )
        return record

    def _stage_path(self, name: str) -> Path:
        return self.path / "stages" / f"{name}.json"

    def _write(
        self, name: str, settings: Mapping[str, Any], result: Mapping[str, Any] | None
    ) -> None:
        if self.writable:
            write_json(self._stage_path(name), {"settings": settings, "result": result})

    def _compare(self, old: Mapping[str, Any], new: Mapping[str, Any], what: str) -> None:
        new = _as_json(new)
        names = sorted(set(old) | set(new))
        differing = [name for name in names if old.get(name) != new.get(name)]
        if differing:
            details = "; ".join(f"{n} was {old.get(n)!r}, now {new.get(n)!r}" for n in differing)
            raise ValueError(f"{what}: {details}. Use another --workdir, or the same settings")


def _as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """The value as it comes back from disk, where tuples are lists."""
    return json.loads(json.dumps(value))
