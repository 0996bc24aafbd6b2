"""Headers of uncompressed recordings: WAV (also RF64, W64), AIFF, AU, CAF. No decoding here."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from aec_ofa_tf.audio.io.parts import id3_bytes
from aec_ofa_tf.audio.io.pcm_stream import PcmFormat, Readable, ReadAhead

_MAX_STREAM_HEADER_BYTES = 1 << 20
_MAX_FORMAT_BYTES = 1 << 16
_MAX_FILE_BYTES = 1 << 62
_MAX_CHUNKS = 10_000

# (format tag, bits of a sample) of WAV and W64.
_WAVE_ENCODINGS = {
    (1, 8): "uint8",
    (1, 16): "int16",
    (1, 24): "int24",
    (1, 32): "int32",
    (3, 32): "float32",
    (3, 64): "float64",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
_EXTENSIBLE = 0xFFFE
_SIGNED_INTEGERS = {1: "int8", 2: "int16", 3: "int24", 4: "int32"}
_AIFC_ENCODINGS = {
    b"fl32": "float32",
    b"FL32": "float32",
    b"fl64": "float64",
    b"FL64": "float64",
    b"in24": "int24",
    b"in32": "int32",
    b"raw ": "uint8",
    b"ulaw": "mulaw",
    b"ULAW": "mulaw",
    b"alaw": "alaw",
    b"ALAW": "alaw",
}
_AU_ENCODINGS = {
    1: "mulaw",
    2: "int8",
    3: "int16",
    4: "int24",
    5: "int32",
    6: "float32",
    7: "float64",
    27: "alaw",
}
_W64_HEAD = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"  # and four more bytes of a 16-byte name
_W64_NAME_END = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


@dataclass(frozen=True)
class Header:
    """The header of a recording.

    Attributes:
        container: name of the format, as in libsndfile.
        form: encoding of the samples; None if they are compressed.
        start: position of the first sample.
        stated_bytes: bytes of samples according to the header, which may be wrong.
    """

    container: str
    form: PcmFormat | None
    start: int
    stated_bytes: int


def header_of_file(file: BinaryIO) -> Header | None:
    """Reads the header of a seekable file, whose position afterwards is undefined.

    Returns:
        The header; None if the file has another container, or ends before the samples.

    Raises:
        UnusableSoundError: the sample rate or number of channels is out of bounds.
    """
    cursor = _Cursor(file, file.seek)
    with contextlib.suppress(EOFError):
        cursor.skip(id3_bytes(file))
        return _header(cursor)
    return None


def header_of_stream(stream: ReadAhead) -> Header | None:
    """Reads the header of a stream, which afterwards is at its first sample.

    Returns:
        The header; None as for `header_of_file`, for compressed samples, and if there is more than
        a megabyte before the samples. The stream is then at its beginning.
    """
    cursor = _Cursor(stream)
    header = None
    with contextlib.suppress(EOFError):
        header = _header(cursor)
    if header is None or header.form is None:
        stream.put_back(bytes(cursor.taken))
        return None
    return header


class _Cursor:
    """Reads forward and counts the position; for a stream it keeps the bytes that were read."""

    def __init__(self, source: Readable, seek: Callable[[int], int] | None = None) -> None:
        self._source = source
        self._seek = seek
        self.position = 0
        self.taken = bytearray()

    def take(self, size: int) -> bytes:
        """Reads `size` bytes; raises EOFError if there are fewer, or too many for a header."""
        if size > _MAX_FORMAT_BYTES:
            raise EOFError
        data = self._source.read(size)
        self.position += len(data)
        if self._seek is None:
            self.taken += data
        if len(data) < size or len(self.taken) > _MAX_STREAM_HEADER_BYTES:
            raise EOFError
        return data

    def skip(self, size: int) -> None:
        """Skips `size` bytes; raises EOFError beyond the largest size of a file."""
        if self._seek is not None:
            self.position += size
            if self.position > _MAX_FILE_BYTES:
                raise EOFError
            self._seek(self.position)
            return
        while size > 0:
            step = min(size, _MAX_FORMAT_BYTES)
            self.take(step)
            size -= step


def _header(cursor: _Cursor) -> Header | None:
    head = cursor.take(12)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:] == b"WAVE":
        return _wave(cursor, head[:4])
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return _aiff(cursor, is_compressed=head[8:] == b"AIFC")
    if head[:4] in (b".snd", b"dns."):
        return _au(cursor, head)
    if head[:4] == b"caff":
        return _caf(cursor, head)
    if head == _W64_HEAD:
        return _w64(cursor)
    return None


def _wave(cursor: _Cursor, kind: bytes) -> Header | None:
    order = ">" if kind == b"RIFX" else "<"
    form, has_format, long_size = None, False, None
    for _ in range(_MAX_CHUNKS):
        name, size = struct.unpack(order + "4sI", cursor.take(8))
        if name == b"data":
            if size == 0xFFFFFFFF and long_size is not None:
                size = long_size
            container = "WAV" if kind[:3] == b"RIF" else "RF64"
            return Header(container, form, cursor.position, size) if has_format else None
        padded = size + size % 2
        if name == b"fmt ":
            form, has_format = _wave_format(cursor.take(padded), order), True
        elif name == b"ds64" and size >= 16:
            (long_size,) = struct.unpack_from("<8xQ", cursor.take(padded))
        else:
            cursor.skip(padded)
    return None


def _wave_format(body: bytes, order: str = "<") -> PcmFormat | None:
    """The format in a `fmt ` chunk; None if it is not PCM without padding between samples."""
    if len(body) < 16:
        return None
    tag, channels, rate_hz, _, frame_bytes, bits = struct.unpack_from(order + "HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from(order + "H", body, 24)
    encoding = _WAVE_ENCODINGS.get((tag, bits))
    if not encoding:
        return None
    form = PcmFormat(encoding, rate_hz, channels, order == ">")
    # If the two contradict each other, libsndfile reads the file.
    return form if form.frame_bytes == frame_bytes else None


def _w64(cursor: _Cursor) -> Header | None:
    # Names have 16 bytes; sizes have 8, count name and size, and are rounded up to 8.
    if cursor.take(28)[12:] != b"wave" + _W64_NAME_END:
        return None
    form, has_format = None, False
    for _ in range(_MAX_CHUNKS):
        name, size = struct.unpack("<16sQ", cursor.take(24))
        if name == b"data" + _W64_NAME_END:
            stated = max(0, size - 24)
            return Header("W64", form, cursor.position, stated) if has_format else None
        if size < 24:
            return None
        padded = (size + 7) // 8 * 8 - 24
        if name == b"fmt " + _W64_NAME_END:
            form, has_format = _wave_format(cursor.take(padded)), True
        else:
            cursor.skip(padded)
    return None


def _aiff(cursor: _Cursor, is_compressed: bool) -> Header | None:
    form, has_format = None, False
    for _ in range(_MAX_CHUNKS):
        name, size = struct.unpack(">4sI", cursor.take(8))
        if name == b"SSND":
            (offset,) = struct.unpack(">I4x", cursor.take(8))
            if not has_format:
                return None
            cursor.skip(offset)
            return Header("AIFF", form, cursor.position, max(0, size - 8 - offset))
        padded = size + size % 2
        if name == b"COMM":
            form, has_format = _aiff_format(cursor.take(padded), is_compressed), True
        else:
            cursor.skip(padded)
    return None


def _aiff_format(body: bytes, is_compressed: bool) -> PcmFormat | None:
    if len(body) < (22 if is_compressed else 18):
        return None
    channels, bits, exponent, mantissa = struct.unpack_from(">H4xHHQ", body)
    exponent -= 16383 + 63  # 80 bits: sign and exponent, then the mantissa
    rate_hz = _integer(math.ldexp(mantissa, exponent)) if exponent < 0 else 0
    compression = body[18:22] if is_compressed else b"NONE"
    if compression in (b"NONE", b"twos", b"sowt"):
        encoding = _integers(bits)
    else:
        encoding = _AIFC_ENCODINGS.get(compression)
    return PcmFormat(encoding, rate_hz, channels, compression != b"sowt") if encoding else None


def _au(cursor: _Cursor, head: bytes) -> Header | None:
    order = ">" if head[:4] == b".snd" else "<"
    offset, size = struct.unpack(order + "II", head[4:])
    code, rate_hz, channels = struct.unpack(order + "III", cursor.take(12))
    encoding = _AU_ENCODINGS.get(code)
    if offset < 24:
        return None
    cursor.skip(offset - 24)
    form = PcmFormat(encoding, rate_hz, channels, order == ">") if encoding else None
    return Header("AU", form, cursor.position, size)


def _caf(cursor: _Cursor, head: bytes) -> Header | None:
    form, has_format = None, False
    chunk = head[8:] + cursor.take(8)  # the file's own header has eight bytes
    for _ in range(_MAX_CHUNKS):
        name, size = struct.unpack(">4sQ", chunk)
        if name == b"data":
            cursor.take(4)  # counts edits
            # All ones: to the end of the file.
            stated = size - 4 if 4 <= size < 1 << 63 else size
            return Header("CAF", form, cursor.position, stated) if has_format else None
        if name == b"desc":
            form, has_format = _caf_format(cursor.take(size)), True
        else:
            cursor.skip(size)
        chunk = cursor.take(12)
    return None


def _caf_format(body: bytes) -> PcmFormat | None:
    if len(body) < 32:
        return None
    rate_hz, codec, flags, frame_bytes, _, channels, bits = struct.unpack_from(">d4s5I", body)
    is_float, is_little = flags & 1, flags & 2
    if codec == b"lpcm":
        encoding = {32: "float32", 64: "float64"}.get(bits) if is_float else _integers(bits)
    else:
        encoding = _AIFC_ENCODINGS.get(codec) if codec in (b"ulaw", b"alaw") else None
    if not encoding:
        return None
    form = PcmFormat(encoding, _integer(rate_hz), channels, not is_little)
    return form if form.frame_bytes == frame_bytes else None


def _integers(bits: int) -> str | None:
    return _SIGNED_INTEGERS.get((bits + 7) // 8)


def _integer(rate_hz: float) -> int:
    """A sample rate that a header stores as a floating-point number."""
    return round(rate_hz) if math.isfinite(rate_hz) and rate_hz < 1 << 32 else 0
