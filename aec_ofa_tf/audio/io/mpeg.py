"""Structure of MP3 and other MPEG audio: frames, Info headers, joined recordings. No decoding here.

libsndfile ends an MP3 at the length of its Info header or of an estimate. So the frames are found
here, by their headers, which are read one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from aec_ofa_tf.audio.io.magic import magic_at, refuse_joined
from aec_ofa_tf.audio.io.parts import Part, check_count, id3_bytes, read_at

_COPY_BYTES = 1 << 18
_ID3V1_BYTES = 128
# So many consecutive headers are no coincidence, fewer only if they reach the end of the file.
_RUN = 4
_LEAST_RUN = 2
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


def begins_as_mp3(file: BinaryIO) -> bool:
    """Whether a file begins, after an ID3 tag if any, with two consecutive MPEG frames."""
    start = id3_bytes(file)
    size = _mpeg_frame_bytes(read_at(file, start, 4))
    return bool(size and _mpeg_frame_bytes(read_at(file, start + size, 4)))


def recording_at(file: BinaryIO, position: int) -> str | None:
    """The format of the recording that begins, perhaps after an ID3 tag, at a position; or None."""
    position += id3_bytes(file, position)
    return magic_at(file, position) or ("MP3" if _has_run(file, position) else None)


def mp3_parts(file: BinaryIO) -> list[Part]:
    """Finds the recordings of joined MP3 files: each begins with an Info (Xing) header.

    Returns:
        At least one part; it is the whole file if no frame of a known length is found.

    Raises:
        UnusableSoundError: a recording of another format is joined to it.
    """
    length = file.seek(0, os.SEEK_END)
    parts: list[Part] = []
    part = Part(0, length)
    for position, end, stated in _mpeg_frames(file, length):
        if stated is None:
            whole = end <= length
            part = replace(
                part,
                found_frames=part.found_frames + whole,
                sound_end=end if whole else part.sound_end,
            )
            continue
        if part.sound_end:
            parts.append(replace(part, end=position))
        start = position if parts else 0
        part = Part(start, length, stated or None, 0, end, sound_end=end)
    parts.append(part)
    check_count(parts)
    return parts


def _has_run(file: BinaryIO, position: int) -> bool:
    """Whether consecutive frames begin at a position, enough of them to be no coincidence."""
    length = file.seek(0, os.SEEK_END)
    for count in range(_RUN):
        size = _mpeg_frame_bytes(read_at(file, position, 4))
        if not size:
            return count >= _LEAST_RUN and position == length
        position += size
    return True


def _mpeg_frames(file: BinaryIO, length: int) -> Iterator[tuple[int, int, int | None]]:
    """Yields (start, end, frames) of every frame; frames is that of an Info header, else None.

    The end of a frame that is cut lies behind the end of the file.
    """
    position, in_step = id3_bytes(file), False
    while position + 4 <= length:
        head = read_at(file, position, 48)
        size = _mpeg_frame_bytes(head)
        # Two consecutive headers are required: a single one may be a coincidence.
        if size and not in_step:
            follower = read_at(file, position + size, 4)
            in_step = bool(_mpeg_frame_bytes(follower)) or position + size == length
        if size and in_step:
            yield position, position + size, _info_frames(head)
            position += size
            continue
        in_step = False
        refuse_joined(magic_at(file, position))
        position = _next_sync(file, position, length)


def _next_sync(file: BinaryIO, position: int, length: int) -> int:
    """The next position where a frame may begin, after tags and damage."""
    tag = id3_bytes(file, position)
    if tag:
        return position + tag
    if read_at(file, position, 3) == b"TAG":
        return position + _ID3V1_BYTES
    found = read_at(file, position + 1, _COPY_BYTES).find(b"\xff")
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
