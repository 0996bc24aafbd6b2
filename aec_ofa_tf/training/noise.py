"""A data set of noise, on which the speed of training is measured before there are records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.dataset import SPLITS, TRAIN, ClipLengths, Dataset, DatasetSummary, Share
from aec_ofa_tf.training.windowed import WindowedDataset, in_windows

_MEAN_DB, _SPREAD_DB = -40.0, 10.0
_LOUDNESS = 0.1


@dataclass(frozen=True)
class NoiseDataset(ClipLengths):
    """Noise at the level of log-mels, with random labels; see `dataset.Dataset`.

    Attributes:
        labels: names of the classes.
        single_label: whether every clip has exactly one label.
        front_end: the parameters of the log-mel.
        clip_secs: length of a clip in seconds.
        clips_of: number of clips by split.
        payload: "log_mel", or "audio", which gives waveforms too.
        records: real data whose training batches are taken, to measure their reading too.
    """

    labels: tuple[str, ...]
    single_label: bool
    front_end: FrontEndConfig
    clip_secs: float
    clips_of: Mapping[str, int]
    payload: str = "audio"
    length_policy: str = "pad"
    fingerprint: str = "noise"
    records: Dataset | None = None

    @classmethod
    def like(cls, records: Dataset, clips: int) -> Dataset:
        """Noise in the shape of real data, windows included, with their training batches.

        Args:
            records: the data.
            clips: clips of noise.
        """
        if isinstance(records, WindowedDataset):
            return in_windows(cls.like(records.whole, clips), records.clip_secs)
        return cls(
            labels=tuple(records.labels),
            single_label=records.single_label,
            front_end=records.front_end,
            clip_secs=records.clip_secs,
            clips_of={TRAIN: clips},
            records=records,
        )

    @property
    def summary(self) -> DatasetSummary:
        """The number of clips."""
        return DatasetSummary("noise", dict(self.clips_of), 0, 0, self.fingerprint)

    def clips(self, split: str) -> int:
        """Number of clips in a split."""
        return self.clips_of.get(split, 0)

    def clips_per_label(self, split: str) -> tuple[int, ...]:
        """Number of clips of a split with each label."""
        return tuple(int(count) for count in self._labels(split, self.clips(split)).sum(axis=0))

    def evaluation_batches(
        self,
        split: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
        limit: int | None = None,
    ) -> Iterable[Mapping[str, tf.Tensor]]:
        """Every clip of a split once."""
        clips = self.clips(split) if limit is None else min(limit, self.clips(split))
        whole = self._batch(split, clips, features)
        return [
            {name: values[first : first + batch_size] for name, values in whole.items()}
            for first in range(0, clips, batch_size)
        ]

    def training_batches(
        self,
        batch_size: int,
        seed: int,
        start_step: int = 0,
        soft_labels: Path | None = None,
        share: Share = Share(),
        balanced: bool = False,
    ) -> tf.data.Dataset:
        """Those of real data, in any order, or the same batch; soft labels are random."""
        if self.records is not None:
            batches = self.records.training_batches(batch_size, seed, start_step, None, share)
            return batches if soft_labels is None else batches.map(_with_soft_labels)
        batch = self._batch(TRAIN, batch_size // share.of, ("log_mel",))
        if soft_labels is not None:
            scores = np.random.default_rng(seed).random(batch["labels"].shape)
            batch["soft_labels"] = tf.constant(scores, tf.float32)
        numbers = tf.data.Dataset.counter(start_step * share.count)
        return numbers.map(lambda number: {**batch, "step": number // share.count})

    def training_position(self, batch_size: int, step: int) -> tuple[int, int]:
        """Epoch 0, and the number of clips before the step."""
        return 0, batch_size * step

    def checked(self, batches: Iterable[Any]) -> Iterable[object]:
        """The batches; noise is not damaged."""
        return batches if self.records is None else self.records.checked(batches)

    def write_soft_labels(
        self,
        score: Callable[[Mapping[str, tf.Tensor]], ArrayLike],
        directory: Path,
        fingerprint: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
    ) -> int:
        """Stores nothing."""
        return self.clips(TRAIN)

    def read_soft_labels(self, directory: Path, ids: tf.Tensor) -> np.ndarray | None:
        """None: there are none."""
        return None

    def _batch(self, split: str, clips: int, features: Sequence[str]) -> dict[str, tf.Tensor]:
        generator = np.random.default_rng(SPLITS.index(split))
        labels = self._labels(split, clips)
        batch = {"id": [f"{split}-{number}" for number in range(clips)], "labels": labels}
        if "log_mel" in features:
            size = clips, self.frames, self.front_end.mel_bins
            noise = generator.standard_normal(size, dtype=np.float32)
            batch["log_mel"] = _MEAN_DB + _SPREAD_DB * noise
        if "waveform" in features:
            noise = generator.standard_normal((clips, self.clip_samples), dtype=np.float32)
            batch["waveform"] = _LOUDNESS * noise
        return {name: tf.constant(values) for name, values in batch.items()}

    def _labels(self, split: str, clips: int) -> np.ndarray:
        """float32 [clips, classes]: one label each, in turn."""
        return np.eye(len(self.labels), dtype=np.float32)[np.arange(clips) % len(self.labels)]


def _with_soft_labels(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {**batch, "soft_labels": tf.random.uniform(tf.shape(batch["labels"]))}
