"""What the step loop costs beside its steps: input, summaries, a checkpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import tensorflow as tf

from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.devices import open_devices
from aec_ofa_tf.training.loop import Batch, Feed, LoopConfig, StepLoop
from aec_ofa_tf.training.sampler import uniform_sampler
from pipelines.benchmarks.random_records import write_random_records, write_random_soft_labels
from pipelines.benchmarks.settings import TrainStepSettings
from pipelines.benchmarks.timing import ratio, seconds_of
from pipelines.benchmarks.workload import new_trainer
from tfrecords.dataset import training_batches
from tfrecords.records import CheckedBatches

_SUMMARY_EVERY = 20
_BLOCK = 20


def measure_loop(settings: TrainStepSettings) -> dict[str, float]:
    """Runs blocks of steps in the loop, and the same steps without it, in alternating order.

    Every block in the loop opens the input and ends with a checkpoint, as a resumed run would:
    more often than training does.

    Returns:
        `steps` of either; seconds of every block; `overhead`, the ratio of their medians - 1; and
        `traces`, how often the step was traced in all of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        feed = _feed(settings, Path(folder))
        loop = _loop(settings, Path(folder))
        batch = next(iter(feed.batches_from(0)))
        loop.step(batch)
        rows = [_block(loop, feed, batch, start) for start in range(0, settings.loop_steps, _BLOCK)]
    return {
        "steps": _BLOCK * len(rows),
        "steps_of_a_block": _BLOCK,
        "blocks": rows,
        "overhead": ratio(rows, "loop", "bare") - 1,
        "traces": loop.step_function.experimental_get_tracing_count(),
    }


def _block(loop: StepLoop, feed: Feed, batch: Batch, start: int) -> dict[str, float]:
    """Seconds of the steps of a block in the loop, and of the same steps without it."""
    end = start + _BLOCK
    config = LoopConfig(end, checkpoint_every=_BLOCK, summary_every=_SUMMARY_EVERY)
    contestants: dict[str, Callable[[], object]] = {
        "loop": partial(loop.run, feed, start, config),
        "bare": partial(_bare_steps, loop, batch, range(start, end)),
    }
    order = list(contestants) if start // _BLOCK % 2 else list(contestants)[::-1]
    return {name: seconds_of(contestants[name]) for name in order}


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
        loop.step({**batch, "step": tf.constant(step, tf.int64)})
