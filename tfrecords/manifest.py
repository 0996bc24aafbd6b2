"""What lies in a directory of records: written last, so that it vouches for every shard."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aec_ofa_tf.files import fingerprint, read_json, sha256_of, write_json

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1


class ManifestError(ValueError):
    """The manifest is absent or does not agree with the files; names both and the remedy."""


@dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
        name: file name within the data directory.
        split: the split that it belongs to.
        clips: number of records.
        bytes: file size.
        sha256: of the file's bytes, hexadecimal.
    """

    name: str
    split: str
    clips: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Rejected:
    """A clip that has no record: quarantined (undecodable) or missing.

    Attributes:
        id: the clip's id.
        split: the split that it would be in.
        file: the audio file as the source names it.
        reason: why it has no record.
    """

    id: str
    split: str
    file: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """The contents of a data directory.

    Attributes:
        configuration: front end, clip length, length policy, payload, dataset, seed and a
            fingerprint of the source: what the records depend on.
        labels: class names in the order of the classes.
        shards: every file of records, in stored order.
        clips_per_label: split -> label -> clips that carry it.
        quarantined: clips that could not be decoded.
        missing: clips without a file.
        silent: number of clips that are digital silence throughout.
        notes: clip id -> what was odd about it, though accepted.
        facts: what the source says of itself.
        clips_per_count: number of labels, as text -> clips of all splits that carry as many;
            empty where earlier versions wrote the records.
    """

    configuration: Mapping[str, Any]
    labels: tuple[str, ...]
    shards: tuple[Shard, ...]
    clips_per_label: Mapping[str, Mapping[str, int]]
    quarantined: tuple[Rejected, ...] = ()
    missing: tuple[Rejected, ...] = ()
    silent: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    clips_per_count: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def clips(self) -> dict[str, int]:
        """Split -> number of records, for the splits that have any."""
        counts: dict[str, int] = {}
        for shard in self.shards:
            counts[shard.split] = counts.get(shard.split, 0) + shard.clips
        return counts

    @cached_property
    def has_one_label_per_clip(self) -> bool:
        """Whether every clip has exactly one of two or more labels (`tasks.default_task`).

        Where there is no `clips_per_count`, every split having as many labels as clips decides.
        """
        if not self.clips or len(self.labels) < 2:
            return False
        if self.clips_per_count:
            return set(self.clips_per_count) == {"1"}
        return all(
            sum(self.clips_per_label.get(split, {}).values()) == clips
            for split, clips in self.clips.items()
        )

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the records: labels, order and bytes."""
        shards = [(shard.name, shard.sha256) for shard in self.shards]
        return fingerprint({"labels": self.labels, "shards": shards})

    def summary(self) -> dict[str, Any]:
        """What programs report of it: clips per split, and how many were left out or are odd."""
        return {
            "clips": self.clips,
            "quarantined": len(self.quarantined),
            "missing": len(self.missing),
            "silent": self.silent,
            "labels": len(self.labels),
        }

    def save(self, data_dir: Path) -> None:
        """Writes `manifest.json`; equal contents give equal bytes."""
        write_json(
            data_dir / MANIFEST_NAME, {"version": FORMAT_VERSION, **dataclasses.asdict(self)}
        )


def load_manifest(data_dir: Path) -> Manifest:
    """Reads `manifest.json`.

    Raises:
        ManifestError: it is absent, damaged or of another format version.
    """
    path = data_dir / MANIFEST_NAME
    if not path.is_file():
        raise ManifestError(
            f"{data_dir} holds no {MANIFEST_NAME}: nothing was prepared there, or preparing did "
            "not end; run python -m pipelines.prepare"
        )
    value = read_json(path)
    try:
        version = value.pop("version")
        if version != FORMAT_VERSION:
            raise ManifestError(
                f"{path} has format version {version}, this program reads {FORMAT_VERSION}; "
                "prepare the records again into another directory"
            )
        value["labels"] = tuple(value["labels"])
        value["shards"] = tuple(Shard(**shard) for shard in value["shards"])
        for name in ("quarantined", "missing"):
            value[name] = tuple(Rejected(**clip) for clip in value[name])
        return Manifest(**value)
    except (AttributeError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{path} is damaged ({error!r}); remove it and prepare again"
        ) from error


def damage(data_dir: Path, shard: Shard, read_all: bool) -> str | None:
    """What is wrong with a shard's file, or None.

    Args:
        data_dir: the data directory.
        shard: what the manifest says.
        read_all: also compare the SHA-256, which reads the whole file.
    """
    path = data_dir / shard.name
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != shard.bytes:
        return f"has {size} bytes, expected {shard.bytes}"
    if read_all and sha256_of(path) != shard.sha256:
        return "does not have the bytes that were written (SHA-256 differs)"
    return None
