"""Clips in windows: a network hears part of a clip, and a clip has the scores of all its parts.

A microcontroller's memory grows with the frames of an inference. A network of short windows needs
less, and a clip, such as 5 s of ESC-10, is still told by all of its sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from aec_ofa_tf.audio.augment import SILENCE_DB
from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import ConfigError, is_number
from aec_ofa_tf.dataset import ClipLengths, Dataset, DatasetSummary
from aec_ofa_tf.files import fingerprint
from aec_ofa_tf.tagging.windows import overall_scores

if TYPE_CHECKING:
    from aec_ofa_tf.training.evaluation import Batches


@dataclass(frozen=True, eq=False)
class WindowedDataset(ClipLengths):
    """A data set whose clips are scored in windows that cover them evenly; an `ofa` data set.

    `evaluation_batches` gives a row per window, those of a clip one after another, and
    `training_batches` whole clips, of which a train step cuts random windows. Everything that
    counts clips still counts whole ones; `clip_secs`, `clip_samples` and `frames` are a window's.

    Attributes:
        whole: the data set of whole clips.
        clip_secs: length of a window in seconds.
    """

    whole: Dataset
    clip_secs: float

    def __repr__(self) -> str:
        return f"{self.whole!r}, {self.windows} windows of {self.clip_secs:g} s each"

    @property
    def windows(self) -> int:
        """Windows of a clip."""
        return -(-self.whole.frames // self.frames)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the classes."""
        return self.whole.labels

    @property
    def single_label(self) -> bool:
        """Whether every clip has exactly one label."""
        return self.whole.single_label

    @property
    def front_end(self) -> FrontEndConfig:
        """The parameters of the log-mel."""
        return self.whole.front_end

    @property
    def payload(self) -> str:
        """What is stored: "log_mel" or "audio"."""
        return self.whole.payload

    @property
    def length_policy(self) -> str:
        """How clips of another length were fitted: "pad", "repeat" or "crop"."""
        return self.whole.length_policy

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the clips and the length of windows."""
        return fingerprint({"clips": self.whole.fingerprint, "window_frames": self.frames})

    @property
    def summary(self) -> DatasetSummary:
        """As of the whole clips."""
        return self.whole.summary

    def clips(self, split: str) -> int:
        """Number of whole clips in a split."""
        return self.whole.clips(split)

    def clips_per_label(self, split: str) -> tuple[int, ...]:
        """Number of whole clips of a split with each label."""
        return self.whole.clips_per_label(split)

    def evaluation_batches(
        self,
        split: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
        limit: int | None = None,
    ) -> Iterable[Mapping[str, tf.Tensor]]:
        """The windows of every clip of a split, in stored order; can be iterated repeatedly.

        Args:
            split: the split to read.
            batch_size: whole clips per batch.
            features: any of "log_mel" and "waveform".
            limit: maximum number of whole clips.

        Returns:
            Batches of `windows` rows per clip: id and labels of the clip, log_mel float32
            [B * windows, frames, mel_bins] and waveform float32 [B * windows, clip_samples].
        """
        return _Cut(self.whole.evaluation_batches(split, batch_size, features, limit), self._cut)

    def training_batches(self, *how: Any, **named: Any) -> tf.data.Dataset:
        """Batches of whole clips; arguments as of the whole data set's."""
        return self.whole.training_batches(*how, **named)

    def training_position(self, batch_size: int, step: int) -> tuple[int, int]:
        """Epoch, and position in its order, of the first clip after `step` batches."""
        return self.whole.training_position(batch_size, step)

    def checked(self, batches: Iterable[Any]) -> Iterable[object]:
        """As of the whole clips."""
        return self.whole.checked(batches)

    def write_soft_labels(
        self,
        score: Callable[[Mapping[str, tf.Tensor]], ArrayLike],
        directory: Path,
        fingerprint: str,
        batch_size: int,
        features: Sequence[str] = ("log_mel",),
    ) -> int:
        """As of the whole clips; their soft labels are the means of their windows' scores."""

        def of_clips(batch: Mapping[str, tf.Tensor]) -> np.ndarray:
            scores = np.asarray(score(self._cut(batch)))
            return scores.reshape(-1, self.windows, scores.shape[-1]).mean(axis=1)

        name = fingerprint if not features else f"{fingerprint}-{self.frames}"
        return self.whole.write_soft_labels(of_clips, directory, name, batch_size, features)

    def read_soft_labels(self, directory: Path, ids: tf.Tensor) -> np.ndarray | None:
        """Soft labels of the first windows, each those of its clip."""
        found = self.whole.read_soft_labels(directory, ids[:: self.windows])
        return None if found is None else np.repeat(found, self.windows, axis=0)[: len(ids)]

    def _cut(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        first = np.round(np.linspace(0, self.whole.frames - self.frames, self.windows)).astype(int)
        hop = self.front_end.hop_samples
        units = {"log_mel": (1, self.frames), "waveform": (hop, self.clip_samples)}

        def cut(name: str, clips: tf.Tensor) -> tf.Tensor:
            if name not in units:
                return tf.repeat(clips, self.windows, axis=0)
            unit, size = units[name]
            parts = tf.gather(clips, (first * unit)[:, None] + np.arange(size), axis=1)
            return tf.reshape(parts, [-1, *parts.shape[2:]])

        return {name: cut(name, tf.convert_to_tensor(value)) for name, value in batch.items()}


@dataclass(frozen=True, eq=False)
class _Cut:
    """Batches, cut in every iteration anew."""

    batches: Iterable[Mapping[str, tf.Tensor]]
    cut: Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]

    def __iter__(self) -> Iterator[dict[str, tf.Tensor]]:
        """The batches of windows."""
        return map(self.cut, self.batches)


def in_windows(data: Dataset, window_secs: float) -> Dataset:
    """A data set whose clips are scored in windows of this length.

    Training cuts random windows out of the clips. A clip's scores are those of its windows, which
    cover it evenly: their mean for single_label, their maximum for multi_label, as in tagging.

    Args:
        data: the data set; windows of a `WindowedDataset` are cut out of its whole clips.
        window_secs: length of a window in seconds, rounded to a whole number of hops.

    Returns:
        The data set of whole clips if a window is one.

    Raises:
        ConfigError: a window is longer than a clip, or too short for the front end.

    Example:
        >>> ofa.in_windows(ofa.open_records("data"), 0.2).windows
        2
    """
    if not is_number(window_secs):
        raise ConfigError(f"window_secs is a number, received {window_secs!r}", "window_secs")
    whole = data.whole if isinstance(data, WindowedDataset) else data
    try:
        frames = whole.front_end.frames(window_secs)
    except ValueError as error:
        raise ConfigError(f"window_secs: {error}", "window_secs") from error
    if frames > whole.frames:
        raise ConfigError(
            f"window_secs is at most the length of a clip, {whole.clip_secs:g} s, received "
            f"{window_secs:g} s",
            "window_secs",
        )
    return whole if frames == whole.frames else WindowedDataset(whole, window_secs)


def as_heard(data: Dataset, config: Mapping[str, Any]) -> Dataset:
    """A data set as the networks of an experiment hear it.

    One of other clips or another front end, by the experiment's `config.json`, stays as it is.
    """
    is_windowed = config.get("whole_clip_secs") == data.clip_secs
    is_alike = config.get("front_end") == asdict(data.front_end)
    return in_windows(data, config["clip_secs"]) if is_windowed and is_alike else data


def whole_secs(data: Dataset) -> float | None:
    """Length of the clips whose windows are heard, in seconds; None where clips are heard whole."""
    return data.whole.clip_secs if isinstance(data, WindowedDataset) else None


def whole_of(data: Dataset) -> Dataset:
    """The data set of whole clips."""
    return data.whole if isinstance(data, WindowedDataset) else data


def windows_of(data: Dataset) -> int:
    """Rows of `evaluation_batches` per clip."""
    return data.windows if isinstance(data, WindowedDataset) else 1


def clip_scores(rows: np.ndarray, data: Dataset, task: str) -> np.ndarray:
    """The scores of clips, by the scores of the rows of `evaluation_batches`.

    Args:
        rows: float32 [rows, classes].
        data: the data set.
        task: name of the task, which says how the windows of a recording are combined.

    Returns:
        float32 [clips, classes].
    """
    return overall_scores(rows, windows_of(data), task)


def clip_labels(rows: np.ndarray, data: Dataset) -> np.ndarray:
    """The labels of clips, float32 [clips, classes], by those of the rows."""
    return rows[:: windows_of(data)]


@dataclass(frozen=True, eq=False)
class Sounding:
    """Batches without rows of digital silence, such as padding, which training leaves out too.

    Attributes:
        batches: with `log_mel`; can be iterated repeatedly.
        floor_db: `FrontEndConfig.floor_db` of the front end.
    """

    batches: Batches
    floor_db: float

    def __iter__(self) -> Iterator[dict[str, tf.Tensor]]:
        """The batches that have sound."""
        for batch in self.batches:
            loudest = tf.reduce_max(batch["log_mel"], axis=[1, 2])
            heard = tf.where(loudest > self.floor_db + SILENCE_DB)[:, 0]
            if len(heard):
                yield {name: tf.gather(values, heard) for name, values in batch.items()}
