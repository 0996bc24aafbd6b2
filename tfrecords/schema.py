"""The format of a record: id, labels and either log-mel or audio."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.log_mel import log_mel
from tfrecords import flac


def log_mel_example(clip_id: str, classes: Sequence[int], features: np.ndarray) -> bytes:
    """Serialises a clip with its log-mel.

    Args:
        clip_id: the clip's id.
        classes: indices of its labels.
        features: float [frames, mel_bins] in dB; stored as float16 (error up to 0.03 dB).
    """
    stored = np.ascontiguousarray(features, "<f2").tobytes()
    return _example(clip_id, classes, {"log_mel": _bytes_feature(stored)})


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
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[scale]))
    return _example(clip_id, classes, {"flac": _bytes_feature(encoded), "scale": feature})


def parse_batch(
    serialized: tf.Tensor,
    features: Sequence[str],
    payload: str,
    classes: int,
    clip_samples: int,
    front_end: FrontEndConfig,
) -> dict[str, tf.Tensor]:
    """Parses a batch of records inside tf.data.

    Args:
        serialized: string [batch].
        features: "log_mel", "waveform" or both ("waveform" needs the payload "audio").
        payload: what the records contain, one of `clip_format.PAYLOADS`.
        classes: size of the label set.
        clip_samples: samples of a clip.
        front_end: the parameters of the log-mel.

    Returns:
        id: string [batch]; labels: float32 [batch, classes], 1 for the clip's labels, else 0;
        log_mel: float32 [batch, frames, mel_bins] in dB, rounded to float16 for either payload,
        so that both give the same values; waveform: float32 [batch, clip_samples].
    """
    parsed = tf.io.parse_example(serialized, _feature_spec(payload))
    clips = {
        "id": parsed["id"],
        "labels": tf.cast(tf.sparse.to_indicator(parsed["labels"], classes), tf.float32),
    }
    if payload == "audio":
        samples = tf.cast(flac.decode_batch(parsed["flac"], clip_samples), tf.float32)
        waveform = samples * (flac.INT32_SCALE * parsed["scale"][:, tf.newaxis])
        if "waveform" in features:
            clips["waveform"] = waveform
        if "log_mel" in features:
            rounded = tf.cast(log_mel(waveform, front_end), tf.float16)
            clips["log_mel"] = tf.cast(rounded, tf.float32)
    elif "log_mel" in features:
        shape = (clip_samples // front_end.hop_samples, front_end.mel_bins)
        flat = tf.io.decode_raw(
            parsed["log_mel"], tf.float16, fixed_length=None, little_endian=True
        )
        clips["log_mel"] = tf.reshape(tf.cast(flat, tf.float32), (-1, *shape))
    return clips


def _feature_spec(payload: str) -> dict[str, object]:
    spec = {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
    if payload == "audio":
        spec["flac"] = tf.io.FixedLenFeature([], tf.string)
        spec["scale"] = tf.io.FixedLenFeature([], tf.float32)
    else:
        spec["log_mel"] = tf.io.FixedLenFeature([], tf.string)
    return spec


def _example(clip_id: str, classes: Sequence[int], payload: dict[str, tf.train.Feature]) -> bytes:
    feature = {
        "id": _bytes_feature(os.fsencode(clip_id)),
        "labels": tf.train.Feature(int64_list=tf.train.Int64List(value=sorted(classes))),
        **payload,
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    # By default map fields are serialised in hash order, but equal clips must give equal bytes.
    return example.SerializeToString(deterministic=True)


def _bytes_feature(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
