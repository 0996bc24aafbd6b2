"""Structure of compressed recordings: Ogg pages, joined FLAC. No decoding here.

If several recordings were joined (the Ogg stream of an internet radio, FLACs joined by `cat`),
libsndfile decodes only the first. It also fails to decode Ogg FLAC without a number of samples. So
the parts are found here and decoded one by one. The headers of pages are read one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from aec_ofa_tf.audio.io.errors import UnusableSoundError
from aec_ofa_tf.audio.io.magic import refuse_joined
from aec_ofa_tf.audio.io.mpeg import recording_at
from aec_ofa_tf.audio.io.parts import Part, check_count, id3_bytes, part_bytes, read_at

_PAGE_HEADER_BYTES = 27
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04
_FLAC_HEAD = b"fLaC\0\0\0\x22"
_OGG_FLAC_HEAD = b"\x7fFLAC"
# Bytes of the first packet of Ogg FLAC before the header of a FLAC file.
_OGG_FLAC_EXTRA_BYTES = 9
# (format, position in a recording, bytes): where a recording may begin in other data. Each place
# is checked by `recording_at`, except for FLAC, whose bytes suffice.
_BEGINNINGS = (
    ("FLAC", 0, _FLAC_HEAD),
    ("Ogg", 0, b"OggS\0\x02"),
    ("WAV", 8, b"WAVE"),
    ("MP3", 0, b"ID3"),
    *(("MP3", start, name) for name in (b"Info", b"Xing") for start in (13, 21, 36)),
)
_OVERLAP_BYTES = max(len(needle) for _, _, needle in _BEGINNINGS) - 1
# libsndfile reads less in advance.
_DECODER_BUFFER_BYTES = 1 << 16


class _Page(NamedTuple):
    flags: int
    serial: bytes
    start: int
    body: int
    end: int


def ogg_parts(file: BinaryIO) -> list[Part]:
    """Finds the recordings of a chained Ogg file.

    Raises:
        UnusableSoundError: the last page is cut or missing, or a recording of another format is
            joined to it.
    """
    length = file.seek(0, os.SEEK_END)
    starts, end, flags = [0], 0, _FIRST_PAGE
    for page in _ogg_pages(file, length):
        if page.flags & _FIRST_PAGE and not flags & _FIRST_PAGE:
            starts.append(page.start)
        end, flags = page.end, page.flags
    if end > length:
        raise UnusableSoundError(f"truncated: at least {end - length} bytes are missing at its end")
    if end == length and not flags & _LAST_PAGE:
        raise UnusableSoundError("truncated: its last page is missing")
    if end < length:
        refuse_joined(recording_at(file, end))
    check_count(starts)
    return [Part(start, stop) for start, stop in zip(starts, [*starts[1:], length], strict=True)]


def ogg_flac(file: BinaryIO) -> Iterator[bytes] | None:
    """The FLAC file within an Ogg file, in pieces; None if there is none.

    Raises:
        UnusableSoundError: while iterating: the first page is damaged.
    """
    length = file.seek(0, os.SEEK_END)
    page = next(_ogg_pages(file, length), None)
    if page is None or read_at(file, page.body, 5) != _OGG_FLAC_HEAD:
        return None
    return _ogg_flac_bytes(file, length, page.serial)


def flac_parts(file: BinaryIO, decoded_to: int = 0) -> list[Part]:
    """Finds the recordings of joined FLAC files by searching for their beginnings.

    Args:
        file: a file that begins with a FLAC.
        decoded_to: position up to which a decoder has read the first one.

    Raises:
        UnusableSoundError: a recording of another format is joined to them.
    """
    length = file.seek(0, os.SEEK_END)
    starts = [0]
    position = max(_flac_frames_start(file, id3_bytes(file)), decoded_to - _DECODER_BUFFER_BYTES)
    while found := _next_recording(file, position, length):
        start, container = found
        refuse_joined(container if container != "FLAC" else None)
        starts.append(start)
        check_count(starts)
        position = _flac_frames_start(file, start)
    return [Part(start, stop) for start, stop in zip(starts, [*starts[1:], length], strict=True)]


def _flac_frames_start(file: BinaryIO, position: int) -> int:
    """The position after the metadata, in which pictures and headers of WAV files may lie."""
    length = file.seek(0, os.SEEK_END)
    position += len(b"fLaC")
    while position + 4 <= length:
        head = read_at(file, position, 4)
        position += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:  # the last block
            break
    return min(position, length)


def _next_recording(file: BinaryIO, position: int, length: int) -> tuple[int, str] | None:
    """Position and format of the first recording that begins at or after a position."""
    window = b""
    for block in part_bytes(file, position, length):
        origin, window = position - len(window), window + block
        hits = [
            (start, name)
            for name, offset, needle in _BEGINNINGS
            for start in _starts(window, needle, origin - offset)
            if (name == "FLAC" or recording_at(file, start) == name)
        ]
        if hits:
            return min(hits)
        position += len(block)
        window = window[-_OVERLAP_BYTES:]
    return None


def _starts(window: bytes, needle: bytes, origin: int) -> Iterator[int]:
    found = window.find(needle)
    while found >= 0:
        yield origin + found
        found = window.find(needle, found + 1)


def _ogg_pages(file: BinaryIO, length: int) -> Iterator[_Page]:
    """Yields the pages up to damage; the last one may extend beyond the end of the file."""
    position = 0
    while position < length:
        # The table of segments, at most 255 bytes, stands behind the header.
        head = read_at(file, position, _PAGE_HEADER_BYTES + 255)
        if not b"OggS".startswith(head[:4]):
            return  # damage, or other data after the recording: the decoder decides
        table_end = _PAGE_HEADER_BYTES + (head[26] if len(head) > 26 else 0)
        if position + table_end > length:
            yield _Page(0, b"", position, position, position + table_end)
            return
        body = position + table_end
        end = body + sum(head[_PAGE_HEADER_BYTES:table_end])
        yield _Page(head[5], head[14:18], position, body, end)
        position = end


def _ogg_flac_bytes(file: BinaryIO, length: int, serial: bytes) -> Iterator[bytes]:
    extra = _OGG_FLAC_EXTRA_BYTES
    for page in _ogg_pages(file, length):
        if page.serial == serial:
            if page.end - page.body < extra:
                raise UnusableSoundError("undecodable: damaged Ogg FLAC")
            yield read_at(file, page.body + extra, page.end - page.body - extra)
            extra = 0
