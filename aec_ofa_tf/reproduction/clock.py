"""Seconds of a job over all its starts, those that were killed included. No TensorFlow here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aec_ofa_tf.files import DAMAGE_ERRORS, read_json, write_json


@contextmanager
def timed(path: Path, folder: Path) -> Iterator[Callable[[], float]]:
    """Counts the seconds of the block, and those of earlier starts that did not finish it.

    A start that was killed counts until it last wrote something to its folder.

    Args:
        path: a file that is there while the work is unfinished.
        folder: the folder that the work writes to.

    Yields:
        A function that returns the seconds so far.
    """
    earlier, began = _earlier_secs(path, folder), time.time()
    write_json(path, {"secs": earlier, "began": began})

    def so_far() -> float:
        return earlier + time.time() - began

    try:
        yield so_far
    except BaseException:
        write_json(path, {"secs": so_far(), "began": None})
        raise
    path.unlink()


def _earlier_secs(path: Path, folder: Path) -> float:
    if not path.exists():
        return 0.0
    try:
        known = read_json(path)
        secs, began = float(known["secs"]), known["began"]
        return secs if began is None else secs + max(_last_change(folder) - float(began), 0.0)
    except DAMAGE_ERRORS:  # it is only the time
        return 0.0


def _last_change(folder: Path) -> float:
    files = (path for path in folder.rglob("*") if path.is_file())
    return max((path.stat().st_mtime for path in files), default=0.0)
