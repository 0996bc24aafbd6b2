"""Checkpoints that survive kills; damaged ones are reported."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import logging

from aec_ofa_tf.files import require_room
from aec_ofa_tf.pinned_keras import keras

# Errors of a lost worker of the cluster; they do not mean that a checkpoint is damaged.
_LOST_WORKER_ERRORS = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
_PARTIAL = ".partial"
_WILDCARDS = re.compile(r"[*?\[\]\\]")
_STEP = re.compile(r"step-(\d+)\.index")
_DATA = re.compile(r"step-(\d+)\.data-\d+-of-\d+")
# What TensorFlow puts around a reason: the node that failed, and the operation.
_NODE = re.compile(r"\{\{.*?\}\}\s*|\s*\[Op:\w+\]")


class CheckpointStore:
    """Stores weights, optimiser and position of one training run by step number.

    This is the whole state: the seed and the step number determine everything else (order of
    clips, augmentation, sampled subnets).

    Args:
        directory: directory of the checkpoints.
        model: the network.
        optimizer: its optimiser, which is built here; None to restore only the weights.
        position: from a step number to integers that identify the position after that step (seed,
            epoch, index of the next clip); they are stored, and compared when restoring.
        keep: number of checkpoints to keep.
        writable: False for workers of a cluster other than the chief.
    """

    def __init__(
        self,
        directory: Path,
        model: keras.Model,
        optimizer: keras.Optimizer | None = None,
        position: Callable[[int], Mapping[str, int]] = lambda step: {},
        keep: int = 3,
        writable: bool = True,
    ) -> None:
        state: dict[str, Any] = {"weights": [variable.value for variable in model.weights]}
        self._position: dict[str, tf.Variable] = {}
        if optimizer is not None:
            if not optimizer.built:
                optimizer.build(model.trainable_variables)
            state["optimizer"] = [variable.value for variable in optimizer.variables]
            self._position = {
                name: tf.Variable(0, dtype=tf.int64) for name in ("step", *position(0))
            }
            state["position"] = self._position
        self.directory = directory
        self._position_at = position
        self._writable = writable
        self._keep = keep
        self._checkpoint = tf.train.Checkpoint(**state)
        self._bytes = sum(
            value.dtype.size * value.shape.num_elements() for value in _tensors(state)
        )

    def require_room(self) -> None:
        """Checks that the disk has room for all checkpoints that are kept, and one in writing.

        Raises:
            OSError: there is less room.
        """
        if self._writable:
            missing = max(1, self._keep + 1 - len(self.steps()))
            require_room(self.directory, missing * self._bytes, "checkpoints")

    def save(self, step: int) -> None:
        """Writes a checkpoint; a kill at any moment leaves only complete checkpoints.

        Raises:
            OSError: it cannot be written, for example because the disk is full.
        """
        if not self._writable:
            return
        for name, value in {"step": step, **self._position_at(step)}.items():
            self._position[name].assign(value)
        # A checkpoint exists if it has an index, which TensorFlow would write in place. So the
        # complete files are moved to their names, the index last.
        name, partial = f"step-{step}", self.directory / _PARTIAL
        shutil.rmtree(partial, ignore_errors=True)
        try:
            self._checkpoint.write(str(partial / name))
        except tf.errors.OpError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise OSError(
                f"the checkpoint of step {step} could not be written to {self.directory}: "
                f"{_reason(error)}. Earlier checkpoints are whole: make room and run the same "
                "command again, which goes on from the last one"
            ) from error
        for path in sorted(partial.glob(f"{name}.*"), key=lambda path: path.suffix == ".index"):
            path.replace(self.directory / path.name)
        for old in self.steps()[self._keep :]:
            self._remove(old)

    def _remove(self, step: int) -> None:
        (self.directory / f"step-{step}.index").unlink()
        for path in self.directory.glob(f"step-{step}.data-*"):
            path.unlink()

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, newest first."""
        found = (_STEP.fullmatch(path.name) for path in self.directory.glob("step-*.index"))
        return sorted((int(match.group(1)) for match in found if match), reverse=True)

    def restore(self) -> int:
        """Restores the newest checkpoint that can be read.

        Returns:
            Its step; 0 if there are no checkpoints.

        Raises:
            OSError: there are checkpoints, but none can be read; or there are only parts of them.
            ValueError: the checkpoint has another seed or another position in the data.
        """
        if self._position and self._writable:  # others only read, perhaps while one is written
            self._finish_move()
        steps, reasons = self.steps(), []
        self._check_parts(steps)
        for step in steps:
            path = self.directory / f"step-{step}"
            try:
                with _readable(self.directory) as folder:
                    status = self._checkpoint.read(str(folder / path.name))
                    status.assert_existing_objects_matched()
                    status.expect_partial()  # without an optimiser its values are not read
            except _LOST_WORKER_ERRORS:
                raise
            except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
                logging.warning("checkpoint %s cannot be read, trying an older: %s", path, error)
                reasons.append(f"step {step}: {_reason(error)}")
            else:
                self._check_position(step)
                return step
        if steps:
            raise OSError(
                f"none of the checkpoints in {self.directory} can be read ({'; '.join(reasons)}). "
                "Restore them from a copy, or train in another run directory"
            )
        return 0

    def _finish_move(self) -> None:
        """Moves the index of a checkpoint whose data a killed `save` had moved already."""
        partial = self.directory / _PARTIAL
        for index in partial.glob("step-*.index"):
            left = any(partial.glob(f"{index.stem}.data-*"))
            if not left and any(self.directory.glob(f"{index.stem}.data-*")):
                index.replace(self.directory / index.name)

    def _check_parts(self, steps: list[int]) -> None:
        """Tells of checkpoints that lost their index, which a careless copy leaves behind."""
        found = (_DATA.fullmatch(path.name) for path in self.directory.glob("step-*.data-*"))
        newest = max(steps, default=-1)
        parts = sorted({step for m in found if m and (step := int(m.group(1))) > newest})
        if not parts:
            return
        what = f"{self.directory} has data of the steps {parts} without their step-N.index files"
        if not steps:
            raise OSError(
                f"{what}, so it was copied in part: copy the *.index files too, or train in "
                "another run directory"
            )
        logging.warning("%s; going on from an earlier checkpoint", what)

    def _check_position(self, step: int) -> None:
        stored = {name: int(tf.convert_to_tensor(value)) for name, value in self._position.items()}
        expected = {"step": step, **self._position_at(step)} if stored else {}
        if stored != expected:
            raise ValueError(
                f"the checkpoint of step {step} in {self.directory} was left at {stored}, and this "
                f"run would be at {expected}: seed, batch size and records must be those it was "
                "trained with"
            )


def _tensors(state: Mapping[str, Any]) -> Iterator[tf.Variable]:
    for value in state.values():
        yield from value.values() if isinstance(value, dict) else value


@contextmanager
def _readable(directory: Path) -> Iterator[Path]:
    """A path of the directory that TensorFlow can read from.

    TensorFlow takes the name of a checkpoint for a pattern; a link stands for a directory whose
    path has wildcards.
    """
    if not _WILDCARDS.search(str(directory)):
        yield directory
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "checkpoints")
        link.symlink_to(directory.resolve(), target_is_directory=True)
        yield link


def _reason(error: Exception) -> str:
    """The first line of a message of TensorFlow's, which may go on with a stack or a graph."""
    lines = str(getattr(error, "message", None) or error).strip().splitlines()
    reason = _NODE.sub("", lines[0]) if lines else ""
    return reason or type(error).__name__
