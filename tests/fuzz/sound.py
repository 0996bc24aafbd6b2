"""Sound files of each format, decoded from a file and from a pipe."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from random import Random

import numpy as np

from aec_ofa_tf.audio.io.decode import DecodeError, decode
from tests.audio.io.files import (
    aiff,
    au,
    caf,
    encoded,
    ogg_of_flac,
    pcm,
    rf64,
    w64,
    wav,
    without_frame_count,
)
from tests.fuzz.damage import damaged, mend_ogg
from tests.fuzz.reader import Case, Reader

MAX_SAMPLES = 32000

_ID3 = b"ID3\x03\0\0\0\0\x01\x00" + bytes(128)
_FOOTED_ID3 = b"ID3\x04\0\x10\0\0\x01\x00" + bytes(138)


def _noise(frames: int = 1200, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(frames)
    return (0.2 * rng.standard_normal((frames, channels))).clip(-1, 1)


def _recordings(_: Path) -> dict[str, list[bytes]]:
    """Format -> recordings of a few kilobytes."""
    noise, stereo = _noise(), _noise(900, 2)
    flac, mp3 = encoded("FLAC", noise), encoded("MP3", noise)
    ogg, opus = encoded("OGG", noise), encoded("OGG", noise, subtype="OPUS")
    info = max(mp3.find(b"Info"), mp3.find(b"Xing"))
    without_info = mp3[:info] + bytes(120) + mp3[info + 120 :]
    big = pcm(800, big_endian=True)
    return {
        "WAV": [
            wav(pcm(800)),
            wav(pcm(800), size=0xFFFFFFFF, behind=b"LIST\x04\0\0\0abcd"),
            wav(pcm(800), behind=b"guan\x03\0\0\0abc\0DGDA\x08\0\0\0" + bytes(8)),
            rf64(pcm(800), 1600),
            *(encoded("WAV", stereo, subtype=name) for name in ("PCM_24", "FLOAT", "IMA_ADPCM")),
            *(encoded("WAV", noise, subtype=name) for name in ("GSM610", "ULAW", "PCM_U8")),
            encoded("WAVEX", stereo, subtype="PCM_32"),
        ],
        "AIFF": [
            aiff(big, len(big)),
            aiff(pcm(800), 1600, compression=b"sowt"),
            encoded("AIFF", stereo, subtype="FLOAT"),
            encoded("AIFF", noise, subtype="IMA_ADPCM"),
        ],
        "AU, CAF, W64": [
            au(big, len(big)),
            caf(big, len(big)),
            w64(pcm(800), 1600),
            encoded("CAF", noise, subtype="ALAC_16"),
            encoded("AU", noise, subtype="G721_32"),
            encoded("W64", noise, subtype="MS_ADPCM"),
        ],
        "FLAC": [
            *(flac, without_frame_count(flac), _ID3 + flac, encoded("FLAC", stereo)),
            *(2 * flac, 2 * without_frame_count(flac)),
        ],
        "Ogg": [ogg, opus, ogg_of_flac(flac), ogg_of_flac(without_frame_count(flac)), 2 * ogg],
        "MP3": [mp3, _ID3 + mp3, _FOOTED_ID3 + mp3, 2 * mp3, without_info, without_info[:-100]],
    }


def _damaged(samples: list[bytes], random: Random) -> bytes:
    """One of the recordings with one to six changes; an Ogg's checksums mostly fit them."""
    return damaged(samples, random, mend_ogg)


def _read(case: Case) -> bool:
    if case.number % 4 == 3:
        waveform = _decode_pipe(case.data)
    else:
        waveform = decode(case.path, 16000, max_samples=MAX_SAMPLES).waveform
    return 0 < len(waveform) <= MAX_SAMPLES and bool(np.isfinite(waveform).all())


def _decode_pipe(data: bytes) -> np.ndarray:
    reading, writing = os.pipe()

    def feed() -> None:
        with contextlib.suppress(OSError), open(writing, "wb") as pipe:  # noqa: PTH123
            pipe.write(data)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        return decode(f"/dev/fd/{reading}", 16000, max_samples=MAX_SAMPLES).waveform
    finally:
        os.close(reading)
        thread.join(10)


READER = Reader(
    _recordings,
    _read,
    damage=_damaged,
    is_refusal=lambda _, error: isinstance(error, DecodeError),
)
