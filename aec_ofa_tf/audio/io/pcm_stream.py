"""Uncompressed samples: their formats, and reading them from a pipe as they arrive."""

from __future__ import annotations

import io
import os
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from aec_ofa_tf.audio.io.errors import UnusableSoundError

_DTYPES: dict[str, np.dtype] = {
    "uint8": np.dtype("u1"),
    "int8": np.dtype("i1"),
    "int16": np.dtype("<i2"),
    "int24": np.dtype("V3"),
    "int32": np.dtype("<i4"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "mulaw": np.dtype("u1"),
    "alaw": np.dtype("u1"),
}
ENCODINGS = tuple(_DTYPES)
"""Encodings of a sample; "mulaw" and "alaw" are those of telephony (ITU-T G.711)."""

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
"""Bounds on a recording's sample rate: any other rate means that the header is damaged."""
MAX_CHANNELS = 1024
"""Largest number of channels, as in libsndfile."""

_CHUNK_BYTES = 1 << 16
_CHUNKS_AHEAD = 512


def check_rate(rate_hz: int) -> None:
    """Checks that a sample rate is plausible.

    Raises:
        UnusableSoundError: the rate is not within `MIN_RATE_HZ` and `MAX_RATE_HZ`.
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UnusableSoundError(
            f"a sample rate of {rate_hz} Hz; rates from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are read"
        )


@dataclass(frozen=True)
class PcmFormat:
    """The format of uncompressed, interleaved samples.

    Attributes:
        encoding: one of `ENCODINGS`.
        rate_hz: frames per second.
        channels: samples per frame.
        big_endian: whether the most significant byte of a sample comes first.

    Raises:
        ValueError: the encoding is unknown, or rate or channels are outside their bounds.
    """

    encoding: str
    rate_hz: int
    channels: int = 1
    big_endian: bool = False

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"{self.encoding!r} is unknown; use one of {', '.join(ENCODINGS)}")
        check_rate(self.rate_hz)
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UnusableSoundError(
                f"{self.channels} channels; from 1 to {MAX_CHANNELS} channels are read"
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample per channel."""
        return self.channels * _DTYPES[self.encoding].itemsize

    @property
    def is_float(self) -> bool:
        """Whether samples are floating-point numbers, whose full scale is only a convention."""
        return self.encoding.startswith("float")

    def decode(self, data: bytes) -> np.ndarray:
        """Decodes whole frames to float32 [frames, channels]; integers are scaled to [-1, 1].

        It uses numpy because libsndfile reads from memory by callbacks, in which Ctrl-C is lost.
        """
        return np.asarray(self._values(data), np.float32).reshape(-1, self.channels)

    def _values(self, data: bytes) -> np.ndarray:
        if self.encoding == "mulaw":
            return _MULAW[np.frombuffer(data, np.uint8)]
        if self.encoding == "alaw":
            return _ALAW[np.frombuffer(data, np.uint8)]
        if self.encoding == "int24":
            bytes_of_samples = np.frombuffer(data, np.uint8).reshape(-1, 3)
            padded = np.zeros((len(bytes_of_samples), 4), np.uint8)
            padded[:, 1:] = bytes_of_samples[:, ::-1] if self.big_endian else bytes_of_samples
            samples = padded.view("<i4")[:, 0]
        else:
            dtype = _DTYPES[self.encoding]
            samples = np.frombuffer(data, dtype.newbyteorder(">") if self.big_endian else dtype)
        if samples.dtype.kind == "u":
            return (samples.astype(np.float32) - 128) / 128
        if samples.dtype.kind == "i":
            scaled = samples.astype(np.float32)
            scaled *= 2.0 ** (1 - 8 * samples.itemsize)
            return scaled
        with np.errstate(over="ignore"):  # overflow gives infinity, which the reader refuses
            return samples.astype(np.float32)


class Readable(Protocol):
    """A source of bytes that is read forward."""

    def read(self, size: int, /) -> bytes:
        """Reads exactly `size` bytes, fewer only at the end."""


class ReadAhead:
    """Reads a pipe in a separate thread, at most 32 MiB in advance.

    A recorder that writes to the pipe would lose sound if nothing were read while a window is
    scored. Also, the reader can be interrupted; a blocked C library cannot.

    Args:
        file: an open, unbuffered file; it is closed at its end.

    Attributes:
        waited_secs: how long the reader has waited for bytes.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._chunks: queue.Queue[bytes | OSError] = queue.Queue(_CHUNKS_AHEAD)
        self._rest = b""
        self._ended = False
        self.waited_secs = 0.0
        # If another program made the pipe non-blocking, a pause would look like its end.
        os.set_blocking(file.fileno(), True)
        threading.Thread(target=self._fetch, daemon=True).start()

    def read_some(self) -> bytes:
        """Returns the bytes that have arrived, at least one; no bytes at the end.

        Raises:
            OSError: the pipe cannot be read.
        """
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        if self._ended:
            return b""
        begin = time.perf_counter()
        chunk = self._chunks.get()
        self.waited_secs += time.perf_counter() - begin
        if isinstance(chunk, OSError):
            raise chunk
        self._ended = not chunk
        return chunk

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        data = b""
        while len(data) < size and (chunk := self.read_some()):
            data += chunk
        self._rest = data[size:] + self._rest
        return data[:size]

    def put_back(self, data: bytes) -> None:
        """Inserts `data` before the bytes that are read next."""
        self._rest = data + self._rest

    def _fetch(self) -> None:
        try:
            with self._file:
                while chunk := self._file.read(_CHUNK_BYTES):
                    self._chunks.put(chunk)
        except OSError as error:
            self._chunks.put(error)
        finally:  # the reader waits for an end even after an error
            self._chunks.put(b"")


class FileChunks:
    """Reads a file from its current position, with the interface of `ReadAhead`.

    Args:
        file: a file open for reading.
        chunk_bytes: bytes per chunk.
    """

    def __init__(self, file: BinaryIO, chunk_bytes: int) -> None:
        self._file = file
        self._chunk_bytes = chunk_bytes

    def read_some(self) -> bytes:
        """Returns the next bytes; no bytes at the end."""
        return self._file.read(self._chunk_bytes)


class PcmBlocks:
    """Decodes a stream as it arrives: an iterable of float32 [frames, channels].

    Args:
        stream: a stream at its first sample.
        form: format of the samples.
        size: bytes to read; None reads to the end.

    Attributes:
        missing_bytes: how many bytes of `size` were missing when the stream ended.
        leftover: bytes at the end that are not a whole frame.
    """

    def __init__(self, stream: ReadAhead | FileChunks, form: PcmFormat, size: int | None) -> None:
        self._stream = stream
        self._form = form
        self.missing_bytes = size or 0
        self.leftover = b""
        self._is_endless = size is None

    def __iter__(self) -> Iterator[np.ndarray]:
        while (self._is_endless or self.missing_bytes) and (chunk := self._stream.read_some()):
            if not self._is_endless:
                chunk = self._within_size(chunk)
            data = self.leftover + chunk
            whole = len(data) - len(data) % self._form.frame_bytes
            self.leftover = data[whole:]
            if whole:
                yield self._form.decode(data[:whole])

    def _within_size(self, chunk: bytes) -> bytes:
        if len(chunk) > self.missing_bytes and isinstance(self._stream, ReadAhead):
            self._stream.put_back(chunk[self.missing_bytes :])
        chunk = chunk[: self.missing_bytes]
        self.missing_bytes -= len(chunk)
        return chunk


def _mulaw_table() -> np.ndarray:
    code = ~np.arange(256) & 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return (np.where(code & 0x80, -size, size) / 32768).astype(np.float32)


def _alaw_table() -> np.ndarray:
    code = np.arange(256) ^ 0x55
    step, exponent = (code & 0x0F) << 4, code >> 4 & 7
    size = np.where(exponent, (step + 0x108) << np.maximum(exponent - 1, 0), step + 8)
    return (np.where(code & 0x80, size, -size) / 32768).astype(np.float32)


_MULAW, _ALAW = _mulaw_table(), _alaw_table()
