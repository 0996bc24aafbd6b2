r"""Speech-like sounds: ten words by several speakers, a folder per word, like spoken digits.

python -m pipelines.benchmarks.spoken_words OUT [SPEAKERS TAKES SEED]

A word is a row of sounds with formants (Peterson and Barney 1952, rounded) or noise; a speaker has
a pitch, a length of the vocal tract, an accent, a pace, a voice and a microphone in a noisy room.
Speakers can be held out:
--dataset=folder --source_pattern='(?P<take>(?P<speaker>[a-z0-9]+)_.*)' --group_by=speaker
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 8000
_HOP = 40
"""Samples between the values of a contour: 5 ms."""
_SPEECH_LEVEL = 0.2
_ACCENT = 0.15
"""Spread of the logarithm of a sound's formants between speakers."""

_VOWELS = {
    **{"iy": (270, 2290, 3010), "ih": (390, 1990, 2550), "eh": (530, 1840, 2480)},
    **{"ah": (640, 1190, 2390), "ao": (570, 840, 2410), "uw": (300, 870, 2240)},
    **{"ow": (450, 900, 2350), "aa": (730, 1090, 2440), "n": (280, 1500, 2500)},
    **{"r": (420, 1250, 1600), "w": (300, 650, 2200), "v": (300, 1100, 2300)},
}
"""Sounds with a voice: three formants in Hz."""
_NOISES = {
    "s": (3500, 900),
    "z": (3300, 900),
    "f": (2200, 2600),
    "th": (2800, 2200),
    "t": (3000, 1500),
    "k": (1800, 900),
}
"""Sounds of noise: centre and width of their band in Hz."""
_QUIET = {
    "n": 0.5,
    "v": 0.3,
    "w": 0.6,
    "f": 0.12,
    "th": 0.12,
    "s": 0.3,
    "z": 0.3,
    "t": 0.5,
    "k": 0.4,
}
"""Level of a sound relative to vowels."""

WORDS = {
    "zero": "z ih r ow",
    "one": "w ah n",
    "two": "t uw",
    "three": "th r iy",
    "four": "f ao r",
    "five": "f aa iy v",
    "six": "s ih _ k s",
    "seven": "s eh v ah n",
    "eight": "eh iy _ t",
    "nine": "n aa iy n",
}
_SHORT = {"t": 0.4, "k": 0.4, "_": 0.5, "w": 0.6, "r": 0.7, "v": 0.6}
"""Length of a sound relative to others."""


@dataclass(frozen=True)
class Speaker:
    """A voice and its microphone.

    Attributes:
        pitch_hz: the mean pitch.
        formants: factors of the three formants.
        accent: the same for single sounds.
        pace: factor of lengths.
        tilt_db: fall of the spectrum per octave above 500 Hz.
        breath: share of noise in vowels.
        colour_db: gain of the microphone at 5 frequencies up to half the sample rate.
        floor: level of the room's noise.
    """

    pitch_hz: float
    formants: np.ndarray
    accent: Mapping[str, np.ndarray]
    pace: float
    tilt_db: float
    breath: float
    colour_db: np.ndarray
    floor: float

    @classmethod
    def drawn(cls, generator: np.random.Generator) -> Speaker:
        """A random speaker: the longer the vocal tract, the lower is the pitch as a rule."""
        size = generator.uniform(-1.0, 1.0)
        return cls(
            pitch_hz=150.0 * np.exp(0.45 * size + generator.normal(0.0, 0.1)),
            formants=np.exp(0.17 * size + generator.normal(0.0, 0.05, 3)),
            accent={sound: np.exp(generator.normal(0.0, _ACCENT, 3)) for sound in _VOWELS},
            pace=np.exp(generator.normal(0.0, 0.2)),
            tilt_db=generator.uniform(3.0, 12.0),
            breath=generator.uniform(0.02, 0.4),
            colour_db=generator.uniform(-10.0, 10.0, 5),
            floor=10.0 ** generator.uniform(-3.0, -1.5),
        )

    def say(self, word: str, generator: np.random.Generator) -> np.ndarray:
        """One take of a word, float64 [samples], with silence of random length around it."""
        bands, voiced, levels = self._contours(WORDS[word].split(), generator)
        frames = len(levels)
        pitch = self.pitch_hz * np.exp(generator.normal(0.0, 0.08))
        pitch *= np.linspace(1.1, 0.85, frames) * np.exp(generator.normal(0.0, 0.01, frames))
        voice = self._voice(pitch, bands, voiced * levels)
        noise = _noise(bands, np.maximum(1.0 - voiced, self.breath) * levels, generator)
        sound = self._coloured(voice + noise)
        sound *= _SPEECH_LEVEL * 10.0 ** generator.uniform(-0.6, 0.2) / np.abs(sound).max()
        silence = generator.integers(RATE_HZ // 50, RATE_HZ // 6, 2)
        sound = np.pad(sound, tuple(silence))
        return np.clip(sound + self.floor * generator.normal(size=len(sound)), -1.0, 1.0)

    def _contours(
        self, sounds: list[str], generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bands [frames, 3, centre and width in Hz], share of voice and level, both [frames]."""
        drift = np.exp(generator.normal(0.0, 0.04, 3))
        rows = []
        for sound in sounds:
            secs = 0.11 * self.pace * _SHORT.get(sound, 1.0) * np.exp(generator.normal(0.0, 0.2))
            row = (self._bands(sound, drift), float(sound in _VOWELS), _QUIET.get(sound, 1.0))
            row = (*row[:2], 0.0) if sound == "_" else row
            rows += [row] * max(3, round(secs * RATE_HZ / _HOP))
        bands, voiced, levels = (np.array(column, float) for column in zip(*rows, strict=True))
        return _smooth(bands, 9), _smooth(voiced, 3), _smooth(levels, 5)

    def _bands(self, sound: str, drift: np.ndarray) -> np.ndarray:
        if sound in _VOWELS:
            centres = np.array(_VOWELS[sound]) * self.formants * self.accent[sound] * drift
            return np.stack([centres, 60.0 + 0.04 * centres], axis=1)
        centre, width = _NOISES.get(sound, (1500, 1500))
        return np.array([[centre * self.formants[2] ** 0.5, width]] * 3)

    def _voice(self, pitch: np.ndarray, bands: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Harmonics of the pitch, as loud as the formants make them."""
        count = int(RATE_HZ / 2 / pitch.min())
        hertz = pitch[:, None] * np.arange(1, count + 1)
        tilt = 10.0 ** (-self.tilt_db * np.log2(np.maximum(hertz, 500.0) / 500.0) / 20.0)
        loud = _resonance(hertz, bands) * tilt * levels[:, None] * (hertz < 0.48 * RATE_HZ)
        times = np.arange(len(pitch) * _HOP) / _HOP
        phase = 2.0 * np.pi * np.cumsum(np.interp(times, np.arange(len(pitch)), pitch)) / RATE_HZ
        waves = (
            np.interp(times, np.arange(len(pitch)), loud[:, number]) * np.sin((number + 1) * phase)
            for number in range(count)
        )
        return np.sum(list(waves), axis=0)

    def _coloured(self, sound: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(sound)
        places = np.linspace(0, 4, len(spectrum))
        gain = 10.0 ** (np.interp(places, np.arange(5), self.colour_db) / 20.0)
        return np.fft.irfft(spectrum * gain, len(sound))


def _noise(bands: np.ndarray, levels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise in the bands, by overlapping frames of two hops."""
    size = 4 * _HOP
    hertz = np.fft.rfftfreq(size, 1.0 / RATE_HZ)
    window, sound = np.hanning(size), np.zeros(len(levels) * _HOP + size)
    shapes = _resonance(np.broadcast_to(hertz, (len(levels), len(hertz))), bands)
    for number, (shape, level) in enumerate(zip(shapes, levels, strict=True)):
        frame = np.fft.rfft(generator.normal(size=size)) * shape
        sound[number * _HOP : number * _HOP + size] += level * window * np.fft.irfft(frame, size)
    return sound[size // 2 : size // 2 + len(levels) * _HOP]


def _resonance(hertz: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Sum of three resonances at frequencies [frames, n]; bands as of `_contours`."""
    centre, width = bands[:, :, None, 0], bands[:, :, None, 1]
    return (1.0 / (1.0 + np.square((hertz[:, None] - centre) / width))).sum(axis=1)


def _smooth(values: np.ndarray, frames: int) -> np.ndarray:
    """Means over neighbouring frames, the first and last repeated."""
    half = frames // 2
    padded = np.concatenate([[values[0]] * half, values, [values[-1]] * half])
    return np.stack([padded[n : n + len(values)] for n in range(2 * half + 1)]).mean(axis=0)


def write_words(folder: Path, speakers: int = 6, takes: int = 50, seed: int = 0) -> None:
    """Writes `WORD/sNUMBER_TAKE.wav`: takes of every word by every speaker."""
    for number in range(speakers):
        generator = np.random.default_rng([seed, number])
        speaker = Speaker.drawn(generator)
        for word in WORDS:
            (folder / word).mkdir(parents=True, exist_ok=True)
            for take in range(takes):
                path = folder / word / f"s{number}_{take}.wav"
                soundfile.write(path, speaker.say(word, generator), RATE_HZ)


if __name__ == "__main__":
    out, *sizes = sys.argv[1:]
    write_words(Path(out), *map(int, sizes))
