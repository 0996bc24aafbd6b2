"""The resamplers of devices, which leave images of the spectrum. No TensorFlow here.

This project resamples by soxr, which leaves nothing that can be heard. Straight lines between
samples are what simple programs do. MediaPipe (0.10) has a short filter; scores by it are the test
of this copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

LINES, MEDIAPIPE = RESAMPLERS = ("straight lines", "MediaPipe")

# MediaPipe's `AudioToTensorCalculator` resamples by the library `audio_dsp`: a Kaiser window of
# these parameters. The radius is in samples of the lower rate.
_RADIUS_SAMPLES = 5
_CUTOFF = 0.9  # of half of the lower rate
_KAISER_BETA = 6.0

_RESPONSE_SAMPLES = 2**18


def resample_poorly(resampler: str, waveform: np.ndarray, rate_hz: int, to_hz: int) -> np.ndarray:
    """Resamples a waveform as a device does.

    Args:
        resampler: one of `RESAMPLERS`.
        waveform: float [samples].
        rate_hz: its sample rate.
        to_hz: sample rate of the result.

    Returns:
        float32 [samples * to_hz / rate_hz], rounded up.
    """
    if resampler == LINES:
        places = np.arange(math.ceil(len(waveform) * to_hz / rate_hz)) * (rate_hz / to_hz)
        return np.interp(places, np.arange(len(waveform)), waveform).astype(np.float32)
    from scipy.signal import resample_poly  # slow to import

    taps, up, down = _mediapipe_filter(rate_hz, to_hz)
    return resample_poly(waveform, up, down, window=taps).astype(np.float32)


def amplitude(resampler: str, rate_hz: int, to_hz: int) -> Callable[[np.ndarray], np.ndarray]:
    """The gain that a resampler gives to the repetitions of the spectrum of a waveform.

    Args:
        resampler: one of `RESAMPLERS`.
        rate_hz: sample rate of the waveform.
        to_hz: the rate that it is resampled to.

    Returns:
        From frequencies in Hz, float [n], to real gains of amplitudes, float [n].
    """
    if resampler == LINES:
        return lambda hz: np.sinc(hz / rate_hz) ** 2
    taps, up, _ = _mediapipe_filter(rate_hz, to_hz)
    middle = len(taps) // 2
    around_zero = np.zeros(_RESPONSE_SAMPLES)
    around_zero[: middle + 1], around_zero[-middle:] = taps[middle:], taps[:middle]
    response = np.fft.rfft(around_zero).real
    # The taps are at a rate that is `up` times as high; beyond, there is nothing to fold.
    places = np.linspace(0.0, up * rate_hz / 2, len(response))
    return lambda hz: np.interp(np.abs(hz), places, response, right=0.0)


@lru_cache(maxsize=32)
def _mediapipe_filter(rate_hz: int, to_hz: int) -> tuple[np.ndarray, int, int]:
    """The filter's taps, whose sum is 1, and the factors by which rates go up and down."""
    from scipy.signal import firwin

    common = math.gcd(rate_hz, to_hz)
    up, down = to_hz // common, rate_hz // common
    taps = 2 * _RADIUS_SAMPLES * max(up, down) + 1
    cutoff_hz = _CUTOFF * min(rate_hz, to_hz) / 2
    return firwin(taps, cutoff_hz, window=("kaiser", _KAISER_BETA), fs=rate_hz * up), up, down
