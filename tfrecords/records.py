"""A directory of records, checked when it is opened, and its clips by position."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.front_end import FrontEndConfig
from tfrecords.manifest import Manifest, ManifestError, damage, load_manifest
from tfrecords.schema import parse_batch
from tfrecords.shards import RecordError, ShardReader, open_shards

Batch = dict[str, tf.Tensor]
# How the message begins when soft labels and records are joined that are of different clips.
MISMATCH = "soft labels are of other clips"


@dataclass(frozen=True)
class Records:
    """A directory of records whose manifest has been checked.

    Attributes:
        data_dir: the directory.
        manifest: what it holds.
    """

    data_dir: Path
    manifest: Manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the classes."""
        return self.manifest.labels

    @property
    def payload(self) -> str:
        """What the records hold: "log_mel" or "audio"."""
        return self.manifest.configuration["payload"]

    @property
    def length_policy(self) -> str:
        """How clips of another length were fitted: "pad", "repeat" or "crop"."""
        return self.manifest.configuration["length_policy"]

    @cached_property
    def front_end(self) -> FrontEndConfig:
        """The log-mel's numbers."""
        return FrontEndConfig.from_dict(self.manifest.configuration["front_end"])

    @property
    def clip_secs(self) -> float:
        """Length of a clip."""
        return self.manifest.configuration["clip_secs"]

    @property
    def clip_samples(self) -> int:
        """Samples of a clip."""
        return self.front_end.clip_samples(self.clip_secs)

    @property
    def frames(self) -> int:
        """Frames of a clip's log-mel."""
        return self.front_end.frames(self.clip_secs)

    @property
    def fingerprint(self) -> str:
        """Identifies the records."""
        return self.manifest.fingerprint

    def clips(self, split: str) -> int:
        """Number of records of a split; 0 for a split that the source did not have."""
        return self.manifest.clips.get(split, 0)

    def shard_names(self, split: str) -> list[str]:
        """The split's files in stored order."""
        return [shard.name for shard in self.manifest.shards if shard.split == split]

    def reader(self, split: str) -> ShardReader:
        """Random access to a split's records.

        Raises:
            ManifestError: the split has no clips.
            RecordError: a shard is cut or damaged.
        """
        shards = [shard for shard in self.manifest.shards if shard.split == split]
        if not self.clips(split):
            raise ManifestError(
                f"{self.data_dir} has no {split} clips; it has {self.manifest.clips}. Prepare it "
                "with folds or fractions that leave some"
            )
        paths = [self.data_dir / shard.name for shard in shards]
        return open_shards(paths, [shard.clips for shard in shards])


def open_records(data_dir: Path | str) -> Records:
    """Opens a prepared directory and checks that every shard is there, whole in size and count.

    Raises:
        ManifestError: there is no manifest, or a shard is missing or has another size.
        RecordError: a shard's record headers are damaged or give another number of records.
    """
    records = Records(Path(data_dir), load_manifest(Path(data_dir)))
    for shard in records.manifest.shards:
        problem = damage(records.data_dir, shard, read_all=False)
        if problem:
            raise ManifestError(
                f"{records.data_dir / shard.name} {problem}. Prepare again: only this shard is "
                "rewritten"
            )
    for split in records.manifest.clips:
        if records.clips(split):
            records.reader(split)
    return records


class CheckedBatches:
    """A dataset, to be iterated any number of times, whose damage is an ordinary error.

    tf.data wraps what its functions raise; here a RecordError comes out as it went in: it names
    the shard and the record, or says which files do not belong together.

    Args:
        batches: the dataset.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Batch]:
        try:
            yield from self._batches
        except tf.errors.OpError as error:
            found = re.search(rf"RecordError: (.*)|({MISMATCH}.*)", error.message or "")
            if found is None:
                raise
            raise RecordError(found.group(0).removeprefix("RecordError: ")) from error


def clip_lookup(
    records: Records, reader: ShardReader, features: Sequence[str] = ("log_mel",)
) -> Callable[[tf.Tensor], Batch]:
    """A function for tf.data from running numbers, int64 [B], to a batch of clips from disk.

    Raises:
        ValueError: the features are not in the records.
    """
    _check_features(records, features)
    read = read_function(reader)
    return lambda numbers: parse_batch(
        read(numbers),
        features,
        records.payload,
        len(records.labels),
        records.clip_samples,
        records.front_end,
    )


def read_function(reader: ShardReader) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function for tf.data from running numbers, int64 [B], to serialised records, string [B]."""

    def read(numbers: np.ndarray) -> np.ndarray:
        return np.array([reader.read(number) for number in numbers.tolist()], object)

    def function(numbers: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [numbers], tf.string), [None])

    return function


def _check_features(records: Records, features: Sequence[str]) -> None:
    unknown = set(features) - {"log_mel", "waveform"}
    if unknown:
        raise ValueError(f"features are 'log_mel' and 'waveform', received {sorted(unknown)}")
    if "waveform" in features and records.payload != "audio":
        raise ValueError(
            f"{records.data_dir} holds log-mel records, which have no waveform; prepare another "
            "directory with --payload=audio"
        )
