"""Ten kinds of procedural events. Every call draws new parameters; the mixer sets the levels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RATE_HZ = 32000


def chirp(rng: np.random.Generator) -> np.ndarray:
    """One to three exponential sweeps, up or down by one to three octaves."""
    low_hz = rng.uniform(300, 1500)
    rising_hz = np.geomspace(low_hz, low_hz * 2 ** rng.uniform(1, 3), _samples(rng, 0.2, 0.6))
    sweep = _tone(rising_hz[:: rng.choice([-1, 1])])
    gap = np.zeros(_samples(rng, 0.02, 0.1))
    return np.concatenate([np.concatenate([_swell(sweep), gap])] * rng.integers(1, 4))


def siren(rng: np.random.Generator) -> np.ndarray:
    """A tone with harmonics whose pitch rises and falls slowly."""
    samples = _samples(rng, 1.0, 2.0)
    cycle = _time(samples) * rng.uniform(1.0, 3.0) + rng.uniform()
    wobble = np.sin(2 * np.pi * cycle) if rng.integers(2) else 4 * np.abs(cycle % 1 - 0.5) - 1
    pitch_hz = rng.uniform(600, 1400) * 2 ** (rng.uniform(0.3, 0.7) * wobble)
    return _harmonics(pitch_hz, rng.uniform(0.2, 0.6) ** np.arange(4))


def ticking(rng: np.random.Generator) -> np.ndarray:
    """Short resonant clicks at a steady rate."""
    samples = _samples(rng, 1.0, 2.0)
    period = int(RATE_HZ / rng.uniform(3, 10))
    click = _ring(rng.uniform(1000, 6000), rng.uniform(0.001, 0.004))
    return _at(samples, np.arange(0, samples, period), click)


def noise_bursts(rng: np.random.Generator) -> np.ndarray:
    """Bursts of band noise, two to five a second, with silence between them."""
    period = int(RATE_HZ / rng.uniform(2, 5))
    burst = int(period * rng.uniform(0.25, 0.5))
    count = rng.integers(2, 6)
    noise = _band_noise(period * count, rng.uniform(500, 6000), rng.uniform(0.4, 1.2), rng)
    return noise * (np.arange(period * count) % period < burst)


def crackle(rng: np.random.Generator) -> np.ndarray:
    """Clicks at random times and levels, like a fire."""
    samples = _samples(rng, 0.8, 2.0)
    count = int(samples / RATE_HZ * rng.uniform(20, 80))
    instants = np.sort(rng.integers(0, samples, count))
    train = np.zeros(samples)
    np.add.at(train, instants, rng.exponential(1.0, count) * rng.choice([-1, 1], count))
    click = rng.standard_normal(96) * np.exp(-np.arange(96) / rng.uniform(8, 30))
    return np.convolve(train, click)[:samples]


def flutter(rng: np.random.Generator) -> np.ndarray:
    """Broadband noise whose level beats ten to thirty times a second, like a rotor."""
    samples = _samples(rng, 0.8, 2.0)
    noise = _band_noise(samples, rng.uniform(300, 3000), rng.uniform(0.8, 1.5), rng)
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(10, 30) * _time(samples))
    return noise * beat ** rng.uniform(1, 3)


def harmonic_call(rng: np.random.Generator) -> np.ndarray:
    """Two to four voiced syllables, each an arch of pitch rich in harmonics."""
    roll_off = rng.uniform(0.6, 0.9) ** np.arange(10)
    base_hz = rng.uniform(200, 700)
    syllables = []
    for _ in range(rng.integers(2, 5)):
        arch = np.sin(np.pi * np.linspace(0, 1, _samples(rng, 0.12, 0.3)))
        pitch_hz = base_hz * 2 ** (rng.uniform(0.2, 0.6) * arch)
        syllables += [_harmonics(pitch_hz, roll_off) * arch, np.zeros(_samples(rng, 0.04, 0.12))]
    return np.concatenate(syllables)


def hum(rng: np.random.Generator) -> np.ndarray:
    """A steady low tone with many harmonics, like a motor or mains hum."""
    samples = _samples(rng, 1.0, 2.2)
    levels = rng.uniform(0.2, 1.0, 12) / np.arange(1, 13) ** rng.uniform(0.3, 1.0)
    return _harmonics(np.full(samples, rng.uniform(70, 180)), levels)


def bell(rng: np.random.Generator) -> np.ndarray:
    """Inharmonic partials that start together; the higher ones decay faster."""
    samples = _samples(rng, 0.8, 2.0)
    ratios = np.array([1.0, 2.0, 2.76, 4.07, 5.4]) * rng.uniform(0.97, 1.03, 5)
    fundamental_hz, decay_secs = rng.uniform(400, 1800), rng.uniform(0.25, 0.7)
    time = _time(samples)
    partials = [
        level
        * np.sin(2 * np.pi * fundamental_hz * ratio * time)
        * np.exp(-time * ratio / decay_secs)
        for ratio, level in zip(ratios, rng.uniform(0.4, 1.0, 5), strict=True)
        if fundamental_hz * ratio < RATE_HZ / 2
    ]
    return np.sum(partials, axis=0)


def beeps(rng: np.random.Generator) -> np.ndarray:
    """Pure tones of one or two pitches, switched on and off at a steady rate."""
    pitches_hz = rng.uniform(900, 4000) * np.array([1.0, rng.choice([1.0, 0.75])])
    on, off = _samples(rng, 0.08, 0.18), _samples(rng, 0.05, 0.15)
    tones = [_tone(np.full(on, pitches_hz[i % 2])) for i in range(rng.integers(3, 8))]
    return np.concatenate([np.pad(_edges(tone), (0, off)) for tone in tones])


KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    kind.__name__: kind
    for kind in (
        beeps,
        bell,
        chirp,
        crackle,
        flutter,
        harmonic_call,
        hum,
        noise_bursts,
        siren,
        ticking,
    )
}


def _samples(rng: np.random.Generator, shortest_secs: float, longest_secs: float) -> int:
    return int(rng.uniform(shortest_secs, longest_secs) * RATE_HZ)


def _time(samples: int) -> np.ndarray:
    return np.arange(samples) / RATE_HZ


def _tone(pitch_hz: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ)


def _harmonics(pitch_hz: np.ndarray, levels: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    highest_hz = float(pitch_hz.max())
    return np.sum(
        [
            level * np.sin(number * phase)
            for number, level in enumerate(levels, start=1)
            if number * highest_hz < RATE_HZ / 2
        ],
        axis=0,
    )


def _ring(pitch_hz: float, decay_secs: float) -> np.ndarray:
    time = _time(int(6 * decay_secs * RATE_HZ))
    return np.sin(2 * np.pi * pitch_hz * time) * np.exp(-time / decay_secs)


def _at(samples: int, instants: np.ndarray, click: np.ndarray) -> np.ndarray:
    waveform = np.zeros(samples + len(click))
    for instant in instants:
        waveform[instant : instant + len(click)] += click
    return waveform[:samples]


def _band_noise(
    samples: int, centre_hz: float, octaves: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise around a frequency; its level falls as a bell curve over octaves."""
    padded = -(-samples // 1600) * 1600  # the FFT is slow for lengths with large prime factors
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    frequency_hz = np.maximum(np.fft.rfftfreq(padded, 1 / RATE_HZ), 1.0)
    distance = np.log2(frequency_hz / centre_hz) / octaves
    return np.fft.irfft(spectrum * np.exp(-0.5 * distance**2), padded)[:samples]


def _swell(waveform: np.ndarray) -> np.ndarray:
    return waveform * np.sin(np.pi * np.linspace(0, 1, len(waveform))) ** 0.5


def _edges(waveform: np.ndarray) -> np.ndarray:
    ramp = np.minimum(1.0, np.arange(len(waveform)) / (0.004 * RATE_HZ))
    return waveform * ramp * ramp[::-1]
