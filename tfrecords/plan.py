"""The plan of a preparation: which clips each shard holds, and which files may be removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aec_ofa_tf.files import DAMAGE_ERRORS, fingerprint, read_json, remove_partial
from tfrecords.clip import SPLITS, TRAIN, Clip, Source, stable_hash
from tfrecords.clip_table import TABLE_NAME, planned_shards, write_table
from tfrecords.manifest import MANIFEST_NAME
from tfrecords.prepare_config import CONFIGURATION_NAME, PrepareConfig
from tfrecords.rejections import REPORT_NAME
from tfrecords.shard_writer import ShardJob, report_path

SHARD_BYTES = 128 * 2**20
"""Bytes of a full shard by default."""

# Shards are the unit of parallel work and of resuming, so that small data sets get several.
_LEAST_SHARDS = 16
_LEAST_CLIPS = 16

_SHARD_NAME = re.compile(r"[a-z]+-\d{5,}-of-\d{5,}\.tfrecord")


def clips_per_shard(source: Source, config: PrepareConfig, data_dir: Path) -> int:
    """Clips of a full shard.

    The configuration decides, or else the records that the directory has. Otherwise a shard has
    about `SHARD_BYTES`, but the training split of a small data set is cut into 16 shards, of at
    least 16 clips.
    """
    if config.clips_per_shard is not None:
        return config.clips_per_shard
    path = data_dir / CONFIGURATION_NAME
    found = read_json(path).get("clips_per_shard") if path.is_file() else None
    if isinstance(found, int) and found > 0:
        return found
    large = max(1, SHARD_BYTES // config.clip_bytes.likely)
    small = -(-len(source.split(TRAIN)) // _LEAST_SHARDS)
    return min(large, max(small, _LEAST_CLIPS))


def plan_shards(source: Source, config: PrepareConfig, data_dir: Path) -> list[ShardJob]:
    """Writes the table of clips and returns the job of every shard.

    Files of an earlier, unfinished preparation that are not part of the plan are removed.

    Args:
        source: labelled clips.
        config: how they are stored; `clips_per_shard` is given.
        data_dir: directory of the records, which must be locked.
    """
    size = config.clips_per_shard or _LEAST_CLIPS
    counts = _shards(source, size)
    names = list(_names(counts))
    _remove_strays(data_dir, names)
    ranges = write_table(data_dir / TABLE_NAME, source.labels, counts, _groups(source, size))
    key = fingerprint(config.shard_key())
    form, check = config.clip_format, config.source_check
    return [
        ShardJob(data_dir / name, name.partition("-")[0], clips, form, key, check)
        for name, clips in zip(names, ranges, strict=True)
    ]


def shard_clips(
    source: Source, config: PrepareConfig, data_dir: Path
) -> Iterator[tuple[Path, Sequence[Clip]]]:
    """Path and clips of every shard of a plan; nothing is written.

    Args:
        source: labelled clips.
        config: how they are stored; `clips_per_shard` is given.
        data_dir: directory of the records.
    """
    size = config.clips_per_shard or _LEAST_CLIPS
    names = _names(_shards(source, size))
    for name, clips in zip(names, _groups(source, size), strict=True):
        yield data_dir / name, clips


def _shards(source: Source, size: int) -> dict[str, int]:
    """Split -> number of shards of so many clips."""
    return {split: -(-len(source.split(split)) // size) for split in SPLITS}


def _groups(source: Source, size: int) -> Iterator[Sequence[Clip]]:
    """The clips of every shard, in the order of a hash of their ids."""
    for split in SPLITS:
        clips = sorted(source.split(split), key=lambda clip: stable_hash(clip.id))
        for start in range(0, len(clips), size):
            yield clips[start : start + size]


def _names(shards: Mapping[str, int]) -> Iterator[str]:
    """The names of all shards, from split -> number of shards."""
    for split, count in shards.items():
        yield from (f"{split}-{index:05d}-of-{count:05d}.tfrecord" for index in range(count))


def _remove_strays(data_dir: Path, names: Iterable[str]) -> None:
    """Removes what killed jobs and an unfinished preparation of another source have left.

    Only files that a plan, a manifest or a shard's report of ours names are removed.
    """
    planned = set(names)
    earlier = _earlier_shards(data_dir)
    for name in earlier - planned:
        for path in (data_dir / name, report_path(data_dir / name)):
            path.unlink(missing_ok=True)
    shards = planned | earlier
    reports = {report_path(Path(name)).name for name in shards}
    others = {MANIFEST_NAME, CONFIGURATION_NAME, REPORT_NAME, TABLE_NAME}
    remove_partial(data_dir, shards | reports | others)


def _earlier_shards(data_dir: Path) -> set[str]:
    """Names of the shards that earlier preparations planned, listed or reported."""
    counts = planned_shards(data_dir / TABLE_NAME)
    names = set(_names(counts))
    if not counts:  # of a version without a table
        names = {name for path in data_dir.glob("*-of-*.json") if (name := _reported(path))}
    if (data_dir / MANIFEST_NAME).is_file():
        names |= {shard["name"] for shard in read_json(data_dir / MANIFEST_NAME)["shards"]}
    return {name for name in names if _SHARD_NAME.fullmatch(name)}


def _reported(path: Path) -> str | None:
    """The shard that a file describes, if the file is a report of ours."""
    try:
        value: Any = read_json(path)
        name = value["shard"]["name"] if "job" in value else None
    except (OSError, *DAMAGE_ERRORS):
        return None
    return name if name == path.with_suffix(".tfrecord").name else None
