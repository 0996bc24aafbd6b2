"""The manifest of a directory of records. It is written last, so all shards it lists are whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from aec_ofa_tf.audio.bandwidth import Bandwidths
from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.classes import ClassCounts
from aec_ofa_tf.config import check_fields
from aec_ofa_tf.dataset import SPLITS, Rejected
from aec_ofa_tf.files import (
    JsonObject,
    fingerprint,
    naming_damage,
    read_json,
    sha256_of,
    write_json,
)
from aec_ofa_tf.labels import check_labels
from tfrecords.prepare_config import PrepareConfig

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1


class ManifestError(ValueError):
    """The manifest is absent or contradicts the files. The message names both and the remedy."""


@dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
        name: file name within the data directory.
        split: the split that it belongs to.
        clips: number of records.
        bytes: file size.
        sha256: SHA-256 of the file, hexadecimal.
    """

    name: str
    split: str
    clips: int
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        check_fields(self)
        if Path(self.name).name != self.name:
            raise ValueError(f"a shard is a file within its directory, received {self.name!r}")
        if self.split not in SPLITS or min(self.clips, self.bytes) < 0:
            raise ValueError(f"a shard has a split and its sizes, received {self!r}")


@dataclass(frozen=True)
class Manifest:
    """The contents of a data directory.

    Attributes:
        configuration: everything that the records depend on: front end, clip length, length
            policy, payload, dataset, seed and a fingerprint of the source.
        labels: class names in the order of the classes.
        shards: every file of records, in stored order.
        clips_per_label: split -> label -> number of clips with this label.
        quarantined: clips that could not be decoded.
        missing: clips without a file.
        silent: number of clips that are digital silence throughout.
        notes: clip id -> oddities of a clip that was accepted.
        facts: further information about the source (`Source.facts`).
        clips_per_count: number of labels (as text) -> number of clips of all splits with so many
            labels; empty if an earlier version wrote the records.
        clips_per_bandwidth: bandwidth in Hz (as text) -> number of clips of all splits that reach
            so far (`audio.bandwidth`), without silent ones; empty if an earlier version wrote the
            records.

    Raises:
        ValueError: a value has another type, no TFLite file can hold a label, or a bandwidth is no
            number.
    """

    configuration: JsonObject
    labels: tuple[str, ...]
    shards: tuple[Shard, ...]
    clips_per_label: Mapping[str, Mapping[str, int]]
    quarantined: tuple[Rejected, ...] = ()
    missing: tuple[Rejected, ...] = ()
    silent: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)
    facts: JsonObject = field(default_factory=dict)
    clips_per_count: Mapping[str, int] = field(default_factory=dict)
    clips_per_bandwidth: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_labels(self.labels)
        Bandwidths.parse(self.clips_per_bandwidth)

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

        Records without `clips_per_count` count as such if every split has as many labels as clips.
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
        """Identifies the records by labels, order and bytes."""
        shards = [(shard.name, shard.sha256) for shard in self.shards]
        return fingerprint({"labels": self.labels, "shards": shards})

    @property
    def class_counts(self) -> ClassCounts:
        """Numbers of the records."""
        return ClassCounts(
            self.labels, self.clips, self.clips_per_label, self.has_one_label_per_clip
        )

    @cached_property
    def front_end(self) -> FrontEndConfig:
        """The parameters of the log-mel."""
        return FrontEndConfig.from_dict(self.configuration["front_end"])

    @property
    def bandwidths(self) -> Bandwidths:
        """How far the spectra of the recordings reach."""
        return Bandwidths.parse(self.clips_per_bandwidth)

    def summary(self) -> dict[str, object]:
        """What programs report: counts of clips, and classes that cannot be told from others."""
        return {
            "clips": self.clips,
            "quarantined": len(self.quarantined),
            "missing": len(self.missing),
            "silent": self.silent,
            "labels": len(self.labels),
            "class_gaps": [gap.as_dict() for gap in self.class_counts.gaps],
            **self._bandwidth_facts(),
        }

    def _bandwidth_facts(self) -> dict[str, object]:
        if not self.clips_per_bandwidth:
            return {}
        found = self.bandwidths
        quantiles = {f"{share:.0%}": found.quantile_hz(share) for share in (0.1, 0.5, 0.9)}
        return {"bandwidth_hz": quantiles, "advice": found.advice(self.front_end)}

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
            f"{data_dir} contains no {MANIFEST_NAME}: nothing was prepared there, or the "
            "preparation was interrupted; run python -m pipelines.prepare"
        )
    with naming_damage(path, "remove it and prepare again", ManifestError):
        value = read_json(path)
        version = value.pop("version")
        if version != FORMAT_VERSION:
            raise ManifestError(
                f"{path} has format version {version!r}, expected {FORMAT_VERSION}; "
                "prepare the records again into another directory"
            )
        value["labels"] = tuple(value["labels"])
        value["shards"] = tuple(Shard(**shard) for shard in value["shards"])
        for name in ("quarantined", "missing"):
            value[name] = tuple(Rejected(**clip) for clip in value[name])
        manifest = Manifest(**value)
        _check_configuration(manifest)
    return manifest


def _check_configuration(manifest: Manifest) -> None:
    """Checks the values of the configuration that readers of the records use."""
    names = ("clip_secs", "length_policy", "payload")
    values = {name: manifest.configuration[name] for name in names}
    PrepareConfig(
        manifest.configuration.get("dataset", "unnamed"), **values, front_end=manifest.front_end
    )


def damage(data_dir: Path, shard: Shard, read_all: bool) -> str | None:
    """Describes what is wrong with a shard's file.

    Args:
        data_dir: the data directory.
        shard: the shard's entry in the manifest.
        read_all: whether to compare the SHA-256 too, which reads the whole file.

    Returns:
        The end of a sentence that begins with the file's name, or None if the file is whole.
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
