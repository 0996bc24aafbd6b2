"""The step loop: progress, summaries, checkpoints and errors."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import tensorflow as tf

from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.terminal import progress
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.devices import Devices
from aec_ofa_tf.training.optimizer import averaged, has_average
from aec_ofa_tf.training.profile import Profile
from aec_ofa_tf.training.progress import Progress, StepValues, values_of
from aec_ofa_tf.training.signals import on_sigterm
from aec_ofa_tf.training.step_details import StepDetails
from aec_ofa_tf.training.trainer import Trainer

Batch = Mapping[str, tf.Tensor]
"""The batch of one step: tensors, or values with one tensor per replica."""


@dataclass(frozen=True)
class Feed:
    """The training batches of a loop.

    Attributes:
        batches_from: from the number of completed steps to the endless stream of further batches.
        batch_size: clips per step, over all replicas.
        ids: from the number of completed steps to the ids of the next batch's clips.
    """

    batches_from: Callable[[int], Iterable[Batch]]
    batch_size: int
    ids: Callable[[int], Sequence[str]] = lambda step: ()


@dataclass(frozen=True)
class LoopConfig:
    """How long a loop runs and how often it reports.

    Attributes:
        steps: the step number at which the loop ends, counted from the start of training.
        checkpoint_every: steps between checkpoints.
        summary_every: steps between scalars.
        validate_every: steps between validations; 0 for none.
        profile_steps: number of steps that TensorFlow's profiler records.
    """

    steps: int
    checkpoint_every: int = 200
    summary_every: int = 20
    validate_every: int = 0
    profile_steps: int = 0


class StepLoop:
    """Runs a trainer's step on all replicas of a strategy.

    Args:
        trainer: the trainer, compiled with its optimiser under the strategy.
        devices: the devices, with their strategy.
        store: the checkpoints, already restored.
        log: the log of scalars.
        validate: evaluates the current weights, and logs that under the number of the step.
        name: name in the progress bar and in errors.
    """

    def __init__(
        self,
        trainer: Trainer,
        devices: Devices,
        store: CheckpointStore,
        log: SummaryLog,
        validate: Callable[[int], object],
        name: str,
    ) -> None:
        self.trainer = trainer
        self.devices = devices
        self.store = store
        self.log = log
        self.validate = validate
        self.name = name
        self.step_function = tf.function(self._step, autograph=False)
        self._signalled = False  # this process received SIGTERM
        self._stopping = False  # some host received SIGTERM: all hosts stop after this step

    def run(self, feed: Feed, start: int, config: LoopConfig) -> int:
        """Trains from step `start` to `config.steps`, and writes a checkpoint at the end.

        Returns:
            The last step: the greater of `start` and `config.steps`.

        Raises:
            RuntimeError: the loss or a weight is not finite; that step gets no checkpoint.
            SystemExit: this process or another host received SIGTERM; all hosts write a checkpoint
                and end after the same step. Outside the main thread SIGTERM is not noticed.
        """
        if start >= config.steps:
            return start
        with on_sigterm(self._on_signal):
            self._run(feed, start, config)
        if self._stopping or self._signalled:  # the signal may have come after the last step
            sys.exit(128 + signal.SIGTERM)
        return config.steps

    def step(self, batch: Batch) -> StepValues:
        """Trains one step and waits for its numbers, means over replicas."""
        # One reduction for all numbers and the signal, which thus reaches all hosts.
        values = StepValues.of(self.step_function(batch, tf.constant(self._signalled)).numpy())
        self._stopping = values.stop > 0
        return values

    def _step(self, batch: Batch, stopping: tf.Tensor) -> tf.Tensor:
        """Means over replicas of the step's numbers (`values_of`)."""
        strategy = self.devices.strategy

        def replica_step(part: dict[str, tf.Tensor], stopping: tf.Tensor) -> tf.Tensor:
            details = self.trainer.detailed_step(part)
            # On some CPUs ReLU turns NaN into 0, so that a broken clip can have a finite loss.
            total = tf.reduce_sum(tf.cast(part["log_mel"], tf.float32))
            loss = tf.cast(details.loss, tf.float32)
            loss = tf.where(tf.math.is_finite(total), loss, float("nan"))
            return self._values(details, loss, stopping)

        values = strategy.run(replica_step, args=(batch, stopping))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)

    def _values(self, details: StepDetails, loss: tf.Tensor, stopping: tf.Tensor) -> tf.Tensor:
        return values_of(details, loss, stopping, self.trainer.supernet.space)

    def _run(self, feed: Feed, start: int, config: LoopConfig) -> None:
        collected = Progress(feed.batch_size, by_size=self.trainer.supernet.space.size > 1)
        bar = progress(
            total=config.steps,
            initial=start,
            desc=self.name,
            unit="step",
            disable=not self.devices.chief,
        )
        with bar, Profile(self.log.directory, start, config.profile_steps) as profile:
            batches = collected.timed(feed.batches_from(start))
            for step, batch in zip(range(start + 1, config.steps + 1), batches, strict=False):
                with profile.step(step):
                    values = self.step(batch)
                self._check(values.loss, step, feed)
                bar.update()
                collected.add(values)
                if step % config.summary_every == 0:
                    bar.set_postfix(loss=f"{values.loss:.4f}", refresh=False)
                    rate = float(tf.convert_to_tensor(self.trainer.optimizer.learning_rate))
                    scalars = {"optimizer/learning_rate": rate, **collected.scalars()}
                    self.log.scalars(step, scalars)
                if step == config.steps:
                    self._take_average()
                if self._stopping or step == config.steps or step % config.checkpoint_every == 0:
                    self._save(step)
                if self._stopping:
                    return
                if config.validate_every and step % config.validate_every == 0:
                    with averaged(self.trainer.optimizer, self._weights):
                        self.validate(step)
                    collected.restart()

    @property
    def _weights(self) -> list[keras.Variable]:
        return self.trainer.supernet.trainable_variables

    def _take_average(self) -> None:
        """Ends a phase: its result is the moving average of the weights, if there is one."""
        if has_average(self.trainer.optimizer):
            with self.devices.strategy.scope():
                self.trainer.optimizer.finalize_variable_values(self._weights)

    def _save(self, step: int) -> None:
        # The gradients of a finite loss need not be finite.
        if not all(
            np.isfinite(tf.convert_to_tensor(w)).all() for w in self.trainer.supernet.weights
        ):
            self._fail("a weight is not finite", step, ())
        self.store.save(step)

    def _check(self, loss: float, step: int, feed: Feed) -> None:
        if not np.isfinite(loss):
            self._fail(f"the loss is {loss}", step, feed.ids(step - 1))

    def _fail(self, what: str, step: int, ids: Sequence[str]) -> NoReturn:
        raise RuntimeError(
            f"{self.name}: {what} at step {step}; clips of that step: "
            f"{', '.join(ids) or 'unknown'}. Nothing was saved after step "
            f"{max(self.store.steps(), default=0)}; lower learning_rate or check those clips"
        )

    def _on_signal(self, number: int, frame: object) -> None:
        """Requests a stop: the next step tells all hosts, which then write a checkpoint."""
        print(f"{self.name}: stopping after the next step", file=sys.stderr)
        self._signalled = True
