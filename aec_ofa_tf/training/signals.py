"""Signal handlers, which Python allows in the main thread only. No TensorFlow here."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def in_main_thread() -> bool:
    """Whether signal handlers can be set here."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def on_sigterm(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Handles SIGTERM in the block; in other threads than the main one, leaves it as it is."""
    if not in_main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
