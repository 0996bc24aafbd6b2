"""What other devices do to a recording: noise, another level, less bandwidth, poor resampling.

Levels are relative to full scale: a waveform whose RMS is 1 has 0 dBFS. No TensorFlow here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.signal
import soxr

from aec_ofa_tf.audio.resamplers import LINES, RESAMPLERS, resample_poorly

_LOW_PASS_ORDER = 8


class Condition(Protocol):
    """A change of a waveform; the same clip is always changed in the same way."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def applies(self, rate_hz: int) -> bool:
        """Whether it changes waveforms of this rate."""

    def __call__(self, waveform: np.ndarray, rate_hz: int, clip_id: bytes) -> np.ndarray:
        """The changed waveform.

        Args:
            waveform: float32 [samples], nominally in [-1, 1].
            rate_hz: its sample rate.
            clip_id: what random numbers depend on.

        Returns:
            float32 [samples], of the same length; it is not clipped.
        """


@dataclass(frozen=True)
class WhiteNoise:
    """White Gaussian noise is added, the same for a clip at every level.

    Attributes:
        level_dbfs: the noise's RMS.
    """

    level_dbfs: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"white noise at {self.level_dbfs:g} dBFS"

    def applies(self, rate_hz: int) -> bool:
        """Noise is heard at every rate."""
        return True

    def __call__(self, waveform: np.ndarray, rate_hz: int, clip_id: bytes) -> np.ndarray:
        """The waveform with noise."""
        digest = hashlib.sha256(clip_id).digest()
        key = np.frombuffer(digest[:16], np.uint64)
        noise = np.random.Generator(np.random.Philox(key=key)).standard_normal(waveform.shape)
        return waveform + (10.0 ** (self.level_dbfs / 20.0) * noise).astype(np.float32)


@dataclass(frozen=True)
class Gain:
    """All samples are multiplied.

    Attributes:
        gain_db: the change of the level.
    """

    gain_db: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"gain {self.gain_db:g} dB"

    def applies(self, rate_hz: int) -> bool:
        """A level can be changed at every rate."""
        return True

    def __call__(self, waveform: np.ndarray, rate_hz: int, clip_id: bytes) -> np.ndarray:
        """The waveform at its new level."""
        return waveform * np.float32(10.0 ** (self.gain_db / 20.0))


@dataclass(frozen=True)
class LowPass:
    """A Butterworth filter of order 8: -3 dB at the cut-off, 48 dB per octave above.

    Attributes:
        cutoff_hz: the cut-off.
    """

    cutoff_hz: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"low-pass at {self.cutoff_hz / 1000:g} kHz"

    def applies(self, rate_hz: int) -> bool:
        """Whether the waveform reaches beyond the cut-off."""
        return self.cutoff_hz < rate_hz / 2

    def __call__(self, waveform: np.ndarray, rate_hz: int, clip_id: bytes) -> np.ndarray:
        """The filtered waveform."""
        sections = scipy.signal.butter(_LOW_PASS_ORDER, self.cutoff_hz, fs=rate_hz, output="sos")
        return scipy.signal.sosfilt(sections, waveform).astype(np.float32)


@dataclass(frozen=True)
class Resampled:
    """The recording at another rate, from which a poor resampler leads to the front end's rate.

    The other rate is reached by soxr HQ, as a recorder of that rate would have heard the sound.
    The resampler leaves images of the spectrum above half of the lower rate.

    Attributes:
        rate_hz: the other rate.
        resampler: one of `resamplers.RESAMPLERS`.
    """

    rate_hz: int
    resampler: str = LINES

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"from {self.rate_hz / 1000:g} kHz by {self.resampler}"

    def applies(self, rate_hz: int) -> bool:
        """Whether there is anything to resample."""
        return self.rate_hz != rate_hz

    def __call__(self, waveform: np.ndarray, rate_hz: int, clip_id: bytes) -> np.ndarray:
        """The waveform after both resamplers."""
        recorded = soxr.resample(waveform, rate_hz, self.rate_hz, quality="HQ")
        found = resample_poorly(self.resampler, recorded, self.rate_hz, rate_hz)
        return np.pad(found, (0, max(0, len(waveform) - len(found))))[: len(waveform)]


CONDITIONS: tuple[Condition, ...] = (
    *(WhiteNoise(level) for level in (-80.0, -60.0, -40.0)),
    Gain(-20.0),
    *(LowPass(cutoff) for cutoff in (4000.0, 8000.0)),
    *(
        Resampled(rate, resampler)
        for resampler in RESAMPLERS
        for rate in (8000, 16000, 22050, 44100, 48000)
    ),
)
"""What `evaluate --robustness` tries."""
