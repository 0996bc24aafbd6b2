"""The clips of an unfinished preparation in stored order, in a file that workers read by ranges.

Beam's elements are ranges of this file, so neither the pipeline nor its workers hold the data set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

from aec_ofa_tf.files import DAMAGE_ERRORS, JsonObject, replacing
from tfrecords.clip import Clip

TABLE_NAME = "unfinished.jsonl"
"""Name of the file in the data directory; it is removed when the manifest is written."""


@dataclass(frozen=True)
class ClipRange:
    """Consecutive clips of a table.

    Attributes:
        table: the file.
        offset: position of the first clip's line.
        bytes: length of the clips' lines.
        count: number of clips.
    """

    table: Path
    offset: int
    bytes: int
    count: int

    def labels(self) -> tuple[str, ...]:
        """The label set, in the order of the classes."""
        with self.table.open("rb") as file:
            return tuple(json.loads(file.readline())["labels"])

    def clips(self) -> Iterator[Clip]:
        """Reads the clips of this range one by one: a shard may have many."""
        with self.table.open("rb") as file:
            file.seek(self.offset)
            for line in islice(file, self.count):
                yield _clip(json.loads(line))


def write_table(
    path: Path,
    labels: Iterable[str],
    shards: Mapping[str, int],
    groups: Iterable[Sequence[Clip]],
) -> list[ClipRange]:
    """Writes a line of facts and a line per clip.

    Args:
        path: the file.
        labels: the label set.
        shards: split -> number of shards, from which the names of the shards follow.
        groups: the clips of every shard.

    Returns:
        The range of every shard.
    """
    ranges = []
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(_line({"labels": list(labels), "shards": dict(shards)}))
        for group in groups:
            first = file.tell()
            file.writelines(_line(_row(clip)) for clip in group)
            ranges.append(ClipRange(path, first, file.tell() - first, len(group)))
    return ranges


def planned_shards(path: Path) -> dict[str, int]:
    """Split -> number of shards that a table's preparation writes; empty without a table."""
    try:
        with path.open("rb") as file:
            shards = json.loads(file.readline())["shards"]
        return {str(split): int(count) for split, count in shards.items()}
    except (OSError, *DAMAGE_ERRORS):
        return {}


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _row(clip: Clip) -> dict[str, object]:
    return {item.name: getattr(clip, item.name) for item in fields(clip)}


def _clip(row: JsonObject) -> Clip:
    return Clip(**{**row, "labels": tuple(row["labels"])})
