"""Shift over time and gain: augmentations that leave a clip's labels as they are."""

from __future__ import annotations

import math

import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.audio.per_clip import per_clip

_FLOOR_DB = 10.0 * math.log10(PANNS.power_floor)


def time_roll(log_mel: tf.Tensor, positions: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotates each clip over time by its own uniform shift.

    Args:
        log_mel: [batch, frames, mel bins].
        positions: int32 [batch] in the global batch.
        seed: int32 [2], stateless.

    Returns:
        [batch, frames, mel bins].
    """
    frames = log_mel.shape[1]
    shifts = per_clip(
        lambda s: tf.random.stateless_uniform([1], s, maxval=frames, dtype=tf.int32),
        positions,
        seed,
        tf.int32,
    )
    return tf.gather(log_mel, (tf.range(frames) + shifts) % frames, axis=1, batch_dims=1)


def random_gain(
    log_mel: tf.Tensor, positions: tf.Tensor, seed: tf.Tensor, gain_db: float
) -> tf.Tensor:
    """Makes each clip louder or softer by its own gain, uniform in [-gain_db, gain_db].

    In dB a gain is a sum; what falls below the front end's floor is set to it.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        positions: int32 [batch] in the global batch.
        seed: int32 [2], stateless.
        gain_db: the greatest gain.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    gains = per_clip(
        lambda s: tf.random.stateless_uniform([1, 1], s, -gain_db, gain_db), positions, seed
    )
    return tf.maximum(log_mel + tf.cast(gains, log_mel.dtype), _FLOOR_DB)
