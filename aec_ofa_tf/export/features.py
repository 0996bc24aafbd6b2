"""Clips of either form as the log-mel batches that a network takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.tagging.model_file import ModelInfo

_BATCH = 16


def log_mel_batches(clips: np.ndarray, info: ModelInfo) -> Iterator[tf.Tensor]:
    """Float32 [batch, frames, mel_bins] in dB, in the clips' order.

    Args:
        clips: float32 [clips, frames, mel_bins] or [clips, samples], as `info.input` says.
        info: model card of the file that takes such clips.
    """
    config = FrontEndConfig(**info.front_end)
    for start in range(0, len(clips), _BATCH):
        batch = tf.constant(clips[start : start + _BATCH], tf.float32)
        yield log_mel(batch, config) if info.input == "waveform" else batch
