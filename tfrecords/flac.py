"""FLAC payloads, encoded and decoded by soundfile. No TensorFlow here."""

from __future__ import annotations

import io

import numpy as np
import soundfile

_SUBTYPE = "PCM_24"
INT32_SCALE = 2.0**-31
"""Scale of decoded samples: decoders return a 24-bit sample in the upper bits of an int32."""


def encode(waveform: np.ndarray, sample_rate_hz: int) -> bytes:
    """24-bit FLAC of a waveform, float [samples], whose samples lie in [-1, 1)."""
    file = io.BytesIO()
    soundfile.write(file, waveform, sample_rate_hz, format="FLAC", subtype=_SUBTYPE)
    return file.getvalue()


def decode(clip: bytes, samples: int) -> np.ndarray:
    """Decodes what `encode` returned.

    Args:
        clip: a FLAC file.
        samples: its number of samples.

    Returns:
        int32 [samples].

    Raises:
        ValueError: the clip has another length, or is not mono.
    """
    values, _ = soundfile.read(io.BytesIO(clip), dtype="int32")
    if values.shape != (samples,):
        raise ValueError(
            f"a record's FLAC has the shape {values.shape}, expected {(samples,)}; prepare again"
        )
    return values
