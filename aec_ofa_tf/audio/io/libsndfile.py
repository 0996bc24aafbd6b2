"""Decodes recordings by libsndfile to their end, including those that it would cut or refuse.

libsndfile ends an MP3 at the length of its Info header or of an estimate, and a chained Ogg or
joined FLAC after the first recording. It does not read FLAC in Ogg without a number of samples. So
parts of a file are copied to temporary files and decoded one by one.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import BinaryIO

import numpy as np
import soundfile

from aec_ofa_tf.audio.io import compressed
from aec_ofa_tf.audio.io.errors import UnusableSoundError
from aec_ofa_tf.audio.io.lengths import UNKNOWN_LENGTH_NOTE, missing_note
from aec_ofa_tf.audio.io.mpeg import begins_as_mp3, mp3_parts
from aec_ofa_tf.audio.io.parts import Part, footed_id3_bytes, part_bytes
from aec_ofa_tf.audio.io.pcm_stream import check_rate
from aec_ofa_tf.audio.io.start import Start
from aec_ofa_tf.audio.io.temporary import copied, write_all

# libsndfile reports at least this many frames if it does not know the number.
_UNKNOWN_FRAMES = 1 << 48
# Formats whose length is checked here, in `compressed` or in `lengths`.
_CHECKED = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"}


class UnknownFormatError(UnusableSoundError):
    """libsndfile does not decode this format."""


class SndfileSound:
    """Iterates over the frames of a recording, block by block.

    Args:
        file: a seekable file.
        block_frames: function from rate in Hz and channels to the frames of a block.
        max_missing: largest share of the length in the header that may be missing.
        notes: list to which oddities that were accepted are added; complete after the last block.
        start: where to begin.

    Attributes:
        rate_hz: frames per second; known after the first block.
        container: libsndfile's name of the format; known after the first block.
        is_float: whether samples are stored as floating-point numbers; known after the first block.

    Raises:
        UnknownFormatError: while iterating: libsndfile does not decode this format.
        UnusableSoundError: while iterating: the file is truncated or damaged, its rate is out of
            bounds, or joined recordings differ in rate or channels.
    """

    def __init__(
        self,
        file: BinaryIO,
        block_frames: Callable[[int, int], int],
        max_missing: float,
        notes: list[str],
        start: Start,
    ) -> None:
        self._file = file
        self._block_frames = block_frames
        self._max_missing = max_missing
        self._notes = notes
        self._start = start
        self._channels = 0
        self.rate_hz = 0
        self.container = ""
        self.is_float = False

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks of float32 [frames, channels]; none is empty."""
        tag = footed_id3_bytes(self._file)
        if not tag:
            yield from self._without_tag()
            return
        with copied(part_bytes(self._file, tag, self._file.seek(0, os.SEEK_END))) as self._file:
            yield from self._without_tag()

    def _without_tag(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        if self._file.read(4) == b"OggS":
            yield from self._ogg()
            return
        if begins_as_mp3(self._file):
            yield from self._mp3()
            return
        with opened(self._file) as sound:
            container, known = sound.format, sound.frames < _UNKNOWN_FRAMES
            # libsndfile reads a FLAC without a number of samples into the next one.
            if container not in ("MP3", "FLAC") or (container == "FLAC" and known):
                yield from self._blocks(sound)
            decoded_to = os.lseek(self._file.fileno(), 0, os.SEEK_CUR)
        if container == "MP3":  # whose headers do not contain the bit rate
            yield from self._mp3()
        elif container == "FLAC":
            yield from self._flac(decoded_to if known else None)

    def _ogg(self) -> Iterator[np.ndarray]:
        parts = compressed.ogg_parts(self._file)
        self._note_joined(parts)
        for part in parts:
            with self._part_file(part, is_whole=len(parts) == 1) as file:
                flac = compressed.ogg_flac(file)
                with copied(flac) if flac else nullcontext(file) as plain, opened(plain) as sound:
                    yield from self._blocks(sound, "OGG")

    def _flac(self, decoded_to: int | None) -> Iterator[np.ndarray]:
        """The recordings of joined FLACs, without the first one if it is decoded already."""
        parts = compressed.flac_parts(self._file, decoded_to or 0)
        self._note_joined(parts)
        for part in parts if decoded_to is None else parts[1:]:
            with self._part_file(part, is_whole=len(parts) == 1) as file, opened(file) as sound:
                yield from self._blocks(sound)

    def _mp3(self) -> Iterator[np.ndarray]:
        parts = mp3_parts(self._file)
        self._note_joined(parts)
        for part in parts:
            stated, found = part.stated_frames, part.found_frames
            # Some encoders count the Info header as a frame.
            if stated is None or found > stated + 1:
                self._note(UNKNOWN_LENGTH_NOTE if stated is None else _info_note(stated, found))
                # Without its rest, libsndfile reports an error for a frame that is cut.
                end = part.sound_end or part.end
                with piped(part_bytes(self._file, part.info_end, end)) as sound:
                    yield from self._blocks(sound)
                continue
            if found < stated - 1:
                self._note(missing_note(stated - found, stated, "MPEG frames", self._max_missing))
            with self._part_file(part, is_whole=len(parts) == 1) as file, opened(file) as sound:
                yield from self._blocks(sound)

    def _part_file(self, part: Part, is_whole: bool = False) -> AbstractContextManager[BinaryIO]:
        if is_whole:
            return nullcontext(self._file)
        return copied(part_bytes(self._file, part.start, part.end))

    def _blocks(self, sound: soundfile.SoundFile, container: str = "") -> Iterator[np.ndarray]:
        check_rate(sound.samplerate)
        if self.rate_hz and (self.rate_hz, self._channels) != (sound.samplerate, sound.channels):
            raise UnusableSoundError("joined recordings of different sample rates or channels")
        self.rate_hz, self._channels = sound.samplerate, sound.channels
        self.container = container or sound.format
        self.is_float = sound.subtype in ("FLOAT", "DOUBLE")
        frames = self._block_frames(sound.samplerate, sound.channels)
        stated = sound.frames
        if stated >= _UNKNOWN_FRAMES and self.container != "MP3":  # `_mp3` has its own notes
            self._note(UNKNOWN_LENGTH_NOTE)
        try:
            decoded = self._sought_frames(sound)
            # If more frames are requested, the FLAC decoder continues into the data after them.
            while wanted := min(frames, stated - decoded):
                block = sound.read(wanted, dtype="float32", always_2d=True)
                if not len(block):
                    break
                decoded += len(block)
                yield block
        except soundfile.SoundFileError as error:
            raise UnusableSoundError(f"undecodable: {_explain(error, sound.format)}") from error
        if decoded < stated < _UNKNOWN_FRAMES:
            self._note(missing_note(stated - decoded, stated, "frames", self._max_missing))
        if self.container not in _CHECKED:
            self._note(f"{self.container}: whether it is complete cannot be checked")

    def _sought_frames(self, sound: soundfile.SoundFile) -> int:
        if sound.frames >= _UNKNOWN_FRAMES:
            return 0
        frames = min(self._start.frames_to_seek(sound.samplerate), sound.frames)
        if frames:
            sound.seek(frames)
            self._start.sought(frames, sound.samplerate)
        return frames

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)

    def _note_joined(self, parts: list[Part]) -> None:
        if len(parts) > 1:
            self._note(f"{len(parts)} recordings joined in one file: all were read")


class _ForwardSound(soundfile.SoundFile):
    """Not seekable: soundfile would seek after each block, which fails without a known length."""

    def seekable(self) -> bool:
        return False


@contextmanager
def opened(file: BinaryIO) -> Iterator[soundfile.SoundFile]:
    """Opens a file for libsndfile; afterwards its position is at the end.

    Raises:
        UnknownFormatError: libsndfile does not decode this format.
    """
    file.seek(0)
    head = file.read(4)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:
        # The descriptor works for names that are not UTF-8, and does not need callbacks, in which
        # Ctrl-C would be lost.
        with _open(file.fileno(), "FLAC" if head == b"fLaC" else "") as sound:
            yield sound
    finally:
        # libsndfile has moved the descriptor, which the buffer does not know.
        file.seek(0, os.SEEK_END)


@contextmanager
def piped(data: Iterable[bytes]) -> Iterator[soundfile.SoundFile]:
    """Opens bytes as a pipe, so that libsndfile decodes an MP3 to its end."""
    reading, writing = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), io.FileIO(writing, "w") as pipe:
            for piece in data:
                write_all(pipe, piece)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        with _open(reading, "") as sound:
            yield sound
    finally:
        os.close(reading)
        thread.join()


def _open(descriptor: int, likely_format: str) -> soundfile.SoundFile:
    try:
        return _ForwardSound(descriptor, closefd=False)
    except soundfile.SoundFileError as error:
        raise UnknownFormatError(f"undecodable: {_explain(error, likely_format)}") from error


def _explain(error: soundfile.SoundFileError, container: str) -> str:
    if container == "FLAC":
        return "corrupt or truncated FLAC"  # libsndfile's messages for this vary
    lines = str(getattr(error, "error_string", error)).splitlines()
    return lines[0] if lines else "damaged"


def _info_note(stated: int, found: int) -> str:
    return f"its Info header gives {stated} MPEG frames, there are {found}: all were read"
