"""What poor resamplers do to a mel spectrum. No TensorFlow here.

The spectrum of samples at the rate r repeats at all multiples of r, and a resampler multiplies it
by the gain of its filter; straight lines between samples are the filter sinc(f / r)^2. So a tone at
f keeps most of its power, and images of it remain at |k r +- f|, which the new rate folds into its
own band.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

from aec_ofa_tf.audio.front_end import FrontEndConfig, mel_filters
from aec_ofa_tf.audio.resamplers import RESAMPLERS, amplitude

RATES_HZ = (8000, 11025, 16000, 22050, 24000, 44100, 48000)
"""Rates of recordings and of devices."""

_REPETITIONS = 40
"""Multiples of the rate whose images are computed; straight lines leave less than -80 dB beyond."""


def candidates(front_end: FrontEndConfig) -> tuple[tuple[str, int], ...]:
    """The resamplers, each with every rate from which something must be resampled."""
    rates = [rate for rate in RATES_HZ if rate != front_end.sample_rate_hz]
    return tuple(itertools.product(RESAMPLERS, rates))


@lru_cache(maxsize=64)
def image_matrix(front_end: FrontEndConfig, resampler: str, rate_hz: int) -> np.ndarray:
    """Mel power of a clip at the front end's rate -> mel power after a detour over another rate.

    The clip is resampled to the other rate without aliasing, and from there to the front end's rate
    by the given resampler. Within a mel filter the spectrum is taken as flat. What the front end's
    rate cannot contain, and would be folded, is taken as silent.

    Args:
        front_end: the front end.
        resampler: one of `resamplers.RESAMPLERS`.
        rate_hz: the other rate.

    Returns:
        float32 [mel_bins, mel_bins]; mel power @ matrix = mel power.
    """
    filters = mel_filters(front_end).astype(np.float64)
    hz = np.linspace(0.0, front_end.sample_rate_hz / 2, len(filters))
    kept, images = _transfer(hz, resampler, rate_hz, front_end.sample_rate_hz)
    emphasis = _emphasis(hz, front_end)
    images *= emphasis / emphasis[:, None]
    own = (filters * kept[:, None]).sum(axis=0) / filters.sum(axis=0)
    # The power of an FFT bin, from the mel bins that reach it.
    reached = filters.sum(axis=1, keepdims=True)
    spread = np.divide(filters, reached, out=np.zeros_like(filters), where=reached > 0)
    power_of_bins = spread / filters.sum(axis=0)
    return (np.diag(own) + power_of_bins.T @ images @ filters).astype(np.float32)


def centres_hz(front_end: FrontEndConfig) -> np.ndarray:
    """Centres of the mel filters, float64 [mel_bins]."""
    filters = mel_filters(front_end).astype(np.float64)
    hz = np.linspace(0.0, front_end.sample_rate_hz / 2, len(filters))
    return hz @ filters / filters.sum(axis=0)


def _emphasis(hz: np.ndarray, front_end: FrontEndConfig) -> np.ndarray:
    """The power gain of a front end's pre-emphasis, [bins]."""
    turn = np.exp(2j * np.pi * hz / front_end.sample_rate_hz)
    return np.maximum(np.abs(turn - front_end.pre_emphasis) ** 2, 1e-6)


def _transfer(
    hz: np.ndarray, resampler: str, rate_hz: int, to_hz: int
) -> tuple[np.ndarray, np.ndarray]:
    """The power that a tone keeps [bins], and that of its images in every bin [bins, bins]."""
    kept, images = np.zeros(len(hz)), np.zeros((len(hz), len(hz)))
    gain = amplitude(resampler, rate_hz, to_hz)
    repetitions = rate_hz * np.arange(-_REPETITIONS, _REPETITIONS + 1)
    for index in np.flatnonzero(hz < rate_hz / 2):
        places = hz[index] + repetitions
        folded = np.round((places + to_hz / 2) % to_hz - to_hz / 2, 3)
        found, which = np.unique(folded, return_inverse=True)
        # Images that are folded onto each other have the same phase.
        amplitudes = np.bincount(which, gain(places))
        is_own = np.isclose(found, hz[index], atol=1e-2)
        kept[index] = np.sum(amplitudes[is_own] ** 2)
        bins = np.rint(np.abs(found[~is_own]) / hz[1]).astype(int)
        np.add.at(images[index], np.minimum(bins, len(hz) - 1), amplitudes[~is_own] ** 2)
    return kept, images
