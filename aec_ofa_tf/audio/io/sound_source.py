"""A recording as blocks of frames, from a file, a pipe or standard input. No TensorFlow here."""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soundfile

from aec_ofa_tf.audio.io import containers
from aec_ofa_tf.audio.io.pcm_stream import PcmBlocks, PcmFormat, ReadAhead, read_wave_header

STANDARD_INPUT = "-"
"""The name that means standard input."""

# More frames than any file holds: libsndfile's way to say that it does not know.
_UNKNOWN_FRAMES = 1 << 48
_BLOCK_SAMPLES = 1 << 20
_MAX_SPOOLED_BYTES = 1 << 31

_log = logging.getLogger(__name__)


class DecodeError(ValueError):
    """A file that gives no usable waveform.

    Attributes:
        path: the file.
        reason: why, in a few words.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.reason)


class SoundSource:
    """The frames of a recording, a few megabytes at a time.

    A pipe that carries WAV, or raw samples if `raw` says which, is decoded as it comes. libsndfile
    reads few other formats without seeking, so that they are first copied to a temporary file.

    Args:
        path: a file; "-" is standard input.
        raw: the format of samples without a header.

    Attributes:
        rate_hz: frames per second; known when the first block is.
        container: libsndfile's name of the format; as `rate_hz`.
        notes: oddities that were accepted; complete after the last block.

    Raises:
        DecodeError: while iterating: the file is missing, empty, truncated or undecodable.
    """

    def __init__(self, path: str | os.PathLike[str], raw: PcmFormat | None = None) -> None:
        self._path = path
        self._raw = raw
        self._ahead: ReadAhead | None = None
        self.rate_hz = 0
        self.container = ""
        self.notes: list[str] = []

    @property
    def waited_secs(self) -> float:
        """How long a pipe's writer was waited for."""
        return self._ahead.waited_secs if self._ahead else 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks of float32 [frames, channels]; none is empty."""
        try:
            raw_file = self._open()
            if self._raw is None and raw_file.seekable():
                with io.BufferedReader(raw_file) as file:
                    yield from self._file_blocks(file)
            else:
                # The thread that reads the pipe closes it.
                yield from self._stream_blocks(raw_file)
        except FileNotFoundError as error:
            raise DecodeError(self._path, "missing") from error
        except OSError as error:
            raise DecodeError(self._path, f"unreadable: {error.strerror or error}") from error

    def _open(self) -> io.FileIO:
        if os.fspath(self._path) == STANDARD_INPUT:
            file = io.FileIO(os.dup(0))
            if file.isatty():
                file.close()
                raise DecodeError(self._path, "a terminal; pipe a recording into it")
            return file
        return io.FileIO(self._path)

    def _stream_blocks(self, pipe: io.FileIO) -> Iterator[np.ndarray]:
        self._ahead = ReadAhead(pipe)
        first = self._ahead.read_some()
        if not first:
            raise DecodeError(self._path, "empty file")
        self._ahead.put_back(first)
        header = (self._raw, None) if self._raw else read_wave_header(self._ahead)
        if header is None:
            # Unbuffered: libsndfile moves the descriptor that a buffer would believe to own.
            with tempfile.TemporaryFile(buffering=0) as spool, io.BufferedReader(spool) as file:
                self._spool(self._ahead, spool)
                yield from self._file_blocks(file)
            return
        form, size = header
        self.rate_hz = form.rate_hz
        self.container = "RAW" if self._raw else "WAV"
        blocks = PcmBlocks(self._ahead, form, size)
        yield from blocks
        if blocks.missing_bytes:
            raise DecodeError(self._path, _truncated(blocks.missing_bytes))
        if blocks.leftover_bytes:
            self.notes.append(
                f"{blocks.leftover_bytes} bytes at its end are no whole frame of {form.channels} "
                f"{form.encoding} samples; are format and channels right?"
            )

    def _spool(self, stream: ReadAhead, spool: BinaryIO) -> None:
        _log.info("%s is a pipe and not PCM: it is read to its end first", self._path)
        size = 0
        while chunk := stream.read_some():
            size += len(chunk)
            if size > _MAX_SPOOLED_BYTES:
                raise DecodeError(
                    self._path,
                    f"a stream of more than {_MAX_SPOOLED_BYTES >> 30} GiB that is not PCM; pipe "
                    "it as WAV, for example through `ffmpeg -i - -f wav -`",
                )
            spool.write(chunk)

    def _file_blocks(self, file: BinaryIO) -> Iterator[np.ndarray]:
        if not file.seek(0, os.SEEK_END):
            raise DecodeError(self._path, "empty file")
        missing = containers.missing_bytes(file)
        if missing:
            raise DecodeError(self._path, _truncated(missing))
        file.seek(0)
        is_flac = file.read(4) == b"fLaC"
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        try:
            # By descriptor, for names that are not UTF-8, and so that Ctrl-C is not lost in a
            # callback.
            with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
                yield from self._sound_blocks(sound, file)
        except soundfile.SoundFileError as error:
            raise DecodeError(self._path, f"undecodable: {_explain(error, is_flac)}") from error

    def _sound_blocks(self, sound: soundfile.SoundFile, file: BinaryIO) -> Iterator[np.ndarray]:
        promised, self.rate_hz, self.container = sound.frames, sound.samplerate, sound.format
        if promised >= _UNKNOWN_FRAMES:
            # libsndfile cannot find the end of a FLAC that was written to a pipe.
            raise DecodeError(self._path, "undecodable: its header gives no number of frames")
        frames, decoded = max(1, _BLOCK_SAMPLES // sound.channels), 0
        while len(block := sound.read(frames, dtype="float32", always_2d=True)):
            decoded += len(block)
            yield block
        if not containers.promises_frames(file, self.container):
            # The decoder stops at that estimate, which is short for a variable bit rate.
            self.notes.append(f"{self.container} without an Info header: its length is an estimate")
        elif decoded < promised:
            raise DecodeError(
                self._path, f"truncated: {decoded} of {promised} frames could be read"
            )


def _truncated(missing: int) -> str:
    return f"truncated: at least {missing} bytes are missing at its end"


def _explain(error: soundfile.SoundFileError, is_flac: bool) -> str:
    if is_flac:
        return "corrupt or truncated FLAC"  # libsndfile has other words for it every time
    return str(getattr(error, "error_string", error)).splitlines()[0]
