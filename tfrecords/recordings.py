"""Notices recordings that were edited after their records were written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tfrecords.clip import Clip

CHECKS = ("time", "checksum")
"""How recordings are compared: by their time, and by checksum if it differs; or by checksum."""

State = tuple[int, int]
"""Time of the last change in ns, and CRC-32C of the bytes; -1 for a file that cannot be read."""

_BLOCK_BYTES = 1 << 20
_READ_BYTES = 1 << 16
# Longer files are not read whole: their checksum is that of this many blocks from all over them.
_MOST_BLOCKS = 64


def states_of(clips: Iterable[Clip]) -> list[State]:
    """The states of the clips' files, in order."""
    known: dict[str, State] = {}  # texts take a quarter of the memory of paths
    states = []
    for clip in clips:
        name = clip.file
        if name not in known:
            known[name] = (time_ns(clip.path), checksum(clip.path))
        states.append(known[name])
    return states


def edited(clips: Iterable[Clip], states: Sequence[State], check: str) -> Iterator[Clip]:
    """The clips whose file has changed. A copy or a new time alone is no change.

    Args:
        clips: the clips.
        states: the states of their files at an earlier time, in the same order.
        check: one of `CHECKS`.
    """
    for clip, (time, crc) in zip(clips, states, strict=True):
        if (check == "checksum" or time_ns(clip.path) != time) and checksum(clip.path) != crc:
            yield clip


def checksum(path: Path) -> int:
    """CRC-32C of a file's size and bytes; of files above 64 MiB, of 64 pieces of 1 MiB."""
    import google_crc32c  # not in the core install

    crc = google_crc32c.Checksum()
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            crc.update(str(size).encode())
            for place in _places(size):
                file.seek(place)
                left = _BLOCK_BYTES
                while left and (data := file.read(min(left, _READ_BYTES))):
                    crc.update(data)
                    left -= len(data)
    except OSError:
        return -1
    return int.from_bytes(crc.digest(), "big")


def _places(size: int) -> list[int]:
    blocks = -(-size // _BLOCK_BYTES)
    if blocks <= _MOST_BLOCKS:
        return [block * _BLOCK_BYTES for block in range(blocks)]
    last = size - _BLOCK_BYTES
    return [round(last * block / (_MOST_BLOCKS - 1)) for block in range(_MOST_BLOCKS)]


def time_ns(path: Path) -> int:
    """The time of a file's last change; -1 without a file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1
