"""What the suffixes of sound files say. Contents decide how a file is decoded, not its suffix."""

from __future__ import annotations

import os

SUFFIXES = {
    "WAV": {".wav", ".wave", ".rf64", ".bwf"},
    "WAVEX": {".wav", ".wave"},
    "RF64": {".wav", ".rf64"},
    "FLAC": {".flac"},
    "OGG": {".ogg", ".oga", ".opus"},
    "MP3": {".mp3", ".mp2", ".mpga"},
    "AIFF": {".aif", ".aiff", ".aifc"},
    "MP4": {".m4a", ".mp4", ".m4b", ".mov", ".3gp"},
    "WebM": {".webm", ".mkv", ".mka"},
    "WMA": {".wma", ".asf"},
    "AAC": {".aac"},
    "Speex": {".ogg", ".oga", ".spx"},
}
"""Name of a format -> the suffixes that it usually has."""

_FFMPEG_FORMATS = ("MP4", "WebM", "WMA", "AAC", "Speex")
_FFMPEG = {".amr", ".flv", ".avi", ".wv", ".ac3"}.union(
    *(SUFFIXES[name] for name in _FFMPEG_FORMATS)
)
_LIBSNDFILE = {".w64", ".au", ".snd", ".caf"}.union(
    *(SUFFIXES[name] for name in SUFFIXES if name not in _FFMPEG_FORMATS)
)


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The suffix in lower case, with its dot; names that are not UTF-8 are allowed."""
    return os.path.splitext(os.fspath(path))[1].lower()  # noqa: PTH122 - keeps surrogates


def preference(path: str | os.PathLike[str]) -> int | None:
    """Which of several files of one recording to take: the one with the lowest number.

    Returns:
        0 for suffixes of formats that every install decodes, 1 for those of formats that need
        FFmpeg, None for all others.
    """
    suffix = suffix_of(path)
    if suffix in _LIBSNDFILE:
        return 0
    return 1 if suffix in _FFMPEG else None
