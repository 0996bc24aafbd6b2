"""What lies behind the samples of an uncompressed recording: chunks, tags, text, or more samples.

Programs and recorders append chunks under names of their own. So names do not decide: if the sizes
in the headers lead from chunk to chunk to the end of the file, these are chunks, which samples
practically never resemble.
"""

from __future__ import annotations

import codecs
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from aec_ofa_tf.audio.io.containers import Header
from aec_ofa_tf.audio.io.errors import UnusableSoundError
from aec_ofa_tf.audio.io.lengths import (
    UNKNOWN_LENGTH_NOTE,
    is_filler,
    length_note,
    missing_note,
)
from aec_ofa_tf.audio.io.magic import refuse_joined
from aec_ofa_tf.audio.io.mpeg import recording_at
from aec_ofa_tf.audio.io.parts import read_at

BYTES_TO_LOOK_AT = 1 << 20
"""How far `goes_on` looks ahead in a stream whose header has a length."""
FEW_BYTES_TO_LOOK_AT = 16
"""How far it looks ahead in one whose header has none: nobody waits for more before the sound."""

# Fewer bytes after the samples are padding.
_CHUNK_HEAD_BYTES = 8
_MAX_CHUNKS = 10_000
_BLOCK_BYTES = 1 << 16
# Chunks that were cut, or whose sizes are wrong, are known by these names.
_NAMES_BEHIND = (
    b"LISTlistid3 bextcue smplinstfactPEAKJUNKjunkPAD FLLRiXML_PMXacidafspcartlevlumidstrc"
    b"DISPplstnotelablMD5 axmlchnaLGWVSAURResUminfelm1regnXtratlstslntSyLpCr8rguanwamd"  # WAV, W64
    b"COMMNAMEAUTH(c) ANNOMARKINSTMIDIAESDAPPLCOMTFVERSAXLCHAN"  # AIFF
    b"freemarkstrginfouuidpeakedctmidiovvwpaktkukichan"  # CAF
    b"APET"  # a tag for players, as are TAG and ID3 with a fourth byte of any value
)
_KNOWN = {_NAMES_BEHIND[start : start + 4] for start in range(0, len(_NAMES_BEHIND), 4)}
_TAGS = (b"TAG", b"ID3", b"APETAGEX")
_MORE_SAMPLES = (b"data", b"SSND")


class _Chunks(NamedTuple):
    """How a container stores chunks."""

    head: struct.Struct
    size_counts_head: bool
    unit_bytes: int


_CHUNKS = {
    "WAV": _Chunks(struct.Struct("<4sI"), False, 2),
    "RIFX": _Chunks(struct.Struct(">4sI"), False, 2),
    "RF64": _Chunks(struct.Struct("<4sI"), False, 2),
    "W64": _Chunks(struct.Struct("<16sQ"), True, 8),
    "AIFF": _Chunks(struct.Struct(">4sI"), False, 2),
    "CAF": _Chunks(struct.Struct(">4sQ"), False, 1),
}


def usable_bytes(header: Header, file: BinaryIO, max_missing: float) -> tuple[int, list[str]]:
    """Determines how many bytes of a file are samples.

    Args:
        header: header of the file.
        file: a seekable file; its position afterwards is undefined.
        max_missing: largest share of the samples that may be missing.

    Returns:
        Bytes of samples from `header.start`, and notes on a wrong length in the header.

    Raises:
        UnusableSoundError: too many samples are missing, another recording follows, or the length
            of compressed samples is wrong.
    """
    stated = header.stated_bytes
    behind = file.seek(0, os.SEEK_END) - header.start
    if behind < stated:
        if is_filler(stated):
            return max(0, behind), [UNKNOWN_LENGTH_NOTE]
        return max(0, behind), [missing_note(stated - behind, stated, "bytes", max_missing)]
    if not goes_on(header, file, header.start + stated):
        return stated, []
    if header.form is None:
        raise UnusableSoundError(
            f"{length_note(stated)}; compressed samples after it cannot be read. Convert the file"
        )
    return behind, [length_note(stated)]


def goes_on(header: Header, file: BinaryIO, position: int, is_whole: bool = True) -> bool:
    """Whether more samples follow after the length in the header.

    Args:
        header: header of the recording.
        file: a seekable file, or what a stream holds after that length; its position afterwards is
            undefined.
        position: where the length in the header ends in `file`.
        is_whole: whether `file` extends to the end of the recording.

    Raises:
        UnusableSoundError: another recording follows.
    """
    end = file.seek(0, os.SEEK_END)
    if end - position < _CHUNK_HEAD_BYTES:
        return False
    form = _CHUNKS.get("RIFX" if _is_big_endian_wave(header) else header.container)
    padding = -header.stated_bytes % form.unit_bytes if form else 0
    starts = [position + padding, position]
    _refuse_recordings(file, starts)
    heads = [read_at(file, start, _CHUNK_HEAD_BYTES) for start in starts]
    if form and is_whole and _leads_to_end(file, starts, end, form):
        return False
    if any(head[:4] in _KNOWN or head.startswith(_TAGS) for head in heads):
        return False
    is_padding = header.stated_bytes > 0 and _is_zero(file, position)
    return not (is_whole and (is_padding or _is_text(file, position)))


def _is_big_endian_wave(header: Header) -> bool:
    return header.container == "WAV" and header.form is not None and header.form.big_endian


def _refuse_recordings(file: BinaryIO, starts: list[int]) -> None:
    for start in starts:
        if read_at(file, start, 4) in _MORE_SAMPLES:
            raise UnusableSoundError(
                "a second part of samples follows its end, which would be left out: split the file"
            )
        refuse_joined(recording_at(file, start))


def _leads_to_end(file: BinaryIO, starts: list[int], end: int, form: _Chunks) -> bool:
    """Whether the sizes of chunks lead from one of the positions to the end of the file.

    Raises:
        UnusableSoundError: they lead to another recording.
    """
    waiting, seen = list(starts), set(starts)
    while waiting and len(seen) < _MAX_CHUNKS:
        position = waiting.pop()
        # Zeros behind a chunk are padding, but without one they may be silence.
        if _is_end(file, position, end, form) or (
            position not in starts and _is_zero(file, position)
        ):
            return True
        following = [
            place
            for place in _following(file, position, form)
            if place < end + form.unit_bytes and place not in seen
        ]
        _refuse_recordings(file, following)
        waiting += following
        seen.update(following)
    return False


def _is_end(file: BinaryIO, position: int, end: int, form: _Chunks) -> bool:
    """Whether no chunk begins at a position: the end, with or without padding, or a tag."""
    if end - position < _CHUNK_HEAD_BYTES:
        return position < end + form.unit_bytes
    return read_at(file, position, _CHUNK_HEAD_BYTES).startswith(_TAGS)


def _following(file: BinaryIO, position: int, form: _Chunks) -> list[int]:
    """Where the next chunk may begin, likelier places last: some programs omit the padding."""
    head = read_at(file, position, form.head.size)
    if len(head) < form.head.size:
        return []
    name, size = form.head.unpack(head)
    if not form.size_counts_head:
        size += form.head.size
    if size < form.head.size or (len(name) == 4 and not _is_name(name)):
        return []
    padded = -(-size // form.unit_bytes) * form.unit_bytes
    return [position + size, position + padded][size == padded :]


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


def _is_zero(file: BinaryIO, position: int) -> bool:
    """Whether only zeros follow; nothing counts as zeros."""
    return not any(any(block) for block in _blocks(file, position))


def _is_text(file: BinaryIO, position: int) -> bool:
    """Whether only text follows, which samples of sound, half of them negative, do not resemble."""
    decoder, characters = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        for block in _blocks(file, position):
            text = decoder.decode(block.rstrip(b"\0"))
            if not all(character.isprintable() or character in "\t\n\r" for character in text):
                return False
            characters += len(text)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return characters > 0


def _blocks(file: BinaryIO, position: int) -> Iterator[bytes]:
    while block := read_at(file, position, _BLOCK_BYTES):
        yield block
        position += len(block)
