"""The protocol of a data set for training, search and export. No TensorFlow here.

`tfrecords.records.Records` implements the protocol; any other data set may implement it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import check_fields

if TYPE_CHECKING:
    import tensorflow as tf

TRAIN = "train"
VALIDATION = "validation"
EVALUATION = "evaluation"
SPLITS = (TRAIN, VALIDATION, EVALUATION)


@dataclass(frozen=True)
class Share:
    """The replicas that one input pipeline feeds; each gets an equal, contiguous part of a batch.

    Attributes:
        first: number of the first replica that the pipeline feeds.
        count: number of replicas that the pipeline feeds.
        of: total number of replicas.
    """

    first: int = 0
    count: int = 1
    of: int = 1


@dataclass(frozen=True)
class Rejected:
    """A clip that has no record because it is quarantined (undecodable) or missing.

    Attributes:
        id: the clip's id.
        split: the split that it would belong to.
        file: the audio file as the source names it.
        reason: why it has no record.
    """

    id: str
    split: str
    file: str
    reason: str

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class DatasetSummary:
    """The information about the data that model cards and reports contain.

    Attributes:
        name: name of the data set or of its layout.
        clips: number of clips by split.
        quarantined: number of clips that were left out because they could not be decoded.
        missing: number of clips that were left out because they had no file.
        fingerprint: identifies the clips.
        rejected: clips that were left out, the quarantined before the missing; a report names the
            first of them.
        directory: where the data lie, for commands that need them; None if nowhere.
    """

    name: str
    clips: Mapping[str, int]
    quarantined: int
    missing: int
    fingerprint: str
    rejected: Sequence[Rejected] = ()
    directory: Path | None = None


class _Timed(Protocol):
    """What has a length in seconds, and a front end."""

    @property
    def front_end(self) -> FrontEndConfig: ...

    @property
    def clip_secs(self) -> float: ...


class ClipLengths:
    """The lengths of clips that follow from their seconds, for data sets."""

    @property
    def clip_samples(self: _Timed) -> int:
        """Length of a clip in samples."""
        return self.front_end.clip_samples(self.clip_secs)

    @property
    def frames(self: _Timed) -> int:
        """Frames of a clip's log-mel."""
        return self.front_end.frames(self.clip_secs)


class Dataset(Protocol):
    """Labelled clips of equal length in three splits."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the classes."""

    @property
    def single_label(self) -> bool:
        """Whether every clip has exactly one label."""

    @property
    def front_end(self) -> FrontEndConfig:
        """The parameters of the log-mel."""

    @property
    def clip_secs(self) -> float:
        """Length of a clip in seconds."""

    @property
    def clip_samples(self) -> int:
        """Length of a clip in samples."""

    @property
    def frames(self) -> int:
        """Frames of a clip's log-mel."""

    @property
    def payload(self) -> str:
        """What is stored: "log_mel", or "audio", which gives waveforms too."""

    @property
    def length_policy(self) -> str:
        """How clips of another length were fitted: "pad", "repeat" or "crop"."""

    @property
    def fingerprint(self) -> str:
        """Identifies labels, clips and their order."""

    @property
    def summary(self) -> DatasetSummary:
        """The information about the data that model cards and reports contain."""

    def clips(self, split: str) -> int:
        """Number of clips in a split; 0 for a split that does not exist."""

    def clips_per_label(self, split: str) -> tuple[int, ...]:
        """Number of clips of a split with each label, in the order of the labels."""

    def evaluation_batches(
        self,
        split: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
        limit: int | None = None,
    ) -> Iterable[Mapping[str, tf.Tensor]]:
        """Every clip of a split once, not augmented, in stored order; can be iterated repeatedly.

        Args:
            split: the split to read.
            batch_size: clips per batch; the last batch may be smaller.
            features: any of "log_mel" and "waveform".
            limit: maximum number of clips; the first clips are a random sample.

        Returns:
            Batches of id: string [B]; labels: float32 [B, classes]; log_mel: float32
            [B, frames, mel_bins] in dB; waveform: float32 [B, clip_samples].
        """

    def training_batches(
        self,
        batch_size: int,
        seed: int,
        start_step: int = 0,
        soft_labels: Path | None = None,
        share: Share = Share(),
        balanced: bool = False,
    ) -> tf.data.Dataset:
        """An endless stream of shuffled training batches, from the batch of a given step on.

        Args:
            batch_size: clips per batch, over all replicas.
            seed: seed of the order of clips.
            start_step: number of the first batch.
            soft_labels: directory written by `write_soft_labels`, or None.
            share: the parts of every batch to yield, one after another.
            balanced: whether a class is drawn, each alike, and then one of its clips, instead of
                each clip once in an epoch.

        Returns:
            Batches with the entries of `evaluation_batches` for log_mel; `step`: int64 scalar, the
            number of the batch; and, if `soft_labels` is given, `soft_labels`: float32
            [B, classes].
        """

    def training_position(self, batch_size: int, step: int) -> tuple[int, int]:
        """Epoch, and position in its order, of the first clip after `step` batches."""

    def checked(self, batches: Iterable[Any]) -> Iterable[object]:
        """Wraps batches: damaged data raises an ordinary error that names the damage."""

    def write_soft_labels(
        self,
        score: Callable[[Mapping[str, tf.Tensor]], ArrayLike],
        directory: Path,
        fingerprint: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
    ) -> int:
        """Stores a teacher's scores of all training clips; existing ones of this teacher are kept.

        Args:
            score: from a batch, as of `evaluation_batches`, to scores, float32 [B, classes].
            directory: directory of the scores.
            fingerprint: identifies the teacher.
            batch_size: clips per call of `score`.
            features: what the batches contain besides ids and labels.

        Returns:
            The number of clips.
        """

    def read_soft_labels(self, directory: Path, ids: tf.Tensor) -> np.ndarray | None:
        """Soft labels of the first training clips in stored order.

        Args:
            directory: directory written by `write_soft_labels`.
            ids: string [clips], expected ids of these clips.

        Returns:
            float32 [clips, classes], or None if the directory has no soft labels.
        """
