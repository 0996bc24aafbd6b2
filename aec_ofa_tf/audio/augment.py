"""Stateless augmentations of batches of log-mel clips, the same on one device and on many."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS

SILENCE_DB = 1.0
"""A frame is silent if none of its mel bins exceeds the floor by more."""
_EVENED_DB = 20.0
"""The greatest change of a clip's level before it is mixed."""


class Part(NamedTuple):
    """The part of a global batch that is in hand: all of it, or a replica's share.

    Attributes:
        clips: clips, or pairs of clips, of the part.
        number: which of the parts it is, from 0.
        parts: how many parts the batch has, all of equally many clips.
    """

    clips: tf.Tensor | int
    number: tf.Tensor | int = 0
    parts: int = 1

    def draw(self, draw: Callable[[tf.Tensor | int], tf.Tensor]) -> tf.Tensor:
        """The part's rows of what is drawn for the whole batch, however it is divided.

        Args:
            draw: from a number of clips to their draws, [clips, ...].
        """
        if self.parts == 1:
            return draw(self.clips)
        first = self.number * self.clips
        return draw(self.clips * self.parts)[first : first + self.clips]

    def uniform(self, seed: tf.Tensor, *shape: int) -> tf.Tensor:
        """Uniform numbers in [0, 1), float32 [clips, *shape], from a stateless seed."""
        return self.draw(lambda clips: tf.random.stateless_uniform([clips, *shape], seed))


def mixup_lambda(part: Part, seed: tf.Tensor, alpha: float = 1.0) -> tf.Tensor:
    """Mixing weights ~ Beta(alpha, alpha) (Zhang et al. 2018; PANNs: alpha = 1).

    Args:
        part: the pairs.
        seed: int32 [2], stateless.
        alpha: concentration of the beta distribution.

    Returns:
        float32 [pairs].
    """
    gamma = part.draw(lambda pairs: tf.random.stateless_gamma([pairs, 2], seed, alpha))
    return gamma[:, 0] / (gamma[:, 0] + gamma[:, 1])


def mix_pairs(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mixes neighbours: weights * values[0::2] + (1 - weights) * values[1::2].

    Args:
        values: [2 * pairs, ...], log-mel or labels.
        weights: float32 [pairs].

    Returns:
        [pairs, ...].
    """
    weights = tf.reshape(tf.cast(weights, values.dtype), [-1] + [1] * (values.shape.rank - 1))
    return weights * values[0::2] + (1 - weights) * values[1::2]


def time_roll(log_mel: tf.Tensor, part: Part, seed: tf.Tensor) -> tf.Tensor:
    """Rotates each clip over time by its own uniform shift.

    Args:
        log_mel: [batch, frames, mel bins].
        part: the batch.
        seed: int32 [2], stateless.

    Returns:
        [batch, frames, mel bins].
    """
    frames = log_mel.shape[1]
    shifts = _scaled(part.uniform(seed, 1), frames)
    return tf.gather(log_mel, (tf.range(frames) + shifts) % frames, axis=1, batch_dims=1)


def random_gain(
    log_mel: tf.Tensor,
    part: Part,
    seed: tf.Tensor,
    gain_db: float,
    floor_db: float = PANNS.floor_db,
) -> tf.Tensor:
    """Makes each clip louder or softer by its own gain, uniform in [-gain_db, gain_db].

    In dB a gain is added, to digital silence too: as if recorders had floors of their own. Values
    below the front end's floor are set to the floor.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        gain_db: the greatest gain.
        floor_db: `FrontEndConfig.floor_db` of the clips' front end.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    gains = gain_db * (2.0 * part.uniform(seed, 1, 1) - 1.0)
    return tf.maximum(log_mel + tf.cast(gains, log_mel.dtype), floor_db)


def random_crop(
    log_mel: tf.Tensor,
    part: Part,
    seed: tf.Tensor,
    frames: int,
    floor_db: float = PANNS.floor_db,
    silence: float = 0.0,
) -> tf.Tensor:
    """Cuts a window out of each clip, which repeats without end and without silence around it.

    Digital silence before the first and after the last sound, such as padding, is left out: a
    window of nothing else would have the clip's label. A silent clip is taken whole. A share of
    the windows is cut out of the clip as it is, silence included; at least a fifth of such a
    window is sound, or all the sound that there is.

    Args:
        log_mel: [batch, frames of a clip, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        frames: frames of the window; may be more than the clip's, which then repeats.
        floor_db: `FrontEndConfig.floor_db` of the clips' front end.
        silence: the share of windows that keep silence, in [0, 1].

    Returns:
        [batch, frames, mel bins] in dB.
    """
    first, length = _sounding(log_mel, floor_db)
    draws = part.uniform(seed)
    starts = _scaled(draws, length)
    window = first[:, None] + (starts[:, None] + tf.range(frames)) % length[:, None]
    if silence:
        places = _silent_places(draws, first, length, tf.shape(log_mel)[1], frames)
        as_it_is = part.uniform(tf.random.experimental.stateless_fold_in(seed, 0)) < silence
        window = tf.where(
            (as_it_is & (places[:, -1] < tf.shape(log_mel)[1]))[:, None], places, window
        )
    return tf.gather(log_mel, window, axis=1, batch_dims=1)


def _silent_places(
    draws: tf.Tensor, first: tf.Tensor, length: tf.Tensor, clip: tf.Tensor, frames: int
) -> tf.Tensor:
    """Frames of the windows of clips as they are, int32 [batch, frames]; beyond a shorter clip."""
    last = tf.maximum(clip - frames, 0)
    earliest = tf.clip_by_value(first - frames * 4 // 5, 0, last)
    latest = tf.clip_by_value(first + tf.maximum(length - frames // 5, 0), earliest, last)
    starts = earliest + _scaled(draws, latest - earliest + 1)
    return starts[:, None] + tf.range(frames)


def _scaled(draws: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
    """Draws in [0, 1) as numbers below `count`, int32."""
    return tf.cast(draws * tf.cast(count, tf.float32), tf.int32)


def _sounding(log_mel: tf.Tensor, floor_db: float) -> tuple[tf.Tensor, tf.Tensor]:
    """First frame and number of frames of what is left of a clip without silence at its ends."""
    frames = tf.shape(log_mel)[1]
    loud = tf.reduce_max(log_mel, axis=2) > tf.cast(floor_db + SILENCE_DB, log_mel.dtype)
    first = tf.argmax(loud, axis=1, output_type=tf.int32)
    last = frames - tf.argmax(loud[:, ::-1], axis=1, output_type=tf.int32)
    silent = ~tf.reduce_any(loud, axis=1)
    return tf.where(silent, 0, first), tf.where(silent, frames, last - first)


def mix_power(
    log_mel: tf.Tensor, weights: tf.Tensor, floor_db: float = PANNS.floor_db
) -> tf.Tensor:
    """Mixes neighbours as sounds: their powers, at levels that are evened out (between-class).

    Two clips with the weights w and 1 - w sound together as w^2 and (1 - w)^2 of their powers,
    divided by the sum of both (Tokozume et al. 2018, "Learning from between-class examples").
    Before that their mean powers are made equal, for which each is changed by at most 20 dB.
    The front end's floor is changed and mixed as any sound.

    Args:
        log_mel: [2 * pairs, frames, mel bins] in dB.
        weights: float32 [pairs], see `mixup_lambda`.
        floor_db: `FrontEndConfig.floor_db` of the clips' front end.

    Returns:
        float32 [pairs, frames, mel bins] in dB.
    """
    power = power_of(tf.cast(log_mel, tf.float32))
    level = decibels_of(tf.reduce_mean(power, axis=[1, 2], keepdims=True))
    half_difference = tf.clip_by_value((level[1::2] - level[0::2]) / 2, -_EVENED_DB, _EVENED_DB)
    gain = power_of(half_difference)
    first = tf.square(weights)[:, None, None]
    second = tf.square(1.0 - weights)[:, None, None]
    mixed = (first * gain * power[0::2] + second / gain * power[1::2]) / (first + second)
    return tf.maximum(decibels_of(mixed), floor_db)


def power_of(decibels: tf.Tensor) -> tf.Tensor:
    """The power of a level in dB."""
    return tf.exp(math.log(10.0) / 10.0 * decibels)  # several times as fast as a power of 10


def decibels_of(power: tf.Tensor) -> tf.Tensor:
    """The level of a power, in dB."""
    return 10.0 / math.log(10.0) * tf.math.log(power)


@dataclass(frozen=True)
class SpecAugmentConfig:
    """The stripes that SpecAugment masks (paper section 3.3; PANNs).

    Attributes:
        time_stripes: number of stripes over time per clip.
        time_frames: the width of stripes over time is uniform in [0, time_frames).
        mel_stripes: number of stripes over frequency per clip.
        mel_bins: the width of stripes over frequency is uniform in [0, mel_bins).
    """

    time_stripes: int = 2
    time_frames: int = 64
    mel_stripes: int = 2
    mel_bins: int = 8


PAPER = SpecAugmentConfig()


def spec_augment_mask(
    part: Part,
    frames: int,
    mel_bins: int,
    seed: tf.Tensor,
    config: SpecAugmentConfig = PAPER,
) -> tf.Tensor:
    """A mask that is 0 in the stripes and 1 elsewhere, to multiply after the input batch norm.

    Args:
        part: the clips.
        frames: frames of a clip.
        mel_bins: mel bins of a clip.
        seed: int32 [2], stateless.
        config: number and width of the stripes.

    Returns:
        float32 [clips, frames, mel bins].
    """
    time_seed, mel_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    keep_time = _keep(part, frames, config.time_stripes, config.time_frames, time_seed)
    keep_mel = _keep(part, mel_bins, config.mel_stripes, config.mel_bins, mel_seed)
    return keep_time[:, :, None] * keep_mel[:, None, :]


def _keep(part: Part, length: int, stripes: int, width: int, seed: tf.Tensor) -> tf.Tensor:
    """float32 [clips, length], 0 in `stripes` intervals of width uniform in [0, width)."""
    draws = part.uniform(seed, 2, stripes, 1)
    widths = tf.floor(draws[:, 0] * min(width, length))
    starts = tf.floor(draws[:, 1] * (length - widths))
    frame = tf.range(length, dtype=tf.float32)
    inside = (frame >= starts) & (frame < starts + widths)
    return 1.0 - tf.cast(tf.reduce_any(inside, axis=1), tf.float32)
