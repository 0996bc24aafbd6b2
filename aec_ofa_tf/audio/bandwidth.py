"""How far the spectra of recordings reach, and the front end that fits them. No TensorFlow here.

A recording at 8 kHz that is resampled to 32 kHz is digital silence above 4 kHz. Networks learn
that silence, and fail on devices whose microphones and resamplers leave something there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aec_ofa_tf.audio.front_end import PRESETS, FrontEndConfig, front_end

STEP_HZ = 500
"""Bandwidths are rounded to a multiple of this: resamplers end a little before or beyond."""

_WINDOW_SAMPLES = 2048
_WINDOWS = 8
# Below the peak of a spectrum: more than a noise floor, less than what soxr HQ leaves.
_BELOW_PEAK_DB = 110.0
# Noise of this level, relative to full scale, counts as silence. Rounding to 16 bits leaves noise
# of -101 dBFS, with dither -96; the greatest of thousands of values is 10 dB above the mean.
_SILENCE_DBFS = -85.0

_NEARLY_ALL = 0.9
_CLEARLY_BELOW = 0.8
_NAMED = ("panns_32k", "panns_16k", "keyword_16k")


def bandwidth_hz(waveform: np.ndarray, rate_hz: int) -> int:
    """The highest frequency at which a clip has sound.

    That is where the greatest power of eight windows lies within 110 dB of its peak, and above what
    rounding to 16 bits leaves in a recording that was stored at a higher rate than its own.

    Args:
        waveform: float [samples].
        rate_hz: its sample rate.

    Returns:
        A multiple of `STEP_HZ`; 0 for digital silence.
    """
    import scipy.fft  # slow to import

    sounding = np.flatnonzero(waveform)
    if not sounding.size:
        return 0
    sound = waveform[sounding[0] : sounding[-1] + 1]
    size = min(_WINDOW_SAMPLES, len(sound))
    starts = np.linspace(0, len(sound) - size, _WINDOWS).astype(int)
    window = np.blackman(size).astype(np.float32)
    spectra = scipy.fft.rfft(sound[starts[:, None] + np.arange(size)] * window)
    power = np.max(np.square(np.abs(spectra)), axis=0)
    silence = 10 ** (_SILENCE_DBFS / 10) * np.sum(window**2)
    heard = np.flatnonzero(power > max(silence, power.max() * 10 ** (-_BELOW_PEAK_DB / 10)))
    highest = heard[-1] * rate_hz / size if heard.size else 0.0
    return round(highest / STEP_HZ) * STEP_HZ


@dataclass(frozen=True)
class Bandwidths:
    """The bandwidths of a data set.

    Attributes:
        clips: number of clips by bandwidth in Hz; without those of digital silence.
    """

    clips: Mapping[int, int]

    @classmethod
    def parse(cls, clips: Mapping[str, int]) -> Bandwidths:
        """Bandwidths of a JSON file, whose keys are texts.

        Raises:
            ValueError: a key is no whole number.
        """
        if wrong := [text for text in clips if not text.isdecimal()]:
            raise ValueError(f"a bandwidth is a whole number of Hz, not {wrong[0]!r}")
        return cls({int(text): count for text, count in clips.items()})

    def quantile_hz(self, share: float) -> int:
        """The bandwidth that this share of the clips does not exceed; 0 without clips."""
        count, wanted = 0, share * sum(self.clips.values())
        for bandwidth in sorted(self.clips):
            count += self.clips[bandwidth]
            if count >= wanted:
                return bandwidth
        return 0

    def __str__(self) -> str:
        """The quantiles in one line."""
        low, middle, high = (f"{self.quantile_hz(share):,} Hz" for share in (0.1, 0.5, 0.9))
        return f"half of the clips reach {middle}, 80 % of them from {low} to {high}"

    def advice(self, config: FrontEndConfig) -> str | None:
        """What to do if the recordings reach clearly less far than the front end; else None."""
        reached = self.quantile_hz(_NEARLY_ALL)
        if not reached or reached >= _CLEARLY_BELOW * config.max_hz:
            return None
        return (
            f"{_NEARLY_ALL:.0%} of the clips have no sound above {reached:,} Hz, and the front end "
            f"hears up to {config.max_hz:,.0f} Hz: networks would learn the silence between, which "
            f"devices do not have. Prepare with {fitting(reached)}, or train with noise_share, "
            "low_pass_share and resample_share, for example 0.5 each"
        )


def fitting(reached_hz: int) -> str:
    """The preset, and the fields to replace, of a front end that hears as far as recordings reach.

    Args:
        reached_hz: their bandwidth.
    """
    for name in _NAMED:
        if PRESETS[name].max_hz <= reached_hz / _CLEARLY_BELOW:
            return f"front_end={name}"
    # Recorders and resamplers attenuate what is near half of their rate.
    highest = int(0.95 * reached_hz // 100) * 100
    try:
        front_end("panns_16k", max_hz=float(highest))
    except ValueError:  # too narrow for so many filters
        return f"front_end=keyword_16k, max_hz={highest} and fewer mel_bins"
    return f"front_end=panns_16k and max_hz={highest}"
