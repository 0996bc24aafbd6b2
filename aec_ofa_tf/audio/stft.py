"""What both implementations of the log-mel share: its window, and checks. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aec_ofa_tf.audio.front_end import PERIODIC, FrontEndConfig


def hann_window(config: FrontEndConfig) -> np.ndarray:
    """The Hann window of a front end, in the middle of its FFT.

    Returns:
        float64 [fft_samples].
    """
    length = config.window_samples
    period = length if config.window == PERIODIC else length - 1
    phase = 2.0 * math.pi * np.arange(length) / max(1, period)
    before = (config.fft_samples - length) // 2
    after = config.fft_samples - length - before
    return np.pad(0.5 - 0.5 * np.cos(phase), (before, after))


def check_front_end(config: object) -> None:
    """Checks that a front end is one.

    Raises:
        ValueError: it is not, for example the name of a preset.
    """
    if not isinstance(config, FrontEndConfig):
        raise ValueError(
            "the config of log_mel is a FrontEndConfig, for example front_end('keyword_16k'), "
            f"received {config!r}"
        )


def check_samples(
    shape: Sequence[int | None] | None, dtype: str, is_floating: bool, config: FrontEndConfig
) -> None:
    """Checks that a log-mel can be computed of a waveform.

    Args:
        shape: shape of the waveform, the samples last; None for an unknown rank.
        dtype: name of its dtype.
        is_floating: whether the dtype is floating-point.
        config: the parameters of the front end.

    Raises:
        ValueError: the samples are integers, or their number is unknown, not a multiple of the
            hop, or less than `config.min_samples`.
    """
    if not is_floating:
        raise ValueError(
            f"log_mel needs floating-point samples in [-1, 1], received {dtype}: "
            "divide integer samples by their full scale, 32768 for int16"
        )
    received = "an unknown shape" if shape is None else f"shape {tuple(shape)}"
    samples = shape[-1] if shape else None
    if samples is None or samples % config.hop_samples:
        raise ValueError(
            f"log_mel needs a static number of samples that is a multiple of {config.hop_samples}, "
            f"received {received}"
        )
    if samples < config.min_samples:
        raise ValueError(
            f"log_mel needs at least {config.min_samples} samples, received {received}"
        )
