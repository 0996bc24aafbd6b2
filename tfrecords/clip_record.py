"""The format of a record: id, labels and either log-mel or audio. No TensorFlow here."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfrecords import flac
from tfrecords.example import bytes_feature, example, float_feature, int64_feature


def log_mel_example(clip_id: str, classes: Sequence[int], features: np.ndarray) -> bytes:
    """Serialises a clip with its log-mel.

    Args:
        clip_id: the clip's id.
        classes: indices of its labels.
        features: float [frames, mel_bins] in dB; stored as float16 (error up to 0.03 dB).
    """
    stored = np.ascontiguousarray(features, "<f2").tobytes()
    return _example(clip_id, classes, {"log_mel": bytes_feature(stored)})


def audio_example(
    clip_id: str, classes: Sequence[int], waveform: np.ndarray, sample_rate_hz: int
) -> bytes:
    """Serialises a clip with its waveform as 24-bit FLAC.

    FLAC stores values in [-1, 1). A louder waveform (of a float file, or after resampling) is
    divided by the smallest sufficient power of two, which is stored as `scale`.

    Args:
        clip_id: the clip's id.
        classes: indices of its labels.
        waveform: float32 [samples].
        sample_rate_hz: its sample rate.
    """
    peak = float(np.max(np.abs(waveform), initial=0.0))
    scale = 2.0 ** max(0, math.ceil(math.log2(peak))) if peak > 1.0 else 1.0
    encoded = flac.encode(waveform / scale, sample_rate_hz)
    payload = {"flac": bytes_feature(encoded), "scale": float_feature([scale])}
    return _example(clip_id, classes, payload)


def _example(clip_id: str, classes: Sequence[int], payload: Mapping[str, bytes]) -> bytes:
    clip = {"id": bytes_feature(os.fsencode(clip_id)), "labels": int64_feature(sorted(classes))}
    return example({**clip, **payload})
