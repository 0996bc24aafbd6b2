"""Scenes whose events are recordings in the ESC-50 layout; splits are made of different folds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from aec_ofa_tf.audio.io.decode import DecodeError, decode
from aec_ofa_tf.files import fingerprint, read_json
from aec_ofa_tf.terminal import progress
from tfrecords.clip import SPLITS, Clip, Source, SourceError
from tfrecords.sources.esc50 import read_esc50
from tfrecords.sources.mixer import SETTINGS_NAME, MixerConfig, mix

_RATE_HZ = 32000
_EVENT_SECS = (0.8, 2.5)
# ESC-50 pads short recordings with silence; events are cut from the part above this level, in dB
# relative to the loudest window.
_ACTIVE_DB = -40.0
_WINDOW_SAMPLES = 1024


@dataclass(frozen=True)
class RecordedEvents:
    """An event bank of recordings; a split's scenes draw from that split's folds only.

    Attributes:
        labels: categories.
        recordings: (split, category) -> usable recordings.
        facts: what scenes depend on besides the mixer's settings.
    """

    labels: tuple[str, ...]
    recordings: Mapping[tuple[str, str], tuple[Clip, ...]]
    facts: Mapping[str, object]

    def event(self, split: str, label: str, rng: np.random.Generator) -> np.ndarray:
        """An excerpt of a random recording: float32 [samples] at 32 kHz."""
        recordings = self.recordings[split, label]
        waveform = _active_waveform(os.fspath(recordings[rng.integers(len(recordings))].path))
        samples = min(len(waveform), int(rng.uniform(*_EVENT_SECS) * _RATE_HZ))
        start = rng.integers(0, len(waveform) - samples + 1)
        return waveform[start : start + samples]


def read_scenes(
    esc50: Source, out_dir: Path, config: MixerConfig, max_bad_fraction: float = 0.1
) -> Source:
    """Mixes scenes of recorded events into `out_dir` and reads them; existing scenes are kept.

    Args:
        esc50: the recordings, as `esc50.read_esc50` returns them.
        out_dir: directory of the audio.
        config: number, length and seed of the scenes.
        max_bad_fraction: bound on the share of recordings that are silent or cannot be decoded.

    Raises:
        SourceError: too many recordings are unusable, a category has no usable recording in a
            split with scenes, or `out_dir` contains scenes of other settings.
    """
    splits = [split for split in SPLITS if config.clips.get(split)]
    wanted = [clip for clip in esc50.clips if clip.split in splits]
    identity = _fingerprint(wanted)
    unusable = _known_unusable(out_dir, identity)
    if unusable is None:
        unusable = _screen(wanted, max_bad_fraction)
    facts = {"events": identity, "unusable_recordings": unusable}
    recordings = _usable(esc50, splits, unusable)
    return mix(RecordedEvents(esc50.labels, recordings, facts), config, out_dir)


def _known_unusable(out_dir: Path, identity: str) -> dict[str, str] | None:
    """The unusable recordings as found by an earlier run on the same recordings, or None."""
    path = out_dir / SETTINGS_NAME
    settings = read_json(path) if path.is_file() else {}
    return settings["unusable_recordings"] if settings.get("events") == identity else None


def _screen(wanted: Sequence[Clip], max_bad_fraction: float) -> dict[str, str]:
    """Decodes all recordings; returns id -> reason of those that are unusable."""
    unusable: dict[str, str] = {}
    for clip in progress(wanted, desc="recordings", unit="file"):
        try:
            if decode(clip.path, _RATE_HZ).is_silent:
                unusable[clip.id] = "silence"
        except DecodeError as error:
            unusable[clip.id] = error.reason
    if len(unusable) > max_bad_fraction * len(wanted):
        raise SourceError(
            f"{len(unusable)} of {len(wanted)} recordings are unusable, more than "
            f"--max_bad_fraction={max_bad_fraction:g}: {dict(list(unusable.items())[:5])}"
        )
    return unusable


def _usable(
    esc50: Source, splits: Sequence[str], unusable: Mapping[str, str]
) -> dict[tuple[str, str], tuple[Clip, ...]]:
    recordings: dict[tuple[str, str], tuple[Clip, ...]] = {}
    for split in splits:
        clips = [clip for clip in esc50.split(split) if clip.id not in unusable]
        for label in esc50.labels:
            recordings[split, label] = tuple(clip for clip in clips if label in clip.labels)
            if not recordings[split, label]:
                raise SourceError(f"category {label!r} has no usable recording for {split} scenes")
    return recordings


def read_esc50_scenes(
    root: Path,
    folds: tuple[Sequence[int], Sequence[int]],
    out_dir: Path,
    config: MixerConfig,
    max_bad_fraction: float = 0.1,
) -> Source:
    """`read_scenes` from a folder in the ESC-50 layout.

    Args:
        root: folder with `meta/esc50.csv` and `audio/`.
        folds: folds of validation and of evaluation.
        out_dir: directory of the audio.
        config: number, length and seed of the scenes.
        max_bad_fraction: bound on the share of recordings that are silent or cannot be decoded.

    Raises:
        SourceError: as `esc50.read_esc50` and `read_scenes`.
    """
    return read_scenes(read_esc50(root, *folds), out_dir, config, max_bad_fraction)


def _fingerprint(recordings: list[Clip]) -> str:
    return fingerprint(
        sorted((clip.id, clip.split, clip.labels, clip.path.stat().st_size) for clip in recordings)
    )


@lru_cache(maxsize=256)
def _active_waveform(path: str) -> np.ndarray:
    waveform = decode(path, _RATE_HZ).waveform
    windows = waveform[: len(waveform) // _WINDOW_SAMPLES * _WINDOW_SAMPLES]
    power = np.square(windows.reshape(-1, _WINDOW_SAMPLES)).mean(axis=1)
    if not power.any():
        return waveform
    active = np.flatnonzero(power > power.max() * 10 ** (_ACTIVE_DB / 10))
    return waveform[active[0] * _WINDOW_SAMPLES : (active[-1] + 1) * _WINDOW_SAMPLES]
