"""Compares the length in a recording's header with the length of the file.

The length in a header may be wrong. A program that writes to a pipe does not know it and writes a
filler, a recorder that was killed leaves 0, 32 bits overflow beyond 4 GiB, and some programs
include the header itself. So all samples in the file are read, with a note. A recording is refused
only if more than a given share of it is missing, or if another recording follows it.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from aec_ofa_tf.audio.io.containers import Header
from aec_ofa_tf.audio.io.errors import UnusableSoundError

MAX_MISSING_SHARE = 0.01
"""Default of the largest share of the length in a header that may be missing."""
UNKNOWN_LENGTH_NOTE = "its header gives no length: it was read to its end"

# The size of a header that is included in its length, or a few samples that were never written.
_TOLERATED_BYTES = 44
# All ones, or values near 2^31 (SoX rounds to whole frames and writes 0x7F000000 for AIFF);
# some programs subtract the header.
_FILLERS = (range(0x7F000000, 0x80010000), range(0xFFFF0000, 1 << 32), range(1 << 62, 1 << 64))
# Fewer bytes after the samples are padding: a chunk needs at least a header of this size.
_CHUNK_HEAD_BYTES = 8
BYTES_TO_LOOK_AT = 16
"""Number of bytes after the samples that `goes_on` needs."""

_NAMES_BEHIND = (
    b"LISTlistid3 bextcue smplinstfactPEAKJUNKjunkPAD FLLRiXML_PMXacidafspcartlevlumidstrc"
    b"DISPplstnotelablMD5 axmlchnaLGWVSAURResUminfelm1regnXtratlstslntSyLpCr8r"  # WAV, W64
    b"COMMNAMEAUTH(c) ANNOMARKINSTMIDIAESDAPPLCOMTFVERSAXLCHAN"  # AIFF
    b"freemarkstrginfouuidpeakedctmidiovvwpaktkukichan"  # CAF
    b"APET"  # a tag for players, as are TAG and ID3 with a fourth byte of any value
)
_TAGS = {_NAMES_BEHIND[start : start + 4] for start in range(0, len(_NAMES_BEHIND), 4)}
_RECORDINGS = {
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b".snd", b"dns.", b"caff"),
    *(b"data", b"SSND"),  # a second part of the samples
}


def is_filler(stated_bytes: int) -> bool:
    """Whether a length is a filler, written by a program that did not know it (besides 0)."""
    return any(stated_bytes in fillers for fillers in _FILLERS)


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
    file.seek(header.start + stated)
    if not goes_on(header, file.read(BYTES_TO_LOOK_AT)):
        return stated, []
    if header.form is None:
        raise UnusableSoundError(
            f"{length_note(stated)}; compressed samples after it cannot be read. Convert the file"
        )
    return behind, [length_note(stated)]


def goes_on(header: Header, data: bytes) -> bool:
    """Whether more samples follow after the length in the header.

    Args:
        header: header of the recording.
        data: the first `BYTES_TO_LOOK_AT` bytes after that length, fewer at the end of the file.

    Raises:
        UnusableSoundError: another recording follows.
    """
    if len(data) < _CHUNK_HEAD_BYTES:
        return False
    padding = -header.stated_bytes % (8 if header.container == "W64" else 2)
    names = {data[:4], data[padding : padding + 4]}
    if names & _RECORDINGS:
        raise UnusableSoundError(
            "another recording is joined to its end, which would be left out: split the file"
        )
    return not (names & _TAGS or data[:3] in (b"TAG", b"ID3"))


def length_note(stated_bytes: int) -> str:
    """The note on a header whose length is too small."""
    if not stated_bytes:
        return UNKNOWN_LENGTH_NOTE
    return f"its header gives {stated_bytes} bytes, but more follow: it was read to its end"


def missing_note(missing: int, stated: int, unit: str, max_missing: float) -> str:
    """The note on a recording that ends early but may be used.

    Args:
        missing: number of missing units.
        stated: number of units according to the header.
        unit: "bytes" or "frames".
        max_missing: largest share that may be missing; unless it is 0, 44 bytes may always be
            missing.

    Raises:
        UnusableSoundError: more is missing.
    """
    tolerated = min(_TOLERATED_BYTES, stated // 2) if unit == "bytes" and max_missing else 0
    if missing > max(tolerated, max_missing * stated):
        raise UnusableSoundError(
            f"truncated: at least {missing} of {stated} {unit} are missing at its end"
        )
    return f"{missing} of the {stated} {unit} that its header gives are missing at its end"
