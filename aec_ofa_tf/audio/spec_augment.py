"""SpecAugment, mixup and time roll on batches of log-mel clips, all stateless."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from aec_ofa_tf.audio.per_clip import per_clip


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
    positions: tf.Tensor,
    frames: int,
    mel_bins: int,
    seed: tf.Tensor,
    config: SpecAugmentConfig = PAPER,
) -> tf.Tensor:
    """1 where a clip is kept, 0 in the stripes; to be multiplied after the input batch norm.

    Args:
        positions: int32 [clips] in the global batch.
        frames: length of a clip.
        mel_bins: its height.
        seed: int32 [2], stateless.
        config: number and width of the stripes.

    Returns:
        float32 [clips, frames, mel bins].
    """

    def draw(clip_seed: tf.Tensor) -> tf.Tensor:
        time_seed, mel_seed = tf.unstack(tf.random.experimental.stateless_split(clip_seed, 2))
        keep_time = _keep(frames, config.time_stripes, config.time_frames, time_seed)
        keep_mel = _keep(mel_bins, config.mel_stripes, config.mel_bins, mel_seed)
        return keep_time[:, None] * keep_mel

    return per_clip(draw, positions, seed)


def _keep(length: int, stripes: int, width: int, seed: tf.Tensor) -> tf.Tensor:
    """float32 [length], 0 in `stripes` intervals of width uniform in [0, width)."""
    draws = tf.random.stateless_uniform([2, stripes, 1], seed)
    widths = tf.floor(draws[0] * min(width, length))
    starts = tf.floor(draws[1] * (length - widths))
    frame = tf.range(length, dtype=tf.float32)
    inside = (frame >= starts) & (frame < starts + widths)
    return 1.0 - tf.cast(tf.reduce_any(inside, axis=0), tf.float32)
