"""Seconds of a job over all its starts, those that were killed included. No TensorFlow here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aec_ofa_tf.files import DAMAGE_ERRORS, read_json, write_json

_NOTE_SECS = 10.0


@contextmanager
def timed(path: Path, note_secs: float = _NOTE_SECS) -> Iterator[Callable[[], float]]:
    """Counts the seconds of the block, and those of earlier starts that did not finish it.

    A start that is killed counts until it last noted its seconds.

    Args:
        path: the file of notes, which is there while the work is unfinished.
        note_secs: seconds between notes.

    Yields:
        A function that returns the seconds so far.
    """
    earlier, began, done = _noted_secs(path), time.monotonic(), threading.Event()

    def so_far() -> float:
        return earlier + time.monotonic() - began

    def keep_noting() -> None:
        while not done.wait(note_secs):
            with suppress(OSError):  # it is only the time
                _note(path, so_far())

    _note(path, earlier)
    notes = threading.Thread(target=keep_noting, daemon=True)
    notes.start()
    try:
        yield so_far
    except BaseException:
        _stop(notes, done)
        _note(path, so_far())
        raise
    _stop(notes, done)
    path.unlink()


def _stop(notes: threading.Thread, done: threading.Event) -> None:
    done.set()
    notes.join()


def _note(path: Path, secs: float) -> None:
    write_json(path, {"secs": secs})


def _noted_secs(path: Path) -> float:
    if not path.exists():
        return 0.0
    try:
        return float(read_json(path)["secs"])
    except DAMAGE_ERRORS:  # it is only the time
        return 0.0
