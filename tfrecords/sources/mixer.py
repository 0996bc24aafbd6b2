"""Multi-label sound scenes: one to three overlapping events over a background, as audio files.

The mixer writes audio files, a clip list in the `csv` layout and a label list. These are then read
like any other recordings.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from aec_ofa_tf.files import (
    is_read_only,
    read_json,
    remove_partial,
    replacing,
    require_room,
    write_json,
)
from aec_ofa_tf.ownership import SCENES, owned
from aec_ofa_tf.terminal import progress
from tfrecords.clip import SPLITS, Source, SourceError
from tfrecords.sources.csv_list import COLUMNS, LABEL_SEPARATOR, read_csv

CLIP_LIST_NAME = "clips.csv"
LABELS_NAME = "labels.txt"
SETTINGS_NAME = "scenes.json"
_AUDIO = "audio"

_MAX_EVENTS = 3
# RMS levels in dB: background relative to full scale, event relative to the background.
_BACKGROUND_DB = (-55.0, -38.0)
_EVENT_OVER_BACKGROUND_DB = (8.0, 30.0)
# The background's power is 1 / frequency ** exponent: from white to a little steeper than pink.
_BACKGROUND_TILT = (0.0, 1.5)
_FADE_SECS = 0.01
_PEAK_LIMIT = 0.98
_FLAC_BYTES = 1.0
"""Per sample of a scene, at least: its noise compresses to little more."""


class EventBank(Protocol):
    """The source of a mixer's events."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Kinds of events, in the order of the classes."""

    @property
    def facts(self) -> Mapping[str, object]:
        """Everything else that scenes depend on besides the mixer's settings, as JSON values."""

    def event(self, split: str, label: str, rng: np.random.Generator) -> np.ndarray:
        """One event, float32 [samples], of any level and length."""


@dataclass(frozen=True)
class MixerConfig:
    """Number, length and seed of the scenes.

    Attributes:
        clips: split -> number of scenes.
        clip_secs: length of a scene.
        seed: seed of everything that is random.
        sample_rate_hz: sample rate of the files.
    """

    clips: Mapping[str, int]
    clip_secs: float
    seed: int = 0
    sample_rate_hz: int = 32000

    @property
    def clip_samples(self) -> int:
        """Samples of a scene."""
        return round(self.clip_secs * self.sample_rate_hz)


@dataclass(frozen=True)
class _Scene:
    """A scene before it is mixed: split, path, labels, and the generator for everything else."""

    split: str
    path: str
    labels: tuple[str, ...]
    rng: np.random.Generator


def mix(bank: EventBank, config: MixerConfig, out_dir: Path) -> Source:
    """Writes the scenes that do not exist yet, and reads all of them as a `csv` source.

    Every scene has a generator of its own, seeded by (seed, split, number): equal seeds give
    equal bytes, whichever scenes were written before.

    Args:
        bank: the events.
        config: number, length and seed of the scenes.
        out_dir: directory of `clips.csv`, `labels.txt` and the audio.

    Raises:
        SourceError: `out_dir` contains scenes of other settings.
        ForeignFolderError: `out_dir` holds files of somebody else.
        BusyError: another job writes to the directory.
        OSError: the disk has too little room.
    """
    with owned(out_dir, SCENES):
        remove_partial(out_dir, (CLIP_LIST_NAME, LABELS_NAME, SETTINGS_NAME))
        _check_settings(out_dir, {**asdict(config), **bank.facts, "labels": list(bank.labels)})
        scenes = list(_scenes(bank.labels, config))
        remove_partial(out_dir / _AUDIO, (Path(scene.path).name for scene in scenes))
        missing = [scene for scene in scenes if not (out_dir / scene.path).is_file()]
        room = round(_FLAC_BYTES * config.clip_samples * len(missing))
        require_room(out_dir, room, "scenes")
        bar = progress(missing, desc="mix", unit="scene")
        for scene in bar:
            _write_audio(out_dir / scene.path, _waveform(scene, bank, config), config)
        if not is_read_only(out_dir):
            _write_lists(out_dir, bank.labels, scenes)
    source = read_csv(out_dir / CLIP_LIST_NAME, out_dir / LABELS_NAME)
    return Source(source.labels, source.clips, source.missing, {**source.facts, **bank.facts})


def _check_settings(out_dir: Path, settings: dict[str, object]) -> None:
    path = out_dir / SETTINGS_NAME
    if not path.is_file():
        write_json(path, settings)
        return
    found = read_json(path)
    for key in sorted(settings.keys() | found.keys()):
        if settings.get(key) != found.get(key):
            raise SourceError(
                f"{out_dir} contains scenes with {key} {found.get(key)!r}, not "
                f"{settings.get(key)!r}; use another directory"
            )


def _scenes(labels: tuple[str, ...], config: MixerConfig) -> Iterator[_Scene]:
    for split_number, split in enumerate(SPLITS):
        for number in range(config.clips.get(split, 0)):
            rng = np.random.default_rng([config.seed, split_number, number])
            count = rng.integers(1, min(_MAX_EVENTS, len(labels)) + 1)
            chosen = rng.choice(len(labels), count, replace=False)
            names = tuple(labels[index] for index in sorted(chosen))
            yield _Scene(split, f"{_AUDIO}/{split}-{number:06d}.flac", names, rng)


def _waveform(scene: _Scene, bank: EventBank, config: MixerConfig) -> np.ndarray:
    rng = scene.rng
    background_rms = _gain(rng.uniform(*_BACKGROUND_DB))
    mixture = background_rms * tilted_noise(
        config.clip_samples, rng.uniform(*_BACKGROUND_TILT), rng
    )
    for label in scene.labels:
        event = bank.event(scene.split, label, rng)[: config.clip_samples]
        event = event * _fades(len(event), config.sample_rate_hz)
        level = background_rms * _gain(rng.uniform(*_EVENT_OVER_BACKGROUND_DB))
        event *= level / max(_rms(event), 1e-9)
        # At least half of an event lies within the scene, so that its label is justified.
        onset = rng.integers(0, config.clip_samples - len(event) // 2)
        audible = event[: config.clip_samples - onset]
        mixture[onset : onset + len(audible)] += audible
    return mixture * min(1.0, _PEAK_LIMIT / float(np.abs(mixture).max()))


def tilted_noise(samples: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of RMS 1 with a power of 1 / frequency ** exponent: float64 [samples]."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-exponent / 2)
    noise = np.fft.irfft(spectrum, samples)
    return noise / _rms(noise)


def _write_audio(path: Path, waveform: np.ndarray, config: MixerConfig) -> None:
    with replacing(path) as temporary:
        try:
            soundfile.write(
                os.fspath(temporary), waveform, config.sample_rate_hz, "PCM_16", format="FLAC"
            )
        except soundfile.LibsndfileError as error:  # gives no reason when a disk is full
            raise OSError(
                f"the scene {path} could not be written ({error}): make room on its disk, and run "
                "the same command again, which goes on with the scenes that are missing"
            ) from error


def _write_lists(out_dir: Path, labels: tuple[str, ...], scenes: list[_Scene]) -> None:
    with (
        replacing(out_dir / LABELS_NAME) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([label] for label in labels)
    with (
        replacing(out_dir / CLIP_LIST_NAME) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((s.path, LABEL_SEPARATOR.join(s.labels), s.split) for s in scenes)


def _fades(samples: int, rate_hz: int) -> np.ndarray:
    ramp = np.arange(samples) / (_FADE_SECS * rate_hz)
    return np.minimum(1.0, np.minimum(ramp, ramp[::-1]))


def _gain(level_db: float) -> float:
    return 10.0 ** (level_db / 20.0)


def _rms(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform))))
