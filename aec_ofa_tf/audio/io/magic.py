"""First bytes of sound formats: finds another recording that was joined to one. No decoding here.

Sound of the first recording must not be taken for the beginning of a second one. So only bytes are
looked for that samples have by chance about once in 10^9 places, where few places are looked at.
"""

from __future__ import annotations

from typing import BinaryIO

from aec_ofa_tf.audio.io.errors import UnusableSoundError
from aec_ofa_tf.audio.io.parts import read_at

# (name in messages, position of the first bytes, the bytes).
_MAGIC = (
    ("FLAC", 0, b"fLaC"),
    ("Ogg", 0, b"OggS\0"),
    *(("WAV", 0, name) for name in (b"RIFF", b"RIFX", b"RF64", b"BW64")),
    ("W64", 0, b"riff"),
    ("AIFF", 0, b"FORM"),
    *(("AU", 0, name) for name in (b".snd", b"dns.")),
    ("CAF", 0, b"caff"),
    ("MP4", 4, b"ftyp"),
    ("WebM", 0, b"\x1a\x45\xdf\xa3"),
    ("WMA", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("WavPack", 0, b"wvpk"),
    ("AMR", 0, b"#!AMR"),
)


def magic_at(file: BinaryIO, position: int) -> str | None:
    """The format of the recording that begins at a position, by its first bytes; or None."""
    head = read_at(file, position, 12)
    for name, start, magic in _MAGIC:
        if head[start : start + len(magic)] == magic:
            return name
    return None


def refuse_joined(container: str | None) -> None:
    """Refuses a file in which another recording follows.

    Args:
        container: name of the other recording's format; None if none follows.

    Raises:
        UnusableSoundError: another recording follows.
    """
    if container:
        raise UnusableSoundError(
            f"another recording is joined to its end ({container}), which would be left out: split "
            "the file"
        )
