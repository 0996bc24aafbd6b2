"""Compares the length in a recording's header with the length of the file.

The length in a header may be wrong. A program that writes to a pipe does not know it and writes a
filler, a recorder that was killed leaves 0, 32 bits overflow beyond 4 GiB, and some programs
include the header itself. So all samples in the file are read, with a note. A recording is refused
only if more than a given share of it is missing, or if another recording follows it (`behind`).
"""

from __future__ import annotations

from aec_ofa_tf.audio.io.errors import UnusableSoundError

MAX_MISSING_SHARE = 0.01
"""Default of the largest share of the length in a header that may be missing."""
UNKNOWN_LENGTH_NOTE = "its header gives no length: it was read to its end"

# The size of a header that is included in its length, or a few samples that were never written.
_TOLERATED_BYTES = 44
# All ones, or values near 2^31 (SoX rounds to whole frames and writes 0x7F000000 for AIFF);
# some programs subtract the header.
_FILLERS = (range(0x7F000000, 0x80010000), range(0xFFFF0000, 1 << 32), range(1 << 62, 1 << 64))


def is_filler(stated_bytes: int) -> bool:
    """Whether a length is a filler, written by a program that did not know it (besides 0)."""
    return any(stated_bytes in fillers for fillers in _FILLERS)


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
