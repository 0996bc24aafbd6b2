"""Reads recordings that libsndfile does not read (m4a, AAC, WebM, WMA) by PyAV, the extra `av`.

FFmpeg's demuxer is chosen here, by the file's first bytes. FFmpeg itself must not guess the format:
it could take a text for a playlist and open the files and addresses in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from aec_ofa_tf.audio.io.boxes import refuse_joined_boxes
from aec_ofa_tf.audio.io.errors import UnusableSoundError, machine_error
from aec_ofa_tf.audio.io.lengths import UNKNOWN_LENGTH_NOTE, missing_note
from aec_ofa_tf.audio.io.parts import id3_bytes
from aec_ofa_tf.audio.io.pcm_stream import MAX_CHANNELS, check_rate
from aec_ofa_tf.audio.io.start import Start, StartBeyondEndError

INSTALL = "pip install '.[av]'"
"""The command that installs PyAV."""

# (name in messages, FFmpeg's demuxer, position of the magic bytes, magic bytes).
_MAGIC = (
    ("MP4", "mov", 4, b"ftyp"),
    ("MP4", "mov", 4, b"moov"),
    ("WebM", "matroska", 0, b"\x1a\x45\xdf\xa3"),
    ("WMA", "asf", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    *(("AAC", "aac", 0, bytes([0xFF, second])) for second in (0xF0, 0xF1, 0xF8, 0xF9)),
    ("AMR", "amr", 0, b"#!AMR"),
    ("FLV", "flv", 0, b"FLV\x01"),
    ("AVI", "avi", 8, b"AVI "),
    ("WavPack", "wv", 0, b"wvpk"),
    ("AC-3", "ac3", 0, b"\x0b\x77"),
    ("Speex", "ogg", 28, b"Speex   "),
    ("CAF", "caf", 0, b"caff"),
)
# These formats contain no length; FFmpeg estimates one from the bit rate.
_WITHOUT_LENGTH = ("aac", "amr", "ac3")
# These have an index, by which FFmpeg finds a time.
_WITH_INDEX = ("mov", "matroska", "asf")
_LEAD_MILLIS = 500
# Encoders add silence before the sound, which the length in the container may include.
_PRIMING_SECS = 0.1
_SCALES = {"u8": 128.0, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}


class FFmpegSound:
    """Iterates over the frames of a recording, in the codec's blocks.

    Args:
        file: a seekable file.
        container: name of the format, from `sniff`.
        demuxer: name of FFmpeg's demuxer, from `sniff`.
        max_missing: largest share of the container's length that may be missing.
        notes: list to which oddities that were accepted are added; complete after the last block.
        start: where to begin.

    Attributes:
        rate_hz: frames per second; known after the first block.
        container: name of the format.
        is_float: whether samples are uncompressed floating-point numbers; known after the first
            block.

    Raises:
        UnusableSoundError: while iterating: PyAV is not installed, the file contains no audio, it
            is cut or damaged, another recording is joined to it, or its rate or channels change.
    """

    def __init__(
        self,
        file: BinaryIO,
        container: str,
        demuxer: str,
        max_missing: float,
        notes: list[str],
        start: Start,
    ) -> None:
        self._file = file
        self._demuxer = demuxer
        self._max_missing = max_missing
        self._notes = notes
        self._start = start
        self.container = container
        self.rate_hz = 0
        self.is_float = False

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks of float32 [frames, channels]; none is empty."""
        try:
            import av
        except ImportError as error:
            raise UnusableSoundError(
                f"contains {self.container} audio, which only FFmpeg reads: {INSTALL}"
            ) from error
        refuse_joined_boxes(self._file, self.container)
        self._file.seek(0)
        try:
            with av.open(
                self._file, format=self._demuxer, options={"protocol_whitelist": "none"}
            ) as opened:
                yield from self._decoded(opened)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError | MemoryError) and machine_error("", error):
                raise
            reason = f"undecodable: {self.container}: {error.strerror}"
            raise UnusableSoundError(reason) from error

    def _decoded(self, opened: Any) -> Iterator[np.ndarray]:
        if not opened.streams.audio:
            raise UnusableSoundError(f"no audio in this {self.container} file")
        stream = opened.streams.audio[0]
        self.is_float = stream.codec_context.name.startswith("pcm_f")
        first_pts = self._seek(opened, stream)
        frames = channels = 0
        for frame in opened.decode(stream):
            block = _block(frame)
            if not channels:
                check_rate(frame.sample_rate)
                self.rate_hz, channels = frame.sample_rate, block.shape[1]
                frames = self._sought_frames(frame, first_pts)
            if (frame.sample_rate, block.shape[1]) != (self.rate_hz, channels):
                raise UnusableSoundError("its sample rate or number of channels changes midway")
            frames += len(block)
            if len(block):
                yield block
        if not channels and first_pts is not None:
            raise StartBeyondEndError("ends before the part to be read")
        self._check_length(opened, stream, frames)

    def _seek(self, opened: Any, stream: Any) -> int | None:
        """Goes near the start, early enough for decoders that need what comes before.

        Returns:
            The time stamp of the recording's first frame; None if nothing was sought.
        """
        millis = self._start.frames_to_seek(1000) - _LEAD_MILLIS
        if self._demuxer not in _WITH_INDEX or millis <= 0:
            return None
        secs = self._stated_secs(opened, stream)
        if secs is not None and secs * 1000 <= millis:
            raise StartBeyondEndError(f"ends after {secs:.2f} s, before the part to be read")
        # The first frame's time is not always that of the stream.
        first = next(opened.decode(stream), None)
        pts = first.pts if first is not None and first.pts is not None else None
        target = 0 if pts is None else pts + round(millis / 1000 / stream.time_base)
        opened.seek(target, stream=stream)
        return pts

    def _sought_frames(self, frame: Any, first_pts: int | None) -> int:
        if first_pts is None or frame.pts is None:
            return 0
        frames = round((frame.pts - first_pts) * frame.time_base * frame.sample_rate)
        frames = min(max(0, frames), self._start.frames_to_seek(frame.sample_rate))
        self._start.sought(frames, frame.sample_rate)
        return frames

    def _stated_secs(self, opened: Any, stream: Any) -> float | None:
        """The length in the container, if it is not only an estimate."""
        if self._demuxer in _WITHOUT_LENGTH:
            return None
        if stream.duration is not None:
            return float(stream.duration * stream.time_base)
        # The length of the whole file, if it is not that of a video.
        known = opened.duration and not opened.streams.video
        return opened.duration / 1e6 if known else None

    def _check_length(self, opened: Any, stream: Any, frames: int) -> None:
        secs = self._stated_secs(opened, stream) if frames else None
        if secs is None:
            self._notes.append(UNKNOWN_LENGTH_NOTE)
            return
        missing = round(secs * self.rate_hz) - frames
        if missing > _PRIMING_SECS * self.rate_hz:
            stated = frames + missing
            self._notes.append(missing_note(missing, stated, "frames", self._max_missing))


def sniff(file: BinaryIO) -> tuple[str, str] | None:
    """Chooses FFmpeg's demuxer for a file.

    Args:
        file: a seekable file; its position afterwards is undefined.

    Returns:
        Name of the format and of the demuxer; None for a file in no known format.
    """
    file.seek(id3_bytes(file))
    head = file.read(64)
    for name, demuxer, position, magic in _MAGIC:
        if head[position : position + len(magic)] == magic:
            return name, demuxer
    return None


def _block(frame: Any) -> np.ndarray:
    """The samples of FFmpeg's frame as float32 [frames, channels]; integers scaled to [-1, 1]."""
    name = frame.format.name.removesuffix("p")
    channels = len(frame.layout.channels)
    if name not in _SCALES or not 1 <= channels <= MAX_CHANNELS:
        raise UnusableSoundError(f"undecodable: {channels} channels of {frame.format.name} samples")
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, channels)
    if name == "u8":
        samples = samples.astype(np.float32) - 128
    return np.ascontiguousarray(samples.astype(np.float32) / np.float32(_SCALES[name]))
