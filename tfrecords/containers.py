"""Whether an audio file is whole, as far as its container can tell. No decoding here.

libsndfile returns short audio from a truncated file without a word, so what the header promises
is compared with the bytes that are there.
"""

from __future__ import annotations

import struct

# Writers to a pipe cannot know the size: they leave 0, all ones, or (SoX) just under 2^31.
_STREAMED_SIZE = 0x7FFFF000
_OGG_PAGE_HEADER_BYTES = 27
_OGG_END_OF_STREAM = 0x04
# An Info frame stands at the start of an MP3, after ID3 tags that may hold pictures.
_MP3_INFO_WITHIN_BYTES = 4096


def missing_bytes(data: bytes) -> int:
    """Bytes that the container promises beyond the end of `data`; 0 where it is whole.

    WAV, WAVEX, RF64 and AIFF state the size of their samples; Ogg states each page's size and
    marks its last page (a missing mark counts as one byte). Other containers give 0: FLAC and
    MP3 with an Info header are checked by counting decoded frames instead.
    """
    if data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE":
        return _wave_missing(data)
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return max(0, struct.unpack(">I", data[4:8])[0] + 8 - len(data))
    if data[:4] == b"OggS":
        return _ogg_missing(data)
    return 0


def promises_frames(data: bytes, container: str) -> bool:
    """Whether the decoder's frame count comes from a header rather than from the bytes read.

    An MP3 without an Info (Xing) header promises nothing: where it was cut cannot be told.
    """
    if container != "MP3":
        return True
    start = _id3_bytes(data)
    head = data[start : start + _MP3_INFO_WITHIN_BYTES]
    return b"Info" in head or b"Xing" in head


def _wave_missing(data: bytes) -> int:
    order = ">" if data[:4] == b"RIFX" else "<"
    position, long_size = 12, None
    while position + 8 <= len(data):
        name = data[position : position + 4]
        (size,) = struct.unpack_from(order + "I", data, position + 4)
        body = position + 8
        if name == b"ds64" and body + 16 <= len(data):
            (long_size,) = struct.unpack_from("<Q", data, body + 8)
        if name == b"data":
            if size == 0xFFFFFFFF and long_size is not None:
                size = long_size
            elif size >= _STREAMED_SIZE:
                return 0
            return max(0, body + size - len(data))
        position = body + size + size % 2
    return 0


def _ogg_missing(data: bytes) -> int:
    position, flags = 0, 0
    while position + _OGG_PAGE_HEADER_BYTES <= len(data):
        if data[position : position + 4] != b"OggS":
            return 0  # damage or another file behind this one: the decoder's to judge
        flags = data[position + 5]
        table = position + _OGG_PAGE_HEADER_BYTES
        segments = data[position + 26]
        position = table + segments + sum(data[table : table + segments])
        if position > len(data) or table + segments > len(data):
            return max(1, position - len(data))
    leftover = len(data) - position
    if leftover:
        return _OGG_PAGE_HEADER_BYTES - leftover
    return 0 if flags & _OGG_END_OF_STREAM else 1


def _id3_bytes(data: bytes) -> int:
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F  # seven bits a byte, so that no sync word can occur
    return size + 10
