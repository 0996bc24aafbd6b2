"""Ctrl-C at places of the program's choice, so that what is half told is told to its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Holds Ctrl-C back while entered, but for `allowed` blocks.

    Where SIGINT is not Python's own to begin with (a job in the background ignores it), nothing
    changes.
    """

    def __init__(self) -> None:
        self._is_allowed = False
        self._is_pending = False
        self._is_ours = False

    def __enter__(self) -> Interrupts:
        self._is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_ours:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """A block that Ctrl-C may end; one that was held back ends it at once.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        try:
            self._is_allowed = True
            if self._is_pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._is_allowed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._is_pending = True
        if self._is_allowed:
            signal.default_int_handler(number, frame)
