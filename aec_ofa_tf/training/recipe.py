"""Settings of training that suit small data sets. No TensorFlow here."""

from __future__ import annotations

from typing import Any

from aec_ofa_tf.config import ConfigError, is_number
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.training.config import POWER, TrainConfig

SMALL_BASE_CHANNELS = 16
"""Channels of the first block of a CNN10 for small data sets: 0.3 M parameters."""

SMALL_OPTIONS = NetworkOptions(block_dropout=0.0, embedding_dropout=0.2)
"""A network this thin hardly overfits: stronger dropout lowers its scores."""

_WHOLE_BELOW_SECS = 2.0


def small_data(clip_secs: float, is_window: bool = False, **changes: Any) -> TrainConfig:
    """Settings of training for some hundreds to some thousands of recordings.

    Clips are mixed as sounds (between-class learning), cut, stretched, coloured and moved; AdamW
    warms up and decays along a cosine. The paper's settings, `TrainConfig()`, are for two million
    clips.

    Args:
        clip_secs: length of a clip in seconds; half of it is trained on at a time, or, below 2 s,
            all of it, since half a word may be another word.
        is_window: whether clips are windows (`in_windows`), which are trained on as they are.
        changes: fields of `TrainConfig` with other values.

    Raises:
        ConfigError: the length is not positive, or a value is invalid.

    Example:
        >>> ofa.small_data(clip_secs=5.0, batch_size=16).crop_secs
        2.5
    """
    if not is_number(clip_secs) or not clip_secs > 0:
        raise ConfigError(f"clip_secs is a number above 0, received {clip_secs!r}", "clip_secs")
    return TrainConfig(**{**small_data_fields(clip_secs, is_window), **changes})


def small_data_fields(clip_secs: float, is_window: bool = False) -> dict[str, Any]:
    """The fields of `small_data`, by name."""
    crop_secs = clip_secs / 2 if clip_secs >= _WHOLE_BELOW_SECS else 0.0
    crop_secs = clip_secs if is_window else crop_secs
    return {
        "batch_size": 32,
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "weight_decay": 1e-4,
        "precision": "float32",  # the same on machines with and without bfloat16
        "mixup_alpha": 1.0,
        "mixup_domain": POWER,
        "crop_secs": crop_secs,
        "crop_silence": 0.5 if crop_secs else 0.0,
        "time_stretch": 0.2,
        "gain_db": 6.0,
        "equalizer_db": 6.0,
        "mel_shift_bins": 2,
        # A tenth of the window at a hop of 10 ms.
        "time_mask_frames": max(round(10 * (crop_secs or clip_secs)), 2),
        "mel_mask_bins": 6,
        "calibration_clips": 512,
    }
