"""Triangular mel filters, as librosa and as Kaldi define them. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

SLANEY, KALDI = MEL_SCALES = ("slaney", "kaldi")

# Slaney's mel scale: linear below 1 kHz, 27 logarithmic steps per factor 6.4 above.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def triangular_filters(
    scale: str, sample_rate_hz: int, fft_samples: int, mel_bins: int, min_hz: float, max_hz: float
) -> np.ndarray:
    """Filters whose corners lie at equal distances on a mel scale.

    "slaney" is librosa's default, which PANNs uses: Slaney's scale, triangles over frequency in
    Hz, each of unit area. "kaldi" is Kaldi's and torchaudio's `get_mel_banks`:
    1127 ln(1 + Hz / 700), triangles over mel, each with a peak of 1.

    Args:
        scale: one of `MEL_SCALES`.
        sample_rate_hz: sample rate of the waveform.
        fft_samples: length of the FFT.
        mel_bins: number of filters.
        min_hz: lower edge of the lowest filter.
        max_hz: upper edge of the highest filter.

    Returns:
        float64 [fft_samples // 2 + 1, mel_bins]; power spectrum @ filters = mel power.
    """
    positions, edges = _corners(scale, sample_rate_hz, fft_samples, mel_bins, min_hz, max_hz)
    triangles = _triangles(positions, edges)
    return triangles if scale == KALDI else triangles * (2.0 / (edges[2:] - edges[:-2]))


def empty_filters(
    scale: str, sample_rate_hz: int, fft_samples: int, mel_bins: int, min_hz: float, max_hz: float
) -> int:
    """The number of filters of `triangular_filters` (same arguments) that contain no FFT bin."""
    positions, edges = _corners(scale, sample_rate_hz, fft_samples, mel_bins, min_hz, max_hz)
    first = np.searchsorted(positions, edges[:-2], side="right")
    end = np.searchsorted(positions, edges[2:], side="left")
    return int((first >= end).sum())


def check_filters(
    scale: str, sample_rate_hz: int, fft_samples: int, mel_bins: int, min_hz: float, max_hz: float
) -> None:
    """Checks that every filter of `triangular_filters` (same arguments) contains an FFT bin.

    Raises:
        ValueError: some filters contain no FFT bin; the message has their number and a remedy.
    """

    def empty(fft_samples: int, mel_bins: int) -> int:
        return empty_filters(scale, sample_rate_hz, fft_samples, mel_bins, min_hz, max_hz)

    count = empty(fft_samples, mel_bins)
    if not count:
        return
    remedies = []
    # If every filter contains a bin, there are fewer filters than samples in the FFT.
    bins = min(mel_bins, fft_samples)
    while bins > 1 and empty(fft_samples, bins):
        bins -= max(1, bins // 50)
    if not empty(fft_samples, bins):
        remedies.append(f"mel_bins={bins}")
    for size in (fft_samples * 2, fft_samples * 4, fft_samples * 8):
        if not empty(size, mel_bins):
            remedies.append(f"fft_samples={size}")
            break
    raise ValueError(
        f"no FFT bin reaches {count} of {mel_bins} mel filters between {min_hz:g} and {max_hz:g} "
        f"Hz, because bins are {sample_rate_hz / fft_samples:g} Hz apart: use "
        f"{' or '.join([*remedies, 'a wider range of min_hz to max_hz'])}"
    )


def _corners(
    scale: str, sample_rate_hz: int, fft_samples: int, mel_bins: int, min_hz: float, max_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of FFT bins and of triangles' corners, in Hz for "slaney", in mel for "kaldi"."""
    fft_hz = np.linspace(0.0, sample_rate_hz / 2, fft_samples // 2 + 1)
    if scale == KALDI:
        edges = np.linspace(_kaldi_mel(min_hz), _kaldi_mel(max_hz), mel_bins + 2)
        return _each(_kaldi_mel, fft_hz), edges
    edges_mel = np.linspace(_slaney_mel(min_hz), _slaney_mel(max_hz), mel_bins + 2)
    return fft_hz, _each(_slaney_hz, edges_mel)


def _triangles(positions: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Triangles [positions, len(edges) - 2]: 0 at one edge, 1 at the next, 0 at the third."""
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (positions[:, None] - lower) / (centre - lower)
    falling = (upper - positions[:, None]) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling))


def _each(function: Callable[[float], float], values: np.ndarray) -> np.ndarray:
    return np.array([function(value) for value in values])


def _kaldi_mel(hz: float) -> float:
    return 1127.0 * math.log(1.0 + hz / 700.0)


def _slaney_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _slaney_hz(mel: float) -> float:
    if mel < _BREAK_MEL:
        return mel * _LINEAR_HZ_PER_MEL
    return _BREAK_HZ * math.exp((mel - _BREAK_MEL) * _LOG_STEP)
