"""Measures the overhead of the training loop over its steps: input, summaries, a checkpoint."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from aec_ofa_tf.files import sha256_of
from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.devices import open_devices
from aec_ofa_tf.training.loop import Batch, Feed, LoopConfig, StepLoop
from aec_ofa_tf.training.sampler import uniform_sampler
from aec_ofa_tf.training.step_details import SIZES, StepDetails
from pipelines.benchmarks.measuring import ratio, seconds_of
from pipelines.benchmarks.settings import TrainStepSettings
from pipelines.benchmarks.workload import new_trainer
from tfrecords.clip import TRAIN
from tfrecords.clip_record import log_mel_example
from tfrecords.dataset import training_batches
from tfrecords.manifest import Manifest, Shard
from tfrecords.records import Records, open_records
from tfrecords.soft_labels import write_soft_labels

_SUMMARY_EVERY = 20
_BLOCK = 20
_SHARD = "train-00000.tfrecord"
_BATCHES = 32


def measure_loop(settings: TrainStepSettings) -> dict[str, float]:
    """Runs blocks of steps in the loop, in one without summaries, and without a loop.

    They take turns. Every block in a loop opens the input and ends with a checkpoint, like a
    resumed run. Real training does so less often.

    Returns:
        `steps`: number of steps in each way; `blocks`: seconds of every block, and CPU seconds of
        all threads; `overhead`: ratio of the medians with and without the loop - 1; `summaries`:
        ratio of the medians of the loop with and without summaries - 1; `summaries_cpu`: the same
        of CPU seconds, which other programs change little; `traces`: how often the step was traced.
    """
    with tempfile.TemporaryDirectory() as folder:
        feed = _feed(settings, Path(folder))
        loop = _loop(settings, Path(folder))
        batch = next(iter(feed.batches_from(0)))
        quiet = _QuietLoop(
            loop.trainer, loop.devices, loop.store, SummaryLog(None), loop.validate, "quiet"
        )
        for each in (loop, quiet):
            each.step(batch)
        starts = range(0, settings.loop_steps, _BLOCK)
        rows = [_block(loop, quiet, feed, batch, start) for start in starts]
    return {
        "steps": _BLOCK * len(rows),
        "steps_of_a_block": _BLOCK,
        "blocks": rows,
        "overhead": ratio(rows, "loop", "bare") - 1,
        "summaries": ratio(rows, "loop", "quiet") - 1,
        "summaries_cpu": ratio(rows, "loop_cpu", "quiet_cpu") - 1,
        "traces": loop.step_function.experimental_get_tracing_count(),
    }


class _QuietLoop(StepLoop):
    """The loop without what only summaries need: nothing is computed for them or written."""

    def _values(self, details: StepDetails, loss: tf.Tensor, stopping: tf.Tensor) -> tf.Tensor:
        needed = tf.stack([loss, tf.cast(stopping, tf.float32)])
        return tf.pad(needed, [[0, 1 + 2 * len(SIZES)]], constant_values=1.0)


def _block(
    loop: StepLoop, quiet: StepLoop, feed: Feed, batch: Batch, start: int
) -> dict[str, float]:
    """Seconds of the steps of a block in both loops, and of the same steps without a loop."""
    end = start + _BLOCK
    config = LoopConfig(end, checkpoint_every=_BLOCK, summary_every=_SUMMARY_EVERY)
    candidates: dict[str, Callable[[], object]] = {
        "loop": partial(loop.run, feed, start, config),
        "quiet": partial(quiet.run, feed, start, config),
        "bare": partial(_bare_steps, loop, batch, range(start, end)),
    }
    order = list(candidates) if start // _BLOCK % 2 else list(candidates)[::-1]
    row = {}
    for name in order:
        began = time.process_time()
        row[name] = seconds_of(candidates[name])
        row[f"{name}_cpu"] = time.process_time() - began
    return row


def _feed(settings: TrainStepSettings, folder: Path) -> Feed:
    records = write_random_records(settings, folder / "data")
    _write_random_soft_labels(records, folder / "soft_labels")

    def batches_from(start: int) -> Iterable[Batch]:
        batches = training_batches(records, settings.batch_size, 0, start, folder / "soft_labels")
        return records.checked(
            batches.map(lambda batch: {k: v for k, v in batch.items() if k != "id"})
        )

    return Feed(batches_from, settings.batch_size)


def _loop(settings: TrainStepSettings, folder: Path) -> StepLoop:
    sampler = uniform_sampler(settings.space, settings.subnets_per_step)
    trainer = new_trainer(settings, sampler)
    store = CheckpointStore(folder / "checkpoints", trainer.supernet, trainer.optimizer)
    log = SummaryLog(folder / "events")
    return StepLoop(trainer, open_devices("none"), store, log, lambda step: None, "loop")


def _bare_steps(loop: StepLoop, batch: Batch, steps: Iterable[int]) -> None:
    """Runs the loop's step function for the same step numbers, always on the same batch."""
    for step in steps:
        loop.step({**batch, "step": tf.constant(step, tf.int64)})


def write_random_records(settings: TrainStepSettings, data_dir: Path) -> Records:
    """Writes training clips of random log-mels, enough for 32 different batches.

    Args:
        settings: frames, classes and batch size.
        data_dir: directory of the records.
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


def _write_random_soft_labels(records: Records, out_dir: Path) -> None:
    """Writes random scores of the records' training clips."""
    generator = np.random.default_rng(0)
    classes = len(records.labels)
    write_soft_labels(
        records, lambda batch: generator.random((len(batch["id"]), classes)), out_dir, "random"
    )
