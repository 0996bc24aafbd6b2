"""Variations of a recording in its log-mel: its speed, its colour and its pitch.

As `augment`'s augmentations they are stateless, and the same on one device and on many.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.augment import Part

_KNOTS = 5
"""Numbers that describe the curve of a random equaliser."""


def stretched_frames(frames: int, time_stretch: float) -> int:
    """Frames of a clip of which a window of `frames` may be made at the highest speed."""
    return math.ceil(frames * math.exp(time_stretch))


def random_stretch(
    log_mel: tf.Tensor, part: Part, seed: tf.Tensor, time_stretch: float, frames: int
) -> tf.Tensor:
    """Plays each clip at its own speed, exp(u) for u uniform in [-time_stretch, time_stretch].

    Pitch stays: only the frames move, and values between two frames are interpolated in dB. A clip
    that ends too early repeats.

    Args:
        log_mel: [batch, frames of a clip, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        time_stretch: the greatest change of speed, as a logarithm.
        frames: frames of the result, from the clip's first on.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    speed = tf.exp(time_stretch * (2.0 * part.uniform(seed, 1) - 1.0))
    place = speed * tf.range(frames, dtype=tf.float32)
    clip = tf.shape(log_mel)[1]
    first = tf.cast(place, tf.int32)
    later = tf.cast(place - tf.floor(place), log_mel.dtype)[:, :, None]
    before = tf.gather(log_mel, first % clip, axis=1, batch_dims=1)
    after = tf.gather(log_mel, (first + 1) % clip, axis=1, batch_dims=1)
    return before + later * (after - before)


def random_equalizer(
    log_mel: tf.Tensor, part: Part, seed: tf.Tensor, equalizer_db: float, floor_db: float
) -> tf.Tensor:
    """Gives each clip the colour of another microphone or room.

    A gain over mel bins that is linear between five knots at equal distances, each of them uniform
    in [-equalizer_db, equalizer_db]. As with `random_gain`, it changes digital silence too, and
    values below the front end's floor are set to the floor.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        equalizer_db: the greatest gain of a mel bin.
        floor_db: `FrontEndConfig.floor_db` of the clips' front end.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    bins = log_mel.shape[2]
    place = np.linspace(0, _KNOTS - 1, bins)
    curves = [np.interp(place, range(_KNOTS), knot) for knot in np.eye(_KNOTS)]
    knots = equalizer_db * (2.0 * part.uniform(seed, _KNOTS) - 1.0)
    gains = tf.cast(knots @ tf.constant(np.array(curves), tf.float32), log_mel.dtype)
    return tf.maximum(log_mel + gains[:, None, :], floor_db)


def random_mel_shift(log_mel: tf.Tensor, part: Part, seed: tf.Tensor, bins: int) -> tf.Tensor:
    """Moves each clip by its own number of mel bins, uniform in [-bins, bins]: a higher pitch.

    The bin at the edge is repeated where nothing moves in.

    Args:
        log_mel: [batch, frames, mel bins].
        part: the batch.
        seed: int32 [2], stateless.
        bins: the greatest shift.

    Returns:
        [batch, frames, mel bins].
    """
    count = log_mel.shape[2]
    shifts = tf.cast(part.uniform(seed, 1) * (2 * bins + 1), tf.int32) - bins
    sources = tf.clip_by_value(tf.range(count) - shifts, 0, count - 1)
    return tf.gather(log_mel, sources, axis=2, batch_dims=1)
