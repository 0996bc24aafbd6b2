"""Parses the records of `clip_record` inside tf.data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import tensorflow as tf

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.log_mel import log_mel
from tfrecords.flac import INT32_SCALE
from tfrecords.flac_batch import decode_batch

_PARSERS = 16
"""Number of kinds of records whose traced parsers are kept."""


@lru_cache(_PARSERS)
def batch_parser(
    features: tuple[str, ...],
    payload: str,
    classes: int,
    clip_samples: int,
    front_end: FrontEndConfig,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """A function for tf.data that parses a batch of records; all datasets share its one trace.

    Args:
        features: "log_mel", "waveform" or both ("waveform" needs the payload "audio").
        payload: what the records contain, one of `clip_format.PAYLOADS`.
        classes: size of the label set.
        clip_samples: samples of a clip.
        front_end: the parameters of the log-mel.

    Returns:
        From serialised records, string [batch], to id: string [batch]; labels: float32
        [batch, classes], 1 for the clip's labels, else 0; log_mel: float32 [batch, frames,
        mel_bins] in dB, rounded to float16 for either payload, so that both give the same values;
        waveform: float32 [batch, clip_samples].
    """

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        return _parse(serialized, features, payload, classes, clip_samples, front_end)

    return parse


def _parse(
    serialized: tf.Tensor,
    features: Sequence[str],
    payload: str,
    classes: int,
    clip_samples: int,
    front_end: FrontEndConfig,
) -> dict[str, tf.Tensor]:
    parsed = tf.io.parse_example(serialized, _feature_spec(payload))
    clips = {
        "id": parsed["id"],
        "labels": tf.cast(tf.sparse.to_indicator(parsed["labels"], classes), tf.float32),
    }
    if payload == "audio":
        samples = tf.cast(decode_batch(parsed["flac"], clip_samples), tf.float32)
        waveform = samples * (INT32_SCALE * parsed["scale"][:, tf.newaxis])
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
