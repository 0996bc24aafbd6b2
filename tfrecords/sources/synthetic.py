"""Scenes of procedural events: audio files with exact labels, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords.clip import Source
from tfrecords.sources.mixer import MixerConfig, mix
from tfrecords.sources.synthesis import KINDS, RATE_HZ


@dataclass(frozen=True)
class SyntheticEvents:
    """An event bank of all procedural kinds; every event has new random parameters."""

    labels: tuple[str, ...] = tuple(KINDS)

    @property
    def facts(self) -> Mapping[str, object]:
        """Everything else that scenes depend on besides the mixer's settings."""
        return {"events": "synthetic"}

    def event(self, split: str, label: str, rng: np.random.Generator) -> np.ndarray:
        """One event: float64 [samples] at 32 kHz."""
        del split  # parameters are drawn anew for every event, so splits share nothing
        return KINDS[label](rng)


def read_synthetic(out_dir: Path, clips: Mapping[str, int], clip_secs: float, seed: int) -> Source:
    """Mixes synthetic scenes into `out_dir` and reads them; existing scenes are kept.

    Args:
        out_dir: directory of the audio.
        clips: split -> number of scenes.
        clip_secs: length of a scene.
        seed: seed of the scenes; equal seeds give equal bytes.

    Raises:
        SourceError: `out_dir` contains scenes of other settings.
    """
    return mix(SyntheticEvents(), MixerConfig(clips, clip_secs, seed, RATE_HZ), out_dir)
