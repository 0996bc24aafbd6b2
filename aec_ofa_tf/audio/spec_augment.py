"""SpecAugment, mixup and time roll on batches of log-mel clips, all stateless."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class SpecAugmentConfig:
    """Stripes that SpecAugment blanks (paper section 3.3; PANNs).

    Attributes:
        time_stripes: number of stripes over time per clip.
        time_frames: their width is uniform in [0, time_frames).
        mel_stripes: number of stripes over frequency per clip.
        mel_bins: their width is uniform in [0, mel_bins).
    """

    time_stripes: int = 2
    time_frames: int = 64
    mel_stripes: int = 2
    mel_bins: int = 8


PAPER = SpecAugmentConfig()


def spec_augment_mask(
    shape: tuple[tf.Tensor | int, int, int], seed: tf.Tensor, config: SpecAugmentConfig = PAPER
) -> tf.Tensor:
    """1 where a clip is kept, 0 in the stripes; to be multiplied after the input batch norm.

    Args:
        shape: (batch, frames, mel bins).
        seed: int32 [2], stateless.
        config: number and width of the stripes.

    Returns:
        float32 [batch, frames, mel bins].
    """
    batch, frames, mel_bins = shape
    time_seed, mel_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    keep_time = _keep(batch, frames, config.time_stripes, config.time_frames, time_seed)
    keep_mel = _keep(batch, mel_bins, config.mel_stripes, config.mel_bins, mel_seed)
    return keep_time[:, :, None] * keep_mel[:, None, :]


def _keep(
    batch: tf.Tensor | int, length: int, stripes: int, width: int, seed: tf.Tensor
) -> tf.Tensor:
    """float32 [batch, length], 0 in `stripes` intervals of width uniform in [0, width)."""
    draws = tf.random.stateless_uniform([2, batch, stripes, 1], seed)
    widths = tf.floor(draws[0] * min(width, length))
    starts = tf.floor(draws[1] * (length - widths))
    position = tf.range(length, dtype=tf.float32)
    inside = (position >= starts) & (position < starts + widths)
    return 1.0 - tf.cast(tf.reduce_any(inside, axis=1), tf.float32)
