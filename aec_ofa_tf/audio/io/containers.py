"""Whether an audio file is whole, as far as its container can tell. No decoding here.

libsndfile returns short audio from a truncated file without a word, so what the header promises
is compared with the bytes that are there. Only headers are read, whatever the length of the file.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

# Writers to a pipe cannot know the size: they leave 0, all ones, or (SoX) just under 2^31.
STREAMED_SIZE = 0x7FFFF000
_OGG_PAGE_HEADER_BYTES = 27
_OGG_END_OF_STREAM = 0x04
# An Info frame stands at the start of an MP3, after ID3 tags that may hold pictures.
_MP3_INFO_WITHIN_BYTES = 4096


def missing_bytes(file: BinaryIO) -> int:
    """Bytes that the container promises beyond the end of a file; 0 where it is whole.

    WAV, WAVEX, RF64 and AIFF state the size of their samples; Ogg states each page's size and
    marks its last page (a missing mark counts as one byte). Other containers give 0: FLAC and
    MP3 with an Info header are checked by counting decoded frames instead.

    Args:
        file: open and seekable; where it is read next is changed.
    """
    length = file.seek(0, os.SEEK_END)
    head = _read_at(file, 0, 12)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return _wave_missing(file, length, ">" if head[:4] == b"RIFX" else "<")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return max(0, struct.unpack(">I", head[4:8])[0] + 8 - length)
    if head[:4] == b"OggS":
        return _ogg_missing(file, length)
    return 0


def promises_frames(file: BinaryIO, container: str) -> bool:
    """Whether the decoder's frame count comes from a header rather than from the bytes read.

    An MP3 without an Info (Xing) header promises nothing: where it was cut cannot be told.

    Args:
        file: open and seekable; where it is read next is changed.
        container: libsndfile's name of the format.
    """
    if container != "MP3":
        return True
    head = _read_at(file, _id3_bytes(_read_at(file, 0, 10)), _MP3_INFO_WITHIN_BYTES)
    return b"Info" in head or b"Xing" in head


def _read_at(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)


def _wave_missing(file: BinaryIO, length: int, order: str) -> int:
    position, long_size = 12, None
    while position + 8 <= length:
        name, size = struct.unpack(order + "4sI", _read_at(file, position, 8))
        body = position + 8
        if name == b"ds64" and body + 16 <= length:
            (long_size,) = struct.unpack("<Q", _read_at(file, body + 8, 8))
        if name == b"data":
            if size == 0xFFFFFFFF and long_size is not None:
                size = long_size
            elif size >= STREAMED_SIZE:
                return 0
            return max(0, body + size - length)
        position = body + size + size % 2
    return 0


def _ogg_missing(file: BinaryIO, length: int) -> int:
    position, flags = 0, 0
    while position + _OGG_PAGE_HEADER_BYTES <= length:
        # The table of segments, at most 255 bytes, stands behind the header.
        page = _read_at(file, position, _OGG_PAGE_HEADER_BYTES + 255)
        if page[:4] != b"OggS":
            return 0  # damage or another file behind this one: the decoder's to judge
        flags = page[5]
        table_end = _OGG_PAGE_HEADER_BYTES + page[26]
        body_bytes = sum(page[_OGG_PAGE_HEADER_BYTES:table_end])
        if position + table_end > length:
            return 1
        position += table_end + body_bytes
        if position > length:
            return position - length
    leftover = length - position
    if leftover:
        return _OGG_PAGE_HEADER_BYTES - leftover
    return 0 if flags & _OGG_END_OF_STREAM else 1


def _id3_bytes(head: bytes) -> int:
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F  # seven bits a byte, so that no sync word can occur
    return size + 10
