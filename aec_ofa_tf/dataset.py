"""What networks need of a data set. No TensorFlow here.

`tfrecords.records.Records` fulfils the protocol; a data set of one's own may do so too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from aec_ofa_tf.audio.front_end import FrontEndConfig

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
        first: the first replica's number.
        count: how many it feeds.
        of: number of replicas in all.
    """

    first: int = 0
    count: int = 1
    of: int = 1


@dataclass(frozen=True)
class DatasetSummary:
    """What a model card says of the data.

    Attributes:
        name: of the data set or of its layout.
        clips: number of clips by split.
        quarantined: clips that were left out because they could not be decoded.
        missing: clips that were left out because they had no file.
        fingerprint: identifies the clips.
    """

    name: str
    clips: Mapping[str, int]
    quarantined: int
    missing: int
    fingerprint: str


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
        """How log-mels are computed."""

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
        """What is stored: "log_mel", or "audio", of which waveforms can be had too."""

    @property
    def length_policy(self) -> str:
        """How clips of another length were fitted: "pad", "repeat" or "crop"."""

    @property
    def fingerprint(self) -> str:
        """Identifies labels, clips and their order."""

    @property
    def summary(self) -> DatasetSummary:
        """What a model card says of the data."""

    def clips(self, split: str) -> int:
        """Number of clips in a split; 0 for a split that there is not."""

    def clips_per_label(self, split: str) -> tuple[int, ...]:
        """Number of clips of a split that have each label, in the order of the labels."""

    def evaluation_batches(
        self,
        split: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
        limit: int | None = None,
    ) -> Iterable[Mapping[str, tf.Tensor]]:
        """The clips of a split once, clean and in stored order; it can be walked again.

        Args:
            split: which clips.
            batch_size: clips of a batch; the last one may be smaller.
            features: "log_mel", "waveform" or both.
            limit: only the first so many clips, which are a random sample.

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
    ) -> tf.data.Dataset:
        """An endless stream of shuffled training batches that begins with a step's batch.

        Args:
            batch_size: clips of a batch, over all replicas.
            seed: of the order of clips.
            start_step: number of the first batch.
            soft_labels: the directory that `write_soft_labels` filled, or None.
            share: which parts of every batch to yield, one after another.

        Returns:
            Batches like `evaluation_batches`' of log_mel, with the number `step`: int64 scalar
            and, where they are given, `soft_labels`: float32 [B, classes].
        """

    def training_position(self, batch_size: int, step: int) -> tuple[int, int]:
        """Epoch, and index in its order, of the clip that comes first after `step` batches."""

    def checked(self, batches: Iterable[Any]) -> Iterable[Any]:
        """The same batches, damage of the stored data being an ordinary error that names it."""

    def write_soft_labels(
        self,
        predict: Callable[[tf.Tensor], Any],
        directory: Path,
        fingerprint: str,
        batch_size: int,
    ) -> int:
        """Keeps a teacher's scores of all training clips, and what there is of the same teacher.

        Args:
            predict: log-mel float32 [B, frames, mel_bins] -> scores float32 [B, classes].
            directory: where the scores go.
            fingerprint: identifies the teacher.
            batch_size: clips given to `predict` at once.

        Returns:
            The number of clips.
        """

    def read_soft_labels(self, directory: Path, ids: tf.Tensor) -> np.ndarray | None:
        """Soft labels of the first training clips in stored order.

        Args:
            directory: where `write_soft_labels` kept them.
            ids: string [clips], to be compared.

        Returns:
            float32 [clips, classes], or None where the directory holds none.
        """
