"""The numbers of PANNs' log-mel front end and its mel filters. No TensorFlow here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Slaney's mel scale: linear below 1 kHz, 27 logarithmic steps per factor 6.4 above.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


@dataclass(frozen=True)
class FrontEndConfig:
    """PANNs' log-mel settings (torchlibrosa `stft.py`, PANNs `models.py`).

    Attributes:
        sample_rate_hz: rate that clips are resampled to.
        window_samples: length of the periodic Hann window and of the FFT.
        hop_samples: samples between frames.
        mel_bins: number of mel filters.
        min_hz: lower edge of the lowest filter.
        max_hz: upper edge of the highest filter.
        power_floor: smallest mel power, so that digital silence is -100 dB.
    """

    sample_rate_hz: int = 32000
    window_samples: int = 1024
    hop_samples: int = 320
    mel_bins: int = 64
    min_hz: float = 50.0
    max_hz: float = 14000.0
    power_floor: float = 1e-10

    def clip_samples(self, clip_secs: float) -> int:
        """Samples of a clip, a whole number of hops so that clips and frames agree.

        Raises:
            ValueError: the clip is shorter than one window, or its length is not finite.
        """
        if not math.isfinite(clip_secs):
            raise ValueError(f"a clip's length is a finite number of seconds, received {clip_secs}")
        samples = round(clip_secs * self.sample_rate_hz / self.hop_samples) * self.hop_samples
        if samples < self.window_samples:
            raise ValueError(
                f"clips must last at least {self.window_samples / self.sample_rate_hz:.3f} s, "
                f"received {clip_secs} s"
            )
        return samples

    def frames(self, clip_secs: float) -> int:
        """Frames of a clip: one per hop. The centred STFT's one frame more is dropped (paper)."""
        return self.clip_samples(clip_secs) // self.hop_samples


PANNS = FrontEndConfig()


def mel_filters(config: FrontEndConfig = PANNS) -> np.ndarray:
    """Triangular mel filters on Slaney's scale, each of unit area (librosa's defaults).

    Returns:
        float32 [window_samples // 2 + 1, mel_bins]; power spectrum @ filters = mel power.
    """
    fft_hz = np.linspace(0.0, config.sample_rate_hz / 2, config.window_samples // 2 + 1)
    edges_mel = np.linspace(
        _hz_to_mel(config.min_hz), _hz_to_mel(config.max_hz), config.mel_bins + 2
    )
    edges_hz = np.array([_mel_to_hz(mel) for mel in edges_mel])
    lower, centre, upper = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (fft_hz[:, None] - lower) / (centre - lower)
    falling = (upper - fft_hz[:, None]) / (upper - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (upper - lower))).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mel: float) -> float:
    if mel < _BREAK_MEL:
        return mel * _LINEAR_HZ_PER_MEL
    return _BREAK_HZ * math.exp((mel - _BREAK_MEL) * _LOG_STEP)
