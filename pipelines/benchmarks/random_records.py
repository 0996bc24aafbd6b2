"""Records and soft labels of noise, for measurements that need real input but no real sounds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf

from aec_ofa_tf.files import sha256_of
from pipelines.benchmarks.settings import TrainStepSettings
from tfrecords.clip import TRAIN
from tfrecords.manifest import Manifest, Shard
from tfrecords.records import Records, open_records
from tfrecords.schema import log_mel_example
from tfrecords.soft_labels import write_soft_labels

_SHARD = "train-00000.tfrecord"
_BATCHES = 32


def write_random_records(settings: TrainStepSettings, data_dir: Path) -> Records:
    """Writes training clips of random log-mels, enough for 32 different batches.

    Args:
        settings: frames, classes and batch size.
        data_dir: where they go.
    """
    network, front_end = settings.network, settings.front_end
    generator = np.random.default_rng(0)
    clips = _BATCHES * settings.batch_size
    data_dir.mkdir(parents=True)
    path = data_dir / _SHARD
    with tf.io.TFRecordWriter(str(path)) as writer:
        for clip in range(clips):
            log_mel = generator.normal(-40.0, 10.0, (network.frames, network.mel_bins))
            writer.write(log_mel_example(f"{clip}", [clip % network.classes], log_mel))
    shard = Shard(path.name, TRAIN, clips, path.stat().st_size, sha256_of(path))
    configuration = {
        "payload": "log_mel",
        "length_policy": "pad",
        "front_end": asdict(front_end),
        "clip_secs": network.frames * front_end.hop_samples / front_end.sample_rate_hz,
    }
    labels = tuple(f"class {number}" for number in range(network.classes))
    Manifest(configuration, labels, (shard,), {}).save(data_dir)
    return open_records(data_dir)


def write_random_soft_labels(records: Records, out_dir: Path) -> None:
    """Writes random scores of the records' training clips."""
    generator = np.random.default_rng(0)
    classes = len(records.labels)
    write_soft_labels(
        records, lambda log_mel: generator.random((len(log_mel), classes)), out_dir, "random"
    )
