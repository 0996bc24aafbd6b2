"""Python functions in tf.data pipelines, and an exit that waits for them.

When a process exits, Python destroys the iterators that are still alive, for example in the frames
of an error. TensorFlow then waits for the functions that run in their pipelines, but Python runs no
other thread any more: the process hangs. So the exit first waits until the pipelines are idle. This
is soon, because nobody takes batches and their buffers fill.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import tensorflow as tf

without_autograph = tf.autograph.experimental.do_not_convert
"""Marks a function that has no Python control flow over tensors, for which AutoGraph looks."""

_IDLE_SECS = 0.2
"""Without a call for so long, every buffer is full."""

_LONGEST_SECS = 60.0
_POLL_SECS = 0.01


class _Calls:
    """Counts the running calls of functions in pipelines."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._last_end = -_IDLE_SECS

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any) -> Any:
            with self._lock:
                self._running += 1
            try:
                return function(*arguments)
            finally:
                with self._lock:
                    self._running -= 1
                    self._last_end = time.monotonic()

        return call

    def wait(self) -> None:
        """Returns when there was no call for a while, or after a minute."""
        end = time.monotonic() + _LONGEST_SECS
        while time.monotonic() < end and not self._is_idle():
            time.sleep(_POLL_SECS)

    def _is_idle(self) -> bool:
        return not self._running and time.monotonic() - self._last_end >= _IDLE_SECS


_calls = _Calls()
atexit.register(_calls.wait)


def python_function(
    function: Callable[..., Any],
    inputs: Sequence[tf.Tensor],
    outputs: tf.DType | Sequence[tf.DType],
    stateful: bool = True,
) -> Any:
    """`tf.numpy_function`, for whose calls an exit of the process waits.

    Args:
        function: from arrays to an array, or to several.
        inputs: the function's arguments.
        outputs: dtype of every array that it returns.
        stateful: whether calls with equal arguments may differ.

    Returns:
        A tensor per dtype.
    """
    return tf.numpy_function(_calls.counted(function), inputs, outputs, stateful=stateful)
