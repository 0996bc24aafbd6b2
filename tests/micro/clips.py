"""Clips of every kind that a microphone hears, float32 in [-1, 1]."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache
def synthetic_clips(rate_hz: int, samples: int) -> dict[str, np.ndarray]:
    """Clips by name, float32 [samples] each."""
    rng = np.random.default_rng(0)
    time = np.arange(samples) / rate_hz
    noise = rng.normal(0.0, 0.1, samples)
    clips = {
        "noise": noise,
        "loud noise": rng.uniform(-1.0, 1.0, samples),
        "tone": 0.8 * np.sin(2 * np.pi * 1000 * time),
        "tones": 0.5 * np.sin(2 * np.pi * 440 * time) + 1e-3 * np.sin(2 * np.pi * 3000 * time),
        "sweep": np.sin(2 * np.pi * (100 + 6000 * time) * time),
        "square wave": np.sign(np.sin(2 * np.pi * 300 * time)),
        "constant": np.full(samples, 0.3),
        "click": np.eye(1, samples, samples // 2)[0],
        "half silent": np.where(time < time[samples // 2], 0.0, noise),
        "silence": np.zeros(samples),
        "faint": 1e-3 * noise,
        "speech-like": _speech(rng, rate_hz, time),
        "real-like": _street(rng, rate_hz, samples),
    }
    clips = {name: clip.astype(np.float32) for name, clip in clips.items()}
    for clip in clips.values():
        clip.setflags(write=False)
    return clips


def as_int16(clip: np.ndarray) -> np.ndarray:
    """The samples of a 16-bit file."""
    return np.clip(np.round(clip * 32768.0), -32768, 32767).astype(np.int16)


def _speech(rng: np.random.Generator, rate_hz: int, time: np.ndarray) -> np.ndarray:
    """Pulses of a voice of changing pitch through three formants, in syllables with pauses."""
    pitch_hz = 120.0 + 30.0 * np.sin(2 * np.pi * 1.7 * time)
    phase = np.cumsum(pitch_hz) / rate_hz
    pulses = np.diff(np.floor(phase), prepend=0.0)
    impulse_secs = np.arange(int(0.03 * rate_hz)) / rate_hz
    voice = np.zeros_like(time)
    for formant_hz, width_hz, level in ((700, 80, 1.0), (1220, 90, 0.5), (2600, 120, 0.25)):
        response = np.exp(-np.pi * width_hz * impulse_secs)
        response *= np.sin(2 * np.pi * formant_hz * impulse_secs)
        voice += level * np.convolve(pulses, response)[: len(time)]
    syllables = np.maximum(0.0, np.sin(2 * np.pi * 4.0 * time))
    hiss = 0.02 * rng.normal(size=len(time)) * (np.sin(2 * np.pi * 4.0 * time) < -0.8)
    return 0.4 * voice / np.abs(voice).max() * syllables + hiss


def _street(rng: np.random.Generator, rate_hz: int, samples: int) -> np.ndarray:
    """Noise that falls with frequency, as outdoors, and events that ring and fade."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    spectrum /= np.sqrt(1.0 + np.arange(len(spectrum)))
    clip = np.fft.irfft(spectrum, samples)
    clip *= 0.02 / clip.std()
    secs = np.arange(samples // 4) / rate_hz
    for hz in (350.0, 1900.0, 4200.0):
        start = rng.integers(samples - len(secs))
        ring = np.exp(-25.0 * secs) * np.sin(2 * np.pi * hz * secs)
        clip[start : start + len(secs)] += 0.5 * ring
    return np.round(np.clip(clip, -1, 1) * 32767) / 32768
