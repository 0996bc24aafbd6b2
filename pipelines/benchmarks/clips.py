"""Synthetic clips for measurements. No TensorFlow here."""

from __future__ import annotations

import numpy as np

from tfrecords.sources import synthesis

_LOUD, _FAINT = 0.1, 1e-4


def synthetic_clips(samples: int, rate_hz: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Noise, tones, sweeps and every kind of synthetic event, from loud to faint.

    Args:
        samples: length of a clip.
        rate_hz: sample rate; events are generated for 32 kHz and not resampled.
        seed: seed of noise and events.

    Returns:
        Clips by name, each float64 [samples] in [-1, 1]; none is silent.
    """
    rng = np.random.default_rng(seed)
    secs = np.arange(samples) / rate_hz
    noise = np.clip(rng.normal(0, _LOUD, samples), -1, 1)
    last_hz = 0.4 * rate_hz
    sweep = np.sin(2 * np.pi * (100 + (last_hz - 100) * secs / (2 * secs[-1])) * secs)
    tone = 0.8 * np.sin(2 * np.pi * 1000 * secs)
    clips = {
        "noise": noise,
        "faint noise": noise * _FAINT / _LOUD,
        "tone": tone,
        "tone in noise": 0.5 * tone + 0.01 * noise,
        "sweep": 0.9 * sweep,
        "half silent": np.where(np.arange(samples) < samples // 2, 0.0, noise),
    }
    return clips | {kind: _filled(kind, samples, rng) for kind in synthesis.KINDS}


def _filled(kind: str, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Events of one kind, one after another, over the whole clip."""
    events: list[np.ndarray] = []
    while sum(map(len, events)) < samples:
        event = synthesis.KINDS[kind](rng)
        events.append(rng.uniform(0.05, 0.9) * event / np.abs(event).max())
    return np.concatenate(events)[:samples]
