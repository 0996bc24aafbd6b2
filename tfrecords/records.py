"""A directory of records: checked when it is opened, its clips read by position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.dataset import TRAIN, ClipLengths, DatasetSummary, Share
from tfrecords.checked import Batch, CheckedBatches
from tfrecords.manifest import Manifest, ManifestError, damage, load_manifest
from tfrecords.python_functions import python_function, without_autograph
from tfrecords.schema import batch_parser
from tfrecords.shards import RecordError, ShardReader, open_shards


@dataclass(frozen=True)
class Records(ClipLengths):
    """A directory of records whose manifest has been checked; an `aec_ofa_tf.dataset.Dataset`.

    Attributes:
        data_dir: the directory.
        manifest: its manifest.
    """

    data_dir: Path
    manifest: Manifest

    def __repr__(self) -> str:
        clips = ", ".join(f"{count} {split}" for split, count in self.manifest.clips.items())
        return (
            f"Records({str(self.data_dir)!r}, {len(self.labels)} labels, clips: {clips}, of "
            f"{self.clip_secs:g} s, {self.payload})"
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the classes."""
        return self.manifest.labels

    @property
    def payload(self) -> str:
        """What the records contain: "log_mel" or "audio"."""
        return self.manifest.configuration["payload"]

    @property
    def length_policy(self) -> str:
        """How clips of another length were fitted: "pad", "repeat" or "crop"."""
        return self.manifest.configuration["length_policy"]

    @cached_property
    def front_end(self) -> FrontEndConfig:
        """The parameters of the log-mel."""
        return FrontEndConfig.from_dict(self.manifest.configuration["front_end"])

    @property
    def clip_secs(self) -> float:
        """Length of a clip in seconds."""
        return self.manifest.configuration["clip_secs"]

    @property
    def fingerprint(self) -> str:
        """Identifies the records."""
        return self.manifest.fingerprint

    @property
    def single_label(self) -> bool:
        """Whether every clip has exactly one label."""
        return self.manifest.has_one_label_per_clip

    @property
    def summary(self) -> DatasetSummary:
        """The information about the records that model cards and reports contain."""
        return DatasetSummary(
            name=self.manifest.configuration.get("dataset", "unnamed"),
            clips=self.manifest.clips,
            quarantined=len(self.manifest.quarantined),
            missing=len(self.manifest.missing),
            fingerprint=self.fingerprint,
            rejected=(*self.manifest.quarantined, *self.manifest.missing),
            directory=self.data_dir,
        )

    def clips(self, split: str) -> int:
        """Number of records of a split; 0 for a split that the source does not have."""
        return self.manifest.clips.get(split, 0)

    def clips_per_label(self, split: str) -> tuple[int, ...]:
        """Number of records of a split with each label, in the order of the labels."""
        counts = self.manifest.clips_per_label.get(split, {})
        return tuple(counts.get(label, 0) for label in self.labels)

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
                f"with folds or fractions that give {split} clips"
            )
        paths = [self.data_dir / shard.name for shard in shards]
        return open_shards(paths, [shard.clips for shard in shards])

    def evaluation_batches(
        self,
        split: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
        limit: int | None = None,
    ) -> CheckedBatches:
        """As `dataset.evaluation_batches`; a damaged record raises a RecordError."""
        from tfrecords import dataset

        return self.checked(dataset.evaluation_batches(self, split, batch_size, features, limit))

    def training_batches(
        self,
        batch_size: int,
        seed: int,
        start_step: int = 0,
        soft_labels: Path | None = None,
        share: Share = Share(),
        balanced: bool = False,
    ) -> tf.data.Dataset:
        """As `dataset.training_batches` of the train split."""
        from tfrecords import dataset

        return dataset.training_batches(
            self, batch_size, seed, start_step, soft_labels, share=share, balanced=balanced
        )

    @cached_property
    def class_shares(self) -> np.ndarray:
        """As `dataset.class_shares`, read once."""
        from tfrecords import dataset

        return dataset.class_shares(self)

    def training_position(self, batch_size: int, step: int) -> tuple[int, int]:
        """Epoch, and position in its order, of the first clip after `step` batches."""
        return divmod(step * batch_size, self.clips(TRAIN))

    def checked(self, batches: Iterable[Batch]) -> CheckedBatches:
        """Wraps batches made of these records: a damaged record raises a RecordError."""
        return CheckedBatches(batches, self.data_dir)

    def write_soft_labels(
        self,
        score: Callable[[Batch], ArrayLike],
        directory: Path,
        fingerprint: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
    ) -> int:
        """As `soft_labels.write_soft_labels` of the train split; returns the number of clips."""
        from tfrecords import soft_labels

        written = soft_labels.write_soft_labels(
            self, score, directory, fingerprint, batch_size, features=features
        )
        return written["clips"]

    def read_soft_labels(self, directory: Path, ids: tf.Tensor) -> np.ndarray | None:
        """Reads the soft labels of the first training clips.

        Args:
            directory: directory of the soft labels.
            ids: string [clips], ids of the first clips of the train split.

        Returns:
            float32 [clips, classes]; None if the directory has no soft labels.

        Raises:
            ManifestError: they belong to other records, or a shard is damaged.
        """
        from tfrecords import soft_labels

        if not (directory / soft_labels.MANIFEST_NAME).is_file():
            return None
        lookup = soft_labels.open_soft_labels(self, directory).lookup()
        return lookup(tf.range(len(ids), dtype=tf.int64), ids).numpy()


def open_records(data_dir: Path | str) -> Records:
    """Opens a prepared directory and checks that every shard has its size and number of records.

    Raises:
        ManifestError: there is no manifest, or a shard is missing or has another size.
        RecordError: a shard's record headers are damaged or give another number of records.

    Example:
        >>> ofa.open_records("data").labels
        ('hiss', 'tone')
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


def clip_lookup(
    records: Records, reader: ShardReader, features: Sequence[str] = ("log_mel",)
) -> Callable[[tf.Tensor], Batch]:
    """A function for tf.data from record numbers, int64 [B], to a batch of clips from disk.

    Raises:
        ValueError: the features are not in the records.
    """
    _check_features(records, features)
    read = read_function(reader)
    parse = batch_parser(
        tuple(features),
        records.payload,
        len(records.labels),
        records.clip_samples,
        records.front_end,
    )
    return without_autograph(lambda numbers: parse(read(numbers)))


def read_function(reader: ShardReader) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function for tf.data from record numbers, int64 [B], to serialised records, string [B]."""

    def read(numbers: np.ndarray) -> np.ndarray:
        return np.array([_example(reader, number) for number in numbers.tolist()], object)

    def function(numbers: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(python_function(read, [numbers], tf.string), [None])

    return function


def _example(reader: ShardReader, number: int) -> bytes:
    """A record that is an example. TensorFlow's own parser can crash on other bytes."""
    data = reader.read(number)
    try:
        tf.train.Example.FromString(data)  # a few microseconds
    except DecodeError as error:
        raise RecordError(
            f"{reader.name_of(number)} has the right checksum but is no tf.train.Example, so this "
            "project did not write it: prepare into another directory"
        ) from error
    return data


def _check_features(records: Records, features: Sequence[str]) -> None:
    unknown = set(features) - {"log_mel", "waveform"}
    if unknown:
        raise ValueError(f"features are 'log_mel' and 'waveform', received {sorted(unknown)}")
    if "waveform" in features and records.payload != "audio":
        raise ConfigError(
            f"{records.data_dir} contains log-mel records, which have no waveform; prepare another "
            "directory with payload='audio'",
            "payload",
        )
