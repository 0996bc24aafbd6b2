"""Boxes of MP4, elements of WebM, objects of WMA: finds a recording that was joined to another.

FFmpeg ends at the first recording's length. Only the outermost boxes are followed, by their sizes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import BinaryIO

from aec_ofa_tf.audio.io.magic import refuse_joined
from aec_ofa_tf.audio.io.mpeg import recording_at
from aec_ofa_tf.audio.io.parts import read_at

_MAX_BOXES = 100_000
_HEAD_BYTES = 24  # the longest is that of WMA: a name of 16 bytes and a size of 8


def refuse_joined_boxes(file: BinaryIO, container: str) -> None:
    """Refuses a file that has another recording behind the first one.

    Args:
        file: a seekable file; its position afterwards is undefined.
        container: name of the format; nothing is checked for those without such boxes.

    Raises:
        UnusableSoundError: another recording follows.
    """
    box_bytes = _BOX_BYTES.get(container)
    length, position = file.seek(0, os.SEEK_END), 0
    for _ in range(_MAX_BOXES):
        size = box_bytes(read_at(file, position, _HEAD_BYTES)) if box_bytes else 0
        position += size
        if not size or position >= length:
            return
        refuse_joined(recording_at(file, position))


def _mp4_box_bytes(head: bytes) -> int:
    """Length of a box with its header; 0 if it is unknown, or extends to the end of the file."""
    size = int.from_bytes(head[:4], "big")
    least = 8
    if size == 1:  # the length has eight bytes, behind the name
        size, least = int.from_bytes(head[8:16], "big"), 16
    return size if size >= least and len(head) >= least else 0


def _wma_object_bytes(head: bytes) -> int:
    if len(head) < _HEAD_BYTES:
        return 0
    (size,) = struct.unpack_from("<Q", head, 16)
    return size if size >= _HEAD_BYTES else 0


def _webm_element_bytes(head: bytes) -> int:
    name_bytes = _vint_bytes(head)
    size_bytes = _vint_bytes(head[name_bytes:])
    if not name_bytes or not size_bytes:
        return 0
    bits = 7 * size_bytes
    size = int.from_bytes(head[name_bytes : name_bytes + size_bytes], "big") & (1 << bits) - 1
    # All ones: of unknown length, as written to a pipe.
    return name_bytes + size_bytes + size if size != (1 << bits) - 1 else 0


def _vint_bytes(data: bytes) -> int:
    """Length of an EBML number, which the zeros at its beginning tell; 0 if it is none."""
    return 9 - data[0].bit_length() if data and data[0] else 0


_BOX_BYTES: dict[str, Callable[[bytes], int]] = {
    "MP4": _mp4_box_bytes,
    "WMA": _wma_object_bytes,
    "WebM": _webm_element_bytes,
}
