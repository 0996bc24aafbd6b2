"""What the step loop costs beside its steps: input, summaries, a checkpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import tensorflow as tf

from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.devices import open_devices
from aec_ofa_tf.training.loop import Batch, Feed, LoopConfig, StepLoop
from aec_ofa_tf.training.sampler import uniform_sampler
from pipelines.suites.random_records import write_random_records, write_random_soft_labels
from pipelines.suites.settings import TrainStepSettings
from pipelines.suites.timing import seconds_of
from pipelines.suites.workload import new_trainer
from tfrecords.dataset import training_batches
from tfrecords.records import CheckedBatches

_SUMMARY_EVERY = 20


def measure_loop(settings: TrainStepSettings) -> dict[str, float]:
    """Runs `loop_steps` steps in the loop, and the same steps without it.

    The first half of the bare steps comes before the loop and the second half after it, so that a
    machine that becomes faster or slower does so for both.

    Returns:
        `steps` of either; `loop_seconds` and `bare_seconds`; `overhead`, their ratio - 1; and
        `traces`, how often the step was traced in all of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        feed = _feed(settings, Path(folder))
        loop = _loop(settings, Path(folder))
        batch = next(iter(feed.batches_from(0)))
        float(loop.step_function(batch))
        steps, half = settings.loop_steps, settings.loop_steps // 2
        before = seconds_of(partial(_bare_steps, loop, batch, range(half)))
        config = LoopConfig(steps, checkpoint_every=steps, summary_every=_SUMMARY_EVERY)
        inside = seconds_of(partial(loop.run, feed, 0, config))
        after = seconds_of(partial(_bare_steps, loop, batch, range(half, steps)))
    bare = before + after
    return {
        "steps": steps,
        "loop_seconds": inside,
        "bare_seconds": bare,
        "overhead": inside / bare - 1,
        "traces": loop.step_function.experimental_get_tracing_count(),
    }


def _feed(settings: TrainStepSettings, folder: Path) -> Feed:
    records = write_random_records(settings, folder / "data")
    write_random_soft_labels(records, folder / "soft_labels")

    def batches_from(start: int) -> Iterable[Batch]:
        batches = training_batches(records, settings.batch_size, 0, start, folder / "soft_labels")
        return CheckedBatches(
            batches.map(lambda batch: {k: v for k, v in batch.items() if k != "id"})
        )

    return Feed(batches_from, settings.batch_size)


def _loop(settings: TrainStepSettings, folder: Path) -> StepLoop:
    sampler = uniform_sampler(settings.space.subnets(), settings.subnets_per_step)
    trainer = new_trainer(settings, sampler)
    store = CheckpointStore(folder / "checkpoints", trainer.supernet, trainer.optimizer)
    log = SummaryLog(folder / "events")
    return StepLoop(trainer, open_devices("none"), store, log, dict, "loop")


def _bare_steps(loop: StepLoop, batch: Batch, steps: Iterable[int]) -> None:
    """The loop's own step on the subnets and draws of those steps, with a batch on hand."""
    for step in steps:
        float(loop.step_function({**batch, "step": tf.constant(step, tf.int64)}))
