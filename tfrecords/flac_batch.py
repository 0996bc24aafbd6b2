"""FLAC payloads decoded inside tf.data, by tensorflow-io or soundfile.

tensorflow-io decodes in C++ and is used if it loads (extra `train`). No release of it loads with
later versions of TensorFlow (extra `train-latest`); soundfile decodes there. Both return the same
integers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import tensorflow as tf

from tfrecords.flac import decode, encode
from tfrecords.python_functions import python_function


def decode_batch(flac: tf.Tensor, samples: int) -> tf.Tensor:
    """Decodes mono clips inside tf.data.

    Args:
        flac: string [batch], FLAC files that `flac.encode` returned.
        samples: number of samples of every clip.

    Returns:
        int32 [batch, samples]; multiplied by `INT32_SCALE` they lie in [-1, 1). Iterating fails if
        a clip cannot be decoded or has another length.
    """
    decode_flac = _tensorflow_io_decode()
    if decode_flac is None:
        return soundfile_decode_batch(flac, samples)
    return tf.map_fn(
        lambda clip: decode_flac(clip, shape=[samples, 1], dtype=tf.int32)[:, 0],
        flac,
        fn_output_signature=tf.TensorSpec([samples], tf.int32),
    )


def soundfile_decode_batch(flac: tf.Tensor, samples: int) -> tf.Tensor:
    """`decode_batch` with soundfile, which releases Python's lock while it decodes a clip.

    tf.data maps several batches in parallel, so several clips are decoded in parallel.
    """

    def decode_clips(clips: np.ndarray) -> np.ndarray:
        decoded = np.empty((len(clips), samples), np.int32)
        for row, clip in zip(decoded, clips.tolist(), strict=True):
            row[:] = decode(clip, samples)
        return decoded

    batch = python_function(decode_clips, [flac], tf.int32, stateful=False)
    return tf.ensure_shape(batch, [*flac.shape, samples])


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
    decode_flac: Callable[..., tf.Tensor] = tfio.audio.decode_flac
    return decode_flac
