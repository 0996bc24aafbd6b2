"""The run directory: configuration, stages and their results, one writer. No TensorFlow here."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import Config, ConfigError, check_fields, from_values
from aec_ofa_tf.files import JsonObject, fingerprint, naming_damage, read_json, write_json
from aec_ofa_tf.models.family import network_from_config, space_from_config
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.ownership import RUN, owned

SEARCH = "search"
"""The stage without a record in `stages`: its results are in a folder of this name."""

_HELD: set[tuple[Path, int]] = set()
"""Run directories that are locked, each with the thread of this process that holds the lock."""


@dataclass(frozen=True)
class StageRecord:
    """The record of a stage in a run directory.

    Attributes:
        settings: the settings that its outcome depends on, as JSON values.
        result: its result, as JSON values; None until the stage is finished.
    """

    settings: JsonObject
    result: JsonObject | None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Workdir:
    """One experiment on disk.

    Layout: `config.json`, `fingerprint`, `flags.txt`, `stages/NAME.json`, `checkpoints/NAME/`,
    `events/NAME/` (TensorBoard), `soft_labels/`, `search/`, `export/`, `report/`.

    Attributes:
        path: the directory.
        writable: False for the workers of a cluster, whose chief writes all files.
    """

    path: Path
    writable: bool = True

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Claims and locks the directory in the block, unless it is not writable.

        Blocks may be nested in one thread.

        Raises:
            ForeignFolderError: the directory holds files of somebody else.
            OSError: another job, or another thread, uses the directory.
        """
        place = self.path.resolve(), threading.get_ident()
        if place in _HELD or not self.writable:
            yield
            return
        with owned(self.path, RUN):
            _HELD.add(place)
            try:
                yield
            finally:
                _HELD.discard(place)

    def claim(self, config: Mapping[str, object]) -> None:
        """Writes the configuration, or compares it with the existing one.

        Raises:
            ValueError: the directory belongs to another search space, label set or front end.
        """
        path = self.path / "config.json"
        if path.exists():
            what = f"{self.path} belongs to another experiment"
            remedy = "Use another run directory, or the same settings"
            self._compare(self.config(), config, what, remedy)
            return
        if not self.writable:
            raise ValueError(
                f"{path} does not exist, although the cluster's first worker has written it: all "
                "workers must share the run directory"
            )
        write_json(path, config)
        (self.path / "fingerprint").write_text(fingerprint(config) + "\n", encoding="ascii")

    def config(self) -> JsonObject:
        """The configuration that `claim` wrote.

        Raises:
            ValueError: the directory is not an experiment.
        """
        path = self.path / "config.json"
        if not path.exists():
            raise ValueError(
                f"{self.path} contains no experiment (no config.json); "
                "give the run directory of a trained experiment"
            )
        config = read_json(path)
        if {"space", "network", "labels"} - config.keys():
            raise ValueError(f"{path} is damaged: it has no search space; restore it from a copy")
        return config

    def space_and_network(self) -> tuple[SearchSpace, NetworkConfig]:
        """Search space and network of the experiment.

        Raises:
            ValueError: the directory is not an experiment.
        """
        config = self.config()
        with self._naming_damage("config.json"):
            return space_from_config(config["space"]), network_from_config(config["network"])

    def front_end(self) -> FrontEndConfig:
        """The front end of the experiment.

        Raises:
            ValueError: the directory is not an experiment, or its front end is missing.
        """
        config = self.config()
        if "front_end" not in config:
            raise ValueError(f"{self.path / 'config.json'} is damaged: it has no front end")
        with self._naming_damage("config.json"):
            return FrontEndConfig.from_dict(config["front_end"])

    def begin_stage(
        self,
        name: str,
        settings: Mapping[str, object],
        begun: bool = False,
        owner: type | None = None,
    ) -> StageRecord | None:
        """Returns the record of a finished stage, or stores its settings and returns None.

        Args:
            name: name of the stage.
            settings: the settings that its outcome depends on.
            begun: whether there is unfinished work, which needs the same settings.
            owner: the configuration whose fields the settings are, for the error.

        Raises:
            ConfigError: the stage was begun or finished with other settings.
        """
        record = self._stage_record(name)
        if record is not None and (begun or record.result is not None):
            what = f"stage {name} in {self.path} has run"
            remedy = (
                "Use the same settings or another run directory, or remove the stage and what "
                f"depends on it: Experiment.reset({name!r})"
            )
            self._compare(record.settings, settings, what, remedy, owner)
            return record if record.result is not None else None
        self._write(name, StageRecord(settings, None))
        return None

    def finish_stage(
        self, name: str, result: Mapping[str, object], settings: Mapping[str, object] | None = None
    ) -> None:
        """Stores the result of a stage; `settings` is needed if `begin_stage` was not called."""
        if settings is None:
            settings = self.settings(name)
        self._write(name, StageRecord(settings, result))

    def same_stage(self, name: str, settings: Mapping[str, object]) -> JsonObject | None:
        """The result of a stage if it was finished with exactly these settings, else None."""
        record = self._stage_record(name)
        same = record is not None and record.settings == _as_json(settings)
        return record.result if record is not None and same else None

    def require_stage(self, name: str) -> StageRecord:
        """The record of a finished stage.

        Raises:
            ValueError: the stage is not finished.
        """
        record = self._stage_record(name)
        if record is None or record.result is None:
            raise ValueError(f"stage {name} is not done in {self.path}: run it first")
        return record

    def is_done(self, name: str) -> bool:
        """Whether a stage is finished."""
        return (record := self._stage_record(name)) is not None and record.result is not None

    @contextmanager
    def reading_stage(self, name: str) -> Iterator[JsonObject]:
        """The result of a finished stage as JSON values.

        Raises:
            ValueError: the stage is not finished, or its values cause an error in the block.
        """
        result = self.require_stage(name).result or {}
        with naming_damage(self._stage_path(name), "restore or remove it"):
            yield result

    def stage_config(self, name: str, kind: type[Config]) -> Config:
        """The configuration of a finished stage; fields that are no settings have their defaults.

        Raises:
            ValueError: the stage is not finished, or its settings are damaged.
        """
        settings = self.require_stage(name).settings
        with naming_damage(self._stage_path(name), "restore or remove it"):
            return from_values(kind, settings)

    def stages(self) -> list[str]:
        """Names of the stages that were begun, sorted; `search` if there is a search result."""
        found = {path.stem for path in (self.path / "stages").glob("*.json")}
        searched = {SEARCH} if self._search_path.exists() else set()
        return sorted(found | searched)

    def settings(self, name: str) -> JsonObject:
        """The settings of a stage that was begun, as JSON values; empty for others."""
        record = self._stage_record(name)
        return {} if record is None else record.settings

    @contextmanager
    def reading_search(self) -> Iterator[JsonObject]:
        """The search result as JSON values: `budgets`, a row each, and the `largest` subnet.

        Raises:
            ValueError: there is no search result, or its values cause an error in the block.
        """
        path = self._search_path
        if not path.exists():
            raise ValueError(f"there is no search result in {self.path}: search first")
        with naming_damage(path, "restore it from a copy, or remove it and search again"):
            yield read_json(path)

    def winners(self) -> dict[str, str]:
        """The subnet that the search found for every budget, by the budget's text.

        Raises:
            ValueError: there is no search result.
        """
        with self.reading_search() as result:
            winners = {row["budget"]: row["subnet"] for row in result["budgets"]}
            if not all(isinstance(text, str) for pair in winners.items() for text in pair):
                raise TypeError(f"budgets and subnets are texts, found {winners!r}")
            return winners

    def _stage_record(self, name: str) -> StageRecord | None:
        path = self._stage_path(name)
        if not path.exists():
            return None
        with naming_damage(path, "restore or remove it"):
            record = read_json(path)
            return StageRecord(record["settings"], record["result"])

    def _naming_damage(self, name: str) -> AbstractContextManager[None]:
        return naming_damage(self.path / name, "restore it from a copy")

    @property
    def _search_path(self) -> Path:
        return self.path / SEARCH / "result.json"

    def _stage_path(self, name: str) -> Path:
        return self.path / "stages" / f"{name}.json"

    def _write(self, name: str, record: StageRecord) -> None:
        if self.writable:
            write_json(
                self._stage_path(name), {"settings": record.settings, "result": record.result}
            )

    def _compare(
        self,
        old: Mapping[str, object],
        new: Mapping[str, object],
        what: str,
        remedy: str,
        owner: type | None = None,
    ) -> None:
        new = _as_json(new)
        names = sorted(set(old) | set(new))
        differing = [name for name in names if old.get(name) != new.get(name)]
        if differing:
            details = "; ".join(f"{n} was {old.get(n)!r}, now {new.get(n)!r}" for n in differing)
            raise ConfigError(
                f"{what}: {details}. {remedy}",
                *differing,
                owner=owner,
            )


def _as_json(value: Mapping[str, object]) -> dict[str, object]:
    """The value as it is read back from JSON, with lists instead of tuples."""
    return json.loads(json.dumps(value))
