"""Reads a recording from a file, a pipe or standard input, in blocks. No TensorFlow here."""

from __future__ import annotations

import io
import logging
import math
import os
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import BinaryIO

import numpy as np

from aec_ofa_tf.audio.io.behind import (
    BYTES_TO_LOOK_AT,
    FEW_BYTES_TO_LOOK_AT,
    goes_on,
    usable_bytes,
)
from aec_ofa_tf.audio.io.containers import Header, header_of_file, header_of_stream
from aec_ofa_tf.audio.io.errors import (
    DecodeError,
    StartError,
    UnusableSoundError,
    machine_error,
)
from aec_ofa_tf.audio.io.ffmpeg import FFmpegSound, sniff
from aec_ofa_tf.audio.io.lengths import (
    MAX_MISSING_SHARE,
    UNKNOWN_LENGTH_NOTE,
    is_filler,
    length_note,
    missing_note,
)
from aec_ofa_tf.audio.io.libsndfile import SndfileSound, UnknownFormatError
from aec_ofa_tf.audio.io.pcm_stream import FileChunks, PcmBlocks, PcmFormat, ReadAhead
from aec_ofa_tf.audio.io.start import Start, StartBeyondEndError
from aec_ofa_tf.audio.io.temporary import copied

STANDARD_INPUT = "-"
"""The name that means standard input."""

_BLOCK_SAMPLES = 1 << 20
# Blocks of uncompressed samples stay in the processor's cache, also while they are resampled.
_PCM_BLOCK_SAMPLES = 1 << 14
_MAX_SPOOLED_BYTES = 1 << 31

_log = logging.getLogger(__name__)


class SoundSource:
    """Iterates over the frames of a recording, a few megabytes at a time.

    Uncompressed samples are decoded as they arrive, also from a pipe. libsndfile needs to seek in
    most other formats, so these are first copied from a pipe to a temporary file. PyAV, if it is
    installed, reads the formats that libsndfile does not read.

    Args:
        path: a file; "-" is standard input.
        raw: the format of samples without a header.
        max_missing: largest share of the length in the header that may be missing at the end.
        block_secs: maximum length of a block, which also has at most about a million samples.
        start_secs: where to begin. Uncompressed samples, libsndfile's formats, MP4, WebM and WMA
            are not decoded before it, if they are files.

    Attributes:
        rate_hz: frames per second; known after the first block.
        container: libsndfile's name of the format; known after the first block.
        is_float: whether samples are stored as floating-point numbers; known after the first block.
        notes: oddities that were accepted; complete after the last block.

    Raises:
        StartError: while iterating: the recording ends before `start_secs`.
        DecodeError: while iterating: the file is missing, empty, truncated or undecodable.
        MachineError: while iterating: the machine lacks space, memory, open files or a folder for
            temporary files.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        raw: PcmFormat | None = None,
        max_missing: float = MAX_MISSING_SHARE,
        block_secs: float = 60.0,
        start_secs: float = 0.0,
    ) -> None:
        self._path = path
        self._raw = raw
        self._max_missing = max_missing
        self._block_secs = block_secs
        self._start = Start(start_secs)
        self._ahead: ReadAhead | None = None
        self.rate_hz = 0
        self.container = ""
        self.is_float = False
        self.notes: list[str] = []

    @property
    def waited_secs(self) -> float:
        """How long the reader has waited for the writer of a pipe."""
        return self._ahead.waited_secs if self._ahead else 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks of float32 [frames, channels]; none is empty."""
        try:
            with closing(self._blocks()) as blocks:
                yield from self._start.trimmed((block, self.rate_hz) for block in blocks)
        except (OSError, MemoryError) as error:
            if reason := machine_error(self._path, error):
                raise reason from error
            if isinstance(error, FileNotFoundError):
                raise DecodeError(self._path, "missing") from error
            detail = getattr(error, "strerror", None) or error
            raise DecodeError(self._path, f"unreadable: {detail}") from error
        except StartBeyondEndError as error:
            raise StartError(self._path, str(error)) from error
        except UnusableSoundError as error:
            raise DecodeError(self._path, str(error)) from error

    def _blocks(self) -> Generator[np.ndarray, None, None]:
        """The blocks of the recording, without the frames that were sought over."""
        raw_file = self._open()
        if self._raw is None and raw_file.seekable():
            with io.BufferedReader(raw_file) as file:
                yield from self._file_blocks(file)
        else:
            # The thread that reads the pipe closes it.
            yield from self._stream_blocks(raw_file)

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
        if self._raw:
            yield from self._raw_blocks(self._ahead, self._raw)
            return
        header = header_of_stream(self._ahead)
        if header is not None and header.form is not None:
            yield from self._piped_blocks(self._ahead, header, header.form)
            return
        _log.info("%s is a pipe and not PCM: reading it to its end first", self._path)
        with copied(self._bounded(self._ahead)) as file:
            yield from self._file_blocks(file)

    def _raw_blocks(self, stream: ReadAhead, form: PcmFormat) -> Iterator[np.ndarray]:
        self._describe("RAW", form)
        blocks = PcmBlocks(stream, form, None)
        yield from blocks
        if blocks.leftover:
            self.notes.append(
                f"{len(blocks.leftover)} bytes at its end are not a whole frame of {form.channels} "
                f"{form.encoding} samples; check format and channels"
            )

    def _piped_blocks(
        self, stream: ReadAhead, header: Header, form: PcmFormat
    ) -> Iterator[np.ndarray]:
        """Yields uncompressed samples; checks the length in the header when the pipe ends."""
        stated = header.stated_bytes
        self._describe(header.container, form)
        blocks = PcmBlocks(stream, form, stated)
        yield from blocks
        if blocks.missing_bytes and is_filler(stated):
            self.notes.append(UNKNOWN_LENGTH_NOTE)
        elif blocks.missing_bytes:
            note = missing_note(blocks.missing_bytes, stated, "bytes", self._max_missing)
            self.notes.append(note)
        else:
            ahead_bytes = BYTES_TO_LOOK_AT if stated else FEW_BYTES_TO_LOOK_AT
            following = stream.read(ahead_bytes)
            is_whole = len(following) < ahead_bytes
            if goes_on(header, io.BytesIO(following), 0, is_whole):
                self.notes.append(length_note(stated))
                stream.put_back(blocks.leftover + following)
                yield from PcmBlocks(stream, form, None)

    def _bounded(self, stream: ReadAhead) -> Iterator[bytes]:
        size = 0
        while chunk := stream.read_some():
            size += len(chunk)
            if size > _MAX_SPOOLED_BYTES:
                raise DecodeError(
                    self._path,
                    f"a stream of more than {_MAX_SPOOLED_BYTES >> 30} GiB that is not PCM; pipe "
                    "it as WAV, for example through `ffmpeg -i - -f wav -`",
                )
            yield chunk

    def _file_blocks(self, file: BinaryIO) -> Iterator[np.ndarray]:
        if not file.seek(0, os.SEEK_END):
            raise DecodeError(self._path, "empty file")
        header = header_of_file(file)
        if header is not None:
            size, notes = usable_bytes(header, file, self._max_missing)
            self.notes += notes
            if header.form is not None:
                self._describe(header.container, header.form)
                before = self._sought_bytes(header.form, size)
                file.seek(header.start + before)
                frames = max(1, _PCM_BLOCK_SAMPLES // header.form.channels)
                chunks = FileChunks(file, header.form.frame_bytes * frames)
                yield from PcmBlocks(chunks, header.form, size - before)
                return
        try:
            yield from self._forward(
                SndfileSound(file, self._block_frames, self._max_missing, self.notes, self._start)
            )
        except UnknownFormatError:
            kind = sniff(file)
            if kind is None:
                raise
            sound = FFmpegSound(file, *kind, self._max_missing, self.notes, self._start)
            yield from self._forward(sound)

    def _sought_bytes(self, form: PcmFormat, size: int) -> int:
        frames = min(self._start.frames_to_seek(form.rate_hz), size // form.frame_bytes)
        self._start.sought(frames, form.rate_hz)
        return frames * form.frame_bytes

    def _forward(self, sound: SndfileSound | FFmpegSound) -> Iterator[np.ndarray]:
        for block in sound:
            self.rate_hz, self.container = sound.rate_hz, sound.container
            self.is_float = sound.is_float
            yield block

    def _block_frames(self, rate_hz: int, channels: int) -> int:
        return max(1, min(_BLOCK_SAMPLES // channels, math.ceil(self._block_secs * rate_hz)))

    def _describe(self, container: str, form: PcmFormat) -> None:
        self.container, self.rate_hz, self.is_float = container, form.rate_hz, form.is_float
