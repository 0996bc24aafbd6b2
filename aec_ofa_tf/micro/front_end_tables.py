"""Constants and tables of the front end in C. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from aec_ofa_tf.audio.front_end import PERIODIC, FrontEndConfig, mel_filters
from aec_ofa_tf.audio.stft import hann_window


@dataclass(frozen=True, eq=False)
class FrontEndTables:
    """The tables of a front end, which lie in flash.

    Attributes:
        window: float32 [window_period // 2 + 1], the rising half of the Hann window.
        cosine: float32 [fft_samples // 4 + 1], cos(2 pi k / fft_samples): the roots of the FFT.
        first_bins: uint16 [mel_bins], the first FFT bin that a filter reaches.
        bin_counts: uint16 [mel_bins], the number of FFT bins that it reaches.
        weights: float32 [sum of bin_counts], the filters' weights one after another.
    """

    window: np.ndarray
    cosine: np.ndarray
    first_bins: np.ndarray
    bin_counts: np.ndarray
    weights: np.ndarray

    @property
    def bytes(self) -> int:
        """Bytes of all tables."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


def front_end_tables(config: FrontEndConfig) -> FrontEndTables:
    """The tables of a front end."""
    columns = mel_filters(config).T
    reached = [np.flatnonzero(column) for column in columns]
    first_bins = np.array([bins[0] for bins in reached], np.uint16)
    bin_counts = np.array([bins[-1] + 1 - bins[0] for bins in reached], np.uint16)
    weights = [
        column[first : first + count]
        for column, first, count in zip(columns, first_bins, bin_counts, strict=True)
    ]
    quarter = np.arange(config.fft_samples // 4 + 1)
    return FrontEndTables(
        window=_rising_half(config),
        cosine=np.cos(2.0 * np.pi * quarter / config.fft_samples).astype(np.float32),
        first_bins=first_bins,
        bin_counts=bin_counts,
        weights=np.concatenate(weights),
    )


def window_period(config: FrontEndConfig) -> int:
    """P of a window w with w[n] = w[P - n]."""
    return config.window_samples - (0 if config.window == PERIODIC else 1)


def centre_samples(config: FrontEndConfig) -> int:
    """Samples from a window's first to the centre of its frame."""
    return config.fft_samples // 2 - _window_start(config)


def history_samples(config: FrontEndConfig) -> int:
    """Samples that are kept: as many after a frame's centre as before it.

    The first frame, half of which is the reflected start of the clip, is made of the latter half.
    """
    return 2 * centre_samples(config) + 1


def _rising_half(config: FrontEndConfig) -> np.ndarray:
    start = _window_start(config)
    rising = window_period(config) // 2 + 1
    return hann_window(config)[start : start + rising].astype(np.float32)


def _window_start(config: FrontEndConfig) -> int:
    return (config.fft_samples - config.window_samples) // 2
