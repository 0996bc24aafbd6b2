"""A profile of a few steps, for TensorBoard's profiler."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType

import tensorflow as tf

WARM_UP = 5
"""Steps before the profile: the first ones trace, compile and fill caches."""


class Profile:
    """Records some steps of a loop; as a context manager it ends with the loop.

    The files are in `plugins/profile/` below the directory. TensorBoard shows them with the package
    `tensorboard-plugin-profile`.

    Args:
        directory: directory of the events; None records nothing.
        start: number of steps before the loop.
        steps: number of steps to record, after the warm-up; fewer if the loop ends before.
    """

    def __init__(self, directory: Path | None, start: int, steps: int) -> None:
        self._directory = directory
        first = start + WARM_UP + 1
        self._steps = range(first, first + steps) if directory is not None else range(0)
        self._is_running = False

    def __enter__(self) -> Profile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def step(self, number: int) -> AbstractContextManager[object]:
        """The context of a step; the profiler starts and stops between steps."""
        if number not in self._steps:
            self._stop()
            return nullcontext()
        if not self._is_running:
            tf.profiler.experimental.start(str(self._directory))
            self._is_running = True
        return tf.profiler.experimental.Trace("train", step_num=number, _r=1)

    def _stop(self) -> None:
        if self._is_running:
            self._is_running = False
            tf.profiler.experimental.stop()
