"""Disturbances of recordings in their log-mel: noise, less bandwidth, images of a resampler.

As `augment`'s augmentations they are stateless, and the same on one device and on many. Powers are
added in mel bins: the mean of what two independent sounds have together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.augment import Part, decibels_of, power_of
from aec_ofa_tf.audio.front_end import ADD, PANNS, FrontEndConfig
from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel
from aec_ofa_tf.audio.resampler_images import candidates, centres_hz, image_matrix

_NOISE_FRAMES = 4096
_SLOPES_DB = 12.0, 384.0
"""Fewest and most dB per octave of a random low-pass; the highest is a resampler's edge."""


@dataclass(frozen=True, eq=False)
class DisturbanceConfig:
    """The disturbances of training clips, in the order in which sound meets them; none by default.

    Attributes:
        background_share: share of clips with a background.
        background_snr_db: least and greatest ratio of the powers of clip and background.
        backgrounds: float32 [windows, frames, mel bins] in dB; empty for none.
        low_pass_share: share of clips with a random low-pass.
        low_pass_hz: its lowest cut-off.
        noise_share: share of clips with a noise floor.
        noise_dbfs: least and greatest level of the noise.
        resample_share: share of clips that are poorly resampled.
        front_end: the clips' front end.
    """

    background_share: float = 0.0
    background_snr_db: tuple[float, float] = (0.0, 20.0)
    backgrounds: np.ndarray = field(default_factory=lambda: np.zeros([0, 0, 0], np.float32))
    low_pass_share: float = 0.0
    low_pass_hz: float = 3000.0
    noise_share: float = 0.0
    noise_dbfs: tuple[float, float] = (-100.0, -40.0)
    resample_share: float = 0.0
    front_end: FrontEndConfig = PANNS


def disturbed(
    log_mel: tf.Tensor, part: Part, config: DisturbanceConfig, seeds: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Disturbs each clip by its own draws.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        part: the batch.
        config: the disturbances.
        seeds: stateless seeds, int32 [2]: of background, low-pass, noise and resampling; of those
            that are not used, the last may be left out.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    front_end = config.front_end
    if config.background_share and len(config.backgrounds):
        with tf.init_scope():  # beside the graph: as its constant, it would be copied into each
            backgrounds = tf.convert_to_tensor(config.backgrounds)
        log_mel = random_background(
            log_mel,
            part,
            seeds[0],
            config.background_share,
            config.background_snr_db,
            backgrounds,
        )
    if config.low_pass_share:
        share, lowest_hz = config.low_pass_share, config.low_pass_hz
        log_mel = random_low_pass(log_mel, part, seeds[1], share, lowest_hz, front_end)
    if config.noise_share:
        share, levels = config.noise_share, config.noise_dbfs
        log_mel = random_noise_floor(log_mel, part, seeds[2], share, levels, front_end)
    if config.resample_share:
        share = config.resample_share
        log_mel = random_resampling(log_mel, part, seeds[3], share, front_end)
    return log_mel


def random_noise_floor(
    log_mel: tf.Tensor,
    part: Part,
    seed: tf.Tensor,
    share: float,
    levels_dbfs: tuple[float, float],
    front_end: FrontEndConfig,
) -> tf.Tensor:
    """Adds white noise, as of a microphone's amplifier, to a share of the clips.

    The noise is a random part of the log-mel of real noise, so its mel bins fluctuate, and depend
    on their neighbours and on the frame before, as they do behind this front end.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        share: the share of clips, in [0, 1].
        levels_dbfs: the least and the greatest RMS of the noise relative to full scale, between
            which the level is uniform in dB.
        front_end: the clips' front end.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    chosen, level, start = tf.unstack(part.uniform(seed, 3), axis=1)
    low, high = levels_dbfs
    noise = tf.constant(_white_noise_db(front_end))
    frames = tf.range(tf.shape(log_mel)[1]) + _index(start, _NOISE_FRAMES)[:, None]
    window = tf.gather(noise, frames % _NOISE_FRAMES)
    noisy = _sum_db(log_mel, window + (low + (high - low) * level)[:, None, None])
    return _where(chosen < share, noisy, log_mel)


def random_background(
    log_mel: tf.Tensor,
    part: Part,
    seed: tf.Tensor,
    share: float,
    snr_db: tuple[float, float],
    windows: tf.Tensor,
) -> tf.Tensor:
    """Adds another recording to a share of the clips.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        share: the share of clips, in [0, 1].
        snr_db: the least and the greatest ratio of the mean powers of clip and background, between
            which it is uniform in dB.
        windows: float32 [windows, frames, mel bins], the backgrounds, in dB; each is rotated over
            time.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    chosen, ratio, which, start = tf.unstack(part.uniform(seed, 4), axis=1)
    low, high = snr_db
    count, length = tf.shape(windows)[0], tf.shape(windows)[1]
    frames = tf.range(tf.shape(log_mel)[1]) + _index(start, length)[:, None]
    background = tf.gather_nd(
        windows,
        tf.stack(
            [tf.broadcast_to(_index(which, count)[:, None], tf.shape(frames)), frames % length],
            axis=-1,
        ),
    )
    gain = _level_db(log_mel) - _level_db(background)
    gain -= (low + (high - low) * ratio)[:, None, None]
    return _where(chosen < share, _sum_db(log_mel, background + gain), log_mel)


def random_low_pass(
    log_mel: tf.Tensor,
    part: Part,
    seed: tf.Tensor,
    share: float,
    lowest_hz: float,
    front_end: FrontEndConfig,
) -> tf.Tensor:
    """Attenuates what lies above a random cut-off in a share of the clips.

    The cut-off is uniform over the mel bins from `lowest_hz` on; above it the gain falls by 12 dB
    to 384 dB per octave, uniform as a logarithm.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        share: the share of clips, in [0, 1].
        lowest_hz: the lowest cut-off.
        front_end: the clips' front end.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    octaves = np.log2(np.maximum(centres_hz(front_end), 1.0))
    first = int(np.searchsorted(octaves, np.log2(lowest_hz)))
    first = min(first, front_end.mel_bins - 1)
    chosen, cutoff, slope = tf.unstack(part.uniform(seed, 3), axis=1)
    place = tf.constant(octaves, tf.float32)
    cut = tf.gather(place, first + _index(cutoff, front_end.mel_bins - first))
    low, high = _SLOPES_DB
    slopes = low * tf.pow(high / low, slope)
    loss = slopes[:, None] * tf.maximum(place - cut[:, None], 0.0)
    filtered = tf.maximum(_float(log_mel) - loss[:, None, :], front_end.floor_db)
    return _where(chosen < share, filtered, log_mel)


def random_resampling(
    log_mel: tf.Tensor, part: Part, seed: tf.Tensor, share: float, front_end: FrontEndConfig
) -> tf.Tensor:
    """Resamples a share of the clips from a random rate, by straight lines or as MediaPipe does.

    Args:
        log_mel: [batch, frames, mel bins] in dB.
        part: the batch.
        seed: int32 [2], stateless.
        share: the share of clips, in [0, 1].
        front_end: the clips' front end.

    Returns:
        [batch, frames, mel bins] in dB.
    """
    kinds = candidates(front_end)
    matrices = tf.constant(np.stack([image_matrix(front_end, *kind) for kind in kinds]))
    chosen, kind = tf.unstack(part.uniform(seed, 2), axis=1)
    matrix = tf.gather(matrices, _index(kind, len(kinds)))
    floor = front_end.power_floor
    added = floor if front_end.floor_rule == ADD else 0.0
    power = tf.linalg.matmul(tf.maximum(power_of(_float(log_mel)) - added, 0.0), matrix) + added
    resampled = decibels_of(tf.maximum(power, floor))
    return _where(chosen < share, resampled, log_mel)


@lru_cache(maxsize=8)
def _white_noise_db(front_end: FrontEndConfig) -> np.ndarray:
    """The log-mel of white noise at 0 dBFS, float32 [frames, mel bins]."""
    generator = np.random.Generator(np.random.Philox(key=[0, 0]))
    noise = generator.standard_normal(_NOISE_FRAMES * front_end.hop_samples, np.float32)
    return numpy_log_mel(noise, front_end)


def _index(draws: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
    """Draws in [0, 1) as indices below `count`, int32."""
    return tf.cast(draws * tf.cast(count, tf.float32), tf.int32)


def _where(chosen: tf.Tensor, changed: tf.Tensor, log_mel: tf.Tensor) -> tf.Tensor:
    """The changed clips where they are chosen, the others to the last bit."""
    return tf.where(chosen[:, None, None], tf.cast(changed, log_mel.dtype), log_mel)


def _sum_db(log_mel: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return decibels_of(power_of(_float(log_mel)) + power_of(other))


def _level_db(log_mel: tf.Tensor) -> tf.Tensor:
    """The mean power of each clip in dB, float32 [batch, 1, 1]."""
    return decibels_of(tf.reduce_mean(power_of(_float(log_mel)), axis=[1, 2], keepdims=True))


def _float(log_mel: tf.Tensor) -> tf.Tensor:
    return tf.cast(log_mel, tf.float32)
