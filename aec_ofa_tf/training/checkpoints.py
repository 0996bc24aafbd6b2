"""Checkpoints that survive kills and say so when they do not."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import tensorflow as tf
from absl import logging

_STEP = re.compile(r"step-(\d+)\.index")


class CheckpointStore:
    """Weights and optimiser of one training run, by step number.

    Everything else that a step depends on (order of clips, augmentation, sampled subnets) is a
    function of the seed and the step number, so these two are the whole state.

    Args:
        directory: where checkpoints are kept.
        model: the network.
        optimizer: its optimiser, which is built here; None to restore the weights alone.
        keep: how many checkpoints are kept.
    """

    def __init__(
        self,
        directory: Path,
        model: keras.Model,
        optimizer: keras.Optimizer | None = None,
        keep: int = 3,
    ) -> None:
        state = {"weights": [variable.value for variable in model.weights]}
        if optimizer is not None:
            optimizer.build(model.trainable_variables)
            state["optimizer"] = [variable.value for variable in optimizer.variables]
        self.directory = directory
        self._checkpoint = tf.train.Checkpoint(**state)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(directory), max_to_keep=keep, checkpoint_name="step"
        )

    def save(self, step: int) -> None:
        """Writes a checkpoint; a kill leaves the earlier ones intact."""
        self._manager.save(checkpoint_number=step)

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, newest first, whatever the state file says."""
        found = (_STEP.fullmatch(path.name) for path in self.directory.glob("step-*.index"))
        return sorted((int(match.group(1)) for match in found if match), reverse=True)

    def restore(self) -> int:
        """Restores the newest checkpoint that can be read.

        Returns:
            Its step, or 0 where there is none at all.

        Raises:
            OSError: there are checkpoints and none can be read.
        """
        steps = self.steps()
        for step in steps:
            path = self.directory / f"step-{step}"
            try:
                status = self._checkpoint.restore(str(path)).assert_existing_objects_matched()
                status.expect_partial()  # without an optimiser, its values are left in the file
            except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
                logging.warning("checkpoint %s is damaged, trying an older one: %s", path, error)
            else:
                return step
        if steps:
            raise OSError(
                f"none of the checkpoints in {self.directory} can be read (steps {steps}); "
                "restore them from a copy, or remove the folder to train afresh"
            )
        return 0
