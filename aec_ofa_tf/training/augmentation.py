"""The augmentation of a step's clips, before they are mixed."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from aec_ofa_tf.audio.augment import Part, random_crop, random_gain, time_roll
from aec_ofa_tf.audio.disturbances import disturbed
from aec_ofa_tf.audio.variations import (
    random_equalizer,
    random_mel_shift,
    random_stretch,
    stretched_frames,
)
from aec_ofa_tf.layers.batch_norm import replica_count
from aec_ofa_tf.training.step_config import StepConfig


def augmented(
    log_mel: tf.Tensor, part: Part, config: StepConfig, seeds: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Augments each clip by its own draws.

    Args:
        log_mel: [batch, frames of a clip, mel bins] in dB.
        part: the batch.
        config: the augmentations and their strengths.
        seeds: stateless seeds, int32 [2]: of time roll, gain, crop, stretch, equaliser and mel
            shift, then those of `disturbed`; of those that are not used, the last may be left out.

    Returns:
        [batch, frames of a crop, mel bins] in dB; without crops, the frames of a clip.
    """
    floor, frames = config.floor_db, config.crop_frames or log_mel.shape[1]
    if config.crop_frames:
        window = stretched_frames(frames, config.time_stretch)
        log_mel = random_crop(log_mel, part, seeds[2], window, floor, config.crop_silence)
    if config.time_stretch:
        log_mel = random_stretch(log_mel, part, seeds[3], config.time_stretch, frames)
    if config.time_roll:
        log_mel = time_roll(log_mel, part, seeds[0])
    if config.mel_shift_bins:
        log_mel = random_mel_shift(log_mel, part, seeds[5], config.mel_shift_bins)
    if config.equalizer_db:
        log_mel = random_equalizer(log_mel, part, seeds[4], config.equalizer_db, floor)
    if config.gain_db:
        log_mel = random_gain(log_mel, part, seeds[1], config.gain_db, floor)
    return disturbed(log_mel, part, config.disturbances, seeds[6:])


def own_part(clips: tf.Tensor) -> Part:
    """This replica's part of the global batch, of as many clips."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return Part(clips, replica, replica_count())
