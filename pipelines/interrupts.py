"""Ctrl-C and SIGTERM at places of the program's choice, so that reports are whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_AT_FIRST: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Interrupts:
    """Holds Ctrl-C and SIGTERM back while entered, but for `allowed` blocks.

    A signal that is not handled as Python does at first (a job in the background ignores Ctrl-C)
    stays as it is.
    """

    def __init__(self) -> None:
        self._is_allowed = False
        self._is_pending = False
        self._ours: list[signal.Signals] = []

    def __enter__(self) -> Interrupts:
        self._ours = [
            number for number, how in _AT_FIRST.items() if signal.getsignal(number) == how
        ]
        for number in self._ours:
            signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._ours:
            signal.signal(number, _AT_FIRST[number])

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """A block that a signal may end; one that was held back ends it at once.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM.
        """
        try:
            self._is_allowed = True
            if self._is_pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._is_allowed = False

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._is_pending = True
        if self._is_allowed:
            raise KeyboardInterrupt
