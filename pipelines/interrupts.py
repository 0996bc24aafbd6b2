"""Delays Ctrl-C and SIGTERM until a place where they are allowed, so that output is complete."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Interrupts:
    """A context in which Ctrl-C and SIGTERM take effect only in `allowed` blocks.

    A signal without Python's default handler is left alone: a background job ignores Ctrl-C.
    """

    def __init__(self) -> None:
        self._is_allowed = False
        self._is_pending = False
        self._replaced: list[signal.Signals] = []

    def __enter__(self) -> Interrupts:
        self._replaced = [
            number for number, handler in _DEFAULTS.items() if signal.getsignal(number) == handler
        ]
        for number in self._replaced:
            signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._replaced:
            signal.signal(number, _DEFAULTS[number])

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """A block that a signal may interrupt; a signal received earlier interrupts it at once.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM was received.
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
