"""Records as tf.data datasets; the order of training batches depends on (seed, epoch) only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from aec_ofa_tf.dataset import Share
from tfrecords.clip import TRAIN
from tfrecords.python_functions import python_function, without_autograph
from tfrecords.records import Batch, Records, clip_lookup, open_records
from tfrecords.shards import ShardReader
from tfrecords.soft_labels import open_soft_labels

__all__ = [
    "Records",
    "Share",
    "evaluation_batches",
    "open_records",
    "training_batches",
]

# Decoding FLAC takes longer than a training step of a small network. The log-mels of audio records
# are therefore cached in memory if they need at most this many bytes.
CACHE_BYTES = 1 << 30
_CACHE_BATCH = 64
_PARALLEL_BATCHES = 4
_PREFETCHED_BATCHES = 2


def evaluation_batches(
    records: Records,
    split: str,
    batch_size: int,
    features: Sequence[str] = ("log_mel",),
    limit: int | None = None,
) -> tf.data.Dataset:
    """Every clip of a split once, in stored order; the last batch may be smaller.

    Args:
        records: opened records.
        split: the split to read.
        batch_size: clips per batch.
        features: "log_mel", "waveform" or both.
        limit: maximum number of clips. The stored order is random, so the first clips are a random
            sample.

    Returns:
        Batches of id: string [B]; labels: float32 [B, classes]; log_mel: float32
        [B, frames, mel_bins] in dB; waveform: float32 [B, clip_samples].

    Raises:
        ValueError: the features are not in the records, or the split is empty.
    """
    reader = records.reader(split)
    clips = len(reader) if limit is None else min(limit, len(reader))
    batches = (
        tf.data.Dataset.range(clips)
        .batch(batch_size)
        .map(
            clip_lookup(records, reader, features),
            num_parallel_calls=_PARALLEL_BATCHES,
            deterministic=True,
        )
    )
    return batches.prefetch(_PREFETCHED_BATCHES)


def training_batches(
    records: Records,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    soft_labels: Path | str | None = None,
    share: Share = Share(),
    balanced: bool = False,
) -> tf.data.Dataset:
    """An endless stream of shuffled batches of the train split, of static size.

    Epoch e yields every clip once, in a permutation that depends on (seed, e) only. A batch may
    contain clips of two or more epochs, so the split may be smaller than a batch and no clip is
    left out. Balanced, an epoch is as many draws with replacement, which depend on (seed, e) too.

    Args:
        records: opened records.
        batch_size: clips per batch.
        seed: seed of the order.
        start_step: number of batches to skip; they are not read.
        soft_labels: directory written by `soft_labels.write_soft_labels` for these records.
        share: the parts of every batch to yield, one after another.
        balanced: whether a class is drawn, each alike, then one of its clips (`class_shares`).

    Returns:
        Batches with the entries of `evaluation_batches` for log_mel; `step`: int64 scalar, the
        number of the batch; and, if `soft_labels` is given, `soft_labels`: float32 [B, classes].

    Raises:
        ValueError: the split is empty, the soft labels belong to other records, or the batch
            cannot be cut into equal parts.
    """
    if batch_size % share.of:
        raise ValueError(
            f"a batch of {batch_size} clips cannot be cut into {share.of} equal parts; "
            f"make batch_size a multiple of the {share.of} replicas"
        )
    part = batch_size // share.of
    batch_of = _batch_function(records, part, soft_labels)
    shares = records.class_shares if balanced else None
    order = _order_function(records.clips(TRAIN), part, seed, shares)

    def numbers_of(turn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        step, replica = turn // share.count, share.first + turn % share.count
        return step, order(step * share.of + replica)

    turns = tf.data.Dataset.range(start_step * share.count, np.iinfo(np.int64).max)
    numbers = turns.map(without_autograph(numbers_of))
    batches = numbers.map(
        without_autograph(batch_of), num_parallel_calls=_PARALLEL_BATCHES, deterministic=True
    )
    return batches.prefetch(_PREFETCHED_BATCHES)


def _batch_function(
    records: Records, clips: int, soft_labels: Path | str | None
) -> Callable[[tf.Tensor, tf.Tensor], Batch]:
    """A function from the number of a step and the record numbers of its clips to the batch."""
    lookup = _training_lookup(records, records.reader(TRAIN))
    soft = None
    if soft_labels is not None:
        soft = open_soft_labels(records, Path(soft_labels)).lookup()

    def batch_of(step: tf.Tensor, numbers: tf.Tensor) -> Batch:
        batch = lookup(numbers)
        if soft is not None:
            batch["soft_labels"] = soft(numbers, batch["id"])
        parts = {
            name: tf.ensure_shape(value, [clips, *value.shape[1:]]) for name, value in batch.items()
        }
        return {**parts, "step": step}

    return batch_of


def clip_order(clips: int, seed: int, epoch: int) -> np.ndarray:
    """The permutation of an epoch: int64 [clips]; it depends on the arguments only.

    It is the argsort of Philox's raw output, which is the same in all versions of NumPy;
    `Generator.permutation` is not.
    """
    keys = np.random.Philox(key=np.array([seed, epoch], np.uint64)).random_raw(clips)
    return np.argsort(keys, kind="stable")


def class_shares(records: Records) -> np.ndarray:
    """The chance of each training clip if a class is drawn, each alike, then one of its clips.

    A clip of several labels has the chances of all of them; clips without a label are a class. All
    training records are read.

    Returns:
        float64 [clips], in stored order; its sum is 1.
    """
    weights = 1 / np.maximum(records.clips_per_label(TRAIN), 1)
    batches = records.evaluation_batches(TRAIN, _CACHE_BATCH, features=())
    shares = np.concatenate([batch["labels"].numpy() @ weights for batch in batches])
    unlabelled = shares == 0
    shares[unlabelled] = 1 / max(np.count_nonzero(unlabelled), 1)
    return shares / shares.sum()


def balanced_order(shares: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The draws of an epoch with replacement, int64 [clips], by the chance of each clip."""
    keys = np.random.Philox(key=np.array([seed, epoch], np.uint64)).random_raw(len(shares))
    uniform = (keys >> np.uint64(11)) * 2.0**-53
    edges = np.cumsum(shares)
    return np.searchsorted(edges / edges[-1], uniform, side="right")


def _order_function(
    clips: int, batch_size: int, seed: int, shares: np.ndarray | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    @lru_cache(maxsize=4)
    def order(epoch: int) -> np.ndarray:
        if shares is None:
            return clip_order(clips, seed, epoch)
        return balanced_order(shares, seed, epoch)

    def numbers(step: np.ndarray) -> np.ndarray:
        positions = int(step) * batch_size + np.arange(batch_size)
        return np.array([order(p // clips)[p % clips] for p in positions.tolist()], np.int64)

    def function(step: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(python_function(numbers, [step], tf.int64), [batch_size])

    return function


def _training_lookup(records: Records, reader: ShardReader) -> Callable[[tf.Tensor], Batch]:
    """A function from record numbers to clips, which reads them from memory or from disk.

    Audio records are decoded once and kept in memory if they fit into `CACHE_BYTES`.
    """
    clip_bytes = records.frames * records.front_end.mel_bins * np.dtype(np.float16).itemsize
    if records.payload == "audio" and len(reader) * clip_bytes <= CACHE_BYTES:
        return _cached_lookup(records)
    return clip_lookup(records, reader)


def _cached_lookup(records: Records) -> Callable[[tf.Tensor], Batch]:
    batches = list(records.checked(evaluation_batches(records, TRAIN, _CACHE_BATCH)))
    columns = {
        name: np.concatenate([batch[name].numpy() for batch in batches])
        for name in ("id", "labels")
    }
    log_mel = np.concatenate([batch["log_mel"].numpy().astype(np.float16) for batch in batches])

    def lookup(numbers: tf.Tensor) -> Batch:
        # Arrays stay in Python: as constants they would be copied into every graph.
        ids, labels, features = python_function(
            lambda index: (
                columns["id"][index],
                columns["labels"][index],
                log_mel[index].astype(np.float32),
            ),
            [numbers],
            [tf.string, tf.float32, tf.float32],
            stateful=False,
        )
        return {
            "id": tf.ensure_shape(ids, [None]),
            "labels": tf.ensure_shape(labels, [None, *columns["labels"].shape[1:]]),
            "log_mel": tf.ensure_shape(features, [None, *log_mel.shape[1:]]),
        }

    return lookup
