"""Records as what the step loop takes, on any number of devices and hosts."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from absl import flags

from aec_ofa_tf.training.loop import Feed
from pipelines.experiment import Experiment
from tfrecords.clip import TRAIN
from tfrecords.dataset import Share, input_position, training_batches
from tfrecords.records import CheckedBatches

FLAGS = flags.FLAGS


def training_feed(experiment: Experiment, mixup: bool, soft_labels: Path | None) -> Feed:
    """Batches for every replica, and whose clips they hold.

    Args:
        experiment: records, batch size and devices.
        mixup: whether pairs of clips are mixed, so that twice as many are read.
        soft_labels: the teacher's cached outputs, or None.

    Raises:
        ValueError: the batch cannot be cut into equal parts for the replicas.
    """
    strategy, records = experiment.devices.strategy, experiment.records
    if experiment.batch_size % experiment.devices.replicas:
        raise ValueError(
            f"--batch_size={experiment.batch_size} cannot be cut into equal parts for "
            f"{experiment.devices.replicas} replicas: make it a multiple"
        )
    batch_size = experiment.batch_size * (2 if mixup else 1)

    def batches_from(start: int) -> CheckedBatches:
        def part(context: tf.distribute.InputContext) -> tf.data.Dataset:
            count = context.num_replicas_in_sync // context.num_input_pipelines
            first = context.input_pipeline_id * count
            share = Share(first, count, context.num_replicas_in_sync)
            batches = training_batches(
                records, batch_size, FLAGS.seed, start, soft_labels, share=share
            )
            # Names are looked up when they are needed: strings cannot go to a GPU.
            return batches.map(lambda batch: {k: v for k, v in batch.items() if k != "id"})

        return CheckedBatches(strategy.distribute_datasets_from_function(part))

    def ids(step: int) -> list[str]:
        batch = next(iter(training_batches(records, batch_size, FLAGS.seed, step)))
        return [name.decode(errors="replace") for name in batch["id"].numpy()]

    return Feed(batches_from, batch_size, ids)


def position_after(experiment: Experiment, batch_size: int, step: int) -> dict[str, int]:
    """What a checkpoint keeps beside weights and optimiser: seed, and the next clip's place."""
    epoch, index = input_position(experiment.records.clips(TRAIN), batch_size, step)
    return {"seed": FLAGS.seed, "epoch": epoch, "index": index}
