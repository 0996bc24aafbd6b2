"""What a header says of a recording's length against what is there.

A header's length is a hint. A writer to a pipe cannot know it and leaves a filler, a recorder that
was killed left 0, 32 bits wrap round beyond 4 GiB, and some writers count the header itself. So
the samples that are there are read, and a note says so. A recording is refused only where more
than a share of it is missing, or where another recording stands behind it.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from aec_ofa_tf.audio.io.containers import Header
from aec_ofa_tf.audio.io.errors import UnusableSoundError

MAX_MISSING_SHARE = 0.01
"""Default of the share of a recording that may be missing, against its header."""
UNKNOWN_LENGTH_NOTE = "its header gives no length: it was read to its end"

# A header that counts itself, or a few samples that were never written.
_TRIFLE_BYTES = 44
# All ones, or values near 2^31 (SoX rounds to whole frames and takes 0x7F000000 for AIFF);
# some writers subtract the header.
_FILLERS = (range(0x7F000000, 0x80010000), range(0xFFFF0000, 1 << 32), range(1 << 62, 1 << 64))
# Fewer bytes than these behind the samples are padding: a chunk needs as many.
_CHUNK_HEAD_BYTES = 8
BYTES_TO_LOOK_AT = 16
"""Bytes behind the samples that `goes_on` wants to see."""

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
    """Whether a length is one that writers leave who do not know it (0 is another case)."""
    return any(stated_bytes in fillers for fillers in _FILLERS)


def usable_bytes(header: Header, file: BinaryIO, max_missing: float) -> tuple[int, list[str]]:
    """How much of a file are samples.

    Args:
        header: the file's.
        file: seekable; it is left anywhere.
        max_missing: the share that may be missing.

    Returns:
        Bytes of samples from `header.start`, and notes on a header that is wrong.

    Raises:
        UnusableSoundError: too much is missing, another recording follows, or a compressed
            recording's length is wrong.
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
            f"{length_note(stated)}; compressed samples cannot be read beyond it. Convert the file"
        )
    return behind, [length_note(stated)]


def goes_on(header: Header, data: bytes) -> bool:
    """Whether what follows the samples that a header states are samples, too.

    Args:
        header: the recording's.
        data: the first `BYTES_TO_LOOK_AT` behind them, fewer at the end.

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
    """What is said of a header whose length is too small."""
    if not stated_bytes:
        return UNKNOWN_LENGTH_NOTE
    return f"its header gives {stated_bytes} bytes, but more follow: it was read to its end"


def missing_note(missing: int, stated: int, unit: str, max_missing: float) -> str:
    """What is said of a recording that ends early, if it may be used.

    Args:
        missing: what is missing, in `unit`.
        stated: what there should be.
        unit: "bytes" or "frames".
        max_missing: the share that may be missing; if it is not 0, 44 bytes may in any case.

    Raises:
        UnusableSoundError: more is missing.
    """
    trifle = min(_TRIFLE_BYTES, stated // 2) if unit == "bytes" and max_missing else 0
    if missing > max(trifle, max_missing * stated):
        raise UnusableSoundError(
            f"truncated: at least {missing} of {stated} {unit} are missing at its end"
        )
    return f"{missing} of the {stated} {unit} that its header gives are missing at its end"
