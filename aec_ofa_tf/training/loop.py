"""The step loop: resume, progress, summaries, checkpoints, faults."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.trainer import Trainer

BatchesFrom = Callable[[int], Iterable[Mapping[str, tf.Tensor]]]
"""From a step number to the endless stream of batches that begins with that step's."""


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
    """Runs a trainer from the step at which its optimiser stands.

    Args:
        trainer: compiled with its optimiser.
        store: where checkpoints go; already restored.
        log: where scalars go.
        validate: scalars by name for the current weights.
        name: shown by the progress bar.
    """

    def __init__(
        self,
        trainer: Trainer,
        store: CheckpointStore,
        log: SummaryLog,
        validate: Callable[[], dict[str, float]],
        name: str,
    ) -> None:
        self.trainer = trainer
        self.store = store
        self.log = log
        self.validate = validate
        self.name = name
        self._stop_signal = 0

    def run(self, batches_from: BatchesFrom, config: LoopConfig) -> None:
        """Trains up to `config.steps` and leaves a checkpoint there; returns if it stands there.

        Raises:
            RuntimeError: the loss is not finite; no checkpoint is written after it.
            SystemExit: a SIGTERM came; the current step is checkpointed first.
        """
        start = int(self.trainer.optimizer.iterations)
        if start >= config.steps:
            return
        step_function = tf.function(self.trainer.train_step)
        previous = signal.signal(signal.SIGTERM, self._on_signal)
        try:
            self._run(step_function, batches_from(start), start, config)
        finally:
            signal.signal(signal.SIGTERM, previous)
        if self._stop_signal:
            sys.exit(128 + self._stop_signal)

    def _run(
        self,
        step_function: Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]],
        batches: Iterable[Mapping[str, tf.Tensor]],
        start: int,
        config: LoopConfig,
    ) -> None:
        began, clips = time.monotonic(), 0
        bar = tqdm(total=config.steps, initial=start, desc=self.name, unit="step")
        with bar:
            for step, batch in zip(range(start + 1, config.steps + 1), batches, strict=False):
                ids = batch.get("id")
                inputs = {name: value for name, value in batch.items() if name != "id"}
                loss = float(step_function(inputs)["loss"])
                self._check(loss, step, ids)
                bar.update()
                clips += len(batch["log_mel"])
                if step % config.summary_every == 0:
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                    self._summarise(step, loss, clips / (time.monotonic() - began))
                    began, clips = time.monotonic(), 0
                if self._stop_signal or step == config.steps or step % config.checkpoint_every == 0:
                    self._save(step)
                if self._stop_signal:
                    return
                if config.validate_every and step % config.validate_every == 0:
                    self.log.scalars(step, self.validate())
                    began, clips = time.monotonic(), 0

    def _save(self, step: int) -> None:
        # A finite loss can still have had gradients that are not.
        if not all(np.isfinite(np.asarray(w)).all() for w in self.trainer.supernet.weights):
            self._fail("a weight is not finite", step, None)
        self.store.save(step)

    def _summarise(self, step: int, loss: float, clips_per_second: float) -> None:
        learning_rate = float(self.trainer.optimizer.learning_rate)
        scalars = {"loss": loss, "learning_rate": learning_rate}
        self.log.scalars(step, {**scalars, "clips_per_second": clips_per_second})

    def _check(self, loss: float, step: int, ids: tf.Tensor | None) -> None:
        if not np.isfinite(loss):
            self._fail(f"the loss is {loss}", step, ids)

    def _fail(self, what: str, step: int, ids: tf.Tensor | None) -> NoReturn:
        names = [] if ids is None else [name.decode(errors="replace") for name in np.asarray(ids)]
        raise RuntimeError(
            f"{self.name}: {what} at step {step}; clips of that step: "
            f"{', '.join(names) or 'unknown'}. Nothing was saved after step "
            f"{max(self.store.steps(), default=0)}; lower --learning_rate or check those clips"
        )

    def _on_signal(self, number: int, frame: object) -> None:
        """Lets the running step end; it is then checkpointed."""
        print(f"{self.name}: stopping after this step", file=sys.stderr)
        self._stop_signal = number
