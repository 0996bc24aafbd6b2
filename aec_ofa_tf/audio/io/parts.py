"""Parts of a file: what joined recordings and tags need. No decoding here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from aec_ofa_tf.audio.io.errors import UnusableSoundError

_COPY_BYTES = 1 << 18
_MAX_PARTS = 10_000
_ID3_HEAD_BYTES = 10
_ID3_FOOTER = 0x10


@dataclass(frozen=True)
class Part:
    """One of the recordings in a file.

    Attributes:
        start: position of the first byte.
        end: position after the last byte.
        stated_frames: MP3: number of frames in the Info header; None without a header.
        found_frames: MP3: number of frames found, without the Info header.
        info_end: MP3: position after the Info header; `start` without a header.
        sound_end: MP3: position after the last whole frame.
    """

    start: int
    end: int
    stated_frames: int | None = None
    found_frames: int = 0
    info_end: int = 0
    sound_end: int = 0


def id3_bytes(file: BinaryIO, position: int = 0) -> int:
    """Length of the ID3 tag at a position of a file; 0 if there is none."""
    head = read_at(file, position, _ID3_HEAD_BYTES)
    if head[:3] != b"ID3" or len(head) < _ID3_HEAD_BYTES:
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 0x7F  # seven bits a byte, so that no sync word can occur
    footer = _ID3_HEAD_BYTES if head[5] & _ID3_FOOTER else 0
    return _ID3_HEAD_BYTES + size + footer


def footed_id3_bytes(file: BinaryIO) -> int:
    """Length of an ID3 tag with a footer, which decoders overlook, at the beginning; or 0."""
    flags = read_at(file, 5, 1)
    return id3_bytes(file) if flags and flags[0] & _ID3_FOOTER else 0


def part_bytes(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Reads a part of a file in pieces, independent of the file's current position."""
    while start < end and (data := os.pread(file.fileno(), min(_COPY_BYTES, end - start), start)):
        yield data
        start += len(data)


def check_count(parts: list) -> None:
    """Checks the number of parts.

    Raises:
        UnusableSoundError: there are too many.
    """
    if len(parts) > _MAX_PARTS:
        raise UnusableSoundError(f"more than {_MAX_PARTS} recordings in one file")


def read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """Reads bytes at a position, fewer at the end of the file."""
    file.seek(position)
    return file.read(size)
