"""Samples from a pipe as they come: raw PCM, or a WAV that is never sought in."""

from __future__ import annotations

import io
import os
import queue
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aec_ofa_tf.audio.io.containers import STREAMED_SIZE

_DTYPES: dict[str, np.dtype] = {
    "uint8": np.dtype("u1"),
    "int8": np.dtype("i1"),
    "int16": np.dtype("<i2"),
    "int24": np.dtype("V3"),
    "int32": np.dtype("<i4"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
ENCODINGS = tuple(_DTYPES)
"""Encodings of a sample, little-endian where it has several bytes."""

# (format tag, bits of a sample) in a WAV's header.
_WAVE_ENCODINGS = {
    (1, 8): "uint8",
    (1, 16): "int16",
    (1, 24): "int24",
    (1, 32): "int32",
    (3, 32): "float32",
    (3, 64): "float64",
}
_EXTENSIBLE = 0xFFFE
_CHUNK_BYTES = 1 << 16
_CHUNKS_AHEAD = 512
# What stands before the samples is small; a header that claims more is none.
_MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class PcmFormat:
    """What raw bytes mean: interleaved samples, little-endian.

    Attributes:
        encoding: one of `ENCODINGS`.
        rate_hz: frames per second.
        channels: samples per frame.

    Raises:
        ValueError: the encoding is unknown, or rate or channels are not positive.
    """

    encoding: str
    rate_hz: int
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"{self.encoding!r} is unknown; use one of {', '.join(ENCODINGS)}")
        if self.rate_hz < 1 or self.channels < 1:
            raise ValueError(
                f"raw samples have a positive rate and number of channels, received "
                f"{self.rate_hz} Hz and {self.channels}"
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample per channel."""
        return self.channels * _DTYPES[self.encoding].itemsize

    def decode(self, data: bytes) -> np.ndarray:
        """Whole frames to float32 [frames, channels] in [-1, 1].

        In numpy, for libsndfile reads from memory by callbacks, in which Ctrl-C is lost.
        """
        samples = np.frombuffer(data, _DTYPES[self.encoding])
        if self.encoding == "int24":
            padded = np.zeros((len(samples), 4), np.uint8)
            padded[:, 1:] = samples.view(np.uint8).reshape(-1, 3)
            samples = padded.view("<i4")[:, 0]
        if samples.dtype.kind == "u":
            values = (samples.astype(np.float32) - 128) / 128
        elif samples.dtype.kind == "i":
            values = samples.astype(np.float32) / 2.0 ** (8 * samples.itemsize - 1)
        else:
            values = samples
        return np.asarray(values, np.float32).reshape(-1, self.channels)


class ReadAhead:
    """Bytes of a pipe, fetched by a thread of its own, at most 32 MiB in advance.

    A recorder that writes to the pipe loses sound if nobody reads while a window is scored. And
    the reader can be interrupted, which a blocked C library cannot.

    Args:
        file: open, unbuffered; it is closed at its end.

    Attributes:
        waited_secs: how long the reader has waited for bytes.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._chunks: queue.Queue[bytes | OSError] = queue.Queue(_CHUNKS_AHEAD)
        self._rest = b""
        self._ended = False
        self.waited_secs = 0.0
        # Where another program left the pipe non-blocking, "nothing yet" would look like the end.
        os.set_blocking(file.fileno(), True)
        threading.Thread(target=self._fetch, daemon=True).start()

    def read_some(self) -> bytes:
        """What has come, at least a byte; nothing at the end.

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

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        data = b""
        while len(data) < size and (chunk := self.read_some()):
            data += chunk
        self._rest = data[size:] + self._rest
        return data[:size]

    def put_back(self, data: bytes) -> None:
        """Makes `data` what is read next."""
        self._rest = data + self._rest

    def _fetch(self) -> None:
        try:
            with self._file:
                while chunk := self._file.read(_CHUNK_BYTES):
                    self._chunks.put(chunk)
        except OSError as error:
            self._chunks.put(error)
        finally:  # the reader waits for an end, whatever happened
            self._chunks.put(b"")


def read_wave_header(stream: ReadAhead) -> tuple[PcmFormat, int | None] | None:
    """Reads a WAV's header, up to its samples.

    Returns:
        The format and the bytes of samples that are promised, None if the writer did not know.
        None and the stream as it was if this is no WAV, or one whose encoding is not PCM.
    """
    head = stream.read(12)
    form = None
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        while len(head) < _MAX_HEADER_BYTES:
            chunk = stream.read(8)
            head += chunk
            if len(chunk) < 8:
                break
            name, size = struct.unpack("<4sI", chunk)
            if name == b"data" and form is not None:
                unknown = size >= STREAMED_SIZE or size == 0
                return form, None if unknown else size
            if name == b"data" or size > _MAX_HEADER_BYTES:
                break
            body = stream.read(size + size % 2)
            head += body
            form = _wave_format(body) if name == b"fmt " else form
    stream.put_back(head)
    return None


class PcmBlocks:
    """Decodes what comes: an iterable of float32 [frames, channels].

    Args:
        stream: at its first sample.
        form: what its bytes mean.
        size: bytes to read; None reads to the end.

    Attributes:
        missing_bytes: of `size`, how many had not come when the stream ended.
        leftover_bytes: bytes at its end that are no whole frame.
    """

    def __init__(self, stream: ReadAhead, form: PcmFormat, size: int | None) -> None:
        self._stream = stream
        self._form = form
        self.missing_bytes = size or 0
        self.leftover_bytes = 0
        self._is_endless = size is None

    def __iter__(self) -> Iterator[np.ndarray]:
        rest = b""
        while (self._is_endless or self.missing_bytes) and (chunk := self._stream.read_some()):
            if not self._is_endless:
                chunk = chunk[: self.missing_bytes]  # what stands behind the samples is no sound
                self.missing_bytes -= len(chunk)
            data = rest + chunk
            whole = len(data) - len(data) % self._form.frame_bytes
            rest = data[whole:]
            self.leftover_bytes = len(rest)
            if whole:
                yield self._form.decode(data[:whole])


def _wave_format(body: bytes) -> PcmFormat | None:
    """What a `fmt ` chunk says, if it is PCM whose samples stand side by side."""
    if len(body) < 16:
        return None
    tag, channels, rate_hz, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    encoding = _WAVE_ENCODINGS.get((tag, bits))
    if not (encoding and rate_hz and channels):
        return None
    form = PcmFormat(encoding, rate_hz, channels)
    return form if form.frame_bytes == frame_bytes else None
