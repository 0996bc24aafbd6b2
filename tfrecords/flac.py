"""FLAC payloads: encoded by soundfile, decoded inside tf.data by tensorflow-io or soundfile.

tensorflow-io decodes in C++ and is used if it loads (extra `train`). No release of it loads with
later versions of TensorFlow (extra `train-latest`); soundfile decodes there. Both return the same
integers.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import soundfile
import tensorflow as tf

from tfrecords.python_functions import python_function

_SUBTYPE = "PCM_24"
# Both decoders return a 24-bit sample in the upper bits of an int32.
INT32_SCALE = 2.0**-31


def encode(waveform: np.ndarray, sample_rate_hz: int) -> bytes:
    """24-bit FLAC of a waveform, float [samples], whose samples lie in [-1, 1)."""
    file = io.BytesIO()
    soundfile.write(file, waveform, sample_rate_hz, format="FLAC", subtype=_SUBTYPE)
    return file.getvalue()


def decode_batch(flac: tf.Tensor, samples: int) -> tf.Tensor:
    """Decodes mono clips inside tf.data.

    Args:
        flac: string [batch], FLAC files that `encode` returned.
        samples: number of samples of every clip.

    Returns:
        int32 [batch, samples]; multiplied by `INT32_SCALE` they lie in [-1, 1). Iterating fails if
        a clip cannot be decoded or has another length.
    """
    decode = _tensorflow_io_decode()
    if decode is None:
        return soundfile_decode_batch(flac, samples)
    return tf.map_fn(
        lambda clip: decode(clip, shape=[samples, 1], dtype=tf.int32)[:, 0],
        flac,
        fn_output_signature=tf.TensorSpec([samples], tf.int32),
    )


def soundfile_decode_batch(flac: tf.Tensor, samples: int) -> tf.Tensor:
    """`decode_batch` with soundfile, which releases Python's lock while it decodes a clip.

    tf.data maps several batches in parallel, so several clips are decoded in parallel.
    """

    def decode(clips: np.ndarray) -> np.ndarray:
        decoded = np.empty((len(clips), samples), np.int32)
        for row, clip in zip(decoded, clips.tolist(), strict=True):
            row[:] = _soundfile_decode(clip, samples)
        return decoded

    batch = python_function(decode, [flac], tf.int32, stateful=False)
    return tf.ensure_shape(batch, [*flac.shape, samples])


def _soundfile_decode(clip: bytes, samples: int) -> np.ndarray:
    values, _ = soundfile.read(io.BytesIO(clip), dtype="int32")
    if values.shape != (samples,):
        raise ValueError(
            f"a record's FLAC has the shape {values.shape}, expected {(samples,)}; prepare again"
        )
    return values


@cache
def _tensorflow_io_decode() -> Callable[..., tf.Tensor] | None:
    """tensorflow-io's decoder, or None if it is not installed or does not load.

    The Python package imports with any TensorFlow; whether its C++ library loads is known only
    when it decodes. So a short clip is decoded here.
    """
    try:
        import tensorflow_io as tfio

        silence = encode(np.zeros(16, np.float32), 16_000)
        with tf.init_scope():
            tfio.audio.decode_flac(tf.constant(silence), shape=[16, 1], dtype=tf.int32)
    except (ImportError, NotImplementedError, tf.errors.OpError):
        return None
    decode: Callable[..., tf.Tensor] = tfio.audio.decode_flac
    return decode
