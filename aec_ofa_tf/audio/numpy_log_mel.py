"""The log-mel of a clip by NumPy and SciPy, for preparation. No TensorFlow here.

`prepare` starts in a quarter of the time without TensorFlow. SciPy is not in the core install.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft

from aec_ofa_tf.audio.front_end import ADD, PANNS, FrontEndConfig
from aec_ofa_tf.audio.mel_blocks import mel_blocks
from aec_ofa_tf.audio.stft import check_front_end, check_samples, hann_window

# Frames that are transformed at once. They stay in the processor's cache, and BLAS computes
# products of this size in the calling thread, so that it takes no core from another worker.
_FRAMES_AT_ONCE = 256


def numpy_log_mel(waveform: np.ndarray, config: FrontEndConfig = PANNS) -> np.ndarray:
    """`log_mel` of one clip; equal up to float32 rounding. It leaves Python's lock.

    Args:
        waveform: floating-point [samples] at `config.sample_rate_hz`, nominally in [-1, 1].
        config: the parameters of the front end.

    Returns:
        float32 [samples // hop_samples, mel_bins] in dB.

    Raises:
        ValueError: as `log_mel`.
    """
    check_front_end(config)
    is_floating = np.issubdtype(waveform.dtype, np.floating)
    check_samples(waveform.shape, waveform.dtype.name, is_floating, config)
    frames = _frames(waveform.astype(np.float32, copy=False), config)
    window = _window(config)
    mel_power = np.empty((len(frames), config.mel_bins), np.float32)
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        rows = slice(first, first + _FRAMES_AT_ONCE)
        spectrum = scipy.fft.rfft(frames[rows] * window)
        _mel_power(np.square(spectrum.real) + np.square(spectrum.imag), config, mel_power[rows])
    return _decibels(mel_power, config)


def _frames(waveform: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    """A view [samples // hop_samples, fft_samples] of the padded waveform."""
    count = len(waveform) // config.hop_samples
    if config.pre_emphasis:
        waveform = waveform[1:] - np.float32(config.pre_emphasis) * waveform[:-1]
    padded = np.pad(waveform, config.fft_samples // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.fft_samples)
    return frames[:: config.hop_samples][:count]


@lru_cache(maxsize=16)
def _window(config: FrontEndConfig) -> np.ndarray:
    return hann_window(config).astype(np.float32)


def _mel_power(power: np.ndarray, config: FrontEndConfig, out: np.ndarray) -> None:
    """Writes power [frames, FFT bins] @ mel filters to `out` [frames, mel_bins]."""
    first = 0
    for block in mel_blocks(config):
        end = first + block.filters.shape[1]
        out[:, first:end] = power[:, block.first_bin : block.end_bin] @ block.filters
        first = end


def _decibels(mel_power: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    floor = np.float32(config.power_floor)
    combine = np.add if config.floor_rule == ADD else np.maximum
    return np.float32(10.0) * np.log10(combine(mel_power, floor))
