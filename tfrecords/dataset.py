"""Records as tf.data: batches whose order is a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from aec_ofa_tf.dataset import Share
from tfrecords.clip import TRAIN
from tfrecords.records import Batch, CheckedBatches, Records, clip_lookup, open_records
from tfrecords.shards import ShardReader
from tfrecords.soft_labels import open_soft_labels

__all__ = [
    "CheckedBatches",
    "Records",
    "Share",
    "evaluation_batches",
    "open_records",
    "training_batches",
]

# Decoding FLAC costs more than a small network's step; up to this size its log-mels are kept.
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
    """The clips of a split once, in stored order; the last batch may be smaller.

    Args:
        records: opened records.
        split: which clips.
        batch_size: clips of a batch.
        features: "log_mel", "waveform" or both.
        limit: only the first so many clips; the stored order makes them a random sample.

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
    split: str = TRAIN,
    share: Share = Share(),
) -> tf.data.Dataset:
    """An endless stream of shuffled batches of static size.

    Epoch e shows every clip once, in a permutation that depends on (seed, e) alone. Batches run
    across the end of an epoch, so a split may be smaller than a batch and no clip is left out.

    Args:
        records: opened records.
        batch_size: clips of a batch.
        seed: of the order.
        start_step: the first batch is what a stream from 0 gives after so many batches; what
            lies before it is not read.
        soft_labels: directory written by `soft_labels.write_soft_labels` for these records.
        split: which clips.
        share: which parts of every batch to yield, one after another.

    Returns:
        Batches as `evaluation_batches`' with log_mel, with the batch's number `step`: int64
        scalar, and with `soft_labels`: float32 [B, classes] where they are given.

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
    batch_of = _batch_function(records, split, part, soft_labels)
    order = _order_function(records.clips(split), part, seed)

    def numbers_of(turn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        step, replica = turn // share.count, share.first + turn % share.count
        return step, order(step * share.of + replica)

    turns = tf.data.Dataset.range(start_step * share.count, np.iinfo(np.int64).max)
    numbers = turns.map(numbers_of)
    batches = numbers.map(batch_of, num_parallel_calls=_PARALLEL_BATCHES, deterministic=True)
    return batches.prefetch(_PREFETCHED_BATCHES)


def _batch_function(
    records: Records, split: str, clips: int, soft_labels: Path | str | None
) -> Callable[[tf.Tensor, tf.Tensor], Batch]:
    """From a step's number and those of its clips to the batch."""
    lookup = _training_lookup(records, split, records.reader(split))
    soft = None
    if soft_labels is not None:
        soft = open_soft_labels(records, Path(soft_labels), split).lookup()

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
    """The permutation of an epoch: int64 [clips], a function of its arguments alone.

    It is argsort of Philox's raw output, which unlike `Generator.permutation` is fixed across
    versions of NumPy.
    """
    keys = np.random.Philox(key=np.array([seed, epoch], np.uint64)).random_raw(clips)
    return np.argsort(keys, kind="stable")


def _order_function(clips: int, batch_size: int, seed: int) -> Callable[[tf.Tensor], tf.Tensor]:
    order = lru_cache(maxsize=4)(lambda epoch: clip_order(clips, seed, epoch))

    def numbers(step: np.ndarray) -> np.ndarray:
        positions = int(step) * batch_size + np.arange(batch_size)
        return np.array([order(p // clips)[p % clips] for p in positions.tolist()], np.int64)

    def function(step: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(numbers, [step], tf.int64), [batch_size])

    return function


def _training_lookup(
    records: Records, split: str, reader: ShardReader
) -> Callable[[tf.Tensor], Batch]:
    """Running numbers -> clips: from memory where decoding is dear and they fit, else from disk."""
    clip_bytes = records.frames * records.front_end.mel_bins * np.dtype(np.float16).itemsize
    if records.payload == "audio" and len(reader) * clip_bytes <= CACHE_BYTES:
        return _cached_lookup(records, split)
    return clip_lookup(records, reader)


def _cached_lookup(records: Records, split: str) -> Callable[[tf.Tensor], Batch]:
    batches = list(CheckedBatches(evaluation_batches(records, split, _CACHE_BATCH)))
    columns = {
        name: np.concatenate([batch[name].numpy() for batch in batches])
        for name in ("id", "labels")
    }
    log_mel = np.concatenate([batch["log_mel"].numpy().astype(np.float16) for batch in batches])

    def lookup(numbers: tf.Tensor) -> Batch:
        # Arrays stay in Python: as constants they would be copied into every graph.
        ids, labels, features = tf.numpy_function(
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
