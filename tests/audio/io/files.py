"""Recordings written byte by byte, so that each field of a header can be made wrong."""

import io
import math
import os
import struct
import threading
from contextlib import contextmanager

import numpy as np
import soundfile

RATE_HZ = 16000
FRAMES = 4000
_W64_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")


def tone(frames: int = FRAMES) -> np.ndarray:
    return (8000 * np.sin(np.arange(frames) / 7)).astype(np.int16)


def pcm(frames: int = FRAMES, big_endian: bool = False) -> bytes:
    return tone(frames).astype(">i2" if big_endian else "<i2").tobytes()


def wav(samples=None, size=None, rate_hz=RATE_HZ, behind=b"", bits=16, channels=1, tag=1) -> bytes:
    samples = pcm() if samples is None else samples
    size = len(samples) if size is None else size
    frame_bytes = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", tag, channels, rate_hz, rate_hz * frame_bytes & 0xFFFFFFFF, frame_bytes, bits
    )
    head = b"RIFF" + struct.pack("<I", min(size + 36, 0xFFFFFFFF)) + b"WAVEfmt \x10\0\0\0" + form
    return head + b"data" + struct.pack("<I", size) + samples + behind


def rf64(samples: bytes, size: int) -> bytes:
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, size, 0, 0)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + form + b"data\xff\xff\xff\xff" + samples


def w64(samples: bytes, size: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    chunks = b"fmt " + _W64_END + struct.pack("<Q", 40) + form
    chunks += b"data" + _W64_END + struct.pack("<Q", 24 + size) + samples
    return _W64_RIFF + struct.pack("<Q", 40 + len(chunks)) + b"wave" + _W64_END + chunks


def aiff(samples: bytes, size: int, frames: int = FRAMES, compression: bytes = b"") -> bytes:
    exponent = math.frexp(RATE_HZ)[1] - 1
    rate = struct.pack(">HQ", 16383 + exponent, RATE_HZ << (63 - exponent))
    body = struct.pack(">HIH", 1, frames & 0xFFFFFFFF, 16) + rate
    body += compression + b"\0\0" if compression else b""
    common = b"COMM" + struct.pack(">I", len(body)) + body
    sound = b"SSND" + struct.pack(">III", size + 8, 0, 0) + samples
    kind = b"AIFC" if compression else b"AIFF"
    total = min(4 + len(common) + 16 + size, 0xFFFFFFFF)
    return b"FORM" + struct.pack(">I", total) + kind + common + sound


def au(samples: bytes, size: int, code: int = 3) -> bytes:
    return b".snd" + struct.pack(">IIIII", 24, size, code, RATE_HZ, 1) + samples


def caf(samples: bytes, size: int) -> bytes:
    form = struct.pack(">d4sIIIII", RATE_HZ, b"lpcm", 0, 2, 1, 1, 16)
    data_size = size if size >= 1 << 63 else size + 4
    return (
        b"caff\0\x01\0\0desc"
        + struct.pack(">Q", 32)
        + form
        + b"data"
        + struct.pack(">QI", data_size, 0)
        + samples
    )


def encoded(form: str, waveform=None, rate_hz: int = RATE_HZ, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    waveform = tone() if waveform is None else waveform
    soundfile.write(file, waveform, rate_hz, format=form, subtype=subtype)
    return file.getvalue()


def ogg_of_flac(flac: bytes, page_bytes: int = 4000) -> bytes:
    """Wraps a FLAC file into Ogg pages, as FFmpeg does; checksums stay 0, nobody looks at them."""
    stream_info, rest = flac[:42], flac[42:]
    bodies = [b"\x7fFLAC\x01\0\0\x01" + stream_info]
    bodies += [rest[start : start + page_bytes] for start in range(0, len(rest), page_bytes)]
    pages = []
    for number, body in enumerate(bodies):
        flags = (2 if number == 0 else 0) | (4 if number == len(bodies) - 1 else 0)
        lacing = bytes([255] * (len(body) // 255) + [len(body) % 255])
        head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, 7, number, 0, len(lacing))
        pages.append(head + lacing + body)
    return b"".join(pages)


def without_frame_count(flac: bytes) -> bytes:
    """A FLAC file as it is written to a pipe."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


@contextmanager
def pipe(tmp_path, data: bytes, name="pipe"):
    """A named pipe through which the bytes come."""
    path = tmp_path / name
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: path.write_bytes(data))
    thread.start()
    yield path
    thread.join()
