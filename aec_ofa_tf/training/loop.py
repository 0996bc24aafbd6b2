"""The step loop: progress, summaries, checkpoints, faults."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.devices import Devices
from aec_ofa_tf.training.trainer import Trainer

Batch = Mapping[str, Any]
"""What one step takes: tensors, or one per replica."""


@dataclass(frozen=True)
class Feed:
    """Where the loop's batches come from.

    Attributes:
        batches_from: from a step number to the endless stream that begins with that step's batch.
        batch_size: clips of a step, over all replicas.
        ids: from a step number to the names of its clips.
    """

    batches_from: Callable[[int], Iterable[Batch]]
    batch_size: int
    ids: Callable[[int], Sequence[str]] = lambda step: ()


@dataclass(frozen=True)
class LoopConfig:
    """How long a loop runs and how often it reports.

    Attributes:
        steps: step number at which the loop ends, counted from the start of training.
        checkpoint_every: steps between checkpoints.
        summary_every: steps between scalars.
        validate_every: steps between validations; 0 for none.
    """

    steps: int
    checkpoint_every: int = 200
    summary_every: int = 20
    validate_every: int = 0


class StepLoop:
    """Runs a trainer's step on all replicas of a strategy.

    Args:
        trainer: compiled with its optimiser under the strategy.
        devices: the strategy.
        store: where checkpoints go; already restored.
        log: where scalars go.
        validate: scalars by name for the current weights.
        name: shown by the progress bar.
    """

    def __init__(
        self,
        trainer: Trainer,
        devices: Devices,
        store: CheckpointStore,
        log: SummaryLog,
        validate: Callable[[], dict[str, float]],
        name: str,
    ) -> None:
        self.trainer = trainer
        self.devices = devices
        self.store = store
        self.log = log
        self.validate = validate
        self.name = name
        self.step_function = tf.function(self._step, autograph=False)
        self._told = False  # to stop, by a signal to this process
        self._stopping = False  # after this step, as all hosts do

    def run(self, feed: Feed, start: int, config: LoopConfig) -> int:
        """Trains from step `start` up to `config.steps` and leaves a checkpoint there.

        Returns:
            The step at which training stands: the later of the two.

        Raises:
            RuntimeError: the loss is not finite; no checkpoint is written after it.
            SystemExit: a SIGTERM came, here or to another host; all hosts end after the same
                step, which is checkpointed first.
        """
        if start >= config.steps:
            return start
        previous = signal.signal(signal.SIGTERM, self._on_signal)
        try:
            self._run(feed, start, config)
        finally:
            signal.signal(signal.SIGTERM, previous)
        if self._stopping or self._told:  # told after its last step, too
            sys.exit(128 + signal.SIGTERM)
        return config.steps

    def step(self, batch: Batch) -> float:
        """Trains one step and waits for its loss, the mean over replicas."""
        # One reduction for both: a host that was told to stop tells the others with its step.
        loss, stopping = self.step_function(batch, tf.constant(self._told)).numpy().tolist()
        self._stopping = stopping > 0
        return loss

    def _step(self, batch: Batch, stopping: tf.Tensor) -> tf.Tensor:
        """Means over replicas of the loss and of the wish to stop, float32 [2]."""
        strategy = self.devices.strategy

        def replica_step(part: dict[str, Any], stopping: tf.Tensor) -> tf.Tensor:
            loss = tf.cast(self.trainer.step(part), tf.float32)
            # Some CPUs' ReLU turns NaN into 0, and then the loss does not tell of a broken clip.
            heard = tf.reduce_sum(tf.cast(part["log_mel"], tf.float32))
            loss = tf.where(tf.math.is_finite(heard), loss, float("nan"))
            return tf.stack([loss, tf.cast(stopping, tf.float32)])

        values = strategy.run(replica_step, args=(batch, stopping))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)

    def _run(self, feed: Feed, start: int, config: LoopConfig) -> None:
        clock = _Clock(feed.batch_size)
        bar = tqdm(
            total=config.steps,
            initial=start,
            desc=self.name,
            unit="step",
            disable=not self.devices.chief,
        )
        with bar:
            batches = feed.batches_from(start)
            for step, batch in zip(range(start + 1, config.steps + 1), batches, strict=False):
                loss = self.step(batch)
                self._check(loss, step, feed)
                bar.update()
                clock.tick()
                if step % config.summary_every == 0:
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                    self._summarise(step, loss, clock.clips_per_second())
                if self._stopping or step == config.steps or step % config.checkpoint_every == 0:
                    self._save(step)
                if self._stopping:
                    return
                if config.validate_every and step % config.validate_every == 0:
                    self.log.scalars(step, self.validate())
                    clock.reset()

    def _save(self, step: int) -> None:
        # A finite loss can still have had gradients that are not.
        if not all(
            np.isfinite(tf.convert_to_tensor(w)).all() for w in self.trainer.supernet.weights
        ):
            self._fail("a weight is not finite", step, ())
        self.store.save(step)

    def _summarise(self, step: int, loss: float, clips_per_second: float) -> None:
        learning_rate = float(tf.convert_to_tensor(self.trainer.optimizer.learning_rate))
        scalars = {"loss": loss, "learning_rate": learning_rate}
        self.log.scalars(step, {**scalars, "clips_per_second": clips_per_second})

    def _check(self, loss: float, step: int, feed: Feed) -> None:
        if not np.isfinite(loss):
            self._fail(f"the loss is {loss}", step, feed.ids(step - 1))

    def _fail(self, what: str, step: int, ids: Sequence[str]) -> NoReturn:
        raise RuntimeError(
            f"{self.name}: {what} at step {step}; clips of that step: "
            f"{', '.join(ids) or 'unknown'}. Nothing was saved after step "
            f"{max(self.store.steps(), default=0)}; lower --learning_rate or check those clips"
        )

    def _on_signal(self, number: int, frame: object) -> None:
        """Lets the next step tell the other hosts; it is then checkpointed."""
        print(f"{self.name}: stopping after the next step", file=sys.stderr)
        self._told = True


class _Clock:
    """Clips per second since the last reading."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.reset()

    def reset(self) -> None:
        self._began, self._steps = time.monotonic(), 0

    def tick(self) -> None:
        self._steps += 1

    def clips_per_second(self) -> float:
        rate = self._steps * self._batch_size / (time.monotonic() - self._began)
        self.reset()
        return rate
