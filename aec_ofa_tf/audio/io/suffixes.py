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


# What programs and people leave beside recordings.
_TEXTS = {
    *(".cfg", ".csv", ".cue", ".description", ".doc", ".docx", ".html", ".ini", ".jams", ".json"),
    *(".jsonl", ".lab", ".log", ".m3u", ".md", ".md5", ".nfo", ".pdf", ".py", ".rtf", ".sha256"),
    *(".srt", ".textgrid", ".toml", ".tsv", ".txt", ".vtt", ".xls", ".xlsx", ".xml", ".yaml"),
    ".yml",
}
_PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".tif", ".tiff", ".webp"}
_DATA = {".gz", ".h5", ".hdf5", ".npy", ".npz", ".parquet", ".pickle", ".pkl", ".tar", ".zip"}
# Peaks and settings of sound editors, unfinished downloads.
_AUXILIARY = {".asd", ".part", ".pek", ".pkf", ".reapeaks", ".sfk", ".temp", ".tmp", ".ytdl"}
_NO_SOUND = {*_TEXTS, *_PICTURES, *_DATA, *_AUXILIARY}


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


def is_no_sound(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix says that a file is a text, a picture or the like."""
    return suffix_of(path) in _NO_SOUND
