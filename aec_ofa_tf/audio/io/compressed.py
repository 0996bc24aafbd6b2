"""Structure of compressed recordings: Ogg pages, MP3 frames, joined FLAC. No decoding here.

If several recordings were joined (the Ogg stream of an internet radio, MP3s joined by `cat`),
libsndfile decodes only the first. It also fails to decode Ogg FLAC without a number of samples. So
the parts are found here and decoded one by one. The headers of pages and frames are read one at a
time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from aec_ofa_tf.audio.io.errors import UnusableSoundError

_PAGE_HEADER_BYTES = 27
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04
_FLAC_HEAD = b"fLaC\0\0\0\x22"
_OGG_FLAC_HEAD = b"\x7fFLAC"
# Bytes of the first packet of Ogg FLAC before the header of a FLAC file.
_OGG_FLAC_EXTRA_BYTES = 9
_COPY_BYTES = 1 << 18
_MAX_PARTS = 10_000

# Kilobits a second by index, for the three layers of MPEG-1, then for those of MPEG-2.
_MPEG1_KBPS = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_MPEG2_KBPS = (
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MPEG1_RATES_HZ = (44100, 48000, 32000)


@dataclass(frozen=True)
class Part:
    """One of the recordings in a file.

    Attributes:
        start: position of the first byte.
        end: position after the last byte.
        stated_frames: MP3: number of frames in the Info header; None without a header.
        found_frames: MP3: number of frames found, without the Info header.
        info_end: MP3: position after the Info header; `start` without a header.
    """

    start: int
    end: int
    stated_frames: int | None = None
    found_frames: int = 0
    info_end: int = 0


class _Page(NamedTuple):
    flags: int
    serial: bytes
    start: int
    body: int
    end: int


def ogg_parts(file: BinaryIO) -> list[Part]:
    """Finds the recordings of a chained Ogg file.

    Raises:
        UnusableSoundError: the last page is cut or missing.
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
    _check_count(starts)
    return [Part(start, stop) for start, stop in zip(starts, [*starts[1:], length], strict=True)]


def ogg_flac(file: BinaryIO) -> Iterator[bytes] | None:
    """The FLAC file within an Ogg file, in pieces; None if there is none.

    Raises:
        UnusableSoundError: while iterating: the first page is damaged.
    """
    length = file.seek(0, os.SEEK_END)
    page = next(_ogg_pages(file, length), None)
    if page is None or _read_at(file, page.body, 5) != _OGG_FLAC_HEAD:
        return None
    return _ogg_flac_bytes(file, length, page.serial)


def begins_as_mp3(file: BinaryIO) -> bool:
    """Whether a file begins, after an ID3 tag if any, with two consecutive MPEG frames."""
    start = id3_bytes(file)
    size = _mpeg_frame_bytes(_read_at(file, start, 4))
    return bool(size and _mpeg_frame_bytes(_read_at(file, start + size, 4)))


def mp3_parts(file: BinaryIO) -> list[Part]:
    """Finds the recordings of joined MP3 files: each begins with an Info (Xing) header.

    Returns:
        At least one part; it is the whole file if no frame of a known length is found.
    """
    length = file.seek(0, os.SEEK_END)
    parts: list[Part] = []
    start, info, frames = 0, None, 0
    for position, end, stated in _mpeg_frames(file, length):
        if stated is None:
            frames += 1
            continue
        if frames or info is not None:
            parts.append(_mp3_part(start, position, info, frames))
        start, info, frames = (position if parts else 0), (stated, end), 0
    parts.append(_mp3_part(start, length, info, frames))
    _check_count(parts)
    return parts


def flac_parts(file: BinaryIO) -> list[Part]:
    """Finds the recordings of joined FLAC files by searching the whole file."""
    length = file.seek(0, os.SEEK_END)
    position = id3_bytes(file) + len(_FLAC_HEAD)
    starts, kept = [0], b""
    for block in part_bytes(file, position, length):
        window = kept + block
        found = window.find(_FLAC_HEAD)
        while found >= 0:
            starts.append(position - len(kept) + found)
            found = window.find(_FLAC_HEAD, found + 1)
        position += len(block)
        kept = window[1 - len(_FLAC_HEAD) :]
    _check_count(starts)
    return [Part(start, stop) for start, stop in zip(starts, [*starts[1:], length], strict=True)]


def id3_bytes(file: BinaryIO, position: int = 0) -> int:
    """Length of the ID3 tag at a position of a file; 0 if there is none."""
    head = _read_at(file, position, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F  # seven bits a byte, so that no sync word can occur
    return size + 10


def part_bytes(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Reads a part of a file in pieces, independent of the file's current position."""
    while start < end and (data := os.pread(file.fileno(), min(_COPY_BYTES, end - start), start)):
        yield data
        start += len(data)


def _check_count(parts: list) -> None:
    if len(parts) > _MAX_PARTS:
        raise UnusableSoundError(f"more than {_MAX_PARTS} recordings in one file")


def _read_at(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)


def _ogg_pages(file: BinaryIO, length: int) -> Iterator[_Page]:
    """Yields the pages up to damage; the last one may extend beyond the end of the file."""
    position = 0
    while position < length:
        # The table of segments, at most 255 bytes, stands behind the header.
        head = _read_at(file, position, _PAGE_HEADER_BYTES + 255)
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
            yield _read_at(file, page.body + extra, page.end - page.body - extra)
            extra = 0


def _mp3_part(start: int, end: int, info: tuple[int, int] | None, frames: int) -> Part:
    if info is None:
        return Part(start, end, None, frames, start)
    stated, info_end = info
    return Part(start, end, stated or None, frames, info_end)


def _mpeg_frames(file: BinaryIO, length: int) -> Iterator[tuple[int, int, int | None]]:
    """Yields (start, end, frames) of every frame; frames is that of an Info header, else None."""
    position, in_step = id3_bytes(file), False
    while position + 4 <= length:
        head = _read_at(file, position, 48)
        size = _mpeg_frame_bytes(head)
        # Two consecutive headers are required: a single one may be a coincidence.
        if size and not in_step:
            follower = _read_at(file, position + size, 4)
            in_step = bool(_mpeg_frame_bytes(follower)) or position + size == length
        if size and in_step:
            yield position, min(position + size, length), _info_frames(head)
            position += size
            continue
        in_step = False
        position = _next_sync(file, position, length)


def _next_sync(file: BinaryIO, position: int, length: int) -> int:
    """The next position where a frame may begin, after tags and damage."""
    tag = id3_bytes(file, position)
    if tag:
        return position + tag
    found = _read_at(file, position + 1, _COPY_BYTES).find(b"\xff")
    return position + 1 + found if found >= 0 else min(length, position + 1 + _COPY_BYTES)


def _mpeg_frame_bytes(head: bytes) -> int:
    """Length of the frame with this header; 0 if it is not a header, or of free format."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or index in (0, 15) or rate == 3:
        return 0
    kbps = (_MPEG1_KBPS if version == 3 else _MPEG2_KBPS)[layer - 1][index]
    rate_hz = _MPEG1_RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12_000 * kbps // rate_hz + padding) * 4
    halves = 1 if layer == 3 and version != 3 else 2
    return 72_000 * halves * kbps // rate_hz + padding


def _info_frames(head: bytes) -> int | None:
    """Number of frames in an Info header; 0 if the header lacks it, None for a frame of sound."""
    is_mono, is_mpeg1 = head[3] >> 6 == 3, head[1] >> 3 & 3 == 3
    side_bytes = (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)
    body = head[4 + side_bytes :]
    if body[:4] not in (b"Info", b"Xing"):
        return None
    return int.from_bytes(body[8:12], "big") if len(body) >= 12 and body[7] & 1 else 0
